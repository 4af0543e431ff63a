"""Which items a role may touch: the emulator knows no `dynamodb:LeadingKeys`, so a proxy before its table does. Each function has a
way of its own, which allows what the role's policy in the template allows, and says AccessDeniedException of the rest."""

import fnmatch
import http.client
import http.server
import json
import re
import sys
import threading

# What the parts of a transaction and of a batch ask for.
PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
# What ends a connection, and is its client's affair.
GONE = (ConnectionError, TimeoutError)


class Ways:
    """A proxy for each role."""

    def __init__(self, roles, port):
        self.port, self.statements, self.used = port, {}, {role: set() for role in roles}
        self.servers = {role: self.server(role) for role in roles}

    def url(self, role):
        return f"http://127.0.0.1:{self.servers[role].server_address[1]}"

    def hold_to(self, template):
        """The policies of a template whose conditions are resolved."""
        self.statements = {
            role: [
                statement
                for policy in template[f"{role.capitalize()}Role"]["Properties"]["Policies"]
                for statement in policy["PolicyDocument"]["Statement"]
            ]
            for role in self.servers
            if f"{role.capitalize()}Role" in template
        }

    def allows(self, role, action, keys):
        """Whether a statement allows an action on items with these partition keys; none: the action has no keys."""
        for statement in self.statements[role]:
            if f"dynamodb:{action}" not in listed(statement["Action"]):
                continue
            allowed = statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys")
            if allowed is None:
                return True
            allowed = [key["Fn::Sub"].replace("${Tenant}", "main") for key in allowed]
            if keys and all(any(fnmatch.fnmatchcase(key, pattern) for pattern in allowed) for key in keys):
                return True
        return False

    def denied(self, role, operation, request):
        """The first action that the role may not do."""
        for action, keys in asked(operation, request):
            self.used[role] |= {(action, kind_of(key)) for key in keys}
            if not self.allows(role, action, keys):
                return f"{role} may not {action} of {sorted({kind_of(key) for key in keys})}"
        return None

    def server(self, role):
        ways = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                operation = self.headers["x-amz-target"].split(".")[1]
                denied = ways.denied(role, operation, json.loads(body))
                if denied:
                    said = {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": denied}
                    return self.answer(400, [], json.dumps(said).encode())
                connection = http.client.HTTPConnection("127.0.0.1", ways.port, timeout=30)
                # As it was signed, its host included.
                connection.request("POST", self.path, body=body, headers=dict(self.headers))
                response = connection.getresponse()
                answer = response.read()
                connection.close()
                fields = [(name, value) for name, value in response.getheaders() if name.lower() == "x-amz-crc32"]
                return self.answer(response.status, fields, answer)

            def answer(self, status, fields, body):
                self.send_response(status)
                for name, value in [*fields, ("content-type", "application/x-amz-json-1.0"), ("content-length", len(body))]:
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                if not isinstance(sys.exc_info()[1], GONE):
                    super().handle_error(request, client_address)

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def end(self):
        for server in self.servers.values():
            server.shutdown()


def asked(operation, request):
    """The actions that an operation wants, each with the partition keys of its items."""
    if operation == "TransactWriteItems":
        for item in request["TransactItems"]:
            ((part, of),) = item.items()
            yield PARTS[part], [(of.get("Item") or of["Key"])["pk"]["S"]]
    elif operation == "TransactGetItems":
        for item in request["TransactItems"]:
            yield "GetItem", [item["Get"]["Key"]["pk"]["S"]]
    elif operation == "BatchGetItem":
        yield operation, [key["pk"]["S"] for of in request["RequestItems"].values() for key in of["Keys"]]
    elif operation == "BatchWriteItem":
        parts = [part for of in request["RequestItems"].values() for item in of for part in item.values()]
        yield operation, [(part.get("Item") or part["Key"])["pk"]["S"] for part in parts]
    elif operation == "Query":
        name = re.search(r"(\S+) = (:\w+)", request["KeyConditionExpression"])
        yield operation, [request["ExpressionAttributeValues"][name.group(2)]["S"]]
    else:
        item = request.get("Item") or request.get("Key")
        yield operation, [item["pk"]["S"]] if item else []


def kind_of(key):
    """`E` of `main#E#…`."""
    return (key.split("#") + [""])[1]


def listed(value):
    return value if isinstance(value, list) else [value]
