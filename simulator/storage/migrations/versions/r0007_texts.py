"""Profiles that a chat model wrote for the recommenders of a run."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """By run, and by item or user."""
    op.create_table(
        "texts",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("about", sa.String(8), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_texts_run_id_runs"),
        sa.PrimaryKeyConstraint("run_id", "about", "number", name="pk_texts"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("texts")
