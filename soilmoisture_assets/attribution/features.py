"""Features: what an attribution is about, and the groups that correlated ones are taken together in.

Belongs here: names, kinds and groups of features that are no variable of the registry, the coordinates of a feature
axis. Not here: which columns of the network a feature has (samples.py), how groups look (plots/groups.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from soilmoisture_assets.metadata.variables import VARIABLES

STATION_RECORD, NEIGHBOURS, MEAN_WEATHER = "station_record", "neighbours", "mean_weather"
"""Features that are no variable of the registry: the spread of the station's own record and its identity in the
network; statics and positions of its neighbours; the mean of the dynamic inputs over the training period, a property of
the place."""
_GROUPS = {
    STATION_RECORD: "record",
    NEIGHBOURS: "location",
    MEAN_WEATHER: "climate",
    "latitude": "location",
    "longitude": "location",
    "elevation": "topography",
    "soil_moisture": "antecedent",
    "calendar": "calendar",
    "water_balance": "dynamic",
}
_UNITS = {"latitude": "degrees_north", "longitude": "degrees_east"}


@dataclass(frozen=True)
class Feature:
    """What an attribution is about: ``kind`` is static or dynamic, ``group`` the registry's feature group."""

    name: str
    kind: str
    group: str
    units: str


def feature(name: str, kind: str) -> Feature:
    """A feature with the group and units that the registry gives it."""
    variable = VARIABLES.get(name)
    group = _GROUPS.get(name) or (variable.group if variable else kind)
    return Feature(name, kind, group, variable.units if variable else _UNITS.get(name, "1"))


def feature_coordinates(features: Sequence[Feature]) -> dict[str, object]:
    """Coordinates of a feature axis: name, group, kind and units."""
    return {
        "feature": [each.name for each in features],
        "feature_group": ("feature", [each.group for each in features]),
        "feature_kind": ("feature", [each.kind for each in features]),
        "units": ("feature", [each.units for each in features]),
    }
