"""``SceneGraph``: what is known of the things on a picture, each fact with its margin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.synth.compose.refer import colour, layout
from kizu.synth.compose.refer.layout import Order
from kizu.synth.compose.refer.verdict import NOBODY, Verdict, pack, sets
from kizu.synth.compose.refer.words import ADJECTIVES, EXCLUSIVE, noun_of
from kizu.synth.elongation import of_moments, second_moments

LEAST_AREA = 16  # pixels in sight, and
LEAST_VISIBLE = 0.15  # share in sight: what has less is too hard to see to be sure of anything
_TONE = (3.0, 8.0)  # CIELAB lightness against the surroundings: surely not darker below, surely darker above
_GIVEN = ("tone", "shape", "direction", "extent", "edge", "relief", "texture", "continuity")


class SceneGraph:
    """What sentences can say of a picture, as verdicts over its instances.

    Attributes:
        count: number of instances.
        every: set of those that are on the picture at all.
        sure: those of them that are seen well enough.
        kinds: noun -> whose class it names.
        traits: (attribute, value) -> who looks so, of the values of ``words.ADJECTIVES`` without size;
            of those that are not there nothing is known.
        zones: zone -> who lies there.
        orders: ``left, right, top, bottom, largest, smallest`` -> who stands before whom.
        relations: relation -> of each landmark, who stands so to it.
    """

    def __init__(self, found: Instances, names: Sequence[str], image: np.ndarray):
        self.count = len(found)
        self.size = image.shape[:2]
        drawn = _masks(found, self.size)
        boxes = np.where((drawn.area > 0)[:, None], drawn.boxes, found.boxes).astype(np.float64)
        areas = drawn.area.astype(np.float64)
        visible = _visible(found, areas)
        here = areas > 0
        sure = here & (areas >= LEAST_AREA) & (visible >= LEAST_VISIBLE) & ~_flag(found, "iscrowd")
        sure &= _flag(found, "has_mask", True)
        here |= ~_flag(found, "has_mask", True)
        self.every, self.sure = sets(np.stack([here, sure]))
        self._boxes, self._areas = boxes, areas
        nouns = [noun_of(name) for name in names]
        self.kinds = self._kinds(found.labels, nouns)
        self.traits = self._traits(found, image, drawn, visible)
        self.zones = {name: self._known(verdict) for name, verdict in layout.zones(boxes, self.size).items()}
        self.orders = layout.orders(boxes, areas, areas / np.maximum(visible, 0.01), self.size)
        tables = layout.sides(boxes, self.size) | layout.covers(found, boxes, visible)
        self.relations = {name: [self._known(v) for v in rows] for name, rows in tables.items()}
        self._near: dict[int, Order] = {}
        self._sizes: dict[tuple[Verdict, str], Verdict] = {}

    def nearest(self, landmark: int) -> Order:
        """Who is nearer to a landmark."""
        if landmark not in self._near:
            self._near[landmark] = layout.nearest(self._boxes, landmark)
        return self._near[landmark]

    def between(self, one: int, two: int) -> Verdict:
        """Who lies between two landmarks."""
        return self._known(layout.between(self._boxes, one, two, self.size))

    def sized(self, kind: Verdict, value: str) -> Verdict:
        """Who is ``large`` or ``small`` among its kind.

        Compared with the geometric mean of the largest and the smallest of the kind: beyond it by the root of
        ``layout.LARGER``, so that a large one has at least that many times the area of a small one. A kind of one has
        no sizes.
        """
        key = kind, value
        if key not in self._sizes:
            self._sizes[key] = self._sized(kind, value)
        return self._sizes[key]

    def _sized(self, kind: Verdict, value: str) -> Verdict:
        of_kind = np.array([kind.maybe >> i & 1 for i in range(self.count)], bool)
        if of_kind.sum() < 2 or not kind.clear:
            return Verdict(0, self.every)
        areas = np.log(np.maximum(self._areas, 1))
        middle, margin = (areas[of_kind].max() + areas[of_kind].min()) / 2, np.log(layout.LARGER) / 2
        sign = 1 if value == "large" else -1
        beyond = sign * (areas - middle)
        return self._known(pack((beyond >= margin)[None], (beyond > -margin)[None])[0])

    def _known(self, verdict: Verdict) -> Verdict:
        """Of what is too hard to see nothing is sure; what is not on the picture is nothing."""
        return Verdict(verdict.yes & self.sure, (verdict.maybe | ~self.sure) & self.every)

    def _kinds(self, labels: np.ndarray, nouns: Sequence[Any]) -> dict[str, Verdict]:
        """Classes are certain, whether something is there to be seen is not."""
        out = {noun.one: NOBODY for noun in nouns if noun is not None}
        for i, label in enumerate(labels.tolist()):
            if nouns[label] is not None:
                (yes, maybe), own = out[nouns[label].one], 1 << i
                out[nouns[label].one] = Verdict(yes | own & self.sure, maybe | own & self.every)
        return out

    def _traits(
        self, found: Instances, image: np.ndarray, drawn: Masks, visible: np.ndarray
    ) -> dict[tuple[str, str], Verdict]:
        rows: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
        rows["hidden", "partly"] = visible <= 0.8, visible < 0.97
        if found.masks is not None and self.count:
            rows |= _forms(drawn)
            rows |= _colours(colour.measure(image, drawn, found.parents))
        for name in _GIVEN:
            if name in found.attributes:
                _agree(rows, name, found.attributes[name].tolist())
        if not self.count:
            return {}
        packed = pack(np.stack([yes for yes, _ in rows.values()]), np.stack([maybe for _, maybe in rows.values()]))
        return {key: self._known(verdict) for key, verdict in zip(rows, packed, strict=True)}


def scene_graph(instances: Instances, names: Sequence[str], image: np.ndarray) -> SceneGraph:
    """Measure a picture.

    Args:
        instances: in painting order, a later one lies on top. Read where they are there: masks (without them colours
            and forms are unknown), amodal masks, parents, and the attributes ``visible_ratio``, ``occluders`` (lists
            of indices), ``iscrowd``, ``has_mask`` and those of the lexicon.
        image: uint8 (H, W, 3) RGB.
    """
    return SceneGraph(instances, names, image)


def _masks(found: Instances, size: tuple[int, int]) -> Masks:
    """The visible masks; the boxes cut to the frame where there are none."""
    if found.masks is not None:
        return found.masks
    corners = np.clip(np.rint(found.boxes), 0, [size[1], size[0], size[1], size[0]]).astype(int).tolist()
    return Masks.from_crops([(np.ones((y1 - y0, x1 - x0), bool), (x0, y0)) for x0, y0, x1, y1 in corners], size)


def _flag(found: Instances, name: str, default: bool = False) -> np.ndarray:
    values = found.attributes.get(name)
    return np.full(len(found), default) if values is None else np.array([bool(v) for v in values.tolist()], bool)


def _visible(found: Instances, areas: np.ndarray) -> np.ndarray:
    """Share of each instance that is in sight, 1 where it is not known."""
    given = found.attributes.get("visible_ratio")
    if given is not None:
        known = [float(v) if isinstance(v, (int, float)) and np.isfinite(v) else 1.0 for v in given.tolist()]
        return np.array(known, np.float64)
    if found.amodal is None:
        return np.ones(len(found))
    return np.minimum(areas / np.maximum(found.amodal.area, 1), 1.0)


def _forms(drawn: Masks) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Elongation and heading from second moments: horizontal is within 15 degrees, and surely not beyond 30."""
    xx, yy, xy = second_moments(drawn).T
    longer = of_moments(xx, yy, xy)
    heading = np.degrees(np.arctan2(2 * xy, xx - yy)) / 2 % 180
    rows = {
        ("elongation", "elongated"): (longer >= 3, longer > 2),
        ("elongation", "compact"): (longer <= 1.4, longer < 2),
    }
    for name, targets in (("horizontal", (0,)), ("vertical", (90,)), ("oblique", (45, 135))):
        off = np.min([np.abs((heading - target + 90) % 180 - 90) for target in targets], axis=0)
        rows["direction", name] = (longer >= 2) & (off <= 15), (longer > 1.5) & (off < 30)
    return rows


def _colours(seen: colour.Colours) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Names of colours; in a grey picture the lightness against the surroundings instead."""
    if not seen.grey:
        return {("colour", name): (seen.yes[:, k], seen.maybe[:, k]) for k, name in enumerate(colour.COLOURS)}
    darker = seen.around - seen.lab[:, 0]
    unknown, nobody = np.isnan(darker), np.zeros(len(darker), bool)
    low, high = _TONE
    rows = {("colour", name): (nobody, nobody) for name in colour.COLOURS if name not in ("black", "grey", "white")}
    rows["tone", "dark"] = darker >= high, unknown | (darker > low)
    rows["tone", "bright"] = -darker >= high, unknown | (-darker > low)
    return rows


def _agree(rows: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]], name: str, written: Iterable[Any]) -> None:
    """Add an attribute of the lexicon that somebody has written: a value, or a list of values that may be.

    Where it is measured as well, both must agree; where nothing is written, the measurement stands.
    """
    known = ADJECTIVES[name]
    values = [[v] if isinstance(v, str) else list(v) if isinstance(v, (list, tuple)) else [] for v in written]
    values = [[v for v in own if v in known] for own in values]
    silent = np.array([not own for own in values], bool)
    for value in known:
        against = set().union(*(group for group in EXCLUSIVE[name] if value in group)) - {value}
        other = against if name == "extent" else set(known) - {value}  # something may be both thin and long
        yes = np.array([value in own and not other & set(own) for own in values], bool)
        maybe = np.array([not own or any(v not in against for v in own) for own in values], bool)
        if (name, value) in rows:
            sure, near = rows[name, value]
            rows[name, value] = np.where(silent, sure, sure & yes), np.where(silent, near, near | maybe)
        elif not silent.all():
            rows[name, value] = yes, maybe
