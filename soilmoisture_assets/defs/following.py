"""When an asset is made again by itself, and how old it may grow. Not here: the sensor that does it (automation.py),
what is due (refresh.py), when training is (checks/models.py)."""

import datetime as dt
from collections.abc import Iterable, Iterator

import dagster as dg

from soilmoisture_assets.assets import CUBE, LATEST, REPORT
from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.defs.raw.era5 import DELIVERY
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.sources import network_of
from soilmoisture_assets.store.graph import Graph

FOLLOWS = "when what it is made from has changed"
"""What the web UI says of an asset that is made again by itself."""
_HOURS_TO_WARN, _HOURS_TO_FAIL = 30, 54
"""One morning and two without a new one, with six hours to make it in."""


def of_today(graph: Graph) -> set[str]:
    """What every morning makes anew where new data come every day: the cube, the latest forecast, and all that tells of
    it."""
    found = {path for path in (CUBE, LATEST) if path in graph}
    for path in graph:  # in the order in which they can be made
        if path not in (CUBE, LATEST) and (found - {CUBE}).intersection(graph.parents(path)):
            found.add(path)
    return found


def follows(deployment: Deployment, path: str) -> dg.AutomationCondition:
    """As soon as a parent has changed and none is being made.

    Unlike Dagster's eager, a partition that is missing (a month not yet published, a station that failed) does not hold
    it back, nor does a parent that it can do without: each of the others needs one partition, not all. The report comes
    after its figures, in a run of its own: in theirs, Dagster would skip it with any of them that waits.
    """
    every_parent_has_something = dg.AutomationCondition.all_deps_match(
        ~dg.AutomationCondition.missing() | dg.AutomationCondition.will_be_requested()
    )
    inputs = deployment.graph.inputs(path).values()
    if optional := [asset_key(deployment.study, source.asset) for source in inputs if source.optional]:
        every_parent_has_something = every_parent_has_something.ignore(dg.AssetSelection.assets(*optional))
    condition = dg.AutomationCondition.eager().replace("any_deps_missing", ~every_parent_has_something)
    if path != REPORT:
        return condition.with_label(FOLLOWS)
    on_the_way = dg.AutomationCondition.will_be_requested()
    made = dg.AutomationCondition.newly_updated() & ~dg.AutomationCondition.executed_with_root_target()
    condition = condition.replace("any_deps_updated", dg.AutomationCondition.any_deps_match(made))
    return (condition & ~dg.AutomationCondition.any_deps_match(on_the_way)).with_label(FOLLOWS)


def with_ages(deployment: Deployment, made: Iterable[dg.AssetsDefinition]) -> Iterator[dg.AssetsDefinition]:
    """The assets; those that every morning makes anew with how old they may grow.

    Only whole assets have an age in Dagster: of a month that is late a check tells (checks/raw.py).
    """
    comes_daily = DELIVERY in deployment.graph or network_of(deployment.study) is not None
    if deployment.study.reach != "open" or not comes_daily:
        yield from made
        return
    keys = {asset_key(deployment.study, path) for path in of_today(deployment.graph)}
    policy = dg.FreshnessPolicy.time_window(
        warn_window=dt.timedelta(hours=_HOURS_TO_WARN), fail_window=dt.timedelta(hours=_HOURS_TO_FAIL)
    )
    for asset in made:
        yield asset.map_asset_specs(
            lambda spec: spec.replace_attributes(freshness_policy=policy) if spec.key in keys else spec
        )
