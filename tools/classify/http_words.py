"""What the words of a path and a query say: that the server acts on a GET, or only computes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .lexicon import ACTING, EITHER, NOUNS_OF_READING, READING, words_of

if TYPE_CHECKING:
    from .target import Target

_ACTS_IN_PATH: Final = ACTING | {
    *("proxy", "portforward", "creds", "pixel", "beacon", "verify", "cron"),
}
"""Beside the verbs: what tunnels, counts its visitors, or hands out what did not exist before."""

_ACTS_AT_THE_END: Final = frozenset(
    {
        *("run", "import", "export", "merge", "follow", "like", "vote", "charge", "transfer"),
        *("archive", "close", "open", "queue", "retry", "replay", "capture", "rebuild", "build"),
        *("copy", "fork", "clone", "generate", "claim", "release", "print", "scan", "start"),
        *("book", "ship", "sign", "invite", "refresh", "call", "push", "pull", "post", "update"),
        *("change", "share", "click", "launch", "process", "download", "purchase", "reserve"),
        *("return", "exchange", "complete", "block", "drain", "renew", "checkout"),
    }
)
"""Verbs that are nouns, too: they act where a path ends with one alone."""

_JOINED: Final = frozenset(
    {
        *("signout", "logout", "logoff", "signoff", "signin", "login", "optout", "optin"),
        *("signup", "webhook", "callback", "connect"),
    }
)
"""What acts as a whole segment: `/log-out`, and `/webhook`, though not `/webhook_endpoints`."""
_NOUNS_AT_THE_END: Final = frozenset({"pay", "set"})
_SAYS_WHAT_TO_DO: Final = frozenset(
    {"action", "act", "do", "cmd", "command", "op", "operation", "func", "function", "task"}
)

_COMPUTING: Final = frozenset({"search", "msearch", "lookup", "count", "preview", "batchget"})
_COMPUTING_PAIRS: Final = frozenset(
    {("create", "preview"), ("generate", "preview"), ("batch", "get"), ("get", "batch")}
)
_REMOTE_READS: Final = frozenset({"get", "list", "search", "describe", "lookup", "count"})
_REMOTE_ENDS: Final = frozenset({"list", "info", "history", "search", "get", "count"})
_MADE_BY_READING: Final = frozenset(
    {
        "token",
        "key",
        "session",
        "link",
        "secret",
        "code",
        "started",
        "ticket",
        "lock",
        "credentials",
    }
)
_NOT_A_LOOK: Final = frozenset(
    {
        *("deployment", "deployments", "environment", "environments", "site", "sites", "apps"),
        *("branches", "builds", "sandbox", "sandboxes", "email", "emails", "mail", "message"),
        *("messages", "share", "notification", "notifications", "sms", "saved", "jobs"),
    }
)
"""Where a preview is a thing that is put up or sent, and a search one that is kept or queued."""

_REVIEWS: Final = re.compile(
    r"/apis/auth(?:orization|entication)\.k8s\.io/v\w+/(?:namespaces/[^/]+/)?[a-z]+reviews"
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word that says that a request acts; unsure where it may be a noun."""

    text: str
    is_unsure: bool = False


def acting_path(target: Target) -> Word | None:
    """What of the path says that asking for it acts; None if nothing does."""
    for segment in target.segments:
        if word := _acting_segment(segment):
            return Word(word)
        if word := _procedure(segment):
            return Word(word, is_unsure=True)
    last = words_of(target.segments[-1].lower()) if target.segments and not target.ends_open else ()
    if last and last[-1] in _ACTS_AT_THE_END and (len(last) == 1 or ":" in target.segments[-1]):
        return Word(last[-1], is_unsure=True)
    return None


def _acting_segment(segment: str) -> str | None:
    """The first or last word of a part of it that acts, however its letters are cased."""
    for part in (segment, *segment.split("."), segment.lower()):
        words = words_of(part)
        if not words:
            continue
        last = words[-1] if words[-1] not in _NOUNS_AT_THE_END else ""
        for word in (words[0], last, "".join(words)):
            if word in _ACTS_IN_PATH or (word in _JOINED and word == "".join(words)):
                return word
    return None


def _procedure(segment: str) -> str | None:
    """The verb of a segment that names what to do to what: `postMessage`, `/update-user`."""
    for part in segment.split("."):
        words = words_of(part)
        if len(words) > 1 and words[0] in EITHER:
            is_camel_case = part.isalnum() and part[0].islower()
            is_of_one = words[0] in _ACTS_AT_THE_END and not words[-1].endswith("s")
            if is_camel_case or is_of_one or words[0] == "update":
                return words[0]
    return None


def acting_query(target: Target) -> Word | None:
    """What of the query says so: `?delete=1`, `?action=archive`."""
    for key, value in target.query:
        words = words_of(key.lower())
        if words and (words[0] in _ACTS_IN_PATH or "".join(words) in _JOINED):
            return Word(key[:40])
        if words and words[-1] in _SAYS_WHAT_TO_DO and not _names_a_read(value):
            return Word(f"{key}={value}"[:40])
        if words == ("method",) and not _names_a_read(value):
            return Word(f"{key}={value}"[:40])
    return None


def _names_a_read(value: str) -> bool:
    words = set(words_of(value))
    acts = words & (_ACTS_IN_PATH | EITHER)
    return not acts and bool(words & (READING | NOUNS_OF_READING))


def computes(target: Target) -> str | None:
    """Why a POST to this path changes nothing, as the end of a sentence; None if it may."""
    if not target.shown.isascii() or target.ends_open or not target.segments or target.query:
        return None
    if _REVIEWS.fullmatch(target.shown):
        return "asks Kubernetes for a review, which is not kept"
    last = target.segments[-1].removesuffix(".json").lstrip("_").rpartition(":")[2]
    words = words_of(last)
    before = {word for segment in target.segments[:-1] for word in words_of(segment)}
    if (before | set(words)) & _NOT_A_LOOK or any(map(_acting_segment, target.segments[:-1])):
        return None
    if "".join(words) in _COMPUTING or words in _COMPUTING_PAIRS:
        return f"computes: it ends with `{last}`"
    if words == ("read",) and "batch" in before:
        return "reads several at once"
    return f"names what it reads: `{last}`" if _is_remote_read(last, words) else None


def _is_remote_read(last: str, words: tuple[str, ...]) -> bool:
    """`/rpc/listUsers`, `/api/users.info`: a method's name in the path's place."""
    if len(words) < 2 or set(words) & (_MADE_BY_READING | ACTING | EITHER):  # noqa: PLR2004
        return False
    return words[0] in _REMOTE_READS or ("." in last and words[-1] in _REMOTE_ENDS)
