"""The cube: raw series on one hourly axis, then on the study's steps, then aligned with static attributes.

Not here: how any of it is computed (alignment/), raw data (raw/).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import numpy as np
import xarray as xr

from soilmoisture_assets.alignment.splits import SPLITS
from soilmoisture_assets.assets import COMMON, CUBE, HOURLY, LEARNED
from soilmoisture_assets.defs.following import follows
from soilmoisture_assets.defs.making import EXCLUDED, Made, Work, step
from soilmoisture_assets.defs.raw.station_files import said_of_files
from soilmoisture_assets.deployment import WEATHER_LACKING, Deployment
from soilmoisture_assets.sources import network_of, variables_of


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The cube and its parts; each is made again by itself when what it is made from has changed."""
    made = {
        HOURLY: _hourly,
        "cube/target": _target,
        "cube/dynamic_inputs": _dynamic_inputs,
        "cube/static_attributes": _static_attributes,
        COMMON: _stations,
        CUBE: _station_cube,
    }
    return [step(deployment, [path], make, automation=follows(deployment, path)) for path, make in made.items()]


def _hourly(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.alignment.hourly import align_hourly
    from soilmoisture_assets.alignment.network_records import stack_records
    from soilmoisture_assets.alignment.station_series import (
        checked_inputs,
        checked_target,
        file_dynamic_inputs,
        file_target,
    )

    given, study, today = work.given(), work.study, work.deployment.today()
    records = stack_records(given["raw"], given["stations"], study, today) if network_of(study) else None
    inputs: dict[str, Any] = {}
    for name in study.dynamic_inputs.sources:
        if name == "file":
            inputs[name] = file_dynamic_inputs(study, variables_of(study, name), today)
        elif records is not None and name in study.target.sources:
            inputs[name] = checked_inputs(records[list(variables_of(study, name))], study)
        else:
            inputs[name] = _in_order(given[name])
    if study.target.source == "ismn":
        from soilmoisture_assets.alignment.target import checked_from_ismn

        moisture = checked_from_ismn(given["raw"], given["stations"], study, today)
    elif records is not None:
        moisture = checked_target(records.soil_moisture, study, records.get("temperature"))
        moisture = moisture.assign(problem=records.problem)
    else:  # frozen soil needs the file's own temperature
        temperature = inputs["file"].get("temperature") if "file" in inputs else None
        moisture = file_target(study, temperature, today)
    notes = said_of_files(work, moisture, *(given for given in inputs.values() if isinstance(given, xr.Dataset)))
    found = align_hourly(moisture, inputs, study, today)
    yield Made(found, metadata={"stations": found.sizes["station"], "hours": found.sizes["time"], **notes})


def _in_order(months: Mapping[str, xr.Dataset]) -> Iterator[xr.Dataset]:
    return (months[month] for month in sorted(months))


def _target(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.alignment.station_series import study_axis, target_from_hourly

    hourly, study = work.given()["hourly"], work.study
    found = target_from_hourly(hourly, study, study_axis(hourly, study, work.deployment.today()))
    masked = {str(name): int(found[name].sum()) for name in found.data_vars if str(name).startswith("masked_")}
    yield Made(
        found,
        metadata={
            "stations": found.sizes["station"],
            "steps": found.sizes["time"],
            "observed_share": float(found.soil_moisture_scored.notnull().mean()),
            "masked": masked,
        },
    )


def _dynamic_inputs(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.alignment.station_series import inputs_from_hourly, source_shares, study_axis

    hourly, study = work.given()["hourly"], work.study
    found = inputs_from_hourly(hourly, study, study_axis(hourly, study, work.deployment.today()))
    rows = [
        f"| {name} | {float(values.notnull().mean()):.1%} | {float(values.mean()):.3g} | {values.attrs['units']} |"
        for name, values in found.data_vars.items()
        if name in study.dynamic_inputs.variables
    ]
    table = "\n".join(["| variable | present | mean | units |", "|---|---|---|---|", *rows])
    metadata = {"stations": found.sizes["station"], "variables": table}
    several = {name: shares for name in work.study.dynamic_inputs.variables if (shares := source_shares(found, name))}
    yield Made(found, metadata=metadata | ({"sources": several} if several else {}))


def _static_attributes(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.alignment.static_encoding import encode_static_attributes, encodings

    source = work.study.static_attributes
    if source.source == "services":
        read = _from_services(work)
    else:
        from soilmoisture_assets.sources.station_files.files import read_static_attributes_file

        read = read_static_attributes_file(str(source.path), source.variables, work.study.domain)
    found = encode_static_attributes(read, source.variables)
    for note in work.deployment.settled:
        work.log(note)
    metadata = {
        "stations": found.sizes["station"],
        "attributes": len(found.data_vars),
        "encodings": encodings(found),
        "settled": list(work.deployment.settled),
        **said_of_files(work, read),
    }
    yield Made(found, metadata=metadata)


def _from_services(work: Work) -> xr.Dataset:
    """What the archive, SoilGrids, 3DEP and MODIS say of the stations; a later one's word counts."""
    from soilmoisture_assets.alignment.static_encoding import land_cover_before

    given, study = work.given(), work.study
    parts = [given[name] for name in ("in_situ", "soilgrids", "terrain") if name in given]
    if "land_cover" in given:
        by_year = given["land_cover"]
        years = xr.concat([by_year[year].land_cover for year in sorted(by_year)], dim="year")
        parts.append(land_cover_before(years, study.splits.train).to_dataset())
    merged = parts[0].drop_vars(list(parts[0].data_vars))
    for part in parts:
        wanted = [name for name in study.static_attributes.variables if name in part.data_vars]
        merged = merged.drop_vars(wanted, errors="ignore").assign(part[wanted].reset_coords(drop=True))
    return merged.load()


def _stations(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.alignment.common_stations import common_stations

    given = work.given()
    found = common_stations(given["target"].load(), given["inputs"].load(), given["statics"].load(), work.study)
    included = found.station.values[found.included.values == 1].astype(str).tolist()
    yield Made(
        found,
        names=tuple(included),
        metadata={
            "stations": found.sizes["station"],
            "included": len(included),
            EXCLUDED: _reasons(found),
        },
    )


def _reasons(stations: xr.Dataset) -> dict[str, str]:
    """Of each station that is not common to target, inputs and statics, the reason."""
    out = stations.isel(station=stations.included.values == 0)
    return dict(zip(out.station.values.astype(str).tolist(), out.reason.values.astype(str).tolist(), strict=True))


def _station_cube(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.alignment.cube import build_cube, learned_part, tail_part
    from soilmoisture_assets.alignment.issued_weather import lacking

    given, study = work.given(), work.study
    stations = given["stations"].load()
    issued, said = None, dict[str, list[str]]()
    if "issued" in given:
        months = list(_in_order(given["issued"]))
        issued = xr.concat(months, dim="start", data_vars="minimal", coords="minimal", compat="override").load()
    cube = build_cube(given["target"].load(), given["inputs"].load(), given["statics"].load(), study, stations, issued)
    if issued is not None:
        said[WEATHER_LACKING] = lacking(cube, study, issued.get_index("start")[0])
    held_out = cube.station.values[cube.held_out.values == 1].astype(str).tolist()
    observed = cube.soil_moisture_scored.notnull()
    per_split = {name: int(observed.sel(time=cube.split == code).sum()) for code, name in enumerate(SPLITS) if code}
    yield Made(
        cube,
        names=tuple(np.sort(cube.station.values[cube.held_out.values == 0].astype(str)).tolist()),
        parts={LEARNED: learned_part(cube, study), "tail": tail_part(cube, study)},
        metadata={
            "stations": cube.sizes["station"],
            "steps": cube.sizes["time"],
            "newest_step": str(cube.time.values[-1])[:16],
            "observed_share": float(observed.mean()),
            EXCLUDED: _reasons(stations)
            | dict.fromkeys(held_out, "held out in space: the regional model forecasts it"),
            "observed_per_split": per_split,
            **said,
        },
    )
