"""The one exception family of Kizu. A message says what is wrong, where, and what to do."""

import importlib
from types import ModuleType


class KizuError(Exception):
    """Anything that Kizu can explain: the command line prints the message alone, without a traceback."""


class DataError(KizuError):
    """One item of a data set cannot be used. Long runs skip the item, list it, and go on (unless ``strict``)."""


class AbsentError(KizuError):
    """Something beside a model file that it cannot do without is not there, or is another; the file itself is sound."""


def optional(module: str, extra: str) -> ModuleType:
    """Import an optional library at the call that needs it.

    Raises:
        KizuError: the library is missing; the message names the extra that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise KizuError(
            f"{module!r} is not installed, and this call needs it. Install it with: pip install 'kizu[{extra}]'"
        ) from error
