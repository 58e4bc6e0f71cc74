"""The command line as a user meets it: help, version, exit codes, and messages of one line."""

import errno
import subprocess
import sys

import pytest

import kizu
from kizu import cli
from kizu.core.errors import DataError, KizuError
from kizu.core.run import Done
from kizu.verbs import GROUPS, VERBS, words

BROKEN = [{"item": "a", "reason": "a: broken"}]
FULL = "kizu: out/f: the disk is full; free some space or choose another folder\n"


def ended(arguments, capsys):
    """Exit code, standard output and standard error of the command line."""
    try:
        cli.main(arguments)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    out, err = capsys.readouterr()
    return code, out, err


def test_help_names_every_verb(capsys):
    code, out, _ = ended(["--help"], capsys)
    assert code == 0
    for name in VERBS:
        assert words(name)[0] in out


@pytest.mark.parametrize("group", GROUPS)
def test_help_of_a_group_names_its_verbs(group, capsys):
    code, out, _ = ended([group, "--help"], capsys)
    assert code == 0
    assert GROUPS[group] in " ".join(out.split())
    for name in VERBS:
        if words(name)[0] == group:
            assert words(name)[-1] in out


def test_version(capsys):
    assert ended(["--version"], capsys) == (0, f"{kizu.__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [["inspectt"], ["evaluate"], ["lexicon", "shwo"], ["evaluate", "a", "b", "--no-such-key", "1"]],
)
def test_a_mistake_on_the_command_line_is_no_success(arguments, capsys):
    code, out, err = ended(arguments, capsys)
    assert code != 0
    assert "Traceback" not in out + err
    assert out + err


@pytest.mark.parametrize(
    ("outcome", "code", "out", "err"),
    [
        (Done("made 3 in out"), 0, "made 3 in out\n", ""),
        (Done("made 3 in out", problems=2), 1, "made 3 in out\n", ""),
        (Done("made 2.", skipped=BROKEN), 1, "made 2. 1 item(s) skipped, the first: a: broken\n", ""),
        (KizuError("line3: no such folder; check the path"), 2, "", "kizu: line3: no such folder; check the path\n"),
        (DataError("a.png: broken; save it again"), 2, "", "kizu: a.png: broken; save it again\n"),
        (OSError(errno.ENOSPC, "No space", "out/f"), 2, "", FULL),
        (KeyboardInterrupt(), 130, "", "kizu: stopped; what was finished is kept\n"),
    ],
    ids=["done", "problems", "skipped", "error", "data error", "disk full", "interrupted"],
)  # fmt: skip
def test_outcomes_and_exit_codes(outcome, code, out, err, capsys, monkeypatch):
    def verb(arguments):
        if isinstance(outcome, Done):
            return outcome
        raise outcome

    monkeypatch.delenv("KIZU_TRACEBACK", raising=False)
    monkeypatch.setattr(cli, "build", lambda: verb)
    assert ended([], capsys) == (code, out, err)


def test_a_traceback_on_request(capsys, monkeypatch):
    monkeypatch.setenv("KIZU_TRACEBACK", "1")
    with pytest.raises(KizuError, match="no such"):
        cli.main(["check", "no such folder at all"])


def test_a_folder_that_is_not_there(tmp_path, capsys):
    code, out, err = ended(["check", str(tmp_path / "nothing")], capsys)
    assert (code, out) == (2, "")
    assert err.startswith("kizu: ")
    assert err.count("\n") == 1
    assert str(tmp_path / "nothing") in err


def test_the_installed_command_is_this_one():
    code = "from importlib.metadata import entry_points; print(*entry_points(group='console_scripts', name='kizu'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "kizu.cli:main" in done.stdout


@pytest.fixture
def doubled(tmp_path, monkeypatch):
    """A verb with the name of a group, beside another of that group; both write down how they were called."""
    (tmp_path / "kits.py").write_text(
        '''
from kizu.core.run import Done

def kits(out: str, *, count: int = 3) -> Done:
    """Pack so many kits into a folder.

    Args:
        out: the folder to fill.
        count: kits to pack.
    """
    return Done(f"packed {count} in {out}")

def kits_list(source: str) -> Done:
    """Tell what kits there are.

    Args:
        source: the folder to look into.
    """
    return Done(f"listed {source}")
'''
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(GROUPS, "kits", "All about kits.")


@pytest.mark.parametrize("order", [("kits", "kits_list"), ("kits_list", "kits")])
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["kits", "there"], "packed 3 in there"),
        (["kits", "there", "--count", "5"], "packed 5 in there"),
        (["kits", "list", "here"], "listed here"),
    ],
)
def test_a_verb_with_the_name_of_a_group(doubled, order, arguments, line, capsys, monkeypatch):
    for name in order:
        monkeypatch.setitem(VERBS, name, "kits")
    assert [words(name) for name in ("kits", "kits_list")] == [["kits"], ["kits", "list"]]
    assert ended(arguments, capsys) == (0, f"{line}\n", "")
    for asked in (["kits", "--help"], ["--help"]):
        code, out, _ = ended(asked, capsys)
        assert code == 0
        assert "All about kits." in out
    _, out, _ = ended(["kits", "--help"], capsys)
    for text in ("Pack so many kits", "--count", "OUT", "list", "Tell what kits there are."):
        assert text in out
