"""``soilmoisture report``. Not here: the page (plots/report.py), running (run.py)."""

from soilmoisture_assets.cli.run import run
from soilmoisture_assets.cli.terminal import StudyOption, print_behind


def report(study: StudyOption = None) -> None:
    """Print the path of the study's report; build it first if it is missing or out of date, and say what is newer."""
    from soilmoisture_assets.assets import REPORT
    from soilmoisture_assets.deployment import load_deployment

    print_behind("The stored report", load_deployment(study).behind(REPORT))
    run(study=study, select="group:report")
