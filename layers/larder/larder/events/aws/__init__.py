"""The live store on AWS: DynamoDB, by its JSON protocol and without boto3."""

from larder.events.aws.dynamodb import DynamoDbLiveStore

__all__ = ["DynamoDbLiveStore"]
