"""``Skips``, ``Done`` and the progress bar."""

import json

import pytest

from kizu.core.errors import DataError, KizuError, optional
from kizu.core.run import Done, Skips, progress


def run(skips):
    used = []
    for name in ("a", "b", "c"):
        with skips.item(name):
            if name != "b":
                raise DataError(f"{name}: brökén")
            used.append(name)
    return used


def test_broken_items_are_noted_and_passed_over(tmp_path):
    skips = Skips()
    assert run(skips) == ["b"]
    assert skips.items == [{"item": "a", "reason": "a: brökén"}, {"item": "c", "reason": "c: brökén"}]
    skips.write(tmp_path)
    lines = (tmp_path / "skipped.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == skips.items


def test_strict_stops_at_the_first():
    with pytest.raises(DataError, match=r"^a: brökén"):
        run(Skips(strict=True))


@pytest.mark.parametrize("error", [KizuError("whole run"), ValueError("a mistake in the program"), KeyboardInterrupt()])
def test_what_is_not_the_item_is_never_swallowed(error):
    with pytest.raises(type(error)), Skips().item("a"):
        raise error


def test_no_list_of_a_run_before_is_left(tmp_path):
    skips = Skips()
    run(skips)
    skips.write(tmp_path)
    Skips().write(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("skipped", "text"),
    [
        ([], "written to out"),
        ([{"item": "a", "reason": "a: broken"}] * 2, "written to out 2 item(s) skipped, the first: a: broken"),
    ],
)
def test_the_last_line(skipped, text):
    assert str(Done("written to out", skipped=skipped)) == text


@pytest.mark.parametrize("total", [3, None])
def test_progress(capsys, total):
    for show in (False, None):  # a test's stderr is no terminal
        with progress("reading", total, show) as step:
            step()
        assert capsys.readouterr() == ("", "")
    with progress("reading", total, show=True) as step:
        step()
        step(2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "reading" in err
    assert f"3/{total or '?'}" in err


def test_an_optional_library_that_is_missing():
    assert optional("json", "train") is json
    with pytest.raises(KizuError, match=r"'no_such_library' is not installed.*pip install 'kizu\[train\]'"):
        optional("no_such_library", "train")
