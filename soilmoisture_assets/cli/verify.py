"""``soilmoisture verify``: read every stored object again. Not here: checksums (store/)."""

import sys

from soilmoisture_assets.cli.terminal import StudyOption, err, out


def verify(study: StudyOption = None) -> None:
    """Compare every stored object with the checksum in its record; name what is damaged, missing or not ours."""
    from soilmoisture_assets.deployment import load_deployment

    deployment = load_deployment(study)
    damaged = deployment.verify()
    for each in damaged:
        err.print(str(each), style="red", markup=False, highlight=False, soft_wrap=True)
    if damaged:
        err.print(
            f"soilmoisture run --study {deployment.settings.study} makes again what is damaged; what has no record is "
            "read by nobody and can be deleted.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        sys.exit(1)
    out.print(f"study {deployment.study.name}: every stored object is whole", highlight=False)
