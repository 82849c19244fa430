"""Gathering: the forecasts stored per station as datasets of all stations, by one method or by the one that speaks.

Belongs here: what stands for a station wherever one forecast, one factor or one score of it is shown.
Not here: the rule which method speaks (methods/), scores (skill.py), reading files.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import xarray as xr

from soilmoisture_assets.errors import SourceError, StationError
from soilmoisture_assets.metadata.coordinates import with_valid_time
from soilmoisture_assets.methods import ordered, speaking
from soilmoisture_assets.scoring.skill import observed_at
from soilmoisture_assets.study import Experiment, Study

FORECASTS = ("soil_moisture_forecast", "soil_moisture_observed", "observation_age")
STATION_SCORES = ("r2", "skill_vs_persistence")
"""Scores by which stations are compared with each other."""


def gather(stored: Mapping[str, xr.Dataset], method: str) -> xr.Dataset:
    """The forecasts of one experiment by one method, of the stations that have any.

    Parameters
    ----------
    stored : by station, ``soil_moisture_forecast`` (forecaster, station = 1, start, lead, quantile) and
        ``soil_moisture_observed`` (station = 1, start, lead) [m3 m-3], with the attribute ``experiment``; where
        moisture is seen ``observation_age`` (station = 1, start) [days].

    Returns
    -------
    The same without ``forecaster``, on all stations, with the attributes ``experiment`` and ``method``.

    Raises
    ------
    SourceError : no station has a forecast by it.
    """
    return _joined(stored, lambda dataset: method if method in _names(dataset) else None).drop_vars("forecaster")


def gather_each(stored: Mapping[str, xr.Dataset]) -> list[xr.Dataset]:
    """``gather`` of every method that forecasts any station, in the order of tables; every station is read once."""
    loaded = {name: _forecasts(dataset) for name, dataset in stored.items()}
    return [gather(loaded, name) for name in methods_of(loaded)]


def gather_fitted(baselines: xr.Dataset, method: str, cube: xr.Dataset) -> xr.Dataset:
    """The forecasts of one experiment by a method of models/baselines, which gives one value each.

    Parameters
    ----------
    baselines : ``soil_moisture_forecast`` (forecaster, station, start, lead) [m3 m-3].
    cube : station cube; gives the observations and the stations' coordinates.

    Returns
    -------
    As ``gather``, without ``quantile``.
    """
    forecast = baselines["soil_moisture_forecast"].sel(forecaster=method, drop=True)
    observed = observed_at(cube.sel(station=forecast["station"]), forecast["start"].values, forecast["lead"].values)
    of_station = {name: own for name, own in cube.coords.items() if own.dims == ("station",)}
    values = forecast.to_dataset().drop_vars("experiment").assign_coords(of_station)
    values["soil_moisture_observed"] = (("station", "start", "lead"), observed, cube["soil_moisture_scored"].attrs)
    return values.assign_attrs(method=method, experiment=baselines.attrs["experiment"])


def methods_of(stored: Mapping[str, xr.Dataset]) -> list[str]:
    """Every method that forecasts any of the stations, in the order of tables."""
    return ordered(name for each in stored.values() for name in _names(each))


def best_forecasts(stored: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The forecasts of one experiment, of each station by the method that speaks for it.

    Returns
    -------
    As ``gather``; the coordinate ``forecaster`` (station) says whose they are, the attribute ``method`` whose are most.
    """
    return _joined(stored, _speaker)


def newest_interval_factors(stored: Mapping[str, xr.Dataset]) -> xr.DataArray:
    """Calibration factors (station, lead, side) of the method that speaks for each station, at its last start.

    Parameters
    ----------
    stored : as for ``gather``, with ``interval_factor`` (forecaster, station, start, lead, side).

    Raises
    ------
    SourceError : nothing is stored.
    """
    parts = [
        each["interval_factor"].sel(forecaster=_speaker(each), drop=True).isel(start=-1, drop=True)
        for each in stored.values()
    ]
    if not parts:
        raise _no_forecasts()
    return xr.concat(parts, dim="station").drop_vars("valid_time", errors="ignore")


def best_scores(scores: xr.Dataset) -> xr.Dataset:
    """Scores of each station by the method that speaks for it, among those that have an R² there.

    Parameters
    ----------
    scores : skill of one split and experiment: scores (forecaster, station, lead or window).

    Returns
    -------
    The scores without ``forecaster`` as a dimension; as a coordinate (station) it says whose they are, the attribute
    ``method`` which method has most of them. Stations without any score stay NaN.
    """
    names, r2 = _names(scores), scores["r2"]
    scored = r2.notnull().any([dim for dim in r2.dims if dim not in ("forecaster", "station")])
    known = [
        [name for name, yes in zip(names, row, strict=True) if yes]
        for row in scored.transpose("station", "forecaster").values
    ]
    chosen = [speaking(having or names) for having in known]
    place = xr.DataArray([names.index(name) for name in chosen], dims="station")
    most = _most_frequent([name for name, having in zip(chosen, known, strict=True) if having] or chosen)
    return scores.isel(forecaster=place).assign_attrs(method=most)


def scores_of(scores: xr.DataArray, forecasts: xr.Dataset) -> xr.DataArray:
    """Of scores (forecaster, station, …) those of the methods whose forecasts these are: (station, …), NaN without one.

    Parameters
    ----------
    forecasts : as from ``gather`` or ``best_forecasts``.
    """
    stations = forecasts["station"].values
    one = str(forecasts.attrs.get("method", ""))
    whose = forecasts["forecaster"].values if "forecaster" in forecasts.coords else np.full(len(stations), one)
    names = np.unique(whose)
    place = xr.DataArray(np.searchsorted(names, whose), dims="station")
    return scores.reindex(station=stations, forecaster=names).isel(forecaster=place)


def station_scores(skill: xr.Dataset, experiment: Experiment, study: Study) -> dict[str, xr.DataArray]:
    """What stations are compared by: test scores at the last lead of each window, by the method that speaks for each.

    Returns
    -------
    (station, window) per score of ``STATION_SCORES`` that is defined anywhere, with the attribute ``method``.

    Raises
    ------
    StationError : none is: the test period has too few observations.
    """
    part = skill[list(STATION_SCORES)].sel(split="test", experiment=experiment.value, lead=study.window_hours)
    best = best_scores(part.load()).rename(lead="window")
    scores = {name: best[name].assign_attrs(method=best.attrs["method"]) for name in STATION_SCORES}
    defined = {name: score for name, score in scores.items() if np.isfinite(score).any()}
    if not defined:
        raise StationError(f"no station has a score of '{experiment}' on test data: too few observations to compare")
    return defined


def _joined(stored: Mapping[str, xr.Dataset], choose: Callable[[xr.Dataset], str | None]) -> xr.Dataset:
    """The forecasts by the method chosen at each station; each is opened once, since opening takes longer than reading.

    ``choose`` gives None where a station is to be left out.
    """
    parts, chosen = [], []
    for dataset in stored.values():
        forecasts = _forecasts(dataset)
        method = choose(forecasts)
        if method is None:
            continue
        part = forecasts.sel(forecaster=method).assign_coords(
            forecaster=("station", [method] * forecasts.sizes["station"])
        )
        parts.append(part)
        chosen.append(method)
    if not parts:
        raise _no_forecasts()
    found = xr.concat(parts, dim="station", data_vars="all", coords="different", compat="equals", join="outer")
    return with_valid_time(found).assign_attrs(method=_most_frequent(chosen), experiment=parts[0].attrs["experiment"])


def _forecasts(dataset: xr.Dataset) -> xr.Dataset:
    """Without the times that they are valid at, which differ where stations have other starts."""
    found = dataset[[name for name in FORECASTS if name in dataset]]
    return found.drop_vars("valid_time", errors="ignore").load()


def _names(dataset: xr.Dataset) -> list[str]:
    return [str(name) for name in dataset["forecaster"].values]


def _speaker(stored: xr.Dataset) -> str:
    """The method that speaks for a station, among those that forecast anything there if any does."""
    forecast = stored["soil_moisture_forecast"]
    known = forecast.notnull().any([dim for dim in forecast.dims if dim != "forecaster"]).values
    names = _names(stored)
    return speaking([name for name, any_known in zip(names, known, strict=True) if any_known] or names)


def _most_frequent(methods: Iterable[str]) -> str:
    """The method that stands for most stations; of equals the one that speaks first."""
    counts = Counter(methods)
    most = max(counts.values())
    return speaking(name for name, count in counts.items() if count == most)


def _no_forecasts() -> SourceError:
    return SourceError("no forecasts are stored.", make=["models/station_forecast_*"])
