"""Calls by which users' tastes are written: they belong to no run."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table beside ``calls``, found by content address."""
    op.create_table(
        "profile_calls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("agent", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("prompt_hash", sa.Text(), nullable=False),
        sa.Column("messages", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("tokens_in", sa.Integer(), nullable=False),
        sa.Column("tokens_out", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Float()),
        sa.Column("latency", sa.Float()),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("tokens_cached", sa.Integer(), nullable=False),
        sa.Column("assumed_tokens", sa.Integer(), nullable=False),
        sa.Column("assumed_usd", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_profile_calls"),
    )
    op.create_index("ix_profile_calls_key", "profile_calls", ["key"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_profile_calls_key", "profile_calls")
    op.drop_table("profile_calls")
