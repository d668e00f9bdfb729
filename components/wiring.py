"""From the stack's settings to the arguments of its components."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components import code
from components.alarms import AlarmsArgs, Machine
from components.dashboard import DashboardArgs
from components.distributed_map_processor import DistributedMapProcessor, DistributedMapProcessorArgs
from components.gathering import SELECTOR_SECONDS, ScatterGatherArgs
from components.handler_function import HandlerFunction, HandlerFunctionArgs
from components.map_scatter_gather import MapScatterGatherArgs
from components.quote_store import QuoteStore
from components.request_api import RequestApi, RequestApiArgs
from components.responder_fleet import CircuitBreakerArgs, ResponderFleet, ResponderFleetArgs
from components.settings import DEFAULT_MODULE, Responder, Settings
from components.sns_scatter_gather import SnsScatterGatherArgs
from components.workflow import Workflow

LayerArn = pulumi.Input[str]


def for_fleet(settings: Settings, layer_arn: LayerArn, store: QuoteStore) -> ResponderFleetArgs:
    return {
        "responders": [
            {
                "name": responder.name,
                "module": None if responder.functionArn else responder.module or DEFAULT_MODULE,
                "functionArn": responder.functionArn,
                "timeoutSeconds": responder.timeoutSeconds,
                "memoryMb": responder.memoryMb,
                "queueConcurrency": responder.queueConcurrency,
                "retries": responder.retries,
                "circuitBreaker": _circuit_breaker(responder),
                "settings": responder.own,
            }
            for responder in settings.responders
        ],
        "layerArn": layer_arn,
        "tableName": store.tableName,
        "tableArn": store.tableArn,
        "currency": settings.currency,
        "logRetentionDays": settings.logRetentionDays,
    }


def _circuit_breaker(responder: Responder) -> CircuitBreakerArgs | None:
    breaker = responder.circuitBreaker
    return {"failures": breaker.failures, "pauseSeconds": breaker.pauseSeconds} if breaker else None


def for_selector(settings: Settings, layer_arn: LayerArn) -> HandlerFunctionArgs:
    """The function of the user's own selection."""
    code.check_defines(settings.selection, "rank")
    return {
        "module": "handlers.selector",
        "withModules": [settings.selection],
        "layerArn": layer_arn,
        "environment": {"RANK_MODULE": settings.selection, "TOP_K": str(settings.topK)},
        "timeoutSeconds": SELECTOR_SECONDS,
        "memoryMb": 256,
        "logRetentionDays": settings.logRetentionDays,
        "statements": [],
    }


def for_parallel(settings: Settings, fleet: ResponderFleet, store: QuoteStore,
                 selector: HandlerFunction | None) -> ScatterGatherArgs:
    return {
        "responders": fleet.responders,
        "tableName": store.tableName,
        "tableArn": store.tableArn,
        "workflowType": settings.workflowType,
        "completion": settings.completion.given,
        "selection": settings.selection,
        "topK": settings.topK,
        "selectorArn": selector.functionArn if selector else None,
        "currency": settings.currency,
        "resultRetentionDays": settings.resultRetentionDays,
        "logRetentionDays": settings.logRetentionDays,
    }


def for_map(settings: Settings, fleet: ResponderFleet, store: QuoteStore, selector: HandlerFunction | None) -> MapScatterGatherArgs:
    return {**for_parallel(settings, fleet, store, selector), "maxConcurrency": settings.maxConcurrency}


def for_sns(settings: Settings, layer_arn: LayerArn, fleet: ResponderFleet, store: QuoteStore,
            selector: HandlerFunction | None) -> SnsScatterGatherArgs:
    return {
        "responders": fleet.members,
        "tableName": store.tableName,
        "tableArn": store.tableArn,
        "layerArn": layer_arn,
        "completion": settings.completion.given,
        "selection": settings.selection,
        "topK": settings.topK,
        "selectorArn": selector.functionArn if selector else None,
        "currency": settings.currency,
        "resultRetentionDays": settings.resultRetentionDays,
        "logRetentionDays": settings.logRetentionDays,
    }


def for_distributed(settings: Settings, layer_arn: LayerArn) -> DistributedMapProcessorArgs:
    own = settings.distributed
    return {
        "source": own.source,
        "table": own.table,
        "keyName": own.keyName,
        "keyValue": str(own.keyValue),
        "keyType": own.key_type,
        "attribute": own.attribute,
        "bucket": own.bucket,
        "key": own.key,
        "format": own.format,
        "kmsKeyArn": own.kmsKeyArn,
        "mode": own.mode,
        "sizeHint": own.sizeHint,
        "childType": own.childType,
        "batchSize": own.batchSize,
        "toleratedFailureCount": own.toleratedFailureCount,
        "toleratedFailurePercentage": own.toleratedFailurePercentage,
        "waitSeconds": own.wait_seconds,
        "timeoutSeconds": own.timeout_seconds,
        "maxConcurrency": settings.maxConcurrency,
        "retries": own.retries,
        "module": own.module,
        "idempotent": own.idempotent,
        "functionTimeoutSeconds": own.functionTimeoutSeconds,
        "memoryMb": own.memoryMb,
        "layerArn": layer_arn,
        "resultRetentionDays": settings.resultRetentionDays,
        "logRetentionDays": settings.logRetentionDays,
        "retainData": settings.retainData,
    }


def for_api(settings: Settings, layer_arn: LayerArn, store: QuoteStore, carriers: Mapping[str, Any],
            sample: Mapping[str, Any]) -> RequestApiArgs:
    """carriers: the deployed components that take requests, by variant."""
    return {
        "stateMachines": {variant: carrier.stateMachineArn for variant, carrier in carriers.items() if variant != "sns"},
        "requesters": {variant: carrier.requesterFunctionArn for variant, carrier in carriers.items() if variant == "sns"},
        "workflowType": settings.workflowType,
        "tableName": store.tableName,
        "tableArn": store.tableArn,
        "responderNames": [responder.name for responder in settings.responders],
        "completion": settings.completion.given,
        "selection": settings.selection,
        "topK": settings.topK,
        "layerArn": layer_arn,
        "auth": settings.api.auth,
        "issuer": settings.api.issuer,
        "audience": settings.api.audience,
        "rateLimit": settings.api.throttling.rateLimit,
        "burstLimit": settings.api.throttling.burstLimit,
        "corsOrigins": settings.api.corsOrigins,
        "sample": sample,
        "logRetentionDays": settings.logRetentionDays,
    }


def for_alarms(settings: Settings, fleet: ResponderFleet, selector: HandlerFunction | None, carriers: Mapping[str, Any],
               distributed: DistributedMapProcessor | None, api: RequestApi | None) -> AlarmsArgs:
    workflows: dict[str, Workflow] = {}
    for variant, carrier in carriers.items():
        if variant != "sns":
            workflows[variant] = carrier.workflows.main
            if carrier.workflows.recorder:
                workflows[f"{variant}-recorder"] = carrier.workflows.recorder
    machines: list[Machine] = [
        {"name": variant, "arn": workflow.stateMachineArn,
         "logGroupName": workflow.logs.name if settings.workflowType == "EXPRESS" else None}
        for variant, workflow in workflows.items()]
    functions: dict[str, pulumi.Input[str]] = {"api": api.function.functionName} if api else {}
    if selector:
        functions["selector"] = selector.functionName
    queues: dict[str, pulumi.Input[str]] = {}
    if "sns" in carriers:
        by_sns = carriers["sns"]
        functions |= {"requester": by_sns.requester.functionName, "aggregator": by_sns.aggregator.functionName}
        functions |= {f"relay-{name}": relay.functionName for name, relay in by_sns.relays.items()}
        queues = {of: queue.name for of, queue in by_sns.dead_letter_queues.items()}
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


def for_dashboard(watched: AlarmsArgs, store: QuoteStore) -> DashboardArgs:
    return {
        "deadLetterQueues": watched["deadLetterQueues"],
        "machines": watched["machines"],
        "functions": watched["functions"],
        "responders": watched["responders"],
        "tableName": store.tableName,
    }
