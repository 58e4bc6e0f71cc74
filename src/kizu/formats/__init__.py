"""One file a format. Each registers itself; a new file here is found without touching anything else.

Formats are probed in the order of their ``ORDER`` (small first): the most telling layouts before the most general.
"""

import importlib
import pkgutil

from kizu.core import shards  # noqa: F401  (the first format: Kizu's own)

for _module in sorted(
    (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)),
    key=lambda module: getattr(module, "ORDER", 100),
):
    if hasattr(_module, "FORMAT"):
        from kizu.core.dataset import register

        register(_module.FORMAT)
