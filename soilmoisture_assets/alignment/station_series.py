"""Station series on the study's steps: soil moisture after quality control, and dynamic inputs.

Belongs here: from hourly or daily series to the ``target`` and ``dynamic_inputs`` of a study, where its axis ends, and
the checked series of a study's own station files. Not here: reading the files (station_files.py), the checks
(quality_control.py), several sources on one axis (hourly.py).

Whatever is counted or chosen per station is by the days that are learned from (``study.last_learned``): values after
them change nothing before them.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.hourly import (
    at_own_interval,
    by_interval,
    hourly_names,
    in_batches,
    newest_value,
)
from soilmoisture_assets.alignment.quality_control import SERIES, control_before_and_after, counts, within_limits
from soilmoisture_assets.alignment.station_files import choose_depth
from soilmoisture_assets.alignment.sun import clock_offset, fill_dark_hours
from soilmoisture_assets.alignment.time_steps import HOUR, last_of_step, spacing, to_steps, valid_hours
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.metadata.stations import STATION_COORDINATES
from soilmoisture_assets.metadata.variables import VARIABLES, said_by_source
from soilmoisture_assets.sources.station_files.files import NOTES, read_dynamic_inputs_file, read_target_file
from soilmoisture_assets.sources.time_axis import check_interval
from soilmoisture_assets.study import Study

OF_TARGET = (*SERIES, "sensor", "quality_flag", "depth_choice", "sensor_series", "problem")
"""Variables of the hourly series that belong to soil moisture; the others are inputs."""
_LOOK_BACK = pd.Timedelta(days=30)
CLOCK_TOLERANCE_HOURS = 1.5
"""Radiation centred further from noon than this tells that a record's clock is not the one declared."""


def file_target(study: Study, temperature: xr.DataArray | None = None, today: dt.date | None = None) -> xr.Dataset:
    """Read the study's target file, choose a depth per station and check every value.

    Parameters
    ----------
    temperature : (station, time) degC, hourly or daily, for the check of frozen soil; None: not checked.
    today : the day up to which an open study goes on.

    Returns
    -------
    As :func:`quality_control.control`, hourly or daily as the file, with ``depth`` (station) [m], the reader's
    attribute ``notes`` and ``sensor`` int16 as :func:`station_files.choose_depth` numbers them, -1 where there is no
    observation.

    Raises
    ------
    SoilMoistureError : everything that :func:`read_target_file` raises.
    """
    layer = read_target_file(str(study.target.path), study.target, study.axis_period(today), study.domain)
    return checked_target(layer.soil_moisture, study, temperature).assign_attrs({NOTES: layer.attrs[NOTES]})


def checked_target(layer: xr.DataArray, study: Study, temperature: xr.DataArray | None = None) -> xr.Dataset:
    """Choose a depth per station and check every value of soil moisture without flags.

    Parameters
    ----------
    layer : (station, depth, time) m3 m-3, hourly or daily: depths of the study's layer, one for each sensor.
    temperature : as in :func:`file_target`.

    Returns
    -------
    As :func:`file_target`.
    """
    chosen = choose_depth(layer, study.target.preferred_depth, study.last_learned)
    if temperature is not None:
        temperature = _at_interval(temperature, spacing(chosen.time.values, "soil moisture"))
    checked = control_before_and_after(
        chosen.soil_moisture, study.target.quality_control, temperature, study.last_learned
    )
    sensor = chosen.sensor.where(np.isfinite(checked.soil_moisture_scored), -1).astype("int16")
    return checked.assign(sensor=sensor).assign_coords(depth=chosen.depth)


def file_dynamic_inputs(study: Study, names: Sequence[str] | None = None, today: dt.date | None = None) -> xr.Dataset:
    """Read the study's dynamic inputs file: (station, time), hourly or daily as the file, impossible values masked.

    ``masked_range_<name>`` (station) says how many were. Hourly shortwave that is missing at night is zero up to
    the last value of the station, provided that the radiation itself agrees with the clock the study declares;
    ``clock_offset`` (station) [hour] shows it.

    Parameters
    ----------
    names : variables to read; None: all of the study.
    today : the day up to which an open study goes on.
    """
    path, section = str(study.dynamic_inputs.path), study.dynamic_inputs
    names = section.variables if names is None else names
    inputs = read_dynamic_inputs_file(path, names, section, study.axis_period(today), study.domain)
    return checked_inputs(inputs, study)


def checked_inputs(inputs: xr.Dataset, study: Study) -> xr.Dataset:
    """Mask impossible values of what stations measured (station, time), as :func:`file_dynamic_inputs` does."""
    learned = slice(None, study.last_learned)
    masked, _ = within_limits(inputs)
    _, count = within_limits(inputs.sel(time=learned))
    if "shortwave" in masked and spacing(masked.time.values, "shortwave") == HOUR:
        offset = clock_offset(masked.shortwave.sel(time=learned))
        agrees = abs(offset) <= CLOCK_TOLERANCE_HOURS
        until = _newest_values(masked)  # what lies ahead is no record, however dark
        filled = fill_dark_hours(masked.shortwave)
        masked["shortwave"] = filled.where(agrees & (masked.time <= until), masked.shortwave)
        masked["clock_offset"] = offset
    return masked.assign(count).assign_attrs({NOTES: inputs.attrs.get(NOTES, "")})


def _newest_values(inputs: xr.Dataset) -> xr.DataArray:
    """(station) when each has its last value of any variable; NaT where it has none."""
    there = np.zeros((inputs.sizes["station"], inputs.sizes["time"]), dtype=bool)
    for name in inputs.data_vars:
        there |= np.isfinite(inputs[name].transpose("station", "time").values)
    last = inputs.time.values[there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)]
    return xr.DataArray(np.where(there.any(axis=1), last, np.datetime64("NaT")), {"station": inputs.station})


def study_axis(hourly: xr.Dataset, study: Study, today: dt.date | None = None) -> pd.DatetimeIndex:
    """Labels of the study's steps: to its reach; if that is open, to the newest step with a value of any station.

    Parameters
    ----------
    hourly : of :func:`hourly.align_hourly`.
    today : the day up to which an open study goes on.
    """
    if study.reach != "open":
        return study.axis_until(study.reach_end())
    newest = _newest_step(hourly, study)
    return study.axis_until(max(study.period.last, min(newest, study.reach_end(today))))


def _newest_step(hourly: xr.Dataset, study: Study) -> pd.Timestamp:
    """The last step that has soil moisture or an input, looked for from the end backwards."""
    last = pd.Timestamp(hourly.time.values[-1]).ceil("D")
    while last > study.period.last:
        part = hourly.sel(time=slice(last - _LOOK_BACK + HOUR, last)).load()
        names = [name for name in study.dynamic_inputs.variables if name in part]
        steps = [_observed_steps(part, study), *_inputs_by_interval(part, study, names)]
        newest = max(newest_value(own) for own in steps)
        if newest > last - _LOOK_BACK:
            return newest
        last -= _LOOK_BACK
    return study.period.last


def _observed_steps(hourly: xr.Dataset, study: Study) -> xr.Dataset:
    checked = at_own_interval(hourly, ["soil_moisture_scored"])
    if not _is_hourly(checked, study, "target"):
        return checked
    return to_steps(checked.soil_moisture_scored, study.step, "mean", study.time.min_hours).to_dataset()


def target_from_hourly(hourly: xr.Dataset, study: Study, axis: pd.DatetimeIndex) -> xr.Dataset:
    """The ``target`` of the study, a few stations in memory at a time.

    Parameters
    ----------
    hourly : of :func:`hourly.align_hourly`.
    axis : of :func:`study_axis`.

    Returns
    -------
    (station, time) as :func:`target_on_steps`; of an ISMN study also (station): sensors_used int32, depth_choice,
    sensor_series and problem.

    Raises
    ------
    StudyError : the source is neither hourly nor one value per step.
    """
    own = at_own_interval(hourly, [name for name in OF_TARGET if name in hourly])
    own = own.drop_vars([name for name in own.coords if name not in (*STATION_COORDINATES, "depth", "station", "time")])
    target = _beside(target_on_steps(part, study, axis) for part in in_batches(own))
    said = [name for name in own.data_vars if "time" not in own[name].dims]
    if not said:
        return target
    sensors = target.sensor.sel(time=slice(None, study.last_learned)).values
    used = np.array([len(np.unique(row[row >= 0])) for row in sensors], dtype="int32")
    described = {"long_name": "successive sensors in the series"}
    return target.assign(own[said].load()).assign(sensors_used=("station", used, described))


def inputs_from_hourly(hourly: xr.Dataset, study: Study, axis: pd.DatetimeIndex) -> xr.Dataset:
    """The ``dynamic_inputs`` of the study, a few stations in memory at a time.

    Parameters
    ----------
    hourly : of :func:`hourly.align_hourly`.
    axis : of :func:`study_axis`.

    Returns
    -------
    (station, time) as :func:`inputs_on_steps`. A variable for which the study names several sources has in each step
    the value of the first of them that has one, and beside it ``<variable>_source`` int8, a flag for each, -1 for none.

    Raises
    ------
    StudyError : no source has a variable of the study, or it is neither hourly nor one value per step.
    """
    variables = study.dynamic_inputs.variables
    names = {name: [each for each in hourly_names(study, name).values() if each in hourly] for name in variables}
    lacking = [name for name in variables if name not in hourly and not names[name]]
    if lacking:
        raise StudyError(
            f"dynamic_inputs: no source has {', '.join(lacking)}: nothing of it is stored.",
            make=["cube/dynamic_inputs"],
        )
    said = [name for name in hourly.data_vars if name not in OF_TARGET and "time" not in hourly[name].dims]
    several = [name for name in variables if len(study.dynamic_inputs.order(name)) > 1]
    single = [name for name in variables if name not in several]
    own = hourly[[*single, *(each for name in several for each in names[name]), *said]]
    return _beside(
        xr.merge(
            [
                *(on_axis(steps, axis) for steps in _inputs_by_interval(part, study, single)),
                *(_in_preference(part, name, study, axis) for name in several),
                part[said],
            ],
            compat="override",
        )
        for part in in_batches(own.drop_vars("depth", errors="ignore"))
    )


def _in_preference(hourly: xr.Dataset, variable: str, study: Study, axis: pd.DatetimeIndex) -> xr.Dataset:
    """Steps of a variable from several sources, and whose they are."""
    names = hourly_names(study, variable)
    found: xr.DataArray | None = None
    whose = np.zeros(0, dtype=np.int8)
    for rank, name in enumerate(names.values()):
        if name not in hourly:
            continue
        own = at_own_interval(hourly, [name]).rename({name: variable})
        steps = on_axis(inputs_on_own_steps(own, study), axis)[variable].transpose("station", "time")
        there = np.isfinite(steps.values)
        if found is None:
            found, whose = steps.copy(deep=True), np.where(there, rank, -1).astype(np.int8)
            continue
        there &= whose < 0
        found.values[there], whose[there] = steps.values[there], rank
        found.attrs["source"] = f"{found.attrs.get('source')}; {steps.attrs.get('source')}"
    assert found is not None
    flag = f"{variable}_source"
    found.attrs["ancillary_variables"] = flag
    flags = {
        "long_name": f"source of {VARIABLES[variable].long_name}",
        "flag_values": np.arange(len(names), dtype=np.int8),
        "flag_meanings": " ".join(names),
    }
    return xr.Dataset({variable: found, flag: (("station", "time"), whose, flags)})


def source_shares(inputs: xr.Dataset, variable: str) -> dict[str, float]:
    """Which share of the steps of all stations is whose, by source; empty for a variable of one source."""
    if f"{variable}_source" not in inputs:
        return {}
    whose = inputs[f"{variable}_source"]
    names = str(whose.attrs["flag_meanings"]).split()
    return {name: float((whose == rank).mean()) for rank, name in enumerate(names)}


def _inputs_by_interval(hourly: xr.Dataset, study: Study, names: Sequence[str]) -> list[xr.Dataset]:
    groups = by_interval(hourly, names)
    return [inputs_on_own_steps(at_own_interval(hourly, group), study) for group in groups]


def _beside(parts: Iterable[xr.Dataset]) -> xr.Dataset:
    return xr.concat(
        list(parts), dim="station", coords="minimal", compat="override", join="exact", combine_attrs="override"
    )


def target_on_steps(checked: xr.Dataset, study: Study, axis: pd.DatetimeIndex) -> xr.Dataset:
    """Aggregate checked soil moisture to the ``target`` of the study.

    Parameters
    ----------
    checked : as :func:`file_target`: the three series, ``sensor`` and ``quality_flag`` (station, time), hourly or
        already one value per step, labelled by the end.
    axis : labels of the steps.

    Returns
    -------
    ``soil_moisture``, ``soil_moisture_antecedent``, ``soil_moisture_scored`` float32 and ``sensor`` int16
    (station, time) on the axis; ``masked_<check>`` of ``source_values`` (station) int32, counted in values
    of the source, and ``masked_few_hours`` in steps; all three of the days that are learned from.

    Raises
    ------
    StudyError : the source is neither hourly nor one value per step.
    """
    learned = checked.sel(time=slice(None, study.last_learned))
    if _is_hourly(checked, study, "target"):
        steps = xr.Dataset({name: to_steps(checked[name], study.step, "mean", study.time.min_hours) for name in SERIES})
        steps["sensor"] = last_of_step(checked.sensor, study.step, missing=-1)
        hours = valid_hours(learned.soil_moisture_scored, study.step)
        few = ((hours > 0) & (hours < study.time.min_hours)).sum("time")
    else:
        steps = checked[[*SERIES, "sensor"]]
        few = xr.zeros_like(checked.latitude, dtype="int32")
    steps = on_axis(steps, axis)
    steps["sensor"] = steps.sensor.where(np.isfinite(steps.soil_moisture_scored), -1).astype("int16")
    steps["sensor"].attrs = {"long_name": "sensor in use when the step ended, -1 none"}
    few = few.astype("int32").drop_attrs(deep=False)
    few = few.assign_attrs(long_name="steps with some but too few observed hours", units="1")
    there = np.isfinite(learned.soil_moisture_scored) | (learned.quality_flag != 0)
    values = there.sum("time").astype("int32").drop_attrs(deep=False)
    values = values.assign_attrs(long_name="values of the source", units="1")
    return steps.assign(counts(learned.quality_flag)).assign(masked_few_hours=few, source_values=values)


def inputs_on_steps(inputs: xr.Dataset, study: Study, axis: pd.DatetimeIndex) -> xr.Dataset:
    """Aggregate dynamic inputs to the study's steps: sums of amounts, means of states and fluxes.

    Parameters
    ----------
    inputs : (station, time) float32, hourly or already one value per step, labelled by the end; variables without
        time are kept.
    axis : labels of the steps.

    Returns
    -------
    (station, time) float32 on the axis, attributes from the registry; missing is NaN.
    """
    return on_axis(inputs_on_own_steps(inputs, study), axis)


def inputs_on_own_steps(inputs: xr.Dataset, study: Study) -> xr.Dataset:
    """Aggregate as :func:`inputs_on_steps`, on the steps that the inputs themselves reach over."""
    names = [name for name in study.dynamic_inputs.variables if name in inputs]
    steps = inputs[names]
    if _is_hourly(inputs, study, "dynamic_inputs"):
        steps = xr.Dataset(
            {n: to_steps(inputs[n], study.step, VARIABLES[n].aggregation, study.time.min_hours) for n in names}
        )
    for name in names:
        steps[name].attrs = VARIABLES[name].attributes() | said_by_source(inputs[name])
    return steps.assign(inputs[[name for name in inputs.data_vars if "time" not in inputs[name].dims]])


def on_axis(steps: xr.Dataset, axis: pd.DatetimeIndex) -> xr.Dataset:
    """Put a dataset on the study's step axis; steps it lacks are NaN, integers -1."""
    fill = {n: np.nan if v.dtype.kind == "f" else -1 for n, v in steps.data_vars.items()}
    placed = steps.reindex(time=axis, fill_value=fill)
    return placed.assign_coords(time=("time", axis, {"standard_name": "time", "long_name": "end of the step"}))


def _is_hourly(series: xr.Dataset, study: Study, section: str) -> bool:
    interval = spacing(series.time.values, section)
    check_interval(interval, study.step, section)
    return interval == HOUR


def _at_interval(temperature: xr.DataArray, interval: pd.Timedelta) -> xr.DataArray:
    """Hourly temperature as daily means where the moisture is daily; daily as it is for each hour of its day."""
    own = spacing(temperature.time.values, "temperature")
    if own < interval:
        return to_steps(temperature, interval, "mean", min_hours=int(interval / HOUR) * 3 // 4)
    if own > interval:
        hours = pd.date_range(temperature.time.values[0] - own + interval, temperature.time.values[-1], freq=interval)
        return temperature.sel(time=hours, method="bfill").assign_coords(time=hours)
    return temperature
