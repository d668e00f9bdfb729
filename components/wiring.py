"""From the stack's settings to the arguments of its components."""

from collections.abc import Mapping
from typing import Any

from components.alarms import AlarmsArgs
from components.carriers import Carrier
from components.dashboard import DashboardArgs
from components.distributed_map_processor import DistributedMapProcessorArgs
from components.request_api import RequestApiArgs
from components.request_store import RequestStore, RequestStoreArgs
from components.responder_fleet import ResponderFleetArgs
from components.settings import Settings
from components.watched import Watched


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


def for_api(settings: Settings, store: RequestStore, carriers: Mapping[str, Carrier],
            sample: Mapping[str, Any]) -> RequestApiArgs:
    return {
        "entrances": {name: carrier.entrance for name, carrier in carriers.items()},
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


def for_alarms(settings: Settings, watched: Watched) -> AlarmsArgs:
    return {
        "deadLetterQueues": watched.dead_letter_queues,
        "machines": watched.machines,
        "functions": watched.functions,
        "responders": watched.responders,
        "topicArn": settings.alarms.topicArn,
        "email": settings.alarms.email,
    }


def for_dashboard(watched: Watched, store: RequestStore) -> DashboardArgs:
    return {
        "deadLetterQueues": watched.dead_letter_queues,
        "machines": watched.machines,
        "functions": watched.functions,
        "responders": watched.responders,
        "tableName": store.tableName,
    }
