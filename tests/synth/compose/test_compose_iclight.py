"""The IC-Light loop and its weights, on tiny networks of the same classes, against the stock pipeline of diffusers."""

import json
import pickle
import sys

import numpy as np
import pytest

from kizu.core.errors import KizuError
from kizu.core.instances import Instances
from kizu.core.masks import Masks
from kizu.synth.compose.relight.pipeline import GUIDANCE, Relighter
from kizu.synth.compose.relight.relight import Options, relight


@pytest.mark.parametrize("library", ["torch", "diffusers", "transformers"])
def test_a_missing_library_names_the_extra(library, monkeypatch, tmp_path):
    if library != "torch":
        pytest.importorskip("torch")
    if library == "transformers":
        pytest.importorskip("diffusers")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(KizuError, match=rf"{library}.*kizu\[relight\]"):
        Relighter(tmp_path, tmp_path / "none.safetensors", device="cpu").load()


@pytest.mark.parametrize(
    "wrong", [{"kind": "fbcon"}, {"prompts": ()}, {"prompts": "a text"}, {"steps": 0}, {"side": 32}]
)
def test_settings_are_checked(wrong, tmp_path):
    with pytest.raises(KizuError, match=next(iter(wrong)).rstrip("s") if "side" not in wrong else "pixels"):
        Relighter(tmp_path, tmp_path, **wrong)


# --- from here on torch, transformers and diffusers are needed ---

SIZE = (70, 100)  # of the pictures; they are generated at 64 x 64
SETTINGS = {"steps": 2, "side": 64, "prompts": ("light from the left",), "device": "cpu"}


def picture(seed=0):
    random = np.random.default_rng(seed)
    return random.integers(60, 180, (*SIZE, 3)).astype(np.uint8)


INSIDE = np.zeros(SIZE, bool)
INSIDE[20:50, 30:70] = True


def tiny_unet(channels=4, words=32):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        in_channels=channels, out_channels=4, sample_size=8, layers_per_block=1, block_out_channels=(8, 16),
        norm_num_groups=4, attention_head_dim=4, cross_attention_dim=words,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder in the layout of diffusers, with tiny networks of random weights."""
    torch = pytest.importorskip("torch")
    diffusers, transformers = pytest.importorskip("diffusers"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("model")
    letters = "abcdefghijklmnopqrstuvwxyz,"
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "tokenizer").mkdir()
    # The files of Stable Diffusion 1.5.
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer" / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 80, "pad_token": "<|endoftext|>"})
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        text = transformers.CLIPTextConfig(
            vocab_size=len(words), hidden_size=32, intermediate_size=37, num_hidden_layers=1, num_attention_heads=4,
            max_position_embeddings=80, bos_token_id=len(words) - 2, eos_token_id=len(words) - 1, pad_token_id=0,
        )  # fmt: skip
        transformers.CLIPTextModel(text).save_pretrained(folder / "text_encoder")
        diffusers.AutoencoderKL(
            latent_channels=4, block_out_channels=(8,) * 4, norm_num_groups=4, layers_per_block=1,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        ).save_pretrained(folder / "vae")  # fmt: skip
        tiny_unet().save_pretrained(folder / "unet")
    return folder


def write_offset(path, channels=12, change=None, scale=0.05):
    """An offset file for the tiny UNet: small random numbers for each weight, after ``change`` of the table."""
    import torch
    from safetensors.torch import save_file

    draw = torch.Generator().manual_seed(3)
    table = {
        name: scale * torch.randn(weight.shape, generator=draw)
        for name, weight in tiny_unet(channels).state_dict().items()
    }
    if change:
        change(table)
    save_file(table, path)
    return path


@pytest.fixture(scope="module")
def fbc(base, one_torch_thread):
    return Relighter(base, write_offset(base / "fbc.safetensors"), **SETTINGS)


@pytest.fixture(scope="module")
def fc(base, one_torch_thread):
    return Relighter(base, write_offset(base / "fc.safetensors", 8), kind="fc", **SETTINGS)


@pytest.mark.parametrize("kind, channels", [("fbc", 12), ("fc", 8)])
def test_weights_are_base_plus_offset(kind, channels, base, request):
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import load_file

    merged = request.getfixturevalue(kind).load().unet
    plain = UNet2DConditionModel.from_pretrained(base / "unet").state_dict()
    added = load_file(base / f"{kind}.safetensors")
    assert merged.config.in_channels == merged.conv_in.in_channels == channels
    for name, weight in merged.state_dict().items():
        expected = plain[name]
        if name == "conv_in.weight":
            expected = torch.cat([expected, torch.zeros(8, channels - 4, 3, 3)], 1)
        torch.testing.assert_close(weight, expected + added[name], rtol=0, atol=0)
    assert not any(weight.requires_grad for weight in merged.parameters()) and not merged.training


@pytest.mark.parametrize("kind", ["fbc", "fc"])
@pytest.mark.parametrize("given", [True, False])
def test_the_loop_is_that_of_the_stock_pipeline(kind, given, base, request):
    """Stable Diffusion's own pipeline, its UNet hooked as IC-Light's demo does, gives the same picture."""
    import torch
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    from kizu.core.seeds import Stream, generator
    from kizu.synth.compose.relight.conditions import on_grey, resized, without

    model = request.getfixturevalue(kind)
    parts = model.load()
    image, behind = picture(), picture(1) if given else None
    made, log = model.relit(image, INSIDE, 11, behind)
    assert log == {
        "kind": kind, "prompt": "light from the left", "steps": 2, "guidance": {"fbc": 7, "fc": 2}[kind],
        "size": [64, 64],
    }  # fmt: skip

    size = (64, 64)
    shown = [on_grey(image, INSIDE, size)]
    if kind == "fbc":
        shown.append(resized(behind, size) if given else without(image, INSIDE, size))
    pipe = StableDiffusionPipeline(
        vae=parts.vae, text_encoder=parts.text, tokenizer=parts.tokenizer, unet=parts.unet, safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
        scheduler=DPMSolverMultistepScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", algorithm_type="sde-dpmsolver++",
            use_karras_sigmas=True, steps_offset=1,
        ),
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    random = generator(11, Stream.LIGHT)
    random.integers(1)
    noise = torch.Generator().manual_seed(int(random.integers(2**63)))
    with torch.no_grad():
        conditions = torch.cat(
            [
                parts.vae.encode(torch.from_numpy(s).permute(2, 0, 1)[None] / 127 - 1).latent_dist.mode()
                * parts.vae.config.scaling_factor
                for s in shown
            ],
            1,
        )

        def see(module, arguments, named):
            sample, *rest = arguments
            return (torch.cat([sample, conditions.repeat(len(sample), 1, 1, 1)], 1), *rest), named

        hook = parts.unet.register_forward_pre_hook(see, with_kwargs=True)
        try:
            expected = pipe(
                model.prompts[0], negative_prompt=model.negative, num_inference_steps=2, height=64, width=64,
                guidance_scale=GUIDANCE[kind], latents=torch.randn(1, 4, 8, 8, generator=noise), generator=noise,
                output_type="np",
            ).images[0]  # fmt: skip
        finally:
            hook.remove()
    np.testing.assert_allclose(made, resized(expected, SIZE), atol=2e-4)
    assert made.shape == (*SIZE, 3) and made.dtype == np.float32 and made.std() > 1e-3


def test_the_conditions_are_seen(fbc):
    image = picture()
    made = fbc.relit(image, INSIDE, 1)[0]
    assert np.abs(fbc.relit(255 - image, INSIDE, 1)[0] - made).max() > 1e-4
    assert np.abs(fbc.relit(image, INSIDE, 1, background=255 - image)[0] - made).max() > 1e-4
    assert np.abs(fbc.relit(image, ~INSIDE, 1)[0] - made).max() > 1e-4


def test_the_same_seed_gives_the_same_picture(fbc):
    import torch

    state, image = torch.random.get_rng_state(), picture()
    made = fbc.relit(image, INSIDE, 4)[0]
    other = fbc.relit(image, INSIDE, 5)[0]
    assert np.array_equal(fbc.relit(image, INSIDE, 4)[0], made)
    assert np.abs(other - made).max() > 1e-3
    assert torch.equal(torch.random.get_rng_state(), state), "the global generator is left alone"
    copy = pickle.loads(pickle.dumps(fbc))
    assert copy == fbc and copy._parts is None and len(pickle.dumps(fbc)) < 2000
    assert np.array_equal(copy.relit(image, INSIDE, 4)[0], made)


def test_prompts_are_drawn_by_the_seed(base, fbc):
    model = Relighter(base, fbc.offset, **SETTINGS | {"prompts": ("left", "right", "above")})
    drawn = [model.relit(picture(), INSIDE, seed)[1]["prompt"] for seed in range(12)]
    assert set(drawn) == {"left", "right", "above"}
    assert model.relit(picture(), INSIDE, 3)[1]["prompt"] == drawn[3]


def test_a_text_of_any_length(base, fbc):
    long = Relighter(base, fbc.offset, **SETTINGS | {"prompts": ("light " * 100,), "negative": ""})
    assert np.isfinite(long.relit(picture(), INSIDE, 0)[0]).all()


def test_a_picture_is_relit_whole(fbc):
    image = picture()
    things = Instances([0], masks=Masks.from_dense(INSIDE[None]))
    codes = things.masks.codes()
    done, again = (relight(image, things, fbc, 9, Options(margin=2)) for _ in range(2))
    assert done.log == again.log and np.array_equal(done.image, again.image)
    assert done.log["used"], done.log["reason"]
    assert done.log["model"]["prompt"] == "light from the left"
    assert (done.image != image).any() and things.masks.codes() == codes
    far = np.ones(SIZE, bool)
    far[17:53, 27:73] = False
    assert np.array_equal(done.image[far], image[far])


def test_a_model_that_gives_no_numbers(base, tmp_path, one_torch_thread):
    def broken(table):
        table["conv_out.bias"][:] = float("nan")

    model = Relighter(base, write_offset(tmp_path / "offset.safetensors", change=broken), **SETTINGS)
    image = picture()
    done = relight(image, Instances([0], masks=Masks.from_dense(INSIDE[None])), model, 0)
    assert done.image is image and done.log["gates"]["finite"] == {"value": 0.0, "limit": 1.0, "passed": False}


# --- what does not fit ---


def rename(table):
    table["model.diffusion_model.input_blocks.0.0.weight"] = table.pop("conv_in.weight")


def shorten(table):
    table["conv_out.bias"] = table["conv_out.bias"][:3].clone()


@pytest.mark.parametrize(
    "channels, change, message",
    [
        (8, None, r"8 input channels, and 'fbc' has 12"),
        (4, None, r"4 input channels, and 'fbc' has 12"),
        (12, rename, r"'model\.diffusion_model.*1 unknown, 1 missing.*ComfyUI"),
        (12, lambda table: table.pop("conv_out.bias"), r"'conv_out\.bias' is missing"),
        (12, shorten, r"'conv_out\.bias' is of shape \(3,\)"),
    ],
)
def test_an_offset_that_does_not_fit(channels, change, message, base, tmp_path):
    offset = write_offset(tmp_path / "offset.safetensors", channels, change)
    with pytest.raises(KizuError, match=message):
        Relighter(base, offset, **SETTINGS).load()


def linked(base, folder):
    """A copy of the model folder that shares its files."""
    for part in ("tokenizer", "text_encoder", "vae", "unet"):
        (folder / part).mkdir(parents=True)
        for file in (base / part).iterdir():
            (folder / part / file.name).write_bytes(file.read_bytes())
    return folder


def no_unet(folder):
    (folder / "unet").rename(folder / "denoiser")


def no_weights(folder):
    next((folder / "vae").glob("*.safetensors")).unlink()


def torn(folder):
    file = next((folder / "unet").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:1000])


def no_words(folder):
    for file in (folder / "tokenizer").iterdir():
        file.unlink()


def inpainting(folder):
    tiny_unet(9).save_pretrained(folder / "unet")


def other_text(folder):
    tiny_unet(4, words=24).save_pretrained(folder / "unet")


@pytest.mark.parametrize(
    "change, message",
    [
        (no_unet, r"no folder 'unet'.*OpenRAIL-M"),
        (no_weights, "cannot be read"),
        (torn, "cannot be read"),
        (no_words, "tokenizer knows"),
        (inpainting, "the UNet takes 9"),
        (other_text, "texts of 24"),
    ],
)
def test_a_base_that_does_not_fit(change, message, base, fbc, tmp_path):
    folder = linked(base, tmp_path / "copy")
    change(folder)
    with pytest.raises(KizuError, match=message) as caught:
        Relighter(folder, fbc.offset, **SETTINGS).load()
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there(base, tmp_path):
    with pytest.raises(KizuError, match=r"no folder 'tokenizer'.*OpenRAIL-M"):
        Relighter(tmp_path / "nowhere", base / "fbc.safetensors", device="cpu").load()
    with pytest.raises(KizuError, match=r"no such file.*iclight_sd15_fc\.safetensors.*OpenRAIL-M"):
        Relighter(base, tmp_path / "nothing", kind="fc", device="cpu").load()
    (tmp_path / "text.safetensors").write_text("not weights")
    with pytest.raises(KizuError, match="not a safetensors file"):
        Relighter(base, tmp_path / "text.safetensors", device="cpu").load()


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_a_device_that_is_not_there(device, tmp_path):
    pytest.importorskip("torch")
    with pytest.raises(KizuError, match=device):
        Relighter(tmp_path, tmp_path, device=device).load()
