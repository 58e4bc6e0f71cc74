"""Few-shot defect segmentation: from one to five labelled pictures to an inspector."""

from kizu.fewshot.inspector import FewShotInspector

__all__ = ["FewShotInspector"]
