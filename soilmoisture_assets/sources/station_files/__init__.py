"""Station files: CF NetCDF that a study brings itself, for any role. Not here: other sources, assets (defs/)."""

from collections.abc import Iterator

import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES, Role
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import Need, Source, named_sources
from soilmoisture_assets.study import Study

NAME = "file"
"""What studies write as ``source``."""


def _needs(study: Study, settings: Settings) -> Iterator[Need]:
    if NAME in named_sources(study, "target"):
        yield Need("cube/hourly", "target file", lambda: _read_target(study))
    if NAME in named_sources(study, "dynamic"):
        yield Need("cube/hourly", "dynamic inputs file", lambda: _read_dynamic_inputs(study))
    if NAME in named_sources(study, "static"):
        yield Need("cube/static_attributes", "static attributes file", lambda: _read_static_attributes(study))


def _read_target(study: Study) -> str:
    from soilmoisture_assets.sources.station_files.files import read_target_file

    found = read_target_file(str(study.target.path), study.target, study.period, study.domain)
    return f"{study.target.path}: {found.sizes['station']} stations"


def _read_dynamic_inputs(study: Study) -> str:
    from soilmoisture_assets.sources import variables_of
    from soilmoisture_assets.sources.station_files.files import read_dynamic_inputs_file

    given, names = study.dynamic_inputs, variables_of(study, NAME)
    return _what(given.path, read_dynamic_inputs_file(str(given.path), names, given, study.period, study.domain))


def _read_static_attributes(study: Study) -> str:
    from soilmoisture_assets.sources.station_files.files import read_static_attributes_file

    given = study.static_attributes
    return _what(given.path, read_static_attributes_file(str(given.path), given.variables, study.domain))


def _what(path: str | None, found: xr.Dataset) -> str:
    return f"{path}: {', '.join(map(str, found.data_vars))}"


def _of_role(role: Role) -> tuple[str, ...]:
    return tuple(name for name, variable in VARIABLES.items() if variable.role == role)


SOURCE = Source(
    name=NAME,
    title="station files",
    offers={"target": _of_role("target"), "dynamic": _of_role("dynamic"), "static": _of_role("static")},
    step=None,
    place="stations",
    citation="",
    licence="",
    account="CF timeSeries NetCDF: dims (station[, depth], time), `lat`, `lon`, units",
    needs=_needs,
)
