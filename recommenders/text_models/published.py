"""RLMRec's published settings for Amazon-Book, for each backbone under each variant.

From the released configuration (encoder/config/modelconf, the key ``amazon``). Those of a
variant are not always those of the backbone alone: ``backbone`` has what differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Variant = Literal["con", "gen"]
BackboneName = Literal["gccf", "lightgcn", "sgl", "simgcl", "dccf", "autocf"]


@dataclass(frozen=True)
class Published:
    """weight: of the term (kd_weight, recon_weight). temperature: the term's. masked: gen's share
    of hidden nodes. backbone: settings of the backbone other than its own defaults."""

    weight: float
    temperature: float
    masked: float | None = None
    backbone: Mapping[str, Any] = field(default_factory=dict)


PUBLISHED: Mapping[tuple[Variant, BackboneName], Published] = MappingProxyType(
    {
        # The self-loops of GCCF's graph are made for the model's exact name only.
        ("con", "gccf"): Published(1e-3, 0.1, backbone={"self_loops": False}),
        ("con", "lightgcn"): Published(1e-2, 0.2, backbone={"l2": 1e-7}),
        ("con", "sgl"): Published(1e-2, 0.5),
        ("con", "simgcl"): Published(1e-2, 0.2),
        ("con", "dccf"): Published(1e-2, 0.5),
        ("con", "autocf"): Published(0.1, 0.5, backbone={"ssl": 1.0}),
        ("gen", "gccf"): Published(0.01, 0.1, 0.1, {"self_loops": False, "l2": 1e-7}),
        ("gen", "lightgcn"): Published(0.1, 0.5, 0.15, {"layers": 2, "l2": 1e-7}),
        ("gen", "sgl"): Published(0.1, 0.2, 0.2),
        ("gen", "simgcl"): Published(0.1, 0.2, 0.05),
        ("gen", "dccf"): Published(0.1, 0.2, 0.05),
        ("gen", "autocf"): Published(1.0, 0.5, 0.2, {"ssl": 1.0}),
    }
)
