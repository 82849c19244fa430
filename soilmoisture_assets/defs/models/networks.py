"""Models: the network of all stations, and one per station. Not here: the network and its training (learning/)."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from soilmoisture_assets.assets import regional_models
from soilmoisture_assets.defs.making import Made, Make, Work, step
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.study import Experiment


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """A regional model, the same of other seeds where it is explained, and station models per experiment."""
    made = []
    for experiment in deployment.study.model.experiments:
        networks = regional_models(deployment.study, experiment)
        made += [step(deployment, [path], _regional(experiment, added)) for added, path in networks.items()]
        made.append(step(deployment, [f"models/station_model_{experiment}"], _station))
    return made


def _regional(experiment: Experiment, added_to_seed: int) -> Make:
    def regional(work: Work) -> Iterator[Made]:
        from soilmoisture_assets.learning.fit import fit_regional

        cube = work.given()["cube"].load()
        model = fit_regional(
            cube,
            experiment,
            work.study,
            seed=work.study.seed + added_to_seed,
            progress=work.progress,
            threads=work.settings.threads_of_a_step,
        )
        yield Made(model, metadata=_training(model.metadata))

    return regional


def _station(work: Work) -> Iterator[Made]:
    """Fine-tune stations in batches; each is stored as its batch finishes.

    A station whose data do not suffice has none, and the regional model forecasts it.
    """
    from soilmoisture_assets.learning.fit import fit_stations

    given = work.given()
    for fit in fit_stations(
        given["cube"].load(),
        given["regional"],
        work.study,
        work.partitions,
        progress=work.progress,
        threads=work.settings.threads_of_a_step,
    ):
        if fit.model is None:
            yield Made(partition=fit.station, left_out=fit.failure)
        else:
            yield Made(fit.model, fit.station, metadata=_training(fit.metadata))


def _training(record: Mapping[str, Any]) -> dict[str, Any]:
    """How training went, in words: which epoch was the best, and whether any was better than the regional model."""
    before, after = record.get("regional_validation_loss"), record["validation_loss"]
    gain = 100 * (1 - after / before) if before else 0.0
    if record.get("fallback"):
        outcome = f"no epoch of {record['epochs']} was better than the regional model, whose weights are kept"
    else:
        outcome = f"epoch {record['best_epoch']} of {record['epochs']} was the best on validation data"
    return {
        "training": outcome,
        "validation loss (scaled)": after,
        **({"gain over the regional model [%]": gain} if gain else {}),
        "training starts": record["training_starts"],
        "starts without any target": record["dropped_starts"],
    }
