"""Finding COCO annotation files, the splits they belong to, and the folders of their images."""

from __future__ import annotations

from pathlib import Path

from kizu.formats.common.trees import sniff, split_name

_WORDS = (b'"annotations"', b'"categories"', b'"images"', b'"file_name"', b'"image_id"', b'"category_id"')


def find(path: Path) -> list[tuple[Path, str]]:
    """The annotation files of a folder (or the file itself) with their splits; none where it holds no COCO."""
    if path.is_file():
        return [(path, split_name(path.stem) or split_name(path.parent.name))] if path.suffix.lower() == ".json" else []
    for name in ("instances.json", "_annotations.coco.json", "annotations.coco.json"):
        if (path / name).is_file():
            return [(path / name, "")]
    robo = [(p, split_name(p.parent.name)) for p in sorted(path.glob("*/_annotations.coco.json"))]
    robo = [(p, split) for p, split in robo if split]
    if robo:
        return robo
    for pattern in ("annotations/instances*.json", "annotations/*.json", "*.json"):
        files = [p for p in sorted(path.glob(pattern)) if not p.name.startswith(".")]
        files = [p for p in files if "instances" in p.name or _looks_like_coco(p)]
        if files:
            named = [(p, split_name(p.stem)) for p in files]
            return named if len(files) == 1 or all(split for _, split in named) else [(p, "") for p in files]
    return []


def _looks_like_coco(file: Path) -> bool:
    """Whether the ends of a JSON file hold two words of COCO (one alone stands in many a file) and none of labelme."""
    return sum(sniff(file, word) for word in _WORDS) >= 2 and not sniff(file, b'"shapes"')


def probe(path: Path) -> bool:
    """Whether a path looks like COCO."""
    try:
        if path.is_file():
            return path.suffix.lower() == ".json" and _looks_like_coco(path)
        return bool(find(path))
    except OSError:
        return False


def image_folders(file: Path, split: str) -> list[Path]:
    """Folders where the images of an annotation file may be, the likeliest first."""
    base = file.parent.parent if file.parent.name.lower() in ("annotations", "annotation", "labels") else file.parent
    token = file.stem.replace("instances_", "").replace("_instances", "")
    names = [
        f"images/{token}",
        token,
        *([f"images/{split}", split] if split else []),
        "images",
        "JPEGImages",
        "data",
        ".",
    ]
    return [base / name for name in dict.fromkeys(names) if (base / name).is_dir()]
