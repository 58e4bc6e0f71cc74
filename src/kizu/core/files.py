"""Writing so that a kill or a full disk at any moment leaves either the old file or the new one, never a half."""

import contextlib
import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from kizu.core.errors import KizuError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "no permission; choose another folder or change its rights",
    errno.EPERM: "not permitted; choose another folder or change its rights",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another name",
    errno.EEXIST: "a file of this name is in the way; choose another name",
    errno.EISDIR: "this is a folder; name a file",
    errno.EFBIG: "the file would be larger than this system allows; raise the limit or choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def remedy(error: OSError) -> str:
    """What is wrong with a file or folder, and what to do."""
    return _REASONS.get(error.errno or 0, error.strerror or str(error))


def write_error(path: Path | str, error: OSError) -> KizuError:
    """An ``OSError`` from writing ``path`` as one line that says what to do."""
    return KizuError(f"cannot write {path}: {remedy(error)}")


def make_folder(path: Path | str) -> Path:
    """Create a folder and its parents.

    Raises:
        KizuError: it cannot be made (read-only, a file in the way, ...).
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error
    return path


def check_writable(path: Path | str) -> None:
    """Refuse a file that cannot be written, before the work whose result it is to hold; nothing is made.

    Raises:
        KizuError: it is a folder, or its folder, or the nearest one that is there, refuses or is none.
    """
    path = Path(path)
    if path.is_dir():
        raise KizuError(f"cannot write {path}: it is a folder; name a file in it")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise KizuError(f"cannot write {path}: {folder} is a file, not a folder; choose another name")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise KizuError(f"cannot write {path}: no permission to write in {folder}; choose another place")


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is synced and renamed over it, on failure removed.

    Raises:
        KizuError: the file system refuses (full, read-only, no permission).
    """
    path = Path(path)
    make_folder(path.parent)
    # The suffix is kept: image libraries choose the codec by it.
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write ``data`` under ``path`` atomically. Raises KizuError as :func:`atomic_path` does."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 ``text`` under ``path`` atomically. Raises KizuError as :func:`atomic_path` does."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))  # file names may hold bytes that are no text


def append_line(path: Path | str, line: str) -> None:
    """Append one line in a single synced write; a reader drops a last line that a kill cut short.

    Raises:
        KizuError: the file system refuses.
    """
    path = Path(path)
    try:
        with open(path, "ab+") as file:
            # A line that a kill cut short must not swallow this one.
            file.seek(0, os.SEEK_END)
            cut = file.tell() > 0 and (file.seek(-1, os.SEEK_END) or True) and file.read(1) != b"\n"
            file.write((b"\n" if cut else b"") + line.encode("utf-8") + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise write_error(path, error) from error


def sha256(path: Path | str) -> str:
    """SHA-256 of a file, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
