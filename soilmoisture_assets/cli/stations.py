"""``soilmoisture stations``. Not here: what is known of stations (notebook.py)."""

import json

from soilmoisture_assets.cli.terminal import FoldedTable, JsonOption, StudyOption, out, whole


def stations(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """List the stations of a study as other commands call them, where they are, and why some are left out."""
    from soilmoisture_assets.deployment import load_deployment
    from soilmoisture_assets.notebook import OpenStudy

    known = OpenStudy(load_deployment(study)).stations
    rows = json.loads(known.reset_index().to_json(orient="records"))
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    table = FoldedTable(box=None)
    table.add_column("station", width=whole(row["station"] for row in rows))  # to be copied whole
    for column in ("latitude\n[°N]", "longitude\n[°E]", "elevation\n[m]"):
        table.add_column(column, justify="right")
    table.add_column("why it is left out")
    for row in rows:
        place = (f"{row['latitude']:.3f}", f"{row['longitude']:.3f}", f"{row.get('elevation') or float('nan'):.0f}")
        table.add_row(row["station"], *place, "" if row["included"] else row["reason"])
    out.print(table)
    out.print(f"{known['included'].sum()} of {len(known)} stations are in the cube.", highlight=False)
