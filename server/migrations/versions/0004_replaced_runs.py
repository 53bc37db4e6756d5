"""Numbers of runs in whose place another one was made, because redaction was tightened"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "replaced_run",
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_replaced_run_agent_id")),
        sa.ForeignKeyConstraint(["run_id"], ["receipt.id"], name=op.f("fk_replaced_run_run_id")),
        sa.PrimaryKeyConstraint("agent_id", "sequence", "run_id", name=op.f("pk_replaced_run")),
    )


def downgrade() -> None:
    op.drop_table("replaced_run")
