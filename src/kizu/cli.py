"""The command line, generated from the signatures and docstrings of the verbs: nothing here repeats them."""

import importlib
import inspect
import os
import sys

from kizu import __version__
from kizu.verbs import GROUPS, VERBS, words


def build():
    """The cyclopts application with one command a verb, those of a group one level deeper."""
    from cyclopts import App, Parameter

    app = App(
        name="kizu",
        help="Find defects on industrial products from zero, one or many labels.",
        version=__version__,
        default_parameter=Parameter(consume_multiple=True, negative_iterable=()),
        result_action="return_value",
        help_format="plaintext",  # Markdown loads a parser, which a third of the time of --help goes into
    )
    groups = {}
    for name, module in VERBS.items():
        verb = getattr(importlib.import_module(module), name)
        *group, command = words(name)
        own = group[0] if group else command
        if own in GROUPS and own not in groups:
            groups[own] = App(name=own, help=GROUPS[own])
            app.command(groups[own])
        if group:
            groups[own].command(verb, name=command, help=_description(verb))
        elif command in GROUPS:  # what is typed after the name of the group is none of its verbs
            groups[command].default(verb)
            groups[command].help = f"{GROUPS[command]}\n\n{_description(verb)}"
        else:
            app.command(verb, name=command, help=_description(verb))
    return app


def _description(verb) -> str:
    """What a docstring says before its sections, one line a paragraph, so that the terminal breaks the lines."""
    text = (inspect.getdoc(verb) or "").split("\n\nArgs:")[0].replace("``", "")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def main(arguments: list[str] | None = None) -> None:
    """Run one verb. Exit codes: 0 done, 1 done with problems or skipped items, 2 could not be done, 130 interrupted."""
    from kizu.core.errors import KizuError

    try:
        done = build()(arguments if arguments is not None else sys.argv[1:])
    except KizuError as error:
        if os.environ.get("KIZU_TRACEBACK"):
            raise
        print(f"kizu: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("kizu: stopped; what was finished is kept", file=sys.stderr)
        raise SystemExit(130) from None
    except OSError as error:
        from kizu.core.files import remedy

        if os.environ.get("KIZU_TRACEBACK"):
            raise
        print(f"kizu: {error.filename or 'a file'}: {remedy(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    if done is not None and hasattr(done, "line"):
        print(done)
        raise SystemExit(1 if done.problems or done.skipped else 0)


if __name__ == "__main__":
    main()
