"""Configuration of the local provider, its errors, and the functions that need no emulator."""

from typing import Any

import pytest

from local.provider import AwsProvider, ProviderError
from tests.provider_cases import Caller

QUEUE = "aws:sqs/queue:Queue"


@pytest.fixture(autouse=True)
def no_endpoint_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.fixture
def provider() -> Caller:
    return Caller(AwsProvider())


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:4566"])
def test_takes_endpoints_on_this_machine(provider: Caller, endpoint: str) -> None:
    provider.configure(endpoints=[{"sqs": endpoint}])


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://sqs.us-east-1.amazonaws.com",
        "http://10.0.0.1:4566",
        "http://localhost.example.com:4566",
        "http://127.0.0.1@example.com",
        "nonsense",
    ],
)
def test_refuses_to_leave_this_machine(provider: Caller, endpoint: str) -> None:
    with pytest.raises(ProviderError, match="only talks to an emulator on this machine"):
        provider.configure(endpoints=[{"sqs": endpoint}])


def test_refuses_an_endpoint_of_the_environment_that_leaves_this_machine(provider: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://example.com")

    with pytest.raises(ProviderError, match=r"https://example\.com"):
        provider.configure(endpoints=[{"sqs": "http://127.0.0.1:4566"}])


def test_refuses_to_work_without_an_endpoint(provider: Caller) -> None:
    with pytest.raises(ProviderError, match=r"set AWS_ENDPOINT_URL or aws:endpoints"):
        provider.configure(region="us-east-1")


def test_service_without_an_endpoint_is_named(provider: Caller) -> None:
    provider.configure(endpoints=[{"lambda": "http://127.0.0.1:9"}])

    with pytest.raises(ProviderError, match=r"^No endpoint is configured for sqs: add it to aws:endpoints\.$"):
        provider.create(QUEUE, {})


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"region": "eu-west-1"}, "region"),
        ({"accessKey": "111122223333"}, "access_key"),
        ({"defaultTags": {"tags": {"team": "a"}}}, "default_tags"),
    ],
)
def test_a_provider_of_the_programs_own_is_refused_rather_than_taken_for_the_default_one(
    provider: Caller, other: dict[str, Any], named: str
) -> None:
    endpoints = [{"sts": "http://127.0.0.1:9"}]
    provider.configure(region="us-east-1", endpoints=endpoints)
    provider.configure(region="us-east-1", endpoints=endpoints)

    with pytest.raises(ProviderError, match=rf"one configuration for all resources, and an explicit provider has another {named}"):
        provider.configure(**{"region": "us-east-1", "endpoints": endpoints, **other})

    assert provider.invoke("aws:index/getRegion:getRegion")["region"] == "us-east-1"


def test_is_refused_before_it_is_configured(provider: Caller) -> None:
    with pytest.raises(ProviderError, match="isn't configured yet"):
        provider.check(QUEUE, {})


def test_unreachable_endpoint_is_one_line(provider: Caller) -> None:
    provider.configure(endpoints=[{"sqs": "http://127.0.0.1:9"}])

    with pytest.raises(ProviderError) as refusal:
        provider.create(QUEUE, {})

    assert "127.0.0.1:9" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("token", ["aws:index/getPartition:getPartition", "aws:index:getPartition", "aws::getPartition"])
def test_functions_answer_to_every_spelling(provider: Caller, token: str) -> None:
    provider.configure(endpoints=[{"sts": "http://127.0.0.1:9"}])

    assert provider.invoke(token)["partition"] == "aws"


def test_other_functions_are_refused_by_name(provider: Caller) -> None:
    provider.configure(endpoints=[{"sts": "http://127.0.0.1:9"}])

    with pytest.raises(ProviderError, match="doesn't implement aws:ec2/getVpc:getVpc"):
        provider.invoke("aws:ec2/getVpc:getVpc")
