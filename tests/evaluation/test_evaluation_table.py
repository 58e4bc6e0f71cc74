"""The table, CSV and JSON of an evaluation."""

import csv
import io

import pytest
from rich.console import Console

from kizu.evaluation import Evaluation, Figure
from kizu.evaluation.table import percent, print_table, to_csv, write_figures


def made(names=("scratch", "dent [old]")):
    figures = [
        Figure("segmentation", "mIoU", value=0.4123, low=0.36, high=0.461),
        Figure("segmentation", "FB-IoU", value=0.7),
        Figure("segmentation", "IoU", value=0.5),
        Figure("segmentation", "IoU", names[0], 0.4123, low=0.36, high=0.461),
        Figure("box AP", "AP", value=1.0),
        Figure("box AP", "AP", names[0], 1.0),
    ]
    figures += [Figure("segmentation", "IoU", name, why="no truth of this class") for name in names[1:]]
    figures += [Figure("box AP", "AP", name, why="no truth of this class") for name in names[1:]]
    return Evaluation(names, {"images": 3}, figures, notes=["one [bold]note"])


def text(evaluation):
    out = io.StringIO()
    print_table(evaluation, Console(file=out, width=100))
    return out.getvalue()


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (Figure("box AP", "AP", value=0.4123), "41.2"),
        (Figure("box AP", "AP", value=0.4123, low=0.36, high=0.461), "41.2 (36.0-46.1)"),
        (Figure("box AP", "AP", value=0.0, low=0.0, high=0.07), "0.0 (0.0-7.0)"),
        (Figure("box AP", "AP", value=None, why="no truth"), "–"),
    ],
)
def test_percent(figure, shown):
    assert percent(figure) == shown


def test_table_shows_figures_reasons_and_notes():
    shown = text(made())
    assert max(len(line) for line in shown.splitlines()) <= 100
    row = next(line for line in shown.splitlines() if line.strip().startswith("scratch"))
    assert "41.2 (36.0-46.1)" in row
    assert "– no truth of this class: segmentation IoU of dent [old]; box AP AP of dent [old]" in shown
    assert "* one [bold]note" in shown and "any defect" in shown and "mean of classes" in shown
    assert "mask AP, %" not in shown  # was not measured


def test_one_class_has_no_summary_rows():
    shown = text(made(("scratch",)))
    assert "any defect" not in shown and "mean of classes" not in shown


def test_files(tmp_path):
    evaluation = made()
    write_figures(evaluation, tmp_path / "new")
    read = Evaluation.from_json((tmp_path / "new" / "evaluation.json").read_text("utf-8"))
    assert read == evaluation
    rows = list(csv.DictReader(io.StringIO((tmp_path / "new" / "figures.csv").read_text("utf-8"))))
    assert len(rows) == len(evaluation.figures) and to_csv(evaluation).count("\n") == len(rows) + 1
    assert rows[0] == {
        "group": "segmentation", "name": "mIoU", "class": "", "value": "0.412300", "low": "0.360000",
        "high": "0.461000", "why": "",
    }  # fmt: skip
    assert (rows[-1]["value"], rows[-1]["why"]) == ("", "no truth of this class")
