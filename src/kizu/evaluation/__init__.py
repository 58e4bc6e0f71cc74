"""Measuring predictions against truth: COCO, few-shot segmentation and anomaly figures, with intervals."""

from kizu.evaluation.result import Evaluation, Figure

__all__ = ["Evaluation", "Figure"]
