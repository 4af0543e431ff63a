"""What is sent, in the emulator: a provider on loopback with a ledger stands in Meta's place, and reports like Meta."""

import http.server
import json
import threading
import time
import urllib.parse
import uuid

import decided
from waiting import expect, until

NUMBER = "106540352242922"


class Provider:
    """Takes every message and writes it into its ledger."""

    def __init__(self):
        self.ledger = []
        ledger = self.ledger

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                ledger.append((self.path, self.headers["authorization"], body))
                message = f"wamid.OUT{len(ledger)}"
                answer = json.dumps({"messaging_product": "whatsapp", "messages": [{"id": message}]}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()


def status_of(sent, number):
    """What Meta says when a message has arrived."""
    status = {
        "id": f"wamid.OUT{number}",
        "status": "delivered",
        "timestamp": str(int(time.time())),
        "recipient_id": sent["to"].lstrip("+"),
        "biz_opaque_callback_data": sent["biz_opaque_callback_data"],
    }
    metadata = {"display_phone_number": "15550783881", "phone_number_id": NUMBER}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [status]}
    change = {"value": value, "field": "messages"}
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}


def send(stack, desk, api, webhooks, provider):
    """Ada has written; an agent answers once, the provider has it once, and its report is on the timeline."""
    before = len(provider.ledger)
    name = uuid.uuid4().hex
    expect(webhooks.post(*webhooks.text(f"ask-{name}", "Where is my order?", at=int(time.time()))), 200, "Ada asks")
    profile = api.done("POST", "profiles/lookup", decided.ADA)["id"]
    words = f"It comes today. ({name})"
    message = {"to": {"profile": profile}, "parts": [{"text": words}], "kind": "reply"}
    key = {"Idempotency-Key": name}
    # The fold makes the conversation of what she wrote.
    taken = lambda: desk.call("POST", "messages", message, key)[0] == 202  # noqa: E731
    until("a message is taken", taken)
    status, answer = desk.call("POST", "messages", message, key)
    expect(status, 202, f"the same request again: {answer}")
    path = f"messages/{urllib.parse.quote(answer['id'])}"
    until("the message is sent", lambda: desk.done("GET", path)["state"] == "sent")
    expect(len(provider.ledger) - before, 1, "messages that the provider has")
    where, authorization, sent = provider.ledger[-1]
    expect((where, sent["text"]["body"]), (f"/v25.0/{NUMBER}/messages", words), "what the provider has")
    expect(authorization, "Bearer test-access-token", "who sends")
    expect(webhooks.post(*webhooks.signed(status_of(sent, len(provider.ledger)))), 200, "the provider's report")

    def shown():
        items = api.done("GET", f"profiles/{profile}/timeline?limit=50")["items"]
        ours = [item for item in items if any(part["text"] == words for part in decided.parts_of(item))]
        expect(len(ours) <= 1, True, "how often the message is on the timeline")
        return ours and "delivered" in json.dumps(ours[0])

    until("the timeline shows the message as delivered", shown)
    # Wakes come twice: from the API, and from the fold.
    queue = stack.emulator.client("sqs")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def is_quiet():
        found = queue.get_queue_attributes(QueueUrl=stack.outputs()["WakesUrl"], AttributeNames=names)["Attributes"]
        return set(found.values()) == {"0"}

    until("no wake is left", is_quiet)
    expect(len(provider.ledger) - before, 1, "messages that the provider has at the end")
    dead = queue.get_queue_attributes(QueueUrl=stack.resources()["WakeDeadLetters"], AttributeNames=names)["Attributes"]
    expect(set(dead.values()), {"0"}, "dead letters of wakes")


def tick(stack):
    """As the schedule does each minute."""
    invoked = stack.emulator.client("lambda").invoke(
        FunctionName=stack.outputs()["DueFunctionName"], Payload=json.dumps({"due": "tick"})
    )
    expect(json.load(invoked["Payload"]), {"batchItemFailures": []}, "a tick")


def is_there(stack, ids):
    """What each service says of its part."""
    client = stack.emulator.client
    queues = client("sqs")
    found = {
        name: queues.get_queue_attributes(QueueUrl=ids[name], AttributeNames=["All"])["Attributes"]
        for name in ["Wakes", "WakeDeadLetters"]
    }
    redrive = json.loads(found["Wakes"]["RedrivePolicy"])
    expect(redrive["deadLetterTargetArn"], found["WakeDeadLetters"]["QueueArn"], "dead letters of wakes")
    expect((found["Wakes"]["VisibilityTimeout"], int(redrive["maxReceiveCount"])), ("150", 20), "wakes")
    for name, function in [("SendSource", "SendFunction"), ("DueSource", "DueFunction")]:
        source = client("lambda").get_event_source_mapping(UUID=ids[name])
        expect(source["FunctionResponseTypes"], ["ReportBatchItemFailures"], f"{name}, partial failures")
        expect(source["FunctionArn"].split(":")[6], ids[function], f"{name}, function")
    (target,) = client("events").list_targets_by_rule(Rule=ids["DueRule"].split("|")[-1])["Targets"]
    expect(target["Input"], '{"due": "tick"}', "what the schedule hands in")


def try_roles(stack):
    """The stand-in says by itself what a role could not do, and could and should not."""
    for name in ["SendFunctionName", "DueFunctionName"]:
        invoked = stack.emulator.client("lambda").invoke(FunctionName=stack.outputs()[name], Payload="{}")
        expect(json.load(invoked["Payload"]).get("body"), "{}", name)
