"""A function that assesses what it is given, its name, and the types on both sides of it."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ...tools.questions import Step
from ..stated import state
from .assessment import Assessment, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage as it was declared.

    Attributes:
        takes: the type of its first argument.
        gives: the type of its assessment's value.
        sees_input: whether it has a second argument, for what the whole began with.
    """

    name: str
    work: Callable[..., Any]
    takes: TypeAdapter[Any]
    gives: TypeAdapter[Any]
    sees_input: bool

    @classmethod
    def of(cls, work: Callable[..., Any]) -> Stage:
        """A function of one or two arguments, sync or async, or a LangChain runnable.

        Raises:
            ValueError: it has no name to be known by.
        """
        name = str(getattr(work, "name", None) or getattr(work, "__name__", ""))
        if not name.isidentifier():
            raise ValueError(f"A stage is known by its function's name, and '{name}' is none.")
        takes, gives = _types(work)
        sees_input = not hasattr(work, "ainvoke") and len(inspect.signature(work).parameters) > 1
        return cls(name, work, TypeAdapter(takes), TypeAdapter(gives), sees_input)

    async def assess(self, given: Any, came_from: str, begun_with: Any) -> Step:
        """What the stage makes of what it is given, as it goes into the trail.

        Raises:
            TypeError: it gives something else than an assessment or a refusal.
        """
        try:
            fit = self.takes.validate_python(given)
        except ValidationError as error:
            reason = f"It does not take what {came_from} gave: {_first(error)}"
            return Step(stage=self.name, refused=reason)
        said = await self._work(fit, *([begun_with] if self.sees_input else []))
        if isinstance(said, Refused):
            return Step(stage=self.name, refused=said.reason)
        if not isinstance(said, Assessment):
            raise TypeError(
                f"Stage '{self.name}' gave a {type(said).__name__}, not an Assessment or a Refused."
            )
        step = Step(stage=self.name, **said.model_dump(mode="json"))
        state(step)
        return step

    async def _work(self, *given: Any) -> Any:
        ainvoke = getattr(self.work, "ainvoke", None)
        if ainvoke is not None:
            return await ainvoke(*given)
        if inspect.iscoroutinefunction(self.work):
            return await self.work(*given)
        return await asyncio.to_thread(self.work, *given)


def by_name(stages: Iterable[Callable[..., Any]]) -> dict[str, Stage]:
    """Stages by their names.

    Raises:
        ValueError: there is none, or two have one name.
    """
    named: dict[str, Stage] = {}
    for stage in map(Stage.of, stages):
        if stage.name in named:
            raise ValueError(f"Two stages are called '{stage.name}'.")
        named[stage.name] = stage
    if not named:
        raise ValueError("There is no stage.")
    return named


def options(kind: TypeAdapter[Any]) -> list[str]:
    """The texts that a type has room for, if it is a choice of such."""
    schema = kind.json_schema()
    schema = schema.get("$defs", {}).get(str(schema.get("$ref")).rpartition("/")[2], schema)
    found = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    return found if all(isinstance(each, str) for each in found) else []


def read(kind: TypeAdapter[Any], answer: Any) -> Any:
    """What a person said, as JSON of that type.

    Raises:
        ValueError: it does not fit; with why.
    """
    try:
        return kind.dump_python(kind.validate_python(answer), mode="json")
    except ValidationError as error:
        problem = _first(error)
    if isinstance(answer, str):
        try:
            return kind.dump_python(kind.validate_json(answer), mode="json")
        except ValidationError as error:
            if not error.errors()[0]["type"].startswith("json"):
                problem = _first(error)
    raise ValueError(f"“{answer}” does not fit: {problem}")


def _types(work: Any) -> tuple[Any, Any]:
    """What it takes and what it assesses; anything, where its annotations cannot be read."""
    try:
        hints = get_type_hints(work)
    except (NameError, TypeError):
        return Any, Any
    given = hints.pop("return", Any)
    parameters = [name for name in inspect.signature(work).parameters if name in hints]
    return hints[parameters[0]] if parameters else Any, _assessed(given)


def _assessed(returns: Any) -> Any:
    """The value's type of the assessment among what a function returns."""
    for part in (returns, *getattr(returns, "__args__", ())):
        if inspect.isclass(part) and issubclass(part, Assessment):
            return part.model_fields["value"].annotation if part is not Assessment else Any
    return Any


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = "/".join(map(str, first["loc"]))
    return f"{where + ': ' if where else ''}{first['msg']}."
