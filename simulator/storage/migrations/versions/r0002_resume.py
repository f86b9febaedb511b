"""What a run needs to be resumed and its replies to be found again.

Nothing is copied: columns are added with a default, and what must be unique is an index.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_QUESTION = ["arm_id", "round", "agent", "page", "kind", "attempt"]


def upgrade() -> None:
    """Content address and cost of calls; identity and time of runs."""
    for name, kind, default in (
        ("key", sa.Text(), ""),
        ("tokens_cached", sa.Integer(), "0"),
        ("assumed_tokens", sa.Integer(), "0"),
        ("assumed_usd", sa.Float(), "0"),
    ):
        op.add_column("calls", sa.Column(name, kind, server_default=default, nullable=False))
    for name, kind, default in (("spent_seconds", sa.Float(), "0"), ("identity", sa.Text(), "")):
        op.add_column("runs", sa.Column(name, kind, server_default=default, nullable=False))
    op.drop_index("ix_calls_arm_id_round_agent_page", "calls")
    op.create_index(f"ix_calls_{'_'.join(_QUESTION)}", "calls", _QUESTION, unique=True)
    used = sa.text("key <> ''")
    op.create_index("ix_calls_key", "calls", ["key"], sqlite_where=used, postgresql_where=used)


def downgrade() -> None:
    """Drop what was added."""
    op.drop_index("ix_calls_key", "calls")
    op.drop_index(f"ix_calls_{'_'.join(_QUESTION)}", "calls")
    op.create_index(
        "ix_calls_arm_id_round_agent_page", "calls", ["arm_id", "round", "agent", "page"]
    )
    for table, names in (
        ("runs", ("spent_seconds", "identity")),
        ("calls", ("key", "tokens_cached", "assumed_tokens", "assumed_usd")),
    ):
        for name in names:
            op.drop_column(table, name)
