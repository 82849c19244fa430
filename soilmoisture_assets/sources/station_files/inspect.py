"""What is in a station file, before any study. Not here: reading it (files.py), printing (cli/inspect.py)."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, TimeAxisError
from soilmoisture_assets.metadata.units import interval_text
from soilmoisture_assets.metadata.variables import VARIABLES, Variable
from soilmoisture_assets.sources.station_files.files import find_variable, read_variable
from soilmoisture_assets.sources.station_files.layout import StationFile
from soilmoisture_assets.sources.station_files.stations import open_station_file
from soilmoisture_assets.study import Domain, FileSource


def inspect_station_file(path: str | Path) -> dict[str, Any]:
    """Read a whole station file as a run would, every variable of the registry that is in it.

    Returns
    -------
    Ready for JSON: ``stations`` by identifier with name and place; ``variables`` by the name in the registry with name
    and units in the file, interval, first and last end, valid values, and ``refused``, why it cannot serve; ``other``
    variables; ``lost``, what was lost or changed on the way; ``refused``, why the file cannot serve, or None.

    Raises
    ------
    SoilMoistureError : it has no stations that can be found.
    """
    with open_station_file(path, Domain()) as file:
        variables = {}
        for variable in VARIABLES.values():
            if (name := find_variable(file, variable)) is not None:
                variables[variable.name] = {"name": name, "units": file.attributes(name).get("units")}
                variables[variable.name] |= _variable(file, variable, name)
        known = {str(each["name"]) for each in variables.values()}
        other = [name for name in file.names if name not in known]
        refused = [str(each["refused"]) for each in variables.values() if each["refused"]]
        if not variables:
            refused = [
                f"{path}: no variable that a study can use; it has: {', '.join(other) or 'none'}.\n"
                "  Name them as the registry does (soil_moisture, temperature, precipitation ...)."
            ]
        places = zip(
            *(file.stations[n].values.tolist() for n in ("station_name", "latitude", "longitude")), strict=True
        )
        named = zip(file.stations.station.values.astype(str).tolist(), places, strict=True)
        return {
            "stations": {
                station: {"name": name, "latitude": latitude, "longitude": longitude}
                for station, (name, latitude, longitude) in named
            },
            "variables": variables,
            "other": other,
            "lost": file.notes,
            "refused": refused[0] if refused else None,
        }


def _read(file: StationFile, variable: Variable, name: str) -> tuple[xr.DataArray, pd.Timedelta | None]:
    """A variable by the usual conventions, or as calendar days where it can be read as those alone."""
    try:
        return read_variable(file, variable, name, FileSource())
    except TimeAxisError:
        try:
            found = read_variable(file, variable, name, FileSource(time_zone="local"))
        except SoilMoistureError:
            found = None
        if found is None:
            raise
    file.note(f"{file.path}: '{name}' can be read with time_zone = 'local' in the study alone: as calendar days")
    return found


def _variable(file: StationFile, variable: Variable, name: str) -> dict[str, Any]:
    """What reading one variable ends with."""
    try:
        values, interval = _read(file, variable, name)
    except SoilMoistureError as error:
        return {"refused": str(error)}
    found: dict[str, Any] = {"values": int(np.isfinite(values.values).sum()), "refused": None}
    found["within_limits"] = int(variable.allows(values.values).sum())
    if "depth" in values.dims:
        found["depths"] = values.depth.values.tolist()
    if interval is not None:
        times = values.time.values.astype("datetime64[m]").astype(str)
        found |= {"interval": interval_text(interval), "first": times[0], "last": times[-1]}
    return found
