"""``kizu compose``: segments and defects put into pictures, with exact labels."""

from __future__ import annotations

from pathlib import Path

from kizu.core.run import Done


def compose(
    out: Path,
    *,
    segments: Path | None = None,
    backgrounds: str = "clean",
    split: str | None = None,
    classes: list[str] | None = None,
    layout: str = "inplace",
    set: list[str] | None = None,
    count: int = 1000,
    seed: int = 0,
    size: int | str | None = None,
    start: int = 0,
    kind: str = "auto",
    refuse: list[str] | None = None,
    flaws: list[str] | None = None,
    types: list[str] | None = None,
    blends: list[str] | None = None,
    likeness: float = 0.08,
    empty: float = 0.1,
    flip: bool = False,
    blur: list[float] | None = None,
    label: str = "change",
    relight: str = "shading",
    model: Path | None = None,
    offset: Path | None = None,
    expressions: bool = False,
    paraphrase: str | None = None,
    writer: str | None = None,
    scenes: Path | None = None,
    to: str = "shards",
    workers: int = 0,
    engine: str = "pool",
    sheet: bool = True,
    strict: bool = False,
) -> Done:
    """Put real or made defects, or whole objects, into clean pictures: new pictures with masks that are exact.

    Segments are cut out of your labelled pictures (or taken from a bank, see kizu compose bank), put where such things
    occur, given the light of their new place, and labelled by what really changed. Picture i is a function of the
    command and i alone: any number of workers gives the same files, and a run that was stopped goes on where it was
    when the same command is given again. Each picture keeps its scene, from which it can be drawn again (SCENES).

    Args:
        out: the folder to write.
        segments: labelled data set, or a bank of segments; without it defects are made (FLAWS).
        backgrounds: clean (pictures of SEGMENTS without anything on them), all (of SEGMENTS; what is on them stays and
            is labelled), made (surfaces drawn by formula), or the path of a data set or a folder of pictures.
        split: of SEGMENTS and backgrounds, by default train; what is composed is for training, never of val or test.
        classes: put in these classes only; by default all.
        layout: inplace (defects where yours occur), measured (as many, as large and as close as yours), sos or soc
            (objects).
        set: another value for an option of the layout, e.g. --set most=3; may be given again.
        count: pictures to make.
        seed: another one gives other pictures.
        size: 512 for squares, 512x768 for height x width; by default that of each background.
        start: number of the first picture; runs over other numbers never repeat one.
        kind: of all segments: object, defect, or auto.
        refuse: leave out segments that are truncated, blurred, tiny or hidden; by default the last three.
        flaws: what makes a defect, with weights, e.g. --flaws real=3 perlin=1 drawn=1: real (segments), perlin, patch,
            cutpaste, scar, shuffle, drawn (types of the lexicon). By default real, without SEGMENTS perlin, patch and
            drawn.
        types: types of the lexicon for drawn, e.g. --types scratch dent, and TOML files of your own defect types (see
            docs/lexicon.md), e.g. --types own.toml; by default all that it can, your own ones beside them.
        blends: ways to join edges, with weights: hard, feather, pyramid, poisson; by default feather and
            pyramid, whose seams are hardest to tell.
        likeness: share of the segments that may be put on a background: those of surfaces like it.
        empty: share of pictures that nothing is put into.
        flip: mirror backgrounds at random, left-right and upside-down; places and light are then no more as learned.
        blur: one blur over the whole picture, its deviation in pixels: a number, or a range, e.g. --blur 0 1.2.
        label: of a defect: change (the pixels that really changed) or planned (the whole mask).
        relight: none, shading (analytic), or iclight (on top of that, where its gates pass).
        model: folder of Stable Diffusion 1.5 for iclight.
        offset: file of the IC-Light weights.
        expressions: write referring expressions, nine or more a picture.
        paraphrase: address of a language model's chat endpoint (OpenAI's protocol), which says them in other words;
            what then means something else is dropped. One process asks; answers are kept in OUT-paraphrases.jsonl.
        writer: name of that language model.
        scenes: a data set that kizu compose made: its scenes are drawn again, with label, blends and relight as asked
            here.
        to: format to write: shards, coco, yolo, voc, masks, mvtec, labelme, odvg ...
        workers: processes that draw; 0 = one a core.
        engine: pool (this machine) or ray (a cluster, whose machines all see the folder OUT).
        sheet: make the contact sheet.
        strict: stop at the first picture that cannot be made, instead of listing it in skipped.jsonl.

    Raises:
        KizuError: a path, class, layout, option or format that is not there, no segment or background, pictures of val
            or test, a folder that holds something else, a disk without room.
    """
    from kizu.core.dataset import Dataset
    from kizu.core.errors import KizuError
    from kizu.core.run import Skips
    from kizu.core.threads import single_threaded
    from kizu.synth.compose.flaws.drawable import chosen
    from kizu.synth.compose.material import REFUSED, gather
    from kizu.synth.compose.options import MADE_UP, REAL, USUAL, Options
    from kizu.synth.compose.source import Composition, check_scenes
    from kizu.synth.formula import presets
    from kizu.synth.frame import frame_size
    from kizu.synth.publish import ENGINES, Target, publish

    out = Path(out)
    if engine not in ENGINES:
        raise KizuError(f"engine {engine!r}: it is {' or '.join(ENGINES)}")
    frame = None if size is None else frame_size(size)
    names, recipes = chosen(types or ())
    options = Options(
        layout=layout,
        laid=presets.values(presets.changes(set)),
        size=frame,
        flaws=_weights("flaws", flaws) or ({REAL: 1.0} if segments is not None else dict(MADE_UP)),
        types=names,
        recipes=recipes,
        blends=_weights("blends", blends) or dict(USUAL),
        likeness=likeness,
        empty=empty,
        flip=flip,
        blur=_range("blur", blur),
        light=relight,
        label=label,
        expressions=9 if expressions or paraphrase else 0,
    )
    named = {"segments": _path(segments), "backgrounds": backgrounds, "split": split, "classes": classes, "kind": kind}
    named |= {"refuse": refuse, "scenes": _path(scenes), "paraphrase": [paraphrase, writer] if paraphrase else None}
    asked = {"options": options.to_json(), "count": count, "seed": seed, "start": start, "to": to} | named
    asked |= {"iclight": [_path(model), _path(offset)] if relight == "iclight" else None}
    target = Target(out, "compose", asked, to)
    there = f"{count} composed pictures are in {out} already; there was nothing to do."
    if target.done:
        return Done(there, out)
    paraphraser = _paraphraser(out, paraphrase, writer)
    relighter = _relighter(relight, model, offset)
    again = None if scenes is None else check_scenes(Dataset.open(scenes))
    skips = Skips(strict)
    with single_threaded():
        found = gather(
            segments, backgrounds, skips, split=split, classes=classes, kind=kind,
            refuse=REFUSED if refuse is None else tuple(refuse), size=frame, seed=seed,
        )  # fmt: skip
    number = count if again is None else len(again)
    source = Composition(
        found.stock,
        found.backgrounds,
        found.prior,
        options,
        number,
        seed,
        start,
        relighter=relighter,
        scenes=again,
        surfaces=found.surfaces,
        paraphraser=paraphraser,
    )
    written = publish(source, target, found.info, 1 if paraphrase else workers, engine, sheet=sheet, strict=strict)
    if target.there and not written.made:
        return Done(there, out, written.skipped)
    done = number - len(written.skipped)
    speed = f" at {written.made / written.seconds:.0f} a second" if written.made else ""
    what = f"{len(found.stock)} segments on " if found.stock is not None else ""
    line = f"{done} {'picture' if done == 1 else 'pictures'} composed of {what}{len(found.backgrounds)} backgrounds "
    line += f"{'was' if done == 1 else 'were'} written to {out}{speed} ({written.bytes / 1e6:.0f} MB; seed {seed}). "
    if paraphraser is not None:
        line += f"Of {paraphraser.counts.total() - paraphraser.counts['cached']} expressions "
        line += f"{paraphraser.counts['kept']} are said in other words, too. "
    line += f"What is in them: {out / 'card.md'}."
    return Done(line, out, [*skips.items, *written.skipped])


def _path(path: Path | None) -> str | None:
    return None if path is None else str(Path(path).resolve())


def _weights(what: str, texts: list[str] | None) -> dict[str, float]:
    """``name=weight`` or ``name`` texts as a table. Raises KizuError for a weight that is no number."""
    from kizu.core.errors import KizuError

    out = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        try:
            out[name.strip()] = float(value) if equals else 1.0
        except ValueError as error:
            raise KizuError(f"--{what} {text}: write it as name or name=weight, e.g. --{what} {name}=2") from error
    return out


def _range(what: str, values: list[float] | None) -> tuple[float, float]:
    """A range of one number or of two. Raises KizuError for more."""
    from kizu.core.errors import KizuError

    if not values:
        return 0.0, 0.0
    if len(values) > 2:
        raise KizuError(f"--{what} {' '.join(map(str, values))}: it is a number, or the ends of a range, e.g. 0 1.2")
    return float(values[0]), float(values[-1])


def _relighter(relight: str, model: Path | None, offset: Path | None):
    from kizu.core.errors import KizuError

    if relight != "iclight":
        if model is not None or offset is not None:
            raise KizuError("--model and --offset belong to --relight iclight")
        return None
    if model is None or offset is None:
        raise KizuError("--relight iclight needs --model (a folder of Stable Diffusion 1.5) and --offset (IC-Light)")
    from kizu.synth.compose.relight.pipeline import Relighter

    made = Relighter(model, offset)
    made.load()  # what is missing is told now, not by a worker
    return made


def _paraphraser(out: Path, paraphrase: str | None, writer: str | None):
    from kizu.core.errors import KizuError

    if (paraphrase is None) != (writer is None):
        raise KizuError("--paraphrase (the address) and --writer (the name of the language model) belong together")
    if paraphrase is None:
        return None
    from kizu.synth.compose.refer.chat import Chat
    from kizu.synth.compose.refer.paraphrase import Paraphraser

    return Paraphraser(Chat(paraphrase, writer), out.with_name(f"{out.name}-paraphrases.jsonl"))
