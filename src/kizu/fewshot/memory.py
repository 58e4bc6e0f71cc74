"""The examples that an inspector was fitted to, in its file, so that it can be fitted again with more of them.

They are rows of Kizu's own shards (``kizu/core/rows.py``): the bytes of each picture's file as they are (a PNG where
there is no file), its masks as run-length codes, id, group, source. Nothing is decoded before it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kizu.core.errors import KizuError
from kizu.fewshot.support import Support, ordered

if TYPE_CHECKING:
    from kizu.fewshot.inspector import FewShotInspector

MOST_BYTES = 32_000_000  # that examples take in a model file unless more is asked for
_ARRAY = "memory.examples"
_ROWS = 32  # at a time


@dataclass(frozen=True)
class Memory:
    """Remembered examples.

    Attributes:
        examples: uint8 (bytes of a Parquet table), a row each: the labelled pictures, then the good ones.
        labelled: how many of them are labelled ones.
        names: the classes of the fit.
        info: of the data set that they come from.
        options: of the fit, JSON-able; a later one takes those that it is not given from here.
    """

    examples: np.ndarray
    labelled: int
    names: tuple[str, ...]
    info: dict[str, Any]
    options: dict[str, Any]

    @classmethod
    def of(cls, support: Support, options: dict[str, Any]) -> Memory:
        """Of the pictures of a fit. Raises DataError where one cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from kizu.core.rows import SCHEMA, to_row

        samples = [*support.labelled, *support.clean]
        out = pa.BufferOutputStream()
        with pq.ParquetWriter(out, SCHEMA, compression="zstd", use_dictionary=False) as writer:
            for i in range(0, len(samples), _ROWS):
                rows = [to_row(sample.replace(score_map=None), embed=True) for sample in samples[i : i + _ROWS]]
                writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
        data = np.frombuffer(out.getvalue(), np.uint8)
        return cls(data, len(support.labelled), support.names, support.info, options)

    def support(self) -> Support:
        """The pictures again, decoded when they are asked for. Raises KizuError where the bytes are damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from kizu.core.rows import from_row

        try:
            rows = pq.ParquetFile(pa.BufferReader(pa.py_buffer(self.examples))).read().to_pylist()
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise KizuError(f"its examples are damaged ({error}); fit it anew from your own pictures") from error
        samples = [from_row(row, "the examples of the model") for row in rows]
        labelled, clean = samples[: self.labelled], samples[self.labelled :]
        return ordered(Support(self.names, labelled, clean, len(clean), self.info))

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays, by names that begin with ``memory.``, and JSON-able settings for the file of an inspector."""
        settings = {"labelled": self.labelled, "names": list(self.names), "info": self.info, "options": self.options}
        return {_ARRAY: self.examples}, settings


def memory_of(
    arrays: dict[str, np.ndarray], settings: dict[str, Any] | None
) -> tuple[Memory | None, dict[str, np.ndarray]]:
    """What the file of an inspector remembers, and the arrays that are not of it; the inverse of :meth:`Memory.state`.

    Raises:
        KizuError, LookupError: damaged parts.
    """
    rest = {key: value for key, value in arrays.items() if key != _ARRAY}
    if settings is None:
        return None, rest
    labelled, names = int(settings["labelled"]), tuple(settings["names"])
    return Memory(arrays[_ARRAY], labelled, names, settings["info"], settings["options"]), rest


def remember(inspector: FewShotInspector, support: Support, options: dict[str, Any]) -> str:
    """Put the examples of a fit, those that could be read, into its inspector, unless they are too large or not wanted.

    Returns:
        What the closing line has to say of it, or "".
    """
    if options["memory"] is False:
        return ""
    there = {id for record in inspector.card.data if record["role"] == "clean" for id in record["ids"]}
    read = replace(support, clean=[sample for sample in support.clean if sample.id in there])
    memory = Memory.of(read, options)
    if options["memory"] or len(memory.examples) <= MOST_BYTES:
        inspector.memory = memory
        return ""
    size = f"{len(memory.examples) / 1e6:.0f} MB"
    inspector.card.notes.append(
        f"Its examples, {size}, are not in the file, so it takes no --update; fit with --memory to keep them."
    )
    return f", without its examples ({size}; --memory keeps them)"
