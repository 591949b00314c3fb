#!/usr/bin/env python3
"""Serves the images of an OCI layout as one repository of a registry, on this machine only and only for reading.

usage: tests/trivy/registry.py LAYOUT REPOSITORY

Out: the port, on stdout; then it serves until it is ended. Trivy has a name for an image only when it comes from a
registry or a daemon.
"""
import http.server
import json
import os
import sys

layout, repository = sys.argv[1:]
with open(os.path.join(layout, "index.json")) as file:
    named = {one.get("annotations", {}).get("org.opencontainers.image.ref.name"): one["digest"]
             for one in json.load(file)["manifests"]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        base = "/v2/" + repository + "/"
        if self.path == "/v2/":
            return self.answer(200, b"{}", "application/json")
        kind, _, reference = self.path.removeprefix(base).partition("/")
        digest = named.get(reference, reference)
        path = os.path.join(layout, "blobs", *digest.split(":"))
        if not self.path.startswith(base) or not os.path.isfile(path):
            return self.answer(404, b"{}", "application/json")
        with open(path, "rb") as blob:
            body = blob.read()
        media = json.loads(body)["mediaType"] if kind == "manifests" else "application/octet-stream"
        return self.answer(200, body, media, digest)

    def answer(self, status, body, media, digest=None):
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
