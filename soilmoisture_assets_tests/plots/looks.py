"""What is wrong with a drawn figure, as far as a machine can see it.

Belongs here: checks of any figure that has been drawn. Not here: tests; what one figure says (test_figures.py).
"""

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots.style import FULL_WIDTH

_VARIABLES = {variable.long_name for variable in VARIABLES.values()}
SMALLEST = 5.0
"""Points of the smallest text in print, where a figure is as wide as a page; marks of one letter may be smaller."""


def flaws(figure: Figure) -> list[str]:
    """Draw the figure and say what is clipped, empty, crowded, covered, too small or of two meanings."""
    FigureCanvasAgg(figure).draw()
    return [
        *(f"clipped: {text}" for text in clipped_texts(figure)),
        *(f"empty: {text}" for text in empty_panels(figure)),
        *(f"crowded: {text}" for text in crowded_ticks(figure)),
        *(f"covered: {text}" for text in covered_titles(figure)),
        *(f"over each other: {text}" for text in overlapping_texts(figure)),
        *(f"covered data: {text}" for text in covered_data(figure)),
        *(f"too small: {text}" for text in small_texts(figure)),
        *(f"two meanings: {text}" for text in colours_of_two_meanings(figure)),
    ]


def visible_texts(figure: Figure) -> list[Text]:
    """Texts that are drawn: tick labels beyond their axis are not."""
    found = []
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text.get_window_extent().width > 0:
            found.append(text)
    hidden = set()
    for axes in figure.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis):
            drawn = {id(tick) for tick in axis._update_ticks()} if axes.axison and axis.get_visible() else set()
            for tick in [*axis.majorTicks, *axis.minorTicks]:
                if id(tick) not in drawn:
                    hidden |= {id(tick.label1), id(tick.label2)}
    return [text for text in found if id(text) not in hidden]


def clipped_texts(figure: Figure) -> list[str]:
    width, height = figure.canvas.get_width_height()
    clipped = []
    for text in visible_texts(figure):
        box = text.get_window_extent()
        if text.get_clip_on() and text.axes is not None:
            continue  # map letters at the edge of the map
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1:
            clipped.append(f"{text.get_text()!r} at {box.extents.round()} of {width} x {height}")
    for legend in figure.findobj(Legend):
        box = legend.get_window_extent()
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1:
            clipped.append(f"legend at {box.extents.round()} of {width} x {height}")
    return clipped


def empty_panels(figure: Figure) -> list[str]:
    return [
        axes.get_title() or repr(axes)
        for axes in figure.findobj(Axes)
        if axes.axison and not (axes.lines or axes.collections or axes.patches or axes.images or axes.texts)
    ]


def crowded_ticks(figure: Figure) -> list[str]:
    """Neighbouring tick labels of one axis that overlap."""
    crowded = []
    for axes in figure.findobj(Axes):
        if not axes.axison:
            continue
        for axis, side in ((axes.xaxis, 0), (axes.yaxis, 1)):
            labels = [tick.label1 for tick in axis._update_ticks() if tick.label1.get_visible()]
            labels = [label for label in labels if label.get_text().strip()]
            if any(label.get_rotation() not in (0, 90) for label in labels):
                continue  # slanted labels: their boxes overlap, the letters do not
            spans = sorted(
                (label.get_window_extent().min[side], label.get_window_extent().max[side], label.get_text())
                for label in labels
            )
            crowded += [
                f"{first[2]!r} and {second[2]!r}" for first, second in pairwise(spans) if first[1] > second[0] + 1
            ]
    return crowded


def covered_titles(figure: Figure) -> list[str]:
    """Panel titles, axis labels, legends and the stamp that overlap each other, and axes below the stamp."""
    texts = [
        text
        for axes in figure.findobj(Axes)
        for text in (axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label)
        if text.get_visible() and text.get_text().strip() and (axes.axison or text in (axes.title, axes._left_title))
    ]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    boxes += [("legend", legend.get_window_extent()) for legend in figure.findobj(Legend)]
    if figure._suptitle is not None:
        boxes.append(("title", figure._suptitle.get_window_extent()))
    stamp = [text.get_window_extent() for text in figure.texts if text.get_text() == "SYNTHETIC"]
    boxes += [("stamp", box) for box in stamp]
    return [
        f"'stamp' and axes {place}"
        for box in stamp
        for place, axes in enumerate(figure.findobj(Axes))
        if axes.axison and box.overlaps(axes.get_window_extent())
    ] + [
        f"{one!r} and {other!r}"
        for place, (one, box) in enumerate(boxes)
        for other, against in boxes[place + 1 :]
        if box.shrunk(0.9, 0.8).overlaps(against.shrunk(0.9, 0.8))
    ]


def overlapping_texts(figure: Figure) -> list[str]:
    """Texts that are drawn over each other; letters on a map, which it clips, look for a place of their own."""
    texts = [text for text in visible_texts(figure) if not (text.get_clip_on() and text.axes is not None)]
    texts = [text for text in texts if text.get_rotation() in (0, 90)]  # of others the boxes overlap, not the letters
    boxes = [text.get_window_extent().shrunk(0.9, 0.7) for text in texts]
    corners = np.array([box.extents for box in boxes]).reshape(-1, 4)
    west, south, east, north = corners.T
    apart = (west[:, None] > east) | (east[:, None] < west) | (south[:, None] > north) | (north[:, None] < south)
    return [
        f"{texts[i].get_text()!r} and {texts[j].get_text()!r}"
        for i, j in zip(*np.nonzero(np.triu(~apart, 1)), strict=True)
    ]


def covered_data(figure: Figure) -> list[str]:
    """Panels whose legend lies over what they show."""
    covered = []
    for axes in figure.findobj(Axes):
        legend = axes.get_legend()
        if legend is None or not axes.axison:
            continue
        box = legend.get_window_extent()
        if any(_inside(box, points) for points in _drawn(axes)):
            covered.append(axes.get_title(loc="left") or repr(axes))
    return covered


def _drawn(axes: Axes) -> list[np.ndarray]:
    """Pixels that lines, marks and bars of a panel go through."""
    found = []
    for line in axes.lines:
        path = line.get_transform().transform_path(line.get_path()).interpolated(20)
        found.append(path.vertices)
    for marks in axes.collections:
        if isinstance(marks, PathCollection):
            found.append(marks.get_offset_transform().transform(marks.get_offsets()))
    for bar in axes.patches:
        box = bar.get_window_extent()
        across, up = np.meshgrid(np.linspace(box.x0, box.x1, 20), np.linspace(box.y0, box.y1, 20))
        found.append(np.column_stack([across.ravel(), up.ravel()]))
    return found


def _inside(box: Bbox, points: np.ndarray) -> bool:
    x, y = np.asarray(points, dtype="float64").T
    return bool(((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)).any())


def small_texts(figure: Figure) -> list[str]:
    """Texts that nobody reads on paper."""
    share = min(FULL_WIDTH / figure.get_figwidth(), 1.0)
    return sorted(
        {
            f"{text.get_text()!r} of {share * text.get_fontsize():.1f} points"
            for text in visible_texts(figure)
            if len(text.get_text().strip()) > 1 and share * text.get_fontsize() < SMALLEST - 1e-6
        }
    )


def colours_of_two_meanings(figure: Figure) -> list[str]:
    """Colours that legends and tick labels of one figure call by two names; black and greys mean nothing alone."""
    called: dict[str, set[str]] = {}
    for legend in figure.findobj(Legend):
        if legend.get_title().get_text() in _VARIABLES:  # the classes of one map
            continue
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            called.setdefault(_colour(handle), set()).add(text.get_text())
    for axes in figure.findobj(Axes):
        for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
            if label.get_text():
                called.setdefault(to_hex(label.get_color()), set()).add(label.get_text())
    return [
        f"{colour} is {' and '.join(sorted(names))}"
        for colour, names in called.items()
        if len(names) > 1 and len({colour[1:3], colour[3:5], colour[5:7]}) > 1
    ]


def _colour(handle: Any) -> str:
    colour = handle.get_facecolor() if hasattr(handle, "get_facecolor") else handle.get_color()
    if not len(colour):  # bars of errors
        colour = handle.get_edgecolor()
    return to_hex(colour if isinstance(colour, str) else np.asarray(colour).reshape(-1)[:4])
