"""``kizu pretrain masks``: weights for a backbone, learned from pictures that are made by formula."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kizu.core.run import Done

if TYPE_CHECKING:
    from kizu.pretrain.nets.plan import Trained


def pretrain_masks(
    data: Path | None = None,
    *,
    out: Path = Path("pretrained"),
    preset: str = "industrial",
    set: list[str] | None = None,
    size: str = "s",
    minutes: float | None = None,
    samples: int | None = None,
    objective: str = "masks",
    model: str | None = None,
    weights: Path | str | None = None,
    side: int | None = None,
    batch: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    workers: int | None = None,
    precision: str = "auto",
    resume: bool = False,
    strict: bool = False,
) -> Done:
    """Train a network on made pictures and their masks, so that it knows defects before it sees a product.

    Pictures are drawn while they are needed, or read from DATA. The same command runs on a CPU, a GPU and, under
    torchrun, on many. The run folder holds the best weights by held-out pictures (weights.safetensors), the log, the
    curves (loss.png), held-out pictures with what is found on them (samples.png) and a checkpoint.

    Args:
        data: a data set with masks, such as kizu generate makes; by default pictures of the preset.
        out: the folder of the run.
        preset: what to draw, where no data is given.
        set: another value for a key of the preset, e.g. --set scene.clean=0.5; may be given again.
        size: t, s, m or l: network, pictures, batch, learning rate and samples follow from it.
        minutes: of training; the learning rate falls with the time. By default the samples of the size count.
        samples: pictures to see in all; with minutes, the first to end counts.
        objective: what is learned: masks, or several with weights, such as masks,other=0.5.
        model: another backbone (kizu models lists them).
        weights: a weight file, or the name of shipped weights, that the backbone begins with.
        side: pixels of the pictures that the network sees.
        batch: pictures of each process in a step; the learning rate follows.
        lr: largest learning rate.
        seed: another one gives other pictures and other first weights.
        workers: processes that make pictures; by default half of the cores.
        precision: float32, bfloat16, or auto: bfloat16 where it is quicker.
        resume: go on with the run in the folder, where there is one.
        strict: stop at the first picture that cannot be used, instead of listing it in skipped.jsonl.

    Raises:
        KizuError: an unknown name or key, data without classes or masks, weights of another architecture, a folder that
            holds another run, a disk without room.
    """
    from kizu.core.errors import optional
    from kizu.pretrain.material import from_dataset, from_preset
    from kizu.pretrain.recipe import recipe
    from kizu.synth.engine import cores
    from kizu.synth.formula import presets

    chosen = recipe(size).changed(model=model, side=side, batch=batch, lr=lr, samples=samples)
    changes = presets.changes(set)
    made = presets.load(preset).override(changes)
    if data is None:
        material = from_preset(made, chosen.drawn, seed, chosen.held, changes)
    else:
        material = from_dataset(Path(data), seed, chosen.held)
    optional("torch", "train")
    optional("accelerate", "train")
    from kizu.pretrain.nets.run import pretrain

    done = pretrain(
        material, Path(out), chosen, objective=objective, seed=seed, minutes=minutes,
        whole=samples is not None or minutes is None, weights=weights, precision=precision,
        workers=max(cores() // 2, 1) if workers is None else workers, resume=resume, strict=strict,
    )  # fmt: skip
    if not done.main:
        return Done("this process has done its share; the first one writes the weights")
    _show(Path(out), len(material.held))
    return Done(_line(done, chosen.model, Path(out)), Path(out), done.skipped)


def _show(out: Path, held: int) -> None:
    """Print how the run went: the loss, and the figures of the held-out pictures, the best in bold."""
    from rich.console import Console
    from rich.table import Table

    from kizu.pretrain.log import read_log

    log, found = read_log(out / "log.csv"), read_log(out / "validation.csv")
    best = max(found, key=lambda row: row["score"])
    table = Table(title=f"On {held} held-out pictures (the best weights are chosen on them)", title_justify="left")
    named = {"score": "mean AP of the classes", "miou": "mIoU", "any": 'AP of "something is here"'}
    figures = [name for name in best if name != "step"]
    for title in ("step", "pictures", "loss", *(named.get(name, name) for name in figures)):
        table.add_column(title, justify="right")
    for row in found:
        line = next(line for line in log if line["step"] >= row["step"])
        values = [f"{row['step']:.0f}", f"{line['samples']:.0f}", f"{line['loss']:.3f}"]
        table.add_row(*values, *(f"{row[name]:.3f}" for name in figures), style="bold" if row is best else None)
    Console(stderr=True).print(table)


def _line(done: Trained, model: str, out: Path) -> str:
    figures = done.figures
    line = f"{model} learned from {done.samples} pictures in {done.seconds / 60:.1f} minutes"
    if done.rate:
        line += f" ({done.rate:.0f} a second, {100 * done.waiting:.0f} % of the time waiting for pictures)"
    line += f"; held-out score {figures['score']:.3f} at step {figures['step']:.0f} of {done.steps}."
    return f"{line} Weights: {done.weights}. Curves and pictures: {out / 'loss.png'}, {out / 'samples.png'}."
