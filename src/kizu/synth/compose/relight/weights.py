"""Stable Diffusion 1.5 with the weights of IC-Light added to it, read from folders of the user.

Nothing is downloaded, and no weights come with Kizu. Their licences are not Kizu's: IC-Light's weights are CreativeML
OpenRAIL-M (its code is Apache-2.0), as Stable Diffusion 1.5 is; both restrict what they may be used for. The matting
network of IC-Light's demo (RMBG-1.4, non-commercial) is not used: masks are known here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from kizu.core.errors import KizuError, optional

KINDS = {"fbc": 2, "fc": 1}  # pictures that are shown: foreground and background, or the foreground alone
LICENCE = "weights of Stable Diffusion 1.5 and IC-Light are under CreativeML OpenRAIL-M, read it before you use them"
_PARTS = ("tokenizer", "text_encoder", "vae", "unet")


class Parts(NamedTuple):
    """What a picture is generated with; modules in evaluation mode, on one device, of one type.

    Attributes:
        tokenizer, text: CLIP's tokenizer and text network.
        vae: ``AutoencoderKL``.
        unet: ``UNet2DConditionModel`` whose first layer takes noise and conditions, one after the other.
    """

    tokenizer: Any
    text: Any
    vae: Any
    unet: Any


def read_parts(base: Path, offset: Path, kind: str, device: Any, half: bool) -> Parts:
    """Read the networks and add the offset.

    Args:
        base: folder in the layout of diffusers: ``tokenizer``, ``text_encoder``, ``vae`` and ``unet``, with
            safetensors files.
        offset: safetensors file, IC-Light's ``iclight_sd15_fbc`` or ``iclight_sd15_fc``: for each weight of the
            (widened) UNet the number that is added to it.
        kind: ``fbc`` or ``fc``.
        device: of torch.
        half: whether in half precision.

    Raises:
        KizuError: a library, a folder or a file is missing, cannot be read, or does not fit the others.
    """
    optional("torch", "relight")
    diffusers, transformers = optional("diffusers", "relight"), optional("transformers", "relight")
    base, offset = Path(base), Path(offset)
    missing = [name for name in _PARTS if not (base / name).is_dir()]
    if missing:
        raise KizuError(
            f"{base}: no folder {missing[0]!r}; name a local folder of Stable Diffusion 1.5 in the layout of diffusers "
            f"({', '.join(_PARTS)}; {LICENCE})"
        )
    if not offset.is_file():
        raise KizuError(f"{offset}: no such file; name the local iclight_sd15_{kind}.safetensors ({LICENCE})")
    try:
        safe = {"local_files_only": True, "use_safetensors": True}
        tokenizer = transformers.CLIPTokenizer.from_pretrained(base / "tokenizer", local_files_only=True)
        text = transformers.CLIPTextModel.from_pretrained(base / "text_encoder", **safe)
        vae = diffusers.AutoencoderKL.from_pretrained(base / "vae", **safe)
        unet = diffusers.UNet2DConditionModel.from_pretrained(base / "unet", **safe)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise KizuError(f"{base}: cannot be read ({reason}); it takes config.json and *.safetensors a part") from error
    _check(base, tokenizer, text, vae, unet)
    _widen(unet, KINDS[kind])
    _add(unet, offset, kind)
    modules = (module.half() if half else module.float() for module in (text, vae, unet))
    return Parts(tokenizer, *(module.to(device).eval().requires_grad_(False) for module in modules))


def _check(base: Path, tokenizer: Any, text: Any, vae: Any, unet: Any) -> None:
    if len(tokenizer) != text.config.vocab_size:  # without its files, a tokenizer is made that knows no word
        raise KizuError(
            f"{base}: the tokenizer knows {len(tokenizer)} words, the text network {text.config.vocab_size}; take all "
            "files of the folder 'tokenizer' from the same model"
        )
    latents = vae.config.latent_channels
    if unet.config.in_channels != latents or unet.config.out_channels != latents:
        raise KizuError(
            f"{base}: the UNet takes {unet.config.in_channels} and gives {unet.config.out_channels} channels, the VAE "
            f"makes {latents}; the plain text-to-image model is needed (no inpainting, no IC-Light already added)"
        )
    if unet.config.cross_attention_dim != text.config.hidden_size:
        raise KizuError(
            f"{base}: the UNet listens to texts of {unet.config.cross_attention_dim} numbers a word, the text network "
            f"makes {text.config.hidden_size}; take all parts from one model"
        )


def _widen(unet: Any, pictures: int) -> None:
    """Let the first layer take the latents of ``pictures`` more; their weights are 0 until the offset is added."""
    import torch

    old = unet.conv_in
    channels = old.in_channels
    wide = torch.nn.Conv2d(
        channels * (1 + pictures), old.out_channels, old.kernel_size, old.stride, old.padding, dtype=old.weight.dtype
    )
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, :channels] = old.weight
        wide.bias.copy_(old.bias)
    unet.conv_in = wide
    unet.register_to_config(in_channels=wide.in_channels)


def _add(unet: Any, offset: Path, kind: str) -> None:
    """Add the numbers of the file to the weights of the UNet, all or none."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        added = load_file(offset)
    except (SafetensorError, OSError) as error:
        raise KizuError(f"{offset}: not a safetensors file ({error}); download it again") from error
    weights = unet.state_dict()
    unknown, absent = sorted(added.keys() - weights.keys()), sorted(weights.keys() - added.keys())
    if unknown or absent:
        what = f"{unknown[0]!r} is no weight of the UNet" if unknown else f"{absent[0]!r} is missing"
        raise KizuError(
            f"{offset}: {what} ({len(unknown)} unknown, {len(absent)} missing); it takes the offset file of IC-Light "
            "for diffusers, made for this base model (not the one for ComfyUI)"
        )
    first = added["conv_in.weight"]
    if first.ndim == 4 and first.shape[1] != weights["conv_in.weight"].shape[1]:
        raise KizuError(
            f"{offset}: made for {first.shape[1]} input channels, and {kind!r} has "
            f"{weights['conv_in.weight'].shape[1]}; choose the kind that the file is for (fbc: 12, fc: 8)"
        )
    for name, weight in weights.items():
        if added[name].shape != weight.shape:
            raise KizuError(
                f"{offset}: {name!r} is of shape {tuple(added[name].shape)}, that of the base model of "
                f"{tuple(weight.shape)}; the file is for another base model"
            )
    with torch.no_grad():
        for name, weight in weights.items():
            weight += added[name].to(weight.dtype)
