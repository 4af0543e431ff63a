"""What must hold of what AWS delivers: it is there only for who wants it, and nothing of it is lost in silence."""

import json
import re

from checking import check, expect
from conditions import Chosen


@check
def who_is_delivered_nothing_has_nothing_of_it(template, code):
    for front in ["function-url", "http-api"]:
        chosen = Chosen(template.whole, {"Front": front})
        for section in ["Resources", "Outputs"]:
            for name, found in chosen.resolved(section).items():
                found.pop("Metadata", None)
                mentioned = re.findall(r"\w*Feed\w*|kinesis", name + json.dumps(found))
                expect(mentioned, [], f"{front}: {name} without a feed, what it says of one")
        body, variables = chosen.resolved("Resources")["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
        expect(("${WhatAwsDelivers}" in body, variables["WhatAwsDelivers"]), (True, ""), "the dashboard")


@check
def a_feed_is_there_when_anything_says_what_is_delivered(template, code):
    everything = {name for name in template.resources if name.startswith("Feed")}
    stream = {"FeedStreamSource", "FeedStreamWaits"}
    without = {
        "FeedSources": stream,
        "FeedTopics": stream | {"FeedRule"},
        "FeedStreamArn": {"FeedRule"},
        **{parameter: everything for parameter in ["FeedBuckets", "FeedKeys", "FeedBus", "FeedConcurrency"]},
    }
    for parameter, lacking in without.items():
        found = {name for name in Chosen(template.whole, {parameter: "a,b"}).names() if name.startswith("Feed")}
        expect(found, everything - lacking, f"resources with {parameter} alone")


@check
def a_delivery_is_tried_again_and_then_kept(template, code):
    queue, source, function = template["FeedQueue"], template["FeedQueueSource"], template["FeedFunction"]
    if queue["VisibilityTimeout"] < 6 * function["Timeout"]:
        raise AssertionError("what is being tried is handed out again: AWS wants six times the function's time-out")
    letters = {"Fn::GetAtt": ["FeedDeadLetters", "Arn"]}
    expect(queue["RedrivePolicy"], {"deadLetterTargetArn": letters, "maxReceiveCount": 5}, "RedrivePolicy")
    expect(source["EventSourceArn"], {"Fn::GetAtt": ["FeedQueue", "Arn"]}, "what is mapped")
    expect(source["FunctionResponseTypes"], ["ReportBatchItemFailures"], "FunctionResponseTypes")
    lanes = {"Ref": "FeedConcurrency"}
    expect(function["ReservedConcurrentExecutions"]["Fn::If"][:2], ["ReservesFeed", lanes], "what is reserved")
    limit = ["ReservesFeed", {"MaximumConcurrency": lanes}]
    expect(source["ScalingConfig"]["Fn::If"][:2], limit, "what the queue uses of it")
    for name in ["FeedQueueSource", "FeedStreamSource"]:
        expect(template[name]["FunctionName"], {"Ref": "FeedFunction"}, f"{name}, function")
        if "FilterCriteria" in template[name]:
            raise AssertionError(f"{name}: a filter of a queue deletes what it does not let through")


@check
def records_of_a_stream_are_given_up_late_and_not_in_silence(template, code):
    source = template["FeedStreamSource"]
    expect(source["EventSourceArn"], {"Ref": "FeedStreamArn"}, "what is mapped")
    expect(source["FunctionResponseTypes"], ["ReportBatchItemFailures"], "FunctionResponseTypes")
    expect(source["BisectBatchOnFunctionError"], True, "BisectBatchOnFunctionError")
    expect(source["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0], "FeedDeadLetters", "dead letters")
    for bound in ["MaximumRetryAttempts", "MaximumRecordAgeInSeconds"]:
        expect(source[bound], template["FoldSource"][bound], f"{bound}, for the reasons of the fold,")


@check
def the_rule_takes_the_named_sources_of_its_bus_and_loses_none(template, code):
    rule = template["FeedRule"]
    expect(rule["EventPattern"], {"source": {"Ref": "FeedSources"}}, "pattern")
    expect(rule["EventBusName"], {"Ref": "FeedBus"}, "bus")
    (target,) = rule["Targets"]
    expect(target["Arn"], {"Fn::GetAtt": ["FeedQueue", "Arn"]}, "target")
    expect(target["DeadLetterConfig"]["Arn"], {"Fn::GetAtt": ["FeedDeadLetters", "Arn"]}, "dead letters")
    expect({"Input", "InputPath", "InputTransformer"} & set(target), set(), "what would change an event")


@check
def rule_and_topics_may_use_the_key_of_the_queue_and_nobody_new(template, code):
    key = template.policy("Key")
    expect(set(key), {"Account", "Logs", "Alarms", "FeedRule", "FeedTopics"}, "statements")
    account = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    topics = {"ArnEquals": {"aws:SourceArn": {"Ref": "FeedTopics"}}}
    for name, service, condition in [("FeedRule", "events", account), ("FeedTopics", "sns", topics)]:
        expect(key[name]["Principal"], {"Service": f"{service}.amazonaws.com"}, f"{name}, principal")
        expect(key[name]["Action"], ["kms:Decrypt", "kms:GenerateDataKey"], f"{name}, actions")
        expect(key[name]["Condition"], condition, f"{name}, condition")


@check
def the_feed_reads_objects_of_the_named_buckets_only(template, code):
    found = {statement["Sid"]: statement for statement in template.statements("FeedRole")}
    objects = found["ReadObjectsThatNotificationsName"]
    names = {"Fn::Join": ["/*,arn:*:s3:::", {"Ref": "FeedBuckets"}]}
    arns = {"Fn::Split": [",", {"Fn::Sub": ["arn:*:s3:::${Names}/*", {"Names": names}]}]}
    expect((objects["Action"], objects["Resource"]), ("s3:GetObject", arns), "objects")
    expect(found["DecryptObjectsAndRecords"]["Resource"], {"Ref": "FeedKeys"}, "keys of objects")
    expect(found["ReadTheStream"]["Resource"], {"Ref": "FeedStreamArn"}, "stream")
    expect(found["TakeFromTheQueue"]["Resource"], {"Fn::GetAtt": ["FeedQueue", "Arn"]}, "queue")
    expect(found["SendDeadLetters"]["Resource"], {"Fn::GetAtt": ["FeedDeadLetters", "Arn"]}, "dead letters")


@check
def what_is_not_taken_rings_before_it_is_a_dead_letter(template, code):
    queue, alarm = template["FeedQueue"], template["FeedWaits"]
    attempt = queue["VisibilityTimeout"]
    # SQS leaves out of its oldest message's age what it has handed out more than three times.
    counted = attempt * min(3, queue["RedrivePolicy"]["maxReceiveCount"])
    rings = alarm["Threshold"] + alarm["DatapointsToAlarm"] * alarm["Period"]
    if not attempt < alarm["Threshold"] < rings < counted:
        raise AssertionError(f"it rings after {rings} s; an attempt takes {attempt} s, and {counted} s are counted")
