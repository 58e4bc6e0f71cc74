"""``kizu lexicon show``: a table of all defect types, or one of them in full."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kizu.core.run import Done

_NOUNS = {"edge": " edges", "direction": " direction"}  # without which a value of the table says too little


@dataclass
class Shown(Done):
    """The result of ``lexicon_show``.

    Attributes:
        shown: the defect types, in the order of the table.
    """

    shown: list = field(default_factory=list)


def lexicon_show(name: str | None = None, *, types: list[Path] | None = None) -> Shown:
    """Show all defect types in a table, or one in full, with what the parser reads from its sentences.

    Args:
        name: A type, by name or synonym; all by default.
        types: TOML files of your own types, or folders of such; they add to Kizu's types and override them.
    """
    from rich.console import Console

    from kizu.lexicon import Lexicon

    lexicon = Lexicon.load(*types or ())
    console = Console(highlight=False)
    if name is None:
        console.print(_table(lexicon))
        more = len(lexicon) - len(lexicon.defects)
        line = f"{len(lexicon.defects)} defect types and {more} distractors; kizu lexicon show NAME tells all of one."
        return Shown(line, shown=list(lexicon.values()))
    item = lexicon[name]
    missing = _show(item, console)
    line = f"{item.title}: a type of the family {item.family}, drawn by {item.recipe.draw!r}."
    if missing:
        line += f" Its sentences and its attributes differ in {', '.join(missing)}."
    return Shown(line, problems=len(missing), shown=[item])


def _table(lexicon):
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    table.add_column("type", no_wrap=True, min_width=max(map(len, lexicon.names)))
    table.add_column("also called", ratio=4)
    table.add_column("looks", ratio=6)
    families = list(dict.fromkeys(item.family for item in lexicon.values()))
    families.sort(key=lambda family: family == "distractor")
    for n, family in enumerate(families):
        if n:
            table.add_row()
        heading = "distractor: no defects by default" if family == "distractor" else family
        table.add_row(Text(family, "bold cyan"), Text(heading.partition(": ")[2], "cyan"), "")
        for item in lexicon.values():
            if item.family == family:
                looks = "; ".join(
                    "/".join(values) + _NOUNS.get(attribute, "") for attribute, values in item.attributes.items()
                )
                table.add_row(Text(item.name, "bold"), Text(", ".join(item.synonyms)), Text(looks))
    return table


def _show(item, console) -> list[str]:
    """One type in full; returns the attributes in which sentences and record differ."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from kizu.lexicon.parse import mentions
    from kizu.lexicon.vocabulary import VOCABULARY

    console.print(f"[bold]{item.title}[/bold] ({item.family})")
    if item.synonyms:
        console.print(f"also called {', '.join(item.synonyms)}", markup=False)
    for sentence in item.sentences:
        console.print(f"  {sentence}", markup=False)
    said = [mention for sentence in item.sentences for mention in mentions(sentence) if not mention.negated]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("attribute", "stated", "read from the sentences, in the words"):
        table.add_column(heading, overflow="fold")
    differing = []
    for attribute, values in VOCABULARY.items():
        stated = item.attributes.get(attribute, ())
        read = [value for value in values if any((attribute, value) in mention.says for mention in said)]
        words = dict.fromkeys(m.text for m in said if any(pair[0] == attribute for pair in m.says))
        if set(stated) != set(read):
            differing.append(attribute)
        if stated or read:
            text = Text(", ".join(read), "" if set(stated) == set(read) else "yellow")
            table.add_row(attribute, ", ".join(stated), text + Text(f" ({', '.join(words)})" if words else "", "dim"))
    console.print(table)
    ranges = ", ".join(f"{key} {_range(value)}" for key, value in item.recipe.ranges.items())
    console.print(f"drawn by {item.recipe.draw}" + (f": {ranges}" if ranges else ""), markup=False)
    return differing


def _range(value) -> str:
    return f"{value[0]} to {value[1]}" if isinstance(value, tuple) else str(value)
