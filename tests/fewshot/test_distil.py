"""A student: what it learns from, how well it says what its teacher says, and what the card tells of both."""

import numpy as np
import pytest
from fewshot_scenes import supported, surface
from sklearn.metrics import average_precision_score

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.inspector import Inspector
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.fewshot import lessons as lessons_module
from kizu.fewshot.distil import distil, fit_student, precision
from kizu.fewshot.fit import fit_fewshot
from kizu.fewshot.lessons import RIM, SIDE, STRIDE, Lessons, Standard
from kizu.fewshot.network import Network, shipped

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

pytestmark = pytest.mark.usefixtures("one_torch_thread")
CELLS = SIDE // STRIDE - 2 * RIM


class Eye:
    """A network of two maps that say where their cells are, in pixels, and how bright the window is."""

    strides, channels = (4, 16), (2, 1)

    def __call__(self, image, stats):
        places = np.mgrid[: SIDE // 4, : SIDE // 4].astype(np.float32) * 4 + 1.5
        return [places, np.full((1, SIDE // 16, SIDE // 16), image.mean(), np.float32)]


def eye():
    return Network("eye", "0" * 64, Eye(), 16)


@pytest.fixture
def few(monkeypatch):
    """Fewer windows to begin from."""
    monkeypatch.setattr(lessons_module, "_FITTED", 8)


@pytest.fixture(scope="module")
def pictures():
    """Twelve surfaces, every second one with discs."""
    return [surface(k, [(30 + k, 40), (70, 20 + 5 * k)] if k % 2 else [], size=(100, 120)) for k in range(12)]


def test_the_teacher_is_seen_at_the_middles_of_cells_of_eight_pixels(few, pictures):
    lessons = Lessons(eye(), pictures, 0)
    window = lessons.window(3)
    seen = lessons.seen([window, window])
    assert seen.shape == (2, CELLS, CELLS, 3)
    middles = (np.arange(RIM, RIM + CELLS) + 0.5) * STRIDE - 0.5
    assert np.allclose(seen[0, ..., 0], middles[:, None])
    assert np.allclose(seen[0, ..., 1], middles)
    assert np.allclose(seen[1, ..., 2], window.image.mean(), atol=1e-3)


def test_windows_depend_on_their_number_alone(few, pictures):
    first, second = (Lessons(eye(), pictures, 0) for _ in range(2))
    for place in (5, 0, 17):
        assert np.array_equal(first.window(place).image, second.window(place).image)
    assert first.window(0).image.shape == (SIDE, SIDE, 3)
    assert not np.array_equal(first.window(0).image, first.window(1).image)
    assert not np.array_equal(first.window(0).image, Lessons(eye(), pictures, 1).window(0).image)


def test_what_is_held_out_is_not_learned_from(few, pictures, monkeypatch):
    twins = [sample.replace(group=f"g{k // 3}") for k, sample in enumerate(pictures)]
    monkeypatch.setattr(lessons_module, "_FORMULA", 0.0)
    lessons = Lessons(eye(), twins, 0, turns=False)
    assert len(lessons.held) == 1 and lessons.pictures == 9, "a group stays together"
    held = {window.image[:100, :120].tobytes() for window in lessons.held}
    group = next(twin.group for twin in twins if twin.image.tobytes() in held)
    learned = {lessons.window(place).image[:100, :120].tobytes() for place in range(60)}
    assert learned == {twin.image.tobytes() for twin in twins if twin.group != group}


def test_pictures_that_cannot_be_read(few, pictures):
    broken = [Sample(f"b{k}.png", b"no picture") for k in range(3)]
    lessons = Lessons(eye(), [*broken, *pictures], 0)
    for place in range(40):
        lessons.window(place)
    told = {item["item"] for item in lessons.skipped}
    assert told and told <= {f"b{k}.png" for k in range(3)}
    with pytest.raises(KizuError, match=r"no picture to measure a student on can be read: .* not an image"):
        Lessons(eye(), broken, 0)
    with pytest.raises(KizuError, match="can be read: there is none"):
        Lessons(eye(), [], 0)


def test_one_picture_is_measured_on_and_formula_images_are_learned_from(few, pictures):
    lessons = Lessons(eye(), pictures[:1], 0)
    assert (len(lessons.held), lessons.pictures) == (1, 0)
    assert lessons.window(0).image.std() > 0


@pytest.mark.parametrize("channels", [20, 200])
def test_an_error_of_what_is_reproduced_is_one_of_the_channels(channels):
    random = np.random.default_rng(channels)
    seen = (random.normal(size=(900, 6)) @ random.normal(size=(6, channels))).astype(np.float32)
    seen = seen * random.uniform(0.1, 9, channels) + 3
    standard = Standard.fit(seen)
    own = standard.channels(seen)
    wanted, energy = standard(seen)
    assert wanted.shape == (900, min(channels, 128))
    assert np.allclose(own.mean(0), 0, atol=1e-3) and np.all(own.std(0) <= 1.001)
    assert np.allclose(energy, (own**2).sum(1), rtol=1e-4)
    # Six directions hold all that varies (but what is clipped).
    assert np.allclose((wanted**2).sum(), energy.sum(), rtol=1e-3)
    off = random.normal(size=wanted.shape)
    assert np.allclose((((wanted + off) @ standard.axes.T - wanted @ standard.axes.T) ** 2).sum(), (off**2).sum())


def tiny_student(channels=5):
    from kizu.fewshot.nets.student import Student
    from kizu.models.nets.backbone import Backbone, Normalise

    class Tiny(Backbone):
        """Four strided convolutions, one after the other."""

        def __init__(self):
            super().__init__((4, 6, 8, 10), Normalise("picture"))
            sides = zip((3, 4, 6, 8), self.channels, (4, 2, 2, 2), strict=True)
            self.stages = torch.nn.ModuleList(torch.nn.Conv2d(a, b, 4, s, 4 - s // 2 - 1) for a, b, s in sides)

        def maps(self, normalised):
            found = [normalised]
            for stage, stride in zip(self.stages, self.strides, strict=True):
                size = found[0].shape[-2] // stride, found[0].shape[-1] // stride
                found.append(stage(found[-1])[..., : size[0], : size[1]])
            return found[1:]

    torch.manual_seed(0)
    return Student(Tiny(), channels).eval()


def test_a_student_sees_half_the_size_and_is_linear_in_what_it_is_made_of():
    student = tiny_student()
    images, stats = torch.randint(0, 256, (2, 3, 128, 64)), torch.tensor([[100.0, 20.0], [90.0, 30.0]])
    small = torch.nn.functional.avg_pool2d(images.float(), 2)
    with torch.no_grad():
        (found,) = student(images, stats)
        stacked = student.stacked(images, stats)
        whole = student.backbone(small, stats)
    assert (student.strides, found.shape) == ((8,), (2, 5, 16, 8))
    assert torch.allclose(stacked[:, : len(whole[0][0])], whole[0], atol=1e-5)
    weights = torch.cat([read.weight for read in student.reads], 1)
    told = torch.nn.functional.conv2d(stacked, weights, sum(read.bias for read in student.reads))
    assert torch.allclose(found, told, atol=1e-4)


def test_reading_begins_as_the_ridge_regression():
    from sklearn.linear_model import Ridge

    from kizu.fewshot.nets import student as student_module

    student, random = tiny_student(3), np.random.default_rng(0)
    width = sum(student.backbone.channels)
    cells = random.normal(size=(400, width)).astype(np.float32) * random.uniform(0.5, 2, width).astype(np.float32)
    wanted = cells @ random.normal(size=(width, 3)) + 2 + random.normal(size=(400, 3))
    student.read(cells, wanted.astype(np.float32))
    weights = torch.cat([read.weight for read in student.reads], 1)[..., 0, 0].detach().numpy()
    bias = sum(read.bias for read in student.reads).detach().numpy()
    scale = cells.std(0)
    scale = scale + student_module._FLOOR * np.median(scale)
    other = Ridge(alpha=student_module._PENALTY * len(cells)).fit(cells / scale, wanted)
    assert np.allclose(cells @ weights.T + bias, other.predict(cells / scale), atol=1e-2)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_explained_variance(few, pictures, share):
    from kizu.fewshot.nets.distil_task import DistilTask

    lessons = Lessons(eye(), pictures, 0)
    task = DistilTask(tiny_student(3), lessons)
    wanted = lessons.standard(lessons.seen(lessons.held).reshape(-1, 3))[0].reshape(-1, CELLS, CELLS, 3)

    class Says(torch.nn.Linear):
        def forward(self, images, stats):
            return share * torch.from_numpy(wanted).permute(0, 3, 1, 2)

    # Three of three directions: nothing is left out.
    assert task.validate(Says(1, 1))["score"] == pytest.approx(share, abs=1e-5)


@pytest.mark.parametrize("count", [1, 3])
def test_precision_is_that_of_all_pixels_together(random, count):
    pairs = []
    for _ in range(count):
        truth = random.random((20, 30)) < 0.2
        pairs.append(((random.normal(size=truth.shape) * 2 + truth).astype(np.float16), truth))
    odds, truth = (np.concatenate([pair[k].ravel() for pair in pairs]) for k in (0, 1))
    scores = (1 / (1 + np.exp(-odds.astype(np.float32)))).astype(np.float16)
    assert precision(pairs) == pytest.approx(average_precision_score(truth, scores), abs=1e-6)
    assert precision([(odds, np.zeros(len(odds), bool))]) is None


@pytest.fixture(scope="module")
def student(pictures):
    """One step of a student of the shipped network."""
    patch = pytest.MonkeyPatch()
    patch.setattr(lessons_module, "_FITTED", 8)
    skips = Skips()
    broken = Sample("b.png", b"no picture")
    made = distil(shipped(), [*pictures, *[broken] * 8], None, steps=1, skips=skips)
    patch.undo()
    return made, skips


def test_a_student_is_a_network_that_explains_its_teacher(student, pictures):
    made, skips = student
    assert (made.steps, made.network.strides, made.network.name) == (1, (8,), "a student of kizu-s")
    assert [item["item"] for item in skips.items] == ["b.png"]
    assert 0.1 < made.explained < 1, "it begins as a regression, so a step is enough to say something"
    for size in ((61, 131), (1, 1)):
        ((_, (found,)),) = made.network.look(surface(0, size=size).image)
        assert found.shape == (128, *(-(-side // 8) for side in size))


def test_the_card_says_what_the_student_is_worth(student, pictures, tmp_path):
    support = supported(Dataset(pictures[:6], ["disc"]))

    ious = {}

    def fit(network, skips, heard):
        done = fit_fewshot(support, skips=skips, network=network, heard=heard)
        ious[network.name] = done[1][0].iou
        return done

    images = [sample.image for sample in support.labelled]
    inspector, _ = fit_student(student[0], shipped(), fit, Skips(), images)
    assert inspector.members.network is student[0].network
    record = inspector.card.figures
    assert record["teacher"]["outline IoU"]["disc"] == pytest.approx(ious["kizu-s"], abs=1e-4)
    assert record["student"]["outline IoU"]["disc"] == pytest.approx(ious["a student of kizu-s"], abs=1e-4)
    assert all(0 < record[who]["pixel AP"]["disc"] <= 1 for who in ("teacher", "student"))
    assert all(record[who]["milliseconds of the network"] > 0 for who in ("teacher", "student"))
    assert (record["student"]["steps"], record["student"]["explained variance"]) == (1, round(student[0].explained, 4))
    note = inspector.card.notes[-1]
    assert "a student of kizu-s, taught for 1 steps on" in note and "against" in note
    inspector.save(tmp_path / "m.kizu")
    image = surface(9, [(30, 30)]).image
    loaded = Inspector.load(tmp_path / "m.kizu")
    assert np.array_equal(loaded.inspect(image)[1], inspector.inspect(image)[1])


@pytest.mark.parametrize("minutes", [None, 0, -1])
def test_a_student_takes_time(pictures, minutes):
    with pytest.raises(KizuError, match=r"--minutes .*: a student takes minutes"):
        distil(shipped(), pictures, minutes)


def test_unreadable_pictures_stop_a_strict_run(few, pictures):
    broken = [Sample(f"b{k}.png", b"no picture") for k in range(90)]
    with pytest.raises(DataError, match="not an image"):
        distil(eye(), [*pictures, *broken], None, steps=3, skips=Skips(strict=True))
