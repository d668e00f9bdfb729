"""DistributedMapProcessor under Pulumi's mocks: what it makes, below what, and with which rights."""

import json

import pulumi
import pytest

from tests import program

BUCKET_TYPES = [
    "bucket:Bucket",
    "bucketPublicAccessBlock:BucketPublicAccessBlock",
    "bucketPolicy:BucketPolicy",
    "bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "bucketLifecycleConfiguration:BucketLifecycleConfiguration",
]
OWN = "scatter-gather:index:DistributedMapProcessor"
MACHINE = "arn:aws:sfn:us-east-1:000000000000:distributed"
LAMBDA = "arn:aws:lambda:us-east-1:000000000000:distributed"


def run(max_concurrency=10, **distributed):
    return program.run({"variants": ["distributed"], "maxConcurrency": max_concurrency, "distributed": distributed})


def rights(registered, name):
    """{actions: resources} of a role's policy, without those that every function and machine has."""
    document = json.loads(registered.of_type("aws:iam/rolePolicy:RolePolicy")[name]["policy"])
    assert all(statement["Effect"] == "Allow" for statement in document["Statement"])
    return {
        " ".join(statement["Action"]): statement["Resource"]
        for statement in document["Statement"]
        if not statement["Action"][0].startswith(("xray:", "logs:"))
    }


def variables(registered, name):
    return registered.of_type("aws:lambda/function:Function")[name]["environment"]["variables"]


def names(registered, type_):
    return sorted(name for name in registered.of_type(type_) if name.startswith("distributed"))


def test_a_list_gets_a_table_of_its_own_which_the_reader_alone_may_read():
    registered = run()

    assert names(registered, "aws:dynamodb/table:Table") == ["distributed-list"]
    assert registered.of_type("aws:s3/bucket:Bucket") == {}
    assert names(registered, "aws:lambda/function:Function") == ["distributed-process", "distributed-reader", "distributed-tally"]
    assert rights(registered, "distributed-runs") == {"lambda:InvokeFunction": [f"{LAMBDA}-reader", f"{LAMBDA}-process", f"{LAMBDA}-tally"]}
    assert rights(registered, "distributed-reader-runs") == {"dynamodb:GetItem": "arn:aws:dynamodb:us-east-1:000000000000:distributed-list"}
    assert rights(registered, "distributed-process-runs") == rights(registered, "distributed-tally-runs") == {}
    assert variables(registered, "distributed-reader") == {
        "SOURCE": json.dumps(registered.outputs["distributedSource"]),
        "MAX_ITEMS": "607",
    }
    table = registered.of_type("aws:dynamodb/table:Table")["distributed-list"]
    assert (table["hashKey"], table["attributes"]) == ("id", [{"name": "id", "type": "S"}])
    assert table["serverSideEncryption"] == {"enabled": True}
    assert "distributed-starts-itself" not in registered.of_type("aws:iam/rolePolicy:RolePolicy")


def test_an_existing_table_is_read_and_none_is_made():
    registered = run(table="syllabus", keyName="term", keyValue=2027)

    assert names(registered, "aws:dynamodb/table:Table") == []
    assert rights(registered, "distributed-reader-runs") == {"dynamodb:GetItem": "arn:aws:dynamodb:us-east-1:000000000000:table/syllabus"}
    assert registered.outputs["distributedSourceTableName"] == "syllabus"
    assert registered.outputs["distributedSource"] == {
        "source": "dynamodb",
        "table": "syllabus",
        "read": "list",
        "keyName": "term",
        "keyType": "N",
        "keyValue": "2027",
        "attribute": "items",
    }


@pytest.mark.parametrize(
    ("given", "action", "resource"),
    [
        ({"read": "query", "keyName": "term"}, "dynamodb:Query", "table/syllabus"),
        ({"read": "query", "keyName": "term", "index": "by-term"}, "dynamodb:Query", "table/syllabus/index/by-term"),
        ({"read": "scan"}, "dynamodb:Scan", "table/syllabus"),
    ],
)
def test_a_query_or_a_scan_has_the_one_right_that_it_needs(given, action, resource):
    registered = run(table="syllabus", **given)

    assert rights(registered, "distributed-reader-runs") == {action: f"arn:aws:dynamodb:us-east-1:000000000000:{resource}"}


def test_a_run_may_read_what_is_configured_for_it_and_list_no_more_than_that():
    registered = run(source="s3", bucket="rows", prefix="in/", runSources=["s3://rows/once.csv", "s3://other/2027/"])

    assert rights(registered, "distributed-reader-runs") == {
        "s3:GetObject": ["arn:aws:s3:::rows/in/*", "arn:aws:s3:::rows/once.csv", "arn:aws:s3:::other/2027/*"],
        "s3:ListBucket": "arn:aws:s3:::other",
        "s3:GetObject s3:PutObject s3:AbortMultipartUpload": "arn:aws:s3:::rows/results/*",
    }
    document = json.loads(registered.of_type("aws:iam/rolePolicy:RolePolicy")["distributed-reader-runs"]["policy"])
    listings = [statement for statement in document["Statement"] if statement["Action"] == ["s3:ListBucket"]]
    assert [(listing["Resource"], listing["Condition"]) for listing in listings] == [
        ("arn:aws:s3:::rows", {"StringLike": {"s3:prefix": ["in/*"]}}),
        ("arn:aws:s3:::other", {"StringLike": {"s3:prefix": ["2027/*"]}}),
    ]
    assert registered.outputs["distributedSource"]["readable"] == ["s3://rows/in/", "s3://rows/once.csv", "s3://other/2027/"]


@pytest.mark.parametrize("size", [1, 2])
def test_a_batch_may_keep_its_outcomes_apart(size):
    """Also one of one: an outcome that failed has its item, which may be as large as an execution takes."""
    registered = run(source="s3", bucket="rows", batchSize=size)

    assert rights(registered, "distributed-process-runs") == {"s3:PutObject s3:AbortMultipartUpload": "arn:aws:s3:::rows/results/*"}
    assert variables(registered, "distributed-process")["RESULTS_BUCKET"] == "rows"


def test_what_step_functions_reads_for_itself_the_machine_may_read():
    registered = run(source="s3", bucket="rows", key="a.parquet", format="parquet")

    assert rights(registered, "distributed-runs")["s3:GetObject"] == ["arn:aws:s3:::rows/a.parquet"]


def test_a_data_set_gets_a_bucket_of_its_own():
    registered = run(source="s3", format="csv")

    assert [registered.of_type(f"aws:s3/{type_}").keys() for type_ in BUCKET_TYPES] == [{"distributed-data"}] * 5
    assert {resource.parent_type for resource in registered.resources if resource.type.startswith("aws:s3/")} == {OWN}
    [encryption] = registered.of_type(f"aws:s3/{BUCKET_TYPES[3]}").values()
    assert encryption["rules"][0]["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    [block] = registered.of_type(f"aws:s3/{BUCKET_TYPES[1]}").values()
    assert {key: block[key] for key in block if key != "bucket"} == dict.fromkeys(
        ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
    )
    [policy] = registered.of_type(f"aws:s3/{BUCKET_TYPES[2]}").values()
    assert json.loads(policy["policy"])["Statement"] == [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            "Resource": ["arn:aws:s3:us-east-1:000000000000:distributed-data", "arn:aws:s3:us-east-1:000000000000:distributed-data/*"],
        }
    ]
    [lifecycle] = registered.of_type(f"aws:s3/{BUCKET_TYPES[4]}").values()
    assert [(rule["filter"], rule.get("expiration")) for rule in lifecycle["rules"]] == [
        ({"prefix": "results/"}, {"days": 30}),
        ({"prefix": ""}, None),
    ]
    assert registered.outputs["distributedSource"] == {
        "source": "s3",
        "bucket": "distributed-data-id",
        "key": "data/items.jsonl",
        "format": "csv",
        "reading": {},
        "readable": ["s3://distributed-data-id/data/"],
    }
    assert registered.outputs["distributedResults"] == "s3://distributed-data-id/results/"


def test_the_rights_of_a_distributed_map_are_exact():
    registered = run(source="s3", bucket="rows", key="2027/rows.jsonl", sourceKmsKeyArn="arn:aws:kms:us-east-1:000000000000:key/abc")

    assert registered.of_type("aws:s3/bucket:Bucket") == {}
    assert rights(registered, "distributed-runs") == {
        "lambda:InvokeFunction": [f"{LAMBDA}-reader", f"{LAMBDA}-process", f"{LAMBDA}-tally"],
        "s3:PutObject s3:GetObject s3:ListMultipartUploadParts s3:AbortMultipartUpload": "arn:aws:s3:::rows/results/*",
        "kms:Decrypt kms:GenerateDataKey": "arn:aws:kms:us-east-1:000000000000:key/abc",
    }
    assert rights(registered, "distributed-reader-runs") == {
        "s3:GetObject": ["arn:aws:s3:::rows/2027/rows.jsonl"],
        "s3:GetObject s3:PutObject s3:AbortMultipartUpload": "arn:aws:s3:::rows/results/*",
        "kms:Decrypt kms:GenerateDataKey": "arn:aws:kms:us-east-1:000000000000:key/abc",
    }
    assert rights(registered, "distributed-tally-runs") == {
        "s3:GetObject s3:PutObject s3:AbortMultipartUpload": "arn:aws:s3:::rows/results/*",
        "kms:Decrypt kms:GenerateDataKey": "arn:aws:kms:us-east-1:000000000000:key/abc",
    }


def test_a_list_for_a_distributed_map_goes_through_the_bucket_of_the_results():
    registered = run(mode="DISTRIBUTED", table="syllabus", sourceKmsKeyArn="arn:aws:kms:us-east-1:000000000000:key/abc")

    bucket = "arn:aws:s3:us-east-1:000000000000:distributed-data"
    assert rights(registered, "distributed-reader-runs") == {
        "dynamodb:GetItem": "arn:aws:dynamodb:us-east-1:000000000000:table/syllabus",
        "s3:GetObject s3:PutObject s3:AbortMultipartUpload": f"{bucket}/results/*",
        "kms:Decrypt": "arn:aws:kms:us-east-1:000000000000:key/abc",
    }
    assert rights(registered, "distributed-runs") == {
        "lambda:InvokeFunction": [f"{LAMBDA}-reader", f"{LAMBDA}-process", f"{LAMBDA}-tally"],
        "s3:PutObject s3:GetObject s3:ListMultipartUploadParts s3:AbortMultipartUpload": f"{bucket}/results/*",
    }


def test_the_machine_may_start_itself_and_follow_and_redrive_its_own_executions_only(monkeypatch):
    """With ARNs as AWS has them."""
    original = program._Mocks.new_resource

    def new_resource(self, args):
        id_, outputs = original(self, args)
        if args.typ == "aws:sfn/stateMachine:StateMachine":
            outputs["arn"] = f"arn:aws:states:us-east-1:000000000000:stateMachine:{args.name}-1a2b"
        return id_, outputs

    monkeypatch.setattr(program._Mocks, "new_resource", new_resource)
    registered = run(source="s3")

    assert rights(registered, "distributed-starts-itself") == {
        "states:StartExecution": "arn:aws:states:us-east-1:000000000000:stateMachine:distributed-1a2b",
        "states:DescribeExecution states:StopExecution": [
            "arn:aws:states:us-east-1:000000000000:execution:distributed-1a2b:*",
            "arn:aws:states:us-east-1:000000000000:execution:distributed-1a2b/items:*",
        ],
        "states:RedriveExecution": "arn:aws:states:us-east-1:000000000000:execution:distributed-1a2b/items:*",
    }
    assert rights(registered, "distributed-reader-looks-back") == {
        "states:ListMapRuns": "arn:aws:states:us-east-1:000000000000:execution:distributed-1a2b:*"
    }
    assert rights(registered, "distributed-tally-counts") == {
        "states:DescribeMapRun": "arn:aws:states:us-east-1:000000000000:mapRun:distributed-1a2b/items:*"
    }


def test_an_idempotent_processor_gets_a_table_of_claims_and_the_right_to_write_it():
    registered = run(idempotent=True)

    claims = registered.of_type("aws:dynamodb/table:Table")["distributed-claims"]
    assert claims["ttl"] == {"attributeName": "expiresAt", "enabled": True}
    assert rights(registered, "distributed-process-runs") == {
        "dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem": "arn:aws:dynamodb:us-east-1:000000000000:distributed-claims"
    }
    assert variables(registered, "distributed-process") == {
        "PROCESS_MODULE": "handlers.processes.log_item",
        "CLAIMS_TABLE": "distributed-claims",
        "CLAIMS_KEPT_SECONDS": str(90 * 86_400),
    }


def test_everything_is_below_the_component():
    registered = run(source="s3", idempotent=True)
    parents = {
        (resource.type, resource.name): resource.parent_type
        for resource in registered.resources
        if resource.name.startswith("distributed") and resource.type != OWN
    }

    # Mocks tell the parent alone, not the chain: the two parts stand below the component, all else below it or them.
    parts = {"scatter-gather:index:HandlerFunction", "scatter-gather:index:Workflow"}
    assert set(parents.values()) == {OWN, *parts}
    assert {parent for (type_, _), parent in parents.items() if type_ in parts} == {OWN}
    assert parents["aws:dynamodb/table:Table", "distributed-claims"] == parents["aws:s3/bucket:Bucket", "distributed-data"] == OWN


def test_another_concurrency_changes_just_the_machine():
    one, three = (
        {
            (resource.type, resource.name): {key: value for key, value in resource.inputs.items() if key != "code"}
            for resource in run(concurrency).resources
        }
        for concurrency in (1, 3)
    )

    assert one.keys() == three.keys()
    assert [key for key in one if one[key] != three[key]] == [("aws:sfn/stateMachine:StateMachine", "distributed")]


@pytest.fixture
def logged(monkeypatch):
    lines = []
    for level in ("info", "warn"):
        monkeypatch.setattr(pulumi.log, level, lambda message, *_, level=level, **__: lines.append(f"{level}: {message}"))
    return lines


def test_the_mode_and_its_reason_are_said(logged):
    run(source="s3")

    assert "info: distributed: mode DISTRIBUTED, because only a Distributed Map reads from S3" in logged


def test_more_items_than_an_inline_map_takes_are_refused_in_a_preview():
    with pytest.raises(pulumi.RunError) as refused:
        run(mode="INLINE", sizeHint=608)

    assert str(refused.value) == (
        "distributed.sizeHint is 608; allowed in mode INLINE with retries 2: a whole number up to 607, whose events fit one execution "
        "(mode DISTRIBUTED takes more)"
    )


def test_a_run_that_cannot_end_in_time_is_warned_about(logged):
    run(waitSeconds=25)

    assert any("take at least 25 s; timeoutSeconds 20" in line for line in logged)


@pytest.mark.parametrize(("endpoint", "warned"), [("http://127.0.0.1:4566", True), (None, False)])
def test_what_the_emulator_ignores_is_warned_about(logged, monkeypatch, endpoint, warned):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)

    run()

    assert any("the emulator ignores timeoutSeconds" in line for line in logged) == warned
