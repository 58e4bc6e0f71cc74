"""Few-shot fitting with composed pictures: what they are made of, and that none is judged by what was made of it."""

import numpy as np
import pytest
from fewshot_scenes import supported

from kizu.core.errors import KizuError
from kizu.fewshot.fit import fit_fewshot, steps
from kizu.fewshot.members import Members
from kizu.fewshot.options import compose_support
from kizu.fewshot.support import OTHERS, Support


@pytest.fixture(scope="module")
def support(line):
    """Two scratches and three good pictures: enough for folds, and soon fitted."""
    train = line.split("train")
    good = [k for k, sample in enumerate(train) if not len(sample.instances)]
    return supported(train, ["scratch"], shots=2, clean=train[np.array(good[:3])])


@pytest.fixture(scope="module")
def composed(support):
    return compose_support(support, 1)


def test_three_for_each_labelled_picture(support, composed):
    assert len(composed) == 3 * len(support.labelled)
    known = {sample.group or sample.id for sample in [*support.labelled, *support.clean]}
    shown = 0
    for sample in composed:
        assert set(sample.meta["lineage"]) <= known
        labels = sample.instances.labels
        assert all(0 <= label <= len(support.names) for label in labels)
        shown += len(labels)
    assert shown >= len(composed)
    again = compose_support(support, 1)
    assert all(a.image_bytes() == b.image_bytes() for a, b in zip(again, composed, strict=True))
    other = compose_support(support, 2)
    assert any(a.image_bytes() != b.image_bytes() for a, b in zip(other, composed, strict=True))


def test_nothing_is_judged_by_what_was_made_of_it(support, composed, monkeypatch):
    """Each scorer of a fold learns from composed pictures without a held-out one in them, the last from all."""
    sizes, real = [], Members.fit
    monkeypatch.setattr("kizu.fewshot.fit.WORKERS", 1)  # so that fits come in order

    def watched(rows, *rest):
        sizes.append(len(rows))
        return real(rows, *rest)

    monkeypatch.setattr(Members, "fit", watched)
    told = []
    fit_fewshot(support, 0.05, 1, step=lambda: told.append(1), composed=composed)
    assert len(told) == steps(support, len(composed))
    with_composed = sizes.copy()
    sizes.clear()
    fit_fewshot(support, 0.05, 1)
    more = np.array(with_composed) - np.array(sizes)
    assert more[-1] == more.max() > 0
    assert (more[:-1] < more[-1]).all(), "every fold leaves some of them out"


def test_a_fit_with_composed_pictures_still_finds(line, support, composed):
    inspector, _ = fit_fewshot(support, 0.05, 1, composed=composed)
    scratch, seen = line.names.index("scratch"), {sample.id for sample in support.labelled}
    unseen = [s for s in line.split("train") if s.id not in seen and scratch in s.instances.labels]
    assert unseen
    for sample in unseen:
        _, maps = inspector.inspect(sample.image)
        inside = sample.instances.masks[sample.instances.labels == scratch].union()
        assert maps[0][inside].mean() > maps[0][~inside].mean()


def test_classes_that_were_not_asked_for_stay_apart(line):
    one = supported(line, classes=[line.names[0]], shots=2)
    names = (*one.names, OTHERS)
    for sample in compose_support(one, 0):
        segments = sample.instances.attributes.get("segment", [])
        for label, segment in zip(sample.instances.labels, segments, strict=True):
            assert not segment or names[label] == line.names[0], "only what is asked for is put in"


def test_nothing_to_cut_out(support):
    bare = Support(support.names, [], support.clean, len(support.clean))
    with pytest.raises(KizuError, match="no segment is left"):
        compose_support(bare, 0)
