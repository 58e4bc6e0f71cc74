"""The data sets of ``format_samples`` as fixtures."""

from format_samples import rich, small

__all__ = ["rich", "small"]
