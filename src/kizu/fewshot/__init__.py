"""Few-shot defect segmentation: from one to five labelled pictures to an inspector."""

from kizu.fewshot.gfds import GfdsInspector
from kizu.fewshot.inspector import FewShotInspector
from kizu.fewshot.track import TrackInspector

__all__ = ["FewShotInspector", "GfdsInspector", "TrackInspector"]
