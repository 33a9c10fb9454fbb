"""Circuit breakers."""

from interlock.engine.migrations.apply import apply

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Run `sql/0017_breakers.sql`."""
    apply("0017_breakers")
