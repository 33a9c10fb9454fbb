"""The exit codes of every command."""

from __future__ import annotations

DONE = 0
FAILED = 1
USAGE = 2
WAITING = 3
