"""The verbs: plain functions, one file each, the same in Python (``kizu.fit``) and on the command line (``kizu fit``).

Their modules import nothing heavy at the top, so that ``kizu --help`` is quick. Each returns a :class:`Done` (or a
subclass) whose text is the last line that the command line prints.
"""

VERBS = {
    "demo": "kizu.verbs.demo",
    "check": "kizu.verbs.check",
    "convert": "kizu.verbs.convert",
    "fit": "kizu.verbs.fit",
    "predict": "kizu.verbs.predict",
    "evaluate": "kizu.verbs.evaluate",
    "report": "kizu.verbs.report",
}
