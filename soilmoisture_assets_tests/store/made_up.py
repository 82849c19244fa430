"""Things to store in tests: an address, a record of it, what to write. Not here: tests."""

from collections.abc import Callable
from pathlib import Path

from soilmoisture_assets.store import Address, Record, State, Store

SERIES = Address("demo", "raw/ismn/soil_moisture", "SCAN__Abrams")
CUBE = Address("demo", "cube/station_cube")


def record(address: Address = SERIES, *, suffix: str = ".txt", fingerprint: str = "0" * 16, **more: object) -> Record:
    return Record(address.study, address.asset, address.partition, suffix=suffix, fingerprint=fingerprint, **more)  # type: ignore[arg-type]


def text(content: str) -> Callable[[Path], object]:
    """Writes a text to the path it is given."""
    return lambda path: path.write_text(content)


def read(store: Store, address: Address = SERIES) -> str:
    return store.load(address, Path.read_text)[0]


def failed(address: Address = SERIES, state: State = State.FAILED) -> Record:
    return record(address, suffix="", state=state, reason="no value passed the range check")


def files(root: Path) -> list[str]:
    """Every file and every folder of an attempt below a root."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() or (path.name.startswith(".") and path.name != ".records")
    )
