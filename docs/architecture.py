"""Draw docs/architecture.svg: the path of one value from the archive to the report, from the graph of the demo.

Assets, inputs, partitions, files and the modules of defs/ are read from the code; which science each step calls is
written here, since Dagster code imports it when it runs. ``python docs/architecture.py`` writes the picture.
"""

from collections import Counter
from html import escape
from pathlib import Path
from typing import NamedTuple

from soilmoisture_assets.assets import LEARNED, PLACES, assets_of
from soilmoisture_assets.defs import build
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store.graph import Asset
from soilmoisture_assets.store.records import Address, RecordName, State
from soilmoisture_assets.study import load_study

PICTURE = Path(__file__).with_suffix(".svg")
EXPERIMENT = "forecast"
SCIENCE = {
    "raw/ismn/archive": "sandbox/ismn_archive.py",
    "raw/ismn/scan": "sources/ismn/archive.py",
    "raw/ismn/stations": "sources/ismn/archive.py",
    "raw/ismn/soil_moisture": "sources/ismn/records.py",
    "cube/hourly": "alignment/hourly.py",
    "cube/target": "alignment/station_series.py",
    "cube/stations": "alignment/common_stations.py",
    "cube/station_cube": "alignment/cube.py",
    f"models/regional_model_{EXPERIMENT}": "learning/fit.py",
    f"models/station_model_{EXPERIMENT}": "learning/fit.py",
    f"models/uncalibrated_forecast_{EXPERIMENT}": "learning/predict.py",
    f"models/calibration_{EXPERIMENT}": "scoring/calibration.py",
    f"models/station_forecast_{EXPERIMENT}": "scoring/calibration.py",
    "analysis/skill": "scoring/skill.py",
    f"figures/skill_maps_{EXPERIMENT}": "plots/skill_maps.py",
    "report/report": "plots/report.py",
}
"""The path, in order, and the module that does the work of each step."""
EXAMPLE = {"station": "SCAN__Abrams", "month": "2019-03-01", "year": "2019"}
COLOURS = {
    "raw": "#e8eef7", "cube": "#e6f2ea", "models": "#fbf0dc", "analysis": "#f3e8f3", "figures": "#fbe9e6",
    "report": "#ececec",
}  # fmt: skip
WHOLE, PART, NAMES = "#5b6470", "#0b6fb8", "#b0561c"
DASHES = {WHOLE: "", PART: ' stroke-dasharray="6 3"', NAMES: ' stroke-dasharray="1.5 3"'}

WIDTH, TOP, ROW, BOX = 1270, 78, 60, 46
LAYER_X, ASSET_X, ASSET_WIDTH, MADE_X, STORED_X = 16, 212, 248, 484, 800
ARC_STEP, TIP_STEP = 9, 9
LONGEST_NOTE = 48


class Edge(NamedTuple):
    """One step of the path that another depends on; the colour says how."""

    source: str
    target: str
    colour: str


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(picture(), encoding="utf-8")


def picture() -> str:
    """The picture as SVG; the same graph gives the same text."""
    settings = Settings(_env_file=None)
    deployment = Deployment(load_study("demo"), settings)
    graph = {asset.path: asset for asset in assets_of(deployment.study, settings)}
    path = list(SCIENCE)
    modules = _modules(deployment)
    rows = {asset: TOP + number * ROW for number, asset in enumerate(path)}
    height = TOP + len(path) * ROW + 66
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        "<title>The path of one value from the archive to the report</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_layers(path, rows),
        *_headings(),
    ]
    edges = _edges(graph, path)
    parts += _arcs(edges, rows)
    for asset in path:
        parts += _row(graph[asset], rows[asset], modules[asset], _beside(graph, asset, path))
    parts += _legend(height)
    return "\n".join([*parts, "</svg>", ""])


def _modules(deployment: Deployment) -> dict[str, str]:
    """The module of defs/ that makes each asset."""
    found = {}
    for module in build.MODULES:
        name = module.__name__.removeprefix("soilmoisture_assets.").replace(".", "/") + ".py"
        for definition in module.assets(deployment):
            found |= {"/".join(key.path[1:]): name for key in definition.keys}
    return found


def _edges(graph: dict[str, Asset], path: list[str]) -> list[Edge]:
    """How steps of the path depend on each other; of what the report reads, all there is, only what comes before it."""
    found = []
    for asset in path:
        named = {str(graph[asset].names_from): NAMES}
        named |= {source.asset: PART if source.part else WHOLE for source in graph[asset].inputs.values()}
        if graph[asset].layer == "report":
            named = {path[-2]: WHOLE}
        found += [Edge(source, asset, colour) for source, colour in named.items() if source in path]
    return found


def _beside(graph: dict[str, Asset], asset: str, path: list[str]) -> str:
    """What a step reads that is not on the path."""
    if graph[asset].layer == "report":
        return "every figure, table and SHAP value"
    named = list(dict.fromkeys(source.asset for source in graph[asset].inputs.values() if source.asset not in path))
    shown = named
    while len(", ".join(shown)) > LONGEST_NOTE:
        shown = shown[:-1]
    more = len(named) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _layers(path: list[str], rows: dict[str, int]) -> list[str]:
    parts = []
    for layer, colour in COLOURS.items():
        own = [rows[asset] for asset in path if asset.partition("/")[0] == layer]
        first, last = min(own) - 7, max(own) + BOX + 7
        parts.append(
            f'<rect x="{LAYER_X}" y="{first}" width="{WIDTH - 2 * LAYER_X}" height="{last - first}" fill="{colour}"/>'
        )
        parts.append(_text(LAYER_X + 10, first + 22, layer, size=15, weight="bold"))
    return parts


def _headings() -> list[str]:
    return [
        _text(LAYER_X, 28, "The path of one value, station soil moisture, from the archive to the report", 18, "bold"),
        _text(ASSET_X, 58, "asset", 13, "bold"),
        _text(MADE_X, 58, "made by: Dagster's side, the science", 13, "bold"),
        _text(STORED_X, 58, "object in the store, and below it its record", 13, "bold"),
    ]


def _row(asset: Asset, y: int, module: str, beside: str) -> list[str]:
    kind = f"one per {asset.partitions}" if asset.partitions else "one"
    parts = [
        f'<rect x="{ASSET_X}" y="{y}" width="{ASSET_WIDTH}" height="{BOX}" rx="5" fill="#ffffff" stroke="{WHOLE}"/>',
        _text(ASSET_X + 10, y + 19, asset.path, 12.5, mono=True),
        _text(ASSET_X + 10, y + 36, kind, 11, colour=WHOLE),
        _text(MADE_X, y + 11, module, 11.5, mono=True),
        _text(MADE_X, y + 26, SCIENCE[asset.path], 11.5, mono=True),
    ]
    if beside:
        parts.append(_text(MADE_X, y + 41, f"also from {beside}", 11, colour=WHOLE))
    partition = EXAMPLE[asset.partitions] if asset.partitions else None
    thing, record = _files(asset, partition)
    parts.append(_text(STORED_X, y + 17, thing, 11.5, mono=True))
    parts.append(_text(STORED_X, y + 34, record, 11.5, mono=True, colour=WHOLE))
    return parts


def _files(asset: Asset, partition: str | None) -> tuple[str, str]:
    """Names of the object and of its record; what the record's name says beside the partition is cut short."""
    name = RecordName(Address("demo", asset.path, partition), 1, State.STORED, "0" * 16, "0" * 24, 0, asset.suffix)
    folder, _, file = name.key.rpartition("/")
    return name.object, f"{folder}/{file.partition('=')[0]}=….json"


def _arcs(edges: list[Edge], rows: dict[str, int]) -> list[str]:
    """Neighbours are joined by a straight arrow, others by an arc left of the boxes, in a lane that is free there."""
    parts = []
    lanes: list[list[tuple[int, int]]] = []
    tips: Counter[str] = Counter()
    order = list(rows)
    for edge in sorted(edges, key=lambda edge: rows[edge.target] - rows[edge.source]):
        if order.index(edge.target) - order.index(edge.source) == 1:
            x, y = ASSET_X + ASSET_WIDTH / 2, rows[edge.target]
            parts.append(_arrow(f"M{x} {rows[edge.source] + BOX} V{y - 6}", edge.colour, (x, y - 1), "down"))
            continue
        start, end = rows[edge.source] + BOX - 9, rows[edge.target] + 10 + TIP_STEP * tips[edge.target]
        tips[edge.target] += 1
        lane = next((lane for lane in lanes if all(end <= a or b <= start for a, b in lane)), None)
        if lane is None:
            lane = []
            lanes.append(lane)
        lane.append((start, end))
        x = ASSET_X - 14 - ARC_STEP * lanes.index(lane)
        down = f"Q{x} {start} {x} {start + 5} V{end - 5} Q{x} {end} {x + 5} {end}"
        line = f"M{ASSET_X} {start} H{x + 5} {down} H{ASSET_X - 6}"
        parts.append(_arrow(line, edge.colour, (ASSET_X - 1, end), "right"))
    return parts


def _arrow(line: str, colour: str, tip: tuple[float, float], towards: str) -> str:
    x, y = tip
    corners = f"{x - 4},{y - 6} {x + 4},{y - 6}" if towards == "down" else f"{x - 6},{y - 4} {x - 6},{y + 4}"
    return f'{_line(line, colour)}<polygon points="{x},{y} {corners}" fill="{colour}"/>'


def _line(line: str, colour: str) -> str:
    return f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="1.5"{DASHES[colour]}/>'


def _legend(height: int) -> list[str]:
    y, parts = height - 34, []
    for x, colour, text in (
        (LAYER_X, WHOLE, "made from all of it"),
        (
            LAYER_X + 196,
            PART,
            f"made from a part: {PLACES} of stations, what of the cube is {LEARNED} from",
        ),
        (LAYER_X + 732, NAMES, "names the stations that it is made for"),
    ):
        parts += [_line(f"M{x} {y - 4} h34", colour), _text(x + 42, y, text, 12)]
    return [
        *parts,
        _text(LAYER_X, y + 20, "A record says state, fingerprint, checksum, settings and inputs.", 12),
    ]


def _text(
    x: float, y: float, text: str, size: float, weight: str = "normal", *, mono: bool = False, colour: str = "#1c2126"
) -> str:
    family = "DejaVu Sans Mono, Menlo, Consolas, monospace" if mono else "DejaVu Sans, Helvetica, Arial, sans-serif"
    return (
        f'<text x="{x}" y="{y}" font-family="{family}" font-size="{size}" font-weight="{weight}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


if __name__ == "__main__":
    main()
