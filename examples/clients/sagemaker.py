"""Label images with boto3's SageMaker Runtime client: the program is the same for AWS and for Larder.

Run as ``python sagemaker.py ENDPOINT IMAGE...``. The environment alone decides which service answers; see
docs/how-to/use-sagemaker-clients.md.
"""

import base64
import json
import sys
from pathlib import Path

import boto3


def main(endpoint: str, *images: str) -> None:
    """Sends all images in one request, and prints the best label of each."""
    client = boto3.client("sagemaker-runtime")
    instances = [{"b64": base64.b64encode(Path(image).read_bytes()).decode()} for image in images]
    answer = client.invoke_endpoint(
        EndpointName=endpoint, ContentType="application/json", Body=json.dumps({"instances": instances})
    )
    for prediction in json.loads(answer["Body"].read())["predictions"]:
        for label in prediction["labels"][:1]:
            print(label["name"], label["confidence"])


if __name__ == "__main__":
    main(*sys.argv[1:])
