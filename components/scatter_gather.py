"""ScatterGather: a store, a fleet and the carriers in one component, from plain arguments alone.

For programs in other languages than Python, which cannot hand one component to another: `component_package/` serves it. Its arguments are
keys of the configuration, with the same defaults and the same checks.

Builds: a RequestStore, a ResponderFleet, a carrier of each kind that `variants` names, and, unless told otherwise, a RequestApi, Alarms and
a Dashboard.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypedDict

import pulumi

from components.alarms import Alarms
from components.carriers import CARRIERS
from components.dashboard import Dashboard
from components.handler_function import handler_layer
from components.request_api import RequestApi
from components.request_store import JudgeArgs, RequestStore
from components.responder_fleet import ResponderArgs, ResponderFleet
from components.settings import AlarmSettings, ApiSettings, CarrierSettings, FleetSettings, StoreSettings, checked


class CompletionArgs(TypedDict, total=False):
    deadlineSeconds: Optional[float]
    """60."""
    quorum: Optional[int]
    """The weight of quotes that is enough; without, all answers are awaited."""
    amountBelow: Optional[str]
    """A quote below this decimal is enough."""
    required: Optional[Sequence[str]]
    """Responders whom quorum and amountBelow wait for."""
    weights: Optional[Mapping[str, int]]
    """What a responder's quote counts for the quorum; 1."""


class ThrottlingArgs(TypedDict, total=False):
    rateLimit: Optional[float]
    """Requests per second, on average; 50."""
    burstLimit: Optional[int]
    """Requests at once; 100."""


class ApiArgs(TypedDict, total=False):
    enabled: Optional[bool]
    """true."""
    auth: Optional[str]
    """AWS_IAM (the default), JWT or NONE."""
    issuer: Optional[str]
    audience: Optional[Sequence[str]]
    scopes: Optional[Sequence[str]]
    """With JWT: a token needs one of these."""
    ownerClaim: Optional[str]
    """With JWT: the claim that says whose a request is; sub."""
    ownedBy: Optional[str]
    """With AWS_IAM: who reads a request, ALL callers (the default), those of the same ACCOUNT, or those of the same ROLE."""
    readers: Optional[Sequence[str]]
    """Who reads every request: scopes with JWT, ARNs of roles and users with AWS_IAM."""
    throttling: Optional[ThrottlingArgs]
    reservedConcurrency: Optional[int]
    """100; 0 reserves nothing."""
    corsOrigins: Optional[Sequence[str]]


class AlertArgs(TypedDict, total=False):
    enabled: Optional[bool]
    """true."""
    topicArn: Optional[str]
    """An existing topic to notify; excludes email."""
    email: Optional[str]
    dashboard: Optional[bool]
    """true."""


class _Fleet(TypedDict):
    responders: Sequence[ResponderArgs]
    """Each has a name and a functionArn, or a module that is packed with this package."""


class ScatterGatherArgs(_Fleet, total=False):
    variants: Optional[Sequence[str]]
    """map (the default), parallel, sns."""
    workflowType: Optional[str]
    """STANDARD (the default) or EXPRESS."""
    maxConcurrency: Optional[int]
    """How many responders a Map asks at once: 0 to 40; 10."""
    completion: Optional[CompletionArgs]
    selection: Optional[str]
    """lowest (the default), highest, first, median, or handlers.rankings.judge."""
    judge: Optional[JudgeArgs]
    """The model that ranks the quotes, with selection handlers.rankings.judge."""
    topK: Optional[int]
    """3."""
    currency: Optional[str]
    """USD."""
    api: Optional[ApiArgs]
    alarms: Optional[AlertArgs]
    resultRetentionDays: Optional[int]
    """30."""
    logRetentionDays: Optional[int]
    """14."""
    retainData: Optional[bool]
    """false."""


class ScatterGather(pulumi.ComponentResource):
    """Outputs: tableName, responseQueueUrl, deadLetterQueueUrl, eventBusName; where requests are sent, by what `variants` names:
    mapStateMachineArn, parallelStateMachineArn, snsRequesterFunctionArn; apiUrl; alarmNames; dashboardName."""

    tableName: pulumi.Output[str]
    responseQueueUrl: pulumi.Output[str]
    deadLetterQueueUrl: pulumi.Output[str]
    eventBusName: pulumi.Output[str]
    mapStateMachineArn: Optional[pulumi.Output[str]]
    parallelStateMachineArn: Optional[pulumi.Output[str]]
    snsRequesterFunctionArn: Optional[pulumi.Output[str]]
    apiUrl: Optional[pulumi.Output[str]]
    alarmNames: Optional[pulumi.Output[Sequence[str]]]
    dashboardName: Optional[pulumi.Output[str]]

    def __init__(self, name: str, args: ScatterGatherArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:ScatterGather", name, {}, opts)
        settings = checked(CarrierSettings, f"ScatterGather {name}", args)
        child = pulumi.ResourceOptions(parent=self)
        handler_layer(self, f"{name}-layer", self)
        store = RequestStore(name, settings.arguments(StoreSettings), child)
        fleet = ResponderFleet(f"{name}-responder", {"store": store, **settings.arguments(FleetSettings)}, child)
        carriers: dict[str, Any] = {
            kind: make(f"{name}-{kind}", settings, store, fleet, child) for kind, make in CARRIERS.items() if kind in settings.variants
        }
        api = None
        if settings.api.enabled:
            api = RequestApi(
                f"{name}-api", {"store": store, "fleet": fleet, "carriers": carriers, **settings.api.arguments(ApiSettings)}, child
            )
        self.tableName, self.eventBusName = store.tableName, store.eventBusName
        self.responseQueueUrl, self.deadLetterQueueUrl = store.responseQueueUrl, store.deadLetterQueueUrl
        self.mapStateMachineArn = carriers["map"].stateMachineArn if "map" in carriers else None
        self.parallelStateMachineArn = carriers["parallel"].stateMachineArn if "parallel" in carriers else None
        self.snsRequesterFunctionArn = carriers["sns"].requesterFunctionArn if "sns" in carriers else None
        self.apiUrl = api.apiUrl if api else None
        self.alarmNames = self.dashboardName = None
        if settings.alarms.enabled:
            watches = [part for part in (store, fleet, *carriers.values(), api) if part]
            self.alarmNames = Alarms(f"{name}-alarms", {"watches": watches, **settings.alarms.arguments(AlarmSettings)}, child).alarmNames
            if settings.alarms.dashboard:
                self.dashboardName = Dashboard(f"{name}-dashboard", {"watches": watches, "store": store}, child).dashboardName
        self.register_outputs({output: getattr(self, output) for output in self.__annotations__})
