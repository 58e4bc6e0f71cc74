"""What ``kizu fit --mode fewshot`` asks for: from options to a fitted inspector, and the table of its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.core.run import Skips, progress
from kizu.core.sample import Sample
from kizu.detector.options import COMPOSED
from kizu.fewshot.adapt import adapt
from kizu.fewshot.backbones import check_backbone, network_from
from kizu.fewshot.distil import MINUTES, Pairs, distil, fit_student
from kizu.fewshot.fit import fit_fewshot, steps
from kizu.fewshot.gfds_fit import fit_gfds
from kizu.fewshot.gfds_fit import steps as gfds_steps
from kizu.fewshot.network import Network, shipped
from kizu.fewshot.refine import NONE, refiner_from
from kizu.fewshot.sam2_folder import input_side, weight_files
from kizu.fewshot.support import Pictures, Support, choose_support
from kizu.fewshot.track_fit import fit_track
from kizu.fewshot.track_fit import steps as track_steps
from kizu.inspection.calibrate import Expected
from kizu.synth.compose.options import Options
from kizu.synth.compose.within import COMPOSE, composed_of

OTHERS = "(others)"  # name of all classes that are not to be found
_SHOWN = 5  # labelled pictures by which a student is timed
_CHECKED = 2  # labelled pictures on which an exported network is held against the one in torch
_EACH, _MOST = 3, 30  # composed pictures for each labelled one, and in all


@dataclass(frozen=True)
class Wanted:
    """What a matcher is asked for; each field is an option of ``kizu fit``.

    Attributes:
        matcher: one of :data:`MATCHERS`.
        network: folder of the model that ``sam2`` asks.
        turns: whether ``sam2`` remembers mirrored copies, too, and ``adapt`` turns and flips pictures.
        augment: ``compose`` = ``kizu`` learns from composed pictures, too.
        adapt: minutes in which a network is fine-tuned for ``kizu``; None = none is.
        refine, refine_with: how ``kizu`` refines outlines, and the file or folder that it takes.
        backbone: what ``kizu`` looks with, see :func:`kizu.fewshot.backbones.network_from`; None = the shipped network.
        distil: as ``backbone``: what a student learns from, with which ``kizu`` then looks.
        minutes: in which the student learns; None = :data:`kizu.fewshot.distil.MINUTES`.
    """

    matcher: str = "kizu"
    network: Path | None = None
    turns: bool = True
    augment: str | None = None
    refine: str = NONE
    refine_with: Path | None = None
    adapt: float | None = None
    backbone: str | None = None
    distil: str | None = None
    minutes: float | None = None


Fit = tuple[Inspector, list[Expected]]


def fit_from(
    dataset: Path,
    out: Path,
    wanted: Wanted,
    *,
    classes: list[str] | None,
    shots: int | None,
    split: str | None,
    clean: Path | None,
    empty_is_clean: bool,
    false_alarms: float,
    seed: int,
    skips: Skips,
) -> tuple[Inspector, Support]:
    """Fit to a data set and write the model file; see :func:`kizu.fewshot.fit.fit_fewshot`.

    Raises:
        KizuError: options or pictures that cannot be used, or the model file cannot be written.
    """
    _check(wanted)
    data = Dataset.open(dataset).split(split)
    good = Dataset.open(clean) if clean is not None else (None if empty_is_clean else data[:0])
    if wanted.matcher == "gfds":
        good = data[:0]  # it knows no good pictures
    support = choose_support(data, classes, shots, good, seed, skips, false_alarms)
    support.pictures = Pictures([data] if clean is None else [data, good])
    inspector, expected = MATCHERS[wanted.matcher](support, wanted, false_alarms, seed, skips)
    inspector.save(out)
    show(expected, inspector.card.notes, support, chosen=wanted.matcher != "gfds")
    return inspector, support


def _check(wanted: Wanted) -> None:
    """Refuse options of another matcher, and a folder that holds no model, before any picture is looked at."""
    if wanted.matcher not in MATCHERS:
        raise KizuError(f"no matcher is called {wanted.matcher!r}; there are: {', '.join(MATCHERS)}")
    if wanted.matcher != "kizu":
        if wanted.augment:
            raise KizuError("--augment belongs to --matcher kizu; leave it out")
        if wanted.refine != NONE or wanted.refine_with is not None:
            raise KizuError("--refine belongs to --matcher kizu; leave it out")
        if wanted.adapt is not None:
            raise KizuError("--adapt belongs to --matcher kizu; leave it out")
        if wanted.backbone is not None:
            raise KizuError("--backbone belongs to --matcher kizu; leave it out")
        if wanted.distil is not None:
            raise KizuError("--distil belongs to --matcher kizu; leave it out")
    if wanted.backbone is not None and wanted.distil is not None:
        raise KizuError("--distil names the network that a student learns from; leave --backbone out")
    if wanted.minutes is not None and wanted.distil is None:
        raise KizuError("--minutes belongs to --mode detector and to --distil; give one of them too, or leave it out")
    for asked in (wanted.backbone, wanted.distil):
        if asked is not None:
            check_backbone(asked)
    if wanted.matcher == "sam2":
        if wanted.network is None:
            raise KizuError(
                "--matcher sam2 needs --network FOLDER, a SAM2 video model of transformers that you have downloaded, "
                "such as facebook/sam2.1-hiera-tiny"
            )
        input_side(wanted.network)
        weight_files(wanted.network)
    elif wanted.network is not None:
        raise KizuError("--network belongs to --matcher sam2; give that too, or leave it out")


def _fit_kizu(support: Support, wanted: Wanted, false_alarms: float, seed: int, skips: Skips) -> Fit:
    refiner = refiner_from(wanted.refine, wanted.refine_with)
    more = wanted.augment == COMPOSE
    composed = compose_support(support, seed) if more else []
    shown = [sample.image for sample in support.labelled[:_SHOWN]]
    asked = wanted.backbone or wanted.distil
    network = network_from(asked, shown[:_CHECKED]) if asked else shipped()
    student = None
    if wanted.distil is not None:
        minutes = MINUTES if wanted.minutes is None else wanted.minutes
        student = distil(network, support.pictures, minutes, None, wanted.turns, seed, skips)
    adapted = None
    if wanted.adapt is not None:
        adapted = adapt(support, wanted.adapt, None, wanted.turns, COMPOSED if more else 0.0, seed)

    def fit(network: Network, skips: Skips, heard: Callable[[Pairs], None] = lambda pairs: None) -> Fit:
        with progress("fitting", steps(support, len(composed))) as step:
            return fit_fewshot(
                support, false_alarms, seed, skips, step,
                composed=composed, refiner=refiner, adapted=adapted, network=network, heard=heard,
            )  # fmt: skip

    return fit(network, skips) if student is None else fit_student(student, network, fit, skips, shown)


def _fit_sam2(support: Support, wanted: Wanted, false_alarms: float, seed: int, skips: Skips) -> Fit:
    with progress("fitting", track_steps(support)) as step:
        return fit_track(support, wanted.network, false_alarms, seed, wanted.turns, skips, step)


def _fit_gfds(support: Support, wanted: Wanted, false_alarms: float, seed: int, skips: Skips) -> Fit:
    with progress("fitting", gfds_steps(support)) as step:
        return fit_gfds(support, step)


MATCHERS: dict[str, Callable[[Support, Wanted, float, int, Skips], Fit]] = {
    "kizu": _fit_kizu, "sam2": _fit_sam2, "gfds": _fit_gfds
}  # fmt: skip


def compose_support(support: Support, seed: int) -> list[Sample]:
    """Pictures composed of a support, to be learned from with it; see :mod:`kizu.synth.compose`.

    Raises:
        KizuError: nothing on the labelled pictures can be cut out.
    """
    data = Dataset([*support.labelled, *support.clean], (*support.names, OTHERS))
    source = composed_of(data, support.names, seed, options=Options(empty=0.0))
    return [source[i] for i in range(min(_EACH * len(support.labelled), _MOST))]


def show(expected: list[Expected], notes: list[str], support: Support, chosen: bool = True) -> None:
    """Print what was met on pictures left out of the fit, and what to think of it.

    Args:
        chosen: whether the thresholds were chosen on them.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title="On pictures left out of the fit"
        + (" (the thresholds were chosen on them: expect a little worse)" if chosen else ""),
        title_justify="left",
        min_width=60,
    )
    table.add_column("class")
    for title in ("labelled pictures", "outline IoU", "escapes", "false alarms"):
        table.add_column(title, justify="right")
    for k, (name, item) in enumerate(zip(support.names, expected, strict=True)):
        shown = sum(bool((sample.instances.labels == k).any()) for sample in support.labelled)
        alarms = "unknown" if item.false_alarms is None else f"{item.false_alarms:.1%} of {item.clean}"
        met = ("unknown", "unknown") if item.iou is None else (f"{item.iou:.1%}", f"{item.escapes:.0%}")
        table.add_row(name, str(shown), *met, alarms)
    console = Console(stderr=True)
    console.print(table)
    if support.clean_there > len(support.clean):
        notes = [f"{len(support.clean)} of {support.clean_there} good pictures are used.", *notes]
    for note in notes:
        console.print(f"- {note}")
