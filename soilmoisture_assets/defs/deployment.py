"""The one study this deployment serves, and the folder everything of it is written to.

Belongs here: what is read once when the code location loads. Not here: assets.
"""

import dagster as dg

from soilmoisture_assets.settings import load_settings
from soilmoisture_assets.study import load_study

SETTINGS = load_settings()
STUDY = load_study(SETTINGS.study)
FOLDER = SETTINGS.data_dir.resolve() / STUDY.name
OWNERS = ["team:soilmoisture"]

ISMN = STUDY.target.source == "ismn"
ERA5 = STUDY.dynamic_inputs.source == "era5"
SERVICES = STUDY.static_attributes.source == "services"

BACKFILL = (
    dg.BackfillPolicy.multi_run(SETTINGS.backfill_stations_per_run)
    if SETTINGS.backfill_stations_per_run
    else dg.BackfillPolicy.single_run()
)
