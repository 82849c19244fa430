"""Groups of features: what a group is called and coloured in every figure.

Belongs here: title, colour and order of the groups that the registry and the attribution name, the shades that tell
windows apart within a colour. Not here: which feature is in which group (metadata/variables.py,
attribution/samples.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from soilmoisture_assets.plots import style


@dataclass(frozen=True)
class Group:
    """A group of features in print."""

    title: str
    colour: str


GROUPS: Mapping[str, Group] = {
    "dynamic": Group("weather", style.VERMILION),
    "antecedent": Group("antecedent soil moisture", style.BLACK),
    "physical": Group("soil, physical", style.BLUE),
    "chemical": Group("soil, chemical", style.GREEN),
    "hydraulic": Group("soil, hydraulic", style.PURPLE),
    "topography": Group("topography", "#A6761D"),
    "environmental": Group("climate class and land cover", style.ORANGE),
    "climate": Group("climate of the place", style.SKY),
    "vegetation": Group("vegetation", "#7A7A00"),
    "location": Group("location and neighbours", "#B0B0B0"),
    "record": Group("station's own record", "#882255"),
    "calendar": Group("time of year", style.YELLOW),
}
"""Every group by its name in the data, in the order of legends and matrices."""


def group_title(name: str) -> str:
    """What figures call a group; the name in words where no declaration knows it."""
    return GROUPS[name].title if name in GROUPS else name.replace("_", " ")


def group_colour(name: str) -> str:
    """Colour of a group; grey where no declaration knows it."""
    return GROUPS[name].colour if name in GROUPS else style.GREY


def ordered_groups(names: Iterable[str]) -> list[str]:
    """Names in the order of legends; those that no declaration knows come last, in the order given."""
    given = list(dict.fromkeys(names))
    return [name for name in GROUPS if name in given] + [name for name in given if name not in GROUPS]


def shades(colour: str, count: int) -> list[str]:
    """A colour for each window: from light at the first to full at the last, so that grey print keeps the order."""
    from matplotlib.colors import to_hex, to_rgb

    found = []
    for place in range(count):
        share = 0.15 + 0.85 * (place + 1) / count
        red, green, blue = (1 - (1 - part) * share for part in to_rgb(colour))
        found.append(to_hex((red, green, blue)))
    return found
