"""``kizu lexicon read``: what Kizu understands of a sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kizu.core.run import Done


@dataclass
class Read(Done):
    """The result of ``lexicon_read``.

    Attributes:
        attributes: attribute -> values that the sentence states.
        named: the defect types that it names.
    """

    attributes: dict = field(default_factory=dict)
    named: tuple[str, ...] = ()


def lexicon_read(sentence: str, *, types: list[Path] | None = None) -> Read:
    """Print the attributes that are read from a sentence of your own, and the defect types that it names.

    The exit code is 1 where nothing is read.

    Args:
        sentence: How a defect looks, e.g. "long thin scratches, bright, not across the whole width".
        types: TOML files of your own types, or folders of such.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from kizu.lexicon import Lexicon
    from kizu.lexicon.parse import mentions, read_attributes

    lexicon = Lexicon.load(*types or ())
    attributes, named = read_attributes(sentence), lexicon.named_in(sentence)
    said = mentions(sentence)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("attribute", "values", "read in the words"):
        table.add_column(heading, overflow="fold")
    for attribute, values in attributes.items():
        words = [m.text for m in said if not m.negated and any(pair[0] == attribute for pair in m.says)]
        table.add_row(attribute, ", ".join(values), Text(", ".join(dict.fromkeys(words)), "dim"))
    denied = list(dict.fromkeys(m.text for m in said if m.negated))
    if denied:
        table.add_row("left out", "", Text(f"negated: {', '.join(denied)}", "dim"))
    if attributes or denied:
        Console(highlight=False).print(table)
    types_line = f" It names {', '.join(lexicon[name].title for name in named)}." if named else ""
    if not attributes:
        line = (
            "No attribute is read from this sentence. Say tone, shape, size, direction, number, edge or relief in "
            f"plain words, such as those of kizu lexicon show scratch.{types_line}"
        )
        return Read(line, problems=0 if named else 1, named=named)
    count = f"{len(attributes)} attribute{'' if len(attributes) == 1 else 's'}"
    return Read(f"{count} read.{types_line}", attributes=attributes, named=named)
