"""Combination: one forecast from all methods of an experiment, weighted by what they were worth.

Belongs here: the combined forecast of a station, and what it is made with. Not here: its declaration (combined.py), how
weights are fitted and followed (weighting.py), the methods it is made from, the calibration of its intervals
(scoring/calibration.py).

The weights are of the last observation while it is fresh. As it ages they fade, and the damped departure takes their
place, which forecasts at any age without a jump: most methods know of an observation for seven days at most, networks
for longer, and none but that one has learned how much less an older one says.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.cube import with_steps_ahead
from soilmoisture_assets.alignment.splits import TRAIN
from soilmoisture_assets.learning.names import REGIONAL_MODEL, STATION_MODEL
from soilmoisture_assets.methods import ordered
from soilmoisture_assets.methods.combined import METHOD as COMBINED
from soilmoisture_assets.methods.damped_departure import METHOD as DEPARTURE
from soilmoisture_assets.methods.fitting import fitted_methods, issue_methods
from soilmoisture_assets.methods.inputs import OLDEST_ANTECEDENT
from soilmoisture_assets.methods.task import Learned
from soilmoisture_assets.methods.weighting import fits_of, level_errors, no_products, products_of, weights_of
from soilmoisture_assets.methods.without_weather import METHOD as WITHOUT
from soilmoisture_assets.scores import Array
from soilmoisture_assets.study import Experiment, Study

FRESH_DAYS = OLDEST_ANTECEDENT / pd.Timedelta(days=1)
FRESH_DAYS_OF_NETWORKS = 10.0
"""The networks know of older observations too; chosen on gaps planted in validation years (docs/learning.md)."""

_DIMS = ("forecaster", "start", "lead")


def combination_of(baselines: xr.Dataset, stored: Mapping[str, xr.Dataset], cube: xr.Dataset) -> xr.Dataset:
    """Weights of all methods of an experiment.

    Parameters
    ----------
    baselines : ``soil_moisture_forecast`` (forecaster, station, start, lead) of methods.fitting.fit_baselines.
    stored : by station, forecasts of the networks as learning.predict.uncalibrated gives them; read one by one.
    cube : station cube; gives each station's training spread, and who is held out: these weigh nothing.

    Returns
    -------
    ``weight`` (fit, forecaster, lead) of all stations together, ``station_weight`` (station, fit, forecaster, lead) and
    ``level_error`` (station, fit, lead) of those with a record, the newest fit last; ``position`` (start), the fit that
    forecasts it, between two where it is not whole; ``mean_squared_error`` (forecaster, lead) of each method over the
    validation period, in squared training spreads.
    """
    spread = _training_spread(cube)
    every = {name: of_station(stored[name], baselines) for name in stored}
    # a station with a short record lacks some methods, and tells nothing of how they compare
    known = {name: _present(each) for name, each in every.items()}
    learned = [known[name] for name in every if name in spread] or list(known.values())
    most = max(learned, key=len)
    members = ordered(most)
    axis = next(iter(every.values()))
    fits, sees_moisture = fits_of(axis), Experiment(axis.attrs["experiment"]).sees_moisture
    complete = [name for name in every if spread.get(name, 0.0) > 0 and set(members) <= set(known[name])]
    together = no_products(fits, len(members), axis.sizes["lead"])
    for name in complete:
        together += products_of(_errors(every[name], members) / spread[name], fits)
    own, level = [], []
    for name in complete:  # again, since those of a thousand stations would take gigabytes
        errors = _errors(every[name], members)
        own.append(weights_of(together, fits, members, sees_moisture, products_of(errors / spread[name], fits)))
        of_another = own[-1][:, members.index(WITHOUT.name)] if WITHOUT.name in members else 0.0
        level.append((1 - of_another) * level_errors(errors, own[-1], fits, sees_moisture))  # off already in that one
    shape = (len(complete), len(fits.knows))
    return xr.Dataset(
        {
            "weight": (
                ("fit", "forecaster", "lead"),
                weights_of(together, fits, members, sees_moisture),
                {"long_name": "weight of a method", "units": "1"},
            ),
            "station_weight": (
                ("station", "fit", "forecaster", "lead"),
                np.reshape(own, (*shape, len(members), axis.sizes["lead"])),
                {"long_name": "weight of a method at a station", "units": "1"},
            ),
            "level_error": (
                ("station", "fit", "lead"),
                np.reshape(level, (*shape, axis.sizes["lead"])).astype("float32"),
                {"long_name": "mean error of the combination that is taken off", "units": "m3 m-3"},
            ),
            "mean_squared_error": (
                ("forecaster", "lead"),
                together.mean_squares(),
                {"long_name": "mean squared error in training variances", "units": "1"},
            ),
        },
        coords={
            "forecaster": members,
            "station": np.array(complete, dtype=str),
            "start": axis["start"].variable,
            "lead": axis["lead"].variable,
            "position": ("start", fits.position, {"long_name": "fit of the weights that forecast a start"}),
        },
        attrs={"experiment": axis.attrs["experiment"]},
    )


def with_combined(dataset: xr.Dataset, baselines: xr.Dataset, combination: xr.Dataset) -> xr.Dataset:
    """The forecasts of a station by the networks, and by the combination of all methods.

    Parameters
    ----------
    dataset : as learning.predict.uncalibrated gives it.
    baselines, combination : as of :func:`combination_of`.

    Returns
    -------
    The dataset with one more ``forecaster``. Its centre is the weighted mean of what forecasts there; its half
    intervals are the mean ones of the networks while the last observation is fresh, later those of the damped
    departure. ``observation_age`` (station, start) [days] comes with it where moisture is seen.
    """
    members = of_station(dataset, baselines)["soil_moisture_forecast"].reindex(forecaster=combination["forecaster"])
    position = combination["position"].sel(start=dataset["start"]).values
    weight, level = (_at(position, of_fits) for of_fits in _of_stations(dataset, combination))
    quantiles = dataset["soil_moisture_forecast"].transpose("forecaster", "station", "start", "lead", "quantile")
    simple = baselines.sel(station=dataset["station"]).reindex(start=dataset["start"])
    names = members["forecaster"].values.tolist()
    moved = _mixed(
        members.transpose(*_DIMS).values[:, None],
        weight.transpose(2, 0, 1, 3),
        level,
        names,
        _of_networks(quantiles),
        simple,
    )
    together = xr.concat([quantiles, moved.expand_dims(forecaster=[COMBINED.name])], dim="forecaster")
    found = dataset.drop_dims("forecaster").assign(soil_moisture_forecast=together.assign_attrs(quantiles.attrs))
    return (
        found.assign(observation_age=simple["observation_age"].drop_vars("experiment"))
        if "observation_age" in simple
        else found
    )


def latest_combined(
    latest: xr.Dataset, cube: xr.Dataset, study: Study, learned: Learned, combination: xr.Dataset
) -> xr.Dataset:
    """The newest forecast of each station by the combination of all methods.

    Parameters
    ----------
    latest : of the networks, as learning.predict.latest_forecast gives it.
    cube : the cube it is of.
    learned : what the methods have learned, as methods.fitting.fit_baselines gives it.

    Returns
    -------
    ``latest`` without ``forecaster``, its forecasts combined.
    """
    weight, level = (of_fits[:, -1] for of_fits in _of_stations(latest, combination))
    weighted = combination["forecaster"].values[weight.any(axis=(0, 2))]
    simple = [name for name in fitted_methods(study) if name in weighted or name == DEPARTURE.name]
    ahead = with_steps_ahead(cube, study)
    newest = ahead.get_index("time").get_indexer(pd.Index(latest["start"].values))
    starts = np.unique(newest)
    issued = issue_methods(ahead, study, Experiment(combination.attrs["experiment"]), learned, starts, simple)
    of_station = xr.DataArray(latest["station"].values, dims="station")
    own = issued.sel(station=of_station, start=latest["start"].drop_vars("start", errors="ignore"))
    networks = latest["soil_moisture_forecast"].transpose("forecaster", "station", "lead", "quantile")
    members = [*simple, *networks["forecaster"].values.astype(str)]
    forecasts = np.concatenate(
        [own["soil_moisture_forecast"].transpose("forecaster", "station", "lead").values, networks.sel(quantile=0.5)]
    )
    shares = xr.DataArray(weight, {"forecaster": combination["forecaster"].values}, ("station", "forecaster", "lead"))
    shares = shares.reindex(forecaster=members, fill_value=0.0).transpose("forecaster", "station", "lead")
    moved = _mixed(forecasts, shares.values, level, members, _of_networks(networks), own)
    return latest.drop_dims("forecaster").assign(soil_moisture_forecast=moved).assign_attrs(method=COMBINED.name)


class CombinedForecasts(Mapping[str, xr.Dataset]):
    """:func:`with_combined` of each station's stored forecasts, made when it is asked for."""

    def __init__(self, stored: Mapping[str, xr.Dataset], baselines: xr.Dataset, combination: xr.Dataset) -> None:
        self._stored, self._baselines, self._combination = stored, baselines, combination

    def __getitem__(self, name: str) -> xr.Dataset:
        return with_combined(self._stored[name].load(), self._baselines, self._combination)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


def combined(forecasts: Array, weight: Array) -> Array:
    """Weighted mean of the forecasts that there are.

    Parameters
    ----------
    forecasts, weight : (method, …), forecasts NaN where a method has none.

    Returns
    -------
    (…), NaN where no method with a weight has one.
    """
    counts = np.where(np.isfinite(forecasts), weight, 0.0)
    total = counts.sum(axis=0)
    return np.where(total > 0, (counts * np.nan_to_num(forecasts)).sum(axis=0) / np.where(total > 0, total, 1), np.nan)


def of_station(dataset: xr.Dataset, baselines: xr.Dataset) -> xr.Dataset:
    """All methods at one station: ``soil_moisture_forecast`` (forecaster, start, lead) and what was observed.

    Where a station has no model of its own the regional one stands in its place.
    """
    networks = dataset.sel(quantile=0.5, drop=True).isel(station=0)
    if STATION_MODEL not in networks["forecaster"]:
        own = networks.sel(forecaster=[REGIONAL_MODEL]).assign_coords(forecaster=[STATION_MODEL])
        networks = xr.concat([networks, own], dim="forecaster", data_vars="minimal")
    simple = baselines["soil_moisture_forecast"].sel(station=networks["station"]).reindex(start=networks["start"])
    forecasts = xr.concat([simple.drop_vars("experiment"), networks["soil_moisture_forecast"]], dim="forecaster")
    return networks.drop_dims("forecaster").assign(soil_moisture_forecast=forecasts)


def _errors(dataset: xr.Dataset, members: Sequence[str]) -> Array:
    """(method, start, lead) errors of methods at a station, as :func:`of_station` gives it."""
    forecast = dataset["soil_moisture_forecast"].sel(forecaster=list(members)).transpose(*_DIMS).values
    return (forecast - dataset["soil_moisture_observed"].transpose(*_DIMS[1:]).values).astype("float64")


def _of_stations(dataset: xr.Dataset, combination: xr.Dataset) -> tuple[Array, Array]:
    """Weights (station, fit, method, lead) and errors to take off (station, fit, lead) of the stations of a dataset; of
    one without a record the weights of all, and nothing to take off."""
    names = dataset["station"].values
    weight = combination["station_weight"].reindex(station=names)
    own = weight.where(weight.notnull(), combination["weight"])
    level = combination["level_error"].reindex(station=names, fill_value=0.0)
    return own.transpose("station", "fit", "forecaster", "lead").values, level.values


def _at(position: Array, of_fits: Array) -> Array:
    """(station, start, …) of (station, fit, …) at the positions (start), between two fits where they are not whole."""
    before = position.astype(int)
    after = np.minimum(before + 1, of_fits.shape[1] - 1)
    way = (position - before).reshape(-1, *[1] * (of_fits.ndim - 2))
    return (1 - way) * of_fits[:, before] + way * of_fits[:, after]


def _of_networks(quantiles: xr.DataArray) -> xr.DataArray:
    """The mean of the networks of an experiment."""
    return quantiles.sel(forecaster=quantiles["forecaster"] != WITHOUT.name).mean("forecaster")


def _mixed(
    forecasts: Array, weight: Array, level: Array, names: Sequence[str], quantiles: xr.DataArray, simple: xr.Dataset
) -> xr.DataArray:
    """The combined quantiles.

    Parameters
    ----------
    forecasts, weight : (method, station, …, lead) of the methods named.
    level : (station, …, lead) what to take off while the observation is fresh.
    quantiles : (station, …, lead, quantile) whose half intervals are those of a fresh observation.
    simple : of the simple methods; has ``observation_age`` (station, …) and ``half_interval`` (station, …, lead, side)
        where moisture is seen.
    """
    halves = (quantiles - quantiles.sel(quantile=0.5)).values
    if "observation_age" in simple:
        others = [dim for dim in quantiles.dims if dim not in ("lead", "quantile")]
        age = simple["observation_age"].transpose(*others).values[..., None]
        aged = simple["half_interval"].transpose(*others, "lead", "side").values
        instead, network = (
            np.array([name in chosen for name in names]).reshape(-1, *[1] * age.ndim)
            for chosen in ((DEPARTURE.name,), (REGIONAL_MODEL, STATION_MODEL))
        )
        # where nothing takes their place (a held-out station) the weights stay, and the networks forecast
        takes_over = (np.isfinite(forecasts) & instead).any(axis=0)
        fresh, of_network = (
            np.where(takes_over, freshness(age, days), 1.0) for days in (FRESH_DAYS, FRESH_DAYS_OF_NETWORKS)
        )
        kept = np.where(network, of_network, fresh) * weight
        left = kept.sum(axis=0)
        weight, level = kept + (1 - left) * instead, left * level
        outer = np.sqrt(fresh[..., None] * halves[..., [0, 2]] ** 2 + (1 - fresh[..., None]) * aged**2)
        halves[..., [0, 2]] = np.where(np.isfinite(outer), outer, np.abs(halves[..., [0, 2]])) * [-1, 1]
    centre = combined(forecasts, weight) - level
    return quantiles.copy(data=np.maximum(centre[..., None] + halves, 0).astype("float32"))


def freshness(age: Array, days: float) -> Array:
    """How much a weight counts for an observation of some age [days]: fully at first, nothing after so many days.

    Evenly, because that is the least change in a day.
    """
    return 1 - np.clip(np.asarray(age) / days, 0, 1)


def _present(dataset: xr.Dataset) -> list[str]:
    known = dataset["soil_moisture_forecast"].notnull().any(["start", "lead"])
    return [str(name) for name in dataset["forecaster"].values[known.values]]


def _training_spread(cube: xr.Dataset) -> dict[str, float]:
    """Standard deviation of the training moisture by station; none for a held-out station."""
    training = np.asarray(cube["split"].values) == TRAIN
    targets = cube["soil_moisture"].transpose("station", "time").values[:, training]
    rows = zip(cube["station"].values, targets, cube["held_out"].values == 1, strict=True)
    return {
        str(name): float(np.nanstd(target))
        for name, target, is_held_out in rows
        if not is_held_out and np.isfinite(target).any()
    }
