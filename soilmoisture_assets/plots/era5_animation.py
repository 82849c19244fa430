"""ERA5 animation: weather moving over the domain, as animated WebP."""

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.era5_grids import grid_box, where_gridded
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, Variant
from soilmoisture_assets.plots.maps import colour_bar, map_axes
from soilmoisture_assets.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FRAMES = 200
MILLISECONDS = 90


def era5_animation(months: Mapping[str, xr.Dataset], variable: str, span: Literal["week", "days"]) -> bytes:
    """An animated WebP of one variable: the hours of the first week of July, or the days of the record.

    Parameters
    ----------
    months : hourly ``variable`` (time, latitude, longitude) by month, named by its first day. A month is read only
        where a frame comes from it.
    span : "week": up to 168 hours from 1 July (from the start of the record where it has no July); "days": daily means,
        or totals of amounts, of at most 200 days spread evenly over the record.

    The map is drawn once; each frame colours its pixels by looking up the cell below them.
    """
    names = sorted(months)
    grid = months[names[0]]
    first, last = grid["time"].values[0], months[names[-1]]["time"].values[-1]
    fields, unit = _fields(months, pd.Timestamp(first), pd.Timestamp(last), variable, span)
    limits = (
        (0.0, style.colour_limits(fields.values)[1])
        if VARIABLES[variable].aggregation == "sum"
        else (style.colour_limits(fields.values, quantile=0.01))
    )
    figure = _base(grid, fields, variable, unit, limits, span)
    colours = style.colours_of(VARIABLES[variable])
    frames = _frames(figure, figure.axes[0], fields, limits, colours, hours=span == "week")
    return _animated(frames, json.dumps(style.title_and_caption(figure)))


def _fields(
    months: Mapping[str, xr.Dataset], first: pd.Timestamp, last: pd.Timestamp, variable: str, span: str
) -> tuple[xr.DataArray, str]:
    """The fields of the frames (time, latitude, longitude) and the unit of time they stand for.

    Parameters
    ----------
    first, last : stamps of the record's first and last hour.
    """
    if span == "week":
        julys = (pd.Timestamp(year, 7, 1, 1) for year in range(first.year, last.year + 1))
        start = next((july for july in julys if first <= july <= last), first)
        wanted, unit = pd.date_range(start, periods=168, freq="h"), "h"
    else:
        days = pd.date_range(*_day(pd.DatetimeIndex([first, last])))
        wanted, unit = days[:: int(np.ceil(len(days) / MOST_FRAMES))], "d"
    parts = []
    for name in sorted(months):
        begin = pd.Timestamp(name)
        if not ((wanted >= begin) & (wanted <= begin + pd.offsets.MonthBegin(1))).any():
            continue  # its hours end from 01:00 on its first day to 00:00 on the first of the next month
        month = months[name]
        own = pd.DatetimeIndex(month["time"].values)
        labels = own if span == "week" else _day(own)
        kept = np.flatnonzero(labels.isin(wanted))
        if len(kept):
            values = month[variable].transpose("time", "latitude", "longitude").isel(time=kept).load()
            parts.append(values if span == "week" else _by_day(values.assign_coords(time=labels[kept])))
    return xr.concat(parts, dim="time").dropna("time", how="all"), unit  # the newest hours may not be published yet


def _day(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """The day an hour belongs to: the one that ends at 00:00 belongs to the day before."""
    return (times - pd.Timedelta(seconds=1)).normalize()


def _by_day(values: xr.DataArray) -> xr.DataArray:
    grouped = values.groupby("time")
    return grouped.sum(skipna=False) if VARIABLES[str(values.name)].aggregation == "sum" else grouped.mean()


@style.styled
def _base(
    grid: xr.Dataset, fields: xr.DataArray, variable: str, unit: str, limits: tuple[float, float], span: str
) -> "Figure":
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    registered = VARIABLES[variable]
    figure = style.new_figure(height=5.0)
    axes = map_axes(figure, (1, 1, 1), grid_box(grid), over_field=True)
    label = registered.label.replace("[mm]", f"[mm {unit}⁻¹]") if registered.aggregation == "sum" else registered.label
    shades = ScalarMappable(Normalize(*limits), style.colours_of(registered))
    colour_bar(figure, shades, axes, label, values=fields.values, location="bottom", aspect=40, shrink=0.7)
    axes.text(0, 1.01, "0000-00-00 00:00 UTC", transform=axes.transAxes, fontsize=9, va="bottom")
    what = "hour by hour" if span == "week" else "day by day"
    return style.finish(
        figure,
        f"{registered.long_name[:1].upper()}{registered.long_name[1:]}, {what} (ERA5)",
        "Hours are labelled by their end."
        if span == "week"
        else f"Daily {'totals' if registered.aggregation == 'sum' else 'means'} (UTC).",
        grid,
        period=style.period_of(fields["time"].values),
        n=f"n = {grid.sizes['latitude'] * grid.sizes['longitude']} cells",
    )


def _frames(
    figure: "Figure", axes: Any, fields: xr.DataArray, limits: tuple[float, float], colours: str, *, hours: bool
) -> list[Any]:
    import cartopy.crs as ccrs
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image, ImageDraw, ImageFont

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    stamp = axes.texts[0].get_window_extent()
    axes.texts[0].set_text("")
    figure.set_layout_engine("none")
    canvas.draw()
    base = np.asarray(canvas.buffer_rgba()).copy()
    height = len(base)
    box = axes.get_window_extent()
    left, right, top, bottom = int(box.x0) + 1, int(box.x1) - 1, height - int(box.y1) + 1, height - int(box.y0) - 1
    columns, rows = np.meshgrid(np.arange(left, right), np.arange(top, bottom))
    points = axes.transData.inverted().transform(np.column_stack([columns.ravel() + 0.5, height - rows.ravel() - 0.5]))
    where = ccrs.PlateCarree().transform_points(axes.projection, points[:, 0], points[:, 1])
    cell, inside = _cells(fields, where[:, 0], where[:, 1])
    plain = np.flatnonzero((base[top:bottom, left:right, :3] == [0xF7, 0xF7, 0xF5]).all(axis=2).ravel() & inside)
    cell = cell[plain]
    pixels = (rows.ravel() * base.shape[1] + columns.ravel())[plain]
    shades = np.vstack([matplotlib.colormaps[colours](np.arange(256)) * 255, [0xD0, 0xD0, 0xD0, 0xFF]]).astype("uint8")
    shades = shades.view("uint32")[:, 0]  # a pixel is one number: four times as fast as its colours one by one
    font = ImageFont.truetype(
        str(matplotlib.get_data_path()) + "/fonts/ttf/DejaVuSans-Bold.ttf", max(10, round(stamp.height * 0.95))
    )
    values = fields.values.reshape(fields.sizes["time"], -1)
    scaled = np.clip((values - limits[0]) / (limits[1] - limits[0]) * 255, 0, 255)
    shade = np.where(np.isfinite(scaled), scaled, 256).astype("int16")
    frames = []
    for time, own in zip(fields["time"].values, shade, strict=True):
        frame = base.copy()
        frame.view("uint32").ravel()[pixels] = shades[own][cell]
        image = Image.fromarray(frame).convert("RGB")
        label = f"{pd.Timestamp(time):%Y-%m-%d %H:%M} UTC" if hours else style.day(time)
        ImageDraw.Draw(image).text((stamp.x0, height - stamp.y1), label, fill="#222222", font=font)
        frames.append(image)
    return frames


def _cells(fields: xr.DataArray, longitude: np.ndarray, latitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the cell nearest to each point, and whether the point lies in it at all."""
    nearest = []
    inside = np.isfinite(longitude) & np.isfinite(latitude)
    for name, points in (("latitude", latitude), ("longitude", longitude)):
        centres = fields[name].values.astype("float64")
        spacing = float(np.abs(np.diff(centres)).min()) if len(centres) > 1 else 1.0
        index = pd.Index(centres).get_indexer(np.where(inside, points, centres[0]), method="nearest")
        inside = inside & (np.abs(centres[index] - np.where(inside, points, np.inf)) <= 0.51 * spacing)
        nearest.append(index)
    return nearest[0] * fields.sizes["longitude"] + nearest[1], inside


def _animated(frames: list[Any], description: str) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[style.EXIF_DESCRIPTION] = description
    out = io.BytesIO()
    frames[0].save(
        out,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=MILLISECONDS,
        loop=0,
        quality=55,
        method=0,
        kmin=0,
        kmax=0,  # no frame is encoded twice, as a key frame and as a change of the one before
        exif=exif.tobytes(),
    )
    return out.getvalue()


def _draw(given: FigureInputs) -> bytes:
    options = given.variant.options
    return era5_animation(given.inputs["months"], options["variable"], options["span"])


def _variants(study: Study) -> list[Variant]:
    if not where_gridded(study):
        return []
    return [
        Variant(f"{variable}_{span}", options={"variable": variable, "span": span})
        for variable in ("temperature", "precipitation")
        if variable in study.dynamic_inputs.variables
        for span in ("week", "days")
    ]


FIGURE = FigureDeclaration(
    name="era5_animation",
    title="ERA5 animation",
    section="Weather",
    place=5,
    description="One week of hours, or the days of the record, as an animated map.",
    inputs={"months": "raw/era5/hourly"},
    draw=_draw,
    variants=_variants,
    suffix=".webp",
)
