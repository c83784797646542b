"""The decoder once more, in plain numpy and float64, one token, one head and one key at a time: what the tests compare with."""

import math
from typing import Any

import numpy as np

from models.config import ModelConfig


def norm(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    return x / math.sqrt(float(np.mean(x * x)) + eps) * weight


def rotate(x: np.ndarray, position: int, theta: float) -> np.ndarray:
    half = len(x) // 2
    out = np.empty_like(x)
    for i in range(half):
        angle = position * theta ** (-2 * i / len(x))
        out[i] = x[i] * math.cos(angle) - x[i + half] * math.sin(angle)
        out[i + half] = x[i + half] * math.cos(angle) + x[i] * math.sin(angle)
    return out


def attend(query: np.ndarray, keys: list[np.ndarray], values: list[np.ndarray]) -> np.ndarray:
    scores = np.array([query @ key / math.sqrt(len(query)) for key in keys])
    weights = np.exp(scores - scores.max())
    return sum((w * value for w, value in zip(weights / weights.sum(), values, strict=True)), np.zeros_like(query))


def forward(config: ModelConfig, params: Any, ids: list[int], positions: list[int], segments: list[int]) -> np.ndarray:
    """Logits [T, V] of one sequence."""
    tree = {g: {n: np.asarray(w, np.float64) for n, w in group.items()} for g, group in params.items()}
    stream = [tree["embedding"]["table"][i].copy() for i in ids]
    for layer in range(config.layers):
        w = {name: stacked[layer] for name, stacked in tree["layers"].items()}
        keys: list[list[np.ndarray]] = []
        values: list[list[np.ndarray]] = []
        for t, x in enumerate(stream):
            inner = norm(x, w["attention_norm"], config.norm_eps)
            keys.append([key(config, w, inner, head, positions[t]) for head in range(config.kv_heads)])
            values.append([inner @ w["v"][:, head] + bias(config, w, "v", head) for head in range(config.kv_heads)])
            seen = [s for s in range(t + 1) if segments[s] == segments[t]]
            for head in range(config.heads):
                q = inner @ w["q"][:, head] + bias(config, w, "q", head)
                q = norm(q, w["q_norm"], config.norm_eps) if config.qk_norm else q
                shared = head * config.kv_heads // config.heads
                q = rotate(q, positions[t], config.rope_theta)
                mixed = attend(q, [keys[s][shared] for s in seen], [values[s][shared] for s in seen])
                x = x + mixed @ w["o"][head]
            inner = norm(x, w["mlp_norm"], config.norm_eps)
            gate = inner @ w["gate"]
            stream[t] = x + (gate / (1 + np.exp(-gate)) * (inner @ w["up"])) @ w["down"]
    out = np.stack([norm(x, tree["final"]["norm"], config.norm_eps) for x in stream])
    return out @ (tree["embedding"]["table"].T if config.tied_embeddings else tree["final"]["head"])


def bias(config: ModelConfig, w: dict[str, np.ndarray], name: str, head: int) -> Any:
    return w[f"{name}_bias"][head] if config.qkv_bias else 0.0


def key(config: ModelConfig, w: dict[str, np.ndarray], inner: np.ndarray, head: int, position: int) -> np.ndarray:
    k = inner @ w["k"][:, head] + bias(config, w, "k", head)
    k = norm(k, w["k_norm"], config.norm_eps) if config.qk_norm else k
    return rotate(k, position, config.rope_theta)
