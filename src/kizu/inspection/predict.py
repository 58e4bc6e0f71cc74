"""A run of an inspector over a data set: resumable shards, broken pictures skipped and listed, nothing half-written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError
from kizu.core.files import write_text
from kizu.core.inspector import Inspector
from kizu.core.run import Skips, ahead, progress
from kizu.core.sample import Sample
from kizu.core.shards import ShardWriter, read_columns, read_manifest

_AHEAD_PIXELS = 2**24  # pixels times classes up to which several pictures are inspected at a time
_SHARD = 32  # images; a kill costs at most so many


def _pixels(dataset: Dataset, i: int) -> int:
    """Pixels of a picture by its header; 0 where it cannot be read, which :func:`predict_dataset` meets again."""
    try:
        height, width = dataset[i].size
    except DataError:
        return 0
    return height * width


def predict_dataset(
    inspector: Inspector,
    dataset: Dataset,
    out: Path,
    *,
    min_score: float = 0.5,
    score_maps: bool = True,
    embed: bool = False,
    strict: bool = False,
    about: dict[str, Any] | None = None,
    show: bool | None = None,
) -> tuple[Dataset, Skips, int]:
    """Inspect every image and write the predictions as a data set of Kizu shards.

    A run that was killed goes on where it stopped when it is called again with the same arguments.

    Args:
        out: a new folder, or that of the killed run.
        min_score: scores from which instances are kept; 0.5 is the threshold in force.
        score_maps: store the score maps too; pixel figures and heat maps need them.
        embed: store the images in the folder; else their paths.
        strict: stop at the first image that cannot be read.
        about: more entries for the ``info`` of the predictions.
        show: the progress bar; None = on a terminal only.

    Returns:
        the predictions, the skipped images, and the number of images on which something was found.

    Raises:
        KizuError: ``out`` holds something else, or the file system refuses.
    """
    from threadpoolctl import threadpool_limits

    ids = dataset.ids
    config = {"ids": ids, "card": inspector.card.to_json(), "min_score": min_score, "maps": score_maps, "embed": embed}
    info = {"card": asdict(inspector.card), "scores kept from": min_score}
    info |= about or {}
    info |= {"pictures of": dataset.info["title"]} if dataset.info.get("title") else {}
    writer = ShardWriter(out, inspector.names, len(dataset), config, _SHARD, info)
    skips = Skips(strict)

    def inspect(i: int) -> Sample:
        sample = dataset[i]
        image = sample.image
        instances, maps = inspector.inspect(image, min_score)
        path = None if sample.path is None else Path(os.path.abspath(sample.path))
        maps = maps if score_maps else None
        return sample.replace(instances=instances, size=image.shape[:2], path=path, score_map=maps, labelled=True)

    def inspected(shard: int, step) -> Iterator[Sample]:
        places = writer.range(shard)
        largest = max((_pixels(dataset, i) for i in places), default=0)
        # Of very large pictures one at a time is as much as memory should hold.
        workers = (os.cpu_count() or 1) if largest * len(inspector.names) <= _AHEAD_PIXELS else 1
        for i, future in zip(places, ahead(inspect, places, workers), strict=True):
            with skips.item(ids[i]):
                yield future.result()
            step()

    missing = set(writer.missing)
    # Pictures are inspected side by side: threads of the linear algebra library would only wait for each other.
    with threadpool_limits(1, user_api="blas"), progress("inspecting", len(dataset), show) as step:
        for shard in range(-(-len(dataset) // _SHARD)):
            if shard in missing:
                writer.write(shard, inspected(shard, step), embed, skips)
            else:
                step(len(writer.range(shard)))
    skips.items = [item for line in read_manifest(writer.folder) for item in line.get("skipped", ())]
    skips.write(writer.folder)
    write_text(writer.folder / "card.json", inspector.card.to_json() + "\n")
    scores = (row for table in read_columns(writer.folder, ["scores"]) for row in table["scores"].to_pylist())
    return Dataset.open(out), skips, sum(max(row or [0.0]) >= 0.5 for row in scores)
