"""Random scenes whose truth is known, and a second evaluator of logical forms: dense masks, no margins."""

from functools import cached_property

import cv2
import numpy as np
from skimage.color import rgb2lab

from kizu.core.instances import Instances
from kizu.core.masks import Masks

NAMES = ("bolt", "hex_nut", "dark spot", "missing part", "box")
PALETTE = {
    "black": (15, 15, 18), "grey": (128, 128, 128), "white": (245, 245, 245), "red": (200, 25, 35),
    "orange": (245, 140, 20), "brown": (120, 70, 30), "yellow": (240, 215, 40), "green": (40, 150, 60),
    "blue": (40, 70, 200), "purple": (120, 40, 140), "pink": (250, 170, 190),
}  # fmt: skip


class Scene:
    """Shapes painted one over the other; ``visible`` and ``whole`` are bool (N, H, W), ``colours`` their names."""

    def __init__(self, seed, count, grey=False, classes=NAMES, size=(160, 200), parents=False):
        random = np.random.default_rng(seed)
        height, width = self.size = size
        back = int(random.integers(90, 160))
        self.image = np.full((height, width, 3), back if grey else (back, back, min(back + 60, 255)), np.uint8)
        self.grey, self.back, self.names = grey, back, tuple(classes)
        self.nouns, self.written = [name.replace("_", " ") for name in classes], {}
        self.labels, self.colours, whole = [], [], []
        for _ in range(count):
            mask = np.zeros(size, np.uint8)
            middle = (int(random.integers(0, width)), int(random.integers(0, height)))
            half = random.uniform(3, 32, 2)
            angle = float(random.choice([0, 0, 90, 45, random.uniform(0, 180)]))
            if random.random() < 0.5:
                cv2.ellipse(mask, middle, tuple(int(v) for v in half), angle, 0, 360, 1, -1)
            else:
                corners = cv2.boxPoints((middle, tuple(2 * float(v) for v in half), angle))
                cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)
            name = str(random.choice(list(PALETTE)))
            value = int(random.integers(5, 250)) if grey else PALETTE[name]
            self.image[mask > 0] = value
            self.labels.append(int(random.integers(len(classes))))
            self.colours.append(value if grey else name)
            whole.append(mask > 0)
        self.whole = np.array(whole, bool).reshape(count, *size)
        self.visible = self.whole.copy()
        for i in range(count):
            self.visible[i] &= ~self.whole[i + 1 :].any(0)
        if not grey:
            noise = random.normal(0, 2, self.image.shape)
            self.image = np.clip(self.image + noise, 0, 255).astype(np.uint8)
        links = [-1] * count
        if parents and count > 1:
            links[-1] = int(random.integers(count - 1))
        self.parents = links
        self.instances = Instances(
            self.labels, masks=Masks.from_dense(self.visible, size), amodal=Masks.from_dense(self.whole, size),
            parents=links,
        )  # fmt: skip

    def plain(self):
        """The evaluator without margins."""
        return Plain(self)


class Plain:
    """Executes forms on pixels; every question has a yes or a no, with thresholds amid the margins of the grammar.

    A scene has ``size``, ``image``, ``labels``, ``nouns`` (one a class), ``colours`` (names, one an instance),
    ``visible`` and ``whole`` (bool (N, H, W)), ``parents`` and ``written`` (attribute -> values of each instance).
    """

    def __init__(self, scene):
        self.scene = scene
        self.area = scene.visible.sum((1, 2))
        self.here = [i for i in range(len(scene.labels)) if self.area[i] > 0]
        self.boxes = {}
        for i in self.here:
            rows, columns = np.nonzero(scene.visible[i])
            self.boxes[i] = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        self.middle = {i: np.array([(b[0] + b[2]) / 2, (b[1] + b[3]) / 2]) for i, b in self.boxes.items()}

    @cached_property
    def lightness(self):
        """CIELAB lightness of each pixel."""
        return rgb2lab(self.scene.image)[..., 0]

    def targets(self, form):
        """The set that a form names, None where a landmark is not one."""
        _, noun, filters, pick = form
        kind = [i for i in self.here if noun in ("thing", self.scene.nouns[self.scene.labels[i]])]
        chosen = kind
        for item in filters:
            chosen = [i for i in chosen if self.holds(i, item, kind)]
        return set(self.pick(chosen, pick)) if pick and chosen else set(chosen)

    def landmark(self, form):
        found = self.targets(form)
        assert len(found) <= 1, f"{form} is not one"
        return next(iter(found), None)

    def shape(self, i):
        """Length over breadth, and heading in degrees, of the visible pixels."""
        y, x = np.nonzero(self.scene.visible[i])
        spread = np.cov(np.stack([x, y]), bias=True) + np.eye(2) / 12
        values, vectors = np.linalg.eigh(spread)
        return np.sqrt(values[1] / values[0]), np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])) % 180

    def holds(self, i, item, kind):
        name, value = item[:2]
        told = self.scene.written.get(name)
        if told is not None and told[i]:
            return value in told[i]
        if name == "colour":
            return self.scene.colours[i] == value
        if name == "tone":
            darker = self.around(i) - self.lightness[self.scene.visible[i]].mean()
            return darker > 5.5 if value == "dark" else darker < -5.5
        if name == "hidden":
            return self.area[i] / self.scene.whole[i].sum() < 0.88
        if name == "size":
            areas = self.area[kind]
            return (self.area[i] ** 2 > areas.max() * areas.min()) == (value == "large")
        if name == "elongation":
            return self.shape(i)[0] > 2.45 if value == "elongated" else self.shape(i)[0] < 1.7
        if name == "direction":
            longer, heading = self.shape(i)
            off = {
                k: abs((heading - v + 90) % 180 - 90)
                for k, v in (("horizontal", 0), ("vertical", 90), ("up", 45), ("oblique", 135))
            }
            best = min(off, key=off.get)
            return longer > 1.7 and {"up": "oblique"}.get(best, best) == value
        if name == "zone":
            return self.in_zone(i, value)
        marks = [self.landmark(form) for form in item[1:]]
        if None in marks or i in marks:
            return False
        return self.related(i, name, *marks)

    def around(self, i):
        """Mean lightness of the background about an instance."""
        x0, y0, x1, y1 = self.boxes[i]
        mx, my = 4 + (x1 - x0) // 5, 4 + (y1 - y0) // 5
        window = np.s_[max(y0 - my, 0) : y1 + my, max(x0 - mx, 0) : x1 + mx]
        parent = self.scene.parents[i]
        ground = self.scene.visible[parent] if parent >= 0 else ~self.scene.visible.any(0)
        seen = self.lightness[window][ground[window]]
        return seen.mean() if len(seen) else np.nan

    def in_zone(self, i, zone):
        height, width = self.scene.size
        x, y = self.middle[i] / (width, height)
        column = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
        row = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else ""
        return zone in (column, row, f"{row} {column}") if zone != "middle" else not (row or column)

    def related(self, i, name, mark, other=None):
        dx, dy = self.middle[mark] - self.middle[i]
        along = {"left of": (dx, dy), "right of": (-dx, dy), "above": (dy, dx), "below": (-dy, dx)}
        if name in along:
            by, aside = along[name]
            return by > 0 and abs(aside) < 1.5 * by
        if name == "between":
            line = self.middle[other] - self.middle[mark]
            at = (self.middle[i] - self.middle[mark]) @ line / (line @ line)
            off = np.linalg.norm(self.middle[i] - self.middle[mark] - at * line) / np.linalg.norm(line)
            return 0.15 < at < 0.85 and off < 0.3
        if name == "on":
            return self.scene.parents[i] == mark
        near = cv2.dilate(self.scene.visible[i].astype(np.uint8), np.ones((5, 5))) > 0
        if not (near & self.scene.visible[mark]).any():
            return False  # what hides below a third thing is not seen to overlap
        shared = (self.scene.visible[i] & self.scene.whole[mark]).any()
        hidden = (self.scene.visible[mark] & self.scene.whole[i]).any()
        return {"in front of": shared and i > mark, "behind": hidden and i < mark, "overlapping": shared or hidden}[
            name
        ]

    def pick(self, chosen, pick):
        if pick[0] in ("largest", "smallest"):
            best = (max if pick[0] == "largest" else min)(self.area[i] for i in chosen)
            return [i for i in chosen if self.area[i] == best]
        if pick[0] == "nearest":
            mark = self.landmark(pick[1])
            far = {i: np.linalg.norm(self.middle[i] - self.middle[mark]) for i in chosen if i != mark}
            return [i for i in far if far[i] == min(far.values())]
        side = {"leftmost": "left", "rightmost": "right", "topmost": "top", "lowest": "bottom"}.get(pick[0], pick[-1])
        sign = -1 if side in ("right", "bottom") else 1
        ordered = sorted(chosen, key=lambda i: sign * self.middle[i][0 if side in ("left", "right") else 1])
        place = pick[1] - 1 if pick[0] == "order" else 0
        return ordered[place : place + 1]
