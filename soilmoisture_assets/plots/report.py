"""The report: one self-contained HTML page that tells a study from its data to its drivers.

Belongs here: what the page holds, and how figures are made small enough for it. Not here: tables
(report_tables.py), what it says first (report_findings.py), the station explorer's numbers (report_stations.py), looks
and behaviour (report.html, .css, .js, report_page.js).
"""

import base64
import datetime as dt
import html
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.learning.features import LONGEST_MEMORY_DAYS
from soilmoisture_assets.machine import cores
from soilmoisture_assets.metadata.provenance import SYNTHETIC_NOTICE, code_version, library_versions
from soilmoisture_assets.methods import title as method_title
from soilmoisture_assets.plots.report_findings import findings, newest_forecast, observed_share
from soilmoisture_assets.plots.report_stations import station_explorer, station_svg
from soilmoisture_assets.plots.report_tables import (
    Table,
    calibration_table,
    coverage_table,
    driver_tables,
    drought_table,
    frame_table,
    group_tables,
    held_out_tables,
    model_card,
    quality_table,
    settings_table,
    skill_tables,
)
from soilmoisture_assets.plots.style import saved_title_and_caption
from soilmoisture_assets.scoring.gathering import best_scores
from soilmoisture_assets.sources import sources, sources_of
from soilmoisture_assets.study import Study

PAGE_BYTES = 14_500_000
"""Of the whole page, whatever the study: the still images get what stations, animations and interactive maps leave.
Tables, outlines and texts are ``_TEXT_BYTES`` of it."""

_TEXT_BYTES = 700_000
_BASE64 = 4 / 3

IMAGE_QUALITY, ANIMATION_QUALITY = 78, 35
"""Of WebP, 0 to 100: the highest at which axes and small print still look as in the stored figure."""

_WIDEST, _NARROWEST = 1500, 600
"""Pixels of the still images."""
_SAMPLE = 5
"""One still image in so many tells how wide all can be, which would take a second pass over them otherwise."""

_FRAMES = 30

_TALL = 1.25
"""Height by width from which a figure has a page of paper to itself: beside another its letters would be too small."""

_SECTION_OF = {"Skill": "skill", "Latest forecast": "skill", "Drivers": "drivers"}
"""Section of the page that holds a group of figures; every other group tells of the data."""


@dataclass(frozen=True)
class FigureEntry:
    """A stored figure: PNG, animated WebP or interactive HTML, and what the page says of it."""

    path: Path
    title: str
    caption: str
    group: str
    place: str

    @classmethod
    def stored(cls, path: Path, group: str, place: str = "") -> "FigureEntry":
        """Entry of a figure file, with the title and caption that travel in it; its name where there are none.

        ``place`` is its path in the store without the suffix; empty: the file's own, which of a copy says nothing.
        """
        place = place or "/".join(path.with_suffix("").parts)
        title, caption = _texts_of_page(path) if path.suffix == ".html" else saved_title_and_caption(path)
        return cls(path, title or place.rpartition("/")[2].replace("_", " "), caption, group, place)


def _texts_of_page(path: Path) -> tuple[str, str]:
    """Title and footer of an interactive map."""
    text = path.read_text(encoding="utf-8")
    title, caption = (re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL) for tag in ("title", "footer"))
    return html.unescape(title[1]) if title else "", html.unescape(caption[1]) if caption else ""


def build_report(
    study: Study,
    *,
    cube: xr.Dataset | None = None,
    skill_summary: pd.DataFrame | None = None,
    skill: xr.Dataset | None = None,
    archive_problems: pd.DataFrame | None = None,
    network_citations: Mapping[str, str] | None = None,
    forecasts: Mapping[str, xr.Dataset] | None = None,
    latest: xr.Dataset | None = None,
    drought: xr.Dataset | None = None,
    shap: Mapping[str, xr.Dataset] | None = None,
    figures: Sequence[FigureEntry] = (),
    excluded: pd.DataFrame | None = None,
    failures: pd.DataFrame | None = None,
    by_group: pd.DataFrame | None = None,
    calibration: pd.DataFrame | None = None,
    provenance: Sequence[Mapping[str, Any]] = (),
    settled: Sequence[str] = (),
    weather_lacking: Sequence[str] = (),
    made: dt.datetime | None = None,
) -> str:
    """The page as text. What is missing is said to be missing.

    The same study gives the same text but for what depends on ``made``, which ``without_clock`` takes out.

    Parameters
    ----------
    archive_problems : what, files, for example: what of the ISMN archive was left out or put right.
    network_citations : what each ISMN network asks to be cited.
    cube : station cube; coverage, quality counts and the stations of the explorer.
    skill_summary : split, experiment, method, lead_hours, stations, median_r2, low, high.
    skill : scores per station, for the explorer and the held-out stations.
    forecasts, shap : per experiment. latest : the newest forecast, as models/latest_forecast stores it. drought : how
        unusual it is, as analysis/drought stores it.
    figures : shown by group, in the order given. PNG and WebP are made smaller, and all are inlined.
    excluded : stations left out, with reasons. failures : what could not be made, with reasons.
    by_group, calibration : as analysis/skill_by_group and analysis/calibration store them.
    provenance : attributes of stored datasets (title, source, license, references, history …).
    settled : what of the study is made otherwise than it is written, a sentence each.
    weather_lacking : what the cube lacks of the weather as it was forecast, a sentence each.
    made : the time it is (UTC); without it the page does not say when it was made, nor how old the forecast is.
    """
    forecasts, shap = forecasts or {}, shap or {}
    stations = next((source for source in (cube, *forecasts.values(), skill) if source is not None), None)
    explorer = _explorer(study.headline, stations, forecasts, skill, shap)
    room = PAGE_BYTES - _TEXT_BYTES - len(explorer["json"] if explorer else "")
    with ThreadPoolExecutor(1) as beside:  # Pillow works beside Python
        drawn = beside.submit(_contents, figures, room)
        page = {
            "study": study,
            "version": code_version(),
            "libraries": library_versions(),
            "made": made.replace(microsecond=0) if made else None,
            "findings": findings(study, cube=cube, skill_summary=skill_summary, calibration=calibration, shap=shap),
            "newest": _newest(study, latest, made) if latest is not None and made else None,
            "notice": SYNTHETIC_NOTICE if study.sandbox else "",
            "settings": settings_table(study),
            "settled": settled,
            "weather_lacking": weather_lacking,
            "settings_json": json.dumps(study.model_dump(mode="json"), indent=2),
            "facts": _facts(study, cube, excluded, forecasts),
            "model_card": model_card(study, cube, skill_summary, calibration),
            "data_tables": _tables([coverage_table(cube), quality_table(cube)] if cube is not None else []),
            "excluded": _frame("Stations left out of the cube, and why", excluded),
            "archive_problems": _frame("What of the ISMN archive was left out or put right, and why", archive_problems),
            "failures": _frame("What could not be made, and why", failures),
            "skill_tables": _tables(skill_tables(skill_summary) if skill_summary is not None else []),
            "held_out_tables": held_out_tables(skill, cube) if skill is not None and cube is not None else [],
            "drought_tables": _tables([drought_table(drought)] if drought is not None else []),
            "longest_memory": LONGEST_MEMORY_DAYS,
            "driver_tables": _tables(driver_tables(shap)),
            "calibration_tables": _tables([calibration_table(calibration)] if calibration is not None else []),
            "group_tables": _tables(group_tables(by_group) if by_group is not None else []),
            "explorer": explorer,
            "provenance": provenance,
            "sources": [source.name for source in sources_of(study) if source.citation],
            "citations": [
                *((source.name, source.citation, source.licence) for source in sources_of(study) if source.citation),
                *((name, text, sources()["ismn"].licence) for name, text in (network_citations or {}).items() if text),
            ],
        }
    page["groups"] = _groups(figures, drawn.result())
    return _template().render(page)


_CLOCK = re.compile(r'<(time|span) class="clock".*?</\1>', re.DOTALL)


def without_clock(page: str) -> str:
    """The page without what depends on when it was made: two runs of a study agree in the rest, byte for byte."""
    return _CLOCK.sub("", page)


def _newest(study: Study, latest: xr.Dataset, made: dt.datetime) -> dict[str, str]:
    start, starts, observed = newest_forecast(latest)
    days = (pd.Timestamp(made).tz_convert(None) - start).days
    if (experiment := latest.attrs.get("experiment", study.headline)) != study.headline:
        observed += f" It is of experiment {experiment}: none of {study.headline} could be issued from that step."
    return {
        "start": f"{start:%Y-%m-%dT%H:%M}Z",
        "starts": starts,
        "observed": observed,
        "age": f"{days:,} day{'' if days == 1 else 's'}" if days > 0 else "less than a day",
    }


def _facts(
    study: Study, cube: xr.Dataset | None, excluded: pd.DataFrame | None, forecasts: Mapping[str, xr.Dataset]
) -> list[tuple[str, str]]:
    facts = [("Period", f"{study.period.start} – {study.period.end}"), ("Step", f"{study.lead_hours[0]} h")]
    if cube is not None:
        facts += [
            ("Stations", str(cube.sizes["station"])),
            ("Steps", f"{cube.sizes['time']:,}"),
            ("Steps observed", observed_share(cube)),
        ]
    if excluded is not None and len(excluded):
        facts.append(("Stations left out", str(len(excluded))))
    if forecasts:
        issued = sum(
            int(item.sizes["station"] * item.sizes["start"] * item.sizes["lead"]) for item in forecasts.values()
        )
        facts += [("Experiments", ", ".join(forecasts)), ("Forecast values", f"{issued:,}")]
    return facts


def _explorer(
    experiment: str,
    stations: xr.Dataset | None,
    forecasts: Mapping[str, xr.Dataset],
    skill: xr.Dataset | None,
    shap: Mapping[str, xr.Dataset],
) -> dict[str, Any] | None:
    if stations is None or not stations.sizes.get("station"):
        return None
    values, legend = np.full(stations.sizes["station"], np.nan), "no scores: stations are drawn grey"
    if skill is not None:
        lead = int(skill["lead"].values[-1])
        split = "test" if "test" in skill["split"].values else str(skill["split"].values[-1])
        best = best_scores(skill[["r2"]].sel(split=split, experiment=experiment, lead=[lead]))
        values = best["r2"].isel(lead=0).reindex(station=stations["station"].values).values
        legend = f"R² {lead} h ahead, {split} split: experiment {experiment}, {method_title(best.attrs['method'])}"
    numbers = station_explorer(stations, forecasts, skill, shap, experiment)
    packed = json.dumps(numbers, separators=(",", ":"), allow_nan=False)
    return {
        # "<" cannot end the script element early once it is written as an escape.
        "json": packed.replace("<", "\\u003c"),
        "map": station_svg(stations, values),
        "legend": legend,
        "has_forecasts": bool(forecasts),
        "has_scores": skill is not None,
        "has_drivers": bool(shap),
    }


def _contents(figures: Sequence[FigureEntry], room: float) -> dict[Path, dict[str, Any]]:
    """What the page holds of each figure, in so many bytes: the text of an interactive map, or an image."""
    pages = {entry.path: entry.path.read_text(encoding="utf-8") for entry in figures if entry.path.suffix == ".html"}
    room -= sum(len(html.escape(text)) for text in pages.values())
    images = _inlined([entry.path for entry in figures if entry.path not in pages], room)
    return images | {path: {"page": text} for path, text in pages.items()}


def _groups(figures: Sequence[FigureEntry], contents: Mapping[Path, Mapping[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in figures:
        groups.setdefault(entry.group, []).append(
            {
                "name": entry.place.rpartition("/")[2],
                "file": entry.place.rpartition("/")[2] + entry.path.suffix,
                "title": entry.title,
                "caption": entry.caption,
                "animated": entry.path.suffix == ".webp",
                "page": "",
                **contents[entry.path],
            }
        )
    return [
        {"title": title, "section": _SECTION_OF.get(title, "data"), "figures": entries}
        for title, entries in groups.items()
    ]


def _inlined(paths: Sequence[Path], room: float) -> dict[Path, dict[str, Any]]:
    """Data URIs of all images, the still ones at the largest width of which all fit in so many bytes."""
    stills = [path for path in paths if path.suffix != ".webp"]
    animations = [path for path in paths if path.suffix == ".webp"]
    with ThreadPoolExecutor(cores()) as pool:
        moving = dict(zip(animations, pool.map(_animation, animations), strict=True))
        room -= _bytes(moving)
        images = _stills(pool, stills[::_SAMPLE], _WIDEST)
        width = _fitting(_WIDEST, room, _bytes(images) * _stored(stills) / max(_stored(images), 1))
        left = stills if width < _WIDEST else [path for path in stills if path not in images]
        while _bytes(images := images | _stills(pool, left, width)) > room and width > _NARROWEST:
            width, left = _fitting(width, room, _bytes(images)), stills
    return {
        path: {
            "uri": "data:image/webp;base64," + base64.b64encode(content).decode(),
            "width": size[0],
            "height": size[1],
            "tall": size[1] > _TALL * size[0],
        }
        for path, (content, size) in (images | moving).items()
    }


def _stored(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _bytes(images: Mapping[Path, tuple[bytes, tuple[int, int]]]) -> float:
    """What images take in the page."""
    return sum(_BASE64 * len(content) for content, _ in images.values())


def _fitting(width: int, room: float, taken: float) -> int:
    """The width at which images fit that take so much at this width: bytes grow faster than the width."""
    return width if taken <= room else max(int(width * room / taken), _NARROWEST)


def _stills(pool: ThreadPoolExecutor, paths: Sequence[Path], width: int) -> dict[Path, tuple[bytes, tuple[int, int]]]:
    return dict(zip(paths, pool.map(_image, paths, repeat(width)), strict=True))


def _image(path: Path, width: int) -> tuple[bytes, tuple[int, int]]:
    """A stored picture as WebP no wider than this."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(path) as image:
        smaller = _fitted(image.convert("RGB"), width, 2 * width)
    smaller.save(out, "WEBP", quality=IMAGE_QUALITY, method=2)
    return out.getvalue(), smaller.size


def _animation(path: Path) -> tuple[bytes, tuple[int, int]]:
    """A stored animation with at most 30 of its frames, evenly chosen, at the same pace; the file keeps all of them."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(path) as image:
        every = int(np.ceil(getattr(image, "n_frames", 1) / _FRAMES))
        duration = int(image.info.get("duration", 100)) * every
        frames = []
        for number in range(0, getattr(image, "n_frames", 1), every):
            image.seek(number)
            frames.append(_fitted(image.convert("RGB"), 600, 600))
    frames[0].save(
        out,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=duration,
        loop=0,
        quality=ANIMATION_QUALITY,
        method=2,
        kmin=0,
        kmax=0,  # as in era5_animation.py
    )
    return out.getvalue(), frames[0].size


def _fitted(image: Any, width: int, height: int) -> Any:
    from PIL import Image

    image.thumbnail((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return image


def _tables(tables: list[Table]) -> list[Table]:
    return [table for table in tables if table.rows]


def _frame(caption: str, frame: pd.DataFrame | None) -> Table | None:
    return frame_table(caption, frame) if frame is not None and len(frame) else None


def _template() -> Any:
    import jinja2

    files = resources.files("soilmoisture_assets.plots")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: files.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
