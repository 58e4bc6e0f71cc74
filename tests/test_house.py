"""The rules of the house, checked on the source itself: who imports whom, what is loaded when, names and documents."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from kizu.verbs import GROUPS, TYPED, VERBS, words

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "kizu"
FILES = sorted(SOURCE.rglob("*.py"))
ORDER = (
    "core", "formats", "evaluation", "lexicon", "synth", "corpus", "models", "inspection", "anomaly", "pretrain",
    "detector", "fewshot", "zeroshot", "reporting", "serve", "verbs", "cli",
)  # fmt: skip
# Plug-ins: looked up by name at run time, so that a new file there is found without a change here.
PLUG_INS = {
    "core/dataset.py": {"kizu.formats"},
    "core/inspector.py": {"kizu.{}"},  # the sub-package of an inspector's kind
    "cli.py": {"{}"},  # the verbs
    "__init__.py": {"{}"},  # verbs and nouns
    "formats/__init__.py": {"{}.{}"},  # its own files
    "synth/formula/source.py": {"kizu.synth.formula.painters.{}"},  # the painter that a preset names
}
HEAVY = {
    "torch", "torchvision", "timm", "transformers", "ray", "diffusers", "openvino", "onnx", "onnxscript", "accelerate",
    "fastapi", "uvicorn", "supervision", "sentence_transformers",
}  # fmt: skip
# A file of more than 400 lines, and why it is one idea all the same.
LONG: dict[str, str] = {}

each_file = pytest.mark.parametrize("path", FILES, ids=[path.relative_to(SOURCE).as_posix() for path in FILES])


def parsed(path):
    return ast.parse(path.read_text("utf-8"), str(path))


def imported(tree, path):
    """Absolute dotted names of all imports of a file, those inside functions too."""
    package = ("kizu", *path.relative_to(SOURCE).parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                [*package[: len(package) + 1 - node.level], *filter(None, [node.module])]
                if node.level
                else [node.module]
            )
            yield from (".".join([*base, alias.name]) for alias in node.names)


def home(path):
    """The package of a file: the first folder below src/kizu, or the file itself."""
    parts = path.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 else path.stem


def dotted_text(node):
    """A text as it is written, the parts that are put in at run time as {}; None for what is no text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
    return None


def test_every_package_has_its_place():
    assert {home(path) for path in FILES} - {"__init__", "__main__"} <= set(ORDER)
    assert set(VERBS.values()) == {f"kizu.verbs.{name}" for name in VERBS}
    assert not set(VERBS) & set(ORDER), "import kizu.NAME would hide the verb: put it into a group"
    assert set(GROUPS) == {words(name)[0] for name in VERBS if len(words(name)) > 1}
    assert set(TYPED) <= set(VERBS)
    typed = [tuple(words(name)) for name in VERBS]
    assert len(set(typed)) == len(typed), "two verbs of one name"
    assert not {(group,) for group in GROUPS} & {(name,) for name in TYPED.values()}, "a group hides this verb"


@each_file
def test_imports_run_one_way(path):
    own = home(path)
    for name in imported(parsed(path), path):
        parts = name.split(".")
        if parts[0] != "kizu":
            continue
        other = parts[1]
        if other == "__version__":
            continue
        if own == "__main__":
            assert other == "cli"
        elif own == "__init__":
            assert other == "verbs", f"{path}: 'import kizu' is to load nothing, but {name} is imported"
        else:
            assert other in ORDER, f"{path}: {name}: import the file that defines it, not the short name"
            assert ORDER.index(other) <= ORDER.index(own), f"{path}: {own} may not import {name}, which is below it"
            assert other != "cli" or own == "cli"
        if own == "core":
            assert other == "core"
        if own in ("synth", "corpus"):
            assert other != "models", f"{path}: what it needs of a model, it is handed"


@each_file
def test_imports_by_name_are_plug_ins(path):
    key = path.relative_to(SOURCE).as_posix()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module", "__import__",
        ):  # fmt: skip
            name = dotted_text(node.args[0]) if node.args else "{}"
            if key == "core/errors.py":
                continue  # optional(): third-party libraries
            assert (name or "{}") in PLUG_INS.get(key, set()), (
                f"{path}:{node.lineno}: imports {name or 'a computed name'}"
            )


def at_import(body):
    """Statements that run when a module is imported: not those inside functions, nor those for type checkers."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from at_import(node.orelse)
            continue
        yield node
        for field in ("body", "orelse", "finalbody", "handlers"):
            yield from at_import(getattr(node, field, []))


def is_net(path):
    """Networks are classes of torch: files of a folder ``nets`` load it, and are themselves loaded inside functions."""
    return "nets" in path.relative_to(SOURCE).parts


@each_file
def test_heavy_libraries_are_imported_where_they_are_used(path):
    if is_net(path):
        return
    for node in at_import(parsed(path).body):
        if isinstance(node, ast.ImportFrom):
            assert "nets" not in (node.module or "").split("."), f"{path}:{node.lineno}: import it inside the function"
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = {node.module.split(".")[0]}
        else:
            continue
        assert not names & HEAVY, f"{path}:{node.lineno}: import {names & HEAVY} inside the function that uses it"


def loaded_by(code):
    """Top-level modules that are loaded in a fresh process after ``code``."""
    code += "\nimport sys\nprint('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


LIGHT = {
    "import kizu": {"numpy", "numba", "cv2", "sklearn", "skimage", "scipy", "pyarrow", "PIL", "pycocotools"}
    | {"cyclopts", "rich"},
    "kizu --help": {"numba", "sklearn", "skimage", "scipy", "pyarrow", "cv2", "pycocotools"},
}  # fmt: skip
CODE = {
    "import kizu": "import kizu; dir(kizu); kizu.__version__",
    "kizu --help": "import kizu.cli\ntry:\n    kizu.cli.main(['--help'])\nexcept SystemExit: pass",
}


@pytest.mark.parametrize("what", LIGHT)
def test_what_is_not_loaded(what):
    loaded = loaded_by(CODE[what])
    assert not loaded & (LIGHT[what] | HEAVY)
    assert "kizu" in loaded


@each_file
def test_public_names_have_docstrings(path):
    tree = parsed(path)
    assert ast.get_docstring(tree), f"{path}: say in one sentence what this file is"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path}:{node.lineno}: {node.name} has no docstring"


@each_file
def test_files_are_short(path):
    lines = len(path.read_text("utf-8").splitlines())
    key = path.relative_to(SOURCE).as_posix()
    assert lines <= 400 or LONG.get(key), f"{path} has {lines} lines: one idea a file"
    assert key not in LONG or lines > 400, f"{key} is short again: take it off the list"


# --- the verbs ---


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_is_a_documented_function(name):
    import kizu
    from kizu.core.run import Done

    verb = getattr(importlib.import_module(VERBS[name]), name)
    assert getattr(kizu, name) is verb
    assert name in dir(kizu)
    hints = typing.get_type_hints(verb)
    assert issubclass(hints["return"], Done)
    text = inspect.getdoc(verb)
    documented = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", text, re.M)
    assert documented, f"{name}: no 'Args:' in the docstring"
    entries = re.findall(r"^    (\w+):[ ](\S.*)$", documented.group(1), re.M)
    assert [entry for entry, _ in entries] == list(inspect.signature(verb).parameters)
    for parameter in inspect.signature(verb).parameters:
        assert parameter in hints, f"{name}: {parameter} has no annotation"


@pytest.mark.parametrize("name", VERBS)
def test_the_command_line_has_the_same_names(name, capsys):
    from kizu.cli import main

    with pytest.raises(SystemExit) as end:
        main([*words(name), "--help"])
        raise SystemExit(0)  # cyclopts may return after help
    assert not end.value.code
    shown = capsys.readouterr().out
    verb = getattr(importlib.import_module(VERBS[name]), name)
    for parameter in inspect.signature(verb).parameters:
        assert parameter.replace("_", "-") in shown.lower() or parameter.upper() in shown
    first = inspect.getdoc(verb).split("\n\n")[0].split()[:4]
    assert " ".join(first) in " ".join(shown.split())


def test_the_module_runs_as_the_command_does():
    done = subprocess.run([sys.executable, "-m", "kizu.cli", "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", done.stdout)


# --- the tree ---


def tracked():
    """Every file that git would commit."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if done.returncode or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def test_no_paths_of_one_machine():
    # Written in pieces, so that this file does not hold them itself.
    places = [
        "/" + "work/",
        "/" + "root/",
        "/" + r"home/\w",
        "/" + r"Users/\w",
        r"\b[A-Z]:\\+" + r"Users\b",
        "/" + "tmp/",
    ]
    wrong = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if any(re.search(r"(?<![\w.}])" + place if place[0] == "/" else place, line) for place in places):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not wrong, "\n".join(wrong)


def test_what_is_not_committed():
    names = {path.relative_to(ROOT).as_posix() for path in tracked()}
    assert "uv.lock" not in names
    assert not [name for name in names if name.endswith((".pyc", ".kizu", ".egg-info")) or "__pycache__" in name]
    weights = {name for name in names if name.startswith("src/kizu/models/weights/")}
    assert sum((ROOT / name).stat().st_size for name in weights) <= 20_000_000
    large = [name for name in names - weights if (ROOT / name).stat().st_size > 2_000_000]
    assert not large, "keep large files out of the source tree"
