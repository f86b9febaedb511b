"""The converter, on a checkpoint made here; that it is right, the story tells."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from .gguf import ALIGNMENT, Shape, checkpoint, gguf, metadata, tokens

SHAPE = Shape(dim=8, hidden=12, layers=2, heads=4, kv_heads=2, vocab=262, positions=16)
HEAD = struct.pack("<7i", 8, 12, 2, 4, 2, 262, 16)
NUMBERS = 262 * 8 + 2 * (8 + 64 + 32 + 32 + 64 + 8 + 3 * 96) + 8 + 16 * 2


def made(numbers: int = NUMBERS) -> bytes:
    return HEAD + np.arange(numbers, dtype="<f4").tobytes()


def vocabulary() -> bytes:
    pieces = [b"<unk>", b"\n<s>\n", b"\n</s>\n"] + [b"<0x%02X>" % byte for byte in range(256)]
    pieces += [b" t", b"he", "é".encode()]
    told = b"".join(struct.pack("<fi", -i, len(p)) + p for i, p in enumerate(pieces))
    return struct.pack("<i", 6) + told


def test_every_number_has_its_place() -> None:
    shape, tensors = checkpoint(made())
    assert shape == SHAPE
    assert len(tensors) == 2 + 2 * 9
    assert tensors["token_embd.weight"][1, 0] == 8
    assert tensors["blk.1.attn_k.weight"].shape == (4, 8)
    assert tensors["blk.1.ffn_down.weight"].shape == (8, 12)
    last = tensors["output_norm.weight"][-1]
    assert last == NUMBERS - 16 * 2 - 1, "behind it are the angles alone"


@pytest.mark.parametrize("numbers", [NUMBERS - 1, NUMBERS + 1])
def test_a_file_of_another_size_is_refused(numbers: int) -> None:
    with pytest.raises(ValueError, match="numbers in the checkpoint"):
        checkpoint(made(numbers))


def test_pieces_keep_scores_and_kinds() -> None:
    pieces, scores, kinds = tokens(vocabulary(), 262)
    assert pieces[:4] == ["<unk>", "<s>", "</s>", "<0x00>"]
    assert pieces[259:] == ["\u2581t", "he", "é"]
    assert scores[260] == -260
    assert kinds[:4] == [2, 3, 3, 6]
    assert kinds[258:260] == [6, 1]
    with pytest.raises(ValueError, match="262 tokens for a model of 512"):
        tokens(vocabulary(), 512)


def test_the_file_says_where_its_tensors_are() -> None:
    _, tensors = checkpoint(made())
    raw = gguf(metadata(SHAPE, *tokens(vocabulary(), 262)), tensors)
    magic, version, n, _ = struct.unpack_from("<4sIQQ", raw)
    assert (magic, version, n) == (b"GGUF", 3, len(tensors))
    name = b"output_norm.weight"
    at = raw.index(name) + len(name)
    dims, length, kind, offset = struct.unpack_from("<IQIQ", raw, at)
    assert (dims, length, kind) == (1, 8, 0)
    # The last one: the file ends with it and its padding.
    start = len(raw) - ALIGNMENT
    assert start % ALIGNMENT == offset % ALIGNMENT == 0
    assert np.array_equal(np.frombuffer(raw, "<f4", 8, start), tensors["output_norm.weight"])
