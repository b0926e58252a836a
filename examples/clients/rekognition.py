"""Label an image with boto3's Rekognition client: the program is the same for AWS and for Larder.

Run as ``python rekognition.py IMAGE PROJECT_VERSION_ARN``. The environment alone decides which service answers; see
docs/how-to/use-rekognition-clients.md.
"""

import sys
from pathlib import Path

import boto3


def main(image: str, version: str) -> None:
    """Starts the version, waits until it runs, and prints the labels of the image."""
    client = boto3.client("rekognition")
    project, _, rest = version.partition("/version/")
    name, _, number = rest.partition("/")
    client.start_project_version(ProjectVersionArn=version, MinInferenceUnits=1)
    waiter = client.get_waiter("project_version_running")
    waiter.wait(ProjectArn=f"{project}/{number}", VersionNames=[name])
    answer = client.detect_custom_labels(ProjectVersionArn=version, Image={"Bytes": Path(image).read_bytes()})
    for label in answer["CustomLabels"]:
        print(f"{label['Confidence']:5.1f} % {label['Name']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
