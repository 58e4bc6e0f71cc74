"""All defect types under their names and synonyms: those of Kizu, and a user's own from TOML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from kizu.core.errors import KizuError
from kizu.lexicon.record import DefectType, did_you_mean
from kizu.lexicon.records import types_of
from kizu.lexicon.words import key, stem, tokens

TYPES = Path(__file__).parent / "types"
_ADJECTIVES = ("open", "short")  # names of printed boards that are other words in a sentence


class Lexicon(Mapping[str, DefectType]):
    """Name -> ``DefectType``; a look-up takes synonyms too, and minds neither case nor plural, hyphens nor spaces.

    >>> Lexicon.load()["Water-Marks"].name
    'water_mark'
    """

    def __init__(self, types: Iterable[DefectType]):
        """
        Raises:
            KizuError: two types answer to one name or synonym.
        """
        self._types = {item.name: item for item in types}
        self._names: dict[str, str] = {key(name): name for name in self._types}
        if len(self._names) < len(self._types):
            twice = next(name for name in self._types if self._names[key(name)] != name)
            raise KizuError(f"types '{twice}' and '{self._names[key(twice)]}' have the same name; rename one")
        owners = dict(self._names)
        for item in self._types.values():
            for synonym in item.synonyms:
                other = owners.setdefault(key(synonym), item.name)
                if other != item.name:
                    raise KizuError(
                        f"synonym {synonym!r} of type '{item.name}' already stands for '{other}'; drop it, or override "
                        f"the synonyms of '{other}'"
                    )
        self._names = owners

    @classmethod
    def load(cls, *files: Path | str) -> Lexicon:
        """The types that come with Kizu, then those of TOML files (or folders of such), which add and override types.

        Raises:
            KizuError: a file is broken (with line and column), or a field is: with file, type, field, the bad value and
                what is allowed.
        """
        types: dict[str, DefectType] = {}
        for path in sorted(TYPES.glob("*.toml")):
            types.update((item.name, item) for item in types_of(path, types))
        for given in files:
            for path in _toml_files(Path(given)):
                own = {}
                for item in types_of(path, types):
                    if item.name in own:
                        raise KizuError(f"{path}: type '{item.name}' stands there twice; join the two")
                    own[item.name] = item
                types |= own
                try:
                    cls(types.values())
                except KizuError as error:
                    raise KizuError(f"{path}: {error}") from None
        return cls(types.values())

    def __getitem__(self, name: str) -> DefectType:
        """
        Raises:
            KizuError: there is no such type; the message has the closest names.
        """
        found = self.get(name)
        if found is None:
            known = {
                text.lower().replace("_", " "): text for item in self.values() for text in (item.name, *item.synonyms)
            }
            close = did_you_mean(" ".join(token.text for token in tokens(str(name))), known)
            raise KizuError(f"there is no defect type {name!r}{close or '; known are ' + ', '.join(self.names)}")
        return found

    def get(self, name: str, default=None):
        """The type of a name or synonym, or ``default``."""
        return self._types.get(self._names.get(key(name), ""), default) if isinstance(name, str) else default

    def __contains__(self, name: object) -> bool:
        return self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def __repr__(self) -> str:
        return f"Lexicon({', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all types: Kizu's in alphabetical order, then a user's own."""
        return tuple(self._types)

    @property
    def defects(self) -> tuple[str, ...]:
        """The names of the types that are defects; the others are distractors."""
        return tuple(name for name, item in self._types.items() if item.is_defect)

    def named_in(self, sentence: str) -> tuple[str, ...]:
        """The types that a sentence names, in order: ``"scratches and water marks"`` has two; the longest name wins.

        Negation is not minded: ``"no rust"`` names rust.
        """
        words = [token.text for token in tokens(sentence)]
        longest = max((len(tokens(text)) for item in self.values() for text in (item.name, *item.synonyms)), default=0)
        out: list[str] = []
        i = 0
        while i < len(words):
            for j in range(min(len(words), i + longest), i, -1):
                name = self._names.get(stem("".join(words[i:j])))
                if name and " ".join(words[i:j]) not in _ADJECTIVES:
                    out.append(name)
                    i = j
                    break
            else:
                i += 1
        return tuple(dict.fromkeys(out))


def _toml_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.toml"))
    if not files:
        raise KizuError(f"{path}: there is no .toml file in this folder; name the files of your types")
    return files
