"""Run one program as another user in a user namespace: `postgres_namespace.py UID GID PROGRAM ...`.

PostgreSQL refuses to run as root. Inside the namespace root appears as UID, and its files stay
reachable without a change of their owner or mode.

This is a program of its own because the alternative, the `preexec_fn` of `subprocess`, runs Python
between fork and exec: in a process with threads that can wait for ever on a lock that a thread
held at the fork. Linux also lets only a process with one thread enter a namespace.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
REFUSED = 97


def enter(uid: str, gid: str) -> None:
    """Move this process into a new namespace.

    Raises:
        OSError: the system forbids it.
        AttributeError: the system has no namespaces.

    """
    libc = ctypes.CDLL(None, use_errno=True)
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    # Linux takes a group map from an unprivileged process only after this.
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1", encoding="ascii")


def main() -> None:
    uid, gid, *command = sys.argv[1:]
    try:
        enter(uid, gid)
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    except (OSError, AttributeError):
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
