"""How far long work is: what the library calls while it works. Not here: who listens (defs/progress.py)."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with what is done, the total, and what it is about."""
