"""Predict: forecasts of trained models as datasets.

Belongs here: forecasts of the validation and test starts, and the forecast from each station's newest step.
Not here: training (fit.py), the calibration of intervals and scores (scoring/), figures (plots/).

Every station is forecast by itself: the numbers do not depend on which others are asked for, and a batch of one
station's starts is large enough.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
import xarray as xr

from soilmoisture_assets.alignment.cube import with_steps_ahead
from soilmoisture_assets.alignment.gap_filling import regional_season
from soilmoisture_assets.alignment.issued_weather import issued_starts, weather_ahead
from soilmoisture_assets.alignment.splits import CALIBRATION, FLAGS, SELECTION, TEST, within_splits
from soilmoisture_assets.errors import StationError
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.names import REGIONAL_MODEL, STATION_MODEL
from soilmoisture_assets.learning.network import QUANTILES, forward
from soilmoisture_assets.learning.precision import fast_float32
from soilmoisture_assets.learning.program import STARTS
from soilmoisture_assets.learning.windows import Runs, Windows, build_windows
from soilmoisture_assets.metadata.coordinates import COORDINATES, START
from soilmoisture_assets.metadata.stations import STATION_COORDINATES
from soilmoisture_assets.metadata.variables import FORECAST_ATTRIBUTES, observed_attributes
from soilmoisture_assets.study import Experiment, Study

AFTER_TRAINING = (SELECTION, CALIBRATION, TEST)
RUNS_AT_ONCE = 256
STATIONS_AT_ONCE = 32


def forecast(
    cube: xr.Dataset, models: Model | Mapping[str, Model], study: Study, stations: Sequence[str] | None = None
) -> xr.Dataset:
    """Forecast every validation and test start; nothing after the test period is looked at.

    Parameters
    ----------
    cube : a `station_cube`.
    models : the regional model, or station models by station.
    stations : None takes all stations of the cube for the regional model, those with a model otherwise.

    Returns
    -------
    `forecasts` dataset: ``soil_moisture_forecast`` (station, start, lead, quantile) and ``soil_moisture_observed``
    (station, start, lead), float32 [m3 m-3]; observed is every value within the valid range, NaN where there is none.

    Raises
    ------
    StationError : a station is not in the cube or has no model.
    """
    names = _names(cube, models, stations)
    cube = within_splits(cube)
    some = models if isinstance(models, Model) else models[names[0]]
    windows = _WindowsOf(cube, study, some.experiment, names)
    used, parts = [], []
    for name in names:
        used.append(model := models if isinstance(models, Model) else models[name])
        parts.append(_forecast(cube, windows.of(model, name), model, name))
    found = xr.concat(parts, dim="station", data_vars="minimal", coords="minimal", compat="override", join="exact")
    return found.assign_attrs(experiment=str(model.experiment), method=_method(used))


def uncalibrated(
    cube: xr.Dataset, regional: Model, own: Mapping[str, Model], study: Study, names: Sequence[str]
) -> Iterator[tuple[str, xr.Dataset]]:
    """Forecast every validation and test start of stations by the regional model and by their own, one after the other.

    Parameters
    ----------
    cube : a `station_cube`; nothing after its test period is looked at.
    own : station models by station; a station without one is forecast by the regional model alone.
    names : the stations to forecast; the result of one does not depend on which others are asked for.

    Yields
    ------
    The station, and its dataset: ``soil_moisture_forecast`` (forecaster, station, start, lead, quantile) and
    ``soil_moisture_observed`` (station, start, lead), float32 [m3 m-3]; the intervals as the networks give them, to be
    calibrated (scoring/calibration.py).

    Raises
    ------
    StationError : a station is not in the cube.
    """
    names = _names(cube, regional, names)
    cube = within_splits(cube)
    windows = _WindowsOf(cube, study, regional.experiment, names)
    for name in names:
        models = {REGIONAL_MODEL: regional} | ({STATION_MODEL: own[name]} if name in own else {})
        each = [_forecast(cube, windows.of(model, name), model, name) for model in models.values()]
        quantiles = [found["soil_moisture_forecast"] for found in each]
        together = xr.concat(quantiles, dim=xr.Variable("forecaster", list(models)))
        dataset = each[0].assign(soil_moisture_forecast=together)
        yield name, dataset.assign_attrs(experiment=str(regional.experiment))


def latest_forecast(
    cube: xr.Dataset, regional: Model, own: Mapping[str, Model], study: Study, stations: Sequence[str] | None = None
) -> xr.Dataset:
    """Forecast from the newest step of the cube.

    Parameters
    ----------
    own : station models by station; for a station without one the regional model forecasts in its place.
    stations : None takes all stations of the cube.

    Returns
    -------
    ``soil_moisture_forecast`` (forecaster, station, lead, quantile) [m3 m-3] of the regional and the station models,
    ``start`` (station) datetime64: the newest step, ``last_observation`` (station) [m3 m-3] and its ``age`` (station)
    [hours] then. Withheld from stations whose last observation is older than ``study.model.oldest_observation_days``,
    and, in the experiment that sees forecasts of the weather, from those that have none of the newest step.

    Raises
    ------
    StationError : no station has an observation that is new enough, or none a forecast of the weather it takes.
    """
    names = _names(cube, regional, stations)
    times, moisture = cube["time"].values, cube["soil_moisture_antecedent"].transpose("station", "time")
    seen = np.isfinite(moisture.sel(station=names).values)
    newest = np.where(seen.any(axis=1), seen.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1), -1)
    age = (times[-1] - times[newest]) / np.timedelta64(1, "h")
    limit = study.model.oldest_observation_days
    issued = [row for row in range(len(names)) if newest[row] >= 0 and age[row] <= 24 * limit]
    if issued and regional.experiment is Experiment.ISSUED:
        able = dict(zip(cube["station"].values.astype(str), issued_starts(cube, study)[:, -1], strict=True))
        issued = [row for row in issued if able[names[row]]]
        if not issued:
            raise StationError(
                f"no station has a forecast of the weather issued by {times[-1]!s:.16}, the newest step.\n"
                "  Ask for it again: raw/<source>/issued_weather."
            )
    if not issued:
        raise StationError(
            f"no station has an observation of the last {limit:g} days to forecast from.\n"
            "  Check that cube/target goes on to the end of the axis, or raise model.oldest_observation_days."
        )
    cube = with_steps_ahead(cube, study)
    windows = _WindowsOf(cube, study, regional.experiment, [names[row] for row in issued])
    start = np.array([len(times) - 1])
    parts = []
    for row in issued:
        name = names[row]
        models = {REGIONAL_MODEL: regional, STATION_MODEL: own.get(name, regional)}
        quantiles = [_quantiles(windows.of(model, name), model, name, start)[:, 0] for model in models.values()]
        dims = ("forecaster", "station", "lead", "quantile")
        last = moisture.sel(station=name).values[newest[row]]
        parts.append(
            xr.Dataset(
                {
                    "soil_moisture_forecast": (dims, np.stack(quantiles), FORECAST_ATTRIBUTES),
                    "start": ("station", times[-1:], START),
                    "last_observation": ("station", [last], observed_attributes(moisture)),
                    "age": ("station", age[[row]], {"units": "hours", "long_name": "age of the last observation"}),
                },
                coords=_coordinates(cube, windows.of(regional, name), name) | {"forecaster": list(models)},
            )
        )
    found = xr.concat(parts, dim="station", data_vars="minimal", coords="minimal", compat="override", join="exact")
    return found.assign_attrs(experiment=str(regional.experiment))


class _WindowsOf:
    """Windows of some stations, a few stations at a time: those of thousands would fill the memory.

    Made once per training statistics: a model of an older cube keeps its own. A station model has statistics of its
    station alone; those of the regional model it came from are the same there.
    """

    def __init__(self, cube: xr.Dataset, study: Study, experiment: Experiment, stations: Sequence[str]) -> None:
        self.cube, self.study = cube, study
        self._group = {
            name: stations[first : first + STATIONS_AT_ONCE]
            for first in range(0, len(stations), STATIONS_AT_ONCE)
            for name in stations[first : first + STATIONS_AT_ONCE]
        }
        self._seasons = {name: regional_season(cube, name) for name in study.dynamic_inputs.variables}
        self._ahead = weather_ahead(cube, study) if experiment is Experiment.ISSUED else None
        self._made: list[Windows] = []

    def of(self, model: Model, name: str) -> Windows:
        own = model.scaler.of_stations(name)
        for made in self._made:
            same = made.experiment == model.experiment and made.scaler.of_stations(name) == own
            if same and name in made.stations:
                return made
        stations = self._group[name] if model.station is None else [name]
        self._made = [made for made in self._made if name in made.stations]  # nobody comes back to an earlier group
        self._made.append(
            build_windows(
                self.cube,
                model.experiment,
                self.study,
                model.scaler,
                stations=stations,
                seasons=self._seasons,
                ahead=self._ahead,
            )
        )
        return self._made[-1]


@fast_float32()
@torch.no_grad()
def _quantiles(windows: Windows, model: Model, name: str, starts: np.ndarray) -> np.ndarray:
    """(1, start, lead, quantile) float32 [m3 m-3] of one station."""
    station = windows.stations.index(name)
    first, member, cell = _cover(starts, windows.shape.steps_per_day)
    identity = model.parameters["identity"][:, int(model.identity_index([name])[0])]
    pieces = []
    for low in range(0, len(first), RUNS_AT_ONCE):
        origin = torch.from_numpy(first[low : low + RUNS_AT_ONCE])[None]
        runs = Runs(torch.full_like(origin, station), origin)
        base, _, _ = windows.targets(runs, STARTS, None)
        inputs = windows.inputs(runs, STARTS, identity[:, None].expand(-1, origin.shape[1], -1))
        quantiles = forward(model.parameters, model.shape, inputs)
        pieces.append(quantiles * windows.change[station][:, None] + base[..., None])
    standard = torch.cat(pieces, dim=1)
    values = standard * windows.spread[station] + windows.mean[station]
    return values.clamp(min=0)[:, member, cell].numpy()


def _cover(starts: np.ndarray, per_day: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs that contain all starts: first step of each run, and for each start its run and its place in it."""
    place: dict[int, tuple[int, int]] = {}
    firsts: list[int] = []
    for start in starts.tolist():
        if start in place:
            continue
        for k in range(STARTS):
            place[start + k * per_day] = (len(firsts), k)
        firsts.append(start)
    found = np.array([place[start] for start in starts.tolist()])
    return np.array(firsts), found[:, 0], found[:, 1]


def _names(cube: xr.Dataset, models: Model | Mapping[str, Model], stations: Sequence[str] | None) -> list[str]:
    """The stations to forecast; each is in the cube and has a model."""
    known = [str(name) for name in cube["station"].values]
    if stations is None:
        names = known if isinstance(models, Model) else [name for name in known if name in models]
    else:
        names = list(stations)
    for name in names:
        if name not in known:
            raise StationError(f"{name} is not in the station cube.\n  Choose among cube/stations.")
        if not isinstance(models, Model) and name not in models:
            raise StationError(f"{name} has no station model.", make=["models/station_model_*"])
    if not names:
        raise StationError("there is no station to forecast.\n  Give at least one station with a model.")
    return names


def _method(models: Sequence[Model]) -> str:
    """Name of the kind of model that most stations have."""
    own = sum(model.station is not None for model in models)
    return STATION_MODEL if 2 * own >= len(models) else REGIONAL_MODEL


def _coordinates(cube: xr.Dataset, windows: Windows, station: str) -> dict[str, object]:
    step_hours = 24 // windows.shape.steps_per_day
    leads = (np.arange(1, windows.shape.leads + 1) * step_hours).astype(np.int32)
    coordinates: dict[str, object] = {
        "station": [station],
        "lead": ("lead", leads, COORDINATES["lead"]),
        "quantile": ("quantile", list(QUANTILES), COORDINATES["quantile"]),
    }
    place = cube.sel(station=[station])
    for name in STATION_COORDINATES:
        if name in place.coords:
            coordinates[name] = ("station", place[name].values, place[name].attrs)
    return coordinates


def _forecast(cube: xr.Dataset, windows: Windows, model: Model, station: str) -> xr.Dataset:
    """The forecasts of one station by one model at every validation and test start."""
    starts = np.flatnonzero(np.isin(windows.labels, AFTER_TRAINING))
    labels = windows.labels[starts]
    # of the station alone: where it lacks a forecast of the weather nothing is issued, and nothing judged
    able = windows.start_split[windows.stations.index(station), starts + windows.pad].numpy() > 0
    split = np.where(labels == CALIBRATION, SELECTION, labels).astype(np.int8)
    scored = cube["soil_moisture_scored"].transpose("station", "time").sel(station=[station])
    observed = scored.values[:, starts[:, None] + np.arange(1, windows.shape.leads + 1)].astype(np.float32)
    observed = np.where(able[:, None], observed, np.float32(np.nan))
    quantiles = np.where(able[:, None, None], _quantiles(windows, model, station, starts), np.float32(np.nan))
    calibration = {"long_name": "validation start that chose nothing: for weights and intervals"}
    return xr.Dataset(
        {
            "soil_moisture_forecast": (
                ("station", "start", "lead", "quantile"),
                quantiles,
                FORECAST_ATTRIBUTES,
            ),
            "soil_moisture_observed": (("station", "start", "lead"), observed, observed_attributes(scored)),
        },
        coords={
            **_coordinates(cube, windows, station),
            "start": ("start", windows.times[starts], START),
            "split": ("start", split, FLAGS),
            "calibration": ("start", (labels == CALIBRATION).astype(np.int8), calibration),
        },
    )
