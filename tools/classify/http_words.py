"""What the words of a path and a query say: that the server acts on a GET, or only computes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .glued import acts_again, acts_together
from .lexicon import ACTING, CONJUNCTIONS, EITHER, NOUNS_OF_READING, READING, words_of

if TYPE_CHECKING:
    from .target import Target

_ACTS_IN_PATH: Final = ACTING | {
    *("proxy", "portforward", "creds", "sts", "pixel", "beacon", "verify", "cron", "turn"),
    *("speak", "tts", "announce", "topup", "recharge", "unsub", "scrobble", "unscrobble", "wol"),
    *("originate", "unstar", "reconfigure", "restrict", "delegate", "defer", "disapprove"),
    *("unfurl", "rsvp", "heapdump", "getupdates", "optout", "optin"),
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
        *("console", "hit", "punch", "cleanup", "clean", "warm", "optimize", "optimise", "ingest"),
        *("compact", "wake", "say", "attend", "zap", "go", "fail", "rate", "play", "skip", "seek"),
        *("term", "accept", "settle", "built", "paused"),
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
_BEGINS_A_METHOD: Final = frozenset(
    {"skip", "seek", "recall", "gift", "convert", "hide", "place", "book", "give", "end"}
)
"""Verbs that a name in camel case begins with: `recallPreset`."""
_ACTS_BEFORE_MORE: Final = frozenset(
    {
        "ping",
        "hook",
        "hooks",
        "vote",
        "like",
        "dislike",
        "follow",
        "bookmark",
        "favorite",
        "favourite",
    }
)
"""As the first of several segments: `/like/{id}`, and `/hooks/{token}`, which is told of events."""
_NAMED_AFTER_AN_ACT: Final = frozenset({"confirmation", "verification", "activation", "say"})
"""With a token behind it, or in the query, the link that does it: `/activation/{token}`."""
_SERVICES: Final = re.compile(r".+\.(?:asmx|svc|ashx|dll)", re.IGNORECASE)
"""What is called by the name of a method behind it."""
_CAPABILITY: Final = re.compile(
    r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|(?=\w*\d)(?=\w*[A-Za-z])\w{20,}|[a-z]{16}"
)
"""A path of such alone names nothing: who knows it may make something happen."""
_MOST_WORDS: Final = 4
_PROGRAMS: Final = re.compile(r"cgi-bin|.+\.cgi", re.IGNORECASE)
_PICTURE: Final = re.compile(r".+\.(?:png|jpe?g|webp)", re.IGNORECASE)
_BEACON: Final = re.compile(r".+\.gif", re.IGNORECASE)
_SEEN: Final = frozenset({"open", "opened", "track", "tracking", "click", "view", "o", "t", "e"})
"""Beside a picture with a query: one that counts who looks at it."""
_NOUNS_AT_THE_END: Final = frozenset({"pay", "set"})
_EXTENSION: Final = re.compile(
    r"\.(?:php\d?|aspx?|jspx?|do|pl|json|xml|html?|view|action|lua)$", re.IGNORECASE
)
_SAYS_WHAT_TO_DO: Final = frozenset(
    {
        *("action", "act", "do", "cmd", "cmnd", "command", "op", "operation", "func", "function"),
        *(
            "btn",
            "button",
            "callname",
            "fn",
            "wsfunction",
            "task",
            "mode",
            "a",
            "r",
            "route",
            "sql",
            "cypher",
            "script",
        ),
    }
)
_READS_GLUED: Final = re.compile(r"(?:GET|LIST)(?!.*(?:TOKEN|LOCK|KEY|SECRET))[A-Z]{4,}")
"""`op=LISTSTATUS`."""
_ONLY_IF_IT_ACTS: Final = frozenset({"mode", "a", "r", "route"})
"""Keys that mostly say something else, so a value has to act before they do."""
_CARRIES: Final = frozenset({"message", "msg", "body", "payload"})
"""Keys of what is sent somewhere."""
_FOLLOWING: Final = frozenset({"watch", "follow", "monitor"})
"""Switches of a read that goes on: `?watch=true`."""
_ENDS: Final = frozenset({"end", "stop", "step", "limit", "rows", "count", "num"})
"""Beside one of these, `start` is where a range begins."""
_TURNED: Final = frozenset(
    {"state", "status", "power", "relay", "turn", "led", "light", "switch", "outlet", "go"}
)
_ON_OR_OFF: Final = frozenset({"on", "off", "toggle"})
_HARD: Final = frozenset({"hard", "force", "now"})
_TO_SOMEBODY: Final = frozenset(
    {
        *("to", "phone", "number", "msisdn", "mobile", "mobilenumber", "recipient", "recipients"),
        *("device", "player", "chat", "chatid", "dst", "dest", "destination", "phonenumber"),
    }
)
_SAYS_SOMETHING: Final = frozenset(
    {"text", "msg", "message", "sms", "announcement", "amount", "caption", "content"}
)
_ANSWERS: Final = frozenset({"response", "rsvp", "attending", "answer", "decision", "reply"})
_ANSWERED: Final = frozenset({"yes", "no", "maybe", "accept", "decline", "accepted", "declined"})
_A_CURRENCY: Final = re.compile(r"[A-Za-z]{3,5}|\d{4}-\d\d.*")
"""What a conversion, or a span of time, has after `to`."""
_METHOD_NAME: Final = re.compile(r"[\w./:-]{3,60}")
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

_COMMENT: Final = re.compile(r"/\*.*?\*/|--[^\n]*(?:\n|$)|^\s*#[^\n]*\n", re.DOTALL)
_CALLS_A_WRITE: Final = re.compile(r"\b(?:delete|update|commit|insert|remove|drop|executor)\s*\(")
_FROM_ELSEWHERE: Final = re.compile(r"\b(?:url|remote|s3|service|load)\b\W{0,4}[<'\"(]*\s*https?:")
_IN_SPARQL: Final = re.compile(
    r"\b(?:delete|insert|clear|move|copy|add|load|drop|create)\b", re.IGNORECASE
)
_BEGINS_A_WRITE: Final = re.compile(
    r"\s*(?:move|grant|revoke|truncate|optimize|kill|system|rename|attach|detach|exchange|drop|alter|create|"
    r"insert|update|delete|replace|merge|call|exec|execute|set|load|copy|backup|restore)\b"
)
_HOLDS_A_STATEMENT: Final = frozenset({"query", "statement", "update"})
_ASKED_IN_STATEMENTS: Final = frozenset({"query", "exec", "db", "cypher", "sparql", "statement"})
_FILTERS: Final = frozenset(
    {
        *("q", "query", "search", "s", "text", "term", "keyword", "name", "title", "label", "tag"),
        *("type", "types", "status", "state", "sort", "filter", "category", "fields", "include"),
        *("order", "orderby", "columns", "select", "metric", "metrics", "events", "actions"),
        *("expand", "slug", "topic", "language", "by", "permission", "scope"),
    }
)
"""Keys that choose among what there is: a verb as their value is what is looked for."""
_LETTERS_TO: Final = frozenset({"email", "mail", "sms", "message", "fax"})
_COMPUTING: Final = frozenset(
    {
        *("search", "msearch", "lookup", "count", "preview", "batchget", "freebusy", "queryrange"),
        *("find", "findone", "bulkget", "multisearch", "runquery", "lint", "parse"),
    }
)
_COMPUTING_PAIRS: Final = frozenset(
    {
        *(("create", "preview"), ("generate", "preview"), ("batch", "get"), ("get", "batch")),
        ("test", "iam", "permissions"),
    }
)
_SAYS_HOW: Final = frozenset(
    {
        "apiversion",
        "version",
        "size",
        "format",
        "fields",
        "limit",
        "page",
        "perpage",
        "pretty",
        "fl",
    }
)
"""Keys that say how an answer looks."""
_QUERY_LANGUAGES: Final = frozenset({"jql", "cql", "soql", "aql", "query"})
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
        *("address", "reward", "advance", "approval", "voucher", "coupon", "visit"),
    }
)
_NOT_A_LOOK: Final = frozenset(
    {
        *("deployment", "deployments", "environment", "environments", "site", "sites", "apps"),
        *("branches", "builds", "sandbox", "sandboxes", "email", "emails", "mail", "message"),
        *("newsletter", "newsletters", "counters", "inbox", "threads"),
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
    for before, segment in zip(("", *target.segments), target.segments, strict=False):
        if word := _acting_segment(segment):
            return Word(word)
        if word := _procedure(segment) or _called(before, segment):
            return Word(word, is_unsure=True)
    if word := _acting_whole(target):
        return Word(word)
    end = _acting_end(target)
    return Word(end, is_unsure=True) if end else None


def _acting_end(target: Target) -> str | None:
    """What the path ends with, where that is a verb that may be a noun elsewhere."""
    end = _EXTENSION.sub("", target.segments[-1]) if target.segments else ""
    words = words_of(end.lower()) if not target.ends_open else ()
    if not words or (len(words) > 1 and ":" not in end):
        return None
    acts = words[-1] in _ACTS_AT_THE_END or (len(words) == 1 and acts_again(words[0]))
    return words[-1] if acts else None


def _called(before: str, segment: str) -> str | None:
    """`TransferFunds` of `/Bank.asmx/TransferFunds`, unless it reads."""
    words = words_of(segment) if _SERVICES.fullmatch(before) else ()
    return words[0] if words and words[0] not in READING else None


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
    if all(map(_CAPABILITY.fullmatch, target.segments)):
        return first
    above = target.segments[-2].lower() if len(target.segments) > 1 else ""
    asks = any(words_of(name)[-1:] == ("token",) for name, _ in target.query)
    if (goes_on and above in _NAMED_AFTER_AN_ACT) or (asks and last in _NAMED_AFTER_AN_ACT):
        return above or last
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
        if "del" in (words[0], last):
            return "del"
        whole = "".join(words)
        for word in (words[0], last, whole):
            if word in _ACTS_IN_PATH or (word in _JOINED and word == whole):
                return word
        if acts := next(filter(acts_together, words), None):
            return acts
        if len(words) <= _MOST_WORDS:
            between = next(
                (word for word in words[1:-1] if word in ACTING or word == "update"), None
            )
            if between is not None:
                return between
    return None


def _procedure(segment: str) -> str | None:
    """The verb of a segment that names what to do to what: `postMessage`, `/update-user`."""
    parts = segment.split(".")
    for part in parts:
        words = words_of(part)
        if len(words) > 1 and words[0] in EITHER | _BEGINS_A_METHOD:
            is_camel_case = part.isalnum() and part[0].islower()
            is_of_one = words[0] in _ACTS_AT_THE_END and not words[-1].endswith("s")
            if is_camel_case or is_of_one or words[0] in {"update", "drain"}:
                return words[0]
    return _method(parts[-1]) if len(parts) > 1 else None


def _method(name: str) -> str | None:
    """The last part of `conversations.archive`, `files.sharedPublicURL`, unless it reads."""
    words = words_of(name)
    if len(words) == 1:
        return words[0] if words[0] in (EITHER | _BEGINS_A_METHOD) - NOUNS_OF_READING else None
    is_camel_case = name.isalnum() and name[:1].islower() and name.lower() != name
    reads = bool(words) and (words[0] in READING or bool(NOUNS_OF_READING.intersection(words)))
    return words[0] if is_camel_case and not reads else None


def acting_query(target: Target) -> Word | None:
    """What of the query says so: `?delete=1`, `?action=archive`."""
    if word := _told_somebody(target):
        return word
    for key, value in target.query:
        words = tuple(word for word in words_of(key.lower()) if not word.isdigit())
        whole = "".join(words)
        if key.lower().startswith("stream."):  # Solr reads a body from there
            return Word(key[:40])
        if words and (
            words[0] in _ACTS_IN_PATH or whole in _JOINED - _SAYS_WHAT_TO_DO or whole in _CARRIES
        ):
            return Word(key[:40])
        says = words and (
            _says_what_to_do(words, value)
            or _is_verb(words, value)
            or _names_an_act(words, value)
            or whole.endswith(("cmd", "command", "gcode"))
        )
        says = says or _turns(words, value)
        if says or _is_switch(words_of(key), value, target) or _is_statement(words, value, target):
            return Word(f"{key}={value}"[:40])
        if whole == "to" and _LETTERS_TO.intersection(target.segments):
            return Word(key)
    return None


def _told_somebody(target: Target) -> Word | None:
    """What is said, or paid, to whom: `?phone=…&text=…`."""
    sent = {"".join(words_of(key.lower())): (key, value) for key, value in target.query}
    says = next((sent[key] for key in sent if key in _SAYS_SOMETHING), None)
    to = next((sent[key] for key in sent if key in _TO_SOMEBODY), None)
    if says is None or to is None or (to[0] == "to" and _A_CURRENCY.fullmatch(to[1])):
        return None
    return Word(f"{to[0]} … {says[0]}"[:40])


def _turns(words: tuple[str, ...], value: str) -> bool:
    """`?state=off`, `?1=ON`, `?rsvp=yes`."""
    told = value.lower()
    if told in _ON_OR_OFF:
        return not words or bool(_TURNED.intersection(words))
    return words[-1:] != () and words[-1] in _ANSWERS and told in _ANSWERED


def _names_an_act(words: tuple[str, ...], value: str) -> bool:
    """`?fn=deleteUser`, `?view=user/delete`: the name of a method, under whatever key."""
    named = words_of(value)
    is_filter = words[-1] in _FILTERS or words[0] in {"sort", "order"}
    if not _METHOD_NAME.fullmatch(value) or not 1 < len(named) <= _MOST_WORDS:
        return False
    if is_filter and "/" not in value:
        return False
    last = words_of(value.rpartition("/")[2])[:1] if "/" in value else named[-1:]
    verbs = {named[0], *last, *(named[1:2] if named[0] == "on" else ())}
    return bool(verbs & (ACTING | {"del"})) or any(map(acts_together, named))


def _is_switch(words: tuple[str, ...], value: str, target: Target) -> bool:
    """`?follow=1`, `?do_delete=yes`; neither a page nor the beginning of a range."""
    whole = "".join(words)
    if value.lower() in _HARD and whole in EITHER | ACTING:
        return True
    if value.lower() not in _YES:
        return False
    bounds = whole == "start" and _ENDS.intersection(name.lower() for name, _ in target.query)
    if bounds or (whole, value) == ("page", "1"):
        return False
    return whole in EITHER - _FOLLOWING | _SWITCHES or bool(ACTING.intersection(words))


def _is_verb(words: tuple[str, ...], value: str) -> bool:
    """`?button=delete`, `?override=PUT`: a value that is a verb alone, and no filter."""
    is_method = value in {"PUT", "PATCH", "DELETE", "POST"}
    return is_method or (value.lower() in ACTING and words[-1] not in _FILTERS)


def _is_statement(words: tuple[str, ...], value: str, target: Target) -> bool:
    text = _COMMENT.sub(" ", value.lower().replace("+", " "))
    asked = words[-1:] and words[-1] in _HOLDS_A_STATEMENT
    asked = asked or bool(_ASKED_IN_STATEMENTS.intersection(target.segments[-1:]))
    asked = asked or (not target.segments and words[-1:] == ("q",))
    if words == ("update",) and _IN_SPARQL.search(text):
        return True
    if words == ("expr",) and _CALLS_A_WRITE.search(text):
        return True
    if _STATEMENT.search(text) or (asked and _FROM_ELSEWHERE.search(text)):
        return True
    return bool(asked) and any(map(_BEGINS_A_WRITE.match, text.split(";")))


def _says_what_to_do(key: tuple[str, ...], value: str) -> bool:
    words = set(words_of(value))
    acts = bool(words & (_ACTS_IN_PATH | EITHER | _MADE_BY_READING))
    if len(key) == 1 and key[0] in _ONLY_IF_IT_ACTS:
        return acts
    reads = bool(words & (READING | NOUNS_OF_READING)) or bool(_READS_GLUED.fullmatch(value))
    reads = reads and not acts
    return (key[-1] in _SAYS_WHAT_TO_DO - _ONLY_IF_IT_ACTS or key == ("method",)) and not reads


def computes(target: Target) -> str | None:
    """Why a POST to this path changes nothing, as the end of a sentence; None if it may."""
    says_how = all("".join(words_of(key.lower())) in _SAYS_HOW for key, _ in target.query)
    if not target.shown.isascii() or target.ends_open or not target.segments or not says_how:
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
