"""Whether a cost table fits a space: made for it, without missing entries."""

from __future__ import annotations

from archdial.common.errors import UsageError, unknown
from archdial.cost.table.contents import TableContents
from archdial.cost.table.terms import REMAKE, CostNetwork, CostTerm
from archdial.space import EITHER, Choice, Space


def check_against(table: TableContents, space: Space, source: str) -> None:
    """Raise UsageError unless the table is one of `space`, with an entry wherever one is due."""
    if table.space != space.fingerprint:
        raise UsageError(
            f"{source} was made for another space ({table.space}, expected {space.fingerprint}): "
            "profile this network, or use the network that the table was made for"
        )
    for term in table.terms:
        _check_term(term, space, source)
    for number, network in enumerate(table.networks):
        _check_network(number, network, space, source)
    priced = {name for term in table.terms for name in term.choices}
    for choice in space.choices:
        if choice.name not in priced:
            raise UsageError(f"{source} has no entry for choice {choice.name!r}: {REMAKE}")


def _check_network(number: int, network: CostNetwork, space: Space, source: str) -> None:
    try:
        space.parse(network.architecture)
    except UsageError as error:
        raise UsageError(f"the architecture of network {number} in {source}: {error}; {REMAKE}") from None


def _check_term(term: CostTerm, space: Space, source: str) -> None:
    choices = [_choice(space, name, source) for name in term.choices]
    for entry in term.entries:
        for choice, option in zip(choices, entry.options, strict=True):
            for name in option.split(EITHER):
                if name not in choice.options:
                    problem = unknown(f"option of choice {choice.name!r}", name, choice.options)
                    raise UsageError(f"{source} has an entry {choice.name}={option}: {problem}; {REMAKE}")
    if len(choices) == 1:
        _check_complete(term, choices[0], source)


def _check_complete(term: CostTerm, choice: Choice, source: str) -> None:
    present = {name for entry in term.entries for name in entry.options[0].split(EITHER)}
    for option in choice.options:
        if option not in present:
            raise UsageError(f"{source} has no entry for {choice.name}={option}: {REMAKE}")


def _choice(space: Space, name: str, source: str) -> Choice:
    try:
        return space.choices[space.index(name)]
    except UsageError as error:
        raise UsageError(f"{source} has entries for a choice that the space lacks: {error}; {REMAKE}") from None
