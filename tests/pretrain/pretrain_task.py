"""A small task for tests of the loop: where is the bright disc? It learns in seconds, and its truth is known."""

import numpy as np
import torch
from torch import nn

from kizu.core.card import Card
from kizu.core.seeds import Stream, generator
from kizu.pretrain.nets.task import Task

SIDE = 16


def discs(seed, numbers):
    """Pictures uint8 (B, 3, 16, 16) of noise with a bright disc each, and truth float32 (B, 1, 16, 16)."""
    pictures, truths = [], []
    for number in numbers:
        random = generator(seed, Stream.TRAINING, number)
        image = random.normal(100, 10, (SIDE, SIDE))
        y, x = random.uniform(3, SIDE - 3, 2)
        rows, columns = np.mgrid[:SIDE, :SIDE]
        truth = (rows - y) ** 2 + (columns - x) ** 2 <= 9
        pictures.append((image + 60 * truth).clip(0, 255).astype(np.uint8)[None].repeat(3, 0))
        truths.append(truth[None].astype(np.float32))
    return torch.from_numpy(np.stack(pictures)), torch.from_numpy(np.stack(truths))


class Net(nn.Module):
    """Two convolutions with batch norm and dropout: statistics and chance have to be resumed too."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1))
        self.head = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, images):
        return self.head(self.backbone(images.float() / 64 - 2))


class Discs(Task):
    """Pixels of the disc. ``seen`` keeps the numbers of the samples, where batches are made in this process."""

    name, architecture = "discs", "test-net"

    def __init__(self, batch=4, seed=0, broken=(), worst=None):
        torch.manual_seed(seed)
        self.model, self.size, self.seed, self.broken, self.worst = Net(), batch, seed, broken, worst
        self.seen = []

    def batch(self, step):
        first = (step * self.world + self.rank) * self.size
        numbers = list(range(first, first + self.size))
        self.seen += numbers
        images, truth = discs(self.seed, numbers)
        out = {"images": images, "truth": truth, "numbers": torch.tensor(numbers)}
        bad = [number for number in numbers if number in self.broken]
        if bad:
            out["skipped"] = [{"item": f"disc {number}", "reason": f"disc {number} is broken"} for number in bad]
        return out

    def loss(self, model, batch):
        logits = model(batch["images"])
        if self.worst is not None and self.worst in batch["numbers"]:
            logits = logits * float("nan")
        p = torch.sigmoid(logits)
        overlap = (p * batch["truth"]).sum() * 2 / (p.sum() + batch["truth"].sum())
        cross = nn.functional.binary_cross_entropy_with_logits(logits.float(), batch["truth"])
        return {"cross": cross, "dice": 1 - overlap}

    def validate(self, model):
        images, truth = discs(self.seed + 1, range(8))
        found = model(images) > 0
        both, either = (found & (truth > 0)).sum(), (found | (truth > 0)).sum()
        return {"score": float(both / either), "found": float(found.float().mean())}

    def picture(self, model):
        images, _ = discs(self.seed + 1, range(4))
        found = (torch.sigmoid(model(images)) * 255).byte().expand(-1, 3, -1, -1)
        return torch.cat([images, found], 3).permute(0, 2, 3, 1).flatten(0, 1).contiguous().numpy()

    def card(self):
        return Card("weights", "two convolutions", data=[{"name": "discs", "licence": "Apache-2.0"}])
