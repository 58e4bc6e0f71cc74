"""Do the labels of formula images teach? A small network sees made pictures for some minutes, then held-out seeds.

    uv run --extra train python bench/teach.py --minutes 9

A small U-Net, begun from nothing, marks every pixel as defect or not. It is trained on crops of pictures of one seed,
its threshold is chosen on a second seed, and it is measured on a third. Writes bench/results/teach.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from kizu.evaluation.histogram import BINS, average_precision, tally, to_bins
from kizu.synth.formula.presets import load
from kizu.synth.formula.source import Formula

RESULTS = Path(__file__).parent / "results" / "teach.json"
CROP = 192
SEEDS = {"train": 1, "choose": 2, "test": 3}


def block(before: int, after: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, size // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class Net(nn.Module):
    """A small U-Net, narrow where it is fine: float (N, 3, H, W) to logits (N, 1, H, W)."""

    def __init__(self):
        super().__init__()
        self.stem = block(3, 12, 2, 5)
        self.down = nn.ModuleList(
            nn.Sequential(block(a, b, 2), block(b, b)) for a, b in ((12, 32), (32, 64), (64, 96), (96, 128))
        )
        self.up = nn.ModuleList(block(a + b, b) for a, b in ((128, 96), (96, 64), (64, 32)))
        self.fine = nn.Sequential(nn.Conv2d(44, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), block(16, 16))
        self.head = nn.Conv2d(16, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size, kept = x.shape[2:], [self.stem(x)]
        for step in self.down:
            kept.append(step(kept[-1]))
        x = kept.pop()
        for step in (*self.up, self.fine):
            other = kept.pop()
            x = nn.functional.interpolate(x, size=other.shape[2:], mode="bilinear")
            x = step(torch.cat([x, other], 1))
        return nn.functional.interpolate(self.head(x), size=size, mode="bilinear").float()


def picture(source: Formula, i: int, defects: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 (H, W, 3) and truth uint8 (H, W): 0, or label + 1 of the defect on top."""
    sample = source[i]
    truth = np.zeros(sample.size, np.uint8)
    found = sample.instances
    for k, label in enumerate(found.labels.tolist()):
        if label in defects:
            truth[found.masks.dense(k)] = label + 1
    return sample.image, truth


def tensor(image: np.ndarray) -> torch.Tensor:
    """float (3, H, W) of mean 0 and deviation about 1: exposure carries no information."""
    x = image.astype(np.float32)
    return torch.from_numpy((x - x.mean()) / (x.std() + 8)).permute(2, 0, 1)


class Crops(torch.utils.data.IterableDataset):
    """Endless crops of made pictures: half of them around a defect."""

    def __init__(self, source: Formula, defects: set[int]):
        self.source, self.defects = source, defects

    def __iter__(self):
        cv2.setNumThreads(1)
        worker = torch.utils.data.get_worker_info()
        index, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        random = np.random.default_rng(index)
        while True:
            image, truth = picture(self.source, index % len(self.source), self.defects)
            ys, xs = np.nonzero(truth)
            for k in range(4):
                y, x = (int(random.integers(0, s - CROP + 1)) for s in truth.shape)
                if k % 2 and len(ys):
                    n = random.integers(len(ys))
                    y = int(np.clip(ys[n] - random.integers(CROP), 0, truth.shape[0] - CROP))
                    x = int(np.clip(xs[n] - random.integers(CROP), 0, truth.shape[1] - CROP))
                part = np.s_[y : y + CROP, x : x + CROP]
                yield tensor(image[part]), torch.from_numpy((truth[part] > 0).astype(np.float32))[None]
            index += step


def train(source: Formula, defects: set[int], minutes: float) -> tuple[Net, dict]:
    torch.manual_seed(0)
    net = Net().to(memory_format=torch.channels_last)
    loader = torch.utils.data.DataLoader(Crops(source, defects), 16, num_workers=1, prefetch_factor=8)
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.01)
    began, seen, losses = time.monotonic(), 0, []
    for x, y in loader:
        share = (time.monotonic() - began) / (60 * minutes)
        if share >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * min(1, seen / 1600) * 0.5 * (1 + np.cos(np.pi * share))
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(x.to(memory_format=torch.channels_last))
        p = torch.sigmoid(logits)
        dice = 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, y) + 0.5 * dice
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen += len(x)
        losses.append(loss.item())
        if len(losses) % 100 == 0:
            print(f"{seen} crops, loss {np.mean(losses[-100:]):.3f}, {100 * share:.0f} %", file=sys.stderr, flush=True)
    return net.eval(), {
        "crops": seen,
        "loss_first": float(np.mean(losses[:50])),
        "loss_last": float(np.mean(losses[-50:])),
    }


class Answers:
    """Histograms of the scores of all pixels of some pictures, and of each type of defect."""

    @torch.no_grad()
    def __init__(self, net: Net, source: Formula, defects: set[int]):
        self.positive, self.negative = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
        self.of_type = {k: np.zeros(BINS, np.int64) for k in sorted(defects)}
        for i in range(len(source)):
            image, truth = picture(source, i, defects)
            bins = to_bins(torch.sigmoid(net(tensor(image)[None]))[0, 0].numpy(), f"picture {i}")
            tally(bins, truth > 0, None, self.positive, self.negative)
            for k in np.unique(truth[truth > 0]).tolist():
                self.of_type[k - 1] += np.bincount(bins[truth == k], minlength=BINS)

    def iou(self, threshold: float) -> float:
        """Of defect pixels, over all pictures together."""
        start = int(to_bins(np.float32([threshold]), "threshold")[0])
        hits, called = self.positive[start:].sum(), self.negative[start:].sum()
        return float(hits / max(self.positive.sum() + called, 1))

    def found(self, threshold: float) -> dict[int, float]:
        """Share of the pixels of each type that is called a defect."""
        start = int(to_bins(np.float32([threshold]), "threshold")[0])
        return {k: float(h[start:].sum() / h.sum()) for k, h in self.of_type.items() if h.sum()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--preset", default="industrial")
    parser.add_argument("--pictures", type=int, default=150, help="of the seeds to choose and to test on")
    arguments = parser.parse_args()
    torch.set_num_threads(max((os.cpu_count() or 2) - 1, 1))
    preset = load(arguments.preset)
    sources = {
        role: Formula(preset, 1_000_000 if role == "train" else arguments.pictures, (512, 512), seed)
        for role, seed in SEEDS.items()
    }
    names = sources["train"].names
    kinds = {k for k, name in enumerate(names) if name in preset.values["defects"]["types"]}
    net, log = train(sources["train"], kinds, arguments.minutes)
    chosen = Answers(net, sources["choose"], kinds)
    threshold = max(np.linspace(0.05, 0.95, 37).tolist(), key=chosen.iou)
    test, untrained = (Answers(n, sources["test"], kinds) for n in (net, Net().eval()))
    result = {
        "command": f"bench/teach.py --minutes {arguments.minutes:g} --preset {arguments.preset}",
        "python": platform.python_version(), "cores": os.cpu_count(), "minutes": arguments.minutes, **log,
        "parameters": sum(p.numel() for p in net.parameters()), "threshold": threshold,
        "iou": test.iou(threshold), "pixel_ap": average_precision(test.positive, test.negative),
        "untrained_pixel_ap": average_precision(untrained.positive, untrained.negative),
        "share_of_defect_pixels": float(test.positive.sum() / (test.positive.sum() + test.negative.sum())),
        "found_by_type": {names[k]: share for k, share in test.found(threshold).items()},
    }  # fmt: skip
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
