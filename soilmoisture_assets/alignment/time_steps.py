"""Time steps: hourly series become the steps of a study.

Belongs here: labels, sums and means over steps, counts of valid hours.
Not here: reading sources and the checks of their axes (sources/), choosing sensors (alignment/depth.py).
"""

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import StudyError, TimeAxisError
from soilmoisture_assets.metadata.variables import Aggregation
from soilmoisture_assets.sources.time_axis import HOUR, spacing


def to_steps(hourly: xr.DataArray, step: pd.Timedelta, how: Aggregation, min_hours: int) -> xr.DataArray:
    """Aggregate an hourly series to steps labelled by their end.

    Step t covers (t - step, t]. ERA5 accumulations are stamped at the end of their hour,
    so an hour belongs to the step that ends at or after its stamp.

    Source: ECMWF, "ERA5: data documentation", mean rates/fluxes and accumulations.

    Parameters
    ----------
    hourly : (..., time) float32, NaN where missing; any unit, kept.
    step : a whole number of hours that divides a day.
    how : "sum" for amounts, "mean" for states and fluxes (metadata.variables says which).
    min_hours : fewer valid hours than this make a mean NaN. A sum needs every hour: it is never partial.

    Returns
    -------
    (..., time) float32 on the step axis, from the first to the last step that holds an hour of the series.

    Raises
    ------
    TimeAxisError : the axis is not hourly, unique and increasing; names the first bad stamp.
    StudyError : more hours are asked for than a step has.
    """
    sums, counts = _by_step(hourly, step)
    hours = _hours(step)
    if not 1 <= min_hours <= hours:
        raise StudyError(
            f"time.min_hours: {min_hours} is not possible in a step of {hours} h.\n  Set it to 1 ... {hours}."
        )
    enough = counts == hours if how == "sum" else counts >= min_hours
    values = sums.where(enough) if how == "sum" else sums.where(enough) / counts.where(enough)
    return values.astype("float32").assign_attrs(hourly.attrs).rename(hourly.name)


def valid_hours(hourly: xr.DataArray, step: pd.Timedelta) -> xr.DataArray:
    """Count the valid hours of every step: (..., time) int32 on the same axis as :func:`to_steps`."""
    return _by_step(hourly, step)[1].astype("int32").rename("valid_hours")


def last_of_step(hourly: xr.DataArray, step: pd.Timedelta, missing: int) -> xr.DataArray:
    """Take the last integer (..., time) of each step that is not ``missing``: an index, as of the sensor in use."""
    blocks = _blocks(hourly, step, fill=missing)
    present = blocks != missing
    last = blocks.shape[-1] - 1 - np.argmax(present[..., ::-1], axis=-1)
    values = np.take_along_axis(blocks, last[..., None], axis=-1)[..., 0]
    return _on_steps(hourly, step, values).rename(hourly.name).assign_attrs(hourly.attrs)


def _by_step(hourly: xr.DataArray, step: pd.Timedelta) -> tuple[xr.DataArray, xr.DataArray]:
    blocks = _blocks(hourly, step, fill=np.nan)
    valid = np.isfinite(blocks)
    sums = np.where(valid, blocks, 0).sum(axis=-1, dtype="float64")
    return _on_steps(hourly, step, sums), _on_steps(hourly, step, valid.sum(axis=-1))


def _blocks(hourly: xr.DataArray, step: pd.Timedelta, fill: float) -> np.ndarray:
    """The values as (..., step, hour of the step), padded with ``fill`` at both ends."""
    stamps = pd.DatetimeIndex(hourly.time.values)
    _check_hourly(stamps, str(hourly.name or "series"))
    hours = _hours(step)
    before = int((stamps[0] - (stamps[0].ceil(step) - step + HOUR)) / HOUR)
    after = int((stamps[-1].ceil(step) - stamps[-1]) / HOUR)
    values = hourly.transpose(..., "time").values
    padding = [(0, 0)] * (values.ndim - 1) + [(before, after)]
    padded = np.pad(values, padding, constant_values=fill) if before or after else values
    return padded.reshape(*values.shape[:-1], -1, hours)


def _on_steps(hourly: xr.DataArray, step: pd.Timedelta, values: np.ndarray) -> xr.DataArray:
    first = pd.Timestamp(hourly.time.values[0]).ceil(step)
    labels = pd.date_range(first, periods=values.shape[-1], freq=step, unit="ns")
    template = hourly.transpose(..., "time")
    coordinates = {name: c for name, c in template.coords.items() if "time" not in c.dims}
    return xr.DataArray(values, dims=template.dims, coords=coordinates).assign_coords(time=("time", labels))


def _check_hourly(stamps: pd.DatetimeIndex, origin: str) -> None:
    spacing(stamps.values, origin)
    off_hour = stamps != stamps.floor(HOUR)
    gaps = np.diff(stamps.values) != HOUR.to_timedelta64()
    if off_hour.any() or gaps.any():
        at = int(np.argmax(off_hour)) if off_hour.any() else int(np.argmax(gaps)) + 1
        raise TimeAxisError(
            f"{origin}: stamp {stamps[at]} does not continue an hourly axis.\n"
            "  Give one value per full hour, NaN where missing."
        )


def _hours(step: pd.Timedelta) -> int:
    hours = step / HOUR
    if hours != int(hours) or hours < 1 or 24 % hours:
        raise StudyError(f"time.step: {step} is not a whole number of hours that divides a day.\n  Use 12h or 24h.")
    return int(hours)
