"""Quality control of soil moisture that comes without flags, and limits of the inputs.

Belongs here: the checks, their parameters with sources, masks and counts by reason.
Not here: flags that an archive brings (flags.py), the choice of depth and sensor (depth.py), steps (time_steps.py).

The target mask may use later values: a spike shows when it is over, a stuck sensor is stuck from its first
repetition. The antecedent series is an input at forecast time: it is masked only by what was knowable at each value's
own time (a run that has lasted too long by then). A reading of frozen soil is no target, for it misses the ice, but it
stays an input: it is what the sensor showed, beside the temperature that says why. Scores use every observation
within the registry's limits, so that stricter masking can never improve a score.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES, said_by_source

CHECKS = ("range", "spike", "stuck", "frozen")
FLAG_MASKS = {"range": 1, "spike": 2, "stuck": 4, "frozen": 8, "flag": 16}
DAY = pd.Timedelta(days=1)


# Largest point rainfalls measured: 305 mm in 42 minutes (Holt, Missouri, 1947; WMO archive of extremes); a day has the
# registry's limit, just below the 1067 mm of Alvin, Texas (1979). The daily mean of the sun above the atmosphere
# nowhere exceeds 560 W m-2 (Berger 1978, doi:10.1175/1520-0469(1978)035<2362:LTVODI>2.0.CO;2).
HOURLY_MAXIMA = {"precipitation": 305.0}
DAILY_MAXIMA = {"shortwave": 560.0}
# A pyranometer reads down to -4 W m-2 at night: zero. Long and Dutton 2002, BSRN recommended QC tests v2.0.
NIGHT_OFFSET = 4.0


@dataclass(frozen=True)
class Limits:
    """Parameters of the checks.

    Spike and frozen soil: Dorigo et al. 2013, doi:10.2136/vzj2012.0097, flags D06 (equations 3-5) and D02.
    Stuck: their twelve hours without change (D09, D10) would flag every winter night of a sensor that reports
    0.001 m3 m-3. In the daily SCAN records 2009-2017 runs of five equal days occur at 74 of 105 stations, mostly in dry
    or cold soil; runs of ten at 10 stations.
    """

    spike_change: float = 0.15
    """A spike departs from both neighbours by at least this fraction of them ..."""
    spike_symmetry: float = 0.2
    """... its second differences before and after are equal to within this fraction ..."""
    spike_height: float = 0.01
    """... it is at least this high, m3 m-3, the smallest change Dorigo et al. take for a break (D07, D08): less is the
    resolution of the sensor in dry soil ..."""
    spike_return: float = 0.2
    """... it comes back to the value before by all but this fraction of its height (not in Dorigo et al.: without it
    the daily means of a shower and the drainage after it are taken for spikes) ..."""
    spike_variation: float = 1.0
    """... and the values of a day on either side, without the spike, vary by less than this (sigma / mu)."""
    stuck_days: float = 10
    """Values that stay exactly the same for this long are a stuck sensor."""
    frozen_below: float = 0.0
    """degC of the air (or soil) below which a dielectric sensor does not see the water."""


LIMITS = Limits()


def control(
    soil_moisture: xr.DataArray,
    checks: Collection[str],
    temperature: xr.DataArray | None = None,
    limits: Limits = LIMITS,
) -> xr.Dataset:
    """Check soil moisture and return it masked for fitting, for use as an input, and for scores.

    Parameters
    ----------
    soil_moisture : (station, time) m3 m-3 on a regular hourly or daily axis, NaN where missing.
    checks : any of ``CHECKS``; "range" is always made.
    temperature : (station, time) degC on the same axis; stations and times without it cannot be found frozen.

    Returns
    -------
    Dataset (station, time): ``soil_moisture`` for fitting, ``soil_moisture_antecedent`` for use as an input,
    ``soil_moisture_scored`` for scores, all float32, and ``quality_flag`` int8 (CF flag_masks; 0 is good).
    """
    values = soil_moisture.transpose("station", "time").values.astype("float32")
    in_range = VARIABLES["soil_moisture"].allows(values)
    scored = np.where(in_range, values, np.nan).astype("float32")
    interval = _interval(soil_moisture)
    found = {"range": np.isfinite(values) & ~in_range}
    known = dict(found)
    if "spike" in checks:
        found["spike"] = spikes(scored, max(2, round(DAY / interval / 2)) if interval < DAY else 5, limits)
    if "stuck" in checks:
        repeats = round(limits.stuck_days * DAY / interval)
        found["stuck"], known["stuck"] = stuck(scored, repeats)
    if "frozen" in checks and temperature is not None:
        air = temperature.reindex(station=soil_moisture.station, time=soil_moisture.time)
        found["frozen"] = np.isfinite(scored) & (air.transpose("station", "time").values < limits.frozen_below)
    flags = sum((np.int8(FLAG_MASKS[name]) * mask for name, mask in found.items()), np.zeros(values.shape, "int8"))
    series = {
        "soil_moisture": np.where(flags == 0, scored, np.float32(np.nan)),
        "soil_moisture_antecedent": np.where(np.any(list(known.values()), axis=0), np.float32(np.nan), scored),
        "soil_moisture_scored": scored,
    }
    return masked_series(soil_moisture, series, flags)


def control_before_and_after(
    soil_moisture: xr.DataArray,
    checks: Collection[str],
    temperature: xr.DataArray | None,
    border: pd.Timestamp,
) -> xr.Dataset:
    """Check as :func:`control` does, up to the border as if the record ended there.

    A spike or a stuck sensor shows hours or days later; values after the border must not change what was learned from.
    Arrays (station, time) and units are those of :func:`control`.
    """
    whole = control(soil_moisture, checks, temperature)
    if soil_moisture.time.values[-1] <= border:
        return whole
    before = control(soil_moisture.sel(time=slice(None, border)), checks, temperature)
    after = whole.isel(time=slice(before.sizes["time"], None))
    return xr.concat([before, after], dim="time", combine_attrs="override")


def masked_series(soil_moisture: xr.DataArray, series: Mapping[str, np.ndarray], flags: np.ndarray) -> xr.Dataset:
    """Put the three series, each (station, time) [m3 m-3], and their flags together as :func:`control` returns them."""
    template = soil_moisture.transpose("station", "time")
    attributes = VARIABLES["soil_moisture"].attributes() | said_by_source(soil_moisture)
    dataset = xr.Dataset(
        {
            name: template.copy(data=series[name]).assign_attrs(attributes | {"comment": comment})
            for name, comment in SERIES.items()
        }
    )
    dataset["quality_flag"] = template.copy(data=flags.astype("int8"))
    dataset["quality_flag"].attrs = {
        "long_name": "checks the value failed",
        "standard_name": "quality_flag",
        "flag_masks": np.array(list(FLAG_MASKS.values()), dtype="int8"),
        "flag_meanings": " ".join(f"failed_{name}" for name in FLAG_MASKS),
    }
    return dataset


SERIES = {
    "soil_moisture": "passed every check; for fitting",
    "soil_moisture_antecedent": "masked only by what was knowable at the time; for use as an input",
    "soil_moisture_scored": "every observation within the valid limits; for scores",
}


def counts(quality_flag: xr.DataArray) -> xr.Dataset:
    """Count the values that failed each check: ``masked_<check>`` (station) int32; a value may fail several."""
    return xr.Dataset(
        {
            f"masked_{name}": ((quality_flag & mask) > 0)
            .sum("time")
            .astype("int32")
            .assign_attrs(long_name=f"values that failed the check '{name}'", units="1")
            for name, mask in FLAG_MASKS.items()
        }
    )


def spikes(values: np.ndarray, half_window: int, limits: Limits = LIMITS) -> np.ndarray:
    """Find single values that jump away from both neighbours and straight back.

    Source: Dorigo et al. 2013, doi:10.2136/vzj2012.0097, equations 3-5 (flag D06).

    Parameters
    ----------
    values : (station, time) float32 [m3 m-3], NaN where missing.
    half_window : values on either side whose variation is looked at.
    """
    found = np.zeros(values.shape, dtype=bool)
    if values.shape[-1] < 5:
        return found
    before, here, after = values[:, 1:-3], values[:, 2:-2], values[:, 3:-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        up = (here > (1 + limits.spike_change) * before) & (here > (1 + limits.spike_change) * after)
        down = (here < (1 - limits.spike_change) * before) & (here < (1 - limits.spike_change) * after)
        curve_before = values[:, :-4] - 2 * before + here
        curve_after = here - 2 * after + values[:, 4:]
        ratio = np.abs(curve_before / curve_after)
        symmetric = (ratio > 1 - limits.spike_symmetry) & (ratio < 1 + limits.spike_symmetry)
        height = np.abs(here - (before + after) / 2)
        returned = np.abs(after - before) <= limits.spike_return * height
        high = height >= limits.spike_height
    found[:, 2:-2] = (up | down) & symmetric & returned & high
    for station, at in np.argwhere(found):
        around = values[station, max(0, at - half_window) : at + half_window + 1].copy()
        around[min(at, half_window)] = np.nan
        found[station, at] = np.nanstd(around) < limits.spike_variation * np.nanmean(around)
    return found


def stuck(values: np.ndarray, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Find runs of ``repeats`` or more equal values; a missing value ends a run.

    Parameters
    ----------
    values : (station, time) of any unit, NaN where missing.

    Returns
    -------
    Two bool arrays (station, time): the whole run, and the part of it that was knowable at the time, its
    ``repeats``-th value and later ones.
    """
    same = np.zeros(values.shape, dtype=bool)
    same[:, 1:] = values[:, 1:] == values[:, :-1]
    columns = np.arange(values.shape[-1])
    start = np.maximum.accumulate(np.where(same, 0, columns), axis=-1)
    nth = columns - start + 1
    knowable = (nth >= repeats) & np.isfinite(values)
    whole = np.zeros(values.shape, dtype=bool)
    for station, at in np.argwhere(nth == repeats):
        last = at
        while last + 1 < values.shape[-1] and same[station, last + 1]:
            last += 1
        whole[station, start[station, at] : last + 1] = True
    return whole & np.isfinite(values), knowable


def within_limits(inputs: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Mask values of dynamic inputs beyond the physical limits.

    Parameters
    ----------
    inputs : (station, time) on a regular hourly or daily axis; variables of the registry.

    Returns
    -------
    The inputs with such values NaN, and their counts ``masked_range_<name>`` (station) int32.
    """
    hourly = _interval(inputs) < DAY
    masked, count = {}, {}
    for name, values in inputs.data_vars.items():
        if name == "shortwave":
            values = values.where((values < -NIGHT_OFFSET) | (values > 0) | np.isnan(values), np.float32(0))
        most = (HOURLY_MAXIMA if hourly else DAILY_MAXIMA).get(str(name), np.inf)
        bad = values.notnull() & ~(VARIABLES[str(name)].allows(values) & (values <= most))
        masked[name] = values.where(~bad).assign_attrs(values.attrs)
        described = {"long_name": f"values of {name} beyond the physical limits", "units": "1"}
        count[f"masked_range_{name}"] = bad.sum("time").astype("int32").drop_attrs().assign_attrs(described)
    return inputs.assign(masked), xr.Dataset(count)


def outside_limits(dataset: xr.Dataset) -> dict[str, int]:
    """How many values of each variable of the registry lie outside its limits; of those that lie inside none is named.

    Limits of amounts hold for hours, not for sums over a step: these are only asked not to be negative.
    """
    found = {}
    for name in map(str, dataset.data_vars):
        variable = VARIABLES.get(name)
        if variable is None or variable.is_category:
            continue
        values = dataset[name].values
        allowed = values >= 0 if variable.aggregation == "sum" else variable.allows(values)
        if count := int((~np.isnan(values) & ~allowed).sum()):
            found[name] = count
    return found


def _interval(series: xr.DataArray | xr.Dataset) -> pd.Timedelta:
    times = series.time.values
    return pd.Timedelta(times[1] - times[0]) if len(times) > 1 else DAY
