"""The examples that an inspector was fitted to, in its file, so that it can be fitted again with more of them.

They are rows of Kizu's own shards (``kizu/core/rows.py``): the bytes of each picture's file as they are (a PNG where
there is no file), its masks as run-length codes, id, group, source. Nothing is decoded before it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kizu.core.errors import DataError, KizuError
from kizu.fewshot.support import Support, ordered

if TYPE_CHECKING:
    from kizu.fewshot.inspector import FewShotInspector

MOST_BYTES = 32_000_000  # that examples take in a model file unless more is asked for
_ARRAY = "memory.examples"
_HELD = 8_000_000  # bytes of pictures that are held before they are written


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
    def of(cls, support: Support, options: dict[str, Any], most: int | None = None) -> Memory | None:
        """Of the pictures of a fit; None where they take more than ``most`` bytes. DataError: one cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from kizu.core.rows import SCHEMA, to_row

        out, rows, held = pa.BufferOutputStream(), [], 0
        with pq.ParquetWriter(out, SCHEMA, compression="zstd", use_dictionary=False) as writer:
            for sample in (*support.labelled, *support.clean, None):
                if sample is None or held > _HELD:
                    if rows:
                        writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
                    rows, held = [], 0
                    if most is not None and out.tell() > most:
                        return None
                if sample is not None:
                    rows.append(to_row(sample.replace(score_map=None), embed=True))
                    held += len(rows[-1]["image"])
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

    Raises:
        DataError: an example cannot be kept, and ``options`` say that all are.
    """
    wanted = options["memory"]
    if wanted is False:
        return ""
    there = {id for record in inspector.card.data if record["role"] == "clean" for id in record["ids"]}
    read = replace(support, clean=[sample for sample in support.clean if sample.id in there])
    reason = f"they take more than {MOST_BYTES // 10**6} MB; --memory keeps them"
    try:
        inspector.memory = Memory.of(read, options, None if wanted else MOST_BYTES)
    except DataError as error:
        if wanted:
            raise
        reason = str(error)
    if inspector.memory is not None:
        return ""
    inspector.card.notes.append(f"Its examples are not in the file, so it takes no --update: {reason}.")
    return f", without its examples ({reason})"
