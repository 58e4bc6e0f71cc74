"""The log of a run: a CSV file that grows line by line, survives a kill, and is cut back where a run goes on."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from kizu.core.errors import KizuError
from kizu.core.files import append_line, write_text


class Log:
    """Lines of numbers under one head, each line led by the number of steps done."""

    def __init__(self, path: Path, step: int):
        """
        Args:
            path: the file; lines of steps after ``step``, and one that a kill cut short, are taken out of it.

        Raises:
            KizuError: the file system refuses.
        """
        self.path = path
        self.rows = [row for row in read_log(path) if row["step"] <= step]
        if path.exists():
            write_text(path, "".join(f"{line}\n" for line in self._lines(self.rows)))

    def add(self, row: dict[str, float]) -> None:
        """Append a line. Raises KizuError where it has other columns than the first one, or the disk refuses."""
        if self.rows and list(row) != list(self.rows[0]):
            raise KizuError(f"{self.path} has the columns {', '.join(self.rows[0])}, not {', '.join(row)}")
        # The head and the first line come in one write, so that no kill leaves a head alone or a line without one.
        append_line(self.path, "\n".join(self._lines([row]) if not self.rows else self._lines([row])[1:]))
        self.rows.append(row)

    @staticmethod
    def _lines(rows: list[dict[str, float]]) -> list[str]:
        if not rows:
            return []
        return [",".join(rows[0]), *(",".join(_text(value) for value in row.values()) for row in rows)]


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log, oldest first; one that a kill cut short is left out. No file gives no lines."""
    if not path.exists():
        return []
    text = path.read_text("utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]
    rows = []
    for record in csv.DictReader(io.StringIO(whole)):
        try:
            row = {str(name): float(value) for name, value in record.items()}
        except (TypeError, ValueError):
            continue
        if "step" in row:
            rows.append(row)
    return rows


def _text(value: float) -> str:
    """Whole numbers without a point, others with all the digits that tell floats of 64 bits apart."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))
