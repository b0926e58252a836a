"""The costs of the stack on AWS: the tables of docs/explanation/costs.md, from docs/prices.toml and template.yaml.

python benchmarks/costs.py [--write]

Prints the tables; --write updates the page. A test fails if the page is out of date.
"""

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from larder.health.heartbeat import REQUESTS
from larder_local.gateway.cloudformation import read_template

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs/explanation/costs.md"
BEGIN: Final = "<!-- benchmarks/costs.py writes what follows -->\n"
END: Final = "<!-- end -->\n"
HOURS: Final = 720  # a month of 30 days
SECONDS: Final = HOURS * 3600
FREE_ALARMS: Final = 10
CALLED: Final = ("classify", "recommend")
FUNCTIONS: Final = (*CALLED, "events", "event_log", "heartbeat")
HEARTBEAT_MINUTES: Final = 5
VISIT: Final = 10
"""Events of a user in one request, where they come together."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs in dollars.

    Attributes:
        prices: The prices of docs/prices.toml.
        measured: Measured durations.
        assumed: Assumed sizes and shares.
        gigabytes: The memory of each function.
        alarms: The number of alarms in the stack.
    """

    prices: Mapping[str, float]
    measured: Mapping[str, float]
    assumed: Mapping[str, float]
    gigabytes: Mapping[str, float]
    alarms: int

    def calls(self, function: str) -> list[float]:
        """A million calls: Lambda's time, its requests, the API, the logs, and the total."""
        seconds = self.measured[f"{function}_ms"] * 1e-3 * 1e6
        parts = [
            seconds * self.gigabytes[function] * self.prices["lambda_x86"],
            self.prices["lambda_requests"],
            self.prices["http_api"],
            self.assumed["log_bytes"] * 1e-3 * self.prices["logs"],
        ]
        return [*parts, sum(parts)]

    def events(self, together: int) -> list[float]:
        """A million events, ``together`` of a user in each request: API and logs, Lambda, DynamoDB, SQS, log, total."""
        requests = 1 / together
        seconds = self.assumed["events_ms"] * 1e3 * requests
        writes = (requests + self.assumed["trims"]) * self.assumed["history_kb"]
        parts = [
            (self.prices["http_api"] + self.assumed["log_bytes"] * 1e-3 * self.prices["logs"]) * requests,
            seconds * self.gigabytes["events"] * self.prices["lambda_x86"] + self.prices["lambda_requests"] * requests,
            writes * self.prices["dynamodb_write"],
            *(requests * dollars for dollars in self.messages()),
        ]
        return [*parts, sum(parts)]

    def messages(self) -> tuple[float, float]:
        """A million messages on their way to the log: SQS; and EventLogFunction with what it writes to S3."""
        batches = 1 / self.assumed["messages_of_batch"]
        seconds = self.assumed["batch_ms"] * 1e3
        call = seconds * self.gigabytes["event_log"] * self.prices["lambda_x86"] + self.prices["lambda_requests"]
        objects = self.assumed["puts_of_batch"] * (self.prices["s3_put"] + self.prices["s3_get"])
        return (1 + 2 / self.assumed["messages_read"]) * self.prices["sqs"], batches * (call + objects)

    def live_answers(self) -> float:
        """The additional cost of a million answers that read live events, and are logged."""
        return self.assumed["keys_read"] * self.prices["dynamodb_read"] + sum(self.messages())

    def polls(self) -> float:
        """A month of reading an empty queue."""
        return self.assumed["idle_polls"] * 60 * HOURS * 1e-6 * self.prices["sqs"]

    def heartbeat(self, function: str) -> float:
        """A month of the heartbeat of one model that ``function`` serves, without its metrics."""
        millions = HOURS * 60 / HEARTBEAT_MINUTES * 1e-6
        asked = self.calls("classify")[-1] + REQUESTS * self.calls(function)[-1]  # /health, and golden requests
        seconds = self.assumed["heartbeat_ms"] * 1e3
        own = seconds * self.gigabytes["heartbeat"] * self.prices["lambda_x86"] + self.prices["lambda_requests"]
        stored = self.assumed["heartbeat_gets"] * self.prices["s3_get"] + 2 * self.prices["s3_put"]  # it lists, too
        return millions * (asked + own + stored + 2 * self.assumed["log_bytes"] * 1e-3 * self.prices["logs"])

    def request_metrics(self, metrics: int) -> float:
        """A month of ``metrics`` of one model that answers in every hour; CloudWatch bills the hours with a value."""
        return metrics * self.prices["metric"]

    def heartbeat_metrics(self, models: int) -> float:
        """A month of the metrics of the heartbeat: availability and latency of the API and of each model."""
        return 2 * (1 + models) * self.prices["metric"]

    def hundred_milliseconds(self, function: str) -> float:
        """The additional cost of a million calls that take 100 ms longer."""
        return 1e5 * self.gigabytes[function] * self.prices["lambda_x86"]

    def cold_starts(self, function: str) -> float:
        """A thousand cold starts."""
        return self.measured[f"{function}_cold_ms"] * self.gigabytes[function] * self.prices["lambda_x86"]

    def restores(self, function: str) -> float:
        """A thousand starts from a snapshot, in addition to their time."""
        return 1e3 * self.gigabytes[function] * self.prices["snapstart_restore"]

    def snapshot(self, function: str) -> float:
        """A month of the snapshot of one version."""
        return SECONDS * self.gigabytes[function] * self.prices["snapstart_cache"]

    def provisioned(self, function: str) -> float:
        """A month of one provisioned instance."""
        return SECONDS * self.gigabytes[function] * self.prices["provisioned"]


def read() -> Costs:
    """The prices of docs/prices.toml, and the sizes of template.yaml."""
    document: dict[str, Any] = tomllib.loads((ROOT / "docs/prices.toml").read_text(encoding="utf-8"))
    resources: Any = read_template(ROOT / "template.yaml")["Resources"]
    names = {name: f"{name.title().replace('_', '')}Function" for name in FUNCTIONS}
    return Costs(
        {name: entry["dollars"] for name, entry in document["prices"].items()},
        document["measured"],
        document["assumed"],
        {name: resources[function]["Properties"]["MemorySize"] / 1024 for name, function in names.items()},
        (ROOT / "template.yaml").read_text(encoding="utf-8").count("Type: AWS::CloudWatch::Alarm\n"),
    )


def tables(costs: Costs) -> str:
    """The tables, as Markdown."""
    return f"{_idle(costs)}\n{_calls(costs)}\n{_events(costs)}\n{_others(costs)}"


def _idle(costs: Costs) -> str:
    alarms = costs.alarms * costs.prices["alarm"]
    beyond = max(0, costs.alarms - FREE_ALARMS) * costs.prices["alarm"]
    rows = [
        ("functions, API, layers, rules", "always", "0.00"),
        ("1 GB of releases", "always", f"{costs.prices['s3_storage']:.3f}"),
        (
            "reading the empty queue of events",
            "`Events=true`, the default",
            f"{costs.polls():.2f}; 0.00 within an account's free million",
        ),
        (
            f"heartbeat of one classifier, every {HEARTBEAT_MINUTES} minutes",
            f"`HeartbeatMinutes={HEARTBEAT_MINUTES}`, the default, and a key",
            f"{costs.heartbeat('classify'):.2f}; of one recommender {costs.heartbeat('recommend'):.2f}",
        ),
        (
            "metrics of the heartbeat of one model",
            "`HeartbeatMinutes` above 0",
            f"{costs.heartbeat_metrics(1):.2f}, {2 * costs.prices['metric']:.2f} each further model; ten are free",
        ),
        (
            f"{costs.alarms} alarms",
            "`Monitoring=true`, the default",
            f"{alarms:.2f}; {beyond:.2f} in an account without others",
        ),
        (
            "the dashboard",
            "`Monitoring=true`",
            f"0.00; {costs.prices['dashboard']:.2f} in an account with three others",
        ),
        ("snapshot of classify", "`SnapStart=true`", f"{costs.snapshot('classify'):.2f}"),
        ("snapshot of recommend", "`SnapStart=true`", f"{costs.snapshot('recommend'):.2f}"),
        ("an instance of classify", "`ClassifyProvisioned=1`", f"{costs.provisioned('classify'):.2f}"),
        ("an instance of recommend", "`RecommendProvisioned=1`", f"{costs.provisioned('recommend'):.2f}"),
    ]
    return _table(("a month without calls", "when", "dollars"), rows)


def _calls(costs: Costs) -> str:
    heads = ("a million calls", "Lambda time", "Lambda requests", "HTTP API", "logs", "total", "each 100 ms more")
    rows = [
        (
            f"{name}, {costs.measured[f'{name}_ms']:.0f} ms",
            *(f"{dollars:.2f}" for dollars in costs.calls(name)),
            f"{costs.hundred_milliseconds(name):.2f}",
        )
        for name in CALLED
    ]
    more = [
        (
            f"{name}, {costs.measured[f'{name}_cold_ms']:.0f} ms",
            f"{costs.cold_starts(name):.3f}",
            f"{costs.restores(name):.3f}",
        )
        for name in CALLED
    ]
    more_heads = ("a thousand cold starts", "dollars", "additional for restoring snapshots")
    return f"{_table(heads, rows)}\n{_table(more_heads, more)}"


def _events(costs: Costs) -> str:
    heads = ("a million events", "HTTP API, logs", "Lambda", "DynamoDB", "SQS", "event log, S3", "total")
    rows = [
        (name, *(f"{dollars:.2f}" for dollars in costs.events(together)))
        for name, together in (("one a request", 1), (f"{VISIT} of a user a request", VISIT))
    ]
    return _table(heads, rows)


def _others(costs: Costs) -> str:
    traces, gets = costs.prices["traces"] * costs.assumed["traced"], costs.prices["s3_get"]
    logs = costs.assumed["log_bytes"] * 1e-3 * costs.prices["logs_kept"]
    rows = [
        ("traces of a million calls, 5 % sampled", "`Tracing=true`", f"{traces:.2f}"),
        ("storage of the logs of a million calls, per month", "always", f"{logs:.3f} at most"),
        (
            "metrics of a model that answers in every hour of a month, with errors and cold starts",
            "with calls only",
            f"classifier {costs.request_metrics(7):.2f}, recommender {costs.request_metrics(4):.2f}; ten are free",
        ),
        (
            "two range reads per call, a million calls without cached rows",
            "recommend from S3",
            f"{2 * gets:.2f}",
        ),
        (
            "reading one model's pointer twice a minute, per instance and day",
            "while it runs",
            f"{2880e-6 * gets:.4f}",
        ),
        (
            "reading live events and logging the list, a million answers",
            "models that take events",
            f"{costs.live_answers():.2f}",
        ),
        (
            "Rekognition Custom Labels, one inference unit, a month",
            "with or without calls",
            f"{HOURS * costs.prices['custom_labels']:,.0f}",
        ),
        (
            "Personalize, one campaign of one request a second, a month",
            "with or without calls",
            f"{SECONDS * 1e-3 * costs.prices['personalize']:.0f}",
        ),
    ]
    return _table(("further costs, and other services", "when", "dollars"), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def updated(page: str, markdown: str) -> str:
    """The page with the tables updated."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown}\n{END}{after}"


def main() -> None:
    """Prints the tables, and writes them with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="update docs/explanation/costs.md")
    markdown = tables(read())
    print(markdown)
    if parser.parse_args().write:
        PAGE.write_text(updated(PAGE.read_text(encoding="utf-8"), markdown), encoding="utf-8")


if __name__ == "__main__":
    main()
