"""A llama2.c checkpoint with its tokenizer as one GGUF file, which llama.cpp reads.

    python -m tests.llm.gguf stories260K.bin tok512.bin tiny.gguf

llama2.c turns neighbouring numbers of a head (0 and 1, 2 and 3, ...) when it encodes a
position, as llama.cpp does for this architecture, so weights are copied as they are.
Formats: github.com/karpathy/llama2.c (export.py, tokenizer.py), ggml's docs/gguf.md.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float32]
Value = bool | int | float | str | list[str] | list[float] | list[int]

ALIGNMENT = 32
RMS_EPSILON, ROPE_BASE = 1e-5, 10_000.0
"""Constants of llama2.c, which its files do not hold."""

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
"""Kinds of tokens in a GGUF file."""


@dataclass(frozen=True)
class Shape:
    """The head of a checkpoint, in its order: seven 32-bit numbers."""

    dim: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    vocab: int
    positions: int


def checkpoint(data: bytes) -> tuple[Shape, dict[str, Weights]]:
    """Shape and tensors, named as llama.cpp names them. ValueError where the sizes do not
    add up."""
    shape = Shape(*struct.unpack("<7i", data[:28]))
    if shape.vocab < 0:
        raise ValueError("a checkpoint with an output layer of its own is not read here")
    numbers = np.frombuffer(data, "<f4", offset=28)
    tensors, at = {}, 0
    for name, dims in _layout(shape):
        size = int(np.prod(dims))
        block = numbers[at : at + size].reshape(dims)
        at += size
        if "{}" not in name:
            tensors[name] = block
            continue
        for layer in range(shape.layers):
            tensors[name.format(layer)] = block[layer]
    angles = shape.positions * (shape.dim // shape.heads)  # sines and cosines, not needed
    if at + angles != len(numbers):
        raise ValueError(f"{len(numbers)} numbers in the checkpoint; expected {at + angles}")
    return shape, tensors


def _layout(s: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    kv = s.dim // s.heads * s.kv_heads
    yield "token_embd.weight", (s.vocab, s.dim)
    yield "blk.{}.attn_norm.weight", (s.layers, s.dim)
    yield "blk.{}.attn_q.weight", (s.layers, s.dim, s.dim)
    yield "blk.{}.attn_k.weight", (s.layers, kv, s.dim)
    yield "blk.{}.attn_v.weight", (s.layers, kv, s.dim)
    yield "blk.{}.attn_output.weight", (s.layers, s.dim, s.dim)
    yield "blk.{}.ffn_norm.weight", (s.layers, s.dim)
    yield "blk.{}.ffn_gate.weight", (s.layers, s.hidden, s.dim)
    yield "blk.{}.ffn_down.weight", (s.layers, s.dim, s.hidden)
    yield "blk.{}.ffn_up.weight", (s.layers, s.hidden, s.dim)
    yield "output_norm.weight", (s.dim,)


def tokens(data: bytes, vocab: int) -> tuple[list[str], list[float], list[int]]:
    """Pieces, scores and kinds: the three special ones, the 256 bytes, then the rest, with
    the mark that SentencePiece writes for a space."""
    at, pieces, scores = 4, [], []
    while at < len(data):
        score, size = struct.unpack_from("<fi", data, at)
        at += 8
        pieces.append(data[at : at + size].decode().replace(" ", "\u2581"))
        scores.append(score)
        at += size
    if len(pieces) != vocab:
        raise ValueError(f"{len(pieces)} tokens for a model of {vocab}")
    pieces[:3] = ["<unk>", "<s>", "</s>"]
    kinds = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * (vocab - 259)
    return pieces, scores, kinds


def metadata(
    s: Shape, pieces: list[str], scores: list[float], kinds: list[int]
) -> dict[str, Value]:
    """What llama.cpp must know to run the tensors."""
    return {
        "general.architecture": "llama",
        "general.name": "stories260K",
        "general.alignment": ALIGNMENT,
        "llama.context_length": s.positions,
        "llama.embedding_length": s.dim,
        "llama.block_count": s.layers,
        "llama.feed_forward_length": s.hidden,
        "llama.attention.head_count": s.heads,
        "llama.attention.head_count_kv": s.kv_heads,
        "llama.attention.layer_norm_rms_epsilon": RMS_EPSILON,
        "llama.rope.dimension_count": s.dim // s.heads,
        "llama.rope.freq_base": ROPE_BASE,
        "llama.vocab_size": s.vocab,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_space_prefix": True,
    }


def gguf(about: dict[str, Value], tensors: dict[str, Weights]) -> bytes:
    """The file: head, metadata, where each tensor is, then the tensors, each aligned."""
    out = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(about)))
    for key, value in about.items():
        out += _text(key) + _value(value)
    at, data = 0, bytearray()
    for name, tensor in tensors.items():
        dims = tensor.shape[::-1]  # the fastest first
        out += _text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, 0, at)
        data += _aligned(tensor.astype("<f4").tobytes())
        at = len(data)
    return bytes(_aligned(bytes(out)) + data)


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Value) -> bytes:
    """A value with its kind: 4 and 5 unsigned and signed 32 bits, 6 float, 7 bool, 8 text,
    9 a list."""
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    kind, form = {str: (8, ""), float: (6, "f"), int: (5, "i")}[type(value[0])]
    head = struct.pack("<IIQ", 9, kind, len(value))
    if kind == 8:
        return head + b"".join(_text(str(one)) for one in value)
    return head + struct.pack(f"<{len(value)}{form}", *value)


def _aligned(raw: bytes) -> bytes:
    return raw + bytes(-len(raw) % ALIGNMENT)


def convert(model: Path, tokenizer: Path, out: Path) -> None:
    """Write ``out``."""
    shape, tensors = checkpoint(model.read_bytes())
    out.write_bytes(gguf(metadata(shape, *tokens(tokenizer.read_bytes(), shape.vocab)), tensors))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("model", "tokenizer", "out"):
        parser.add_argument(name, type=Path)
    told = parser.parse_args()
    convert(told.model, told.tokenizer, told.out)


if __name__ == "__main__":
    main()
