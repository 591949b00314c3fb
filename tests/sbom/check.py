#!/usr/bin/env python3
"""Holds the two SBOMs of an image to the official schemas, to SPDX's own library, to package URLs' canonical form, and
to each other.

usage: check.py SCHEMAS NAME CYCLONEDX SPDX

Prints what is known of the components; exit code 1 when something is not as it has to be.
"""

import json
import os
import sys

from jsonschema import Draft7Validator
from packageurl import PackageURL
from referencing import Registry, Resource
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main(schemas, name, bom_path, document_path):
    problems = []
    bom, document = read(bom_path), read(document_path)
    others = [
        (file, Resource.from_contents(read(os.path.join(schemas, file))))
        for file in ["spdx.schema.json"]
    ]
    base = "http://cyclonedx.org/schema/"
    registry = Registry().with_resources([(base + file, resource) for file, resource in others])
    for file, instance in [("bom-1.6.schema.json", bom), ("spdx-2.3.schema.json", document)]:
        validator = Draft7Validator(read(os.path.join(schemas, file)), registry=registry)
        problems += [f"{file}: {one.json_path}: {one.message}" for one in validator.iter_errors(instance)]
    for message in validate_full_spdx_document(parse_file(document_path)):
        problems.append(f"SPDX: {message.validation_message} ({message.context.spdx_id})")

    components = bom["components"]
    urls = {one["purl"] for one in components + [bom["metadata"]["component"]] if "purl" in one}
    references = {
        one["referenceLocator"] for package in document["packages"] for one in package.get("externalRefs", [])
    }
    problems += [f"only one document has {url}" for url in urls ^ references]
    for url in urls:
        if PackageURL.from_string(url).to_string() != url:
            problems.append(f"{url} is not canonical: {PackageURL.from_string(url).to_string()}")

    known = {one["bom-ref"] for one in components + [bom["metadata"]["component"]]}
    needs = 0
    for one in bom["dependencies"]:
        needs += len(one.get("dependsOn", [])) * one["ref"].startswith("pkg:")
        problems += [f"nothing is {ref}" for ref in {one["ref"], *one.get("dependsOn", [])} - known]
    depends = sum(one["relationshipType"] == "DEPENDS_ON" for one in document["relationships"])
    if needs != depends:
        problems.append(f"{needs} dependencies in one document, {depends} in the other")
    if not needs:
        problems.append("no package needs another")
    licensed = sum("licenses" in one for one in components)
    if licensed != sum("licenseDeclared" in one for one in document["packages"]):
        problems.append("the documents have not the same number of licences")

    supplied = sum("supplier" in one for one in components)
    print(f"== {name}: {len(components)} components, {supplied} with supplier, {licensed} with licence, {needs} needs")
    for problem in problems:
        print(f"WRONG {name}: {problem}")
    sys.exit(bool(problems))


main(*sys.argv[1:])
