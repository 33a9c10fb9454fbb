"""The clients: they ask for runs, decide and cancel, and write down each answer that they saw."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from interlock.engine.decisions import Answer, decide
from interlock.engine.errors import AlreadyDecided, Conflict, NotAReviewer, StaleDigest
from interlock.engine.lifecycle import DecisionKind
from interlock.engine.runs import create_run, request_cancel

from .evidence import AWAY
from .regrets import REGRETTED, Regrets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from uuid import UUID

    from interlock.engine.database import Database

    from .evidence import Acks, Row
    from .world import World

NAMES = ("dana", "erin", "finn")
TENANT = "default"
AGENT = "population"
PAUSE = 0.03
FOR_WHAT_IS_WANTED = 0.7
"""Of the runs, so many lead to something rare as long as that is wanted."""
ONCE = ("look", "file", "wipe", "mail", "pay")
TWICE = ("tidy", "book", "erase")
TOOLS = (*ONCE, *TWICE, *TWICE)
"""What a run does more often leads to what is rare: an undo in doubt, a lapse, a `verify`."""
_OPEN = """
select a.id, a.run_id, a.call_id, a.kind, a.digest, a.confirm, c.tool, c.revision,
       convert_from(c.args, 'utf8')::json as args, a.preview ->> 'undo' as undo,
       coalesce(coalesce(u.started_at + c.send_within, c.send_before) > clock_timestamp(), false)
           as may_be_sent
from approvals a
left join calls c on (c.tenant_id, c.id) = (a.tenant_id, a.call_id)
left join undos u on a.kind = 'in_doubt' and u.tenant_id = a.tenant_id
                 and u.id::text = a.preview ->> 'undo'
where a.state = 'pending' order by a.id
"""


MOVED = "!"
"""Ends the argument of a call whose target is changed before it is approved."""
LEADING_TO = {"lapse": ("erase",), "undo": ("book", "tidy"), "rollback": ("tidy",)}
"""Calls of which something rare comes: a lapse, or what happens in a rollback."""


def script(chance: random.Random, name: str, muse: int = 0) -> dict[str, Any]:
    """What one run does; each argument is of one call alone."""
    how = chance.choice(["together", "spread", "straight"])
    usable = [name for name in TOOLS if how != "straight" or name != "mail"]  # it is async
    turns = []
    for turn in range(chance.choice([2, 3])):
        count = chance.choice([1, 1, 2])
        tools = [chance.choice(usable) for _ in range(count)]
        if chance.random() < 0.05:
            tools[0] = "burn"
        turns.append([(tool, f"{name}.{turn}.{at}") for at, tool in enumerate(tools)])
    return {"turns": turns, "how": how, "muse": muse}


def short_script(chance: random.Random, name: str, what: str) -> dict[str, Any]:
    """A run that leads to something rare, and to nothing else."""
    end = MOVED if what == "lapse" else ""
    turns = [[(tool, f"{name}.{at}{end}")] for at, tool in enumerate(LEADING_TO[what])]
    return {"turns": turns, "how": chance.choice(["together", "spread", "straight"]), "muse": 0}


class People:
    """Some reviewers who work until they are sent home, each in a thread.

    Attributes:
        muse: steps without an effect that each run begins with.
        wanted: what rare things runs are to lead to.
        is_late: whether nothing more is rolled back.
    """

    def __init__(
        self,
        database: Database,
        world: World,
        acks: Acks,
        seed: object,
        move: Callable[[str, str], None],
    ) -> None:
        self._db = database
        self._world = world
        self._acks = acks
        self._seed = seed
        self._move = move
        self._turn = threading.Lock()
        self._home = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(name,)) for name in NAMES[:2]]
        self._asked = 0
        self._regrets = Regrets(database, acks)
        self.muse = 0
        self.wanted: list[str] = []
        self.pause = PAUSE
        self.is_late = False
        self.refused: Counter[str] = Counter()
        self.broke: list[BaseException] = []

    def want(self, what: Collection[str]) -> None:
        """Have more runs lead to these points, or transactions, as far as they are rare."""
        self.wanted = [each for each in LEADING_TO if any(each in name for name in what)]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._home.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def ask(self, does: Mapping[str, Any] | None = None) -> UUID:
        """Ask for one more run until it is acknowledged; it does something of its own choosing."""
        self._asked += 1
        name = f"r{self._asked}"
        chance = self._chance(name)
        if does is None and self.wanted and chance.random() < FOR_WHAT_IS_WANTED:
            what = chance.choice(self.wanted)
            name += "" if what == "lapse" else REGRETTED
            does = short_script(chance, name, what)
        return self.ask_as(name, json.dumps(does or script(self._chance(name), name, self.muse)))

    def ask_as(self, name: str, content: str) -> UUID:
        """Ask for the run of that name, which may have been asked for before."""
        while True:
            with suppress(*AWAY):
                made = create_run(
                    self._db,
                    tenant=TENANT,
                    agent=AGENT,
                    input={"messages": [{"role": "user", "content": content}]},
                    requested_by="reviewer:dana",
                    idempotency_key=name,
                )
                self._acks.note("created", made.run_id)
                return made.run_id
            time.sleep(PAUSE)

    def cancel(self, run_id: UUID, by: str) -> None:
        """Cancel a run, if it has not ended."""
        with suppress(Conflict, *AWAY):
            request_cancel(self._db, tenant=TENANT, run_id=run_id, by=f"reviewer:{by}")
            self._acks.note("cancel", run_id, by=by)

    def answer(self, asked: Row, by: str, kind: DecisionKind, **said: Any) -> bool:
        """Decide; whether it was recorded. Of an answer that was lost nothing is known."""
        digest = bytes(asked.digest).hex()
        confirm = asked.confirm if kind is DecisionKind.APPROVE else None
        answer = Answer(TENANT, asked.id, by, kind, digest, "api", confirm=confirm, **said)
        try:
            decide(self._db, answer)
        except (AlreadyDecided, NotAReviewer, StaleDigest) as refused:
            self.refused[type(refused).__name__] += 1
            return False
        except AWAY:
            return False
        content = said.get("args") or said.get("answer")
        self._acks.note(
            str(kind), asked.run_id, approval=str(asked.id), digest=digest, by=by, said=content
        )
        return True

    def _work(self, name: str) -> None:
        while not self._home.wait(self.pause):
            try:
                with self._db.begin() as conn:
                    open_ = conn.exec_driver_sql(_OPEN).all()
            except AWAY:
                continue
            try:
                for asked in open_:
                    self._consider(asked, name)
                if not self.is_late:
                    self._regrets.roll_back(name)
            except BaseException as error:
                self.broke.append(error)
                raise

    def _consider(self, asked: Row, name: str) -> None:
        if asked.kind == "in_doubt":
            happened = self._world.knows(asked.undo or str(asked.call_id))
            if happened or not asked.may_be_sent:
                said: Mapping[str, Any] = {"happened": happened}
                self.answer(asked, name, DecisionKind.ANSWER, answer=said)
        elif asked.kind == "rollback":
            self._approve_or_reject(asked, name, self._chance(str(asked.run_id)).random())
        elif asked.kind == "call" and asked.tool != "burn":
            self._decide(asked, name, self._chance(asked.args["at"]).random())

    def _approve_or_reject(self, asked: Row, name: str, luck: float) -> None:
        if luck < 0.1:
            self.answer(asked, name, DecisionKind.REJECT, reason="Not today.")
        else:
            self.answer(asked, name, DecisionKind.APPROVE)

    def _decide(self, asked: Row, name: str, luck: float) -> None:
        """The same for the same call, whoever decides it and whenever."""
        moved = 0.19 <= luck < 0.5 or asked.args["at"].endswith(MOVED)
        if moved and asked.tool == "erase" and asked.revision == 1:
            with self._turn:
                self._move(asked.args["at"], "moved")
            self._acks.note("moved", asked.run_id, approval=str(asked.id), by=name)
        if 0.1 <= luck < 0.15 and not asked.args["at"].endswith("+"):
            edited = {"at": f"{asked.args['at']}+"}
            self.answer(asked, name, DecisionKind.EDIT, args=edited)
        elif 0.15 <= luck < 0.19:
            self.cancel(asked.run_id, name)
        else:
            self._approve_or_reject(asked, name, luck)

    def _chance(self, name: str) -> random.Random:
        return random.Random(f"{self._seed} {name}")  # noqa: S311 - to be repeatable
