"""A small product with dark discs as a COCO folder, and a model fitted to it by ``kizu fit``, each made once."""

import contextlib
import io
import json
import shutil

import numpy as np
import pytest

from kizu import cli
from kizu.core.images import encode_image
from kizu.core.masks import Masks

HEIGHT, WIDTH = 64, 80


def disc_picture(number, bad):
    """A picture uint8 (H, W, 3) and the mask bool (H, W) of the dark disc on it; nothing where not ``bad``."""
    random = np.random.default_rng(number)
    image = random.normal(150, 5, (HEIGHT, WIDTH, 1)).repeat(3, 2)
    mask = np.zeros((HEIGHT, WIDTH), bool)
    if bad:
        y, x = random.integers(12, HEIGHT - 12), random.integers(12, WIDTH - 12)
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        mask = (rows - y) ** 2 + (columns - x) ** 2 <= 49
        image[mask] -= 70
    return image.clip(0, 255).astype(np.uint8), mask


def write_coco(folder, count, train):
    """``count`` pictures in turn bad and good, the first ``train`` of them of the split train, the others of test."""
    images, annotations = [], []
    (folder / "images").mkdir(parents=True)
    for i in range(count):
        image, mask = disc_picture(i, i % 2 == 0)
        name = f"{i:03d}.png"
        (folder / "images" / name).write_bytes(encode_image(image))
        record = {"id": i + 1, "file_name": name, "height": HEIGHT, "width": WIDTH}
        images.append(record | {"split": "train" if i < train else "test"})
        if mask.any():
            masks = Masks.from_dense(mask[None])
            x0, y0, x1, y1 = masks.boxes[0].tolist()
            record = {"id": len(annotations) + 1, "image_id": i + 1, "category_id": 1, "iscrowd": 0}
            record |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": int(masks.area[0])}
            annotations.append(record | {"segmentation": masks.to_coco()[0]})
    record = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "disc"}]}
    (folder / "instances.json").write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="session")
def disc_line(tmp_path_factory):
    """A COCO folder of 32 pictures: 20 of the split train (10 with a disc), 12 of the split test (6). Read only."""
    return write_coco(tmp_path_factory.mktemp("discs") / "line", 32, 20)


@pytest.fixture
def own_line(disc_line, tmp_path):
    """A copy of it that a test may damage."""
    return shutil.copytree(disc_line, tmp_path / "line")


@pytest.fixture(scope="session")
def disc_model(disc_line, tmp_path_factory):
    """A model file fitted to four labelled and ten good pictures of it."""
    path = tmp_path_factory.mktemp("models") / "discs.kizu"
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        kizu("fit", disc_line, "--split", "train", "--shots", 4, "--out", path)
    return path


def kizu(*arguments):
    """Run a command line in this process; returns the exit code."""
    try:
        cli.main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code or 0
    return 0


@pytest.fixture
def run(capsys):
    """A function that runs a command line: (exit code, standard output, standard error)."""

    def function(*arguments):
        capsys.readouterr()
        code = kizu(*arguments)
        return (code, *capsys.readouterr())

    return function


@pytest.fixture
def refused(run):
    """A function that runs a command line that has to be refused with one clear line, and returns it."""

    def function(*arguments):
        code, out, err = run(*arguments)
        assert code == 2
        assert out == ""
        (line,) = err.splitlines()
        assert line.startswith("kizu: ")
        return line

    return function
