"""What a command says when nobody sits at a terminal, and when. Not here: tests."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

LONGEST_SILENCE = 30.0
"""Seconds after which people think that nothing goes on."""


@dataclass(frozen=True)
class Heard:
    """The exit code of a command, and its lines with the seconds since it began; the last one is its end."""

    code: int
    lines: Sequence[tuple[float, str]]

    @property
    def text(self) -> str:
        return "\n".join(f"{seconds:7.1f} {line}" for seconds, line in self.lines)

    @property
    def silence(self) -> float:
        """The longest time without a line, from the beginning to the end [s]."""
        return max(later - earlier for earlier, later in pairwise([0.0, *(seconds for seconds, _ in self.lines)]))


def hear(command: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> Heard:
    """Run a command to its end in a folder, without a terminal."""
    started, lines = time.monotonic(), []
    with subprocess.Popen(
        command, env=environment, cwd=folder, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        for line in running.stdout:
            lines.append((time.monotonic() - started, line.rstrip()))
    return Heard(running.returncode, [*lines, (time.monotonic() - started, "")])


def newcomer(home: Path) -> dict[str, str]:
    """The environment of somebody who has set nothing, with an empty home."""
    ours = ("SOILMOISTURE_", "DAGSTER_", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {"HOME": str(home)}
