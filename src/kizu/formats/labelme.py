"""labelme: one JSON beside each image.

Polygons, circles, lines, points and ``mask`` shapes become masks, rectangles become boxes. Lines are drawn 10 pixels
wide and points as discs of radius 5, as labelme's own converter does. Shapes of one class that share a ``group_id``
are one instance. ``flags`` (bool) and ``description`` of a shape become attributes. ``imageData`` is used only where
the image file is gone.

Kizu writes a polygon where it gives the mask back exactly (one part, no hole), else a ``mask`` shape, else a
rectangle; what labelme has no field for stands under the key ``kizu``, which labelme keeps. So only amodal masks and
score maps are lost.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from kizu.core.dataset import Dataset, Format
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.formats.common.entries import Entries
from kizu.formats.common.labelme_out import write
from kizu.formats.common.rasters import read_raster
from kizu.formats.common.things import Fault, Thing, decode, join, numbers, score_of, things_of
from kizu.formats.common.trees import (
    class_lines,
    images_below,
    load_json,
    printable,
    sniff,
    split_parts,
    tidy,
    unique_ids,
)  # fmt: skip

ORDER = 50
LINE_WIDTH = 10
POINT_RADIUS = 5
_LEAST = {"polygon": 3, "rectangle": 2, "circle": 2, "line": 2, "linestrip": 2, "point": 1, "points": 1, "mask": 2}


@dataclass(slots=True)
class _Entry:
    id: str
    image: Path | None
    json: Path | None
    split: str


def probe(path: Path) -> bool:
    """Whether a path looks like labelme."""
    try:
        if path.is_file():
            return path.suffix.lower() == ".json" and sniff(path, b'"shapes"')
        if _of_kizu(path):
            return True
        found = (p for p in path.rglob("*.json") if not p.name.startswith("."))
        return any(sniff(p, b'"shapes"') for _, p in zip(range(50), found, strict=False))
    except OSError:
        return False


def _of_kizu(folder: Path) -> bool:
    """Whether Kizu wrote the folder; it may hold images alone, where nothing was labelled yet."""
    return (folder / ".kizu.json").is_file() and (folder / "classes.txt").is_file()


def read(path: Path) -> Dataset:
    """Open labelme files; they are looked through for class names, unless ``labels.txt`` or ``classes.txt`` tells them.

    Raises:
        KizuError: no JSON of labelme.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    jsons = [path] if path.is_file() else sorted(p for p in folder.rglob("*.json") if not p.name.startswith("."))
    images = {} if path.is_file() else images_below(folder)
    by_stem: dict[str, str] = {}
    for name in images:
        by_stem.setdefault(Path(name).with_suffix("").as_posix(), name)
    # A JSON without shapes is a broken label where an image has its name, else a file of something else.
    jsons = [p for p in jsons if path.is_file() or _stem(p, folder) in by_stem or sniff(p, b'"shapes"', b'"imagePath"')]
    if not jsons and not _of_kizu(folder):
        raise KizuError(f"{path}: no JSON of labelme was found; name the folder that holds them")
    listed = next((folder / n for n in ("classes.txt", "labels.txt") if (folder / n).is_file()), None)
    names = [n for n in class_lines(listed) if n not in ("__ignore__", "_background_")] if listed else None
    entries: list[_Entry] = []
    rows: list[tuple[str, str]] = []
    found_names: set[str] = set()
    seen: set[str] = set()
    for file in jsons:
        own = _stem(file, folder)
        name, table = by_stem.get(own), None
        if names is None or name is None:
            table = _table(file)
            found_names |= {
                s["label"] for s in _shapes(table) if isinstance(s, dict) and isinstance(s.get("label"), str)
            }
        image = images.get(name) if name else _image_beside(file, table)
        if image is not None and name is None and image.is_relative_to(folder):
            name = image.relative_to(folder).as_posix()
        if name in seen:
            raise KizuError(f"{file}: the image {name} has a second JSON; remove one")
        name = name or f"{own}.png"
        seen.add(name)
        split, below, rest = split_parts(PurePosixPath(name))
        entries.append(_Entry("", image, file, split))
        rows.append((below, rest))
    bare = [name for name in images if name not in seen]
    for name in bare:
        split, below, rest = split_parts(PurePosixPath(name))
        entries.append(_Entry("", images[name], None, split))
        rows.append((below, rest))
    for entry, id in zip(entries, unique_ids(rows), strict=True):
        entry.id = id
    entries.sort(key=lambda entry: entry.id)
    notes = [f"{len(bare)} of {len(entries)} images have no JSON; they are neither good ones nor truth"] if bare else []
    names = sorted(printable(name) for name in found_names if name) if names is None else names
    source = LabelmeSource(entries, names)
    info = {}
    card = folder / ".kizu.json"
    if card.is_file():
        info = load_json(card)
    return Dataset(source, names, info if isinstance(info, dict) else {}, notes)


def _stem(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _table(file: Path) -> dict:
    try:
        table = load_json(file)
    except DataError:
        return {}  # met again, and named, when the sample is read
    return table if isinstance(table, dict) else {}


def _shapes(table: dict) -> list:
    shapes = table.get("shapes")
    return shapes if isinstance(shapes, list) else []


def _image_beside(file: Path, table: dict | None) -> Path | None:
    name = (table or {}).get("imagePath")
    if not isinstance(name, str) or printable(name) != name or not tidy(name):
        return None
    plain = name.replace("\\", "/")
    for place in (file.parent / plain, file.parent / tidy(plain), file.parent / PurePosixPath(plain).name):
        try:
            if place.is_file():
                return place.resolve() if ".." in place.parts else place
        except (OSError, ValueError):
            continue
    return None


class LabelmeSource(Entries):
    """Random access to images with a JSON beside them. ``things`` and ``strays`` serve ``kizu check``."""

    def __init__(self, entries: list[_Entry], names: list[str]):
        self.entries, self.names = entries, names

    @property
    def splits(self) -> list[str]:
        out = []
        for entry in self.entries:
            split = entry.split
            if not split and entry.json is not None:
                split = _kept(_table(entry.json)).get("split", "")
            out.append(split if isinstance(split, str) else "")
        return out

    def __getitem__(self, i: int) -> Sample:
        entry = self.entries[i]
        table = _table(entry.json) if entry.json is not None else {}
        kept = _kept(table)
        text = {n: kept[n] for n in ("split", "group", "source") if isinstance(kept.get(n), str)}
        text["split"] = entry.split or text.get("split", "")
        meta = kept.get("meta") if isinstance(kept.get("meta"), dict) else {}
        labelled = entry.json is not None and kept.get("labelled") is not False
        data = None
        if entry.image is None and isinstance(table.get("imageData"), str):
            try:
                data = base64.b64decode(table["imageData"], validate=False)
            except (binascii.Error, ValueError):
                data = None
        where = None if data is not None else entry.image
        if where is None and data is None and entry.json is not None:
            where = entry.json.with_suffix(".png")  # the message about a missing image names this place

        def instances() -> Instances:
            return self._instances(i, sample.size, table)

        sample = Sample(entry.id, data, instances, path=where, meta=meta, labelled=labelled, **text)
        return sample

    def _instances(self, i: int, size: tuple[int, int], table: dict) -> Instances:
        entry = self.entries[i]
        things = things_of(self.things(i))
        masks = bool(_kept(table).get("masks"))
        found = join(
            things, size, entry.json or "", entry.id, masks=masks, scores=any(t.score is not None for t in things)
        )
        parents = _kept(table).get("parents")
        if isinstance(parents, list) and len(parents) == len(found):
            try:
                found = found.replace(parents=np.array(parents, np.int32))
            except (DataError, ValueError, TypeError, OverflowError) as error:
                raise Fault(str(error), "remove the field", file=entry.json, image=entry.id, field="parents") from error
        return found

    def where(self, i: int) -> tuple[Path | str, str]:
        """The file of an image's labels, and the image's id."""
        return self.entries[i].json or "", self.entries[i].id

    def things(self, i: int) -> Iterator[Thing | Fault]:
        """Every instance of an image (shapes of one group are one), usable or not."""
        entry = self.entries[i]
        if entry.json is None:
            return
        try:
            table = load_json(entry.json)
            if not isinstance(table, dict) or not isinstance(table.get("shapes"), list):
                raise DataError(
                    f"{entry.json}: no list 'shapes'; it is not a file of labelme, remove or export it again"
                )
        except DataError as error:
            yield Fault(str(error), "", image=entry.id, kind="broken label file")
            return
        sample_size = self[i].size
        told = numbers([table.get("imageHeight"), table.get("imageWidth")])
        if told is not None and tuple(told) != sample_size:
            what = f"says height, width {[int(v) for v in told]}, but the image is {list(sample_size)}"
            remedy = "label the image in the turn and size that it has"
            yield Fault(what, remedy, file=entry.json, image=entry.id, field="imageHeight", kind="size mismatch")
        groups: dict[Any, list[Thing]] = {}
        for k, shape in enumerate(table["shapes"]):
            thing = _thing(shape, k, entry, self.names, sample_size)
            if isinstance(thing, Fault):
                yield thing
                continue
            group = shape.get("group_id")
            key = (
                (thing.label, group) if isinstance(group, (int, str)) and not isinstance(group, bool) else ("single", k)
            )
            groups.setdefault(key, []).append(thing)
        for members in groups.values():
            yield _merge(members, sample_size, entry) if len(members) > 1 else members[0]

    def strays(self) -> Iterator[Fault]:
        """Images without JSON, and JSON without an image."""
        for k, entry in enumerate(self.entries):
            if entry.json is None:
                yield Fault(
                    "has no JSON; it is neither a good one nor truth", "label it, or save an empty JSON if it is clean",
                    file=entry.image, image=entry.id, kind="image without label",
                )  # fmt: skip
            elif entry.image is None and self[k]._image is None:
                yield Fault("has no image", "add the image or remove it", file=entry.json, kind="label without image")


def _kept(record: Any) -> dict:
    kept = record.get("kizu") if isinstance(record, dict) else None
    return kept if isinstance(kept, dict) else {}


def _merge(members: list[Thing], size: tuple[int, int], entry: _Entry) -> Thing | Fault:
    first = members[0]
    drawn = [m for m in members if m.segmentation is not None]
    if not drawn:
        sides = np.array([m.box for m in members])
        first.box = (*sides[:, :2].min(0).tolist(), *sides[:, 2:].max(0).tolist())
        return first
    try:
        union = Masks.concat([decode(m, size, entry.json, entry.id) for m in drawn]).union()
    except Fault as fault:
        return fault
    first.segmentation, first.box = Masks.from_dense(union[None]), None
    return first


def _thing(shape: Any, k: int, entry: _Entry, names: list[str], size: tuple[int, int]) -> Thing | Fault:
    item = f"shape {k + 1}"

    def fault(what: str, remedy: str, field: str, kind: str = "broken record") -> Fault:
        return Fault(what, remedy, file=entry.json, image=entry.id, item=item, field=field, kind=kind)

    if not isinstance(shape, dict):
        return fault("not a record", "remove it", "shapes")
    label = shape.get("label")
    if not isinstance(label, str) or printable(label) not in names:
        return fault(f"class {str(label)[:60]!r} is not listed", "name the class", "label", "unknown class")
    kind = shape.get("shape_type", "polygon")
    if not isinstance(kind, str) or kind not in _LEAST:
        return fault(f"shape {str(kind)[:40]!r} is not known", f"use one of {', '.join(_LEAST)}", "shape_type")
    points = shape.get("points")
    rows = [numbers(point, 2) for point in points] if isinstance(points, list) else [None]
    if None in rows or len(rows) < _LEAST[kind]:
        what = f"{len(rows)} points; a {kind} takes at least {_LEAST[kind]}, each of two finite numbers"
        return fault(what, "draw it again", "points", "broken mask")
    points = np.array(rows, np.float64)
    if np.abs(points).max() > 10 * max(size) + 1000:
        return fault("its points are far outside the image", "draw it again", "points", "broken mask")
    thing = Thing(item, names.index(printable(label)))
    flags = shape.get("flags") if isinstance(shape.get("flags"), dict) else {}
    thing.extra = {str(n): v for n, v in flags.items() if isinstance(v, bool)}
    if isinstance(shape.get("description"), str) and shape["description"]:
        thing.extra["description"] = shape["description"]
    kept = _kept(shape)
    if isinstance(kept.get("attributes"), dict):
        thing.extra |= {n: v for n, v in kept["attributes"].items() if isinstance(v, (str, int, float, bool))}
    thing.score = score_of(kept.get("score"))
    if kind == "rectangle":
        thing.box = (*points.min(0).tolist(), *points.max(0).tolist())
    elif kind == "polygon":
        thing.segmentation = [points.ravel().tolist()]
    elif kind == "mask":
        mask = _placed(shape, points, size)
        if isinstance(mask, str):
            return fault(mask, "draw it again", "mask", "broken mask")
        thing.segmentation = mask
    else:
        thing.segmentation = Masks.from_dense(_drawn(kind, points, size)[None])
    box = numbers(kept.get("box"), 4)
    if box is not None:
        thing.box = tuple(box)
    if kept.get("empty") is True:
        thing.segmentation = Masks.from_dense(np.zeros((1, *size), bool))
    return thing


def _placed(shape: dict, points: np.ndarray, size: tuple[int, int]) -> Masks | str:
    """A ``mask`` shape on its frame (both corners of its box are inside), or what is wrong with it."""
    try:
        values = read_raster(base64.b64decode(shape.get("mask") or "", validate=False))
    except (DataError, binascii.Error, ValueError, TypeError) as error:
        return f"its PNG cannot be read ({error})"
    (left, top), (right, bottom) = np.round(points[:2]).astype(int)
    if values.shape != (bottom - top + 1, right - left + 1):
        return (
            f"its PNG is {list(values.shape)} high and wide, its box {[int(bottom - top + 1), int(right - left + 1)]}"
        )
    if left < 0 or top < 0 or right >= size[1] or bottom >= size[0]:
        return f"its box {[int(left), int(top), int(right), int(bottom)]} reaches beyond the image {list(size)}"
    out = np.zeros(size, bool)
    out[top : bottom + 1, left : right + 1] = values > 0
    return Masks.from_dense(out[None])


def _drawn(kind: str, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Circles, lines and points as bool (H, W)."""
    if kind in ("line", "linestrip"):
        canvas = np.zeros(size, np.uint8)
        cv2.polylines(canvas, [np.floor(points).astype(np.int32)], False, 1, LINE_WIDTH)
        return canvas.astype(bool)
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    radius = np.hypot(*(points[1] - points[0])) if kind == "circle" else POINT_RADIUS
    out = np.zeros(size, bool)
    for centre in points[:1] if kind == "circle" else points:
        out |= (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2
    return out


FORMAT = Format("labelme", "labelme JSON files", probe, read, write)
