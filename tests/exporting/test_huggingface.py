"""The folder for transformers: read by processes that cannot import archdial, with transformers and without."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn
from transformers import BertConfig, BertForSequenceClassification
from transformers.activations import ACT2FN

import archdial as ad
from archdial.common.errors import UsageError
from archdial.exporting import export
from archdial.exporting.built import BuiltMember
from archdial.exporting.huggingface import HuggingFace
from archdial.exporting.layers import described, made_of
from archdial.space import Architecture
from tests.exporting.examples import member, plain

pytestmark = pytest.mark.slow

ALONE = """
import sys
sys.modules["archdial"] = None  # importing it is an error from here on
import torch
from safetensors.torch import load_file, save_file
folder, way = sys.argv[1:3]
if way == "transformers":
    from transformers import AutoModel
    model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
else:
    sys.modules["transformers"] = None
    sys.path.insert(0, folder)
    import modeling_member
    model = modeling_member.load(folder)
given = load_file(folder + "/inputs.safetensors")
with torch.no_grad():
    save_file({"found": model(**given)}, folder + "/outputs.safetensors")
"""


def run_alone(folder: Path, way: str, inputs: dict[str, Tensor], home: Path) -> Tensor:
    from safetensors.torch import load_file, save_file

    save_file(inputs, folder / "inputs.safetensors")
    environment = {"HF_HOME": str(home), "PATH": "/usr/bin:/bin", "HOME": str(home), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder), way], cwd=home, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "newly initialized" not in ran.stderr and "not used" not in ran.stderr
    return load_file(folder / "outputs.safetensors")["found"]


def bert() -> BuiltMember:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    config = BertConfig(vocab_size=20, num_labels=3, max_position_embeddings=8, **sizes)
    example = {"input_ids": torch.arange(6)[None], "attention_mask": torch.ones(1, 6, dtype=torch.int64)}
    network = ad.choices(BertForSequenceClassification(config).eval(), example, outputs=("logits",))
    least = Architecture(tuple(len(choice.options) - 1 for choice in network.space.choices))
    halves = Architecture(tuple(min(1, option) for option in least.options))
    module = network.build(network.canonical(halves)).eval()
    return BuiltMember(module, (6,), None, ("a", "b", "c"), {}, network.example)


@pytest.mark.parametrize("way", ["transformers", "torch alone"])
@pytest.mark.parametrize("kind", ["cells", "gates", "bert"])
def test_it_is_read_without_archdial(kind: str, way: str, tmp_path: Path) -> None:
    built = bert() if kind == "bert" else member(kind)
    folder = tmp_path / "out"
    export(built, folder / "model.safetensors", "huggingface")
    if kind == "bert":
        inputs = {"input_ids": torch.arange(18).view(3, 6), "attention_mask": torch.ones(3, 6, dtype=torch.int64)}
        with torch.no_grad():
            expected = built.module(**inputs)["logits"] if isinstance(built.module(**inputs), dict) else None
            expected = built.module(**inputs) if expected is None else expected
    else:
        inputs = {"inputs": torch.randn(3, *built.input_shape, generator=torch.Generator().manual_seed(1))}
        expected = built.module(inputs["inputs"]).detach()
    torch.testing.assert_close(run_alone(folder, way, inputs, tmp_path), expected, atol=1e-6, rtol=0)
    text = (folder / "modeling_member.py").read_text() + (folder / "config.json").read_text()
    assert "import archdial" not in text and str(tmp_path) not in text


@pytest.mark.parametrize("name", ["gelu", "gelu_new", "gelu_pytorch_tanh", "silu", "mish", "linear"])
def test_activations_of_transformers_become_layers_of_torch_that_compute_the_same(name: str) -> None:
    own, values = ACT2FN[name], torch.linspace(-6, 6, 101)
    layer = described("act", own)
    assert hasattr(nn, layer[0])
    torch.testing.assert_close(made_of(layer)(values), own(values), atol=1e-6, rtol=1e-6)


def test_other_activations_of_transformers_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"act is a transformers\.activations\.QuickGELUActivation"):
        described("act", ACT2FN["quick_gelu"])


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        self.head.weight = self.embedding.weight
        self.scale = nn.Parameter(torch.full((4,), 0.5))
        self.register_buffer("shift", torch.arange(4.0), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embedding(tokens) * self.scale + self.shift)


@pytest.mark.parametrize("way", ["transformers", "torch alone"])
def test_tied_weights_and_tensors_of_no_layer_come_along_once(way: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = fx.symbolic_trace(Tied().eval())
    built = BuiltMember(module, (5,), None, (), {}, torch.arange(5)[None])
    export(built, tmp_path / "model.safetensors", "huggingface")
    config = json.loads((tmp_path / "config.json").read_text())
    assert len(config["tied"]) == 1 and set(config["tensors"]) == {"scale", "shift"}
    tokens = torch.arange(10).view(2, 5) % 7
    found = run_alone(tmp_path, way, {"tokens": tokens}, tmp_path)
    torch.testing.assert_close(found, module(tokens).detach(), atol=1e-6, rtol=0)


class Own(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + 1


class Kept(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return True


def test_code_that_is_not_torchs_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), Own())
    module = fx.GraphModule(network, Kept().trace(network))
    with pytest.raises(UsageError, match=r"2 is a .*\.Own, but this format holds layers of torch.nn only"):
        export(plain(module), tmp_path / "model.safetensors", "huggingface")
    with pytest.raises(UsageError, match="has no graph: use pt2 or onnx"):
        export(plain(nn.Sequential(nn.Flatten(), nn.Linear(4, 3))), tmp_path / "model.safetensors", "huggingface")
    assert list(tmp_path.iterdir()) == []


def test_the_file_has_the_name_that_transformers_looks_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder: use .*/small/model.safetensors"):
        HuggingFace().check_name(tmp_path / "small.safetensors")


LAYERS = [
    nn.Conv1d(3, 4, 3, padding="same", padding_mode="circular"),
    nn.ConvTranspose2d(3, 4, 2, 2),
    nn.BatchNorm2d(4, affine=False),
    nn.LayerNorm((3, 4), bias=False),
    nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    nn.AdaptiveAvgPool2d((1, None)),
    nn.Embedding(5, 3, padding_idx=0),
    nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True, proj_size=2),
    nn.GRU(3, 4, bias=False),
    nn.RNN(3, 4, nonlinearity="relu"),
    nn.MultiheadAttention(8, 2, bias=False, batch_first=True),
    nn.Upsample(scale_factor=2, mode="bilinear"),
    nn.GELU("tanh"),
    nn.ReLU6(),
    nn.ZeroPad2d(1),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_layer_is_made_again_from_what_is_told_of_it(layer: nn.Module) -> None:
    kind, arguments = json.loads(json.dumps(described("x", layer)))
    made = made_of((kind, arguments))
    assert str(made) == str(layer)
    plain_settings = {name: value for name, value in vars(layer).items() if not name.startswith("_")}
    assert {name: getattr(made, name) for name in plain_settings} == plain_settings
