"""DistributedMapProcessor: a list in DynamoDB, or a data set in S3, drives a Map; each item goes to the user's `process`.

Builds: a Workflow, three HandlerFunctions (one reads the source, one has `process` inside, one tallies the run), and, as the source
and the mode need them,

    source dynamodb     a table of its own for the list, unless `table` names an existing one
    source s3           a bucket of its own for the data set, unless `bucket` names an existing one
    mode DISTRIBUTED    the same bucket for the results, and the machine's right to start executions of itself
    idempotent          a table that remembers which items of which run are done

An item costs 1 state transition, 2 with a wait; in a Distributed Map each item, or batch, is an execution of its own.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional, TypedDict

import pulumi
import pulumi_aws as aws

from components import code, definition, emulator, place, policy
from components.handler_function import HandlerFunction
from components.place import Place
from components.settings import INLINE_CONCURRENCY, DistributedSettings, checked
from components.watched import Watched
from components.workflow import Workflow
from handlers.item_claims import LEASE_MARGIN_SECONDS
from handlers.processing import MAX_OUTCOMES_BYTES, READ_BY_STEP_FUNCTIONS, STATE_BYTES

HISTORY_EVENTS = 25_000
"""An execution ends, and nothing can catch it, when its history has as many (Step Functions' limit)."""

RUN_EVENTS = 100
"""For all but the items: the states before and after the Map, with their retries."""

BATCH_BYTES = MAX_OUTCOMES_BYTES
"""Of the 262,144 that an execution's input may have; the outcomes of a batch have the same limit."""

LABEL = "items"
"""Of the Map Run, in the files of `statemachines/`: part of its executions' ARNs."""

RESULTS_PREFIX = "results"
BACKSTOP_SECONDS = 2
CLAIMS_SECONDS = 90 * 86_400
"""As long as a Standard execution can be redriven, with room: 14 days; and as long as its name stays taken: 90."""

THROTTLE_RETRIES = {"INLINE": 5, "DISTRIBUTED": 10}
"""Of an item that waits for its turn; inline, each takes room in one history."""

READER_SECONDS = {"INLINE": 60, "DISTRIBUTED": 890}
ROWS_MB = {"INLINE": 256, "DISTRIBUTED": 1_769}
"""Of reader and tally. A function has one whole CPU at 1,769 MB, and with less memory takes as much longer as it is cheaper:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

TALLY_SECONDS = 890
DATA_PREFIX = "data/"
"""Of the data sets in a bucket of the component's own."""


class DistributedMapProcessorArgs(TypedDict, total=False):
    source: Optional[str]
    """dynamodb (the default) or s3."""
    table: Optional[str]
    """An existing table; without, one is made, with keyName as its key."""
    read: Optional[str]
    """list (the default: an attribute of one item), query (all items with keyValue) or scan (all items of the table)."""
    keyName: Optional[str]
    """The partition key; id."""
    keyValue: Optional[Any]
    """A string or a whole number; "list"."""
    sortKey: Optional[Mapping[str, Any]]
    """{"name", "value"}, or, of a query, {"name", "beginsWith"}, where the table has one."""
    index: Optional[str]
    """Of the table, for a query or a scan."""
    attribute: Optional[str]
    """Holds the list; items."""
    bucket: Optional[str]
    """An existing bucket, for the data set and the results; without, one is made where one is needed."""
    key: Optional[str]
    """The object with the data set; data/items.jsonl."""
    prefix: Optional[str]
    """In place of key: all objects below it, in the order of their names; it ends in /."""
    runSources: Optional[list[str]]
    """What a run may name in place of them: s3://bucket/key, or s3://bucket/prefix/; all below data/ in a bucket of its own."""
    format: Optional[str]
    """auto (the default: from the name and the first bytes), json (an array), jsonl, csv; or parquet, inventory (S3's) and athena (the
    manifest of an UNLOAD to Parquet), which Step Functions reads for itself."""
    reading: Optional[Mapping[str, Any]]
    """{"encoding"?, "delimiter"?, "quote"?, "header"?: the names of columns without one, "pointer"?: to an array inside a JSON object}."""
    sourceKmsKeyArn: Optional[str]
    """The key of an existing table or bucket, where it has one of its own."""
    mode: Optional[str]
    """AUTO (the default), INLINE or DISTRIBUTED."""
    sizeHint: Optional[int]
    """About how many items there will be."""
    maxConcurrency: Optional[int]
    """0 to 40 inline, to 10,000 distributed; 0 leaves the cap to Step Functions; 10."""
    childType: Optional[str]
    """STANDARD (the default) or EXPRESS."""
    batchSize: Optional[int]
    """1."""
    toleratedFailureCount: Optional[int]
    toleratedFailurePercentage: Optional[float]
    waitSeconds: Optional[int]
    """Before each item: 2 with a list, 0 with a data set."""
    timeoutSeconds: Optional[int]
    """The whole run ends by then: 20 with a list, a day with a data set."""
    retries: Optional[int]
    """2."""
    module: Optional[str]
    """A Python module with a function `process`; one that logs the item."""
    idempotent: Optional[bool]
    """false."""
    functionTimeoutSeconds: Optional[int]
    """30."""
    memoryMb: Optional[int]
    """128."""
    reservedConcurrency: Optional[int]
    """How many calls of the function around `process` may run at once, kept for it alone; 0, the default, reserves nothing."""
    resultRetentionDays: Optional[int]
    """30."""
    logRetentionDays: Optional[int]
    """14."""
    retainData: Optional[bool]
    """false."""


ALL_DEFAULTS: DistributedMapProcessorArgs = {}


class Choice(NamedTuple):
    mode: str
    why: str


class TooManyItems(pulumi.RunError):
    """More items are expected than an inline Map can take."""


class Places(NamedTuple):
    """Where the items and the results are; empty where there is no such place."""

    table_name: pulumi.Output[str]
    table_arn: pulumi.Output[str]
    bucket_name: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]
    key_arn: Optional[pulumi.Output[str]]
    """Of the key that an existing one has."""


def choose_mode(own: DistributedSettings) -> Choice:
    """The mode that the arguments ask for, or that AUTO takes for their source and size."""
    if own.mode != "AUTO":
        return Choice(own.mode, "the configuration says so")
    hint = own.sizeHint
    if own.source == "s3":
        return Choice("DISTRIBUTED", "only a Distributed Map reads from S3")
    if own.maxConcurrency > INLINE_CONCURRENCY:
        return Choice("DISTRIBUTED", f"maxConcurrency {own.maxConcurrency} is above the {INLINE_CONCURRENCY} of an inline Map")
    if own.batchSize > 1 or own.childType == "EXPRESS" or own.bucket:
        return Choice("DISTRIBUTED", "batchSize, childType and bucket belong to a Distributed Map")
    most = inline_items(own)
    if hint is not None and hint > most:
        return Choice("DISTRIBUTED", f"sizeHint {hint} is above the {most} items whose events fit one execution")
    return Choice("INLINE", f"a list of up to {most} items fits one execution" + (f", and sizeHint is {hint}" if hint else ""))


class DistributedMapProcessor(pulumi.ComponentResource):
    """Outputs: stateMachineArn, stateMachineName; source, as `handlers.sources` has it; sourceTableName or sourceBucketName; results, where
    they are found."""

    stateMachineArn: pulumi.Output[str]
    stateMachineName: pulumi.Output[str]
    source: pulumi.Output[Mapping[str, Any]]
    sourceTableName: Optional[pulumi.Output[str]]
    sourceBucketName: Optional[pulumi.Output[str]]
    results: pulumi.Output[str]

    def __init__(self, name: str, args: DistributedMapProcessorArgs = ALL_DEFAULTS, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("scatter-gather:index:DistributedMapProcessor", name, {}, opts)
        own = checked(DistributedSettings, f"DistributedMapProcessor {name}", args)
        self.mode, why = choose_mode(own)
        pulumi.log.info(f"{name}: mode {self.mode}, because {why}", self)
        _check_size(own, self.mode)
        _warn(self, name, own)

        here = place.of(self)
        self.table = _table(self, name, own) if own.source == "dynamodb" and not own.table else None
        uses_bucket = self.mode == "DISTRIBUTED"
        self.bucket = _bucket(self, name, own) if uses_bucket and not own.bucket else None
        table_name = self.table.name if self.table else _known(own.table)
        bucket_name = self.bucket.id if self.bucket else _known(own.bucket)
        places = Places(
            table_name,
            self.table.arn if self.table else _table_arn(own.table, here),
            bucket_name,
            self.bucket.arn if self.bucket else _bucket_arn(own.bucket, here),
            here.usable("distributed.sourceKmsKeyArn", own.sourceKmsKeyArn, "this account use it") if own.sourceKmsKeyArn else None,
        )
        self.source = _source(own, places)

        self.claims = _claims(self, name, own) if own.idempotent else None
        self.reader = _reader(self, name, own, self.mode, self.source, places)
        self.processor = _processor(self, name, own, self.claims, places if uses_bucket else None)
        self.tally = _tally(self, name, own, places if uses_bucket else None)

        statements = []
        if uses_bucket:
            statements.append(
                policy.allow(
                    ["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
                    pulumi.Output.concat(places.bucket_arn, f"/{RESULTS_PREFIX}/*"),
                )
            )
            if own.sourceKmsKeyArn and own.bucket:
                statements.append(policy.allow(["kms:Decrypt", "kms:GenerateDataKey"], places.key_arn))
        if own.format in READ_BY_STEP_FUNCTIONS:
            statements.append(policy.allow(["s3:GetObject"], _objects(own, places, here)))

        self.workflow = Workflow(
            name,
            {
                "definition": pulumi.Output.all(
                    partition=here.partition,
                    bucket=bucket_name,
                    reader=self.reader.functionArn,
                    processor=self.processor.functionArn,
                    tally=self.tally.functionArn,
                ).apply(lambda known: render(own, self.mode, **known)),
                # An Express workflow has no Distributed Map and ends after 5 minutes; only the children may be of that type.
                "workflowType": "STANDARD",
                "timeoutSeconds": own.timeout_seconds,
                "functions": [function.functionArn for function in (self.reader, self.processor, self.tally)],
                "statements": statements,
                "logRetentionDays": own.logRetentionDays,
            },
            pulumi.ResourceOptions(parent=self),
        )
        self.stateMachineArn = self.workflow.stateMachineArn
        self.stateMachineName = self.workflow.stateMachineName
        if uses_bucket:
            _let_it_start_itself(self, name, self.workflow, self.reader, self.tally)

        self.watched = Watched(
            [{"name": name, "arn": self.stateMachineArn, "logGroupName": None}],
            {"reader": self.reader, "process": self.processor, "tally": self.tally},
        )
        self.sourceTableName = table_name if own.source == "dynamodb" else None
        self.sourceBucketName = bucket_name if own.source == "s3" else None
        self.results = (
            pulumi.Output.concat("s3://", bucket_name, f"/{RESULTS_PREFIX}/")
            if uses_bucket
            else pulumi.Output.from_input("the execution's output")
        )
        self.register_outputs(
            {
                "stateMachineArn": self.stateMachineArn,
                "stateMachineName": self.stateMachineName,
                "source": self.source,
                "sourceTableName": self.sourceTableName,
                "sourceBucketName": self.sourceBucketName,
                "results": self.results,
            }
        )


def render(
    own: DistributedSettings,
    mode: str,
    *,
    partition: str,
    bucket: str,
    reader: str,
    processor: str,
    tally: str,
) -> str:
    """The machine's definition. bucket: for the results of a distributed Map; reader, processor, tally: ARNs."""
    retries, seconds = own.retries, own.functionTimeoutSeconds + BACKSTOP_SECONDS + LEASE_MARGIN_SECONDS + 1
    # A call that broke keeps its items claimed until its time is over. Asking again must outlast that, or a crash would lose them.
    broken = {"ClaimSeconds": seconds, "BrokenRetries": max(2, retries)}
    unclaimed = {"ClaimSeconds": 1, "BrokenRetries": 0}
    tokens: dict[str, Any] = {
        "Partition": partition,
        "TimeoutSeconds": own.timeout_seconds,
        "ReaderArn": reader,
        "ReaderTimeoutSeconds": READER_SECONDS[mode] + 1,
        "MaxConcurrency": own.maxConcurrency,
        "ProcessorArn": processor,
        "ProcessTimeoutSeconds": seconds,
        "ThrottleRetries": THROTTLE_RETRIES[mode],
        "Retries": retries,
        "TallyArn": tally,
        "TallyTimeoutSeconds": TALLY_SECONDS + 1,
        "Tolerance": tolerance_of(own),
        **(broken if own.idempotent else unclaimed),
        **({"WaitSeconds": own.wait_seconds} if own.wait_seconds else {}),
    }
    if mode == "DISTRIBUTED":
        batches = own.batchSize > 1
        tokens |= {
            "ReaderConfig": READ_BY_STEP_FUNCTIONS.get(own.format, {"InputType": "JSONL"}),
            **_places_of_items(own),
            "BatchSize": own.batchSize,
            "BatchBytes": BATCH_BYTES if batches else STATE_BYTES,
            "ChildType": own.childType,
            "Bucket": bucket,
            "ResultsPrefix": RESULTS_PREFIX,
        }
    return definition.render(_file(mode, waits=own.wait_seconds > 0), tokens)


def _file(mode: str, *, waits: bool) -> str:
    """A Wait is a transition for each item, so a run without one has a machine without one."""
    return f"list_{mode.lower()}{'_with_wait' if waits else ''}.asl.json"


def _places_of_items(own: DistributedSettings) -> dict[str, str]:
    """The reader numbers the rows that it writes; those that Step Functions reads for itself are numbered by the Map."""
    if own.format in READ_BY_STEP_FUNCTIONS:
        return {"ItemIndex": "$$.Map.Item.Index", "Item": "$$.Map.Item.Value"}
    return {"ItemIndex": "$$.Map.Item.Value.index", "Item": "$$.Map.Item.Value.item"}


def inline_items(own: DistributedSettings) -> int:
    """How many items an inline Map may have: when every call of every item is made again as often as it may be, the history still has
    room for all."""
    machine = json.loads(render(own, "INLINE", partition="aws", bucket="", reader="", processor="", tally=""))
    return (HISTORY_EVENTS - RUN_EVENTS) // _events_per_item(machine["States"]["Process each item"]["ItemProcessor"]["States"])


def _events_per_item(states: Mapping[str, Any]) -> int:
    """The iteration begins and ends; so does each state, and a call in it is scheduled, begins, and succeeds or fails."""
    calls = sum(1 + sum(retrier["MaxAttempts"] for retrier in state["Retry"]) for state in states.values() if state["Type"] == "Task")
    return 2 + 2 * len(states) + 3 * calls


def tolerance_of(own: DistributedSettings) -> dict[str, float]:
    """{"count"?, "percentage"?}: the one that is exceeded first decides. Without either, no item may fail."""
    count, percentage = own.toleratedFailureCount, own.toleratedFailurePercentage
    return {
        **({"count": int(count)} if count is not None else {}),
        **({"percentage": _plain(percentage)} if percentage is not None else {}),
    }


def _source(own: DistributedSettings, places: Places) -> pulumi.Output[Mapping[str, Any]]:
    """As `handlers.sources` has it."""
    if own.source == "s3":
        own_bucket = [pulumi.Output.concat("s3://", places.bucket_name, "/", path) for path in _paths(own)]
        return pulumi.Output.all(
            source="s3",
            bucket=places.bucket_name,
            **{"prefix" if own.prefix else "key": _path(own)},
            format=own.format,
            reading=own.reading.model_dump(exclude_none=True),
            readable=[*own_bucket, *own.runSources],
        )
    return pulumi.Output.all(
        source="dynamodb",
        table=places.table_name,
        read=own.read,
        **({} if own.read == "scan" else {"keyName": own.keyName, "keyType": own.key_type, "keyValue": str(own.keyValue)}),
        **({"attribute": own.attribute} if own.read == "list" else {}),
        **({"index": own.index} if own.index else {}),
        **({"sortKey": own.sort_key} if own.sortKey else {}),
    )


def _path(own: DistributedSettings) -> str:
    return own.prefix or own.key or f"{DATA_PREFIX}items.jsonl"


def _paths(own: DistributedSettings) -> list[str]:
    """What a run may name of the bucket: one that is the component's own has nothing but data sets and results."""
    if own.bucket:
        return [_path(own)]
    return [DATA_PREFIX] if _path(own).startswith(DATA_PREFIX) else [_path(own), DATA_PREFIX]


def _objects(own: DistributedSettings, places: Places, here: Place) -> list[pulumi.Output[str]]:
    """The ARNs of what a run may read from S3, with a * for all below a prefix."""
    named = [pulumi.Output.concat(places.bucket_arn, "/", _with_all_below(path)) for path in _paths(own)]
    return named + [pulumi.Output.concat("arn:", here.partition, ":s3:::", _with_all_below(each[5:])) for each in own.runSources]


def _with_all_below(path: str) -> str:
    return f"{path}*" if path.endswith("/") else path


def _listings(own: DistributedSettings, places: Places, here: Place) -> Iterator[policy.Statement]:
    """The rights to list what a run may name as a prefix, and no more of its bucket."""
    prefixes: dict[str, list[str]] = {"": _paths(own)}
    for each in own.runSources:
        bucket, _, path = each[5:].partition("/")
        prefixes.setdefault(bucket, []).append(path)
    for bucket, paths in prefixes.items():
        folders = [f"{path}*" for path in paths if path.endswith("/")]
        arn = pulumi.Output.concat("arn:", here.partition, ":s3:::", bucket) if bucket else places.bucket_arn
        if folders:
            yield policy.allow(["s3:ListBucket"], arn, {"StringLike": {"s3:prefix": folders}})


def _reader(
    parent: pulumi.Resource,
    name: str,
    own: DistributedSettings,
    mode: str,
    source: pulumi.Output[Mapping[str, Any]],
    places: Places,
) -> HandlerFunction:
    here = place.of(parent)
    environment: dict[str, pulumi.Input[str]] = {"SOURCE": pulumi.Output.json_dumps(source)}
    statements: list[Any] = []
    if own.source == "s3":
        statements += [policy.allow(["s3:GetObject"], _objects(own, places, here)), *_listings(own, places, here)]
    elif own.read == "list":
        statements.append(policy.allow(["dynamodb:GetItem"], places.table_arn))
    else:
        read = pulumi.Output.concat(places.table_arn, f"/index/{own.index}") if own.index else places.table_arn
        statements.append(policy.allow([f"dynamodb:{own.read.capitalize()}"], read))
    decrypts = ["kms:Decrypt"] if own.sourceKmsKeyArn else []
    if mode == "INLINE":
        environment["MAX_ITEMS"] = str(inline_items(own))
    else:
        environment |= {"RESULTS_BUCKET": places.bucket_name, "RESULTS_PREFIX": RESULTS_PREFIX}
        kept = pulumi.Output.concat(places.bucket_arn, f"/{RESULTS_PREFIX}/*")
        statements.append(policy.allow(["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], kept))
        decrypts += ["kms:GenerateDataKey"] if own.sourceKmsKeyArn and own.bucket else []
    if decrypts:
        statements.append(policy.allow(decrypts, places.key_arn))
    return HandlerFunction(
        f"{name}-reader",
        {
            "module": "handlers.reader",
            "withModules": [],
            "environment": environment,
            "timeoutSeconds": READER_SECONDS[mode],
            "memoryMb": ROWS_MB[mode],
            "logRetentionDays": own.logRetentionDays,
            "statements": statements,
        },
        pulumi.ResourceOptions(parent=parent),
    )


def _processor(
    parent: pulumi.Resource,
    name: str,
    own: DistributedSettings,
    claims: Optional[aws.dynamodb.Table],
    results: Places | None,
) -> HandlerFunction:
    code.check_defines(own.module, "process")
    environment: dict[str, pulumi.Input[str]] = {"PROCESS_MODULE": own.module}
    statements = []
    if claims:
        environment |= {"CLAIMS_TABLE": claims.name, "CLAIMS_KEPT_SECONDS": str(CLAIMS_SECONDS)}
        statements.append(policy.allow(["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], claims.arn))
    if results:
        environment |= {"RESULTS_BUCKET": results.bucket_name, "RESULTS_PREFIX": RESULTS_PREFIX}
        kept = pulumi.Output.concat(results.bucket_arn, f"/{RESULTS_PREFIX}/*")
        statements.append(policy.allow(["s3:PutObject", "s3:AbortMultipartUpload"], kept))
        if own.sourceKmsKeyArn and own.bucket:
            statements.append(policy.allow(["kms:Decrypt", "kms:GenerateDataKey"], results.key_arn))
    return HandlerFunction(
        f"{name}-process",
        {
            "module": "handlers.processor",
            "withModules": [own.module],
            "environment": environment,
            "timeoutSeconds": own.functionTimeoutSeconds + BACKSTOP_SECONDS,
            "memoryMb": own.memoryMb,
            "reservedConcurrency": own.reservedConcurrency,
            "logRetentionDays": own.logRetentionDays,
            "statements": statements,
        },
        pulumi.ResourceOptions(parent=parent),
    )


def _tally(
    parent: pulumi.Resource,
    name: str,
    own: DistributedSettings,
    results: Places | None,
) -> HandlerFunction:
    environment: dict[str, pulumi.Input[str]] = {}
    statements = []
    if results:
        environment = {"RESULTS_BUCKET": results.bucket_name}
        statements = [
            policy.allow(
                ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
                pulumi.Output.concat(results.bucket_arn, f"/{RESULTS_PREFIX}/*"),
            )
        ]
        if own.sourceKmsKeyArn and own.bucket:
            statements.append(policy.allow(["kms:Decrypt", "kms:GenerateDataKey"], results.key_arn))
    return HandlerFunction(
        f"{name}-tally",
        {
            "module": "handlers.tally",
            "withModules": [],
            "environment": environment,
            "timeoutSeconds": TALLY_SECONDS,
            "memoryMb": ROWS_MB["DISTRIBUTED" if results else "INLINE"],
            "logRetentionDays": own.logRetentionDays,
            "statements": statements,
        },
        pulumi.ResourceOptions(parent=parent),
    )


def _let_it_start_itself(parent: pulumi.Resource, name: str, workflow: Workflow, reader: HandlerFunction, tally: HandlerFunction) -> None:
    """Rights on the machine and its runs, in policies of their own: they name the machine, so they come after it."""
    machine = workflow.stateMachineArn
    executions = machine.apply(lambda arn: f"{arn.replace(':stateMachine:', ':execution:')}:*")
    children = machine.apply(lambda arn: f"{arn.replace(':stateMachine:', ':execution:')}/{LABEL}:*")
    runs = machine.apply(lambda arn: f"{arn.replace(':stateMachine:', ':mapRun:')}/{LABEL}:*")
    aws.iam.RolePolicy(
        f"{name}-starts-itself",
        role=workflow.role.name,
        policy=policy.document(
            [
                policy.allow(["states:StartExecution"], machine),
                policy.allow(["states:DescribeExecution", "states:StopExecution"], [executions, children]),
                policy.allow(["states:RedriveExecution"], children),
            ]
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    reader.grant("looks-back", [policy.allow(["states:ListMapRuns"], executions)])
    tally.grant("counts", [policy.allow(["states:DescribeMapRun"], runs)])


def _table(parent: pulumi.Resource, name: str, own: DistributedSettings) -> aws.dynamodb.Table:
    return aws.dynamodb.Table(
        f"{name}-list",
        billing_mode="PAY_PER_REQUEST",
        hash_key=own.keyName,
        attributes=[{"name": own.keyName, "type": own.key_type}],
        point_in_time_recovery={"enabled": True},
        server_side_encryption={"enabled": True},
        deletion_protection_enabled=own.retainData,
        opts=pulumi.ResourceOptions(parent=parent, retain_on_delete=own.retainData),
    )


def _claims(parent: pulumi.Resource, name: str, own: DistributedSettings) -> aws.dynamodb.Table:
    return aws.dynamodb.Table(
        f"{name}-claims",
        billing_mode="PAY_PER_REQUEST",
        hash_key="id",
        attributes=[{"name": "id", "type": "S"}],
        ttl={"attribute_name": "expiresAt", "enabled": True},
        point_in_time_recovery={"enabled": True},
        server_side_encryption={"enabled": True},
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _bucket(parent: pulumi.Resource, name: str, own: DistributedSettings) -> aws.s3.Bucket:
    """Encrypted, private, reached over TLS only; results expire, and so does what an interrupted upload leaves behind."""
    keep = own.retainData
    bucket = aws.s3.Bucket(f"{name}-data", force_destroy=not keep, opts=pulumi.ResourceOptions(parent=parent, retain_on_delete=keep))
    # A bucket that outlives its stack without these would be open to whoever is granted it, over any protocol.
    within = pulumi.ResourceOptions(parent=parent, retain_on_delete=keep)
    aws.s3.BucketPublicAccessBlock(
        f"{name}-data",
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=within,
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-data", bucket=bucket.id, rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}], opts=within
    )
    aws.s3.BucketLifecycleConfiguration(
        f"{name}-data",
        bucket=bucket.id,
        rules=[
            {
                "id": "results",
                "status": "Enabled",
                "filter": {"prefix": f"{RESULTS_PREFIX}/"},
                "expiration": {"days": own.resultRetentionDays},
            },
            {
                "id": "uploads",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
            },
        ],
        opts=within,
    )
    aws.s3.BucketPolicy(
        f"{name}-data",
        bucket=bucket.id,
        policy=policy.document(
            [
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [bucket.arn, pulumi.Output.concat(bucket.arn, "/*")],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ]
        ),
        opts=within,
    )
    return bucket


def _table_arn(name: Optional[str], here: Place) -> pulumi.Output[str]:
    """Of a table that exists already, in the stack's account and region; empty where none is named."""
    return pulumi.Output.from_input("") if name is None else here.arn("dynamodb", f"table/{name}")


def _bucket_arn(name: Optional[str], here: Place) -> pulumi.Output[str]:
    return pulumi.Output.from_input("") if name is None else pulumi.Output.concat("arn:", here.partition, ":s3:::", name)


def _known(name: Optional[str]) -> pulumi.Output[str]:
    return pulumi.Output.from_input(name or "")


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def _check_size(own: DistributedSettings, mode: str) -> None:
    """Raises TooManyItems."""
    if mode == "INLINE" and own.sizeHint and own.sizeHint > inline_items(own):
        raise TooManyItems(
            f"distributed.sizeHint is {own.sizeHint}; allowed in mode INLINE with retries {own.retries}: a whole number up to "
            f"{inline_items(own)}, whose events fit one execution (mode DISTRIBUTED takes more)"
        )


def _warn(resource: pulumi.Resource, name: str, own: DistributedSettings) -> None:
    """About what is allowed and yet unlikely to be wanted, and about what an emulator leaves out."""
    shortest = shortest_seconds(own)
    if shortest > own.timeout_seconds:
        pulumi.log.warn(
            f"{name}: {own.sizeHint or 1} items, {own.maxConcurrency} at once with waitSeconds {own.wait_seconds}, take at "
            f"least {shortest} s; timeoutSeconds {own.timeout_seconds} ends the run before that",
            resource,
        )
    if emulator.is_in_use():
        pulumi.log.warn(f"{name}: the emulator ignores timeoutSeconds: a run never times out", resource)
        if own.format in READ_BY_STEP_FUNCTIONS:
            pulumi.log.warn(f"{name}: the emulator does not read format {own.format}: a run ends as InvalidSource", resource)


def shortest_seconds(own: DistributedSettings) -> int:
    """What the waiting alone takes, for the items that sizeHint expects."""
    rounds = math.ceil((own.sizeHint or 1) / own.maxConcurrency) if own.maxConcurrency else 1
    return rounds * own.wait_seconds
