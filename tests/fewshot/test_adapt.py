"""Adapting to a support: what each network may learn, who judges whom, and the file of what comes out."""

import numpy as np
import pytest
from fewshot_scenes import supported, surface

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.fewshot.adapt import adapt
from kizu.fewshot.fit import fit_fewshot
from kizu.fewshot.holdout import Parting, one_half, truth_of
from kizu.fewshot.mix import CANDIDATES, MEMBERS, Mix, choose_with_decoder

pytest.importorskip("torch")
pytest.importorskip("onnx")


def discs(*places, names=("disc",), labels=None):
    """A support of one picture for each list of places, and two good ones."""
    labels = labels or [0] * len(places)
    samples = [surface(k, spots, label=label) for k, (spots, label) in enumerate(zip(places, labels, strict=True))]
    return supported(Dataset([*samples, surface(8), surface(9)], names))


@pytest.fixture
def watched(monkeypatch):
    """What each network learns from and is judged by, without any training or export."""
    from kizu.detector.nets.engine import TorchSession
    from kizu.fewshot.decoder import Decoder
    from kizu.fewshot.nets import adapt_task
    from kizu.pretrain.nets import short

    seen, real = [], adapt_task.fine_tune

    def noted(samples, held, *rest):
        seen.append((samples, held))
        return real(samples, held, *rest)

    monkeypatch.setattr(adapt_task, "fine_tune", noted)
    monkeypatch.setattr(short, "train", _untrained)
    monkeypatch.setattr(adapt_task, "export_dense", lambda module: module)
    monkeypatch.setattr(Decoder, "of", lambda module: Decoder(TorchSession(module)))
    return seen


def _untrained(task, folder, plan, strict):
    """A run of no length: the weights as they were."""
    from types import SimpleNamespace

    from kizu.models.store import arrays_of, save_weights

    folder.mkdir()
    arrays = {k: v for part, child in task.model.named_children() for k, v in arrays_of(child, part).items()}
    save_weights(folder / "weights.safetensors", arrays, task.architecture, task.card())
    figures = task.validate(task.model.eval()) | {"step": 1}
    return SimpleNamespace(weights=folder / "weights.safetensors", figures=figures, steps=2)


def test_no_network_is_judged_by_what_it_has_seen(watched):
    support = discs([(20, 20)], [(40, 30)], [(30, 60)])
    done = adapt(support, None, steps=1)
    assert done.parting.count == 2
    (first, second, last) = watched
    for samples, held in (first, second):
        images = [sample.image.tobytes() for sample in samples]
        assert held
        assert all(item.image.tobytes() not in images for item in held)
        assert all(item.judged == {0} for item in held)
    every = {sample.image.tobytes() for sample in [*support.labelled, *support.clean]}
    assert {sample.image.tobytes() for sample in last[0]} == every
    assert not last[1]
    judged = {item.image.tobytes() for _, held in (first, second) for item in held}
    assert judged == {sample.image.tobytes() for sample in support.labelled}


def test_a_class_on_one_picture_is_learned_and_judged_half_by_half(watched):
    support = discs([(20, 20)], [(40, 30)], [(30, 60)], names=("disc", "ring"), labels=[0, 0, 1])
    adapt(support, None, steps=1)
    only = next(i for i, sample in enumerate(support.labelled) if 1 in sample.instances.labels)
    image, truth = support.labelled[only].image, truth_of(support.labelled[only], 2)
    fold = Parting.of(support.labelled, support.clean, 2, most=2).of_labelled[only]
    samples, held = watched[fold]
    (learned,) = [sample for sample in samples if sample.image.tobytes() == image.tobytes()]
    (judged,) = [item for item in held if item.image.tobytes() == image.tobytes() and item.judged == {1}]
    first = learned.instances.masks[learned.instances.labels == 1].union()
    assert (first == one_half(truth, {1}, 0)[1]).all()
    assert not (first & judged.truth[1]).any()
    assert ((first | judged.truth[1]) == truth[1]).all()
    # Of the other half nothing is said, neither in learning nor in judging.
    assert (learned.instances.masks[learned.instances.labels == 2].union() == judged.truth[1]).all()
    assert (judged.truth[-1] == first).all()


@pytest.fixture(scope="module")
def fitted():
    """A support, its decoders after a few steps, the inspector, and the last network as it was before its export."""
    from kizu.fewshot.nets import adapt_task

    support, modules, real = discs([(20, 20)], [(40, 30), (15, 60)]), [], adapt_task.export_dense
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapt_task, "export_dense", lambda module: modules.append(module) or real(module))
        done = adapt(support, None, steps=3)
    (module,) = modules
    return support, done, fit_fewshot(support, adapted=done)[0], module


def test_an_inspector_with_a_decoder(fitted, tmp_path):
    _, done, inspector, _ = fitted
    assert done.steps >= 1
    assert "fine-tuned" in inspector.card.architecture
    assert all(len(mix.weights) == MEMBERS + 1 for mix in inspector.mixes)
    inspector.mixes = [Mix((*[0.1] * MEMBERS, 0.5), 0.0)]
    inspector.save(tmp_path / "m.kizu")
    again = Inspector.load(tmp_path / "m.kizu")
    image = surface(5, [(30, 30)], size=(61, 83)).image
    found, maps = inspector.inspect(image)
    same, maps_again = again.inspect(image)
    assert maps.shape == (1, 61, 83)
    assert np.array_equal(maps, maps_again)
    assert len(found) == len(same)
    members = again.members.maps(image)
    assert members.shape == (MEMBERS + 1, 1, 31, 42)
    assert np.array_equal(members[-1], done.final.odds(image))
    assert not again.members.maps(image, {0})[-1].any()


def test_the_exported_network_says_what_it_says_in_torch(fitted):
    """Judges stay in torch, the last is exported: thresholds of the ones hold for the other only if both are alike."""
    from kizu.detector.nets.engine import TorchSession
    from kizu.fewshot.decoder import Decoder

    _, done, _, module = fitted
    assert isinstance(done.judges[0].session, TorchSession)
    image = surface(6, [(30, 30)], size=(70, 90)).image
    assert np.abs(done.final.odds(image) - Decoder(TorchSession(module)).odds(image)).max() < 0.02


def test_the_decoder_has_a_say_where_it_is_better():
    random = np.random.default_rng(0)
    truth = np.zeros((40, 40), bool)
    truth[10:20, 10:20] = True
    blind, sees = 4 * random.normal(size=(MEMBERS, 40, 40)), np.where(truth, 3.0, -3.0)[None]
    told = choose_with_decoder([(np.concatenate([blind, sees]), truth)])
    assert told.weights[-1] >= 0.5
    deaf = choose_with_decoder([(np.concatenate([np.repeat(sees, MEMBERS, 0), -sees]), truth)])
    assert deaf.weights == (*CANDIDATES[0].weights, 0.0)


@pytest.mark.parametrize("minutes", [None, 0, -1])
def test_adapting_takes_time(minutes):
    with pytest.raises(KizuError, match=r"--adapt .*: adapting takes minutes"):
        adapt(discs([(20, 20)]), minutes)
