"""More examples, or fewer, one update after the other: the same model as from all these pictures at once."""

import signal
import subprocess
import sys

import numpy as np
import pytest
from fewshot_scenes import surface
from hypothesis import given, settings
from hypothesis import strategies as st

import kizu
from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.core.run import Skips
from kizu.fewshot.fit import fit_fewshot
from kizu.fewshot.memory import Memory
from kizu.fewshot.support import CLASSES, MOST_CLEAN, Support, choose_support
from kizu.fewshot.update import merged

NAMES = ("disc", "spot")
SIZE = (24, 30)


def picture(i, label=0, version=0):
    """A labelled picture of a class, or, with label None, a good one; ``version`` changes its pixels."""
    spots = [] if label is None else [(9 + i % 5, 9 + i % 11)]
    sample = surface(100 * version + i, spots, SIZE, label or 0, f"{'good' if label is None else 'bad'}{i}.png")
    return sample.replace(group=f"part {i // 2}")


POOL = [picture(i, i % 2) for i in range(6)] + [picture(i, None) for i in range(4)]


def support_of(samples, classes=None, some=False):
    return choose_support(Dataset(samples, NAMES), classes, None, None, 0, Skips(), some=some)


def state(support):
    """All that a fit can see of a support."""
    return support.names, [
        (s.id, s.group, s.instances.labels.tolist(), s.instances.masks.codes(), s.image.tobytes())
        for s in (*support.labelled, *support.clean)
    ]


steps = st.lists(
    st.tuples(st.sets(st.sampled_from(range(len(POOL))), max_size=4), st.sets(st.sampled_from(range(len(POOL))))),
    min_size=1,
    max_size=4,
)


def walked(first, moves):
    """A support after updates, each by way of a memory, and the pictures that ought to be in it."""
    held = {0: POOL[0]} | {k: POOL[k] for k in first}
    support = support_of(list(held.values()))
    for add, remove in moves:
        gone = [k for k in remove if k in held and k != 0]
        new = support_of([POOL[k] for k in sorted(add, reverse=True)], some=True) if add else None
        support, changes = merged(Memory.of(support, {}).support(), new, [POOL[k].id for k in gone])
        held = {k: sample for k, sample in held.items() if k not in gone}
        assert (changes.added, changes.removed) == (len(add - set(held)), len(gone))
        assert changes.replaced == len(add & set(held))
        held |= {k: POOL[k] for k in add}
    return support, held


@given(st.sets(st.sampled_from(range(len(POOL)))), steps)
def test_updates_end_where_one_fit_to_all_would_begin(first, moves):
    support, held = walked(first, moves)
    at_once = support_of([held[k] for k in sorted(held)], support.names)
    assert state(support) == state(at_once)


@settings(max_examples=2)
@given(st.sets(st.sampled_from([2, 4, 6, 7]), min_size=1), steps)
def test_the_model_is_the_same_array_by_array(first, moves):
    support, held = walked(first, moves)
    at_once = support_of([held[k] for k in sorted(held, reverse=True)], support.names)
    (arrays, settings_), (wanted, wanted_settings) = (fit_fewshot(s)[0].state() for s in (support, at_once))
    assert arrays.keys() == wanted.keys()
    for name, values in arrays.items():
        assert np.array_equal(values, wanted[name]) and values.dtype == wanted[name].dtype, name
    assert settings_ == wanted_settings


# --- what takes the place of what ---

OLD = support_of([*(picture(i) for i in range(3)), *(picture(i, None) for i in range(3))])


def ids(samples):
    return [sample.id for sample in samples]


def test_a_picture_of_the_same_id_takes_the_place_of_the_old_one():
    again = picture(1, version=1)
    support, changes = merged(OLD, support_of([again]))
    assert ids(support.labelled) == ["bad0.png", "bad1.png", "bad2.png"]
    assert np.array_equal(support.labelled[1].image, again.image)
    assert str(changes) == "1 replaced"


@pytest.mark.parametrize(
    ("version", "good"), [(0, ["good0.png", "good2.png"]), (1, ["good0.png", "good1.png", "good2.png"])]
)
def test_a_good_picture_that_is_labelled_now_is_no_longer_good_unless_it_is_another(version, good):
    now = picture(1, None, version)
    found = picture(1).instances
    support, changes = merged(OLD, support_of([now.replace(instances=found)]))
    assert ids(support.clean) == good
    assert ids(support.labelled) == ["bad0.png", "bad1.png", "bad2.png", "good1.png"]
    assert (changes.added, changes.replaced) == (version, 1 - version)


def test_a_labelled_picture_may_turn_out_good():
    now = picture(1).replace(instances=picture(0, None).instances)
    support, changes = merged(OLD, Support((), [], [now]))
    assert (ids(support.labelled), str(changes)) == (["bad0.png", "bad2.png"], "1 replaced")
    assert "bad1.png" in ids(support.clean)


def test_classes_come_and_go():
    more, _ = merged(OLD, support_of([picture(7, 1), picture(8, 1)]))
    assert more.names == ("disc", "spot")
    assert ids(more.labelled) == ["bad0.png", "bad1.png", "bad2.png", "bad7.png", "bad8.png"]
    assert [s.instances.labels.tolist() for s in more.labelled] == [[0], [0], [0], [1], [1]]
    less, _ = merged(more, None, ids(OLD.labelled))
    assert (less.names, ids(less.labelled)) == (("spot",), ["bad7.png", "bad8.png"])
    assert [s.instances.labels.tolist() for s in less.labelled] == [[0], [0]]
    other, _ = merged(more, None, (), ["spot", "disc"])
    assert (other.names, other.labelled[0].id) == (("spot", "disc"), "bad7.png")


def test_what_was_another_class_can_be_found_later():
    alone = support_of([picture(0), picture(7, 1), picture(8).replace(instances=picture(8, 1).instances)], ["disc"])
    assert alone.labelled[0].meta[CLASSES] == ["disc"]
    both = picture(0)
    found = both.instances.replace(labels=np.array([1]))
    alone = support_of(
        [both, picture(3).replace(instances=kizu.Instances.concat([picture(3).instances, found]))], ["disc"]
    )
    wide, _ = merged(Memory.of(alone, {}).support(), None, (), ["disc", "spot"])
    assert [s.instances.labels.tolist() for s in wide.labelled] == [[0], [0, 1]]


def test_too_many_good_pictures():
    many = [picture(0, None).replace(id=f"{i:04d}.png") for i in range(MOST_CLEAN + 5)]
    support, _ = merged(OLD, Support((), [], many))
    assert len(support.clean) == MOST_CLEAN
    assert support.clean_there == MOST_CLEAN + 8
    assert ids(support.clean) == sorted(ids(support.clean))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"remove": ["bad11.png"]},
            r"--remove bad11.png: no remembered example has this id; the nearest are bad1.png, ",
        ),
        ({"remove": ids(OLD.labelled)}, "no labelled picture that shows a class would be left"),
        ({"classes": ["dent"], "strict": True}, "class 'dent' has no labelled picture here"),
        ({"classes": ["dent"]}, "no labelled picture that shows a class would be left"),
    ],
    ids=str,
)
def test_what_cannot_be_merged(options, message):
    with pytest.raises(KizuError, match=message):
        merged(OLD, **options)


def test_what_is_known_of_the_data_sets_is_told_of_both():
    old = Support(OLD.names, OLD.labelled, [], 0, {"title": "day 1", "licence": "CC0"})
    new = Support(
        ("disc",), support_of([picture(9)]).labelled, [], 0, {"title": "day 2", "licence": "CC0", "origin": "line 3"}
    )
    support, _ = merged(merged(old, new)[0], new)
    assert support.info == {"title": "day 1; day 2", "licence": "CC0", "origin": "line 3"}


# --- the verb ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data sets old, new and all, a model of the first one, and one without examples."""
    root = tmp_path_factory.mktemp("update")
    old = [picture(0), picture(2), picture(0, None), picture(1, None)]
    new = [picture(3), picture(2, None)]
    for name, samples in (("old", old), ("new", new), ("all", [*new, *old])):
        Dataset(samples, NAMES[:1]).write(root / name, "coco")
    kizu.fit(root / "old", out=root / "old.kizu", false_alarms=0.2, refine="edges")
    bare = Inspector.load(root / "old.kizu")
    bare.memory = None
    bare.save(root / "bare.kizu")
    return root


def test_the_verb_gives_the_same_model_as_one_fit(folder, tmp_path):
    """All of it, but for the ids of the COCO records in what is remembered: those of each data set are its own."""
    done = kizu.fit(folder / "new", update=folder / "old.kizu", out=tmp_path / "new.kizu")
    at_once = kizu.fit(folder / "all", out=tmp_path / "all.kizu", false_alarms=0.2, refine="edges").inspector
    (arrays, told), (wanted, wanted_told) = done.inspector.state(), at_once.state()
    assert arrays.keys() == wanted.keys()
    assert [name for name, values in arrays.items() if not np.array_equal(values, wanted[name])] == ["memory.examples"]
    assert (told, done.inspector.card) == (wanted_told, at_once.card)
    assert state(done.inspector.memory.support()) == state(at_once.memory.support())
    assert "from 3 labelled and 3 good pictures" in done.line
    assert f"written to {tmp_path / 'new.kizu'} (2 added)." in done.line
    done = kizu.fit(update=tmp_path / "new.kizu", remove=["bad3.png", "good2.png"], out=tmp_path / "new.kizu")
    assert "(2 removed)" in done.line
    assert (tmp_path / "new.kizu").read_bytes() == (folder / "old.kizu").read_bytes()


def test_options_that_are_given_take_the_place_of_the_old_ones(folder, tmp_path):
    done = kizu.fit(update=folder / "old.kizu", false_alarms=0.3, refine="none", memory=False, out=tmp_path / "m.kizu")
    assert "(none added or removed)" in done.line
    loaded = Inspector.load(tmp_path / "m.kizu")
    assert (loaded.refiner, loaded.memory) == (None, None)
    assert "30.0% of good pictures" in loaded.card.threshold_method
    assert "20.0% of good pictures" in Inspector.load(folder / "old.kizu").card.threshold_method


def test_strokes_on_new_pictures(folder, tmp_path):
    """A false alarm is drawn over as ground, and the picture is not taken for a good one."""
    fresh = surface(50, [(12, 14)], SIZE, 1, "fresh.png")
    Dataset([fresh], ("disc", "fine")).write(tmp_path / "strokes", "coco")
    common = {"update": folder / "old.kizu", "out": tmp_path / "m.kizu", "partial": True}
    kizu.fit(tmp_path / "strokes", ground="fine", **common)
    inspector = Inspector.load(tmp_path / "m.kizu")
    assert inspector.names == ("disc",)
    assert "1 of 3 labelled pictures are labelled in part" in " ".join(inspector.card.notes)
    odds = [Inspector.load(path).inspect(fresh.image)[1][0][12, 14] for path in (folder / "old.kizu", common["out"])]
    assert odds[1] < odds[0]
    with pytest.raises(KizuError, match="--ground nothing: this data set has no such class, but disc, fine"):
        kizu.fit(tmp_path / "strokes", ground="nothing", **common)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no data set is named"),
        ({"update": "bare.kizu", "remove": ["a"]}, r"bare.kizu: remembers no examples .*fit it anew with --memory"),
        ({"update": "old.kizu", "shots": 1}, "--shots says which pictures of a data set are taken"),
        ({"update": "old.kizu", "partial": True}, "--partial says which pictures"),
        ({"update": "old.kizu", "matcher": "gfds"}, "--update belongs to --matcher kizu"),
        ({"update": "old.kizu", "classes": ["dent"]}, "class 'dent' has no labelled picture"),
        ({"update": "old.kizu", "mode": "detector"}, "--update belongs to --mode fewshot"),
        ({"dataset": "new", "remove": ["a"]}, "--remove takes examples from the model that --update names"),
        ({"dataset": "new", "ground": "a"}, "--ground belongs to --partial"),
        ({"dataset": "new", "adapt": 0}, "--adapt 0"),
        ({"mode": "detector"}, "no data set is named"),
    ],
    ids=str,
)
def test_what_is_refused(folder, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(folder)
    with pytest.raises(KizuError, match=message):
        kizu.fit(**options, out=tmp_path / "m.kizu")
    assert not list(tmp_path.iterdir())


def test_an_adapted_model_wants_to_know_whether_to_adapt_again(folder, tmp_path):
    inspector = Inspector.load(folder / "old.kizu")
    inspector.memory.options["adapt"] = 4.0
    inspector.save(tmp_path / "old.kizu")
    with pytest.raises(KizuError, match=r"adapted for 4 minutes.*anew with --adapt 4, or leave it out with --adapt 0"):
        kizu.fit(update=tmp_path / "old.kizu", out=tmp_path / "m.kizu")
    kizu.fit(update=tmp_path / "old.kizu", adapt=0, out=tmp_path / "m.kizu")
    assert (tmp_path / "m.kizu").read_bytes() == (folder / "old.kizu").read_bytes()


# Kills itself (signal 9) when the model, which is not fitted here, is to take the place of the one that it comes from.
KILLER = """
import os, signal, sys
import kizu, kizu.fewshot.options as options
model = kizu.Inspector.load(sys.argv[1])
options.fit_fewshot = lambda *_, **__: (model, [])
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
kizu.fit(update=sys.argv[1], remove=["good1.png"], out=sys.argv[1])
"""


def test_a_kill_in_the_middle_leaves_the_old_model(folder, tmp_path):
    path, data = tmp_path / "m.kizu", (folder / "old.kizu").read_bytes()
    path.write_bytes(data)
    done = subprocess.run([sys.executable, "-c", KILLER, str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert path.read_bytes() == data
    assert len(Inspector.load(path).memory.support().clean) == 2
