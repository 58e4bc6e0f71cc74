"""The data card tells what was measured."""

import json
import re

import pytest
from synth_sets import dataset

from kizu import __version__
from kizu.core.errors import KizuError
from kizu.synth.axes import AXES
from kizu.synth.card import data_card
from kizu.synth.statistics import Statistics, measure

INFO = {"title": "Discs | bars", "licence": "Apache-2.0", "origin": "drawn"}
PRESET = {"name": "industrial", "values": {"scene": {"clean": 0.3, "kinds": {"a": 1, "b": 2}}, "sizes": [1, 2]}}
CONFIG = {"formula": 1, "preset": json.dumps(PRESET), "size": [96, 128], "seed": 7}


def bars(text, title):
    """Rows of one histogram: label and percentages."""
    section = text.split(f"### {title[0].upper()}{title[1:]}\n")[1].split("```")[1]
    rows = [re.match(r"\s*(.*?)((?:\s+[\d.]+ % ?[█▏▎▍▌▋▊▉ ]*)+)$", line) for line in section.splitlines()[1:]]
    return [(row[1], [float(v) for v in re.findall(r"([\d.]+) %", row[2])]) for row in rows]


def test_what_stands_on_it():
    data = dataset(12, info=INFO, sizes=(9, 14))
    found = measure(data)
    text, record = data_card(data, found, CONFIG)
    for part in (
        "# Discs | bars",
        "| preset | industrial |",
        "| size | 128 x 96 pixels |",
        "| seed | 7 |",
        "Apache-2.0",
    ):
        assert part in text
    assert f"Kizu {__version__}, formulas version 1" in text and "12 of 12 images" in text
    assert "scene.clean = 0.3" in text and 'scene.kinds = {"a": 1, "b": 2}' in text and "sizes = [1, 2]" in text
    assert "| small share | 100.0 % |" in text and "| defect-free share | 33.3 % |" in text
    assert "visible ratio" not in text.split("## Values")[0]  # not known: nothing is said
    assert re.search(r"^disc +8 █+$", text, re.M)
    assert json.loads(json.dumps(record, allow_nan=False))["figures"] == found.figures()
    assert Statistics.from_json(record["statistics"]).to_json() == found.to_json()
    assert record["preset"] == "industrial" and record["values"] == PRESET["values"] and record["seed"] == 7


@pytest.mark.parametrize("name", ["count", "size", "contrast", "brightness", "noise"])
def test_histograms_add_up(name):
    data = dataset(12, sizes=(9, 14))
    found = measure(data)
    rows = bars(data_card(data, found)[0], AXES[name].title)
    assert sum(share for _, (share,) in rows) == pytest.approx(100, abs=0.06 * len(rows))


def test_numbers_of_instances_stand_one_by_one():
    data = dataset(12, sizes=(9, 14))
    rows = bars(data_card(data, measure(data))[0], AXES["count"].title)
    assert rows == [("0", [33.3]), ("1", [0.0]), ("2", [66.7])]


def test_beside_the_set_that_is_to_be_matched():
    data, other = dataset(12, sizes=(9,)), dataset(12, seed=1, sizes=(20,), level=160)
    found, like = measure(data), measure(other)
    text, record = data_card(data, found, like=like, like_name="line | 3")
    rows = bars(text, AXES["brightness"].title)
    assert all(len(shares) == 2 for _, shares in rows)
    assert [sum(shares[k] for _, shares in rows) for k in (0, 1)] == pytest.approx([100, 100], abs=0.3)
    assert record["distances"] == found.distances(like)
    assert f"moved {record['distances']['size']['moved']:.2f} bins" in text and "line \\| 3" in text
    assert record["like"]["figures"] == like.figures()


def test_unlabelled_pictures_and_a_part_of_them():
    data = dataset(12, labelled=False)
    text, _ = data_card(data, measure(data, limit=4))
    assert "4 of 12 images" in text and "The images are not labelled." in text and "share" not in text.split("##")[1]


def test_a_broken_configuration():
    data = dataset(1)
    with pytest.raises(KizuError, match="preset"):
        data_card(data, measure(data), {"preset": "{"})
