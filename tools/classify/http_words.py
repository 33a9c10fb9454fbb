"""What the words of a path and a query say: that the server acts on a GET, or only computes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .lexicon import ACTING, EITHER, NOUNS_OF_READING, READING, words_of

if TYPE_CHECKING:
    from .target import Target

_ACTS_IN_PATH: Final = ACTING | {
    *("proxy", "portforward", "creds", "sts", "pixel", "beacon", "verify", "cron", "turn"),
    *("authorize", "authorise", "force", "abort", "poweroff", "poweron"),
}
"""Beside the verbs: what tunnels, counts its visitors, or hands out what did not exist before."""

_ACTS_AT_THE_END: Final = frozenset(
    {
        *("run", "import", "export", "merge", "follow", "like", "vote", "charge", "transfer"),
        *("archive", "close", "open", "queue", "retry", "replay", "capture", "rebuild", "build"),
        *("copy", "fork", "clone", "generate", "claim", "release", "print", "scan", "start"),
        *("book", "ship", "sign", "invite", "refresh", "call", "push", "pull", "post", "update"),
        *("change", "share", "click", "launch", "process", "download", "purchase", "reserve"),
        *("return", "exchange", "complete", "block", "drain", "renew", "checkout", "backup", "put"),
        *("store", "track", "collect", "on", "off", "up", "down"),
    }
)
"""Verbs that are nouns, too: they act where a path ends with one alone."""

_JOINED: Final = frozenset(
    {
        *("signout", "logout", "logoff", "signoff", "signin", "login", "optout", "optin"),
        *("signup", "webhook", "hook", "callback", "connect", "oauth", "oauth2", "saml", "sso"),
        *("magiclink", "switchuser", "su", "rm", "del", "run", "exit", "quit", "halt", "leave"),
        *("seal", "unseal", "gc", "lease", "quitquitquit", "abortabortabort", "quietdown"),
    }
)
"""What acts as a whole segment: `/log-out`, and `/webhook`, though not `/webhook_endpoints`."""
_NOUNS_AT_THE_END: Final = frozenset({"pay", "set"})
_WRITTEN_TOGETHER: Final = re.compile(
    r"(?:delete|remove|destroy|purge|create|send|update|reset)"
    r"(?:all|user|item|sms|mail|email|message|post|file|account|order|record|row|entry)s?"
)
_SAYS_WHAT_TO_DO: Final = frozenset(
    {
        *("action", "act", "do", "cmd", "cmnd", "command", "op", "operation", "func", "function"),
        *("wsfunction", "task", "mode", "a", "r", "route", "sql", "cypher", "script"),
    }
)
_ONLY_IF_IT_ACTS: Final = frozenset({"mode", "a", "r", "route"})
"""Keys that mostly say something else, so a value has to act before they do."""
_CARRIES: Final = frozenset({"message", "msg", "body", "payload"})
"""Keys of what is sent somewhere."""
_FOLLOWING: Final = frozenset({"watch", "follow", "monitor"})
"""Switches of a read that goes on: `?watch=true`."""
_YES: Final = frozenset({"1", "true", "yes", "on"})
_STATEMENT: Final = re.compile(
    r"\bdelete\s+from\b|\binsert\s+into\b|\btruncate\s+table\b|\bdetach\s+delete\b|"
    r"\b(?:drop|alter|create)\s+(?:table|database|measurement|index|view|schema|user)\b|"
    r"^\s*mutation\b"
)
"""What changes a database, in a query language that a value may hold."""

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
        "next",
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
        whole = "".join(words)
        for word in (words[0], last, whole):
            if word in _ACTS_IN_PATH or (word in _JOINED and word == whole):
                return word
        if _WRITTEN_TOGETHER.fullmatch(whole):
            return whole
    return None


def _procedure(segment: str) -> str | None:
    """The verb of a segment that names what to do to what: `postMessage`, `/update-user`."""
    parts = segment.split(".")
    for part in parts:
        words = words_of(part)
        if len(words) > 1 and words[0] in EITHER:
            is_camel_case = part.isalnum() and part[0].islower()
            is_of_one = words[0] in _ACTS_AT_THE_END and not words[-1].endswith("s")
            if is_camel_case or is_of_one or words[0] in {"update", "drain"}:
                return words[0]
    return _method(parts[-1]) if len(parts) > 1 else None


def _method(name: str) -> str | None:
    """The last part of `conversations.archive`, `files.sharedPublicURL`, unless it reads."""
    words = words_of(name)
    if len(words) == 1:
        return words[0] if words[0] in EITHER - NOUNS_OF_READING else None
    is_camel_case = name.isalnum() and name[:1].islower() and name.lower() != name
    reads = bool(words) and (words[0] in READING or bool(NOUNS_OF_READING.intersection(words)))
    return words[0] if is_camel_case and not reads else None


def acting_query(target: Target) -> Word | None:
    """What of the query says so: `?delete=1`, `?action=archive`."""
    for key, value in target.query:
        words = words_of(key.lower())
        whole = "".join(words)
        if words and (words[0] in _ACTS_IN_PATH or whole in _JOINED or whole in _CARRIES):
            return Word(key[:40])
        if words and _says_what_to_do(words, value):
            return Word(f"{key}={value}"[:40])
        is_first_page = (whole, value) == ("page", "1")
        is_switch = whole in EITHER - _FOLLOWING and value.lower() in _YES and not is_first_page
        if is_switch or _STATEMENT.search(value.lower().replace("+", " ")):
            return Word(f"{key}={value}"[:40])
    return None


def _says_what_to_do(key: tuple[str, ...], value: str) -> bool:
    words = set(words_of(value))
    acts = bool(words & (_ACTS_IN_PATH | EITHER | _MADE_BY_READING))
    if len(key) == 1 and key[0] in _ONLY_IF_IT_ACTS:
        return acts
    reads = not acts and bool(words & (READING | NOUNS_OF_READING))
    return (key[-1] in _SAYS_WHAT_TO_DO - _ONLY_IF_IT_ACTS or key == ("method",)) and not reads


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
