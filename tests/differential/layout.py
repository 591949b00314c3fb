#!/usr/bin/env python3
"""Makes an OCI image layout of one root file system.

usage: layout.py ROOT.tar DIR TAG ARCHITECTURE CREATED

In:  an uncompressed tar archive; CREATED in seconds since the epoch. DIR must not exist.
Out: DIR, an OCI layout with one image of one gzip layer under TAG. The same input gives the same bytes.
"""
import datetime
import gzip
import hashlib
import json
import os
import sys

CHUNK = 1 << 20


class Hashed:
    """A file that knows the digest and size of what was written to it."""

    def __init__(self, file):
        self.file, self.hash, self.size = file, hashlib.sha256(), 0

    def write(self, data):
        self.hash.update(data)
        self.size += len(data)
        return self.file.write(data)

    def flush(self):
        self.file.flush()


class Layout:
    def __init__(self, folder):
        self.blobs = os.path.join(folder, "blobs", "sha256")
        os.makedirs(self.blobs)

    def blob(self, fill):
        """Stores what `fill(file)` writes; returns (digest, size)."""
        temporary = os.path.join(self.blobs, "new")
        with open(temporary, "wb") as file:
            hashed = Hashed(file)
            fill(hashed)
        os.rename(temporary, os.path.join(self.blobs, hashed.hash.hexdigest()))
        return f"sha256:{hashed.hash.hexdigest()}", hashed.size

    def json(self, media_type, value):
        text = json.dumps(value, indent=2).encode()
        digest, size = self.blob(lambda file: file.write(text))
        return {"mediaType": media_type, "digest": digest, "size": size}

    def layer(self, path):
        """The tar archive as a gzip layer; returns (descriptor, diff ID)."""
        plain = hashlib.sha256()

        def fill(file):
            with open(path, "rb") as tar, gzip.GzipFile("", "wb", 4, file, mtime=0) as packed:
                while chunk := tar.read(CHUNK):
                    plain.update(chunk)
                    packed.write(chunk)

        digest, size = self.blob(fill)
        media_type = "application/vnd.oci.image.layer.v1.tar+gzip"
        return {"mediaType": media_type, "digest": digest, "size": size}, f"sha256:{plain.hexdigest()}"


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)


def main():
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    tar, folder, tag, architecture, created = sys.argv[1:]
    when = datetime.datetime.fromtimestamp(int(created), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    layout = Layout(folder)
    layer, diff_id = layout.layer(tar)
    config = layout.json("application/vnd.oci.image.config.v1+json", {
        "created": when,
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["bash"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": when, "created_by": f"mmdebstrap {tag}"}],
    })
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer]}
    descriptor = layout.json(media_type, manifest)
    descriptor["platform"] = {"architecture": architecture, "os": "linux"}
    descriptor["annotations"] = {"org.opencontainers.image.ref.name": tag}
    write_json(os.path.join(folder, "oci-layout"), {"imageLayoutVersion": "1.0.0"})
    write_json(os.path.join(folder, "index.json"), {"schemaVersion": 2, "manifests": [descriptor]})


if __name__ == "__main__":
    main()
