"""``soilmoisture demo``. Not here: running (run.py)."""

from soilmoisture_assets.cli.run import run


def demo() -> None:
    """Run the whole graph on the embedded synthetic study and print the path of the report."""
    run(study="demo")
