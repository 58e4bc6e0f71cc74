"""numba's compiler with an on-disk cache where one can be written."""

from collections.abc import Callable

import numba


def jit(function: Callable) -> Callable:
    """Compile in no-Python mode; cache between processes unless neither the package nor the home folder is writable."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no place for its cache (read-only container)
        return numba.njit(nogil=True)(function)
