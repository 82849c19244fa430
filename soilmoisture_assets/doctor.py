"""What a study needs and whether it is there: files, credentials, reachable services.

Belongs here: going through what the sources of a study say they need, and asking their services, before anything is
written. Not here: what that is (``SOURCE`` in sources/<name>/), printing it (cli/doctor.py).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from soilmoisture_assets.errors import SoilMoistureError, StudyError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources import check, sources_of
from soilmoisture_assets.sources.source import Need
from soilmoisture_assets.study import Study


@dataclass(frozen=True)
class Finding:
    """One thing a study needs: whether it is there, and what to do if it is not."""

    what: str
    ok: bool
    state: str
    fix: str = ""


def check_inputs(study: Study, settings: Settings, assets: Collection[tuple[str, ...]]) -> None:
    """Read what the study names on this machine before a run writes anything.

    Parameters
    ----------
    assets : keys of the assets to be made, as tuples; only what they read themselves is checked.

    Raises
    ------
    SoilMoistureError : the first thing that is missing or cannot be used; names the file and the fix.
    """
    check(study)
    for need in _needs(study, settings):
        readers = tuple(need.asset.split("/"))
        if any(key[: len(readers)] == readers for key in assets):
            need.check()


def diagnose(study: Study, settings: Settings) -> list[Finding]:
    """Every file, credential and service of the study, each with its state."""
    try:
        check(study)
    except StudyError as error:
        return [_trouble("sources", error)]
    findings = [Finding("sources", True, ", ".join(source.title for source in sources_of(study)))]
    for source in sources_of(study):
        needed = [_checked(need) for need in source.needs(study, settings)]
        lacking = [finding.what for finding in needed if not finding.ok]
        findings += needed
        for probe in [] if study.sandbox else source.probes(study, settings):
            not_asked = Finding(probe.what, False, f"not asked: it takes {', '.join(lacking)}")
            findings.append(not_asked if lacking else _checked(probe))
    if study.sandbox:
        findings.append(Finding("services", True, "embedded sandbox on loopback (synthetic data)"))
    return findings


def _needs(study: Study, settings: Settings) -> Iterator[Need]:
    for source in sources_of(study):
        yield from source.needs(study, settings)


def _checked(need: Need) -> Finding:
    try:
        return Finding(need.what, True, need.check())
    except SoilMoistureError as error:
        return _trouble(need.what, error)


def _trouble(what: str, error: SoilMoistureError) -> Finding:
    state, _, fix = str(error).partition("\n")
    return Finding(what, False, state, fix.strip())
