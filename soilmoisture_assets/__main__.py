"""The ``soilmoisture`` command from its first moment. Not here: the commands (cli/)."""

import gc
import signal
import sys

from soilmoisture_assets.errors import MachineError
from soilmoisture_assets.interrupts import leave

signal.signal(signal.SIGINT, leave)  # before anything that takes time
gc.set_threshold(10_000)  # imports make many objects and no garbage: looking for it takes a quarter of their time


def main() -> None:
    """Entry point of the command."""
    try:
        import soilmoisture_assets.machine  # noqa: F401 - refuses a system that it does not run on
    except MachineError as error:
        print(f"soilmoisture: {error}", file=sys.stderr)
        sys.exit(2)
    from soilmoisture_assets.cli import main

    main()


if __name__ == "__main__":
    main()
