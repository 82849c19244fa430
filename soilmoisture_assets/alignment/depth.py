"""The choice of depth and sensors: of all that a station records, one hourly series in the study's layer.

Belongs here: which positions lie in the layer, which of them is used, how successive sensors become one series.
Not here: which flags are good (flags.py), steps (time_steps.py), depths of station files (station_files.py).

Rules
-----
A position (depth_from, depth_to) lies in the layer when both its depths do, compared to the centimetre: 0.1016 m is the
4-inch sensor of a 0-0.10 m layer. A sensor that integrates over an extent, such as a cosmic-ray probe at 0-0.19 m, also
counts when it begins in the layer and its middle lies in it; positions wholly inside come first.
Of those with at least half of the best position's good hours, the one whose middle is nearest the preferred depth is
used; at equal distance the one wholly inside, then the one with more good hours, then the shallower.

Sensors at one position follow each other by replacement (A…F). The one with most good hours comes first; others fill
the time before, after and between the sensors already chosen, and gaps of 30 days or more within one sensor's record.
Shorter gaps are left open: patching them from a parallel sensor would change the sensor twice for little.

All of this is judged by the days that are learned from; sensors go on from there into later hours, which therefore
change nothing before them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.flags import good_values
from soilmoisture_assets.errors import StationError
from soilmoisture_assets.metadata.stations import in_layer
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.study import Period, TargetSettings

PATCHED_GAP = 30 * 24
"""Hours of a gap in one sensor's record from which on another sensor at the same depth may fill it."""


@dataclass(frozen=True)
class Position:
    """One depth of a station: its sensors (rows of the raw dataset) and their good hours, or values of a file."""

    depth_from: float
    depth_to: float
    sensors: tuple[int, ...]
    good_hours: int
    inside: bool

    @property
    def middle(self) -> float:
        """Depth halfway between both ends, in metres."""
        return (self.depth_from + self.depth_to) / 2


def choose_series(raw: xr.Dataset, target: TargetSettings, period: Period, learned: Period | None = None) -> xr.Dataset:
    """Choose one depth of a station and make its sensors one hourly series.

    Parameters
    ----------
    raw : as ``sources.ismn.read_station``: soil_moisture and flag (sensor, time); depth_from, depth_to, sensor_name.
    target : layer, preferred depth and good flags.
    period : hours labelled in (start 00:00, end + 1 day 00:00] are kept.
    learned : the days by which depth and sensors are judged, from the start of the period on; None: all of it.

    Returns
    -------
    (time) on every hour of the period: ``soil_moisture`` [m3 m-3] float32, every value recorded, NaN where none;
    ``good`` bool; ``sensor`` int16, the sensors numbered from 0 in the order of their first good hours, -1 where none.
    Attributes: depth, depth_from, depth_to [m], sensors (JSON: number, name, first and last hour and good hours of each
    one used), positions (JSON: all positions considered) and reason; all of them by ``learned`` alone.

    Raises
    ------
    StationError : no position in the layer, or no good hour in the days judged by; names what the station has.
    """
    station = str(raw.attrs.get("station", raw.coords["station"].item() if "station" in raw.coords else "station"))
    learned = learned or period
    hours = pd.date_range(period.first + pd.Timedelta(hours=1), period.last, freq="h", unit="ns")
    inside = period.contains(raw.time.values)
    raw = raw.isel(time=np.flatnonzero(inside))
    place = np.searchsorted(hours.values, raw.time.values)
    good = good_values(raw, target.good_flags).values
    judged = good[:, learned.contains(raw.time.values)]
    positions = _positions(raw, judged, target)
    chosen, reason = _choose(positions, raw, target, station, learned)

    ranked = sorted(chosen.sensors, key=lambda row: (-int(judged[row].sum()), row))
    border = int(np.searchsorted(hours.values, learned.last.to_datetime64(), side="right"))
    usable = np.zeros((len(raw.depth_from), len(hours)), dtype=bool)
    for row in ranked:
        usable[row, place[good[row]]] = True
    row_in_use = sensors_in_use(usable, ranked, border)
    is_good = row_in_use >= 0
    for row in ranked:  # values that are there but not good, where nothing good is
        own = np.zeros(len(hours), dtype=bool)
        own[place[np.isfinite(raw.soil_moisture.values[row])]] = True
        row_in_use[own & (row_in_use < 0)] = row
    values = np.full(len(hours), np.nan, dtype=np.float32)
    for row in chosen.sensors:
        dense = np.full(len(hours), np.nan, dtype=np.float32)
        dense[place] = raw.soil_moisture.values[row]
        values[row_in_use == row] = dense[row_in_use == row]

    in_order = in_order_of_use(np.where(is_good, row_in_use, -1), chosen.sensors)
    sensor = np.full(len(hours), -1, dtype=np.int16)
    for number, row in enumerate(in_order):
        sensor[row_in_use == row] = number
    settled = is_good & (np.arange(len(hours)) < border)
    used = [(number, row) for number, row in enumerate(in_order) if (sensor[settled] == number).any()]
    return xr.Dataset(
        {
            "soil_moisture": ("time", values, VARIABLES["soil_moisture"].attributes()),
            "good": ("time", is_good, {"long_name": f"flag is one of {', '.join(target.good_flags)}"}),
            "sensor": ("time", sensor, {"long_name": "number of the sensor in use, -1 none"}),
        },
        coords={"time": ("time", hours.values, {"standard_name": "time", "long_name": "end of the hour"})},
        attrs={
            "station": station,
            "depth": chosen.middle,
            "depth_from": chosen.depth_from,
            "depth_to": chosen.depth_to,
            "sensors": json.dumps(
                [_use(raw, row, number, hours[settled & (sensor == number)]) for number, row in used]
            ),
            "positions": json.dumps([_describe(position) for position in positions]),
            "reason": reason,
        },
    )


def choose_position(positions: Sequence[Position], preferred_depth: float) -> Position:
    """The position to use, by the rules of this module; there is at least one."""
    best = max(position.good_hours for position in positions)
    return min(
        (position for position in positions if 2 * position.good_hours >= best),
        key=lambda p: (not p.inside, round(abs(p.middle - preferred_depth), 3), -p.good_hours, p.depth_from),
    )


def sensors_in_use(
    usable: np.ndarray, ranked: Sequence[int], border: int, patched_gap: int = PATCHED_GAP
) -> np.ndarray:
    """Which of the sensors at one depth is used when, by the rules of this module.

    Parameters
    ----------
    usable : (sensor, time) bool, on every interval of the axis.
    ranked : the sensors that are at this depth, the one that comes first first.
    border : position on the axis from which on nothing may change what is before.
    patched_gap : in intervals of the axis.

    Returns
    -------
    (time) int16, the row of the sensor in use, -1 none.
    """
    row_in_use = np.full(usable.shape[1], -1, dtype=np.int16)
    for part in (slice(0, border), slice(border, None)):  # later hours come when those before are settled
        for row in ranked:
            own = usable[row] & _open_hours(row_in_use, patched_gap)
            row_in_use[part][own[part]] = row
    return row_in_use


def in_order_of_use(row_in_use: np.ndarray, rows: Sequence[int]) -> list[int]:
    """The rows by when each was first used, an order that neither later hours nor further sensors change."""
    first = {row: int(np.argmax(own)) for row in rows if (own := row_in_use == row).any()}
    return sorted(rows, key=lambda row: (first.get(row, len(row_in_use)), row))


def _positions(raw: xr.Dataset, good: np.ndarray, target: TargetSettings) -> list[Position]:
    """Every position of the station that counts for the layer, shallowest first."""
    by_depth: dict[tuple[float, float], list[int]] = {}
    for row, (top, bottom) in enumerate(zip(raw.depth_from.values, raw.depth_to.values, strict=True)):
        by_depth.setdefault((float(top), float(bottom)), []).append(row)
    found = []
    for (top, bottom), rows in sorted(by_depth.items()):
        middle = (top + bottom) / 2
        inside = in_layer(top, bottom, target.depth_from, target.depth_to)
        begins = in_layer(top, middle, target.depth_from, target.depth_to)
        if inside or (begins and bottom > top):
            found.append(Position(top, bottom, tuple(rows), int(good[rows].any(axis=0).sum()), inside))
    return found


def _choose(
    positions: list[Position], raw: xr.Dataset, target: TargetSettings, station: str, learned: Period
) -> tuple[Position, str]:
    if not positions:
        there = sorted({(float(a), float(b)) for a, b in zip(raw.depth_from.values, raw.depth_to.values, strict=True)})
        raise StationError(
            f"{station}: no sensor between {target.depth_from} and {target.depth_to} m; "
            f"it has {', '.join(_depths(a, b) for a, b in there)}.\n"
            "  Set target.depth_from and target.depth_to to hold one."
        )
    best = max(position.good_hours for position in positions)
    if best == 0:
        raise StationError(
            f"{station}: not one good hour between {learned.start} and {learned.end} at "
            f"{', '.join(_depths(p.depth_from, p.depth_to) for p in positions)}.\n"
            f"  Good flags are {', '.join(target.good_flags)}; change target.good_flags or the period."
        )
    enough = sum(2 * position.good_hours >= best for position in positions)
    chosen = choose_position(positions, target.preferred_depth)
    reason = (
        f"{_depths(chosen.depth_from, chosen.depth_to)} is nearest {target.preferred_depth} m of {enough} "
        f"position{'s' * (enough > 1)} with at least half of {best} good hours"
    )
    return chosen, reason if chosen.inside else f"{reason}; it reaches below the layer, with its middle inside"


def _open_hours(sensor: np.ndarray, patched_gap: int) -> np.ndarray:
    """Hours that another sensor may fill: before, after and between sensors, and in long gaps of one sensor."""
    taken = np.flatnonzero(sensor >= 0)
    free = np.ones(len(sensor), dtype=bool)
    if not len(taken):
        return free
    free[taken] = False
    before, after = taken[:-1], taken[1:]
    closed = (after - before > 1) & (after - before <= patched_gap) & (sensor[before] == sensor[after])
    for start, end in zip(before[closed], after[closed], strict=True):
        free[start:end] = False
    return free


def _use(raw: xr.Dataset, row: int, number: int, times: pd.DatetimeIndex) -> dict[str, object]:
    """Without the name of the file, which changes with every download."""
    return {
        "sensor": number,
        "name": str(raw.sensor_name.values[row]),
        "first": times[0].isoformat(),
        "last": times[-1].isoformat(),
        "good_hours": len(times),
    }


def _describe(position: Position) -> dict[str, object]:
    return {
        "depth_from": position.depth_from,
        "depth_to": position.depth_to,
        "sensors": len(position.sensors),
        "good_hours": position.good_hours,
        "inside": position.inside,
    }


def _depths(top: float, bottom: float) -> str:
    return f"{top:g} m" if top == bottom else f"{top:g}-{bottom:g} m"
