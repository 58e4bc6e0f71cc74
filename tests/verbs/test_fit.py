"""``kizu fit`` from the command line: what it says, what it writes, and what it refuses."""

import re
import shutil

import pytest

import kizu
from kizu.core.inspector import Inspector


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def test_closing_line_table_and_notes(run, disc_line, tmp_path):
    model = tmp_path / "deep" / "m.kizu"
    code, out, err = run("fit", disc_line, "--split", "train", "--shots", 4, "--out", model)
    assert code == 0
    assert re.fullmatch(
        rf"fitted disc from 4 labelled and 10 good pictures in \d+\.\d s; written to {re.escape(str(model))}\. "
        rf"Next: kizu predict {re.escape(str(model))} PICTURES RESULTS\n",
        out,
    )
    row = re.search(r"disc\W+4\W+([\d.]+)%\W+([\d.]+)%\W+([\d.]+)% of 10", err)
    assert row
    assert float(row[1]) > 50
    assert "10 good pictures are too few to promise 5.0% false alarms (19 would do)" in " ".join(err.split())
    assert [path.name for path in model.parent.iterdir()] == ["m.kizu"]
    assert Inspector.load(model).names == ("disc",)


def test_in_python(disc_line, tmp_path, disc_model):
    done = kizu.fit(disc_line, split="train", shots=4, out=tmp_path / "m.kizu")
    assert done.path == tmp_path / "m.kizu"
    assert (done.problems, done.skipped) == (0, [])
    assert done.inspector.names == ("disc",)
    assert done.expected["disc"]["clean"] == 10
    # The same seed gives the same model, in another process or run too.
    assert done.path.read_bytes() == disc_model.read_bytes()


def test_another_seed_draws_other_pictures(disc_line, tmp_path, disc_model):
    kizu.fit(disc_line, split="train", shots=4, seed=5, out=tmp_path / "m.kizu")
    ids = [Inspector.load(path).card.data[0]["ids"] for path in (disc_model, tmp_path / "m.kizu")]
    assert ids[0] != ids[1]


def test_broken_pictures_are_passed_over(run, own_line, tmp_path):
    (own_line / "images" / "001.png").write_bytes(b"no picture")
    (own_line / "images" / "000.png").write_bytes(b"")
    code, out, _ = run("fit", own_line, "--split", "train", "--out", tmp_path / "m.kizu")
    assert code == 1
    assert "fitted disc from 9 labelled and 10 good pictures" in out or "from 9 labelled and 9 good pictures" in out
    assert "2 item(s) skipped, the first: " in out and "000.png" in out
    roles = {record["role"]: record for record in Inspector.load(tmp_path / "m.kizu").card.data}
    assert "000.png" not in roles["support"]["ids"] and "001.png" not in roles["clean"]["ids"]


def test_strict_stops_at_the_first(refused, own_line, tmp_path):
    (own_line / "images" / "001.png").write_bytes(b"no picture")
    assert "001.png" in refused("fit", own_line, "--split", "train", "--strict", "--out", tmp_path / "m.kizu")
    assert not (tmp_path / "m.kizu").exists()


def test_good_pictures_from_a_folder(run, disc_line, tmp_path):
    for i in range(1, 8, 2):
        (tmp_path / "good").mkdir(exist_ok=True)
        shutil.copy(disc_line / "images" / f"{i:03d}.png", tmp_path / "good")
    model = tmp_path / "m.kizu"
    code, out, _ = run("fit", disc_line, "--shots", 1, "--clean", tmp_path / "good", "--out", model)
    assert code == 0
    assert "from 1 labelled and 4 good pictures" in out
    ids = {record["role"]: record["ids"] for record in Inspector.load(model).card.data}
    assert ids["clean"] == ["001.png", "003.png", "005.png", "007.png"]


def test_without_good_pictures(run, disc_line, tmp_path):
    code, out, err = run("fit", disc_line, "--shots", 1, "--no-empty-is-clean", "--out", tmp_path / "m.kizu")
    assert code == 0
    assert "from 1 labelled and 0 good pictures" in out
    assert "Uncalibrated for false alarms" in err
    assert "unknown" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--classes", "dent"], "unknown class 'dent'; this data set has disc"),
        (["--split", "night"], "no image belongs to the split 'night'; there are: train (20), test (12)"),
        (["--false-alarms", 0], "not a share between 0 and 1"),
        (["--false-alarms", 1.5], "not a share between 0 and 1"),
        (["--shots", 0], "0 shots"),
        (["--seed", -1], "seed -1"),
        (["--clean", "nowhere"], "nowhere: no such file or folder"),
        (["--refine", "segmenter"], "--refine segmenter needs the weights.safetensors of a run of kizu pretrain masks"),
        (["--refine", "edges", "--refine-with", "a"], "--refine edges needs no weights"),
        (["--refine-with", "a"], "but not how"),
        (["--backbone", "kizu-x"], "no model is called 'kizu-x'; nearest: kizu-s"),
        (["--backbone", "kizu-dense"], "kizu-dense is a detector, not a backbone"),
        (["--backbone", "nowhere.safetensors"], "nowhere.safetensors: no such file or folder; --backbone takes a name"),
        (["--backbone", "kizu-s", "--matcher", "gfds"], "--backbone belongs to --matcher kizu"),
        (["--distil", "kizu-s", "--matcher", "gfds"], "--distil belongs to --matcher kizu"),
        (["--distil", "kizu-x"], "no model is called 'kizu-x'"),
        (["--distil", "kizu-s", "--adapt", -1], "--adapt -1: adapting takes minutes"),
        (["--distil", "kizu-s", "--minutes", 0], "--minutes 0: a student takes minutes"),
        (["--distil", "kizu-s", "--backbone", "kizu-s"], "leave --backbone out"),
        (["--minutes", 1], "--minutes belongs to --mode detector and to --distil"),
        (["--refine", "sam", "--refine-with", "nowhere"], "nowhere: no folder of a network"),
    ],
    ids=str,
)
def test_what_is_refused(refused, disc_line, tmp_path, arguments, message):
    assert message in refused("fit", disc_line, *arguments, "--out", tmp_path / "m.kizu")
    assert not list(tmp_path.iterdir())


def test_nothing_to_fit_from(refused, disc_line, tmp_path):
    assert "no such file" in refused("fit", tmp_path / "nowhere", "--out", tmp_path / "m.kizu")
    assert "no labelled picture" in refused("fit", disc_line / "images", "--out", tmp_path / "m.kizu")


def test_a_place_that_cannot_be_written(refused, disc_line, tmp_path):
    (tmp_path / "file").write_text("x")
    line = refused("fit", disc_line, "--shots", 1, "--out", tmp_path / "file" / "m.kizu")
    assert "cannot write" in line and "choose another name" in line
    line = refused("fit", disc_line, "--shots", 1, "--out", tmp_path)
    assert "is a folder" in line
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_examples_are_added_and_removed_on_the_command_line(run, refused, disc_model, tmp_path):
    """The same options in all three; what is remembered is named by its id."""
    memory = Inspector.load(disc_model).memory.support()
    one, two = (sample.id for sample in memory.clean[:2])
    out = tmp_path / "m.kizu"
    code, told, _ = run("fit", "--update", disc_model, "--remove", one, two, "--no-memory", "--out", out)
    assert code == 0
    assert "from 4 labelled and 8 good pictures" in told
    assert f"written to {out} (2 removed). Next: kizu predict" in told
    assert Inspector.load(out).memory is None
    line = refused("fit", "--update", disc_model, "--remove", "0" + one, "--out", out)
    assert f"--remove 0{one}: no remembered example has this id; the nearest are " in line and one in line
    assert "remembers no examples" in refused("fit", "--update", out, "--out", out)
