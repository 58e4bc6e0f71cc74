"""``kizu demo``: the whole story on a laptop."""

from __future__ import annotations

from pathlib import Path

from kizu.core.run import Done

_MARK = "made-by-kizu-demo"
_SIZE = 320  # pixels a side of made pictures


def demo(
    out: Path = Path("kizu-demo"),
    *,
    data: Path | None = None,
    shots: int = 5,
    images: int = 180,
    seed: int = 0,
) -> Done:
    """Run the whole story: make a product line, fit from a few labels, predict, evaluate, report.

    Args:
        out: the folder to write; one that an earlier demo made is made anew.
        data: a labelled data set of your own in place of the made one.
        shots: labelled pictures a class to fit from.
        images: pictures of the made product line, a third of them for the test.
        seed: of the made product line and of the fit.

    Raises:
        KizuError: the folder holds something else, or the data set cannot be used.
    """
    import time

    from rich.console import Console

    from kizu.verbs.evaluate import evaluate
    from kizu.verbs.fit import fit
    from kizu.verbs.generate import generate
    from kizu.verbs.predict import predict
    from kizu.verbs.report import report

    began = time.perf_counter()
    console = Console(stderr=True, highlight=False)
    _check(Path(out), data, shots, images, seed)
    out = _fresh(Path(out))

    def tell(step: int, what: str, command: str) -> None:
        console.print(f"\n[bold]{step}/5 {what}[/bold]")
        if command:
            console.print(f"    {command}", style="cyan", soft_wrap=True)

    if data is None:
        source, fit_split, test_split = out / "line", "train", "test"
        keys = f"--preset line --count {images} --size {_SIZE} --seed {seed} --to coco"
        tell(
            1, f"Making {images} pictures of a product line, about half of them good", f"kizu generate {source} {keys}"
        )
        generate(source, preset="line", count=images, size=_SIZE, seed=seed, to="coco")
    else:
        tell(1, f"Opening {data}", f"kizu check {data}")
        source, fit_split, test_split = _splits(Path(data), out)
        if source != Path(data):
            console.print(f"    It has no splits: {source} fits on one half and tests on the other.")
    fit_keys, test_keys = (f" --split {name}" if name else "" for name in (fit_split, test_split))
    model, results = out / "model.kizu", out / "results"

    tell(
        2,
        f"Fitting from {shots} labelled pictures a class",
        f"kizu fit {source} --shots {shots}{fit_keys} --out {model}",
    )
    fit(source, shots=shots, split=fit_split, out=model, seed=seed)

    tell(3, "Inspecting pictures that it has not seen", f"kizu predict {model} {source} {results}{test_keys}")
    predicted = predict(model, source, results, split=test_split)
    console.print(f"    {predicted}", soft_wrap=True)

    page, title = out / "report.html", f"Inspection report: {Path(data or source).name}"
    if test_split:
        tell(4, "Measuring against the truth", f"kizu evaluate {results} {source}{test_keys}")
        evaluated = evaluate(results, source, split=test_split, partial=bool(predicted.skipped))
        measured = evaluated.line
        predicted.skipped += evaluated.skipped
        tell(5, "Writing the report", f"kizu report {results} --truth {source}{test_keys} --out {page}")
        report(results, truth=source, split=test_split, out=page, title=title, partial=bool(predicted.skipped))
    else:
        measured = "not measured: every labelled picture was needed for the fit"
        tell(4, "Nothing to measure on: every labelled picture was needed for the fit", "")
        tell(5, "Writing the report", f"kizu report {results} --out {page}")
        report(results, out=page, title=title)

    console.print(
        "\n[bold]Now your own pictures[/bold] (COCO, YOLO, VOC, labelme or PNG masks; five labelled ones do):\n"
        "    kizu check  line3/\n"
        "    kizu fit    line3/ --clean line3/good --out line3.kizu\n"
        "    kizu predict line3.kizu today/ results/\n"
        "    kizu report results/\n",
        style="cyan",
    )
    line = f"demo done in {time.perf_counter() - began:.0f} s ({measured}); open {page.resolve()} in a browser"
    return Done(line, page, predicted.skipped)


def _check(out: Path, data: Path | None, shots: int, images: int, seed: int) -> None:
    """Raise KizuError before anything is deleted or made."""
    from kizu.core.errors import KizuError

    if shots < 1 or seed < 0:
        raise KizuError(f"{shots} shots and seed {seed}: take one shot or more, and a seed from 0 on")
    if data is None and images < 20:
        raise KizuError(f"{images} pictures are too few to fit and to test; take 20 or more")
    if data is not None and not Path(data).exists():
        raise KizuError(f"{data}: no such file or folder; check the path")
    if data is not None and out.resolve() in (Path(data).resolve(), *Path(data).resolve().parents):
        raise KizuError(f"{data} lies in {out}, which is emptied first; name another folder to write")


def _fresh(out: Path) -> Path:
    """The folder of the demo, emptied if an earlier demo made it."""
    import shutil

    from kizu.core.errors import KizuError
    from kizu.core.files import make_folder, write_error, write_text

    if out.is_dir() and any(out.iterdir()):
        if not (out / _MARK).exists():
            raise KizuError(f"{out} holds other files; name another folder, e.g. kizu demo my-demo")
        try:
            shutil.rmtree(out)
        except OSError as error:
            raise write_error(out, error) from error
    make_folder(out)
    write_text(out / _MARK, "A folder that kizu demo made; it may be deleted.\n")
    return out


def _splits(source: Path, out: Path) -> tuple[Path, str | None, str | None]:
    """The data set with the splits to fit and to test on.

    A set without such splits is halved, groups of near-duplicates kept together, labelled and good pictures alike; the
    halves are written as shards that point at the pictures. With a single labelled picture there is nothing to halve.
    """
    from kizu.core.dataset import Dataset
    from kizu.core.run import Skips

    data = Dataset.open(source)
    test = next((name for name in ("test", "val") if name in data.splits), None)
    if "train" in data.splits and test:
        return source, "train", test
    skips, seen, halved = Skips(), {}, []
    for i in range(len(data)):
        with skips.item(str(i)):  # a broken picture is met again, and listed, by the run itself
            sample = data[i]
            kind = (bool(len(sample.instances)), sample.labelled)
            groups = seen.setdefault(kind, {})
            place = groups.setdefault(sample.group or sample.id, len(groups))
            halved.append(sample.replace(split="test" if place % 2 else "train", size=sample.size))
    if len(seen.get((True, True), ())) < 2:
        return source, None, None
    Dataset(halved, data.names, data.info).write(out / "halves", "shards", embed=False)
    return out / "halves", "train", "test"
