"""RefCOCO-like references: COCO's instances.json, and beside it refs.json, which says what the instances are called.

    FOLDER/instances.json + images/
    FOLDER/refs.json     a list, a record for each set of targets of an image:
        {ref_id, image_id, file_name, split, ann_ids, category, sentences: [{sent_id, sent, raw, tokens}], sent_ids,
         ann_id, category_id, no_target}

``ann_ids`` are the annotations that the sentences name. ``ann_id`` and ``category_id`` are lists, [-1] for sentences
that name nothing on the image, and ``no_target`` tells these: so gRefCOCO has it, and its loaders read the file as it
is. RefCOCO itself knows single targets alone. Read are lists and single ids, and files of JSON only, never a pickle.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, TextIO

from kizu.core.dataset import Dataset, Format
from kizu.core.errors import KizuError
from kizu.core.sample import Sample
from kizu.formats import coco
from kizu.formats.common.coco_out import write_json
from kizu.formats.common.expressions import FIELD, expressions_of, number_of
from kizu.formats.common.output import ImageWriter, Losses, output_folder
from kizu.formats.common.trees import load_json

ORDER = 9
_REFS = "refs.json"


def write(dataset: Dataset, path: Path) -> list[str]:
    """Write images, ``instances.json`` and ``refs.json``.

    Raises:
        DataError: an image, its labels or its expressions cannot be used.
        KizuError: the place is taken, or the file system refuses.
    """
    with output_folder(path) as folder, open(folder / _REFS, "w", encoding="utf-8", newline="\n") as out:
        refs = _Refs(out, dataset.names)
        losses = write_json(dataset, folder / "instances.json", ImageWriter(folder / "images"), beside=refs)
        refs.close()
    return losses


class _Refs:
    """``refs.json`` while it is written: a reference a line, none held."""

    field = FIELD

    def __init__(self, out: TextIO, names: tuple[str, ...]):
        self.out, self.names, self.refs, self.sentences = out, names, 0, 0
        out.write("[")

    def close(self) -> None:
        self.out.write("\n]\n")

    def see(self, sample: Sample, image: dict, annotations: list[dict], losses: Losses) -> None:
        """Write the references of a sample; sentences of the same targets are one reference."""
        groups: dict[tuple[int, ...], list[dict]] = defaultdict(list)
        for record in expressions_of(sample):
            clean = re.sub(r"[^\w\s-]", "", record["text"].lower()).split()
            sentence = {"sent_id": self.sentences, "sent": " ".join(clean), "raw": record["text"], "tokens": clean}
            further = {key: value for key, value in record.items() if key not in ("text", "targets", "number")}
            groups[tuple(record["targets"])].append(sentence | further)
            self.sentences += 1
        if not groups:
            losses.add(FIELD, 1, "{n} images have no referring expressions: refs.json does not tell of them.")
        for targets, sentences in groups.items():
            chosen = [annotations[i] for i in targets]
            categories = [record["category_id"] for record in chosen]
            names = {self.names[sample.instances.labels[i]] for i in targets}
            ref = {"ref_id": self.refs, "image_id": image["id"], "file_name": image["file_name"], "split": sample.split}
            ref |= {"ann_ids": [record["id"] for record in chosen], "category": names.pop() if len(names) == 1 else ""}
            ref |= {"sentences": sentences, "sent_ids": [sentence["sent_id"] for sentence in sentences]}
            ref |= {"ann_id": ref["ann_ids"] or [-1], "category_id": categories or [-1], "no_target": not chosen}
            self.out.write((",\n" if self.refs else "\n") + json.dumps(ref))
            self.refs += 1


def probe(path: Path) -> bool:
    """Whether a path is a folder with both files."""
    try:
        return path.is_dir() and (path / _REFS).is_file() and (path / "instances.json").is_file()
    except OSError:
        return False


def read(path: Path, images: Path | str | None = None) -> Dataset:
    """Open the annotations; the sentences stand in ``sample.meta["expressions"]``.

    Args:
        images: the image folder, where it is not found beside the file.

    Raises:
        KizuError: no annotations, or no list of references.
    """
    path = Path(path)
    if not probe(path):
        raise KizuError(f"{path}: no {_REFS} beside an instances.json; name the folder that holds both")
    data = coco.read(path / "instances.json", images)
    refs = load_json(path / _REFS)
    if not isinstance(refs, list):
        raise KizuError(f"{path / _REFS}: not a list of references; export it again")
    of_image: dict[Any, list[dict]] = defaultdict(list)
    strays = 0
    for ref in refs:
        named = isinstance(ref, dict) and isinstance(ref.get("image_id"), (int, str))
        if named and isinstance(ref.get("sentences"), list):
            of_image[ref["image_id"]].append(ref)
        else:
            strays += 1
    source = RefSource(data._source, of_image)
    strays += source.lost
    if strays:
        data.notes.append(f"{strays} references of {_REFS} were passed over: they name no annotation that is there")
    return Dataset(source, data.names, data.info, data.notes)


class RefSource(coco.CocoSource):
    """The images of a COCO file with what the references say of them."""

    def __init__(self, source: coco.CocoSource, refs: dict[Any, list[dict]]):
        super().__init__(source.files, source.entries, source.problems)
        self.lost = 0
        self._said: dict[Any, list[dict]] = {}
        known = set()
        for entry in self.entries:
            if entry.fault is None:
                known.add(entry.record["id"])
                place = {record.get("id"): k for k, record in enumerate(entry.annotations) if isinstance(record, dict)}
                self._said[entry.record["id"]] = self._expressions(refs.get(entry.record["id"], []), place)
        self.lost += sum(len(items) for image, items in refs.items() if image not in known)

    def _expressions(self, refs: list[dict], place: dict[Any, int]) -> list[dict]:
        out: list[tuple[Any, dict]] = []
        for ref in refs:
            ids = ref.get("ann_ids", ref.get("ann_id"))
            ids = [id for id in (ids if isinstance(ids, list) else [ids]) if id != -1]
            if any(not isinstance(id, (int, str)) or id not in place for id in ids):
                self.lost += 1
                continue
            targets = sorted(place[id] for id in ids)
            for sentence in ref["sentences"]:
                text = sentence.get("raw", sentence.get("sent")) if isinstance(sentence, dict) else None
                if isinstance(text, str) and text.strip():
                    further = {k: v for k, v in sentence.items() if k not in ("raw", "sent", "sent_id", "tokens")}
                    number = sentence.get("sent_id")
                    said = {"text": text, "targets": targets, "number": number_of(targets)} | further
                    out.append((number if isinstance(number, int) else 0, said))
        return [said for _, said in sorted(out, key=lambda pair: pair[0])]

    def __getitem__(self, i: int) -> Sample:
        sample = super().__getitem__(i)
        said = self._said.get(sample.meta.get("coco_id"))
        return sample.replace(meta=sample.meta | {FIELD: said}) if said else sample


FORMAT = Format("refcoco", "RefCOCO-like references", probe, read, write)
