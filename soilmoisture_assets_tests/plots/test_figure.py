"""Figures as declarations: which a study has, in which order, and that each is drawn from what it names."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from pydantic import BaseModel

from soilmoisture_assets import declarations
from soilmoisture_assets.plots.figure import (
    SECTIONS,
    SUFFIXES,
    FigureDeclaration,
    FigureFile,
    FigureInputs,
    figure_files,
    figures,
)
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Experiment, Study, load_study
from soilmoisture_assets_tests.plots import made_up

DEMO = load_study("demo")
STORED = made_up.Stored(DEMO, 8)


def drawn(file: FigureFile, study: Study = DEMO) -> Any:
    return file.figure.draw(FigureInputs(study, Settings(), file.variant, STORED.inputs(file), print))


def reading_only(model: Any, settings: Any) -> Any:
    """A copy of a study, or of a section of it, that has these settings alone."""
    if not isinstance(model, BaseModel) or settings is True:
        return model
    copy = model.model_copy()
    for name in type(model).model_fields:
        if name in settings:
            own = settings[name] if isinstance(settings, dict) else True
            copy.__dict__[name] = reading_only(getattr(model, name), own)
        else:
            del copy.__dict__[name]
    return copy


FIRST_FILES = list({file.figure.name: file for file in reversed(figure_files(DEMO, STORED.assets))}.values())
EXTENSION = """
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.style import finish, new_figure, styled


@styled
def _draw(given: FigureInputs):
    cube = given.inputs["cube"]
    figure = new_figure(height=3.0)
    figure.subplots().hist(cube["precipitation"].values.ravel())
    return finish(figure, "It rains now and then", "Steps by rain.", cube)


FIGURE = FigureDeclaration(
    name="rain", title="Rain", section="Weather", place=1.5, description="How much it rains.",
    inputs={"cube": "cube/station_cube"}, draw=_draw,
)
"""


def test_a_figure_is_one_new_file_in_a_folder_of_extensions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "rain.py").write_text(EXTENSION)
    monkeypatch.setattr(declarations, "_folders", [])
    declarations.add_folder(tmp_path)
    paths = [file.path for file in figure_files(DEMO, STORED.assets)]
    assert paths[paths.index("figures/rain") - 1] == "figures/dynamic_input_maps"
    assert paths[paths.index("figures/rain") + 1] == "figures/era5_histograms"
    rain = next(file for file in figure_files(DEMO, STORED.assets) if file.path == "figures/rain")
    assert isinstance(drawn(rain), Figure)


@pytest.mark.parametrize("figure", figures(), ids=lambda figure: figure.name)
def test_a_figure_says_what_it_is_and_what_it_is_drawn_from(figure: FigureDeclaration):
    assert import_module(f"soilmoisture_assets.plots.{figure.name}").FIGURE is figure
    assert 4 < len(figure.title) < 50
    assert figure.description.endswith(".")
    assert figure.section in SECTIONS
    assert figure.inputs


def test_no_two_figures_have_one_place_or_one_title():
    declared = figures()
    assert len({(figure.section, figure.place) for figure in declared}) == len(declared)
    assert len({figure.title for figure in declared}) == len(declared)


@pytest.mark.parametrize("file", FIRST_FILES, ids=lambda file: file.figure.name)
def test_a_figure_is_drawn_from_the_inputs_and_the_settings_it_names(file: FigureFile):
    made = drawn(file, reading_only(DEMO, file.figure.settings))
    kind = {str: ".html", bytes: ".webp"}.get(type(made), ".png")
    assert kind == file.figure.suffix
    assert kind in SUFFIXES


def test_land_cover_says_why_it_has_no_tiles_where_the_account_is_refused(tmp_path: Path):
    file = next(file for file in FIRST_FILES if file.figure.name == "land_cover_map")
    real, settings = load_study("conus"), Settings(earthengine_service_account_file=tmp_path / "key.json")
    said: list[str] = []
    page = file.figure.draw(FigureInputs(real, settings, file.variant, STORED.inputs(file), said.append))
    assert '"tiles": {}' in page
    assert [text.startswith("The map has no tiles: Earth Engine") for text in said] == [True]


def test_every_declared_figure_is_a_figure_of_the_demo():
    assert {file.figure.name for file in FIRST_FILES} == {figure.name for figure in figures()}


def files_without(*assets: str, study: Study = DEMO) -> set[str]:
    return {file.path for file in figure_files(study, STORED.assets - set(assets))}


def test_a_figure_exists_where_its_inputs_do():
    every = files_without()
    assert every - files_without("raw/ismn/recession_curves") == {
        f"figures/recession_{name}" for name in ("series", "curves", "histograms")
    }
    assert every - files_without("models/latest_forecast") == {"figures/latest_forecast_map"}
    assert every - files_without("analysis/drought") == {"figures/drought_map"}
    assert every - files_without("analysis/shap_values_forecast") == {
        f"figures/{name}_forecast"
        for name in ("shap_by_window", "shap_groups", "shap_lag", "permutation_importance", "driver_clusters")
    }
    assert every - files_without("analysis/record_level") == {"figures/record_level"}


def test_era5_at_the_points_of_the_stations_alone_has_no_figures_of_the_grid():
    points = DEMO.model_copy(update={"era5": DEMO.era5.model_copy(update={"access": "timeseries"})})
    gone = files_without() - files_without(study=points)
    animations = {path for path in gone if path.startswith("figures/era5_animation_")}
    assert animations
    assert gone - animations == {f"figures/era5_{name}" for name in ("histograms", "monthly_means", "july_maps")}


def test_a_figure_of_all_experiments_is_drawn_from_those_that_are_there():
    files = figure_files(DEMO, STORED.assets - {"models/station_forecast_drivers"})
    reliability = next(file for file in files if file.figure.name == "reliability")
    assert reliability.inputs == {"forecasts": {Experiment.FORECAST: "models/station_forecast_forecast"}}
    assert "figures/reliability" not in files_without(
        "models/station_forecast_drivers", "models/station_forecast_forecast"
    )


def test_skill_over_persistence_has_its_effect_sizes_only_where_the_experiment_sees_moisture():
    paths = [file.path for file in figure_files(DEMO, STORED.assets) if file.figure.name == "effect_sizes"]
    assert paths == [f"figures/effect_sizes_{name}" for name in ("drivers", "forecast", "forecast_over_persistence")]


def test_a_section_that_the_report_does_not_have_is_refused():
    with pytest.raises(ValueError, match=r"unknown section 'Rain'; allowed: Stations and data, Dry-downs"):
        FigureDeclaration("rain", "Rain", "Rain", 1, "How much it rains.", {}, lambda given: "")
