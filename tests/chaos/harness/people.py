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
from interlock.engine.errors import AlreadyDecided, Conflict, StaleDigest
from interlock.engine.lifecycle import DecisionKind
from interlock.engine.runs import create_run, request_cancel
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from interlock.engine.database import Database

    from .evidence import Acks, Row
    from .world import World

NAMES = ("dana", "erin", "finn")
TENANT = "default"
PAUSE = 0.03
TOOLS = ("look", "tidy", "file", "wipe", "mail", "pay", "erase")
_OPEN = """
select a.id, a.run_id, a.call_id, a.kind, a.digest, c.tool, c.revision,
       convert_from(c.args, 'utf8')::json as args,
       coalesce(c.send_before > clock_timestamp(), false) as may_be_sent
from approvals a join calls c on (c.tenant_id, c.id) = (a.tenant_id, a.call_id)
where a.state = 'pending' order by a.id
"""


def script(chance: random.Random, name: str) -> dict[str, Any]:
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
    return {"turns": turns, "how": how}


class People:
    """Some reviewers who work until they are sent home, each in a thread."""

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
        self.refused: Counter[str] = Counter()
        self.broke: list[BaseException] = []

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._home.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def ask(self, agent: str, does: Mapping[str, Any] | None = None) -> UUID:
        """Ask for one more run until it is acknowledged; it does something of its own choosing."""
        self._asked += 1
        name = f"r{self._asked}"
        content = json.dumps(does or script(self._chance(name), name))
        while True:
            with suppress(SQLAlchemyError):
                made = create_run(
                    self._db,
                    tenant=TENANT,
                    agent=agent,
                    input={"messages": [{"role": "user", "content": content}]},
                    requested_by="reviewer:dana",
                    idempotency_key=name,
                )
                self._acks.note("created", made.run_id)
                return made.run_id
            time.sleep(PAUSE)

    def cancel(self, run_id: UUID, by: str) -> None:
        """Cancel a run, if it has not ended."""
        with suppress(Conflict, SQLAlchemyError):
            request_cancel(self._db, tenant=TENANT, run_id=run_id, by=f"reviewer:{by}")
            self._acks.note("cancel", run_id, by=by)

    def answer(self, asked: Row, by: str, kind: DecisionKind, **said: Any) -> bool:
        """Decide; whether it was recorded. Of an answer that was lost nothing is known."""
        digest = bytes(asked.digest).hex()
        answer = Answer(TENANT, asked.id, by, kind, digest, "api", **said)
        try:
            decide(self._db, answer)
        except (AlreadyDecided, StaleDigest) as refused:
            self.refused[type(refused).__name__] += 1
            return False
        except SQLAlchemyError:
            return False
        content = said.get("args") or said.get("answer")
        self._acks.note(
            str(kind), asked.run_id, approval=str(asked.id), digest=digest, by=by, said=content
        )
        return True

    def _work(self, name: str) -> None:
        while not self._home.wait(PAUSE):
            try:
                with self._db.begin() as conn:
                    open_ = conn.exec_driver_sql(_OPEN).all()
            except SQLAlchemyError:
                continue
            try:
                for asked in open_:
                    self._consider(asked, name)
            except BaseException as error:
                self.broke.append(error)
                raise

    def _consider(self, asked: Row, name: str) -> None:
        if asked.kind == "in_doubt":
            happened = any(each.call == str(asked.call_id) for each in self._world.effects())
            if happened or not asked.may_be_sent:
                said: Mapping[str, Any] = {"happened": happened}
                self.answer(asked, name, DecisionKind.ANSWER, answer=said)
        elif asked.tool != "burn":
            self._decide(asked, name, self._chance(asked.args["at"]).random())

    def _decide(self, asked: Row, name: str, luck: float) -> None:
        """The same for the same call, whoever decides it and whenever."""
        if luck < 0.1:
            self.answer(asked, name, DecisionKind.REJECT, reason="Not today.")
        elif luck < 0.15 and not asked.args["at"].endswith("+"):
            edited = {"at": f"{asked.args['at']}+"}
            self.answer(asked, name, DecisionKind.EDIT, args=edited)
        elif luck < 0.19:
            self.cancel(asked.run_id, name)
        else:
            if luck < 0.5 and asked.tool == "erase" and asked.revision == 1:
                with self._turn:
                    self._move(asked.args["at"], "moved")
                self._acks.note("moved", asked.run_id, approval=str(asked.id), by=name)
            self.answer(asked, name, DecisionKind.APPROVE)

    def _chance(self, name: str) -> random.Random:
        return random.Random(f"{self._seed} {name}")  # noqa: S311 - to be repeatable
