"""Precisions of a BERT on banking77: fronts in float32 alone, in int8 alone, and mixed, as `precisions.py` has them.

    python benchmarks/precision_texts.py FOLDER [--epochs 10] [--tuning 4] [--evaluations 100] [--seed 0]
        [--runtimes onnxruntime,openvino,executorch] [--tables FOLDER] [--count 6] [--images 2000] [--split test]
        [--pictures FOLDER]

FOLDER holds the questions. The network is that of `examples/text_classification.py`, trained from scratch; choices are
its residual branches, each of which may be dropped, and the precision of its linear layers: one choice for attention,
one for the rest of each block.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split
from transformers import BertConfig, BertForSequenceClassification

import archdial as ad
from precisions import arguments, compare

LENGTH, WORDS = 32, 4000
SIZE = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 256}
GROUPS = {
    "bert.encoder.layer.*.attention.bits": [
        "bert.encoder.layer.*.attention.self.query.precision",
        "bert.encoder.layer.*.attention.self.key.precision",
        "bert.encoder.layer.*.attention.self.value.precision",
        "bert.encoder.layer.*.attention.output.dense.precision",
    ],
    "bert.encoder.layer.*.bits": [
        "bert.encoder.layer.*.intermediate.dense.precision",
        "bert.encoder.layer.*.output.dense.precision",
    ],
}


def questions(folder: Path) -> tuple[TensorDataset, TensorDataset, int]:
    """Return tokens, masks and labels of both splits, and the number of intents."""
    tables = [pq.read_table(folder / f"{name}.parquet") for name in ("train", "test")]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=WORDS, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(tables[0]["text"].to_pylist(), trainer)
    tokenizer.enable_padding(length=LENGTH)
    tokenizer.enable_truncation(LENGTH)
    names = sorted({label for table in tables for label in table["label"].to_pylist()})

    def tensors(table: Any) -> TensorDataset:
        encoded = tokenizer.encode_batch(table["text"].to_pylist())
        ids, mask = (torch.tensor([getattr(one, kind) for one in encoded]) for kind in ("ids", "attention_mask"))
        return TensorDataset(ids, mask, torch.tensor([names.index(label) for label in table["label"].to_pylist()]))

    learn, test = map(tensors, tables)
    return learn, test, len(names)


def trained(learn: DataLoader[Any], classes: int, epochs: int) -> nn.Module:
    model = BertForSequenceClassification(BertConfig(vocab_size=WORDS, num_labels=classes, **SIZE))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=epochs * len(learn))
    for ids, mask, labels in (batch for _ in range(epochs) for batch in learn):
        optimizer.zero_grad()
        model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--tuning", type=int, default=4)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments(parser)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    began = time.perf_counter()
    examples, test, classes = questions(options.folder)
    parts = random_split(examples, [0.85, 0.15], torch.Generator().manual_seed(options.seed))
    learn, validation = DataLoader(parts[0], 64, shuffle=True), DataLoader(parts[1], 256)
    model = trained(learn, classes, options.epochs)
    ids, mask, _ = next(iter(validation))
    net = ad.choices(
        model, (ids, mask), width=None, precision=("int8",), include=["branch", "*.precision"], groups=GROUPS
    )
    settings = ad.SearchSettings(
        regime="tuned",
        paths="sandwich",
        epochs=options.tuning,
        learning_rate=5e-4,
        optimizer="adamw",
        evaluations=options.evaluations,
        sample=options.evaluations * 2 // 5,
    )
    table = ad.profile(net, runtime=options.runtimes.split(",")[0])
    task = ad.Classification(classes=classes)
    family = ad.search(net, {"train": learn, "validation": validation}, table, task=task, settings=settings)
    print(f"trained and searched in {time.perf_counter() - began:.0f} s", flush=True)
    split = test if options.split == "test" else parts[1]
    compare(family, DataLoader(split, 256), options)


if __name__ == "__main__":
    main()
