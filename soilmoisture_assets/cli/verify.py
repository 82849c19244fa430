"""``soilmoisture verify``: read every stored object again. Not here: checksums (store/)."""

import sys

from soilmoisture_assets.cli.terminal import StudyOption, err, out


def verify(study: StudyOption = None) -> None:
    """Compare every stored object with the checksum in its record; name what is damaged, missing or not ours."""
    from soilmoisture_assets.deployment import load_deployment

    deployment = load_deployment(study)
    damaged = list(deployment.store.verify(deployment.study.name))
    for each in damaged:
        err.print(str(each), style="red", markup=False, highlight=False, soft_wrap=True)
    if damaged:
        err.print("Make it again with: soilmoisture run", markup=False, highlight=False)
        sys.exit(1)
    out.print(f"study {deployment.study.name}: every stored object is whole", highlight=False)
