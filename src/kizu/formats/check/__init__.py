"""Every problem of a data set: what, where, how bad, and what to do; no content of a file makes it fail."""

from kizu.formats.check.problem import ERROR, INFO, WARNING, Problem

__all__ = ["ERROR", "INFO", "WARNING", "Problem", "problems"]


def __getattr__(name: str):
    # Loaded late: ``run`` opens data sets, whose formats are still being registered when this package is scanned.
    if name == "problems":
        from kizu.formats.check.run import problems

        return problems
    raise AttributeError(name)
