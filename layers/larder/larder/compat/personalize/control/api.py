"""The operations of Personalize's control plane that are answered."""

from typing import Final

from larder.compat.aws_json import JsonApi
from larder.compat.personalize.control import (
    campaigns,
    event_trackers,
    filters,
    metric_attributions,
    recipes,
    solutions,
    trainings,
)
from larder.compat.personalize.errors import CONTROL_NAMES, INVALID

API: Final = JsonApi(
    operations={
        "ListDatasetGroups": campaigns.list_dataset_groups,
        "DescribeDatasetGroup": campaigns.describe_dataset_group,
        "ListCampaigns": campaigns.list_campaigns,
        "DescribeCampaign": campaigns.describe_campaign,
        "CreateCampaign": campaigns.create_campaign,
        "UpdateCampaign": campaigns.update_campaign,
        "ListRecommenders": campaigns.list_recommenders,
        "DescribeRecommender": campaigns.describe_recommender,
        "ListSolutions": solutions.list_solutions,
        "DescribeSolution": solutions.describe_solution,
        "CreateSolution": trainings.create_solution,
        "CreateSolutionVersion": trainings.create_solution_version,
        "StopSolutionVersionCreation": trainings.stop_solution_version_creation,
        "ListSolutionVersions": solutions.list_solution_versions,
        "DescribeSolutionVersion": solutions.describe_solution_version,
        "GetSolutionMetrics": solutions.get_solution_metrics,
        "ListRecipes": recipes.list_recipes,
        "DescribeRecipe": recipes.describe_recipe,
        "ListFilters": filters.list_filters,
        "DescribeFilter": filters.describe_filter,
        "CreateFilter": filters.create_filter,
        "DeleteFilter": filters.delete_filter,
        "ListEventTrackers": event_trackers.list_event_trackers,
        "DescribeEventTracker": event_trackers.describe_event_tracker,
        "CreateEventTracker": event_trackers.create_event_tracker,
        "DeleteEventTracker": event_trackers.delete_event_tracker,
        "ListMetricAttributions": metric_attributions.list_metric_attributions,
        "ListMetricAttributionMetrics": metric_attributions.list_metric_attribution_metrics,
        "DescribeMetricAttribution": metric_attributions.describe_metric_attribution,
        "CreateMetricAttribution": metric_attributions.create_metric_attribution,
        "UpdateMetricAttribution": metric_attributions.update_metric_attribution,
        "DeleteMetricAttribution": metric_attributions.delete_metric_attribution,
    },
    names=CONTROL_NAMES,
    unknown=INVALID,
)
