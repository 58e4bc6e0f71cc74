"""The closed vocabulary of looks: which values an attribute may have, and which words say each of them.

It follows the sentences of inspectors that the AGSSP corpus collects (tone, shape, direction, extent, number, edge,
surface, continuity), and is small on purpose: filters, priors and drawings are chosen by its values.
"""

from __future__ import annotations

from itertools import product

from kizu.lexicon.words import stem, tokens, word_set

_FLOW = "rolling_direction/machining_direction/grinding_direction/running_direction/grain/warp"
_LENGTH = f"length/axis/track/thread/{_FLOW}"
_WHOLE = "whole/entire/full/complete"
_SIDES = "width/length/height/side/surface/image/picture/part/sheet/piece/product/face/area/strip/fabric/field/board"

# attribute -> value -> the words that say it, the first being the one that sentences are written with. Words parted by
# a slash may stand for each other (an underscore is a space among them); articles, plurals, hyphens and the endings
# -er, -est, -ish, -ly need no entry.
VOCABULARY: dict[str, dict[str, tuple[str, ...]]] = {
    "tone": {
        "dark": ("dark", "black", "blackened", "darkened", "shadow", "shaded", "grey/gray", "dim"),
        "bright": (
            "bright", "white", "pale", "whitened", "gleaming", "light", "light coloured/colored", "light grey/gray",
        ),
        "coloured": (
            "coloured", "colored", "discoloured", "discolored", "tinted", "brown", "red",
            "reddish", "orange", "yellow", "green", "blue", "bluish", "purple", "iridescent", "rainbow",
        ),
    },
    "shape": {
        "line": ("line", "streak", "stripe", "groove", "furrow", "hairline", "stroke", "linear", "ridge"),
        "curve": ("curve", "curved", "arc", "loop", "curl", "curled", "bowed"),
        "band": ("band", "banded", "belt", "ribbon"),
        "spot": ("spot", "dot", "speck", "speckle", "pinprick", "droplet", "bead", "pit"),
        "round": ("round", "rounded", "circular", "circle", "oval", "elliptical", "disc", "disk", "spherical"),
        "ring": ("ring", "halo", "annular"),
        "patch": ("patch", "blotch", "blob", "block", "area", "region", "zone", "smear", "cloud"),
        "network": ("network", "net", "web", "branching", "branched", "branch", "forked", "maze", "crazing"),
        "angular": (
            "angular", "triangular", "rectangular", "polygonal", "square", "flake", "fragment", "splinter", "shard",
        ),
        "notch": ("notch", "nick", "bite", "nibble"),
        "gap": ("gap", "opening", "interruption"),
        "protrusion": ("protrusion", "spike", "tongue", "whisker", "tail", "prong"),
    },
    "direction": {
        "horizontal": ("horizontal", "left to right", "right to left"),
        "vertical": ("vertical", "top to bottom", "bottom to top", "upright"),
        "oblique": ("oblique", "slanting", "slanted", "diagonal", "sloping", "inclined", "tilted", "at angle"),
        "along": (
            "lengthwise", "lengthways", "longitudinal", f"along/down/parallel_to {_LENGTH}",
            f"along/down/over {_WHOLE} length", f"in/with {_FLOW}",
        ),
        "across": (
            "crosswise", "crossways", "transverse", "transversal", f"across {_LENGTH}/width", f"across {_WHOLE} width",
            f"perpendicular_to/normal_to/square_to/at_right_angles_to {_LENGTH}", "from side to side",
        ),
        "any": (
            "in any direction", "any direction/angle/orientation", "all directions/angles", "every direction/angle",
            "random direction/orientation", "randomly oriented/directed", "isotropic",
            "no preferred/particular/fixed direction", "without preferred/particular/fixed direction",
        ),
    },
    "extent": {
        "thin": ("thin", "fine", "narrow", "slender", "hairline", "threadlike"),
        "thick": ("thick", "wide", "broad"),
        "short": ("short", "stubby"),
        "long": ("long", "elongated", "lengthy"),
        "tiny": ("tiny", "very small", "minute", "microscopic", "pinprick", "minuscule"),
        "small": ("small", "compact"),
        "medium": ("medium", "medium sized", "medium size", "mid sized", "moderate"),
        "large": ("large", "big", "extensive", "huge", "very large"),
        "whole": (
            "whole surface", f"{_WHOLE} {_SIDES}", f"across/along/down/over {_WHOLE} width/length",
            "edge to edge", "end to end", "from side to side",
        ),
    },
    "count": {
        "single": (
            "single", "singly", "isolated", "lone", "solitary", "one", "one or more/several/many", "one at time",
        ),
        "few": ("a few", "few", "several", "couple of", "handful", "multiple", "one or more/several"),
        "many": (
            "many", "numerous", "countless", "dense", "densely packed", "large/great/high number of", "multiple",
            "one or many",
        ),
        "scattered": ("scattered", "dispersed", "sprinkled", "strewn", "here and there", "sporadic"),
        "clustered": ("clustered", "cluster", "in group", "in bunch", "in nest", "close together"),
        "periodic": (
            "periodic", "repeated", "repeating", "recurring", "equidistant", "evenly spaced",
            "regular/equal interval/pitch/spacing/distance", "same distance/spacing",
        ),
    },
    "edge": {
        "sharp": (
            "sharp", "crisp", "distinct", "well/clearly/sharply defined", "clear cut", "sharp cut",
        ),
        "soft": ("soft", "blurred", "blurry", "diffuse", "fuzzy", "hazy", "faded", "fading"),
        "smooth": ("smooth edges",),
        "jagged": ("jagged", "ragged", "serrated", "frayed", "toothed"),
        "irregular": ("irregular",),
        "wavy": ("wavy", "undulating", "scalloped"),
    },
    "relief": {
        "raised": (
            "raised", "protruding", "bulging", "bulge", "elevated", "convex", "swollen", "bump", "blister", "ridge",
            "lump", "hump", "embossed", "proud", "above surface", "protrudes", "stand/stands up", "standing up",
        ),
        "sunken": (
            "sunken", "depressed", "depression", "recessed", "recess", "concave", "hollow", "indented", "indentation",
            "deep", "shallow", "groove", "furrow", "pit", "hole", "crater", "cavity", "dimple", "below surface",
            "scooped", "dented", "pressed in", "engraved",
        ),
        "flat": (
            "flat", "flush", "without depth/relief/height", "without any depth/relief/height", "no depth/relief/height",
            "neither raised nor sunken", "neither sunken nor raised",
        ),
    },
    "texture": {
        "smooth": ("smooth", "polished"),
        "rough": ("rough", "coarse", "grainy", "granular", "gritty", "scaly", "flaky", "bumpy"),
        "mottled": ("mottled", "blotchy", "speckled", "cloudy", "patchy", "marbled", "uneven"),
        "fibrous": ("fibrous", "hairy", "fluffy", "fibre", "fiber", "fluff"),
        "matt": ("matt", "matte", "dull"),
        "glossy": ("glossy", "shiny", "reflective", "mirror like", "glittering", "wet looking"),
    },
    "continuity": {
        "continuous": ("continuous", "unbroken", "uninterrupted"),
        "intermittent": (
            "intermittent", "interrupted", "discontinuous", "dashed", "broken line/streak/stripe/band", "broken up",
            "on and off",
        ),
        "segmented": ("segmented", "in segments/sections", "piecewise", "piece by piece"),
    },
}  # fmt: skip

# Values of which a thing has one at a time; a record may state two where a type varies.
OPPOSITES = (
    ("extent", ("thin", "thick")), ("extent", ("short", "long")), ("extent", ("tiny", "small", "medium", "large")),
)  # fmt: skip

# Near a word such as "edges", these speak of the edge, and of it alone.
EDGE_NOUNS = ("edge", "edged", "outline", "contour", "border", "boundary", "margin", "rim", "rimmed")
EDGE_WORDS: dict[str, str] = {
    "smooth": "smooth", "round": "smooth", "rounded": "smooth", "rough": "jagged", "torn": "jagged", "broken": "jagged",
    "uneven": "irregular", "hard": "sharp", "clear": "sharp", "faint": "soft", "gradual": "soft",
}  # fmt: skip

# What looks like a word of the vocabulary and says nothing about the defect.
NEUTRAL = (
    "short circuit", "in short", "one side/end/edge/face/hand/direction/another/of/by/piece", "no longer",
    "as long as", "in line", "line scan", "production/assembly line", "sharp/high/low contrast",
    "dark/bright/flat field", "bright/low/incident/raking/grazing/ambient/direct light", "in area/region/zone of",
)  # fmt: skip

# What looks like a form of a word and is none.
NO_FORMS = word_set("bit fin finish largely liner matter ones roughly shortly")


def expand(pattern: str) -> list[tuple[str, ...]]:
    """The phrases of a pattern, as stems: ``whole/full length`` is two."""
    choices = product(*(word.split("/") for word in pattern.split()))
    return [tuple(stem(token.text) for word in words for token in tokens(word)) for words in choices]


def said_by() -> dict[tuple[str, ...], frozenset[tuple[str, str]]]:
    """Each phrase, as stems, and the (attribute, value) pairs that it says: none for neutral ones."""
    out: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for attribute, values in VOCABULARY.items():
        for value, patterns in values.items():
            for pattern in patterns:
                for phrase in expand(pattern):
                    out.setdefault(phrase, set()).add((attribute, value))
    for pattern in NEUTRAL:
        for phrase in expand(pattern):
            out.setdefault(phrase, set())
    return {phrase: frozenset(pairs) for phrase, pairs in out.items()}
