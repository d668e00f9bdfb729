"""A model of Bedrock as a responder: what it is asked, what its answer is, and what that costs."""

import json
from decimal import Decimal

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from components import model_prices, policy
from components.settings import Inference
from handlers import contract
from handlers.mapping import PartnerMapping
from handlers.model import Model
from handlers.quoting import TransientError
from tests import program

INFERENCE = {"system": "Be brief.", "temperature": 0.2, "maxTokens": 300, "inputPrice": "0.06", "outputPrice": "0.24"}
QUESTION = {"requestId": "r1", "description": "a car", "data": {"days": 7}, "deadlineAt": None}


class Bedrock:
    """Replies with a text, or raises; keeps what it was asked."""

    def __init__(self, replies, **more):
        self.replies, self.more, self.asked = replies, more, []

    def converse(self, **asked):
        self.asked.append(asked)
        if isinstance(self.replies, Exception):
            raise self.replies
        return {
            "output": {"message": {"role": "assistant", "content": [{"reasoningContent": {}}, {"text": self.replies}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1_000, "outputTokens": 50, "totalTokens": 1_050},
            **self.more,
        }


def answered(bedrock, monkeypatch, request=None, limit=2_000):
    monkeypatch.setattr("handlers.model.runtime", lambda timeout: bedrock)
    model = Model("nova", "amazon.nova-lite-v1:0", INFERENCE, "USD", 10, PartnerMapping(request))
    return model.ask(QUESTION, 1, limit)()


def refusal(code):
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Converse")


def test_the_amount_is_what_the_tokens_cost(monkeypatch):
    assert answered(Bedrock("A Yaris."), monkeypatch) == {
        "responder": "nova",
        "status": "QUOTED",
        "amount": "0.000072",
        "currency": "USD",
        "details": {"text": "A Yaris.", "inputTokens": 1_000, "outputTokens": 50, "stopReason": "end_turn"},
    }


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (None, '{"description": "a car", "data": {"days": 7}}'),
        ("join(' ', ['which for', to_string(data.days)])", "which for 7"),
        ("data", '{"days": 7}'),
    ],
)
def test_it_is_asked_with_its_settings(monkeypatch, request_, text):
    bedrock = Bedrock("A Yaris.")

    answered(bedrock, monkeypatch, request_)

    assert bedrock.asked == [
        {
            "modelId": "amazon.nova-lite-v1:0",
            "messages": [{"role": "user", "content": [{"text": text}]}],
            "system": [{"text": "Be brief."}],
            "inferenceConfig": {"temperature": 0.2, "maxTokens": 300},
        }
    ]


@pytest.mark.parametrize("reason", ["guardrail_intervened", "content_filtered"])
def test_what_a_filter_stopped_is_a_decline(monkeypatch, reason):
    answer = answered(Bedrock("no", stopReason=reason), monkeypatch)

    assert (answer["status"], answer["error"]["message"]) == ("DECLINED", reason)


@pytest.mark.parametrize("fault", [refusal("ThrottlingException"), refusal("ModelTimeoutException"), ReadTimeoutError(endpoint_url="x")])
def test_a_passing_fault_is_left_to_the_carrier(monkeypatch, fault):
    with pytest.raises(TransientError):
        answered(Bedrock(fault), monkeypatch)


def test_any_other_refusal_is_a_failure(monkeypatch):
    answer = answered(Bedrock(refusal("AccessDeniedException")), monkeypatch)

    assert (answer["status"], answer["error"]["type"]) == ("FAILED", "Bedrock.AccessDeniedException")


@given(st.text(max_size=3_000), st.integers(200, 1_000))
def test_a_long_text_is_cut_to_what_there_is_room_for(text, limit):
    with pytest.MonkeyPatch.context() as patch:
        details = answered(Bedrock(text), patch, limit=limit)["details"]

    assert text.startswith(details["text"])
    assert contract.byte_size(details) <= limit
    assert details.get("truncated", False) == (details["text"] != text)


@pytest.mark.parametrize(
    "model", ["amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"]
)
def test_a_price_is_the_tables_unless_it_is_given(model):
    assert Inference().priced(model, "USD") == {"maxTokens": 500, "inputPrice": "0.06", "outputPrice": "0.24"}
    assert Inference(inputPrice="0.07").priced(model, "USD")["inputPrice"] == "0.07"


@pytest.mark.parametrize(("model", "currency"), [("amazon.nova-lite-v1:0", "EUR"), ("acme.large-v1", "USD")])
def test_a_price_that_nobody_knows_has_to_be_given(model, currency):
    with pytest.raises(ValueError, match=rf"needs inputPrice and outputPrice, of a million tokens in {currency}: {model} has no price"):
        Inference().priced(model, currency)


def test_every_price_of_the_table_is_one():
    assert all(0 < Decimal(price) < 100 for prices in model_prices.USD_PER_MILLION.values() for price in prices)


HERE = "arn:aws:bedrock:us-east-1"
PROFILE = f"{HERE}:000000000000:inference-profile/eu.amazon.nova-lite-v1:0"


@pytest.mark.parametrize(
    ("model", "resources"),
    [
        ("amazon.nova-lite-v1:0", [f"{HERE}::foundation-model/amazon.nova-lite-v1:0"]),
        ("eu.amazon.nova-lite-v1:0", [PROFILE, "arn:aws:bedrock:*::foundation-model/amazon.nova-lite-v1:0"]),
        (f"{HERE}:000000000000:provisioned-model/abc", [f"{HERE}:000000000000:provisioned-model/abc"]),
    ],
)
def test_its_function_may_invoke_that_model_and_no_other(model, resources):
    made = program.run(
        {
            "variants": ["map"],
            "api": {"enabled": False},
            "responders": [{"name": "nova", "model": model, "inference": {"inputPrice": 1, "outputPrice": 2}}],
        }
    )

    document = json.loads(made.of_type("aws:iam/rolePolicy:RolePolicy")["responder-nova-runs"]["policy"])
    statements = [each for each in document["Statement"] if each["Action"] == ["bedrock:InvokeModel"]]
    assert [each["Resource"] for each in statements] == resources
    assert [each.get("Condition") for each in statements[1:]] == [
        {"StringEquals": {"bedrock:InferenceProfileArn": PROFILE}} for _ in resources[1:]
    ]


def test_every_inference_profile_is_told_from_a_provider():
    assert not {id_.partition(".")[0] for id_ in model_prices.USD_PER_MILLION} & set(policy.INFERENCE_PROFILES)
