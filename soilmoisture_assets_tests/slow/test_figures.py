"""Every figure of one station, of some and of as many as the reference study has."""

import pytest

from soilmoisture_assets_tests.plots.looks import flaws
from soilmoisture_assets_tests.plots.test_figures import CASES, FIGURES, NEED_MORE_THAN_ONE, unsaid

OTHERS = [
    (name, stations)
    for name in FIGURES
    for stations in (1, 30, 69, 360)
    if (name, stations) not in CASES and not name.startswith("era5")
    if stations > 1 or not name.startswith(NEED_MORE_THAN_ONE)
]


@pytest.mark.parametrize(("name", "stations"), OTHERS)
def test_a_figure_of_any_number_of_stations_can_be_read(name: str, stations: int):
    figure = FIGURES[name](stations)
    assert unsaid(figure) == []
    assert flaws(figure) == []
