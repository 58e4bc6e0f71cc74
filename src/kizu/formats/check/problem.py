"""One problem of a data set, and how faults of the readers become problems."""

from __future__ import annotations

from dataclasses import dataclass

from kizu.core.errors import KizuError
from kizu.formats.common.things import Fault

ERROR, WARNING, INFO = "error", "warning", "info"

# Faults that leave a data set usable; every other fault is an error.
_MILD = {"image without label", "label without image", "duplicate class"}


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        severity: ``error`` (cannot be used as it is), ``warning`` (probably wrong) or ``info`` (good to know).
        kind: a few words by which problems are grouped.
        file: the file concerned, or "".
        id: the image id and the record in it, or "".
        field: the field of the record, or "".
        message: what is wrong.
        remedy: what to do.
    """

    severity: str
    kind: str
    file: str = ""
    id: str = ""
    field: str = ""
    message: str = ""
    remedy: str = ""


def of_fault(fault: Fault) -> Problem:
    """The problem that a reader's fault tells."""
    severity = WARNING if fault.kind in _MILD else ERROR
    id = ", ".join(part for part in (fault.image, fault.item) if part)
    return Problem(severity, fault.kind, fault.file, id, fault.field, fault.what, fault.remedy)


def of_error(error: KizuError, kind: str, file: str = "", id: str = "") -> Problem:
    """The problem that any other error tells: its message ends, after a semicolon, with the remedy."""
    if isinstance(error, Fault):
        return of_fault(error)
    message, _, remedy = str(error).rpartition("; ")
    return Problem(ERROR, kind, file, id, "", message or remedy, remedy if message else "see the message")
