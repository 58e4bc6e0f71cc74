"""``kizu models``: every backbone and detector, its size, speed, licence, and where its weights come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from kizu.core.run import Done


@dataclass
class Listed(Done):
    """The result of ``list_models``.

    Attributes:
        models: one record a model: name, kind, title, parameters and milliseconds (None where unknown), licence,
            origin, extra, installed.
    """

    models: list[dict[str, Any]] = field(default_factory=list)


def list_models(
    names: list[str] | None = None,
    *,
    kind: Literal["backbone", "detector"] | None = None,
    speed: bool = False,
    size: int = 512,
) -> Listed:
    """List backbones and detectors: parameters, speed, licence of the code, origin and licence of the weights.

    Args:
        names: Models to list; timm:NAME is any of timm that has maps of the strides 4 to 32. All of Kizu's by default.
        kind: backbone or detector only.
        speed: Measure one forward pass of each on this computer, all cores, as a median; detectors with kizu-s inside.
        size: Side of the picture for that, in pixels.
    """
    from kizu.core.run import progress
    from kizu.models import registry
    from kizu.models.speed import forward_ms, parameters

    entries = [registry.entry(name) for name in (names or registry.names())]
    entries = [item for item in entries if kind in (None, item.kind)]
    records = []
    with progress("measuring" if speed else "counting", len(entries)) as step:
        for item in entries:
            record = {"name": item.name, "kind": item.kind, "title": item.title, "parameters": parameters(item.name)}
            record |= {"milliseconds": forward_ms(item.name, size) if speed else None, "licence": item.licence}
            records.append(record | {"origin": item.origin, "extra": item.extra, "installed": item.installed})
            step()
    _show(records, speed, size)
    missing = sorted({record["extra"] for record in records if not record["installed"]})
    line = f"{len(records)} models."
    if missing:
        line += f" Some need what is not installed: pip install 'kizu[{','.join(missing)}]'."
    elif not speed:
        line += " --speed measures each of them on this computer."
    return Listed(line, models=records)


def _show(records: list[dict[str, Any]], speed: bool, size: int) -> None:
    """One line of figures a model, and below it what it is and whence its weights come."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    measured = f"{f'ms at {size} px':>15}" if speed else ""
    for n, record in enumerate(records):
        if not n or record["kind"] != records[n - 1]["kind"]:
            if n:
                console.print()
            head = f"{record['kind'] + 's':<24}{'parameters':>12}{measured}  {'code':<13}extra"
            console.print(Text(head, "bold cyan"))
        unknown = "needs torch" if record["extra"] == "train" else f"needs {record['extra']}"
        line = Text(f"{record['name']:<24}", "bold")
        line.append(_cell(record["parameters"] and record["parameters"] / 1e6, "{:.2f} M", unknown, 12), "not bold")
        if speed:
            line.append(_cell(record["milliseconds"], "{:.0f}", unknown, 15), "not bold")
        line.append(f"  {record['licence']:<13}{record['extra']}", "not bold")
        line.append("" if record["installed"] else " (missing)", "not bold yellow")
        console.print(line)
        console.print(Padding(Text(f"{record['title']}; weights: {record['origin']}", "dim"), (0, 0, 0, 4)))


def _cell(value: float | None, form: str, unknown: str, width: int) -> str:
    """A number to the right of a column of this width."""
    return f"{form.format(value) if value else unknown:>{width}}"
