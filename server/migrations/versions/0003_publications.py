"""What the collector publishes for sites, and who has taken what of it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import server.tables.base

revision = "0003"
down_revision = "0002"

EVERYONE = "site_id IS NULL AND customer_id IS NULL"


def upgrade() -> None:
    op.create_table(
        "publication",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=True),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("withdraws", sa.Integer(), nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", server.tables.base.Micros(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('profile', 'schedule', 'waiver', 'withdrawal', 'signing-key')",
            name=op.f("ck_publication_kind"),
        ),
        sa.CheckConstraint("site_id IS NULL OR customer_id IS NULL", name=op.f("ck_publication_audience")),
        sa.CheckConstraint(
            "(kind = 'withdrawal') = (withdraws IS NOT NULL)", name=op.f("ck_publication_withdrawal")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_publication_site_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_publication_customer_id")),
        sa.ForeignKeyConstraint(["withdraws"], ["publication.id"], name=op.f("fk_publication_withdraws")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publication")),
        sa.UniqueConstraint("version", name=op.f("uq_publication_version")),
        sa.UniqueConstraint("withdraws", name=op.f("uq_publication_withdraws")),
    )
    op.create_index("ix_publication_site", "publication", ["site_id", "version"])
    op.create_index("ix_publication_customer", "publication", ["customer_id", "version"])
    op.create_index(
        "ix_publication_everyone",
        "publication",
        ["version"],
        postgresql_where=sa.text(EVERYONE),
        sqlite_where=sa.text(EVERYONE),
    )
    op.create_index("ix_publication_name", "publication", ["kind", "name"])
    op.create_table(
        "agent_rules",
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("sign_key", sa.LargeBinary(), nullable=False),
        sa.Column("fetched_at", server.tables.base.Micros(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_agent_rules_agent_id")),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_agent_rules")),
    )


def downgrade() -> None:
    op.drop_table("agent_rules")
    for index in (
        "ix_publication_name",
        "ix_publication_everyone",
        "ix_publication_customer",
        "ix_publication_site",
    ):
        op.drop_index(index, table_name="publication")
    op.drop_table("publication")
