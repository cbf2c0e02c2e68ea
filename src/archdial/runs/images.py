"""The images of a run, as seen by its search."""

from __future__ import annotations

from archdial.common.errors import UsageError
from archdial.data import DataSet, SearchData, Seen, load, split
from archdial.families.family import Family
from archdial.families.storage import FAMILY
from archdial.networks.example import shape_of
from archdial.runs.folder import CONFIG, Run, difference
from archdial.runs.recipe import Recipe


def load_data(
    run: Run, source: str | None = None, family: Family | None = None, *, test_only: bool = False
) -> tuple[DataSet, SearchData]:
    """Return the data of `run`, whole and as its search saw it.

    Args:
        source: where the images are now, if not where they were.
        family: what they have to fit.
        test_only: nothing but test images will be used, which may be others than those of the search.

    Raises:
        UsageError: the data cannot be loaded, or do not fit.
    """
    recipe = run.recipe
    if family is not None:
        check_same(run, family)
    whole = read_images(recipe, source)
    if family is not None and (whole.classes, whole.input_shape) != (family.classes, shape_of(family.network.example)):
        raise UsageError(
            f"the data {source or recipe.data!r} have {len(whole.classes)} classes and images of (channels, height, "
            f"width) {whole.input_shape}, the search had {len(family.classes)} and {shape_of(family.network.example)}: "
            "pass the data of the search"
        )
    seen = parted(recipe, whole, run.seed)
    if family is not None and not test_only:
        check_searched(family, seen, f"the images or labels in {source or recipe.data!r}")
    return whole, seen


def check_searched(family: Family, seen: Seen, what: str) -> None:
    """Raise UsageError unless `seen`, which is called `what`, is what the search of `family` saw.

    Files of an older archdial do not tell.
    """
    if family.info.get("images", {}).get("sha256") not in (None, seen.digest):
        raise UsageError(
            f"{what} are not those of the search, so training images might be used for scoring: pass the data "
            "of the search with --data"
        )


def read_images(recipe: Recipe, source: str | None = None) -> DataSet:
    """Return the images of `recipe`, or those in `source`, read as it says.

    Raises:
        UsageError: they cannot be loaded.
    """
    return load(
        recipe.data if source is None else source,
        channels=recipe.read_channels(),
        image_size=recipe.image_size,
        skip_broken=recipe.skip_broken,
    )


def parted(recipe: Recipe, whole: DataSet, seed: int) -> SearchData:
    """Return what a search by `recipe` sees of `whole`.

    Raises:
        UsageError: there are too few images.
    """
    normalize = recipe.normalization()
    return split(whole, weights=recipe.weights, seed=seed, limit=recipe.limit, normalize=normalize)


def check_same(run: Run, family: Family) -> None:
    """Raise UsageError where config.json and family.json of a folder tell of different searches.

    By seed and recipe the images are parted into those that train and those that judge.
    """
    told = family.info.get("config")
    if run.written is None or not isinstance(told, dict) or "data" not in told:
        return
    found = difference({**told, "seed": family.info.get("seed")}, {**run.written, "seed": run.seed})
    if found:
        raise UsageError(
            f"{run.folder / FAMILY} was searched with {found} as {CONFIG} next to it says: restore a copy of the "
            "whole folder"
        )
