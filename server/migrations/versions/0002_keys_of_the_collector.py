"""Keys of the collector: what it signs with, and what is sealed for it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import server.tables.base

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "server_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("private", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", server.tables.base.Micros(), nullable=False),
        sa.Column("retired_at", server.tables.base.Micros(), nullable=True),
        sa.CheckConstraint("purpose IN ('sign', 'seal')", name=op.f("ck_server_key_purpose")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_key")),
        sa.UniqueConstraint("public", name=op.f("uq_server_key_public")),
    )


def downgrade() -> None:
    op.drop_table("server_key")
