"""From a Hugging Face Trainer to a faster network, and back: python examples/bridges/trainer.py FOLDER [EPOCHS …]"""

import sys
import tempfile

import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset, DatasetDict
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    set_seed,
)

import archdial as ad

source, epochs, evaluations = sys.argv[1], *map(int, sys.argv[2:] or (6, 60))

# An ordinary script with a Trainer: the intent of questions to a bank.
set_seed(0)
rows = DatasetDict({name: Dataset(pq.read_table(f"{source}/{name}.parquet")) for name in ("train", "test")})
rows = rows.cast_column("label", ClassLabel(names=sorted(set(rows["train"]["label"]))))
words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
words.normalizer, words.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
pieces = trainers.WordPieceTrainer(vocab_size=4000, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
words.train_from_iterator(rows["train"]["text"], pieces)
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")
rows = rows.map(lambda some: tokenizer(some["text"], truncation=True, max_length=20), batched=True)
parts = rows["train"].train_test_split(0.15, seed=0)
size = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128}
config = BertConfig(vocab_size=4000, num_labels=rows["train"].features["label"].num_classes, **size)


def trainer_for(model, epochs):
    batches = {"per_device_train_batch_size": 64, "per_device_eval_batch_size": 256}
    quiet = {"report_to": "none", "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True}
    folder = tempfile.mkdtemp()
    how = TrainingArguments(folder, num_train_epochs=epochs, learning_rate=2e-3, use_cpu=True, **batches, **quiet)
    given = {"data_collator": DataCollatorWithPadding(tokenizer), "compute_metrics": right}
    return Trainer(model, how, train_dataset=parts["train"], eval_dataset=parts["test"], **given)


def right(found):
    return {"accuracy": float((found.predictions.argmax(1) == found.label_ids).mean())}


trainer = trainer_for(BertForSequenceClassification(config), epochs)
trainer.train()


# archdial: the model, the collator and the data are those of the Trainer, and so is the loss that the model returns.
def accuracy(outputs, batch):
    return (outputs["logits"].argmax(1) == batch["labels"]).float().mean()


data = {"train": trainer.get_train_dataloader(), "validation": trainer.get_eval_dataloader()}
example, outputs = next(iter(data["validation"])), ("loss", "logits")
net = ad.choices(trainer.model.eval(), example, outputs=outputs, include=["branch", "*.width"])
tuning = {"regime": "tuned", "paths": "sandwich", "epochs": (epochs + 2) // 3, "learning_rate": 1e-3}
search = ad.SearchSettings(evaluations=evaluations, sample=evaluations * 2 // 5, optimizer="adamw", **tuning)
task = ad.Task(score=accuracy, share=True)
family = ad.search(net, data, ad.profile(net), task=task, settings=search)
whole = family.member(net.whole)
half = family.within(latency_ms=whole.latency_ms / 2)

# Back to a Trainer: the member is a plain module that takes labels and returns its loss, as the model did.
again = trainer_for(half.build(merge=False), (epochs + 2) // 3)
again.train()
for name, member, one in (("whole", whole, trainer), ("half the time", half, again)):
    print(f"{name}: {one.evaluate(rows['test'])['eval_accuracy']:.4f} of the test split, {member.latency_ms:.3f} ms")
module = ad.without_loss(half.merged(again.model))  # a module without labels
