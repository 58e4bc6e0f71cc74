"""``kizu compose bank``: objects and defects cut out of labelled pictures, for new pictures to be composed of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kizu.core.run import Done


@dataclass
class Banked(Done):
    """The result of ``compose_bank``.

    Attributes:
        classes: segments of each class.
        flags: segments with each flag: truncated, blurred, tiny, hidden.
    """

    classes: dict[str, int] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)


def compose_bank(
    dataset: Path,
    out: Path,
    *,
    split: str | None = None,
    classes: list[str] | None = None,
    kind: str = "auto",
    kinds: list[str] | None = None,
    refuse: list[str] | None = None,
    erode: float | None = None,
    invent: Path | None = None,
    prompts: list[str] | None = None,
    count: int = 100,
    segmenter: Path | None = None,
    seed: int = 0,
    workers: int = 0,
    sheet: bool = True,
    strict: bool = False,
) -> Banked:
    """Cut the outlined instances of a data set out of their pictures, with soft edges and their own colours.

    What comes out is a data set, too, one picture a segment, so that check, report and convert work on it; a contact
    sheet (sheet.png) shows the segments on a checkered ground. A run that was stopped goes on where it was when the
    same command is given again.

    Args:
        dataset: labelled data set with masks, of any known format.
        out: the folder to write.
        split: cut from this split only, e.g. train; by default from all.
        classes: cut these classes only; by default all.
        kind: object (stands on its own), defect (a change of the surface), or auto, which goes by class names, by what
            an instance lies on, and by the background.
        kinds: kind of single classes, e.g. --kinds screw=object chip=defect.
        refuse: leave out segments that are truncated, blurred, tiny or hidden; by default they are only marked.
        erode: pixels, 0 to 1, that edges of objects are moved inwards; by default 0.5, 0 where Kizu made the picture.
        invent: folder of a text-to-image model (diffusers), for more objects than DATASET has.
        prompts: CLASS or "CLASS: description" of what to invent; by default the classes of DATASET that are objects.
        count: pictures to invent.
        segmenter: folder of a model that cuts them out (transformers); by default what differs from the background.
        seed: of what is invented.
        workers: processes that cut; 0 = one a core.
        sheet: make the contact sheet.
        strict: stop at the first picture or instance that cannot be cut, instead of listing it in skipped.jsonl.

    Raises:
        KizuError: an unknown class, kind or flag, no segment at all, or a folder that holds something else.
    """
    from collections import Counter

    from kizu.core.dataset import Dataset
    from kizu.core.errors import KizuError
    from kizu.core.run import progress
    from kizu.synth.compose.bank import Bank, write_bank
    from kizu.synth.compose.checker import bank_sheet
    from kizu.synth.compose.invent import Invented, Painter, joined, model_of, prompts_of
    from kizu.synth.compose.invent import segmenter as make_segmenter
    from kizu.synth.compose.kinds import of_classes
    from kizu.synth.compose.plan import plan
    from kizu.synth.compose.quality import FLAGS
    from kizu.synth.engine import write
    from kizu.synth.statistics import NOT_DEFECTS

    dataset, out = Path(dataset), Path(out)
    if out.resolve().is_relative_to(dataset.resolve()):
        raise KizuError(f"{out} lies inside {dataset}, which would then hold both data sets; name a folder outside it")
    if erode is not None and not 0 <= erode <= 1:
        raise KizuError(f"--erode {erode}: it is 0 to 1 pixels")
    data = Dataset.open(dataset).split(split)
    told = list(data.notes)
    if invent is not None:
        kinds_of = of_classes(data.names, kind, data.info.get(NOT_DEFECTS, ()), _pairs(kinds))
        asked = prompts_of(prompts, data.names, kinds_of)
        model = {"paint": model_of(invent), "cut": model_of(segmenter)}
        source = Invented(asked, count, Painter(invent), make_segmenter(segmenter), seed, model)
        pictures = out.with_name(f"{out.name}-invented")
        made = write(source, pictures, 1, 32, {"title": "Invented objects"}, strict)
        told.append(
            f"{pictures} holds {count - len(made.skipped)} invented pictures; {len(made.skipped)} were left out."
        )
        data = joined(data, Dataset.open(pictures))
    with progress("looking", len(data)) as step:
        found = plan(
            data, kind, kinds=_pairs(kinds), classes=classes, refuse=refuse or (), erode=erode, strict=strict, step=step
        )
    info = {"title": f"Segments of {dataset.name}", "from": dataset.name}
    info |= {key: data.info[key] for key in ("licence", "origin") if key in data.info}
    written = write_bank(found, out, workers=workers, strict=strict, info=info)
    bank = Bank.open(out)
    if sheet and (written.made or not (out / "sheet.png").exists()):
        bank_sheet(bank, out / "sheet.png")
    for note in told:
        print(note)
    counts = Counter(bank.table["label"].tolist())
    flags = {flag: int(bank.table[flag].sum()) for flag in FLAGS}
    line = "1 segment was" if len(bank) == 1 else f"{len(bank)} segments of {len(counts)} class"
    line += "" if len(bank) == 1 else f"{'es' if len(counts) != 1 else ''} were"
    line += f" cut to {out}"
    line += f" ({', '.join(f'{name} {n}' for name, n in counts.most_common(8))}"
    line += f" and {len(counts) - 8} more)." if len(counts) > 8 else ")."
    if any(flags.values()):
        line += f" Marked: {', '.join(f'{n} {flag}' for flag, n in flags.items() if n)}."
    if any(found.refused.values()):
        line += f" Refused: {', '.join(f'{n} {flag}' for flag, n in found.refused.items() if n)}."
    if written.skipped:
        line += f" {out / 'skipped.jsonl'} lists what was passed over."
    return Banked(line, out, written.skipped, classes=dict(counts), flags=flags)


def _pairs(kinds: list[str] | None) -> dict[str, str]:
    """``["screw=object"]`` as a table. Raises KizuError for what is no pair."""
    from kizu.core.errors import KizuError

    pairs = [text.rpartition("=") for text in kinds or ()]
    for name, mark, value in pairs:
        if not mark or not name:
            raise KizuError(f"--kinds {value!r}: write CLASS=object or CLASS=defect")
    return {name: value for name, _, value in pairs}
