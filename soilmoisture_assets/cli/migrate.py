"""``soilmoisture migrate``: after an upgrade. Not here: which tables there are (Dagster)."""

from soilmoisture_assets.cli.terminal import instance_of, out
from soilmoisture_assets.settings import load_settings


def migrate() -> None:
    """Bring the tables of the Dagster instance to the Dagster that is installed; end all that uses them first."""
    with instance_of(load_settings(), outdated=True) as instance:
        instance.upgrade(lambda text: out.print(text, markup=False, highlight=False, soft_wrap=True))
    out.print("The tables are those of the installed Dagster.")
