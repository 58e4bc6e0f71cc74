"""The data card: what a data set is, how it was made, and what is in it, as a page of text and as JSON."""

from __future__ import annotations

import json
from typing import Any

from kizu import __version__
from kizu.core.dataset import Dataset
from kizu.core.errors import KizuError
from kizu.synth.axes import AXES, Axis
from kizu.synth.statistics import Statistics

_WIDE, _NARROW = 36, 20  # characters of the longest bar, alone and beside another
_BLOCKS = " ▏▎▍▌▋▊▉"  # eighths of a character
_SHARES = ("small share", "medium share", "large share", "hidden share", "defect-free share", "mean visible ratio")


def data_card(
    dataset: Dataset,
    statistics: Statistics,
    config: dict[str, Any] | None = None,
    like: Statistics | None = None,
    like_name: str = "",
) -> tuple[str, dict[str, Any]]:
    """A data card.

    Args:
        dataset: its info (title, licence, origin) and its number of images are told.
        statistics: of the data set or of a part of it; the card says how many images were measured.
        config: what the images depend on (:attr:`kizu.synth.formula.source.Formula.config`).
        like: statistics of the data set that was to be matched; each histogram is then shown beside its own.
        like_name: its name.

    Returns:
        the card in Markdown, with bars of block characters, and the same as a JSON-able record.
    """
    preset = _preset(config)
    record: dict[str, Any] = {"title": dataset.info.get("title") or "a data set", "kizu": __version__}
    record |= {key: dataset.info[key] for key in ("licence", "origin") if dataset.info.get(key)}
    record |= {"images": len(dataset), "classes": list(dataset.names), "preset": preset.get("name")}
    record |= {key: value for key, value in (config or {}).items() if key != "preset"}
    record |= {"values": preset.get("values"), "measured": statistics.images, "figures": statistics.figures()}
    record["statistics"] = statistics.to_json()
    if like is not None:
        record["like"] = {"name": like_name, "figures": like.figures(), "statistics": like.to_json()}
        record["distances"] = statistics.distances(like)
    text = [f"# {record['title']}", "", *_facts(record, statistics), "", *_figures(statistics, like, like_name)]
    text += ["", *_classes(statistics, dataset.names), "", "## Histograms", ""]
    if like is not None:
        text += [
            f"Left the images of this data set, right those of {like_name or 'the data set to match'}, in percent. "
            "`moved`: how many bins a share has to move in the mean (earth mover's distance); `apart`: the share that "
            "lies in other bins (total variation).",
            "",
        ]
    for name, axis in AXES.items():
        text += _histogram(name, axis, statistics, like)
    if preset:
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in _flat(preset.get("values") or {})]
        text += ["## Values of the preset", "", "```toml", *lines, "```", ""]
    return "\n".join(text), record


def _preset(config: dict[str, Any] | None) -> dict[str, Any]:
    """The preset of a configuration, whose record holds it as JSON text; {} where there is none."""
    value = (config or {}).get("preset")
    try:
        value = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise KizuError(f"the configuration's preset is no JSON ({error}); pass the configuration as it was") from error
    return value if isinstance(value, dict) else {}


def _facts(record: dict[str, Any], statistics: Statistics) -> list[str]:
    measured = f"{statistics.images} of {record['images']} images"
    if statistics.images < record["images"]:
        measured += ": stretches of 4, the first and others evenly apart (no chance in it)"
    rows = {"images": str(record["images"]), "preset": record["preset"]}
    if "size" in record:
        rows["size"] = "{} x {} pixels".format(*reversed(record["size"]))
    rows |= {"seed": record.get("seed"), "licence": record.get("licence"), "origin": record.get("origin")}
    formula = f", formulas version {record['formula']}" if "formula" in record else ""
    rows |= {"made with": f"Kizu {__version__}{formula}", "measured on": measured}
    if len(statistics.frames) > 1 or "size" not in record:
        most = sorted(statistics.frames.items(), key=lambda item: -item[1])
        rows["height x width"] = ", ".join(f"{name} ({count})" for name, count in most[:5])
        rows["height x width"] += f" and {len(most) - 5} more" if len(most) > 5 else ""
    return ["| | |", "|---|---|", *(f"| {key} | {_cell(value)} |" for key, value in rows.items() if value is not None)]


def _figures(statistics: Statistics, like: Statistics | None, like_name: str) -> list[str]:
    sets = [statistics] + ([like] if like is not None else [])
    heads = ["this data set"] + ([_cell(like_name or "to match")] if like is not None else [])
    rows = ["## Figures", "", "| figure | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    tables = [s.figures() for s in sets]
    for name in tables[0]:
        values = [_number(name, table[name]) for table in tables]
        if any(value != "not known" for value in values):
            rows.append(f"| {name} | " + " | ".join(values) + " |")
    return rows


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "not known"
    return f"{100 * value:.1f} %" if name in _SHARES else f"{value:.3g}"


def _classes(statistics: Statistics, names: tuple[str, ...]) -> list[str]:
    if not statistics.labelled:
        return ["## Classes", "", "The images are not labelled."]
    counts = {name: statistics.classes.get(name, 0) for name in names} | statistics.classes
    most = max(counts.values(), default=0)
    wide = max((len(name) for name in counts), default=0)
    lines = [
        f"{name:<{wide}} {count:>7} {_bar(count / most if most else 0, _WIDE)}".rstrip()
        for name, count in sorted(counts.items(), key=lambda item: -item[1])
    ]
    return ["## Classes", "", f"{statistics.instances} instances.", "", "```text", *lines, "```"]


def _histogram(name: str, axis: Axis, statistics: Statistics, like: Statistics | None) -> list[str]:
    known = [s is not None and s.known(name) for s in (statistics, like)]
    if not any(known) or all(_same(name, s) for s in (statistics, like) if s is not None):
        return []
    head = f"### {axis.title[0].upper()}{axis.title[1:]}"
    counts = [s.counts[name] for s, there in zip((statistics, like), known, strict=True) if there]
    bars = axis.merged(counts[0], tuple(counts[1:]))
    labels = [_range(axis, low, high) for low, high, _ in bars]
    wide = max(len(label) for label in labels)
    tops = [max(bar[2][k] for bar in bars) for k in range(len(counts))]
    lines = []
    for label, (_, _, own) in zip(labels, bars, strict=True):
        line = f"{label:>{wide}}"
        for k, count in enumerate(own):
            share = 100 * count / counts[k].sum()
            drawn = _bar(count / tops[k], _WIDE if len(counts) == 1 else _NARROW)
            line += f"  {share:5.1f} % " + (drawn if len(counts) == 1 else f"{drawn:<{_NARROW}}")
        lines.append(line.rstrip())
    told = ""
    if like is not None:
        if all(known):
            apart = axis.distance(*counts)
            told = f"moved {apart['moved']:.2f} bins, apart {apart['apart']:.2f}"
        else:
            told = "known of the left one alone" if known[0] else "known of the right one alone"
    means = [f"{s.mean(name):.3g}" for s, there in zip((statistics, like), known, strict=True) if there]
    told = "; ".join(filter(None, [f"mean {' and '.join(means)}" if not axis.circular else "", told]))
    return [head, "", *([told, ""] if told else []), "```text", *lines, "```", ""]


def _same(name: str, statistics: Statistics) -> bool:
    """Whether a histogram of defects repeats that of all instances."""
    other = "count" if name == "defects" else name.removeprefix("defect_")
    return other != name and bool((statistics.counts[name] == statistics.counts[other]).all())


def _range(axis: Axis, low: float, high: float) -> str:
    last = high >= axis.edges[-1]
    if axis.name in ("count", "defects"):
        return f"{low:g} and more" if last else f"{low:g}" if high == low + 1 else f"{low:g} to {high - 1:g}"
    return f"{low:.3g} to {min(high, 1e9):.3g}"


def _bar(share: float, width: int) -> str:
    eighths = round(share * width * 8)
    if share > 0:
        eighths = max(eighths, 1)
    return "█" * (eighths // 8) + _BLOCKS[eighths % 8].strip()


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _flat(values: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Tables within tables as dotted keys; tables of nothing but numbers (weights) stay whole."""
    out = []
    for key, value in values.items():
        deep = isinstance(value, dict) and any(isinstance(v, (dict, list, str, bool)) for v in value.values())
        out += _flat(value, f"{before}{key}.") if deep else [(before + key, value)]
    return out
