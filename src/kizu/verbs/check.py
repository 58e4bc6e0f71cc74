"""``kizu check``: every problem of a data set, what to do about it, and an exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kizu.core.run import Done

_SHOWN = 5  # problems of a kind on the terminal


@dataclass
class Checked(Done):
    """The result of ``check``.

    Attributes:
        found: every problem, the worst first.
    """

    found: list = field(default_factory=list)


def check(dataset: Path, *, out: Path | None = None, source: str | None = None, strict: bool = False) -> Checked:
    """List every problem of a data set: broken files, wrong labels, duplicates across splits, and what to do.

    The exit code is 1 where there are errors.

    Args:
        dataset: Data set: a folder or an annotation file of any known format.
        out: File for all problems, .json or .csv; the terminal shows the first of each kind.
        source: Format of the data set, where its folder does not tell it.
        strict: Warnings count as errors.
    """
    from kizu.core.errors import KizuError
    from kizu.core.run import progress
    from kizu.formats.check.run import problems

    dataset = Path(dataset)
    if not dataset.exists():
        raise KizuError(f"{dataset}: no such file or folder; check the path")
    if out is not None and Path(out).suffix.lower() not in (".json", ".csv"):
        raise KizuError(f"{out}: problems are written as .json or .csv; name such a file")
    bars = []

    def watch(total: int):
        bars.append(progress("checking", total))
        return bars[0].__enter__()

    try:
        found = problems(dataset, source, watch)
    finally:
        for bar in bars:
            bar.__exit__(None, None, None)
    if out is not None:
        _write(found, Path(out))
    _show(found, out)
    counts = {severity: sum(p.severity == severity for p in found) for severity in ("error", "warning", "info")}
    told = ", ".join(
        f"{n} {name}{'' if n == 1 else 's'}"
        for name, n in zip(("error", "warning", "remark"), counts.values(), strict=True)
    )
    line = f"{dataset}: {told}." + (f" All are in {out}." if out is not None else "")
    serious = counts["error"] + (counts["warning"] if strict else 0)
    return Checked(line, None if out is None else Path(out), problems=serious, found=found)


def _show(found: list, out: Path | None) -> None:
    from itertools import groupby

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not found:
        return
    console = Console()
    colours = {"error": "bold red", "warning": "yellow", "info": "cyan"}
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    table.add_column("problem", ratio=2, overflow="fold")
    table.add_column("where", ratio=3, overflow="fold")
    table.add_column("what, and what to do", ratio=5, overflow="fold")
    for (severity, kind), members in groupby(found, key=lambda p: (p.severity, p.kind)):
        members = list(members)
        for i, p in enumerate(members[:_SHOWN]):
            head = f"{severity}: {kind} ({len(members)})" if i == 0 else ""
            name = Path(p.file).name if p.file and p.id else p.file
            parts = [name if name and not p.id.startswith(name) else "", p.id, p.field]
            where = ", ".join(part for part in parts if part)
            table.add_row(Text(head, colours[severity]), Text(where), Text(f"{p.message}; {p.remedy}"))
        if len(members) > _SHOWN:
            more = f"... and {len(members) - _SHOWN} more" + ("" if out is not None else "; --out FILE for all")
            table.add_row("", "", Text(more, "dim"))
    console.print(table)


def _write(found: list, path: Path) -> None:
    import csv
    import io
    import json
    from dataclasses import asdict, fields

    from kizu.core.files import write_text
    from kizu.formats.check.problem import Problem

    if path.suffix.lower() == ".json":
        write_text(path, json.dumps([asdict(p) for p in found], ensure_ascii=False, indent=1) + "\n")
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Problem)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(p) for p in found)
    write_text(path, text.getvalue())
