"""The torch modules of the experts, and nothing else."""

from __future__ import annotations

from experts.networks.frequency import FrequencyNetwork
from experts.networks.transformer import TransformerNetwork

__all__ = ["NETWORKS", "FrequencyNetwork", "Network", "TransformerNetwork"]

Network = TransformerNetwork | FrequencyNetwork

NETWORKS: dict[str, type[TransformerNetwork] | type[FrequencyNetwork]] = {
    "transformer": TransformerNetwork,
    "frequency": FrequencyNetwork,
}
