"""Networks that nobody here wrote: is each captured, priced as it runs, and built right?

    python benchmarks/any_network.py [--only NAME …] [--repeats 30]

A line a network: gates, the largest difference of three random members from the gates' own forward over the largest
output, parameters in the table over those that are used, and the latency that the table has for the whole network over
the one that is measured afterwards. Weights are random, sizes small.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
import transformers as tf
from torch import Tensor, nn

import archdial as ad
from archdial.common.errors import first_line
from archdial.cost.making.profiling import measure_many
from archdial.cost.pricing.expected import ExpectedCost
from archdial.networks.graph.capture.outputs import tensors_of

TEXT = {
    "vocab_size": 100,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
VISION = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "image_size": 32,
    "patch_size": 8,
}
IDS = torch.randint(5, 90, (2, 16), generator=torch.Generator().manual_seed(0))
MASK = torch.ones(2, 16, dtype=torch.long)
NAMED = {"input_ids": IDS, "attention_mask": MASK}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def image(side: int = 32, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(1))


class Recurrent(nn.Module):
    """Tokens through a recurrent layer."""

    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.embed, self.layer = nn.Embedding(100, 64), kind(64, 64, 2, batch_first=True)
        self.mix, self.act, self.head = nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        features, _ = self.layer(self.embed(tokens))
        return self.head(self.act(self.mix(features[:, -1])))


class Residual(nn.Module):
    """Convolutions of any number of dimensions."""

    def __init__(self, dimensions: int, channels: int = 16) -> None:
        super().__init__()
        conv, norm = getattr(nn, f"Conv{dimensions}d"), getattr(nn, f"BatchNorm{dimensions}d")
        self.stem, self.act = conv(1, channels, 3, padding=1), nn.ReLU()
        self.blocks = nn.ModuleList(
            nn.Sequential(conv(channels, channels, 3, padding=1), norm(channels), nn.ReLU()) for _ in range(3)
        )
        self.head = nn.Linear(channels, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.act(self.stem(inputs))
        for block in self.blocks:
            features = features + block(features)
        return self.head(features.flatten(2).mean(2))


class UNet(nn.Module):
    """Two levels, joined by concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.deep = (
            self.part(1, 16),
            nn.Sequential(nn.MaxPool2d(2), *self.part(16, 32), nn.Upsample(scale_factor=2)),
        )
        self.right, self.head = self.part(48, 16), nn.Conv2d(16, 2, 1)

    @staticmethod
    def part(given: int, channels: int) -> nn.Sequential:
        pairs = ((nn.Conv2d(c, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()) for c in (given, channels))
        return nn.Sequential(*next(pairs), *next(pairs))

    def forward(self, images: Tensor) -> Tensor:
        fine = self.left(images)
        return self.head(self.right(torch.cat((fine, self.deep(fine)), 1)))


class TwoHeads(nn.Module):
    """Two tensors in, two out."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.act = nn.Linear(64, 64), nn.Linear(64, 64), nn.ReLU()
        self.mix, self.head, self.other = nn.Linear(64, 64), nn.Linear(64, 3), nn.Linear(64, 1)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        features = self.act(self.mix(self.act(self.left(left) + self.right(right))))
        return self.head(features), self.other(features)


def model(name: str, config: str, example: Any, outputs: Any = None, **settings: Any) -> Any:
    return lambda: getattr(tf, name)(getattr(tf, config)(**settings)), example, outputs


Made = tuple[Callable[[], nn.Module], Any, Any]
NETWORKS: dict[str, Made] = {
    "BERT": model("BertForSequenceClassification", "BertConfig", NAMED, **TEXT),
    "RoBERTa": model("RobertaForSequenceClassification", "RobertaConfig", NAMED, **TEXT),
    "ELECTRA": model("ElectraForSequenceClassification", "ElectraConfig", NAMED, embedding_size=64, **TEXT),
    "ALBERT": model("AlbertForSequenceClassification", "AlbertConfig", NAMED, embedding_size=32, **TEXT),
    "DistilBERT": model(
        "DistilBertForSequenceClassification",
        "DistilBertConfig",
        NAMED,
        vocab_size=100,
        dim=64,
        n_layers=2,
        n_heads=4,
        hidden_dim=128,
    ),
    "MPNet": model("MPNetForSequenceClassification", "MPNetConfig", NAMED, **TEXT),
    "ModernBERT": model(
        "ModernBertForSequenceClassification",
        "ModernBertConfig",
        NAMED,
        cls_token_id=1,
        sep_token_id=2,
        **TEXT,
        **SPECIAL,
    ),
    "GPT-2 with its cache": model(
        "GPT2LMHeadModel",
        "GPT2Config",
        NAMED,
        vocab_size=100,
        n_embd=64,
        n_layer=2,
        n_head=4,
        bos_token_id=1,
        eos_token_id=2,
    ),
    "Llama": model("LlamaForCausalLM", "LlamaConfig", NAMED, num_key_value_heads=2, **TEXT),
    "Mistral": model("MistralForCausalLM", "MistralConfig", NAMED, num_key_value_heads=2, **TEXT),
    "Qwen2": model("Qwen2ForCausalLM", "Qwen2Config", NAMED, num_key_value_heads=2, **TEXT),
    "Gemma": model("GemmaForCausalLM", "GemmaConfig", NAMED, num_key_value_heads=2, head_dim=16, **TEXT),
    "T5's encoder": model(
        "T5EncoderModel", "T5Config", NAMED, vocab_size=100, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4
    ),
    "Wav2Vec2": model(
        "Wav2Vec2ForSequenceClassification",
        "Wav2Vec2Config",
        torch.randn(2, 4000),
        conv_dim=(32, 32),
        conv_stride=(5, 4),
        conv_kernel=(10, 8),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        **{**TEXT, "vocab_size": 32},
    ),
    "ViT": model("ViTForImageClassification", "ViTConfig", image(), **VISION),
    "DeiT": model("DeiTForImageClassification", "DeiTConfig", image(), **VISION),
    "BEiT": model("BeitForImageClassification", "BeitConfig", image(), **VISION),
    "DINOv2": model("Dinov2ForImageClassification", "Dinov2Config", image(), **VISION),
    "CLIP's vision tower": model("CLIPVisionModel", "CLIPVisionConfig", image(), ("pooler_output",), **VISION),
    "SigLIP's vision tower": model("SiglipVisionModel", "SiglipVisionConfig", image(), ("pooler_output",), **VISION),
    "Swin": model(
        "SwinForImageClassification",
        "SwinConfig",
        image(),
        image_size=32,
        patch_size=2,
        embed_dim=32,
        depths=[1, 1],
        num_heads=[2, 2],
        window_size=4,
    ),
    "LeViT": model(
        "LevitForImageClassification",
        "LevitConfig",
        image(64),
        image_size=64,
        hidden_sizes=[32, 48, 64],
        num_attention_heads=[2, 3, 4],
        depths=[1, 1, 1],
        key_dim=[8, 8, 8],
    ),
    "ConvNeXt": model(
        "ConvNextForImageClassification", "ConvNextConfig", image(), hidden_sizes=[16, 32], depths=[1, 1], num_stages=2
    ),
    "ConvNeXtV2": model(
        "ConvNextV2ForImageClassification",
        "ConvNextV2Config",
        image(),
        hidden_sizes=[16, 32],
        depths=[1, 1],
        num_stages=2,
    ),
    "ResNet": model(
        "ResNetForImageClassification",
        "ResNetConfig",
        image(),
        embedding_size=16,
        hidden_sizes=[16, 32],
        depths=[2, 2],
        layer_type="basic",
    ),
    "RegNet": model(
        "RegNetForImageClassification",
        "RegNetConfig",
        image(),
        embedding_size=16,
        hidden_sizes=[16, 32],
        depths=[1, 1],
        groups_width=8,
    ),
    "MobileNetV2": model(
        "MobileNetV2ForImageClassification", "MobileNetV2Config", image(), depth_multiplier=0.25, image_size=32
    ),
    "PoolFormer": model(
        "PoolFormerForImageClassification",
        "PoolFormerConfig",
        image(),
        depths=[1, 1, 1, 1],
        hidden_sizes=[16, 16, 32, 32],
    ),
    "CvT": model(
        "CvtForImageClassification", "CvtConfig", image(), embed_dim=[16, 32, 32], num_heads=[1, 2, 2], depth=[1, 2, 3]
    ),
    "SegFormer": model(
        "SegformerForSemanticSegmentation",
        "SegformerConfig",
        image(64),
        depths=[1, 1, 1, 1],
        hidden_sizes=[16, 16, 32, 32],
        num_attention_heads=[1, 2, 2, 4],
        decoder_hidden_size=16,
    ),
    "YOLOS": model(
        "YolosForObjectDetection",
        "YolosConfig",
        image(),
        ("logits", "pred_boxes"),
        num_detection_tokens=5,
        **{**VISION, "image_size": [32, 32]},
    ),
    "LSTM": (lambda: Recurrent(nn.LSTM), IDS, None),
    "GRU": (lambda: Recurrent(nn.GRU), IDS, None),
    "1-D convolutions": (lambda: Residual(1), torch.randn(2, 1, 256), None),
    "2-D convolutions": (lambda: Residual(2), image(32, 1), None),
    "3-D convolutions": (lambda: Residual(3), torch.randn(2, 1, 8, 8, 8), None),
    "U-Net": (UNet, image(32, 1), None),
    "two heads": (TwoHeads, (torch.randn(2, 64), torch.randn(2, 64)), None),
}


def judged(name: str, repeats: int) -> tuple[str, bool]:
    """Return the line of a network, and whether all of it is as it should be."""
    make, example, outputs = NETWORKS[name]
    torch.manual_seed(0)
    began = time.perf_counter()
    net = ad.gates(make().eval(), example, outputs=outputs)
    apart = max(difference(net, example, seed) for seed in range(3))
    table = ad.profile(net, repeats=repeats)
    price = {column: ExpectedCost(net.space, table, column).of(net.whole) for column in ("latency_ms", "parameters")}
    whole = net.untouched()
    measured = measure_many([(whole, net.example)], repeats=repeats)[0].median_ms
    counted = price["parameters"] / sum(one.numel() for one in whole.parameters())
    ratio = price["latency_ms"] / measured
    seconds = time.perf_counter() - began
    line = f"{name:24} {len(net.gates):4} {apart:9.1e} {counted:8.3f} {measured:8.3f} {ratio:7.2f} {seconds:6.0f}"
    return line, apart < 1e-4 and abs(counted - 1) < 1e-6 and abs(ratio - 1) <= 0.1


@torch.no_grad()
def difference(net: Any, example: Any, seed: int) -> float:
    """Return how far a random member's outputs are from the gates' own, over the largest."""
    drawn = net.space.random(torch.Generator().manual_seed(seed))
    built, under = net.build(drawn)(*net.calling.flat(example)), net(example, net.space.one_hot(drawn))
    pairs = zip(tensors_of(built), tensors_of(under), strict=True)
    return max(float((one - other).abs().max() / other.abs().max().clamp_min(1e-6)) for one, other in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NETWORKS)
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    good, names = 0, options.only or list(NETWORKS)
    print(f"{'network':24} {'gates':>4} {'apart':>9} {'counted':>8} {'ms':>8} {'table':>7} {'s':>6}", flush=True)
    for name in names:
        try:
            line, right = judged(name, options.repeats)
        except Exception as error:
            line, right = f"{name:24} {type(error).__name__}: {first_line(error)}", False
        good += right
        print(line if right else f"{line}  *", flush=True)
    print(f"{good} of {len(names)}; * is what is not")


if __name__ == "__main__":
    main()
