"""Which conditions of a translated template hold for given parameters, and what the template then is."""


class Chosen:
    """A template with its parameters chosen; those that are not named have their defaults."""

    def __init__(self, template, parameters):
        self.template = template
        self.values = {name: found.get("Default", "") for name, found in template["Parameters"].items()} | parameters

    def holds(self, name):
        """Whether the condition `name` holds."""
        return self.is_so(self.template["Conditions"][name])

    def is_so(self, condition):
        (function, rest), = condition.items()
        if function == "Condition":
            return self.holds(rest)
        if function == "Fn::Not":
            return not self.is_so(rest[0])
        if function == "Fn::And":
            return all(self.is_so(part) for part in rest)
        if function == "Fn::Or":
            return any(self.is_so(part) for part in rest)
        if function == "Fn::Equals":
            first, second = (self.text(part) for part in rest)
            return first == second
        raise ValueError(f"`{function}` in a condition")

    def text(self, value):
        """The text of a value in a condition: a parameter, or the members of one that is a list, joined."""
        if isinstance(value, dict):
            (function, rest), = value.items()
            if function == "Ref":
                return str(self.values[rest])
            if function == "Fn::Join":
                return rest[0].join(self.text(rest[1]).split(","))
            raise ValueError(f"`{function}` in a condition")
        return str(value)

    def names(self):
        """Names of the resources that are there."""
        return {name for name, found in self.template["Resources"].items() if self.is_there(found)}

    def is_there(self, found):
        return "Condition" not in found or self.holds(found["Condition"])

    def resolved(self, section):
        """A section, such as `Resources`, without what is not there: the choices of `Fn::If` are made."""
        there = {name: found for name, found in self.template[section].items() if self.is_there(found)}
        return self.made(there)

    def made(self, node):
        if isinstance(node, list):
            parts = (self.made(part) for part in node)
            return [part for part in parts if part != {"Ref": "AWS::NoValue"}]
        if not isinstance(node, dict):
            return node
        if "Fn::If" in node:
            condition, if_so, if_not = node["Fn::If"]
            return self.made(if_so if self.holds(condition) else if_not)
        parts = {name: self.made(part) for name, part in node.items()}
        return {name: part for name, part in parts.items() if part != {"Ref": "AWS::NoValue"}}
