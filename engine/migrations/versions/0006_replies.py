"""Model replies: what they cost, and what a node that runs again needs of them."""

from interlock.engine.migrations.apply import apply

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run `sql/0006_replies.sql`."""
    apply("0006_replies")
