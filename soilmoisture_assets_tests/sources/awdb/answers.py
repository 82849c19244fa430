"""Answers of AWDB in the documented shape, written by hand. Not here: tests."""

import json
from collections.abc import Sequence
from typing import Any

STATION = "2020:ND:SCAN"


def block(
    code: str, dates: Sequence[str], values: Sequence[Any], *, depth: Any = None, ordinal: int = 1, units: str = "pct",
    duration: str = "HOURLY", qc: Sequence[str | None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The series of one sensor."""
    rows = [{"date": date, "value": value} for date, value in zip(dates, values, strict=True)]
    if qc is not None:
        for row, flag in zip(rows, qc, strict=True):
            row |= {"qcFlag": flag, "qaFlag": "P"}
    element = {
        "elementCode": code, "ordinal": ordinal, "heightDepth": depth, "durationName": duration, "dataPrecision": 1,
        "storedUnitCode": units, "originalUnitCode": units, "beginDate": "2001-01-01 00:00",
        "endDate": "2100-01-01 00:00", "derivedData": False,
    }  # fmt: skip
    return {"stationElement": element, "values": rows}


def answer(*blocks: dict[str, Any], station: str = STATION) -> bytes:
    """What the service answers with for one station."""
    return json.dumps([{"stationTriplet": station, "data": list(blocks)}]).encode()


HOURS = ["2019-06-30 22:00", "2019-06-30 23:00", "2019-07-01 00:00"]
DAYS = ["2019-06-29", "2019-06-30", "2019-07-01"]
