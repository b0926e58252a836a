"""The same for lists: boto3 downloads one JSON file with the lists of all users, which stay in memory."""

import json
import os

import boto3

s3 = boto3.client("s3")
lists = json.load(s3.get_object(Bucket=os.environ["BUCKET"], Key=os.environ["LISTS_KEY"])["Body"])


def handler(event: dict, context: object) -> dict:  # noqa: ARG001  Lambda passes two
    """The user's list."""
    user = event["queryStringParameters"]["user"]
    answer = json.dumps({"items": lists[user]})
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": answer}
