"""Driver clusters: stations whose forecasts respond alike to the weather, in every window."""

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.labels import feature_label, method_and_experiment
from soilmoisture_assets.plots.maps import map_axes, map_extent, project

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = (style.VERMILION, style.BLUE, style.GREEN, style.PURPLE, style.ORANGE, style.BLACK)
_MARKERS = "o^sDvP"

STRUCTURE = ((0.25, "no"), (0.5, "weak"), (0.7, "reasonable"), (np.inf, "strong"))
"""What a mean silhouette up to each value says of the clusters: Kaufman & Rousseeuw 1990, Finding Groups in Data."""


@style.styled
def driver_clusters(clusters: xr.Dataset, shap: xr.Dataset) -> "Figure":
    """Per window: a map of the clusters, the strength of each driver in each cluster, and the stations themselves.

    Parameters
    ----------
    clusters : cluster (station, window), strength and centre (window, group, driver) [m3 m-3], silhouette (window) and
        stations_in (window, group), as ``attribution.clusters.driver_clusters``.
    shap : mean_absolute_shap (station, window, feature) [m3 m-3] the clusters were made from.
    """
    windows = [int(window) for window in clusters["window"].values]
    drivers = [str(driver) for driver in clusters["driver"].values]
    figure = style.new_figure(height=7.6, width=style.FULL_WIDTH * 1.3)
    grid = figure.add_gridspec(4, len(windows), height_ratios=[0.26, 1.0, 0.85, 1.05])
    box = map_extent(clusters["longitude"].values, clusters["latitude"].values)
    size = float(np.clip(300 / clusters.sizes["station"] ** 0.65, 5, 24))
    pair = _pair(drivers)
    moved = _moved(clusters)
    shared: list[Axes | None] = [None, None]
    for column, window in enumerate(windows):
        member = clusters["cluster"].isel(window=column).values.astype(int)
        _map(map_axes(figure, grid[1, column], box, line_width=0.35), clusters, member, moved, size)
        silhouette = float(clusters["silhouette"][column])
        figure.axes[-1].set_title(f"{window} h: {structure(silhouette)} structure (silhouette {silhouette:.2f})")
        bars = figure.add_subplot(grid[2, column], sharey=shared[0])
        _bars(bars, clusters.isel(window=column), drivers)
        cloud = figure.add_subplot(grid[3, column], sharex=shared[1], sharey=shared[1])
        strength = shap["mean_absolute_shap"].sel(station=clusters["station"].values, feature=list(pair), window=window)
        values = 1e3 * strength.transpose("station", "feature").values.astype("float64")
        for cluster in range(clusters.sizes["group"]):
            chosen = member == cluster
            cloud.scatter(
                values[chosen, 0],
                values[chosen, 1],
                s=size,
                c=_COLOURS[cluster],
                marker=_MARKERS[cluster],
                edgecolors=_rims(moved[chosen]),
                linewidths=[0.9 if changes else 0.3 for changes in moved[chosen]],
            )
        cloud.set_xlabel(f"{feature_label(pair[0])}\n|SHAP| [10⁻³ m³ m⁻³]")
        cloud.grid(True)
        if column == 0:
            bars.set_ylabel("mean |SHAP|\n[10⁻³ m³ m⁻³]")
            cloud.set_ylabel(f"{feature_label(pair[1])}\n|SHAP| [10⁻³ m³ m⁻³]")
        shared = [shared[0] or bars, shared[1] or cloud]
    legend = figure.add_subplot(grid[0, :])
    legend.axis("off")
    handles = _handles(clusters, drivers)
    legend.legend(handles=handles, loc="center left", ncols=2, borderaxespad=0)
    return style.finish(
        figure,
        _message(clusters, windows),
        "k-means on the standardised mean |SHAP| of the weather inputs, in every window; a cluster keeps its letter "
        "where it is most alike. Legend, for the last window: the input whose effect on the forecast is strongest or "
        "weakest in a cluster, and its stations. Black rim: changes cluster. Mean silhouette: below 0.25 no structure, "
        "below 0.5 a weak one that may be artificial, below 0.7 a reasonable one (Kaufman & Rousseeuw 1990); groups of "
        "a weak one shade into each other.",
        clusters,
        shap,
    )


def structure(silhouette: float) -> str:
    """How well clusters are separated, in the words of Kaufman & Rousseeuw: "no", "weak", "reasonable" or "strong"."""
    return next((word for below, word in STRUCTURE if silhouette < below), "no")


def _moved(clusters: xr.Dataset) -> np.ndarray:
    """Which stations are not in one cluster in every window (station)."""
    member = clusters["cluster"].transpose("station", "window").values
    return (member != member[:, :1]).any(axis=1)


def _rims(moved: np.ndarray) -> list[str]:
    return np.where(moved, style.BLACK, "white").tolist()


def _map(axes: "Axes", clusters: xr.Dataset, member: np.ndarray, moved: np.ndarray, size: float) -> None:
    where = project(axes, clusters["longitude"].values, clusters["latitude"].values)
    for cluster in range(clusters.sizes["group"]):
        chosen = member == cluster
        axes.scatter(
            where[chosen, 0],
            where[chosen, 1],
            s=size,
            c=_COLOURS[cluster],
            marker=_MARKERS[cluster],
            edgecolors=_rims(moved[chosen]),
            linewidths=[0.9 if changes else 0.3 for changes in moved[chosen]],
            zorder=3,
        )


def _bars(axes: "Axes", one: xr.Dataset, drivers: list[str]) -> None:
    count = one.sizes["group"]
    width = 0.8 / count
    for cluster in range(count):
        strength = 1e3 * one["strength"].isel(group=cluster).values.astype("float64")
        axes.bar(
            np.arange(len(drivers)) + (cluster - (count - 1) / 2) * width,
            strength,
            width=width,
            color=_COLOURS[cluster],
            edgecolor="white",
            linewidth=0.3,
            hatch=style.WINDOW_HATCHES[cluster],
        )
    axes.set_xticks(range(len(drivers)), [fill(feature_label(name), 14) for name in drivers], fontsize=6.5)
    axes.grid(True, axis="y")


def _pair(drivers: list[str]) -> tuple[str, str]:
    """Precipitation and shortwave where the study has them, otherwise its first two drivers."""
    if {"precipitation", "shortwave"} <= set(drivers):
        return "precipitation", "shortwave"
    return drivers[0], drivers[min(1, len(drivers) - 1)]


def _leading(clusters: xr.Dataset, drivers: list[str]) -> list[str]:
    """What each cluster of the last window has most or least of: the driver whose centre stands out furthest there, in
    standard deviations of all stations."""
    centre = clusters["centre"].isel(window=-1).transpose("group", "driver").values
    extreme = (centre == np.nanmax(centre, axis=0)) | (centre == np.nanmin(centre, axis=0))
    texts = []
    for row, stands_out in zip(centre, extreme, strict=True):
        if not stands_out.any():
            texts.append("between the others")
            continue
        leading = int(np.argmax(np.where(stands_out, np.abs(row), -1)))
        most = row[leading] == np.nanmax(centre[:, leading])
        texts.append(f"{'strong' if most else 'weak'} effect of {feature_label(drivers[leading])}")
    return texts


def _handles(clusters: xr.Dataset, drivers: list[str]) -> list:
    from matplotlib.lines import Line2D

    counts = clusters["stations_in"].isel(window=-1).values
    return [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=_MARKERS[cluster],
            color=_COLOURS[cluster],
            label=f"{'ABCDEF'[cluster]}: {leading} (n = {int(counts[cluster])})",
        )
        for cluster, leading in enumerate(_leading(clusters, drivers))
    ]


def _message(clusters: xr.Dataset, windows: list[int]) -> str:
    silhouettes = sorted(float(value) for value in clusters["silhouette"].values)
    words = " to ".join(dict.fromkeys(structure(value) for value in (silhouettes[0], silhouettes[-1])))
    values = " to ".join(dict.fromkeys(f"{value:.2f}" for value in (silhouettes[0], silhouettes[-1])))
    text = f"{words[:1].upper()}{words[1:]} cluster structure (silhouette {values})"
    if len(windows) > 1:
        stations = style.counted(clusters.sizes["station"], "station")
        text += f": {int(_moved(clusters).sum())} of {stations} change cluster between {windows[0]} and {windows[-1]} h"
    return f"{text} ({method_and_experiment(clusters)})"


def _draw(given: FigureInputs) -> "Figure":
    return driver_clusters(given.inputs["clusters"], given.inputs["shap"])


FIGURE = FigureDeclaration(
    name="driver_clusters",
    title="Driver clusters",
    section="Drivers",
    place=9,
    description="Stations grouped by how strongly the weather moves their forecasts, and how separate the groups are.",
    inputs={"clusters": "analysis/driver_clusters_{experiment}", "shap": "analysis/shap_values_{experiment}"},
    draw=_draw,
    code="3",
    variants=each_experiment,
)
