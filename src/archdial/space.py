"""Choices, the space they span, and its architectures; no layers."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from archdial.common.errors import UsageError, unknown

EITHER = "|"
"""Between names of options of which any will do."""


def meets(taken: Sequence[str], asked: Sequence[str]) -> bool:
    """Tell whether each of the options `taken` is the one that is asked for at its choice, or any of several."""
    return all(option in of.split(EITHER) for option, of in zip(taken, asked, strict=True))


@dataclass(frozen=True)
class Choice:
    """One place in a network where one of several options is taken.

    Attributes:
        name: unique within the space.
        options: names of the options, unique within the choice.
        kinds: the kind of each option, by which an operation-wise dial penalises.
    """

    name: str
    options: tuple[str, ...]
    kinds: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.options or len(set(self.options)) != len(self.options):
            raise UsageError(
                f"choice {self.name!r} has options {self.options}: expected at least one name, all distinct"
            )
        if any(EITHER in option for option in self.options):
            raise UsageError(f"choice {self.name!r} has options {self.options}: names must not contain {EITHER!r}")
        if len(self.kinds) != len(self.options):
            raise UsageError(
                f"choice {self.name!r} has {len(self.options)} options and {len(self.kinds)} kinds: "
                "give one kind per option"
            )


@dataclass(frozen=True, order=True)
class Architecture:
    """One option for each choice of a space.

    Attributes:
        options: numbers of the options, from 0, in the order of the space's choices.
    """

    options: tuple[int, ...]


@dataclass(frozen=True)
class Space:
    """The ordered choices of a network.

    Weights, logits and probabilities of a space are tensors of shape (…, m, k): m choices, k the largest
    number of options; entries where `mask` is False belong to no option and are 0 (logits: -inf).

    Attributes:
        choices: the choices, with distinct names.

    Raises:
        UsageError: there are no choices, or two have the same name.
    """

    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        names = [choice.name for choice in self.choices]
        if not names or len(set(names)) != len(names):
            raise UsageError(f"a space needs at least one choice, all with distinct names; got {names}")

    @cached_property
    def options(self) -> tuple[str, ...]:
        """Names of the options of all choices, each once, in the order in which they appear."""
        return tuple(dict.fromkeys(option for choice in self.choices for option in choice.options))

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(m, k): the number of choices and the largest number of options."""
        return len(self.choices), max(len(choice.options) for choice in self.choices)

    @property
    def size(self) -> int:
        """How many architectures there are."""
        return math.prod(len(choice.options) for choice in self.choices)

    @cached_property
    def mask(self) -> Tensor:
        """Boolean (m, k): where an option exists."""
        mask = torch.zeros(self.shape, dtype=torch.bool)
        for row, choice in enumerate(self.choices):
            mask[row, : len(choice.options)] = True
        return mask

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The distinct kinds of options, in the order in which they first occur."""
        return tuple(dict.fromkeys(kind for choice in self.choices for kind in choice.kinds))

    @cached_property
    def membership(self) -> Tensor:
        """(kinds, m, k): 1 where the option is of the kind, else 0."""
        result = torch.zeros(len(self.kinds), *self.shape)
        for row, choice in enumerate(self.choices):
            for column, kind in enumerate(choice.kinds):
                result[self.kinds.index(kind), row, column] = 1.0
        return result

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of choices, options and kinds; a table or family carries that of its space."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def index(self, name: str) -> int:
        """Return the position of the choice called `name`.

        Raises:
            UsageError: there is none.
        """
        if name not in self._rows:
            raise unknown("choice", name, self._rows)
        return self._rows[name]

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {choice.name: row for row, choice in enumerate(self.choices)}

    def one_hot(self, architecture: Architecture) -> Tensor:
        """Return the weights (m, k) that select `architecture`."""
        return self.one_hots([architecture])[0]

    def places(self, choices: Sequence[str], options: Sequence[str]) -> list[tuple[int, ...]]:
        """Return the positions of `options`, one for each of `choices`, in flattened weights (m * k,).

        An option may be several, as in "max_pool_3x3|identity"; it then has as many positions.
        """
        rows = [self.index(name) for name in choices]
        named = [(row, option.split(EITHER)) for row, option in zip(rows, options, strict=True)]
        return [
            tuple(row * self.shape[1] + self.choices[row].options.index(one) for one in any_) for row, any_ in named
        ]

    def one_hots(self, architectures: Iterable[Architecture]) -> Tensor:
        """Return the weights (n, m, k) of n architectures."""
        rows = list(architectures)
        for architecture in rows:
            self.check(architecture)
        weights = torch.zeros(len(rows), *self.shape)
        if rows:
            weights.scatter_(2, torch.tensor([row.options for row in rows])[..., None], 1.0)
        return weights

    def argmax(self, logits: Tensor) -> Architecture:
        """Return the architecture of the largest logits (m, k)."""
        best = logits.masked_fill(~self.mask.to(logits.device), -torch.inf).argmax(-1)
        return Architecture(tuple(int(option) for option in best))

    def random(self, generator: torch.Generator) -> Architecture:
        """Return an architecture with each option of a choice equally likely."""
        draws = torch.rand(self.shape, generator=generator)
        return self.argmax(draws)

    def uniform(self, option: str) -> Architecture:
        """Return the architecture that takes `option` at each choice that has it (elsewhere the first option).

        Raises:
            UsageError: no choice has it.
        """
        if option not in self.options:
            raise unknown("option", option, self.options)
        return Architecture(tuple(c.options.index(option) if option in c.options else 0 for c in self.choices))

    def counts(self, architecture: Architecture) -> dict[str, int]:
        """Return how many choices take an option of each kind."""
        self.check(architecture)
        taken = [choice.kinds[o] for choice, o in zip(self.choices, architecture.options, strict=True)]
        return {kind: taken.count(kind) for kind in self.kinds}

    def check(self, architecture: Architecture) -> None:
        """Check that `architecture` has one existing option for each choice.

        Raises:
            UsageError: it does not.
        """
        if len(architecture.options) != len(self.choices):
            raise UsageError(
                f"an architecture of {len(architecture.options)} entries for a space of {len(self.choices)} choices"
            )
        for choice, option in zip(self.choices, architecture.options, strict=True):
            if not 0 <= option < len(choice.options):
                raise UsageError(f"option {option} at choice {choice.name!r}: expected 0 to {len(choice.options) - 1}")

    def describe(self, architecture: Architecture) -> dict[str, str]:
        """Return `architecture` as JSON: the name of the option taken at each choice."""
        self.check(architecture)
        return {c.name: c.options[o] for c, o in zip(self.choices, architecture.options, strict=True)}

    def parse(self, value: Mapping[str, str]) -> Architecture:
        """Return the architecture that `describe` wrote.

        Raises:
            UsageError: a choice is missing, or a name is unknown.
        """
        for name in value:
            self.index(name)
        missing = [choice.name for choice in self.choices if choice.name not in value]
        if missing:
            raise UsageError(f"the architecture has no option for {missing[0]!r}: give one option per choice")
        for choice in self.choices:
            if value[choice.name] not in choice.options:
                raise unknown(f"option of {choice.name}", value[choice.name], choice.options)
        return Architecture(tuple(c.options.index(value[c.name]) for c in self.choices))

    def to_json(self) -> list[dict[str, object]]:
        """Return the space as a JSON value."""
        return [{"name": c.name, "options": list(c.options), "kinds": list(c.kinds)} for c in self.choices]

    @classmethod
    def from_json(cls, value: Iterable[Mapping[str, object]]) -> Space:
        """Return the space that `to_json` wrote.

        Raises:
            UsageError: it is not a list of names, options and kinds.
        """
        try:
            return cls(tuple(Choice(str(c["name"]), _names(c["options"]), _names(c["kinds"])) for c in value))
        except (KeyError, TypeError) as error:
            raise UsageError(f"not a valid space ({error!r}): expected a list of name, options, kinds") from None


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list of names, got {value!r}")
    return tuple(str(name) for name in value)
