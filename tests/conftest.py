"""What all tests share: processes, threads, bytecode, and a Hypothesis profile that is the same on each run."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Tests run in several processes and start others: more than one thread each would only make them wait for one another.
os.environ["OMP_NUM_THREADS"] = "1"  # before numpy is imported; the processes that start from here have it, too
# What each of them imports (torch, above all) is compiled once, also where Python has been told not to keep bytecode.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

settings.register_profile(
    "kizu",
    deadline=None,
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("kizu")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Share the tests among as many processes as there are cores, up to four, unless -n says another number.

    Files that are named one by one, and a debugger, are run in this process.
    """
    if hasattr(config, "workerinput") or not config.pluginmanager.hasplugin("xdist"):
        return  # the processes that xdist starts come by here, too
    named = all(Path(argument.partition("::")[0]).is_file() for argument in config.args)
    option = config.option
    if option.numprocesses is None and not named and not option.usepdb:
        option.numprocesses = min(4, os.cpu_count() or 1)
    if option.numprocesses and option.dist == "no":
        option.dist = "worksteal"  # each process takes a row of whole files, so that most fixtures are made once


@pytest.fixture(scope="module")
def one_torch_thread():
    """Torch on one thread while the tests of a module run: tiny networks are slower on more."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
