"""The few YAML forms that data.yaml files use, so that no YAML library is needed.

Top-level ``key: value``, where a value is a scalar, a list (``[a, b]`` or ``- a`` lines), or a mapping (``{0: a}`` or
indented ``0: a`` lines). Keys that nobody asks for may hold anything.
"""

from __future__ import annotations

import json
import re

from kizu.core.errors import DataError

_KEY = re.compile(r"""^("[^"]*"|'[^']*'|[^\s#:'"\[\]{}-][^:#]*?)\s*:(?:\s+(.*)|)$""")


class TopLevel:
    """The top-level entries of a YAML text; values are understood when they are asked for.

    Raises:
        DataError: a top-level line that is no ``key: value``.
    """

    def __init__(self, text: str, name: str):
        self.name = name
        self._blocks: dict[str, list[str]] = {}
        current: list[str] | None = None
        for number, raw in enumerate(text.splitlines(), 1):
            line = _strip_comment(raw.rstrip())
            if not line.strip() or line.strip() in ("---", "...") or line.startswith("%"):
                continue
            belongs = line[0] in " \t-]}" or (current is not None and _open_brackets(" ".join(current)))
            if belongs and current is not None:
                current.append(line)
                continue
            found = _KEY.match(line)
            if not found:
                raise DataError(f"{name}: line {number}: {line[:60]!r} is not understood; write it as 'key: value'")
            current = [found[2] or ""]
            self._blocks[_scalar(found[1])] = current

    def __contains__(self, key: str) -> bool:
        return key in self._blocks and self.text(key) not in ("", "null", "~")

    def names(self) -> list[str]:
        """The top-level keys in order."""
        return list(self._blocks)

    def text(self, key: str) -> str:
        """A value as one text, unquoted; "" where there is none."""
        lines = self._blocks.get(key, [""])
        return _scalar(" ".join(line.strip() for line in lines).strip())

    def items(self, key: str) -> list[tuple[str, str]]:
        """A list or mapping as (key or "", value) pairs; a scalar is a list of one.

        Raises:
            DataError: nested values, or brackets that do not close.
        """
        lines = self._blocks.get(key, [])
        first = lines[0].strip() if lines else ""
        if first.startswith(("[", "{")):
            return self._flow(key, " ".join(line.strip() for line in lines))
        block = [line for line in lines[1:] if line.strip()]
        if first or not block:
            return [("", _scalar(first))] if first else []
        indent = len(block[0]) - len(block[0].lstrip())
        out = []
        for line in block:
            body = line.strip()
            if len(line) - len(line.lstrip()) != indent:
                raise self._error(key, body)
            if body.startswith("- ") or body == "-":
                out.append(("", _scalar(body[1:].strip())))
                continue
            found = _KEY.match(body)
            if not found or not found[2]:
                raise self._error(key, body)
            out.append((_scalar(found[1]), _scalar(found[2])))
        return out

    def _flow(self, key: str, text: str) -> list[tuple[str, str]]:
        if not text.endswith("]" if text[0] == "[" else "}"):
            raise self._error(key, text)
        out = []
        for part in _split_flow(text[1:-1]):
            if part.startswith(("[", "{")):
                raise self._error(key, part)
            if text[0] == "[":
                out.append(("", _scalar(part)))
                continue
            found = _KEY.match(part)
            if not found or not found[2]:
                raise self._error(key, part)
            out.append((_scalar(found[1]), _scalar(found[2])))
        return out

    def _error(self, key: str, text: str) -> DataError:
        return DataError(
            f"{self.name}: field {key!r}: {text[:60]!r} is not understood; write a list as '[a, b]' or '- a' lines, "
            "a mapping as indented '0: a' lines"
        )


def _strip_comment(line: str) -> str:
    quote = ""
    for i, char in enumerate(line):
        if quote:
            quote = "" if char == quote and line[i - 1] != "\\" else quote
        elif char in "\"'" and (i == 0 or line[i - 1] in " \t[{,:"):
            quote = char
        elif char == "#" and (i == 0 or line[i - 1] in " \t"):
            return line[:i].rstrip()
    return line


def _open_brackets(text: str) -> bool:
    text = text.strip()
    return text.startswith(("[", "{")) and not text.endswith("]" if text[0] == "[" else "}")


def _split_flow(text: str) -> list[str]:
    parts, start, quote, depth = [], 0, "", 0
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote and text[i - 1] != "\\" else quote
        elif char in "\"'" and not text[start:i].strip(" {0123456789:"):
            quote = char
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [part for part in [*parts, text[start:].strip()] if part]


def _scalar(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text


def quote(text: str) -> str:
    """A text as YAML in double quotes (JSON's strings are YAML)."""
    return json.dumps(text, ensure_ascii=False)
