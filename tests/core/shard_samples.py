"""The samples of test_shards.py, apart from it so that a child process can make them too, and quickly."""

import numpy as np

from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator

NAMES = ["scratch", "dent", "傷"]


def made(index):
    """Sample ``index`` of the data set of these tests: a function of its number and of nothing else."""
    random = generator(3, Stream.SHOTS, index)
    height, width = random.integers(5, 30, 2)
    count = int(random.integers(0, 4))
    dense = random.random((count, height, width)) < random.random((count, 1, 1))
    masks = None if index % 5 == 4 else Masks.from_dense(dense)
    boxes = np.sort(random.random((count, 2, 2)) * 20, axis=1).reshape(count, 4)
    found = Instances(
        random.integers(0, len(NAMES), count),
        boxes if masks is None or index % 2 else None,
        masks,
        random.random(count) if index % 3 else None,
        Masks.from_dense(dense | (random.random(dense.shape) < 0.2)) if index % 4 == 1 else None,
        np.arange(count) - 1 if index % 4 == 2 else None,
        {"tone": ["dark", None, "", "傷"][:count], "depth": random.random(count), "n": list(range(count))}
        if index % 3
        else None,
    )
    score_map = random.random((2, height, width)).astype(np.float16).astype(np.float32) if index % 2 else None
    image = random.integers(0, 256, (height, width, 3), np.uint8)
    data = encode_image(image, [".png", ".jpg"][index % 2]) if index % 3 else image
    meta = {"place": [1, 2.5, None], "note": "größer"} if index % 2 else {}
    return Sample(
        f"line/{index:03d}.png", data, found, split=["train", "val", ""][index % 3], group=f"part {index // 2}",
        source="line", meta=meta, score_map=score_map,
    )  # fmt: skip
