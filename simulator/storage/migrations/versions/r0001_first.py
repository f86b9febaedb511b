"""The first tables: runs, items, agents, arms and everything that happens in an arm."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table in the order of its foreign keys."""
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("scenario", sa.JSON(), nullable=False),
        sa.Column("scenario_file", sa.Text(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("dataset", sa.JSON(), nullable=False),
        sa.Column("schema_version", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("name", name="uq_runs_name"),
    )
    op.create_table(
        "agents",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("agent", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("activity", sa.Integer(), nullable=False),
        sa.Column("diversity", sa.Integer(), nullable=False),
        sa.Column("conformity", sa.Integer(), nullable=False),
        sa.Column("activity_value", sa.Float(), nullable=True),
        sa.Column("diversity_value", sa.Float(), nullable=True),
        sa.Column("conformity_value", sa.Float(), nullable=True),
        sa.Column("tastes", sa.JSON(), nullable=False),
        sa.Column("persona", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_agents_run_id"),
        sa.PrimaryKeyConstraint("run_id", "agent", name="pk_agents"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "arms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("recommender", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("is_control", sa.Boolean(), nullable=False),
        sa.Column("fit_report", sa.JSON(), nullable=False),
        sa.Column("train_seconds", sa.Float(), nullable=True),
        sa.Column("simulate_seconds", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_arms"),
        sa.UniqueConstraint("run_id", "name", name="uq_arms_run_id_name"),
        sa.UniqueConstraint("run_id", "position", name="uq_arms_run_id_position"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_arms_run_id"),
    )
    op.create_table(
        "items",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("item", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("genres", sa.JSON(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("shown_rating", sa.Float(), nullable=True),
        sa.Column("popularity", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_items_run_id"),
        sa.PrimaryKeyConstraint("run_id", "item", name="pk_items"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("arm_id", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("agent", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("prompt_hash", sa.Text(), nullable=False),
        sa.Column("messages", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("tokens_in", sa.Integer(), nullable=False),
        sa.Column("tokens_out", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Float(), nullable=True),
        sa.Column("latency", sa.Float(), nullable=True),
        sa.Column("cached", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["arm_id"], ["arms.id"], name="fk_calls_arm_id"),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
    )
    op.create_index(
        "ix_calls_arm_id_round_agent_page",
        "calls",
        ["arm_id", "round", "agent", "page"],
        unique=False,
    )
    op.create_table(
        "exposures",
        sa.Column("arm_id", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("page", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("agent", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("relevant", sa.Boolean(), nullable=True),
        sa.Column("utility", sa.Float(), nullable=True),
        sa.Column("interest", sa.Float(), nullable=True),
        sa.Column("aligned", sa.Boolean(), nullable=True),
        sa.Column("watched", sa.Boolean(), nullable=True),
        sa.Column("rating", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("feeling", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["arm_id"], ["arms.id"], name="fk_exposures_arm_id"),
        sa.PrimaryKeyConstraint("arm_id", "round", "page", "agent", "slot", name="pk_exposures"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "interviews",
        sa.Column("arm_id", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("agent", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("satisfaction", sa.Float(), nullable=True),
        sa.Column("return_intent", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["arm_id"], ["arms.id"], name="fk_interviews_arm_id"),
        sa.PrimaryKeyConstraint("arm_id", "round", "agent", name="pk_interviews"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "memories",
        sa.Column("arm_id", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("page", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("agent", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("importance", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["arm_id"], ["arms.id"], name="fk_memories_arm_id"),
        sa.PrimaryKeyConstraint("arm_id", "round", "page", "agent", "position", name="pk_memories"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "offline",
        sa.Column("arm_id", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("metric", sa.String(255), nullable=False),
        sa.Column("mean", sa.Float(), nullable=True),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["arm_id"], ["arms.id"], name="fk_offline_arm_id"),
        sa.PrimaryKeyConstraint("arm_id", "round", "metric", name="pk_offline"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pages",
        sa.Column("arm_id", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("page", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("agent", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("satisfaction", sa.Float(), nullable=True),
        sa.Column("fatigue", sa.Float(), nullable=True),
        sa.Column("leave", sa.Boolean(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("feeling", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["arm_id"], ["arms.id"], name="fk_pages_arm_id"),
        sa.PrimaryKeyConstraint("arm_id", "round", "page", "agent", name="pk_pages"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sessions",
        sa.Column("arm_id", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("agent", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("exit_page", sa.Integer(), nullable=False),
        sa.Column("shown", sa.Integer(), nullable=False),
        sa.Column("watched", sa.Integer(), nullable=False),
        sa.Column("liked", sa.Integer(), nullable=False),
        sa.Column("exit_reason", sa.Text(), nullable=True),
        sa.Column("censored", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["arm_id"], ["arms.id"], name="fk_sessions_arm_id"),
        sa.PrimaryKeyConstraint("arm_id", "round", "agent", name="pk_sessions"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "steps",
        sa.Column("arm_id", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("active", sa.Integer(), nullable=False),
        sa.Column("exits", sa.Integer(), nullable=False),
        sa.Column("watch_rate", sa.Float(), nullable=True),
        sa.Column("satisfaction", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["arm_id"], ["arms.id"], name="fk_steps_arm_id"),
        sa.PrimaryKeyConstraint("arm_id", "round", "step", name="pk_steps"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop every table, the dependent ones first."""
    for table in (
        "steps",
        "sessions",
        "pages",
        "offline",
        "memories",
        "interviews",
        "exposures",
        "calls",
        "items",
        "arms",
        "agents",
        "runs",
    ):
        op.drop_table(table)
