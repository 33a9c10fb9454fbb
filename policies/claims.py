"""Which claims of the represented user a policy takes the word of.

The tags of a run are set by whoever asks for it, and whoever sets a tag can leave it out as well:
a `permit` for `role == "admin"` and a `forbid` for `role == "guest"` are both as good as the people
who may ask for runs. So a policy that reads a tag says that it trusts it, by name, in `@trusts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .expressions import conditions, literals, nodes, reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .statements import Statement

OWN: Final = frozenset({"agent", "tenant"})
"""Tags that the engine sets; nobody else can."""

_READERS: Final = frozenset({"hasTag", "getTag"})


def claim_problems(statement: Statement) -> Iterator[str]:
    """What is wrong with how a policy reads tags, one sentence each."""
    read = set(_tags(statement))
    trusted = _trusted(statement)
    if None in read:
        yield 'reads a tag by a computed name; name it as a literal, as in hasTag("role").'
    named = {tag for tag in read if tag is not None} - OWN
    for tag in sorted(named - trusted):
        yield (
            f"reads the tag `{tag}`, which whoever asks for a run sets or leaves out: if you trust "
            f'all of them with it, say so by @trusts("{tag}").'
        )
    for tag in sorted(trusted - named):
        yield f"has a @trusts of `{tag}`, which it does not read."


def _tags(statement: Statement) -> Iterator[str | None]:
    """The names of the tags that it reads; None for one that is not a literal."""
    for condition in conditions(statement.body):
        for operator, operand in nodes(condition):
            if operator in _READERS:
                found = reference(operand["left"])
                names = literals(operand["right"])
                is_plain = found and found.variable == "principal" and names
                yield str(names[0]) if is_plain and names else None


def _trusted(statement: Statement) -> set[str]:
    if "trusts" not in statement.annotations:
        return set()
    return {part.strip() for part in (statement.annotations["trusts"] or "").split(",")}
