"""Somebody with the code and the database, but no reviewer's account, who resumes a run by hand.

Arguments: the run's id, and the value to resume it with as JSON. Prints how it ended.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from interlock.engine.group_commit import GroupCommit
from interlock.engine.saver import StepSaver
from langgraph.types import Command
from support.scripted import build


def main() -> None:
    config: Any = {"configurable": {"thread_id": sys.argv[1]}}
    with GroupCommit(os.environ["INTERLOCK_DATABASE_URL"], threads=2) as commit:
        graph = build().compile(checkpointer=StepSaver(commit, "default"))
        try:
            ended = graph.invoke(Command(resume=json.loads(sys.argv[2])), config)
            print("ended", ended["messages"][-1].content)  # noqa: T201 - the test reads it
        except Exception as error:  # noqa: BLE001 - the forger does not mind what it was
            print("refused", type(error).__name__, error)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
