"""Questions and conflicts: calls that a person's answer is the result of."""

from interlock.engine.migrations.apply import apply

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run `sql/0008_questions.sql`."""
    apply("0008_questions")
