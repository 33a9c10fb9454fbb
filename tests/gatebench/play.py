"""All attacks on one contender: `python -m gatebench.play SYSTEM OUTPUT.json [ATTACK…]`."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from . import attacks as _  # noqa: F401 - registers them
from .bench import ATTACKS, ERROR, Outcome
from .stage import Stage
from .systems import system_named


def main() -> None:
    """Write what came of it."""
    name, output, *chosen = sys.argv[1:]
    be_quiet()
    kind = system_named(name)
    outcomes: dict[str, dict[str, str]] = {}
    with Stage() as stage:
        for attack in ATTACKS.values():
            if chosen and attack.id not in chosen:
                continue
            try:
                outcome = stage.run(attack, kind)
            except Exception as error:  # noqa: BLE001 - one that cannot be tried hides no other
                traceback.print_exc()
                outcome = Outcome(ERROR, f"{type(error).__name__}: {error}")
            outcomes[attack.id] = {"result": outcome.result, "evidence": outcome.evidence}
    played = {
        "versions": kind.versions(),
        "configuration": kind.configuration,
        "outcomes": outcomes,
    }
    Path(output).write_text(json.dumps(played, indent=1, ensure_ascii=False))


def be_quiet() -> None:
    """The contenders' logs are of no use here."""
    logging.disable(logging.CRITICAL)
    with suppress(ModuleNotFoundError):
        import structlog  # noqa: PLC0415 - not every contender has it

        quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
        structlog.configure(wrapper_class=quiet)


if __name__ == "__main__":
    main()
