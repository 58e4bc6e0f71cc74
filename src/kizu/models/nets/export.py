"""From torch to ONNX: graphs for any height and width, checked against torch before anybody gets them."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from kizu.core.errors import KizuError, optional
from kizu.core.files import write_bytes
from kizu.models.nets.backbone import Backbone
from kizu.models.nets.dense import DenseNet
from kizu.models.session import Session, picture_stats
from kizu.models.store import arrays_of

if TYPE_CHECKING:
    from onnx import ModelProto

TOLERANCE = 1e-3  # of the largest value of an output (of 1, where all are smaller)
_MULTIPLE = 32  # pixels, of which the sides of pictures are one
_MOST_CELLS = 2048  # of 32 pixels: the longest side that a graph is made for
_SIZES = ((512, 512), (96, 160))  # pixels, of the pictures that a graph is checked on
_PASSED_ON = {"Expand", "CastLike", "Cast", "Identity"}


def export_backbone(module: Backbone, path: Path | str, pictures: Sequence[np.ndarray] = ()) -> None:
    """Write the graph of a backbone without its weights, whose names in it are those of a weight file.

    ``kizu.models.session.features`` brings the two together again.

    Args:
        path: ``NAME.onnx``, beside ``NAME.safetensors``.
        pictures: uint8 (H, W, 3) RGB to check it on; by default noise of 512 and less pixels.

    Raises:
        KizuError: onnx is missing, the network cannot be exported, or the graph does not give what torch gives.
    """
    model = _model(_Graph(module, _maps_of_backbone), [f"stride{s}" for s in module.strides])
    arrays = arrays_of(module, "backbone", half=False)
    _empty(model, arrays)
    graph = model.SerializeToString()
    _check(Session(graph, str(path), arrays), lambda *given: module(*given), pictures, module)
    write_bytes(path, graph)


def export_features(module: Backbone, pictures: Sequence[np.ndarray] = ()) -> bytes:
    """A backbone of any strides as one ONNX model, weights included.

    Args:
        pictures: uint8 (H, W, 3) RGB to check it on; by default noise of 512 and less pixels.

    Raises:
        KizuError: onnx is missing, the network cannot be exported, or the model does not give what torch gives.
    """
    whole, names = max(module.strides), [f"stride{s}" for s in module.strides]
    graph = _model(_Graph(module, _maps_of_backbone), names, whole).SerializeToString()
    _check(Session(graph, "the exported network", multiple=whole), lambda *given: module(*given), pictures, module)
    return graph


def export_dense(module: DenseNet, pictures: Sequence[np.ndarray] = ()) -> bytes:
    """A dense detector as one ONNX model, weights included, for ``kizu.models.session.DenseSession``.

    Args:
        pictures: uint8 (H, W, 3) RGB to check it on; by default noise of 512 and less pixels.

    Raises:
        KizuError: onnx is missing, the network cannot be exported, or the model does not give what torch gives.
    """
    graph = _model(_Graph(module, _maps_of_dense), ["classes", "boundary", "offset"]).SerializeToString()
    _check(Session(graph, "the exported network"), module.maps, pictures, module)
    return graph


class _Graph(nn.Module):
    """A copy of a network on the CPU, as the exporter wants it: a forward of (images, stats) and nothing else."""

    def __init__(self, network: nn.Module, call):
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float().eval()
        self.call = call

    def forward(self, images: torch.Tensor, stats: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.call(self.network, images, stats)


def _maps_of_backbone(network: Backbone, images: torch.Tensor, stats: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(network(images, stats))


def _maps_of_dense(network: DenseNet, images: torch.Tensor, stats: torch.Tensor) -> tuple[torch.Tensor, ...]:
    logits, boundary, offset = network.whole(images, stats)
    return logits.sigmoid(), boundary.sigmoid(), offset


def _model(graph: _Graph, outputs: list[str], multiple: int = _MULTIPLE) -> ModelProto:
    for library in ("onnx", "onnxscript"):
        optional(library, "train")
    rows, columns = (torch.export.Dim(name, min=1, max=_MOST_CELLS) for name in ("rows", "columns"))
    # Two sides of which neither is a constant that the exporter could keep.
    given = (torch.zeros(1, 3, 3 * multiple, 5 * multiple), torch.ones(1, 2))
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter's own habits
            program = torch.onnx.export(
                graph, given, dynamo=True, input_names=["images", "stats"], output_names=outputs, verbose=False,
                dynamic_shapes={"images": {2: multiple * rows, 3: multiple * columns}, "stats": {}},
                external_data=False,
                optimize=False,  # it would melt batch norm into the kernels, which then are no longer those of the file
            )  # fmt: skip
    except Exception as error:  # the exporter raises many kinds
        name = getattr(graph.network, "architecture", type(graph.network).__name__)
        first = str(error).strip().splitlines()[0][:200]
        raise KizuError(f"{name} cannot be exported to ONNX ({first}); choose another backbone") from error
    finally:
        log.setLevel(level)
    model = program.model_proto
    _tidy(model, "network.", "backbone." if isinstance(graph.network, Backbone) else "")
    return model


def _tidy(model: ModelProto, prefix: str, instead: str) -> None:
    """Names of the weights as in a weight file, plain convolutions and batch norms, and no notes of the exporter.

    The exporter spells a missing bias as zeros that are computed anew in each run, and wraps statistics into casts;
    ONNX Runtime would then not melt batch norm into the convolution before it.
    """
    from onnx.numpy_helper import to_array

    graph = model.graph
    weights = {item.name for item in graph.initializer}
    made = {node.output[0]: node for node in graph.node}

    def origin(name: str) -> str:
        while name in made and made[name].op_type in _PASSED_ON:
            name = made[name].input[0]
        return name

    def is_zero(name: str) -> bool:
        node = made.get(origin(name))
        return node is not None and node.op_type == "Constant" and not to_array(node.attribute[0].t).any()

    def renamed(name: str) -> str:
        return instead + name.removeprefix(prefix) if name in weights and name.startswith(prefix) else name

    for node in graph.node:
        if node.op_type == "BatchNormalization":
            straight = [origin(name) for name in node.input[1:]]
            node.input[1:] = [a if a in weights else b for a, b in zip(straight, node.input[1:], strict=True)]
        elif node.op_type == "Conv" and len(node.input) == 3 and is_zero(node.input[2]):
            del node.input[2]
    needed = {item.name for item in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    kept.reverse()
    for node in kept:
        node.input[:] = [renamed(name) for name in node.input]
        del node.metadata_props[:]
        node.ClearField("doc_string")
    used = [item for item in graph.initializer if item.name in needed]
    for item in used:
        item.name = renamed(item.name)
    for field, values in (("node", kept), ("initializer", used), ("value_info", [])):
        del getattr(graph, field)[:]
        getattr(graph, field).extend(values)
    del model.metadata_props[:]
    del graph.metadata_props[:]
    for item in (*graph.input, *graph.output):
        del item.metadata_props[:]


def _empty(model: ModelProto, arrays: dict[str, np.ndarray]) -> None:
    """Take the values of ``arrays`` out of a graph: what is left names them as data that lie elsewhere."""
    from onnx import TensorProto

    held = {item.name for item in model.graph.initializer}
    if missing := sorted(arrays.keys() - held):
        raise KizuError(f"the exported graph does not use {missing[0]}; choose another backbone")
    for item in model.graph.initializer:
        if item.name in arrays:
            item.ClearField("raw_data")
            item.data_location = TensorProto.EXTERNAL
            item.external_data.add(key="location", value="weights.safetensors")


def _check(session: Session, call, pictures: Sequence[np.ndarray], module: nn.Module) -> None:
    """Raises KizuError where ONNX Runtime and torch differ by more than :data:`TOLERANCE`."""
    training = module.training
    module.eval()
    device = next(module.parameters()).device
    try:
        for image in pictures or [_noise(size) for size in _SIZES]:
            stats = picture_stats(image)
            found = session.run(image, stats)
            odd = [(0, -side % session.multiple) for side in image.shape[:2]]
            padded = np.pad(image, (*odd, (0, 0)), mode="edge")
            given = torch.from_numpy(padded).permute(2, 0, 1)[None].float().to(device)
            with torch.no_grad():
                wanted = [out[0].float().cpu().numpy() for out in call(given, torch.from_numpy(stats).to(device))]
            for k, (a, b) in enumerate(zip(found, wanted, strict=True)):
                error = float(np.abs(a - b).max()) / max(float(np.abs(b).max()), 1.0)
                if a.shape != b.shape or not error <= TOLERANCE:
                    raise KizuError(
                        f"the exported network differs from the trained one (output {k} by {error:.2g} on a picture of "
                        f"{image.shape[0]} x {image.shape[1]}); nothing was written: please report this"
                    )
    finally:
        module.train(training)


def _noise(size: tuple[int, int]) -> np.ndarray:
    """A picture of blotches and grain, which no layer answers with a constant."""
    random = np.random.default_rng(0)
    coarse = np.kron(random.integers(40, 200, (size[0] // 16, size[1] // 16, 3)), np.ones((16, 16, 1)))
    return np.clip(coarse + random.normal(0, 12, (*size, 3)), 0, 255).astype(np.uint8)
