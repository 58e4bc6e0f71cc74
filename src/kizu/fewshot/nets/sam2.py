"""SAM2's memory at work: pictures with masks are remembered, and a new picture is asked where that is.

Through the video model of transformers (Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024), by its
sessions alone. A remembered picture is a *conditioning frame*: its mask is taken as it is, and the memory encoder makes
64 channels a cell of it; the decoder makes an object pointer. With an empty mask, the pointer is the one for "no
object" and the memory is marked so. The asked picture has no prompt: it attends to the memories once, in a session of
its own that is thrown away, and the memory encoder does not run on it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import Sam2VideoInferenceSession, Sam2VideoModel

from kizu.core.errors import KizuError
from kizu.fewshot.nets.quiet import quiet
from kizu.fewshot.sam2_folder import colour_scale, input_side

ABSENT = -1024.0  # SAM2's logit where there is no object
# What loading a folder raises that holds something else.
_BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError, SafetensorError)
_PARTS = ("maskmem_features", "maskmem_pos_enc", "object_pointer")

Memory = dict[str, torch.Tensor]


class Tracker:
    """A SAM2 video model in 32 bits, on a GPU where there is one.

    Attributes:
        side: pictures that it looks at are ``side`` x ``side`` pixels.
    """

    def __init__(self, folder: Path | str):
        """
        Raises:
            KizuError: the folder holds no SAM2 video model that can be loaded whole.
        """
        self.side = input_side(folder)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._lock = threading.Lock()  # pictures are inspected side by side, and one network at work fills a machine
        try:
            mean, std = (torch.tensor(values).view(3, 1, 1) for values in colour_scale(folder))
            with quiet():
                model, report = Sam2VideoModel.from_pretrained(
                    str(folder), local_files_only=True, use_safetensors=True, dtype=torch.float32,
                    output_loading_info=True,
                )  # fmt: skip
        except _BROKEN as error:
            line = " ".join(str(error).split())
            raise KizuError(f"{folder}: cannot be loaded as a SAM2 video model ({line}); download it again") from error
        lost = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
        if lost:
            raise KizuError(
                f"{folder}: {len(lost)} weights of a SAM2 video model are missing or of another shape, such as "
                f"{lost[0]}; download it again"
            )
        model.config.max_cond_frame_num = -1  # memories are all looked at: the nearest in time would be an order
        self._model = model.to(self._device).eval()
        self._mean, self._std = mean.to(self._device), std.to(self._device)

    def _session(self) -> Sam2VideoInferenceSession:
        where = {f"{name}_device": self._device for name in ("inference", "inference_state", "video_storage")}
        return Sam2VideoInferenceSession(dtype=torch.float32, **where)

    def _pixels(self, image: np.ndarray) -> torch.Tensor:
        values = torch.from_numpy(np.array(image)).to(self._device).permute(2, 0, 1).float()
        return (values / 255 - self._mean) / self._std

    def remember(self, image: np.ndarray, masks: np.ndarray) -> list[Memory]:
        """The memory of each mask on a picture; the picture itself is encoded once.

        Args:
            image: uint8 (side, side, 3) RGB.
            masks: bool (K, side, side); an empty one says "nothing here".
        """
        with self._lock:
            session = self._session()
            session.add_new_frame(self._pixels(image), 0)
            for k, mask in enumerate(masks):
                session.add_mask_inputs(session.obj_id_to_idx(k), 0, torch.from_numpy(mask)[None, None].float())
            session.obj_with_new_inputs = list(range(len(masks)))
            self._model(session, frame_idx=0)
            made = [session.output_dict_per_obj[k]["cond_frame_outputs"][0] for k in range(len(masks))]
            return [{name: memory[name] for name in _PARTS} for memory in made]

    def ask(self, image: np.ndarray, memories: Sequence[Sequence[Memory]]) -> tuple[np.ndarray, np.ndarray]:
        """Where each object is on a picture.

        The order of an object's memories does not matter. All are at one place in time: the picture comes next after
        each of them, so that its pointer has the code that it has in a video of these two frames alone. (Memories of
        conditioning frames have the same code wherever they are.)

        Args:
            image: uint8 (side, side, 3) RGB.
            memories: for each object those of :meth:`remember`; one without any is nowhere.

        Returns:
            mask logits float32 (K, h, w), a quarter of ``side`` each way, :data:`ABSENT` all over where the presence is
            not above 0; and presence logits float32 (K,).
        """
        grid = self.side // 4
        logits = np.full((len(memories), grid, grid), ABSENT, np.float32)
        presence = np.full(len(memories), ABSENT, np.float32)
        known = [k for k, own in enumerate(memories) if own]
        if not known:
            return logits, presence
        with self._lock:
            session, pixels = self._session(), self._pixels(image)
            for frame in (0, 1):  # a video of two frames; the first one is remembered already and not looked at
                session.add_new_frame(pixels, frame)
            for k in known:
                frames = session.output_dict_per_obj[session.obj_id_to_idx(k)]["cond_frame_outputs"]
                for n, memory in enumerate(memories[k]):
                    # Each needs a key of its own. So near to each other, they are one moment in 32 bits.
                    frames[-n * 2.0**-40] = memory
            found = self._model(session, frame_idx=1, run_mem_encoder=False)
            logits[known] = found.pred_masks[:, 0].cpu().numpy()
            presence[known] = found.object_score_logits[:, 0].cpu().numpy()
        return logits, presence
