"""The digest of values and tensors: equal for what is equal to the bit, and different for all else."""

from __future__ import annotations

import itertools
import struct

import numpy
import pytest
import torch

from archdial.common.digests import digest_of

PLAIN = torch.arange(6.0).reshape(2, 3)


def payload(bits: int) -> torch.Tensor:
    """A NaN with these bits."""
    return torch.from_numpy(numpy.array([bits], numpy.uint32).view(numpy.float32))


DIFFERENT: tuple[object, ...] = (
    PLAIN,
    PLAIN.double(),
    PLAIN.to(torch.bfloat16),
    PLAIN.reshape(3, 2),
    PLAIN.reshape(6),
    PLAIN.t().contiguous().t(),
    PLAIN + 1,
    torch.zeros(2),
    -torch.zeros(2),
    torch.zeros(0, 3),
    torch.zeros(3, 0),
    torch.zeros(()),
    payload(0x7FC00000),
    payload(0x7FC00001),
    torch.zeros(2, dtype=torch.bool),
    torch.zeros(2, dtype=torch.uint8),
    0,
    -1,
    0.0,
    -0.0,
    5e-324,
    struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))[0],
    float("nan"),
    False,
    None,
    "",
    "0",
    "None",
    "\ud800",
    [],
    [[]],
    ["ab", "c"],
    ["a", "bc"],
    [1, [2]],
    [[1], 2],
    {},
    {"a": 1},
    {"a": 1, "b": 2},
    {"b": 2, "a": 1},
    {1: "a"},
    10**400,
)


def test_what_differs_has_other_digests() -> None:
    for (place, one), (other_place, other) in itertools.combinations(enumerate(DIFFERENT), 2):
        assert digest_of(one) != digest_of(other), (place, other_place)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PLAIN, PLAIN.clone()),
        (PLAIN, torch.nn.Parameter(PLAIN.clone())),
        ((1, 2), [1, 2]),
        (payload(0x7FC00001), payload(0x7FC00001).clone()),
        ({"a": (PLAIN,)}, {"a": [PLAIN.clone()]}),
    ],
)
def test_what_is_equal_has_one_digest(one: object, other: object) -> None:
    assert digest_of(one) == digest_of(other)


def test_the_digest_is_that_of_other_processes_too() -> None:
    # A checkpoint is read by another process than wrote it, and by a later archdial.
    found = digest_of({"a": [1, 2.5, None, True, "ü"], "b": torch.arange(3)})
    assert found == "0be89067fe17de73ee5170c36f2e91349fbcb26275cb678d9257114f8417ffec"


def test_what_has_no_digest() -> None:
    with pytest.raises(TypeError, match="cannot compute a digest of a set"):
        digest_of({"a": {1}})
