"""Figures as declarations: what one is called, where it stands in the report, what it is drawn from and how.

Belongs here: the declaration, what drawing is given, which figures and files of them a study has. Not here: drawing
(one file per figure beside this one), running and storing it (defs/, store/).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from soilmoisture_assets.declarations import collect
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Experiment, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECTIONS = (
    "Stations and data",
    "Dry-downs",
    "Weather",
    "Terrain, soil and land cover",
    "Skill",
    "Latest forecast",
    "Drivers",
)
"""Sections of the report, in the order of the page."""

SUFFIXES = (".png", ".html", ".webp")
"""What a matplotlib figure, a text and bytes are stored as."""

_EXPERIMENT = "{experiment}"


@dataclass(frozen=True)
class Variant:
    """One file of a figure: ``figures/<figure>_<name>``, or ``figures/<figure>`` where the name is empty.

    ``options`` are what tells it from the others beside its experiment.
    """

    name: str = ""
    experiment: Experiment | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FigureInputs:
    """What one file of a figure is drawn from.

    Parameters
    ----------
    inputs : by argument of the declaration. An asset without partitions is a dataset or a table; one with partitions a
        mapping from partition to dataset, opened when asked for, of those that are current. A path with
        ``{experiment}`` in a variant without one is a mapping from each experiment to any of these. None is empty: an
        input of which nothing is stored means no figure.
    log : tells whoever runs the drawing what the figure itself does not say.
    """

    study: Study
    settings: Settings
    variant: Variant
    inputs: Mapping[str, Any]
    log: Callable[[str], None]


@dataclass(frozen=True)
class FigureDeclaration:
    """A figure of every study that has its inputs.

    Parameters
    ----------
    name : of its module, and the beginning of the names of its assets and files in the store.
    title : what lists call it; the message of the drawn figure is its own.
    section, place : one of ``SECTIONS``, and the order within it.
    description : what it shows, one sentence.
    inputs : argument to the path of an asset, such as "cube/station_cube". ``{experiment}`` is the variant's, or, in a
        variant without one, every experiment of the study.
    draw : a matplotlib figure, the text of an HTML page, or the bytes of a WebP.
    variants : the files of the figure in a study, which may have none; None where it is a single one in every study.
    suffix : one of ``SUFFIXES``, as ``draw`` returns.
    settings : what drawing reads of the study itself, in pydantic's form of ``include``; a change of these, of ``code``
        or of an input makes the figure outdated.

    Raises
    ------
    ValueError : an unknown section or suffix.
    """

    name: str
    title: str
    section: str
    place: float
    description: str
    inputs: Mapping[str, str]
    draw: "Callable[[FigureInputs], Figure | str | bytes]"
    variants: Callable[[Study], Sequence[Variant]] | None = None
    suffix: str = ".png"
    code: str = "1"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, value, allowed in (("section", self.section, SECTIONS), ("suffix", self.suffix, SUFFIXES)):
            if value not in allowed:
                raise ValueError(f"figure '{self.name}': unknown {what} '{value}'; allowed: {', '.join(allowed)}")


@dataclass(frozen=True)
class FigureFile:
    """One file of a figure in one study, and the assets it is drawn from.

    ``inputs`` : argument to an asset path, or to the path of each experiment.
    """

    figure: FigureDeclaration
    variant: Variant
    inputs: Mapping[str, str | Mapping[Experiment, str]]

    @property
    def path(self) -> str:
        """The path of its asset, such as "figures/skill_maps_forecast"."""
        return "figures/" + "_".join(part for part in (self.figure.name, self.variant.name) if part)

    @property
    def input_paths(self) -> list[str]:
        """Every asset it is drawn from."""
        nested = ([path] if isinstance(path, str) else path.values() for path in self.inputs.values())
        return list(dict.fromkeys(path for paths in nested for path in paths))


def figures() -> list[FigureDeclaration]:
    """Every declared figure, in the order of the report.

    Raises
    ------
    StudyError : two have one name, or one outside the package cannot be imported.
    """
    return sorted(collect("plots").values(), key=lambda each: (SECTIONS.index(each.section), each.place, each.name))


def each_experiment(study: Study) -> list[Variant]:
    """A variant per experiment of the study, named like it."""
    return [Variant(experiment.value, experiment) for experiment in study.model.experiments]


def variants_of(declaration: FigureDeclaration, study: Study) -> Sequence[Variant]:
    """The variants that a study gives a figure; whether their inputs exist is not asked."""
    return declaration.variants(study) if declaration.variants else [Variant()]


def figure_files(study: Study, assets: Collection[str]) -> list[FigureFile]:
    """What is drawn in a study that has these assets, in the order of the report.

    A file exists where all its inputs do; of an input of every experiment, where one does.
    """
    found = []
    for declaration in figures():
        for variant in variants_of(declaration, study):
            inputs = {
                argument: _resolved(path, variant, study, assets) for argument, path in declaration.inputs.items()
            }
            if all(path and (isinstance(path, dict) or path in assets) for path in inputs.values()):
                found.append(FigureFile(declaration, variant, inputs))
    return found


def _resolved(path: str, variant: Variant, study: Study, assets: Collection[str]) -> str | dict[Experiment, str]:
    if _EXPERIMENT not in path or variant.experiment is not None:
        return path.replace(_EXPERIMENT, str(variant.experiment))
    each = {experiment: path.replace(_EXPERIMENT, experiment.value) for experiment in study.model.experiments}
    return {experiment: own for experiment, own in each.items() if own in assets}
