"""Runs, calls, approvals, decisions, reviewers and the audit log."""

from importlib.resources import files
from typing import Any

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make everything; the text is in `migrations/sql/0001_start.sql`."""
    text = files("interlock.engine.migrations").joinpath("sql", "0001_start.sql").read_text("utf-8")
    # past SQLAlchemy: many statements, and % as itself
    driver: Any = op.get_bind().connection.driver_connection
    driver.execute(text)
