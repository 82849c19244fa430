"""What a study leaves open, and what its sources do not have: settled before anything is made of it.

Belongs here: which service a study is made with on this machine, what is left out of it, and the sentences that say so.
Not here: what a source lacks (``SOURCE`` in sources/<name>/), asking (the clients).
"""

from collections.abc import Callable
from typing import Any

from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources import sources, sources_of, variables_of
from soilmoisture_assets.sources.era5.account import an_account_is_set
from soilmoisture_assets.sources.modis import over_earthengine
from soilmoisture_assets.study import Study

Stored = Callable[[str], bool]
"""Whether any of an asset, by its path, is stored of the study."""


def settled(study: Study, settings: Settings, stored: Stored) -> tuple[Study, tuple[str, ...]]:
    """The study as it is made on this machine, and what of it is not as it is written, a line each.

    Raises
    ------
    StudyError : it names a source that nobody declares.
    """
    notes: list[str] = []
    study = _with_weather(study, settings, stored, notes)
    study = _without_what_is_lacking(study, notes)
    asks_modis = "modis" in {source.name for source in sources_of(study)} and not study.sandbox
    if asks_modis and not over_earthengine(settings):
        notes.append("land cover: from ORNL DAAC, as no Earth Engine account is set; the values are the same")
    return study, tuple(notes)


def _with_weather(study: Study, settings: Settings, stored: Stored, notes: list[str]) -> Study:
    """The study with ERA5 from the Climate Data Store, or from Open-Meteo in its place."""
    access, weather = study.era5.access, study.dynamic_inputs
    if access not in ("auto", "open_meteo") or "era5" not in weather.sources:
        return study
    if access == "auto" and not _is_over_open_meteo(study, settings, stored):
        return study.model_copy(update={"era5": study.era5.model_copy(update={"access": "timeseries"})})
    if access == "auto":
        begun = stored("raw/open_meteo/station_series") and an_account_is_set(settings.cds_key)
        notes.append(
            "weather: ERA5 over Open-Meteo, "
            + ("with which the study has begun" if begun else "as no account of the Climate Data Store is set")
            + "; free for non-commercial use, some 4,000 station-months a day"
        )
    renamed = weather.model_copy(update={"source": _over_open_meteo(weather.source)})
    return study.model_copy(update={"dynamic_inputs": renamed})


def _over_open_meteo(source: Any) -> Any:
    """What a study names as source of its weather, with Open-Meteo in the place of ERA5."""
    if isinstance(source, dict):
        return {variable: _over_open_meteo(of_variable) for variable, of_variable in source.items()}
    names = (source,) if isinstance(source, str) else source
    named = tuple(dict.fromkeys("open_meteo" if name == "era5" else name for name in names))
    return named[0] if len(named) == 1 else named


def _is_over_open_meteo(study: Study, settings: Settings, stored: Stored) -> bool:
    if not {*variables_of(study, "era5")} <= {*sources()["open_meteo"].offers["dynamic"]}:
        return False
    if stored("raw/era5/station_series"):
        return False
    return stored("raw/open_meteo/station_series") or not an_account_is_set(settings.cds_key)


def _without_what_is_lacking(study: Study, notes: list[str]) -> Study:
    for source in sources_of(study):
        statics = study.static_attributes
        lacking = [name for name in source.lacking(study) if name in statics.variables]
        if lacking:
            kept = tuple(name for name in statics.variables if name not in lacking)
            study = study.model_copy(update={"static_attributes": statics.model_copy(update={"variables": kept})})
            notes.append(f"left out: {', '.join(lacking)}, which {source.title} does not have as this study asks it")
    return study
