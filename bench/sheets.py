"""The contact sheets of the documentation: a page of each preset and of composed pictures, docs/sheets/NAME.png.

uv run python bench/sheets.py              # all of them
uv run python bench/sheets.py boards line  # some
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import kizu
from kizu.core.dataset import Dataset
from kizu.synth.formula.presets import load
from kizu.synth.formula.source import Formula
from kizu.synth.sheet import contact_sheet

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "sheets"
LARGEST = 395_000  # bytes of a file
# Preset -> seed, pictures, pairs in a row.
SHEETS = {
    "industrial": (4, 12, 3),
    "line": (5, 9, 3),
    "lines": (2, 16, 4),
    "boards": (1, 9, 3),
    "inscore": (3, 9, 3),
    "segrcdb": (1, 9, 3),
    "rcdb": (1, 12, 4),
    "visualatom": (1, 12, 4),
    "deadleaves": (1, 9, 3),
}


# Sheet -> options of kizu compose, on a drawn product line or, for objects, with drawn objects on drawn surfaces.
COMPOSED = {
    "compose-inplace": {"layout": "inplace", "empty": 0.0},
    "compose-made": {"flaws": ["perlin", "patch", "cutpaste", "scar", "shuffle", "drawn=3"], "empty": 0.0},
    "compose-objects": {
        "layout": "sos",
        "backgrounds": "made",
        "size": 384,
        "set": ["most=9", "upscale=1.2"],
        "empty": 0.0,
    },
}
PARTS = ["label.parts=true", "scene.clean=1.0", "scene.kinds={parts=1.0}"]


def composed(name: str) -> Path:
    """Write the sheet of one way to compose."""
    options = COMPOSED[name]
    with tempfile.TemporaryDirectory() as folder:
        line, out = Path(folder) / "line", Path(folder) / "out"
        what = {"preset": "industrial", "set": PARTS} if name == "compose-objects" else {"preset": "line"}
        kizu.generate(line, count=60, size=384, seed=5, sheet=False, **what)
        source = {"backgrounds": str(line)} if "flaws" in options else {"segments": line}
        kizu.compose(out, count=9, seed=2, sheet=False, workers=1, **source, **options)
        title = f"{name}: composed, and what is labelled"
        return contact_sheet(Dataset.open(out), FOLDER / f"{name}.png", 9, 3, title, most=LARGEST)


def make(name: str) -> Path:
    """Write the sheet of one preset."""
    seed, count, columns = SHEETS[name]
    made = Formula(load(name), count, seed=seed).dataset()
    return contact_sheet(made, FOLDER / f"{name}.png", count, columns, f"{name}, seed {seed}", most=LARGEST)


if __name__ == "__main__":
    for name in sys.argv[1:] or [*SHEETS, *COMPOSED]:
        path = composed(name) if name in COMPOSED else make(name)
        print(f"{path.relative_to(FOLDER.parents[1])}: {path.stat().st_size / 1e3:.0f} kB")
