"""What stages were sure of, and what became of it."""

from interlock.engine.migrations.apply import apply

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Run `sql/0016_assessments.sql`."""
    apply("0016_assessments")
