#!/usr/bin/env python3
"""An OCI layout of one layer with Alpine's database.

usage: alpine.py INSTALLED LAYOUT
"""

import hashlib
import io
import json
import os
import sys
import tarfile

OS_RELEASE = b'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"\n'


def main(installed, layout):
    blobs = os.path.join(layout, "blobs", "sha256")
    os.makedirs(blobs)

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as file:
            file.write(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar, open(installed, "rb") as database:
        for path, data in [("lib/apk/db/installed", database.read()), ("etc/os-release", OS_RELEASE)]:
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    layer = blob(layer.getvalue())
    config = blob(json.dumps({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }).encode())
    kind = "application/vnd.oci.image."
    manifest = blob(json.dumps({
        "schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
        "config": {"mediaType": kind + "config.v1+json", **config},
        "layers": [{"mediaType": kind + "layer.v1.tar", **layer}],
    }).encode())
    index = {"schemaVersion": 2, "manifests": [{
        "mediaType": kind + "manifest.v1+json", **manifest,
        "annotations": {"org.opencontainers.image.ref.name": "3.20"},
    }]}
    for name, document in [("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})]:
        with open(os.path.join(layout, name), "w", encoding="utf-8") as file:
            json.dump(document, file)


main(*sys.argv[1:])
