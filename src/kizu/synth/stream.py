"""Samples for training, drawn while they are needed: nothing on disk, and every process its own share."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from kizu.core.errors import DataError, KizuError, optional
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.core.threads import opencv_single_threaded
from kizu.synth.engine import Source, draw, keep_memory


def stream(
    source: Source,
    *,
    start: int = 0,
    endless: bool = False,
    rank: int | None = None,
    world: int | None = None,
    amodal: bool = False,
) -> Stream:
    """A torch ``IterableDataset`` over a source, for ``DataLoader(stream(source), batch_size, collate_fn=collate)``.

    The samples stand in one line: 0, 1, 2 ... and, ``endless``, over again. Training processes and the loader's workers
    take turns in it, so that together they see each sample once; the shares of an epoch differ by one sample at most.
    Each sample is a dictionary, see :func:`tensors`.

    Args:
        start: samples of the line that are left out, because all processes together have seen them before: how a run
            is resumed.
        endless: never stop. One epoch else.
        rank, world: number of this training process and of all; by default those of ``torch.distributed`` or, where
            it has not been set up yet, of torchrun's environment (``RANK``, ``WORLD_SIZE``); alone else.
        amodal: give amodal masks too.

    Raises:
        KizuError: torch is missing, or numbers that make no sense.
    """
    torch = optional("torch", "train")
    if rank is None and world is None:
        rank, world = _place(torch)
    if rank is None or world is None or not 0 <= rank < world:
        raise KizuError(f"rank {rank} of world {world}: give both, the rank from 0 to one below the world")
    if start < 0 or not len(source):
        raise KizuError(f"start {start} of {len(source)} samples: start from 0 on, in a source that is not empty")
    return _made({"source": source, "start": start, "endless": endless, "rank": rank, "world": world, "amodal": amodal})


class Stream:
    """What :func:`stream` gives; the torch class is added there, so that torch is loaded only when it is used."""

    source: Source
    start: int
    endless: bool
    rank: int
    world: int
    amodal: bool

    def order(self, worker: int, workers: int) -> Iterator[int]:
        """The samples of one worker of this training process, by their numbers in the source."""
        step = self.world * workers
        place = self.start + self.rank * workers + worker
        while self.endless or place < len(self.source):
            yield place % len(self.source)
            place += step

    def __iter__(self) -> Iterator[dict[str, Any]]:
        torch = optional("torch", "train")
        info = torch.utils.data.get_worker_info()
        threads = ThreadpoolController()
        if info:
            keep_memory()
        for i in self.order(*((info.id, info.num_workers) if info else (0, 1))):
            # As in the engine: sums of the same order, and one core a worker. The training itself keeps its threads.
            with opencv_single_threaded(), threads.limit(limits=1):
                out = tensors(draw(self.source, i), i, self.amodal)
            yield out

    def __reduce__(self):
        return _made, (self.__dict__,)


@functools.cache
def _torch_class() -> type:
    dataset = optional("torch", "train").utils.data.IterableDataset
    return type("TorchStream", (Stream, dataset), {"__doc__": Stream.__doc__})


def _made(fields: dict[str, Any]) -> Stream:
    out = _torch_class()()
    out.__dict__.update(fields)
    return out


def _place(torch: Any) -> tuple[int, int]:
    """Rank and world size of this process. Raises KizuError where the environment makes no sense."""
    both = torch.distributed
    if both.is_available() and both.is_initialized():
        return both.get_rank(), both.get_world_size()
    try:
        return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    except ValueError as error:
        raise KizuError(f"RANK and WORLD_SIZE are whole numbers ({error}); correct or unset them") from error


def tensors(sample: Sample, number: int, amodal: bool = False) -> dict[str, Any]:
    """A sample as tensors.

    Returns:
        ``image`` uint8 (3, H, W) RGB, ``boxes`` float32 (N, 4) XYXY, ``labels`` int64 (N,), ``masks`` bool (N, H, W) of
        the visible pixels, ``amodal`` bool (N, H, W) where asked for, ``image_id`` = ``number``.

    Raises:
        DataError: masks are asked for that the sample does not have.
    """
    torch = optional("torch", "train")
    found = sample.instances
    out = {
        "image": torch.from_numpy(np.moveaxis(sample.image, 2, 0).copy()),
        "boxes": torch.from_numpy(found.boxes.copy()),
        "labels": torch.from_numpy(found.labels.astype(np.int64)),
        "masks": torch.from_numpy(_dense(found.masks, sample, "masks")),
        "image_id": number,
    }
    if amodal:
        out["amodal"] = torch.from_numpy(_dense(found.amodal, sample, "amodal masks"))
    return out


def _dense(masks: Masks | None, sample: Sample, what: str) -> np.ndarray:
    if masks is None:
        if len(sample.instances):
            raise DataError(f"{sample.id}: its instances have no {what}; take a source that makes them")
        return np.zeros((0, *sample.size), bool)
    out = np.zeros((len(masks), *masks.size), bool)
    for i in range(len(masks)):
        mask, (x, y) = masks.crop(i)
        out[i, y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return out


def collate(batch: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A batch: ``image`` stacked to (B, 3, H, W), everything else as lists, for instances differ in number.

    Raises:
        DataError: pictures of different sizes.
    """
    torch = optional("torch", "train")
    sizes = {tuple(item["image"].shape) for item in batch}
    if len(sizes) != 1:
        raise DataError(f"pictures of the sizes {sorted(sizes)} cannot be one batch; make them of one size")
    out = {name: [item[name] for item in batch] for name in batch[0]}
    return out | {"image": torch.stack(out["image"])}
