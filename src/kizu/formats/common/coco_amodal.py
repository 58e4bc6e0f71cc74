"""Three ways to write hidden parts into COCO annotations, and the way back from each.

kizu    segmentation, bbox: what is visible; amodal: the whole
kins    the same twice: i_segm, i_bbox, i_area what is visible, a_segm, a_bbox, a_area the whole (KINS, CVPR 2019)
cocoa   segmentation, bbox, area: the whole; visible_mask, invisible_mask (where a part is hidden), occlude_rate;
        ``order`` counts from the front, 1 = nearest (COCOA, CVPR 2017)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kizu.core.instances import Instances
from kizu.core.masks import Masks

STYLES = ("kizu", "kins", "cocoa")
_KINS = ("a_segm", "a_bbox", "a_area", "i_segm", "i_bbox", "i_area")
_COCOA = ("visible_mask", "invisible_mask", "occlude_rate")


def hidden(found: Instances) -> Masks:
    """The hidden part of each instance that has an amodal mask: the whole without what is visible."""
    crops = []
    for i in range(len(found)):
        whole, (x, y) = found.amodal.crop(i)
        seen, (u, v) = found.masks.crop(i)
        whole = whole.copy()
        x0, y0 = max(x, u), max(y, v)
        x1, y1 = min(x + whole.shape[1], u + seen.shape[1]), min(y + whole.shape[0], v + seen.shape[0])
        if x0 < x1 and y0 < y1:
            whole[y0 - y : y1 - y, x0 - x : x1 - x] &= ~seen[y0 - v : y1 - v, x0 - u : x1 - u]
        crops.append((whole, (x, y)))
    return Masks.from_crops(crops, found.amodal.size)


def styled(records: list[dict[str, Any]], found: Instances, style: str) -> list[dict[str, Any]]:
    """The annotation records of one image, written the Kizu way, in another style.

    Of ``cocoa``, an instance without a visible mask has no place for its whole one, and the boxes are the masks'.
    """
    if found.amodal is None or style == "kizu" or not len(found):
        return records
    boxes = [[float(x0), float(y0), float(x1 - x0), float(y1 - y0)] for x0, y0, x1, y1 in found.amodal.boxes.tolist()]
    areas = found.amodal.area.tolist()
    if style == "kins":
        for record, box, area in zip(records, boxes, areas, strict=True):
            record |= {"a_segm": record.pop("amodal"), "a_bbox": box, "a_area": area, "i_bbox": record["bbox"]}
            if "segmentation" in record:
                record |= {"i_segm": record["segmentation"], "i_area": record["area"]}
        return records
    covered = hidden(found) if found.masks is not None else Masks.empty(found.amodal.size)
    codes = covered.to_coco()
    for i, record in enumerate(records):
        whole = record.pop("amodal")
        if isinstance(record.get("order"), int):
            record["order"] = len(records) - record["order"]
        if "segmentation" not in record:
            continue
        record |= {"visible_mask": record["segmentation"], "occlude_rate": covered.area[i] / max(areas[i], 1)}
        record |= {"segmentation": whole, "bbox": boxes[i], "area": areas[i]}
        record |= {"invisible_mask": codes[i]} if covered.area[i] else {}
    return records


def plain(records: list[Any]) -> list[Any]:
    """The annotation records of one image, of any style, as Kizu writes them; the caller's stay as they are."""
    if not any(isinstance(record, dict) and ("a_segm" in record or _is_cocoa(record)) for record in records):
        return records
    out = []
    for record in records:
        if isinstance(record, dict) and "a_segm" in record:
            given, record = record, {key: value for key, value in record.items() if key not in _KINS}
            record["amodal"] = given["a_segm"]
            record |= {"segmentation": given["i_segm"]} if "i_segm" in given else {}
            record |= {"bbox": given["i_bbox"]} if "i_bbox" in given else {}
        elif isinstance(record, dict) and _is_cocoa(record):
            given, record = (
                record,
                {key: value for key, value in record.items() if key not in (*_COCOA, "bbox", "area")},
            )
            record["amodal"] = given.get("segmentation")
            record["segmentation"] = given.get("visible_mask") or given.get("segmentation")
        if isinstance(record, dict) and any(map(_is_cocoa, records)) and isinstance(record.get("order"), int):
            record = record | {"order": len(records) - record["order"]}
        out.append(record)
    return out


def differing(found: Instances, has: np.ndarray) -> dict[str, int]:
    """What ``cocoa`` cannot hold of one image: kind of loss -> number."""
    if found.amodal is None or not len(found):
        return {}
    own = found.masks.boxes if found.masks is not None else found.boxes
    return {
        "boxes": int(((found.boxes != own).any(1) & has).sum()),
        "amodal": int((~has).sum()),
        "areas": len(found) if "area" in found.attributes else 0,
    }


def _is_cocoa(record: Any) -> bool:
    return isinstance(record, dict) and ("visible_mask" in record or "occlude_rate" in record)
