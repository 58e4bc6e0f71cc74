"""Imported once by the process that workers are forked from, so that a fresh worker has numba's machinery ready.

Loading it takes most of a second, each compiled kernel a few milliseconds.
"""

import numpy as np

from kizu.core.masks import Masks

Masks.from_label_map(np.eye(2, dtype=np.int32)).codes()
