"""What a reader of an evaluation should know, in sentences: what was left out, and what a figure rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kizu.core.inspector import UNKNOWN
from kizu.core.run import Skips
from kizu.evaluation.pairs import takes_others

if TYPE_CHECKING:
    from kizu.evaluation.anomaly import ImageScores, PixelScores
    from kizu.evaluation.pairs import Matching

_WHOLE_CURVE = 0.1  # finds kept from this score on give nearly all of a precision-recall curve


def plural(count: int, one: str, many: str = "") -> str:
    """``1 picture``, ``1,204 pictures``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def notes_of(
    matching: Matching, counts: dict[str, int], skips: Skips, pixels: PixelScores, images: ImageScores, resamples: int
) -> list[str]:
    """The notes of one evaluation; the broken images are the last items of ``skips``."""
    names, known = matching.names, matching.truth.names
    others = takes_others(known, names)
    absent = [name for name in names if name not in known and not (others and name == UNKNOWN)]
    ignored = [name for name in known if name not in names]
    notes = []

    def note(count: int, text: str) -> None:
        if count:
            notes.append(text)

    def left_out(key: str, which: str, of: str = "") -> None:
        note(counts[key], f"left out{of}: {plural(counts[key], 'image')} {which}")

    if counts["broken"]:
        first = skips.items[-counts["broken"]]["reason"]
        left_out("broken", f"that cannot be used (--strict stops there); the first: {first}")
    left_out("left_out", "that the model was fitted from (--keep-support keeps such images)")
    left_out("unlabelled", "of the truth without a label file")
    left_out("unpredicted", "of the truth without a prediction")
    left_out("surplus", "with a prediction, but without truth here")
    note(len(absent), f"the truth has no class {', '.join(absent)}: its predictions are false alarms wherever they are")
    if others and ignored:
        notes.append(f"classes that the predictions do not have count as {UNKNOWN}: {', '.join(ignored)}")
    elif others:
        notes.append(
            f"the truth has none but the classes of the predictions: what is found as {UNKNOWN} is a false alarm on "
            "images that hold nothing; on others it counts for any defect, and for no class"
        )
    note(
        0 if others else len(ignored),
        f"classes that the predictions do not have are not evaluated: {', '.join(ignored)}",
    )
    which = "with only classes that are not evaluated; background in the pixel figures"
    left_out("other_only", which, " of the image figures")
    left_out("boxes_only", "whose truth has boxes alone", " of the pixel figures")
    note(
        counts["crowd_regions"],
        f"ignored by AP and by the pixel figures: {plural(counts['crowd_regions'], 'truth region')} marked as crowd",
    )
    note(
        pixels.painted,
        f"{pixels.painted:,} of {plural(pixels.images, 'image')} without a score map: the pixel figures use the scores "
        "of the instances there, painted into their masks",
    )
    by = "groups of images (near-duplicates stay together)" if images.grouped else "images"
    note(resamples, f"intervals are 95 %: bootstrap over {by}, {plural(resamples, 'resample')}; Wilson's for rates")
    return notes


def cut_scores(kept_from: object) -> list[str]:
    """The note that AP misses the low end of its curve, where predictions tell the score that they are kept from."""
    if isinstance(kept_from, bool) or not isinstance(kept_from, (int, float)) or not kept_from > _WHOLE_CURVE:
        return []
    return [
        f"AP counts finds from a score of {kept_from:g} up alone; predict with --min-score 0.05 for the whole curve"
    ]
