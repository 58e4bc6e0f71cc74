"""From a source of samples to a finished data set: shards or another format, with a contact sheet and a data card."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kizu.core.dataset import Dataset, formats
from kizu.core.errors import KizuError
from kizu.core.files import make_folder, write_error, write_text
from kizu.core.run import Skips, progress
from kizu.core.shards import HEADER
from kizu.formats.common.output import output_folder
from kizu.synth import cluster, engine
from kizu.synth.card import data_card
from kizu.synth.engine import Source, Written, check_room
from kizu.synth.sheet import contact_sheet
from kizu.synth.statistics import Statistics, measure, spread

_MEASURED = 200  # pictures that the card is measured on
_FLAT = ("labelme",)  # formats that take every picture at the top of their folder as one of theirs
ENGINES = ("pool", "ray")


@dataclass
class Target:
    """Where a data set goes.

    Attributes:
        out: its folder.
        verb: that makes it; what is kept while it runs lies beside ``out`` in ``.NAME.VERB``.
        asked: the whole command (JSON-able): a finished folder with the same one is left as it is.
        to: name of a format.
        kept: names of files of the hidden folder that belong into the data set.
    """

    out: Path
    verb: str
    asked: dict[str, Any]
    to: str = "shards"
    kept: tuple[str, ...] = ()
    there: bool = field(init=False)  # whether all of it is finished already

    def __post_init__(self) -> None:
        self.asked = json.loads(json.dumps(self.asked))  # as it will be read again
        able = [name for name, item in formats().items() if item.write]
        if self.to not in able:
            raise KizuError(f"cannot write format {self.to!r}; known are {', '.join(able)}")
        self.there = read_json(self.out / "card.json").get("asked") == self.asked
        begun = self.to == "shards" and (self.out / HEADER).exists()
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())) and not (begun or self.there):
            raise KizuError(f"{self.out} is not an empty folder; name a new one, or delete it first")

    @property
    def done(self) -> bool:
        """Whether there is nothing to do at all."""
        return self.there and not (self.to == "shards" and (self.out / HEADER).exists())

    @property
    def hidden(self) -> Path:
        """Folder of what is kept while the run goes on."""
        return self.out.absolute().with_name(f".{self.out.name}.{self.verb}")


def read_json(path: Path) -> dict[str, Any]:
    """The record in a JSON file; {} where there is none that can be read."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def publish(
    source: Source,
    target: Target,
    info: dict[str, Any],
    workers: int = 0,
    engine_name: str = "pool",
    like: Statistics | None = None,
    like_name: str = "",
    sheet: bool = True,
    strict: bool = False,
) -> Written:
    """Make all samples of a source, write them, and describe them.

    Args:
        info: of the data set, see :class:`Dataset`.
        engine_name: ``pool`` (this machine) or ``ray`` (a cluster).
        like: statistics that the card shows beside those of the data set, and ``like_name`` whose they are.
        sheet: make the contact sheet.

    Raises:
        KizuError: see :func:`kizu.synth.engine.write` and :func:`output_folder`.
    """
    shards = target.out if target.to == "shards" else target.hidden / "shards"
    if engine_name == "ray":
        everywhere = workers or 1_000_000  # as many as the cluster has cores
        written = engine.write(source, shards, everywhere, info=info, strict=strict, run=cluster.run)
    else:
        written = engine.write(source, shards, workers, info=info, strict=strict)
    if target.there and not written.made:
        return written
    data = Dataset.open(shards)
    if target.to == "shards":
        _describe(target.out, data, source, target, like, like_name, target.out / "sheet.png" if sheet else None)
    else:
        check_room(make_folder(target.out.absolute().parent), written.bytes, f"the pictures as {_title(target.to)}")
        with output_folder(target.out) as folder:
            losses = data.write(folder, target.to)
            listed = Skips()
            listed.items = written.skipped
            listed.write(folder)
            flat = target.out.with_name(f"{target.out.name}-sheet.png")
            picture = flat if target.to in _FLAT else folder / "sheet.png"
            _describe(folder, data, source, target, like, like_name, picture if sheet else None)
        for text in losses:
            print(text)
    try:
        if target.hidden.exists():
            shutil.rmtree(target.hidden)
    except OSError as error:
        raise write_error(error.filename or target.hidden, error) from error
    return written


def _title(to: str) -> str:
    return formats()[to].title


def _describe(
    folder: Path, data: Dataset, source: Source, target: Target, like: Statistics | None, like_name: str,
    sheet: Path | None,
) -> None:  # fmt: skip
    """Write sheet and card; ``card.json`` comes last, for it says that the run is finished."""
    if sheet:
        contact_sheet(data, sheet)
    with progress("measuring", len(spread(len(data), _MEASURED))) as step:
        found = measure(data, limit=_MEASURED, step=step)
    for name in target.kept:
        if (target.hidden / name).exists():
            write_text(folder / name, (target.hidden / name).read_text("utf-8"))
    text, record = data_card(data, found, source.config, like, like_name)
    write_text(folder / "card.md", text)
    write_text(folder / "card.json", json.dumps(record | {"asked": target.asked}, indent=1, ensure_ascii=False) + "\n")
