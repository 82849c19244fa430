"""``soilmoisture inspect``: what is in an archive or file, before any study. Not here: reading them (sources/)."""

import json
import sys
from pathlib import Path

import typer

from soilmoisture_assets.cli.terminal import FoldedTable, JsonOption, out, whole
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.stations import place

app = typer.Typer(no_args_is_help=True, help="Say what is in an archive or file.")


@app.command("ismn")
def inspect_ismn(path: Path, as_json: JsonOption = False) -> None:
    """What an ISMN archive (zip or folder) holds: every sensor file, every station, every problem."""
    from soilmoisture_assets.sources.ismn.inspect import inspect_archive

    found = inspect_archive(path)
    if as_json:
        print(json.dumps(found, indent=1, default=str))
        return
    table = FoldedTable(title=str(path), box=None)
    table.add_column("station", width=whole(file["station_id"] for file in found["files"]))
    for column in ("variable", "depth [m]", "sensor", "rows", "good", "start", "end"):
        table.add_column(column)
    for file in found["files"]:
        flags: dict[str, int] = file["flags"]
        good = sum(count for flag, count in flags.items() if flag in ("G", "U"))
        table.add_row(
            file["station_id"],
            file["variable"],
            f"{file['depth_from']}-{file['depth_to']}",
            file["sensor"],
            str(file["rows"]),
            f"{good / max(file['rows'], 1):.0%}",
            str(file["start"])[:10],
            str(file["end"])[:10],
        )
    out.print(table)
    for problem in found["problems"]:
        out.print(problem, markup=False, soft_wrap=True)
    out.print("not in the records: " + ", ".join(f"{count:,} {what}" for what, count in found["lost"].items()))


@app.command("stations")
def inspect_stations(path: Path, as_json: JsonOption = False) -> None:
    """What a station file (CF timeSeries NetCDF) holds, read as a run would; why it cannot serve if it cannot."""
    from soilmoisture_assets.sources.station_files.inspect import inspect_station_file

    found = inspect_station_file(path)
    if as_json:
        print(json.dumps(found, indent=1, default=str))
    else:
        table = FoldedTable(title=str(path), box=None)
        variables = found["variables"]
        table.add_column("variable", width=whole(variables))
        other_names = any(each["name"] != name for name, each in variables.items())
        for column in (*(("in the file",) if other_names else ()), "units", "every", "from [UTC]", "to [UTC]"):
            table.add_column(column)
        for column in ("values", "within limits"):
            table.add_column(column, justify="right")
        for name, each in variables.items():
            texts = [str(each.get(key) or "") for key in ("units", "interval")]
            texts += [str(each.get(key, "")).replace("T", " ") for key in ("first", "last")]
            counts = [str(each.get(key, "")) for key in ("values", "within_limits")]
            called = [str(each["name"])] if other_names else []
            table.add_row(name, *called, *texts, *counts)
        out.print(table)
        places = [f"{name} ({place(at['latitude'], at['longitude'])})" for name, at in found["stations"].items()]
        out.print(f"{len(places)} stations: {', '.join(places)}", markup=False)
        for line in found["lost"]:
            out.print(f"lost or changed: {line}", markup=False, soft_wrap=True)
        if found["refused"]:
            raise SourceError(found["refused"])
    if found["refused"]:
        sys.exit(2)


@app.command("uscrn")
def inspect_uscrn(path: Path, as_json: JsonOption = False) -> None:
    """What a file of the U.S. Climate Reference Network (hourly02 or daily01) holds, read as a run would."""
    from soilmoisture_assets.sources.uscrn.files import inspect_file

    found = inspect_file(path)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    title = f"{path}: {found['product']}, WBAN {found['station']}, {found['start']} ... {found['end']}"
    table = FoldedTable("column", "units", "gives", "values", "sum", "missing", "erroneous", title=title)
    for column, each in found["variables"].items():
        texts = [each[key] for key in ("units", "gives", "count", "sum", "missing", "erroneous")]
        table.add_row(column, *("" if text is None else str(text) for text in texts))
    out.print(table)
    out.print(f"{found['rows']} rows")
    for line in found["lost"]:
        out.print(f"lost or changed: {line}", markup=False, soft_wrap=True)


@app.command("awdb")
def inspect_awdb(path: Path, as_json: JsonOption = False) -> None:
    """What a saved answer of USDA's Air and Water Database (SCAN, SNOTEL) holds, read as a run would."""
    from soilmoisture_assets.sources.awdb.answers import inspect_file

    found = inspect_file(path)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    columns = ("units", "depth", "gives", "start", "end", "rows", "count", "sum", "missing", "flagged")
    table = FoldedTable("station", "sensor", *columns, title=str(path))
    for station, own in found["stations"].items():
        for sensor, each in own["variables"].items():
            texts = ["" if each[name] is None else str(each[name]) for name in columns]
            table.add_row(station, sensor, *texts)
    out.print(table)
    out.print(
        "A study takes these names in [awdb] stations; commands take those that soilmoisture stations lists.",
        markup=False,
    )
    for line in found["lost"]:
        out.print(f"lost or changed: {line}", markup=False, soft_wrap=True)


@app.command("era5")
def inspect_era5_command(path: Path, as_json: JsonOption = False) -> None:
    """What an ERA5 delivery (file, folder or zip) holds, after normalising; why it cannot serve if it cannot."""
    from soilmoisture_assets.sources.era5.formats import inspect_era5

    found = inspect_era5(path)
    if as_json:
        print(json.dumps(found, indent=1, default=str))
    elif not found["variables"]:
        raise SourceError(found["refused"])
    else:
        table = FoldedTable("", "", title=str(path), show_header=False)
        for name, value in found.items():
            if name not in ("notes", "left_out"):
                table.add_row(name, json.dumps(value, default=str) if isinstance(value, dict | list) else str(value))
        out.print(table)
        for note in found["notes"]:
            out.print(note, markup=False, highlight=False, soft_wrap=True)
        for reason in found["left_out"]:
            out.print(f"left out: {reason}", markup=False, highlight=False, soft_wrap=True)
    if found["refused"]:
        sys.exit(2)
