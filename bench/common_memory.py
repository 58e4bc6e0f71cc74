"""What the benchmarks share to measure memory."""

from __future__ import annotations

from pathlib import Path


def resident(field: str) -> float:
    """Megabytes that this process holds (``VmRSS``) or has held at most (``VmHWM``)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise SystemExit("memory is measured on Linux only")
