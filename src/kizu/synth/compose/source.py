"""``Composition``: composed pictures as a source of samples. Sample = f(scene spec), scene = f(seed, index)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.core.instances import Instances
from kizu.core.jit import jit
from kizu.core.masks import Masks
from kizu.core.sample import Sample
from kizu.core.seeds import Stream, generator
from kizu.synth.compose.backgrounds import Backgrounds
from kizu.synth.compose.flaws.drawable import TYPES
from kizu.synth.compose.options import OTHER, REAL, Options
from kizu.synth.compose.planner import Planner
from kizu.synth.compose.prior import Prior
from kizu.synth.compose.refer.express import express
from kizu.synth.compose.refer.paraphrase import Paraphraser
from kizu.synth.compose.relight.relight import Model, relight
from kizu.synth.compose.render import VISIBLE, Rendered, render
from kizu.synth.compose.spec import VERSION, Scene
from kizu.synth.compose.stock import Stock
from kizu.synth.compose.visibility import Piece, labels

_ROUNDS = 4  # of drawing a picture again without what cannot be seen
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # one filter for all rows; the search for the best takes long and gains 1 %
    _PNG += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG]


class Composition:
    """Composed pictures with random access; picture i is the same whoever asks for it, in any order.

    Attributes:
        names: class names: those of the bank, and those of made defects.
    """

    def __init__(
        self, stock: Stock | None, backgrounds: Backgrounds, prior: Prior | None, options: Options, count: int,
        seed: int = 0, start: int = 0, relighter: Model | None = None, scenes: Dataset | None = None,
        surfaces: np.ndarray | None = None, paraphraser: Paraphraser | None = None,
    ):  # fmt: skip
        """
        Args:
            relighter: puts a generated light on top, where ``options`` ask for it.
            scenes: composed pictures whose scenes are drawn again instead of new ones.
            surfaces: of the segments, see :meth:`Stock.surfaces`; with them segments go on surfaces like their own.

            paraphraser: says expressions in other words, which are kept beside them.

        Raises:
            KizuError: a count or seed that makes no sense, real defects without segments, an unknown layout.
        """
        if count < 1 or start < 0 or seed < 0:
            raise KizuError(f"count {count}, start {start}, seed {seed}: count is 1 or more, the others 0 or more")
        if stock is None and options.flaws.get(REAL, 0) > 0:
            raise KizuError("real defects need segments to take them from; name some, or other makers of defects")
        self.stock, self.backgrounds, self.options = stock, backgrounds, options
        self.count, self.seed, self.start = count, seed, start
        names = list(stock.names) if stock is not None else []
        names += [name for name in backgrounds.names if name not in names]
        makers = {name for name, weight in options.flaws.items() if weight > 0} - {REAL}
        if makers:
            names += list(options.types or TYPES) if "drawn" in makers else []
            names += [OTHER] if makers - {"drawn"} else []
        self.names = tuple(dict.fromkeys(names))
        self.prior, self.relighter, self.scenes, self.paraphraser = prior, relighter, scenes, paraphraser
        self._planner = Planner(stock, backgrounds, prior, options, seed, surfaces)

    def __len__(self) -> int:
        return self.count

    @property
    def ids(self) -> list[str]:
        """Ids of all pictures, without drawing them."""
        return [f"{self.start + i:08d}.png" for i in range(self.count)]

    def __getitem__(self, i: int) -> Sample:
        if not 0 <= i < self.count:
            raise IndexError(f"picture {i} of {self.count}")
        index = self.start + i
        if self.scenes is None:
            return self.sample(self._planner.scene(index), index)
        return self.sample(self._again(self.scenes[i]), index)

    def _again(self, made: Sample) -> Scene:
        """The scene of a composed picture, with the light and the blends of this composition."""
        if not _keeps_scene(made):
            raise DataError(f"{made.id}: it keeps no scene, so it cannot be drawn again; name what kizu compose made")
        scene = Scene.from_json(made.meta["scene"])
        unknown = {layer.label for layer in scene.layers} - {*self.names}
        if unknown:
            raise DataError(f"{made.id}: its class {min(unknown)} is not among those of the segments")
        return self._planner.again(scene)

    def sample(self, scene: Scene, index: int) -> Sample:
        """The sample of a scene, which it keeps in ``meta["scene"]``."""
        scene, done, found = self._settled(scene)
        meta: dict[str, Any] = {"scene": scene.to_json(), "lineage": self._lineage(scene)}
        image = done.image
        if self.relighter is not None and len(found):
            relit = relight(image, found, self.relighter, scene.camera.get("seed", 0))
            image, meta["relight"] = relit.image, relit.log
        if self.options.expressions:
            chance = generator(self.seed, Stream.WORDS, index)
            said = express(found, self.names, image, chance, least=self.options.expressions)
            if self.paraphraser is not None:
                said = said + self.paraphraser.paraphrase(said, self.names)
            meta["expressions"] = [item.to_json() for item in said]
        return Sample(
            f"{index:08d}.png", _encode(image), found, size=scene.size, source="kizu compose", meta=meta,
            split="train",
        )  # fmt: skip

    def _settled(self, scene: Scene) -> tuple[Scene, Rendered, Instances]:
        """Draw, take out what cannot be seen, draw again: what is in the picture is labelled, whatever it is."""
        for _ in range(_ROUNDS):
            done = render(scene, self.stock, self.backgrounds, self.options.label == "change")
            found = self._labels(scene, done)
            small = [
                (done.drawn[k].layer, "hardly anything of it is seen")
                for k in np.flatnonzero(found.masks.area < self.options.least).tolist()
                if done.drawn[k].layer >= 0
            ] if len(found) else []  # fmt: skip
            out = dict(done.lost + small)
            if not out:
                if len(found) and not found.masks.area.all():
                    # What was on the background and is covered is not in the picture; occluders are numbered anew.
                    seen = found.masks.area > 0
                    done.drawn = [drawn for drawn, there in zip(done.drawn, seen, strict=True) if there]
                    found = self._labels(scene, done)
                return scene, done, found
            gone = tuple(
                {"label": scene.layers[k].label, "segment": scene.layers[k].segment, "reason": reason}
                for k, reason in sorted(out.items())
            )
            kept = tuple(layer for k, layer in enumerate(scene.layers) if k not in out)
            scene = replace(scene, layers=kept, dropped=scene.dropped + gone)
        raise DataError(f"no picture comes of this scene on {scene.background}; take another seed")

    def _labels(self, scene: Scene, done: Rendered) -> Instances:
        pieces = [Piece.cut(drawn.mask, drawn.x, drawn.y, scene.size) for drawn in done.drawn]
        keys = dict.fromkeys(key for drawn in done.drawn for key in drawn.attributes)
        more = {key: [drawn.attributes.get(key) for drawn in done.drawn] for key in keys}
        # Of what is labelled by its change, COCO's code of what was meant to change.
        changed = [drawn for drawn in done.drawn if VISIBLE in drawn.attributes]
        codes = iter(Masks.from_crops([(d.planned, (d.x, d.y)) for d in changed], scene.size).codes())
        more["planned"] = [next(codes).decode("ascii") if VISIBLE in d.attributes else None for d in done.drawn]
        more["segment"] = [scene.layers[k].segment if k >= 0 else "" for k in (drawn.layer for drawn in done.drawn)]
        return labels(pieces, [self.names.index(drawn.label) for drawn in done.drawn], scene.size, more)

    def _lineage(self, scene: Scene) -> list[str]:
        """Groups of all pictures that went into a scene."""
        groups = {self.backgrounds[self.backgrounds.number(scene.background)].group}
        for layer in scene.layers:
            if layer.segment:
                groups.add(str(self.stock.column("group")[self.stock.find(layer.segment)]))
            if layer.other:
                groups.add(self.backgrounds[self.backgrounds.number(layer.other)].group)
        return sorted(groups)

    @property
    def config(self) -> dict[str, Any]:
        """All that the pictures depend on, but not how many they are."""
        known = [self.backgrounds.id(i) for i in range(len(self.backgrounds))]
        record = {"compose": VERSION, "options": self.options.to_json(), "seed": self.seed, "start": self.start}
        record["backgrounds"] = _digest(known)
        record["segments"] = None if self.stock is None else self.stock.digest
        record["prior"] = None if self.prior is None else _digest(self.prior.to_json())
        return json.loads(json.dumps(record))

    def where(self, i: int) -> str:
        """What makes picture i again, in words."""
        return f"picture {self.start + i} (layout {self.options.layout}, seed {self.seed})"

    def dataset(self, info: dict[str, Any] | None = None) -> Dataset:
        """As a data set whose pictures are composed when they are asked for."""
        return Dataset(self, self.names, info)


def _keeps_scene(sample: Sample) -> bool:
    """Pictures drawn by formula have a scene of another kind."""
    return isinstance(sample.meta.get("scene"), dict)


def check_scenes(data: Dataset) -> Dataset:
    """A data set of composed pictures. Raises KizuError where its first one keeps no scene."""
    if not len(data) or not _keeps_scene(data[0]):
        raise KizuError("--scenes: its pictures keep no scenes; name a data set of shards that kizu compose made")
    return data


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _encode(image: np.ndarray) -> bytes:
    """A PNG, of one channel where all three are equal; quickly rather than small."""
    pixels = cv2.extractChannel(image, 0) if _is_grey(image) else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", pixels, _PNG)[1].tobytes()


@jit
def _is_grey(image):
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            if image[i, j, 0] != image[i, j, 1] or image[i, j, 0] != image[i, j, 2]:
                return False
    return True
