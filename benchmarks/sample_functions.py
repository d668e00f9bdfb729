"""The functions of the four samples' workloads, as small as the samples have them. One file, packed as it is."""

import json
import os
import uuid

import boto3


def price(event, context):
    """A responder of the Map: a quote as a text."""
    return json.dumps({"provider": os.environ["NAME"], "quote": 100})


def request(event, context):
    return {**event, "uuid": uuid.uuid4().hex}


def respond(event, context):
    """A branch of the Parallel."""
    return {"uuid": event["uuid"], "quote": int(os.environ["RATE"]) * event["data"]["days_rental"]}


def aggregate(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}


def publish(event, context):
    """The requester of the topic."""
    asked = request(event, context)
    boto3.client("sns").publish(TopicArn=os.environ["TOPIC_ARN"], Message=json.dumps(asked))
    return asked["uuid"]


def respond_by_queue(event, context):
    for record in event["Records"]:
        answer = {**respond(json.loads(record["Sns"]["Message"]), context), "responder": os.environ["NAME"]}
        boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=json.dumps(answer))


def gather(event, context):
    """Appends each answer to its request's item."""
    for record in event["Records"]:
        answer = json.loads(record["body"])
        boto3.client("dynamodb").update_item(
            TableName=os.environ["TABLE"],
            Key={"id": {"S": answer["uuid"]}},
            UpdateExpression="SET quotes = list_append(if_not_exists(quotes, :none), :one)",
            ExpressionAttributeValues={":none": {"L": []}, ":one": {"L": [{"S": json.dumps(answer)}]}},
        )


def post(event, context):
    """Of the API: keeps the request and publishes it."""
    asked = request({"data": json.loads(event["body"])["data"]}, context)
    boto3.client("dynamodb").put_item(
        TableName=os.environ["TABLE"], Item={"id": {"S": asked["uuid"]}, "responder": {"S": "-"}, "request": {"S": event["body"]}}
    )
    boto3.client("sns").publish(TopicArn=os.environ["TOPIC_ARN"], Message=json.dumps(asked))
    return {"statusCode": 201, "body": json.dumps({"id": asked["uuid"]})}


def keep(event, context):
    """Keeps each answer as an item of its own."""
    for record in event["Records"]:
        answer = json.loads(record["body"])
        boto3.client("dynamodb").put_item(
            TableName=os.environ["TABLE"],
            Item={"id": {"S": answer["uuid"]}, "responder": {"S": answer["responder"]}, "quote": {"N": str(answer["quote"])}},
        )


def read(event, context):
    found = boto3.client("dynamodb").query(
        TableName=os.environ["TABLE"],
        KeyConditionExpression="id = :id",
        ExpressionAttributeValues={":id": {"S": event["pathParameters"]["id"]}},
    )["Items"]
    quotes = [{"responder": item["responder"]["S"], "quote": item["quote"]["N"]} for item in found if "quote" in item]
    return {"statusCode": 200, "body": json.dumps({"quotes": quotes})}


def log(event, context):
    """What a list's items are handed to."""
    print(event)
    return event
