"""The words of the grammar: what each value of a scene graph is called. The first of several is the usual one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from kizu.synth.compose.refer.colour import COLOURS

THING = "thing"  # the noun for anything

# (attribute, value) -> words; the order of the attributes is the order of adjectives. Attributes that the pictures do
# not show to the computer (shape, edge ...) are those of kizu.lexicon.vocabulary.
ADJECTIVES: dict[str, dict[str, tuple[str, ...]]] = {
    "hidden": {"partly": ("partly hidden", "partly covered")},
    "size": {"large": ("large", "big"), "small": ("small", "little")},
    "extent": {"thin": ("thin",), "thick": ("thick",), "short": ("short",), "long": ("long",)},
    "elongation": {"elongated": ("elongated",), "compact": ("compact",)},
    "direction": {"horizontal": ("horizontal",), "vertical": ("vertical",), "oblique": ("diagonal", "slanting")},
    "continuity": {
        "continuous": ("continuous", "unbroken"), "intermittent": ("interrupted",), "segmented": ("segmented",),
    },
    "edge": {
        "sharp": ("sharp-edged",), "soft": ("soft-edged", "blurred"), "smooth": ("smooth-edged",),
        "jagged": ("jagged",), "irregular": ("irregular",), "wavy": ("wavy",),
    },
    "relief": {"raised": ("raised",), "sunken": ("sunken",), "flat": ("flat",)},
    "texture": {
        "smooth": ("smooth",), "rough": ("rough",), "mottled": ("mottled",), "fibrous": ("fibrous",),
        "matt": ("matt",), "glossy": ("glossy", "shiny"),
    },
    "shape": {
        "line": ("line-shaped",), "curve": ("curved",), "band": ("band-shaped",), "spot": ("spot-like",),
        "round": ("round",), "ring": ("ring-shaped",), "patch": ("patchy",), "network": ("branched",),
        "angular": ("angular",), "notch": ("notched",),
    },
    "tone": {"dark": ("dark",), "bright": ("bright", "light")},
    "colour": {name: (name,) for name in COLOURS} | {"grey": ("grey", "gray")},
}  # fmt: skip

# Of the lexicon's values, those that exclude one another; of any other two, one does not tell about the other.
EXCLUSIVE: dict[str, tuple[set[str], ...]] = {
    "tone": ({"dark", "bright"},),
    "extent": ({"thin", "thick"}, {"short", "long"}),
    "direction": ({"horizontal", "vertical", "oblique"},),
    "continuity": ({"continuous", "intermittent"}, {"continuous", "segmented"}),
    "edge": ({"sharp", "soft"}, {"smooth", "jagged"}, {"smooth", "irregular"}, {"smooth", "wavy"}),
    "relief": ({"raised", "sunken", "flat"},),
    "texture": ({"smooth", "rough"}, {"matt", "glossy"}, {"smooth", "fibrous"}),
    "shape": (
        *({long, compact} for long in ("line", "curve", "band") for compact in ("spot", "round", "patch", "notch")),
        {"angular", "line"}, {"angular", "curve"}, {"angular", "band"}, {"angular", "round"}, {"angular", "ring"},
        {"ring", "line"}, {"ring", "band"}, {"network", "ring"}, {"network", "spot"}, {"network", "round"},
        {"network", "notch"},
    ),
}  # fmt: skip

ZONES: dict[str, tuple[str, ...]] = {
    "left": ("on the left side", "on the left"),
    "right": ("on the right side", "on the right"),
    "top": ("at the top", "in the upper part"),
    "bottom": ("at the bottom", "in the lower part"),
    "middle": ("in the middle", "in the centre", "in the center"),
    "top left": ("in the upper left corner", "in the top left corner"),
    "top right": ("in the upper right corner", "in the top right corner"),
    "bottom left": ("in the lower left corner", "in the bottom left corner"),
    "bottom right": ("in the lower right corner", "in the bottom right corner"),
}

RELATIONS: dict[str, tuple[str, ...]] = {
    "left of": ("to the left of", "left of"),
    "right of": ("to the right of", "right of"),
    "above": ("above",),
    "below": ("below", "underneath"),
    "overlapping": ("overlapping",),
    "in front of": ("in front of",),
    "behind": ("behind",),
    "on": ("on",),
}
BETWEEN, AND = "between", "and"

MOST: dict[str, tuple[str, ...]] = {
    "largest": ("largest", "biggest"),
    "smallest": ("smallest",),
    "leftmost": ("leftmost",),
    "rightmost": ("rightmost",),
    "topmost": ("topmost", "highest"),
    "lowest": ("lowest", "bottommost"),
}
NEAREST = ("nearest to", "closest to")
ORDINALS = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}
FROM = {"left": "from the left", "right": "from the right", "top": "from the top", "bottom": "from the bottom"}
FIRST = {"left": "leftmost", "right": "rightmost", "top": "topmost", "bottom": "lowest"}  # of an order

# Nouns of what is not counted: a piece of it is a patch.
_MASS = {"rust", "dust", "oil", "corrosion", "dirt", "contamination", "spatter", "scale", "crazing", "grease"}
_SINGULAR = {"lens", "gas", "canvas"}  # they end as plurals do


@dataclass(frozen=True)
class Noun:
    """How a class is called."""

    one: str
    many: str


@lru_cache(4096)
def noun_of(name: str) -> Noun | None:
    """The noun of a class name; None where it has no letter, so that only its looks can be told."""
    words = re.sub(r"[_\s]+", " ", name).strip()
    if not any(letter.isalpha() for letter in words):
        return None
    if words.split()[-1].casefold() in _MASS:
        return Noun(f"patch of {words}", f"patches of {words}")
    if re.search(r"(?i)[^sui]s$", words) and words.split()[-1].casefold() not in _SINGULAR:
        return Noun(singular(words) or words, words)  # "patches" is the name of a class of patches
    return Noun(words, plural(words))


def plural(noun: str) -> str:
    """The plural by rule."""
    if re.search(r"(?i)(s|x|z|ch|sh)$", noun):
        return noun + "es"
    return noun[:-1] + "ies" if re.search(r"(?i)[^aeiou]y$", noun) else noun + "s"


def singular(noun: str) -> str | None:
    """The noun of a plural by rule, None where it is none; exact only for regular ones."""
    if re.search(r"(?i)[^aeiou]ies$", noun):
        return noun[:-3] + "y"
    if re.search(r"(?i)(s|x|z|ch|sh)es$", noun):
        return noun[:-2]
    return noun[:-1] if re.search(r"(?i)[^s]s$", noun) else None
