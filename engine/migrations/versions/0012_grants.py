"""Standing approvals."""

from interlock.engine.migrations.apply import apply

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run `sql/0012_grants.sql`."""
    apply("0012_grants")
