"""Recommend and rank items with boto3's Personalize Runtime client: the program is the same for AWS and for Larder.

Run as ``python personalize.py CAMPAIGN_ARN USER``. The environment alone decides which service answers; see
docs/how-to/use-personalize-clients.md.
"""

import sys

import boto3


def main(campaign: str, user: str) -> None:
    """Prints the five best items for the user, then the same items as a ranking for another user."""
    client = boto3.client("personalize-runtime")
    answer = client.get_recommendations(campaignArn=campaign, userId=user, numResults=5)
    for item in answer["itemList"]:
        print(f"{item['score']:.4f} {item['itemId']}")
    items = [item["itemId"] for item in answer["itemList"]]
    ranking = client.get_personalized_ranking(campaignArn=campaign, userId="a new user", inputList=items)
    print("for a new user:", ", ".join(item["itemId"] for item in ranking["personalizedRanking"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
