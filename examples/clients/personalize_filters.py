"""Print the campaigns' metrics and store a filter, with boto3's Personalize client: the same for AWS and for Larder.

Run as ``python personalize_filters.py DATASET_GROUP_ARN NAME EXPRESSION``. The environment alone decides which service
answers; see docs/how-to/use-personalize-clients.md.
"""

import sys

import boto3


def main(group: str, name: str, expression: str) -> None:
    """Prints each campaign with what its solution version has measured, then the filters of the dataset group."""
    client = boto3.client("personalize")
    for page in client.get_paginator("list_campaigns").paginate():
        for entry in page["campaigns"]:
            campaign = client.describe_campaign(campaignArn=entry["campaignArn"])["campaign"]
            if campaign["status"] == "ACTIVE":
                metrics = client.get_solution_metrics(solutionVersionArn=campaign["solutionVersionArn"])["metrics"]
                print(campaign["name"], *(f"{metric}={metrics[metric]:.4f}" for metric in sorted(metrics)))
    try:
        client.create_filter(name=name, datasetGroupArn=group, filterExpression=expression)
    except client.exceptions.ResourceAlreadyExistsException:
        print(f"{name} is there already")
    for entry in client.list_filters(datasetGroupArn=group)["Filters"]:
        print(entry["filterArn"])


if __name__ == "__main__":
    main(*sys.argv[1:])
