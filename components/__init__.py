"""The building blocks: each file one component, each component with its own roles, logs and policies."""

from components.map_scatter_gather import MapScatterGather, MapScatterGatherArgs
from components.parallel_scatter_gather import ParallelScatterGather, ParallelScatterGatherArgs
from components.quote_store import QuoteStore, QuoteStoreArgs
from components.responder_fleet import ResponderFleet, ResponderFleetArgs

__all__ = [
    "MapScatterGather", "MapScatterGatherArgs",
    "ParallelScatterGather", "ParallelScatterGatherArgs",
    "QuoteStore", "QuoteStoreArgs",
    "ResponderFleet", "ResponderFleetArgs",
]
