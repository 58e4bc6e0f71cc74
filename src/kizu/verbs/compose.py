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
    empty: float = 0.1,
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
        types: types of the lexicon for drawn, e.g. --types scratch dent; by default all that it can.
        blends: ways to join edges, with weights: hard, feather, pyramid, poisson; by default all alike.
        empty: share of pictures that nothing is put into.
        label: of a defect: change (the pixels that really changed) or planned (the whole mask).
        relight: none, shading (analytic), or iclight (on top of that, where its gates pass).
        model: folder of Stable Diffusion 1.5 for iclight.
        offset: file of the IC-Light weights.
        expressions: write referring expressions, nine or more a picture.
        paraphrase: address of a language model's chat endpoint (OpenAI's protocol), which says them in other words.
        writer: name of that language model.
        scenes: a data set that kizu compose made: its scenes are drawn again, with the label, blends and relight of this
            command.
        to: format to write: shards, coco, yolo, voc, masks, mvtec, labelme, odvg ...
        workers: processes that draw; 0 = one a core.
        engine: pool (this machine) or ray (a cluster, whose machines all see the folder OUT).
        sheet: make the contact sheet.
        strict: stop at the first picture that cannot be made, instead of listing it in skipped.jsonl.

    Raises:
        KizuError: a path, class, layout, option or format that is not there, no segment or background, pictures of val
            or test, a folder that holds something else, a disk without room.
    """
