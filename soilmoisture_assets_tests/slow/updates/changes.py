"""Changes of a study's settings, drawn at random. Not here: running them."""

import random
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from soilmoisture_assets.study import Study

CHOICES: Mapping[str, tuple[Any, ...]] = {
    "title": ("The least study", "Another title"),
    "sandbox_stations": (7, 8),
    "seed": (11, 12),
    "period.start": ("2017-12-01", "2017-11-30"),
    "period.end": ("2018-02-20", "2018-02-24"),
    "reach": (None, "2018-03-03", "open"),
    "domain.west": (-125.0, -110.0),
    "domain.north": (39.0, 38.0),
    "time.step": ("12h", "24h"),
    "time.min_hours": (9, 10),
    "target.networks": ((), ("SYNCRN", "SYNSCAN")),
    "target.other_variables": ((), ("soil_temperature",)),
    "target.depth_to": (0.10, 0.06),
    "target.preferred_depth": (0.05, 0.1),
    "target.good_flags": (("G", "U"), ("G", "U", "D")),
    "target.quality_control": (("range", "spike", "stuck", "frozen"), ("range",)),
    "target.common_fraction": (0.2, 0.75),
    "dynamic_inputs.variables": (
        ("temperature", "precipitation", "shortwave"),
        ("temperature", "precipitation", "shortwave", "dewpoint"),
    ),
    "era5.access": ("grid", "timeseries"),
    "era5.oldest_days": (10, 12),
    "era5.resolution": (12.0, 15.0),
    "era5.interpolation": ("nearest_land", "bilinear"),
    "era5.lapse_rate_correction": (False, True),
    "static_attributes.variables": (
        ("slope", "clay", "sand", "saturation_0_30cm", "climate_2007", "land_cover"),
        ("slope", "sand", "land_cover"),
    ),
    "static_attributes.prefer_in_situ": (False, True),
    "soilgrids.access": ("wcs", "rest"),
    "splits.train.end": ("2018-01-15", "2018-01-14"),
    "splits.validation.end": ("2018-02-02", "2018-02-01"),
    "splits.test.end": ("2018-02-20", "2018-02-18"),
    "splits.held_out_fraction": (0.0, 0.2),
    "splits.held_out_block_km": (300.0, 500.0),
    "model.experiments": (("forecast",), ("drivers", "forecast"), ("hindcast", "forecast")),
    "model.horizon": ("72h", "48h"),
    "model.windows": (("24h", "48h"), ("24h", "48h", "72h")),
    "model.history_days": (2, 3),
    "model.history_days_drivers": (2, 3),
    "model.regional_epochs": (1, 2),
    "model.station_epochs": (1, 2),
    "model.station_training": ("fine_tune", "from_scratch"),
    "model.neighbours": (2, 3),
    "model.min_windows": (20, 1000),
    "baselines.boosting_samples": (1000, 1200),
    "baselines.boosting_trees": (25, 50),
    "baselines.lstm_updates": (2, 3),
    "attribution.background": (5, 6),
    "attribution.explained_per_station": (1, 2),
    "attribution.seeds": (1, 2),
}
"""Values that are tried, the first the one of the least study."""

FIRST: tuple[Mapping[str, Any], ...] = (
    {"title": "Another title"},
    {"attribution.background": 6},
    {"reach": "2018-03-03"},
    {"reach": "open"},
    {"splits.held_out_fraction": 0.2},
    {"splits.held_out_fraction": 0.0},
    {"model.experiments": ("drivers", "forecast")},
    {"model.experiments": ("forecast",)},
    {"target.networks": ("SYNCRN", "SYNSCAN")},
    {"target.networks": ()},
    {"sandbox_stations": 8},
    {"sandbox_stations": 7},
    {"domain.west": -110.0},
    {"domain.west": -125.0},
    {"target.good_flags": ("G", "U", "D")},
)
"""Changes that went unnoticed once, made too much again, or broke a study; they come before those drawn at random."""


def changed(settings: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a study as nested tables with some of them changed; keys are dotted."""
    found = deepcopy(dict(settings))
    for key, value in change.items():
        *sections, name = key.split(".")
        table = found
        for section in sections:
            table = table.setdefault(section, {})
        table[name] = value
    return found


def changes(start: Mapping[str, Any], count: int, seed: int) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """``count`` changes and the settings each leads to, one after another: the first given, the others drawn.

    A change that would make no valid study is drawn again.
    """
    draw, current = random.Random(seed), dict(start)
    for number in range(count):
        if number < len(FIRST):
            change = FIRST[number]
            current = changed(current, change)
        else:
            change, current = _drawn(draw, current)
        yield change, current


def _drawn(draw: random.Random, current: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, Any]]:
    while True:
        key = draw.choice(list(CHOICES))
        change = {key: draw.choice(CHOICES[key])}
        try:
            before, after = Study.model_validate(current), Study.model_validate(changed(current, change))
        except ValidationError:
            continue
        if after != before:
            return change, changed(current, change)
