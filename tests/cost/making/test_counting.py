"""Counts against figures worked out by hand."""

import torch
from torch import nn

from archdial.cost.making.counting import Counts, activation_bytes, count, flops, parameters, stored_bytes


def test_convolution():
    conv = nn.Conv2d(3, 5, 3, padding=1)
    assert count(conv, (3, 8, 8)) == Counts(140, 2 * 3 * 5 * 9 * 64, 4 * 5 * 64, 4 * 140, 4 * (3 + 5) * 64)


def test_linear_and_activation():
    layers = nn.Sequential(nn.Linear(6, 4), nn.ReLU())
    assert parameters(layers) == 28
    assert flops(layers, (6,)) == 2 * 6 * 4
    assert activation_bytes(layers, (6,)) == 4 * 4 + 4 * 4


def test_no_bytes_for_views_identities_and_work_in_place():
    layers = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True), nn.Flatten())
    assert count(layers, (2, 4, 4)) == Counts(0, 0, 0, 0, 4 * 2 * 16)


def test_pooling_writes_its_output_and_not_its_indices():
    assert activation_bytes(nn.MaxPool2d(3, 1, 1), (2, 4, 4)) == 4 * 2 * 16


def test_normalisation_writes_its_output():
    assert count(nn.BatchNorm2d(2), (2, 4, 4)) == Counts(4, 0, 4 * 2 * 16, 4 * (4 + 4) + 8, 4 * 2 * 2 * 16)


def test_shared_parameters_count_once():
    conv = nn.Conv2d(2, 2, 1, bias=False)
    assert parameters(nn.Sequential(conv, conv)) == 4


def test_the_largest_working_set_counts():
    layers = nn.Sequential(nn.Conv2d(1, 8, 1, bias=False), nn.Conv2d(8, 2, 1, bias=False), nn.ReLU())
    assert count(layers, (1, 4, 4)).peak_bytes == 4 * (8 + 2) * 16


def test_what_is_added_up_later_is_held():
    class Residual(nn.Module):
        def forward(self, inputs):
            return inputs + torch.sigmoid(inputs)

    assert count(Residual(), (2, 4, 4)).peak_bytes == 4 * (2 + 2 + 2) * 16


def test_what_is_shared_is_stored_once():
    conv = nn.Conv2d(2, 2, 1, bias=False)
    assert stored_bytes([conv, nn.Sequential(conv, nn.BatchNorm2d(2))]) == 4 * 4 + 4 * 8 + 8


def test_the_module_is_left_as_it_was():
    norm = nn.BatchNorm2d(2).double().train()
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    count(norm, (2, 4, 4))
    assert norm.training
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert norm.weight.dtype == torch.float64
