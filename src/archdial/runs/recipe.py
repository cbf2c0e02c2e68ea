"""Recipes: all settings of a search, checked key by key; a YAML file, or the name of a built-in one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict

from archdial.common.documents import read_bytes
from archdial.common.errors import UsageError, unknown
from archdial.common.limits import Count, CountOrNone, Name, NoFlag, Number, PlainName, Share, Size, Text, Whole
from archdial.common.own_code import looks_like_code
from archdial.common.validation import check_fields, validated
from archdial.comparing.published import Published
from archdial.cost.measuring.rounds import REPEATS
from archdial.cost.measuring.runtimes import check_runtime
from archdial.cost.table.terms import check_column
from archdial.data import Normalize
from archdial.data.decode import sides_of
from archdial.dial import Dial, make_dial
from archdial.hypernet import make_hypernet
from archdial.networks.cells.network import CellSettings
from archdial.runs.image_settings import ImageSides, NormalizeName, NormalizeSettings, normalization
from archdial.runs.network_settings import NetworkSettings, settings_type
from archdial.runs.recipe_file import LARGEST, read_yaml, recipe_names, recipe_text
from archdial.searching.methods import check_read
from archdial.searching.settings import SearchSettings
from archdial.tasks.named import make_task
from archdial.tasks.task import Task
from archdial.training.settings import TrainSettings

__all__ = [
    "ProfileSettings",
    "Recipe",
    "load_recipe",
    "read_recipe",
    "recipe_from_json",
    "recipe_names",
]

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class ProfileSettings:
    """How the cost table is measured; latencies are for a batch of `batch_size` on `threads` threads of `device`.

    Attributes:
        networks: whole networks at most, to which is fitted what the sum of the parts leaves out; left open as
            many as there are parts, from 32 to 64.
        repeats: repetitions of which medians are taken.
    """

    runtime: str = "eager"
    batch_size: Count = 1
    threads: Count = 1
    device: Text = "cpu"
    networks: CountOrNone | None = None
    repeats: Count = REPEATS

    def __post_init__(self) -> None:
        check_runtime(self.runtime)
        check_fields(self, "profile")


_LATER = {"image_size": None, "skip_broken": False, "normalize": None, "task": None}
"""Settings that runs of older versions do not know, and what they then are: such runs stay as they were written."""


@dataclass(frozen=True)
class Recipe:
    """All that one search is told, but seed and device.

    Attributes:
        data: a source of `archdial.data.load`, a relative path is taken from the working folder; or `module:callable`.
        channels: 1 reads images as grey, 3 as RGB; data of other kinds have none.
        name: of the run's folder, unless another is given.
        about: one line for lists.
        weights: train images for the weights, a number or a share; the others validate the dial.
        limit: the most train images to use.
        image_size: one number or (height, width), to which all images are resized and cropped.
        skip_broken: images that cannot be decoded are left out instead of refused.
        normalize: mean and deviation of pixels, or a name of `Normalize.named`; without it those of the images.
        task: what the network is for, by name or as `kind` with settings; images are classified.
        dial: its kind, and settings of that kind.
        table: file of a cost table that was made elsewhere; without it one is measured, as `profile` says.
        tables: files of the cost tables of several devices, by their names; the search is then for all of them.
        train: how a member is trained from scratch; fine-tuning takes a quarter of its epochs, a fifth of its rate.
        published: what a paper had at some positions of the dial, to be shown beside what the search finds there.
        published_areas: under a paper's curves, as a share, by method; shown beside those of `archdial compare`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    data: Name
    channels: Annotated[Literal[1, 3], NoFlag] | None = None
    name: PlainName = "search"
    about: Text = ""
    weights: Whole | Number = 0.5
    limit: Count | None = None
    image_size: Size | ImageSides | None = None
    skip_broken: bool = False
    normalize: NormalizeName | NormalizeSettings | None = None
    task: Text | dict[str, Any] | None = None
    network: NetworkSettings = field(default_factory=CellSettings)
    dial: dict[str, Any] = field(default_factory=lambda: {"kind": "scalar"})
    search: SearchSettings = field(default_factory=SearchSettings)
    table: Name | None = None
    tables: dict[PlainName, Name] | None = None
    profile: ProfileSettings = field(default_factory=ProfileSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    published: tuple[Published, ...] = ()
    published_areas: dict[Name, Share] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        check_column(self.search.cost)
        if not looks_like_code(self.data):
            self.read_channels()
        self.make_task()
        if self.table is not None and self.tables is not None:
            raise UsageError("table and tables are both set: use table for one device, or tables for several")
        sides_of(self.image_size)
        self.normalization()
        _check_hypernet(self)

    def read_channels(self) -> Literal[1, 3]:
        """Return how many channels images are read with; raise UsageError where nobody says so."""
        if self.channels is None:
            raise UsageError("the key channels is missing: add `channels: 1` for grey images, `channels: 3` for colour")
        return self.channels

    def make_task(self) -> Task | None:
        """Return what the network is for, if the recipe says so."""
        return None if self.task is None else make_task(self.task)

    def make_dial(self) -> Dial:
        """Return the dial, its range still open where the recipe leaves it open."""
        return make_dial(self.dial)

    def normalization(self) -> Normalize | None:
        """Return how pixels are normalised, or None where the images say so themselves."""
        return None if self.channels is None else normalization(self.normalize, self.channels)

    def training(self, *, scratch: bool, epochs: int | None = None) -> TrainSettings:
        """Return how a member is trained, for `epochs` if given: from scratch, or on from weights that it inherits."""
        quarter, fifth = max(1, self.train.epochs // 4), self.train.learning_rate / 5
        chosen = self.train if scratch else replace(self.train, epochs=quarter, learning_rate=fifth)
        return chosen if epochs is None else replace(chosen, epochs=epochs)

    def changed(
        self,
        *,
        data: str | None = None,
        epochs: int | None = None,
        weights: Path | None = None,
        model: str | None = None,
    ) -> Recipe:
        """Return the recipe with other data, epochs, model or weights of a trained network, where given.

        Raises:
            UsageError: a model or weights are given for a network that is searched from scratch.
        """
        search = self.search if epochs is None else replace(self.search, epochs=epochs)
        network = self.network.with_model(model).with_weights(weights)
        table = None if self.table is None else _absolute_file(self.table)
        tables = self.tables and {name: _absolute_file(file) for name, file in self.tables.items()}
        source = absolute(self.data if data is None else data)
        return replace(self, data=source, search=search, network=network, table=table, tables=tables)

    def profiled(self, **conditions: Any) -> Recipe:
        """Return the recipe with other settings of its profile; what is None stays.

        Raises:
            UsageError: there is no such runtime, or a number is below 1.
        """
        given = {name: value for name, value in conditions.items() if value is not None}
        return replace(self, profile=replace(self.profile, **given))

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as a JSON value, every setting spelt out but for those that came later and are not used."""
        value: dict[str, Any] = json.loads(json.dumps({**asdict(self), "search": self.search.to_json()}))
        value["network"] = _without(value["network"], self.network.later)
        return _without(value, _LATER)


def _without(value: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Return `value` without what came later and is not used."""
    return {name: item for name, item in value.items() if name not in later or item != later[name]}


def _absolute_file(file: str) -> str:
    return str(Path(file).expanduser().absolute())


def absolute(source: str) -> str:
    """Return a source of data, made absolute if it is a folder, so that it can be found from elsewhere."""
    folder = Path(source).expanduser()
    # "digits" is a name whatever the working folder holds; "" is the working folder, which nobody means.
    is_folder = source not in ("digits", "") and not looks_like_code(source) and folder.is_dir()
    return str(folder.absolute()) if is_folder else source


def load_recipe(name_or_path: str) -> Recipe:
    """Return the recipe that ships under a name, or the one in a .yaml file.

    Raises:
        UsageError: there is no such recipe, or something in it is wrong; the message names the key.
    """
    if name_or_path in recipe_names():
        return read_recipe(recipe_text(name_or_path), name_or_path)
    path = Path(name_or_path).expanduser()
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{unknown('recipe', name_or_path, recipe_names())}; or pass a .yaml file")
    if not path.is_file():
        raise UsageError(f"no recipe at {path}: pass an existing .yaml file, or one of {', '.join(recipe_names())}")
    try:
        text = read_bytes(path, "recipe", 4 * LARGEST).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"recipe {path} is not UTF-8 text ({error.reason} at byte {error.start})") from None
    return read_recipe(text, str(path))


def read_recipe(text: str, source: str) -> Recipe:
    """Return the recipe in the YAML `text`; `source` names it in errors, and is its name unless it has one."""
    try:
        value = read_yaml(text)
        recipe = recipe_from_json({"name": Path(source).stem, **value})
        # Of what the recipe itself says: the whole has a value for each setting.
        check_read(value.get("search") or {})
        return recipe
    except UsageError as error:
        raise UsageError(f"recipe {source}: {error}") from None


def recipe_from_json(value: Mapping[str, Any]) -> Recipe:
    """Return the recipe that `Recipe.to_json` wrote.

    Raises:
        UsageError: a key is unknown, missing, or has a value that cannot be.
    """
    network, normalize = value.get("network"), value.get("normalize")
    # First alone: of a union every arm would have its say.
    if isinstance(network, Mapping):
        validated(settings_type(network), network, "network")
    if isinstance(normalize, Mapping):
        validated(NormalizeSettings, normalize, "normalize")
    return validated(Recipe, value)


def _check_hypernet(recipe: Recipe) -> None:
    """Make the hypernetwork once, so that a wrong setting is told before anything is measured."""
    space = recipe.network.example_space()
    features = recipe.make_dial().fitted(space.kinds).features
    try:
        make_hypernet(space=space, features=features, **{"kind": "mlp", **recipe.search.hypernet})
    except UsageError as error:
        raise UsageError(f"search.hypernet: {error}") from None
