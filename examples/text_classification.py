"""Classifying the intent of questions to a bank: python examples/text_classification.py FOLDER [EPOCHS EVALUATIONS]"""

import sys

import pyarrow.parquet as pq
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch.utils.data import DataLoader, TensorDataset
from transformers import BertConfig, BertForSequenceClassification

import archdial as ad

source, epochs, evaluations = sys.argv[1], *map(int, sys.argv[2:] or (20, 200))

# An ordinary training script.
torch.manual_seed(0)
train, test = (pq.read_table(f"{source}/{name}.parquet") for name in ("train", "test"))
tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
trainer = trainers.WordPieceTrainer(vocab_size=4000, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
tokenizer.train_from_iterator(train["text"].to_pylist(), trainer)
tokenizer.enable_padding(length=32)
tokenizer.enable_truncation(32)
names = sorted(set(train["label"].to_pylist()) | set(test["label"].to_pylist()))


def tensors(table):
    encoded = tokenizer.encode_batch(table["text"].to_pylist())
    ids, mask = (torch.tensor([getattr(one, kind) for one in encoded]) for kind in ("ids", "attention_mask"))
    return TensorDataset(ids, mask, torch.tensor([names.index(label) for label in table["label"].to_pylist()]))


parts = torch.utils.data.random_split(tensors(train), [0.85, 0.15], torch.Generator().manual_seed(0))
learn, validation = DataLoader(parts[0], 64, shuffle=True), DataLoader(parts[1], 256)
size = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 256}
model = BertForSequenceClassification(BertConfig(vocab_size=4000, num_labels=len(names), **size))
optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=epochs * len(learn))
for ids, mask, labels in (batch for _ in range(epochs) for batch in learn):
    optimizer.zero_grad()
    model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
    optimizer.step()
    schedule.step()

# archdial.
net = ad.choices(model.eval(), (ids, mask), include=["branch", "*.width"])  # heads, hidden units, blocks
tuning = {"regime": "tuned", "paths": "sandwich", "epochs": epochs, "learning_rate": 5e-4, "optimizer": "adamw"}
search = ad.SearchSettings(evaluations=evaluations, sample=evaluations * 2 // 5, **tuning)
task, data = ad.Classification(classes=len(names)), {"train": learn, "validation": validation}
family = ad.search(net, data, ad.profile(net), task=task, settings=search)
whole = family.member(net.whole)
half = family.within(latency_ms=whole.latency_ms / 2)
tuned = half.finetune(learn, ad.TrainSettings(epochs=5, learning_rate=5e-4, optimizer="adamw"), teacher=net.untouched())
for name, member, module in (("whole", whole, whole.build()), ("half the time", half, tuned)):
    print(f"{name}: {ad.score(module, tensors(test), task):.4f} of the test split, {member.latency_ms:.3f} ms")
