"""README, docs and CONTRIBUTING: what they show is run, what they name is there.

On each page the ```python blocks run one after the other in one namespace and one temporary folder, and so do the lines
of ```bash blocks that begin with ``kizu`` (or ``uv run kizu``), which must exit with 0. A ```text output block is what
the block before it prints. Blocks marked ``notest`` need data or machines of the reader's own; those marked ``torch``
are run where torch is installed, as it is with all extras.
"""

import contextlib
import importlib.util
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_house import ORDER

from kizu.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "bench" / "README.md"]
FENCE = re.compile(r"^```(\w*) *(.*)\n((?:.*\n)*?)```$", re.M)
SKIPPED = object()  # the output of a block that was not run
UNRUN = {"text", "toml", "json", "html", "yaml", ""}  # kinds of blocks that are only shown


@dataclass
class Block:
    """One fenced block: its kind, what stands behind the kind, its text and the number of its first line."""

    kind: str
    mark: str
    text: str
    line: int


def blocks(page):
    text = page.read_text("utf-8")
    found = [Block(m[1], m[2].strip(), m[3], text[: m.start()].count("\n") + 2) for m in FENCE.finditer(text)]
    assert text.count("\n```") + text.startswith("```") == 2 * len(found), f"{page}: a fence is not closed"
    return found


def commands(text):
    """The kizu command lines of a bash block, as lists of words; a backslash joins lines."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:2] == ["uv", "run"]:
            words = words[2:]
        if words[:1] == ["kizu"]:
            yield words[1:]


def run(block, page, namespace):
    """Run one block and return what it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        if block.kind == "python":
            # Empty lines before it make the line numbers of a traceback those of the page.
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)
        for words in commands(block.text) if block.kind == "bash" else ():
            try:
                main(words)
            except SystemExit as end:
                assert not end.code, f"{page}:{block.line}: kizu {shlex.join(words)} ends with {end.code}"
    return out.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_what_a_page_shows_works(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KIZU_TRACEBACK", "1")
    namespace, printed = {"__name__": page.stem}, None
    for block in blocks(page):
        where = f"{page}:{block.line}"
        assert block.kind in UNRUN | {"python", "bash"}, f"{where}: a block of kind {block.kind}"
        assert block.mark in ("", "notest", "output", "torch"), f"{where}: unknown mark {block.mark}"
        if block.mark == "torch" and importlib.util.find_spec("torch") is None:
            printed = SKIPPED
        elif block.mark == "output" and printed is not SKIPPED:
            assert printed is not None, f"{where}: no block before it prints anything"
            assert block.text.split() == printed.split(), (
                f"{where}: the page shows another output than this:\n{printed}"
            )
        elif block.kind not in UNRUN and block.mark != "notest":
            printed = run(block, page, namespace)


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_pages_are_run_rather_than_excused(page):
    shown = [block for block in blocks(page) if block.kind in ("python", "bash")]
    excused = [block for block in shown if block.mark == "notest"]
    assert len(excused) <= max(3, len(shown) // 3)
    assert page.name == "README.md" or len(shown) > len(excused)


@pytest.mark.parametrize("page", TEXTS, ids=[page.relative_to(ROOT).as_posix() for page in TEXTS])
def test_links_and_named_files_are_there(page):
    text = page.read_text("utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [link for link in links if link and not (page.parent / link).exists()]
    paths = re.findall(r"`((?:src|tests|bench|docs)/[\w./]+)`", text)
    missing += [path for path in paths if not (ROOT / path).exists() and not re.search("results/|NAME", path)]
    assert not missing, f"{page}: {missing}"


def test_names_in_contributing_are_those_of_the_source():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    words = set(re.findall(r"\w+", " ".join(path.read_text("utf-8") for path in files)))
    named = set(re.findall(r"`(\w+)(?:\([^`]*\))?:?`", text)) - {"tests", "bench", "docs", "src"}
    assert named - words == set()


def test_the_table_of_packages_is_the_house():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", text, re.M)
    there = {path.stem for path in (ROOT / "src" / "kizu").iterdir() if path.is_dir() or path.suffix == ".py"}
    assert named == [name for name in ORDER if name in there]


def test_the_licence_is_whole():
    text = (ROOT / "LICENSE").read_text("utf-8")
    for part in ("Version 2.0, January 2004", "END OF TERMS AND CONDITIONS", "APPENDIX: How to apply", "[yyyy]"):
        assert part in text
