"""From a LightningModule and back to one: python examples/bridges/lightning_module.py [EPOCHS EVALUATIONS]"""

import sys

import pytorch_lightning as lightning
import torch
from torch import nn
from torch.utils.data import TensorDataset, random_split
from torchmetrics.classification import MulticlassAccuracy

import archdial as ad
from archdial.data import load

epochs, evaluations = map(int, sys.argv[1:] or (12, 100))


# An ordinary script with Lightning.
class Classifier(lightning.LightningModule):
    def __init__(self, network):
        super().__init__()
        self.network, self.accuracy = network, MulticlassAccuracy(10, average="micro")

    def loss(self, logits, batch):
        return nn.functional.cross_entropy(logits, batch[1], label_smoothing=0.1)

    def training_step(self, batch, number):
        return self.loss(self.network(batch[0]), batch)

    def validation_step(self, batch, number):
        self.accuracy(self.network(batch[0]), batch[1])
        self.log("accuracy", self.accuracy)

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), 2e-3)


class Block(nn.Sequential):
    def forward(self, features):
        return features + super().forward(features)


def trained(network, epochs):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", enable_model_summary=False, **quiet)
    module = Classifier(network)
    trainer.fit(module, digits)
    return module, trainer.test(module, digits, verbose=False)[0]["accuracy"]


lightning.seed_everything(0, verbose=False)
found = load("digits", channels=1)
learn, test = (TensorDataset(part.pixels / 255, part.labels) for part in (found.train, found.test))
parts = random_split(learn, [0.8, 0.2], torch.Generator().manual_seed(0))
digits = lightning.LightningDataModule.from_datasets(*parts, test, batch_size=64)  # or a class of yours
blocks = [Block(nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()) for _ in range(6)]
ends = nn.Conv2d(1, 32, 3, padding=1), nn.Sequential(nn.Flatten(), nn.Linear(32 * 8 * 8, 10))
module, accuracy = trained(nn.Sequential(ends[0], *blocks, ends[1]), epochs)

# archdial: network, data, loss and score are those of Lightning.
data = {"train": digits.train_dataloader(), "validation": digits.val_dataloader()}
net = ad.choices(module.network.eval(), next(iter(data["validation"]))[0])
task = ad.Task(module.loss, module.accuracy, share=True, name="accuracy")
tuning = {"regime": "tuned", "paths": "sandwich", "epochs": (epochs + 2) // 3, "learning_rate": 1e-3}
search = ad.SearchSettings(evaluations=evaluations, sample=evaluations * 2 // 5, optimizer="adamw", **tuning)
family = ad.search(net, data, ad.profile(net), task=task, settings=search)
whole = family.member(net.whole)
half = family.within(latency_ms=whole.latency_ms / 2)

# Back to Lightning, with the member in place of the network. Lightning leaves the mode of modules as it is.
tuned, after = trained(half.build(merge=False).train(), (epochs + 2) // 3)
for name, score, member in (("whole", accuracy, whole), ("half the time", after, half)):
    print(f"{name}: {score:.4f} of the test split, {member.latency_ms:.3f} ms")
network = half.merged(tuned.network)  # what to ship: layers are merged where that is faster
