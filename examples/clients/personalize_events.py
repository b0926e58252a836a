"""Send an item and a click with boto3's Personalize Events client, and see them in the next recommendations.

Run as ``python personalize_events.py CAMPAIGN_ARN TRACKING_ID VISITOR ITEM PROPERTIES``. The environment alone decides
which service answers; see docs/how-to/use-personalize-clients.md.
"""

import sys
import time

import boto3


def main(campaign: str, tracking_id: str, visitor: str, item: str, properties: str) -> None:
    """Prints a visitor's best items at first, after a click on the best one, and after a new item was sent."""
    runtime, events = boto3.client("personalize-runtime"), boto3.client("personalize-events")

    def show(when: str) -> list[str]:
        answer = runtime.get_recommendations(campaignArn=campaign, userId=visitor)
        items = [entry["itemId"] for entry in answer["itemList"]]
        print(f"{when}: {', '.join(items)}")
        return items

    best = show("at first")[0]
    click = {"eventType": "click", "itemId": best, "sentAt": time.time()}
    events.put_events(trackingId=tracking_id, sessionId=visitor, eventList=[click])
    show(f"after a click on {best}")
    group = campaign.replace(":campaign/", ":dataset/")
    events.put_items(datasetArn=f"{group}/ITEMS", items=[{"itemId": item, "properties": properties}])
    show(f"after {item} was sent")


if __name__ == "__main__":
    main(*sys.argv[1:])
