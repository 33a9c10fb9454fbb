"""Whether a sentence begins with, or goes on to, a verb that is not known to look.

A list of what acts is never whole, so where a verb must stand only known ones are let through.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .lexicon import SAYS_READING, gerunds, third_person

if TYPE_CHECKING:
    from collections.abc import Iterator

_HARMLESS: Final = SAYS_READING | {
    *("provide", "perform", "check", "analyze", "analyse", "extract", "gather", "output", "obtain"),
    *("access", "enumerate", "allow", "help", "support", "include", "accept", "require", "need"),
    *("expect", "contain", "cover", "determine", "resolve", "summarize", "summarise", "explain"),
    *("parse", "convert", "identify", "discover", "explore", "traverse", "trace", "filter"),
    *("detect", "measure", "match", "validate", "verify", "review", "examine", "investigate"),
    *("monitor", "watch", "report", "present", "highlight", "recommend", "suggest", "predict"),
    *("forecast", "rank", "score", "sort", "group", "aggregate", "combine", "use", "take", "see"),
    *("scan", "say", "mean", "work", "depend", "default", "exclude", "ignore", "skip"),
    *("limit", "differ", "correspond", "refer", "represent", "begin", "end", "exist", "belong"),
    *("remain", "have", "do", "go", "be"),
    *("render", "surface", "correlate", "walk"),
    *("introspect", "peek", "query", "diagnose", "assess", "audit"),
    *("profile", "benchmark", "handle", "grab", "check"),
}
"""Verbs with which a description begins that looks, or that say something of the tool itself."""
_HARMLESS_FORMS: Final = _HARMLESS | {third_person(verb) for verb in _HARMLESS} | {"has", "does"}
_NO_VERBS: Final = frozenset(
    {
        *("this", "its", "always", "is", "was", "as", "details", "status", "across", "less"),
        *("various", "previous", "address", "kubernetes", "aws", "unless", "plus", "does", "https"),
        *(
            "for",
            "in",
            "on",
            "with",
            "given",
            "using",
            "from",
            "to",
            "of",
            "by",
            "at",
            "if",
            "when",
        ),
        *("where", "while", "after", "before", "all", "both", "only", "also", "note", "that"),
        *("these", "it", "there", "are", "not", "no", "and", "or", "but", "so", "since", "because"),
        *("once", "until", "over", "into", "about", "like", "than", "per", "via", "between"),
        *("which", "such", "whether", "how", "what", "who", "without", "within", "instead"),
        *(
            "variables",
            "others",
            "results",
            "items",
            "values",
            "names",
            "files",
            "ids",
            "fields",
            "pages",
        ),
    }
)
_KNOWN: Final = (
    _HARMLESS_FORMS
    | _NO_VERBS
    | {form for verb in _HARMLESS for form in gerunds(verb)}
    | {"including", "excluding", "following", "considering", "listing", "giving", "making"}
)
_DETERMINER: Final = r"(?:the|an?|all|any|every|each|your|its?|their|them|one|up|down|out)\b"
_THIRD_PERSON: Final = re.compile(
    r"([a-z]{2,}[a-rt-z]s) (?!for\b|of\b|from\b|in\b|by\b|with\b|that\b|and\b)"
)
_IMPERATIVE: Final = re.compile(rf"([a-z]+) (?={_DETERMINER})")
_ADDRESSES: Final = re.compile(r"(asks?|tells?|reminds?|wakes?|contacts?|pages) ")
"""What turns to a person or a thing, with or without an article behind it."""
_JOINED: Final = re.compile(
    rf"(?:\b(?:and|then|while)|[;,+&]) (?:then |also )?([a-z]{{2,}}[a-rt-z]s) (?={_DETERMINER})"
)
_JOINED_ORDER: Final = re.compile(
    rf"(?:\b(?:and|then)|[;+&]) (?:then |also )?([a-z]+(?:-[a-z]+)?) (?={_DETERMINER})"
)
"""Behind an imperative, another one: `get the level and switch the alarm to it`."""

_JOINED_GERUND: Final = re.compile(rf"(?:,|\bwhile) (?:then |also )?([a-z]+ing) (?={_DETERMINER})")


def unknown_verbs(sentence: str, *, is_first: bool) -> Iterator[str]:
    """The verbs of a sentence in small letters that may act, by their place in it.

    Args:
        sentence: without its full stop.
        is_first: whether it is the description's first, which says what the tool does.
    """
    begins = [_THIRD_PERSON.match(sentence)]
    if is_first:
        begins += [_IMPERATIVE.match(sentence), _ADDRESSES.match(sentence)]
    joined = list(_JOINED.finditer(sentence))
    if is_first and sentence.partition(" ")[0] in _HARMLESS:
        joined += _JOINED_ORDER.finditer(sentence)
    joined += _JOINED_GERUND.finditer(sentence)
    for found in (*filter(None, begins), *joined):
        if found[1] not in _KNOWN:
            yield found[1]
