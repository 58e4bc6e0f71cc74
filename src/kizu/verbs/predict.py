"""``kizu predict``: run an inspector over pictures."""

from __future__ import annotations

from pathlib import Path

from kizu.core.run import Done


def predict(
    model: Path,
    images: Path,
    out: Path,
    *,
    split: str | None = None,
    min_score: float = 0.5,
    score_maps: bool = True,
    embed: bool = False,
    resume: bool = False,
    strict: bool = False,
) -> Done:
    """Inspect pictures and write what was found as a data set. "Nothing here" is the usual answer.

    Args:
        model: an inspector made by kizu fit.
        images: a folder of pictures, one picture, or a data set of any format that Kizu reads.
        out: the folder to write.
        split: take the pictures of this split only (train, val, test).
        min_score: scores from which finds are kept; 0.5 is the threshold in force, lower values add candidates.
        score_maps: store the score of every pixel too; pixel figures and heat maps need it.
        embed: store the pictures in the folder too, so that it can be moved to another machine.
        resume: go on in a folder that a killed run left.
        strict: stop at the first picture that cannot be read instead of passing it over.

    Raises:
        KizuError: the model or the pictures cannot be opened, or the folder is in use.
    """
    import time

    from kizu.core.dataset import Dataset
    from kizu.core.errors import KizuError
    from kizu.core.inspector import Inspector
    from kizu.core.shards import HEADER
    from kizu.inspection.predict import predict_dataset

    began = time.perf_counter()
    inspector = Inspector.load(model)
    data = Dataset.open(images).split(split)
    if not 0 < min_score <= 1:
        raise KizuError(f"min score {min_score} is not in 0..1; 0.5 is the threshold in force")
    if (Path(out) / HEADER).exists() and not resume:
        raise KizuError(f"{out} holds predictions already; name another folder, or go on in it with --resume")
    _, skips, fired = predict_dataset(
        inspector, data, Path(out), min_score=min_score, score_maps=score_maps, embed=embed, strict=strict,
        about={"split": split} if split else None,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    line = (
        f"inspected {len(data) - len(skips.items)} pictures in {seconds:.1f} s, something found on {fired}; "
        f"written to {out}. Next: kizu report {out}"
    )
    return Done(line, Path(out), skips.items)
