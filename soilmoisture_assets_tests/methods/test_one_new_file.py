"""A method that is one file outside the package is fitted, scored, drawn and reported like any other."""

from collections.abc import Iterator

import pytest
import xarray as xr

from soilmoisture_assets import declarations
from soilmoisture_assets.methods.fitting import fit_baselines
from soilmoisture_assets.methods.lstm import network
from soilmoisture_assets.plots.report_tables import skill_tables as report_tables
from soilmoisture_assets.plots.skill_by_lead import skill_by_lead
from soilmoisture_assets.scoring.skill import SkillTables, skill_tables
from soilmoisture_assets.study import Experiment
from soilmoisture_assets_tests.methods.worlds import small_cube, small_study

MINE = '''"""The mean of the last observation and the season."""

from soilmoisture_assets.methods.inputs import at
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.task import per_lead


def forecast(task, learned, starts, lead):
    last, season = at(task.inputs.last, starts, 0), at(task.inputs.climatology, starts, lead)
    return (last + season) / 2


METHOD = Method(
    name="half_way",
    title="half way",
    rank=25,
    colour="#123456",
    marker="h",
    dash=":",
    sees="the last observation and the season",
    source="this test",
    fit=per_lead(forecast),
)
'''
STUDY = small_study(experiments=("forecast",), horizon="24h", windows=["24h"])


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SkillTables]:
    folder = tmp_path_factory.mktemp("extension")
    (folder / "methods").mkdir()
    (folder / "methods" / "mine.py").write_text(MINE)
    cube = small_cube(STUDY, stations=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(declarations, "_folders", [])
        patch.setattr(network, "FEWEST_UPDATES", 1)
        patch.setattr(network, "PASSES", 0)
        patch.setattr(network, "CHECKS", 1)
        declarations.add_folder(folder)
        fitted, _ = fit_baselines(cube, STUDY, Experiment.FORECAST)
        yield skill_tables([], xr.concat([fitted], dim="experiment"), cube, STUDY)


def test_it_is_scored_in_its_place_between_the_others(tables: SkillTables):
    names = tables.skill.forecaster.values.tolist()
    assert names[:4] == ["persistence", "damped_persistence", "half_way", "climatology"]
    assert tables.summary.set_index("method").median_r2["half_way"].min() > 0.3
    assert (tables.skill.n.sel(forecaster="half_way") == tables.skill.n.sel(forecaster="ridge")).all()


def test_its_title_and_colour_are_in_the_legend(tables: SkillTables):
    figure = skill_by_lead(tables.summary, tables.skill)
    legend = next(axes.get_legend() for axes in figure.axes if axes.get_legend())
    colours = dict(
        zip(
            [text.get_text() for text in legend.get_texts()],
            [line.get_color() for line in legend.get_lines()],
            strict=True,
        )
    )
    assert colours["half way"] == "#123456"


def test_it_has_a_row_in_the_report(tables: SkillTables):
    rows = [row[0] for table in report_tables(tables.summary) for row in table.rows]
    assert rows.index("half way") == 2
