"""What a revision does: the statements of its file."""

from importlib.resources import files
from typing import Any

from alembic import op


def apply(name: str) -> None:
    """Run `sql/<name>.sql`."""
    text = files("interlock.engine.migrations").joinpath("sql", f"{name}.sql").read_text("utf-8")
    # past SQLAlchemy: many statements, and % as itself
    driver: Any = op.get_bind().connection.driver_connection
    driver.execute(text)
