"""A process that reads NetCDF files for others, so that a crash ends it alone. Run by ``foreign.probe_netcdf``."""

import json
import math
import sys
from typing import Any

import netCDF4

from soilmoisture_assets.machine import limit_memory

_BLOCK_VALUES = 4_000_000
_MOST_MEMORY = 4 * 2**30


def main() -> None:
    """Answer each line of JSON with one: ``trouble`` says why the file cannot be read, or is empty."""
    limit_memory(_MOST_MEMORY)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            with netCDF4.Dataset(asked["path"]) as file:
                trouble = _read(file, asked["most_bytes"], asked["fields"])
        except Exception as error:
            trouble = _said(error)
        print(json.dumps({"trouble": trouble}), flush=True)


def _read(file: Any, most_bytes: int, fields: bool) -> str:
    """Why the values cannot be read, or nothing; without ``fields`` attributes and coordinates alone."""
    file.set_auto_maskandscale(False)
    groups = [file]
    while groups:
        group = groups.pop()
        groups += group.groups.values()
        for name, variable in group.variables.items():
            itemsize = getattr(variable.dtype, "itemsize", 8)
            most_bytes -= math.prod(variable.shape) * itemsize if fields else 0
            if most_bytes < 0:
                return f"with '{name}' it unpacks to more than is allowed"
            if not fields and len(variable.shape) > 1:
                continue
            try:
                _read_variable(variable)
            except Exception as error:
                return f"variable '{name}': {_said(error)}"
    return ""


def _read_variable(variable: Any) -> None:
    for name in variable.ncattrs():
        variable.getncattr(name)
    if not variable.shape:
        variable[...]
        return
    rows = max(1, _BLOCK_VALUES // max(1, math.prod(variable.shape[1:])))
    for first in range(0, variable.shape[0], rows):
        variable[first : first + rows]


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


if __name__ == "__main__":
    main()
