"""Words of names, paths and descriptions, and what they say: reading, acting, or either.

The lists hold plain English verbs, not the names of any vendor's tools.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

READING: Final = frozenset(
    {
        *("get", "list", "search", "find", "read", "describe", "show", "count", "lookup"),
        *("view", "fetch", "retrieve", "inspect", "browse", "compare", "display"),
        *("calculate", "compute", "estimate"),
    }
)
"""Verbs of which a tool does no more than look, or reckon."""

NOUNS_OF_READING: Final = frozenset(
    {
        *("status", "details", "detail", "info", "information", "history", "stats", "statistics"),
        *("logs", "log", "metadata", "schema", "summary", "definitions", "diff", "count", "show"),
        *("overview", "usage", "metrics", "health", "version", "whoami", "indexes"),
    }
)
"""What a tool is for that is called after what it gives: `git_status`, `survey_stats`."""

SAYS_READING: Final = frozenset(
    {
        *("get", "list", "search", "find", "read", "describe", "show", "count", "view", "fetch"),
        *("retrieve", "return", "display", "inspect", "browse", "look", "query", "compare"),
        *("calculate", "compute", "estimate", "lookup"),
    }
)
"""How the description of a tool begins that only reads."""

ACTING: Final = frozenset(
    {
        *("create", "recreate", "delete", "remove", "destroy", "drop", "purge", "erase", "wipe"),
        *("truncate", "send", "resend", "execute", "exec", "eval", "write", "overwrite", "insert"),
        *("upsert", "add", "append", "prepend", "modify", "edit", "rename", "move", "replace"),
        *("restore", "revert", "rollback", "reset", "restart", "reboot", "shutdown", "stop"),
        *("kill", "terminate", "cancel", "pause", "resume", "suspend", "enable", "disable"),
        *("activate", "deactivate", "install", "uninstall", "upgrade", "downgrade", "deploy"),
        *("undeploy", "redeploy", "publish", "unpublish", "provision", "deprovision"),
        *("configure", "register", "unregister", "enroll", "subscribe", "unsubscribe"),
        *("assign", "unassign", "reassign", "grant", "revoke", "approve", "reject", "accept"),
        *("decline", "deny", "confirm", "submit", "resubmit", "upload", "save", "pay", "refund"),
        *("withdraw", "buy", "sell", "notify", "dial", "invoke", "trigger"),
        *("dispatch", "enqueue", "dequeue", "pop", "rebase", "navigate", "mark", "unmark"),
        *("unarchive", "reopen", "lock", "unlock", "unblock", "ban", "unban", "mute", "unmute"),
        *("unpin", "unfollow", "upvote", "downvote", "rotate", "regenerate", "flush", "clear"),
        *("evict", "cordon", "uncordon", "bind", "unbind", "attach", "detach", "unlink"),
        *("forward", "set", "unset", "toggle", "apply", "finalize", "finalise", "void", "fulfil"),
        *("fulfill", "swap", "mint", "burn", "unmount", "logout", "signout"),
        *("logoff", "login", "signup", "acknowledge", "ack", "dismiss", "escalate", "promote"),
        *("demote", "quarantine", "isolate", "freeze", "unfreeze", "redeem", "reimburse"),
        *("donate", "tweet", "retweet", "broadcast", "propagate", "sync", "resync"),
        *("migrate", "allocate", "deallocate", "spawn", "respawn", "unfreeze", "disconnect"),
        *("wipe", "reindex", "vacuum", "reload", "inject"),
        *("impersonate", "mutate", "increment", "decrement", "consume", "acquire"),
        *("kick", "evaluate", "persist", "squash", "cherrypick"),
        *("invalidate", "expire", "alter", "disarm", "eject", "onboard", "offboard", "prune"),
        *("reconcile", "recycle", "redo", "undo", "relaunch", "reorder", "repair", "repost"),
        *("rerun", "reschedule", "retire", "retract", "revise", "seize", "silence"),
        *("snooze", "spend", "suppress", "transmit", "tweak", "unfriend", "unpause", "vacate"),
        *("whitelist", "blacklist", "obliterate", "exfiltrate", "rebuild"),
        *("tamper", "steal", "hire", "fire", "expel", "disburse"),
    }
)
"""Verbs that act and are seldom nouns: anywhere in a name they say that the tool acts."""

EITHER: Final = frozenset(
    {
        *("update", "release", "post", "order", "build", "import", "export", "charge", "transfer"),
        *("run", "comment", "change", "merge", "archive", "request", "issue", "test", "record"),
        *("log", "report", "note", "backup", "call", "book", "branch", "copy", "clone", "fork"),
        *("share", "tag", "link", "message", "mail", "email", "invite", "refresh", "scale"),
        *("store", "return", "exchange", "trade", "capture", "press", "type", "star", "reply"),
        *("sign", "start", "close", "open", "block", "pull", "push", "stage", "schedule", "plan"),
        *("follow", "like", "vote", "click", "draft", "patch", "launch", "ship", "label"),
        *("review", "answer", "process", "deposit", "purchase", "reserve", "pin", "drag", "fill"),
        *("hover", "scroll", "put", "drain", "complete", "react", "encrypt", "decrypt"),
        *("generate", "prepare", "suggest", "manage", "handle", "perform", "do", "make", "use"),
        *("query", "ask", "track", "watch", "monitor", "record", "play", "print", "scan", "sms"),
        *("commit", "claim", "format", "boot", "mount", "wire", "mask", "stash", "override"),
        *(
            "checkout",
            "download",
            "debit",
            "bypass",
            "resolve",
            "join",
            "leave",
            "finish",
            "resize",
        ),
        *("bill", "tip", "bid", "retry", "replay", "queue", "text", "page", "alert", "ping"),
    }
)
"""Verbs that are nouns as well: `get_update` reads one, `update_x` and `x_update` make one."""

CONJUNCTIONS: Final = frozenset(
    {
        *("and", "or", "then", "plus", "n", "nor", "but", "also"),
        *("und", "et", "y", "og", "och", "en"),
    }
)
"""Of names; of other languages than English, too, whose verbs are not known."""
NEUTRAL: Final = frozenset({"api", "mcp", "tool", "tools", "batch", "bulk", "multi", "async"})
"""Words before a name's verb that say nothing of what it does."""

_ENGLISH: Final = frozenset(
    {
        *("the", "a", "an", "of", "in", "for", "to", "and", "with", "by", "from", "on", "is"),
        *("are", "all", "or", "its", "your", "that", "this", "at", "as", "it", "be", "not"),
    }
)
_FOREIGN: Final = frozenset(
    {
        *("der", "das", "und", "ein", "eine", "einen", "den", "dem", "mit", "ist", "wird"),
        *("nicht", "zum", "zur", "vom", "eines", "einer", "auf", "fur", "los", "las", "una"),
        *("del", "para", "por", "con", "sus", "une", "les", "des", "aux", "est", "pour", "dans"),
        *("gli", "che", "della", "uma", "dos", "och", "att", "som", "og", "het", "een", "voor"),
    }
)
_SELDOM_ENGLISH: Final = frozenset(
    {"la", "le", "el", "de", "du", "un", "y", "et", "il", "lo", "li", "die", "se", "e", "i", "o"}
)
"""Of another language where no word is English."""
_TOO_FOREIGN: Final = 3
_IRREGULAR: Final = {
    "send": "sent",
    "resend": "resent",
    "write": "written",
    "overwrite": "overwritten",
    "pay": "paid",
    "withdraw": "withdrawn",
    "buy": "bought",
    "sell": "sold",
    "reset": "reset",
    "unset": "unset",
    "bind": "bound",
    "unbind": "unbound",
    "freeze": "frozen",
    "unfreeze": "unfrozen",
    "rebuild": "rebuilt",
    "steal": "stolen",
    "undo": "undone",
    "redo": "redone",
    "rerun": "rerun",
    "spend": "spent",
    "tell": "told",
}
_PART: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_UNSEEN: Final = frozenset({"Mn", "Cf", "Co", "Cs"})


def plain(text: str) -> str | None:
    """The text in ASCII as far as it is Latin; None where it has letters that are not.

    A word that looks like another, or hides a character, must not pass for harmless.
    """
    parts = unicodedata.normalize("NFKD", text)
    kept = "".join(c for c in parts if unicodedata.category(c) not in _UNSEEN)
    return kept if all(c.isascii() or not c.isalpha() for c in kept) else None


def is_english(text: str) -> bool:
    """Whether nothing speaks for another language, in which what acts would not be seen."""
    words = text.lower().split()
    foreign = sum(word in _FOREIGN for word in words)
    if any(word in _ENGLISH for word in words):
        return foreign < _TOO_FOREIGN
    return not foreign and not any(word in _SELDOM_ENGLISH for word in words)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, however it joins them: `getUser`, `get-user`, `GET_USER`."""
    return tuple(part.lower() for part in _PART.findall(name))


def third_person(verb: str) -> str:
    """`sends` of `send`."""
    if verb.endswith(("s", "x", "z", "ch", "sh")):
        return f"{verb}es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ies"
    return f"{verb}s"


def participles(verb: str) -> tuple[str, ...]:
    """`dropped` of `drop`; with its last letter doubled and not, since few verbs tell."""
    if verb in _IRREGULAR:
        return (_IRREGULAR[verb],)
    if verb.endswith("e"):
        return (f"{verb}d",)
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return (f"{verb[:-1]}ied",)
    return (f"{verb}ed", f"{verb}{verb[-1]}ed")


def gerunds(verb: str) -> tuple[str, ...]:
    """`sending` of `send`; with its last letter doubled, too, since few verbs tell."""
    stem = verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb
    return (f"{stem}ing", f"{stem}{stem[-1]}ing")
