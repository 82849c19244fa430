"""Seeded mutations of bytes, and what became of readers that were given them. Not here: what is mutated."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from soilmoisture_assets.errors import SoilMoistureError

HANGS_AFTER = 30.0
"""Seconds; an input of a few kilobytes that takes longer hangs."""


def mutations(originals: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Inputs with bytes changed, cut, doubled, left out, or exchanged with those of another."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        content = bytearray(originals[random.integers(len(originals))])
        for _ in range(int(random.integers(1, 4))):
            if not content:
                break
            at = int(random.integers(len(content)))
            length = int(random.integers(1, 1 + min(64, len(content))))
            match random.integers(6):
                case 0:
                    content[at] ^= 1 << int(random.integers(8))
                case 1:
                    content[at : at + length] = random.integers(0, 256, length, dtype="uint8").tobytes()
                case 2:
                    content[at : at + 4] = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"][random.integers(3)]
                case 3:
                    del content[at : at + length]
                case 4:
                    content[at:at] = content[at : at + length]
                case 5:
                    other = originals[random.integers(len(originals))]
                    content[at : at + length] = other[at : at + length]
        if random.random() < 0.05:
            del content[int(random.integers(1 + len(content))) :]
        yield bytes(content)


def outcomes(inputs: Iterator[bytes], read: Callable[[bytes], object]) -> Counter[str]:
    """How many inputs were read, refused, ended in another exception or hung; the exceptions are printed."""
    found: Counter[str] = Counter()
    for number, content in enumerate(inputs):
        started = time.monotonic()
        try:
            read(content)
            found["read"] += 1
        except SoilMoistureError as error:
            line = str(error).partition("\n")[0]
            well = ": " in line and len(line) < 1000 and "\x00" not in line
            found["refused" if well else "refused badly"] += 1
            if not well:
                print(f"input {number}: {line[:300]!r}")
        except Exception as error:
            found["traceback"] += 1
            print(f"input {number}: {type(error).__name__}: {error}")
        found["hang"] += time.monotonic() - started > HANGS_AFTER
    return found
