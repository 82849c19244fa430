"""Station files that cannot serve: inspect, doctor and a run say the same, and what they advise works."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from soilmoisture_assets.alignment.station_series import (
    file_dynamic_inputs,
    file_target,
    inputs_on_steps,
    target_on_steps,
)
from soilmoisture_assets.doctor import check_inputs, diagnose
from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.station_files.files import read_static_attributes_file
from soilmoisture_assets.sources.station_files.inspect import inspect_station_file
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.alignment.station_file_parts import study
from soilmoisture_assets_tests.sources.station_files.cf_files import good

Change = Callable[[Path], object]


def study_of(path: Path) -> Study:
    return study(
        path.parent,
        days=16,
        target={"path": str(path)},
        dynamic_inputs={"path": str(path), "variables": ["temperature"]},
        static_attributes={"path": str(path)},
    )


def edited(change: Callable[[netCDF4.Dataset], object]) -> Change:
    def apply(path: Path) -> None:
        with netCDF4.Dataset(path, "a") as file:
            change(file)

    return apply


def attribute(variable: str, name: str, value: object) -> Change:
    return edited(lambda file: file[variable].setncattr(name, value))


def without(variable: str, name: str) -> Change:
    return edited(lambda file: file[variable].delncattr(name))


def values(variable: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def apply(file: netCDF4.Dataset) -> None:
        file[variable][:] = change(file[variable][:])

    return edited(apply)


def renamed(variable: str, name: str) -> Change:
    return edited(lambda file: file.renameVariable(variable, name))


def added(name: str, kind: object, dims: tuple[str, ...], numbers: object, **attributes: object) -> Change:
    def apply(file: netCDF4.Dataset) -> None:
        variable = file.createVariable(name, kind, dims)
        if numbers is not None:
            variable[:] = numbers
        variable.setncatts(attributes)

    return edited(apply)


def both(*changes: Change) -> Change:
    def apply(path: Path) -> None:
        for change in changes:
            change(path)

    return apply


def again(path: Path) -> None:
    """Write the file again, as it should be."""
    path.unlink()
    good(path)


def compound(file: netCDF4.Dataset) -> None:
    file.renameVariable("soil_moisture", "was")
    kind = file.createCompoundType(np.dtype([("value", "f4"), ("flag", "i4")]), "pair")
    file.createVariable("soil_moisture", kind, file["was"].dimensions).units = "m3 m-3"


def in_a_group(path: Path) -> None:
    path.unlink()
    with netCDF4.Dataset(path, "w") as file:
        group = file.createGroup("stations")
        group.createDimension("station", 1)
        group.createVariable("station", str, ("station",)).cf_role = "timeseries_id"


def huge(file: netCDF4.Dataset) -> None:
    file.createDimension("long", 10**12)
    file.createVariable("ghost", "f8", ("long",), chunksizes=(10**6,))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def every_half_hour(file: netCDF4.Dataset) -> None:
    file["t"][:] = file["t"][:] / 2


def taken_over(old: str, new: str) -> Change:
    """A variable under its right name with the values it had before, as float32."""

    def apply(file: netCDF4.Dataset) -> None:
        if new in file.variables:
            file.renameVariable(new, f"{new}_that_was")
        variable = file.createVariable(new, "f4", file[old].dimensions)
        variable[:], variable.units = file[old][:], "m3 m-3"

    return edited(apply)


@dataclass(frozen=True)
class Bad:
    """A file that cannot serve, words of the line that says so, and what its advice comes to."""

    spoil: Change
    words: tuple[str, ...]
    remedy: Change
    layout: str = "orthogonal"
    by_the_study: bool = False
    """Only a study can say that it does not serve it."""


STAMPS = values("t", lambda t: np.arange(1, len(t) + 1, dtype="f8"))
BAD = {
    "no NetCDF": Bad(lambda path: path.write_text("station;value"), ("cannot be read as NetCDF",), again),
    "an empty file": Bad(lambda path: path.write_bytes(b""), ("cannot be read as NetCDF",), again),
    "cut": Bad(cut, ("cannot be read as NetCDF",), again),
    "no stations named": Bad(
        without("who", "cf_role"), ("cf_role = 'timeseries_id'",), attribute("who", "cf_role", "timeseries_id")
    ),
    "two names of stations": Bad(
        attribute("height", "cf_role", "timeseries_id"), ("2 variables", "cf_role"), without("height", "cf_role")
    ),
    "in a group": Bad(in_a_group, ("in groups",), again),
    "no latitude": Bad(
        both(renamed("lat", "y"), without("y", "standard_name"), without("y", "units")),
        ("no latitude",),
        added("lat", "f8", ("platform",), [45.0, 40.0, 35.0], standard_name="latitude"),
    ),
    "latitudes along time": Bad(
        both(
            renamed("lat", "y"),
            without("y", "standard_name"),
            without("y", "units"),
            added("lat", "f8", ("when",), 45.0, standard_name="latitude"),
        ),
        ("'lat' has dimensions (when)", "one latitude per station"),
        both(attribute("lat", "standard_name", "none"), attribute("y", "standard_name", "latitude")),
    ),
    "metres for degrees": Bad(
        values("lat", lambda lat: lat * 1e5),
        ("latitude beyond", "'lat' in degrees"),
        values("lat", lambda lat: lat / 1e5),
    ),
    "a station without a longitude": Bad(
        values("lon", lambda lon: np.where(lon == lon[1], np.nan, lon)),
        ("'NET__s1' has no longitude",),
        values("lon", lambda lon: np.where(np.isnan(lon), -95.0, lon)),
    ),
    "a name twice": Bad(
        edited(lambda file: file["who"].__setitem__(1, "NET__s0")),
        ("'NET__s0' appears twice",),
        edited(lambda file: file["who"].__setitem__(1, "NET__s1")),
    ),
    "a name twice but for capitals": Bad(
        edited(lambda file: file["who"].__setitem__(1, "NET__S0")),
        ("'NET__s0' and 'NET__S0' differ in capitals alone",),
        edited(lambda file: file["who"].__setitem__(1, "NET__s1")),
    ),
    "no soil moisture": Bad(
        renamed("soil_moisture", "sm"), ("no variable 'soil_moisture'", "it has: sm"), renamed("sm", "soil_moisture"),
        by_the_study=True,
    ),
    "a spelling of units": Bad(
        attribute("soil_moisture", "units", "volumetric"),
        ("'soil_moisture'", "'volumetric', a spelling that I do not know"),
        attribute("soil_moisture", "units", "m3 m-3"),
    ),
    "another quantity": Bad(
        both(attribute("soil_moisture", "units", "mm"), values("soil_moisture", lambda sm: sm * 100)),
        ("'soil_moisture'", "'mm', which are of another quantity"),
        both(values("soil_moisture", lambda sm: sm / 100), attribute("soil_moisture", "units", "m3 m-3")),
    ),
    "no units": Bad(
        without("soil_moisture", "units"), ("'soil_moisture' has no units",), attribute("soil_moisture", "units", "1")
    ),
    "no time": Bad(
        without("t", "units"),
        ("no time coordinate", "(platform, when)"),
        attribute("t", "units", "hours since 2015-01-01"),
    ),
    "two times": Bad(
        added("received", "f8", ("when",), 0.0, units="hours since 2015-01-01"),
        ("the times 't' and 'received'", "standard_name = 'time'"),
        attribute("t", "standard_name", "time"),
    ),
    "months": Bad(
        attribute("t", "units", "months since 2015-01-01"),
        ("'t'", "'months since 2015-01-01' count no time of fixed length"),
        attribute("t", "units", "hours since 2015-01-01"),
    ),
    "a date that cannot be": Bad(
        attribute("t", "units", "hours since 2015-13-01"), ("'t'", "cannot be understood"),
        attribute("t", "units", "hours since 2015-01-01"),
    ),
    "an unknown calendar": Bad(
        attribute("t", "calendar", "mayan"), ("'t'", "calendar 'mayan'"), attribute("t", "calendar", "standard")
    ),
    "days that no year has": Bad(
        both(attribute("t", "units", "hours since 2015-02-20"), attribute("t", "calendar", "360_day")),
        ("'t'", "'360_day' has the date 2015-02-29"),
        both(attribute("t", "units", "hours since 2015-01-01"), attribute("t", "calendar", "standard")),
    ),
    "far from our time": Bad(
        attribute("t", "units", "days since 2500-01-01"), ("'t'", "beyond the years"),
        attribute("t", "units", "hours since 2015-01-01"),
    ),
    "numbers without end": Bad(
        values("t", lambda t: t * 1e200), ("'t'", "beyond the years"), STAMPS
    ),
    "unsorted": Bad(values("t", lambda t: t[::-1]), ("'t'", "lies before the one it follows"), STAMPS),
    "a stamp twice": Bad(
        values("t", lambda t: np.where(t == 5, 4, t)), ("'t'", "2015-01-01 04:00:00 appears twice"), STAMPS
    ),
    "two stamps for one hour": Bad(
        values("t", lambda t: np.where(t == 5, 4.01, t)), ("'t'", "2015-01-01 04:00:00 appears twice"), STAMPS
    ),
    "no interval": Bad(
        values("t", lambda t: t + np.where(t % 7 == 0, 0.4, 0)),
        ("'t'", "off the interval", "as 54 of 384 are"),
        STAMPS,
    ),
    "a quarter past": Bad(
        values("t", lambda t: t + 0.25), ("would end at 2015-01-01 01:15:00", "full hours"), STAMPS
    ),
    "half hours": Bad(
        edited(every_half_hour), ("values every 0 days 00:30:00 cannot become steps",), STAMPS, by_the_study=True
    ),
    "no stamps at all": Bad(values("t", lambda t: t * np.nan), ("'t'", "time axis is empty"), STAMPS),
    "no such bounds": Bad(attribute("t", "bounds", "edges"), ("'t' names the bounds 'edges'",), without("t", "bounds")),
    "bounds that end before they begin": Bad(
        both(
            edited(lambda file: file.createDimension("two", 2)),
            added("edges", "f8", ("when", "two"), np.stack([np.arange(1, 385), np.arange(384)], axis=1)),
            attribute("t", "bounds", "edges"),
        ),
        ("bounds 'edges' end before they begin",),
        values("edges", lambda edges: edges[:, ::-1]),
    ),
    "bounds of ten minutes": Bad(
        both(
            edited(lambda file: file.createDimension("two", 2)),
            added("edges", "f8", ("when", "two"), np.arange(1, 385)[:, None] + np.array([-1 / 6, 0])),
            attribute("t", "bounds", "edges"),
        ),
        ("bounds 'edges' span 600 ... 600 s, stamps are 3600 s apart",),
        without("t", "bounds"),
    ),
    "no depth": Bad(
        both(renamed("depth", "z"), without("z", "standard_name")), ("no depth",),
        both(attribute("z", "standard_name", "depth"), renamed("z", "depth")),
    ),
    "depths of another length": Bad(
        both(
            renamed("depth", "z"), without("z", "standard_name"),
            added("depth", "f8", ("when",), 0.05, standard_name="depth", units="m"),
        ),
        ("soil moisture has no depth; 'depth' has dimensions ('when',)",),
        both(attribute("depth", "standard_name", "none"), attribute("z", "standard_name", "depth")),
    ),
    "depth in litres": Bad(
        attribute("depth", "units", "litre"), ("'depth' has units 'litre', which are of another quantity",),
        attribute("depth", "units", "m"),
    ),
    "below the layer": Bad(
        values("depth", lambda depth: depth + 1), ("no depth between 0.0 and 0.1 m; it has 1.05 m",),
        values("depth", lambda depth: depth - 1), by_the_study=True,
    ),
    "not one good value": Bad(
        values("soil_moisture", lambda sm: sm - 99), ("not a single good value of soil moisture", "median is -9"),
        values("soil_moisture", lambda sm: sm + 99),
    ),
    "text for numbers": Bad(
        both(renamed("soil_moisture", "was"), added("soil_moisture", str, ("platform", "when"), None, units="1")),
        ("'soil_moisture' holds no numbers",),
        taken_over("was", "soil_moisture"),
    ),
    "compound values": Bad(edited(compound), ("'soil_moisture'",), again),
    "huge": Bad(edited(huge), ("'ghost'", "unpacks to more than is allowed"), again),
    "more counted than there is": Bad(
        values("row_size", lambda size: size + 1), ("'row_size' counts 1155 observations, 'sample' has 1152",),
        values("row_size", lambda size: size - 1), "contiguous",
    ),
    "a station that is not": Bad(
        values("of", lambda of: np.where(of == 2, 3, of)), ("'of' has 0 ... 3", "the stations are 0 ... 2"),
        values("of", lambda of: np.where(of == 3, 2, of)), "indexed",
    ),
    "half a station": Bad(
        both(renamed("of", "was"), without("was", "instance_dimension"),
             added("of", "f4", ("sample",), 0.5, instance_dimension="platform")),
        ("'of' must hold whole numbers",),
        both(without("of", "instance_dimension"), attribute("was", "instance_dimension", "platform")), "indexed",
    ),
    "no word on stations": Bad(
        without("of", "instance_dimension"), ("'soil_moisture' has dimensions (sample) and no word on its 3 stations",),
        attribute("of", "instance_dimension", "platform"), "indexed",
    ),
}  # fmt: skip


def said_by_doctor(path: Path) -> str | None:
    findings = [finding for finding in diagnose(study_of(path), Settings()) if not finding.ok]
    return f"{findings[0].state}\n  {findings[0].fix}" if findings else None


def said_by_inspect(path: Path) -> str | None:
    try:
        refused = inspect_station_file(path)["refused"]
    except SoilMoistureError as error:
        return str(error)
    return None if refused is None else str(refused)


def said_before_a_run(path: Path) -> str | None:
    try:
        check_inputs(study_of(path), Settings(), [("cube", "hourly"), ("cube", "static_attributes")])
    except SoilMoistureError as error:
        return str(error)
    return None


def said_by_run(path: Path) -> str | None:
    small = study_of(path)
    try:
        target = target_on_steps(file_target(small), small, small.time_axis)
        inputs_on_steps(file_dynamic_inputs(small), small, small.time_axis)
        read_static_attributes_file(path, small.static_attributes.variables, small.domain)
    except SoilMoistureError as error:
        return str(error)
    assert float(target.soil_moisture_scored.notnull().mean()) > 0.9
    return None


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_alike_everywhere_and_the_advice_works(name: str, tmp_path: Path):
    bad = BAD[name]
    path = good(tmp_path / "station.nc", bad.layout)
    assert (said_by_doctor(path), said_by_inspect(path), said_by_run(path)) == (None, None, None)
    bad.spoil(path)
    said, by_run = said_before_a_run(path), said_by_run(path)
    assert said is not None
    assert by_run == said or name == "half hours"  # what the steps of a study cannot hold is said of its section then
    line, *advice = said.splitlines()
    assert line.startswith(str(path))
    assert len(advice) == 1
    for word in bad.words:
        assert word in said
    assert said_by_doctor(path) == said
    assert said_by_inspect(path) == (None if bad.by_the_study else said)
    bad.remedy(path)
    assert (said_by_doctor(path), said_by_inspect(path), said_by_run(path)) == (None, None, None)


def test_files_of_two_groups_of_stations_are_refused_before_a_run_and_single_ones_are_named(tmp_path: Path):
    mine, other = good(tmp_path / "mine.nc"), good(tmp_path / "other.nc")
    table = study(
        tmp_path,
        days=16,
        target={"path": str(mine)},
        dynamic_inputs={"path": str(other), "variables": ["temperature"]},
        static_attributes={"path": str(mine)},
    )
    edited(lambda file: file["who"].__setitem__(2, "NET__elsewhere"))(other)
    lost = check_inputs(table, Settings(), [("cube", "hourly")])
    assert lost == [
        f"{other}: lacks 1 station of {mine}: NET__s2",
        f"{mine}: lacks 1 station of {other}: NET__elsewhere",
    ]
    for row in range(3):
        edited(lambda file, row=row: file["who"].__setitem__(row, f"X__{row}"))(other)
    with pytest.raises(SoilMoistureError, match=r"none of its stations \(X__0, X__1, X__2\) is in .*mine.nc"):
        check_inputs(table, Settings(), [("cube", "hourly")])


def test_stations_outside_the_domain_and_rows_without_a_time_are_counted_and_said(tmp_path: Path):
    path = good(tmp_path / "station.nc", "indexed")
    values("of", lambda of: np.where(np.arange(len(of)) < 5, -1, of))(path)
    small = study_of(path).model_copy(update={"domain": study_of(path).domain.model_copy(update={"south": 37.0})})
    said = check_inputs(small, Settings(), [("cube", "hourly")])
    assert f"{path}: 1 of 3 stations lie outside the domain -180 ... 180 E, 37.0 ... 90 N: NET__s2" in said
    assert f"{path}: 5 values of 'soil_moisture' in 5 rows without a time or a station are lost" in said
