"""Sources: one folder each, and which of them a study reads for what.

Belongs here: the collected declarations against a study. Not here: what a declaration is (source.py), addresses
(services.py), clients and formats (the folders).
"""

from soilmoisture_assets.declarations import collect
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.metadata.variables import Role
from soilmoisture_assets.sources.source import SECTIONS, IssuedWeather, Network, Source, named_sources
from soilmoisture_assets.study import Experiment, Study


def sources() -> dict[str, Source]:
    """Every declared source by its name. Raises StudyError where two have one name."""
    return collect("sources")


def sources_of(study: Study) -> list[Source]:
    """The sources a study reads: of the target, dynamic inputs, static attributes, forecasts of weather, each once.

    Raises
    ------
    StudyError : it names a source that nobody declares.
    """
    known, wanted = sources(), wanted_variables(study)
    named = {role: [_known(known, name, role) for name in named_sources(study, role)] for role in SECTIONS}
    # of what is meant by "services" those that have anything of it
    named["static"] = [source for source in named["static"] if {*source.offers["static"]} & {*wanted["static"]}]
    issuing = [known[str(study.issued_weather.source)]] if issued_weather_of(study) else []
    return list({source.name: source for group in (*named.values(), issuing) for source in group}.values())


def sources_of_input(study: Study, variable: str) -> tuple[Source, ...]:
    """The sources a dynamic input of a study comes from: those named for it, in order of preference; else the first
    that the study names and that offers it.

    Raises
    ------
    StudyError : none of them does, one that is named for it does not, or one is not declared.
    """
    known, order = sources(), study.dynamic_inputs.order(variable)
    if order:
        return tuple(_offering([_known(known, name, "dynamic")], "dynamic", variable) for name in order)
    named = [_known(known, name, "dynamic") for name in study.dynamic_inputs.sources]
    return (_offering(named, "dynamic", variable),)


def variables_of(study: Study, source: str) -> tuple[str, ...]:
    """The dynamic inputs of a study that a source is asked for, in the study's order."""
    wanted = study.dynamic_inputs.variables
    return tuple(name for name in wanted if source in [each.name for each in sources_of_input(study, name)])


def check(study: Study) -> None:
    """See that every variable of a study has a source, and every source of dynamic inputs a variable.

    Raises
    ------
    StudyError : a source is unknown (gives those there are) or gives nothing, or nobody offers a variable.
    """
    known = sources()
    for role, variables in wanted_variables(study).items():
        named = [_known(known, name, role) for name in named_sources(study, role)]
        if role == "dynamic":
            giving = {source.name for variable in variables for source in sources_of_input(study, variable)}
        else:
            giving = {_offering(named, role, variable).name for variable in variables}
        stray = [source.name for source in named if source.network and source.name not in study.target.sources]
        if stray:
            raise StudyError(
                f"{SECTIONS[role]}.source: '{stray[0]}' gives the weather of its own stations alone.\n"
                f'  Set target.source = "{stray[0]}", or leave it out.'
            )
        idle = [source.name for source in named if source.name not in giving]
        if role == "dynamic" and idle:
            raise StudyError(
                f"dynamic_inputs.source: '{idle[0]}' gives none of {', '.join(variables)} that no source before it "
                "gives.\n  Name it first, or leave it out."
            )
    issued_weather_of(study)


def wanted_variables(study: Study) -> dict[Role, tuple[str, ...]]:
    """The variables of a study by role."""
    return {
        "target": ("soil_moisture",),
        "dynamic": study.dynamic_inputs.variables,
        "static": study.static_attributes.variables,
    }


def network_of(study: Study) -> Network | None:
    """The network that the target of a study comes from; None where it is an archive or files."""
    return _known(sources(), study.target.source, "target").network


def issued_weather_of(study: Study) -> IssuedWeather | None:
    """How the weather as it was forecast comes to a study; None where the study needs none."""
    if Experiment.ISSUED not in study.model.experiments:
        return None
    name = str(study.issued_weather.source)
    known = {name: source.issued for name, source in sources().items() if source.issued is not None}
    if name not in known:
        raise StudyError(
            f"issued_weather.source: '{name}' keeps no forecasts of the weather.\n  Name one of: {', '.join(known)}."
        )
    lacking = [variable for variable in study.dynamic_inputs.variables if variable not in known[name].offers]
    if lacking:
        raise StudyError(
            f"dynamic_inputs.variables: '{lacking[0]}' is not forecast by {name}, and 'issued' needs it ahead.\n"
            f"  Leave out one of the two; forecast are {', '.join(known[name].offers)}."
        )
    return known[name]


def citations(study: Study) -> dict[str, str]:
    """What to cite of each source of a study that asks for it, by name."""
    return {source.name: source.citation for source in sources_of(study) if source.citation}


def licences(study: Study) -> dict[str, str]:
    """The licence of each source of a study that has one, by name."""
    return {source.name: source.licence for source in sources_of(study) if source.licence}


def _known(known: dict[str, Source], name: str, role: Role) -> Source:
    if name in known:
        return known[name]
    offering = [source.name for source in known.values() if role in source.offers]
    raise StudyError(f"{SECTIONS[role]}.source: unknown '{name}'.\n  Name some of: {', '.join(offering)}.")


def _offering(named: list[Source], role: Role, variable: str) -> Source:
    for source in named:
        if variable in source.offers.get(role, ()):
            return source
    names = " or ".join(source.name for source in named)
    offered = list(dict.fromkeys(name for source in named for name in source.offers.get(role, ())))
    raise StudyError(
        f"{SECTIONS[role]}.variables: '{variable}' is not offered by {names}.\n"
        f"  Choose among {', '.join(offered) or 'none'}, or name a source that offers it."
    )
