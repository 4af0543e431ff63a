"""The template's life in an emulator: create, a webhook, update, restore, delete. See ../emulator.sh.

The emulator evaluates IAM policies (AUTH=true), so the functions work with their own roles. What it leaves out is
asserted in ../assert.py.
"""

import argparse
import http.client
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zipfile
from pathlib import Path

import boto3
from botocore.config import Config

import decided
import delivered
import leading_keys
import sent
from waiting import expect, until

INFRA = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(INFRA))
from conditions import Chosen  # noqa: E402

REGION = "eu-west-1"
STACK = "rapport-try"
# How `sam` wants a parameter that has nothing.
EMPTY = '""'
PLUGINS = INFRA.parent / "plugins"
SECRETS = {
    "tenant-key": secrets.token_hex(32),
    "api-key": secrets.token_hex(16),
    "read-key": secrets.token_hex(16),
    "desk-key": secrets.token_hex(16),
    "wa-app-secret": "test-app-secret",
    "wa-verify-token": "test-verify-token",
    "wa-access-token": "test-access-token",
}
# Which of them is in which secret, as infra/README.md makes them: by the name of the parameter, the name of the secret.
SPLIT = {
    "TenantSecretArn": ("rapport-tenant", ["tenant-key"]),
    "ProviderSecretsArn": ("rapport-providers", ["wa-app-secret", "wa-verify-token", "wa-access-token"]),
    "ApiSecretsArn": ("rapport-api", ["api-key", "read-key", "desk-key"]),
}


ROLES = ["webhook", "feed", "api", "fold", "send", "due"]
NUMBER_OF_AWS = "arn:aws:social-messaging:eu-west-1:000000000000:phone-number-id/0123456789abcdef"


# What the emulator cannot do: how often it stands in the template, and what stands there instead.
EMULATORS = [
    # It has no TLS, and would refuse everything: here it is TLS that is refused.
    ("policies that ask for TLS", 6, "aws:SecureTransport: 'false'", "aws:SecureTransport: 'true'"),
    # In a condition it knows the text of a list, and nothing that makes one.
    ("conditions of lists", 5, r"!Equals \[!Join \['', (!Ref \w+)\], ''\]", r"!Equals [\1, '']"),
    # It knows no leading keys, so none are ever there: leading_keys.py knows them.
    ("requests without leading keys", 17, r" +'Null': \{dynamodb:LeadingKeys: 'false'\}\n", ""),
    # It does not make a number of a parameter that is one.
    ("limits of a queue", 2, r"MaximumConcurrency: !Ref (Feed|Send)Concurrency", "MaximumConcurrency: 5"),
]


class Emulator:
    """One emulator process on a port of its own."""

    def __init__(self, folder):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = {
            **kept,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }
        options = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": REGION,
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",  # else it takes a fixed port for MQTT
            "TMPDIR": str(folder),
        }
        self.log = folder / "emulator.log"
        with open(self.log, "wb") as log:
            command = ["ministack"]
            self.process = subprocess.Popen(command, env={**self.environment, **options}, stdout=log, stderr=log)
        until("the emulator listens", self.listens)

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}),
        )

    def call(self, method, url, body=None, headers=None):
        """Calls what the stack calls `url`, at the emulator's address."""
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body=body, headers={"Host": parts.netloc, **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read().decode()

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Stack:
    """The stack under trial, as `sam` and the APIs of AWS see it."""

    def __init__(self, emulator, options, folder, package, provider):
        self.emulator, self.options, self.folder, self.plugins = emulator, options, folder, PLUGINS
        self.provider, self.ways = provider, leading_keys.Ways(ROLES, emulator.port)
        self.template = folder / "template.yaml"
        source = (INFRA / "template.yaml").read_text(encoding="utf-8")
        for what, count, there, here in [
            ("lines that name the package", 1, r"(CodeUri: &package )\S+", rf"\g<1>{package.path}"),
            # No provider is asked: the template never says this.
            ("what all functions are told", 1, r"( +)(RAPPORT_WAKES: .*)", rf"\1\2\n\1RAPPORT_STAND_IN: {provider.address}"),
            *EMULATORS,
        ]:
            source, changed = re.subn(there, here, source)
            expect(changed, count, what)
        for role in ROLES:
            # The way to the table that each function has.
            there, here = rf"(Handler: {role}\n(?: .*\n)*?.*Variables: {{{{?)", rf"\1AWS_ENDPOINT_URL_DYNAMODB: '{self.ways.url(role)}', "
            source, changed = re.subn(there, here, source)
            expect(changed, 1, f"the variables of `{role}`")
        self.template.write_text(source, encoding="utf-8")
        translated = folder / "translated.json"
        subprocess.run([options.translate, INFRA / "translate.py", self.template, translated], check=True)
        self.translated = json.loads(translated.read_text(encoding="utf-8"))
        self.parameters = {"Architecture": "x86_64", "TrustedKeys": package.signer, "AlarmEmail": "alarms@example.com"}
        self.cloudformation = emulator.client("cloudformation")
        emulator.client("s3").create_bucket(
            Bucket="packages", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        for parameter, (name, names) in SPLIT.items():
            text = json.dumps({one: SECRETS[one] for one in names})
            secret = emulator.client("secretsmanager").create_secret(Name=name, SecretString=text)
            self.parameters[parameter] = secret["ARN"]

    def sam(self, *command):
        done = subprocess.run(
            [self.options.sam, *command, "--stack-name", STACK, "--region", REGION],
            env=self.emulator.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise AssertionError(f"sam {command[0]} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")

    def deploy(self, **changes):
        self.parameters.update(changes)
        self.ways.hold_to(Chosen(self.translated, self.parameters).resolved("Resources"))
        overrides = [f"{name}={value or EMPTY}" for name, value in self.parameters.items()]
        self.sam(
            "deploy",
            *["--template-file", self.template, "--s3-bucket", "packages", "--capabilities", "CAPABILITY_IAM"],
            *["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--parameter-overrides", *overrides],
        )

    def outputs(self):
        stack = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def resources(self):
        """Physical ids by name."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
        found = {}
        for page in pages:
            for resource in page["StackResourceSummaries"]:
                if not resource["ResourceStatus"].startswith("DELETE"):
                    done = resource["ResourceStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
                    expect(done, True, f"{resource['LogicalResourceId']}, {resource['ResourceStatus']}")
                    found[resource["LogicalResourceId"]] = resource["PhysicalResourceId"]
        return found

    def wanted(self):
        """Names of the resources whose condition holds."""
        return Chosen(self.translated, self.parameters).names()

    def head_of(self, event):
        """What the stand-in wrote when the fold had seen an event: what went wrong."""
        key = {"pk": {"S": "main#E#probe"}, "sk": {"S": f"C#{event}"}}
        item = self.emulator.client("dynamodb").get_item(TableName=self.outputs()["TableName"], Key=key).get("Item")
        return item and item["wrong"]["S"]

    def events(self):
        """How many events are in the table."""
        items = self.emulator.client("dynamodb").scan(TableName=self.outputs()["TableName"])["Items"]
        return sum(item["sk"]["S"].startswith("V#") for item in items)


def everything_is_there(stack):
    """Each resource is complete, and there when its own service is asked: emulators have said otherwise."""
    ids = stack.resources()
    expect(set(ids), stack.wanted(), "resources")
    client = stack.emulator.client
    table = client("dynamodb").describe_table(TableName=ids["Table"])["Table"]
    expect(table["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES", "stream")
    expect(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST", "billing")
    client("s3").head_bucket(Bucket=ids["Blobs"])
    expect("OnlyByTls" in client("s3").get_bucket_policy(Bucket=ids["Blobs"])["Policy"], True, "bucket policy")
    client("kms").describe_key(KeyId=ids["Key"])
    client("sqs").get_queue_attributes(QueueUrl=ids["DeadLetters"])
    client("sns").get_topic_attributes(TopicArn=ids["Alarms"])
    client("events").describe_event_bus(Name=ids["Events"])
    client("cloudwatch").get_dashboard(DashboardName=ids["Dashboard"])
    alarms = client("cloudwatch").describe_alarms()["MetricAlarms"]
    wanted = {ids[name] for name in ids if stack.translated["Resources"][name]["Type"] == "AWS::CloudWatch::Alarm"}
    expect({alarm["AlarmName"] for alarm in alarms}, wanted, "alarms")
    groups = {group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]}
    functions = client("lambda")
    for name in ["Webhook", "Api", "Fold", "Send", "Due", *(["Feed"] if "FeedFunction" in ids else [])]:
        function = functions.get_function_configuration(FunctionName=ids[f"{name}Function"])
        expect(function["Handler"], name.lower(), f"{name}Function, handler")
        expect(function["MemorySize"], int(stack.parameters.get("MemoryMb", 512)), f"{name}Function, memory")
        expect(function["Role"].endswith(f"/{ids[f'{name}Role']}"), True, f"{name}Function, role")
        client("iam").get_role_policy(RoleName=ids[f"{name}Role"], PolicyName=name.lower())
        expect(ids[f"{name}Log"] in groups, True, f"{name}Log")
    source = functions.get_event_source_mapping(UUID=ids["FoldSource"])
    expect("V#" in source["FilterCriteria"]["Filters"][0]["Pattern"], True, "filter")
    sent.is_there(stack, ids)
    if "FeedFunction" in ids:
        delivered.is_there(stack, ids)
    if "HttpApi" in ids:
        routes = client("apigatewayv2").get_routes(ApiId=ids["HttpApi"])["Items"]
        expect(len(routes), 5, "routes")
        expect(ids["AccessLog"] in groups, True, "AccessLog")
    return len(ids)


# ------------------------------------------------------------------------------------------- what a package has to do


class Probe:
    """The stand-in: says by itself what it could not do, and could and should not."""

    signer = "0" * 64

    def __init__(self, folder):
        self.tried = 0
        self.path = folder / "rapport.zip"
        with zipfile.ZipFile(self.path, "w") as package:
            package.write(Path(__file__).parent / "bootstrap", "bootstrap")

    def try_it(self, stack):
        outputs, call = stack.outputs(), stack.emulator.call
        self.tried += 1
        event = f"probe-{self.tried}"
        expect(call("POST", outputs["WebhookBaseUrl"] + event, "{}"), (200, "{}"), "webhook")
        expect(until("the stream reached the fold", lambda: stack.head_of(event)), "{}", "fold")
        expect(call("GET", outputs["ApiBaseUrl"] + "probe"), (200, "{}"), "api")
        sent.try_roles(stack)

    def deliver(self, stack, origins):
        delivered.deliver_to_the_stand_in(stack, origins)


class Package:
    """A package of `rapport package`: a signed webhook becomes a profile that the API knows."""

    def __init__(self, path):
        self.tried = 0
        self.path = path
        with zipfile.ZipFile(path) as package:
            self.signer = json.loads(package.read("package.json"))["signer"]

    def try_it(self, stack):
        outputs, call = stack.outputs(), stack.emulator.call
        api = decided.Api(stack, SECRETS["api-key"])
        if self.tried == 0:
            expect(api.look_up(decided.ADA)[0], 503, "the API of a table that nobody has claimed")
        # The first webhook function to start claims the table.
        status, body = call("GET", outputs["WebhookBaseUrl"].removesuffix("hooks/") + "healthz")
        expect((status, json.loads(body)), (200, {"status": "ok"}), "health")
        self.tried += 1
        webhooks = decided.Webhooks(stack, SECRETS["wa-app-secret"])
        before, counted = stack.events(), decided.messages_of_ada(api)
        body, headers = webhooks.text(f"{self.tried}", "Hello, where is my order 4711?")
        expect(webhooks.post(body + b" ", headers), 401, "a forged webhook")
        for _ in range(2):
            expect(webhooks.post(body, headers), 200, "a signed webhook")
        expect(stack.events() - before, 1, "new events in the table")
        long = secrets.token_hex(20_000)
        expect(webhooks.post(*webhooks.text(f"long-{self.tried}", long)), 200, "one that is too large for the table")
        until("the API counts two more messages", lambda: decided.messages_of_ada(api) == counted + 2)
        sent.send(stack, decided.Api(stack, SECRETS["desk-key"]), api, webhooks, stack.provider)
        sent.tick(stack)
        decided.refused(stack, SECRETS["read-key"])
        decided.read(api, long)
        decided.decide(api, self.tried)
        decided.operate(stack, api)
        if self.tried == 4:
            decided.forget(stack, api, webhooks)

    def deliver(self, stack, origins):
        api = decided.Api(stack, SECRETS["api-key"])
        delivered.deliver(stack, origins, lambda scheme, value: api.look_up({"scheme": scheme, "value": value}))
        decided.accept_what_a_text_suggests(api, origins)
        delivered.give_up(stack)


# -------------------------------------------------------------------------------------------------------- the journey


def use_a_domain(stack):
    """A domain of one's own before the HTTP API; a refusal first, of one without an HTTP API."""
    zone = stack.emulator.client("route53").create_hosted_zone(Name="example.com", CallerReference=STACK)
    certificate = stack.emulator.client("acm").request_certificate(DomainName="hooks.example.com")["CertificateArn"]
    domain = {"DomainName": "hooks.example.com", "HostedZoneId": zone["HostedZone"]["Id"].split("/")[-1]}
    domain["CertificateArn"] = certificate
    before = dict(stack.parameters)
    try:
        stack.deploy(**domain, Front="function-url")
    except AssertionError as refusal:
        expect("DomainName needs Front=http-api" in str(refusal), True, f"the refusal says why: {refusal}")
    else:
        raise AssertionError("a domain before a function URL was not refused")
    stack.parameters = before
    stack.deploy(**domain)
    expect(stack.outputs()["WebhookBaseUrl"], "https://hooks.example.com/hooks/", "the webhook URL")


def restore(stack, parameters):
    """As infra/README.md says: the table set back to a point in time, then used instead of the stack's own."""
    table = stack.emulator.client("dynamodb")
    own = stack.resources()["Table"]
    table.restore_table_to_point_in_time(
        SourceTableName=own, TargetTableName="rapport-restored", UseLatestRestorableTime=True
    )
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    table.update_table(TableName="rapport-restored", StreamSpecification=stream)
    label = table.describe_table(TableName="rapport-restored")["Table"]["LatestStreamLabel"]
    stack.deploy(RestoredTable="rapport-restored", RestoredStream=label, **parameters)
    expect(stack.outputs()["TableName"], "rapport-restored", "the table in use")
    source = stack.emulator.client("lambda").get_event_source_mapping(UUID=stack.resources()["FoldSource"])
    expect("rapport-restored" in source["EventSourceArn"], True, "the stream in use")


def what_stays(stack, ids):
    """After the stack is gone: the data, and nothing that runs."""
    client = stack.emulator.client
    expect(client("dynamodb").describe_table(TableName=ids["Table"])["Table"]["TableStatus"], "ACTIVE", "table")
    client("s3").head_bucket(Bucket=ids["Blobs"])
    client("kms").describe_key(KeyId=ids["Key"])
    expect(client("lambda").list_functions()["Functions"], [], "functions")
    expect(client("lambda").list_event_source_mappings()["EventSourceMappings"], [], "event source mappings")
    expect(client("cloudwatch").describe_alarms()["MetricAlarms"], [], "alarms")
    roles = [role["RoleName"] for role in client("iam").list_roles()["Roles"] if role["RoleName"] in ids.values()]
    expect(roles, [], "roles")


def run(options, emulator, folder):
    package = Package(options.package) if options.package else Probe(folder)
    provider = sent.Provider()
    stack = Stack(emulator, options, folder, package, provider)

    def step(name, *work):
        began = time.monotonic()
        results = [part() for part in work]
        numbers = [f"{result} resources" for result in results if isinstance(result, int)]
        print(f"{time.monotonic() - began:6.1f} s  {name}{': ' if numbers else ''}{', '.join(numbers)}", flush=True)

    there, use = (lambda: everything_is_there(stack)), (lambda: package.try_it(stack))
    step("create, Front=function-url", lambda: stack.deploy(Front="function-url"), there)
    step("a webhook is stored, folded and known to the API, and an answer leaves once", use)
    origins = delivered.Origins(emulator.client)
    more = {"MemoryMb": "256", "MessagingArns": NUMBER_OF_AWS, **origins.parameters()}
    step("update, Front=http-api, MemoryMb=256, Feed…, MessagingArns", lambda: stack.deploy(Front="http-api", **more), there)
    step("the same over the HTTP API", use)
    step("what AWS delivers is stored, folded and known to the API", lambda: package.deliver(stack, origins))
    step("update, DomainName=hooks.example.com", lambda: use_a_domain(stack), there)
    step("the same over the domain", use)
    step("restore to a point in time, no feed any more", lambda: restore(stack, origins.nothing()), there, use)
    ids = stack.resources()
    step("delete", lambda: stack.sam("delete", "--no-prompts"), lambda: what_stays(stack, ids))
    expect([role for role, used in stack.ways.used.items() if not used], [], "roles that touched no item")
    provider.end()
    stack.ways.end()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sam", required=True)
    parser.add_argument("--translate", required=True, help="a Python with the SAM translator")
    parser.add_argument("--package")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        emulator = Emulator(folder)
        try:
            run(options, emulator, folder)
        except Exception:
            print(emulator.log.read_text(encoding="utf-8", errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            emulator.end()
    print("as it should be")


if __name__ == "__main__":
    main()
