"""Invented objects: prompts, filters, and tiny models of the same classes with random weights."""

import json

import numpy as np
import pytest
from compose_bank_sets import NAMES, coverage, disc_sample, many

from kizu.core.dataset import Dataset
from kizu.core.errors import DataError, KizuError
from kizu.synth.compose.bank import Bank
from kizu.synth.compose.invent import Invented, Painter, agreeing, joined, largest, prompts_of, segmenter
from kizu.synth.engine import write

SIDE = 64


def disc_mask(radius, size=(64, 64)):
    return coverage(size, size[1] / 2, size[0] / 2, radius) >= 0.5


def paint(prompt, seed):
    """A painter of our own: a disc whose place hangs on the seed."""
    x, y = np.random.default_rng(seed).uniform(30, 70, 2)
    return disc_sample(((x, y, 20.0),), ground=(250, 250, 250), noise=1.0, seed=seed % 1000).image


PROMPTS = [("screw", "a screw"), ("nut", "a nut")]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (None, [("bolt", "one bolt")]),
        (["hex_nut"], [("hex_nut", "one hex nut")]),
        (["bolt: a long brass bolt", "cap"], [("bolt", "a long brass bolt"), ("cap", "one cap")]),
    ],
)
def test_prompts(texts, expected):
    whole = "a photograph of {}, whole, on a plain white background"
    found = prompts_of(texts, NAMES, {"bolt": "auto", "scratch": "defect"})
    assert found == [(name, whole.format(words)) for name, words in expected]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["scratch"], "'scratch' is a defect, and objects alone can be invented"),
        (["water marks: of rain"], "'water marks' is a defect"),
        ([": a thing"], "write CLASS or CLASS: description"),
        ([], "every class is a defect"),
    ],
)
def test_prompts_that_make_no_sense(texts, message):
    with pytest.raises(KizuError, match=message):
        prompts_of(texts, NAMES, {"bolt": "auto", "scratch": "defect"})


@pytest.mark.parametrize(("radius", "share"), [(0, "0%"), (7, "4%"), (45, "100%")])
def test_too_little_and_too_much(radius, share):
    with pytest.raises(DataError, match=f"the object covers {share} of the picture, not 5% to 95%"):
        largest(disc_mask(radius))


def test_the_largest_piece():
    mask = disc_mask(20)
    both = mask.copy()
    both[:3, :3] = True
    assert (largest(both) == mask).all()


def test_the_mask_that_agrees():
    plain = disc_mask(20)
    masks = [~plain, disc_mask(19), np.zeros_like(plain)]
    assert agreeing(masks, plain) is masks[1]
    for wrong in ([], [~plain], [disc_mask(5)]):
        with pytest.raises(DataError, match="the segmenter found nothing that stands out"):
            agreeing(wrong, plain)


def test_invented_pictures_are_a_function_of_their_number(tmp_path):
    source = Invented(PROMPTS, 6, paint, segmenter(None), seed=4)
    again = Invented(PROMPTS, 6, paint, segmenter(None), seed=4)[3]
    assert (source[3].image == again.image).all() and source[3].meta == {"prompt": "a nut"}
    assert not (source[3].image == source[1].image).all()
    assert not (source[3].image == Invented(PROMPTS, 6, paint, segmenter(None), seed=5)[3].image).all()
    assert write(source, tmp_path / "d", 1).made == 6
    data = Dataset.open(tmp_path / "d")
    assert (data.names, data.splits) == (("screw", "nut"), {"train": 6})
    assert [sample.instances.labels.tolist() for sample in data] == [[0], [1]] * 3
    assert data[0].instances.masks.area[0] == pytest.approx(np.pi * 400, rel=0.05)


def test_pictures_whose_object_cannot_be_told_are_left_out(tmp_path):
    source = Invented(PROMPTS, 4, lambda prompt, seed: np.full((64, 64, 3), 255, np.uint8), segmenter(None))
    with pytest.raises(DataError, match="the object covers 0%"):
        source[0]


def test_joined_data_sets(tmp_path):
    invented = Dataset(Invented([("nut", "a nut"), ("bolt", "a bolt")], 2, paint, segmenter(None)), ("nut", "bolt"))
    both = joined(many(2), Dataset([invented[0], invented[1]], ("nut", "bolt")))
    assert both.names == (*NAMES, "nut") and len(both) == 4
    assert both.ids[2:] == ["invented/000000.png", "invented/000001.png"]
    assert [both[i].instances.labels.tolist() for i in range(4)] == [[0, 1, 0], [0, 1, 0], [2], [0]]
    assert both.splits == {"train": 2, "val": 2}
    bank = Bank.cut(both)
    assert bank.table["label"].tolist()[6:] == ["nut", "bolt"]
    assert bank.segment(6).kind == "object"


# --- models ---


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with a Stable Diffusion of a few thousand random weights."""
    torch = pytest.importorskip("torch")
    diffusers, transformers = pytest.importorskip("diffusers"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models") / "tiny"
    words = folder.with_name("words")
    words.mkdir()
    letters = [chr(k) for k in range(ord("a"), ord("z") + 1)]
    vocabulary = {
        word: i for i, word in enumerate(["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)])
    }
    (words / "vocab.json").write_text(json.dumps(vocabulary))
    (words / "merges.txt").write_text("#version: 0.2\n")
    torch.manual_seed(0)
    text = transformers.CLIPTextConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=77, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    blocks = {"block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4}
    diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL(
            down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2, **blocks
        ),
        text_encoder=transformers.CLIPTextModel(text),
        tokenizer=transformers.CLIPTokenizer(str(words / "vocab.json"), str(words / "merges.txt"), model_max_length=77),
        unet=diffusers.UNet2DConditionModel(
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=16, attention_head_dim=4, sample_size=32, **blocks,
        ),
        scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_a_painter_paints_the_same_from_the_same_seed(model, one_torch_thread):
    painter = Painter(model, steps=2, size=SIDE)
    one, same, other = painter("a bolt", 3), Painter(model, 2, SIDE)("a bolt", 3), painter("a bolt", 4)
    assert one.shape == (SIDE, SIDE, 3) and one.dtype == np.uint8
    assert (one == same).all()
    assert not (one == other).all()


@pytest.fixture(scope="module")
def segmentation(tmp_path_factory):
    """A folder with a Segformer of a few thousand random weights and two classes."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models") / "segformer"
    torch.manual_seed(0)
    config = transformers.SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 8], patch_sizes=[7, 3], strides=[4, 2],
        num_attention_heads=[1, 1], mlp_ratios=[1, 1], decoder_hidden_size=8, num_labels=2,
    )  # fmt: skip
    network = transformers.SegformerForSemanticSegmentation(config)
    with torch.no_grad():  # the second class is everywhere, whatever the random features say
        network.decode_head.classifier.bias.copy_(torch.tensor([0.0, 50.0]))
    network.save_pretrained(folder)
    transformers.SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def test_a_segmentation_model_cuts(segmentation, one_torch_thread):
    """One whose second class is everywhere: right where the object is nearly everything, wrong where it is small."""
    cut = segmenter(segmentation)
    large = np.full((96, 128, 3), 255, np.uint8)
    large[6:-6, 6:-6] = (200, 30, 30)
    assert cut(large).all()
    with pytest.raises(DataError, match="the segmenter found nothing that stands out"):
        cut(disc_sample(((60, 50, 12),), ground=(255, 255, 255)).image)


@pytest.mark.parametrize("make", [Painter, segmenter])
@pytest.mark.parametrize("there", [False, True])
def test_a_folder_without_a_model(tmp_path, make, there):
    name = "model_index.json" if make is Painter else "config.json"
    if there:
        (tmp_path / name).write_text("{}")
    with pytest.raises(KizuError, match="cannot be loaded" if there else f"no {name} of a"):
        make(tmp_path)
