"""Forecasting methods: one module for each, with its ``METHOD``; the rule that says which one speaks for a station.

Belongs here: the collected declarations, their order and titles, the one rule. What several methods share has modules
of its own: ``method`` (the declaration), ``task`` and ``inputs`` (what a method is given), ``seasons``,
``regression``, ``fitting`` (all methods of an experiment). Not here: the network of the two models (learning/), scores
(scoring/).
"""

from collections.abc import Iterable

from soilmoisture_assets.declarations import collect
from soilmoisture_assets.methods.method import Method


def methods() -> dict[str, Method]:
    """Every declared method by its name, in the order of tables and figures: by rank, then by name."""
    return dict(sorted(collect("methods").items(), key=lambda item: (item[1].rank, item[0])))


def ordered(names: Iterable[str]) -> list[str]:
    """Names in the order of tables; those that no declaration knows come last, in the order given."""
    given = list(dict.fromkeys(names))
    known = [name for name in methods() if name in given]
    return known + [name for name in given if name not in known]


def title(name: str) -> str:
    """What tables and figures call a method; the name in words where no declaration knows it."""
    declared = methods().get(name)
    return declared.title if declared else name.replace("_", " ")


def speaking(available: Iterable[str]) -> str:
    """The one of the methods that forecast a station that speaks for it: the one with the highest ``speaks``.

    Where none of them is meant to speak, the highest in rank does.

    Raises
    ------
    ValueError : no method is given.
    """
    declared = methods()

    def claim(name: str) -> tuple[float, float]:
        method = declared.get(name)
        if method is None:
            return -1.0, float("-inf")
        return -1.0 if method.speaks is None else method.speaks, method.rank

    return max(sorted(available), key=claim)
