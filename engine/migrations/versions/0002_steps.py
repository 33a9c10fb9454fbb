"""The engine's own checkpoints, and the functions of the hot path."""

from importlib.resources import files
from typing import Any

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make everything; the text is in `migrations/sql/0002_steps.sql`."""
    text = files("interlock.engine.migrations").joinpath("sql", "0002_steps.sql").read_text("utf-8")
    # past SQLAlchemy: many statements, and % as itself
    driver: Any = op.get_bind().connection.driver_connection
    driver.execute(text)
