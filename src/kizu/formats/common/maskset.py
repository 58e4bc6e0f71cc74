"""The mask folder that Kizu writes: rasters for every tool, and one text that keeps what rasters cannot hold.

    images/NAME.jpg          the images, byte for byte
    masks/NAME.png           class rasters: 0 = background, k = the k-th line of classes.txt
    instances/NAME.png       16-bit instance numbers (k = the k-th instance); NAME.2.png ... where instances overlap
    classes.txt              one class a line
    samples.jsonl            a header, then a line an image: its instances' classes, boxes (where not the mask's),
                             scores, attributes, split, group, meta

Masks are read from the rasters in ``instances/``, all else from ``samples.jsonl``; only amodal masks and score maps
are lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.common.output import ImageWriter, Losses, output_folder, palette_png, save, without_label
from kizu.formats.common.rasters import read_raster
from kizu.formats.common.things import Fault, with_masks
from kizu.formats.common.trees import images_below, load_text, parse_json, same_file, tidy

INDEX = "samples.jsonl"
_TITLE = "kizu-masks/1"
_MOST = 65535


def is_maskset(folder: Path) -> bool:
    """Whether a folder was written by :func:`write`."""
    return (folder / INDEX).is_file() and (folder / "classes.txt").is_file()


# --- writing ----------------------------------------------------------------------------------------------------------


def write(dataset: Dataset, path: Path) -> list[str]:
    """Write a mask folder. An image that nobody has labelled yet gets no mask, a good one a mask of nothing.

    Raises:
        DataError: an image or its labels cannot be read.
        KizuError: the place is taken, there are more classes or instances than 16 bits count, or the disk refuses.
    """
    keeps = ("scores", "parents", "groups", "splits", "sources", "labelled", "crowd", "meta", "attributes", "info")
    losses = Losses("The mask folder", keeps)
    used: dict[str, str] = {}
    lines = [json.dumps({"format": _TITLE, "names": dataset.names, "info": dataset.info}, ensure_ascii=False)]
    with output_folder(path) as folder:
        writer = ImageWriter(folder / "images")
        for sample in dataset:
            losses.see(sample)
            name = writer.write(sample)
            stem = Path(name).with_suffix("").as_posix()
            stem = name if same_file(stem) in used else stem  # a.jpg beside a.png
            other = used.setdefault(same_file(stem), sample.id)
            if other != sample.id:
                raise KizuError(f"the images {other!r} and {sample.id!r} would share the mask {stem}.png; rename one")
            layers = _write_rasters(sample, folder, stem, len(dataset.names))
            lines.append(json.dumps(_record(sample, name, stem, layers), ensure_ascii=False))
        save(folder / "classes.txt", "".join(f"{name}\n" for name in dataset.names))
        save(folder / INDEX, "".join(f"{line}\n" for line in lines))
    return losses.sentences()


def layers_of(masks: Masks) -> list[list[int]]:
    """Instance numbers dealt to layers in which none overlaps another; each goes to the first layer with room."""
    shared = masks.intersection(masks)
    layers: list[list[int]] = []
    for i in np.flatnonzero(masks.area > 0).tolist():
        layer = next((layer for layer in layers if not shared[i, layer].any()), None)
        if layer is None:
            layers.append([i])
        else:
            layer.append(i)
    return layers


def _write_rasters(sample: Sample, folder: Path, stem: str, classes: int) -> int | None:
    """Write the rasters of a sample; the number of instance layers, None where there are no masks."""
    found = sample.instances
    if (found.masks is None and len(found)) or without_label(sample):
        return None
    if len(found) > _MOST or classes > _MOST:
        raise KizuError(
            f"{sample.id}: more than {_MOST} instances or classes do not fit into 16 bits; use shards or COCO"
        )
    masks = found.masks if found.masks is not None else Masks.empty(sample.size)
    raster = masks.to_label_map(found.labels + 1)
    save(
        folder / "masks" / f"{stem}.png",
        palette_png(raster) if classes < 256 else encode_image(raster.astype(np.uint16)),
    )
    layers = layers_of(masks)
    for k, members in enumerate(layers):
        numbered = masks[members].to_label_map(np.array(members) + 1).astype(np.uint16)
        save(folder / "instances" / (f"{stem}.{k + 1}.png" if k else f"{stem}.png"), encode_image(numbered))
    return len(layers)


def _record(sample: Sample, name: str, stem: str, layers: int | None) -> dict[str, Any]:
    found = sample.instances
    record: dict[str, Any] = {"image": name} | ({"id": sample.id} if sample.id != name else {})
    record |= {"mask": stem, "layers": layers if found.masks is not None else None}
    record |= {key: getattr(sample, key) for key in ("split", "group", "source", "meta") if getattr(sample, key)}
    record |= {} if sample.labelled else {"labelled": False}
    record["labels"] = found.labels.tolist()
    boxes = [[float(str(v)) for v in box] for box in found.boxes]
    if found.masks is not None:
        own = (found.boxes == found.masks.boxes).all(1) & with_masks(found)
        boxes = [None if same else box for same, box in zip(own, boxes, strict=True)]
    if any(box is not None for box in boxes):
        record["boxes"] = boxes
    if found.scores is not None:
        record["scores"] = [float(str(v)) for v in found.scores]
    if (found.parents >= 0).any():
        record["parents"] = found.parents.tolist()
    if found.attributes:
        record["attributes"] = {key: values.tolist() for key, values in found.attributes.items()}
    return record


# --- reading ----------------------------------------------------------------------------------------------------------


def read(folder: Path) -> Dataset:
    """Open a folder of :func:`write`.

    Raises:
        KizuError: ``samples.jsonl`` has no usable header.
    """
    lines = [line for line in load_text(folder / INDEX).splitlines() if line.strip()]
    try:
        header = parse_json(lines[0], f"{folder / INDEX}, line 1")
        names, info = header["names"], header.get("info") or {}
        usable = header["format"] == _TITLE and isinstance(names, list) and isinstance(info, dict)
    except (DataError, IndexError, KeyError, TypeError):
        usable = False
    if not usable:
        raise KizuError(f"{folder / INDEX}: not the index of a Kizu mask folder; delete it to read the masks alone")
    return Dataset(MasksetSource(folder, lines[1:]), names, info)


class MasksetSource:
    """Random access to a mask folder of Kizu. ``strays`` serves ``kizu check``."""

    def __init__(self, folder: Path, lines: list[str]):
        self.folder = folder
        self.records = [self._parse(line, k) for k, line in enumerate(lines)]
        count: dict[str, int] = {}
        self.ids = [str(record.get("id", record["image"])) for record in self.records]
        for k, id in enumerate(self.ids):
            count[id] = count.get(id, 0) + 1
            if count[id] > 1:
                self.ids[k] = f"{id} (line {k + 2})"
                self.records[k]["fault"] = f"the image {id!r} stands twice"

    @staticmethod
    def _parse(line: str, k: int) -> dict[str, Any]:
        try:
            record = parse_json(line, f"line {k + 2}")
            if isinstance(record, dict) and isinstance(record.get("image"), str) and tidy(record["image"]):
                return record | {"image": tidy(record["image"])}
        except DataError:
            pass
        return {"image": f"line {k + 2}", "fault": "not a record with an 'image'"}

    def __len__(self) -> int:
        return len(self.records)

    @property
    def splits(self) -> list[str]:
        return [str(record.get("split", "")) for record in self.records]

    def __getitem__(self, i: int) -> Sample:
        record = self.records[i]
        path = self.folder / "images" / record["image"]
        text = {key: str(record.get(key, "")) for key in ("split", "group", "source")}
        meta = record.get("meta") if isinstance(record.get("meta"), dict) else {}

        def instances() -> Instances:
            where = {"file": self.folder / INDEX, "image": sample.id, "item": f"line {i + 2}"}
            if "fault" in record:
                raise Fault(record["fault"], "remove or correct the line", **where)
            try:
                return self._instances(record, sample.size)
            except Fault:
                raise
            except (DataError, TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
                raise Fault(
                    str(error), "restore the line and the rasters, or label the image again", **where
                ) from error

        sample = Sample(
            self.ids[i], None, instances, path=path, meta=meta, labelled=record.get("labelled") is not False, **text
        )
        return sample

    def _rasters(self, record: dict[str, Any]) -> list[Path]:
        stem = tidy(str(record.get("mask", "")))
        return [
            self.folder / "instances" / (f"{stem}.{k + 1}.png" if k else f"{stem}.png")
            for k in range(min(int(record.get("layers") or 0), 1000))
        ]

    def _instances(self, record: dict[str, Any], size: tuple[int, int]) -> Instances:
        labels = record["labels"]
        if not isinstance(labels, list) or not all(isinstance(label, int) for label in labels):
            raise ValueError("'labels' is not a list of whole numbers")
        count = len(labels)
        masks = None
        if record.get("layers") is not None:
            parts = [Masks(np.zeros((0, 2)), np.zeros(count + 1), size)]  # all empty
            for path in self._rasters(record):
                values = read_raster(path)
                if values.shape != size:
                    raise Fault(
                        f"is {list(values.shape)} high and wide, its image {list(size)}", "make it again",
                        file=path, image=record["image"], kind="size mismatch",
                    )  # fmt: skip
                if values.max(initial=0) > count:
                    raise Fault(
                        f"holds instance {values.max()}, but {INDEX} lists {count}", "add its class there, or delete "
                        f"{INDEX} to read the masks alone", file=path, image=record["image"],
                    )  # fmt: skip
                parts.append(Masks.from_label_map(values, range(1, count + 1)))
            areas = np.stack([part.area for part in parts])
            masks = Masks.concat(parts)[np.argmax(areas, 0) * count + np.arange(count)] if count else parts[0]
        boxes = record.get("boxes")
        if boxes is not None and masks is not None:
            boxes = [masks.boxes[k] if box is None else box for k, box in enumerate(boxes)]
        return Instances(
            labels, None if boxes is None else np.array(boxes, np.float32), masks, record.get("scores"), None,
            record.get("parents"), record.get("attributes"),
        )  # fmt: skip

    def strays(self) -> Iterator[Fault]:
        """Images that the index does not list."""
        listed = {record["image"] for record in self.records}
        for name, path in images_below(self.folder / "images").items():
            if name not in listed:
                yield Fault(
                    f"is not listed in {INDEX}", f"add a line, or delete {INDEX} to read the masks alone", file=path,
                    kind="image without label",
                )  # fmt: skip
