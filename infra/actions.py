"""What the code does with AWS: which actions each role uses, read from the Rust sources.

A small call graph: functions by (type, name), calls by what stands before the dot. It is not a compiler, so it is
checked from the other side as well: a call of an SDK that no role reaches has to be explained below, and a function
that sends something unknown is an error.
"""

import re
from pathlib import Path

# The SDK's method, as it stands in the code, and the actions that it wants. A transaction wants those of its parts.
OPERATIONS = {
    ".get_item()": "dynamodb:GetItem",
    ".put_item()": "dynamodb:PutItem",
    ".update_item()": "dynamodb:UpdateItem",
    ".delete_item()": "dynamodb:DeleteItem",
    ".query()": "dynamodb:Query",
    ".scan()": "dynamodb:Scan",
    ".batch_get_item()": "dynamodb:BatchGetItem",
    ".batch_write_item()": "dynamodb:BatchWriteItem",
    ".create_table()": "dynamodb:CreateTable",
    ".describe_table()": "dynamodb:DescribeTable",
    ".update_time_to_live()": "dynamodb:UpdateTimeToLive",
    ".describe_stream()": "dynamodb:DescribeStream",
    ".get_shard_iterator()": "dynamodb:GetShardIterator",
    ".get_records()": "dynamodb:GetRecords",
    ".transact_write_items()": None,
    ".transact_get_items()": "dynamodb:GetItem",
    " Put::builder()": "dynamodb:PutItem",
    " Update::builder()": "dynamodb:UpdateItem",
    " Delete::builder()": "dynamodb:DeleteItem",
    " ConditionCheck::builder()": "dynamodb:ConditionCheckItem",
    ' service: "s3", method: "PUT"': "s3:PutObject",
    ' service: "s3", method: "GET"': "s3:GetObject",
    ' service: "s3", method: "HEAD"': "s3:GetObject",
    ' service: "s3", method: "DELETE"': "s3:DeleteObject",
    '"secretsmanager.GetSecretValue"': "secretsmanager:GetSecretValue",
    ".put_events()": "events:PutEvents",
    '"AmazonSQS.SendMessage"': "sqs:SendMessage",
    ' service: "sts"': "sts:AssumeRole",
}
# What a function that talks to AWS holds, whatever it says.
SENDS = [".send()", " Request { service:"]

# Where the code of a role begins.
ROOTS = {
    "webhook": ["Parts::start", "Inbound::receive", "Table::ping"],
    "feed": ["Parts::start", "Inbound::feed"],
    "api": [
        "Parts::start",
        "Table::ping",
        *(f"People::{use}" for use in ["look_up", "profile", "timeline", "profile_as_of", "explain"]),
        *(f"People::{use}" for use in ["link", "unlink", "the_link"]),
        "Operations::preview_rules",
        "Table::erasure",
        "Operations::repair",
        *(f"People::{use}" for use in ["erase", "continue_erasure", "export", "event_part"]),
        *(f"People::{use}" for use in ["decide_parked", "demands", "accept_demand", "dismiss_demand"]),
        *(f"Table::{use}" for use in ["append_to_audit", "audit", "key_was_used", "key_last_used"]),
        *(f"People::{use}" for use in ["suggestions", "the_suggestion", "accept", "dismiss", "conflicts"]),
        *(f"Sending::{use}" for use in ["take", "message", "cancel", "resend", "control", "command"]),
        "Queue::wake",
    ],
    "fold": [
        "Parts::start",
        "Table::read_record",
        "fold::fold_batch",
        "fold::unreadable",
        "aside::take_up",
        "aside::take_up_due",
        "Table::unfolded",
        "Table::unfolded_one",
        "settlement::follow",
        "WakesOrNotes::wake",
    ],
    # Blobs and the signing role are asked by the way out, by a trait that each process fills in.
    "send": [
        "Parts::start",
        "Worker::turn_for",
        "Queue::wake",
        "Host::versions",
        "Host::run",
        "Host::perform",
        *(f"TableBlobs::{use}" for use in ["size", "read", "keep"]),
        *(f"Kept::{use}" for use in ["write", "finish"]),
        "Role::keys",
    ],
    "due": ["Parts::start", "Worker::tick", "Worker::give_up", "Queue::wake"],
}

# What a role could reach and is not to do. The first key to come claims a table. That is the webhook function's; until
# it has, the API answers 503, and there is nothing to fold.
NOT_BY = {role: {"Table::claim"} for role in ["api", "fold", "send", "due"]}

# Functions that call AWS and belong to no role.
ELSEWHERE = {
    "Table::unfinished": "in one process wakes are lost with it; on AWS a queue keeps them",
    "Table::create": "on AWS the template makes the table",
    "StreamReader::open": "on AWS Lambda reads the stream",
    "StreamReader::handled": "on AWS Lambda reads the stream",
    "StreamReader::describe_shards": "on AWS Lambda reads the stream",
    "StreamReader::next_of": "on AWS Lambda reads the stream",
    "StreamReader::iterator": "on AWS Lambda reads the stream",
}

# Folders with code of the functions. The command line calls AWS with the rights of whoever runs it.
FOLDERS = [
    "host/api/src",
    "host/connections/src",
    "host/http/src",
    "host/inbound/src",
    "host/lambda/src",
    "host/outbound/src",
    "host/projections/src",
    "host/store/src",
    "host/telemetry/src",
]

# The list of the log's events.
TELEMETRY = "host/telemetry/src"

# What stands before the dot, and whose method it is.
RECEIVERS = {
    "aws": "Aws",
    "blobs": "Blobs",
    "bucket": "Bucket",
    "buckets": "Buckets",
    "api": "Api",
    "host": "ConnectorHost",
    "inbound": "Inbound",
    "operations": "Operations",
    "people": "People",
    "objects": "Objects",
    "queue": "Queue",
    "table": "Table",
    "wakes": "Queue",
    "leases": "Leases",
    "worker": "Worker",
}

# Methods of what a call gives, as in `change_of(…).await?.in_transaction(…)`, and whose they are.
CHAINED = {"in_transaction": "Expression"}


class Function:
    def __init__(self, path, line, owner, name):
        self.path, self.line, self.owner, self.name = path, line, owner, name
        self.lines = []

    @property
    def place(self):
        return f"{self.path}:{self.line}"

    @property
    def title(self):
        """`Type::method`, or `file::function`."""
        return f"{self.owner or Path(self.path).stem}::{self.name}"

    @property
    def body(self):
        return "\n".join(self.lines)

    def operations(self):
        # Only these two know AWS: elsewhere a method of such a name is another's.
        if not self.path.startswith(("host/store", "host/lambda")):
            return set()
        body = " " + re.sub(r"\s+", " ", self.body)
        return {method for method in OPERATIONS if method in body}

    def calls(self, uses):
        """Titles of what it may call. `uses` are what its file imports."""
        # What is asked by way of a getter.
        body = self.body.replace("self.table().", "table.").replace("table.blobs().", "blobs.")
        titles = set()
        for receiver, name in re.findall(r"\b(\w+)\.(\w+)\(", body):
            titles.add(f"{self.owner if receiver == 'self' else RECEIVERS.get(receiver)}::{name}")
        for name in re.findall(r"[?)]\.(\w+)\(", body):
            titles.add(f"{CHAINED.get(name)}::{name}")
        for scope, name in re.findall(r"\b(\w+)::(\w+)\b", body):
            titles.add(f"{self.owner if scope == 'Self' else scope}::{name}")
        for name in re.findall(r"(?<![.\w:])([a-z_]\w*)\(", body):
            titles.add(f"{Path(self.path).stem}::{name}")
            titles.update(f"{scope}::{name}" for scope in uses.get(name, []))
        return titles


class Code:
    def __init__(self, repository):
        self.files, self.host = {}, repository / "host"
        for folder in FOLDERS:
            for path in sorted((repository / folder).rglob("*.rs")):
                if path.name != "tests.rs":
                    text = path.read_text(encoding="utf-8").split("\n#[cfg(test)]\nmod tests {")[0]
                    self.files[str(path.relative_to(repository))] = re.sub(r"\s//.*", "", text)
        self.uses = {path: imports_of(text) for path, text in self.files.items()}
        self.functions = [function for path, text in self.files.items() for function in functions_of(path, text)]
        self.reached = {role: self.reach(roots, NOT_BY.get(role, set())) for role, roots in ROOTS.items()}

    def reach(self, roots, not_by):
        by_title = {}
        for function in self.functions:
            by_title.setdefault(function.title, []).append(function)
        for title in [*roots, *not_by]:
            if title not in by_title:
                raise AssertionError(f"`{title}` of actions.py is not in the code any more")
        # Each with the way to it, so that a surprise explains itself.
        reached, waiting = {}, [(root,) for root in roots]
        while waiting:
            way = waiting.pop(0)
            title = way[-1]
            if title in reached or title in not_by or title not in by_title:
                continue
            reached[title] = way
            calls = {call for function in by_title[title] for call in function.calls(self.uses[function.path])}
            waiting.extend((*way, call) for call in sorted(calls))
        return reached

    def actions(self, role):
        """The actions that a role needs, each with a way to it."""
        used = {}
        for function in self.functions:
            if function.title in self.reached[role]:
                for method in function.operations():
                    used.setdefault(OPERATIONS[method], " → ".join(self.reached[role][function.title]))
        used.pop(None, None)
        return used

    def account_for_all(self):
        reached = set().union(*self.reached.values())
        for function in self.functions:
            known = function.operations()
            if any(sends in " " + function.body for sends in SENDS) and not known:
                raise AssertionError(f"{function.place}: `{function.title}` sends what actions.py does not know")
            if known and function.title not in reached and function.title not in ELSEWHERE:
                raise AssertionError(f"{function.place}: `{function.title}` calls AWS; in which role, or for whom?")
        callers = {function.title for function in self.functions if function.operations()}
        for title in ELSEWHERE:
            if title not in callers or title in reached:
                raise AssertionError(f"`{title}` is no exception any more; take it out of actions.py")

    def text(self, constant):
        """The value of a constant of the store, such as `TTL`."""
        for path, text in self.files.items():
            found = re.search(rf'const {constant}: &str = "([^"]*)"', text)
            if found and path.startswith("host/store"):
                return found.group(1)
        raise AssertionError(f"no constant `{constant}` in host/store")

    def record_kinds(self):
        """What the sort keys begin with of the items whose insertion the fold is told of."""
        found = re.search(r"const RECORD_KINDS: [^=]*= \[([^\]]*)\];", self.files["host/store/src/stream.rs"])
        kinds = [self.text(name) for name in re.findall(r"keys::(\w+)", found.group(1))]
        if len(kinds) != len(found.group(1).split(",")):
            raise AssertionError("actions.py cannot read all of `RECORD_KINDS`")
        return kinds

    def claim_key(self):
        """What stands behind the tenant in every key of a claimed idempotency key."""
        keys = self.files["host/store/src/keys.rs"]
        return re.search(r'fn claim_pk[^{]*\{\s*format!\("\{tenant\}(#\w+#)', keys).group(1)

    def number(self, path, constant):
        """The value of a constant of a file of `host`, such as `VISIBILITY_S`."""
        found = re.search(rf"const {constant}: u64 = ([0-9_]+);", (self.host / path).read_text(encoding="utf-8"))
        if not found:
            raise AssertionError(f"host/{path}: no constant `{constant}` that is a number")
        return int(found.group(1))

    def endpoint_key(self):
        return re.search(r'fn endpoint_pk[^{]*\{\s*format!\("([^"]*)"', self.files["host/store/src/keys.rs"]).group(1)

    def audit_key(self):
        """What stands behind the tenant in every key of the audit."""
        keys = self.files["host/store/src/keys.rs"]
        found = {re.search(rf'fn {name}[^{{]*\{{\s*format!\("\{{tenant\}}(#\w+#)', keys).group(1) for name in ["audit_pk", "key_use_pk"]}
        (key,) = found
        return key

    def table_keys(self):
        kinds = re.findall(r'key\("(\w+)", KeyType::(\w+)\)', self.files["host/store/src/table.rs"])
        return [(name, kind.upper()) for name, kind in kinds]

    def routes(self):
        """The paths of the router, but those under `/v1`."""
        rooms = ("host/api/src/", "host/http/src/", "host/inbound/src/")
        texts = [text for path, text in self.files.items() if path.startswith(rooms)]
        paths = set(re.findall(r'\bRoute::new\(\s*"([^"]+)"', "\n".join(texts)))
        return {path for path in paths if not path.startswith("/v1/")}

    def expect_metric(self, name):
        """That some line of the functions' log makes the metric `name`."""
        if name not in self.metrics():
            raise AssertionError(f"no line of the log makes a metric `{name}`")

    def metrics(self):
        """Names of the metrics that the functions' log makes: of the events on the list of `host/telemetry` that functions
        write at any `LogLevel` of the template. One that is measured and that nothing writes is an error."""
        functions = "\n".join(text for path, text in self.files.items() if not path.startswith(TELEMETRY))
        made = set()
        for event in events_of(self.files[f"{TELEMETRY}/log_events.rs"]):
            if event.level == "DEBUG" or not event.metrics:
                continue
            if not re.search(rf"\b{event.name} \{{", functions):
                raise AssertionError(f"the event `{event.id}` is measured, and no function writes it")
            made |= event.metrics
        return made

    def environment(self):
        """Names of our variables that the functions read."""
        texts = [text for path, text in self.files.items() if path.startswith("host/lambda")]
        return set(re.findall(r'"(RAPPORT_[A-Z_]+)"', "\n".join(texts)))


class Event:
    def __init__(self, level, name, id, fields, count):
        self.level, self.name, self.id = level, name, id
        self.metrics = set(re.findall(r"(\w+): [^,]*\bas \w+", fields)) | ({count} if count else set())


def events_of(text):
    """The entries of the list of events: `LEVEL Name<'a> "id": "message" { field: Type, metric: Type as Unit } counts metric`."""
    entry = r"""\b([A-Z]+) (\w+)(?:<'a>)? "([a-z-]+)": "[^"]*"\s*\{([^}]*)\}(?:\s*counts (\w+))?"""
    events = [Event(*found) for found in re.findall(entry, text)]
    if len(events) != len(re.findall(r'" *: "', text)) or not events:
        raise AssertionError("actions.py cannot read all entries of host/telemetry/src/log_events.rs")
    return events


def imports_of(text):
    """Functions that a file imports, and from which modules."""
    found = {}
    for scope, names in re.findall(r"^\s*use [\w:]*?(\w+)::(\w+|\{[^}]*\});", text, re.M):
        for name in re.findall(r"\b[a-z_]\w*\b", names):
            found.setdefault(name, []).append(scope)
    return found


def functions_of(path, text):
    """The functions of a formatted file: one ends at the first line that closes at its own depth."""
    owner, current, depth = None, None, 0
    for number, line in enumerate(text.splitlines(), 1):
        indent = len(line) - len(line.lstrip())
        implementation = re.match(r"impl(?:<[^>]*>)? (?:[\w:<>' ]+ for )?(\w+)", line)
        if implementation:
            owner = implementation.group(1)
        elif line.startswith("}"):
            if current:
                yield current
            owner, current = None, None
            continue
        start = re.match(r"\s*(?:pub(?:\([^)]*\))? )?(?:const )?(?:async )?fn (\w+)", line)
        if start and current is None:
            current, depth = Function(path, number, owner, start.group(1)), indent
        elif current:
            current.lines.append(line)
            if indent == depth and line.lstrip().startswith("}"):
                yield current
                current = None
