"""The water balance among the model's features, split among the weather that drives it.

Belongs here: how much precipitation, temperature and radiation each contribute to a filling of the balance.
Not here: the balance itself (learning/features.py); attributions (shap_values.py, permutation.py).
"""

from collections.abc import Collection, Mapping
from itertools import combinations
from math import factorial

import numpy as np

from soilmoisture_assets.learning.features import Channels, Weather, water_balance, water_balance_ahead

BALANCE_DRIVERS = ("precipitation", "temperature", "shortwave")


def balance_shares(
    weather: Channels, step_days: float, ahead: Mapping[str, np.ndarray] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Split every water-balance channel exactly into one part per driver.

    A part is the Shapley value of a driver in the game "run the balance with these drivers as they were and the others
    at their mean over all stations and times"; the parts of a channel add up to it, less the same constant everywhere.

    Source: Shapley 1953, A value for n-person games.

    Parameters
    ----------
    weather : channels of :func:`learning.features.weather_channels`.
    ahead : by driver the steps ahead of each step (station, time, lead), where the balance of these is to be split.

    Returns
    -------
    Parts (station, time[, lead], balance channel, driver) float32 in natural units, and the drivers: those of
    ``BALANCE_DRIVERS`` among the channels. Without radiation of its own the balance uses a clear-sky season, which
    belongs to no driver; nothing is split then and the parts have no driver.
    """
    names = list(weather.names)
    balance = [i for i, source in enumerate(weather.sources) if source == "water_balance"]
    if not balance or "shortwave" not in names:
        return np.zeros((*weather.values.shape[:2], len(balance), 0), dtype=np.float32), ()
    series = {name: weather.values[..., names.index(name)].astype(np.float64) for name in BALANCE_DRIVERS}
    series["precipitation"] = np.expm1(series["precipitation"])
    means = {name: values.mean() for name, values in series.items()}
    total = len(BALANCE_DRIVERS)
    parts: dict[str, np.ndarray | float] = dict.fromkeys(BALANCE_DRIVERS, 0.0)
    for size in range(total + 1):
        for coalition in combinations(BALANCE_DRIVERS, size):
            now = _played(series, coalition, means)
            if ahead is None:
                run = water_balance(*now, step_days)
            else:
                run = water_balance_ahead(now, _played(ahead, coalition, means), step_days)
            found = np.stack([run[names[i]] for i in balance], axis=-1, dtype=np.float64)
            for driver in BALANCE_DRIVERS:
                others = size - (driver in coalition)
                weight = factorial(others) * factorial(total - others - 1) / factorial(total)
                parts[driver] = parts[driver] + (weight if driver in coalition else -weight) * found
    return np.stack([parts[driver] for driver in BALANCE_DRIVERS], axis=-1).astype(np.float32), BALANCE_DRIVERS


def _played(given: Mapping[str, np.ndarray], coalition: Collection[str], means: Mapping[str, float]) -> Weather:
    """What a coalition runs the balance with: its own drivers as they were, the others at their means."""
    precipitation, temperature, shortwave = (
        given[name] if name in coalition else np.full_like(given[name], means[name]) for name in BALANCE_DRIVERS
    )
    return precipitation, temperature, shortwave
