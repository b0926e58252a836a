"""Alarms, dashboard and access logs, which must not identify users."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

Tree = dict[str, Any]
Stack = Callable[..., Tree]

TOPIC = "arn:aws:sns:eu-west-1:000000000000:ours"


def of_type(resources: Tree, kind: str) -> Tree:
    """The properties of the resources of one type."""
    return {name: resource.get("Properties", {}) for name, resource in resources.items() if resource["Type"] == kind}


def alarms(deployed: Tree) -> Tree:
    return of_type(deployed, "AWS::CloudWatch::Alarm")


def test_every_function_has_an_alarm_for_errors_throttles_and_slowness(stack: Stack) -> None:
    deployed = stack()
    watched: dict[str, set[str]] = {}
    for alarm in alarms(deployed).values():
        if alarm["Namespace"] == "AWS/Lambda":
            (dimension,) = alarm["Dimensions"]
            assert dimension["Name"] == "FunctionName"
            statistic = alarm.get("Statistic") or alarm["ExtendedStatistic"]
            watched.setdefault(dimension["Value"], set()).add(f"{alarm['MetricName']} {statistic}")
    functions = of_type(deployed, "AWS::Lambda::Function")
    assert watched == {key: {"Errors Sum", "Throttles Sum", "Duration p99"} for key in functions}


def test_alarms_for_slowness_are_well_below_the_timeout(stack: Stack) -> None:
    functions = of_type(stack(), "AWS::Lambda::Function")
    for alarm in alarms(stack()).values():
        if alarm["MetricName"] == "Duration":
            timeout = functions[alarm["Dimensions"][0]["Value"]]["Timeout"]
            assert alarm["Threshold"] <= 1000 * timeout / 2
            assert f"{alarm['Threshold']} ms" in alarm["AlarmDescription"]
            # With "ignore", CloudWatch needs 1,000 calls in a period, which a small service does not have.
            assert alarm.get("EvaluateLowSampleCountPercentile") != "ignore"


def test_errors_of_the_api_rejected_releases_failed_trainings_and_dead_events_have_alarms(stack: Stack) -> None:
    others = {
        (alarm["Namespace"], alarm["MetricName"]): alarm.get("Dimensions")
        for alarm in alarms(stack()).values()
        if alarm["Namespace"] != "AWS/Lambda"
    }
    assert others == {
        ("AWS/ApiGateway", "5xx"): [{"Name": "ApiId", "Value": "Api"}],
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): [
            {"Name": "QueueName", "Value": "EventsDeadLetters.QueueName"}
        ],
        ("Larder", "RolloutRejected"): None,
        ("Larder", "Available"): None,
        ("AWS/States", "ExecutionsFailed"): [{"Name": "StateMachineArn", "Value": "Retrain"}],
    }


def test_no_requests_is_not_an_alarm(stack: Stack) -> None:
    assert {alarm["TreatMissingData"] for alarm in alarms(stack()).values()} == {"notBreaching"}


@pytest.mark.parametrize(
    ("parameters", "actions"),
    [
        ({}, []),
        ({"AlarmEmail": "someone@example.com"}, ["AlarmMail"]),
        ({"AlarmTopic": TOPIC}, [TOPIC]),
        ({"AlarmTopic": TOPIC, "AlarmEmail": "someone@example.com"}, [TOPIC]),
    ],
)
def test_alarms_notify_the_topic_or_the_address(stack: Stack, parameters: dict[str, str], actions: list[str]) -> None:
    deployed = stack(**parameters)
    assert all(alarm["AlarmActions"] == actions for alarm in alarms(deployed).values())
    assert set(of_type(deployed, "AWS::SNS::Topic")) == set(actions) - {TOPIC}


def test_without_monitoring_there_are_no_resources_that_cost_money(stack: Stack) -> None:
    deployed = stack(Monitoring="false", AlarmEmail="someone@example.com")
    assert not {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::SNS::Topic"} & {
        resource["Type"] for resource in deployed.values()
    }


def widgets(deployed: Tree) -> list[Tree]:
    (dashboard,) = of_type(deployed, "AWS::CloudWatch::Dashboard").values()
    listed: list[Tree] = json.loads(dashboard["DashboardBody"])["widgets"]
    return listed


def test_the_dashboard_shows_every_function_and_stays_free(stack: Stack) -> None:
    deployed = stack()
    metrics = [metric for widget in widgets(deployed) for metric in widget["properties"].get("metrics", [])]
    assert len(metrics) <= 50, "the free dashboards have at most 50 metrics"
    functions = set(of_type(deployed, "AWS::Lambda::Function"))
    for name in ("Errors", "Throttles", "Duration", "ConcurrentExecutions"):
        assert {metric[3] for metric in metrics if metric[:2] == ["AWS/Lambda", name]} == functions
    assert {metric[1] for metric in metrics if metric[0] == "AWS/ApiGateway"} == {"Count", "4xx", "5xx", "Latency"}
    assert any(metric[:2] == ["Larder", "RolloutRejected"] for metric in metrics)


def test_the_dashboard_counts_cold_starts_in_the_logs_of_all_functions(stack: Stack) -> None:
    deployed = stack()
    (query,) = [widget["properties"]["query"] for widget in widgets(deployed) if widget["type"] == "log"]
    groups = {resource["LoggingConfig"]["LogGroup"] for resource in of_type(deployed, "AWS::Lambda::Function").values()}
    assert set(re.findall(r"SOURCE '(\w+)'", query)) == groups
    assert "initDurationMs" in query


def test_widgets_do_not_overlap(stack: Stack) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in widgets(stack()):
        cells = {(widget["x"] + i, widget["y"] + j) for i in range(widget["width"]) for j in range(widget["height"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24, "a dashboard is 24 wide"
        taken |= cells


def test_access_logs_are_json_and_do_not_identify_users(stack: Stack) -> None:
    deployed = stack()
    (stage,) = of_type(deployed, "AWS::ApiGatewayV2::Stage").values()
    settings = stage["AccessLogSettings"]
    assert settings["DestinationArn"] == "ApiLogs.Arn"
    fields = json.loads(settings["Format"])
    # No sourceIp, userAgent, path, authorizer or identity: they point at a person, and a path at their request.
    assert set(fields.values()) == {
        "$context.requestTime",
        "$context.requestId",
        "$context.routeKey",
        "$context.status",
        "$context.responseLatency",
        "$context.integrationLatency",
        "$context.responseLength",
        "$context.error.message",
        "$context.integrationErrorMessage",
    }
