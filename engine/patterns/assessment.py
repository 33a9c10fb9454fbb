"""What a stage says: a value, how sure it is of it, and on what grounds; or that it will not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Assessment(BaseModel, Generic[T]):
    """A value with the confidence in it, from 0 to 1, and the evidence for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: T
    confidence: float = Field(ge=0, le=1)
    evidence: tuple[str, ...] = ()

    def __init__(self, value: T, confidence: float, evidence: Sequence[str] = ()) -> None:
        super().__init__(value=value, confidence=confidence, evidence=tuple(evidence))


@dataclass(frozen=True, slots=True)
class Refused:
    """A stage's word that what it got cannot be right; a person is asked, not the next stage."""

    reason: str
