"""The model behind the agent: the scripted one, or a real one by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interlock.examples.models import Scripted, choose

from .script import reply

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class ScriptedModel(Scripted):
    """Plays `script.py`."""

    def __init__(self) -> None:
        super().__init__(play=reply)


def choose_model(name: str | None) -> BaseChatModel:
    """The scripted model, or the one that `provider:name` names.

    Raises:
        UsageError: LangChain or the provider's package or key is missing, or there is no such one.
    """
    return choose(name, ScriptedModel())
