"""What every file-based source shares: a list of entries, each with an id and a split."""

from __future__ import annotations

from typing import Any


class Entries:
    """Length, ids and splits of a source that keeps one entry an image in ``entries``; nothing is read for them."""

    entries: list[Any]

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def ids(self) -> list[str]:
        """Sample ids in order."""
        return [entry.id for entry in self.entries]

    @property
    def splits(self) -> list[str]:
        """The split of each sample, "" where unknown."""
        return [entry.split for entry in self.entries]
