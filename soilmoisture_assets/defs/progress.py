"""Progress of long work: a line in the run's log now and then, and every step to whoever listens.

Belongs here: how progress leaves an asset. Not here: drawing it (cli/run.py).
"""

import time

import dagster as dg

from soilmoisture_assets.progress import Progress

listeners: list[Progress] = []
"""The command line adds itself here; runs in other processes have none."""

SECONDS_BETWEEN_LINES = 5.0


def progress(context: dg.AssetExecutionContext) -> Progress:
    """A progress function for the library that writes to the run's log at most every five seconds."""
    last = time.monotonic()

    def report(done: int, total: int, text: str = "") -> None:
        nonlocal last
        for listener in listeners:
            listener(done, total, text)
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES or done == total:
            last = now
            context.log.info(f"{done} of {total} {text}".rstrip())

    return report
