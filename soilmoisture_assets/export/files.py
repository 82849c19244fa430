"""Files: the form that what is exported has in each format.

Not here: what is stored (notebook.py opens it), how a dataset or table becomes bytes (store/formats.py), the command
(cli/export.py).
"""

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from soilmoisture_assets.assets import COMMON, CUBE, DROUGHT, LATEST
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.export import Format, What
from soilmoisture_assets.files import replacing
from soilmoisture_assets.metadata.coordinates import with_valid_time
from soilmoisture_assets.metadata.provenance import UNITS, code_version, notes_of
from soilmoisture_assets.metadata.stations import check_known
from soilmoisture_assets.notebook import OpenStudy
from soilmoisture_assets.scoring.drought import drought_table
from soilmoisture_assets.scoring.gathering import best_scores
from soilmoisture_assets.store import formats

STORED = {
    What.FORECASTS: LATEST,
    What.DROUGHT: DROUGHT,
    What.CUBE: CUBE,
    What.SKILL: "analysis/skill",
    What.STATIONS: COMMON,
}
"""The dataset that is exported."""
PLACE = ("latitude", "longitude")


def export(
    study: OpenStudy,
    what: What,
    form: Format,
    path: Path,
    *,
    stations: Collection[str] = (),
    experiment: str | None = None,
) -> None:
    """Write what is stored to a file; one of this name is replaced when the new one is whole.

    NetCDF is the stored dataset. CSV and Parquet have a row for each station and whatever else there is a value for;
    lines before a CSV (``#``) and the pandas attributes of Parquet say title, units and whether the data are synthetic.
    GeoJSON (RFC 7946) has a point per station.

    Parameters
    ----------
    stations : None named: all.
    experiment : of forecasts: those of the validation and test starts, with what was observed; None: the newest.

    Raises
    ------
    StudyError : there is no such station or experiment, or the format cannot hold it. SourceError : it is not stored.
    """
    if experiment is not None and what is not What.FORECASTS:
        raise StudyError(f"an experiment chooses among forecasts, not {what}.\n  Leave it out.")
    if form is Format.GEOJSON and (what is What.CUBE or experiment is not None):
        raise StudyError(
            "GeoJSON has a point per station, and these are values of many times.\n"
            "  Choose the format csv, parquet or netcdf."
        )
    stored = study.forecasts(experiment) if experiment is not None else study.read(STORED[what])
    known = stored["station"].values.astype(str).tolist()
    _check_stations(study, stations, known)
    dataset = stored.sel(station=list(stations)) if stations else stored
    made_by = f"exported by soilmoisture_assets {code_version()}"
    if form is Format.NETCDF:
        history = "; ".join(filter(None, [dataset.attrs.get("history"), made_by]))
        with replacing(path) as target:
            formats.dump(dataset.load().assign_attrs(history=history), target)
        return
    table = _wide(dataset, what) if form is Format.GEOJSON and what in _WIDE else _long(study, what, dataset)
    notes = notes_of(
        table,
        title=f"{what.capitalize()} of {study.study.title}",
        study_name=study.study.name,
        synthetic=study.study.sandbox,
    )
    notes += [*_explained(table, dataset), made_by]
    with replacing(path) as target:
        if form is Format.CSV:
            formats.dump(table, target, notes=notes)
        elif form is Format.PARQUET:
            table.attrs["notes"] = notes
            _dump_parquet(table, target)
        else:
            formats.dump(_points(table, dataset, notes), target)


def _check_stations(study: OpenStudy, stations: Collection[str], known: Sequence[str]) -> None:
    """Raise StudyError for a station of which nothing is stored: it is left out, has none, or is not known."""
    listing = study.deployment.command("stations")
    lacking = [name for name in stations if name not in known]
    if lacking and study.deployment.is_current(COMMON):
        check_known(lacking, study.stations.index.tolist(), listing)
        said = study.left_out(lacking) or [f"station {lacking[0]} has nothing there to export"]
        raise StudyError(f"{said[0]}\n  Leave it out. All of them: {listing}")
    check_known(lacking, known, listing)


def _long(study: OpenStudy, what: What, dataset: xr.Dataset) -> pd.DataFrame:
    """A row for each station and whatever else there is a value for."""
    match what:
        case What.STATIONS:
            table = study.stations.loc[dataset["station"].values.astype(str)].reset_index()
            return _with_units(table, dataset)
        case What.DROUGHT:
            return drought_table(dataset, study.study.window_hours)
        case What.CUBE:
            series = [name for name, each in dataset.data_vars.items() if set(each.dims) == {"station", "time"}]
            table = dataset[series].reset_coords(drop=True).to_dataframe(dim_order=["station", "time"]).reset_index()
            return _with_units(table, dataset)
        case What.SKILL:
            dims = ["split", "experiment", "forecaster", "station", "lead"]
            table = dataset.reset_coords(drop=True).to_dataframe(dim_order=dims).reset_index()
            return _with_units(table[table["n"] > 0].rename(columns={"forecaster": "method"}), dataset)
        case What.FORECASTS:
            found = with_valid_time(dataset).reset_coords()
            found = found.merge(_quantiles(dataset)).drop_vars("soil_moisture_forecast")
            dims = [name for name in ("station", "start", "lead") if name in found.dims]
            columns = [name for name in found.data_vars if name in _TOLD or name in _quantiles(dataset)]
            return _with_units(found[columns].to_dataframe(dim_order=dims).reset_index(), found)


_TOLD = ("start", "valid_time", "soil_moisture_observed", "last_observation", "age", "split")
"""What is told of forecasts beside their quantiles."""
_WIDE = (What.FORECASTS, What.SKILL)
"""What has more than one row for a station, and so has its leads in columns where there is to be one."""


def _wide(dataset: xr.Dataset, what: What) -> pd.DataFrame:
    """A row per station, leads as columns: quantiles of the newest forecast, or R² on test data by the best method."""
    if what is What.FORECASTS:
        parts = {name: dataset[name] for name in ("start", "last_observation")}
        for name, quantile in _quantiles(dataset).items():
            parts |= {f"{name}_{lead}h": quantile.sel(lead=lead) for lead in dataset["lead"].values}
    else:
        test = dataset.sel(split="test")
        of = {str(e): best_scores(test.sel(experiment=e))["r2"] for e in test["experiment"].values}
        parts = {f"r2_{e}_{lead}h": of[e].sel(lead=lead) for e in of for lead in dataset["lead"].values}
    found = xr.Dataset({name: part.reset_coords(drop=True) for name, part in parts.items()})
    return _with_units(found.to_dataframe().reset_index(), found)


def _quantiles(dataset: xr.Dataset) -> xr.Dataset:
    """Forecasts with a variable for each quantile."""
    forecast = dataset["soil_moisture_forecast"].reset_coords(drop=True)
    levels = forecast["quantile"].values
    return xr.Dataset({f"soil_moisture_p{100 * each:.0f}": forecast.sel(quantile=each, drop=True) for each in levels})


def _with_units(table: pd.DataFrame, dataset: xr.Dataset) -> pd.DataFrame:
    """The table, its columns with the units that the dataset says."""
    said = {str(name): dataset[name].attrs.get("units", "1") for name in table if name in dataset}
    table = table.rename(columns={"lead": "lead_hours"})
    table.attrs = {UNITS: {name: units for name, units in said.items() if units != "1"}}
    return table


def _explained(table: pd.DataFrame, dataset: xr.Dataset) -> Iterator[str]:
    """What columns mean that have no units: times, and numbers that stand for words."""
    if not table.select_dtypes("datetime").empty:
        yield "times: UTC; a step is called by its end"
    for name in (str(name) for name in table if name in dataset):
        attributes = dataset[name].attrs
        if "flag_meanings" in attributes and pd.api.types.is_numeric_dtype(table[name]):
            words = zip(attributes["flag_values"], str(attributes["flag_meanings"]).split(), strict=True)
            yield f"{name}: {', '.join(f'{value} {word}' for value, word in words)}"


def _points(table: pd.DataFrame, dataset: xr.Dataset, notes: Sequence[str]) -> dict[str, Any]:
    """A table with a row per station as GeoJSON (RFC 7946), null where there is no value."""
    places = dataset[list(PLACE)].reset_coords()[list(PLACE)].to_dataframe().astype(float)
    properties = table.drop(columns=[name for name in table if str(name).removesuffix("_deg") in PLACE])
    rows = json.loads(properties.to_json(orient="records", date_format="iso", double_precision=6))
    features = []
    for row in rows:
        latitude, longitude = places.loc[row["station"], list(PLACE)]
        point = {"type": "Point", "coordinates": [round(longitude, 6), round(latitude, 6)]}
        features.append({"type": "Feature", "geometry": point, "properties": row})
    return {"type": "FeatureCollection", "notes": list(notes), "features": features}


def _dump_parquet(table: pd.DataFrame, path: Path) -> None:
    try:
        table.to_parquet(path, index=False, engine="pyarrow")
    except ImportError as error:
        raise StudyError(
            "Parquet needs the library pyarrow, which is not installed.\n"
            "  Install it with: pip install 'soilmoisture_assets[parquet]', or choose the format csv."
        ) from error
