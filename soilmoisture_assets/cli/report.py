"""``soilmoisture report``. Not here: the page (plots/report.py), running (run.py)."""

from soilmoisture_assets.cli.run import run
from soilmoisture_assets.cli.terminal import StudyOption


def report(study: StudyOption = None) -> None:
    """Print the path of the study's report; build it first if it is missing or out of date."""
    run(study=study, select="group:report")
