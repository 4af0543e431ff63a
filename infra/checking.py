"""What the assertions about the template are made of: the template, a register of checks, and `expect`."""

import json
from pathlib import Path

checks = []


def check(function):
    """Registers a check; its name is the sentence that is printed."""
    checks.append(function)
    return function


class Template:
    """The translated template: the properties of a resource by its name, and its policies' statements."""

    def __init__(self, path):
        self.whole = json.loads(Path(path).read_text(encoding="utf-8"))
        self.resources = self.whole["Resources"]

    def of_type(self, kind):
        return {name: found for name, found in self.resources.items() if found["Type"] == kind}

    def __getitem__(self, name):
        return self.resources[name]["Properties"]

    def statements(self, role):
        """A role's statements; those of a condition are meant as if it held."""
        for policy in self[role]["Policies"]:
            yield from map(as_if_it_held, policy["PolicyDocument"]["Statement"])

    def policy(self, name):
        """The statements of a queue's, bucket's or key's policy, or of one beside a role, likewise, by their names."""
        document = self[name].get("PolicyDocument") or self[name]["KeyPolicy"]
        return {statement["Sid"]: statement for statement in map(as_if_it_held, document["Statement"])}


def as_if_it_held(statement):
    return statement["Fn::If"][1] if "Fn::If" in statement else statement


def expect(actual, wanted, what):
    if actual != wanted:
        raise AssertionError(f"{what}: expected {wanted!r}, found {actual!r}")


def of_what(policy):
    """The bucket, or the queues, that a policy is of."""
    return policy["Queues"] if "Queues" in policy else [policy["Bucket"]]


def listed(value):
    return value if isinstance(value, list) else [value]


def text_of(value):
    """The text of a Sub, or of a plain string."""
    return value["Fn::Sub"] if isinstance(value, dict) and "Fn::Sub" in value else value
