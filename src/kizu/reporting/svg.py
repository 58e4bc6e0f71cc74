"""Charts as inline SVG: lines, a mirrored histogram and bars; colours come from the page's CSS variables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kizu.core.ticks import ticks

WIDTH, HEIGHT = 400, 264
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 16, 44
_MOST_POINTS = 500  # more cannot be told apart at this size


@dataclass(frozen=True)
class Line:
    """One line of a chart. ``colour`` is a CSS colour, ``dash`` an SVG dash pattern ("" = solid)."""

    name: str
    x: Sequence[float | None]
    y: Sequence[float | None]
    colour: str
    dash: str = ""


@dataclass(frozen=True)
class Chart:
    """A drawn chart: its SVG and the entries (name, colour, dash, kind ``line`` or ``area``) of its legend."""

    title: str
    svg: Markup
    legend: list[tuple[str, str, str, str]]
    caption: str = ""


def _number(value: float, percent: bool) -> str:
    return f"{value * 100:.3g} %" if percent else f"{value:g}"


class _Frame:
    """The plot area: data to pixels, and the parts that every chart has."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], log_x: bool = False):
        self.x, self.y, self.log_x = x, y, log_x
        self.parts: list[Markup] = []

    def px(self, x: float) -> float:
        low, high, x = (math.log10(v) for v in (*self.x, x)) if self.log_x else (*self.x, x)
        return round(_LEFT + (x - low) / (high - low) * (WIDTH - _LEFT - _RIGHT), 1)

    def py(self, y: float) -> float:
        low, high = self.y
        return round(HEIGHT - _BOTTOM - (y - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM), 1)

    def add(self, text: str, *values) -> None:
        self.parts.append(Markup(text).format(*values))

    def axes(self, x_title: str, y_title: str, x_ticks, y_ticks) -> None:
        """Grid lines, ``(value, text)`` ticks and axis titles."""
        bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
        for value, text in y_ticks:
            y = self.py(value)
            self.add('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>', _LEFT, right, y, y)
            self.add('<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>', _LEFT - 7, y + 4, text)
        for value, text in x_ticks:
            x = self.px(value)
            self.add('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>', x, x, bottom, bottom + 4)
            self.add('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>', x, bottom + 17, text)
        self.add('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>', _LEFT, right, bottom, bottom)
        middle = (_LEFT + right) / 2
        self.add('<text class="name" x="{}" y="{}" text-anchor="middle">{}</text>', middle, HEIGHT - 8, x_title)
        across = (_TOP + bottom) / 2
        self.add(
            '<text class="name" transform="translate(11 {}) rotate(-90)" text-anchor="middle">{}</text>',
            across, y_title,
        )  # fmt: skip

    def mark(self, x: float, text: str) -> None:
        """A vertical line at ``x`` with a word beside its top."""
        at = self.px(x)
        self.add('<line class="mark" x1="{}" x2="{}" y1="{}" y2="{}"/>', at, at, _TOP, HEIGHT - _BOTTOM)
        right_half = at > WIDTH * 0.62
        self.add(
            '<text class="marked" x="{}" y="{}" text-anchor="{}">{}</text>',
            at + (-5 if right_half else 5), _TOP + 9, "end" if right_half else "start", text,
        )  # fmt: skip

    def svg(self, title: str, description: str) -> Markup:
        head = Markup(
            '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title><desc>{}</desc>'
        ).format(WIDTH, HEIGHT, title, title, description)
        return head + Markup("").join(self.parts) + Markup("</svg>")


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most ``_MOST_POINTS`` of the points, evenly spaced by number, the first and last always among them."""
    if len(points) <= _MOST_POINTS:
        return points
    step = (len(points) - 1) / (_MOST_POINTS - 1)
    return [points[round(i * step)] for i in range(_MOST_POINTS)]


def line_chart(
    title: str,
    lines: Sequence[Line],
    x_title: str,
    y_title: str,
    mark: tuple[float, str] | None = None,
    percent: bool = False,
    caption: str = "",
) -> Chart:
    """Lines over the unit square; points with a missing (None) coordinate are left out.

    Args:
        mark: (x, word) of a vertical line.
        percent: the vertical axis in per cent.
    """
    frame = _Frame((0.0, 1.0), (0.0, 1.0))
    places = ticks(0, 1)
    frame.axes(x_title, y_title, [(v, _number(v, False)) for v in places], [(v, _number(v, percent)) for v in places])
    if mark:
        frame.mark(*mark)
    for line in lines:
        points = [(a, b) for a, b in zip(line.x, line.y, strict=True) if a is not None and b is not None]
        text = " ".join(f"{frame.px(a)},{frame.py(b)}" for a, b in _thin(points))
        frame.add(
            '<polyline class="line" style="stroke:{}" stroke-dasharray="{}" points="{}"><title>{}</title></polyline>',
            line.colour, line.dash or "none", text, line.name,
        )  # fmt: skip
    legend = [(line.name, line.colour, line.dash or "none", "line") for line in lines]
    return Chart(
        title, frame.svg(title, f"{y_title} over {x_title}: {', '.join(n.name for n in lines)}"), legend, caption
    )


def mirrored_histogram(
    title: str,
    above: tuple[str, Sequence[float], str],
    below: tuple[str, Sequence[float], str],
    x_title: str,
    mark: tuple[float, str] | None = None,
    bins: int = 20,
    caption: str = "",
) -> Chart:
    """Two groups of values in 0..1, one above and one below the base line, each as a share of its group.

    Told apart by place and not by colour alone; a bin that holds anything is never thinner than a hair line, for one
    picture beyond the threshold is what the reader looks for. With an empty ``below`` group a plain histogram is drawn.

    Args:
        above, below: (name, values, CSS colour) of each group.
    """
    shares = [_shares(group[1], bins) for group in (above, below)]
    two = any(shares[1])
    top = max([*shares[0], *shares[1], 1e-9]) * 1.05
    frame = _Frame((0.0, 1.0), (-top if two else 0.0, top))
    places = ticks(0, top, 3 if two else 5)
    values = [-v for v in reversed(places[1:])] + places if two else places
    y_title = "share of the pictures"
    frame.axes(
        x_title, y_title, [(v, _number(v, False)) for v in ticks(0, 1)], [(v, _number(abs(v), True)) for v in values]
    )
    for (name, numbers, colour), share, sign in zip((above, below), shares, (1, -1), strict=True):
        counts = _counts(numbers, bins)
        for i, part in enumerate(share):
            if not part:
                continue
            x0, x1, base = frame.px(i / bins) + 1, frame.px((i + 1) / bins) - 1, frame.py(0)
            height = max(abs(frame.py(sign * part) - base), 1.5)
            frame.add(
                '<rect class="bar" style="fill:{}" x="{}" y="{}" width="{}" height="{}"><title>{}: {} from {} to {}'
                "</title></rect>",
                colour, x0, round(base - height if sign > 0 else base, 1), round(x1 - x0, 1), round(height, 1),
                name, counts[i], f"{i / bins:g}", f"{(i + 1) / bins:g}",
            )  # fmt: skip
    if two:
        frame.add(
            '<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>', _LEFT, WIDTH - _RIGHT, frame.py(0), frame.py(0)
        )
    if mark:
        frame.mark(*mark)
    groups = [(g, sign) for g, sign in ((above, "above"), (below, "below")) if two or sign == "above"]
    legend = [(f"{g[0]} ({len(g[1])}){f', {sign}' if two else ''}", g[2], "none", "area") for g, sign in groups]
    return Chart(title, frame.svg(title, f"{x_title}: {' against '.join(g[0] for g, _ in groups)}"), legend, caption)


def _counts(values: Sequence[float], bins: int) -> list[int]:
    counts = [0] * bins
    for value in values:
        counts[min(int(value * bins), bins - 1)] += 1
    return counts


def _shares(values: Sequence[float], bins: int) -> list[float]:
    return [count / len(values) if values else 0.0 for count in _counts(values, bins)]


def size_histogram(
    title: str, groups: Sequence[tuple[str, Sequence[float], str]], x_title: str, caption: str = ""
) -> Chart:
    """Stacked counts of positive values on a logarithmic axis, eight bins to the decade.

    Args:
        groups: (name, values, CSS colour), drawn from the base up.
    """
    values = [v for group in groups for v in group[1]]
    low = math.floor(math.log10(min(values)) * 8) / 8
    high = max(math.ceil(math.log10(max(values)) * 8 + 1e-9) / 8, low + 0.5)
    bins = round((high - low) * 8)
    counts = []
    for _, numbers, _ in groups:
        row = [0] * bins
        for value in numbers:
            row[min(int((math.log10(value) - low) * 8 + 1e-9), bins - 1)] += 1
        counts.append(row)
    top = max(sum(column) for column in zip(*counts, strict=True)) * 1.05
    frame = _Frame((10**low, 10**high), (0.0, top), log_x=True)
    marks = [m * 10**p for p in range(math.floor(low), math.ceil(high) + 1) for m in (1, 2, 5)]
    x_ticks = [(v, f"{v:g}") for v in marks if 10**low <= v * 1.0001 and v <= 10**high * 1.0001]
    frame.axes(x_title, "instances", x_ticks, [(v, f"{v:g}") for v in ticks(0, top) if v == int(v)])
    filled = [0] * bins
    for (name, _, colour), row in zip(groups, counts, strict=True):
        for i, count in enumerate(row):
            if not count:
                continue
            x0, x1 = frame.px(10 ** (low + i / 8)) + 0.8, frame.px(10 ** (low + (i + 1) / 8)) - 0.8
            y0, y1 = frame.py(filled[i] + count), frame.py(filled[i])
            filled[i] += count
            frame.add(
                '<rect class="bar" style="fill:{}" x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>',
                colour, round(x0, 1), y0, round(x1 - x0, 1), round(y1 - y0, 1), name, count,
            )  # fmt: skip
    legend = [(f"{name} ({len(numbers)})", colour, "none", "area") for name, numbers, colour in groups]
    return Chart(title, frame.svg(title, f"number of instances over {x_title}"), legend, caption)


def bar_chart(title: str, bars: Sequence[tuple[str, int, str]], caption: str = "") -> Chart:
    """One horizontal bar an entry of ``bars`` = (name, count, CSS colour), with the count written at its end."""
    row, left = 26, 124
    height = len(bars) * row + 8
    top = max([count for _, count, _ in bars] + [1])
    parts = []
    for i, (name, count, colour) in enumerate(bars):
        width = max((WIDTH - left - 60) * count / top, 1.5 if count else 0)
        shown = name if len(name) <= 17 else name[:16] + "…"
        parts.append(
            Markup(
                '<text class="name" x="{}" y="{}" text-anchor="end">{}</text>'
                '<rect class="bar" style="fill:{}" x="{}" y="{}" width="{}" height="16"><title>{}: {}</title></rect>'
                '<text class="tick" x="{}" y="{}">{}</text>'
            ).format(
                left - 8,
                i * row + 20,
                shown,
                colour,
                left,
                i * row + 8,
                round(width, 1),
                name,
                count,
                round(left + width + 6, 1),
                i * row + 20,
                count,
            )
        )
    svg = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>').format(
        WIDTH, height, title, title
    )
    return Chart(title, svg + Markup("").join(parts) + Markup("</svg>"), [], caption)
