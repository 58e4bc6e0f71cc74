"""The base install has no torch: the whole way from labels to a report works where none of the extras is installed."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kizu.core.dataset import Dataset
from kizu.core.images import encode_image
from kizu.core.masks import Masks

EXTRAS = (
    "torch", "torchvision", "timm", "accelerate", "onnx", "onnxscript", "transformers", "sentence_transformers", "ray",
    "fastapi", "uvicorn", "openvino", "diffusers", "supervision",
)  # fmt: skip

# Runs verbs one after the other where every extra is missing, as it is on a base install.
BLOCK = f"""
import importlib.abc, json, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
VERBS = """
from kizu.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
"""


def kizu(*commands):
    """Run command lines in one fresh process; each has to end well."""
    lines = json.dumps([[str(word) for word in command] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + VERBS, lines],
        capture_output=True, text=True, env=os.environ | {"KIZU_TRACEBACK": "1"},
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def surface(random, spot):
    """A brushed surface, with a dark disc where ``spot``: image and mask."""
    height, width = 96, 128
    image = 150 + random.normal(0, 4, (height, 1)) + random.normal(0, 3, (height, width))
    mask = np.zeros((height, width), bool)
    if spot:
        y, x, radius = random.integers(20, 76), random.integers(20, 108), random.integers(7, 12)
        rows, columns = np.mgrid[:height, :width]
        mask = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        image[mask] -= 80
    return np.repeat(image.clip(0, 255).astype(np.uint8)[:, :, None], 3, 2), mask


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A COCO folder: 6 training pictures with a spot, 6 clean ones, and as many to test."""
    folder = tmp_path_factory.mktemp("line")
    random = np.random.default_rng(4)
    images, annotations = [], []
    (folder / "images").mkdir()
    for i in range(24):
        spot = i % 2 == 0
        image, mask = surface(random, spot)
        name = f"{i:02d}.png"
        (folder / "images" / name).write_bytes(encode_image(image))
        record = {"id": i + 1, "file_name": name, "height": 96, "width": 128, "split": "train" if i < 12 else "test"}
        images.append(record | {"group": name})
        if spot:
            masks = Masks.from_dense(mask[None])
            x0, y0, x1, y1 = masks.boxes[0].tolist()
            annotation = {"id": len(annotations) + 1, "image_id": i + 1, "category_id": 1, "iscrowd": 0}
            annotation |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": int(masks.area[0])}
            annotations.append(annotation | {"segmentation": masks.to_coco()[0]})
    record = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "spot"}]}
    (folder / "instances.json").write_text(json.dumps(record))
    return folder


def test_from_labels_to_a_report(line, tmp_path):
    model, found = tmp_path / "m.kizu", tmp_path / "found"
    kizu(
        ["check", line],
        ["fit", line, "--classes", "spot", "--shots", 2, "--split", "train", "--out", model],
        ["predict", model, line, found, "--split", "test"],
        ["evaluate", found, line, "--split", "test"],
        ["report", found, "--truth", line, "--split", "test"],
        ["convert", line, tmp_path / "yolo", "--to", "yolo"],
        ["check", tmp_path / "yolo"],
    )

    predictions = Dataset.open(found)
    assert len(predictions) == 12
    assert predictions.names == ("spot",)
    assert list(found.rglob("*.html"))
    assert len(Dataset.open(tmp_path / "yolo")) == 24
    # Dark discs on a brushed surface are easy: what was fitted without torch really finds them.
    fired = {sample.id for sample in predictions if (sample.instances.scores >= 0.5).any()}
    spots = {f"{i:02d}.png" for i in range(12, 24, 2)}
    assert len(fired & spots) >= 5
    assert len(fired - spots) <= 1


def test_the_demo(tmp_path):
    kizu(["demo", tmp_path / "demo", "--images", 20, "--shots", 2])
    assert list((tmp_path / "demo").rglob("*.html"))


def test_what_needs_an_extra_names_it():
    code = BLOCK + "from kizu.core.errors import optional; optional('torch', 'train')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith("Install it with: pip install 'kizu[train]'")
