"""Combination: one forecast from all methods of an experiment, weighted by what they were worth.

Belongs here: the weights, and the combined forecast of a station. Not here: its declaration (combined.py), the methods
it is made from, the calibration of its intervals (scoring/calibration.py).

Weights are fitted on the validation starts that have chosen nothing else (alignment/splits.py), per lead and for all
stations together: none is negative and they add up to one. They minimise the mean squared error in units of each
station's training spread, drawn towards weights that fall with each method's own error, the more the fewer blocks of
data there are: few errors say well how good each method is, and badly how they err together (Timmermann 2006,
doi:10.1016/S1574-0706(05)01004-9, sections 3 and 4). The fewer there are, the less do they say of either, and the more
alike do methods weigh; where no moisture is seen errors last for months, and two blocks count for one. A start that is
fitted on is itself forecast with weights of the other blocks, so that intervals and scores of it are honest.

What is left of a station's mean error over the validation starts is taken off its forecasts, the more of it the more
blocks it is from: the level of a station can be off for a year at a time, and most so where no moisture is seen. Of
less than a year as much less is taken off, since a mean error over some months is of their season too.

What a forecast of the weather is worth shows there too: unless the methods that see it err clearly less together than
the combined forecast without it, at a lead, that one stands in their place.

Those weights are of the last observation while it is fresh. As it ages they fade, and the damped departure takes their
place, which forecasts at any age without a jump: most methods know of an observation for seven days at most, networks
for longer, and none but that one has learned how much less an older one says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.cube import with_steps_ahead
from soilmoisture_assets.alignment.splits import BLOCK_DAYS, TRAIN, VALIDATION
from soilmoisture_assets.learning.names import REGIONAL_MODEL, STATION_MODEL
from soilmoisture_assets.methods import ordered
from soilmoisture_assets.methods.combined import METHOD as COMBINED
from soilmoisture_assets.methods.damped_departure import METHOD as DEPARTURE
from soilmoisture_assets.methods.fitting import fitted_methods, issue_methods
from soilmoisture_assets.methods.inputs import OLDEST_ANTECEDENT
from soilmoisture_assets.methods.task import Learned
from soilmoisture_assets.methods.without_weather import METHOD as WITHOUT
from soilmoisture_assets.scores import Array
from soilmoisture_assets.study import Experiment, Study

FOLDS = 4
"""Groups of blocks; the starts of one are forecast with weights of the others."""
PULL, POWER = 200.0, 8.0
"""Strength of the pull towards weights by own errors, in errors of the best method per block of a station, and how fast
those weights fall with the squared error; chosen on studies of 1 to 69 stations cut from years before the test years,
and on synthetic worlds (docs/learning.md)."""
HALF_KNOWN_BLOCKS = 6.0
"""Blocks at which half of the power is reached and half of the pull left; chosen on the same studies."""
BLOCKS_BLIND = 2.0
"""Blocks that count for one where no moisture is seen; chosen on the same studies."""
LEVEL_BLOCKS = 6.0
"""Blocks after which half of a station's mean error is believed; chosen on the same studies."""
_BLOCKS_OF_A_YEAR = 365 / BLOCK_DAYS
FRESH_DAYS = OLDEST_ANTECEDENT / pd.Timedelta(days=1)
FRESH_DAYS_OF_NETWORKS = 10.0
"""The networks know of older observations too; chosen on gaps planted in validation years (docs/learning.md)."""
CLEARLY = 0.98
"""Share of the squared error without weather ahead that may be left for a forecast of it to count."""
LEAST_WEIGHT = 0.01
"""A method with less adds nothing and is left out, with its cost."""

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
    ``weight`` (fold, forecaster, lead), the weights of all data in fold 0; ``fold`` (start), the weights that forecast
    it; ``level_error`` (fold, station, lead) to take off; ``mean_squared_error`` (forecaster, lead) of each method, in
    squared training spreads.
    """
    spread = _training_spread(cube)
    every = {name: of_station(stored[name], baselines) for name in stored}
    # a station with a short record lacks some methods, and tells nothing of how they compare
    known = {name: _present(each) for name, each in every.items()}
    learned = [known[name] for name in every if name in spread] or list(known.values())
    most = max(learned, key=len)
    members = ordered(most)
    axis = next(iter(every.values()))
    fold, block = _folds(axis)
    errors = _Errors(members, axis.sizes["lead"], Experiment(axis.attrs["experiment"]).sees_moisture)
    complete = [name for name in every if spread.get(name, 0.0) > 0 and set(members) <= set(known[name])]
    for name in complete:
        errors.add(_errors(every[name], members) / spread[name], fold, block, axis["calibration"].values == 1)
    weight = np.stack([errors.weights(left_out) for left_out in range(FOLDS + 1)])
    level = [_level_errors(_errors(every[name], members), weight, fold, block) for name in complete]
    return xr.Dataset(
        {
            "level_error": (
                ("station", "fold", "lead"),
                np.reshape(level, (len(complete), FOLDS + 1, axis.sizes["lead"])).astype("float32"),
                {"long_name": "mean error of the combination that is taken off", "units": "m3 m-3"},
            ),
            "weight": (("fold", "forecaster", "lead"), weight, {"long_name": "weight of a method", "units": "1"}),
            "mean_squared_error": (
                ("forecaster", "lead"),
                errors.mean_squares(),
                {"long_name": "mean squared error in training variances", "units": "1"},
            ),
        },
        coords={
            "forecaster": members,
            "station": np.array(complete, dtype=str),
            "start": axis["start"].variable,
            "lead": axis["lead"].variable,
            "fold": ("start", fold, {"long_name": "group of blocks that its weights do not know"}),
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
    fold = combination["fold"].sel(start=dataset["start"]).values
    weight = combination["weight"].values[fold].transpose(1, 0, 2)
    level = _level_of(dataset, combination).values[:, fold]
    quantiles = dataset["soil_moisture_forecast"].transpose("forecaster", "station", "start", "lead", "quantile")
    simple = baselines.sel(station=dataset["station"]).reindex(start=dataset["start"])
    names = members["forecaster"].values.tolist()
    moved = _mixed(
        members.transpose(*_DIMS).values[:, None], weight[:, None], level, names, _of_networks(quantiles), simple
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
    weight = combination["weight"].sel(fold=0)
    weighted = weight["forecaster"].values[weight.any("lead").values]
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
    shares = np.broadcast_to(weight.reindex(forecaster=members, fill_value=0.0).values[:, None], forecasts.shape)
    level = _level_of(latest, combination).sel(fold=0).values
    moved = _mixed(forecasts, shares, level, members, _of_networks(networks), own)
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


@dataclass
class _Errors:
    """Sums of products of the errors of all methods over stations, per fold; 0: of all starts that chose."""

    names: Sequence[str]
    leads: int
    sees_moisture: bool

    def __post_init__(self) -> None:
        self.methods = len(self.names)
        self.products = np.zeros((FOLDS + 1, self.leads, self.methods, self.methods))
        self.pairs = np.zeros((FOLDS + 1, self.leads))
        self.blocks = np.zeros((FOLDS + 1, self.leads))

    def add(self, errors: Array, fold: Array, block: Array, fitted: Array) -> None:
        """Add the errors (method, start, lead) of a station, where all methods have one.

        ``fitted`` (start): whether a start of the folds is fitted on, or chose.
        """
        known = np.all(np.isfinite(errors), axis=0)
        errors = np.where(known, errors, 0.0)
        for group in range(FOLDS + 1):
            inside = (fold == group) & fitted if group else (fold > 0) & ~fitted
            self.products[group] += np.einsum("msl,nsl->lmn", errors[:, inside], errors[:, inside])
            self.pairs[group] += known[inside].sum(axis=0)
            for each in np.unique(block[inside]):
                self.blocks[group] += known[inside & (block == each)].any(axis=0)

    def weights(self, left_out: int) -> Array:
        """(method, lead) weights of all groups but one; by the starts that chose where there is no other."""
        groups = [group for group in range(1, FOLDS + 1) if group != left_out]
        found = np.full((self.methods, self.leads), 1 / self.methods)
        for lead in range(self.leads):
            used = groups if self.pairs[groups, lead].any() else [0]
            pairs, blocks = self.pairs[used, lead].sum(), self.blocks[used, lead].sum()
            if pairs:
                found[:, lead] = self._of(self.products[used, lead].sum(axis=0) / pairs, blocks)
        return found

    def _of(self, products: Array, blocks: float) -> Array:
        """(method) :func:`weights`, but all on the forecast without weather ahead where that is as good."""
        alone = np.array([name == WITHOUT.name for name in self.names])
        found = np.zeros(len(alone))
        found[~alone] = weights(
            products[np.ix_(~alone, ~alone)], blocks if self.sees_moisture else blocks / BLOCKS_BLIND
        )
        if alone.any() and found @ products @ found > CLEARLY * products[alone, alone].sum():
            return alone.astype(float)
        return found

    def mean_squares(self) -> Array:
        """(method, lead) mean squared error over all groups."""
        squares = np.einsum("glmm->ml", self.products)
        return squares / np.maximum(self.pairs.sum(axis=0), 1)


def weights(products: Array, blocks: float) -> Array:
    """(method) weights that minimise the mean squared error, not negative and of sum one.

    Parameters
    ----------
    products : (method, method) mean products of errors.
    blocks : how many blocks of data they are from, above 0.
    """
    from scipy.optimize import nnls  # imports slowly

    squares = np.maximum(np.diag(products), 1e-12)
    doubt = HALF_KNOWN_BLOCKS / (blocks + HALF_KNOWN_BLOCKS)
    prior = (squares / squares.min()) ** -(POWER * (1 - doubt))
    prior /= prior.sum()
    pull = PULL * doubt * squares.min() / blocks
    root = np.linalg.cholesky(products + (pull + 1e-9 * squares.max()) * np.eye(len(squares)))
    heavy = 1e3 * np.sqrt(squares.max())  # holds the sum at one
    found, _ = nnls(
        np.vstack([root.T, np.full(len(squares), heavy)]), np.append(np.linalg.solve(root, pull * prior), heavy)
    )
    found = np.where(found >= LEAST_WEIGHT * found.sum(), found, 0.0)
    return found / found.sum()


def _errors(dataset: xr.Dataset, members: Sequence[str]) -> Array:
    """(method, start, lead) errors of methods at a station, as :func:`of_station` gives it."""
    forecast = dataset["soil_moisture_forecast"].sel(forecaster=list(members)).transpose(*_DIMS).values
    return (forecast - dataset["soil_moisture_observed"].transpose(*_DIMS[1:]).values).astype("float64")


def _level_errors(errors: Array, weight: Array, fold: Array, block: Array) -> Array:
    """(fold, lead) what to take off a station's forecasts: of its errors (method, start, lead) in the other folds."""
    found = np.zeros((FOLDS + 1, errors.shape[2]))
    for left_out in range(FOLDS + 1):
        used = (fold > 0) & (fold != left_out)
        mixed = np.einsum("ml,msl->sl", weight[left_out], errors[:, used])
        known, blocks = np.isfinite(mixed), block[used]
        count = sum(known[blocks == each].any(axis=0).astype(float) for each in np.unique(blocks))
        mean = np.where(known, mixed, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        found[left_out] = mean * count / (count + LEVEL_BLOCKS) * np.minimum(count / _BLOCKS_OF_A_YEAR, 1)
    return found


def _level_of(dataset: xr.Dataset, combination: xr.Dataset) -> xr.DataArray:
    """``level_error`` (station, fold, lead) of the stations of a dataset; nothing for those that have none."""
    found = combination["level_error"].reindex(station=dataset["station"].values, fill_value=0.0)
    return found.transpose("station", "fold", "lead")


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


def _folds(dataset: xr.Dataset) -> tuple[Array, Array]:
    """(start) fold of each start of the validation period, 1 to FOLDS, 0 elsewhere; and its block."""
    times = pd.DatetimeIndex(dataset["start"].values)
    block = np.asarray((times - times[0]) // pd.Timedelta(days=BLOCK_DAYS), dtype=int)
    inside = dataset["split"].values == VALIDATION
    fold = np.zeros(len(times), dtype=int)
    # a block that chose and the one after it, which is fitted on, share one
    fold[inside] = 1 + np.unique(block[inside], return_inverse=True)[1] // 2 % FOLDS
    return fold, block


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
