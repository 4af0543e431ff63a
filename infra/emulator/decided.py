"""What people with a key of the API ask and decide, with the role of the API's function; and what they decide about:
webhooks of WhatsApp, signed as Meta signs. The connections are those of rapport.toml here."""

import hashlib
import hmac
import json
import urllib.parse

import delivered
from waiting import expect, until

ADA = {"scheme": "phone", "value": "+16505551234"}
SAMPLE = "whatsapp/fixtures/inbound/text.http"


class Api:
    """The API, as who has a key sees it."""

    def __init__(self, stack, key):
        self.base, self.emulator = stack.outputs()["ApiBaseUrl"], stack.emulator
        self.headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}

    def call(self, method, path, body=None, headers=None):
        """The status, and what the JSON says."""
        body = None if body is None else json.dumps(body).encode()
        status, answer = self.emulator.call(method, self.base + path, body, {**self.headers, **(headers or {})})
        return status, json.loads(answer)

    def done(self, method, path, body=None):
        """What the answer of a call is that has to be 200."""
        status, answer = self.call(method, path, body)
        expect(status, 200, f"{method} {path}: {answer}")
        return answer

    def look_up(self, identifier):
        return self.call("POST", "profiles/lookup", identifier)


class Webhooks:
    """A connection's door. What comes is from Ada."""

    def __init__(self, stack, secret):
        self.url, self.emulator, self.secret = stack.outputs()["WebhookBaseUrl"] + "wa-eu", stack.emulator, secret
        self.sample = json.dumps(delivered.body_of(stack, SAMPLE))

    def text(self, name, text, at=None):
        """A signed message: body and headers. `at`: seconds; None: when the sample was sent."""
        webhook = json.loads(self.sample)
        (message,) = webhook["entry"][0]["changes"][0]["value"]["messages"]
        message["id"], message["text"]["body"] = f"wamid.{name}", text
        message["timestamp"] = str(at or message["timestamp"])
        return self.signed(webhook)

    def half_readable(self, name):
        """A message beside one of another's making."""
        webhook = json.loads(self.text(name, "and one more")[0])
        webhook["entry"][0]["changes"][0]["value"]["messages"].insert(0, {"from": 7})
        return self.signed(webhook)

    def signed(self, webhook):
        body = json.dumps(webhook).encode()
        tag = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        return body, {"content-type": "application/json", "x-hub-signature-256": f"sha256={tag}"}

    def post(self, body, headers):
        return self.emulator.call("POST", self.url, body, headers)[0]


def messages_of_ada(api):
    """How many messages of hers the API knows."""
    status, profile = api.look_up(ADA)
    return profile["counters"].get("messages_received", 0) if status == 200 else 0


def refused(stack, read_key):
    """Without a key, with a wrong one, and with one that may only look."""
    for key, status in [("", 401), ("0" * 32, 401)]:
        expect(Api(stack, key).look_up(ADA)[0], status, "the API with no key of its own")
    looks = Api(stack, read_key)
    expect(looks.look_up(ADA)[0], 200, "a key that may look")
    expect(looks.call("POST", "links", {})[0], 403, "a link of a key that may only look")


def read(api, long):
    """Each way to read: the timeline has a text that lies in the bucket."""
    profile = api.done("POST", "profiles/lookup", ADA)
    by_url = api.done("GET", "profiles/lookup?" + urllib.parse.urlencode(ADA))
    expect((by_url["id"], by_url["verified"]), (profile["id"], True), "the same by a GET")
    own = f"profiles/{profile['id']}"
    texts = [part["text"] for item in api.done("GET", f"{own}/timeline")["items"] for part in parts_of(item)]
    expect(long in texts, True, "a text that lies in the bucket is in the timeline")
    exported = api.done("GET", f"{own}/export")
    expect(exported["profile"]["id"], profile["id"], "an export")
    number = {"scheme": "whatsapp", "value": "16505551234"}
    expect(api.done("POST", f"{own}/explain", {"from": ADA, "to": number})["connected"], True, "why they are one")


def parts_of(item):
    return [part for part in item["data"].get("message", {}).get("parts", []) if "text" in part]


def decide(api, tried):
    """A link and its undoing, other rules; and that the audit has them."""
    mail = {"scheme": "email", "value": "ada@example.com"}
    status, link = api.call("POST", "links", {"a": ADA, "b": mail, "reason": f"try {tried}", "by": "ada"})
    expect(status in (200, 201), True, f"a link: {link}")
    api.done("DELETE", f"links/{link['id']}", {})
    api.done("POST", "rules/preview", {})
    for waits in ["suggestions", "conflicts", "erasure-demands"]:
        api.done("GET", waits)


def operate(stack, api):
    """What an operator asks: of the API, and of the fold, which has no other door."""
    api.done("POST", "repairs")
    keys = {key["name"]: key["last_used"] for key in api.done("GET", "keys")["items"]}
    expect(set(keys), {"try", "looks", "desk"}, "keys")
    expect(all(keys.values()), True, "each was used")
    audit = api.done("GET", "audit?limit=200")["items"]
    recorded = {(one["route"], one["key"]) for one in audit}
    expect({("post-rules-preview", "try"), ("post-profiles-lookup", "looks")} - recorded, set(), "what the audit lacks")
    for asked, answer in [("list", {"set_aside": []}), ({"retry": []}, {"folded": [], "set_aside": []})]:
        invoked = stack.emulator.client("lambda").invoke(
            FunctionName=stack.resources()["FoldFunction"], Payload=json.dumps({"fold": asked})
        )
        expect(json.load(invoked["Payload"]), answer, f"the fold, asked for {asked}")


def accept_what_a_text_suggests(api, origins):
    """A text only claims Ada's number: it is hers when a person says so."""
    def claimed():
        return [found for found in api.done("GET", "suggestions")["items"] if found["attestation"] == "claimed"]

    expect(claimed(), [], "suggestions before there is a text of hers")
    origins.publish("texts", delivered.text_message(ADA["value"]))
    (suggestion,) = until("a text suggests a link", claimed)
    before = messages_of_ada(api)
    api.done("POST", f"suggestions/{suggestion['id']}/accept", {"by": "ada", "reason": "she said so"})
    expect(claimed(), [], "what is left to decide")
    expect(messages_of_ada(api) - before, 1, "messages that are hers now")


def lose_one(stack, api, bucket):
    """A body that is gone is said to be, in its event's place; what else there is can be read."""
    own = f"profiles/{api.done('POST', 'profiles/lookup', ADA)['id']}/timeline"

    def unreadable():
        return [one["type"] for one in api.done("GET", own)["items"]].count("rapport.unreadable.v1")

    expect(unreadable(), 0, "events that cannot be read")
    blobs = stack.emulator.client("s3")
    blobs.delete_object(**bucket, Key=blobs.list_objects_v2(**bucket)["Contents"][0]["Key"])
    expect(unreadable(), 1, "events that cannot be read, when one body is gone")


def forget(stack, api, webhooks):
    """Ada wants to be forgotten: also what lies in the bucket, and what was parked."""
    expect(webhooks.post(*webhooks.half_readable("half")), 200, "a webhook of which something cannot be read")
    bucket = {"Bucket": stack.resources()["Blobs"]}
    objects = lambda: stack.emulator.client("s3").list_objects_v2(**bucket)["KeyCount"]  # noqa: E731
    expect(objects() > 0, True, "objects")
    lose_one(stack, api, bucket)
    status, receipt = api.call("POST", "erasures", {"identifier": ADA, "by": "ada"})
    while status == 202:
        status, receipt = api.call("POST", f"erasures/{receipt['id']}")
    expect((status, receipt["state"]), (200, "completed"), "an erasure")
    # The business's own number is in it as well: it may be somebody else's.
    (parked,) = receipt["parked"]["undecided"]
    receipt = api.done("POST", f"erasures/{receipt['id']}/parked", {"delete": [parked]})
    expect((receipt["parked"]["deleted"], receipt["parked"]["undecided"]), ([parked], []), "parked webhooks")
    expect(api.look_up(ADA)[0], 404, "whoever was forgotten")
    expect(objects(), 0, "objects")
