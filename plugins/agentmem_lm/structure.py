"""Finds the parts of a causal language model by looking at its modules: layers, down-projections, attention, head.

Goes by shapes and containers, never by the name of a model or of a class, so that Llama, Qwen, Mistral, Gemma, Phi,
GPT-2, GPT-J and OPT are one case. Knows nothing of prompts, edits or agents.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from agentmem.errors import ModelError


@dataclass(frozen=True)
class Projection:
    """A linear map in a model: `Linear` (weight (out, in)) or GPT-2's `Conv1D` (weight (in, out), `transposed`)."""

    name: str
    module: nn.Module
    in_features: int
    out_features: int
    transposed: bool

    @property
    def weight(self) -> nn.Parameter:
        weight = self.module.weight
        assert isinstance(weight, nn.Parameter)
        return weight

    def as_matrix(self) -> Tensor:
        """The weight as (out, in): a view, so that writing to it writes to the model."""
        return self.weight.data.T if self.transposed else self.weight.data


@dataclass(frozen=True)
class Layer:
    """One decoder layer and the projection that writes its feed-forward result into the residual stream."""

    name: str
    module: nn.Module
    down: Projection


@dataclass(frozen=True)
class Structure:
    """Where things are in a model. `d_model` is the width of the residual stream, `d_inner` of the feed-forward."""

    layers: tuple[Layer, ...]
    embedding: nn.Embedding
    head: nn.Module
    body: nn.Module
    d_model: int
    d_inner: int
    sliding: bool

    def __len__(self) -> int:
        return len(self.layers)


def find_structure(net: nn.Module) -> Structure:
    """The parts of `net`, a Hugging Face causal LM.

    Raises ModelError, saying what was looked for, when it has no list of alike decoder layers, or a layer has no map
    from a wider inner width back to the width of the embedding.
    """
    embedding = _embedding(net)
    list_name, stack = _decoder_layers(net)
    # OPT may embed into another width than that of its layers; the layers' own width is what their maps write to.
    d_model = _stream_width(stack, embedding)
    layers = []
    for index, module in enumerate(stack):
        name = f"{list_name}.{index}"
        layers.append(Layer(name, module, _down_projection(name, module, d_model)))
    body_name = list_name.rpartition(".")[0]
    head = net.get_output_embeddings() if hasattr(net, "get_output_embeddings") else None  # type: ignore[operator]
    if head is None:
        raise ModelError(
            f"{type(net).__name__} has no output embedding: agentmem needs a causal LM, not a bare encoder or decoder"
        )
    return Structure(
        layers=tuple(layers),
        embedding=embedding,
        head=head,
        body=net.get_submodule(body_name),
        d_model=d_model,
        d_inner=layers[0].down.in_features,
        sliding=_has_sliding_window(net),
    )


def linear_shape(module: nn.Module) -> tuple[int, int, bool] | None:
    """(in, out, transposed) of a linear map, or None when the module is none."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features, False
    weight = getattr(module, "weight", None)
    # GPT-2's Conv1D: a bare module with a two-dimensional weight (in, out) and its output width in `nf`.
    if isinstance(weight, nn.Parameter) and weight.ndim == 2 and getattr(module, "nf", None) == weight.shape[1]:
        return weight.shape[0], weight.shape[1], True
    return None


def _embedding(net: nn.Module) -> nn.Embedding:
    tables = [module for module in net.modules() if isinstance(module, nn.Embedding)]
    if not tables:
        raise ModelError(f"{type(net).__name__} has no embedding table: agentmem needs a causal language model")
    return max(tables, key=lambda table: table.num_embeddings)


def _decoder_layers(net: nn.Module) -> tuple[str, nn.ModuleList]:
    """The list of layers that are alike and hold most of the parameters."""
    found: list[tuple[int, str, nn.ModuleList]] = []
    for name, module in net.named_modules():
        if not isinstance(module, nn.ModuleList) or not len(module):
            continue
        if len({type(layer) for layer in module}) == 1 and any(linear_shape(part) for part in module[0].modules()):
            found.append((sum(p.numel() for p in module.parameters()), name, module))
    if not found:
        raise ModelError(
            f"{type(net).__name__}: looked for a list of alike decoder layers that hold linear maps and found none; "
            "known shapes are those of Llama, Qwen, Mistral, Gemma, Phi, GPT-2, GPT-J and OPT"
        )
    _, name, stack = max(found, key=lambda item: item[0])
    return name, stack


def _stream_width(stack: nn.ModuleList, embedding: nn.Embedding) -> int:
    outs = [shape[1] for part in stack[0].modules() if (shape := linear_shape(part))]
    return embedding.embedding_dim if embedding.embedding_dim in outs else outs[-1]


def _down_projection(name: str, layer: nn.Module, d_model: int) -> Projection:
    """Of the maps that write to the stream, the one from the widest input: the attention's output comes from less."""
    maps = [(part_name, part, shape) for part_name, part in layer.named_modules() if (shape := linear_shape(part))]
    writers = [(part_name, part, shape) for part_name, part, shape in maps if shape[1] == d_model]
    widest = max((shape[0] for _, _, shape in writers), default=0)
    candidates = [item for item in writers if item[2][0] == widest]
    if widest <= d_model or len(candidates) != 1:
        seen = ", ".join(f"{part_name} {shape[0]}->{shape[1]}" for part_name, _, shape in maps) or "no linear maps"
        raise ModelError(
            f"{name}: looked for one linear map from a wider inner width to the stream's width {d_model} (the "
            f"down-projection of the feed-forward) and found {len(candidates)} in: {seen}"
        )
    part_name, part, (in_features, out_features, transposed) = candidates[0]
    return Projection(f"{name}.{part_name}", part, in_features, out_features, transposed)


def _has_sliding_window(net: nn.Module) -> bool:
    config = getattr(net, "config", None)
    kinds = getattr(config, "layer_types", None) or ()
    if any("sliding" in kind or "chunked" in kind for kind in kinds):
        return True
    return not kinds and bool(getattr(config, "sliding_window", None)) and getattr(config, "use_sliding_window", True)
