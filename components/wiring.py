"""From the stack's settings to the arguments of its components."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.distributed_map_processor import DistributedMapProcessorArgs
from components.gathering import ScatterGatherArgs
from components.map_scatter_gather import MapScatterGatherArgs
from components.quote_store import QuoteStore
from components.request_api import RequestApiArgs
from components.responder_fleet import ResponderFleet, ResponderFleetArgs
from components.settings import DEFAULT_MODULE, Settings
from components.sns_scatter_gather import SnsScatterGatherArgs

LayerArn = pulumi.Input[str]


def for_fleet(settings: Settings, layer_arn: LayerArn) -> ResponderFleetArgs:
    return {
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
        "layerArn": layer_arn,
        "currency": settings.currency,
        "logRetentionDays": settings.logRetentionDays,
    }


def for_parallel(settings: Settings, fleet: ResponderFleet, store: QuoteStore) -> ScatterGatherArgs:
    return {
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


def for_map(settings: Settings, fleet: ResponderFleet, store: QuoteStore) -> MapScatterGatherArgs:
    return {**for_parallel(settings, fleet, store), "maxConcurrency": settings.maxConcurrency}


def for_sns(settings: Settings, layer_arn: LayerArn, fleet: ResponderFleet, store: QuoteStore) -> SnsScatterGatherArgs:
    return {
        "responders": fleet.members,
        "tableName": store.tableName,
        "tableArn": store.tableArn,
        "layerArn": layer_arn,
        "maxConcurrency": settings.maxConcurrency,
        "completion": settings.completion.model_dump(exclude_none=True),
        "selection": settings.selection,
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


def for_api(settings: Settings, layer_arn: LayerArn, store: QuoteStore, carriers: Mapping[str, Any]) -> RequestApiArgs:
    """carriers: the deployed components that take requests, by variant."""
    return {
        "stateMachines": {variant: carrier.stateMachineArn for variant, carrier in carriers.items() if variant != "sns"},
        "requesters": {variant: carrier.requesterFunctionArn for variant, carrier in carriers.items() if variant == "sns"},
        "workflowType": settings.workflowType,
        "tableName": store.tableName,
        "tableArn": store.tableArn,
        "responderNames": [responder.name for responder in settings.responders],
        "deadlineSeconds": settings.completion.deadlineSeconds,
        "selection": settings.selection,
        "layerArn": layer_arn,
        "auth": settings.api.auth,
        "issuer": settings.api.issuer,
        "audience": settings.api.audience,
        "rateLimit": settings.api.throttling.rateLimit,
        "burstLimit": settings.api.throttling.burstLimit,
        "corsOrigins": settings.api.corsOrigins,
        "logRetentionDays": settings.logRetentionDays,
    }
