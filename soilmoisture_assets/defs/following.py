"""When assets are made again by themselves. Not here: the sensor that does it (automation.py)."""

import dagster as dg

_EVERY_PARENT_HAS_SOMETHING = dg.AutomationCondition.all_deps_match(
    ~dg.AutomationCondition.missing() | dg.AutomationCondition.will_be_requested()
)

FOLLOWS = dg.AutomationCondition.eager().replace("any_deps_missing", ~_EVERY_PARENT_HAS_SOMETHING)
"""As soon as a parent has changed and none is being made. Unlike Dagster's eager, a partition that is missing (a month
not yet published, a station that failed) does not hold it back: every parent needs one partition, not all."""
