"""Put the weights of a pre-training run among the weights that Kizu ships.

    uv run --extra train python bench/ship.py RUN [NAME]

Writes NAME.safetensors (the backbone, and of its detector what does not depend on the classes, kernels in half
precision), NAME.onnx (the graph of the backbone without weights, checked against torch) and NAME.md (the card for
people) to src/kizu/models/weights/.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.core.files import make_folder, write_text
from kizu.models.nets.export import export_backbone
from kizu.models.registry import build_backbone
from kizu.models.store import SHIPPED, load_weights, save_weights

TAKEN = ("backbone.", "pyramid.", "head.")
MOST = 20_000_000  # bytes of all that is shipped


def page(name: str, architecture: str, card: Card, size: int, parameters: int) -> str:
    """The card as Markdown."""
    lines = [f"# {name}", "", f"{card.architecture}.", ""]
    lines += ["| what | value |", "|---|---|", f"| architecture | {architecture} |"]
    lines += [f"| parameters | {parameters:,} |", f"| file | {size / 1e6:.1f} MB, kernels in half precision |"]
    lines += ["| licence | Apache-2.0 |", f"| made by Kizu | {card.version} |"]
    lines += [f"| {key.replace('_', ' ')} | {value} |" for key, value in card.preprocessing.items()]
    lines += [f"| {key} | {_text(value)} |" for key, value in _figures(card.figures)]
    lines += ["", "## What it has seen", ""]
    for record in card.data:
        lines += ["- " + "; ".join(f"{key}: {value}" for key, value in record.items())]
    lines += ["", "No photograph, no web data, no weights of others: pictures that Kizu draws from formulas alone."]
    lines += ["It is made again by `bash bench/pretrain_default.sh`."]
    if card.notes:
        lines += ["", "## To know", "", *(f"- {note}" for note in card.notes)]
    return "\n".join(lines) + "\n"


def _figures(figures: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values, tables within tables one by one."""
    for key, value in figures.items():
        name = f"{before}{key.replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _figures(value, f"{name}: ")
        else:
            yield name, value


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of kizu pretrain masks")
    parser.add_argument("name", nargs="?", default="kizu-s")
    arguments = parser.parse_args()
    weights = load_weights(arguments.run / "weights.safetensors")
    net = build_backbone(weights.architecture)
    weights.into(net)
    net.eval()
    arrays = {key: value for key, value in weights.arrays.items() if key.startswith(TAKEN) and ".out." not in key}
    path = make_folder(SHIPPED) / f"{arguments.name}.safetensors"
    save_weights(path, arrays, weights.architecture, weights.card)
    export_backbone(net, path.with_suffix(".onnx"))
    parameters = sum(value.numel() for value in net.parameters())
    text = page(arguments.name, weights.architecture, weights.card, path.stat().st_size, parameters)
    write_text(path.with_suffix(".md"), text)
    total = sum(item.stat().st_size for item in SHIPPED.iterdir())
    if total > MOST:
        raise KizuError(f"{SHIPPED}: {total / 1e6:.1f} MB, and at most {MOST / 1e6:.0f} MB are shipped; take some out")
    print(text)


if __name__ == "__main__":
    main()
