"""Regions from networks: Kizu's own from a weight file, and SAM of transformers with random weights."""

from types import SimpleNamespace

import numpy as np
import pytest

from kizu.core.card import Card
from kizu.core.errors import KizuError
from kizu.core.inspector import Inspector
from kizu.fewshot import FewShotInspector
from kizu.fewshot.refine import Refiner
from kizu.fewshot.regions.edges import Edges
from kizu.fewshot.regions.sam import Sam
from kizu.fewshot.regions.segmenter import Segmenter
from kizu.models.dense_decode import DenseMaps
from kizu.models.store import save_weights


def where(size, *places):
    found = np.zeros((1, *size), bool)
    for y, x in places:
        found[0, y, x] = True
    return found


# --- Kizu's own ---


def test_any_class_outlines_and_only_tiles_that_fire_are_looked_at():
    looked = []

    def whole(image, tiles):
        looked.extend(tile.pixels for tile in tiles)
        classes = np.zeros((3, 400, 200), np.float32)
        classes[0, 2:6, 2:6], classes[2, 2:6, 6:9] = 0.9, 0.8  # two classes beside each other, or one thing
        classes[1, 20:24, 20:24] = 0.2
        return DenseMaps(classes, np.zeros((400, 200), np.float32), np.zeros((2, 400, 200), np.float32))

    source = Segmenter(SimpleNamespace(whole=whole))
    image, found = np.zeros((1600, 800, 3), np.uint8), where((1600, 800), (1500, 3))
    masks = source.masks(image, np.zeros((2, 1, 1)), found)
    assert len(masks) == 2 and masks[0] == masks[1]
    assert len(masks[0]) == 1, "0.2 is too weak"
    assert masks[0].boxes[0] == pytest.approx([8, 8, 36, 24], abs=2)
    assert looked and all(rows.start <= 1500 < rows.stop for rows, _ in looked)


@pytest.fixture
def tiny(monkeypatch):
    """The name of a backbone of five layers, for as long as a test runs."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    from kizu.models import registry
    from kizu.models.nets.backbone import Backbone, Normalise

    class Tiny(Backbone):
        def __init__(self):
            super().__init__((8, 8, 8, 8), Normalise("picture"))
            self.stages = torch.nn.ModuleList(torch.nn.Conv2d(3 if k == 0 else 8, 8, 3, 2, 1) for k in range(5))

        def maps(self, normalised):
            out = [normalised]
            for stage in self.stages:
                out.append(stage(out[-1]).relu())
            return out[2:]

    registry.entry("kizu-s")  # all others are known by then
    made = registry.Entry("tiny-of-test", "backbone", "", "", "", "train", False, lambda pretrained=False: Tiny())
    monkeypatch.setitem(registry._entries, "tiny-of-test", made)
    return "tiny-of-test"


def test_a_weight_file_runs_without_torch_afterwards(tiny, tmp_path):
    import torch

    from kizu.models.nets.dense import DenseNet
    from kizu.models.registry import build_backbone
    from kizu.models.store import arrays_of

    torch.manual_seed(0)
    net = DenseNet(build_backbone(tiny), 4, 16).eval()
    with torch.no_grad():
        net.head.out.weight.normal_(std=0.5)
    parts = ("backbone", "pyramid", "head")
    arrays = {k: v for part in parts for k, v in arrays_of(getattr(net, part), part, half=False).items()}
    path = tmp_path / "weights.safetensors"
    save_weights(path, arrays, tiny, Card("weights"))
    source = Segmenter.of(path)
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    said = source.session.maps(image)
    with torch.no_grad():
        wanted = net.maps(torch.from_numpy(image).permute(2, 0, 1)[None])
    assert said.classes == pytest.approx(wanted[0][0].numpy(), abs=1e-3)
    again = Segmenter.from_state(*source.state())
    assert again.level == source.level
    assert again.session.maps(image).classes == pytest.approx(said.classes)


def test_weights_without_a_head(tiny, tmp_path):
    with pytest.raises(KizuError, match="no head that outlines things"):
        Segmenter.of("kizu-s")
    path = tmp_path / "weights.safetensors"
    save_weights(path, {"backbone.a": np.zeros((3, 3), np.float32)}, tiny, Card("weights"))
    with pytest.raises(KizuError, match="kizu pretrain masks"):
        Segmenter.of(path)


# --- SAM ---


def tiny_sam(folder):
    """Write a SAM of random weights."""
    import transformers

    vision = transformers.SamVisionConfig(
        hidden_size=16, output_channels=8, num_hidden_layers=1, num_attention_heads=2, image_size=64, patch_size=8,
        mlp_dim=16, window_size=0, global_attn_indexes=[0], num_pos_feats=4,
    )  # fmt: skip
    prompt = transformers.SamPromptEncoderConfig(
        hidden_size=8, image_size=64, patch_size=8, mask_input_channels=4, image_embedding_size=8
    )
    decoder = transformers.SamMaskDecoderConfig(
        hidden_size=8, mlp_dim=16, num_hidden_layers=1, num_attention_heads=2, iou_head_hidden_dim=8
    )
    config = transformers.SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    transformers.SamModel(config).save_pretrained(folder)
    transformers.SamImageProcessor(
        size={"longest_edge": 64}, pad_size={"height": 64, "width": 64}, mask_size={"longest_edge": 16},
        mask_pad_size={"height": 16, "width": 16},
    ).save_pretrained(folder)  # fmt: skip


def tiny_sam2(folder):
    """Write a SAM 2 of random weights."""
    import transformers

    body = transformers.Sam2HieraDetConfig(
        hidden_size=8, image_size=[128, 128], blocks_per_stage=[1, 1, 2, 1], embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2], window_size_per_stage=[8, 4, 8, 4], global_attention_blocks=[3],
        window_positional_embedding_background_size=[2, 2],
    )  # fmt: skip
    vision = transformers.Sam2VisionConfig(
        backbone_config=body, backbone_channel_list=[64, 32, 16, 8], fpn_hidden_size=32,
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
    )  # fmt: skip
    prompt = transformers.Sam2PromptEncoderConfig(hidden_size=32, image_size=128, patch_size=16, mask_input_channels=4)
    decoder = transformers.Sam2MaskDecoderConfig(
        hidden_size=32, mlp_dim=16, num_hidden_layers=1, num_attention_heads=2, iou_head_hidden_dim=8
    )
    config = transformers.Sam2Config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    transformers.Sam2Model(config).save_pretrained(folder)
    sides = {"height": 128, "width": 128}
    transformers.Sam2ImageProcessor(size=sides, mask_size={"height": 32, "width": 32}).save_pretrained(folder)


@pytest.fixture(scope="module", params=[tiny_sam, tiny_sam2])
def sam(request, tmp_path_factory):
    """A folder with a network of random weights."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param.__name__)
    request.param(folder)
    return folder


ANY = {"pred_iou_thresh": -99.0, "stability_score_thresh": -1.0}  # random weights are never sure


@pytest.mark.parametrize("size", [(50, 70), (40, 1200)])
def test_masks_of_sam_are_those_of_the_picture(sam, size):
    chosen = Sam.of(sam)
    source = Sam(chosen.folder, chosen.digest, points=3, options=ANY)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    masks = source.masks(image, np.zeros((2, *size)), where(size, (3, 3)))
    assert len(masks) == 2 and masks[0] is masks[1]
    assert masks[0].size == size and len(masks[0]) and (masks[0].area > 0).all()
    again = Sam.from_state(*source.state())
    assert again.masks(image, np.zeros((1, *size)), where(size, (3, 3)))[0] == masks[0]


def test_nothing_that_sam_is_sure_of(sam):
    chosen = Sam.of(sam)
    source = Sam(chosen.folder, chosen.digest, points=2, options={"pred_iou_thresh": 99.0})
    assert len(source.masks(np.zeros((30, 40, 3), np.uint8), np.zeros((1, 30, 40)), where((30, 40), (3, 3)))[0]) == 0


def test_folders_that_are_no_sam(sam, tmp_path):
    with pytest.raises(KizuError, match=r"no \*\.safetensors"):
        Sam.of(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(KizuError, match="name a folder of SAM"):
        Sam.of(tmp_path)
    with pytest.raises(KizuError, match="not the weights that this model was fitted with"):
        Sam(str(sam), "another").masks(np.zeros((8, 8, 3), np.uint8), np.zeros((1, 8, 8)), where((8, 8), (3, 3)))


# --- in an inspector ---


def test_an_inspector_keeps_its_refiner(scratches, line, tmp_path):
    plain, _, _ = scratches
    model = FewShotInspector(plain.card, plain.members, plain.mixes, plain.rules, Refiner(Edges()))
    model.save(tmp_path / "model.kizu")
    again = Inspector.load(tmp_path / "model.kizu")
    images = [sample.image for sample in line.split("train")]
    fires = [len(plain.inspect(image)[0]) > 0 for image in images]
    assert any(fires) and not all(fires)
    for image, fired in zip(images, fires, strict=True):
        found, maps = model.inspect(image)
        same, others = again.inspect(image)
        assert same.masks == found.masks and np.array_equal(maps, others)
        before, old = plain.inspect(image)
        assert max(found.scores, default=0) == max(before.scores, default=0)
        assert fired or (found.masks == before.masks and np.array_equal(maps, old))
    assert any(model.inspect(x)[0].masks != plain.inspect(x)[0].masks for x in images), "outlines did move"
