//! Images as other builders and tools make them: histories that do not fit the layers, package
//! databases behind links, indexes with more than images, archives of several images. Each is
//! repaired by the built program, and the result is read by the tools that people go on with.
//!
//! Needs Debian's buildah, skopeo, umoci and openssl; no network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::cli::{self, Place, blob, manifest, ran, read_json, tagged, version_in};
use common::images::layer;
use common::registry::run;
use imgfix_model::digest::Digest;
use serde_json::{Value, json};

const EXPAT: (&str, &str) = ("libexpat1", "2.5.0-1+deb12u5");
const NAME: &str = "org.opencontainers.image.ref.name";
const WHOLE_NAME: &str = "io.containerd.image.name";

fn put(layout: &Path, bytes: &[u8]) -> (String, usize) {
    let digest = Digest::of(bytes).to_string();
    std::fs::write(blob(layout, &digest), bytes).expect("blob");
    (digest, bytes.len())
}

/// Puts a document into a layout; a descriptor of it.
fn put_json(layout: &Path, media_type: &str, value: &Value) -> Value {
    let (digest, size) = put(layout, value.to_string().as_bytes());
    json!({"mediaType": media_type, "digest": digest, "size": size})
}

/// Replaces an image's manifest and config by edited ones, under another tag.
fn edited(
    layout: &Path,
    tag: &str,
    new_tag: &str,
    edit: impl FnOnce(&mut Value, &mut Value),
) -> Value {
    let mut manifest = manifest(layout, tag);
    let digest = manifest["config"]["digest"].as_str().expect("config").to_owned();
    let mut config = read_json(&blob(layout, &digest));
    edit(&mut manifest, &mut config);
    let media_type = manifest["config"]["mediaType"].as_str().expect("type").to_owned();
    manifest["config"] = put_json(layout, &media_type, &config);
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let mut entry = put_json(layout, media_type, &manifest);
    entry["annotations"] = json!({NAME: new_tag});
    add_entry(layout, &entry);
    entry
}

fn add_entry(layout: &Path, entry: &Value) {
    let path = layout.join("index.json");
    let mut index = read_json(&path);
    index["manifests"].as_array_mut().expect("manifests").push(entry.clone());
    std::fs::write(path, index.to_string()).expect("index.json");
}

fn config(layout: &Path, tag: &str) -> Value {
    let manifest = manifest(layout, tag);
    read_json(&blob(layout, manifest["config"]["digest"].as_str().expect("config")))
}

/// Unpacks a tag of a layout with umoci; its root file system.
fn unpacked(place: &Place, layout: &Path, tag: &str) -> PathBuf {
    let bundle = place.path(&format!("bundle-{tag}"));
    let mut command = Command::new("umoci");
    command.args(["unpack", "--image", &format!("{}:{tag}", layout.display())]);
    if !cli::is_root() {
        command.arg("--rootless");
    }
    ran(command.arg(&bundle)).expect(0);
    bundle.join("rootfs")
}

/// buildah with a storage of its own, or `None` where it cannot be used; that is said loudly.
fn buildah(place: &Place) -> Option<impl Fn(&[&str]) -> String> {
    if !cli::is_root() {
        eprintln!("NOT CHECKED with buildah: it needs root here");
        return None;
    }
    if Command::new("buildah").arg("--version").output().is_err() {
        eprintln!("NOT CHECKED with buildah: install the Debian package 'buildah'");
        return None;
    }
    let (folder, root, state) = (place.path("."), place.path("b-root"), place.path("b-state"));
    Some(move |arguments: &[&str]| {
        let mut command = Command::new("buildah");
        // it takes no upper-case letters in the path of a layout, and a relative one as it is
        command.current_dir(&folder).args(["--storage-driver", "vfs", "--root"]).arg(&root);
        ran(command.arg("--runroot").arg(&state).args(arguments)).expect(0).stdout
    })
}

/// nix and bazel write no history, jib and bazel too few entries on a base that has them, and a
/// squashed image keeps too many: buildah refuses what does not fit, and umoci breaks off.
#[test]
fn an_image_whose_history_does_not_fit_can_be_built_upon_when_it_is_repaired() {
    let place = Place::debian();
    let layout = place.path("image");
    let first = |config: &Value| config["history"][0].clone();
    type Edit = fn(&mut Value, Value);
    let table: [(&str, Edit); 5] = [
        ("none", |config, _| drop(config.as_object_mut().expect("config").remove("history"))),
        ("null", |config, _| config["history"] = Value::Null),
        ("base-only", |config, first| config["history"] = json!([first])),
        ("settings-only", |config, _| {
            config["history"] = json!([{"created_by": "ENV A=b", "empty_layer": true}]);
        }),
        ("surplus", |config, first| config["history"] = json!([first, first, first, first, first])),
    ];
    for (tag, edit) in table {
        edited(&layout, "12", tag, |_, config| {
            let first = first(config);
            edit(config, first);
        });
        let original = config(&layout, tag);
        ran(&mut place.repair(&place.image(tag))).expect(0);
        let fixed = format!("{tag}_fix");
        let config = config(&layout, &fixed);
        let history = config["history"].as_array().expect("history");
        let full = history.iter().filter(|entry| entry["empty_layer"] != true).count();
        assert_eq!(full, config["rootfs"]["diff_ids"].as_array().expect("ids").len(), "{tag}");

        let archive = format!("docker-archive:{}:app:1", place.path("app.tar").display());
        run("skopeo", &["copy", "-q", &place.image(&fixed), &archive]);
        std::fs::remove_file(place.path("app.tar")).expect("archive");
        let image = format!("{}:{fixed}", layout.display());
        run("umoci", &["stat", "--json", "--image", &image]);
        run("umoci", &["config", "--image", &image, "--tag", "umoci", "--config.env", "A=b"]);
        if let Some(buildah) = buildah(&place) {
            let container = format!("from-{tag}");
            buildah(&["from", "--name", &container, &format!("oci:image:{fixed}")]);
            buildah(&["config", "--env", "A=b", &container]);
            buildah(&["commit", "-q", &container, &format!("oci:built:{tag}")]);
            let built = manifest(&place.path("built"), tag);
            assert_eq!(built["layers"].as_array().expect("layers").len(), 5, "{tag}");
        }
        // repairing again starts from the original, whose history is as it was
        let again = ran(&mut place.repair(&place.image(&fixed))).expect(0);
        assert_eq!(Some(again.digest()), tagged(&layout, &fixed), "{tag}");
        assert_eq!(self::config(&layout, tag), original, "{tag}");
    }
}

/// A layer that moves the directory `from` to `to` and leaves `target` as a link to it.
fn moving_layer(rootfs: &Path, from: &str, to: &str, target: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    let header = |entry_type, metadata: &std::fs::Metadata| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(entry_type);
        header.set_mode(metadata.mode() & 0o7777);
        header.set_mtime(u64::try_from(metadata.mtime()).expect("time"));
        header.set_size(0);
        header
    };
    let mut folders = vec![rootfs.join(from)];
    while let Some(folder) = folders.pop() {
        let metadata = std::fs::metadata(&folder).expect("folder");
        let new = |path: &Path| Path::new(to).join(path.strip_prefix(rootfs.join(from)).unwrap());
        let mut directory = header(tar::EntryType::Directory, &metadata);
        builder.append_data(&mut directory, new(&folder), &b""[..]).expect("directory");
        for entry in std::fs::read_dir(&folder).expect("folder") {
            let path = entry.expect("entry").path();
            let metadata = std::fs::symlink_metadata(&path).expect("metadata");
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_symlink() {
                let mut link = header(tar::EntryType::Symlink, &metadata);
                let target = std::fs::read_link(&path).expect("link");
                builder.append_link(&mut link, new(&path), target).expect("link");
            } else {
                let content = std::fs::read(&path).expect("file");
                let mut file = header(tar::EntryType::Regular, &metadata);
                file.set_size(content.len() as u64);
                builder.append_data(&mut file, new(&path), &content[..]).expect("file");
            }
        }
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    link.set_mode(0o777);
    builder.append_link(&mut link, from, target).expect("link");
    builder.into_inner().expect("tar")
}

/// The image `12` with one more layer, as `tag`.
fn with_layer(layout: &Path, tag: &str, tar: &[u8]) {
    edited(layout, "12", tag, |manifest, config| {
        let (digest, size) = put(layout, tar);
        let layer = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": digest, "size": size});
        manifest["layers"].as_array_mut().expect("layers").push(layer);
        config["rootfs"]["diff_ids"].as_array_mut().expect("ids").push(digest.into());
        let entry = json!({"created_by": "mv"});
        config["history"].as_array_mut().expect("history").push(entry);
    });
}

/// Regular files and links below `folder`, by their path in it.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("folder") {
            let path = entry.expect("entry").path();
            let metadata = std::fs::symlink_metadata(&path).expect("metadata");
            let name = path.strip_prefix(folder).expect("below").to_owned();
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_symlink() {
                let target = std::fs::read_link(&path).expect("link");
                found.insert(name, target.into_os_string().into_encoded_bytes());
            } else if metadata.is_file() {
                found.insert(name, std::fs::read(&path).expect("file"));
            }
        }
    }
    found
}

#[test]
fn a_package_database_behind_links_is_repaired_where_it_is() {
    let place = Place::debian();
    let layout = place.path("image");
    ran(&mut place.repair(&place.image("12"))).expect(0);
    let plain = unpacked(&place, &layout, "12_fix");
    let original = unpacked(&place, &layout, "12");
    for (tag, from, to, target) in [
        ("relative", "var/lib/dpkg", "usr/lib/sysimage/dpkg", "../../usr/lib/sysimage/dpkg"),
        ("absolute", "var/lib/dpkg", "usr/share/state/dpkg", "/usr/share/state/dpkg"),
        ("parent", "var/lib", "usr/lib/state", "../usr/lib/state"),
        ("top", "var", "usr/var", "usr/var"),
    ] {
        with_layer(&layout, tag, &moving_layer(&original, from, to, target));
        let json = ran(&mut place.repair(&place.image(tag))).expect(0).json();
        assert_eq!(json["summary"]["fixed"].as_u64().map(|n| n > 0), Some(true), "{tag}");
        let fixed = unpacked(&place, &layout, &format!("{tag}_fix"));
        let link = std::fs::read_link(fixed.join(from)).expect("the link stays");
        assert_eq!(link, Path::new(target), "{tag}");
        let (want, found) = (content(&plain.join(from)), content(&fixed.join(to)));
        let differ: Vec<_> = want
            .keys()
            .chain(found.keys())
            .filter(|path| want.get(*path) != found.get(*path))
            .collect();
        assert!(differ.is_empty(), "{tag}: other than where nothing was moved: {differ:?}");
        let status = std::fs::read_to_string(fixed.join(to).join(match from {
            "var" => "lib/dpkg/status",
            "var/lib" => "dpkg/status",
            _ => "status",
        }));
        assert_eq!(version_in(&status.expect("status"), EXPAT.0).as_deref(), Some(EXPAT.1));
        // nothing but what was moved differs elsewhere
        let rest = |rootfs: &Path, moved: &[&str]| {
            let mut files = content(rootfs);
            files.retain(|path, _| !moved.iter().any(|moved| path.starts_with(moved)));
            files
        };
        assert!(rest(&plain, &[from]) == rest(&fixed, &[from, to]), "{tag}: the rest");
        if cli::is_root() {
            let real = |rootfs: &Path| {
                let root = rootfs.display().to_string();
                run("chroot", &[&root, "dpkg-query", "-W"])
            };
            assert_eq!(real(&plain), real(&fixed), "{tag}: what the real dpkg reads");
        }
        let again = ran(&mut place.repair(&place.image(&format!("{tag}_fix")))).expect(0);
        assert_eq!(Some(again.digest()), tagged(&layout, &format!("{tag}_fix")), "{tag}");
    }
}

/// An artifact of a layout: its manifest, with a config and a layer of these types.
fn artifact(layout: &Path, config: &str, layer: &str, text: &str) -> Value {
    let config = put_json(layout, config, &json!({"x": text}));
    let layer = put_json(layout, layer, &json!({"payload": text}));
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config,
        "layers": [layer]});
    put_json(layout, media_type, &manifest)
}

#[test]
fn an_index_keeps_what_is_no_image_and_has_its_images_repaired() {
    let place = Place::debian();
    let layout = place.path("image");
    let index_type = "application/vnd.oci.image.index.v1+json";
    let config_type = "application/vnd.oci.image.config.v1+json";
    let mut image = read_json(&layout.join("index.json"))["manifests"][0].clone();
    image.as_object_mut().expect("entry").remove("annotations");
    let mut sbom = artifact(&layout, "application/vnd.oci.empty.v1+json", "text/spdx", "sbom");
    sbom["artifactType"] = "text/spdx".into();
    let chart = artifact(&layout, "application/vnd.cncf.helm.config.v1+json", "x/chart", "chart");
    let cosign = "application/vnd.dev.cosign.simplesigning.v1+json";
    let signature = artifact(&layout, config_type, cosign, "signature");
    let inner = json!({"schemaVersion": 2, "mediaType": index_type,
        "manifests": [image, chart], "annotations": {"n": 1}});
    let root = json!({"schemaVersion": 2, "mediaType": index_type, "x-number": "NUMBER",
        "manifests": [sbom, put_json(&layout, index_type, &inner), signature]});
    let number = "123456789012345678901234567890.10";
    let (root, size) = put(&layout, root.to_string().replace("\"NUMBER\"", number).as_bytes());
    add_entry(
        &layout,
        &json!({"mediaType": index_type, "digest": root, "size": size,
        "annotations": {NAME: "many"}}),
    );

    let output = format!("oci:{}:fixed", place.path("out").display());
    let mut command = place.repair(&place.image("many"));
    let json = ran(command.args(["-o", &output])).expect(0).json();
    assert_eq!(json["platforms"].as_array().expect("platforms").len(), 1);
    let out = place.path("out");
    let fixed = manifest(&out, "fixed");
    let text =
        std::fs::read_to_string(blob(&out, json["output"]["digest"].as_str().expect("digest")));
    assert!(text.expect("index").contains(&format!("\"x-number\":{number}")), "digits");
    let digest = |value: &Value| value["digest"].as_str().expect("digest").to_owned();
    for (at, kept) in [(0, &sbom), (2, &signature)] {
        assert_eq!(&fixed["manifests"][at], kept);
        let bytes =
            |layout: &Path, digest: &str| std::fs::read(blob(layout, digest)).expect("blob");
        assert_eq!(bytes(&out, &digest(kept)), bytes(&layout, &digest(kept)));
        let manifest = read_json(&blob(&out, &digest(kept)));
        for part in [&manifest["config"], &manifest["layers"][0]] {
            assert_eq!(bytes(&out, &digest(part)), bytes(&layout, &digest(part)));
        }
    }
    let inner = read_json(&blob(&out, &digest(&fixed["manifests"][1])));
    assert_eq!(inner["manifests"][1], chart);
    assert_eq!(inner["annotations"], json!({"n": 1}));
    let repaired = read_json(&blob(&out, &digest(&inner["manifests"][0])));
    assert_eq!(repaired["layers"].as_array().expect("layers").len(), 4);
    assert_eq!(inner["manifests"][0]["platform"], image["platform"]);
    run("skopeo", &["inspect", "--raw", &output]);
    // once more, from the result
    let mut command = place.repair(&output);
    ran(command.args(["-o", &output])).expect(0);
    assert_eq!(manifest(&out, "fixed"), fixed);
}

/// What `cosign save` writes: an image and its signatures, none of which has a tag.
#[test]
fn a_layout_without_tags_has_one_image_and_signatures() {
    let place = Place::debian();
    let layout = place.path("image");
    let path = layout.join("index.json");
    let mut index = read_json(&path);
    let kind = |kind: &str| json!({"kind": format!("dev.cosignproject.cosign/{kind}")});
    index["manifests"][0]["annotations"] = kind("image");
    std::fs::write(&path, index.to_string()).expect("index.json");
    let cosign = "application/vnd.dev.cosign.simplesigning.v1+json";
    let config = "application/vnd.oci.image.config.v1+json";
    let mut signature = artifact(&layout, config, cosign, "signature");
    signature["annotations"] = kind("sigs");
    add_entry(&layout, &signature);
    let image = format!("oci:{}", layout.display());
    let nameless = ran(&mut place.repair(&image)).expect(2);
    let want = format!(
        "imgfix: error: {image:?} has no name for the result: it has no tag that one could be made of; \
         give one, as in -o {image}:TAG"
    );
    assert_eq!(nameless.stderr.trim(), want);
    // under no name again: the image gives way, its signatures do not
    ran(place.repair(&image).args(["-o", &image])).expect(0);
    let index = read_json(&path);
    let entries = index["manifests"].as_array().expect("manifests");
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1], signature);
    // under a name: both stay
    let output = format!("{image}:fixed");
    ran(place.repair(&image).args(["-o", &output])).expect(0);
    let index = read_json(&path);
    let entries = index["manifests"].as_array().expect("manifests");
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[1], signature);
    assert_eq!(entries[0]["digest"], entries[2]["digest"]);
}

/// `docker save a:1 b:1` of version 25 and newer: one tag, told apart by whole names.
#[test]
fn images_of_one_tag_in_an_archive_are_named_wholly() {
    let place = Place::debian();
    let layout = place.path("image");
    let path = layout.join("index.json");
    let (ours, theirs) = ("docker.io/library/debian:12", "registry.example/team/other:12");
    common::images::layout(&place.path("other"), "x", &[layer("etc/x", b"x")]);
    let foreign = read_json(&place.path("other/index.json"))["manifests"][0].clone();
    for (name, bytes) in cli::snapshot(&place.path("other/blobs")) {
        let target = layout.join("blobs/sha256").join(name.file_name().expect("name"));
        std::fs::write(target, bytes).expect("blob");
    }
    let mut index = read_json(&path);
    index["manifests"][0]["annotations"] = json!({NAME: "12", WHOLE_NAME: ours});
    let mut entry = foreign;
    entry["annotations"] = json!({NAME: "12", WHOLE_NAME: theirs});
    index["manifests"].as_array_mut().expect("manifests").push(entry);
    std::fs::write(&path, index.to_string()).expect("index.json");
    let archive = place.path("saved.tar");
    let members = ["oci-layout", "index.json", "blobs"];
    run(
        "tar",
        &[
            &["-C", &layout.display().to_string(), "-cf", &archive.display().to_string()],
            &members[..],
        ]
        .concat(),
    );

    let archive = format!("oci-archive:{}", archive.display());
    let several = ran(&mut place.repair(&format!("{archive}:12"))).expect(1);
    let want = format!("several images have this tag; name one wholly: {ours}, {theirs}");
    assert!(several.stderr.contains(&want), "{}", several.stderr);
    for name in [ours, "debian:12"] {
        let json = ran(&mut place.repair(&format!("{archive}:{name}"))).expect(0).json();
        let fixed = format!("oci-archive:{}:{name}_fix", place.path("saved_fix.tar").display());
        assert_eq!(json["output"]["reference"], fixed.as_str());
        let index =
            run("tar", &["-xOf", &place.path("saved_fix.tar").display().to_string(), "index.json"]);
        let index: Value = serde_json::from_str(&index).expect("index.json");
        let notes = &index["manifests"][0]["annotations"];
        assert_eq!(notes[WHOLE_NAME], "docker.io/library/debian:12_fix");
        run("skopeo", &["inspect", "--raw", &fixed]);
    }
    // in a layout the other image of the tag stays
    let image = format!("oci:{}:{ours}", layout.display());
    ran(&mut place.repair(&image)).expect(0);
    let index = read_json(&path);
    let entries = index["manifests"].as_array().expect("manifests");
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[1]["annotations"][WHOLE_NAME], theirs);
    assert_eq!(entries[2]["annotations"][WHOLE_NAME], "docker.io/library/debian:12_fix");
}
