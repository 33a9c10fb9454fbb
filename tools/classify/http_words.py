"""What the words of a path and a query say: that the server acts on a GET, or only computes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .lexicon import ACTING, CONJUNCTIONS, EITHER, NOUNS_OF_READING, READING, words_of

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
        *("store", "track", "collect", "on", "off", "up", "down", "in", "out", "next"),
        *("star", "pin", "bookmark", "favorite", "favourite", "flag", "hide", "seen", "read"),
        *("join", "leave", "enter", "end", "become", "receive", "poll", "seed", "token", "vnc"),
        *("console", "hit", "punch"),
    }
)
"""Verbs that are nouns, too: they act where a path ends with one alone."""

_JOINED: Final = frozenset(
    {
        *("signout", "logout", "logoff", "signoff", "signin", "login", "optout", "optin"),
        *("signup", "webhook", "hook", "callback", "connect", "oauth", "oauth2", "saml", "sso"),
        *("magiclink", "switchuser", "su", "rm", "del", "run", "exit", "quit", "halt", "leave"),
        *("shell", "repl", "cmd", "command", "jsonrpc", "xmlrpc", "ptz", "gpio"),
        *("incr", "decr", "incrby", "lpush", "rpush", "lpop", "rpop", "hset", "setex", "getset"),
        *("getdel", "flushall", "flushdb", "sparqlupdate", "addtocart", "addtobasket"),
        *("seal", "unseal", "gc", "lease", "quitquitquit", "abortabortabort", "quietdown"),
    }
)
"""What acts as a whole segment: `/log-out`, and `/webhook`, though not `/webhook_endpoints`."""
_ACTS_BEFORE_MORE: Final = frozenset(
    {"hook", "hooks", "vote", "like", "dislike", "follow", "bookmark", "favorite", "favourite"}
)
"""As the first of several segments: `/like/{id}`, and `/hooks/{token}`, which is told of events."""
_PROGRAMS: Final = re.compile(r"cgi-bin|.+\.cgi", re.IGNORECASE)
_PICTURE: Final = re.compile(r".+\.(?:png|jpe?g|webp)", re.IGNORECASE)
_BEACON: Final = re.compile(r".+\.gif", re.IGNORECASE)
_SEEN: Final = frozenset({"open", "opened", "track", "tracking", "click", "view", "o", "t", "e"})
"""Beside a picture with a query: one that counts who looks at it."""
_NOUNS_AT_THE_END: Final = frozenset({"pay", "set"})
_WRITTEN_TOGETHER: Final = re.compile(
    r"(?:delete|remove|destroy|purge|create|send|update|reset)"
    r"(?:all|user|item|sms|mail|email|message|post|file|account|order|record|row|entry)s?"
    r"|\w+(?:delete|destroy|reboot|shutdown|restart)"
)
_EXTENSION: Final = re.compile(r"\.(?:php\d?|aspx?|jspx?|do|pl|json|xml|html?)$", re.IGNORECASE)
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
_ENDS: Final = frozenset({"end", "stop", "step", "limit", "rows", "count", "num"})
"""Beside one of these, `start` is where a range begins."""
_SWITCHES: Final = frozenset({"on", "off", "power", "in"})
_YES: Final = frozenset({"1", "true", "yes", "on"})
_STATEMENT: Final = re.compile(
    r"\bdelete\s+from\b|\binsert\s+(?:into|data)\b|\btruncate\s+table\b|"
    r"\bselect\b.*\binto\b|\bmatch\s*\(.*\b(?:delete|set|remove|create|merge)\b|"
    r"\b(?:drop|alter|create|clear)\s+"
    r"(?:table|database|measurement|index|view|schema|user|graph|role)\b|"
    r"^\s*mutation\b",
    re.DOTALL,
)
"""What changes a database, in a query language that a value may hold."""

_BEGINS_A_WRITE: Final = re.compile(
    r"\s*(?:grant|revoke|truncate|optimize|kill|system|rename|attach|detach|exchange|drop|alter|create|"
    r"insert|update|delete|replace|merge|call|exec|execute|set|load|copy|backup|restore)\b"
)
_HOLDS_A_STATEMENT: Final = frozenset({"query", "statement", "update"})
_ASKED_IN_STATEMENTS: Final = frozenset({"query", "exec", "db", "cypher", "sparql", "statement"})
_FILTERS: Final = frozenset(
    {
        *("q", "query", "search", "s", "text", "term", "keyword", "name", "title", "label", "tag"),
        *("type", "types", "status", "state", "sort", "filter", "category", "fields", "include"),
        *("expand", "slug", "topic", "language", "by", "permission", "scope"),
    }
)
"""Keys that choose among what there is: a verb as their value is what is looked for."""
_LETTERS_TO: Final = frozenset({"email", "mail", "sms", "message", "fax"})
_COMPUTING: Final = frozenset(
    {"search", "msearch", "lookup", "count", "preview", "batchget", "freebusy", "queryrange"}
)
_COMPUTING_PAIRS: Final = frozenset(
    {
        *(("create", "preview"), ("generate", "preview"), ("batch", "get"), ("get", "batch")),
        ("test", "iam", "permissions"),
    }
)
_QUERY_LANGUAGES: Final = frozenset({"jql", "cql", "soql"})
"""Behind `search`, the language that it is asked in."""
_OF_AN_INDEX: Final = re.compile(
    r"_(?:search|msearch|count|mget|analyze|explain|field_caps|termvectors|rank_eval|terms_enum)"
    r"|_validate/query|_search/template|_msearch/template|_render/template"
)
"""What Elasticsearch and OpenSearch answer from an index; an id may follow `_explain`."""
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
    if word := _acting_whole(target):
        return Word(word)
    end = _EXTENSION.sub("", target.segments[-1]) if target.segments else ""
    last = words_of(end.lower()) if not target.ends_open else ()
    if last and last[-1] in _ACTS_AT_THE_END and (len(last) == 1 or ":" in end):
        return Word(last[-1], is_unsure=True)
    return None


def _acting_whole(target: Target) -> str | None:
    """What no single word says: a place for events, a program, a picture that counts."""
    if not target.segments:
        return None
    first, last = target.segments[0], target.segments[-1]
    goes_on = len(target.segments) > 1 or target.ends_open
    if goes_on and first.lower() in _ACTS_BEFORE_MORE:
        return first
    if program := next(filter(_PROGRAMS.fullmatch, target.segments), None):
        return program
    words = {word for segment in target.segments for word in words_of(segment.lower())}
    counts = _BEACON.fullmatch(last) or (_PICTURE.fullmatch(last) and words & _SEEN)
    return last if target.query and counts else None


def _acting_segment(segment: str) -> str | None:
    """The first or last word of a part of it that acts, however its letters are cased."""
    for part in (segment, *segment.split("."), segment.lower()):
        words = words_of(part)
        if not words:
            continue
        last = words[-1] if words[-1] not in _NOUNS_AT_THE_END else ""
        if last == "del":
            return last
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
        if key.lower().startswith("stream."):  # Solr reads a body from there
            return Word(key[:40])
        if words and (words[0] in _ACTS_IN_PATH or whole in _JOINED or whole in _CARRIES):
            return Word(key[:40])
        says = words and (_says_what_to_do(words, value) or _is_verb(words, value))
        if says or _is_switch(words_of(key), value, target) or _is_statement(words, value, target):
            return Word(f"{key}={value}"[:40])
        if whole == "to" and _LETTERS_TO.intersection(target.segments):
            return Word(key)
    return None


def _is_switch(words: tuple[str, ...], value: str, target: Target) -> bool:
    """`?follow=1`, `?do_delete=yes`; neither a page nor the beginning of a range."""
    if value.lower() not in _YES:
        return False
    whole = "".join(words)
    bounds = whole == "start" and _ENDS.intersection(name.lower() for name, _ in target.query)
    if bounds or (whole, value) == ("page", "1"):
        return False
    return whole in EITHER - _FOLLOWING | _SWITCHES or bool(ACTING.intersection(words))


def _is_verb(words: tuple[str, ...], value: str) -> bool:
    """`?button=delete`, `?override=PUT`: a value that is a verb alone, and no filter."""
    is_method = value in {"PUT", "PATCH", "DELETE", "POST"}
    return is_method or (value.lower() in ACTING and words[-1] not in _FILTERS)


def _is_statement(words: tuple[str, ...], value: str, target: Target) -> bool:
    text = value.lower().replace("+", " ")
    asked = words[-1:] and words[-1] in _HOLDS_A_STATEMENT
    asked = asked or bool(_ASKED_IN_STATEMENTS.intersection(target.segments[-1:]))
    return bool(_STATEMENT.search(text) or (asked and _BEGINS_A_WRITE.match(text)))


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
    *above, last = target.segments
    words = words_of(_last_part(last))
    before = {word for segment in above for word in words_of(segment)}
    if (before | set(words)) & _NOT_A_LOOK or any(map(_acting_segment, above)):
        return None
    if _asks_index(target.segments):
        return "asks an index"
    return _computing_end(last, words, before)


def _computing_end(last: str, words: tuple[str, ...], before: set[str]) -> str | None:
    part = _last_part(last)
    by_language = "search" in before and len(words) == 1 and words[0] in _QUERY_LANGUAGES
    if "".join(words) in _COMPUTING or words in _COMPUTING_PAIRS or by_language:
        return f"computes: it ends with `{part}`"
    if words == ("read",) and "batch" in before:
        return "reads several at once"
    is_custom_list = words == ("list",) and ":" in last
    is_read = is_custom_list or _is_remote_read(part, words)
    return f"names what it reads: `{part}`" if is_read else None


def _last_part(segment: str) -> str:
    """What a last segment asks for: `list` of `entries:list`."""
    return segment.removesuffix(".json").lstrip("_").rpartition(":")[2]


def _asks_index(segments: tuple[str, ...]) -> bool:
    """`/logs/_search`, `/logs/_explain/1`: at most one name of indexes stands before it."""
    at = next((at for at, segment in enumerate(segments) if segment.startswith("_")), len(segments))
    asked = segments[at:-1] if segments[at : at + 1] == ("_explain",) else segments[at:]
    return at <= 1 and bool(_OF_AN_INDEX.fullmatch("/".join(asked)))


def _is_remote_read(last: str, words: tuple[str, ...]) -> bool:
    """`/rpc/listUsers`, `/api/users.info`: a method's name in the path's place."""
    if len(words) < 2 or set(words) & (_MADE_BY_READING | ACTING | EITHER | CONJUNCTIONS):  # noqa: PLR2004
        return False
    return words[0] in _REMOTE_READS or ("." in last and words[-1] in _REMOTE_ENDS)
