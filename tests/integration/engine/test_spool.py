"""Results on disk: only those of workers that are gone are handed in, and nothing is lost."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from interlock import Agent, tool
from interlock.engine import journal
from interlock.engine.hold import Hold
from interlock.engine.outcome import Failed, success
from interlock.engine.spool import Spool

sys.path.insert(0, str(Path(__file__).parent))
from graphs import one_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lab
    from interlock.engine.call import Call


@pytest.fixture
def executing(lab: Lab) -> Iterator[tuple[Hold, Call]]:
    """A call of a run whose worker is in the middle of it, until the test is over."""
    import threading  # noqa: PLC0415

    over = threading.Event()

    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        over.wait(30)
        return "wiped"

    graph = one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})})
    agent = Agent("a", graph=graph, tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    lab.until(lambda: lab.effects)
    row, run = lab.calls(run_id)[0], lab.run(run_id)
    hold = Hold("default", run_id, "a", run["epoch"], run["worker_id"])
    with lab.database.begin() as conn:
        call = journal.find(conn, hold, bytes(row["key"]))
    assert call is not None
    yield hold, call
    over.set()


def until_kept(spool: Spool) -> Path:
    deadline = time.monotonic() + 10
    while not (found := list(spool.folder.glob("*.json"))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found[0]


class Died(BaseException):
    """What a worker leaves by that does not come to the end."""


def leave(spool: Spool, hold: Hold, call: Call, outcome: Any) -> Path:
    """What a worker leaves that dies while it waits for the database."""
    assert call.start_token is not None
    with (  # noqa: PT012 - it dies once the file is there
        pytest.raises(Died),
        spool.holding(hold, call, call.start_token, outcome),
    ):
        path = until_kept(spool)
        raise Died
    return path


@pytest.mark.parametrize("outcome", [success({"wiped": ["v7"]}), Failed("no such volume")])
def test_what_a_dead_worker_left_is_handed_in_once(
    lab: Lab, executing: tuple[Hold, Call], tmp_path: Path, outcome: Any
) -> None:
    spool = Spool(tmp_path / "results")
    hold, call = executing
    path = leave(spool, hold, call, outcome)
    assert spool.deliver(lab.database) == 1
    (row,) = lab.calls(hold.run_id)
    if isinstance(outcome, Failed):
        assert (row["state"], row["error"]) == ("failed", "no such volume")
    else:
        assert (row["state"], json.loads(bytes(row["result"]))) == ("succeeded", {"wiped": ["v7"]})
    assert not path.exists()
    assert spool.deliver(lab.database) == 0


def test_what_a_living_worker_keeps_is_its_own(
    lab: Lab, executing: tuple[Hold, Call], tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "results")
    hold, call = executing
    assert call.start_token is not None
    with spool.holding(hold, call, call.start_token, success("done")):
        path = until_kept(spool)
        assert Spool(spool.folder).deliver(lab.database) == 0
        assert path.exists()
    assert not path.exists()
    assert lab.calls(hold.run_id)[0]["state"] == "executing"


def test_nothing_is_kept_of_a_result_that_is_written_at_once(
    executing: tuple[Hold, Call], tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "results")
    hold, call = executing
    assert call.start_token is not None
    with spool.holding(hold, call, call.start_token, success("done")):
        pass
    time.sleep(1.2)
    assert not spool.folder.exists()


STRANGE = {
    "of another database": lambda found: {**found, "call": str(uuid4()), "key": "00" * 32},
    "without its outcome": lambda found: {k: v for k, v in found.items() if k != "data"},
    "of no run": lambda found: {**found, "run": "?"},
    "with a number for a name": lambda found: {**found, "tenant": 5},
}


@pytest.mark.parametrize("strange", STRANGE)
def test_a_file_that_is_not_understood_stays_and_hinders_no_other(
    lab: Lab, executing: tuple[Hold, Call], tmp_path: Path, strange: str
) -> None:
    spool = Spool(tmp_path / "results")
    hold, call = executing
    path = leave(spool, hold, call, success("done"))
    found = json.loads(path.read_bytes())
    path.rename(path.with_name("z.json"))
    other = path.with_name("a.json")
    other.write_text(json.dumps(STRANGE[strange](found)))
    assert spool.deliver(lab.database) == 1
    assert [each.name for each in spool.folder.iterdir()] == ["a.json"]
    assert spool.deliver(lab.database) == 0


def test_a_file_that_cannot_be_opened_hinders_no_other(
    lab: Lab, executing: tuple[Hold, Call], tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "results")
    hold, call = executing
    path = leave(spool, hold, call, success("done"))
    path.with_name("0.json").mkdir()
    assert spool.deliver(lab.database) == 1
    assert lab.calls(hold.run_id)[0]["state"] == "succeeded"


def test_a_report_of_another_start_settles_nothing(
    lab: Lab, executing: tuple[Hold, Call], tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "results")
    hold, call = executing
    path = leave(spool, hold, call, success("done"))
    found = {**json.loads(path.read_bytes()), "token": str(uuid4())}
    path.write_text(json.dumps(found))
    assert spool.deliver(lab.database) == 1
    assert lab.calls(hold.run_id)[0]["state"] == "executing"
