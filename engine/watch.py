"""What a saver tells of the checkpoints that it stores and reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Watch(Protocol):
    """Is told of a run's steps and tasks; `after` is the checkpoint before them."""

    def step_done(self, ns: str, after: str | None) -> Mapping[str, Any]:
        """A superstep is finished; what its metadata says besides. Raises to take no other."""

    def step_stored(self, ns: str) -> None:
        """A superstep is stored, or on its way with all that is to be stored after it."""

    def task_done(
        self, ns: str, after: str, task_id: str, writes: Sequence[tuple[str, Any]]
    ) -> None:
        """A task wrote this; raises to refuse it."""

    def step_read(self, ns: str, metadata: Mapping[str, Any]) -> None:
        """The run goes on from a checkpoint with this metadata."""
