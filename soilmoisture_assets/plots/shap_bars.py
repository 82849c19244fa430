"""Bars of mean |SHAP|: one row per feature or group in the colour of its group, one shade per window.

Belongs here: what the figures of SHAP by feature and by group draw alike. Not here: colours of groups (groups.py).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.groups import group_colour, group_title, ordered_groups, shades
from soilmoisture_assets.plots.intervals import mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

LEAST_DRAWN = 0.02
"""Share of the strongest row below which a bar is thinner than its axis: such a row would look empty."""

SHAP_LABEL = "mean |SHAP| [10⁻³ m³ m⁻³]"


def drawn_rows(strength: np.ndarray) -> tuple[list[int], list[int]]:
    """Which rows get a bar, and which are too weak for one to be seen; both from the strongest to the weakest.

    Parameters
    ----------
    strength : (row), 0 or larger; NaN counts as nothing.
    """
    known = np.nan_to_num(np.asarray(strength, dtype="float64"))
    order = [int(row) for row in np.argsort(-known, kind="stable")]
    seen = (known > 0) & (known >= LEAST_DRAWN * known.max(initial=0.0))
    return [row for row in order if seen[row]], [row for row in order if not seen[row]]


def window_bars(axes: "Axes", values: np.ndarray, colours: Sequence[str]) -> None:
    """Horizontal bars of the mean over stations with its 95 % interval.

    Parameters
    ----------
    values : (station, window, row) mean |SHAP| [m3 m-3].
    colours : one for each row.
    """
    windows = values.shape[1]
    height = 0.8 / windows
    of_window = list(zip(*(shades(colour, windows) for colour in colours), strict=True))
    for place in range(windows):
        mean, low, high = (1e3 * x for x in mean_interval(values[:, place]))
        axes.barh(
            np.arange(len(colours)) + (place - (windows - 1) / 2) * height,
            mean,
            height=height,
            xerr=np.array([mean - low, high - mean]),
            color=of_window[place],
            edgecolor="white",
            linewidth=0.2,
            error_kw={"elinewidth": 0.6, "ecolor": style.GREY},
        )
    axes.set_ylim(len(colours) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(True, axis="x")


def window_handles(windows: Sequence[int]) -> "list[Patch]":
    """Legend entries of the shades, in grey: they are the same in every colour."""
    from matplotlib.patches import Patch

    return [
        Patch(facecolor=shade, label=f"{window} h")
        for window, shade in zip(windows, shades(style.GREY, len(windows)), strict=True)
    ]


def group_handles(groups: Sequence[str]) -> "list[Patch]":
    """Legend entries of the groups that are drawn."""
    from matplotlib.patches import Patch

    return [Patch(color=group_colour(name), label=group_title(name)) for name in ordered_groups(groups)]
