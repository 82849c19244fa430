"""The assets of a study: what is made from what, with which settings, in which format.

Belongs here: one entry per asset, those of figures and series collected from their declarations. Not here: how an asset
is made (defs/), what a fingerprint is (store/graph.py).

``settings`` name what the code of an asset reads of the study itself. A setting that is missing here makes a changed
study go unnoticed; one too many makes things again that need not be. A test watches what is read while a study is made
(soilmoisture_assets_tests/slow/test_settings_read.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from soilmoisture_assets.methods import methods, without_weather
from soilmoisture_assets.plots.figure import figure_files
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources import issued_weather_of, network_of, sources, sources_of
from soilmoisture_assets.sources.source import Network
from soilmoisture_assets.store.graph import Asset, Input
from soilmoisture_assets.study import Experiment, Study

NETCDF, ZARR, CSV, MODEL, ZIP, ARRAYS = ".nc", ".zarr.zip", ".csv", ".safetensors", ".zip", ".npz"
JSON, GEOJSON = ".json", ".geojson"

RECORD_LEVEL = "analysis/record_level"
EXPLAINED = tuple(each for each in Experiment if each is not Experiment.HINDCAST)
"""Experiments whose regional model is explained, where the study has them: all but the upper bound, which asks nothing
that `drivers`, with the same weather, and `issued`, with the same moisture, do not ask of what people have."""

STATION_TABLE, FILE_STATIONS = "raw/ismn/stations", "raw/file/stations"
HOURLY, COMMON, CUBE = "cube/hourly", "cube/stations", "cube/station_cube"
LATEST = "models/latest_forecast"
DROUGHT = "analysis/drought"
REPORT = "report/report"
LEARNED, PLACES = "learned", "places"

_WORLD: Mapping[str, Any] = {
    "sandbox": True,
    "sandbox_stations": True,
    "seed": True,
    "domain": True,
    "period": {"start"},
}
"""What the stations of a sandbox study follow from."""
_CLIMATE: Mapping[str, Any] = {"sandbox": True, "seed": True, "period": {"start"}}
"""What the weather of a sandbox study follows from, wherever it is asked for; snow and soil begin with the period."""
_ALL: Mapping[str, Any] = dict.fromkeys(Study.model_fields, True)
_TO_END: Mapping[str, Any] = {"period": {"end"}, "reach": True}
_DEPTH = {"depth_from", "depth_to", "preferred_depth", "good_flags"}
_CONVENTIONS = {"source", "time_zone", "time_label"}
_START = {"start"}
_ASKED = {"source", "variables"}
_FEATURES: Mapping[str, Any] = {
    "time": {"step"},
    "dynamic_inputs": {"variables"},
    "static_attributes": {"variables"},
}
_SAYS: Mapping[str, Any] = {
    "sandbox": True,
    "target": {"source"},
    "dynamic_inputs": {"source"},
    "static_attributes": {"source"},
}
"""What every dataset but a raw one says of itself: the sources of the study, and whether they are synthetic."""


def assets_of(study: Study, settings: Settings) -> list[Asset]:
    """Every asset of a study, those it has no source for left out."""
    own = [*map(_documented, (*_raw(study, settings), *_cube(study), *_models(study), *_analysis(study)))]
    known = {asset.path for asset in own}
    drawn = list(_figures(study, known))
    return [*own, *drawn, _report(study, drawn)]


def places_from(study: Study) -> str:
    """The asset whose record says where the stations are."""
    return f"raw/{study.target.source}/stations"


def records_of(study: Study) -> str:
    """The asset with the records of a network's stations."""
    return f"raw/{study.target.source}/records"


def issued_weather_path(study: Study) -> str | None:
    """The asset with the weather as it was forecast; None where no experiment of the study sees it."""
    return f"raw/{study.issued_weather.source}/issued_weather" if issued_weather_of(study) else None


def _documented(asset: Asset) -> Asset:
    """The asset with what a dataset or table says of itself among the settings it reads."""
    if asset.suffix not in (NETCDF, ZARR, CSV):
        return asset
    says = {"sandbox": True} if asset.layer == "raw" or asset.suffix == CSV else _SAYS
    return replace(asset, settings=_together(asset.settings, says))


def _together(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of both; each is a whole section (True) or names of it."""
    found = dict(one)
    for name, part in other.items():
        mine = found.get(name, part)
        found[name] = True if True in (mine, part) else mine if mine == part else {*mine, *part}
    return found


def _history(experiment: Experiment) -> str:
    """The setting that says how many days an experiment sees."""
    return "history_days" if experiment.sees_moisture else "history_days_drivers"


def _raw(study: Study, settings: Settings) -> Iterator[Asset]:
    if study.target.source == "ismn":
        yield from _ismn(study, settings)
    elif (network := network_of(study)) is not None:
        yield from _network(study, network)
    else:
        yield Asset(
            FILE_STATIONS,
            NETCDF,
            "Where the stations of the study's target file are; names their partitions.",
            code="2",
            settings={"domain": True, "target": {"networks"}},
            files=(str(study.target.path),),
            kinds=frozenset({"netcdf"}),
        )
    world = _CLIMATE if study.sandbox else {"sandbox": True}
    places = {"stations": Input(places_from(study), PLACES)}
    for name in study.dynamic_inputs.sources:
        if name == "era5":
            yield from _era5(study)
        elif name not in ("file", *study.target.sources):
            yield Asset(
                f"raw/{name}/station_series",
                NETCDF,
                f"{sources()[name].title} at the stations: one value per hour, station and variable.",
                code=sources()[name].code,
                inputs=places,
                settings={**world, "dynamic_inputs": _ASKED},
                partitions="month",
                kinds=frozenset({"netcdf", name}),
                pool=name,
                kept=True,
            )
    if (path := issued_weather_path(study)) is not None and (issued := issued_weather_of(study)) is not None:
        source = str(study.issued_weather.source)
        yield Asset(
            path,
            NETCDF,
            f"The {issued.title} at the stations: per time of issue and lead the step as it was forecast then.",
            code=issued.code,
            inputs=places,
            settings={
                **world,
                "dynamic_inputs": {"variables"},
                "issued_weather": {"source"},
                "target": {"source"},
                **({network.section: {"product"}} if (network := network_of(study)) else {}),
                "time": {"step"},
                "model": {"horizon"},
            },
            partitions="issue_month",
            kinds=frozenset({"netcdf", source}),
            pool=source,
            kept=True,
        )
    if study.static_attributes.source == "services":
        services = {"sandbox": True, **({"seed": True} if study.sandbox else {})}
        asked = {source.name for source in sources_of(study)}
        for path, text, pool, kind, own in (
            ("raw/soilgrids/properties", "SoilGrids 2.0 at the stations: its layers and the 0-30 cm mean, in target "
             "units; answers are cached.", "soilgrids", "soilgrids", {"soilgrids": True}),
            ("raw/elevation/slope", "Slope, aspect, elevation and curvature at the stations from nine 3DEP elevations "
             "each; answers are cached.", "elevation", "usgs", {}),
        ):  # fmt: skip
            if pool in asked:
                yield Asset(
                    path, NETCDF, text, code="3", inputs=places, settings=services | own,
                    kinds=frozenset({"netcdf", kind}), pool=pool,
                )  # fmt: skip
        if "modis" in asked:
            yield Asset(
                "raw/modis/land_cover",
                NETCDF,
                "IGBP class of the 500 m pixel of each station (MCD12Q1 v061), one file per year.",
                code="3",
                inputs=places,
                settings=services,
                partitions="year",
                kinds=frozenset({"netcdf", "modis"}),
                pool="modis",
            )


def _statics(study: Study) -> dict[str, Input]:
    """Where static attributes come from; what offers none of those of the study is not needed."""
    given = {
        "ismn": ("in_situ", "raw/ismn/static_variables"),
        "soilgrids": ("soilgrids", "raw/soilgrids/properties"),
        "elevation": ("terrain", "raw/elevation/slope"),
        "modis": ("land_cover", "raw/modis/land_cover"),
    }
    wanted = {*study.static_attributes.variables}
    offering = [source.name for source in sources_of(study) if wanted.intersection(source.offers.get("static", ()))]
    return {argument: Input(path) for argument, path in (given[name] for name in offering if name in given)}


def _ismn(study: Study, settings: Settings) -> Iterator[Asset]:
    outside = str(study.target.path or settings.ismn_archive or "")
    yield Asset(
        "raw/ismn/archive",
        ZIP if study.sandbox else JSON,
        "The ISMN download as it came (zip or folder); observed, not copied. In a sandbox study it is made here.",
        settings=_WORLD if study.sandbox else {"sandbox": True},
        reaching=_TO_END if study.sandbox else {},
        files=() if study.sandbox or not outside else (outside,),
        kinds=frozenset({"ismn"}),
    )
    archive = Input("raw/ismn/archive")
    yield Asset(
        "raw/ismn/scan",
        JSON,
        "Every file of the archive: sensor, depth, rows, flags, period, and what is wrong with it.",
        code="2",
        inputs={"archive": archive},
        settings={"sandbox": True, "target": {"good_flags"}},
        kinds=frozenset({"ismn"}),
    )
    scan = {"archive": archive, "scan": Input("raw/ismn/scan")}
    yield Asset(
        STATION_TABLE,
        NETCDF,
        "Stations in the domain with sensors, depths, coverage and the share of every flag; names their partitions.",
        code="2",
        inputs=scan,
        settings={"domain": True, "target": {"networks"}},
        kinds=frozenset({"netcdf", "ismn"}),
    )
    yield Asset(
        "raw/ismn/static_variables",
        NETCDF,
        "Soil (HWSD 0-30 and 30-100 cm), climate and land cover of the stations as distributed with the archive.",
        code="2",
        inputs={**scan, "stations": Input(STATION_TABLE, PLACES)},
        settings={"static_attributes": {"prefer_in_situ"}},
        kinds=frozenset({"netcdf", "ismn"}),
    )
    for variable in ("soil_moisture", *study.target.other_variables):
        yield Asset(
            f"raw/ismn/{variable}",
            ZARR,
            f"Hourly {variable.replace('_', ' ')} of every sensor and depth with all flags; nothing masked.",
            code="2",
            inputs=scan,
            partitions="station",
            names_from=STATION_TABLE,
            kinds=frozenset({"zarr", "ismn"}),
        )
    yield Asset(
        "raw/ismn/recession_curves",
        NETCDF,
        "Dry-down events of the chosen depth with fitted exponentials, and their statistics.",
        code="2",
        inputs={"soil_moisture": Input("raw/ismn/soil_moisture", each=True)},
        settings={"target": _DEPTH, "period": True},
        partitions="station",
        names_from=STATION_TABLE,
        kinds=frozenset({"netcdf", "ismn"}),
    )


def _network(study: Study, network: Network) -> Iterator[Asset]:
    source = sources()[study.target.source]
    own = {network.section: True, **(_WORLD if study.sandbox else {"sandbox": True})}
    kinds = frozenset({source.name})
    yield Asset(
        places_from(study),
        NETCDF,
        f"Stations of the {source.title} in the domain that have records; names their partitions.",
        settings=_together(own, {"domain": True, "target": {"networks"}, "period": True}),
        kinds=kinds | {"netcdf"},
        pool=source.name,
    )
    yield Asset(
        records_of(study),
        ZARR,
        f"All that a station of the {source.title} has measured at its depths, and its weather; nothing but what the "
        "provider flags as erroneous is masked.",
        code=source.code,
        inputs={"stations": Input(places_from(study), PLACES)},
        settings=_together(own, {"period": _START}),
        reaching=_TO_END,
        partitions="station",
        names_from=places_from(study),
        kinds=kinds | {"zarr"},
        pool=source.name,
        kept=True,
    )


def _era5(study: Study) -> Iterator[Asset]:
    era5, points = study.era5, study.era5.access == "timeseries"
    fetched = era5.access != "files"
    world = _CLIMATE if study.sandbox else {"sandbox": True}
    grid: Mapping[str, Any] = {**world, "era5": {"access", "resolution"}, "domain": True}
    ground = {name: part for name, part in grid.items() if name != "period"}
    station: Mapping[str, Any] = {**world, "era5": {"access"}}
    asked = {**(station if points else grid), "dynamic_inputs": _ASKED}
    places = {"stations": Input(places_from(study), PLACES)}
    if fetched:
        yield Asset(
            "raw/era5/delivery",
            ZIP,
            "The answer of the Climate Data Store for one month, as delivered.",
            code="2",
            inputs=places if points else {},
            settings=asked,
            partitions="month",
            kinds=frozenset({"era5"}),
            pool="cds",
            kept=True,
        )
    if not points:
        yield Asset(
            "raw/era5/invariants",
            ZIP if fetched else NETCDF,
            "Land-sea mask and heights of the cells of the domain.",
            code="2",
            settings=ground,
            files=() if fetched else (str(era5.folder),),
            kinds=frozenset({"era5"}),
            pool="cds" if fetched else None,
            kept=True,
        )
    yield Asset(
        "raw/era5/hourly",
        NETCDF,
        "Hourly ERA5 of one month in the platform's names and units, with expver (preliminary or final) per hour.",
        code="3",
        inputs={"delivery": Input("raw/era5/delivery", each=True)} if fetched else {},
        settings={"dynamic_inputs": _ASKED, "era5": {"access"}, **({} if fetched else {"domain": True})},
        files=() if fetched else (str(era5.folder),),
        partitions="month",
        kinds=frozenset({"netcdf", "era5"}),
    )
    yield Asset(
        "raw/era5/station_series",
        NETCDF,
        "ERA5 at the stations: one value per hour, station and variable.",
        code="3",
        inputs={
            "hourly": Input("raw/era5/hourly", each=True),
            **({} if points else {"invariants": Input("raw/era5/invariants", optional=True)}),
            **places,
        },
        settings={"era5": {"access", "interpolation", "lapse_rate_correction"}},
        partitions="month",
        kinds=frozenset({"netcdf", "era5"}),
    )


def _cube(study: Study) -> Iterator[Asset]:
    zarr = frozenset({"zarr", "xarray"})
    of_archive, of_network = study.target.source == "ismn", network_of(study) is not None
    weather = study.dynamic_inputs
    files = [study.target.path] if study.target.source == "file" else []
    files += [weather.path] if "file" in weather.sources else []
    learned_of: dict[str, Any] = {"period": _START, "splits": {"test": {"end"}}}
    if of_network:  # which has no flags for soil moisture either
        of_files: dict[str, Any] = {
            "target": {"source"} | _DEPTH | {"quality_control"},
            "dynamic_inputs": (_CONVENTIONS if files else set()) | _ASKED,
            **({"domain": True} if files else {}),
        }
    elif files:  # flags, networks and the domain are those of the archive's assets otherwise
        of_files = {
            "target": _CONVENTIONS | _DEPTH | {"quality_control", "networks"},
            "dynamic_inputs": _CONVENTIONS | _ASKED,
            "domain": True,
        }
    else:
        of_files = {"target": _DEPTH, "dynamic_inputs": _ASKED}
    to_newest = {**_TO_END, **({"dynamic_inputs": {"variables"}} if study.reach == "open" else {})}
    raw = {"raw": Input("raw/ismn/soil_moisture" if of_archive else records_of(study))}
    archive = {**raw, "stations": Input(places_from(study), PLACES)}
    variables: Mapping[str, Any] = {"dynamic_inputs": {"variables"}, "static_attributes": {"variables"}}
    yield Asset(
        HOURLY,
        ZARR,
        "Soil moisture with its checks and the weather of all stations on one axis, as the sources gave them.",
        code="3" if files or of_network else "1",
        inputs={
            **(archive if of_archive or of_network else {}),
            **{
                name: Input(f"raw/{name}/station_series")
                for name in weather.sources
                if name not in ("file", *study.target.sources)
            },
        },
        settings={**of_files, **learned_of},
        reaching=_TO_END,
        files=tuple(map(str, files)),
        kinds=zarr,
    )
    hourly = {"hourly": Input(HOURLY)}
    yield Asset(
        "cube/target",
        ZARR,
        "Soil moisture per station and step, from the chosen depth: for fitting, as an input, and for scores.",
        code="2",
        inputs=hourly,
        settings={"time": True, **learned_of},
        reaching=to_newest,
        kinds=zarr,
    )
    yield Asset(
        "cube/dynamic_inputs",
        ZARR,
        "Weather per station and step: sums of amounts, means of states and fluxes; missing hours stay missing.",
        code="2",
        inputs=hourly,
        settings={"time": True, "period": _START, "dynamic_inputs": {"variables"}},
        reaching=_TO_END,
        kinds=zarr,
    )
    services = study.static_attributes.source == "services"
    yield Asset(
        "cube/static_attributes",
        ZARR,
        "The study's static attributes with units; categories as CF flags; land cover of the end of training.",
        code="1" if services else "2",
        inputs=_statics(study) if services else {},
        settings={
            "static_attributes": _ASKED,
            **({"splits": {"train": {"end"}}} if services else {"domain": True}),
        },
        files=() if services else (str(study.static_attributes.path),),
        kinds=zarr,
    )
    parts = {
        "target": Input("cube/target"),
        "inputs": Input("cube/dynamic_inputs"),
        "statics": Input("cube/static_attributes"),
    }
    yield Asset(
        COMMON,
        ZARR,
        "Every station with whether it is common to target, inputs and statics, and the reason if it is not.",
        inputs=parts,
        settings={
            **variables,
            "target": {"common_fraction", "depth_from", "depth_to"},
            "splits": {"train", "validation", "test"},
        },
        kinds=zarr,
    )
    yield Asset(
        CUBE,
        ZARR,
        "Target, dynamic inputs and static attributes of the common stations, with neighbours and split labels.",
        inputs={
            **parts,
            "stations": Input(COMMON),
            **({"issued": Input(path)} if (path := issued_weather_path(study)) else {}),
        },
        settings={
            "static_attributes": {"variables"},
            "splits": True,
            "seed": True,
            "model": {"neighbours"},
            **({"dynamic_inputs": {"variables"}} if issued_weather_of(study) else {}),
        },
        kinds=zarr,
    )


def _models(study: Study) -> Iterator[Asset]:
    learned = Input(CUBE, LEARNED)
    torch = frozenset({"pytorch"})
    fitted = ", ".join(f"{name} {method.code}" for name, method in methods().items() if method.fit is not None)
    for experiment in study.model.experiments:
        e, history = experiment.value, _history(experiment)
        shape = {"preset", "horizon", "neighbours", history}
        regional, own = regional_models(study, experiment)[0], f"models/station_model_{e}"
        for path, suffix, text in (
            (f"models/baselines_{e}", NETCDF, "Forecasts of the simple methods that every forecast is compared with"),
            (f"models/baseline_fits_{e}", ARRAYS, "What the simple methods have learned"),
        ):
            yield Asset(
                path,
                suffix,
                f"{text}, fitted on training data alone; experiment {e}: {experiment.description}.",
                code=f"7 {fitted}",
                inputs={"cube": learned},
                settings={
                    **_FEATURES,
                    "seed": True,
                    "baselines": True,
                    "model": {"horizon", history},
                },
                kinds=frozenset({"netcdf" if suffix == NETCDF else "numpy"}),
                pool="training",
            )
        for added, path in regional_models(study, experiment).items():
            text = (
                f"The same network trained from another seed (+{added}), to tell what an attribution owes to chance"
                if added
                else "One network for all stations that are not held out"
            )
            yield Asset(
                path,
                MODEL,
                f"{text}; experiment {e}: {experiment.description}.",
                code="8",
                inputs={"cube": learned},
                settings={**_FEATURES, "seed": True, "model": shape | {"regional_epochs"}},
                kinds=torch,
                pool="training",
                long=True,
                kept=True,
            )
        yield Asset(
            own,
            MODEL,
            f"The station's own network ({study.model.station_training.replace('_', ' ')}); experiment {e}: "
            f"{experiment.description}.",
            code="8",
            inputs={"cube": learned, "regional": Input(regional)},
            settings={
                **_FEATURES,
                "model": shape | {"station_epochs", "station_training", "min_windows"},
            },
            partitions="station",
            names_from=CUBE,
            kinds=torch,
            pool="training",
            kept=True,
        )
        yield Asset(
            f"models/uncalibrated_forecast_{e}",
            NETCDF,
            "Quantile forecasts per lead by the regional and the station's own model, as they come from the networks; "
            f"experiment {e}.",
            code="4",
            inputs={
                "cube": learned,
                "regional": Input(regional),
                "own": Input(own, each=True, optional=True),
                **(_without_weather() if without_weather.applies(study, experiment) else {}),
            },
            settings={**_FEATURES, "model": shape},
            partitions="station",
            names_from=COMMON,
            kinds=frozenset({"netcdf", "pytorch"}),
            pool="training",
        )
        together = {"baselines": Input(f"models/baselines_{e}"), "combination": Input(f"models/combination_{e}")}
        yield Asset(
            f"models/combination_{e}",
            NETCDF,
            "Weights of all methods in the combined forecast, per station and lead, from validation starts that chose "
            "nothing else and from what was seen later, and what is taken off a station's level; "
            f"experiment {e}.",
            code="6",
            inputs={
                "cube": learned,
                "baselines": Input(f"models/baselines_{e}"),
                "forecasts": Input(f"models/uncalibrated_forecast_{e}"),
            },
            kinds=frozenset({"netcdf"}),
        )
        yield Asset(
            f"models/calibration_{e}",
            NETCDF,
            "What all stations share of their intervals: factors of the validation blocks, and what later errors add; "
            f"experiment {e}.",
            code="4",
            inputs={"cube": learned, "forecasts": Input(f"models/uncalibrated_forecast_{e}"), **together},
            kinds=frozenset({"netcdf"}),
        )
        yield Asset(
            f"models/station_forecast_{e}",
            NETCDF,
            "Quantile forecasts per lead with the observations, by the regional and the own model and by all methods "
            f"combined, their intervals calibrated; experiment {e}: {experiment.description}.",
            code="12",
            inputs={
                "uncalibrated": Input(f"models/uncalibrated_forecast_{e}", each=True),
                "calibration": Input(f"models/calibration_{e}"),
                **together,
            },
            settings={"time": {"step"}, "model": {"horizon"}, "splits": {"test"}},
            partitions="station",
            names_from=COMMON,
            kinds=frozenset({"netcdf"}),
        )
    if issuing := study.issuable:
        parts: dict[str, Input] = {}
        for e in issuing:
            parts |= {
                f"learned_{e}": Input(f"models/baseline_fits_{e}"),
                f"combination_{e}": Input(f"models/combination_{e}"),
                f"regional_{e}": Input(f"models/regional_model_{e}"),
                f"own_{e}": Input(f"models/station_model_{e}", optional=True),
                f"forecasts_{e}": Input(f"models/station_forecast_{e}"),
            }
        yield Asset(
            LATEST,
            NETCDF,
            "Soil moisture of the coming days from the newest step of the cube, by all methods combined, with the "
            "forecast of the weather where the study has it. The intervals are calibrated like those of "
            "station_forecast at its last start; a station that has none there takes the mean of the others' factors.",
            code="9",
            inputs={"cube": Input(CUBE), **parts},
            settings={
                **_FEATURES,
                "model": {
                    *("preset", "horizon", "neighbours", "oldest_observation_days", "experiments"),
                    *map(_history, issuing),
                },
            },
            kinds=frozenset({"netcdf", "pytorch"}),
        )


def _without_weather() -> dict[str, Input]:
    """What the combined forecast without weather ahead is made from."""
    e = Experiment.FORECAST
    return {
        "without": Input(f"models/uncalibrated_forecast_{e}", each=True),
        "without_baselines": Input(f"models/baselines_{e}"),
        "without_combination": Input(f"models/combination_{e}"),
    }


def _analysis(study: Study) -> Iterator[Asset]:
    learned = Input(CUBE, LEARNED)
    netcdf, csv = frozenset({"netcdf"}), frozenset({"csv"})
    experiments = study.model.experiments
    windows: Mapping[str, Any] = {"model": {"windows"}}
    scored = {
        "cube": learned,
        **{f"baselines_{e}": Input(f"models/baselines_{e}") for e in experiments},
        **{f"forecasts_{e}": Input(f"models/station_forecast_{e}") for e in experiments},
    }
    order = " ".join(methods())
    for name, suffix, text in (
        ("skill", NETCDF, "Scores per split, experiment, method, station and lead."),
        ("skill_windows", NETCDF, "The same with the leads up to each window pooled."),
        ("skill_summary", CSV, "Medians over stations with bootstrap intervals, one row per method."),
        ("skill_held_out", CSV, "The same over the stations held out in space."),
    ):
        yield Asset(
            f"analysis/{name}",
            suffix,
            text,
            code=f"4 {order}",
            inputs=scored,
            settings={"time": {"step"}, "model": {"windows", "experiments", "horizon"}},
            kinds=netcdf if suffix == NETCDF else csv,
        )
    skill = Input("analysis/skill")
    yield Asset(
        "analysis/skill_by_group",
        CSV,
        "Median R² of every method on test data, by network, climate, land cover and soil texture of the stations.",
        code="2",
        inputs={"cube": learned, "skill": skill},
        settings=windows,
        kinds=csv,
    )
    by_age = ("calibration_by_age", "The same for classes of age of the last observation, with the interval's width.")
    for name, text in (
        ("calibration", "Share of observations below each quantile and inside the interval, per split and lead."),
        *([by_age] if any(e.sees_moisture for e in experiments) else []),
    ):
        yield Asset(
            f"analysis/{name}",
            CSV,
            text,
            code="2",
            inputs={f"forecasts_{e}": Input(f"models/station_forecast_{e}") for e in experiments},
            settings={"model": {"experiments"}},
            kinds=csv,
        )
    if study.target.source == "ismn":
        for name, text, code in (
            ("recession_events", "One row per dry-down: its fit with errors and quality.", "1"),
            ("recession_stations", "One row per station: statistics over its good fits.", "1"),
            (
                "recession_distributions",
                "Distributions fitted to the properties of all well fitted dry-downs, by AIC, and their distance.",
                "2",
            ),
        ):
            dry_downs = {"curves": Input("raw/ismn/recession_curves")}
            yield Asset(f"analysis/{name}", CSV, text, inputs=dry_downs, kinds=csv, code=code)
    if study.issuable:
        text = "How unusual the last observation and the latest forecast are for each station and the time of year"
        for path, suffix, more in (
            (DROUGHT, NETCDF, ""),
            (f"{DROUGHT}_table", CSV, " As a table, driest first."),
            (f"{DROUGHT}_places", GEOJSON, " As points for a map."),
        ):
            yield Asset(
                path,
                suffix,
                f"{text}.{more}",
                code="2",
                inputs={"latest": Input(LATEST), "cube": Input(CUBE)},
                settings={"drought": True, "time": {"step"}, "model": {"windows"}, "sandbox": True},
                kinds=frozenset({suffix.removeprefix(".").replace("nc", "netcdf")}),
            )
    yield from _with_table(
        RECORD_LEVEL,
        "What the mean of a station's record goes with: its parts by attribute and mean weather.",
        code="1",
        inputs={"cube": learned},
        settings={**_FEATURES, "splits": {"train"}},
        kinds=netcdf,
    )
    features = {**_FEATURES, **windows, "splits": {"test"}}
    for experiment in experiments:
        e = experiment.value
        explaining: dict[str, Any] = {
            **_FEATURES,
            "seed": True,
            "model": {"windows", "preset", "horizon", "neighbours", _history(experiment)},
        }
        for name, text in (
            ("effect_size", "Features of better against worse forecast stations"),
            ("correlation", "Rank correlation of features with skill"),
        ):
            yield from _with_table(
                f"analysis/{name}_{e}",
                f"{text}; experiment {e}.",
                code="3",
                inputs={"cube": learned, "skill": skill},
                settings=features,
                kinds=netcdf,
            )
        if experiment not in EXPLAINED:
            continue
        networks = regional_models(study, experiment)
        regional, shap = Input(networks[0]), Input(f"analysis/shap_values_{e}")
        seeds = {f"seed_{added}" if added else "regional": Input(path) for added, path in networks.items()}
        yield Asset(
            f"analysis/shap_values_{e}",
            ZARR,
            f"SHAP of the central forecast at the last lead of each window, per station; experiment {e}.",
            code="6",
            inputs={"cube": learned, **seeds},
            settings={**explaining, "splits": {"test"}, "attribution": True},
            kinds=frozenset({"zarr", "shap"}),
            pool="training",
            long=True,
        )
        yield from _with_table(
            f"analysis/driver_clusters_{e}",
            f"Three groups of stations by the standardised SHAP of their drivers; experiment {e}.",
            code="3",
            inputs={"shap": shap},
            kinds=frozenset({"netcdf", "scikitlearn"}),
        )
        yield from _with_table(
            f"analysis/permutation_importance_{e}",
            f"Rise of the test error when a feature is shuffled, and its agreement with SHAP; {e}.",
            code="3",
            inputs={"cube": learned, "shap": shap, "regional": regional},
            settings={**explaining, "attribution": {"explained_per_station"}},
            kinds=frozenset({"netcdf", "pytorch"}),
            pool="training",
        )
        yield from _with_table(
            f"analysis/local_effects_{e}",
            f"Accumulated local effects: how the forecast goes with each feature from its low to its high values; {e}.",
            code="1",
            inputs={"cube": learned, "shap": shap, **seeds},
            settings={**explaining, "attribution": {"explained_per_station"}, "splits": {"test"}},
            kinds=frozenset({"netcdf", "pytorch"}),
            pool="training",
        )


def regional_models(study: Study, experiment: Experiment) -> dict[int, str]:
    """Assets of the regional network by what is added to the study's seed: 0 forecasts; the others, where it is
    explained, tell what an attribution owes to chance."""
    seeds = study.attribution.seeds if experiment in EXPLAINED else 1
    return {
        added: f"models/regional_{f'seed_{added + 1}' if added else 'model'}_{experiment}" for added in range(seeds)
    }


def _with_table(path: str, text: str, **fields: Any) -> Iterator[Asset]:
    """A dataset, and the same as a table for people and spreadsheets beside it."""
    yield Asset(path, NETCDF, text, **fields)
    yield Asset(f"{path}_table", CSV, f"{text} As a table.", **(fields | {"kinds": frozenset({"csv"})}))


def _figures(study: Study, known: set[str]) -> Iterator[Asset]:
    for file in figure_files(study, known):
        yield Asset(
            file.path,
            file.figure.suffix,
            file.figure.description,
            code=file.figure.code,
            inputs={path: Input(path) for path in file.input_paths},
            settings=file.figure.settings,
            kinds=frozenset({{".png": "matplotlib", ".html": "leaflet"}.get(file.figure.suffix, "webp")}),
        )


def _report(study: Study, drawn: list[Asset]) -> Asset:
    experiments = study.model.experiments
    archive = {"scan": Input("raw/ismn/scan"), "cited": Input(STATION_TABLE)} if study.target.source == "ismn" else {}
    return Asset(
        REPORT,
        ".html",
        "Data, quality, models, skill, drivers, every figure and an interactive station map on one page.",
        code="10",
        inputs={
            "cube": Input(CUBE),
            "stations": Input(COMMON),
            "skill": Input("analysis/skill"),
            "summary": Input("analysis/skill_summary"),
            "held_out": Input("analysis/skill_held_out"),
            "by_group": Input("analysis/skill_by_group"),
            "calibration": Input("analysis/calibration"),
            "latest": Input(LATEST, optional=True),
            "drought": Input(DROUGHT, optional=True),
            **archive,
            **{f"forecasts_{e}": Input(f"models/station_forecast_{e}") for e in experiments},
            **{f"shap_{e}": Input(f"analysis/shap_values_{e}") for e in experiments if e in EXPLAINED},
            **{figure.path: Input(figure.path, optional=True) for figure in drawn},
        },
        settings=_ALL,
        kinds=frozenset({"html"}),
    )
