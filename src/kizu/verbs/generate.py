"""``kizu generate``: formula images with exact labels, as many as are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kizu.core.run import Done

if TYPE_CHECKING:
    from kizu.synth.formula.presets import Preset
    from kizu.synth.formula.source import Formula
    from kizu.synth.statistics import Statistics


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
    from kizu.core.errors import KizuError
    from kizu.synth.formula import presets
    from kizu.synth.formula.own_types import with_types
    from kizu.synth.formula.source import VERSION
    from kizu.synth.frame import frame_size
    from kizu.synth.publish import ENGINES, Target, publish

    out, like, changes = Path(out), Path(like) if like else None, presets.changes(set)
    if engine not in ENGINES:
        raise KizuError(f"engine {engine!r}: it is {' or '.join(ENGINES)}")
    chosen = presets.load(preset)
    chosen = (with_types(chosen, types) if types else chosen).override(changes)
    asked = {"formula": VERSION, "preset": chosen.to_json(), "count": count, "seed": seed, "start": start, "to": to}
    asked |= {"size": None if size is None else list(frame_size(size)), "like": str(like.resolve()) if like else None}
    target = Target(out, "generate", asked, to, kept=("like.json",))
    there = f"{count} pictures of {preset} are in {out} already; there was nothing to do."
    if target.done:
        return Done(there, out)
    source, wanted = _source(chosen, changes, asked, like, [target.hidden, out], strict)
    info = source.dataset().info
    written = publish(source, target, info, workers, engine, wanted, like.name if like else "", sheet, strict)
    if target.there and not written.made:
        return Done(there, out, written.skipped)
    number = count - len(written.skipped)
    speed = f" at {written.made / written.seconds:.0f} a second" if written.made else ""
    line = f"1 picture of {preset} was" if number == 1 else f"{number} pictures of {preset} were"
    line += f" written to {out}{speed} ({written.bytes / 1e6:.0f} MB"
    line += f"; seed {seed}, from number {start})." if start else f"; seed {seed})."
    line += f" What is in them: {out / 'card.md'}."
    return Done(line, out, written.skipped)


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
    from kizu.synth.publish import read_json
    from kizu.synth.statistics import Statistics

    size = asked["size"] or (512, 512)
    if like is None:
        return Formula(preset, asked["count"], tuple(size), asked["seed"], asked["start"]), None
    key = {name: value for name, value in asked.items() if name in ("preset", "seed", "size", "like")}
    kept = next(
        (record for record in (read_json(place / "like.json") for place in places) if record.get("for") == key), None
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
