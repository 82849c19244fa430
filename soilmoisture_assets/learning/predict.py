"""Predict: forecasts of trained models as datasets.

Belongs here: forecasts of the validation and test starts, and the forecast from each station's newest step.
Not here: training (fit.py), scores (scoring/), figures (plots/).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr

from soilmoisture_assets.alignment.splits import FLAGS, TEST
from soilmoisture_assets.errors import StationError
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.names import REGIONAL_MODEL, STATION_MODEL
from soilmoisture_assets.learning.network import QUANTILES, forward
from soilmoisture_assets.learning.program import STARTS
from soilmoisture_assets.learning.scaling import Scaler
from soilmoisture_assets.learning.windows import CALIBRATION, STOPPING, Runs, Windows, build_windows
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.study import Study

OBSERVED_ATTRIBUTES = VARIABLES["soil_moisture"].attributes() | {"long_name": "observed soil moisture"}
FORECAST_ATTRIBUTES = VARIABLES["soil_moisture"].attributes() | {"long_name": "forecast soil moisture"}
AFTER_TRAINING = (STOPPING, CALIBRATION, TEST)
RUNS_AT_ONCE = 256
MODELS_AT_ONCE = 64


def forecast(
    cube: xr.Dataset, models: Model | Mapping[str, Model], study: Study, stations: Sequence[str] | None = None
) -> xr.Dataset:
    """Forecast every validation and test start.

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
    names = list(stations) if stations is not None else [
        str(name) for name in cube["station"].values if isinstance(models, Model) or str(name) in models
    ]  # fmt: skip
    by_station = _models_of(models, names, cube)
    parts = []
    for group in _with_one_scaler(by_station):
        first = by_station[group[0]]
        windows = build_windows(cube, first.experiment, study, first.scaler)
        label_of = windows.start_split[0, windows.pad : windows.pad + windows.steps].numpy()
        starts = np.flatnonzero(np.isin(label_of, AFTER_TRAINING))
        rows = np.array([windows.stations.index(name) for name in group])
        quantiles = _quantiles(windows, by_station, group, rows, starts)
        parts.append(_forecasts(cube, windows, group, rows, starts, quantiles))
    result = xr.concat(parts, dim="station", data_vars="minimal", coords="minimal", compat="override", join="exact")
    return result.sel(station=names).assign_attrs(experiment=str(first.experiment), method=_method(models))


def latest_forecast(
    cube: xr.Dataset, models: Model | Mapping[str, Model], study: Study, stations: Sequence[str] | None = None
) -> xr.Dataset:
    """Forecast from each station's newest step with an observation.

    Returns
    -------
    ``soil_moisture_forecast`` (station, lead, quantile) [m3 m-3], ``start`` (station) datetime64: the newest step,
    ``last_observation`` (station) [m3 m-3], ``age`` (station) [hours] of the newest step against the end of the cube.
    Stations without any observation are left out.
    """
    names = list(stations) if stations is not None else [
        str(name) for name in cube["station"].values if isinstance(models, Model) or str(name) in models
    ]  # fmt: skip
    moisture = np.asarray(cube["soil_moisture_antecedent"].transpose("station", "time").values)
    order = {str(name): i for i, name in enumerate(cube["station"].values)}
    names = [name for name in names if np.isfinite(moisture[order[name]]).any()]
    if not names:
        raise StationError("no station has an observation to forecast from.\n  Check cube/target of this study.")
    by_station = _models_of(models, names, cube)
    parts = []
    for group in _with_one_scaler(by_station):
        first = by_station[group[0]]
        windows = build_windows(cube, first.experiment, study, first.scaler)
        rows = np.array([order[name] for name in group])
        newest = np.array([np.flatnonzero(np.isfinite(moisture[row]))[-1] for row in rows])
        each = [
            _quantiles(windows, by_station, [name], rows[i : i + 1], newest[i : i + 1])[0, 0]
            for i, name in enumerate(group)
        ]
        age = (windows.times[-1] - windows.times[newest]) / np.timedelta64(1, "h")
        parts.append(
            xr.Dataset(
                {
                    "soil_moisture_forecast": (("station", "lead", "quantile"), np.stack(each), FORECAST_ATTRIBUTES),
                    "start": ("station", windows.times[newest], {"long_name": "newest step with an observation"}),
                    "last_observation": ("station", moisture[rows, newest], OBSERVED_ATTRIBUTES),
                    "age": ("station", age, {"units": "hours", "long_name": "age of the newest observation"}),
                },
                coords=_coordinates(cube, windows, group, rows),
            )
        )
    result = xr.concat(parts, dim="station", data_vars="minimal", coords="minimal", compat="override", join="exact")
    return result.sel(station=names).assign_attrs(experiment=str(first.experiment), method=_method(models))


def _with_one_scaler(models: Mapping[str, Model]) -> list[list[str]]:
    """Stations grouped by the training statistics of their models: a model of an older cube keeps its own."""
    groups: list[tuple[Scaler, list[str]]] = []
    for name, model in models.items():
        for scaler, members in groups:
            if scaler is model.scaler or scaler == model.scaler:
                members.append(name)
                break
        else:
            groups.append((model.scaler, [name]))
    return [members for _, members in groups]


@torch.no_grad()
def _quantiles(
    windows: Windows, models: Mapping[str, Model], names: list[str], rows: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    """(station, start, lead, quantile) float32 [m3 m-3]."""
    result = np.empty((len(names), len(starts), windows.shape.leads, len(QUANTILES)), dtype=np.float32)
    groups: dict[int, list[int]] = {}
    for i, name in enumerate(names):
        groups.setdefault(id(models[name]) if models[name].station is None else -1, []).append(i)
    for members in groups.values():
        shared = models[names[members[0]]].station is None
        size = len(members) if shared else MODELS_AT_ONCE
        for low in range(0, len(members), size):
            part = members[low : low + size]
            result[part] = _group(windows, [models[names[i]] for i in part], shared, rows[part], starts)
    return result


def _group(windows: Windows, models: list[Model], shared: bool, rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Quantiles of stations that share one model, or have one each of one shape."""
    per_day = windows.shape.steps_per_day
    first, member, cell = _cover(starts, per_day)
    model = models[0]
    shape = model.shape
    parameters = (
        model.parameters if shared else {k: torch.cat([m.parameters[k] for m in models]) for k in model.parameters}
    )
    row = torch.from_numpy(rows)[:, None].expand(-1, len(first))
    origin = torch.from_numpy(first)[None].expand(len(rows), -1)
    index = torch.from_numpy(model.identity_index([windows.stations[r] for r in rows]))[:, None].expand(-1, len(first))
    if shared:
        row, origin, index = row.reshape(1, -1), origin.reshape(1, -1), index.reshape(1, -1)
    batch = RUNS_AT_ONCE if shared else max(RUNS_AT_ONCE // len(models), 1)
    pieces = []
    for low in range(0, row.shape[1], batch):
        part = slice(low, low + batch)
        runs = Runs(row[:, part], origin[:, part])
        table = parameters["identity"]
        identity = table.gather(1, index[:, part][..., None].expand(-1, -1, table.shape[2]))
        base, _, _ = windows.targets(runs, STARTS, None)
        quantiles = forward(parameters, shape, windows.inputs(runs, STARTS, identity))
        pieces.append(quantiles * windows.change[runs.row][:, :, None, :, None] + base[..., None])
    standard = torch.cat(pieces, dim=1).reshape(len(rows), len(first), STARTS, shape.leads, 3)
    values = standard * windows.spread[rows][:, None, None, None, None] + windows.mean[rows][:, None, None, None, None]
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


def _models_of(models: Model | Mapping[str, Model], names: list[str], cube: xr.Dataset) -> dict[str, Model]:
    known = {str(name) for name in cube["station"].values}
    for name in names:
        if name not in known:
            raise StationError(f"{name} is not in the station cube.\n  Choose among cube/stations.")
        if not isinstance(models, Model) and name not in models:
            raise StationError(f"{name} has no station model.\n  Materialize models/station for it first.")
    if not names:
        raise StationError("there is no station to forecast.\n  Give at least one station with a model.")
    return {name: models if isinstance(models, Model) else models[name] for name in names}


def _method(models: Model | Mapping[str, Model]) -> str:
    return REGIONAL_MODEL if isinstance(models, Model) else STATION_MODEL


def _coordinates(cube: xr.Dataset, windows: Windows, names: list[str], rows: np.ndarray) -> dict[str, object]:
    step_hours = 24 // windows.shape.steps_per_day
    leads = (np.arange(1, windows.shape.leads + 1) * step_hours).astype(np.int32)
    coordinates: dict[str, object] = {
        "station": names,
        "lead": ("lead", leads, {"units": "hours", "long_name": "lead time"}),
        "quantile": ("quantile", list(QUANTILES), {"long_name": "quantile; 0.5: central forecast, near the mean"}),
    }
    for name in ("latitude", "longitude", "elevation", "network", "station_name"):
        if name in cube.coords:
            coordinates[name] = ("station", cube[name].values[rows], cube[name].attrs)
    return coordinates


def _forecasts(
    cube: xr.Dataset, windows: Windows, names: list[str], rows: np.ndarray, starts: np.ndarray, quantiles: np.ndarray
) -> xr.Dataset:
    labels = windows.start_split[0, windows.pad : windows.pad + windows.steps].numpy()[starts]
    split = np.where(labels == CALIBRATION, STOPPING, labels).astype(np.int8)
    scored = cube["soil_moisture_scored"].transpose("station", "time").values[rows]
    observed = scored[:, starts[:, None] + np.arange(1, windows.shape.leads + 1)].astype(np.float32)
    calibration = {"long_name": "validation start kept from early stopping, for the calibration of intervals"}
    return xr.Dataset(
        {
            "soil_moisture_forecast": (("station", "start", "lead", "quantile"), quantiles, FORECAST_ATTRIBUTES),
            "soil_moisture_observed": (("station", "start", "lead"), observed, OBSERVED_ATTRIBUTES),
        },
        coords={
            **_coordinates(cube, windows, names, rows),
            "start": windows.times[starts],
            "split": ("start", split, FLAGS),
            "calibration": ("start", (labels == CALIBRATION).astype(np.int8), calibration),
        },
    )
