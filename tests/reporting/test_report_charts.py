"""Charts: points, ticks, bars, and that text in them stays text."""

import re

import pytest
from report_scenes import make

from kizu.reporting import charts
from kizu.reporting.survey import Survey
from kizu.reporting.svg import Line, bar_chart, line_chart, mirrored_histogram, size_histogram, ticks


def points(svg):
    return [[tuple(map(float, p.split(","))) for p in text.split()] for text in re.findall(r'points="([^"]*)"', svg)]


@pytest.mark.parametrize(
    "low, high, about, expected",
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.105, 3, [0, 0.05, 0.1]),
        (0, 430, 5, [0, 100, 200, 300, 400]),
        (3, 3, 5, [3]),
    ],
)
def test_ticks_are_round_numbers_inside_the_range(low, high, about, expected):
    assert ticks(low, high, about) == pytest.approx(expected)


@pytest.mark.parametrize("count, expected", [(1, 1), (37, 37), (500, 500), (5000, 500)])
def test_lines_have_their_points_and_keep_their_ends(count, expected):
    x = [i / max(count - 1, 1) for i in range(count)]
    drawn = points(line_chart("t", [Line("a", x, x[::-1], "red")], "x", "y").svg)[0]
    assert len(drawn) == expected
    assert all(0 <= px <= 400 and 0 <= py <= 264 for px, py in drawn)
    assert [px for px, _ in drawn] == sorted(px for px, _ in drawn)
    if count > 1:
        assert drawn[0][1] < drawn[-1][1]  # y falls from 1 to 0, and SVG counts downwards


def test_missing_points_are_left_out():
    chart = line_chart("t", [Line("a", [0, 0.5, 1], [1, None, 0], "red")], "x", "y")
    assert len(points(chart.svg)[0]) == 2


def test_histogram_counts_every_value_once():
    above, below = [0.0, 0.1, 0.1, 0.99, 1.0], [0.52]
    chart = mirrored_histogram("t", ("bad", above, "red"), ("good", below, "blue"), "score", (0.5, "here"))
    counts = re.findall(r"<title>(bad|good): (\d+) from", chart.svg)
    assert sum(int(n) for g, n in counts if g == "bad") == 5
    assert sum(int(n) for g, n in counts if g == "good") == 1
    assert "here" in chart.svg
    assert [name for name, *_ in chart.legend] == ["bad (5), above", "good (1), below"]


def test_sizes_are_stacked_and_complete():
    groups = [("a", [1.0, 10.0, 10.5, 300.0], "red"), ("b", [10.2], "blue")]
    chart = size_histogram("t", groups, "px")
    counts = re.findall(r"<title>(a|b): (\d+)</title>", chart.svg)
    assert sum(int(n) for g, n in counts if g == "a") == 4
    assert sum(int(n) for g, n in counts if g == "b") == 1
    size_histogram("t", [("a", [7.0], "red")], "px")  # a single size has a range, too


def test_names_in_charts_are_escaped():
    evil = "</svg><script>"
    for chart in (
        line_chart("t", [Line(evil, [0, 1], [0, 1], "red")], "x", "y"),
        bar_chart("t", [(evil, 3, "red")]),
        mirrored_histogram("t", (evil, [0.1], "red"), ("good", [0.2], "blue"), "x"),
    ):
        assert "<script>" not in chart.svg
        assert "&lt;script&gt;" in chart.svg


def test_an_evaluation_gives_its_three_charts():
    evaluation = make(["clean", "hit", "escape", "false alarm"])[2]
    out = charts.of_evaluation(evaluation)
    assert [chart.title for chart in out] == [
        "False alarms and escapes",
        "Image scores",
        "Precision and recall of pixels",
    ]
    assert [len(p) for p in points(out[0].svg)] == [3, 3]
    assert [len(p) for p in points(out[2].svg)] == [4]
    assert "threshold in force" in out[0].svg
    dashes = re.findall(r'stroke-dasharray="([^"]*)"', out[0].svg)
    assert len(set(dashes)) == 2  # told apart without colour


def test_what_was_not_measured_has_no_chart():
    evaluation = make([])[2]
    evaluation.curves = {"threshold": {"threshold": [], "false_alarm": [], "escape": []}, "pr": {}}
    assert charts.of_evaluation(evaluation) == []
    assert charts.of_survey(Survey(False, [], [[], []], [0, 0]), ("a", "b")) == []
