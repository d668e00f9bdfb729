"""The stack: its configuration selects the variants; the responders and the store are made once and shared."""

import json
from typing import Any

import pulumi

from components import (
    Alarms,
    Dashboard,
    DistributedMapProcessor,
    RequestApi,
    RequestStore,
    ResponderFleet,
    concurrency,
    encryption,
    former_names,
    place,
)
from components.carriers import CARRIERS
from components.settings import (
    SAMPLE_REQUEST,
    AlarmSettings,
    ApiSettings,
    DistributedSettings,
    FleetSettings,
    StoreSettings,
    settings_of_the_stack,
)
from components.watched import together


def export(prefix: str, component: Any, *outputs: str) -> None:
    """The component's outputs as the stack's: `stateMachineArn` of `map` is `mapStateMachineArn`."""
    for output in outputs:
        if getattr(component, output) is not None:
            pulumi.export(f"{prefix}{output[0].upper()}{output[1:]}" if prefix else output, getattr(component, output))


pulumi.runtime.register_stack_transformation(former_names.aliases)
settings = settings_of_the_stack()
if settings.kmsKeyArn:
    place.of(None).usable("kmsKeyArn", settings.kmsKeyArn, "this account use it")
    pulumi.runtime.register_stack_transformation(encryption.under(settings.kmsKeyArn))
if settings.reservedConcurrency:
    pulumi.runtime.register_stack_transformation(concurrency.reserved(settings.reservedConcurrency))
store = RequestStore("quotes", settings.arguments(StoreSettings))
fleet = ResponderFleet("responder", {"store": store, **settings.arguments(FleetSettings)})

carriers: dict[str, Any] = {name: make(name, settings, store, fleet, None) for name, make in CARRIERS.items() if name in settings.variants}
for name, carrier in carriers.items():
    export(name, carrier, *(output for output in type(carrier).__annotations__))
distributed = None
if "distributed" in settings.variants:
    distributed = DistributedMapProcessor(
        "distributed", {**settings.distributed.model_dump(exclude_unset=True), **settings.arguments(DistributedSettings)}
    )
    export("distributed", distributed, "stateMachineArn", "stateMachineName", "source", "results", "sourceTableName", "sourceBucketName")
api = None
if carriers and settings.api.enabled:
    api = RequestApi(
        "api", {"store": store, "fleet": fleet, "carriers": carriers, "sample": SAMPLE_REQUEST, **settings.api.arguments(ApiSettings)}
    )
    pulumi.export("apiUrl", api.apiUrl)
    pulumi.export("apiId", api.apiId)

watches = [part for part in (store, fleet, *carriers.values(), distributed, api) if part]
pulumi.export("logGroups", together(watches).log_groups)
if settings.alarms.enabled:
    pulumi.export("alarmNames", Alarms("alarms", {"watches": watches, **settings.alarms.arguments(AlarmSettings)}).alarmNames)
    if settings.alarms.dashboard:
        pulumi.export("dashboardName", Dashboard("dashboard", {"watches": watches, "store": store}).dashboardName)

names = [responder.name for responder in settings.responders]
pulumi.export("sampleInput", json.dumps({**SAMPLE_REQUEST, "recipients": names}))
pulumi.export("responderNames", names)
pulumi.export("existingFunctions", [responder.name for responder in settings.responders if responder.functionArn])
pulumi.export("carriers", {name: carrier.entrance for name, carrier in carriers.items()})
pulumi.export("quoteTableName", store.tableName)
export("", store, "aggregatorFunctionName", "responseQueueUrl", "deadLetterQueueUrl", "eventBusName")
pulumi.export("selection", settings.selection)
pulumi.export("topK", settings.topK)
pulumi.export("completion", json.dumps(settings.completion.given))
