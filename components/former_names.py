"""Where the resources of 1.0.0 are now: a stack that it made is updated, and nothing that holds data is made anew.

A program that deployed 1.0.0's components under the names of its own `__main__.py` registers `aliases` before it makes them.
"""

import pulumi

PREFIX = "scatter-gather:index:"
TOPIC_CARRIER = f"{PREFIX}SnsScatterGather"

MOVED = {
    (f"{PREFIX}RequestStore", "quotes"): (f"{PREFIX}QuoteStore", "quotes"),
    (f"{PREFIX}HandlerFunction", "quotes-selector"): (f"{PREFIX}HandlerFunction", "selector"),
    (f"{PREFIX}HandlerFunction", "quotes-aggregator"): (f"{TOPIC_CARRIER}${PREFIX}HandlerFunction", "sns-aggregator"),
    ("aws:dynamodb/table:Table", "distributed-claims"): (f"{PREFIX}DistributedMapProcessor$aws:dynamodb/table:Table", "distributed-ledger"),
    ("aws:cloudwatch/eventBus:EventBus", "quotes"): (f"{TOPIC_CARRIER}$aws:cloudwatch/eventBus:EventBus", "sns"),
}
"""(type, name) now: (type with its parents', name) in 1.0.0. The children of a component follow it."""

OF_A_QUEUE = frozenset(
    {
        "aws:sqs/queue:Queue",
        "aws:sqs/queuePolicy:QueuePolicy",
        "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy",
        "aws:lambda/eventSourceMapping:EventSourceMapping",
    }
)
"""Part of SnsScatterGather itself in 1.0.0, and of a Queue now."""


def aliases(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    """A transformation for the whole stack, see pulumi.runtime.register_stack_transformation."""
    former = _former(args.type_, args.name)
    if former is None:
        return None
    urn = f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{former[0]}::{former[1]}"
    opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(aliases=[urn]))
    return pulumi.ResourceTransformationResult(args.props, opts)


def _former(type_: str, name: str) -> tuple[str, str] | None:
    if type_ in OF_A_QUEUE:
        of_the_store = name.startswith("quotes-")
        return f"{TOPIC_CARRIER}${type_}", f"sns-{name.removeprefix('quotes-')}" if of_the_store else name
    if type_ == f"{PREFIX}HandlerFunction" and name.startswith("responder-"):
        # What is in front of an existing function now was the relay of the topic's carrier, where there was one.
        return f"{TOPIC_CARRIER}${type_}", f"sns-relay-{name.removeprefix('responder-')}"
    return MOVED.get((type_, name))
