"""A SAM2 video model of a million random weights in a folder, with its processor: all parts of the real one, small."""

import torch
import transformers

SIDE = 64
_WIDTH = 128  # twice the channels of a memory, so that pointers are split as in the real one


def config():
    """Four stages with a global block, two layers of memory attention, cells of 16 pixels."""
    grid = SIDE // 16
    backbone = {
        "model_type": "sam2_hiera_det_model", "hidden_size": 8, "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2], "window_size_per_stage": [4, 4, 4, 4],
        "global_attention_blocks": [3], "window_positional_embedding_background_size": [4, 4],
    }  # fmt: skip
    vision = {
        "model_type": "sam2_vision_model", "backbone_config": backbone, "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[4 * grid] * 2, [2 * grid] * 2, [grid] * 2], "fpn_hidden_size": _WIDTH,
    }  # fmt: skip
    return transformers.Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": _WIDTH, "image_size": SIDE, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": _WIDTH, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16
        },
        image_size=SIDE, memory_attention_hidden_size=_WIDTH, memory_attention_num_layers=2,
        memory_attention_feed_forward_hidden_size=32, memory_attention_rope_feat_sizes=[grid, grid],
        memory_encoder_hidden_size=_WIDTH, mask_downsampler_embed_dim=_WIDTH, memory_fuser_embed_dim=_WIDTH,
        memory_fuser_intermediate_dim=32,
    )  # fmt: skip


def processor():
    """The processor of the model: pictures squeezed to its square."""
    size = {"height": SIDE, "width": SIDE}
    return transformers.Sam2VideoProcessor(
        transformers.Sam2ImageProcessor(size=size), transformers.Sam2VideoVideoProcessor(size=size), target_size=SIDE
    )


def write(folder, presence=4.0, seed=0):
    """Write one whose presence is about ``presence`` whatever it sees; returns the model."""
    torch.manual_seed(seed)
    model = transformers.Sam2VideoModel(config()).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            # What begins at zero (codes of time, "no object") has to count, and the memory to reach the mask.
            if value.ndim > 1 or "no_" in name or "occlusion" in name:
                value.normal_(0, 1.5 / max(value[0].numel(), 1) ** 0.5)
        head = model.mask_decoder.pred_obj_score_head.proj_out
        head.weight.mul_(0.1)
        head.bias.fill_(presence)
    model.save_pretrained(folder)
    processor().save_pretrained(folder)
    return model
