"""The report's station explorer: the map as inline SVG, and each station's numbers packed for the page's script.

Belongs here: what the browser needs to draw one station, small enough for one page. Not here: drawing it (report.js).
"""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from soilmoisture_assets.methods import title as method_title
from soilmoisture_assets.plots.groups import group_colour, group_title, ordered_groups
from soilmoisture_assets.plots.labels import feature_label, in_split, words
from soilmoisture_assets.plots.maps import CONUS, map_extent, map_frame, projection
from soilmoisture_assets.plots.outlines import outlines
from soilmoisture_assets.plots.style import station_labels

FORECAST_BYTES = 2_500_000
"""Room for the forecasts of all stations and experiments; more starts than fit are thinned evenly."""

MAP_WIDTH = 900
_SCALE, _OFFSET, _MISSING = 1e-4, 0.5, 65535


def station_explorer(
    stations: xr.Dataset,
    forecasts: Mapping[str, xr.Dataset],
    skill: xr.Dataset | None,
    shap: Mapping[str, xr.Dataset],
    first: str,
    split: str = "test",
) -> dict[str, Any]:
    """Numbers of every station as one JSON-able object; series are base64 of little-endian uint16.

    A packed value v stands for v·10⁻⁴ − 0.5 m3 m-3, 65535 for missing. ``first`` is the experiment shown at first.
    """
    names = [str(station) for station in stations["station"].values]
    room = FORECAST_BYTES // max(1, len(forecasts))
    return {
        "packing": {"scale": _SCALE, "offset": _OFFSET, "missing": _MISSING},
        "split": split,
        "first": first,
        "stations": [
            {"id": name, "label": label, "latitude": round(float(latitude), 4), "longitude": round(float(longitude), 4)}
            for name, label, latitude, longitude in zip(
                names, station_labels(stations), stations["latitude"].values, stations["longitude"].values, strict=True
            )
        ],
        "forecasts": {
            experiment: _packed_forecasts(in_split(dataset, split), names, room)
            for experiment, dataset in forecasts.items()
        },
        "scores": _scores(skill, names, split),
        "drivers": {experiment: _drivers(dataset, names) for experiment, dataset in shap.items()},
    }


def station_svg(stations: xr.Dataset, values: np.ndarray) -> dict[str, Any]:
    """Paths of the outlines and a circle per station, in pixels of a map 900 wide.

    Parameters
    ----------
    values : (station) in 0 … 1 for the colour; NaN is drawn grey.
    """
    import cartopy.crs as ccrs
    import matplotlib

    longitude = stations["longitude"].values.astype("float64")
    latitude = stations["latitude"].values.astype("float64")
    box = map_extent(longitude, latitude)
    target, plate = projection(box), ccrs.PlateCarree()
    left, right, bottom, top = map_frame(box, target)
    scale = MAP_WIDTH / (right - left)
    height = round((top - bottom) * scale)

    def pixels(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        points = target.transform_points(plate, x, y)[:, :2]
        return np.column_stack([(points[:, 0] - left) * scale, (top - points[:, 1]) * scale])

    around = (max(-180.0, box[0] - 15), min(180.0, box[1] + 15), max(-90.0, box[2] - 8), min(90.0, box[3] + 8))
    drawn = {
        layer: " ".join(_path(pixels(line[:, 0], line[:, 1]), MAP_WIDTH, height) for line in outlines(layer, around))
        for layer in ("states", "countries", "coast")
    }
    colours = matplotlib.colormaps["viridis"]
    where = pixels(longitude, latitude)
    circles = [
        {
            "x": round(float(x), 1),
            "y": round(float(y), 1),
            "fill": matplotlib.colors.to_hex(colours(float(np.clip(value, 0, 1)))) if np.isfinite(value) else "#bbbbbb",
            "value": f"{value:.2f}" if np.isfinite(value) else "no score",
        }
        for (x, y), value in zip(where, values, strict=True)
    ]
    radius = round(float(np.clip(60 / max(len(circles), 1) ** 0.45, 4.5, 9)), 1)
    legend = [matplotlib.colors.to_hex(colours(step / 8)) for step in range(9)]
    return {
        "height": height,
        "width": MAP_WIDTH,
        "paths": drawn,
        "circles": circles,
        "radius": radius,
        "legend": legend,
        "conus": box == CONUS,
    }


def _path(points: np.ndarray, width: float, height: float) -> str:
    near = (np.abs(points[:, 0] - width / 2) < width) & (np.abs(points[:, 1] - height / 2) < height)
    if not near.any() or not np.isfinite(points).all():
        return ""
    rounded = np.round(points).astype(int)
    kept = rounded[np.concatenate([[True], np.any(np.diff(rounded, axis=0) != 0, axis=1)])]
    if len(kept) < 2:
        return ""
    return "M" + "L".join(f"{x} {y}" for x, y in kept)


def _packed_forecasts(part: xr.Dataset, names: list[str], room: int) -> dict[str, Any]:
    part = part.reindex(station=names)
    quantiles = part["soil_moisture_forecast"].transpose("station", "start", "lead", "quantile")
    per_start = 2 * quantiles.sizes["station"] * quantiles.sizes["lead"] * quantiles.sizes["quantile"]
    every = max(1, int(np.ceil(per_start * quantiles.sizes["start"] / room)))
    thinned = quantiles.isel(start=slice(None, None, every))
    observed = part["soil_moisture_observed"].transpose("station", "start", "lead")
    times, series = _observed_series(observed)
    return {
        "methods": _methods(part),
        "leads": [int(lead) for lead in part["lead"].values],
        "quantiles": [float(quantile) for quantile in part["quantile"].values],
        "starts": _minutes(thinned["start"].values),
        "times": _minutes(times),
        "shown": len(thinned["start"]),
        "issued": len(quantiles["start"]),
        "observed": [_pack(row) for row in series],
        "values": [_pack(row) for row in thinned.values.reshape(len(names), -1)],
    }


def _methods(forecasts: xr.Dataset) -> list[str]:
    """Title of the method each station's forecasts are from; empty where it has none."""
    if "forecaster" not in forecasts.coords:
        return [method_title(str(forecasts.attrs.get("method", "")))] * forecasts.sizes["station"]
    return [method_title(name) if isinstance(name, str) else "" for name in forecasts["forecaster"].values.tolist()]


def _observed_series(observed: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """One value per station and valid time from the observations kept per start and lead."""
    valid = observed["start"].values[:, None] + observed["lead"].values.astype("timedelta64[h]")[None, :]
    times, place = np.unique(valid.ravel(), return_inverse=True)
    flat = observed.values.reshape(observed.sizes["station"], -1)
    series = np.full((len(flat), len(times)), np.nan, dtype="float32")
    known = np.isfinite(flat)
    for row, values, mask in zip(series, flat, known, strict=True):
        row[place[mask]] = values[mask]
    return times, series


def _scores(skill: xr.Dataset | None, names: list[str], split: str) -> dict[str, Any]:
    if skill is None or split not in words(skill["split"].values):
        return {}
    part = skill.sel(split=split).reindex(station=names)
    tables = {
        name: part[name].transpose("station", "experiment", "forecaster", "lead").values
        for name in ("r2", "rmse")
        if name in part
    }
    return {
        "experiments": [str(x) for x in part["experiment"].values],
        "methods": [method_title(str(x)) for x in part["forecaster"].values],
        "leads": [int(x) for x in part["lead"].values],
        "values": {name: [_rounded(station) for station in values] for name, values in tables.items()},
    }


def _drivers(dataset: xr.Dataset, names: list[str]) -> dict[str, Any]:
    values = dataset["mean_absolute_shap"].reindex(station=names).transpose("station", "window", "feature").values * 1e3
    groups = words(dataset["feature_group"].values)
    return {
        "features": [feature_label(str(name)) for name in dataset["feature"].values],
        "groups": [group_title(name) for name in groups],
        "colours": {group_title(name): group_colour(name) for name in ordered_groups(groups)},
        "windows": [int(window) for window in dataset["window"].values],
        "values": [_rounded(station) for station in values],
    }


def _rounded(values: np.ndarray) -> Any:
    if values.ndim > 1:
        return [_rounded(part) for part in values]
    return [round(float(value), 3) if np.isfinite(value) else None for value in values]


def _pack(values: np.ndarray) -> str:
    scaled = np.clip(np.round((values.astype("float64") + _OFFSET) / _SCALE), 0, _MISSING - 1)
    packed = np.where(np.isfinite(values), scaled, _MISSING).astype("<u2")
    return base64.b64encode(packed.tobytes()).decode()


def _minutes(times: np.ndarray) -> list[int]:
    """Minutes since 1970, UTC."""
    return [int(time) for time in times.astype("datetime64[m]").astype("int64")]
