"""Networks: a registry of backbones and detectors, their weight files, and what runs them with and without torch."""

from kizu.models.registry import build_backbone, build_detector, entry, names
from kizu.models.store import load_weights, save_weights

__all__ = ["build_backbone", "build_detector", "entry", "load_weights", "names", "save_weights"]
