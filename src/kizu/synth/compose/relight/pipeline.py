"""``Relighter``: IC-Light as a function from a composed picture to a relit one.

IC-Light (Zhang, Rao, Agrawala, ICLR 2025) is Stable Diffusion 1.5 whose UNet also sees the latents of a foreground on
grey and, of kind ``fbc``, of the background. For the weights and their licences see
``kizu.synth.compose.relight.weights``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kizu.core.errors import KizuError, optional
from kizu.core.seeds import Stream, generator
from kizu.synth.compose.relight.conditions import on_grey, resized, without, working_size
from kizu.synth.compose.relight.weights import KINDS, read_parts

if TYPE_CHECKING:
    from kizu.synth.compose.relight.weights import Parts

PROMPTS = (
    "industrial product, even diffuse light, photograph",
    "industrial product, light from the left, photograph",
    "industrial product, light from the right, photograph",
    "industrial product, light from above, photograph",
    "industrial product, low grazing light, photograph",
    "industrial product, ring light, photograph",
)
NEGATIVE = "lowres, blurry, deformed, other objects, changed shape"
GUIDANCE = {"fbc": 7.0, "fc": 2.0}  # of IC-Light's demos


@dataclass
class Relighter:
    """Settings of a relighting model; the networks are read at the first picture, and never pickled.

    Attributes:
        base: local folder of Stable Diffusion 1.5 (or a model tuned from it) in the layout of diffusers.
        offset: local file of IC-Light, of the kind below.
        kind: ``fbc`` shows foreground and background, so that the light is that of the picture; ``fc`` the foreground
            alone, and the light is what the prompt says.
        prompts: one is drawn for each picture.
        negative: what is not wanted.
        guidance: of the prompt (classifier-free); None is 7 for fbc and 2 for fc.
        steps: of the sampler (DPM-Solver++ 2M, stochastic, Karras steps).
        side: longer side that pictures are generated at. 512 is what the model was trained at; only slow changes of
            light are used of the result.
        device: of torch; ``auto`` is the first GPU, else the CPU. Half precision on a GPU, float32 on a CPU.
    """

    base: str | Path
    offset: str | Path
    kind: str = "fbc"
    prompts: tuple[str, ...] = PROMPTS
    negative: str = NEGATIVE
    guidance: float | None = None
    steps: int = 20
    side: int = 512
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise KizuError(f"kind {self.kind!r} of IC-Light: one of {', '.join(KINDS)}")
        if not self.prompts or isinstance(self.prompts, str):
            raise KizuError(f"prompts {self.prompts!r}: a list of one text or more")
        if self.steps < 1 or self.side < 64:
            raise KizuError(f"{self.steps} steps at {self.side} pixels: at least 1 step and 64 pixels are needed")
        self._parts: Parts | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_parts": None}

    def load(self) -> Parts:
        """The networks, read once. Raises KizuError as ``read_parts`` does, and for a device that is not there."""
        if self._parts is None:
            device = self._device()
            self._parts = read_parts(Path(self.base), Path(self.offset), self.kind, device, device.type == "cuda")
        return self._parts

    def _device(self) -> Any:
        torch = optional("torch", "relight")
        there = torch.cuda.is_available()
        if self.device == "auto":
            return torch.device("cuda" if there else "cpu")
        try:
            device = torch.device(self.device)
        except RuntimeError as error:
            raise KizuError(f"device {self.device!r}: no device of torch; 'auto', 'cpu', 'cuda' or 'cuda:1'") from error
        if device.type == "cuda" and (not there or (device.index or 0) >= torch.cuda.device_count()):
            raise KizuError(f"device {self.device!r}: torch sees no such GPU; use 'auto' or 'cpu'")
        return device

    def relit(
        self, image: np.ndarray, inside: np.ndarray, seed: int, background: np.ndarray | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The picture as the model relights it, and what it was asked for.

        The same seed gives the same picture on the same machine with the same libraries; GPUs differ in the last bits.

        Args:
            image: uint8 (H, W, 3).
            inside: bool (H, W), pixels of the objects that are relit.
            seed: of prompt and noise.
            background: uint8 (H, W, 3), the picture without the objects; by default they are filled in from around.

        Returns:
            float32 (H, W, 3) in 0..1, NaN where the model gives none; and prompt, kind, steps and guidance, JSON-able.

        Raises:
            KizuError: a library or weights are missing or do not fit.
        """
        parts = self.load()
        torch = optional("torch", "relight")
        random = generator(seed, Stream.LIGHT)
        prompt = self.prompts[int(random.integers(len(self.prompts)))]
        # Noise is drawn on the CPU: the same for every device.
        noise = torch.Generator("cpu").manual_seed(int(random.integers(2**63)))
        guidance = GUIDANCE[self.kind] if self.guidance is None else self.guidance
        size = working_size(image.shape[:2], self.side)
        shown = [on_grey(image, inside, size)]
        if self.kind == "fbc":
            shown.append(without(image, inside, size) if background is None else resized(background, size))
        with torch.inference_mode():
            words = _words(parts, [self.negative, prompt])
            latents = _sample(parts, _conditions(parts, shown), words, guidance, self.steps, noise)
            decoded = parts.vae.decode(latents / parts.vae.config.scaling_factor).sample
        picture = decoded[0].movedim(0, -1).float().cpu().numpy() * 0.5 + 0.5
        log = {"kind": self.kind, "prompt": prompt, "steps": self.steps, "guidance": guidance, "size": list(size)}
        return resized(np.clip(picture, 0, 1), image.shape[:2]), log


def _words(parts: Parts, texts: list[str]) -> Any:
    """What the text network makes of each text, (N, words, numbers); what is too long is cut."""
    length = parts.text.config.max_position_embeddings
    tokens = parts.tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return parts.text(tokens.input_ids.to(parts.text.device)).last_hidden_state


def _conditions(parts: Parts, shown: list[np.ndarray]) -> Any:
    """Latents of pictures 0..255, one after the other in the channels of one: the most likely, not drawn ones."""
    import torch

    pixels = torch.from_numpy(np.stack(shown)).movedim(-1, 1) / 127.0 - 1.0  # grey 127 is 0
    latents = parts.vae.encode(pixels.to(parts.vae.device, parts.vae.dtype)).latent_dist.mode()
    return (latents * parts.vae.config.scaling_factor).flatten(0, 1)[None]


def _sample(parts: Parts, conditions: Any, words: Any, guidance: float, steps: int, noise: Any) -> Any:
    """Latents after all steps; ``words`` are those of the negative and of the positive text."""
    import diffusers
    import torch

    # The sampler of IC-Light's demos, with the noise levels that Stable Diffusion 1.5 was trained with (the demos leave
    # the schedule out, and get "linear").
    scheduler = diffusers.DPMSolverMultistepScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        algorithm_type="sde-dpmsolver++",
        use_karras_sigmas=True,
        steps_offset=1,
    )
    scheduler.set_timesteps(steps)
    shape = (1, parts.vae.config.latent_channels, *conditions.shape[2:])
    latents = torch.randn(shape, generator=noise).to(conditions) * scheduler.init_noise_sigma
    for time in scheduler.timesteps:
        seen = torch.cat([scheduler.scale_model_input(latents, time), conditions], dim=1)
        without_text, with_text = parts.unet(seen.expand(2, -1, -1, -1), time, words).sample.chunk(2)
        guess = without_text + guidance * (with_text - without_text)
        latents = scheduler.step(guess, time, latents, generator=noise).prev_sample
    return latents
