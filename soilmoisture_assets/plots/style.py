"""Figure style: fonts, colours, title, caption and stamp that every figure shares.

Belongs here: what makes two figures look like one paper. Not here: maps (maps.py), any figure of its own.
"""

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.variables import Variable
from soilmoisture_assets.methods import methods

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure, SubFigure

FULL_WIDTH = 7.4
"""Inches: a figure over both columns of a journal page. Text of 7 to 9 points stays readable there."""

DPI = 300
COMPRESS_LEVEL = 3
"""Of PNG: a third faster than zlib's usual 6, for files larger by 1 %."""
DIGITS_OF_POSITION = 9
"""Of the width and height of a figure: a millionth of a pixel."""

_BELOW_LABEL = 30
"""Points from a panel down to what stands below the label of its x axis."""

# Okabe and Ito 2008, "Color Universal Design": told apart with every common colour vision.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK, GREY = "#56B4E9", "#CC79A7", "#F0E442", "#222222", "#767676"

WINDOW_COLOURS = (BLUE, ORANGE, PURPLE, GREEN, VERMILION, SKY)
WINDOW_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++")

SEQUENTIAL = "viridis"
WATER = "YlGnBu"
DRY_TO_WET = "BrBG"

_SCALES: Mapping[str, str] = {
    "soil_moisture": WATER,
    "soil_moisture_era5": WATER,
    "soil_moisture_era5_7_28cm": WATER,
    "soil_moisture_era5_28_100cm": WATER,
    "precipitation": WATER,
    "snow_depth": WATER,
    "temperature": "inferno",
    "dewpoint": "inferno",
    "soil_temperature": "inferno",
    "shortwave": "cividis",
    "physical": "YlOrBr",
    "chemical": "YlGn",
    "hydraulic": WATER,
}
"""Colour scale of a variable, or of a group of variables; each runs one way between light and dark in grey print."""

_PARAMETERS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "hatch.linewidth": 0.4,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}

_TITLE_SIZE, _CAPTION_SIZE = 10.0, 6.5

P = ParamSpec("P")


def styled(function: "Callable[P, Figure]") -> "Callable[P, Figure]":
    """Draw a figure with the shared fonts and lines, whatever the caller's matplotlib settings are."""

    @wraps(function)
    def draw(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        import matplotlib

        with matplotlib.rc_context(_PARAMETERS):
            return function(*args, **kwargs)

    return draw


def new_figure(height: float, width: float = FULL_WIDTH) -> "Figure":
    """An empty figure, inches, whose layout keeps labels from overlapping. It belongs to no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=100)


def stacked(figure: "Figure | SubFigure", heights: Sequence[float]) -> "list[SubFigure]":
    """Parts of a figure one above the other, each with a layout of its own."""
    parts = figure.subfigures(len(heights), 1, height_ratios=list(heights), squeeze=False)
    return list(np.asarray(parts).ravel())


def finish(figure: "Figure", title: str, shows: str, *sources: xr.Dataset, period: str = "", n: str = "") -> "Figure":
    """Give a figure its title, its caption and, where any source is synthetic, the stamp.

    Parameters
    ----------
    title : the one message.
    shows : what is drawn and how to read it; the caption adds n, period and source.
    sources : the datasets drawn; the first gives n, period and source where they are not passed.
    period, n : for what the first dataset does not say.
    """
    synthetic = any(int(source.attrs.get("synthetic", 0)) for source in sources)
    facts = [n or _station_count(sources), period or _period(sources), _source(sources)]
    caption = " ".join([shows.strip(), " · ".join(fact for fact in facts if fact)])
    scale = max(figure.get_figwidth() / FULL_WIDTH, 1.0)  # a wider figure is printed as wide as the others
    large, small = scale * _TITLE_SIZE, scale * _CAPTION_SIZE
    room = figure.get_figwidth() - (1.2 * scale if synthetic else 0.1)
    title_lines = _wrapped(title, room, 1.12 * large)  # bold letters are as wide as larger plain ones
    caption_lines = _wrapped(caption, figure.get_figwidth() - 0.2, small)
    grown = (scale - 1) * sum(
        (text.count("\n") + 1) * 1.3 * size
        for text, size in ((title_lines, _TITLE_SIZE), (caption_lines, _CAPTION_SIZE))
    )
    figure.set_figheight(figure.get_figheight() + grown / 72)
    figure.suptitle(title_lines, x=0.01, ha="left", fontsize=large, fontweight="bold")
    figure.supxlabel(caption_lines, x=0.01, ha="left", fontsize=small, color="#444444", linespacing=1.3)
    if synthetic:  # beside the title, as far from the corner on a tall page as on a small one
        inch_x, inch_y = 1 / figure.get_size_inches()
        figure.text(
            1 - 0.09 * inch_x,
            1 - 0.075 * inch_y,
            "SYNTHETIC",
            ha="right",
            va="top",
            fontsize=scale * 9,
            fontweight="bold",
            color="white",
            in_layout=False,
            bbox={"facecolor": VERMILION, "edgecolor": "none", "boxstyle": "round,pad=0.25"},
        )
    figure.set_label(f"{title}\n{caption}")
    return figure


def title_and_caption(figure: "Figure") -> tuple[str, str]:
    """The unwrapped texts that ``finish`` gave the figure."""
    title, _, caption = str(figure.get_label()).partition("\n")
    return title, caption


def save_figure(figure: "Figure", path: Path) -> Path:
    """Write the figure as PNG at 300 dpi; its title and caption travel in the file's text fields."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    title, caption = title_and_caption(figure)
    with matplotlib.rc_context(_PARAMETERS):
        figure.set_dpi(DPI)
        _settle(figure)
        told = {"Title": title, "Description": caption}
        # not savefig, which draws everything twice: the first time for a layout that there is by now
        FigureCanvasAgg(figure).print_png(path, metadata=told, pil_kwargs={"compress_level": COMPRESS_LEVEL})
    return path


def _settle(figure: "Figure") -> None:
    """Lay the figure out for print and keep that, rounded.

    The solver behind the layout takes its terms in the order of their addresses in memory: the same figure comes out
    otherwise in the sixteenth digit, and now and then in a pixel.
    """
    from matplotlib.transforms import Bbox

    engine = figure.get_layout_engine()
    if engine is None:
        return
    engine.execute(figure)
    figure.set_layout_engine("none")
    for part in _parts(figure):
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(DIGITS_OF_POSITION))
    for axes in figure.axes:
        axes.set_position(Bbox(axes.get_position(original=True).get_points().round(DIGITS_OF_POSITION)))


def _parts(figure: "Figure | SubFigure") -> "Iterator[SubFigure]":
    """The parts of a figure, and theirs."""
    for part in figure.subfigs:
        yield part
        yield from _parts(part)


def saved_title_and_caption(path: Path) -> tuple[str, str]:
    """The texts ``save_figure`` stored in a PNG (or ``era5_animation`` in a WebP); empty where there are none."""
    from PIL import Image

    with Image.open(path) as image:
        if "Title" in image.info:  # what stands before the pixels, which are not decoded
            return str(image.info["Title"]), str(image.info.get("Description", ""))
        stored = image.getexif().get(EXIF_DESCRIPTION)
        title, caption = json.loads(stored) if stored else ("", "")
        return title, caption


EXIF_DESCRIPTION = 0x010E
"""Tag of a WebP that holds title and caption as a JSON list, because the tag takes ASCII only."""


def note_in_place_of_data(axes: "Axes", text: str) -> None:
    """Say why a panel is empty instead of leaving it empty."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=GREY, wrap=True)
    axes.set(xticks=[], yticks=[])


def legend_below(axes: "Axes", **how: Any) -> None:
    """Legend of a panel below the label of its x axis, however low the panel is."""
    from matplotlib.transforms import ScaledTranslation

    down = ScaledTranslation(0, -_BELOW_LABEL / 72, axes.figure.dpi_scale_trans)
    how = {"fontsize": 6.5, "borderaxespad": 0} | how
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=axes.transAxes + down, **how)


def colour_limits(values: np.ndarray, *, symmetric: bool = False, quantile: float = 0.02) -> tuple[float, float]:
    """Limits of a colour scale that a few outliers do not stretch; (0, 1) where nothing is finite."""
    finite = np.asarray(values, dtype="float64")
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return (-1.0, 1.0) if symmetric else (0.0, 1.0)
    if symmetric:
        reach = float(np.quantile(np.abs(finite), 1 - quantile)) or 1.0
        return -reach, reach
    low, high = (float(x) for x in np.quantile(finite, [quantile, 1 - quantile]))
    if low == high == 0:
        return 0.0, 1.0  # a dry step: no amount lies below 0
    if low == high:
        margin = abs(low) * 0.05 or 0.5
        return low - margin, high + margin
    return low, high


def colours_of(variable: Variable) -> str:
    """Colour scale of a variable: the same in every map of a study."""
    return _SCALES.get(variable.name) or _SCALES.get(variable.group, SEQUENTIAL)


def method_style(name: str) -> tuple[str, str, str]:
    """Colour, marker and line style of a method; grey where no declaration knows it."""
    declared = methods().get(name)
    return (declared.colour, declared.marker, declared.dash) if declared else (GREY, ".", "-")


def station_labels(stations: xr.Dataset) -> list[str]:
    """``Name (NETWORK)`` per station, or of a single one; the slug where the dataset carries no names."""
    if "station_name" not in stations or "network" not in stations:
        return [str(station) for station in np.atleast_1d(stations["station"].values)]
    names, networks = (np.atleast_1d(stations[name].values) for name in ("station_name", "network"))
    return [f"{str(name).replace('_', ' ')} ({network})" for name, network in zip(names, networks, strict=True)]


def counted(count: int, noun: str) -> str:
    """``1 station``, ``25 stations``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def are(count: int) -> str:
    return "is" if count == 1 else "are"


def percent(share: float, digits: int = 0) -> str:
    """``94 %`` of a share from 0 to 1; one digit more where rounding would say all or nothing of what is neither.

    Every text says shares with it, so that two of them do not round one share in two ways.
    """
    text = f"{100 * share:.{digits}f}"
    if 0 < share < 1 and float(text) in (0, 100) and digits < 2:
        return percent(share, digits + 1)
    return f"{text} %"


def in_percent(axis: "Axis") -> None:
    """Label an axis of shares from 0 to 1 as ``percent`` writes them, with as many digits as its ticks need."""
    axis.set_major_formatter(lambda share, _: f"{100 * share:g}\u00a0%")


def shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def day(time: Any) -> str:
    return f"{pd.Timestamp(time):%Y-%m-%d}"


def period_of(times: Iterable[Any], name: str = "") -> str:
    """``test 2019-01-01 to 2019-12-31``; empty where there are no times."""
    index = pd.DatetimeIndex(list(times))
    if not len(index):
        return ""
    first, last = day(index.min()), day(index.max())
    return f"{name} {first}{f' to {last}' if last != first else ''}".strip()


def date_locator(first: Any, last: Any, most: int) -> Any:
    """Ticks at whole months or years, at most about ``most`` of them; automatic below three months."""
    import matplotlib.dates as mdates

    months = (pd.Timestamp(last) - pd.Timestamp(first)) / pd.Timedelta(days=30.44)
    if months < 3:
        return mdates.AutoDateLocator(minticks=2, maxticks=max(most, 4))
    every = next((step for step in (1, 2, 3, 4, 6) if months / step <= most), 12)
    if every < 12:
        return mdates.MonthLocator(bymonth=range(1, 13, every))
    return mdates.YearLocator(int(np.ceil(months / 12 / most)))


def _station_count(sources: tuple[xr.Dataset, ...]) -> str:
    for source in sources:
        if "station" in source.sizes:
            return f"n = {counted(source.sizes['station'], 'station')}"
    return ""


def _period(sources: tuple[xr.Dataset, ...]) -> str:
    for source in sources:
        if "time" in source.coords and source["time"].ndim == 1:
            return period_of(pd.DatetimeIndex(source["time"].values) - pd.Timedelta(1, "ns"))  # steps end at midnight
    return next((str(source.attrs["period"]) for source in sources if "period" in source.attrs), "")


def _source(sources: tuple[xr.Dataset, ...]) -> str:
    text = next((str(source.attrs["source"]) for source in sources if source.attrs.get("source")), "")
    parts = dict.fromkeys(part.strip() for part in text.split(";") if part.strip())  # a notice is said once
    return f"Source: {shortened('; '.join(parts), 160)}." if parts else ""


def _wrapped(text: str, inches: float, size: float) -> str:
    for loose, together in (
        (" · ", "\u00a0· "),
        (" %", "\u00a0%"),
        ("n = ", "n\u00a0=\u00a0"),
    ):  # never parted by a line
        text = text.replace(loose, together)
    return textwrap.fill(text, max(20, int(inches * 72 / (size * 0.56))))
