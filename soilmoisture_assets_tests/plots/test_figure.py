"""Figures as declarations: which a study has, in which order, and that each is drawn from what it names."""

from collections.abc import Callable
from functools import cache
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

STATIONS = 8
DEMO = load_study("demo")
MADE_UP: dict[str, Callable[[str], Any]] = {
    "cube/station_cube": lambda _: made_up.cube(STATIONS),
    "cube/target": lambda _: made_up.cube(STATIONS),
    "cube/hourly": lambda _: made_up.cube(STATIONS),
    "cube/stations": lambda _: made_up.station_table(STATIONS),
    "raw/ismn/recession_curves": lambda _: made_up.recession_curves(STATIONS),
    "raw/era5/hourly": lambda _: made_up.era5_months(days=20, resolution=12.0),
    "raw/elevation/slope": lambda _: made_up.terrain(STATIONS),
    "raw/soilgrids/properties": lambda _: made_up.soil(STATIONS),
    "raw/modis/land_cover": lambda _: {str(int(y)): one for y, one in made_up.land_cover(STATIONS).groupby("year")},
    "models/latest_forecast": lambda _: made_up.latest_forecast(STATIONS),
    "models/forecasts": lambda experiment: made_up.stored_forecasts(STATIONS, experiment),
    "analysis/skill": lambda _: made_up.skill(STATIONS),
    "analysis/skill_summary": lambda _: made_up.skill_summary(STATIONS),
    "analysis/effect_size": lambda experiment: made_up.stored_effects(STATIONS, experiment),
    "analysis/correlation": lambda _: made_up.correlations(STATIONS).expand_dims(score=["r2"]),
    "analysis/shap_values": lambda experiment: made_up.shap(STATIONS, experiment),
    "analysis/driver_clusters": lambda _: made_up.clusters(STATIONS),
    "analysis/permutation_importance": lambda _: made_up.permutation(STATIONS),
}
EVERY_ASSET = set(MADE_UP) | {
    f"{name}/{experiment}"
    for name in MADE_UP
    if name.startswith(("analysis/", "models/forecasts"))
    for experiment in DEMO.model.experiments
}


@cache
def stored(path: str) -> Any:
    name, _, experiment = path.rpartition("/")
    return MADE_UP[name](experiment) if name in MADE_UP else MADE_UP[path]("")


def drawn(file: FigureFile, study: Study = DEMO) -> Any:
    inputs = {
        argument: stored(paths) if isinstance(paths, str) else {key: stored(path) for key, path in paths.items()}
        for argument, paths in file.inputs.items()
    }
    return file.figure.draw(FigureInputs(study, Settings(), file.variant, inputs, print))


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


FIRST_FILES = list({file.figure.name: file for file in reversed(figure_files(DEMO, EVERY_ASSET))}.values())
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
    paths = [file.path for file in figure_files(DEMO, EVERY_ASSET)]
    assert paths[paths.index("figures/rain") - 1] == "figures/dynamic_input_maps"
    assert paths[paths.index("figures/rain") + 1] == "figures/era5_histograms"
    rain = next(file for file in figure_files(DEMO, EVERY_ASSET) if file.path == "figures/rain")
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


def test_every_declared_figure_is_a_figure_of_the_demo():
    assert {file.figure.name for file in FIRST_FILES} == {figure.name for figure in figures()}


def files_without(*assets: str, study: Study = DEMO) -> set[str]:
    return {file.path for file in figure_files(study, EVERY_ASSET - set(assets))}


def test_a_figure_exists_where_its_inputs_do():
    every = files_without()
    assert every - files_without("raw/ismn/recession_curves") == {
        f"figures/recession_{name}" for name in ("series", "curves", "histograms")
    }
    assert every - files_without("models/latest_forecast") == {"figures/latest_forecast_map"}
    assert every - files_without("analysis/shap_values/forecast") == {
        f"figures/{name}/forecast"
        for name in ("shap_by_window", "shap_groups", "shap_lag", "permutation_importance", "driver_clusters")
    }


def test_era5_at_the_points_of_the_stations_alone_has_no_figures_of_the_grid():
    points = DEMO.model_copy(update={"era5": DEMO.era5.model_copy(update={"access": "timeseries"})})
    gone = files_without() - files_without(study=points)
    assert {path.split("/")[1] for path in gone} == {
        "era5_histograms", "era5_monthly_means", "era5_july_maps", "era5_animation"
    }  # fmt: skip


def test_a_figure_of_all_experiments_is_drawn_from_those_that_are_there():
    files = figure_files(DEMO, EVERY_ASSET - {"models/forecasts/drivers"})
    reliability = next(file for file in files if file.figure.name == "reliability")
    assert reliability.inputs == {"forecasts": {Experiment.FORECAST: "models/forecasts/forecast"}}
    assert "figures/reliability" not in files_without("models/forecasts/drivers", "models/forecasts/forecast")


def test_skill_over_persistence_has_its_effect_sizes_only_where_the_experiment_sees_moisture():
    paths = [file.path for file in figure_files(DEMO, EVERY_ASSET) if file.figure.name == "effect_sizes"]
    assert paths == [f"figures/effect_sizes/{name}" for name in ("drivers", "forecast", "forecast_over_persistence")]


def test_a_section_that_the_report_does_not_have_is_refused():
    with pytest.raises(ValueError, match=r"unknown section 'Rain'; allowed: Stations and data, Dry-downs"):
        FigureDeclaration("rain", "Rain", "Rain", 1, "How much it rains.", {}, lambda given: "")
