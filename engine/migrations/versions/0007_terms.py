"""The terms of an approval: who counts, who is asked later, what an approval is given with."""

from interlock.engine.migrations.apply import apply

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run `sql/0007_terms.sql`."""
    apply("0007_terms")
