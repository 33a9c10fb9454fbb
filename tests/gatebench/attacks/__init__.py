"""The attacks, by family. Importing this registers them all."""

from __future__ import annotations

from . import authority, coverage, crashes, paths, settings, shown

__all__ = ["authority", "coverage", "crashes", "paths", "settings", "shown"]
