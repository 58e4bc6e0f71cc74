"""Reports: one self-contained HTML file that a vision engineer shows or mails."""

from kizu.reporting.page import Report, build

__all__ = ["Report", "build"]
