"""What must hold of what is sent: wakes are hidden as long as the code says, nothing is given up in silence, and who signs for AWS
can do nothing else."""

import tomllib
from pathlib import Path

from checking import check, expect, listed

WORKER, LOCK, QUEUE = "outbound/src/worker.rs", "model/src/sending/lock.rs", "store/src/aws/queue.rs"
PLUGINS = Path(__file__).resolve().parent.parent / "plugins"


@check
def a_wake_is_hidden_as_long_as_the_code_says_and_a_turn_ends_before(template, code):
    queue, function, source = template["Wakes"], template["SendFunction"], template["SendSource"]
    expect(queue["VisibilityTimeout"], code.number(WORKER, "VISIBILITY_S"), "VisibilityTimeout of Wakes, VISIBILITY_S of the worker")
    # A turn that is cut leaves a marker for LEASE_MS at most: when its wake comes again, that is over.
    turn_ms = 1000 * code.number(WORKER, "VISIBILITY_S") - code.number(LOCK, "LEASE_MS") - 10_000
    if not turn_ms < 1000 * function["Timeout"] < 1000 * queue["VisibilityTimeout"]:
        raise AssertionError(f"a turn takes {turn_ms} ms, the function {function['Timeout']} s")
    letters = {"Fn::GetAtt": ["WakeDeadLetters", "Arn"]}
    expect(queue["RedrivePolicy"], {"deadLetterTargetArn": letters, "maxReceiveCount": 20}, "RedrivePolicy")
    expect("FifoQueue" in queue, False, "an ordered queue, in which a wake cannot be delayed,")
    lanes = {"Ref": "SendConcurrency"}
    expect(function["ReservedConcurrentExecutions"]["Fn::If"][:2], ["ReservesSend", lanes], "what is reserved")
    expect(source["ScalingConfig"]["Fn::If"][:2], ["ReservesSend", {"MaximumConcurrency": lanes}], "what the queue uses of it")


@check
def what_is_given_up_is_ended_and_what_cannot_be_is_kept(template, code):
    for name, queue, function in [("SendSource", "Wakes", "SendFunction"), ("DueSource", "WakeDeadLetters", "DueFunction")]:
        source = template[name]
        expect(source["EventSourceArn"], {"Fn::GetAtt": [queue, "Arn"]}, f"{name}, what is mapped")
        expect(source["FunctionName"], {"Ref": function}, f"{name}, function")
        expect(source["FunctionResponseTypes"], ["ReportBatchItemFailures"], f"{name}, FunctionResponseTypes")
        if "FilterCriteria" in source:
            raise AssertionError(f"{name}: a filter of a queue deletes what it does not let through")
    expect("RedrivePolicy" in template["WakeDeadLetters"], False, "dead letters of dead letters")
    if template["WakeDeadLetters"]["VisibilityTimeout"] < 6 * template["DueFunction"]["Timeout"]:
        raise AssertionError("what is being ended is handed out again: AWS wants six times the function's time-out")
    rings = template["WakesWait"]["Threshold"]
    if rings < code.number(QUEUE, "DELAY_S_MAX") + 2 * template["Wakes"]["VisibilityTimeout"]:
        raise AssertionError("a wake that is only delayed rings")


@check
def what_is_due_is_looked_at_each_minute_and_by_nobody_else(template, code):
    rule, permission = template["DueRule"], template["DueMayBeInvokedByItsRule"]
    expect(rule["ScheduleExpression"], "rate(1 minute)", "schedule")
    (target,) = rule["Targets"]
    expect((target["Arn"], target["Input"]), ({"Fn::GetAtt": ["DueFunction", "Arn"]}, '{"due": "tick"}'), "target")
    expect(permission["Principal"], "events.amazonaws.com", "who may call it")
    expect(permission["SourceArn"], {"Fn::GetAtt": ["DueRule", "Arn"]}, "for which rule")
    expect(template["DueInvokedOnce"]["MaximumRetryAttempts"], 0, "attempts of a tick")


@check
def who_signs_for_aws_sends_and_does_nothing_else(template, code):
    asked = set()
    for manifest in sorted(PLUGINS.glob("*/connector.toml")):
        services = tomllib.loads(manifest.read_text(encoding="utf-8")).get("aws", {})
        asked |= {f"{service}:{action}" for service, actions in services.items() for action in actions}
    (statement,) = template.statements("SigningRole")
    expect(set(listed(statement["Action"])), asked, "SigningRole, actions: those that manifests ask for")
    expect(statement["Resource"], {"Ref": "MessagingArns"}, "SigningRole, resources")
    trust = template["SigningRole"]["AssumeRolePolicyDocument"]["Statement"]
    expect([found["Principal"] for found in trust], [{"AWS": {"Fn::GetAtt": ["SendRole", "Arn"]}}], "who may sign")
    policy = template["SendMaySign"]
    expect(policy["Roles"], [{"Ref": "SendRole"}], "whose policy it is")
    (may,) = policy["PolicyDocument"]["Statement"]
    expect((may["Action"], may["Resource"]), ("sts:AssumeRole", {"Fn::GetAtt": ["SigningRole", "Arn"]}), "what it may sign with")
    for name in ["SigningRole", "SendMaySign"]:
        expect(template.resources[name].get("Condition"), "HasMessaging", f"{name}, condition")


@check
def the_sender_reaches_messages_and_nothing_that_people_decide(template, code):
    reached = {}
    for role in ["SendRole", "DueRole"]:
        for statement in template.statements(role):
            keys = statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])
            for key in keys:
                actions = {action.split(":")[1] for action in listed(statement["Action"])}
                reached.setdefault(role, {}).setdefault(key["Fn::Sub"].removeprefix("${Tenant}#"), set()).update(actions)
    cursor = {"GetItem", "PutItem"}
    wanted = {
        "SendRole": {
            "E#*": {"BatchWriteItem", "ConditionCheckItem", "GetItem", "PutItem", "Query", "UpdateItem"},
            "W#*": cursor,
            "R#*": {"GetItem", "UpdateItem"},
            "N#tenant-key": {"GetItem"},
        },
        "DueRole": {
            "E#*": {"ConditionCheckItem", "GetItem", "Query", "UpdateItem"},
            "W#*": cursor | {"DeleteItem", "Query", "UpdateItem"},
            "N#tenant-key": {"GetItem"},
        },
    }
    expect(reached, wanted, "items that the sender reaches")
