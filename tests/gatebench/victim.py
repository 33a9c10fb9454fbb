"""The process that dies in a call: `python -m gatebench.victim SYSTEM STORAGE WORLD RUN`."""

from __future__ import annotations

import sys
from pathlib import Path

from .attacks.scenes import one_call
from .systems import system_named
from .world import World


def main() -> None:
    """Carry on with the run until the trap snaps."""
    name, storage, folder, run_id = sys.argv[1:]
    world = World(Path(folder))
    system_named(name)(storage, world).be_victim(one_call(world), run_id)


if __name__ == "__main__":
    main()
