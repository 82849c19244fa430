"""Inputs made bad at random, by a seed, and what a reader makes of them.

Belongs here: changing bytes, counting right, refused, wrong, hung and broken. Not here: what a reader should find.
"""

import contextlib
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType

from soilmoisture_assets.errors import SoilMoistureError

TOKENS = tuple(
    token.encode()
    for token in (
        *(
            "",
            " ",
            "\0",
            "\r",
            "\n",
            "\t",
            ";",
            ",",
            '"',
            "#",
            "/",
            "\\",
            "..",
            "_",
            "-",
            "\ufeff",
            "{",
            "[",
            "ж²٣",
            "A" * 300,
        ),
        *(
            "\ufeff",
            "ж²٣",
            "nan",
            "inf",
            "-9999",
            "1e999",
            "1e-999",
            "1_0",
            "0x10",
            "NULL",
            "true",
            "<html>",
            "PK\x03\x04",
        ),
        *("0001/01/01 00:00", "9999/12/31 24:00", "2015/02/29 00:00", "99999999999999999999"),
    )
)


def changed(content: bytes, chance: random.Random) -> bytes:
    """The bytes with one to six things done to them: bits and bytes changed, slices cut, doubled, moved or replaced."""
    text = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        size = len(text)
        at = chance.randrange(size + 1)
        until = min(size, at + int(chance.expovariate(1 / 20)) + 1)
        match chance.randrange(9):
            case 0 if size:
                text[at % size] ^= 1 << chance.randrange(8)
            case 1 if size:
                text[at % size] = chance.randrange(256)
            case 2:
                text[at:at] = chance.randbytes(chance.randint(1, 12))
            case 3:
                del text[at:until]
            case 4:
                text[at:at] = text[at:until]
            case 5:
                text[at:until] = chance.choice(TOKENS)
            case 6:
                text[at:at] = chance.choice(TOKENS)
            case 7 if chance.random() < 0.2:
                del text[at:]
            case _:
                piece = text[at:until]
                del text[at:until]
                where = chance.randrange(len(text) + 1)
                text[where:where] = piece
    return bytes(text)


@dataclass
class Tally:
    """What became of the trials; the lists name the trial and what happened."""

    trials: int = 0
    right: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def failures(self) -> list[str]:
        return [*self.wrong, *self.hung, *self.tracebacks]

    def __str__(self) -> str:
        return (
            f"{self.trials} inputs: {self.right} right, {self.refused} refused, {len(self.wrong)} silently wrong, "
            f"{len(self.hung)} hung, {len(self.tracebacks)} tracebacks; slowest {self.slowest:.2f} s"
        )


class _Hung(BaseException):
    """A trial used up its time; no reader catches it."""


def fuzz(
    inputs: Sequence[bytes],
    read: Callable[[bytes], str | None],
    trials: int,
    seed: int,
    seconds: float = 10.0,
    change: Callable[[bytes, random.Random], bytes] = changed,
) -> Tally:
    """Change inputs at random and read each of them.

    Parameters
    ----------
    inputs : good ones, changed in turn; a trial follows from them, ``seed`` and its number alone.
    read : says what is wrong with what it read, None where all is right; a SoilMoistureError is a refusal.
    seconds : processor time after which a trial is given up as hung.
    """
    found = Tally()
    with _interrupted():
        for trial in range(trials):
            bad = change(inputs[trial % len(inputs)], random.Random(f"{seed} {trial}"))
            found.trials += 1
            started = time.process_time()
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
            try:
                wrong = read(bad)
            except SoilMoistureError:
                found.refused += 1
            except _Hung:
                found.hung.append(f"trial {trial}: more than {seconds} s")
            except Exception:
                last = traceback.extract_tb(sys.exc_info()[2])[-1]
                found.tracebacks.append(f"trial {trial}: {last.name}: {sys.exc_info()[1]!r}")
            else:
                found.right += wrong is None
                found.wrong += [f"trial {trial}: {wrong}"] if wrong else []
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            found.slowest = max(found.slowest, time.process_time() - started)
    return found


@contextlib.contextmanager
def _interrupted() -> Iterator[None]:
    """While in it, the timer of processor time ends what is being done; pytest's own timer is another."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise _Hung

    before = signal.signal(signal.SIGVTALRM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGVTALRM, before)


def judged(read: Callable[[bytes], object]) -> Callable[[bytes], str | None]:
    """A reader for ``fuzz`` of which nothing is asked but that it refuses in one line that names the file."""

    def judge(content: bytes) -> str | None:
        try:
            read(content)
        except SoilMoistureError as error:
            line = str(error).partition("\n")[0]
            if ": " not in line or len(line) > 1000 or "\0" in line:
                return f"refused badly: {line[:300]!r}"
            raise
        return None

    return judge


def told(what: str, found: Tally, seed: int) -> None:
    """Print what became of the trials; none was wrong, hung or ended in a traceback."""
    print(f"\n{what}, seed {seed}: {found}")
    for failure in found.failures[:10]:
        print(f"  {failure}")
    assert not found.failures
