"""Made-up forecasts of the weather for small cubes. Not here: tests; those of the sandbox (sandbox/climate.py)."""

import numpy as np
import xarray as xr

from soilmoisture_assets.study import Study


def with_issued_weather(cube: xr.Dataset, study: Study, first: str | None = None, skill: float = 0.9) -> xr.Dataset:
    """The cube with forecasts issued from a day on: known weather and that of a year of days at random, mixed.

    Their share of what comes is ``skill`` to the power of the days ahead; 0 says nothing of it.
    """
    random = np.random.default_rng(5)
    times, leads = cube.get_index("time"), study.lead_hours
    there = np.asarray(times >= (first or str(study.splits.validation.start)))
    found = {}
    for name in study.dynamic_inputs.variables:
        known = cube[name].transpose("station", "time")
        mean = float(known.mean())
        ahead = []
        for number, hours in enumerate(leads, start=1):
            comes = known.shift(time=-number).values
            other = known.values[:, random.permutation(len(times))]
            share = skill ** (hours / 24)
            mixed = share * comes + (1 - share) * other
            ahead.append(np.where(np.isfinite(mixed), mixed, mean))
        values = np.where(there[None, :, None], np.stack(ahead, axis=2), np.nan)
        values[:, len(times) - len(leads) :] = np.where(there[-1], mean, np.nan)
        found[f"issued_{name}"] = (("station", "time", "lead"), values.astype("float32"))
    return cube.assign(found).assign_coords(lead=("lead", np.array(leads, dtype="int32")))
