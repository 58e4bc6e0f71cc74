"""The log: lines are whole or not there, and a run that goes on takes up where its checkpoint is."""

import pytest

from kizu.core.errors import KizuError
from kizu.pretrain.log import Log, read_log

ROWS = [{"step": k, "loss": 1 / k, "waiting": 0.25} for k in (5, 10, 15)]


def written(path):
    log = Log(path, 0)
    for row in ROWS:
        log.add(row)
    return log


def test_what_is_written_is_read(tmp_path):
    assert read_log(tmp_path / "log.csv") == []
    log = written(tmp_path / "log.csv")
    assert read_log(tmp_path / "log.csv") == log.rows == ROWS
    assert (tmp_path / "log.csv").read_text().splitlines()[:2] == ["step,loss,waiting", "5,0.2,0.25"]


@pytest.mark.parametrize(("step", "kept"), [(0, 0), (4, 0), (5, 1), (12, 2), (15, 3), (99, 3)])
def test_later_lines_are_taken_out(tmp_path, step, kept):
    written(tmp_path / "log.csv")
    log = Log(tmp_path / "log.csv", step)
    assert log.rows == read_log(tmp_path / "log.csv") == ROWS[:kept]
    for row in ROWS[kept:]:
        log.add(row)
    assert read_log(tmp_path / "log.csv") == ROWS


@pytest.mark.parametrize("cut", range(1, 45, 3))
def test_a_line_that_a_kill_cut_short(tmp_path, cut):
    written(tmp_path / "log.csv")
    path = tmp_path / "log.csv"
    path.write_bytes(path.read_bytes()[:-cut])
    found = read_log(path)
    assert found == ROWS[: len(found)] and len(found) < 3
    log = Log(path, 99)
    for row in ROWS[len(found) :]:
        log.add(row)
    assert read_log(path) == ROWS


def test_other_columns_are_refused(tmp_path):
    log = written(tmp_path / "log.csv")
    with pytest.raises(KizuError, match="has the columns step, loss, waiting"):
        log.add({"step": 20, "loss": 1.0})
