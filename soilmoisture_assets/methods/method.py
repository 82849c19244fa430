"""The declaration of a method: what it is called, how it is drawn, what it sees, how it is fitted.

Belongs here: ``Method``. Not here: any method (the modules beside this one), what it is given (task.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

from soilmoisture_assets.methods.task import Fit
from soilmoisture_assets.study import Experiment, Study


def _always(study: Study, experiment: Experiment) -> bool:
    return True


@dataclass(frozen=True)
class Method:
    """One way to forecast soil moisture.

    ``rank`` orders tables, legends and drawing: the methods with the highest are named last and drawn on top. ``dash``
    is a matplotlib line style. ``fit`` says how it learns and forecasts, among all others of models/baselines; a method
    without it has its forecasts from assets of its own. ``applies`` says in which experiments of which studies there is
    such a forecast. A method with ``speaks`` may stand for a station wherever one forecast is shown: of those that
    forecast there, the one with the largest number does.
    """

    name: str
    title: str
    rank: int
    colour: str
    marker: str
    dash: str
    sees: str
    source: str
    code: str = "1"
    """Raised when the method forecasts otherwise than before, so that it is fitted again."""
    fit: Fit | None = None
    applies: Callable[[Study, Experiment], bool] = _always
    speaks: int | None = None
