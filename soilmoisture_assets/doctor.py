"""What a study needs and whether it is there: files, credentials, reachable services.

Belongs here: going through what the sources of a study say they need, and asking their services, before anything is
written. Not here: what that is (``SOURCE`` in sources/<name>/), printing it (cli/doctor.py).
"""

import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from soilmoisture_assets.errors import SoilMoistureError, SourceError, StudyError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources import check, sources_of
from soilmoisture_assets.sources.services import settings_within
from soilmoisture_assets.sources.source import Need
from soilmoisture_assets.study import Study

LEAST_FREE_GIB = 1.0
"""The demo takes a third of it; with less, a run may end for want of room."""


@dataclass(frozen=True)
class Finding:
    """One thing a study needs: whether it is there, and what to do if it is not.

    ``seconds``: how long a service took to answer, or not to; None where nobody was asked.
    """

    what: str
    ok: bool
    state: str
    fix: str = ""
    seconds: float | None = None


def check_inputs(study: Study, settings: Settings, assets: Collection[tuple[str, ...]]) -> list[str]:
    """Read what the study names on this machine before a run writes anything; what of it is lost, a line each.

    Parameters
    ----------
    assets : keys of the assets to be made, as tuples; only what they read themselves is checked.

    Raises
    ------
    SoilMoistureError : something is missing or cannot be used; names each such thing, its file and the fix.
    """
    check(study)
    lost: list[str] = []
    missing: list[SoilMoistureError] = []
    for need in _needs(study, settings):
        readers = tuple(need.asset.split("/"))
        if any(key[: len(readers)] == readers for key in assets):
            try:
                lost += need.check().splitlines()[1:]
            except SoilMoistureError as error:
                missing.append(error)
    told = {str(error).partition(": ")[0]: error for error in reversed(missing)}  # of a file, what was found first
    if len(told) > 1:
        raise SourceError("\n".join(str(error) for error in reversed(told.values())))
    if missing:
        raise missing[0]
    return list(dict.fromkeys(lost))


def diagnose(study: Study, settings: Settings, notes: Sequence[str] = ()) -> list[Finding]:
    """Every file, credential and service of the study, each with its state.

    Parameters
    ----------
    notes : what of the study is made otherwise than it is written.
    """
    try:
        check(study)
    except StudyError as error:
        return [_trouble("sources", error)]
    findings = [Finding("sources", True, ", ".join(source.title for source in sources_of(study)))]
    findings += [Finding("settled", True, note) for note in notes]
    findings += [_room(f"room for {what}", folder) for what, folder in settings.written_folders.items()]
    findings += [checked(need) for need in _needs(study, settings)]
    if study.sandbox:
        return [*findings, Finding("services", True, "embedded sandbox on loopback (synthetic data)")]
    return findings + ask_services(study, settings)


def ask_services(study: Study, settings: Settings) -> list[Finding]:
    """Ask each service of the study for something small, all at once; of a sandbox study those of the sandbox."""

    def asked(probe: Need, lacking: list[str]) -> Finding:
        if lacking:
            return Finding(probe.what, False, f"not asked: it takes {', '.join(lacking)}")
        began = time.monotonic()
        return replace(checked(probe), seconds=round(time.monotonic() - began, 1))

    with settings_within(study, settings) as own, ThreadPoolExecutor(max_workers=16) as pool:
        running = []
        for source in sources_of(study):
            lacking = [need.what for need in source.needs(study, own) if not checked(need).ok]
            running += [pool.submit(asked, probe, lacking) for probe in source.probes(study, own)]
        return [each.result() for each in running]


def _needs(study: Study, settings: Settings) -> Iterator[Need]:
    for source in sources_of(study):
        yield from source.needs(study, settings)


def checked(need: Need) -> Finding:
    """Look whether something is there."""
    try:
        return Finding(need.what, True, need.check())
    except SoilMoistureError as error:
        return _trouble(need.what, error)


def _trouble(what: str, error: SoilMoistureError) -> Finding:
    state, _, fix = str(error).partition("\n")
    return Finding(what, False, state, fix.strip())


def _room(what: str, folder: Path) -> Finding:
    """Whether a folder, or the one it would be made in, can be written to and has room."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"0")
        free = shutil.disk_usage(there).free / 2**30
    except OSError as error:
        fix = f"Make room in {folder}, or give this user the right to write to it."
        return Finding(what, False, f"{folder}: {error.strerror}", fix)
    fix = "" if free >= LEAST_FREE_GIB else f"Free at least {LEAST_FREE_GIB:g} GiB, or set another folder."
    return Finding(what, not fix, f"{folder}: {free:.1f} GiB free", fix)
