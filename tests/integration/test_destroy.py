"""Destroy leaves nothing of the real stack behind, in any service that it uses."""

from dataclasses import replace

from local.state import State
from tests.integration.conftest import deploy, destroy

CONFIG = {"api": {"auth": "NONE"}, "distributed": {"source": "s3", "idempotent": True}}


def left(clients) -> dict[str, int]:
    return {
        "functions": len(clients("lambda").list_functions()["Functions"]),
        "layers": len(clients("lambda").list_layers()["Layers"]),
        "mappings": len(clients("lambda").list_event_source_mappings()["EventSourceMappings"]),
        "roles": len(clients("iam").list_roles()["Roles"]),
        "log groups": len(clients("logs").describe_log_groups()["logGroups"]),
        "tables": len(clients("dynamodb").list_tables()["TableNames"]),
        "state machines": len(clients("stepfunctions").list_state_machines()["stateMachines"]),
        "queues": len(clients("sqs").list_queues().get("QueueUrls", [])),
        "topics": len(clients("sns").list_topics()["Topics"]),
        "buckets": len(clients("s3").list_buckets()["Buckets"]),
        "buses": len([bus for bus in clients("events").list_event_buses()["EventBuses"] if bus["Name"] != "default"]),
        "apis": len(clients("apigatewayv2").get_apis()["Items"]),
        "alarms": len(clients("cloudwatch").describe_alarms()["MetricAlarms"]),
        "dashboards": len(clients("cloudwatch").list_dashboards()["DashboardEntries"]),
    }


def test_destroy_leaves_nothing(emulator, account, clients):
    state, before = State(), left(clients)
    deploy(emulator, account, CONFIG, state=state)
    assert all(count > before[kind] for kind, count in left(clients).items())

    destroy(emulator, account, state)

    assert left(clients) == before
    assert state.resources == []


def test_what_a_crash_left_half_made_is_taken_up_and_destroyed_with_the_rest(emulator, account, clients):
    state, before = State(), left(clients)
    config = {"variants": ["sns"], "responderCount": 1, "api": {"enabled": False}}
    deploy(emulator, account, config, state=state)
    interrupt(state, "aws:sqs/queue:Queue")

    deploy(emulator, account, config, state=state)
    for type_ in ("aws:sqs/queue:Queue", "aws:iam/rolePolicy:RolePolicy", "aws:lambda/function:Function"):
        interrupt(state, type_)
    destroy(emulator, account, state)

    assert left(clients) == before
    assert (state.resources, state.pending_creates) == ([], [])


def interrupt(state: State, type_: str) -> None:
    """As a crash does between a creation and its record: what was made is known by its inputs alone."""
    of_type = [resource for resource in state.resources if resource.type == type_]
    state.resources = [resource for resource in state.resources if resource not in of_type]
    state.pending_creates += [replace(resource, id="", outputs={}) for resource in of_type]
