"""The carriers that a stack may deploy: one table, name → how its component is made from the stack's settings.

A carrier is a component that says two things about itself, and nothing else asks for its name:

    entrance    how a request is handed to it, and what that costs: {"stateMachineArn", "workflowType"} or {"functionArn"}; with
                "asksEveryResponder": true where a request costs a call of each of the stack's responders, whomever it names. Who starts
                requests (API, client) and who compares their prices reads it, in the stack's output `carriers`
    watched     what can fail in it, for alarms and dashboard (`components.watched`)
"""

from collections.abc import Callable
from typing import Optional

import pulumi

from components.map_scatter_gather import MapScatterGather
from components.parallel_scatter_gather import ParallelScatterGather
from components.request_store import RequestStore
from components.responder_fleet import ResponderFleet
from components.settings import MapSettings, Settings, WorkflowSettings
from components.sns_scatter_gather import SnsScatterGather
from components.watched import Carrier

Make = Callable[[str, Settings, RequestStore, ResponderFleet, Optional[pulumi.ResourceOptions]], Carrier]
"""From the component's name and the stack's settings."""

CARRIERS: dict[str, Make] = {
    "map": lambda name, settings, store, fleet, opts: MapScatterGather(
        name, {"store": store, "fleet": fleet, **settings.arguments(MapSettings)}, opts
    ),
    "parallel": lambda name, settings, store, fleet, opts: ParallelScatterGather(
        name, {"store": store, "fleet": fleet, **settings.arguments(WorkflowSettings)}, opts
    ),
    "sns": lambda name, settings, store, fleet, opts: SnsScatterGather(name, {"store": store, "fleet": fleet}, opts),
}
