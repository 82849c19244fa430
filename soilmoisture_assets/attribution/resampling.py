"""Resampling of stations in spatial blocks: intervals and tests that do not take neighbours for independent.

Belongs here: blocks, bootstrap weights, label flips, false-discovery control, how results of tests are called.
Not here: the statistics that are resampled (effect_size.py, correlation.py).
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Floats = np.ndarray
Numbers = tuple[str | tuple[str, ...], np.ndarray, str]
"""A variable of plain numbers: dimensions, values, long name."""

BLOCK_KM = 300.0
DRAWS = 2000
SIGNIFICANT = 0.05
_KM_PER_DEGREE = 111.195


def spatial_blocks(latitude: ArrayLike, longitude: ArrayLike, block_km: float = BLOCK_KM) -> np.ndarray:
    """Number (station) of the square of ``block_km`` that each station lies in, on a sinusoidal grid."""
    north = np.asarray(latitude, dtype=float)
    east = np.asarray(longitude, dtype=float) * np.cos(np.deg2rad(north))
    cells = np.floor(np.stack([north, east]) * _KM_PER_DEGREE / block_km).T
    return np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1)


def bootstrap_weights(blocks: np.ndarray, draws: int, seed: int) -> Floats:
    """How often each station occurs (draw, station) when whole blocks are drawn with replacement."""
    count = blocks.max() + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    return drawn[:, blocks].astype(float)


def flipped_labels(better: np.ndarray, blocks: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Labels (draw, station) with better and worse exchanged in whole blocks at random: what chance would give."""
    flip = np.random.default_rng(seed).random((draws, blocks.max() + 1)) < 0.5
    return better[None] ^ flip[:, blocks]


def benjamini_hochberg(p_values: Floats) -> Floats:
    """False-discovery rate at which each test would be called significant; NaN stays NaN. Works on the last axis.

    Source: Benjamini & Hochberg 1995, Journal of the Royal Statistical Society B 57, 289-300.
    """
    p = np.asarray(p_values, dtype=float)
    if p.ndim > 1:
        return np.stack([benjamini_hochberg(row) for row in p])
    result = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known])]
    scaled = p[order] * len(known) / np.arange(1, len(known) + 1)
    result[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return result


def tested(dims: tuple[str, ...], p_value: Floats) -> dict[str, Numbers]:
    """Variables that say how sure tests are: ``p_value``, ``q_value`` over the last axis, ``significant`` int8."""
    q_value = benjamini_hochberg(p_value)
    return {
        "p_value": (dims, p_value, "two-sided p value"),
        "q_value": (dims, q_value, "false-discovery rate at which the test would be called significant"),
        "significant": (dims, (q_value < SIGNIFICANT).astype(np.int8), f"whether q_value is below {SIGNIFICANT}"),
    }


def with_attributes(table: Mapping[str, Numbers]) -> dict[str, tuple[Any, Floats, dict[str, str]]]:
    """The variables as a Dataset takes them, floats as float32."""
    return {
        name: (
            dims,
            values.astype("float32") if values.dtype.kind == "f" else values,
            {"long_name": text, "units": "1"},
        )
        for name, (dims, values, text) in table.items()
    }


def interval(draws: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Percentile interval over the first axis; NaN draws are left out."""
    tail = (1 - level) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing known in any draw: the interval is NaN
        low, high = np.nanquantile(draws, [tail, 1 - tail], axis=0)
    return low, high
