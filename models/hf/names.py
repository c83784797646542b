"""What each parameter of the table is called and how it lies in published files.

A published kernel is [out, in] with heads merged; ours keeps heads apart and puts the input first. Each link says both as axes,
one letter each, merged ones in parentheses: `(nh)d` there is `dnh` here. Experts lie in a tensor each there and stacked here.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.config import ModelConfig
from models.table import parameter_table

_PROJECTIONS = {
    "q": ("self_attn.q_proj", "(nh)d", "dnh"),
    "k": ("self_attn.k_proj", "(nh)d", "dnh"),
    "v": ("self_attn.v_proj", "(nh)d", "dnh"),
    "o": ("self_attn.o_proj", "d(nh)", "nhd"),
    "gate": ("mlp.gate_proj", "fd", "df"),
    "up": ("mlp.up_proj", "fd", "df"),
    "down": ("mlp.down_proj", "df", "fd"),
}
_EXPERTS = {
    "router": ("mlp.gate", "ed", "de"),
    "gate": ("mlp.experts.{}.gate_proj", "fd", "edf"),
    "up": ("mlp.experts.{}.up_proj", "fd", "edf"),
    "down": ("mlp.experts.{}.down_proj", "df", "efd"),
}
_NORMS = {
    "attention_norm": "input_layernorm",
    "mlp_norm": "post_attention_layernorm",
    "q_norm": "self_attn.q_norm",
    "k_norm": "self_attn.k_norm",
}
_SANDWICH_NORMS = _NORMS | {
    "attention_post_norm": "post_attention_layernorm",
    "mlp_norm": "pre_feedforward_layernorm",
    "mlp_post_norm": "post_feedforward_layernorm",
}


class Link(NamedTuple):
    """One of our parameters, of one layer, and the published tensors that hold it."""

    published: tuple[str, ...]
    """one, or one for each expert: the first axis here, which none of them has"""
    group: str
    name: str
    layer: int | None
    """None outside `layers`"""
    there: str
    here: str
    shape: tuple[int, ...]
    """ours, of one layer"""

    @property
    def published_shape(self) -> tuple[int, ...]:
        """The shape of each in its file."""
        sizes = dict(zip(self.here, self.shape, strict=True))
        parts = re.findall(r"\((\w+)\)|(\w)", self.there)
        return tuple(int(np.prod([sizes[letter] for letter in merged or single])) for merged, single in parts)

    def ours(self, published: Sequence[np.ndarray], index: tuple[slice, ...]) -> np.ndarray:
        """A piece of our parameter out of the published tensors; of no other part of them is anything read."""
        if not self._stacked:
            return self._turned(published[0])[index]
        return np.stack([self._turned(one)[index[1:]] for one in published[index[0]]])

    def theirs(self, ours: np.ndarray) -> list[np.ndarray]:
        """Our parameter as the published tensors."""
        inner = self._inner
        order = [inner.index(letter) for letter in self._letters]
        return [one.transpose(order).reshape(self.published_shape) for one in (ours if self._stacked else [ours])]

    def _turned(self, published: np.ndarray) -> np.ndarray:
        """A published tensor as a view in our axes."""
        letters = self._letters
        sizes = dict(zip(self.here, self.shape, strict=True))
        apart = published.reshape([sizes[letter] for letter in letters])
        return apart.transpose([letters.index(letter) for letter in self._inner])

    @property
    def _letters(self) -> str:
        return self.there.replace("(", "").replace(")", "")

    @property
    def _stacked(self) -> bool:
        return self.here[0] not in self.there

    @property
    def _inner(self) -> str:
        """Our axes of one published tensor."""
        return self.here[1:] if self._stacked else self.here


def links(config: ModelConfig, prefix: str = "model.") -> list[Link]:
    """Every parameter of this configuration and its published tensors, in the order of the network."""
    table = parameter_table(config)
    found = [
        Link(
            (f"{prefix}embed_tokens.weight",), "embedding", "table", None, "vd", "vd", table["embedding"]["table"].shape
        )
    ]
    for layer in range(config.layers):
        for name, spec in table["layers"].items():
            published, there, here = _layer_name(config, name)
            full = f"{prefix}layers.{layer}.{published}"
            numbers = range(config.experts if "{}" in published else 1)
            found.append(Link(tuple(map(full.format, numbers)), "layers", name, layer, there, here, spec.shape[1:]))
    found.append(Link((f"{prefix}norm.weight",), "final", "norm", None, "d", "d", table["final"]["norm"].shape))
    if not config.tied_embeddings:
        found.append(Link((head_name(prefix),), "final", "head", None, "vd", "dv", table["final"]["head"].shape))
    return found


def head_name(prefix: str) -> str:
    """The name of an untied output head beside a decoder with that prefix."""
    return re.sub(r"model\.$", "", prefix) + "lm_head.weight"


def module_name(name: str) -> str:
    """The published module of one of our projections: self_attn.q_proj for q."""
    return _PROJECTIONS[name][0]


def axes_of(name: str) -> tuple[str, str]:
    """Axes of a projection there and here."""
    return _PROJECTIONS[name][1:]


def _layer_name(config: ModelConfig, name: str) -> tuple[str, str, str]:
    projections = _PROJECTIONS | (_EXPERTS if config.experts else {})
    if name in projections:
        module, there, here = projections[name]
        return f"{module}.weight", there, here
    if name.endswith("_bias"):
        return f"{_PROJECTIONS[name.removesuffix('_bias')][0]}.bias", "(nh)", "nh"
    return f"{(_SANDWICH_NORMS if config.post_norms else _NORMS)[name]}.weight", "d", "d"
