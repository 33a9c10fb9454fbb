"""What a person types to approve something that cannot be undone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..tools.effect import Effect
from .lifecycle import ApprovalKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .queries import ApprovalDetail

_TYPABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@/-]{2,39}")


def to_type(tool: str, args: Mapping[str, Any], headline: str) -> str:
    """The object's own name where the headline names one, else the tool's.

    Typing the object makes its reader look at which one it is.
    """
    for value in args.values():
        if isinstance(value, str) and _TYPABLE.fullmatch(value) and _has_word(headline, value):
            return value
    return tool


def wanted(detail: ApprovalDetail) -> str | None:
    """What a page or the command line asks to be typed before it approves.

    The terms can demand it of every client, in the approval's `confirm`; where a person is at the
    screen it is asked of every irreversible call.
    """
    asked, call = detail.approval, detail.call
    if asked.terms.confirm is not None:
        return asked.terms.confirm
    if call is None or asked.kind != ApprovalKind.CALL or call.effect != Effect.IRREVERSIBLE:
        return None
    return to_type(call.tool, call.args, asked.headline)


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None
