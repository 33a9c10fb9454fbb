"""Verbs written together with what they act on: `deluser`, `scannow`, `userlogout`, `MSET`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .lexicon import ACTING, EITHER

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORT: Final = (ACTING - {"lock", "mark", "bind", "swap"}) | {
    *("del", "rm", "mk", "scan", "clone", "copy", "renew", "record", "switch", "duplicate"),
    *("wake", "update", "make", "put", "control", "play"),
}
_LONG: Final = 6
_AGAIN: Final = EITHER | {"calculate", "compute", "render", "encode", "train", "index", "warm"}
_STORES: Final = frozenset(
    {
        *("hdel", "sadd", "srem", "smove", "spop", "zadd", "zrem", "zincrby", "zpopmin", "zpopmax"),
        *("mset", "msetnx", "setnx", "psetex", "getex", "hmset", "hsetnx", "hincrby", "xadd"),
        *("hincrbyfloat", "incrbyfloat", "xdel", "xtrim", "xack", "ltrim", "lrem", "linsert"),
        *("lset", "lpushx", "rpushx", "rpoplpush", "blpop", "brpop", "lmove", "decrby", "pfadd"),
        *("geoadd", "setrange", "setbit", "bitop", "pexpire", "expireat", "bgsave", "flushall"),
    }
)
"""Commands of Redis that write, as HTTP interfaces to it take them in the path."""


def _any(verbs: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(verbs, key=len, reverse=True))})"


_THINGS: Final = (
    r"(?:(?:user|item|all|now|acct|account|row|entry|dns|domain|proc|process|door|log|cache|page|pin|"
    r"server|service|host|node|job|task|file|dir|device|order|request|message|sms|mail|email|player|"
    r"client|group|role|timer|mode|level|light|temp|relay|object|property|priority|test|volume|post|"
    r"vm)(?:e?s)?)+"
)
_IN_A_NOUN: Final = (
    r"(?:d|s|r|rs|e|ed|er|ers|ee|ees|ing|ings|able|ability|ments?|l?ations?|led|ling|lers?|"
    r"ions?|ors?|ances?|ences?|ents?|als?|ive|fully?|ly|sets?|points?|ids?|at|by|date|time|counts?|"
    r"urls?|status|types?|logs?|list|history|keys?|names?|info|codes?|tokens?|rules?|policy|"
    r"meta|metadata|form|options?)\d*$"
)
"""What a long verb is followed by in a noun: `installations`, `uploadstatus`."""
_TOGETHER: Final = re.compile(
    rf"{_any(_SHORT)}{_THINGS}|"
    rf"(?:do)?{_any(verb for verb in ACTING if len(verb) >= _LONG)}(?!{_IN_A_NOUN})[a-z0-9]{{3,}}|"
    r"(?:open|close|start|stop|pause)(?:door|gate|valve|all|now|lock)s?|"
    r"set(?!ting|up|list|tle|s$)[a-z]{4,}|"
    r"\w{3,}(?:delete|destroy|remove|reboot|shutdown|restart|logout|signout|kick|toggle|cancel|"
    r"disable|enable|revoke|purge|erase|reset|exit|add)"
)


@lru_cache(maxsize=4096)
def acts_together(word: str) -> bool:
    """Whether a single word in small letters holds a verb that acts, with what it acts on."""
    return word in _STORES or bool(_TOGETHER.fullmatch(word))


def acts_again(word: str) -> bool:
    """`recalculate`, `rescan`: what is done once more is done."""
    return word.startswith("re") and word[2:] in _AGAIN
