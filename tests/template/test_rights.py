"""The rights of each function's role: single actions on the prefixes that it needs, and nothing else."""

from collections.abc import Callable, Iterator
from typing import Any

from larder_local.gateway.cloudformation import ACCOUNT
from larder_local.gateway.cloudformation import REGION as LOCAL_REGION

Tree = dict[str, Any]
Stack = Callable[..., Tree]
ARN, REGION = "arn:aws", f"{LOCAL_REGION}:{ACCOUNT}"

# The rights to read, which the functions of requests have. Others are listed below, with the reason.
READS = {"s3:GetObject Bucket.Arn/models/*", "s3:GetObject Bucket.Arn/keys/*", "s3:ListBucket Bucket.Arn models/*"}
GRANTED = {
    "ClassifyRole": READS | {"s3:GetObject Bucket.Arn/uploads/*"},
    "RecommendRole": READS - {"s3:ListBucket Bucket.Arn models/*"}
    | {
        "s3:ListBucket Bucket.Arn models/* logs/*",
        "s3:GetObject Bucket.Arn/logs/*/statistics.json",
        "dynamodb:BatchGetItem EventsTable.Arn",
        "dynamodb:Query EventsTable.Arn",
        "dynamodb:BatchGetItem EventsTable.Arn/index/by-version",
        "dynamodb:Query EventsTable.Arn/index/by-version",
        "sqs:SendMessage EventsQueue.Arn",
    },
    "ModelsRole": READS - {"s3:ListBucket Bucket.Arn models/*"}
    | {"s3:ListBucket Bucket.Arn models/* logs/*/attribution/*", "s3:GetObject Bucket.Arn/logs/*/attribution/*"}
    | {
        f"s3:PutObject Bucket.Arn/models/*/{name}"
        for name in ("filters.json", "events.json", "policy.json", "schedule.json", "live.json", "history/*")
    }
    | {f"s3:PutObject Bucket.Arn/models/*/releases/*/{name}" for name in ("rejected.json", "rollout.json")}
    | {f"s3:PutObject Bucket.Arn/models/*/training-jobs/*/{name}.json" for name in ("request", "status", "stop")}
    | {"s3:PutObject Bucket.Arn/training-data/*", "s3:DeleteObject Bucket.Arn/models/*/releases/*"},
    "EventsRole": READS - {"s3:ListBucket Bucket.Arn models/*"}
    | {
        "sqs:SendMessage EventsQueue.Arn",
        "s3:ListBucket Bucket.Arn models/* logs/*",
        "s3:GetObject Bucket.Arn/logs/deletions.json",
        "s3:PutObject Bucket.Arn/logs/deletions.json",
    }
    | {
        f"dynamodb:{action} EventsTable.Arn{index}"
        for action in ("BatchGetItem", "BatchWriteItem", "Query", "UpdateItem")
        for index in ("", "/index/by-version")
    },
    "EventLogRole": {
        "s3:GetObject Bucket.Arn/models/*",  # the settings of events
        "s3:PutObject Bucket.Arn/models/*/training-jobs/*/request.json",  # after a number of new events
        "s3:GetObject Bucket.Arn/logs/*",
        "s3:PutObject Bucket.Arn/logs/*",
        "s3:DeleteObject Bucket.Arn/logs/*",
        "s3:ListBucket Bucket.Arn models/* logs/*",
        "sqs:ReceiveMessage EventsQueue.Arn",
        "sqs:DeleteMessage EventsQueue.Arn",
        "sqs:GetQueueAttributes EventsQueue.Arn",
    },
    # It asks the API, and records what it found.
    "HeartbeatRole": READS
    | {"s3:PutObject Bucket.Arn/models/*/heartbeats.json"}
    | {
        f"execute-api:Invoke arn:aws:execute-api:us-east-1:000000000000:Api/$default/POST/v1/models/*/{action}"
        for action in ("classify", "recommend")
    },
    # It writes only pointers with their history, reasons and records, and removes reasons and old releases.
    "RolloutRole": {
        "s3:GetObject Bucket.Arn/models/*",
        "s3:PutObject Bucket.Arn/models/*/live.json",
        "s3:PutObject Bucket.Arn/models/*/history/*",
        "s3:PutObject Bucket.Arn/models/*/releases/*/rejected.json",
        "s3:PutObject Bucket.Arn/models/*/releases/*/rollout.json",
        "s3:DeleteObject Bucket.Arn/models/*/releases/*",
        "s3:ListBucket Bucket.Arn models/*",
        "lambda:InvokeFunction ClassifyFunctionAliaslive",
        "lambda:InvokeFunction RecommendFunctionAliaslive",
    },
    # It writes the documents of training jobs and the releases that they make, and starts only Larder's jobs.
    "TrainingRole": {
        "s3:GetObject Bucket.Arn/models/*",
        "s3:ListBucket Bucket.Arn models/*",
        "s3:PutObject Bucket.Arn/models/*/releases/*",
        "s3:PutObject Bucket.Arn/models/*/training-jobs/current.json",
        "s3:DeleteObject Bucket.Arn/models/*/training-jobs/*/output/*",
        "s3:DeleteObject Bucket.Arn/models/*/training-jobs/*/checkpoints/*",
        "s3:DeleteObject Bucket.Arn/models/*/releases/*/rejected.json",
        "iam:PassRole TrainingJobRole.Arn sagemaker.amazonaws.com",
        "iam:PassRole ScheduleRole.Arn scheduler.amazonaws.com",
        f"logs:DescribeLogStreams {ARN}:logs:{REGION}:log-group:/aws/sagemaker/TrainingJobs:*",
        f"logs:GetLogEvents {ARN}:logs:{REGION}:log-group:/aws/sagemaker/TrainingJobs:log-stream:larder-*",
    }
    | {
        f"s3:PutObject Bucket.Arn/models/*/training-jobs/*/{name}"
        for name in ("request.json", "status.json", "log.txt", "trials.jsonl")
    }
    | {
        f"sagemaker:{action} {ARN}:sagemaker:{REGION}:training-job/larder-*"
        for action in ("CreateTrainingJob", "AddTags", "DescribeTrainingJob", "StopTrainingJob")
    }
    | {
        f"scheduler:{action} {ARN}:scheduler:{REGION}:schedule/ScheduleGroup/*"
        for action in ("CreateSchedule", "UpdateSchedule", "DeleteSchedule")
    },
    # What a training job may do; not the function. Its data, and nothing else of a model than its releases.
    "TrainingJobRole": {
        f"s3:GetObject Bucket.Arn/{prefix}" for prefix in ("training-data/*", "logs/*", "models/*/releases/*")
    }
    | {
        "s3:ListBucket Bucket.Arn training-data/* logs/* models/*",
        "s3:PutObject Bucket.Arn/models/*/training-jobs/*/output/*",
        "cloudwatch:PutMetricData * /aws/sagemaker/TrainingJobs",
        "ecr:GetAuthorizationToken *",
    }
    | {
        f"s3:{action} Bucket.Arn/models/*/training-jobs/*/checkpoints/*"
        for action in ("GetObject", "PutObject", "DeleteObject")
    }
    | {
        f"ecr:{action} {ARN}:ecr:{REGION}:repository/*"
        for action in ("BatchCheckLayerAvailability", "GetDownloadUrlForLayer", "BatchGetImage")
    }
    | {
        f"logs:{action} {ARN}:logs:{REGION}:log-group:/aws/sagemaker/TrainingJobs:*"
        for action in ("CreateLogGroup", "CreateLogStream", "PutLogEvents", "DescribeLogStreams")
    },
    "RetrainRole": {"lambda:InvokeFunction TrainingFunction.Arn"},
    "TrainingRequestRole": {"states:StartExecution Retrain"},
    "ScheduleRole": {f"lambda:InvokeFunction {ARN}:lambda:{REGION}:function:local-TrainingFunction-*"},
}
# The services that assume the other roles than those of functions.
ASSUMED_BY = {
    "TrainingJobRole": "sagemaker.amazonaws.com",
    "RetrainRole": "states.amazonaws.com",
    "TrainingRequestRole": "events.amazonaws.com",
    "ScheduleRole": "scheduler.amazonaws.com",
}
# What has no resource; a condition limits the first of them.
WITHOUT_RESOURCE = {"cloudwatch:PutMetricData", "ecr:GetAuthorizationToken"}


def of_type(resources: Tree, kind: str) -> Tree:
    """The properties of the resources of one type."""
    return {name: resource.get("Properties", {}) for name, resource in resources.items() if resource["Type"] == kind}


def statements(deployed: Tree) -> Iterator[tuple[str, Tree]]:
    """Every statement of every role's policies, with the role's logical id."""
    for name, role in of_type(deployed, "AWS::IAM::Role").items():
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_every_role_allows_what_its_function_needs_and_nothing_else(stack: Stack) -> None:
    deployed = stack()
    granted: dict[str, set[str]] = {}
    for role, statement in statements(deployed):
        assert statement["Effect"] == "Allow"
        tests = statement.get("Condition", {}).values()
        conditions = [value for test in tests for values in test.values() for value in listed(values)]
        for resource in listed(statement["Resource"]):
            scope = " ".join([resource, *conditions])
            granted.setdefault(role, set()).update(f"{action} {scope}" for action in listed(statement["Action"]))
    logs = {
        role: {f"logs:{action} {role.removesuffix('Role')}Logs.Arn" for action in ("CreateLogStream", "PutLogEvents")}
        for role in granted.keys() - ASSUMED_BY.keys()
    }
    logs |= {role: set() for role in ASSUMED_BY}
    assert {role: rights - logs[role] for role, rights in granted.items()} == GRANTED
    assert all(logs[role] <= rights for role, rights in granted.items())


def test_no_statement_has_a_wildcard_for_an_action_or_a_whole_resource(stack: Stack) -> None:
    for role, statement in statements(stack()):
        assert not any("*" in action for action in listed(statement["Action"])), role
        assert "*" not in listed(statement["Resource"]) or set(listed(statement["Action"])) <= WITHOUT_RESOURCE, role
        assert "NotAction" not in statement
        assert "NotResource" not in statement


def test_only_tracing_needs_all_resources(stack: Stack) -> None:
    assert not of_type(stack(), "AWS::IAM::Policy")
    (policy,) = of_type(stack(Tracing="true"), "AWS::IAM::Policy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    assert statement["Resource"] == "*"
    assert sorted(policy["Roles"]) == sorted(
        (of_type(stack(), "AWS::IAM::Role").keys() - ASSUMED_BY.keys()) | {"RetrainRole"}
    )


def test_a_key_of_kms_is_only_for_who_reads_the_keys(stack: Stack) -> None:
    arn = "arn:aws:kms:eu-central-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    (policy,) = of_type(stack(KeysKmsKey=arn), "AWS::IAM::Policy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("kms:Decrypt", arn)
    assert sorted(policy["Roles"]) == ["ClassifyRole", "EventsRole", "HeartbeatRole", "ModelsRole", "RecommendRole"]


def test_each_function_has_its_own_role_and_one_service_may_assume_each_role(stack: Stack) -> None:
    deployed = stack()
    roles = of_type(deployed, "AWS::IAM::Role")
    for name, role in roles.items():
        (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
        service = ASSUMED_BY.get(name, "lambda.amazonaws.com")
        assert (trusted["Principal"], trusted["Action"]) == ({"Service": service}, "sts:AssumeRole")
        assert "ManagedPolicyArns" not in role, "AWS's policies allow every log group of the account"
    taken = [resource["Role"] for resource in of_type(deployed, "AWS::Lambda::Function").values()]
    assert sorted(taken) == sorted(f"{name}.Arn" for name in roles.keys() - ASSUMED_BY.keys())
