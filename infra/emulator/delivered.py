"""What AWS delivers, in the emulator: by EventBridge, SNS, Kinesis, and mail that lies in S3; to a package and to the
stand-in. The connections are those of rapport.toml here."""

import json
import re

from waiting import expect, until

BUS, SOURCE, BUCKET, STREAM = "try", "try.texts", "try-mail", "calls"
TOPICS = ["texts", "mail"]
# What no connection takes, and no topic of the parameters may send.
NOBODYS = "nobodys"


class Origins:
    """Where things are delivered from: made beside the stack, as an operator has them already."""

    def __init__(self, client):
        self.client = client
        client("events").create_event_bus(Name=BUS)
        client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        client("kinesis").create_stream(StreamName=STREAM, ShardCount=1)
        self.topics = {name: client("sns").create_topic(Name=name)["TopicArn"] for name in [*TOPICS, NOBODYS]}
        self.stream = client("kinesis").describe_stream(StreamName=STREAM)["StreamDescription"]["StreamARN"]

    def parameters(self):
        """What the template is told of them."""
        return {
            "FeedBus": BUS,
            "FeedSources": SOURCE,
            "FeedTopics": ",".join(self.topics[name] for name in TOPICS),
            "FeedStreamArn": self.stream,
            "FeedBuckets": f"{BUCKET},try-other-mail",
        }

    def nothing(self):
        """The parameters of who is delivered nothing any more."""
        return {name: "default" if name == "FeedBus" else "" for name in self.parameters()}

    def subscribe(self, queue):
        """As infra/README.md says."""
        for topic in self.topics.values():
            self.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)

    def publish(self, topic, message):
        self.client("sns").publish(TopicArn=self.topics[topic], Message=json.dumps(message))


def is_there(stack, ids):
    """What each service says of its part."""
    client = stack.emulator.client
    queues = client("sqs")
    attributes = {
        name: queues.get_queue_attributes(QueueUrl=ids[name], AttributeNames=["All"])["Attributes"]
        for name in ["FeedQueue", "FeedDeadLetters"]
    }
    redrive = json.loads(attributes["FeedQueue"]["RedrivePolicy"])
    expect(redrive["deadLetterTargetArn"], attributes["FeedDeadLetters"]["QueueArn"], "dead letters of the feed")
    expect(attributes["FeedQueue"]["VisibilityTimeout"], "360", "visibility")
    for name, found in attributes.items():
        expect(found["KmsMasterKeyId"].endswith(ids["Key"]), True, f"{name}, key")
        expect("OnlyByTls" in found["Policy"], True, f"{name}, policy")
    (target,) = client("events").list_targets_by_rule(Rule=ids["FeedRule"].split("|")[-1], EventBusName=BUS)["Targets"]
    expect(target["Arn"], attributes["FeedQueue"]["QueueArn"], "target of the rule")
    for name in ["FeedQueueSource", "FeedStreamSource"]:
        source = client("lambda").get_event_source_mapping(UUID=ids[name])
        expect(source["FunctionResponseTypes"], ["ReportBatchItemFailures"], f"{name}, partial failures")
        if name == "FeedQueueSource":
            expect(source["ScalingConfig"], {"MaximumConcurrency": 5}, "lanes")


def deliver_to_the_stand_in(stack, origins):
    """A message that names an object: the stand-in reads it and tries what its role may not do."""
    origins.subscribe(stack.outputs()["FeedQueueArn"])
    origins.client("s3").put_object(Bucket=BUCKET, Key="in/probe", Body=b"mail")
    origins.publish("mail", {"probe": "probe-fed", "bucket": BUCKET, "key": "in/probe"})
    until("the stand-in has taken it", lambda: stack.head_of("probe-fed") == "{}")


def deliver(stack, origins, look_up):
    """One of each kind becomes a profile, which the API knows by the identifier. `look_up` asks it. Who is behind a number
    or in a record nobody proves: texts, reports on texts, calls and a CRM only claim or say it."""
    outputs, client = stack.outputs(), origins.client
    origins.subscribe(outputs["FeedQueueArn"])
    # A topic that is subscribed and not among the parameters: its message is the first, and does not arrive.
    origins.publish(NOBODYS, text_message("+16505550100"))
    origins.publish("texts", text_message("+16505550101"))
    entry = {"EventBusName": BUS, "Source": SOURCE, "DetailType": "Text Message Delivery Status Updated"}
    report = body_of(stack, "sms/fixtures/inbound/aws/event-bridge.http")["detail"]
    report["destinationPhoneNumber"] = "+16505550102"
    answer = client("events").put_events(Entries=[{**entry, "Detail": json.dumps(report)}])
    expect(answer["FailedEntryCount"], 0, "events that the bus did not take")
    # EventBridge lets nobody else put events of a partner, and the emulator has none: this is what its rule would send.
    change = body_of(stack, "salesforce/fixtures/inbound/fed-change-contact.http")
    change["detail"]["payload"]["Email"] = "lin@example.com"
    client("sqs").send_message(QueueUrl=outputs["FeedQueueUrl"], MessageBody=json.dumps(change))
    record = body_of(stack, "amazon-connect/fixtures/inbound/call-inbound.http")
    client("kinesis").put_record(StreamName=STREAM, PartitionKey="1", Data=json.dumps(record).encode())
    client("s3").put_object(Bucket=BUCKET, Key="in/grace 1", Body=MAIL)
    origins.publish("mail", notification("in/grace 1"))
    for what, scheme, value, is_verified in [
        ("a text by SNS", "phone", "+16505550101", False),
        ("a report by EventBridge", "phone", "+16505550102", False),
        ("a change of a partner", "email", "lin@example.com", False),
        ("a call by Kinesis", "phone", record["CustomerEndpoint"]["Address"], False),
        ("a mail in S3", "email", "grace@example.com", True),
    ]:
        known = lambda: look_up(scheme, value)[0] == 200  # noqa: E731, B023: asked in this turn only
        until(f"{what} is stored, folded and known to the API", known)
        expect(look_up(scheme, value)[1]["verified"], is_verified, f"{what}, verified")
    expect(look_up("phone", "+16505550100")[0], 404, "a topic that is not among FeedTopics")


def give_up(stack):
    """What no connection takes is a dead letter after five attempts. The attempts are a second apart for now."""
    outputs, queues = stack.outputs(), stack.emulator.client("sqs")
    nobodys = json.dumps({"source": "try.nobodys", "detail-type": "Try", "detail": {}})

    def be_visible_again_after(seconds):
        queues.set_queue_attributes(QueueUrl=outputs["FeedQueueUrl"], Attributes={"VisibilityTimeout": seconds})

    def dead():
        received = queues.receive_message(QueueUrl=outputs["FeedDeadLettersUrl"]).get("Messages", [])
        return [message["Body"] for message in received]

    be_visible_again_after("1")
    queues.send_message(QueueUrl=outputs["FeedQueueUrl"], MessageBody=nobodys)
    expect(until("it is a dead letter", dead), [nobodys], "dead letters")
    be_visible_again_after("360")


def text_message(number):
    """What two-way messaging publishes."""
    return {
        "originationNumber": number,
        "destinationNumber": "+12125550101",
        "messageKeyword": "JOIN",
        "messageBody": "Yes, please",
        "inboundMessageId": f"cae173d2-66b9-564c-8309-{number[-12:].rjust(12, '0').replace('+', '0')}",
    }


MAIL = b"""From: Grace Hopper <grace@example.com>\r
To: support@shop.example\r
Subject: A question\r
Date: Mon, 23 Nov 2026 08:00:00 +0000\r
Message-ID: <one@example.com>\r
\r
Where is my order?\r
"""


def notification(key):
    """What SES publishes when a receipt rule has put a mail into a bucket."""
    passed = {"status": "PASS"}
    return {
        "notificationType": "Received",
        "mail": {
            "timestamp": "2026-11-23T08:00:01.000Z",
            "source": "grace@example.com",
            "messageId": "o3vrnil0e2ic28trm7dfhrc2v0clambda4nbp0g1",
            "destination": ["support@shop.example"],
            "headersTruncated": False,
        },
        "receipt": {
            "timestamp": "2026-11-23T08:00:01.000Z",
            "processingTimeMillis": 222,
            "recipients": ["support@shop.example"],
            **{f"{verdict}Verdict": passed for verdict in ["spf", "dkim", "dmarc", "spam", "virus"]},
            "action": {"type": "S3", "bucketName": BUCKET, "objectKeyPrefix": "in", "objectKey": key},
        },
    }


def body_of(stack, fixture):
    """The JSON of a connector's sample."""
    sample = (stack.plugins / fixture).read_text(encoding="utf-8")
    return json.loads(re.split(r"\r?\n\r?\n", sample, maxsplit=1)[1])
