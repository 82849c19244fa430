"""Calibration: intervals that hold what they promise.

Belongs here: conformal widening (or narrowing) of quantile forecasts on validation blocks that stopped no training, its
continuation with the errors that are known when a later forecast is issued, and the table that shows whether it worked.
What stations share of it comes from all (``calibration_of``), once; then each is calibrated alone (``calibrated``).
Not here: which starts are kept for calibration (learning/windows.py), the figures (plots/reliability*.py).

Sources: Romano et al. 2019, "Conformalized quantile regression", arXiv:1905.03222, with a miss counted in units of the
forecast's own half interval, so that a station or a day of wide intervals is widened by more; Angelopoulos et al. 2023,
"Conformal PID control for time series prediction", arXiv:2307.16895, section 2.1, for following errors in time.

All stations share their factors of the validation year: a station's own would fit one year of it, and where its level
is off for that whole year, promise too much for the next. What follows cannot be known in that year: sensors drift and
are replaced, and models do worse the older they are. So each start takes the factors of the start before it, a little
wider where more forecasts that ended by then missed than the interval promises, a little narrower where fewer did.
"""

import itertools
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets import scores
from soilmoisture_assets.alignment.splits import SPLITS, TEST
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.metadata.provenance import UNITS
from soilmoisture_assets.scores import Array
from soilmoisture_assets.study import Experiment

SIDES = ["lower", "upper"]
_DIMS = ("station", "start", "lead")
_NARROWEST = 1e-4
"""m3 m-3; a half interval is never taken as narrower when misses are counted in it."""
MISSED = 0.1
"""Share of observations that either end of the interval promises to miss."""
SHARED_RATE = 0.2
"""Added to a factor in a day on which every station missed, and taken off where none did, less ``MISSED``."""
OWN_RATE = 0.05
"""The same for what a station missed beyond the others (chosen, as ``SHARED_RATE``, before the test years)."""
AGES = (0.0, 1.0, 7.0, 30.0, np.inf)
"""Days: bounds of the classes of age by which intervals are judged."""
_DAY = np.timedelta64(1, "D")


def interval_factors(observed: Array, quantiles: Array, levels: tuple[float, float] = (0.1, 0.9)) -> Array:
    """Factors on the lower and upper half of the interval that make its ends the quantiles they claim to be.

    Each end is treated alone: the factor is the smallest one for which the wanted share of calibration pairs lies
    inside, with the finite-sample correction (n + 1) / n.

    Parameters
    ----------
    observed : (pair, …) calibration observations, NaN where missing.
    quantiles : (pair, …, 3) lower, median and upper forecast.

    Returns
    -------
    (…, 2), at least 0; NaN without a pair.
    """
    return _factors(_misses(observed, quantiles), levels)


def pooled_factors(forecasts: xr.Dataset) -> Array:
    """Factors (lead, 2) that all stations of a forecasts dataset share; 1 where nothing was observed.

    Parameters
    ----------
    forecasts : ``soil_moisture_forecast`` (station, start, lead, quantile = 0.1, 0.5, 0.9) and
        ``soil_moisture_observed`` (station, start, lead); the coordinate ``calibration`` (start) is 1 at the starts to
        calibrate on, which are not in the test split.
    """
    return _pooled(_misses_in(forecasts), forecasts)


def shared_calibration(forecasts: xr.Dataset, *, sees_moisture: bool, held_out: Array | None = None) -> xr.Dataset:
    """What the intervals of a station take from the errors of all.

    Parameters
    ----------
    forecasts : as for ``pooled_factors``, of every station that was learned from, by one method.
    sees_moisture : whether forecasts may know past moisture of their station; if so, each station's own misses count
        too, at ``OWN_RATE``.
    held_out : (station) bool; what is observed at these tells nothing to others.

    Returns
    -------
    ``first_factor`` (lead, side) float32, the factors of validation starts, and ``miss_rate`` (start, lead, side): the
    share of stations whose forecast that ended at this start missed beyond the station's own interval, NaN where none
    is known. With these, :func:`calibrate` needs no other station.
    """
    telling = slice(None) if held_out is None else np.flatnonzero(~np.asarray(held_out, dtype=bool))
    return _shared(_misses_in(forecasts.isel(station=telling)), forecasts, sees_moisture)


def calibrate(forecasts: xr.Dataset, shared: xr.Dataset, *, sees_moisture: bool) -> xr.Dataset:
    """Scale the interval of every forecast by what was known of its errors when it was issued.

    Validation starts share their factors. From the first test start on, each start adds to those of the start before it
    ``SHARED_RATE`` times the share of stations that missed beyond what is promised, over the forecasts whose target
    step that start has seen.

    Parameters
    ----------
    forecasts : as for ``pooled_factors``, (station, start, lead, quantile), of any stations, held out or not; by
        several methods where it has the dimension ``forecaster``, and ``shared`` too.
    shared : of :func:`shared_calibration`.
    sees_moisture : as there.

    Returns
    -------
    The dataset with scaled quantiles (medians unchanged, no value below zero) and ``interval_factor``
    ([forecaster,] station, start, lead, side).

    Raises
    ------
    StudyError : the calibration is of other starts or leads.
    """
    if any(not forecasts.get_index(name).equals(shared.get_index(name)) for name in ("start", "lead")):
        raise StudyError(
            "the calibration of the intervals is of other starts or leads than the forecasts.",
            make=[f"models/calibration_{forecasts.attrs.get('experiment', '*')}"],
        )
    rows = [dim for dim in ("forecaster", "station") if dim in forecasts["soil_moisture_forecast"].dims]
    misses = _misses_in(forecasts)
    # one row for each station of each method: they are followed side by side
    of_rows = forecasts["soil_moisture_forecast"].isel(start=0, lead=0, quantile=0, drop=True).transpose(*rows)
    first, rates = (shared[name].broadcast_like(of_rows) for name in ("first_factor", "miss_rate"))
    factors, _ = _followed(
        misses.reshape(-1, *misses.shape[-3:]),
        forecasts,
        first.transpose(*rows, "lead", "side").values.reshape(-1, *misses.shape[-2:]),
        OWN_RATE if sees_moisture else 0.0,
        rates.transpose("start", *rows, "lead", "side").values.reshape(misses.shape[-3], -1, *misses.shape[-2:]),
    )
    values = xr.DataArray(
        factors.reshape(misses.shape),
        dims=(*rows, "start", "lead", "side"),
        coords={"side": SIDES},
        attrs={"long_name": "conformal factor on the half interval", "units": "1"},
    )
    quantiles = forecasts["soil_moisture_forecast"]
    return forecasts.assign(soil_moisture_forecast=scale_intervals(quantiles, values), interval_factor=values)


def calibration_of(stored: Mapping[str, xr.Dataset], held_out: Collection[str] = ()) -> xr.Dataset:
    """:func:`shared_calibration` of every method of one experiment, from forecasts stored station by station.

    Parameters
    ----------
    stored : station -> dataset of that station as ``learning.predict.uncalibrated`` gives it, with the dimension
        ``forecaster``, in m3 m-3; read one by one. Not all need to have the same forecasters.
    held_out : stations that tell nothing to others.

    Returns
    -------
    As :func:`shared_calibration`, with the dimension ``forecaster`` in front.

    Raises
    ------
    StudyError : nothing is stored, or the stations have other starts.
    """
    if not stored:
        raise StudyError("there are no forecasts to calibrate.", make=["models/uncalibrated_forecast_*"])
    telling = [name for name in stored if name not in held_out]
    axis: xr.Dataset | None = None
    misses: dict[str, Array] = {}
    for row, name in enumerate(telling or stored):
        dataset = stored[name]
        if axis is None:
            axis = dataset.coords.to_dataset()[["start", "lead", "split", "calibration"]].load()
            axis.attrs = {"experiment": dataset.attrs["experiment"]}
        if not dataset.get_index("start").equals(axis.get_index("start")):
            raise StudyError(
                f"{name}: its forecasts have other starts.",
                make=[f"models/uncalibrated_forecast_{dataset.attrs['experiment']}"],
            )
        for forecaster in dataset["forecaster"].values.astype(str):
            if forecaster not in misses:
                shape = (len(telling), axis.sizes["start"], axis.sizes["lead"], len(SIDES))
                misses[forecaster] = np.full(shape, np.nan, dtype="float32")
            if telling:
                misses[forecaster][row] = _misses_in(dataset.sel(forecaster=forecaster))[0]
    assert axis is not None
    sees_moisture = Experiment(axis.attrs["experiment"]).sees_moisture
    names = sorted(misses)
    parts = [_shared(misses.pop(forecaster), axis, sees_moisture) for forecaster in names]
    return xr.concat(parts, dim=xr.Variable("forecaster", names)).assign_attrs(axis.attrs)


def calibrated(dataset: xr.Dataset, calibration: xr.Dataset) -> xr.Dataset:
    """The stored forecasts of a station with the intervals of :func:`calibrate`, every method on its own.

    Parameters
    ----------
    dataset : as ``learning.predict.uncalibrated`` gives it, in m3 m-3, with the dimension ``forecaster``.
    calibration : of :func:`calibration_of`.

    Raises
    ------
    StudyError : the calibration lacks a forecaster, or is of other starts or leads.
    """
    names = dataset["forecaster"].values.astype(str).tolist()
    for name in names:
        if name not in calibration["forecaster"]:
            raise StudyError(
                f"the calibration of the intervals knows no '{name}'.",
                make=[f"models/calibration_{dataset.attrs['experiment']}"],
            )
    sees_moisture = Experiment(dataset.attrs["experiment"]).sees_moisture
    return calibrate(dataset, calibration.sel(forecaster=names), sees_moisture=sees_moisture)


def _shared(misses: Array, axis: xr.Dataset, sees_moisture: bool) -> xr.Dataset:
    """What :func:`shared_calibration` returns, of the misses (station, start, lead, 2) of stations that tell."""
    first = _pooled(misses, axis)
    _, rates = _followed(misses, axis, first, OWN_RATE if sees_moisture else 0.0)
    return xr.Dataset(
        {
            "first_factor": (
                ("lead", "side"),
                first,
                {"long_name": "conformal factor of validation starts", "units": "1"},
            ),
            "miss_rate": (
                ("start", "lead", "side"),
                rates,
                {"long_name": "share of stations that missed, of forecasts that ended here", "units": "1"},
            ),
        },
        coords={"start": axis["start"].variable, "lead": axis["lead"].variable, "side": SIDES},
    )


def _pooled(misses: Array, axis: xr.Dataset) -> Array:
    """Factors (lead, 2) of the misses (station, start, lead, 2) at the starts to calibrate on; 1 without any."""
    kept = misses[:, axis["calibration"].values == 1]
    factors = _factors(kept.reshape(-1, *kept.shape[2:]), (0.1, 0.9))
    return np.where(np.isfinite(factors), factors, 1.0).astype("float32")


def _followed(
    misses: Array, axis: xr.Dataset, first: Array, own_rate: float, shared: Array | None = None
) -> tuple[Array, Array]:
    """Factors (row, start, lead, 2), ``first`` ([row,] lead, 2) at validation starts and then following the misses of
    test starts, and the share of rows that missed (start, [row,] lead, 2): ``shared``, or what these rows tell.
    """
    times = axis.get_index("start")
    pace = np.minimum(np.diff(times, prepend=times[:1]) / _DAY, 1)
    leads = axis["lead"].values.astype("timedelta64[h]")
    # (start, lead): the start whose target step is this one, -1 where there is none
    ended = np.stack([times.get_indexer(pd.DatetimeIndex(times.values - lead)) for lead in leads], axis=1)
    tells = (ended >= 0) & (axis["split"].values == TEST)[ended]
    now = np.broadcast_to(first, (misses.shape[0], *misses.shape[2:])).astype("float64")
    factors = np.empty(misses.shape, dtype="float32")
    rates = np.full(misses.shape[1:], np.nan) if shared is None else shared
    each_lead = np.arange(len(leads))
    for start in range(len(times)):
        old = ended[start]
        seen = misses[:, old, each_lead]
        beyond = np.where(np.isfinite(seen) & tells[start][:, None], seen > factors[:, old, each_lead], np.nan)
        if shared is None:
            rates[start] = _mean_over_stations(beyond)
        rate = rates[start]
        change = SHARED_RATE * np.nan_to_num(rate - MISSED) + own_rate * np.nan_to_num(beyond - rate)
        now = np.maximum(now + pace[start] * change, 0)
        factors[:, start] = now
    return factors, rates


def scale_intervals(quantiles: xr.DataArray, factors: xr.DataArray) -> xr.DataArray:
    """Quantiles (…, quantile = 0.1, 0.5, 0.9) [m3 m-3], both halves of the interval times their factor (…, side)."""
    centre = quantiles.isel(quantile=1, drop=True)
    lower, upper = (
        centre + factors.isel(side=side, drop=True) * (quantiles.isel(quantile=end, drop=True) - centre)
        for side, end in ((0, 0), (1, 2))
    )
    scaled = xr.concat([lower, centre, upper], dim=quantiles["quantile"]).transpose(*quantiles.dims)
    return scaled.clip(min=0).astype("float32").assign_attrs(quantiles.attrs)


def reliability_table(forecasts: xr.Dataset) -> pd.DataFrame:
    """What the quantiles hold: one row per split and lead.

    Returns
    -------
    split, lead_hours, stations, below_10, below_50, below_90 (share of observations at or below each quantile, mean
    over stations), coverage_80 (share inside the interval, mean over stations) and its 95 % bootstrap interval over
    stations, low and high. Validation starts used for calibration are left out;
    test starts count, since only intervals of later starts follow their errors.
    """
    rows = []
    for code in np.unique(forecasts["split"].values):
        inside = (forecasts["split"].values == code) & (forecasts["calibration"].values != 1)
        part = forecasts.isel(start=inside)
        observed = part["soil_moisture_observed"].transpose("station", "lead", "start").values
        quantiles = part["soil_moisture_forecast"].transpose("station", "lead", "start", "quantile").values
        lower = np.full_like(observed, -np.inf)
        for number, lead in enumerate(part["lead"].values):
            seen = observed[:, number]
            shares = [_share(seen, lower[:, number], quantiles[:, number, :, level]) for level in range(3)]
            below = [scores.mean_interval(share, draws=1)[0] for share in shares]
            covered = _share(seen, quantiles[:, number, :, 0], quantiles[:, number, :, 2])
            coverage, low, high = scores.mean_interval(covered)
            rows.append([SPLITS[code], int(lead), int(np.isfinite(covered).sum()), *below, coverage, low, high])
    columns = ["split", "lead_hours", "stations", "below_10", "below_50", "below_90", "coverage_80", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def reliability_by_age(forecasts: xr.Dataset) -> pd.DataFrame:
    """What the intervals hold as the last observation ages, per split, age and lead, all stations together.

    Parameters
    ----------
    forecasts : with ``observation_age`` (station, start) [days].

    Returns
    -------
    split, age_from, age_to [days], lead_hours, pairs, coverage_80 (share inside the interval), width (mean width of the
    interval) and rmse (of the central forecast) [m3 m-3]. Starts are left out as in :func:`reliability_table`.
    """
    rows = []
    for code in np.unique(forecasts["split"].values):
        counted = (forecasts["split"].values == code) & (forecasts["calibration"].values != 1)
        part = forecasts.isel(start=counted)
        age = part["observation_age"].transpose("station", "start").values
        observed = part["soil_moisture_observed"].transpose("lead", "station", "start").values
        lower, centre, upper = part["soil_moisture_forecast"].transpose("quantile", "lead", "station", "start").values
        for low, high in itertools.pairwise(AGES):
            for number, lead in enumerate(part["lead"].values):
                known = np.isfinite(observed[number]) & np.isfinite(centre[number]) & (age >= low) & (age < high)
                seen, of_interval = observed[number][known], (lower[number][known], upper[number][known])
                inside = (seen >= of_interval[0]) & (seen <= of_interval[1])
                error = centre[number][known] - seen
                some = seen.size > 0
                rows.append(
                    [
                        SPLITS[code], low, high, int(lead), seen.size,
                        inside.mean() if some else np.nan,
                        (of_interval[1] - of_interval[0]).mean() if some else np.nan,
                        np.sqrt((error**2).mean()) if some else np.nan,
                    ]
                )  # fmt: skip
    columns = ["split", "age_from", "age_to", "lead_hours", "pairs", "coverage_80", "width", "rmse"]
    found = pd.DataFrame(rows, columns=columns)
    found.attrs = {UNITS: {"age_from": "days", "age_to": "days", "width": "m3 m-3", "rmse": "m3 m-3"}}
    return found


def _factors(misses: Array, levels: tuple[float, float]) -> Array:
    shares = (1 - levels[0], levels[1])
    factors = [_conformal_quantile(misses[..., side], share) for side, share in enumerate(shares)]
    return np.maximum(np.stack(factors, axis=-1), 0)


def _misses_in(forecasts: xr.Dataset) -> Array:
    """([forecaster,] station, start, lead, 2) misses of a forecasts dataset."""
    quantiles = forecasts["soil_moisture_forecast"]
    dims = ("forecaster", *_DIMS) if "forecaster" in quantiles.dims else _DIMS
    return _misses(
        forecasts["soil_moisture_observed"].transpose(*_DIMS).values, quantiles.transpose(*dims, "quantile").values
    )


def _misses(observed: Array, quantiles: Array) -> Array:
    """(…, 2) how far below and above the median observations lie, in half intervals of that side."""
    centre = quantiles[..., [1]]
    signs = np.array([-1, 1], dtype=quantiles.dtype)
    half = np.maximum(signs * (quantiles[..., [0, 2]] - centre), _NARROWEST)
    return np.asarray(signs * (observed[..., None] - centre) / half)


def _mean_over_stations(values: Array) -> Array:
    """Mean of the finite values along the first axis; NaN where there is none."""
    known = np.isfinite(values).sum(axis=0)
    return np.where(known > 0, np.nansum(values, axis=0) / np.maximum(known, 1), np.nan)


def _share(observed: Array, lower: Array, upper: Array) -> Array:
    known = np.isfinite(observed) & np.isfinite(upper)
    inside = known & (observed >= lower) & (observed <= upper)
    return np.where(known.any(axis=-1), inside.sum(axis=-1) / np.maximum(known.sum(axis=-1), 1), np.nan)


def _conformal_quantile(misses: Array, share: float) -> Array:
    """The ceil((n + 1) · share)-th smallest of n finite values along the first axis, at most the largest."""
    ordered = np.sort(misses, axis=0)  # NaN last
    n = np.isfinite(misses).sum(axis=0)
    rank = np.clip(np.ceil((n + 1) * share).astype(int), 1, np.maximum(n, 1)) - 1
    return np.take_along_axis(ordered, rank[None], axis=0)[0] if len(ordered) else np.full(n.shape, np.nan)
