#!/usr/bin/env python3
"""Writes what CloudFormation makes of template.yaml: `translate.py TEMPLATE OUT.json`.

The source hides what the SAM transform adds, and linters look at resources one at a time there. Without network: code
stands at an S3 address that is never read.
"""

import json
import os
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")  # the translator asks for one and uses it for nothing

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse


def translated(path):
    """The template after the transform, every condition and parameter still in it."""
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://packages/rapport.zip"
    # No managed policy is used, so none has to be looked up by its name.
    translator = Translator({}, Parser(), boto_session=None)
    return translator.translate(sam_template=template, parameter_values={})


if __name__ == "__main__":
    source, target = sys.argv[1:]
    with open(target, "w", encoding="utf-8") as file:
        json.dump(translated(source), file, indent=1, default=str)
