"""The contact sheets of the documentation: a page of each preset, docs/sheets/NAME.png.

uv run python bench/sheets.py              # all of them
uv run python bench/sheets.py boards line  # some
"""

from __future__ import annotations

import sys
from pathlib import Path

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


def make(name: str) -> Path:
    """Write the sheet of one preset."""
    seed, count, columns = SHEETS[name]
    made = Formula(load(name), count, seed=seed).dataset()
    return contact_sheet(made, FOLDER / f"{name}.png", count, columns, f"{name}, seed {seed}", most=LARGEST)


if __name__ == "__main__":
    for name in sys.argv[1:] or SHEETS:
        path = make(name)
        print(f"{path.relative_to(FOLDER.parents[1])}: {path.stat().st_size / 1e3:.0f} kB")
