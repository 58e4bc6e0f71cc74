"""``kizu fit``: from a labelled data set to an inspector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kizu.core.run import Done

if TYPE_CHECKING:
    from kizu.core.inspector import Inspector


@dataclass
class Fitted(Done):
    """The result of a fit: ``inspector`` is ready to use, ``expected`` says what to expect of it, by class."""

    inspector: Inspector | None = None
    expected: dict[str, dict] | None = None


def fit(
    dataset: Path | None = None,
    *,
    out: Path = Path("model.kizu"),
    mode: Literal["fewshot", "detector"] = "fewshot",
    classes: list[str] | None = None,
    shots: int | None = None,
    split: str | None = None,
    clean: Path | None = None,
    empty_is_clean: bool | None = None,
    false_alarms: float | None = None,
    augment: Literal["none", "compose"] | None = None,
    adapt: float | None = None,
    update: Path | None = None,
    remove: list[str] | None = None,
    partial: bool = False,
    ground: str | None = None,
    memory: bool | None = None,
    unknown: bool | None = None,
    matcher: Literal["kizu", "sam2", "gfds"] = "kizu",
    network: Path | None = None,
    refine: Literal["none", "edges", "segmenter", "sam"] | None = None,
    refine_with: Path | None = None,
    model: str | None = None,
    backbone: str | None = None,
    distil: str | None = None,
    weights: str | None = None,
    val: str | None = None,
    minutes: float | None = None,
    epochs: int | None = None,
    size: int | None = None,
    turns: bool | None = None,
    resume: bool = False,
    seed: int | None = None,
    strict: bool = False,
) -> Fitted:
    """Fit an inspector: to a few labelled pictures within seconds, or train a detector on many.

    A detector is trained on the split train; the split val, or a fifth of train where there is none, ends the training
    and sets the thresholds. Its log, curves, samples and checkpoint are in a folder beside the model file.

    Args:
        dataset: labelled pictures in any format that Kizu reads; with update it may be left out.
        out: the model file to write.
        mode: fewshot for one to twenty labelled pictures a class, detector for more.
        classes: classes to find; by default all that are labelled.
        shots: fewshot: labelled pictures a class; by default all, at most 20.
        split: take the pictures of this split only; a detector trains on train by default.
        clean: a folder of good pictures; by default the pictures of the data set that hold nothing.
        empty_is_clean: count pictures without any label as good ones where no folder of good ones is given; by default
            they are, but not with partial.
        false_alarms: the share of good pictures on which the inspector may fire, e.g. 0.01; by default 0.05.
        augment: none, the default, or compose: learn from pictures, too, that are composed of yours: what is labelled
            is put on other pictures, in their light (see kizu compose).
        adapt: fewshot: minutes in which a small network is fine-tuned to the labelled pictures, too; 3 to 10 are worth
            it. The extra train is wanted.
        update: fewshot: a model file; what it was fitted to is taken up, together with the data set. Its options hold
            where none are given, but for shots, split and clean, which choose among new pictures. May be the same as
            out.
        remove: update: ids of examples that are not taken up again.
        partial: fewshot: the pictures are labelled in part, with strokes, boxes or masks; what is not drawn is unknown,
            and neither ground nor a mistake.
        ground: partial: the class that says that something is no defect; by default ground.
        memory: fewshot: keep the pictures in the model file, for update; by default where they take 32 MB at most.
        unknown: fewshot: find, too, what is of no class but unlike all that is good, as the class unknown; with good
            pictures its false alarms are held, too.
        matcher: fewshot: kizu fits a scorer within seconds, without any download; sam2 has a SAM2 video model follow
            what is labelled on to new pictures: a GPU and the extra vfm are wanted; gfds is the rule of GFDS, for
            comparison: it chooses no threshold and uses neither good pictures nor false_alarms.
        network: sam2: the folder of a SAM2 video model of transformers; nothing is downloaded.
        refine: fewshot: how outlines are refined: by the edges of the picture, by a network that kizu pretrain masks
            made (segmenter), by SAM, or not (none); by default edges.
        refine_with: fewshot: for segmenter a weight file, for sam a folder that save_pretrained of transformers wrote.
        model: detector: its name, by default kizu-dense; kizu models lists them.
        backbone: the network that looks at the pictures, by default kizu-s: a name (kizu models) or timm:NAME; fewshot
            takes, too, a weight file of kizu pretrain, or the folder of a DINOv2, DINOv3 or other network that
            save_pretrained of transformers wrote.
        distil: fewshot: a network as for backbone: a small student learns to see what it sees, on all pictures of the
            data set, labelled or not, and takes its place, which is worth it where that one is slow. The extra train is
            wanted.
        weights: detector: shipped, none or a weight file to start from; by default shipped where there are any.
        val: detector: a split of the data set, another data set, or PATH/SPLIT; by default val.
        minutes: detector, distil: longest time of training; of a student by default 5.
        epochs: detector: how often each picture is seen; by default 20 to 200, the fewer the more there are.
        size: detector: side of the windows that it is trained on, in pixels; by default as the pictures suggest.
        turns: detector, sam2, adapt, distil: turn and flip pictures; not where the direction is what makes a defect.
        resume: detector: go on with a run that was stopped.
        seed: draws the pictures where there are more than needed; the same seed gives the same model; by default 0.
        strict: stop at the first picture that cannot be read instead of passing it over.

    Raises:
        KizuError: no labelled picture, an unknown class or split, options of the other mode, or the model file cannot
            be written.
    """
    import time

    from kizu.core.errors import KizuError
    from kizu.core.files import check_writable
    from kizu.core.run import Skips

    began, skips = time.perf_counter(), Skips(strict)
    of_detector = {"model": model, "weights": weights, "val": val}
    of_detector |= {"epochs": epochs, "size": size, "resume": resume or None}
    of_fewshot = {"shots": shots, "matcher": matcher if matcher != "kizu" else None, "network": network}
    of_fewshot |= {"adapt": adapt, "distil": distil, "refine": refine, "refine-with": refine_with}
    of_fewshot |= {"update": update, "remove": remove, "partial": partial or None, "ground": ground, "memory": memory}
    of_fewshot |= {"unknown": unknown}
    given = _given(of_detector)
    if mode == "fewshot" and turns is False and not (matcher == "sam2" or adapt or distil):
        raise KizuError(
            "--no-turns belongs to --mode detector, --matcher sam2, --adapt and --distil: nothing else turns pictures; "
            "leave it out"
        )
    if mode == "fewshot" and given:
        raise KizuError(f"--{next(iter(given))} belongs to --mode detector; give that too, or leave it out")
    others = [name for name, value in of_fewshot.items() if value is not None]
    if mode == "detector" and others:
        raise KizuError(
            f"--{others[0]} belongs to --mode fewshot; leave it out: a detector takes all labelled pictures of the "
            "split train, and outlines as it has learned"
        )
    check_writable(out)
    kept = {"classes": classes, "false_alarms": false_alarms, "seed": seed, "empty_is_clean": empty_is_clean}
    if mode == "detector":
        both = {"backbone": backbone, "minutes": minutes}
        given |= {name: value for name, value in both.items() if value is not None}
        given |= {} if turns is None else {"turns": turns}
        from kizu.detector.options import COMPOSED, Wanted, fit_from

        if dataset is None:
            raise KizuError("no data set is named: kizu fit DATASET --mode detector")
        given |= {"composed": COMPOSED} if augment == "compose" else {}
        common = {"false_alarms": 0.05, "seed": 0, "empty_is_clean": True} | _given(kept)
        common |= {"classes": classes, "split": split, "clean": clean, "skips": skips}
        done, pictures, _ = fit_from(Path(dataset), Path(out), Wanted(**given), **common)
        if done is None:
            return Fitted("this process has done its share; the first one writes the model", None, skips.items)
        inspector = done.inspector
        made = f"{len(pictures.train)} pictures in {done.steps} steps"
        remark = ""
    else:
        from kizu.fewshot.options import Wanted, fit_from

        kept |= {"turns": turns, "augment": augment, "memory": memory, "unknown": unknown}
        wanted = Wanted(
            matcher, _path(network), refine, refine_with, adapt, backbone, distil, minutes, _path(update), remove,
            partial, ground, _given(kept),
        )  # fmt: skip
        inspector, support, remark = fit_from(
            _path(dataset), Path(out), wanted, shots=shots, split=split, clean=clean, skips=skips
        )
        made = f"{len(support.labelled)} labelled and {len(support.clean)} good pictures"
    line = (
        f"fitted {', '.join(inspector.names)} from {made} in {time.perf_counter() - began:.1f} s; written to "
        f"{out}{remark}. "
        f"Next: kizu predict {out} PICTURES RESULTS"
    )
    return Fitted(line, Path(out), skips.items, 0, inspector, dict(inspector.card.figures))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _path(given: Path | str | None) -> Path | None:
    return None if given is None else Path(given)
