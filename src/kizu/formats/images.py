"""A plain folder of images (or one image file) without labels; sub-folders train, val and test give the split."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from kizu.core.dataset import Dataset, Format
from kizu.core.errors import KizuError
from kizu.core.images import SUFFIXES
from kizu.core.sample import Sample
from kizu.formats.common.trees import any_image, images_below, split_parts, unique_ids

ORDER = 1000


def probe(path: Path) -> bool:
    """Whether a path is an image file or holds one."""
    try:
        return path.suffix.lower() in SUFFIXES if path.is_file() else any_image(path)
    except OSError:
        return False


class ImageSource:
    """Random access to image files without labels."""

    def __init__(self, paths: list[Path], ids: list[str], splits: list[str]):
        self.paths, self.ids, self.splits = paths, ids, splits

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Sample:
        return Sample(self.ids[i], path=self.paths[i], split=self.splits[i], labelled=False)


def read(path: Path) -> Dataset:
    """Open images without labels. Raises KizuError where there is none."""
    path = Path(path)
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise KizuError(f"{path}: not an image file; known are {', '.join(sorted(SUFFIXES))}")
        return Dataset(ImageSource([path], [path.name], [""]), [])
    found = images_below(path)
    if not found:
        raise KizuError(f"{path}: holds no image; known are {', '.join(sorted(SUFFIXES))}")
    parts = [split_parts(PurePosixPath(name)) for name in found]
    ids = unique_ids((folder, rest) for _, folder, rest in parts)
    notes = [f"{path}: no labels were found; {len(found)} images without any"]
    return Dataset(ImageSource(list(found.values()), ids, [split for split, _, _ in parts]), [], notes=notes)


FORMAT = Format("images", "images without labels", probe, read, None)
