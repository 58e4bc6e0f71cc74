"""``kizu generate``: formula images with exact labels, as many as are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kizu.core.run import Done

if TYPE_CHECKING:
    from kizu.core.dataset import Dataset
    from kizu.synth.formula.presets import Preset
    from kizu.synth.formula.source import Formula
    from kizu.synth.statistics import Statistics

_MEASURED = 200  # pictures that the card is measured on
_FLAT = ("labelme",)  # formats that take every picture at the top of their folder as one of theirs


def generate(
    out: Path,
    *,
    preset: str = "industrial",
    count: int = 1000,
    seed: int = 0,
    size: int | str | None = None,
    start: int = 0,
    set: list[str] | None = None,
    types: list[Path] | None = None,
    like: Path | None = None,
    to: str = "shards",
    workers: int = 0,
    engine: str = "pool",
    sheet: bool = True,
    strict: bool = False,
) -> Done:
    """Make pictures by formula, with masks that are exact: no photograph, no licence, no labelling.

    Picture i is a function of preset, seed, size and i alone: any number of workers gives the same files, and a run
    that was stopped goes on where it was when the same command is given again, also with a larger count. A contact
    sheet (sheet.png; of labelme beside the folder) and a data card (card.md, card.json) tell what was made.

    Args:
        out: the folder to write.
        preset: what to draw: industrial, inscore, boards, segrcdb, rcdb, visualatom, deadleaves or line.
        count: pictures to make.
        seed: another one gives other pictures.
        size: 512 for squares, 512x768 for height x width. By default 512, or that of the pictures of LIKE.
        start: number of the first picture; runs over other numbers never repeat one.
        set: another value for a key of the preset, e.g. --set scene.clean=0.5; may be given again.
        types: TOML files of your own defect types (see docs/lexicon.md), drawn beside those of the preset.
        like: a labelled data set, or a folder of good pictures, that the made ones are to resemble.
        to: format to write: shards, coco, panoptic, yolo, voc, masks, mvtec or labelme.
        workers: processes that draw; 0 = one a core.
        engine: pool (this machine) or ray (a cluster, whose machines all see the folder OUT).
        sheet: make the contact sheet.
        strict: stop at the first picture that cannot be made, instead of listing it in skipped.jsonl.

    Raises:
        KizuError: an unknown preset or key, a folder that holds something else, a disk without room.
    """
    import shutil

    from kizu.core.dataset import Dataset, formats
    from kizu.core.errors import KizuError
    from kizu.core.files import make_folder, write_error
    from kizu.core.run import Skips
    from kizu.core.shards import HEADER
    from kizu.formats.common.output import output_folder
    from kizu.synth.engine import check_room
    from kizu.synth.formula import presets
    from kizu.synth.formula.own_types import with_types
    from kizu.synth.formula.source import VERSION

    out, like, changes = Path(out), Path(like) if like else None, presets.changes(set)
    able = [name for name, item in formats().items() if item.write]
    if to not in able:
        raise KizuError(f"cannot write format {to!r}; known are {', '.join(able)}")
    if engine not in ("pool", "ray"):
        raise KizuError(f"engine {engine!r}: it is pool or ray")
    chosen = presets.load(preset)
    chosen = (with_types(chosen, types) if types else chosen).override(changes)
    asked = {"formula": VERSION, "preset": chosen.to_json(), "count": count, "seed": seed, "start": start, "to": to}
    asked |= {"size": None if size is None else list(_size(size)), "like": str(like.resolve()) if like else None}
    there = f"{count} pictures of {preset} are in {out} already; there was nothing to do."
    finished = _json(out / "card.json").get("asked") == asked
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not (to == "shards" and (out / HEADER).exists()):
        if not finished:
            raise KizuError(f"{out} is not an empty folder; name a new one, or delete it first")
        return Done(there, out)
    hidden = out.absolute().with_name(f".{out.name}.generate")
    source, target = _source(chosen, changes, asked, like, [hidden, out], strict)
    shards = out if to == "shards" else hidden / "shards"
    written = _write(source, shards, workers, engine, strict)
    if finished and not written.made:
        return Done(there, out, written.skipped)
    data = Dataset.open(shards)
    if to == "shards":
        _describe(out, data, source, asked, hidden, target, out / "sheet.png" if sheet else None)
    else:
        check_room(make_folder(out.absolute().parent), written.bytes, f"the pictures as {formats()[to].title}")
        with output_folder(out) as folder:
            losses = data.write(folder, to)
            listed = Skips()
            listed.items = written.skipped
            listed.write(folder)
            picture = out.with_name(f"{out.name}-sheet.png") if to in _FLAT else folder / "sheet.png"
            _describe(folder, data, source, asked, hidden, target, picture if sheet else None)
        for text in losses:
            print(text)
    try:
        if hidden.exists():
            shutil.rmtree(hidden)
    except OSError as error:
        raise write_error(error.filename or hidden, error) from error
    speed = f" at {written.made / written.seconds:.0f} a second" if written.made else ""
    line = f"1 picture of {preset} was" if len(data) == 1 else f"{len(data)} pictures of {preset} were"
    line += f" written to {out}{speed} ({written.bytes / 1e6:.0f} MB"
    line += f"; seed {seed}, from number {start})." if start else f"; seed {seed})."
    line += f" What is in them: {out / 'card.md'}."
    return Done(line, out, written.skipped)


def _size(size: int | str) -> tuple[int, int]:
    """(H, W). Raises KizuError for anything but a whole number or two of them around an x."""
    from kizu.core.errors import KizuError

    parts = str(size).lower().split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise KizuError(f"--size {size}: write 512 for squares, 512x768 for height x width")
    return int(parts[0]), int(parts[-1])


def _json(path: Path) -> dict[str, Any]:
    """The record in a JSON file; {} where there is none that can be read."""
    import json

    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write(source: Formula, folder: Path, workers: int, engine: str, strict: bool):
    from kizu.synth import cluster
    from kizu.synth.engine import write

    info = source.dataset().info
    if engine == "ray":
        everywhere = workers or 1_000_000  # as many as the cluster has cores
        return write(source, folder, everywhere, info=info, strict=strict, run=cluster.run)
    return write(source, folder, workers, info=info, strict=strict)


def _source(
    preset: Preset, changes: dict[str, str], asked: dict[str, Any], like: Path | None, places: list[Path], strict: bool
) -> tuple[Formula, Statistics | None]:
    """The pictures to make, and the statistics that they are to resemble.

    What was fitted to LIKE is kept in ``like.json`` (while pictures are made, in the first of ``places``), so that a
    run that goes on goes on with the same, and a finished one is known at once.
    """
    import json

    from kizu.core.errors import KizuError
    from kizu.core.files import write_text
    from kizu.synth.formula.source import Formula
    from kizu.synth.statistics import Statistics

    size = asked["size"] or (512, 512)
    if like is None:
        return Formula(preset, asked["count"], tuple(size), asked["seed"], asked["start"]), None
    key = {name: value for name, value in asked.items() if name in ("preset", "seed", "size", "like")}
    kept = next(
        (record for record in (_json(place / "like.json") for place in places) if record.get("for") == key), None
    )
    if kept is None:
        Formula(preset, asked["count"], tuple(size), asked["seed"], asked["start"])  # errors before the long fit
        kept = _fit(like, preset, asked["seed"], strict) | {"for": key}
        write_text(places[0] / "like.json", json.dumps(kept, ensure_ascii=False))
    try:
        fitted = preset.override(kept["fit"]["overrides"]).override(changes)
        size, target = asked["size"] or kept["fit"]["size"], Statistics.from_json(kept["target"])
    except KeyError as error:
        raise KizuError(f"{places[0] / 'like.json'} is damaged ({error}); delete it and run again") from error
    return Formula(fitted, asked["count"], tuple(size), asked["seed"], asked["start"]), target


def _fit(like: Path, preset: Preset, seed: int, strict: bool) -> dict[str, Any]:
    from kizu.core.dataset import Dataset
    from kizu.core.run import Skips, progress
    from kizu.core.threads import single_threaded
    from kizu.synth.like import fit, steps

    data = Dataset.open(like)
    skips = Skips(strict)
    with progress(f"looking at {like.name}", steps(data)) as step, single_threaded():
        _, found = fit(data, preset, seed=seed, skips=skips, step=step)
    for item in skips.items:
        print(f"Not looked at: {item['reason']}")
    for note in found.notes:
        print(f"{like}: {note}.")
    return {"fit": found.record(), "target": found.target.to_json()}


def _describe(
    folder: Path,
    data: Dataset,
    source: Formula,
    asked: dict[str, Any],
    hidden: Path,
    target: Statistics | None,
    sheet: Path | None,
) -> None:
    """Write sheet and card; ``card.json`` comes last, for it says that the run is finished."""
    import json

    from kizu.core.files import write_text
    from kizu.core.run import progress
    from kizu.synth.card import data_card
    from kizu.synth.sheet import contact_sheet
    from kizu.synth.statistics import measure, spread

    if sheet:
        contact_sheet(data, sheet)
    with progress("measuring", len(spread(len(data), _MEASURED))) as step:
        found = measure(data, limit=_MEASURED, step=step)
    if (hidden / "like.json").exists():
        write_text(folder / "like.json", (hidden / "like.json").read_text("utf-8"))
    text, record = data_card(data, found, source.config, target, Path(asked["like"] or "").name)
    write_text(folder / "card.md", text)
    write_text(folder / "card.json", json.dumps(record | {"asked": asked}, indent=1, ensure_ascii=False) + "\n")
