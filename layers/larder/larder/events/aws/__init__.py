"""The live store and the queue on AWS: DynamoDB and SQS, by their JSON protocols and without boto3."""

from larder.events.aws.dynamodb import DynamoDbLiveStore
from larder.events.aws.sqs import SqsQueue

__all__ = ["DynamoDbLiveStore", "SqsQueue"]
