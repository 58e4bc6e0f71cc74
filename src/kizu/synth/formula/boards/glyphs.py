"""Letters and figures of strokes, as board software draws them."""

from __future__ import annotations

import numpy as np

# Strokes on a grid of 5 columns and 7 rows: "xy xy ...", several separated by ";".
_STROKES = {
    "0": "10 30 41 45 36 16 05 01 10",
    "1": "11 20 26;16 36",
    "2": "01 10 30 41 42 06 46",
    "3": "01 10 30 41 42 33 13;33 44 45 36 16 05",
    "4": "36 30 04 44",
    "5": "40 00 02 32 43 45 36 06",
    "6": "41 30 10 01 05 16 36 45 44 33 03",
    "7": "00 40 41 16",
    "8": "10 30 41 42 33 13 02 01 10;13 04 05 16 36 45 44 33",
    "9": "05 16 36 45 41 30 10 01 02 13 43",
    "A": "06 01 10 30 41 46;03 43",
    "C": "41 30 10 01 05 16 36 45",
    "D": "00 30 41 45 36 06 00",
    "E": "40 00 06 46;03 33",
    "F": "40 00 06;03 33",
    "H": "00 06;40 46;03 43",
    "J": "40 45 36 16 05",
    "K": "00 06;40 03 46",
    "L": "00 06 46",
    "N": "06 00 46 40",
    "P": "06 00 30 41 42 33 03",
    "R": "06 00 30 41 42 33 03;23 46",
    "S": "41 30 10 01 02 13 33 44 45 36 16 05",
    "T": "00 40;20 26",
    "U": "00 05 16 36 45 40",
    "V": "00 26 40",
    "X": "00 46;40 06",
    "Y": "00 23 40;23 26",
    "Z": "00 40 06 46",
}
GLYPHS = {
    letter: [np.array([(int(x), int(y)) for x, y in stroke.split()], np.float64) for stroke in strokes.split(";")]
    for letter, strokes in _STROKES.items()
}
_LETTERS, _FIGURES = [g for g in GLYPHS if g.isalpha()], [g for g in GLYPHS if g.isdigit()]


def word(random: np.random.Generator) -> str:
    """A designator ("R12", "U3") or a number of a lot ("190366D")."""
    if random.random() < 0.7:
        figures = random.integers(1, 4)
        return "".join([str(random.choice(list("CDJLRTUX"))), *random.choice(_FIGURES, figures)])
    return "".join([*random.choice(_FIGURES, random.integers(4, 8)), str(random.choice(_LETTERS))])


def lines(text: str, place: np.ndarray, height: float, upright: bool = False) -> list[np.ndarray]:
    """The strokes (P, 2) of a text.

    Args:
        place: (2,), its upper left corner (the lower left one where it is read upwards).
        height: of a letter, pixels.
        upright: it is read upwards.
    """
    out = []
    for k, letter in enumerate(text):
        for stroke in GLYPHS[letter]:
            points = (stroke + np.array([6 * k, 0])) * (height / 6)
            out.append(place + (points[:, ::-1] * (1, -1) if upright else points))
    return out
