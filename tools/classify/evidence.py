"""The effect of a tool that nobody declared, from what it says of itself.

It is a read only where plain sense says so: the verb of its name looks, and nothing in name,
description or parameters acts. Hints of a server that is not trusted may only tighten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..effect import Classification, Effect, Source
from .given import by_what_it_runs
from .http import classify_http
from .lexicon import (
    ACTING,
    CONJUNCTIONS,
    EITHER,
    NEUTRAL,
    NOUNS_OF_READING,
    READING,
    SAYS_READING,
    is_english,
    plain,
    third_person,
    words_of,
)
from .parameters import acting_parameter
from .sentences import acting_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..effect import SureRule

_SAYS_READING: Final = SAYS_READING | {third_person(verb) for verb in SAYS_READING}
_RUNS_CODE: Final = frozenset({"sql", "shell", "bash", "command", "cypher"})
_QUERIES: Final = frozenset({"query", "graphql", "gql"})
_OFTEN_CODE: Final = frozenset({"code", "script"})
_THIRD_PERSON: Final = frozenset(map(third_person, ACTING))
_NOUNS: Final = frozenset({"search", "lookup"})
"""Reading verbs that say so at the end of a name, too: `code_search`."""
_MAY_RUN_WHAT_IT_IS_GIVEN: Final = frozenset({"name-acts", "parameter-acts", "description-acts"})
_IDIOMS: Final = frozenset({"rid", "paid", "sale", "done", "loan", "ride", "aloud"})
"""With these, a verb that reads does not: `get_rid_of`, `list_item_for_sale`."""
_PARTICLES: Final = frozenset(
    {"up", "down", "out", "over", "away", "going", "started", "help", "new"}
)
"""Right behind such a verb, too: `get_out`, `count_up`, `get_new_address`."""
_MADE_BY_ASKING: Final = frozenset({"token", "otp", "credentials", "lease"})
"""What a name that ends with it may be called to make: `get_access_token`."""
_LINKS: Final = frozenset({"link", "url"})
_LINKS_OPEN: Final = frozenset(
    {
        *("share", "sharing", "public", "invite", "invitation", "upload", "signed", "presigned"),
        *("payment", "magic", "oauth", "login"),
    }
)
"""Of a link that somebody else can use, once it is made."""
_TAKEN: Final = frozenset(
    {"id", "ids", "number", "task", "job", "message", "item", "ticket", "code", "address"}
)
"""What is used up by getting the next of it."""
_OUTSIDE: Final = frozenset(
    {
        *("internet", "website", "websites", "webpage", "webpages", "rss", "dns", "whois", "crawl"),
        *("bing", "searxng", "searx", "yandex", "baidu", "sftp", "ftp"),
        *("scrape", "tavily", "brave", "exa", "serp", "serper", "perplexity", "duckduckgo", "kagi"),
    }
)
_OF_THE_WEB: Final = frozenset({"search", "page", "pages", "site", "content", "results", "lookup"})
_SAYS_OUTSIDE: Final = re.compile(
    r"\bthe (?:web|internet)\b|\bweb ?(?:page|site)s?\b|\b(?:web|internet|online) search|"
    r"\brss\b|\bover (?:ssh|s?ftp|telnet)\b|\bgoogle results\b|"
    r"\b(?:search(?:es)?|from|wrapper around) (?:google|bing|yandex|yahoo)\b"
    r"(?! (?:drive|calendar|docs|sheets|mail))|\bany (?:url|endpoint|host|address|site)\b"
)
_CHECKS: Final = re.compile(
    r"checks? (?:if|whether|for|what|which|how|who|when|where|the (?:\w+ )?(?:status|state))\b"
)
_CHECKS_IN: Final = re.compile(r"\bchecks?(?: \w+)? (?:in|out|off)\b")
_NO_CHECKS: Final = frozenset({"in", "out", "off", "box", "mark", "todo", "item", "task"})
"""With these, to check is to do: `check_in_guest`, `check_off`."""
_SHOWS: Final = frozenset({"show", "display", "view"})
_SHOWN_TO_PEOPLE: Final = frozenset(
    {
        *("notification", "dialog", "popup", "toast", "banner", "overlay", "alert", "message"),
        *("modal", "text", "on", "off"),
    }
)
_MESSAGES: Final = frozenset(
    {"send", "resend", "email", "mail", "sms", "notify", "message", "tweet"}
)
_MONEY: Final = frozenset(
    {"pay", "refund", "charge", "transfer", "withdraw", "deposit", "purchase", "buy", "payout"}
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a tool without a declaration.

    Attributes:
        parameters: the names of its arguments.
        hints: MCP's annotations, as the server gives them.
        request: where the tool is an operation of an OpenAPI document: its `method`, its `path`
            and the `operation` itself.
        trusted: an operator trusts the server's hints: one may then lower, where nothing in name,
            description and parameters contradicts it.
    """

    name: str
    description: str = ""
    parameters: tuple[str, ...] = ()
    hints: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] | None = None
    trusted: bool = False


def by_evidence(tool: Evidence) -> SureRule:
    """The effect of an undeclared tool's calls: looked at once, or told by what a call runs."""
    found = classify_tool(tool)
    if found.rule in _MAY_RUN_WHAT_IT_IS_GIVEN:
        rule = by_what_it_runs(tool.name, tool.description, tool.parameters)
        if rule is not None:
            return rule
    return lambda _: found


def classify_tool(tool: Evidence) -> Classification:
    """The effect of a tool that nobody declared, whatever its arguments."""
    name, description = plain(tool.name), plain(tool.description)
    if name is None or description is None or not words_of(name):
        said = "Its name or its description has letters that may be taken for others."
        return _acts("unreadable", said)
    if not is_english(description):
        return _acts("unreadable", "Its description is not in English, the language that is read.")
    if against := _hint_against(tool.hints):
        return _acts("hint", f"Its server says {against}.")
    if acts := _contradiction(tool, name, description):
        return _acts(*acts)
    return (
        _by_request(tool.request)
        if tool.request is not None
        else _by_sense(tool, name, description)
    )


def _by_sense(tool: Evidence, name: str, description: str) -> Classification:
    """Of a tool that nothing contradicts: whether plain sense or a trusted server says it reads."""
    if verb := _reading_verb(words_of(name), description):
        said = f"Its name says that it reads (`{verb}`), and nothing it says of itself acts."
        return _reads("plain-reading", said)
    if tool.trusted and tool.hints.get("readOnlyHint") is True:
        said = "Its server, which is trusted, says that it only reads, and nothing contradicts it."
        return _reads("trusted-hint", said)
    said = "The tool declares no effect and does not plainly read, so it counts as irreversible."
    return Classification(Effect.IRREVERSIBLE, Source.DEFAULT, "undeclared", (said,))


def _acts(rule: str, said: str) -> Classification:
    return Classification(Effect.IRREVERSIBLE, Source.INFERRED, rule, (said,))


def _reads(rule: str, said: str) -> Classification:
    return Classification(Effect.READ, Source.INFERRED, rule, (said,))


def _by_request(request: Any) -> Classification:
    """The tool is one operation of an API, so its method and path say what it does."""
    known = request if isinstance(request, dict) else {}
    method, path, operation = (known.get(key) for key in ("method", "path", "operation"))
    if not (isinstance(method, str) and isinstance(path, str)):
        return _acts("unreadable", "Its OpenAPI operation has no method or no path.")
    return classify_http(method, path, operation=operation if isinstance(operation, dict) else None)


def _hint_against(hints: Mapping[str, Any]) -> str | None:
    if hints.get("readOnlyHint") not in (None, True):
        return "that it does not only read (`readOnlyHint`)"
    if hints.get("destructiveHint") not in (None, False):
        return "that it may destroy (`destructiveHint`)"
    return None


def _contradiction(tool: Evidence, name: str, description: str) -> tuple[str, str] | None:
    """What of the tool plainly says that it acts: the rule and the evidence."""
    words = words_of(name)
    if verb := _acting_verb(words) or next(
        filter(ACTING.__contains__, words_of(name.lower())), None
    ):
        return _rule_for(verb), f"Its name says that it acts: `{verb}`."
    if acts := next(acting_words(description), None):
        return "description-acts", f"Its description says that it acts: `{acts}`."
    if _goes_outside(words, description):
        return "egress-web", "What it is asked for goes to the web, or to a place the agent names."
    if taken := _takes_too_much(tool.parameters, words, description.lower()):
        return "parameter-acts", taken
    return None


def _takes_too_much(parameters: tuple[str, ...], words: tuple[str, ...], said: str) -> str | None:
    """What a tool takes that a read does not need, as a sentence."""
    if _QUERIES.intersection(words) and "query" in parameters:
        return "It runs the `query` that it takes, whatever that says."
    if {"query", "variables"} <= set(parameters):
        return "It takes a `query` with `variables`, as GraphQL's mutations are."
    arithmetic = "mathematical" in said or "arithmetic" in said
    parameter = acting_parameter(parameters, is_arithmetic=arithmetic)
    return f"It takes `{parameter[:60]}`: more than a read needs." if parameter else None


def _acting_verb(words: tuple[str, ...]) -> str | None:
    """The word of a name by which it acts, if one does."""
    verbs = [word for word in words if word not in NEUTRAL] or list(words)
    leads = _leads(verbs)
    acting = ACTING | _RUNS_CODE | (frozenset() if leads else _OFTEN_CODE)
    if not leads and not READING.intersection(verbs[:3]):
        acting |= _THIRD_PERSON
    if CONJUNCTIONS.intersection(words):
        return next((word for word in words if word in acting | EITHER), None) or _joined(words)
    if idiom := _idiom(verbs):
        return idiom
    if verbs[0] in _SHOWS and _SHOWN_TO_PEOPLE.intersection(words):
        return verbs[0]
    if verbs[-1] in _MADE_BY_ASKING:
        return verbs[-1]
    found = next((word for word in words if word in acting), None)
    if found or leads:
        return found
    ends = (word for word in (verbs[0], verbs[-1]) if word in EITHER - NOUNS_OF_READING)
    return next(ends, None)


def _idiom(verbs: list[str]) -> str | None:
    """The word that makes a verb that reads into one that acts."""
    if idiom := next((word for word in verbs if word in _IDIOMS), None):
        return idiom
    first, second, *rest = (*verbs, "", "")
    if verbs == ["get"] or (first in READING and second in _PARTICLES):
        return second or first
    if second == "next" and _TAKEN.intersection(rest):
        return second
    return verbs[-1] if verbs[-1] in _LINKS and _LINKS_OPEN.intersection(verbs) else None


def _goes_outside(words: tuple[str, ...], description: str) -> bool:
    """Whether a name or a description says that the tool asks the web, or any place."""
    of_web = "web" in words and bool(_OF_THE_WEB.intersection(words))
    named = of_web or bool(_OUTSIDE.intersection(words))
    return named or bool(_SAYS_OUTSIDE.search(description.lower()))


def _leads(verbs: list[str]) -> bool:
    """Whether the first verb reads, behind the server's name perhaps: `jira_get_issue`."""
    if verbs[0] in READING:
        return not (verbs[0] == "compute" and verbs[-1] in EITHER)
    return len(verbs) > 2 and verbs[1] in READING and verbs[0] not in EITHER  # noqa: PLR2004


def _joined(words: tuple[str, ...]) -> str | None:
    """What a conjunction joins to the first verb, unless that reads, too."""
    at = max(place for place, word in enumerate(words) if word in CONJUNCTIONS)
    following = words[at + 1] if at + 1 < len(words) else words[at]
    return None if following in READING | NOUNS_OF_READING else following


def _reading_verb(words: tuple[str, ...], description: str) -> str | None:
    """The word of a name by which it reads, if its place or the description says it is the verb."""
    verbs = [word for word in words if word not in NEUTRAL]
    says_reading = _says_reading(description)
    if verbs[:1] == ["check"] and _only_checks(verbs, description, reads=says_reading):
        return "check"
    for place, word in enumerate(verbs):
        is_last = place == len(verbs) - 1
        if word not in READING:
            continue
        if place == 0 or (place == 1 and not is_last):
            return word
        if (is_last and word in _NOUNS) or (says_reading and word != "fetch"):
            return word
    return verbs[-1] if says_reading and verbs and verbs[-1] in NOUNS_OF_READING else None


def _only_checks(verbs: list[str], description: str, *, reads: bool) -> bool:
    """Whether `check_…` looks, by the end of its name or what its description begins with."""
    said = description.strip().lower()
    if _NO_CHECKS.intersection(verbs) or _CHECKS_IN.search(said):
        return False
    return reads or verbs[-1] in NOUNS_OF_READING or bool(_CHECKS.match(said))


def _says_reading(description: str) -> bool:
    """Whether the description begins with a verb that reads."""
    text = description.strip().lower()
    for mark in ("|", ":"):
        head, found, rest = text[:60].partition(mark)
        if found and len(head.split()) <= 3:  # noqa: PLR2004 - a heading: `Notion | Retrieve a user`
            text = (rest + text[60:]).strip()
    words = words_of(text[:200])
    return bool(words) and words[0] in _SAYS_READING and not text.startswith("gets rid")


def _rule_for(verb: str) -> str:
    if verb in _MESSAGES:
        return "sends-a-message"
    return "moves-money" if verb in _MONEY else "name-acts"
