"""What tells that something is wrong, and that nothing which tells it says who asked."""

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
    return {name: each.get("Properties", {}) for name, each in resources.items() if each["Type"] == kind}


def alarms(made: Tree) -> Tree:
    return of_type(made, "AWS::CloudWatch::Alarm")


def test_every_function_has_an_alarm_for_errors_throttles_and_slowness(stack: Stack) -> None:
    made = stack()
    watched: dict[str, set[str]] = {}
    for alarm in alarms(made).values():
        if alarm["Namespace"] == "AWS/Lambda":
            (dimension,) = alarm["Dimensions"]
            assert dimension["Name"] == "FunctionName"
            statistic = alarm.get("Statistic") or alarm["ExtendedStatistic"]
            watched.setdefault(dimension["Value"], set()).add(f"{alarm['MetricName']} {statistic}")
    functions = of_type(made, "AWS::Lambda::Function")
    assert watched == {key: {"Errors Sum", "Throttles Sum", "Duration p99"} for key in functions}


def test_slow_means_well_before_the_time_out(stack: Stack) -> None:
    functions = of_type(stack(), "AWS::Lambda::Function")
    for alarm in alarms(stack()).values():
        if alarm["MetricName"] == "Duration":
            timeout = functions[alarm["Dimensions"][0]["Value"]]["Timeout"]
            assert alarm["Threshold"] <= 1000 * timeout / 2
            assert f"{alarm['Threshold']} ms" in alarm["AlarmDescription"]
            # CloudWatch would not look at fewer than 1,000 calls in a period, which a small service never has.
            assert alarm.get("EvaluateLowSampleCountPercentile") != "ignore"


def test_the_api_s_errors_and_refused_releases_have_alarms(stack: Stack) -> None:
    others = {
        (alarm["Namespace"], alarm["MetricName"]): alarm.get("Dimensions")
        for alarm in alarms(stack()).values()
        if alarm["Namespace"] != "AWS/Lambda"
    }
    assert others == {
        ("AWS/ApiGateway", "5xx"): [{"Name": "ApiId", "Value": "Api"}],
        ("Larder", "RolloutRejected"): None,
    }


def test_silence_is_no_alarm(stack: Stack) -> None:
    # Nobody calling is the normal state of a service that costs nothing meanwhile.
    assert {alarm["TreatMissingData"] for alarm in alarms(stack()).values()} == {"notBreaching"}


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({}, []),
        ({"AlarmEmail": "someone@example.com"}, ["AlarmMail"]),
        ({"AlarmTopic": TOPIC}, [TOPIC]),
        ({"AlarmTopic": TOPIC, "AlarmEmail": "someone@example.com"}, [TOPIC]),
    ],
)
def test_alarms_tell_the_topic_or_the_address_that_was_given(
    stack: Stack, parameters: dict[str, str], told: list[str]
) -> None:
    made = stack(**parameters)
    assert all(alarm["AlarmActions"] == told for alarm in alarms(made).values())
    assert set(of_type(made, "AWS::SNS::Topic")) == set(told) - {TOPIC}


def test_without_monitoring_nothing_that_costs_is_made(stack: Stack) -> None:
    made = stack(Monitoring="false", AlarmEmail="someone@example.com")
    assert not {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::SNS::Topic"} & {
        each["Type"] for each in made.values()
    }


def widgets(made: Tree) -> list[Tree]:
    (dashboard,) = of_type(made, "AWS::CloudWatch::Dashboard").values()
    found: list[Tree] = json.loads(dashboard["DashboardBody"])["widgets"]
    return found


def test_the_dashboard_shows_every_function_and_stays_free(stack: Stack) -> None:
    made = stack()
    metrics = [metric for widget in widgets(made) for metric in widget["properties"].get("metrics", [])]
    assert len(metrics) <= 50, "a dashboard with more is not among the three free ones"
    functions = set(of_type(made, "AWS::Lambda::Function"))
    for name in ("Errors", "Throttles", "Duration", "ConcurrentExecutions"):
        assert {metric[3] for metric in metrics if metric[:2] == ["AWS/Lambda", name]} == functions
    assert {metric[1] for metric in metrics if metric[0] == "AWS/ApiGateway"} == {"Count", "4xx", "5xx", "Latency"}
    assert any(metric[:2] == ["Larder", "RolloutRejected"] for metric in metrics)


def test_the_dashboard_counts_cold_starts_in_every_function_s_log(stack: Stack) -> None:
    made = stack()
    (query,) = [widget["properties"]["query"] for widget in widgets(made) if widget["type"] == "log"]
    groups = {each["LoggingConfig"]["LogGroup"] for each in of_type(made, "AWS::Lambda::Function").values()}
    assert set(re.findall(r"SOURCE '(\w+)'", query)) == groups
    assert "initDurationMs" in query


def test_no_two_widgets_lie_on_each_other(stack: Stack) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in widgets(stack()):
        place = {(widget["x"] + i, widget["y"] + j) for i in range(widget["width"]) for j in range(widget["height"])}
        assert not place & taken
        assert max(x for x, _ in place) < 24, "a dashboard is 24 wide"
        taken |= place


def test_access_logs_are_json_and_say_nothing_of_who_asked(stack: Stack) -> None:
    made = stack()
    (stage,) = of_type(made, "AWS::ApiGatewayV2::Stage").values()
    settings = stage["AccessLogSettings"]
    assert settings["DestinationArn"] == "ApiLogs.Arn"
    fields = json.loads(settings["Format"])
    # Not sourceIp, userAgent, path, authorizer or anything of identity: those point at a person, and a path at what he
    # looked for.
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
