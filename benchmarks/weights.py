"""What other weights could reach: the combined forecast beside combinations that know what they are judged by.

Run ``python benchmarks/weights.py [--study NAME_OR_FILE] [--split validation] [--json]``. Reads what the study has
stored; where there is none it runs the study first. None of the other rows could be forecast: their weights, or what
they take off a station's level, are fitted to the very errors that are scored, so they bound what any choice of weights
of these methods can gain. What is beyond them needs better methods, or more to see.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from skill import stored

from soilmoisture_assets.alignment.splits import CODES
from soilmoisture_assets.assets import CUBE
from soilmoisture_assets.deployment import Deployment, load_deployment
from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.methods.combination import CombinedForecasts, of_station
from soilmoisture_assets.methods.combined import METHOD as COMBINED
from soilmoisture_assets.methods.weighting import weights
from soilmoisture_assets.scores import Array, median_interval, r2
from soilmoisture_assets.study import Experiment

NO_DOUBT = 1e12
"""Blocks of data; so many that the weights are drawn towards nothing."""
COMBINED_ROW = "combined forecast"


def reached(deployment: Deployment, experiment: Experiment, split: str) -> Iterator[tuple[str, int, float]]:
    """Row, lead [hours] and median R² over the stations that have every method."""
    baselines = stored(deployment, f"models/baselines_{experiment}")
    combination = stored(deployment, f"models/combination_{experiment}")
    networks = deployment.partitions(f"models/uncalibrated_forecast_{experiment}")
    forecasts = CombinedForecasts(networks, baselines, combination)
    stations = [
        _at(split, of_station(networks[name].load(), baselines), combination, forecasts[name])
        for name in combination["station"].values
    ]
    for place, lead in enumerate(combination["lead"].values):
        found = defaultdict(list)
        each = [station for station in (_at_lead(place, *station) for station in stations) if station[1].size > 1]
        shared = weights(np.mean([_products(methods, observed) for methods, observed, _ in each], axis=0), NO_DOUBT)
        for methods, observed, combined in each:
            mixed = shared @ methods
            rows = {
                COMBINED_ROW: combined,
                "best weights of all stations": mixed,
                "the same, the station's mean error taken off": mixed - (mixed - observed).mean(),
                "best weights of each station": weights(_products(methods, observed), NO_DOUBT) @ methods,
                "best single method of each station": max(methods, key=lambda own: r2(observed, own)),
            }
            for row, values in rows.items():
                found[row].append(r2(observed, values))
        for row, scores in found.items():
            yield row, int(lead), median_interval(np.array(scores), draws=1)[0]


def _at(split: str, each: xr.Dataset, combination: xr.Dataset, forecast: xr.Dataset) -> tuple[Array, Array, Array]:
    """Of a station the methods (method, lead, start), what was observed (lead, start) and the combined forecast."""
    inside = each["split"].values == CODES[split]
    methods = each["soil_moisture_forecast"].sel(forecaster=combination["forecaster"].values, start=inside)
    own = forecast["soil_moisture_forecast"].sel(forecaster=COMBINED.name, quantile=0.5, start=inside).isel(station=0)
    return (
        methods.transpose("forecaster", "lead", "start").values.astype("float64"),
        each["soil_moisture_observed"].sel(start=inside).transpose("lead", "start").values.astype("float64"),
        own.transpose("lead", "start").values.astype("float64"),
    )


def _at_lead(place: int, methods: Array, observed: Array, combined: Array) -> tuple[Array, Array, Array]:
    """The starts at which all have a value."""
    parts = (methods[:, place], observed[place], combined[place])
    known = np.isfinite(np.vstack(parts)).all(axis=0)
    return parts[0][:, known], parts[1][known], parts[2][known]


def _products(methods: Array, observed: Array) -> Array:
    """(method, method) mean products of errors, in units of what was observed."""
    errors = methods - observed
    return np.asarray(errors @ errors.T / (errors.shape[1] * observed.var()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default=None, help="name of a built-in study or path of a study file")
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    chosen = parser.parse_args()
    found: list[dict[str, Any]] = []
    try:
        deployment = load_deployment(chosen.study)
        stored(deployment, CUBE)
        for experiment in deployment.study.model.experiments:
            for row, lead, median in reached(deployment, experiment, chosen.split):
                found.append({"experiment": experiment.value, "row": row, "lead_hours": lead, "median_r2": median})
    except SoilMoistureError as error:
        sys.exit(f"benchmarks/weights.py: {error}")
    print(json.dumps(found, indent=1) if chosen.json else table(found, f"{deployment.study.title}, {chosen.split}"))


def table(found: list[dict[str, Any]], title: str) -> str:
    """Markdown: leads of a day, two and three."""
    experiments = list(dict.fromkeys(each["experiment"] for each in found))
    lines = [f"| median R², {title} | " + " | ".join(f"`{name}`" for name in experiments) + " |"]
    lines.append("|---" * (1 + len(experiments)) + "|")
    for row in dict.fromkeys(each["row"] for each in found):
        cells = [
            " / ".join(
                f"{each['median_r2']:.3f}"
                for each in found
                if (each["row"], each["experiment"]) == (row, name) and each["lead_hours"] % 24 == 0
            )
            for name in experiments
        ]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
