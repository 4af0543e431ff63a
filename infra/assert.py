#!/usr/bin/env python3
"""What must hold of the translated template: `assert.py TRANSLATED.json`.

Emulators forget half of what a template says and linters know nothing of this program. So what matters is said here
once more: how data is kept, what rings, and that each role may do what the code does, and nothing else (actions.py).
"""

import json
import re
import sys
from pathlib import Path

import feed  # noqa: F401, its checks register themselves
import sending  # noqa: F401, likewise
from actions import Code
from checking import Template, check, checks, expect, listed, of_what, text_of

REPOSITORY = Path(__file__).resolve().parent.parent
ROLES = {role: f"{role.capitalize()}Role" for role in ["webhook", "feed", "api", "fold", "send", "due"]}
FUNCTIONS = {role: f"{role.capitalize()}Function" for role in ROLES}
# What the functions could be told and never are: it puts a server of the machine into every provider's place, for the emulator.
NEVER_TOLD = {"RAPPORT_STAND_IN"}

# What Lambda itself does with a role, and no line of code: its log; what wakes the fold and the feed, and dead letters.
BY_LAMBDA = {
    "webhook": {"logs:CreateLogStream", "logs:PutLogEvents"},
    "feed": {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kinesis:SubscribeToShard",
        "sqs:SendMessage",
    },
    "api": {"logs:CreateLogStream", "logs:PutLogEvents"},
    "fold": {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        "sqs:SendMessage",
    },
    "send": {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    },
    "due": {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    },
}
# What an encrypted table and bucket want of whoever reads or writes them, through these services only. The sets are
# those that the AWS CDK gives to readers and to writers.
KEY_READ = {"kms:Decrypt", "kms:DescribeKey"}
KEY_WRITE = KEY_READ | {"kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"}

# ------------------------------------------------------------------------------------------------------------ the data


@check
def the_table_is_kept_encrypted_and_can_be_set_back(template, code):
    table = template["Table"]
    expect(table["BillingMode"], "PAY_PER_REQUEST", "BillingMode")
    expect(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], True, "point-in-time recovery")
    expect(table["SSESpecification"]["SSEType"], "KMS", "SSEType")
    expect(table["SSESpecification"]["KMSMasterKeyId"], {"Fn::GetAtt": ["Key", "Arn"]}, "KMSMasterKeyId")
    expect(table["DeletionProtectionEnabled"], {"Ref": "DeletionProtection"}, "DeletionProtectionEnabled")


@check
def the_table_is_the_one_that_the_code_makes_for_itself(template, code):
    table = template["Table"]
    expect([(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]], code.table_keys(), "keys")
    expect(table["TimeToLiveSpecification"], {"AttributeName": code.text("TTL"), "Enabled": True}, "time to live")
    expect(table["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES", "stream")
    expect(table.get("GlobalSecondaryIndexes", []), [], "indexes, of which the code reads none,")


@check
def data_outlives_the_stack(template, code):
    for name in ["Table", "Blobs", "BlobsPolicy", "Key"]:
        for policy in ["DeletionPolicy", "UpdateReplacePolicy"]:
            expect(template.resources[name].get(policy), "Retain", f"{name}, {policy}")


@check
def large_bodies_are_private_encrypted_and_do_not_pile_up(template, code):
    bucket = template["Blobs"]
    expect(set(bucket["PublicAccessBlockConfiguration"].values()), {True}, "public access block")
    expect(len(bucket["PublicAccessBlockConfiguration"]), 4, "public access block")
    expect(bucket["OwnershipControls"]["Rules"], [{"ObjectOwnership": "BucketOwnerEnforced"}], "ownership")
    encryption = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    expect(encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"], "aws:kms", "algorithm")
    expect(encryption["BucketKeyEnabled"], True, "bucket key")
    rules = bucket["LifecycleConfiguration"]["Rules"]
    expect({rule["Status"] for rule in rules}, {"Enabled"}, "lifecycle")
    days = [rule["NoncurrentVersionExpiration"]["NoncurrentDays"] for rule in rules if rule["Id"] == "deleted"]
    recovery = template["Table"]["PointInTimeRecoverySpecification"]["RecoveryPeriodInDays"]
    expect(days, [recovery], "days that deleted bodies are kept, those of the table's recovery,")
    if any("ExpirationInDays" in rule or "ExpirationDate" in rule for rule in rules):
        raise AssertionError("a rule deletes current bodies, which events refer to")


@check
def the_key_turns_over(template, code):
    expect(template["Key"]["EnableKeyRotation"], True, "EnableKeyRotation")


@check
def bucket_and_queues_are_reached_by_tls_only(template, code):
    policies = template.of_type("AWS::S3::BucketPolicy") | template.of_type("AWS::SQS::QueuePolicy")
    protected = [reference["Ref"] for name in policies for reference in of_what(template[name])]
    there = template.of_type("AWS::S3::Bucket") | template.of_type("AWS::SQS::Queue")
    expect(sorted(there), sorted(protected), "what needs one")
    for name in policies:
        denied = template.policy(name)["OnlyByTls"]
        expect((denied["Effect"], denied["Principal"]), ("Deny", "*"), f"{name}, who is denied plain HTTP")
        expect(denied["Condition"], {"Bool": {"aws:SecureTransport": "false"}}, f"{name}, condition")
        expect(denied["Action"] in ("s3:*", "sqs:*"), True, f"{name}, what is denied")


@check
def nobody_else_is_let_in_by_a_policy_of_bucket_or_queue(template, code):
    rule, topics = {"Fn::GetAtt": ["FeedRule", "Arn"]}, {"Ref": "FeedTopics"}
    wanted = {
        ("FeedQueuePolicy", "FeedQueue"): {"events.amazonaws.com": rule, "sns.amazonaws.com": topics},
        ("FeedDeadLettersPolicy", "FeedDeadLetters"): {"events.amazonaws.com": rule},
        ("DeadLettersPolicy", "DeadLetters"): {},
        ("WakesPolicy", "Wakes"): {},
        ("WakeDeadLettersPolicy", "WakeDeadLetters"): {},
        ("BlobsPolicy", "Blobs"): {},
    }
    expect(
        {name for name, _ in wanted},
        set(template.of_type("AWS::S3::BucketPolicy") | template.of_type("AWS::SQS::QueuePolicy")),
        "policies",
    )
    for (name, queue), senders in wanted.items():
        allowed = [statement for statement in template.policy(name).values() if statement["Effect"] != "Deny"]
        found = {}
        for statement in allowed:
            (service,) = statement["Principal"].values()
            found[service] = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
            expect(statement["Principal"], {"Service": service}, f"{name}, principal")
            expect(statement["Action"], "sqs:SendMessage", f"{name}, action")
            expect(statement["Resource"], {"Fn::GetAtt": [queue, "Arn"]}, f"{name}, resource")
        expect(found, senders, f"{name}, who may send")


@check
def the_tags_say_whose_it_is(template, code):
    queues = template.of_type("AWS::SQS::Queue")
    for name in ["Table", "Blobs", "Key", *queues, "Alarms", "FeedRule", "DueRule", *FUNCTIONS.values()]:
        tags = {tag["Key"]: tag["Value"] for tag in template[name]["Tags"]}
        expect((tags.get("service"), tags.get("stage")), ("rapport", {"Ref": "Stage"}), f"{name}, tags")


# ----------------------------------------------------------------------------------------------------------- the roles


@check
def each_function_has_a_role_of_its_own_with_nothing_but_its_policy(template, code):
    roles = [template[name]["Role"]["Fn::GetAtt"][0] for name in FUNCTIONS.values()]
    expect(roles, list(ROLES.values()), "roles")
    expect(set(template.of_type("AWS::IAM::Role")), {*roles, "SigningRole"}, "roles of the stack")
    for role in roles:
        expect(template[role].get("ManagedPolicyArns", []), [], f"{role}, managed policies")
        trusted = [found["Principal"] for found in template[role]["AssumeRolePolicyDocument"]["Statement"]]
        expect(trusted, [{"Service": "lambda.amazonaws.com"}], f"{role}, who may take it")
        if "PermissionsBoundary" not in template[role]:
            raise AssertionError(f"{role} takes no permissions boundary")
    policies = {**template.of_type("AWS::IAM::Policy"), **template.of_type("AWS::IAM::ManagedPolicy")}
    expect(list(policies), ["SendMaySign"], "policies beside the roles")


@check
def no_role_has_a_star(template, code):
    for role in ROLES.values():
        for statement in template.statements(role):
            expect(statement["Effect"], "Allow", f"{role}, {statement['Sid']}")
            for action in listed(statement["Action"]):
                if "*" in action:
                    raise AssertionError(f"{role}, {statement['Sid']}: action `{action}`")
            for resource in listed(statement["Resource"]):
                if text_of(resource) in ("*", "arn:*"):
                    raise AssertionError(f"{role}, {statement['Sid']}: any resource")
            if "NotAction" in statement or "NotResource" in statement:
                raise AssertionError(f"{role}, {statement['Sid']} says what it does not mean")


@check
def a_role_reaches_items_of_its_tenant_only(template, code):
    items = {"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "BatchGetItem", "ConditionCheckItem", "Scan"}
    for role in ROLES.values():
        for statement in template.statements(role):
            if not {f"dynamodb:{item}" for item in items} & set(listed(statement["Action"])):
                continue
            # A scan has no leading keys to look at: whoever may scan may do it alone, and says what for.
            if listed(statement["Action"]) == ["dynamodb:Scan"] and role == "ApiRole":
                continue
            # Without it, the other condition holds where there are no keys at all.
            none = statement.get("Condition", {}).get("Null", {})
            expect(none, {"dynamodb:LeadingKeys": "false"}, f"{role}, {statement['Sid']}, a request without keys")
            keys = statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])
            keys = [text_of(key) for key in keys]
            if not keys or not all(key.startswith("${Tenant}#") for key in keys):
                raise AssertionError(f"{role}, {statement['Sid']}: keys {keys}")


@check
def what_takes_webhooks_and_deliveries_cannot_read_what_was_said(template, code):
    for role in ["WebhookRole", "FeedRole"]:
        for statement in template.statements(role):
            actions = set(listed(statement["Action"]))
            if "dynamodb:GetItem" in actions:
                keys = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
                expect([text_of(key) for key in keys], ["${Tenant}#N#tenant-key"], f"items that {role} reads")
            forbidden = {"dynamodb:Query", "dynamodb:Scan", "dynamodb:BatchGetItem", "s3:GetObject", "s3:ListBucket"}
            if role == "FeedRole" and statement["Sid"] == "ReadObjectsThatNotificationsName":
                forbidden.remove("s3:GetObject")
            expect(actions & forbidden, set(), f"{role}, {statement['Sid']}")
            if "dynamodb:UpdateItem" in actions:
                # An update names a whole key. The lock of a conversation is among an endpoint's items, and there alone.
                expect(actions, {"dynamodb:UpdateItem"}, f"{role}, {statement['Sid']}, actions")
                keys = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
                expect([text_of(key) for key in keys], ["${Tenant}#E#*"], f"items that {role} updates")


@check
def what_answers_the_api_keeps_to_people_and_what_is_said_of_them(template, code):
    people = {"${Tenant}#E#*", "${Tenant}#P#*", "${Tenant}#G#*", "${Tenant}#X#*"}
    for statement in template.statements("ApiRole"):
        actions = set(listed(statement["Action"]))
        expect(actions & {"events:PutEvents"}, set(), statement["Sid"])
        if "sqs:SendMessage" in actions:
            expect(statement["Resource"], {"Fn::GetAtt": ["Wakes", "Arn"]}, "where it puts messages")
        if statement["Sid"] in ("AppendToTheAuditAndReadIt", "ClaimIdempotencyKeys"):
            continue
        if actions & {"dynamodb:PutItem", "dynamodb:UpdateItem"}:
            keys = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
            # A person lets a connection send again: an update of one item, which nobody may put or delete.
            if statement["Sid"] == "SeeAndResumeConnections":
                expect(actions, {"dynamodb:GetItem", "dynamodb:UpdateItem"}, statement["Sid"])
                expect([text_of(key) for key in keys], ["${Tenant}#R#*"], statement["Sid"])
                continue
            expect({text_of(key) for key in keys}, people, "items that it writes")


@check
def the_audit_is_appended_to_by_the_api_and_changed_by_nobody(template, code):
    audit = f"${{Tenant}}{code.audit_key()}*"
    expect(audit, "${Tenant}#U#*", "the audit's key in keys.rs")
    for role in ROLES.values():
        for statement in template.statements(role):
            keys = statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])
            if audit in [text_of(key) for key in keys]:
                expect(role, "ApiRole", "who reaches the audit")
                expect(keys, [{"Fn::Sub": audit}], "what else that statement is about")
                expect(set(listed(statement["Action"])), {"dynamodb:PutItem", "dynamodb:Query"}, "what may be done with it")


@check
def an_idempotency_key_is_claimed_by_the_api_and_given_back_by_nobody(template, code):
    claims = f"${{Tenant}}{code.claim_key()}*"
    expect(claims, "${Tenant}#I#*", "the key of a claim in keys.rs")
    found = []
    for role in ROLES.values():
        for statement in template.statements(role):
            keys = statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])
            if claims in [text_of(key) for key in keys]:
                expect(keys, [{"Fn::Sub": claims}], "what else that statement is about")
                expect(set(listed(statement["Action"])), {"dynamodb:GetItem", "dynamodb:PutItem"}, "what may be done with it")
                found.append((role, statement["Sid"]))
    expect(found, [("ApiRole", "ClaimIdempotencyKeys")], "who reaches the claims")


@check
def each_function_reads_its_own_secrets_and_no_other(template, code):
    tenant, providers, api = ({"Ref": name} for name in ["TenantSecretArn", "ProviderSecretsArn", "ApiSecretsArn"])
    wanted = {role: [tenant, providers] for role in ["webhook", "feed", "send"]}
    wanted |= {"api": [tenant, api], "fold": [tenant], "due": [tenant]}
    for role, secrets in wanted.items():
        read = [
            resource
            for statement in template.statements(ROLES[role])
            if "secretsmanager:GetSecretValue" in listed(statement["Action"])
            for resource in listed(statement["Resource"])
        ]
        expect(read, secrets, f"{ROLES[role]}, secrets")
        told = text_of(template[FUNCTIONS[role]]["Environment"]["Variables"]["RAPPORT_SECRETS"])
        names = re.findall(r"\$\{(\w+)\}", told) if isinstance(told, str) else [told["Ref"]]
        expect([{"Ref": name} for name in names], secrets, f"{FUNCTIONS[role]}, the secrets that it is told of")
    expect(len(template.whole["Rules"]["EachFunctionReadsItsOwnSecrets"]["Assertions"]), 3, "pairs that must differ")


@check
def the_front_that_comes_unasked_is_throttled(template, code):
    expect(template.whole["Parameters"]["Front"]["Default"], "http-api", "Front")
    settings = template["HttpStage"]["RouteSettings"]["ANY /v1/{proxy+}"]
    rate, burst = {"Ref": "ApiThrottleRate"}, {"Ref": "ApiThrottleBurst"}
    expect(settings, {"ThrottlingRateLimit": rate, "ThrottlingBurstLimit": burst}, "throttling of the API")
    expect(template.resources["HttpStage"]["DependsOn"], "ApiRoute", "the route that the stage names")
    defaults = [int(template.whole["Parameters"][name]["Default"]) for name in ["ApiThrottleRate", "ThrottleRate"]]
    expect(defaults, sorted(defaults), "the API's share beside that of webhooks")


@check
def a_key_is_used_through_a_service_only(template, code):
    for role in ROLES.values():
        for statement in template.statements(role):
            if any(action.startswith("kms:") for action in listed(statement["Action"])):
                services = statement.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService")
                if not services:
                    raise AssertionError(f"{role}, {statement['Sid']}: without kms:ViaService")


@check
def each_role_may_do_what_the_code_does_and_nothing_else(template, code):
    for role, name in ROLES.items():
        granted = {action for statement in template.statements(name) for action in listed(statement["Action"])}
        if role == "send":
            # The two roles name each other, so this stands beside them.
            granted |= set(listed(template.policy("SendMaySign")["AssumeTheRoleThatSigns"]["Action"]))
        used = code.actions(role)
        writes = any(re.search(r":(Put|Update)", action) for action in used)
        needed = set(used) | BY_LAMBDA[role] | (KEY_WRITE if writes else KEY_READ)
        # Who reads our own bodies has to be told when one is not there: S3 says so only to who may list the bucket.
        needed |= {"s3:ListBucket"} if "Bucket::get" in code.reached[role] else set()
        if needed - granted:
            lacking = [f"{action} ({used.get(action, 'Lambda')})" for action in sorted(needed - granted)]
            raise AssertionError(f"{name} lacks {', '.join(lacking)}")
        if granted - needed:
            raise AssertionError(f"{name} may do what nothing does: {sorted(granted - needed)}")


@check
def every_call_of_aws_in_the_code_is_accounted_for(template, code):
    code.account_for_all()


# ------------------------------------------------------------------------------------------------------- the functions


@check
def functions_are_the_roles_of_one_binary(template, code):
    for role, name in FUNCTIONS.items():
        function = template[name]
        expect((function["Handler"], function["Runtime"]), (role, "provided.al2023"), name)
        expect(function["Architectures"], [{"Ref": "Architecture"}], f"{name}, processor")
        if "ReservedConcurrentExecutions" not in function:
            raise AssertionError(f"{name}: any number of environments")


@check
def functions_are_told_what_they_ask_for(template, code):
    asked = code.environment() - NEVER_TOLD
    expect(NEVER_TOLD - code.environment(), set(), "what the code does not ask for")
    for name in FUNCTIONS.values():
        told = set(template[name]["Environment"]["Variables"])
        expect(NEVER_TOLD & told, set(), f"{name}, what it must not be told")
        if told != asked:
            raise AssertionError(f"{name}: it is told {sorted(told)}, and the code asks for {sorted(asked)}")


@check
def logs_have_an_end_and_a_key(template, code):
    groups = template.of_type("AWS::Logs::LogGroup")
    for name in groups:
        expect(template[name]["RetentionInDays"], {"Ref": "LogDays"}, f"{name}, days")
        expect(template[name]["KmsKeyId"], {"Fn::GetAtt": ["Key", "Arn"]}, f"{name}, key")
    for name in FUNCTIONS.values():
        logging = template[name]["LoggingConfig"]
        expect((logging["LogFormat"], logging["LogGroup"]["Ref"] in groups), ("JSON", True), f"{name}, log")


@check
def only_new_events_wake_the_fold_and_none_is_dropped_in_silence(template, code):
    source = template["FoldSource"]
    pattern = json.loads(text_of(source["FilterCriteria"]["Filters"][0]["Pattern"]))
    kinds = [{"prefix": kind} for kind in code.record_kinds()]
    keys = {"pk": {"S": [{"prefix": "${Tenant}#E#"}]}, "sk": {"S": kinds}}
    expect(pattern, {"eventName": ["INSERT"], "dynamodb": {"Keys": keys}}, "filter")
    expect(code.endpoint_key().startswith("{tenant}#E#"), True, "an endpoint's key in keys.rs")
    expect(source["StartingPosition"], "TRIM_HORIZON", "StartingPosition")
    expect(source["FunctionResponseTypes"], ["ReportBatchItemFailures"], "FunctionResponseTypes")
    expect(source["BisectBatchOnFunctionError"], True, "BisectBatchOnFunctionError")
    expect(source["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0], "DeadLetters", "dead letters")
    if not 0 < source["MaximumRecordAgeInSeconds"] <= 43200:
        raise AssertionError("a dead letter is useless when the stream has dropped its record, after 24 hours")
    if source["MaximumRetryAttempts"] < 10:
        raise AssertionError("a short outage would end in dead letters")


@check
def what_waits_in_a_queue_waits_as_long_as_can_be_and_encrypted(template, code):
    for name in template.of_type("AWS::SQS::Queue"):
        queue = template[name]
        expect(queue["MessageRetentionPeriod"], 14 * 24 * 3600, f"{name}, MessageRetentionPeriod")
        if name in ("DeadLetters", "Wakes", "WakeDeadLetters"):
            expect(queue["SqsManagedSseEnabled"], True, f"{name}, which says nothing about anybody: encryption")
        else:
            expect(queue["KmsMasterKeyId"], {"Fn::GetAtt": ["Key", "Arn"]}, f"{name}, which has what was said: key")


# ----------------------------------------------------------------------------------------------------- the front doors


@check
def a_function_url_has_both_permissions(template, code):
    permissions = [found["Properties"] for found in template.of_type("AWS::Lambda::Permission").values()]
    for name, url in template.of_type("AWS::Lambda::Url").items():
        expect(url.get("Condition"), "HasFunctionUrls", f"{name}, condition")
        function = url["Properties"]["TargetFunctionArn"]["Fn::GetAtt"][0]
        mine = [found for found in permissions if found["FunctionName"] == {"Ref": function}]
        by_url = {found["Action"] for found in mine if found["Principal"] == "*"}
        expect(by_url, {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}, f"{name}, permissions")
    for permission in permissions:
        if permission["Principal"] == "*":
            guard = permission.get("FunctionUrlAuthType") == "NONE" or permission.get("InvokedViaFunctionUrl") is True
            expect(guard, True, "a permission for everybody is for a function URL")


@check
def fold_feed_and_sender_have_no_door(template, code):
    for kind in ["AWS::Lambda::Url", "AWS::Lambda::Permission", "AWS::ApiGatewayV2::Integration"]:
        for name in template.of_type(kind):
            for function in ["FoldFunction", "FeedFunction", "SendFunction", "DueFunction"]:
                if name == "DueMayBeInvokedByItsRule":
                    continue
                if function in json.dumps(template[name]):
                    raise AssertionError(f"{name} leads to {function}")


@check
def the_http_api_has_the_routes_of_the_code(template, code):
    routes = template.of_type("AWS::ApiGatewayV2::Route")
    paths = {template[name]["RouteKey"].split(" ")[1] for name in routes}
    expect(paths, code.routes() | {"/v1/{proxy+}"}, "routes")
    for name in routes:
        integration = re.search(r"\$\{(\w+)\}", text_of(template[name]["Target"])).group(1)
        expect(template[integration]["PayloadFormatVersion"], "2.0", f"{integration}, payload")
    stage = template["HttpStage"]
    expect(set(stage["DefaultRouteSettings"]), {"ThrottlingRateLimit", "ThrottlingBurstLimit"}, "throttling")
    log = json.loads(stage["AccessLogSettings"]["Format"])
    for leak in ["$context.path", "identity", "authorizer"]:
        if leak in json.dumps(log):
            raise AssertionError(f"the access log says `{leak}`, which may be a secret or an address")


# ---------------------------------------------------------------------------------------------------------- the alarms


@check
def what_goes_wrong_rings(template, code):
    alarms = template.of_type("AWS::CloudWatch::Alarm")
    rings = set()
    for name in alarms:
        alarm = template[name]
        expect(alarm["AlarmActions"], [{"Ref": "Alarms"}], f"{name}, actions")
        if "AlarmDescription" not in alarm or "TreatMissingData" not in alarm:
            raise AssertionError(f"{name}: no description, or nothing about missing data")
        if alarm["Namespace"] == {"Ref": "AWS::StackName"}:
            code.expect_metric(alarm["MetricName"])
            owner = {"Ref": "program"}
        else:
            owner = alarm["Dimensions"][0]["Value"]
        owner = owner.get("Ref") or owner.get("Fn::GetAtt", ["", ""])[0] or "Table"
        rings.add((alarm["MetricName"], owner, alarm.get("Statistic") or alarm.get("ExtendedStatistic")))
    wanted = {(metric, function, "Sum") for metric in ["Errors", "Throttles"] for function in FUNCTIONS.values()}
    wanted |= {
        ("Duration", "WebhookFunction", "p99"),
        ("Url5xxCount", "WebhookFunction", "Sum"),
        ("5xx", "HttpApi", "Sum"),
        ("IteratorAge", "FoldFunction", "Maximum"),
        ("ApproximateNumberOfMessagesVisible", "DeadLetters", "Maximum"),
        ("ApproximateNumberOfMessagesVisible", "FeedDeadLetters", "Maximum"),
        ("ApproximateAgeOfOldestMessage", "FeedQueue", "Maximum"),
        ("IteratorAge", "FeedFunction", "Maximum"),
        ("WriteThrottleEvents", "Table", "Sum"),
        ("parked", "program", "Sum"),
        ("not_set_up", "program", "Sum"),
        ("api_keys_refused", "program", "Sum"),
        ("audit_not_written", "program", "Sum"),
        ("unreadable", "program", "Sum"),
        ("unreachable", "program", "Sum"),
        ("set_aside", "program", "Sum"),
        ("incomplete", "program", "Sum"),
        ("erasures_demanded", "program", "Sum"),
        ("ApproximateAgeOfOldestMessage", "Wakes", "Maximum"),
        ("NumberOfMessagesReceived", "WakeDeadLetters", "Sum"),
        ("messages_unknown", "program", "Sum"),
        ("messages_set_aside", "program", "Sum"),
        ("connections_paused", "program", "Sum"),
        ("providers_away", "program", "Sum"),
        ("turns_failed", "program", "Sum"),
        ("token_not_obtained", "program", "Sum"),
        ("not_followed", "program", "Sum"),
    }
    expect(wanted - rings, set(), "alarms that are missing")


@check
def the_dashboard_can_be_read(template, code):
    body, variables = template["Dashboard"]["DashboardBody"]["Fn::Sub"]
    condition, if_so, if_not = variables["WhatAwsDelivers"]["Fn::If"]
    expect((condition, if_not), ("HasFeed", ""), "what is shown of the feed")
    counts = set()
    for more in [text_of(if_so), if_not]:
        widgets = json.loads(body.replace("${AckAlarmMs}", "1000").replace("${WhatAwsDelivers}", more))["widgets"]
        counts.add(len(widgets))
        for widget in widgets:
            for metric in widget["properties"]["metrics"]:
                if metric[0] in ("${AWS::StackName}", "."):
                    code.expect_metric(metric[1])
    expect(counts, {14, 17}, "widgets")


@check
def alarms_can_be_heard(template, code):
    # A topic under a key that CloudWatch may not use swallows its alarms.
    expect(template["Alarms"]["KmsMasterKeyId"], {"Fn::GetAtt": ["Key", "Arn"]}, "key")
    services = [statement["Principal"].get("Service") for statement in template.policy("Key").values()]
    expect("cloudwatch.amazonaws.com" in services, True, "CloudWatch among those who may use the key")


@check
def the_package_is_the_processor_s(template, code):
    source = (REPOSITORY / "infra/template.yaml").read_text(encoding="utf-8")
    default = re.search(r"^  Architecture:\n    Type: String\n    Default: (\w+)", source, re.M).group(1)
    package = re.search(r"CodeUri: &package (\S+)", source).group(1)
    expect(package.endswith(f"-{default}.zip"), True, f"`{package}` for {default}")


def main():
    template, code = Template(sys.argv[1]), Code(REPOSITORY)
    failures = 0
    for function in checks:
        try:
            function(template, code)
        except (AssertionError, AttributeError, KeyError, ValueError) as failure:
            failures += 1
            print(f"FAILED {function.__name__}: {failure if str(failure) else type(failure).__name__}")
    print(f"{len(checks) - failures} of {len(checks)} checks hold")
    for role in ROLES:
        print(f"  {role}: {', '.join(sorted(code.actions(role)))}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
