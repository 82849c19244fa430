"""The CF conventions as compliance-checker knows them, for whatever tests store netCDF."""

from collections.abc import Collection
from pathlib import Path

CONVENTIONS = "cf:1.11"
HIGH = 3
"""Of what the conventions demand."""
TEXT_HAS_NO_ORDER = "check_coordinate_variables_strict_monotonicity"


def faults(paths: Collection[Path]) -> list[str]:
    """What in netCDF files is against the conventions, a line each."""
    from compliance_checker.runner import CheckSuite  # takes a second

    assert paths
    suite = CheckSuite()
    suite.load_all_available_checkers()
    found = []
    for path in paths:
        # names as coordinates, which xarray selects by, are text, and the check of order knows numbers alone
        checked = suite.run_all(suite.load_dataset(str(path)), [CONVENTIONS], skip_checks=[TEXT_HAS_NO_ORDER])
        for results, errors in checked.values():
            for each in results:
                reached, asked = each.value if isinstance(each.value, tuple) else (each.value, True)
                if each.weight == HIGH and reached != asked:
                    found.append(f"{path.name}: {each.name}: {'; '.join(each.msgs)}")
            found += [f"{path.name}: {name}: {error[0]}" for name, error in errors.items()]
    return found
