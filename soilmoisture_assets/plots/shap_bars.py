"""Bars of mean |SHAP|: one row per feature or group in the colour of its group, one shade per window.

Belongs here: what the figures of SHAP by feature and by group draw and say alike. Not here: colours of groups
(groups.py), which ranks are open (attribution/ranks.py).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.attribution.ranks import leaders, mean_interval
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.groups import group_colour, group_title, ordered_groups, shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

LEAST_DRAWN = 0.02
"""Share of the strongest row below which a bar is thinner than its axis: such a row would look empty."""

SHAP_LABEL = "mean |SHAP| [10⁻³ m³ m⁻³]"
MOST_NAMED = 3


def whiskers(shap: xr.Dataset) -> str:
    """What captions say of the whiskers: over what there is more than one of."""
    seeds = [style.counted(shap.sizes["seed"], "seed") + " of the network"] if shap.sizes["seed"] > 1 else []
    drawn = [*(["stations"] if shap.sizes["station"] > 1 else []), *seeds]
    if not drawn:
        return "No whiskers: one station and one seed of the network do not say what others would give."
    return f"Whiskers: 95 % bootstrap interval over {' and '.join(drawn)}."


def leading(strength: np.ndarray, titles: Sequence[str]) -> str:
    """``weather``, ``weather or soil``, ``one of 5``: what may be the strongest of (seed, station, item)."""
    found = [titles[i] for i in leaders(strength)]
    if len(found) > MOST_NAMED:
        return f"one of {len(found)}, in an order that is open"
    return " or ".join(found)


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
    """Horizontal bars of the mean over seeds and stations with its 95 % interval.

    Parameters
    ----------
    values : (seed, station, window, row) mean |SHAP| [m3 m-3].
    colours : one for each row.
    """
    windows = values.shape[2]
    height = 0.8 / windows
    of_window = list(zip(*(shades(colour, windows) for colour in colours), strict=True))
    for place in range(windows):
        found = mean_interval(1e3 * values[:, :, place])
        axes.barh(
            np.arange(len(colours)) + (place - (windows - 1) / 2) * height,
            found.middle,
            height=height,
            xerr=np.array([found.middle - found.low, found.high - found.middle]),
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
