"""Where a node is (`Endpoint`) and who it is (`NodeId`). The address is never the identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

NodeId = NewType("NodeId", str)
"""The 40 hexadecimal digits that a server gives itself."""


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """Address of one server: host (name or IP, IPv6 without brackets), client port, bus port (TCP, 1-65535)."""

    host: str
    port: int
    bus_port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
