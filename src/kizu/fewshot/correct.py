"""Correcting an inspector stroke by stroke, with an answer at once; :meth:`Corrections.commit` is the exact fit.

The members that match react, and the logistic regression on whitened cells: what a stroke covers joins the banks, whose
axes stay, and moves the regression as far as it must, drawn to what it was by a Gaussian prior. All else (what sees
filters alone, a decoder, thresholds) stays until the commit; those that react stand for it, and their change weighs as
if there were no others. Each picture is looked at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.optimize import minimize

from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.run import Skips
from kizu.core.sample import Sample
from kizu.fewshot.blocks import Blocks
from kizu.fewshot.cells import to_pixels
from kizu.fewshot.inspector import FewShotInspector, asked_by
from kizu.fewshot.matching import PARTS
from kizu.fewshot.members import PLAIN, WHITENED, step_of
from kizu.fewshot.memory import remember
from kizu.fewshot.mix import Mix
from kizu.fewshot.options import MATCHERS, asked_of
from kizu.fewshot.partial import Stroke, drawn_on, nothing_said, within_box
from kizu.fewshot.support import CLASSES, Support
from kizu.fewshot.update import merged
from kizu.inspection.regions import decide

_BLOCKS = 64  # of a stroke that are learned
_PULL = 3.0  # of a stroke on the logistic regression, against the prior


@dataclass(frozen=True, eq=False)
class _Correction:
    """What was drawn at a time: strokes on one picture, and for each its label and the blocks that it covers."""

    id: str
    strokes: list[Stroke]
    learned: list[tuple[int, list[np.ndarray]]]


@dataclass
class _Picture:
    """What is known of a picture: log odds float32 (C, h, w) before any correction, its blocks, what they learned."""

    odds: np.ndarray
    blocks: Blocks
    learned: list[_Correction]


class Corrections:
    """Strokes on pictures, and what an inspector would say after them; the inspector itself is left as it is.

    What is of no class (``--unknown``) is not found again before the commit, and cannot be drawn: draw it as a class.
    """

    def __init__(self, inspector: FewShotInspector, pictures: Iterable[Sample]):
        """
        Args:
            inspector: with a memory.
            pictures: to correct it on, each with an id of its own; those that it remembers are corrected as they are
                labelled, of others nothing but the strokes is said. They are looked at when they are first asked for.

        Raises:
            KizuError: it remembers nothing, or another picture of the same id.
        """
        if inspector.memory is None:
            raise KizuError("this inspector remembers no examples, so it cannot be corrected; fit it with --memory")
        self._inspector = inspector
        self._support = inspector.memory.support()
        self._samples = {sample.id: sample for sample in pictures}
        self._remembered: dict[str, Sample] = {}
        for sample in (*self._support.clean, *self._support.labelled):
            own = self._samples.get(sample.id)
            if own is None:
                continue
            if not np.array_equal(own.image, sample.image):
                raise KizuError(
                    f"{sample.id}: the inspector remembers another picture of this id; give this one another"
                )
            self._remembered[sample.id] = sample.replace(meta={CLASSES: []} | sample.meta)
        self._looked: dict[str, _Picture] = {}
        self._done: list[_Correction] = []
        self._solved: tuple[list[_Correction], np.ndarray] | None = None  # the change of weight by these corrections

    @property
    def ids(self) -> list[str]:
        """Of the pictures, in order."""
        return list(self._samples)

    def stroke(self, id: str, points: Sequence[tuple[float, float]], name: str | None, width: int = 5) -> None:
        """Draw a line.

        Args:
            id: of the picture.
            points: (x, y) in pixels; one point is a dot.
            name: the class, or None for what is no defect.
            width: in pixels.

        Raises:
            KizuError: no such picture or class.
        """
        size = self._sample(id).size
        canvas = np.zeros(size, np.uint8)
        line = np.floor(np.asarray(points, np.float64).reshape(-1, 1, 2)).astype(np.int32)
        cv2.polylines(canvas, [np.concatenate([line, line[-1:]])], False, 1, max(int(width), 1))
        self.draw(id, canvas.astype(bool), name)

    def box(self, id: str, box: Sequence[float], name: str | None) -> None:
        """Draw a box, XYXY in pixels: of a class, it says what :func:`kizu.fewshot.partial.within_box` makes of it;
        None = no defect in it. Raises KizuError as :meth:`stroke` does."""
        sample = self._sample(id)
        mask = np.zeros(sample.size, bool)
        x0, y0, x1, y1 = (max(round(value), 0) for value in box)
        mask[y0:y1, x0:x1] = True
        if name is None:
            self.draw(id, mask, None)
            return
        known = self._remembered[id].instances if id in self._remembered else Instances.empty(sample.size)
        others = known.masks.union() if len(known) else np.zeros_like(mask)
        for done in self._done:
            if done.id == id:
                for drawn, _ in done.strokes:
                    others = others | drawn
        inside, ring = within_box(sample.image, mask, others)
        self._add(id, [(ring, None), (inside, name)])

    def draw(self, id: str, mask: np.ndarray, name: str | None) -> None:
        """Draw a mask bool (H, W) of a class, or of what is no defect. Raises KizuError as :meth:`stroke` does."""
        self._add(id, [(np.asarray(mask, bool), name)])

    def undo(self) -> None:
        """Take back what was drawn last. Raises KizuError where nothing is."""
        if not self._done:
            raise KizuError("nothing was drawn that could be taken back")
        self._done.pop()

    def odds(self, id: str) -> np.ndarray:
        """Log odds float32 (C, H, W) of a picture, as they are with the corrections so far."""
        picture = self._looked_at(id)
        now = self._done
        if picture.learned != now[: len(picture.learned)]:  # something was taken back
            picture.blocks.forget()
            picture.learned = []
        for correction in now[len(picture.learned) :]:
            for label, cells in correction.learned:
                picture.blocks.learn(label, cells)
        picture.learned = list(now)
        size = self._sample(id).size
        if not now:
            return np.stack([to_pixels(layer, size) for layer in picture.odds])
        if self._solved is None or self._solved[0] != now:  # one for all pictures
            self._solved = list(now), self._weight()
        change = picture.blocks.change(self._solved[1])
        layers = [
            base + _reacting(mix).apply(change[:, k])
            for k, (base, mix) in enumerate(zip(picture.odds, self._inspector.mixes, strict=True))
        ]
        return np.stack([to_pixels(layer, size) for layer in layers])

    def inspect(self, id: str, min_score: float = 0.5) -> tuple[Instances, np.ndarray]:
        """As :meth:`kizu.core.inspector.Inspector.inspect`, with the corrections so far; the thresholds are the old
        ones, and outlines are not refined."""
        return decide(self.odds(id), self._inspector.rules, min_score)

    def commit(self, adapt: float | None = None, skips: Skips | None = None) -> FewShotInspector:
        """A new inspector, fitted to what the old one remembers and to what was drawn: ``kizu fit --update --partial``.

        Args:
            adapt: minutes, as in ``kizu fit``: it has to be said again where the old one was adapted; 0 = no longer.
            skips: notes good pictures that cannot be read.

        Raises:
            KizuError: nothing was drawn, or what was drawn cannot be fitted to.
        """
        if not self._done:
            raise KizuError("nothing was drawn; there is nothing to commit")
        labelled, clean = [], []
        for id in dict.fromkeys(done.id for done in self._done):
            strokes = [stroke for done in self._done if done.id == id for stroke in done.strokes]
            sample = drawn_on(self._start(id), strokes)
            (labelled if sample.meta[CLASSES] else clean).append(sample)
        old = self._inspector
        options = old.memory.options
        new = Support(self._support.names, labelled, clean)
        support, _ = merged(self._support, new, (), options["classes"], seed=options["seed"])
        asked = replace(asked_of(options, adapt, None, old.refiner), sees=old.members.network)
        inspector, _ = MATCHERS["kizu"](support, asked, skips or Skips())
        remember(inspector, support, options | {"adapt": asked.adapt})
        return inspector

    def _sample(self, id: str) -> Sample:
        if id not in self._samples:
            raise KizuError(f"{id}: no such picture is open; there are: {', '.join(self._samples)}")
        return self._samples[id]

    def _start(self, id: str) -> Sample:
        """A picture before anything was drawn on it."""
        return self._remembered[id] if id in self._remembered else nothing_said(self._samples[id])

    def _looked_at(self, id: str) -> _Picture:
        if id not in self._looked:
            image, inspector = self._sample(id).image, self._inspector
            members = inspector.members.maps(image, asked_by(inspector.mixes))
            odds = np.stack([mix.apply(members[:, k]) for k, mix in enumerate(inspector.mixes)])
            blocks = Blocks(image, inspector.members, step_of(image.shape[:2]))
            self._looked[id] = _Picture(odds, blocks, [])
        return self._looked[id]

    def _add(self, id: str, strokes: list[Stroke]) -> None:
        sample, names = self._sample(id), self._support.names
        learned = []
        for mask, name in strokes:
            if name is not None and name not in names:
                known = ", ".join(names)
                raise KizuError(f"unknown class {name!r}; there are: {known}. kizu fit --update adds classes")
            if mask.shape != sample.size:
                raise KizuError(f"{id}: a mask of {mask.shape} on a picture of {sample.size}; they have one size")
            if mask.any():
                label = 0 if name is None else names.index(name) + 1
                learned.append((label, self._looked_at(id).blocks.covered(mask, _BLOCKS)))
        if not learned:
            raise KizuError(f"{id}: nothing of what was drawn lies on the picture")
        self._done.append(_Correction(id, [stroke for stroke in strokes if stroke[0].any()], learned))

    def _weight(self) -> np.ndarray:
        """By how much the weight of the logistic regression changes: half its square and the cross entropy of what was
        drawn, :data:`_PULL` a stroke, are least together."""
        matching = self._inspector.members.matching
        learned = [item for done in self._done for item in done.learned]
        learned = [(label, cells[: len(PARTS)]) for label, cells in learned]  # the plain ones are no part of it
        rows = np.concatenate([np.concatenate(cells, axis=1) for _, cells in learned]).astype(np.float64)
        labels = np.repeat([label for label, _ in learned], [len(cells[0]) for _, cells in learned])
        pull = np.repeat([_PULL / len(cells[0]) for _, cells in learned], [len(cells[0]) for _, cells in learned])
        # As in the fit, whitened cells of each part are as long as they have axes.
        length = np.concatenate([np.full(cells.shape[1], np.sqrt(cells.shape[1])) for cells in learned[0][1]])
        before = rows @ matching.arrays["match.weight"] + matching.arrays["match.bias"]
        rows = rows * length
        wanted = np.eye(before.shape[1])[labels]

        def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
            weight = flat.reshape(rows.shape[1], -1)
            odds = before + rows @ weight
            odds -= odds.max(1, keepdims=True)
            total = np.exp(odds).sum(1, keepdims=True)
            share = np.exp(odds) / total
            value = -(pull[:, None] * wanted * (odds - np.log(total))).sum() + 0.5 * (weight**2).sum()
            return value, (rows.T @ (pull[:, None] * (share - wanted)) + weight).ravel()

        start = np.zeros(rows.shape[1] * before.shape[1])
        found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 30}).x
        return (found.reshape(rows.shape[1], -1) * length[:, None]).astype(np.float32)


def _reacting(mix: Mix) -> Mix:
    """The mixture of the members that react: their weights in the whole one, or even ones, brought to 1 together."""
    weights = np.array([mix.weights[m] for m in (*WHITENED, PLAIN)])
    weights = weights / weights.sum() if weights.any() else np.full(len(weights), 1 / len(weights))
    return replace(mix, weights=tuple(weights.tolist()))
