"""What a deploy must know of a bundle; the value itself is a noun of the model."""

from shardwright.model.bundle import BundleFacts

__all__ = ["BundleFacts"]
