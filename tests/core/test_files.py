"""Atomic writing: after an exception, a kill or a full disk there is the old file or the new one, and no other."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from kizu.core.errors import KizuError
from kizu.core.files import (
    append_line,
    atomic_path,
    check_writable,
    make_folder,
    sha256,
    write_bytes,
    write_error,
    write_text,
)

posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


def child(code, *arguments):
    """A Python process whose standard output is read line by line."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writing_makes_folders_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    write_text(path, "ü\n")
    assert path.read_bytes() == "ü\n".encode()
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["c.txt"]
    assert sha256(path) == "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"


def test_the_temporary_file_keeps_the_suffix_beside_the_final_one(tmp_path):
    with atomic_path(tmp_path / "picture.png") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"x")
        assert not (tmp_path / "picture.png").exists()


@pytest.mark.parametrize("error", [ValueError("x"), KizuError("x"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_exception_leaves_the_old_file(tmp_path, old, error):
    path = tmp_path / "f.bin"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(type(error)), atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert names(tmp_path) == ([] if old is None else ["f.bin"])
    assert old is None or path.read_bytes() == old


@posix
def test_a_kill_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "f.bin"
    path.write_bytes(b"old")
    process = child(
        """
        import sys, time
        from kizu.core.files import atomic_path
        with atomic_path(sys.argv[1]) as temporary, open(temporary, "wb") as file:
            file.write(b"half")
            file.flush()
            print("half", flush=True)
            time.sleep(60)
        """,
        path,
    )
    assert process.stdout.readline() == "half\n"
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert path.read_bytes() == b"old"


@posix
@pytest.mark.parametrize("writes", [1, 4, 7])
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path, writes):
    path = tmp_path / "f.bin"
    process = child(
        """
        import itertools, sys
        from kizu.core.files import write_bytes
        for k in itertools.count():
            write_bytes(sys.argv[1], bytes([k % 251]) * 300_000)
            print(k, flush=True)
        """,
        path,
    )
    for _ in range(writes):
        process.stdout.readline()
    process.kill()
    process.wait()
    data = path.read_bytes()
    assert data == bytes([data[0]]) * 300_000
    assert data[0] >= writes - 1


@posix
def test_a_file_system_that_takes_no_more(tmp_path):
    """A limit on the size of files stands for the full disk: the same place, the same kind of error."""
    path = tmp_path / "f.bin"
    path.write_bytes(b"old")
    process = child(
        """
        import resource, signal, sys
        from kizu.core.errors import KizuError
        from kizu.core.files import append_line, write_bytes
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        for write, data in ((write_bytes, b"x" * 100_000), (append_line, "x" * 100_000)):
            try:
                write(sys.argv[1], data)
            except KizuError as error:
                print(error)
        """,
        path,
    )
    lines = process.communicate()[0].splitlines()
    assert process.returncode == 0
    assert lines == [f"cannot write {path}: the file would be larger than this system allows; "
                     "raise the limit or choose another folder"] * 2  # fmt: skip
    assert names(tmp_path) == ["f.bin"]
    assert path.read_bytes()[:3] == b"old"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk():
    with pytest.raises(KizuError, match=r"^cannot write /dev/full: the disk is full; free some space [^\n]*$"):
        append_line("/dev/full", "line")


@pytest.mark.parametrize("write", [lambda p: write_bytes(p, b""), lambda p: append_line(p, ""), make_folder])
def test_a_path_below_a_file(tmp_path, write):
    (tmp_path / "file").write_text("x")
    with pytest.raises(KizuError, match=r"cannot write .*a file[^\n]*; choose another name"):
        write(tmp_path / "file" / "f.bin")
    assert names(tmp_path) == ["file"]


def test_names_that_are_taken(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(KizuError, match="in the way"):
        make_folder(tmp_path / "file")
    for write in (write_text, append_line):
        with pytest.raises(KizuError, match="this is a folder; name a file"):
            write(tmp_path / "folder", "x")
    with pytest.raises(KizuError, match="too long"):
        write_text(tmp_path / ("x" * 300), "x")
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write into every folder")
def test_a_folder_that_may_not_be_written(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    with pytest.raises(KizuError, match="no permission"):
        write_text(folder / "f.txt", "x")


def test_an_error_without_a_number_is_told_too():
    assert str(write_error("f", OSError("strange"))) == "cannot write f: strange"


def test_append(tmp_path):
    path = tmp_path / "lines.jsonl"
    append_line(path, "one")
    append_line(path, "zwölf")
    assert path.read_text("utf-8") == "one\nzwölf\n"


def test_append_after_a_line_that_was_cut_short(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"shard": 0}\n{"sha')
    append_line(path, "two")
    append_line(path, "three")
    assert path.read_text().splitlines() == ['{"shard": 0}', '{"sha', "two", "three"]


def test_a_file_that_cannot_be_written_is_told_before_the_work(tmp_path):
    check_writable(tmp_path / "new" / "deeper" / "file")
    assert not list(tmp_path.iterdir()), "nothing is made"
    (tmp_path / "file").write_text("")
    for path, told in ((tmp_path, "it is a folder"), (tmp_path / "file" / "x" / "y", "file is a file, not a folder")):
        with pytest.raises(KizuError, match=f"cannot write .*{told}"):
            check_writable(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(KizuError, match=r"no permission to write in .*locked"):
        check_writable(tmp_path / "locked" / "m.kizu")
