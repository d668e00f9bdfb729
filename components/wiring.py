"""From the stack's settings to the arguments of its components."""

from collections.abc import Mapping
from typing import Any

from components.alarms import AlarmsArgs, Machine
from components.dashboard import DashboardArgs
from components.distributed_map_processor import DistributedMapProcessor, DistributedMapProcessorArgs
from components.request_api import RequestApi, RequestApiArgs
from components.request_store import RequestStore, RequestStoreArgs
from components.responder_fleet import ResponderFleet, ResponderFleetArgs
from components.settings import Settings


def for_store(settings: Settings) -> RequestStoreArgs:
    return {
        "completion": settings.completion.given,
        "selection": settings.selection,
        "topK": settings.topK,
        "currency": settings.currency,
        "resultRetentionDays": settings.resultRetentionDays,
        "logRetentionDays": settings.logRetentionDays,
        "retainData": settings.retainData,
    }


def for_fleet(settings: Settings, store: RequestStore) -> ResponderFleetArgs:
    # As they are written, with what is left out still left out: which keys were given is part of what is checked.
    responders: list[Any] = [responder.model_dump(exclude_unset=True) for responder in settings.responders]
    return {"store": store, "responders": responders}


def for_distributed(settings: Settings) -> DistributedMapProcessorArgs:
    # As it is written, with what is left out still left out: which keys were given is part of what is checked.
    given: Any = settings.distributed.model_dump(exclude_unset=True)
    return {
        **given,
        "maxConcurrency": settings.maxConcurrency,
        "resultRetentionDays": settings.resultRetentionDays,
        "logRetentionDays": settings.logRetentionDays,
        "retainData": settings.retainData,
    }


def for_api(settings: Settings, store: RequestStore, carriers: Mapping[str, Any],
            sample: Mapping[str, Any]) -> RequestApiArgs:
    """carriers: the deployed components that take requests, by variant."""
    return {
        "stateMachines": {variant: carrier.stateMachineArn for variant, carrier in carriers.items() if variant != "sns"},
        "requesters": {variant: carrier.requesterFunctionArn for variant, carrier in carriers.items() if variant == "sns"},
        "tableName": store.tableName,
        "tableArn": store.tableArn,
        "responderNames": [responder.name for responder in settings.responders],
        "completion": settings.completion.given,
        "selection": settings.selection,
        "topK": settings.topK,
        "auth": settings.api.auth,
        "issuer": settings.api.issuer,
        "audience": settings.api.audience,
        "rateLimit": settings.api.throttling.rateLimit,
        "burstLimit": settings.api.throttling.burstLimit,
        "corsOrigins": settings.api.corsOrigins,
        "sample": sample,
        "logRetentionDays": settings.logRetentionDays,
    }


def for_alarms(settings: Settings, store: RequestStore, fleet: ResponderFleet, carriers: Mapping[str, Any],
               distributed: DistributedMapProcessor | None, api: RequestApi | None) -> AlarmsArgs:
    machines: list[Machine] = []
    functions = {"aggregator": store.aggregator.functionName}
    queues = {"responses": store.queue.dead_letters.name}
    if store.selector:
        functions["selector"] = store.selector.functionName
    if api:
        functions["api"] = api.function.functionName
    for variant, carrier in carriers.items():
        if variant == "sns":
            functions["sns-requester"] = carrier.requester.functionName
            queues |= {of: queue.dead_letters.name for of, queue in carrier.queues.items()}
        else:
            functions["requester"] = fleet.requester.functionName
            machines.append({"name": variant, "arn": carrier.stateMachineArn,
                             "logGroupName": carrier.workflow.logs.name if settings.workflowType == "EXPRESS" else None})
    if distributed:
        machines.append({"name": "distributed", "arn": distributed.stateMachineArn, "logGroupName": None})
        functions |= {"reader": distributed.reader.functionName, "process": distributed.processor.functionName,
                      "tally": distributed.tally.functionName}
    return {
        "deadLetterQueues": queues,
        "machines": machines,
        "functions": functions,
        "responders": {name: function.functionName for name, function in fleet.functions.items()},
        "topicArn": settings.alarms.topicArn,
        "email": settings.alarms.email,
    }


def for_dashboard(watched: AlarmsArgs, store: RequestStore) -> DashboardArgs:
    return {
        "deadLetterQueues": watched["deadLetterQueues"],
        "machines": watched["machines"],
        "functions": watched["functions"],
        "responders": watched["responders"],
        "tableName": store.tableName,
    }
