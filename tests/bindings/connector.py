"""A connector in Python, as far as its types: it receives, sends and pulls. Compiled by check.sh, and never run."""

from typing import List, Optional

from componentize_py_types import Err, Result
from wit_world import exports
from wit_world.exports import inbound, polling, sending
from wit_world.imports import http, types


def nothing() -> sending.Outcome:
    return sending.Outcome(
        accepted=[], events=[], media=None, templates=[], found=None, cursor=None, extensions=[]
    )


class Inbound(exports.Inbound):
    def receive(self, context: types.Context, webhook: inbound.Webhook) -> inbound.Receipt:
        who = types.Identifier("acme", None, "u-1", types.Attestation.PROVIDER)
        contact = types.Contact([who], None, None, None, [])
        body = types.EventBody_Activity((webhook.method, "{}"))
        said = types.Event("m-1", context.now, "w-1", contact, body, [])
        return inbound.Receipt(None, [said], [], None)


def request(text: str) -> http.Request:
    field = http.FormField("file", None, None, http.Content_Pieces([http.Piece_BlobUrl(text)]))
    return http.Request(
        method=http.Method.POST,
        url=[http.Piece_Text("https://api.acme.example/v1/"), http.Piece_Secret("bot-token")],
        headers=[http.Field("x-status", [http.Piece_StatusUrl()])],
        authorization=http.Authorization_Basic(http.BasicAuth("u", "password")),
        signed=[],
        body=http.Body_Multipart([field]),
        repeatable=False,
        keep=False,
        extensions=[],
    )


History = List[Result[http.Response, http.TransportError]]


class Sending(exports.Sending):
    def run(self, context: types.Context, operation: sending.Operation, history: History) -> sending.Turn:
        if not isinstance(operation, sending.Operation_Send):
            return sending.Turn(nothing(), sending.Next_Failed(sending.Failure_UnsupportedContent("no")))
        if not history:
            text = operation.value.thread or str(operation.value.expires_at)
            return sending.Turn(nothing(), sending.Next_Perform([request(text)]))
        answer = history[0]
        if isinstance(answer, Err):
            return sending.Turn(nothing(), sending.Next_Failed(sending.Failure_RateLimited(7)))
        achieved = nothing()
        achieved.accepted = [sending.Accepted(0, str(answer.value.status))]
        return sending.Turn(achieved, sending.Next_Done())


class Polling(exports.Polling):
    def poll(self, context: types.Context, cursor: Optional[str], history: History) -> polling.Step:
        if not history:
            return polling.Step_Perform([request("a")])
        if cursor == "limited":
            return polling.Step_Failed(polling.Failure_RateLimited(None))
        return polling.Step_Done(polling.Batch([], ["`a`"], "next", 60_000))
