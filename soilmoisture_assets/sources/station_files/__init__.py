"""Station files: CF NetCDF that a study brings itself, for any role. Not here: other sources, assets (defs/)."""

from collections.abc import Iterator

import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.variables import VARIABLES, Role
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import SECTIONS, Need, Source, named_sources
from soilmoisture_assets.study import Study

NAME = "file"
"""What studies write as ``source``."""


def _needs(study: Study, settings: Settings) -> Iterator[Need]:
    roles = [role for role in SECTIONS if NAME in named_sources(study, role)]
    if "target" in roles:
        yield Need("cube/hourly", "target file", lambda: _read_target(study))
    if "dynamic" in roles:
        yield Need("cube/hourly", "dynamic inputs file", lambda: _read_dynamic_inputs(study))
    if "static" in roles:
        yield Need("cube/static_attributes", "static attributes file", lambda: _read_static_attributes(study))
    if len(roles) > 1:
        yield Need("cube/hourly", "stations of the files", lambda: _compare_stations(study, roles))


def _read_target(study: Study) -> str:
    from soilmoisture_assets.sources.station_files.files import read_target_file

    found = read_target_file(str(study.target.path), study.target, study.axis_period(), study.domain)
    return _what(study, "target", found)


def _read_dynamic_inputs(study: Study) -> str:
    from soilmoisture_assets.sources import variables_of
    from soilmoisture_assets.sources.station_files.files import read_dynamic_inputs_file

    given, names = study.dynamic_inputs, variables_of(study, NAME)
    found = read_dynamic_inputs_file(str(given.path), names, given, study.axis_period(), study.domain)
    return _what(study, "dynamic", found)


def _read_static_attributes(study: Study) -> str:
    from soilmoisture_assets.sources.station_files.files import read_static_attributes_file

    given = study.static_attributes
    return _what(study, "static", read_static_attributes_file(str(given.path), given.variables, study.domain))


def _what(study: Study, role: Role, found: xr.Dataset) -> str:
    """What a file gives to the study, and below it what of it is lost; refuses intervals that cannot become steps."""
    from soilmoisture_assets.metadata.units import interval_text
    from soilmoisture_assets.sources.station_files.files import NOTES
    from soilmoisture_assets.sources.station_files.stations import stations_in_words
    from soilmoisture_assets.sources.time_axis import check_interval, spacing

    section = SECTIONS[role]
    path, series = getattr(study, section).path, ""
    if "time" in found.dims:
        interval = spacing(found.time.values, str(path))
        check_interval(interval, study.step, f"{path}: {section}")
        first, last = (str(found.time.values[at])[:16] for at in (0, -1))
        series = f", every {interval_text(interval)}, {first} ... {last}"
    what = f"{path}: {', '.join(map(str, found.data_vars))} of {stations_in_words(found.sizes['station'])}{series}"
    return "\n".join(filter(None, (what, found.attrs[NOTES])))


def _compare_stations(study: Study, roles: list[Role]) -> str:
    """See that the files speak of the same stations, and say which are not in all of them."""
    from soilmoisture_assets.sources.station_files.files import read_stations_file

    names: dict[str, set[str]] = {}
    for role in roles:
        path = str(getattr(study, SECTIONS[role]).path)
        networks = study.target.networks if role == "target" else ()
        key = f"{path} ({SECTIONS[role]})" if path in names else path
        if networks or path not in names:
            names[key] = set(read_stations_file(path, networks, study.domain).station.values.astype(str))
    return compare_stations(names)


def compare_stations(names: dict[str, set[str]]) -> str:
    """Say how many stations are in all files, and below it, a line each, which are not in one of them.

    Parameters
    ----------
    names : identifiers by file, the target's first.

    Raises
    ------
    SourceError : no station is in all of them.
    """
    from soilmoisture_assets.metadata.stations import some_names
    from soilmoisture_assets.sources.station_files.stations import stations_in_words

    everywhere = set.intersection(*names.values())
    (first, wanted), *others = names.items()
    for path, own in others:
        if not wanted & own:
            raise SourceError(
                f"{path}: none of its stations ({some_names(sorted(own))}) is in {first} "
                f"({some_names(sorted(wanted))}).\n  Name the stations alike in both files."
            )
    if not everywhere:
        raise SourceError(f"{first}: no station is in all of {', '.join(names)}.\n  Name the stations alike in all.")
    lines = [f"{len(everywhere)} in {'all files' if len(names) > 1 else first}"]
    for path, own in others:
        for there, lacking, missing in ((first, path, wanted - own), (path, first, own - wanted)):
            if missing:
                lines.append(
                    f"{lacking}: lacks {stations_in_words(len(missing))} of {there}: {some_names(sorted(missing))}"
                )
    return "\n".join(lines)


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
    account="CF timeSeries NetCDF of any layout of CF chapter 9, with latitude, longitude and units",
    needs=_needs,
)
