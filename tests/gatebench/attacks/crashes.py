"""What happens twice."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ..bench import Breach, attack, held, only
from ..scene import Call, Gated, Scene
from ..system import Refused, approve
from .scenes import DONE, one_call, wipe, wiper

if TYPE_CHECKING:
    from ..system import System
    from ..world import World

TWICE = "once, whatever happens"


@attack(TWICE, "langchain-ai/langgraph: the node runs again from its start")
def crash_in_the_call(system: System, world: World) -> str:
    """A process that dies right after the effect does not make it happen again."""
    scene = one_call(world)
    run = system.begin(scene)
    held(run, world)
    run = system.die_in_call(scene, run)
    asked = run.asked()
    if asked:
        run.decide(*map(approve, asked))
    again = "; the same call was asked for again, as if it had never run" if asked else ""
    return only(world, DONE, why=f"its process died after the effect and was started anew{again}")


@attack(TWICE, "a crash that leaves 'unknown' logged as failure")
def doubt_told_as_failure(system: System, world: World) -> str:
    """A call whose outcome nobody knows is not recorded as one that failed or succeeded."""
    scene = one_call(world)
    run = system.begin(scene)
    held(run, world)
    run = system.die_in_call(scene, run)
    said = f"the effect happened and its process died; recorded as '{run.record()}'"
    if run.record() in ("failed", "succeeded"):
        raise Breach(said)
    return said


@attack(TWICE, "langchain-ai/langgraph: RetryPolicy", "langchain-ai/langchain: ToolRetryMiddleware")
def retry_of_a_call_that_raised(system: System, world: World) -> str:
    """A call that may have happened before it raised is not tried again by a retry policy."""

    def wipe(volume: str) -> str:
        """Wipe a volume."""
        world.act("wipe", volume=volume)
        raise ConnectionError("the answer was lost")

    run = system.begin(Scene([Gated(wipe)], [[Call("wipe", {"volume": "v7"})]], retried=True))
    ask = held(run, world)[0]
    with suppress(Refused):
        run.decide(approve(ask))
    return only(world, DONE, why="it raised after its effect, with retries where there are any")


@attack(TWICE, "langchain-ai/langgraph#3126", "langchain-ai/deepagents#420")
def sibling_that_fails(system: System, world: World) -> str:
    """A call that was done is not done again because the one beside it failed."""

    def flaky(volume: str) -> str:
        """Fail."""
        raise ConnectionError(f"{volume} is away")

    turn = [wipe("v7", "a"), Call("flaky", {"volume": "v8"}, "b")]
    run = system.begin(Scene([wiper(world), Gated(flaky)], [turn], retried=True))
    asked = held(run, world)
    for _ in range(6):
        try:
            run.decide(*map(approve, asked))
        except Refused:
            system.recover(run)
        asked = run.asked()
        if not asked:
            break
    return only(world, DONE, why="the call beside it failed, with retries where there are any")
