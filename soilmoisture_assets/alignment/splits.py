"""Splits: which steps train, validate and test, which windows start in each, which stations are held out.

Belongs here: labels per step, valid starts, spatial hold-out. Not here: scores, baselines, the windows' tensors.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.study import SplitSettings

SPLITS = ("none", "train", "validation", "test")
NONE, TRAIN, VALIDATION, TEST = range(4)
CODES: Mapping[str, int] = {name: code for code, name in enumerate(SPLITS) if code != NONE}
"""Code of each split by its name."""
FLAGS = {"flag_values": np.arange(len(SPLITS), dtype="int8"), "flag_meanings": " ".join(SPLITS)}
"""CF attributes of a variable that holds these codes."""
SELECTION, CALIBRATION = VALIDATION, 4
"""Labels of starts beside TRAIN and TEST: validation starts fall in alternating blocks. One kind chooses (epochs,
penalties, numbers of trees), the other has chosen nothing, so that what is weighted or calibrated by it is honest."""
BLOCK_DAYS = 28
KM_PER_DEGREE = 111.195


def split_labels(times: pd.DatetimeIndex, splits: SplitSettings) -> xr.DataArray:
    """Label each step with its split: (time) int8, 0 none, 1 train, 2 validation, 3 test.

    A step labelled midnight belongs to the day before, which it ends.
    """
    labels = np.zeros(len(times), dtype="int8")
    for name, code in CODES.items():
        labels[getattr(splits, name).contains(times.values)] = code
    return xr.DataArray(
        labels, dims="time", coords={"time": times}, attrs={"long_name": "split", **FLAGS}, name="split"
    )


def valid_starts(split: np.ndarray, horizon: int, history: int = 1) -> np.ndarray:
    """Label each step with the split its window belongs to, were it to start there.

    A window that starts at step s forecasts s+1 ... s+horizon; all of these must lie in one split, for training
    too, so that no target is seen by two splits. The history s-history+1 ... s may reach back over a border, for what
    is known at s is known, but not beyond the axis.

    Parameters
    ----------
    split : (time) int8 as from :func:`split_labels`.
    horizon, history : steps.

    Returns
    -------
    (time) int8: 0 where no window starts.
    """
    labels = np.zeros(len(split), dtype="int8")
    starts = np.arange(history - 1, len(split) - horizon)
    if len(starts) == 0:
        return labels
    targets = np.lib.stride_tricks.sliding_window_view(split, horizon)[starts + 1]
    labels[starts] = np.where((targets == targets[:, :1]).all(axis=1), targets[:, 0], 0)
    return labels


def start_labels(split: np.ndarray, horizon: int, steps_per_day: int) -> np.ndarray:
    """(time) int8: :func:`valid_starts`, with every other block of ``BLOCK_DAYS`` of validation starts CALIBRATION."""
    labels = valid_starts(split, horizon)
    validation = labels == VALIDATION
    order = np.cumsum(validation) - 1
    return np.where(validation & (order // (BLOCK_DAYS * steps_per_day) % 2 == 1), np.int8(CALIBRATION), labels)


def within_splits(cube: xr.Dataset) -> xr.Dataset:
    """The station cube up to the last step of its splits: all that is learned from and judged on.

    What is trained and scored reads this part alone, so that steps after the test period change none of it. The
    units stay.
    """
    inside = np.flatnonzero(cube["split"].values != NONE)
    return cube.isel(time=slice(0, inside[-1] + 1)) if len(inside) else cube


def held_out_stations(
    latitude: np.ndarray, longitude: np.ndarray, fraction: float, block_km: float, seed: int
) -> np.ndarray:
    """Choose stations to hold out in whole spatial blocks, so that they have no neighbour of their block in training.

    Blocks are squares of ``block_km`` on a sinusoidal grid. They are drawn in an order that depends on the seed and the
    blocks alone, not on the order of the stations, until the fraction is reached as closely as whole blocks allow;
    at least one station is held out and at least one is kept.

    Source: Roberts et al. 2017, doi:10.1111/ecog.02881 (blocked cross-validation).

    Parameters
    ----------
    latitude, longitude : (station) degrees.
    fraction : share of stations, 0 ... 0.5; 0 holds out none.

    Returns
    -------
    (station) bool.
    """
    if fraction == 0 or len(latitude) < 2:
        return np.zeros(len(latitude), dtype=bool)
    row = np.floor(latitude * KM_PER_DEGREE / block_km).astype(int)
    column = np.floor(longitude * np.cos(np.deg2rad((row + 0.5) * block_km / KM_PER_DEGREE)) * KM_PER_DEGREE / block_km)
    blocks, block_of, size = np.unique(
        np.column_stack([row, column.astype(int)]), axis=0, return_inverse=True, return_counts=True
    )
    wanted = fraction * len(latitude)
    chosen: list[int] = []
    held = 0
    for block in np.random.default_rng(seed).permutation(len(blocks)):
        with_it = held + size[block]
        if abs(with_it - wanted) < abs(held - wanted) or held == 0:
            if with_it == len(latitude):
                continue
            chosen.append(int(block))
            held = with_it
    return np.isin(block_of.ravel(), chosen)
