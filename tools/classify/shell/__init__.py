"""The effect of a shell command line."""

from __future__ import annotations

from .classifier import by_shell, classify_shell

__all__ = ["by_shell", "classify_shell"]
