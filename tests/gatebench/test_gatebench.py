"""Every attack is stopped by this engine, and can tell a gate from none."""

from __future__ import annotations

from pathlib import Path

import pytest

import gatebench.attacks  # noqa: F401 - registers them
from gatebench.bench import ATTACKS, BREACHED, LOST, STOPPED, Attack, Breach, Outcome, only
from gatebench.report import BEGIN, END
from gatebench.system import NotApplicable, Refused
from gatebench.systems import CONTROL, HOMES, OURS, system_named
from gatebench.world import World

PAGE = Path(__file__).parents[2] / "docs" / "gatebench.md"


def tried(attack: Attack, name: str, storage: str, folder: Path) -> Outcome:
    """What came of the attack."""
    world = World(folder)
    system = system_named(name)(storage, world)
    try:
        return attack.run(system, world)
    finally:
        system.close()


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_this_engine_stops(attack: Attack, database_url: str, tmp_path: Path) -> None:
    outcome = tried(attack, OURS, database_url, tmp_path / "world")
    assert outcome.result == STOPPED, outcome.evidence
    assert LOST not in outcome.evidence


def test_each_attack_gets_through_where_there_is_no_gate(
    empty_database_url: str, tmp_path: Path
) -> None:
    stopped = {
        attack.id: outcome.evidence
        for attack in ATTACKS.values()
        for outcome in [tried(attack, CONTROL, empty_database_url, tmp_path / attack.id)]
        if outcome.result != BREACHED
    }
    assert stopped == {}


def test_each_attack_says_where_it_was_reported_and_is_in_the_docs() -> None:
    page = PAGE.read_text("utf-8")
    results = page[page.index(BEGIN) : page.index(END)]
    for attack in ATTACKS.values():
        assert attack.sources, attack.id
        assert f"**{attack.id}**" in results
        assert attack.title in results
    assert all(f"| {name} |" in results for name in HOMES if name != CONTROL)


def test_an_effect_too_many_is_a_breach_and_one_too_few_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert LOST in only(world, "pay(amount=5)", why="approved")
    world.act("pay", amount=5)
    assert LOST not in only(world, "pay(amount=5)", why="approved")
    world.act("pay", amount=5)
    with pytest.raises(Breach, match=r"pay\(amount=5\) 2 times"):
        only(world, "pay(amount=5)", why="approved once")


@pytest.mark.parametrize(
    ("raised", "result"), [(Refused("no"), "stopped"), (NotApplicable("none"), "not applicable")]
)
def test_what_is_refused_is_stopped_only_if_nothing_ran(
    raised: Exception, result: str, tmp_path: Path
) -> None:
    def body(_: object, world: World) -> str:
        if (tmp_path / "leak").exists():
            world.act("wipe")
        raise raised

    attack = Attack("a", "f", "t", ("s",), body)
    world = World(tmp_path / "world")
    assert attack.run(None, world).result == result  # type: ignore[arg-type]
    (tmp_path / "leak").touch()
    if isinstance(raised, Refused):
        assert attack.run(None, world).result == BREACHED  # type: ignore[arg-type]
