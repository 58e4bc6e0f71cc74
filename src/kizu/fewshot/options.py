"""What ``kizu fit --mode fewshot`` asks for: from options to a fitted inspector, and the table of its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.inspector import UNKNOWN, Inspector
from kizu.core.run import Skips, progress
from kizu.core.sample import Sample
from kizu.detector.options import COMPOSED
from kizu.fewshot.adapt import adapt
from kizu.fewshot.backbones import check_backbone, network_from
from kizu.fewshot.distil import MINUTES, Pairs, distil, fit_student
from kizu.fewshot.fit import fit_fewshot, steps
from kizu.fewshot.gfds_fit import fit_gfds
from kizu.fewshot.gfds_fit import steps as gfds_steps
from kizu.fewshot.memory import remember
from kizu.fewshot.network import Network, shipped
from kizu.fewshot.partial import GROUND, choose_partial
from kizu.fewshot.refine import NONE, Refiner, refiner_from
from kizu.fewshot.sam2_folder import input_side, weight_files
from kizu.fewshot.support import OTHERS, Pictures, Support, choose_support, is_partial
from kizu.fewshot.track_fit import fit_track
from kizu.fewshot.track_fit import steps as track_steps
from kizu.fewshot.unknown import check_names
from kizu.fewshot.update import Changes, merged, open_remembering
from kizu.inspection.calibrate import Expected
from kizu.synth.compose.options import Options
from kizu.synth.compose.within import COMPOSE, composed_of

_SHOWN = 5  # labelled pictures by which a student is timed
_CHECKED = 2  # labelled pictures on which an exported network is held against the one in torch
_EACH, _MOST = 3, 30  # composed pictures for each labelled one, and in all


@dataclass(frozen=True)
class Wanted:
    """What a fit is asked for; each field is an option of ``kizu fit``, None = not given.

    Attributes:
        matcher: one of :data:`MATCHERS`.
        network: folder of the model that ``sam2`` asks.
        refine, refine_with: how ``kizu`` refines outlines, and the file or folder that it takes.
        backbone: what ``kizu`` looks with, see :func:`kizu.fewshot.backbones.network_from`; None = the shipped network.
        distil: as ``backbone``: what a student learns from, with which ``kizu`` then looks.
        minutes: in which the student learns; None = :data:`kizu.fewshot.distil.MINUTES`.
        adapt: minutes in which a network is fine-tuned for ``kizu``; None or 0 = none is.
        update: a model file of ``kizu`` whose examples are taken up.
        remove: ids of those of them that are not.
        partial: what is not drawn on the pictures is unknown.
        ground: then the class of what is no defect.
        kept: further options that are given, of the keys of :data:`KEPT`; others are as in the updated model.
    """

    matcher: str = "kizu"
    network: Path | None = None
    refine: str | None = None
    refine_with: Path | None = None
    adapt: float | None = None
    backbone: str | None = None
    distil: str | None = None
    minutes: float | None = None
    update: Path | None = None
    remove: list[str] | None = None
    partial: bool = False
    ground: str | None = None
    kept: dict[str, Any] = field(default_factory=dict)


# Options that a model file remembers, and what they are by default: the classes to find, the share of good pictures on
# which it may fire, the seed, whether pictures may be turned, ``compose`` to learn from composed pictures, too, whether
# pictures without labels are good ones, whether examples are kept (None: where they are not too large), and whether to
# find what is of no class, too.
KEPT: dict[str, Any] = {
    "classes": None, "false_alarms": 0.05, "seed": 0, "turns": True, "augment": NONE, "empty_is_clean": True,
    "memory": None, "unknown": False,
}  # fmt: skip

Fit = tuple[Inspector, list[Expected]]


@dataclass(frozen=True)
class Asked:
    """What a matcher is asked for when all options are known; attributes as those of :class:`Wanted`, :data:`KEPT`."""

    false_alarms: float
    seed: int
    turns: bool
    augment: str
    adapt: float | None
    network: Path | None
    refiner: Refiner | None
    backbone: str | None = None
    distil: str | None = None
    minutes: float | None = None
    unknown: bool = False
    sees: Network | None = None  # the backbone of an updated model, where no other one is named


def fit_from(
    dataset: Path | None, out: Path, wanted: Wanted, *, shots: int | None, split: str | None, clean: Path | None,
    skips: Skips,
) -> tuple[Inspector, Support, str]:  # fmt: skip
    """Fit to a data set and write the model file; see :func:`kizu.fewshot.fit.fit_fewshot`.

    Args:
        dataset: None = to what the updated model remembers alone.

    Returns:
        The inspector, what it was fitted to, and a remark for the closing line, or "".

    Raises:
        KizuError: options or pictures that cannot be used, or the model file cannot be written.
    """
    _check(wanted, dataset, shots, split, clean)
    old = open_remembering(wanted.update) if wanted.update else None
    options = KEPT | (old.memory.options if old else {}) | wanted.kept
    refiner = refiner_from(wanted.refine, wanted.refine_with)
    if old and wanted.refine is None:
        refiner = old.refiner
    asked = asked_of(options, wanted.adapt, wanted.network, refiner)
    looks = {"backbone": wanted.backbone, "distil": wanted.distil, "minutes": wanted.minutes}
    asked = replace(asked, **looks, sees=old.members.network if old else None)
    support = None if dataset is None else _drawn(dataset, wanted, options, shots, split, clean, skips)
    changes = Changes()
    if old:
        pictures = [] if support is None else support.pictures
        strict = "classes" in wanted.kept
        support, changes = merged(
            old.memory.support(), support, wanted.remove or (), options["classes"], strict, options["seed"]
        )
        support.pictures = pictures
    inspector, expected = MATCHERS[wanted.matcher](support, asked, skips)
    remark = f" ({changes})" if old else ""
    if wanted.matcher == "kizu":
        # A model that was not asked for it says nothing of it in its file.
        said = {key: value for key, value in options.items() if value or key != "unknown"}
        remark += remember(inspector, support, said | {"adapt": asked.adapt})
    inspector.save(out)
    show(expected, inspector.card.notes, support, chosen=wanted.matcher != "gfds")
    return inspector, support, remark


def asked_of(
    options: dict[str, Any], adapt: float | None = None, network: Path | None = None, refiner: Refiner | None = None
) -> Asked:
    """What a matcher is asked for.

    Args:
        options: the keys of :data:`KEPT`, and ``adapt``, where a model that is fitted anew was adapted.
        adapt: minutes, as they are given now; 0 = none, although that model was.

    Raises:
        KizuError: that model was adapted, and nothing is said of it now: its network knows the old examples alone.
    """
    before = options.get("adapt")
    if adapt is None and before:
        raise KizuError(
            f"this model was adapted for {before:g} minutes, and its network knows the old examples alone: fine-tune "
            f"it anew with --adapt {before:g}, or leave it out with --adapt 0"
        )
    about = {key: options[key] for key in ("false_alarms", "seed", "turns", "augment")}
    unknown = bool(options.get("unknown"))  # older files do not know of it
    return Asked(**about, adapt=adapt or None, network=network, refiner=refiner, unknown=unknown)


def _drawn(
    dataset: Path, wanted: Wanted, options: dict[str, Any], shots: int | None, split: str | None, clean: Path | None,
    skips: Skips,
) -> Support:  # fmt: skip
    """The pictures of a data set that a fit takes."""
    data = Dataset.open(dataset).split(split)
    # Where a part is labelled, a picture without labels is one of which nothing is said, unless that is said.
    empty = options["empty_is_clean"] if not wanted.partial else bool(wanted.kept.get("empty_is_clean"))
    good = Dataset.open(clean) if clean is not None else (None if empty else data[:0])
    if wanted.matcher == "gfds":
        good = data[:0]  # it knows no good pictures
    classes, some = options["classes"], wanted.update is not None
    common = (data, classes, shots, good, options["seed"], skips, options["false_alarms"])
    if not wanted.partial:
        support = choose_support(*common, some, int(options["unknown"]))
    elif wanted.ground is not None and wanted.ground not in data.names:
        raise KizuError(f"--ground {wanted.ground}: this data set has no such class, but {', '.join(data.names)}")
    else:
        support = choose_partial(*common, wanted.ground or GROUND, some, int(options["unknown"]))
    support.pictures = Pictures([data] if clean is None else [data, good])
    return support


def _check(wanted: Wanted, dataset: Path | None, shots: int | None, split: str | None, clean: Path | None) -> None:
    """Refuse what does not belong together, and a folder that holds no model, before any picture is looked at."""
    if wanted.matcher not in MATCHERS:
        raise KizuError(f"no matcher is called {wanted.matcher!r}; there are: {', '.join(MATCHERS)}")
    if dataset is None and wanted.update is None:
        raise KizuError("no data set is named: kizu fit DATASET; it may be left out with --update alone")
    for_pictures = {"shots": shots, "split": split, "clean": clean, "partial": wanted.partial or None}
    for_pictures |= {"distil": wanted.distil}
    idle = [name for name, value in for_pictures.items() if value is not None and dataset is None]
    if idle:
        raise KizuError(f"--{idle[0]} says which pictures of a data set are taken; name that too, or leave it out")
    if wanted.remove is not None and wanted.update is None:
        raise KizuError("--remove takes examples from the model that --update names; give that too, or leave it out")
    if wanted.adapt is not None and (wanted.adapt < 0 or (wanted.adapt == 0 and wanted.update is None)):
        raise KizuError(f"--adapt {wanted.adapt:g}: adapting takes minutes; 3 to 10 are usual")
    if wanted.minutes is not None and wanted.distil is not None and wanted.minutes <= 0:
        raise KizuError(f"--minutes {wanted.minutes:g}: a student takes minutes; 5 to 30 are usual")
    if wanted.ground is not None and not wanted.partial:
        raise KizuError("--ground belongs to --partial; give that too, or leave it out")
    if wanted.matcher != "kizu":
        of_kizu = {"augment": wanted.kept.get("augment"), "refine": wanted.refine_with or wanted.refine}
        of_kizu |= {"adapt": wanted.adapt, "update": wanted.update, "partial": wanted.partial or None}
        of_kizu |= {"unknown": wanted.kept.get("unknown")}
        of_kizu |= {"memory": wanted.kept.get("memory"), "backbone": wanted.backbone, "distil": wanted.distil}
        others = [name for name, value in of_kizu.items() if value not in (None, NONE)]
        if others:
            raise KizuError(f"--{others[0]} belongs to --matcher kizu; leave it out")
    unheard = {"clean": clean, "false-alarms": wanted.kept.get("false_alarms")} if wanted.matcher == "gfds" else {}
    for name, value in unheard.items():
        if value is not None:
            raise KizuError(f"--{name}: the rule of GFDS knows no good pictures and chooses no threshold; leave it out")
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


def _fit_kizu(support: Support, asked: Asked, skips: Skips) -> Fit:
    if asked.unknown:
        check_names(support.names)  # before the minutes that a network may take
    more = asked.augment == COMPOSE
    composed = compose_support(support, asked.seed) if more else []
    shown = [sample.image for sample in support.labelled[:_SHOWN]]
    named = asked.backbone or asked.distil
    network = network_from(named, shown[:_CHECKED]) if named else asked.sees or shipped()
    student = None
    if asked.distil is not None:
        minutes = MINUTES if asked.minutes is None else asked.minutes
        student = distil(network, support.pictures, minutes, None, asked.turns, asked.seed, skips)
    adapted = None
    if asked.adapt is not None:
        adapted = adapt(support, asked.adapt, None, asked.turns, COMPOSED if more else 0.0, asked.seed)

    def fit(network: Network, skips: Skips, heard: Callable[[Pairs], None] = lambda pairs: None) -> Fit:
        with progress("fitting", steps(support, len(composed))) as step:
            return fit_fewshot(
                support, asked.false_alarms, asked.seed, skips, step,
                composed=composed, refiner=asked.refiner, adapted=adapted, network=network, heard=heard,
                unknown=asked.unknown,
            )  # fmt: skip

    return fit(network, skips) if student is None else fit_student(student, network, fit, skips, shown)


def _fit_sam2(support: Support, asked: Asked, skips: Skips) -> Fit:
    with progress("fitting", track_steps(support)) as step:
        return fit_track(support, asked.network, asked.false_alarms, asked.seed, asked.turns, skips, step)


def _fit_gfds(support: Support, asked: Asked, skips: Skips) -> Fit:
    with progress("fitting", gfds_steps(support)) as step:
        return fit_gfds(support, step)


MATCHERS: dict[str, Callable[[Support, Asked, Skips], Fit]] = {
    "kizu": _fit_kizu, "sam2": _fit_sam2, "gfds": _fit_gfds
}  # fmt: skip


def compose_support(support: Support, seed: int) -> list[Sample]:
    """Pictures composed of a support, to be learned from with it; see :mod:`kizu.synth.compose`.

    Pictures that are labelled in part are left out: what is on them is not known.

    Raises:
        KizuError: nothing on the labelled pictures can be cut out.
    """
    labelled = [sample for sample in support.labelled if not is_partial(sample)]
    if support.labelled and not labelled:
        raise KizuError("--augment compose: all pictures are labelled in part; label some whole, or leave it out")
    data = Dataset([*labelled, *support.clean], (*support.names, OTHERS))
    source = composed_of(data, support.names, seed, options=Options(empty=0.0))
    return [source[i] for i in range(min(_EACH * len(labelled), _MOST))]


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
    for k, item in enumerate(expected):
        name = (*support.names, UNKNOWN)[k]
        shown = sum(bool((sample.instances.labels == k).any()) for sample in support.labelled)
        told = "–" if k == len(support.names) else str(shown)  # what is labelled as another class is not unknown
        alarms = "unknown" if item.false_alarms is None else f"{item.false_alarms:.1%} of {item.clean}"
        met = ("unknown", "unknown") if item.iou is None else (f"{item.iou:.1%}", f"{item.escapes:.0%}")
        table.add_row(name, told, *met, alarms)
    console = Console(stderr=True)
    console.print(table)
    if support.clean_there > len(support.clean):
        notes = [f"{len(support.clean)} of {support.clean_there} good pictures are used.", *notes]
    for note in notes:
        console.print(f"- {note}")
