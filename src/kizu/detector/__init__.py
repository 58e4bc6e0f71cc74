"""Closed-set detectors: an inspector trained on a labelled set of one product."""

from kizu.detector.inspector import DetectorInspector

__all__ = ["DetectorInspector"]
