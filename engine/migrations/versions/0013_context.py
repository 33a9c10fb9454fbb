"""What a call's policy was shown beside the call."""

from interlock.engine.migrations.apply import apply

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Run `sql/0013_context.sql`."""
    apply("0013_context")
