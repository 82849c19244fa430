"""Common stations: which stations a study can use, and why each other is out.

Belongs here: the table of all stations with reasons, duplicates. Not here: what the cube holds of them (cube.py).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.neighbours import great_circle_km
from soilmoisture_assets.alignment.splits import CODES, split_labels
from soilmoisture_assets.metadata.stations import STATION_COORDINATES
from soilmoisture_assets.study import Study

SAME_PLACE_KM = 1.0
SAME_VALUES = 0.99
FEWEST_COMMON_STEPS = 30


def common_stations(
    target: xr.Dataset, dynamic_inputs: xr.Dataset, static_attributes: xr.Dataset, study: Study
) -> xr.Dataset:
    """List every station of the target with whether it is in the study, and the reason if it is not.

    A station is in when it has dynamic inputs, static attributes, and enough observations in every split
    (``study.target.common_fraction`` of its steps; scored observations count, so that masking changes no station).
    Where the target already says why a station has no series (``problem``), that is the reason.
    Where a station appears twice the more complete record is in, and the other's reason names it.
    All of this is judged by the days that are learned from: later values change nothing.

    Returns
    -------
    Dataset (station), with the coordinates of the target: ``included`` int8 0/1, ``reason`` (text, empty if included),
    ``observed_fraction`` (station, split) float32 of train, validation and test.
    """
    learned = slice(None, study.last_learned)
    target, dynamic_inputs = target.sel(time=learned), dynamic_inputs.sel(time=learned)
    observed = np.isfinite(target.soil_moisture_scored.transpose("station", "time").values)
    fractions = observed_fractions(observed, pd.DatetimeIndex(target.time.values), study)
    stations = target.station.values.astype(str)
    problems = target["problem"].values if "problem" in target else [""] * len(stations)
    reasons = [
        str(problems[i])
        or _target_reason(observed[i], fractions[i], study)
        or _lack_reason(station, dynamic_inputs, study.dynamic_inputs.variables, "dynamic inputs")
        or _lack_reason(station, static_attributes, study.static_attributes.variables, "static attributes")
        for i, station in enumerate(stations)
    ]
    candidates = np.array([reason == "" for reason in reasons])
    for worse, better in duplicates(target, candidates).items():
        reasons[worse] = f"duplicate of {stations[better]}, which is more complete"
    table = xr.Dataset(
        {
            "included": ("station", np.array([reason == "" for reason in reasons], dtype="int8")),
            "reason": ("station", np.array(reasons, dtype=object)),
            "observed_fraction": (("station", "split"), fractions),
        },
        coords={"station": target.station, "split": list(CODES)},
    )
    places = (*STATION_COORDINATES, "depth")
    table = table.assign_coords({n: target[n].reset_coords(drop=True) for n in places if n in target})
    table.attrs["common_fraction"] = study.target.common_fraction
    table.included.attrs = {
        "long_name": "in the study",
        "flag_values": np.array([0, 1], "int8"),
        "flag_meanings": "no yes",
    }
    table.reason.attrs = {"long_name": "why the station is not in the study"}
    table.observed_fraction.attrs = {"long_name": "share of steps observed", "units": "1"}
    return table


def observed_fractions(observed: np.ndarray, times: pd.DatetimeIndex, study: Study) -> np.ndarray:
    """Share of the steps of train, validation and test that are observed (station, time): (station, split) float32."""
    labels = split_labels(times, study.splits).values
    shares = [observed[:, labels == code].mean(axis=1) for code in CODES.values()]
    return np.stack(shares, axis=1).astype("float32")


def duplicates(target: xr.Dataset, candidates: np.ndarray) -> dict[int, int]:
    """Find stations that appear twice: position of the less complete record -> position of the one to keep.

    Two records are one station when network and name agree apart from case and punctuation, or when they lie within
    a kilometre and nearly all their common values are equal (one site distributed by two networks).
    """
    observed = target.soil_moisture_scored.transpose("station", "time").values
    complete = np.isfinite(observed).sum(axis=1)
    order = [int(i) for i in np.argsort(-complete, kind="stable") if candidates[i]]
    names = _folded(target)
    latitude, longitude = target.latitude.values, target.longitude.values
    found: dict[int, int] = {}
    for rank, worse in enumerate(order):
        kept = [i for i in order[:rank] if i not in found]
        if not kept:
            continue
        near = great_circle_km(latitude[worse], longitude[worse], latitude[kept], longitude[kept]) <= SAME_PLACE_KM
        for better, is_near in zip(kept, near, strict=True):
            same_name = names[worse] == names[better]
            if same_name or (is_near and _same_values(observed[worse], observed[better])):
                found[worse] = better
                break
    return found


def _folded(target: xr.Dataset) -> list[str]:
    pairs = zip(target.network.values.astype(str), target.station_name.values.astype(str), strict=True)
    return ["".join(c for c in f"{network}/{name}".casefold() if c.isalnum() or c == "/") for network, name in pairs]


def _same_values(one: np.ndarray, other: np.ndarray) -> bool:
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < FEWEST_COMMON_STEPS:
        return False
    return bool(np.isclose(one[both], other[both], atol=1e-4).mean() >= SAME_VALUES)


def _target_reason(observed: np.ndarray, fractions: np.ndarray, study: Study) -> str:
    if not observed.any():
        return f"no valid soil moisture between {study.target.depth_from:g} and {study.target.depth_to:g} m"
    needed = study.target.common_fraction
    short = [f"{share:.0%} of {name}" for name, share in zip(CODES, fractions, strict=True) if share < needed]
    return f"observed {', '.join(short)} steps, {needed:.0%} needed" if short else ""


def _lack_reason(station: str, source: xr.Dataset, names: Sequence[str], what: str) -> str:
    if station not in source.indexes["station"]:
        return f"no {what}"
    own = source[list(names)].sel(station=station)
    return "" if any(bool(_present(own[name]).any()) for name in names) else f"no {what}"


def _present(values: xr.DataArray) -> np.ndarray:
    return np.isfinite(values.values) if values.dtype.kind == "f" else values.values >= 0
