"""Station series on the study's steps: soil moisture after quality control, and dynamic inputs.

Belongs here: from checked hourly or daily series to the ``target`` and ``dynamic_inputs`` of a study, and how a study's
own station files get there. Not here: reading the files (station_files.py), the checks (quality_control.py).
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.quality_control import control, counts, within_limits
from soilmoisture_assets.alignment.station_files import choose_depth, read_dynamic_inputs_file, read_target_file
from soilmoisture_assets.alignment.sun import clock_offset, fill_dark_hours
from soilmoisture_assets.alignment.time_steps import HOUR, last_of_step, spacing, to_steps, valid_hours
from soilmoisture_assets.errors import SourceError, StudyError
from soilmoisture_assets.metadata.variables import VARIABLES, said_by_source
from soilmoisture_assets.study import Study

CLOCK_TOLERANCE_HOURS = 1.5
"""Radiation centred further from noon than this tells that a record's clock is not the one declared."""


def file_target(study: Study, temperature: xr.DataArray | None = None) -> xr.Dataset:
    """Read the study's target file, choose a depth per station and check every value.

    Parameters
    ----------
    temperature : (station, time) degC, hourly or daily, for the check of frozen soil; None: not checked.

    Returns
    -------
    As :func:`quality_control.control`, hourly or daily as the file, with ``depth`` (station) [m] and ``sensor``
    int16 (0 where there is an observation, -1 elsewhere: a file does not tell sensors apart).

    Raises
    ------
    SourceError : no station has a valid value; and everything :func:`read_target_file` raises.
    """
    path = str(study.target.path)
    layer = read_target_file(path, study.target, study.period, study.domain)
    chosen = choose_depth(layer.soil_moisture, study.target.preferred_depth)
    if temperature is not None:
        temperature = _at_interval(temperature, spacing(chosen.time.values, path))
    checked = control(chosen.soil_moisture, study.target.quality_control, temperature)
    observed = np.isfinite(checked.soil_moisture_scored)
    if not observed.any():
        variable = VARIABLES["soil_moisture"]
        raise SourceError(
            f"{path}: not a single good value of soil moisture ({variable.valid_min} ... {variable.valid_max} m3 m-3) "
            f"in {study.period.start} ... {study.period.end}.\n  Check the units attribute, the depths and the period."
        )
    return checked.assign(sensor=observed.astype("int16") - np.int16(1)).assign_coords(depth=chosen.depth)


def file_dynamic_inputs(study: Study) -> xr.Dataset:
    """Read the study's dynamic inputs file: (station, time), hourly or daily as the file, impossible values masked.

    ``masked_range_<name>`` (station) says how many were. Hourly shortwave that is missing at night is zero, provided
    that the radiation itself agrees with the clock the study declares; ``clock_offset`` (station) [hour] shows it.
    """
    path, section = str(study.dynamic_inputs.path), study.dynamic_inputs
    inputs = read_dynamic_inputs_file(path, section.variables, section, study.period, study.domain)
    masked, count = within_limits(inputs)
    if "shortwave" in masked and spacing(masked.time.values, path) == HOUR:
        offset = clock_offset(masked.shortwave)
        agrees = abs(offset) <= CLOCK_TOLERANCE_HOURS
        masked["shortwave"] = fill_dark_hours(masked.shortwave).where(agrees, masked.shortwave)
        masked["clock_offset"] = offset
    return masked.assign(count)


def target_on_steps(checked: xr.Dataset, study: Study) -> xr.Dataset:
    """Aggregate checked soil moisture to the ``target`` of the study.

    Parameters
    ----------
    checked : as :func:`file_target`: the three series, ``sensor`` and ``quality_flag`` (station, time), hourly or
        already one value per step, labelled by the end.

    Returns
    -------
    ``soil_moisture``, ``soil_moisture_antecedent``, ``soil_moisture_scored`` float32 and ``sensor`` int16
    (station, time) on ``study.time_axis``; ``masked_<check>`` of ``source_values`` (station) int32, counted in values
    of the source, and ``masked_few_hours`` in steps.

    Raises
    ------
    StudyError : the source is neither hourly nor one value per step.
    """
    series = ["soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored"]
    if _is_hourly(checked, study, "target"):
        steps = xr.Dataset({name: to_steps(checked[name], study.step, "mean", study.time.min_hours) for name in series})
        steps["sensor"] = last_of_step(checked.sensor, study.step, missing=-1)
        hours = valid_hours(checked.soil_moisture_scored, study.step)
        few = ((hours > 0) & (hours < study.time.min_hours)).sum("time")
    else:
        steps = checked[[*series, "sensor"]]
        few = xr.zeros_like(checked.latitude, dtype="int32")
    steps = on_axis(steps, study.time_axis)
    steps["sensor"] = steps.sensor.where(np.isfinite(steps.soil_moisture_scored), -1).astype("int16")
    steps["sensor"].attrs = {"long_name": "sensor in use when the step ended, -1 none"}
    few = few.astype("int32").drop_attrs(deep=False)
    few = few.assign_attrs(long_name="steps with some but too few observed hours", units="1")
    there = np.isfinite(checked.soil_moisture_scored) | (checked.quality_flag != 0)
    values = there.sum("time").astype("int32").drop_attrs(deep=False)
    values = values.assign_attrs(long_name="values of the source", units="1")
    return steps.assign(counts(checked.quality_flag)).assign(masked_few_hours=few, source_values=values)


def inputs_on_steps(inputs: xr.Dataset, study: Study) -> xr.Dataset:
    """Aggregate dynamic inputs to the study's steps: sums of amounts, means of states and fluxes.

    Parameters
    ----------
    inputs : (station, time) float32, hourly or already one value per step, labelled by the end; variables without
        time are kept.

    Returns
    -------
    (station, time) float32 on ``study.time_axis``, attributes from the registry; missing is NaN.
    """
    return on_axis(_inputs_on_own_steps(inputs, study), study.time_axis)


def months_on_steps(months: Iterable[xr.Dataset], study: Study) -> xr.Dataset:
    """Aggregate stored months of hourly inputs as :func:`inputs_on_steps`, with one month in memory at a time.

    Parameters
    ----------
    months : (station, time) each, of whole days from 01:00 to 00:00, ascending; a station that a month lacks is missing
        in it. Coordinates of a station are those of the last month that has it.

    Raises
    ------
    StudyError : there is no month.
    """
    parts = [_inputs_on_own_steps(month, study) for month in months]
    if not parts:
        raise StudyError("dynamic_inputs: no month of ERA5 is stored.\n  Materialize raw/era5/station_series first.")
    places = _places(parts[-1])
    for part in reversed(parts[:-1]):
        if not np.isin(part.station.values, places.station.values).all():
            places = places.combine_first(_places(part))
    bare = [part.drop_vars(_places(part).data_vars.keys()) for part in parts]
    steps = xr.concat(bare, dim="time", join="outer")
    found = steps.assign_coords(places.reindex(station=steps.station).data_vars)
    return on_axis(found, study.time_axis)


def _inputs_on_own_steps(inputs: xr.Dataset, study: Study) -> xr.Dataset:
    """The steps that the inputs themselves reach over."""
    names = list(study.dynamic_inputs.variables)
    hourly = _is_hourly(inputs, study, "dynamic_inputs")
    steps = inputs[names]
    if hourly:
        steps = xr.Dataset(
            {n: to_steps(inputs[n], study.step, VARIABLES[n].aggregation, study.time.min_hours) for n in names}
        )
    for name in names:
        steps[name].attrs = VARIABLES[name].attributes() | said_by_source(inputs[name])
    return steps.assign(inputs[[name for name in inputs.data_vars if "time" not in inputs[name].dims]])


def _places(part: xr.Dataset) -> xr.Dataset:
    """Coordinates of the stations as variables."""
    return part.coords.to_dataset().drop_dims("time").reset_coords()


def on_axis(steps: xr.Dataset, axis: pd.DatetimeIndex) -> xr.Dataset:
    """Put a dataset on the study's step axis; steps it lacks are NaN, integers -1."""
    fill = {n: np.nan if v.dtype.kind == "f" else -1 for n, v in steps.data_vars.items()}
    placed = steps.reindex(time=axis, fill_value=fill)
    return placed.assign_coords(time=("time", axis, {"standard_name": "time", "long_name": "end of the step"}))


def _is_hourly(series: xr.Dataset, study: Study, section: str) -> bool:
    interval = spacing(series.time.values, section)
    if interval not in (HOUR, study.step):
        raise StudyError(
            f"{section}: values every {interval} cannot become steps of {study.time.step}.\n"
            f"  Give hourly values, or set time.step to the interval of the values."
        )
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
