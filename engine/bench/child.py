"""One contender in a process of its own: it measures when its parent says so.

Its standard input is a pipe that the parent holds: each line is a verb with arguments, each answer
one line. However the parent dies, the pipe is closed, and this process ends.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from dataclasses import asdict, is_dataclass
from queue import SimpleQueue
from typing import IO, Any

from ..logs import configure
from .contenders.table import contender


def main() -> None:
    """Answer until the parent has no more to ask."""
    answers = _own_answers()
    asked: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), name="parent-watch", daemon=True).start()
    configure(level=logging.INFO)  # as a worker's own process does
    measured = contender(sys.argv[1], json.loads(asked.get())["url"])
    _say(answers, None)
    while True:
        order = json.loads(asked.get())
        _say(answers, getattr(measured, order["verb"])(**order["arguments"]))


def _listen(asked: SimpleQueue[str]) -> None:
    # not sys.stdin: Python cannot end while a thread waits in one of its readers
    with os.fdopen(os.dup(0), "rb", buffering=0) as orders:
        while line := orders.readline():
            asked.put(line.decode())
    os._exit(0)


def _own_answers() -> IO[str]:
    """Standard output for answers alone: what else is printed goes with the log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _say(answers: IO[str], value: Any) -> None:
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    answers.write(json.dumps({"value": plain}) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
