"""``soilmoisture verify``: read every stored thing again. Not here: checksums (store/), contents (verification.py)."""

import sys
from typing import Annotated

import typer

from soilmoisture_assets.cli.terminal import StudyOption, err, out


def verify(
    study: StudyOption = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Discard what is damaged, so that the next run makes it again.")
    ] = False,
) -> None:
    """Compare every stored object with its record and its contents with what they should be; name what is wrong."""
    from soilmoisture_assets.deployment import load_deployment
    from soilmoisture_assets.verification import wrong_contents

    deployment = load_deployment(study)
    damaged = deployment.verify()
    known = {each.address for each in damaged}
    damaged += [each for each in wrong_contents(deployment) if each.address not in known]
    for each in damaged:
        err.print(str(each), style="red", markup=False, highlight=False, soft_wrap=True)
    if not damaged:
        out.print(f"study {deployment.study.name}: every stored object is whole", highlight=False)
        return
    again = deployment.command("run")
    if repair:
        deployment.discard(damaged)
        for each in damaged:
            if each.address is None:
                deployment.store.remove(each)
        fix = f"Discarded. Make it again with: {again}"
    else:
        fix = (
            f"Make again what is damaged with: {deployment.command('verify', '--repair')}; {again}\n"
            "That deletes what has no record, which is read by nobody."
        )
    err.print(fix, markup=False, highlight=False, soft_wrap=True)
    sys.exit(1)
