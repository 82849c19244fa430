"""Recession curves: how fast the soil dries after rain, event by event.

Belongs here: finding dry-downs in an hourly record, fitting theta = theta_r + delta * exp(-t / tau) with uncertainty,
tables of events and stations. Not here: distributions over events (distributions.py), quality flags (flags.py),
figures (plots/recession_curves.py).

Source of the model: McColl et al. 2017, Global characterization of surface soil moisture drydowns,
doi:10.1002/2017GL072819.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.distributions import fit_distributions
from soilmoisture_assets.metadata.provenance import UNITS


@dataclass(frozen=True)
class DryDownRules:
    """What counts as a dry-down. Moisture in m3 m-3, times in hours."""

    smallest_rise: float = 0.01
    """A peak stands above what came before by this much, and by 4 times the noise of the sensor."""
    rise_within: int = 72
    shortest: int = 72
    """A shorter dry-down tells nothing of tau."""
    smallest_drop: float = 0.02
    longest_gap: int = 48
    """A longer gap can hide rain: the event ends before it."""
    observed_share: float = 0.5
    stuck_for: int = 240
    """Exactly the same value for this long is a stuck sensor, not a slow dry-down."""
    smoothing: int = 7
    """Peaks are looked for in a running median; the fit uses the values as they are."""


RULES = DryDownRules()

GOOD_FIT = {"r2": 0.8, "tau_relative_error": 0.5, "tau_per_duration": 1.5}
"""A fit is good when it explains 0.8 of the variance, tau is known to half of itself, and the event lasts long enough
to see the curve bend."""

_QUANTITIES = {
    "tau": ("time scale of the dry-down", "hours"),
    "theta_r": ("moisture the dry-down tends to", "m3 m-3"),
    "delta": ("moisture lost when it gets there", "m3 m-3"),
    "tau_error": ("standard error of tau", "hours"),
    "theta_r_error": ("standard error of theta_r", "m3 m-3"),
    "delta_error": ("standard error of delta", "m3 m-3"),
    "initial_moisture": ("moisture at the start", "m3 m-3"),
    "final_moisture": ("moisture at the end", "m3 m-3"),
    "drop": ("moisture lost, share of the initial", "%"),
    "duration": ("duration", "hours"),
    "observed": ("hours with a value", "1"),
    "r2": ("explained variance of the fit", "1"),
    "rmse": ("residual of the fit", "m3 m-3"),
}
SUMMARISED = ("tau", "theta_r", "delta", "initial_moisture", "final_moisture", "drop", "duration")
_DISTRIBUTION_COLUMNS = [
    *("quantity", "distribution", "sample_size", "aic", "delta_aic", "ks_distance", "ks_limit"),
    *("shape", "location", "scale"),
]
STATISTICS = ("mean", "std", "p10", "median", "p90")


@dataclass(frozen=True)
class RecessionFit:
    """Parameters of one dry-down with standard errors; tau in hours, the others in m3 m-3."""

    tau: float
    theta_r: float
    delta: float
    tau_error: float
    theta_r_error: float
    delta_error: float
    r2: float
    rmse: float


def recession_curves(series: xr.Dataset, rules: DryDownRules = RULES) -> xr.Dataset:
    """Find and fit every dry-down of a station.

    Parameters
    ----------
    series : (time) hourly, as ``alignment.depth.choose_series``: ``soil_moisture`` [m3 m-3], ``good`` bool and
        ``sensor``; only good values are used, and no event spans a change of sensor.

    Returns
    -------
    (event): start, end, tau, theta_r, delta and their errors, initial and final moisture, drop, duration, observed
    hours, r2, rmse, and ``good_fit`` (int8). Over the good fits: ``statistics`` (quantity, statistic), and for tau the
    distributions of ``fit_distributions``. A station without events has an event dimension of length 0.
    """
    values = np.where(series.good.values.astype(bool), series.soil_moisture.values, np.nan).astype(np.float64)
    values[_stuck(values, rules.stuck_for)] = np.nan
    times = series.time.values
    events = [
        (start, end, fit_recession(values[start : end + 1]))
        for start, end in find_dry_downs(values, series.sensor.values, rules)
    ]
    rows = [_event(values[start : end + 1], fit) for start, end, fit in events]
    curves = xr.Dataset(
        {
            name: ("event", np.array([row[name] for row in rows], dtype="float32"), {"long_name": text, "units": units})
            for name, (text, units) in _QUANTITIES.items()
        }
        | {"good_fit": ("event", np.array([_is_good(row) for row in rows], dtype="int8"), {"long_name": "good fit"})},
        coords={
            "start": ("event", times[[start for start, _, _ in events]], {"long_name": "peak after rain"}),
            "end": ("event", times[[end for _, end, _ in events]], {"long_name": "last hour of the dry-down"}),
        },
        attrs={key: value for key, value in series.attrs.items() if key in ("station", "depth")},
    )
    return xr.merge([curves, _statistics(curves)], combine_attrs="override")


def find_dry_downs(
    values: np.ndarray, sensor: np.ndarray | None = None, rules: DryDownRules = RULES
) -> list[tuple[int, int]]:
    """First and last index of each dry-down: from a peak after a rise to the end of the decline.

    Parameters
    ----------
    values : (time) m3 m-3, hourly, NaN where missing.
    sensor : (time) which sensor a value comes from.
    """
    noise = _noise(values)
    rise = max(rules.smallest_rise, 4 * noise)
    smooth = pd.Series(values).rolling(rules.smoothing, center=True, min_periods=1).median().to_numpy(copy=True)
    smooth[~np.isfinite(values)] = np.nan
    found = []
    for stretch in _stretches(values, sensor, rules.longest_gap):
        for peak, trough in _declines(smooth[stretch], stretch, rise, rules.rise_within):
            end = _tail_end(smooth, trough, int(stretch[-1]), rise / 2)
            observed = np.isfinite(values[peak : end + 1])
            drop = smooth[peak] - smooth[trough]
            if (
                end - peak >= rules.shortest
                and drop >= max(rules.smallest_drop, 5 * noise)
                and observed.mean() >= rules.observed_share
            ):
                found.append((peak, end))
    return found


def fit_recession(values: np.ndarray) -> RecessionFit:
    """Fit theta_r + delta * exp(-t / tau) to a dry-down by least squares, with theta_r >= 0.

    For a given tau the other two are linear, so only tau is searched. Errors are those of the linearised fit, widened
    for the autocorrelation of the residuals.

    Parameters
    ----------
    values : (time) m3 m-3, one an hour from the start of the event, NaN where missing; at least 8 values.
    """
    from scipy.optimize import minimize_scalar

    hours = np.flatnonzero(np.isfinite(values)).astype(np.float64)
    moisture = values[np.isfinite(values)].astype(np.float64)

    def residual(log_tau: np.ndarray) -> np.ndarray:
        decay = np.exp(-hours / np.exp(log_tau)[:, None])
        theta_r, delta = _linear_part(decay, moisture)
        return ((theta_r[:, None] + delta[:, None] * decay - moisture) ** 2).sum(axis=1)

    grid = np.linspace(np.log(2.0), np.log(10.0 * max(hours[-1], 8.0)), 40)
    best = int(np.argmin(residual(grid)))
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(
        lambda x: float(residual(np.array([x]))[0]), bounds=around, method="bounded", options={"xatol": 1e-4}
    )
    tau = float(np.exp(found.x))
    decay = np.exp(-hours / tau)
    theta_r, delta = (float(part[0]) for part in _linear_part(decay[None], moisture))
    left = moisture - theta_r - delta * decay
    jacobian = np.stack([delta * decay * hours / tau**2, np.ones_like(hours), decay], axis=1)
    variance = float((left**2).sum() / max(len(hours) - 3, 1)) * _autocorrelation_factor(left)
    scale = np.sqrt((jacobian**2).sum(axis=0))
    scale[scale == 0] = np.inf
    normal = (jacobian / scale).T @ (jacobian / scale)
    known = np.linalg.matrix_rank(normal, tol=1e-10) == 3
    errors = np.sqrt(np.diag(np.linalg.inv(normal)) * variance) / scale if known else np.full(3, np.inf)
    spread = float(((moisture - moisture.mean()) ** 2).sum())
    tau_error, theta_r_error, delta_error = (float(error) for error in errors)
    return RecessionFit(
        tau,
        theta_r,
        delta,
        tau_error,
        theta_r_error,
        delta_error,
        r2=1 - float((left**2).sum()) / spread if spread > 0 else 0.0,
        rmse=float(np.sqrt((left**2).mean())),
    )


def events_table(curves: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """All events of all stations, one row each; units as in the stores: hours, m3 m-3, drop in %."""
    frames = [
        found[[*_QUANTITIES, "good_fit"]].to_dataframe().reset_index(drop=True).assign(station=station)
        for station, found in curves.items()
        if found.sizes["event"]
    ]
    columns = ["station", "start", "end", *_QUANTITIES, "good_fit"]
    found = pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)
    found.attrs = {UNITS: {name: units for name, (_, units) in _QUANTITIES.items()}}
    return found


def stations_table(curves: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row per station: events, good fits, and mean, spread and quantiles of each quantity over the good fits.

    Units are those of the stores: hours, m3 m-3, drop in %.
    """
    rows = []
    for station, found in curves.items():
        row: dict[str, object] = {
            "station": station,
            "events": found.sizes["event"],
            "good_fits": int(found.good_fit.sum()),
            "tau_distribution": str(found.distribution.values[int(np.nanargmin(found.tau_aic.values))])
            if np.isfinite(found.tau_aic.values).any()
            else "",
        }
        for quantity in found.quantity.values:
            for statistic in found.statistic.values:
                row[f"{quantity}_{statistic}"] = float(found.statistics.sel(quantity=quantity, statistic=statistic))
        rows.append(row)
    units = {f"{name}_{each}": _QUANTITIES[name][1] for name in SUMMARISED for each in STATISTICS}
    table = pd.DataFrame(rows)
    table.attrs = {UNITS: units}
    return table


def distributions_table(curves: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Distributions fitted to each quantity over the good fits of all stations together, the nearest of each first.

    One row per quantity and distribution: sample_size, aic, delta_aic, ks_distance, ks_limit, shape, location and scale
    as scipy.stats takes them, in the units of the quantity. The nearest need not fit: ``fit_distributions`` says what
    distance and limit mean. For tau per station see ``recession_curves``.
    """
    rows = []
    for quantity in SUMMARISED:
        good = [found[quantity].values[found.good_fit.values == 1] for found in curves.values()]
        fitted = fit_distributions(np.concatenate(good) if good else np.array([]))
        table = fitted.drop_dims("parameter").to_dataframe().join(fitted.parameters.to_pandas()).reset_index()
        rows.append(table.assign(quantity=quantity).sort_values("delta_aic"))
    return pd.concat(rows, ignore_index=True)[_DISTRIBUTION_COLUMNS]


def _linear_part(decay: np.ndarray, moisture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """theta_r and delta (k) for known decays (k, n); theta_r is 0 where the best one is negative."""
    mean = decay.mean(axis=1)
    centred = decay - mean[:, None]
    delta = (centred @ moisture) / np.maximum((centred**2).sum(axis=1), 1e-300)
    theta_r = moisture.mean() - delta * mean
    below = theta_r < 0
    return np.where(below, 0.0, theta_r), np.where(below, (decay @ moisture) / (decay**2).sum(axis=1), delta)


def _autocorrelation_factor(residuals: np.ndarray) -> float:
    """How much correlated residuals widen the variance of an estimate: (1 + r) / (1 - r), r their lag-1 correlation."""
    total = float((residuals**2).sum())
    if len(residuals) < 3 or total == 0:
        return 1.0
    lag = float(np.clip((residuals[1:] * residuals[:-1]).sum() / total, 0, 0.99))
    return (1 + lag) / (1 - lag)


def _noise(values: np.ndarray) -> float:
    """Standard deviation of the sensor's noise: from the median size of what a value departs from its neighbours' mean.

    Neighbouring hours hardly differ in truth, while the departure x1 - (x0 + x2) / 2 of white noise has 1.5 times its
    variance.
    """
    departure = values[1:-1] - (values[:-2] + values[2:]) / 2
    departure = np.abs(departure[np.isfinite(departure)])
    return float(1.4826 * np.median(departure) / np.sqrt(1.5)) if len(departure) else 0.0


def _stuck(values: np.ndarray, hours: int) -> np.ndarray:
    """Which values belong to a run of equal ones of at least so many hours; missing hours do not end a run."""
    observed = np.flatnonzero(np.isfinite(values))
    mask = np.zeros(len(values), dtype=bool)
    if len(observed):
        begin = np.concatenate(([0], np.flatnonzero(np.diff(values[observed]) != 0) + 1))
        end = np.concatenate((begin[1:], [len(observed)]))
        mask[observed] = np.repeat(observed[end - 1] - observed[begin] >= hours, end - begin)
    return mask


def _stretches(values: np.ndarray, sensor: np.ndarray | None, longest_gap: int) -> list[np.ndarray]:
    """Indices of observed hours, cut at long gaps and at changes of sensor."""
    observed = np.flatnonzero(np.isfinite(values))
    if not len(observed):
        return []
    cut = np.diff(observed) > longest_gap
    if sensor is not None:
        cut |= np.diff(sensor[observed]) != 0
    return np.split(observed, np.flatnonzero(cut) + 1)


def _declines(smooth: np.ndarray, index: np.ndarray, rise: float, rise_within: int) -> list[tuple[int, int]]:
    """(peak, trough) of every decline that follows a quick rise, ended by the next rise or the end of the stretch.

    Parameters
    ----------
    smooth : (n) values of one stretch, none missing.
    index : (n) the hours they stand for, which the result is given in.
    rise : m3 m-3 that a turn must exceed to count.
    """
    values = smooth.tolist()
    found: list[tuple[int, int]] = []
    peak: int | None = None
    low = high = 0
    rising = False
    for position, value in enumerate(values):
        if rising:
            if value > values[high]:
                high = position
            elif value <= values[high] - rise:
                rising, low = False, position
                before = index[: high + 1] >= index[high] - rise_within
                quick = smooth[: high + 1][before].min() <= values[high] - rise
                peak = high if quick else None
        elif value < values[low]:
            low = position
        elif value >= values[low] + rise:
            if peak is not None:
                found.append((int(index[peak]), int(index[low])))
            rising, high, peak = True, position, None
    if not rising and peak is not None:
        found.append((int(index[peak]), int(index[low])))
    return found


def _tail_end(smooth: np.ndarray, trough: int, last: int, margin: float) -> int:
    """Last hour before the moisture leaves the trough by more than the margin: the flat tail belongs to the event."""
    tail = smooth[trough : last + 1]
    above = np.flatnonzero(tail > tail[0] + margin)
    end = trough + int(above[0]) - 1 if len(above) else last
    observed = np.flatnonzero(np.isfinite(smooth[trough : end + 1]))
    return trough + int(observed[-1])


def _event(values: np.ndarray, fit: RecessionFit) -> dict[str, float]:
    observed = values[np.isfinite(values)]
    initial, final = float(np.median(observed[:3])), float(np.median(observed[-6:]))
    return {
        "tau": fit.tau,
        "theta_r": fit.theta_r,
        "delta": fit.delta,
        "tau_error": fit.tau_error,
        "theta_r_error": fit.theta_r_error,
        "delta_error": fit.delta_error,
        "initial_moisture": initial,
        "final_moisture": final,
        "drop": 100 * (initial - final) / initial if initial > 0 else np.nan,
        "duration": float(len(values) - 1),
        "observed": float(len(observed)),
        "r2": fit.r2,
        "rmse": fit.rmse,
    }


def _is_good(event: dict[str, float]) -> bool:
    return (
        event["r2"] >= GOOD_FIT["r2"]
        and event["delta"] > 0
        and event["tau_error"] <= GOOD_FIT["tau_relative_error"] * event["tau"]
        and event["tau"] <= GOOD_FIT["tau_per_duration"] * event["duration"]
    )


def _statistics(curves: xr.Dataset) -> xr.Dataset:
    good = curves.isel(event=np.flatnonzero(curves.good_fit.values))
    rows = np.full((len(SUMMARISED), len(STATISTICS)), np.nan, dtype=np.float32)
    if good.sizes["event"]:
        values = np.stack([good[name].values.astype(np.float64) for name in SUMMARISED])
        spread = values.std(axis=1, ddof=1) if values.shape[1] > 1 else np.full(len(values), np.nan)
        rows = np.column_stack([values.mean(axis=1), spread, *np.nanpercentile(values, [10, 50, 90], axis=1)]).astype(
            np.float32
        )
    statistics = xr.Dataset(
        {"statistics": (("quantity", "statistic"), rows, {"long_name": "over the good fits, in the quantity's units"})},
        coords={
            "quantity": ("quantity", np.array(SUMMARISED, dtype=object)),
            "statistic": ("statistic", np.array(STATISTICS, dtype=object)),
        },
    )
    fitted = fit_distributions(good.tau.values)
    return statistics.merge(fitted.rename({name: f"tau_{name}" for name in fitted.data_vars}))
