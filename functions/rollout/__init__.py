"""The Lambda function that makes an uploaded release answer."""
