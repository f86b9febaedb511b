"""Runs that belong together, and in which order an audience comes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Families; a run's place in one; an agent's order of coming, and how popular its taste is."""
    op.create_table(
        "families",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("scenario", sa.JSON(), nullable=False),
        sa.Column("scenario_file", sa.Text(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_families"),
    )
    op.add_column("runs", sa.Column("family", sa.String(255)))
    for name in ("world", "replicate"):
        op.add_column("runs", sa.Column(name, sa.Integer(), server_default="1", nullable=False))
    op.add_column("agents", sa.Column("arrival", sa.Integer(), server_default="0", nullable=False))
    op.add_column("agents", sa.Column("taste_popularity", sa.Float()))


def downgrade() -> None:
    """Drop what was added."""
    for name in ("taste_popularity", "arrival"):
        op.drop_column("agents", name)
    for name in ("replicate", "world", "family"):
        op.drop_column("runs", name)
    op.drop_table("families")
