"""Two layers are merged exactly, at the borders too, or not at all; and not at all only where it would be wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, weight_norm

from archdial.networks.graph.merging import kernels, merged, outline
from archdial.networks.graph.merging.affine import Affine, affine
from tests.networks.graph.merging.layers import awake, chains, difference, inputs_of

EXACT = 1e-4
NORM = nn.modules.batchnorm._BatchNorm
SPATIAL = st.sampled_from((1, 2, 2))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_pair_is_merged_exactly_or_would_be_wrong(data: st.DataObject) -> None:
    spatial = data.draw(SPATIAL)
    first, second = data.draw(chains(2, spatial))
    both, made = nn.Sequential(first, second), merged((first, second))
    if made is not None:
        event("merged")
        assert max(difference(both, made, inputs) for inputs in inputs_of(first, spatial)) <= EXACT
    elif not isinstance(second, NORM):
        assume(reads_what_it_pads(second))
        assume(second.padding_mode == "zeros" or isinstance(first, NORM) or not pads_all_that_it_reads(first))
        event("not merged")
        for mode in {getattr(first, "padding_mode", "zeros"), second.padding_mode}:
            wrong = merged_all_the_same(first, second, mode)
            assert wrong is None or max(difference(both, wrong, inputs) for inputs in inputs_of(first, spatial)) > EXACT


def reads_what_it_pads(layer: Any) -> bool:
    """Tell whether no stride jumps over what is padded: then it does not matter what would be there."""
    return all(
        stride == 1 or (dilation == 1 and size >= stride)
        for stride, dilation, size in zip(layer.stride, layer.dilation, layer.kernel_size, strict=True)
    )


def pads_all_that_it_reads(layer: Any) -> bool:
    """Tell whether its outermost pixels are computed of nothing but padding: to repeat them is to pad more."""
    own = affine(layer, len(layer.stride))
    return any(0 < reach <= max(sides) for sides, reach in zip(own.padding, own.reach, strict=True))


def merged_all_the_same(first: nn.Module, second: nn.Module, mode: str) -> nn.Module | None:
    """Return the two as one whose padding is that of both; None where no layer of torch pads so."""

    def added(one: Affine, other: Affine) -> Any:
        sides = zip(one.padding, one.stride, other.padding, strict=True)
        return tuple((a + step * c, b + step * d) for (a, b), step, (c, d) in sides), mode

    with patch.object(kernels, "padding_of_both", added):
        return merged((first, second))


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_outline_has_the_shape_of_what_is_merged(data: st.DataObject) -> None:
    first, second = data.draw(chains(2, data.draw(SPATIAL)))
    made, shape = merged((first, second)), outline((first, second))
    assert repr(made) == repr(shape)
    if made is not None and shape is not None:
        assert all(parameter.is_meta for parameter in shape.parameters())
        assert [p.shape for p in made.parameters()] == [p.shape for p in shape.parameters()]


def convolution(*sizes: int, **settings: Any) -> nn.Module:
    return awake(nn.Conv2d(*sizes, **settings), sum(sizes))


MERGED: dict[str, tuple[Callable[[], tuple[nn.Module, nn.Module]], str]] = {
    "normalisation of what is padded": (
        lambda: (convolution(4, 6, 3, padding=1), awake(nn.BatchNorm2d(6))),
        "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
    ),
    "normalisation of what is repeated": (
        lambda: (convolution(4, 6, 3, padding=1, padding_mode="reflect"), awake(nn.BatchNorm2d(6))),
        "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), padding_mode=reflect)",
    ),
    "normalisation before": (
        lambda: (awake(nn.BatchNorm2d(4)), convolution(4, 6, 3)),
        "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1))",
    ),
    "normalisation before what repeats": (
        lambda: (awake(nn.BatchNorm2d(4)), convolution(4, 6, 3, padding=1, padding_mode="circular")),
        "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), padding_mode=circular)",
    ),
    "3×3 and 3×3": (
        lambda: (convolution(4, 6, 3, padding=1), convolution(6, 2, 3)),
        "Conv2d(4, 2, kernel_size=(5, 5), stride=(1, 1), padding=(1, 1))",
    ),
    "1×1 before depthwise": (
        lambda: (convolution(4, 6, 1, bias=False), convolution(6, 6, 3, padding=1, groups=6)),
        "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
    ),
    "depthwise before 1×1": (
        lambda: (convolution(4, 4, 3, padding=1, groups=4), convolution(4, 6, 1)),
        "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
    ),
    "depthwise and depthwise": (
        lambda: (convolution(4, 4, 3, padding=1, groups=4), convolution(4, 8, 3, groups=4, bias=False)),
        "Conv2d(4, 8, kernel_size=(5, 5), stride=(1, 1), padding=(1, 1), groups=4)",
    ),
    "groups across each other": (
        lambda: (convolution(12, 12, 1, groups=4), convolution(12, 12, 1, groups=6)),
        "Conv2d(12, 12, kernel_size=(1, 1), stride=(1, 1), groups=2)",
    ),
    "strides": (
        lambda: (convolution(4, 6, 3, stride=2, padding=1), convolution(6, 2, 3, stride=2)),
        "Conv2d(4, 2, kernel_size=(7, 7), stride=(4, 4), padding=(1, 1))",
    ),
    "a strided 1×1 before": (
        lambda: (convolution(4, 6, 1, stride=2, bias=False), convolution(6, 2, 3, padding=1)),
        "Conv2d(4, 2, kernel_size=(3, 3), stride=(2, 2), padding=(2, 2), dilation=(2, 2))",
    ),
    "rows and columns": (
        lambda: (
            awake(nn.Conv2d(4, 6, (3, 1), padding=(1, 0), bias=False)),
            awake(nn.Conv2d(6, 2, (1, 3), padding=(0, 1))),
        ),
        "Conv2d(4, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
    ),
    "padded by all that it reads": (
        lambda: (convolution(4, 6, 3, padding=2, bias=False), convolution(6, 2, 3, padding=1)),
        "Conv2d(4, 2, kernel_size=(5, 5), stride=(1, 1), padding=(3, 3))",
    ),
    "as many pixels, one more behind": (
        lambda: (convolution(4, 6, 2, padding="same"), convolution(6, 2, 1)),
        "Conv2d(4, 2, kernel_size=(2, 2), stride=(1, 1), padding=same)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MERGED)
def test_what_is_merged(name: str) -> None:
    make, expected = MERGED[name]
    first, second = make()
    made = merged((first, second))
    assert repr(made).replace(", bias=False", "") == expected
    assert max(difference(nn.Sequential(first, second), made, inputs) for inputs in inputs_of(first, 2)) <= EXACT


LEFT: dict[str, Callable[[], tuple[nn.Module, nn.Module]]] = {
    "3×3 and 3×3, both padded": lambda: (convolution(4, 6, 3, padding=1, bias=False), convolution(6, 2, 3, padding=1)),
    "a bias before zeros": lambda: (convolution(4, 6, 1), convolution(6, 6, 3, padding=1, groups=6)),
    "a shift before zeros": lambda: (awake(nn.BatchNorm2d(4)), convolution(4, 6, 3, padding=1)),
    "zeros, then repeated": lambda: (
        convolution(4, 6, 3, padding=1, bias=False), convolution(6, 2, 3, padding=1, padding_mode="circular")
    ),
    "repeated, then zeros": lambda: (
        convolution(4, 6, 3, padding=1, bias=False, padding_mode="replicate"), convolution(6, 2, 3, padding=1)
    ),
    "a stride before what is repeated": lambda: (
        convolution(4, 6, 1, stride=2), convolution(6, 2, 3, padding=1, padding_mode="reflect")
    ),
    "a circle around a circle, longer than one pixel": lambda: (
        convolution(4, 6, 3, padding=1, padding_mode="circular"),
        convolution(6, 2, 3, padding=1, padding_mode="circular"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_what_stays_two_would_be_another_at_the_borders(name: str) -> None:
    first, second = LEFT[name]()
    assert merged((first, second)) is None and outline((first, second)) is None
    for mode in (first.padding_mode if isinstance(first, nn.Conv2d) else "zeros", second.padding_mode):
        wrong = merged_all_the_same(first, second, str(mode))
        assert wrong is not None
        assert max(difference(nn.Sequential(first, second), wrong, inputs) for inputs in inputs_of(first, 2)) > EXACT


def test_one_more_behind_twice_is_two_more_behind() -> None:
    """What only a padding of its own could do is left: no layer of torch pads 0 before and 1 behind of a 3×3."""
    first, second = convolution(4, 6, 2, padding="same"), convolution(6, 2, 2)
    assert merged_all_the_same(first, second, "zeros") is None and merged((first, second)) is None


def test_linear_layers() -> None:
    first, second = awake(nn.Linear(5, 7), 1), awake(nn.Linear(7, 3, bias=False), 2)
    made = merged((first, second))
    assert repr(made) == "Linear(in_features=5, out_features=3, bias=True)"
    for shape in ((2, 5), (2, 4, 5), (2, 3, 4, 5)):
        assert difference(nn.Sequential(first, second), made, torch.randn(shape)) <= EXACT
    assert merged((second, nn.Linear(3, 3, bias=False))).bias is None


@pytest.mark.parametrize("before", [False, True])
def test_normalisation_of_features_and_of_tokens(before: bool) -> None:
    """Of tokens (n, tokens, c) BatchNorm scales each token, and no linear layer does."""
    linear, norm = awake(nn.Linear(4, 4), 1), awake(nn.BatchNorm1d(4), 2)
    pair = (norm, linear) if before else (linear, norm)
    made = merged(pair, dimensions=2)
    assert difference(nn.Sequential(*pair), made, torch.randn(3, 4)) <= EXACT
    assert merged(pair, dimensions=3) is None and merged(pair) is None
    assert difference(nn.Sequential(*pair), made, torch.randn(3, 4, 4)) > EXACT


def hooked(hook: Callable[[nn.Module], object]) -> nn.Module:
    module = convolution(4, 4, 1)
    hook(module)
    return module


def own_forward() -> nn.Module:
    module = convolution(4, 4, 1)
    module.forward = lambda inputs: inputs.relu()
    return module


class Own(nn.Conv2d):
    """Does something else."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).relu()


OTHERS: dict[str, Callable[[], nn.Module]] = {
    "changed after": lambda: hooked(lambda m: m.register_forward_hook(lambda _, __, result: result.relu())),
    "changed before": lambda: hooked(lambda m: m.register_forward_pre_hook(lambda _, given: (given[0].relu(),))),
    "watched in training": lambda: hooked(lambda m: m.register_full_backward_hook(lambda *_: None)),
    "its own forward": own_forward,
    "a class of the user": lambda: awake(Own(4, 4, 1)),
    "parametrised": lambda: parametrizations.weight_norm(convolution(4, 4, 1)),
    "its weight computed by a hook": lambda: weight_norm(convolution(4, 4, 1)),
    "pruned": lambda: prune.l1_unstructured(convolution(4, 4, 1), "weight", 3),
    "transposed": lambda: awake(nn.ConvTranspose2d(4, 4, 1)),
    "statistics of each batch": lambda: awake(nn.BatchNorm2d(4, track_running_stats=False)),
    "statistics of each input": lambda: nn.GroupNorm(2, 4).eval(),
    "statistics of each pixel": lambda: nn.LayerNorm((5, 5)).eval(),
    "an activation": nn.ReLU,
    "of another spatial dimension": lambda: awake(nn.Conv1d(4, 4, 1)),
    "of volumes": lambda: awake(nn.BatchNorm3d(4)),
    "linear in the last dimension": lambda: awake(nn.Linear(4, 4)),
    "numbers of another type": lambda: convolution(4, 4, 1).double(),
    "complex numbers": lambda: nn.Conv2d(4, 4, 1, dtype=torch.complex64),
    "other channels": lambda: convolution(6, 6, 1),
    "without numbers": lambda: nn.Conv2d(4, 4, 1, device="meta"),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_is_no_plain_layer_is_left(name: str) -> None:
    plain = convolution(4, 4, 1)
    assert merged((plain, OTHERS[name]())) is None
    assert merged((OTHERS[name](), plain)) is None


def test_two_normalisations_are_left() -> None:
    assert merged((awake(nn.BatchNorm2d(4)), awake(nn.BatchNorm2d(4)))) is None


def test_numbers_too_large_for_their_type_are_left() -> None:
    first, second = (convolution(4, 4, 1).half() for _ in range(2))
    for module in (first, second):
        module.weight.data.fill_(300.0)
    assert merged((first, second)) is None


def test_what_was_merged_is_as_the_two_were() -> None:
    """Of their type, frozen as they were, in their order in memory."""
    for last, trained, dtype in itertools.product((False, True), (False, True), (torch.float64, torch.bfloat16)):
        first, second = convolution(4, 6, 3).to(dtype), convolution(6, 2, 3).to(dtype).train()
        if last:
            first = first.to(memory_format=torch.channels_last)
        made = merged((first.requires_grad_(trained), second.requires_grad_(False)))
        assert made.weight.is_contiguous(memory_format=torch.channels_last) is last
        assert {(p.dtype, p.requires_grad) for p in made.parameters()} == {(dtype, trained)}
        assert not made.training


def test_no_number_of_the_user_is_drawn() -> None:
    first, second = convolution(4, 6, 3), convolution(6, 2, 3)
    state = torch.random.get_rng_state()
    assert merged((first, second)) is not None and outline((first, second)) is not None
    assert torch.equal(torch.random.get_rng_state(), state)
