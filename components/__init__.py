"""The building blocks: each file one component, each component with its own roles, logs and policies."""

from components.alarms import Alarms, AlarmsArgs
from components.dashboard import Dashboard, DashboardArgs
from components.distributed_map_processor import DistributedMapProcessor, DistributedMapProcessorArgs
from components.map_scatter_gather import MapScatterGather, MapScatterGatherArgs
from components.parallel_scatter_gather import ParallelScatterGather, ParallelScatterGatherArgs
from components.request_api import RequestApi, RequestApiArgs
from components.request_store import RequestStore, RequestStoreArgs
from components.responder_fleet import ResponderFleet, ResponderFleetArgs
from components.scatter_gather import ScatterGather, ScatterGatherArgs
from components.sns_scatter_gather import SnsScatterGather, SnsScatterGatherArgs

__all__ = [
    "Alarms",
    "AlarmsArgs",
    "Dashboard",
    "DashboardArgs",
    "DistributedMapProcessor",
    "DistributedMapProcessorArgs",
    "MapScatterGather",
    "MapScatterGatherArgs",
    "ParallelScatterGather",
    "ParallelScatterGatherArgs",
    "RequestApi",
    "RequestApiArgs",
    "RequestStore",
    "RequestStoreArgs",
    "ResponderFleet",
    "ResponderFleetArgs",
    "ScatterGather",
    "ScatterGatherArgs",
    "SnsScatterGather",
    "SnsScatterGatherArgs",
]
