"""The level of the records: what the mean of a station's record goes with."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.attribution.ranks import mean_interval
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.groups import group_colour, group_title, ordered_groups
from soilmoisture_assets.plots.labels import feature_label, words
from soilmoisture_assets.plots.shap_bars import drawn_rows, leading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_FEATURES = 20


@style.styled
def record_level(level: xr.Dataset) -> "Figure":
    """Mean absolute part of the stations' means, by group of attributes and by attribute.

    Parameters
    ----------
    level : level_part (station, feature) and level_rest (station) [m3 m-3], feature_group on feature; ``explained``
        among the attributes.
    """
    parts = 1e3 * level["level_part"].transpose("station", "feature").values.astype("float64")
    of_feature = words(level["feature_group"].values)
    groups = ordered_groups(of_feature)
    of_group = np.stack([parts[:, of_feature == group].sum(axis=1) for group in groups], axis=1)
    rest = 1e3 * level["level_rest"].values.astype("float64")
    by_group, by_feature = np.abs(of_group)[None], np.abs(parts)[None]
    group_rows, _ = drawn_rows(by_group.mean(axis=(0, 1)))
    rows, weak = drawn_rows(by_feature.mean(axis=(0, 1)))
    rows, weak = rows[:MOST_FEATURES], [*rows[MOST_FEATURES:], *weak]
    heights = [0.5 + 0.24 * (len(group_rows) + 1), 0.5 + 0.2 * max(len(rows), 2)]
    figure = style.new_figure(height=1.4 + sum(heights))
    grid = figure.add_gridspec(2, 1, height_ratios=heights)
    above, below = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    _bars(
        above,
        np.concatenate([by_group[..., group_rows], np.abs(rest)[None, :, None]], axis=2),
        [*(group_title(groups[i]) for i in group_rows), "what no attribute accounts for"],
        [*(group_colour(groups[i]) for i in group_rows), "white"],
    )
    above.set_title("a  Groups of attributes together")
    _bars(
        below,
        by_feature[..., rows],
        [style.shortened(feature_label(str(level["feature"].values[i])), 54) for i in rows],
        [group_colour(of_feature[i]) for i in rows],
    )
    below.set_title("b  Attributes, in the colour of their group")
    below.set_xlabel("mean |part of the station's mean| [10⁻³ m³ m⁻³]")
    most = leading(by_group, [group_title(group) for group in groups])
    explained = max(float(level.attrs["explained"]), 0.0)
    left_out = f" Not drawn: {style.counted(len(weak), 'weaker attribute')}." if weak else ""
    return style.finish(
        figure,
        f"Attributes account for {style.percent(explained)} of the differences between stations' means; these go most "
        f"with {most}",
        f"Mean over {style.counted(len(parts), 'station')} of the absolute part of the mean of the training record, "
        "relative to the mean over stations. Mean weather and what holds water itself are asked first; chemistry, land "
        "cover and position explain what these leave. Percentage: stations left out one by one. Whiskers: 95 % "
        f"bootstrap interval over stations, given the fit.{left_out}",
        level,
    )


def _bars(axes: "Axes", values: np.ndarray, labels: list[str], colours: list[str]) -> None:
    found = mean_interval(values)
    axes.barh(
        np.arange(len(labels)),
        found.middle,
        height=0.7,
        xerr=np.array([found.middle - found.low, found.high - found.middle]),
        color=colours,
        edgecolor=style.GREY,
        linewidth=0.4,
        error_kw={"elinewidth": 0.6, "ecolor": style.GREY},
    )
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(True, axis="x")


def _draw(given: FigureInputs) -> "Figure":
    return record_level(given.inputs["level"])


FIGURE = FigureDeclaration(
    name="record_level",
    title="Level of the records",
    section="Drivers",
    place=6,
    description="What the mean of a station's record goes with: parts by group of attributes and by attribute.",
    inputs={"level": "analysis/record_level"},
    draw=_draw,
    code="1",
)
