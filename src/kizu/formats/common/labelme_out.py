"""Writing labelme files: polygons where they are exact, else mask shapes, else rectangles."""

from __future__ import annotations

import base64
import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.core.images import encode_image
from kizu.core.instances import Instances
from kizu.core.sample import Sample
from kizu.formats.common.outline import mask_loops
from kizu.formats.common.output import ImageWriter, Losses, output_folder, save, without_label
from kizu.formats.common.things import HAS_MASK, with_masks
from kizu.formats.common.trees import same_file


def write(dataset: Dataset, path: Path) -> list[str]:
    """Write each image and its JSON side by side, and ``classes.txt``; an image not labelled yet gets no JSON.

    Raises:
        DataError: an image or its labels cannot be read. KizuError: the place is taken, or the file system refuses.
    """
    keeps = ("scores", "parents", "groups", "splits", "sources", "labelled", "crowd", "meta", "attributes", "info")
    losses = Losses("labelme", keeps)
    bare = Losses("an image without a JSON")
    used: dict[str, str] = {}
    with output_folder(path) as folder:
        writer = ImageWriter(folder)
        for sample in dataset:
            name = writer.write(sample)
            stem = Path(name).with_suffix("").as_posix()
            other = used.setdefault(same_file(stem), sample.id)
            if other != sample.id:
                raise KizuError(f"the images {other!r} and {sample.id!r} would share {stem}.json; rename one")
            if without_label(sample):
                bare.see(sample)
                continue
            losses.see(sample)
            text = json.dumps(_record(sample, name, dataset.names), ensure_ascii=False, indent=1, allow_nan=False)
            save(folder / f"{stem}.json", text + "\n")
        save(folder / "classes.txt", "".join(f"{name}\n" for name in dataset.names))
        if dataset.info or not any(folder.rglob("*.json")):  # it also tells of a folder in which nothing is labelled
            save(folder / ".kizu.json", json.dumps(dataset.info, ensure_ascii=False) + "\n")
        losses.add("renamed", writer.renamed)
    return losses.sentences() + bare.sentences()


def _record(sample: Sample, name: str, names: tuple[str, ...]) -> dict:
    found = sample.instances
    height, width = sample.size
    kept: dict[str, Any] = {n: getattr(sample, n) for n in ("split", "group", "source") if getattr(sample, n)}
    kept |= {} if sample.labelled else {"labelled": False}
    kept |= {"meta": sample.meta} if sample.meta else {}
    kept |= {"masks": True} if found.masks is not None else {}
    kept |= {"parents": found.parents.tolist()} if (found.parents >= 0).any() else {}
    record = {"version": "5.5.0", "flags": {}, "shapes": [_shape(found, i, names) for i in range(len(found))]}
    record |= {"imagePath": PurePosixPath(name).name, "imageData": None, "imageHeight": height, "imageWidth": width}
    return record | ({"kizu": kept} if kept else {})


def _shape(found: Instances, i: int, names: tuple[str, ...]) -> dict:
    kept: dict[str, Any] = {}
    box = [float(str(v)) for v in found.boxes[i]]
    shape = {"label": names[int(found.labels[i])], "points": [box[:2], box[2:]], "group_id": None}
    shape |= {"description": "", "shape_type": "rectangle", "flags": {}, "mask": None}
    if with_masks(found)[i]:
        if found.masks.area[i] == 0:
            kept["empty"] = True
        else:
            loops = mask_loops(found.masks, i)
            if len(loops) == 1:
                shape |= {"shape_type": "polygon", "points": loops[0].astype(float).tolist()}
            else:
                crop, (x, y) = found.masks.crop(i)
                corner = [float(x + crop.shape[1] - 1), float(y + crop.shape[0] - 1)]
                data = base64.b64encode(encode_image(crop.astype(np.uint8) * 255)).decode()
                shape |= {"shape_type": "mask", "points": [[float(x), float(y)], corner], "mask": data}
            if (found.boxes[i] != found.masks.boxes[i]).any():
                kept["box"] = box
    values = {
        n: v[i].tolist() if hasattr(v[i], "tolist") else v[i] for n, v in found.attributes.items() if n != HAS_MASK
    }
    shape["flags"] = {n: v for n, v in values.items() if isinstance(v, bool)}
    description = values.pop("description", None)
    shape["description"] = description if isinstance(description, str) else ""
    rest = {n: v for n, v in values.items() if v is not None and not isinstance(v, bool)}
    kept |= {"attributes": rest} if rest else {}
    kept |= {"score": float(str(found.scores[i]))} if found.scores is not None else {}
    return shape | ({"kizu": kept} if kept else {})
