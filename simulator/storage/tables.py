"""Every table of a store, once.

Rows of one page are written together, in order of agent, page after page. Keys therefore
begin (arm, round, page, agent): on SQLite the big tables are one B-tree each (WITHOUT
ROWID), grown at its end only; with the agent before the page the same insert costs half
as much again. One agent's rows are found through its last page number, see ``queries``.

A boolean or a float is NULL where there is nothing to say: a failed answer, an item not
rated, a truth that the data set does not hold.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

KEYED = sa.text("key <> ''")
"""Stands in the index of keys; a query must repeat it for the index to be used."""


def _arm_round() -> tuple[sa.Column[int], sa.Column[int]]:
    """The first part of the key of everything that happens in an arm."""
    return (
        sa.Column("arm_id", sa.Integer, sa.ForeignKey("arms.id"), primary_key=True),
        sa.Column("round", sa.Integer, primary_key=True, autoincrement=False),
    )


def _run() -> sa.Column[int]:
    return sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), primary_key=True)


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("scenario", sa.JSON, nullable=False),  # as resolved: every default filled in
    sa.Column("scenario_file", sa.Text, nullable=False),
    sa.Column("versions", sa.JSON, nullable=False),
    sa.Column("dataset", sa.JSON, nullable=False),  # name, users, items, rating_scale, ...
    sa.Column("schema_version", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),  # ISO 8601, UTC
    sa.Column("finished_at", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("spent_seconds", sa.Float, nullable=False, server_default="0"),  # of all stints
    sa.Column("identity", sa.Text, nullable=False, server_default=""),  # what a resume compares
    sa.Column("family", sa.String(255)),  # the family it is a member of
    sa.Column("world", sa.Integer, nullable=False, server_default="1"),  # 1.. in its family
    sa.Column("replicate", sa.Integer, nullable=False, server_default="1"),  # 1.. in its world
)

families = sa.Table(
    "families",  # runs that belong together: a scenario in several worlds or replicates
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("scenario", sa.JSON, nullable=False),  # as resolved, of the whole family
    sa.Column("scenario_file", sa.Text, nullable=False),
    sa.Column("versions", sa.JSON, nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),  # ISO 8601, UTC
)

items = sa.Table(
    "items",
    metadata,
    _run(),
    _key("item"),
    sa.Column("item_id", sa.Text, nullable=False),  # the source's own id
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("genres", sa.JSON, nullable=False),
    sa.Column("year", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("shown_rating", sa.Float),
    sa.Column("popularity", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

agents = sa.Table(
    "agents",
    metadata,
    _run(),
    _key("agent"),
    sa.Column("user_id", sa.Text, nullable=False),  # the source's own id
    sa.Column("activity", sa.Integer, nullable=False),
    sa.Column("diversity", sa.Integer, nullable=False),
    sa.Column("conformity", sa.Integer, nullable=False),
    sa.Column("activity_value", sa.Float),
    sa.Column("diversity_value", sa.Float),
    sa.Column("conformity_value", sa.Float),
    sa.Column("tastes", sa.JSON, nullable=False),
    sa.Column("persona", sa.Text, nullable=False),
    # 1.. in the seeded order in which agents come; 0 where it is not known
    sa.Column("arrival", sa.Integer, nullable=False, server_default="0"),
    sa.Column("taste_popularity", sa.Float),  # mean popularity of what the agent rated
    sqlite_with_rowid=False,
)

arms = sa.Table(
    "arms",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("recommender", sa.Text, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("is_control", sa.Boolean, nullable=False),
    sa.Column("fit_report", sa.JSON, nullable=False),
    sa.Column("train_seconds", sa.Float),
    sa.Column("simulate_seconds", sa.Float),
    sa.UniqueConstraint("run_id", "name"),
    sa.UniqueConstraint("run_id", "position"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    *_arm_round(),
    _key("agent"),
    sa.Column("exit_page", sa.Integer, nullable=False),
    sa.Column("shown", sa.Integer, nullable=False),
    sa.Column("watched", sa.Integer, nullable=False),
    sa.Column("liked", sa.Integer, nullable=False),
    sa.Column("exit_reason", sa.Text),
    sa.Column(
        "censored", sa.Boolean, nullable=False
    ),  # stopped by the page limit, not by the agent
    sa.Column("outcome", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

pages = sa.Table(
    "pages",
    metadata,
    *_arm_round(),
    _key("page"),
    _key("agent"),
    sa.Column("satisfaction", sa.Float),
    sa.Column("fatigue", sa.Float),
    sa.Column("leave", sa.Boolean),
    sa.Column("reason", sa.Text),
    sa.Column("feeling", sa.Text),
    sa.Column("outcome", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

exposures = sa.Table(
    "exposures",
    metadata,
    *_arm_round(),
    _key("page"),
    _key("agent"),
    _key("slot"),  # 1.. from the top, as shown
    sa.Column("rank", sa.Integer, nullable=False),  # 1.. in the recommender's list
    sa.Column("item", sa.Integer, nullable=False),
    sa.Column("relevant", sa.Boolean),  # in the held-out truth
    sa.Column("utility", sa.Float),  # a synthetic world's hidden truth
    sa.Column("interest", sa.Float),
    sa.Column("aligned", sa.Boolean),
    sa.Column("watched", sa.Boolean),
    sa.Column("rating", sa.Float),
    sa.Column("reason", sa.Text),
    sa.Column("feeling", sa.Text),
    sqlite_with_rowid=False,
)

interviews = sa.Table(
    "interviews",
    metadata,
    *_arm_round(),
    _key("agent"),
    sa.Column("satisfaction", sa.Float),
    sa.Column("return_intent", sa.Float),
    sa.Column("reason", sa.Text),
    sa.Column("outcome", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

memories = sa.Table(
    "memories",
    metadata,
    *_arm_round(),
    _key("page"),
    _key("agent"),
    _key("position"),  # 1.. among what the agent noted at this page
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("importance", sa.Float),
    sqlite_with_rowid=False,
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("arm_id", sa.Integer, sa.ForeignKey("arms.id"), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("agent", sa.Integer, nullable=False),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("prompt_hash", sa.Text, nullable=False),
    sa.Column("messages", sa.Text, nullable=False),
    sa.Column("reply", sa.Text, nullable=False),
    sa.Column("tokens_in", sa.Integer, nullable=False),
    sa.Column("tokens_out", sa.Integer, nullable=False),
    sa.Column("cost_usd", sa.Float),
    sa.Column("latency", sa.Float),
    sa.Column("cached", sa.Boolean, nullable=False),
    sa.Column("key", sa.Text, nullable=False, server_default=""),  # of the question
    sa.Column("tokens_cached", sa.Integer, nullable=False, server_default="0"),
    sa.Column("assumed_tokens", sa.Integer, nullable=False, server_default="0"),
    sa.Column("assumed_usd", sa.Float, nullable=False, server_default="0"),
    sa.Index(None, "arm_id", "round", "agent", "page", "kind", "attempt", unique=True),
    sa.Index(None, "key", sqlite_where=KEYED, postgresql_where=KEYED),
)

profile_calls = sa.Table(
    "profile_calls",  # by which tastes are written; they belong to no run
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("agent", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("prompt_hash", sa.Text, nullable=False),
    sa.Column("messages", sa.Text, nullable=False),
    sa.Column("reply", sa.Text, nullable=False),
    sa.Column("tokens_in", sa.Integer, nullable=False),
    sa.Column("tokens_out", sa.Integer, nullable=False),
    sa.Column("cost_usd", sa.Float),
    sa.Column("latency", sa.Float),
    sa.Column("key", sa.Text, nullable=False),  # of the question
    sa.Column("tokens_cached", sa.Integer, nullable=False),
    sa.Column("assumed_tokens", sa.Integer, nullable=False),
    sa.Column("assumed_usd", sa.Float, nullable=False),
    sa.Index(None, "key"),
)

texts = sa.Table(
    "texts",  # profiles that recommenders of the run read, where a chat model wrote them
    metadata,
    sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("about", sa.String(8), primary_key=True),  # item or user
    _key("number"),
    sa.Column("text", sa.Text, nullable=False),  # "" where the model knew nothing to say
    sqlite_with_rowid=False,
)

embeddings = sa.Table(
    "embeddings",  # of texts, by model and text; they belong to no run
    metadata,
    sa.Column("model", sa.String(64), primary_key=True),  # SHA-256 of its name and settings
    sa.Column("text", sa.String(64), primary_key=True),  # SHA-256
    sa.Column("dimensions", sa.Integer, nullable=False),
    sa.Column("vector", sa.LargeBinary, nullable=False),  # float32, little-endian
    sqlite_with_rowid=False,
)

offline = sa.Table(
    "offline",
    metadata,
    *_arm_round(),
    sa.Column("metric", sa.String(255), primary_key=True),
    sa.Column("mean", sa.Float),
    sa.Column("low", sa.Float),
    sa.Column("high", sa.Float),
    sa.Column("n", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

steps = sa.Table(
    "steps",
    metadata,
    *_arm_round(),
    _key("step"),
    sa.Column("active", sa.Integer, nullable=False),
    sa.Column("exits", sa.Integer, nullable=False),
    sa.Column("watch_rate", sa.Float),
    sa.Column("satisfaction", sa.Float),
    sqlite_with_rowid=False,
)

notes = sa.Table(
    "notes",  # of people, about pages
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("arm_id", sa.Integer, sa.ForeignKey("arms.id"), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("agent", sa.Integer, nullable=False),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("written_at", sa.Text, nullable=False),  # ISO 8601, UTC
    sa.Index(None, "arm_id", "agent"),
)
