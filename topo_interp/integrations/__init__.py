"""Topology while a model trains: a callback for the Hugging Face Trainer and for Lightning."""

from topo_interp.integrations.callback import TopologyCallback as TopologyCallback

__all__ = ["TopologyCallback"]
