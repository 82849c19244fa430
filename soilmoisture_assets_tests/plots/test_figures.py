"""Every figure, for one station and for many: nothing clipped, nothing empty, nothing left unsaid."""

import io
import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from soilmoisture_assets.alignment.recession import distributions_table
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots.figure import figures
from soilmoisture_assets.plots.groups import GROUPS, group_colour
from soilmoisture_assets.plots.style import (
    DIGITS_OF_POSITION,
    colour_limits,
    percent,
    save_figure,
    station_labels,
    title_and_caption,
)
from soilmoisture_assets_tests.plots import made_up
from soilmoisture_assets_tests.plots.looks import flaws

cube, forecasts, skill, shap = (cache(make) for make in (made_up.cube, made_up.forecasts, made_up.skill, made_up.shap))
grid, curves = cache(made_up.era5_months), cache(made_up.recession_curves)


def draw(name: str) -> Callable[..., Figure]:
    return getattr(import_module(f"soilmoisture_assets.plots.{name}"), name)


FIGURES: dict[str, Callable[[int], Figure]] = {
    "station_map": lambda n: draw("station_map")(made_up.stations(n)),
    "best_station_series": lambda n: draw("best_station_series")(forecasts(n), skill(n)),
    "skill_maps": lambda n: draw("skill_maps")(skill(n), "forecast"),
    "effect_sizes": lambda n: draw("effect_sizes")(made_up.effects(n)),
    "feature_correlations": lambda n: draw("feature_correlations")(made_up.correlations(n), n),
    "shap_by_window": lambda n: draw("shap_by_window")(shap(n)),
    "shap_lag": lambda n: draw("shap_lag")(shap(n)),
    "shap_groups": lambda n: draw("shap_groups")(shap(n)),
    "permutation_importance": lambda n: draw("permutation_importance")(made_up.permutation(n), shap(n)),
    "record_level": lambda n: draw("record_level")(made_up.record_level(n)),
    "local_effects": lambda n: draw("local_effects")(made_up.local_effects(n)),
    "driver_clusters": lambda n: draw("driver_clusters")(made_up.clusters(n), shap(n)),
    "skill_by_lead": lambda n: draw("skill_by_lead")(made_up.skill_summary(min(n, 30)), skill(min(n, 30))),
    "reliability": lambda n: draw("reliability")({"drivers": forecasts(n, "drivers"), "forecast": forecasts(n)}),
    "reliability_by_age": lambda n: draw("reliability_by_age")(made_up.calibration_by_age(), skill(n)),
    "latest_forecast_map": lambda n: draw("latest_forecast_map")(made_up.latest_forecast(n)),
    "drought_map": lambda n: draw("drought_map")(made_up.drought_of_latest(n)),
    "dynamic_input_maps": lambda n: draw("dynamic_input_maps")(cube(n)),
    "coverage": lambda n: draw("coverage")(
        cube(n).assign(masked_flag=cube(n)["source_values"] // 5), made_up.station_table(n)
    ),
    "nan_patterns": lambda n: draw("nan_patterns")(cube(n)),
    "slope_map": lambda n: draw("slope_map")(made_up.terrain(n)),
    "station_series": lambda n: draw("station_series")(cube(n)),
    "aligned_maps": lambda n: draw("aligned_maps")(cube(n)),
    "recession_curves": lambda n: draw("recession_curves")(curves(n)),
    "recession_histograms": lambda n: draw("recession_histograms")(curves(n), distributions_table(curves(n))),
    "recession_series": lambda n: draw("recession_series")(
        {name: cube(n)[["soil_moisture"]].sel(station=name) for name in curves(n)}, curves(n)
    ),
    "alignment_summary": lambda n: draw("alignment_summary")(made_up.station_table(n), cube(n)),
    "station_panel": lambda n: draw("station_panel")(cube(n), str(cube(n)["station"].values[0])),
    "soilgrids_maps": lambda n: draw("soilgrids_maps")(made_up.soil(n)),
    "variable_grid": lambda n: draw("variable_grid")(cube(n)),
    "era5_histograms": lambda n: draw("era5_histograms")(grid()),
    "era5_monthly_means": lambda n: draw("era5_monthly_means")(grid()),
    "era5_july_maps": lambda n: draw("era5_july_maps")(grid()),
}
TAKE_LONG = ("best_station_series", "variable_grid", "soilgrids_maps", "station_panel")
NEED_MORE_THAN_ONE = ("era5", "effect_sizes", "feature_correlations", "station_series")
CASES = [(name, 30) for name in FIGURES if name not in TAKE_LONG]
CASES += [(name, 1) for name in FIGURES if not name.startswith((*NEED_MORE_THAN_ONE, *TAKE_LONG))]


@pytest.mark.parametrize(("name", "stations"), CASES)
def test_a_figure_is_complete_and_nothing_in_it_is_cut_off(name, stations):
    figure = FIGURES[name](stations)
    assert unsaid(figure) == []
    assert flaws(figure) == []


def unsaid(figure: Figure) -> list[str]:
    """What every figure of a made-up study has to say, and this one does not."""
    title, caption = title_and_caption(figure)
    stamps = [text.get_text() for text in figure.texts]
    said = {"title": len(title) > 10, "n = ": "n = " in caption, "source": "Source: made up" in caption}
    return [what for what, is_said in (said | {"stamp": "SYNTHETIC" in stamps}).items() if not is_said]


def panels(figure: Figure, *letters: str) -> list[Axes]:
    """The panels whose titles begin with these letters."""
    titled = {axes.get_title(loc="left").split(" ")[0]: axes for axes in figure.findobj(Axes)}
    return [titled[letter] for letter in letters]


def test_a_real_study_is_not_stamped():
    figure = draw("station_map")(made_up.stations(5).assign_attrs(synthetic=0))
    assert "SYNTHETIC" not in [text.get_text() for text in figure.texts]


def test_gains_and_losses_are_counted_for_all_stations_and_for_the_useful_ones():
    scores = made_up.skill(4)
    r2 = np.full(scores["r2"].shape, np.nan, dtype="float32")
    r2[1, 1, 0, :, 1] = [0.5, 0.05, 0.6, 0.3]  # 24 h, regional model, forecast, test
    r2[1, 1, 0, :, 3] = [0.6, 0.10, 0.5, 0.2]
    r2[1, 1, 0, :, 5] = [0.4, 0.20, 0.4, np.nan]
    scores["r2"] = (scores["r2"].dims, r2)
    figure = draw("skill_maps")(scores.drop_sel(forecaster="station_model"), "forecast")
    title = (
        figure.axes[-1]._left_title.get_text()
        if "Gains" in figure.axes[-1]._left_title.get_text()
        else next(axes._left_title.get_text() for axes in figure.axes if "Gains" in axes._left_title.get_text())
    )
    assert "48 h: all +2 / −2;  R² > 0.1: +1 / −2" in title
    assert "72 h: all +1 / −2;  R² > 0.1: +0 / −2" in title


def test_shap_bars_keep_the_unit_of_soil_moisture():
    values = made_up.shap(5)
    values["mean_absolute_shap_of_seed"] = values["mean_absolute_shap_of_seed"] * 0 + 0.002
    figure = draw("shap_by_window")(values)
    bars = [patch.get_width() for axes in panels(figure, "a", "b") for patch in axes.patches]
    assert bars
    assert np.allclose(bars, 2.0)  # 10⁻³ m³ m⁻³, for static and dynamic features alike


def test_a_group_of_features_that_a_study_lacks_gets_no_empty_panel():
    effects = made_up.effects(30).sel(feature=["temperature", "precipitation", "slope"])
    titles = [axes.get_title(loc="left") for axes in draw("effect_sizes")(effects).axes]
    assert [title for title in titles if title] == [
        "a  Physical soil and terrain",
        "b  Weather and environment",
        "c  Change of |d| from 24 to 72 h",
    ]


def upright_lines(axes: Axes) -> set[float]:
    return {float(line.get_xdata()[0]) for line in axes.lines if len(line.get_xdata()) == 2}


def test_each_measure_of_effect_has_an_axis_and_marks_of_its_own():
    effects = made_up.effects(30)
    effects["effect"].loc[{"feature": "slope"}] = [-1.0, -0.9, -0.8]
    figure = draw("effect_sizes")(effects)
    physical, categories, change = panels(figure, "a", "d", "f")
    measure = dict(zip(effects["long_name"].values, effects["measure"].values, strict=True))
    for axes, named in ((physical, "Cohen's d"), (categories, "Cramér's V")):
        assert axes.get_xlabel() == f"{named} [-]"
        labels = [label.get_text().removesuffix(" (SoilGrids)") for label in axes.get_yticklabels()]
        assert {measure[label] for label in labels if label in measure} == {named}
    row = [label.get_text() for label in physical.get_yticklabels()].index("slope")
    bars = [bar for bar in physical.patches if round(bar.get_y() + bar.get_height() / 2) == row]
    assert [bar.get_width() for bar in bars] == [-1.0, -0.9, -0.8]
    assert {-0.8, -0.5, -0.2, 0.2, 0.5, 0.8} <= {
        line.get_xdata()[0] for line in physical.lines if len(line.get_xdata())
    }
    assert {0.1, 0.3, 0.5} <= {line.get_xdata()[0] for line in categories.lines if len(line.get_xdata())}
    assert categories.get_xlim() == (0, 1)
    assert change.get_title(loc="left") == "f  Change of V from 24 to 72 h"


def test_the_lag_figure_says_how_many_days_hold_most_of_the_effect():
    own = shap(30).copy(deep=True)
    own["shap_lag"][:] = 0.0
    own["shap_lag"].loc[{"dynamic_feature": "precipitation", "lag_days": [0, 1, 2, 3, 4]}] = 1.0
    assert "lies in the last 5 days" in title_and_caption(draw("shap_lag")(own))[0]


def test_the_aligned_maps_show_the_year_with_the_most_values():
    values = made_up.cube(5)
    values["shortwave"] = values["shortwave"].where(values["time"] > np.datetime64("2019-01-01"))
    titles = [axes.get_title(loc="left") for axes in draw("aligned_maps")(values).axes]
    assert [title for title in titles if title] == [
        f"step ending 2019-{month}-15 00:00 UTC" for month in ("01", "04", "07", "10")
    ]


@pytest.mark.parametrize("name", ["aligned_maps", "dynamic_input_maps"])
def test_a_station_without_a_value_has_a_mark_of_its_own_that_the_legend_explains(name):
    values = made_up.cube(5)
    values["precipitation"][0] = np.nan
    figure = draw(name)(values)
    assert [text.get_text() for legend in figure.findobj(Legend) for text in legend.get_texts()] == ["no value"]
    stations = [
        collection for axes in figure.axes for collection in axes.collections if isinstance(collection, PathCollection)
    ]
    hollow = [marks for marks in stations if not marks.get_facecolor().size]
    filled = [marks for marks in stations if marks.get_facecolor().size or marks.get_array() is not None]
    assert len(hollow) == {"aligned_maps": 4, "dynamic_input_maps": 2}[name]
    assert all(len(marks.get_offsets()) == 1 for marks in hollow)
    assert len(hollow[0].get_paths()[0].vertices) < len(filled[0].get_paths()[0].vertices)  # a diamond, no circle


def test_the_weather_maps_name_the_step_and_not_a_day():
    figure = draw("dynamic_input_maps")(cube(30))
    assert (
        title_and_caption(figure)[0] == "Weather at the stations in the step ending 2019-07-01 12:00 UTC and over 2019"
    )
    assert "a  step ending 2019-07-01 12:00 UTC" in [axes.get_title(loc="left") for axes in figure.axes]


def dry_downs(**events: list[float]) -> dict[str, xr.Dataset]:
    """One station whose dry-downs have these properties, all well fitted."""
    own = made_up.recession_curves(1, len(next(iter(events.values()))))
    return {
        station: found.assign(
            good_fit=("event", np.ones(found.sizes["event"], dtype="int8")),
            **{name: ("event", np.array(values, dtype="float32")) for name, values in events.items()},
        )
        for station, found in own.items()
    }


def test_how_far_off_the_nearest_distribution_is_stands_beside_its_name():
    random = np.random.default_rng(1)
    two_peaks = dry_downs(tau=[*random.normal(60, 5, 200), *random.normal(400, 20, 200)])
    table = distributions_table(two_peaks)
    figure = draw("recession_histograms")(two_peaks, table)
    nearest = table[table["quantity"] == "tau"].iloc[0]
    assert f"tried, but off by up to {100 * nearest['ks_distance']:.0f} %" in title_and_caption(figure)[0]
    assert f"D = {nearest['ks_distance']:.3f} (by chance up to 0.045)" in figure.axes[0].get_title(loc="left")
    one = dry_downs(tau=list(random.gamma(4, 40, 400)))
    said = title_and_caption(draw("recession_histograms")(one, distributions_table(one)))[0]
    assert said.endswith("gamma is the nearest of 4 distributions tried, no further off than by chance")


def test_the_median_dry_down_ends_where_half_of_them_have_ended():
    four = dry_downs(tau=[100] * 4, theta_r=[0.1, 0.1, 0.3, 0.3], delta=[0.1] * 4, duration=[80, 200, 300, 400])
    figure = draw("recession_curves")(four)
    panel = figure.axes[0]
    assert panel.lines[0].get_xdata()[-1] == 300
    assert panel.lines[0].get_ydata()[-1] == pytest.approx(0.3 + 0.1 * np.exp(-3))  # of the two that still last
    ends = sorted(path.vertices[-1, 0] for path in panel.collections[0].get_paths())
    assert ends == [80, 200, 300, 400]
    assert "as long as half of them do (300 h)" in title_and_caption(figure)[1]


def test_a_station_is_called_alike_in_the_series_of_its_dry_downs_and_elsewhere():
    values = cube(1).assign_coords(station_name=("station", ["Birch_Mesa_#1"]), network=("station", ["SCAN"]))
    name = str(values["station"].values[0])
    figure = draw("recession_series")({name: values[["soil_moisture"]].sel(station=name)}, curves(1))
    assert figure.axes[0].get_title(loc="left").startswith("Birch Mesa #1 (SCAN): ")
    assert [label.split(" (")[0] for label in station_labels(values)] == ["Birch Mesa #1"]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.941, "94 %"), (1, "100 %"), (0.996, "99.6 %"), (0.004, "0.4 %"), (0.9999, "99.99 %")],
)
def test_a_share_is_rounded_to_whole_percents_but_never_to_all_or_nothing(share, text):
    assert percent(share) == text


def test_a_step_without_rain_has_no_scale_below_zero():
    assert colour_limits(np.zeros(5)) == (0, 1)


def test_the_lag_figure_claims_no_known_weather_of_days_ahead_in_a_forecast():
    lags = np.arange(-3, 27, dtype="float32")
    ahead = made_up.shap(5, "forecast").assign_coords(lag_days=lags)
    ahead["shap_lag"] = ahead["shap_lag"].where(ahead["lag_days"] >= 0, 0.0)
    figure = draw("shap_lag")(ahead)
    assert "sees the time of year alone" in title_and_caption(figure)[1]
    assert all(line.get_xdata().min() >= 0 for axes in figure.axes for line in axes.lines)


def row_colours(axes: Axes) -> dict[str, str]:
    """Colour of the last bar of every row by the row's label."""
    labels = [label.get_text() for label in axes.get_yticklabels()]
    return {labels[round(bar.get_y() + bar.get_height() / 2)]: to_hex(bar.get_facecolor()) for bar in axes.patches}


def test_a_group_of_features_has_one_name_and_one_colour_in_every_figure():
    own = shap(30).copy()
    own["feature_group"] = own["feature_group"].where(own["feature"] != "slope", "record")
    by_window = [row_colours(axes) for axes in panels(draw("shap_by_window")(own), "a", "b")]
    groups = row_colours(draw("shap_groups")(own.drop_sel(group="topography")).axes[0])
    importance = made_up.permutation(30).assign_coords(feature_group=own["feature_group"])
    shuffled = draw("permutation_importance")(importance, own)
    beside = row_colours(panels(shuffled, "a")[0])
    assert by_window[0]["precipitation"] == beside["precipitation"] == groups["weather (3)"]
    assert by_window[1]["slope"] == group_colour("record")  # static by its kind, in the colour of its group
    assert all((by_window[0] | by_window[1])[name] == colour for name, colour in beside.items())
    named = {text.get_text() for legend in shuffled.findobj(Legend) for text in legend.get_texts()}
    assert {"weather", "soil, hydraulic"} <= named
    assert "dynamic" not in named


def test_groups_are_told_apart_by_their_colours():
    assert len({group.colour for group in GROUPS.values()}) == len(GROUPS)
    assert set(GROUPS) >= {variable.group for variable in VARIABLES.values() if variable.role != "target"}


def test_a_feature_that_does_nothing_gets_no_empty_row():
    own = shap(30).copy(deep=True)
    of_seed = own["mean_absolute_shap_of_seed"]
    of_seed.loc[{"feature": "slope"}] = 0.0
    own["group_shap_of_seed"].loc[{"group": "topography"}] = 0.0
    of_seed.loc[{"feature": "clay"}] = of_seed.sel(feature="clay", window=24)
    by_window, groups = draw("shap_by_window")(own), draw("shap_groups")(own)
    a, b, c = panels(by_window, "a", "b", "c")
    for axes in (a, b, groups.axes[0]):
        longest = max(bar.get_width() for bar in axes.patches)
        assert min(bar.get_width() for bar in axes.patches) > 0.01 * longest
        assert len(row_colours(axes)) == len(axes.get_yticks())
    assert "slope" not in row_colours(b)
    left_out = own.sizes["feature"] - len(row_colours(a)) - len(row_colours(b))
    assert f"Not drawn: {left_out} weaker features." in title_and_caption(by_window)[1]
    assert "not drawn: topography (1)" in title_and_caption(groups)[1]
    assert len(c.collections[-1].get_offsets()) == len(c.get_yticks())  # no change is a point at zero
    importance = made_up.permutation(30)
    importance["permutation_importance"].loc[{"feature": "slope"}] = 0.0
    a, b = panels(draw("permutation_importance")(importance, own), "a", "b")
    drawn = [label.get_text() for label in a.get_yticklabels()]
    assert "slope" not in drawn
    for axes in (a, b):  # of a bar too thin to be seen the point at its end is left
        points = next(marks for marks in axes.collections if isinstance(marks, PathCollection))
        assert len(points.get_offsets()) == len(axes.patches) == len(drawn)


def summary_with(**medians: float) -> pd.DataFrame:
    """A summary at six leads: the methods at their median in every lead, none of them behind for sure."""
    summary = made_up.skill_summary(30)
    summary = summary[(summary["experiment"] == "forecast") & summary["method"].isin(medians)]
    summary["median_r2"] = summary["method"].map(medians)
    return summary.assign(low=summary["median_r2"] - 0.01, high=summary["median_r2"] + 0.01, behind_low=0.0)


def test_a_method_far_below_the_others_does_not_take_the_axis():
    summary = summary_with(regional_model=0.8, persistence=0.75, climatology=0.05)
    figure = draw("skill_by_lead")(summary, skill(30))
    low, high = figure.axes[0].get_ylim()
    assert low > 0.7
    assert high < 0.9
    arrows = [text.get_text() for text in figure.axes[0].texts if text.arrow_patch is not None]
    assert arrows == ["0.05"] * 6
    assert "more than 0.4 below the best (climatology)" in title_and_caption(figure)[1]


def test_no_two_methods_of_a_lead_are_drawn_over_each_other():
    figure = draw("skill_by_lead")(made_up.skill_summary(30), skill(30))
    FigureCanvasAgg(figure).draw()
    for axes in figure.axes[:2]:
        places = sorted((line.get_window_extent().x0, line.get_window_extent().x1) for line in axes.lines[:-5])
        assert len(places) >= 7 * 6
        assert all(first[1] <= second[0] + 1 for first, second in pairwise(places))


def test_the_title_ranks_no_methods_that_chance_may_have_ordered():
    summary = summary_with(regional_model=0.80, station_model=0.81, persistence=0.75)
    assert "station model, regional model and persistence (forecast, 0.75–0.81)" in title_of("skill_by_lead", summary)
    behind = summary.assign(behind_low=np.where(summary["method"] == "station_model", 0.0, 0.01))
    assert "station model alone (forecast, 0.81)" in title_of("skill_by_lead", behind)
    assert "all 9 methods (forecast" in title_of("skill_by_lead", made_up.skill_summary(30))


def test_of_one_station_no_interval_is_drawn_and_no_method_is_told_apart():
    figure = draw("skill_by_lead")(made_up.skill_summary(1), skill(1))
    title, caption = title_and_caption(figure)
    assert re.fullmatch(
        r"Station model at one station, 72 h ahead: R² 0\.\d\d \(drivers\), 0\.\d\d \(forecast\)", title
    )
    assert "one station does not say what is chance" in caption
    assert "interval" not in caption
    assert "≈" not in caption
    for axes in figure.axes[:2]:
        assert not any(
            len(segment) and np.isfinite(segment).all()
            for lines in axes.collections
            for segment in lines.get_segments()
        )
        assert np.isfinite(axes.get_ylim()).all()


@pytest.mark.parametrize(
    ("stations", "seeds", "said"),
    [
        (1, 1, "No whiskers: one station and one seed of the network do not say what others would give."),
        (1, 3, "over 3 seeds of the network."),
        (8, 1, "interval over stations."),
        (8, 3, "interval over stations and 3 seeds of the network."),
    ],
)
def test_whiskers_are_of_what_there_is_more_than_one_of(stations: int, seeds: int, said: str):
    own = shap(stations).isel(seed=slice(seeds))
    for name in ("shap_by_window", "shap_groups"):
        figure = draw(name)(own)
        assert said in title_and_caption(figure)[1]
        assert unsaid(figure) == flaws(figure) == []


def test_a_summary_without_scores_says_so_in_place_of_an_axis():
    stored = io.StringIO(made_up.skill_summary(30).iloc[:0].to_csv(index=False))
    figure = draw("skill_by_lead")(pd.read_csv(stored), skill(30))
    assert "no scores in the test split" in [text.get_text() for text in figure.axes[0].texts]


def title_of(name: str, summary: pd.DataFrame) -> str:
    return title_and_caption(draw(name)(summary, skill(30)))[0]


def test_a_panel_of_the_best_stations_shows_one_lead_with_the_observation_in_sight():
    figure = draw("best_station_series")(forecasts(4), skill(4))
    shown = [axes for axes in figure.axes if axes.lines]
    assert len(shown) == 4 * 3  # a row for each station, a column for each lead
    for axes in shown:
        observed, forecast = axes.lines
        assert observed.get_zorder() < forecast.get_zorder()
        assert observed.get_linewidth() > 2 * forecast.get_linewidth()
        assert len(axes.collections) == 1  # the interval, behind both
        assert axes.collections[0].get_zorder() < observed.get_zorder()
        assert axes.collections[0].get_alpha() < 0.3
        low, high = axes.get_ylim()
        assert low < np.nanmin(observed.get_ydata())
        assert high > np.nanmax(observed.get_ydata())


def test_correlations_keep_their_sign():
    own = made_up.correlations(30)
    own["feature_correlation"].loc[{"feature": "clay", "other_feature": "sand"}] = -0.9
    own["feature_correlation"].loc[{"feature": "sand", "other_feature": "clay"}] = -0.9
    figure = draw("feature_correlations")(own, 30)
    among, beside = panels(figure, "a", "b")
    names = [label.get_text().rstrip("0123456789 ") for label in among.get_yticklabels()]
    column, row = sorted([names.index("clay, weight (SoilGrids)"), names.index("sand, weight (SoilGrids)")])
    assert among.images[0].get_clim() == (-1, 1)
    assert among.images[0].get_array()[row, column] == pytest.approx(-0.9)
    signs = {text.get_position(): text.get_text() for text in among.texts}
    assert signs[column, row] == "−"
    points = beside.lines[0].get_xdata()  # the first window
    assert min(points) < -0.3
    assert len(points) == len(names)


def test_clusters_say_how_separate_they_are_and_how_many_stations_change():
    clusters = made_up.clusters(12).copy(deep=True)
    clusters["silhouette"][:] = [0.2, 0.3, 0.6]
    clusters["cluster"][:] = 0
    clusters["cluster"][:2, 1] = 1
    figure = draw("driver_clusters")(clusters, shap(12))
    title, caption = title_and_caption(figure)
    assert title.startswith("No to reasonable cluster structure (silhouette 0.20 to 0.60): 2 of 12 stations change")
    assert "Kaufman & Rousseeuw 1990" in caption
    maps = [text for axes in figure.axes if "structure" in (text := axes.get_title(loc="left"))]
    assert maps == [
        "24 h: no structure (silhouette 0.20)",
        "48 h: weak structure (silhouette 0.30)",
        "72 h: reasonable structure (silhouette 0.60)",
    ]
    named = [text.get_text() for legend in figure.findobj(Legend) for text in legend.get_texts()]
    assert all("effect of" in text or "between the others" in text for text in named)


@pytest.mark.parametrize("name", [figure.name for figure in figures() if figure.section == "Drivers"])
def test_no_text_of_an_association_claims_a_cause(name: str):
    title, caption = title_and_caption(FIGURES[name](30))
    text = f"{title} {caption}".lower().replace("not a cause", "")
    assert not re.search(r"\b(drives|driven|causes?|sets? apart|surely|because|due to|owes)\b", text)


@pytest.mark.parametrize("name", ["skill_maps", "effect_sizes"])
def test_what_differs_between_two_runs_of_the_layout_is_not_printed(name: str, tmp_path: Path):
    figure = FIGURES[name](3)
    save_figure(figure, tmp_path / "figure.png")
    placed = np.array([axes.get_position(original=True).get_points() for axes in figure.axes])
    halves = np.array([half.bbox_relative.get_points() for part in figure.subfigs for half in (part, *part.subfigs)])
    assert np.array_equal(placed, placed.round(DIGITS_OF_POSITION))
    assert np.array_equal(halves, halves.round(DIGITS_OF_POSITION))
    figure.draw_without_rendering()
    assert np.array_equal(placed, [axes.get_position(original=True).get_points() for axes in figure.axes])


def test_a_share_is_said_alike_in_the_title_and_above_its_panel():
    figure = draw("era5_histograms")(grid())
    said = re.search(r"rains in (\S+ %) of hours", title_and_caption(figure)[0])
    assert said is not None
    assert f"b  {said[1]} of hours have 0.1 mm or more" in [axes.get_title(loc="left") for axes in figure.axes]


def test_a_pair_whose_correlation_is_not_known_is_no_pair_without_one():
    own = made_up.correlations(30)
    own["feature_correlation"].loc[{"feature": "clay", "other_feature": "sand"}] = np.nan
    own["feature_correlation"].loc[{"feature": "sand", "other_feature": "clay"}] = np.nan
    figure = draw("feature_correlations")(own, 30)
    assert [text.get_text() for text in panels(figure, "a")[0].texts].count("×") == 1
    assert "×: not known" in title_and_caption(figure)[1]
    assert "×" not in title_and_caption(draw("feature_correlations")(made_up.correlations(30), 30))[1]


def test_a_cell_without_a_value_has_no_colour_of_the_scale():
    months = {name: month.copy(deep=True) for name, month in made_up.era5_months(30, 12.0).items()}
    for month in months.values():
        month["precipitation"][:, 0] = np.nan
    panel = panels(draw("era5_july_maps")(months), "b")[0]
    assert np.isnan(np.ma.filled(panel.collections[-1].get_array(), np.nan)).any()
    assert panel.patch.get_hatch()  # seen through the cells that are not drawn


def test_a_series_has_the_colour_that_its_feature_has_among_the_drivers():
    moisture, *weather = draw("station_panel")(cube(1), str(cube(1)["station"].values[0])).axes[:4]
    assert to_hex(moisture.lines[0].get_color()) == group_colour("antecedent").lower()
    colours = {to_hex(line.get_color()) for axes in weather for line in axes.lines}
    bars = [each for axes in weather for each in axes.collections if isinstance(each, LineCollection)]
    assert colours | {to_hex(each.get_color()[0]) for each in bars} == {group_colour("dynamic").lower()}
    assert len(bars) == 1  # of precipitation


def test_amounts_are_said_to_be_of_a_step_in_the_local_effects():
    figure = draw("local_effects")(made_up.local_effects(30))
    labels = {axes.get_title(loc="left")[3:]: axes.get_xlabel() for axes in figure.findobj(Axes) if axes.get_xlabel()}
    assert labels["precipitation"] == "[mm per step]"
    assert labels["2 m air temperature"] == "[°C]"


def test_a_change_that_is_certain_is_filled():
    effects = made_up.effects(30)
    effects["change"][:], effects["change_low"][:], effects["change_high"][:] = 0.1, -0.1, 0.3
    effects["change"].loc[{"feature": "slope"}], effects["change_low"].loc[{"feature": "slope"}] = 0.2, 0.05
    changes = panels(draw("effect_sizes")(effects), "e")[0]
    labels = [label.get_text() for label in changes.get_yticklabels()]
    faces = changes.collections[1].get_facecolors()
    assert [label for label, face in zip(labels, faces, strict=True) if to_hex(face) != "#ffffff"] == ["slope"]
