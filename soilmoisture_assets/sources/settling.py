"""What a study leaves open, and what its sources do not have: settled before anything is made of it.

Belongs here: what is left out of a study, and the sentences that say so. Not here: what a source lacks (``SOURCE`` in
sources/<name>/), asking (the clients).
"""

from soilmoisture_assets.sources import sources_of
from soilmoisture_assets.study import Study


def settled(study: Study) -> tuple[Study, tuple[str, ...]]:
    """The study as it is made, and what of it is not as it is written, a line each.

    Raises
    ------
    StudyError : it names a source that nobody declares.
    """
    notes: list[str] = []
    study = _without_what_is_lacking(study, notes)
    return study, tuple(notes)


def _without_what_is_lacking(study: Study, notes: list[str]) -> Study:
    statics = study.static_attributes
    for source in sources_of(study):
        lacking = [name for name in source.lacking(study) if name in statics.variables]
        if lacking:
            kept = tuple(name for name in statics.variables if name not in lacking)
            statics = statics.model_copy(update={"variables": kept})
            notes.append(f"left out: {', '.join(lacking)}, which {source.title} does not have as this study asks it")
    return study.model_copy(update={"static_attributes": statics})
