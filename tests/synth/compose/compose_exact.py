"""Random compositions of formula pictures, and what must be so in every one of them, counted from dense masks."""

from dataclasses import replace
from functools import cache, cached_property

import numpy as np
from compose_refer_scenes import Plain
from skimage.color import rgb2lab

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError
from kizu.core.run import Skips
from kizu.synth.compose.backgrounds import Backgrounds, clean_rows
from kizu.synth.compose.bank import Bank
from kizu.synth.compose.blend import BLENDS
from kizu.synth.compose.flaws.make import FLAWS
from kizu.synth.compose.options import Options
from kizu.synth.compose.prior import Prior
from kizu.synth.compose.refer.reading import parse
from kizu.synth.compose.refer.words import noun_of
from kizu.synth.compose.source import Composition
from kizu.synth.compose.spec import Scene
from kizu.synth.compose.stock import Stock
from kizu.synth.formula import presets
from kizu.synth.formula.source import Formula

LAYOUTS = ("inplace", "measured", "sos", "soc")
OBJECTS = ("sos", "soc")
EACH = 5  # scenes of the same options
_SURFACES = {"scene.kinds": "{surface=1}", "scene.clean": "0.4"}
_PARTS = {"scene.kinds": "{parts=1}", "label.parts": "true"}


# --- compositions -----------------------------------------------------------------------------------------------------


@cache
def pictures(kind):
    """40 labelled pictures, grey and coloured ones: surfaces with defects, or loose parts that are labelled, too."""
    preset = presets.load("industrial").override(_SURFACES if kind == "surfaces" else _PARTS)
    made = Formula(preset, 40, (144, 160), seed=3)
    return Dataset([made[i].replace(split="train", group=f"g{i // 2}") for i in range(40)], made.names)


@cache
def stock(kind):
    """The segments of these pictures: defects of surfaces, parts as objects."""
    return Stock.of(Bank.cut(pictures(kind), "defect" if kind == "surfaces" else "auto"), refuse=("tiny",))


@cache
def behind(kind, labelled):
    """Backgrounds: clean ones, or all with what is on them."""
    data = pictures(kind)
    rows = np.arange(len(data)) if labelled else clean_rows(data, Skips())
    return Backgrounds(data, rows, labelled=labelled)


@cache
def prior():
    """The layout of the defects on surfaces."""
    return Prior.learn(pictures("surfaces"))


@cache
def surfaces():
    """What the surfaces look like that the defects come from."""
    return stock("surfaces").surfaces(pictures("surfaces"))


def compositions(seed, k):
    """``EACH`` pictures of random options; the layouts take turns with k."""
    random = np.random.default_rng([seed, k])
    layout = LAYOUTS[k % len(LAYOUTS)]
    objects = layout in OBJECTS
    labelled = bool(random.random() < 0.3)
    on = "parts" if labelled and random.random() < 0.3 else "surfaces"
    like = surfaces() if not objects and random.random() < 0.5 else None
    options = _options(layout, random)
    ground = behind(on, labelled)
    if objects:
        return Composition(stock("parts"), ground, None, options, EACH, seed, k * EACH)
    return Composition(stock("surfaces"), ground, prior(), options, EACH, seed, k * EACH, surfaces=like)


def _options(layout, random):
    """All that may be chosen, by chance."""

    def some(names):
        chosen = [name for name in names if random.random() < 0.5] or [str(random.choice(names))]
        return {name: float(random.uniform(0.5, 2)) for name in chosen}

    least, turn = int(random.integers(1, 6)), float(random.choice([0, 15, 180]))
    laid = {"turn": turn, "inside": round(float(random.uniform(0.5, 1)), 2)}
    if layout != "measured":
        laid |= {"least": least, "most": least + int(random.integers(0, 8))}
    if layout in OBJECTS:
        laid |= {"flip": 0.5}
    if layout == "sos":
        laid |= {"rule": str(random.choice(["masks", "boxes"])), "mean_visible": 0.6, "least_visible": 0.2}
    if layout == "soc":
        laid |= {"hidden": float(random.uniform(0.3, 0.95))}
    size = None if random.random() < 0.4 else tuple(int(side) for side in random.integers(96, 161, 2))
    sharp = random.random() < 0.7
    return Options(
        layout=layout, laid=laid, size=size, flaws={"real": 2.0} | (some(list(FLAWS)) if random.random() < 0.5 else {}),
        blends=some([name for name in BLENDS if name != "poisson" or layout not in OBJECTS]),
        likeness=float(random.uniform(0.1, 1)), empty=0.05, light=str(random.choice(["shading", "shading", "none"])),
        label=str(random.choice(["change", "planned"])), flip=bool(random.random() < 0.5),
        strength=(0.5, 1.5), blur=(0.0, 0.0) if sharp else (0.3, 1.2), least=int(random.integers(1, 40)),
        least_share=float(random.uniform(0, 0.4)), expressions=9,
    )  # fmt: skip


# --- what must be so --------------------------------------------------------------------------------------------------


class Composed:
    """A composed picture as the evaluator without margins looks at it."""

    def __init__(self, sample, names):
        found = self.found = sample.instances
        self.size, self.image, self.names = sample.size, sample.image, names
        self.labels, self.parents = found.labels.tolist(), found.parents.tolist()
        self.nouns = [noun.one if (noun := noun_of(name)) else None for name in names]
        empty = np.zeros((0, *self.size), bool)
        self.visible = np.array([found.masks.dense(k) for k in range(len(found))]) if len(found) else empty
        self.whole = np.array([found.amodal.dense(k) for k in range(len(found))]) if len(found) else empty
        told = ("tone", "shape", "direction", "extent", "edge", "relief", "texture", "continuity")
        self.written = {
            name: [[v] if isinstance(v, str) else list(v or ()) for v in found.attributes[name].tolist()]
            for name in told
            if name in found.attributes
        }

    @cached_property
    def colours(self):
        """The name that most of the pixels of each instance have."""
        lab = rgb2lab(self.image)
        return [_commonest(lab[mask]) for mask in self.visible]


def _commonest(lab):
    light, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    hue = np.degrees(np.arctan2(lab[:, 2], lab[:, 1])) % 360
    pale = (chroma < 10) | ((light < 12) & (chroma < 18))
    rules = [
        (pale & (light < 24), "black"), (pale & (light < 84), "grey"), (pale, "white"), (light < 8, "black"),
        ((hue >= 345) | (hue < 25), np.where(light >= 64, "pink", np.where(chroma >= 22, "red", ""))),
        ((hue < 50) & (chroma < 34), np.where(light < 58, "brown", "")),
        (hue < 50, np.where(light < 68, "red", np.where(chroma < 50, "pink", ""))),
        (hue < 82, np.where(light < 56, "brown", np.where(chroma >= 42, "orange", ""))),
        (hue < 112, np.where((light >= 62) & (chroma >= 30), "yellow", "")), (hue < 182, "green"), (hue < 215, ""),
        (hue < 314, "blue"), (light >= 68, "pink"),
    ]  # fmt: skip
    names, counts = np.unique(np.select(*zip(*[(rule, np.broadcast_to(n, light.shape)) for rule, n in rules],
                                             strict=True), "purple"), return_counts=True)  # fmt: skip
    return str(names[counts.argmax()])


def faults_of_masks(sample):
    """What is wrong with the masks of a picture, as sentences."""
    found = sample.instances
    if not len(found):
        return []
    out, seen = [], Composed(sample, ())
    owners = seen.visible.sum(0)
    raster = found.masks.to_label_map()
    if owners.max() > 1:
        out.append("disjoint: two visible masks share a pixel")
    if (seen.visible & ~seen.whole).any():
        out.append("amodal: a visible mask is not within its amodal mask")
    if found.masks.area.sum() != np.count_nonzero(raster) or owners.sum() != np.count_nonzero(raster):
        out.append("raster: areas are not the labelled pixels of the id raster")
    if any(not np.array_equal(raster == k + 1, mask) for k, mask in enumerate(seen.visible)):
        out.append("raster: an id of the raster is not the pixels of its mask")
    for k, (mask, whole) in enumerate(zip(seen.visible, seen.whole, strict=True)):
        if not mask.any():
            out.append(f"empty: nothing of instance {k} is seen")
            continue
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if found.boxes[k].tolist() != [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]:
            out.append(f"box: that of instance {k} is not tight")
        if abs(found.attributes["visible_ratio"][k] - mask.sum() / whole.sum()) > 1e-4:
            out.append(f"ratio: that of instance {k} is not its visible share")
        above = [j for j in range(k + 1, len(found)) if (seen.whole[j] & whole).any()]
        if found.attributes["occluders"][k] != above:
            out.append(f"occluders: those of instance {k} are not what lies on it")
        if not np.array_equal(mask, whole & ~seen.whole[k + 1 :].any(0)):
            out.append(f"order: instance {k} is not seen where nothing lies on it")
    return out


def faults_of_expressions(sample, names):
    """Expressions of a picture that select something else than their targets, or are read in another way."""
    scene, out = Composed(sample, names), []
    plain = Plain(scene)
    for item in sample.meta.get("expressions", ()):
        form, targets = item["form"], set(item["targets"])
        try:
            selected = plain.targets(form)
        except AssertionError:
            selected = None
        if selected != targets:
            out.append(f"expression: {item['text']!r} selects {selected}, not {targets}")
        if parse(item["text"], names) != form:
            out.append(f"reading: {item['text']!r} is read in another way")
    return out


# --- the same scene in another light ----------------------------------------------------------------------------------


def faults_of_light(source, sample, random):
    """What another light changes in the masks that are planned; and whether it hides or shows something at all."""
    scene = Scene.from_json(sample.meta["scene"])
    index = int(sample.id[:-4])
    plain = replace(source.options, label="planned", expressions=0, light="shading")
    as_made = _with(source, plain).sample(scene, index)
    if scene.light and random.random() < 0.7:
        turned = scene.light | {
            "angle": float(random.uniform(0, 6.28)), "height": float(random.uniform(0.6, 1.4)),
            "ambient": float(random.uniform(0.3, 0.8)), "shadow": float(random.uniform(0.2, 0.9)),
        }  # fmt: skip
        relit = _with(source, plain).sample(replace(scene, light=turned), index)
    else:
        dark = _with(source, replace(plain, light="none"))
        dark.scenes = Dataset([sample.replace(meta={"scene": scene.to_json()})], source.names)
        dark.start = index
        relit = dark[0]
    here, there = _by_layer(as_made), _by_layer(relit)
    same = here.keys() == there.keys()
    out = [
        f"light: the planned mask of layer {seed} is another one"
        for seed in here.keys() & there.keys()
        if here[seed][1] != there[seed][1] or (same and here[seed][0] != there[seed][0])
    ]
    return out, not same


def _with(source, options):
    return Composition(source.stock, source.backgrounds, source.prior, options, 1, source.seed)


def _by_layer(sample):
    """Codes of the visible and the amodal mask of each layer, by its seed; those of the background by their number."""
    seeds = [layer["seed"] for layer in sample.meta["scene"]["layers"]]
    found = sample.instances
    if not len(found):
        return {}
    keys = [-1 - k for k in range(len(found) - len(seeds))] + seeds
    return dict(zip(keys, zip(found.masks.codes(), found.amodal.codes(), strict=True), strict=True))


def audited(seed, k):
    """The compositions of options k, one after the other: (sample or None where there is no picture, faults, hidden).

    ``hidden``: another light hid or showed something, so that the masks of the two pictures need not be alike.
    """
    source = compositions(seed, k)
    random = np.random.default_rng([seed, k, 1])
    for i in range(len(source)):
        try:
            sample = source[i]
        except DataError:
            yield None, [], False
            continue
        light, hidden = faults_of_light(source, sample, random)
        yield sample, faults_of_masks(sample) + faults_of_expressions(sample, source.names) + light, hidden
