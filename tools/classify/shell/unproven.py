"""What is raised where a command is not shown to only read."""

from __future__ import annotations


class Unproven(Exception):
    """A command line, or a part of it, is not shown to only read.

    Attributes:
        rule: the id of the rule that stopped, in kebab case.
        reason: a sentence for the reviewer.
    """

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason
