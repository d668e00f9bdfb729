"""The stack: its configuration selects the variants; the responders and the store are made once and shared."""

import json

import pulumi

from components import MapScatterGather, ParallelScatterGather, QuoteStore, ResponderFleet
from components.gathering import ScatterGatherArgs
from components.handler_function import handler_layer
from components.settings import DEFAULT_MODULE, Settings, SettingsError, load

SAMPLE = {"description": "A large car for 30 days", "data": {"car_type": "L", "days_rental": 30}}


def settings_of_the_stack() -> Settings:
    project = pulumi.get_project()
    given = {**pulumi.runtime.get_config_env(), **pulumi.runtime.config.CONFIG.get()}
    own = [key.removeprefix(f"{project}:") for key in given if key.startswith(f"{project}:")]
    try:
        return load(pulumi.Config().get, own)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None


settings = settings_of_the_stack()

layer = handler_layer("layer")
fleet = ResponderFleet("responder", {
    "responders": [
        {
            "name": responder.name,
            "module": None if responder.functionArn else responder.module or DEFAULT_MODULE,
            "functionArn": responder.functionArn,
            "timeoutSeconds": responder.timeoutSeconds,
            "memoryMb": responder.memoryMb,
            "settings": responder.own,
        }
        for responder in settings.responders
    ],
    "layerArn": layer.arn,
    "currency": settings.currency,
    "logRetentionDays": settings.logRetentionDays,
})
store = QuoteStore("quotes", {"retainData": settings.retainData})

gathering: ScatterGatherArgs = {
    "responders": fleet.responders,
    "tableName": store.tableName,
    "tableArn": store.tableArn,
    "workflowType": settings.workflowType,
    "deadlineSeconds": settings.completion.deadlineSeconds,
    "selection": settings.selection,
    "currency": settings.currency,
    "resultRetentionDays": settings.resultRetentionDays,
    "logRetentionDays": settings.logRetentionDays,
}

if "map" in settings.variants:
    by_map = MapScatterGather("map", {**gathering, "maxConcurrency": settings.maxConcurrency})
    pulumi.export("mapStateMachineArn", by_map.stateMachineArn)
    pulumi.export("mapStateMachineName", by_map.stateMachineName)

if "parallel" in settings.variants:
    parallel = ParallelScatterGather("parallel", {**gathering})
    pulumi.export("parallelStateMachineArn", parallel.stateMachineArn)
    pulumi.export("parallelStateMachineName", parallel.stateMachineName)

names = [responder.name for responder in settings.responders]
pulumi.export("sampleInput", json.dumps({**SAMPLE, "recipients": names}))
pulumi.export("responderNames", names)
pulumi.export("quoteTableName", store.tableName)
