"""A second reader of USCRN files that shares nothing with the package, and a writer. Not here: tests.

Columns by their numbers in NOAA's readme, values by ``split`` and ``Decimal``, one row at a time.
"""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

HOURLY_COLUMNS = {  # of the readme, from 1; with the column of the flag, if there is one
    "T_CALC": (9, None), "T_HR_AVG": (10, None), "T_MAX": (11, None), "T_MIN": (12, None), "P_CALC": (13, None),
    "SOLARAD": (14, 15), "SOLARAD_MAX": (16, 17), "SOLARAD_MIN": (18, 19), "SUR_TEMP": (21, 22),
    "SUR_TEMP_MAX": (23, 24), "SUR_TEMP_MIN": (25, 26), "RH_HR_AVG": (27, 28),
    "SOIL_MOISTURE_5": (29, None), "SOIL_MOISTURE_10": (30, None), "SOIL_MOISTURE_20": (31, None),
    "SOIL_MOISTURE_50": (32, None), "SOIL_MOISTURE_100": (33, None),
    "SOIL_TEMP_5": (34, None), "SOIL_TEMP_10": (35, None), "SOIL_TEMP_20": (36, None), "SOIL_TEMP_50": (37, None),
    "SOIL_TEMP_100": (38, None),
}  # fmt: skip
DAILY_COLUMNS = {
    "T_DAILY_MAX": (6, None), "T_DAILY_MIN": (7, None), "T_DAILY_MEAN": (8, None), "T_DAILY_AVG": (9, None),
    "P_DAILY_CALC": (10, None), "SOLARAD_DAILY": (11, None), "SUR_TEMP_DAILY_MAX": (13, None),
    "SUR_TEMP_DAILY_MIN": (14, None), "SUR_TEMP_DAILY_AVG": (15, None), "RH_DAILY_MAX": (16, None),
    "RH_DAILY_MIN": (17, None), "RH_DAILY_AVG": (18, None), "SOIL_MOISTURE_5_DAILY": (19, None),
    "SOIL_MOISTURE_10_DAILY": (20, None), "SOIL_MOISTURE_20_DAILY": (21, None), "SOIL_MOISTURE_50_DAILY": (22, None),
    "SOIL_MOISTURE_100_DAILY": (23, None), "SOIL_TEMP_5_DAILY": (24, None), "SOIL_TEMP_10_DAILY": (25, None),
    "SOIL_TEMP_20_DAILY": (26, None), "SOIL_TEMP_50_DAILY": (27, None), "SOIL_TEMP_100_DAILY": (28, None),
}  # fmt: skip


@dataclass
class Plain:
    """The rows of a file: a stamp each, and by column the valid values at these stamps."""

    rows: int = 0
    stamps: list[dt.datetime] = field(default_factory=list)
    values: dict[str, dict[dt.datetime, Decimal]] = field(default_factory=dict)


def plain_read(path: Path) -> Plain:
    """What a file holds, read as simply as can be; of rows with one stamp the last counts."""
    found = Plain()
    for line in path.read_text().split("\n"):
        fields = line.split()
        if not fields:
            continue
        hourly = len(fields) == 38
        found.rows += 1
        stamp = dt.datetime.strptime(fields[1] + (fields[2] if hourly else ""), "%Y%m%d%H%M" if hourly else "%Y%m%d")
        found.stamps.append(stamp)
        for name, (column, flag) in (HOURLY_COLUMNS if hourly else DAILY_COLUMNS).items():
            value = Decimal(fields[column - 1])
            own = found.values.setdefault(name, {})
            own.pop(stamp, None)
            if value not in (-99, -999, -9999, -99999) and (flag is None or fields[flag - 1] == "0"):
                own[stamp] = value
    return found


WIDTHS = {  # of each hourly column, as in the readme
    **dict.fromkeys(range(6, 13), 7), **dict.fromkeys((13, 15, 17), 6), **dict.fromkeys((20, 22, 24), 7), 26: 5,
    **dict.fromkeys(range(28, 38), 7),
}  # fmt: skip


def hourly_row(
    stamp: dt.datetime, values: dict[str, str] | None = None, station: str = "94996", hours_west: int = 6
) -> str:
    """A row of hourly02 as NOAA writes it; columns that are not named hold what is missing there."""
    local = stamp - dt.timedelta(hours=hours_west)
    given = values or {}
    fields = [station, f"{stamp:%Y%m%d}", f"{stamp:%H%M}", f"{local:%Y%m%d}", f"{local:%H%M}", " 2.622"]
    fields += ["-96.85", "40.70"] + [""] * 30
    for name, (column, flag) in HOURLY_COLUMNS.items():
        missing = "-99.000" if "MOISTURE" in name else "-99999" if "SOLARAD" in name else "-9999.0"
        fields[column - 1] = given.get(name, "-9999" if name == "RH_HR_AVG" else missing)
        if flag:
            fields[flag - 1] = given.get(f"{name}_FLAG", "0")
    fields[19] = "C"
    return " ".join(text.rjust(WIDTHS.get(number, 0)) for number, text in enumerate(fields))


def daily_row(day: dt.date, values: dict[str, str] | None = None, station: str = "94996") -> str:
    """A row of daily01 as NOAA writes it."""
    given = values or {}
    fields = [station, f"{day:%Y%m%d}", " 2.622", "-96.85", "40.70"] + [""] * 23
    for name, (column, _) in DAILY_COLUMNS.items():
        missing = "-99.000" if "MOISTURE" in name else "-9999.00" if "SOLARAD" in name else "-9999.0"
        fields[column - 1] = given.get(name, missing)
    fields[11] = "C"
    return " ".join(text.rjust(8 if number == 10 else 7 if number > 2 else 0) for number, text in enumerate(fields))
