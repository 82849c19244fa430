"""Checks of the models' age: when training is due, which nothing does by itself.

Not here: training (models/), what makes a model outdated (store/graph.py).
"""

import dagster as dg
import pandas as pd

from soilmoisture_assets.assets import CUBE
from soilmoisture_assets.defs.checks.raw import EVERY_MORNING
from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.deployment import Deployment

DAYS_WITH_EVERY_SEASON = 365
"""Newer data of so many days hold a whole year that no model has seen."""


def checks(deployment: Deployment) -> list[dg.AssetChecksDefinition]:
    """One check per regional model: the others of its experiment learn from the same days."""
    return [
        _training_not_due(deployment, f"models/regional_model_{experiment}")
        for experiment in deployment.study.model.experiments
    ]


def _training_not_due(deployment: Deployment, path: str) -> dg.AssetChecksDefinition:
    """The check of one model; notices and the command line repeat its text."""

    @dg.asset_check(
        asset=asset_key(deployment.study, path),
        name="training_not_due",
        description="The age of a model is the time from the end of the splits to the newest step. Age alone wears no "
        "model out; training is due when what it learned from has been revised or is made otherwise now (no forecast "
        f"is issued from it until then), or when {DAYS_WITH_EVERY_SEASON} days of newer data wait: then set the splits "
        "of the study on. A model is never trained by itself; the job train trains.",
        automation_condition=EVERY_MORNING,
    )
    def training_not_due() -> dg.AssetCheckResult:
        """Compare what the model learned from with what is stored now."""
        study, view = deployment.study, deployment.view()
        cube, model = view.record(CUBE), view.record(path)
        newest = pd.Timestamp(str(cube.metadata["newest_step"])) if cube is not None else study.last_learned
        age = max((newest - study.last_learned).days, 0)
        due = []
        if cube is not None and model is None:
            due.append("there is none")
        elif behind := deployment.behind(path):
            due.append(f"it is out of date ({behind})")
        if age >= DAYS_WITH_EVERY_SEASON:
            due.append(f"{age} days of newer data wait: set the splits of the study on")
        return dg.AssetCheckResult(
            passed=not due,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"training is due: {'; '.join(due)}. The job train trains." if due else None,
            metadata={
                "learned_from": f"{study.splits.train.start} to {study.splits.train.end}",
                "splits_end": str(study.splits.test.end),
                "newest_step": f"{newest:%Y-%m-%dT%H:%M}",
                "age_days": age,
                "trained": model.time if model is not None else "never",
            },
        )

    return training_not_due
