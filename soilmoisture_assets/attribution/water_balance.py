"""The water balance among the model's features, split among the weather that drives it.

Belongs here: how much precipitation, temperature and radiation each contribute to a filling of the balance.
Not here: the balance itself (learning/features.py); attributions (shap_values.py, permutation.py).
"""

from itertools import combinations
from math import factorial

import numpy as np

from soilmoisture_assets.learning.features import Channels, water_balance

BALANCE_DRIVERS = ("precipitation", "temperature", "shortwave")


def balance_shares(weather: Channels, step_days: float) -> tuple[np.ndarray, tuple[str, ...]]:
    """Split every water-balance channel exactly into one part per driver.

    A part is the Shapley value of a driver in the game "run the balance with these drivers as they were and the others
    at their mean over all stations and times"; the parts of a channel add up to it, less the same constant everywhere.

    Source: Shapley 1953, A value for n-person games.

    Parameters
    ----------
    weather : channels of :func:`learning.features.weather_channels`.

    Returns
    -------
    Parts (station, time, balance channel, driver) float32 in natural units, and the drivers: those of
    ``BALANCE_DRIVERS`` among the channels. Without radiation of its own the balance uses a clear-sky season, which
    belongs to no driver; nothing is split then and the parts have no driver.
    """
    names = list(weather.names)
    balance = [i for i, source in enumerate(weather.sources) if source == "water_balance"]
    if not balance or "shortwave" not in names:
        return np.zeros((*weather.values.shape[:2], len(balance), 0), dtype=np.float32), ()
    series = {name: weather.values[..., names.index(name)].astype(np.float64) for name in BALANCE_DRIVERS}
    series["precipitation"] = np.expm1(series["precipitation"])
    runs: dict[frozenset[str], np.ndarray] = {}
    for size in range(len(BALANCE_DRIVERS) + 1):
        for coalition in combinations(BALANCE_DRIVERS, size):
            played = {
                name: values if name in coalition else np.full_like(values, values.mean())
                for name, values in series.items()
            }
            result = water_balance(played["precipitation"], played["temperature"], played["shortwave"], step_days)
            runs[frozenset(coalition)] = np.stack([result[names[i]] for i in balance], axis=2)
    total = len(BALANCE_DRIVERS)
    parts = []
    for driver in BALANCE_DRIVERS:
        others = [name for name in BALANCE_DRIVERS if name != driver]
        part = np.zeros_like(runs[frozenset()])
        for size in range(total):
            weight = factorial(size) * factorial(total - size - 1) / factorial(total)
            for coalition in combinations(others, size):
                part += weight * (runs[frozenset({*coalition, driver})] - runs[frozenset(coalition)])
        parts.append(part)
    return np.stack(parts, axis=3).astype(np.float32), BALANCE_DRIVERS
