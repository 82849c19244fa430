"""ERA5 files with damage that nobody thought of: no traceback, no hang, nothing taken for what the bytes do not say."""

import contextlib
import io
import random
import signal
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.sources import foreign
from soilmoisture_assets.sources.era5.formats import inspect_era5, normalise
from soilmoisture_assets_tests.slow import amount
from soilmoisture_assets_tests.sources.era5.era5_parts import column, grid_file

SEED = 20200101
INPUTS = amount(10_000, 100)
LONGEST_SECONDS = 90
"""More than damage may cost: a reader that goes in circles is stopped before."""
KINDS = ("new.nc", "old.nc", "points.csv", "streams.zip", "packed.zip")
HOURS = 48


class Hang(BaseException):
    """One file took too long."""


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def late(*_):
        raise Hang

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def originals(folder: Path) -> dict[str, bytes]:
    """A good file of every kind, small so that each byte is hit sometimes."""
    warm = column(280 + 10 * np.sin(np.arange(HOURS) / 4))
    rain = column(np.random.default_rng(1).exponential(5e-4, HOURS))
    new = grid_file(folder / "new.nc", "2020-01-01T01:00", HOURS, ["t2m", "tp"], values={"t2m": warm, "tp": rain})
    instant = grid_file(folder / "instant.nc", "2020-01-01T01:00", HOURS, ["t2m"], values={"t2m": warm})
    accum = grid_file(folder / "accum.nc", "2020-01-01T01:00", HOURS, ["tp"], values={"tp": rain})
    times = pd.date_range("2020-01-01T01:00", periods=HOURS, freq="h")
    mixed = np.full((HOURS, 2, 2, 3), np.nan, "float32")
    mixed[:24, 0], mixed[24:, 1] = 281.15, 283.15
    stored = xr.Dataset(
        {"t2m": (("time", "expver", "latitude", "longitude"), mixed, {"units": "K"})},
        {"time": times, "expver": [1, 5], "latitude": [41.0, 40.0], "longitude": [0.0, 120.0, 240.0]},
    )
    packing = {"dtype": "int16", "scale_factor": 0.001, "add_offset": 280.0, "_FillValue": -32767}
    stored.to_netcdf(folder / "old.nc", format="NETCDF3_64BIT", encoding={"t2m": packing})
    place = {"latitude": 40.0, "longitude": -100.0}
    rows = pd.DataFrame({"valid_time": times, "t2m": warm.ravel(), "tp": rain.ravel()} | place)
    rows.to_csv(folder / "points.csv", index=False)
    for name, method in (("streams.zip", zipfile.ZIP_STORED), ("packed.zip", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(folder / name, "w", method) as archive:
            for file in (instant, accum):
                archive.write(file, file.name)
    assert new.exists()
    return {name: (folder / name).read_bytes() for name in KINDS}


def damaged(content: bytes, chance: random.Random, text: bool) -> bytes:
    """Bytes flipped, cut off, blanked, doubled, moved, or, in a text, words exchanged."""
    found = bytearray(content)
    at, length = chance.randrange(len(found)), chance.choice((1, 2, 4, 8, 64, 512))
    kinds = ("flip", "flip", "flip", "cut", "blank", "double", "remove", "extreme", "word" if text else "flip")
    match chance.choice(kinds):
        case "flip":
            for _ in range(chance.choice((1, 1, 1, 2, 5, 20))):
                found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
        case "cut":
            del found[at:]
        case "blank":
            found[at : at + length] = bytes(len(found[at : at + length]))
        case "double":
            found[at:at] = found[at : at + length]
        case "remove":
            del found[at : at + length]
        case "extreme":
            extremes = (b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x00\x00\xc0\x7f" * 2, b"-1e39999")
            found[at : at + 8] = chance.choice(extremes)
        case "word":
            lines = found.split(b"\n")
            row = chance.randrange(len(lines))
            cells = lines[row].split(b",")
            words = [
                b"",
                b"warm",
                b"nan",
                b"-inf",
                b"1e999",
                b"0x10",
                b'"',
                b"2020-02-30 25:00",
                b"\xff",
                b"1,2",
                b"\r",
            ]
            cells[chance.randrange(len(cells))] = chance.choice(words)
            lines[row] = b",".join(cells)
            found = bytearray(b"\n".join(lines))
    return bytes(found)


def wrong(found: xr.Dataset, file: Path, kind: str) -> str:
    """What is not as another reader of the same bytes has it; empty where all is."""
    if "temperature" not in found or kind.endswith(".zip"):
        return ""
    if kind.endswith(".csv"):
        stored = pd.to_numeric(pd.read_csv(file).rename(columns=str.strip)["t2m"], errors="coerce").to_numpy("float64")
        units = "K"
    else:
        with netCDF4.Dataset(file) as other:
            stored = np.ma.filled(other["t2m"][...].astype("float64"), np.nan)
            units = getattr(other["t2m"], "units", "K")
    theirs = np.sort(stored[np.isfinite(stored)]) - 273.15
    ours = found.temperature.values[np.isfinite(found.temperature.values)].astype("float64")
    if units != "K" or not len(ours):
        return ""
    at = np.searchsorted(theirs, ours)
    off = np.minimum(*(np.abs(theirs[np.clip(at - step, 0, len(theirs) - 1)] - ours) for step in (0, 1)))
    return f"temperatures off by {off.max():g}" if off.max() > 0.01 else ""


def verdict(file: Path, kind: str) -> tuple[str, str]:
    """What became of one file, and what is to be said of it where it is a fault of ours."""
    try:
        with at_most(LONGEST_SECONDS):
            refused = inspect_era5(file)["refused"]
            try:
                found = normalise(file)
            except SoilMoistureError as error:
                if str(error) != refused:
                    return "disagreement", f"inspect: {refused!r}; run: {error!s}"
                named = file.name in refused.splitlines()[0]
                return ("refused", "") if named else ("unnamed", refused)
            if refused:
                return "disagreement", f"inspect: {refused!r}; run accepts"
            fault = wrong(found, file, kind)
            return ("silently wrong", fault) if fault else ("accepted", "")
    except Hang:
        return "hung", f"more than {LONGEST_SECONDS} s"
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}"


@pytest.mark.timeout(3600)
def test_damage_that_nobody_thought_of_is_refused_or_read_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "PROBE_SECONDS", 3.0)  # these files are small, and some send the reader in circles
    whole = originals(tmp_path)
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    faults: list[str] = []
    began = time.monotonic()
    for number in range(INPUTS):
        kind = KINDS[number % len(KINDS)]
        chance = random.Random(SEED * 1_000_003 + number)
        file = tmp_path / f"{number}-{kind}"
        content = damaged(whole[kind], chance, kind.endswith(".csv"))
        if kind == "packed.zip" and chance.random() < 0.5:  # a whole archive around damaged members
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a.nc", damaged(whole["new.nc"], chance, text=False))
            content = packed.getvalue()
        file.write_bytes(content)
        outcome, fault = verdict(file, kind)
        counts[kind][outcome] += 1
        if fault:
            faults.append(f"{file.name} ({outcome}): {fault}")
        else:
            file.unlink()
    print(f"\nseed {SEED}, {INPUTS} inputs in {time.monotonic() - began:.0f} s")
    for kind, outcomes in counts.items():
        print(f"{kind}: {dict(outcomes)}")
    assert not faults, "\n".join(faults[:20])
