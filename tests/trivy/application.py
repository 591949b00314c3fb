#!/usr/bin/env python3
"""Puts an application in three languages on an image: a virtual environment, node modules, a fat jar.

usage: tests/trivy/application.py FOLDER LAYOUT

In:  PyPI, the npm registry and Maven Central, for the versions below; python3 with venv, npm. FOLDER, to work in.
     LAYOUT, an OCI layout with one image.
Out: the image has one layer more: /opt/venv, /srv/web/node_modules, /srv/app/app.jar.
"""
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.request
import zipfile

PYTHON = ["urllib3==1.26.4", "jinja2==3.1.6", "markupsafe==2.1.3"]
NODE = ["lodash@4.17.15", "minimist@1.2.5"]
CENTRAL = "https://repo.maven.apache.org/maven2/"
JAVA = {
    "org/apache/logging/log4j/log4j-core/2.14.1/log4j-core-2.14.1.jar": "9141212b8507ab50a45525b545b39d224614528b",
    "org/apache/logging/log4j/log4j-api/2.14.1/log4j-api-2.14.1.jar": "cd8858fbbde69f46bce8db1152c18a43328aae78",
    "org/yaml/snakeyaml/1.30/snakeyaml-1.30.jar": "8fde7fe2586328ac3c68db92045e1c8759125000",
}
MANIFEST = (
    "Manifest-Version: 1.0\r\nMain-Class: org.springframework.boot.loader.JarLauncher\r\n"
    "Start-Class: example.App\r\nSpring-Boot-Lib: BOOT-INF/lib/\r\n"
    "Spring-Boot-Classpath-Index: BOOT-INF/classpath.idx\r\n\r\n"
)


def central(path, digest):
    with urllib.request.urlopen(CENTRAL + path) as answer:
        content = answer.read()
    found = hashlib.sha1(content).hexdigest()
    if found != digest:
        sys.exit(f"{path}: {found} instead of {digest}")
    return content


def fat_jar(out):
    """As Spring Boot packs it: what it needs lies in it uncompressed."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as jar:
        jar.writestr("META-INF/MANIFEST.MF", MANIFEST)
        names = []
        for path, digest in JAVA.items():
            name = "BOOT-INF/lib/" + os.path.basename(path)
            jar.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), central(path, digest), zipfile.ZIP_STORED)
            names.append(name)
        jar.writestr("BOOT-INF/classpath.idx", "".join(f'- "{name}"\n' for name in names))


def main():
    folder, layout = sys.argv[1:]
    run = subprocess.check_call
    venv, web, app = (os.path.join(folder, name) for name in ("opt/venv", "srv/web", "srv/app"))
    run([sys.executable, "-m", "venv", "--without-pip", venv])
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", venv]
    run([*pip, "install", "--quiet", "--no-deps", *PYTHON])
    os.makedirs(web)
    with open(os.path.join(web, "package.json"), "w") as file:
        file.write('{\n  "name": "web",\n  "version": "1.0.0",\n  "private": true\n}\n')
    run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", web, *NODE])
    os.makedirs(app)
    fat_jar(os.path.join(app, "app.jar"))

    add_layer(layout, packed(folder))


def packed(folder):
    """What is in the folder as a layer."""
    def plain(member):
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        for name in ("opt", "srv"):
            archive.add(os.path.join(folder, name), name, filter=plain)
    return layer.getvalue()


def add_layer(layout, layer):
    def read(digest):
        with open(os.path.join(layout, "blobs", *digest.split(":")), "rb") as file:
            return json.load(file)

    def store(media_type, content):
        digest = hashlib.sha256(content).hexdigest()
        with open(os.path.join(layout, "blobs", "sha256", digest), "wb") as file:
            file.write(content)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(content)}

    with open(os.path.join(layout, "index.json")) as file:
        index = json.load(file)
    [described] = index["manifests"]
    manifest = read(described["digest"])
    config = read(manifest["config"]["digest"])
    new = store("application/vnd.oci.image.layer.v1.tar", layer)
    config["rootfs"]["diff_ids"].append(new["digest"])
    config.get("history", []).append({"created_by": "COPY application"})
    manifest["layers"].append(new)
    manifest["config"] = store(manifest["config"]["mediaType"], json.dumps(config).encode())
    described.update(store(described["mediaType"], json.dumps(manifest).encode()))
    with open(os.path.join(layout, "index.json"), "w") as file:
        json.dump(index, file)


main()
