"""What a run learns from: samples to train and to validate on, from a data set or from the generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.seeds import Stream, generator
from kizu.pretrain.order import Order
from kizu.synth.engine import Source
from kizu.synth.formula.presets import Preset
from kizu.synth.formula.source import Formula

HELD_SEED = 1_000_003  # added to the seed: pictures of the generator that training never sees
_ENDLESS = 2**40  # pictures of the generator
_SHARE, _MOST = 0.02, 256  # of a data set without a split ``val`` that is held out, and pictures at most
_ROW, _LONGEST = 8, 32  # pictures of a product that is not told, and those that are looked for either side
_PROBED = 200  # samples that are looked at for masks


@dataclass(frozen=True)
class Material:
    """Samples of one kind.

    Attributes:
        names: class names.
        train: random access to samples, and ``order`` of their numbers.
        held: samples that nothing is learned from.
        config: JSON-able; what the samples depend on.
        data: one record for the card: name, licence, origin, images, role.
        defects: labels of what is a defect; parts and dirt are none.
        pictures: how many pictures in a row show one product; 0: each says so itself (``meta["product"]``).
    """

    names: tuple[str, ...]
    train: Source
    order: Order
    held: Source
    config: dict[str, Any]
    data: dict[str, Any]
    defects: frozenset[int] = frozenset()
    pictures: int = 0

    def product(self, source: Source, place: int, random: np.random.Generator) -> list[int]:
        """Numbers of the samples of ``source`` (``train`` or ``held``) that show one product.

        Args:
            place: of the product in the order of products.
            random: draws among the samples of a data set that does not tell its products: it is taken to show one.

        Raises:
            KizuError: pictures of the generator each show a product of their own.
        """
        count = len(source)
        if self.pictures == 1:
            raise KizuError("each picture shows another product; take --preset lines, or --set scene.pictures=8")
        if self.pictures:
            first = place * self.pictures % count
            return list(range(first, min(first + self.pictures, count)))
        start = self.order[place * _ROW] if source is self.train else place * _ROW % count
        name = source[start].meta.get("product")
        if name is None:
            return random.choice(count, min(_ROW, count), replace=False).tolist()

        def reach(step: int) -> int:
            """The last number in one direction that shows the same product."""
            end = start
            while 0 <= end + step < count and abs(end + step - start) < _LONGEST:
                if source[end + step].meta.get("product") != name:
                    break
                end += step
            return end

        return list(range(reach(-1), reach(1) + 1))


def from_preset(preset: Preset, side: int, seed: int, held: int, changes: Mapping[str, Any] | None = None) -> Material:
    """Pictures drawn while they are needed; the held-out ones are of another seed.

    Args:
        side: of the pictures, in pixels.
        held: number of held-out pictures.
        changes: to the preset, by key; they stand on the card.
    """
    train = Formula(preset, _ENDLESS, (side, side), seed)
    others = Formula(preset, held, (side, side), seed + HELD_SEED)
    info = others.dataset().info  # of the few: a data set lists its samples
    data = {"name": f"preset {preset.name}: {info['title']}", "licence": info["licence"], "origin": info["origin"]}
    data |= {"seed": seed, "role": "training, drawn while it runs"}
    if changes:
        data["changed"] = ", ".join(f"{key}={value}" for key, value in changes.items())
    names, scene = tuple(train.names), preset.values.get("scene", {})
    pictures = int(scene.get("pictures", 1)) if not scene.get("products") else 1
    return Material(
        names, train, Order(_ENDLESS, seed, shuffle=False), others, train.config, data, _defects(names, info), pictures
    )


def from_dataset(path: Path, seed: int, held: int) -> Material:
    """Pictures of a data set with masks: those of the split ``train`` where it has splits, else all but 2 %.

    Held out are those of the split ``val``, or the 2 % (at least one picture). A split ``test`` is never looked at.

    Raises:
        KizuError: no classes, no masks, or too few pictures.
    """
    data = Dataset.open(path)
    if not data.names:
        raise KizuError(f"{path}: it has no classes, so that there is nothing to learn; label some, or take --preset")
    splits = [name for name in data.splits if name not in ("val", "test")]
    if "train" not in splits and len(splits) != 1:
        there = ", ".join(name or "(none)" for name in data.splits) or "none: it is empty"
        raise KizuError(f"{path}: no pictures to learn from among its splits ({there}); call one of them train")
    train = data.split("train" if "train" in splits else splits[0])
    if "val" in data.splits:
        others = data.split("val")
    else:
        if len(train) < 2:
            raise KizuError(f"{path}: {len(train)} picture(s) to learn from; at least 2 are needed, one to validate on")
        mixed = generator(seed, Stream.ORDER).permutation(len(train))
        out = min(max(round(_SHARE * len(train)), 1), _MOST)
        train, others = train[np.sort(mixed[out:])], train[np.sort(mixed[:out])]
    _check_masks(path, train)
    spread = np.unique(np.linspace(0, len(others) - 1, min(held, len(others))).astype(int))
    info = data.info
    record = {"name": str(info.get("title") or path.name), "licence": str(info.get("licence") or "not known")}
    record |= {"origin": str(info.get("origin") or "not known"), "images": len(train), "role": "training"}
    config = {"path": str(path.resolve()), "names": list(data.names), "train": len(train), "held": len(spread)}
    defects = _defects(data.names, info)
    return Material(data.names, train, Order(len(train), seed), others[spread], config, record, defects)


def _defects(names: tuple[str, ...], info: dict[str, Any]) -> frozenset[int]:
    others = set(info.get("not_defects", ()))
    return frozenset(k for k, name in enumerate(names) if name not in others)


def _check_masks(path: Path, data: Dataset) -> None:
    """Raise KizuError where the first instances that are found have boxes only, or none is found at all."""
    for i in np.unique(np.linspace(0, len(data) - 1, min(_PROBED, len(data))).astype(int)).tolist():
        try:
            found = data[i].instances
        except DataError:
            continue  # told when its turn comes
        if len(found):
            if found.masks is None:
                raise KizuError(
                    f"{path}: its instances have boxes only, and masks are learned from; label masks, or take --preset"
                )
            return
    raise KizuError(f"{path}: no instance on any picture that was looked at; label some, or take --preset")
