//! `imgfix repair --skip-identical`: the layer without the files that differ in their time alone.
//! Of the built program on the fixtures' images: both results are read layer by layer and held
//! against each other, path by path. No network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::apk_samples::{Apk, FOUND, trivy};
use common::cli::{self, Place, blob, manifest, ran, report};
use imgfix_model::path::ImagePath;
use imgfix_vfs::layer_reader::{LayerSpec, Wanted, read_layers};
use imgfix_vfs::{
    Budget, Content, Entry, FileData, FileSystem as _, Kind, LayerLimits, LinkId, NoLayers, Tree,
    merge,
};
use serde_json::Value;

/// The merged layers of a tag, all contents in memory.
fn tree(layout: &Path, tag: &str) -> Tree {
    let manifest = manifest(layout, tag);
    let layers: Vec<Vec<u8>> = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| std::fs::read(blob(layout, layer["digest"].as_str().unwrap())).unwrap())
        .collect();
    let spec = |name| LayerSpec { name, compression: None, diff_id: None };
    let specs: Vec<LayerSpec> = (0..layers.len()).map(|at| spec(format!("layer {at}"))).collect();
    let budget = Budget::new(LayerLimits::default());
    let all = |_: &ImagePath, _: u64| true;
    let read = read_layers(&specs, |at| Ok(&layers[at][..]), &budget, Wanted::kept(&all));
    merge(read.unwrap(), Arc::new(NoLayers)).unwrap()
}

/// The names in the newest layer of a tag.
fn names_of_layer(layout: &Path, tag: &str) -> BTreeSet<String> {
    let manifest = manifest(layout, tag);
    let layer = manifest["layers"].as_array().unwrap().last().unwrap();
    let bytes = std::fs::read(blob(layout, layer["digest"].as_str().unwrap())).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
    let name = |entry: tar::Entry<'_, _>| entry.path().unwrap().display().to_string();
    archive.entries().unwrap().map(|entry| name(entry.unwrap())).collect()
}

/// A path without its time: attributes, content, and with which others it is one file.
fn shown(tree: &Tree) -> BTreeMap<ImagePath, (Entry, Vec<ImagePath>)> {
    let mut links: BTreeMap<LinkId, Vec<ImagePath>> = BTreeMap::new();
    let link = |entry: &Entry| match &entry.kind {
        Kind::File(data) => data.link,
        _ => None,
    };
    for (path, entry) in tree.iter() {
        if let Some(id) = link(entry) {
            links.entry(id).or_default().push(path.clone());
        }
    }
    let show = |(path, entry): (&ImagePath, &Entry)| {
        let others = link(entry).map(|id| links[&id].clone()).unwrap_or_default();
        let mut bare = Entry { mtime: 0, ..entry.clone() };
        if let Kind::File(data) = &mut bare.kind {
            assert!(matches!(data.content, Content::Inline(_)), "{path}");
            *data = FileData { link: None, ..data.clone() };
        }
        (path.clone(), (bare, others))
    };
    tree.iter().map(show).collect()
}

/// Holds a repair with the option against one without it; what was left out.
#[track_caller]
fn compare(layout: &Path, original: &str, database: &'static str, small: &Value) -> Value {
    let [was, with, without] = [original, "small", "exact"].map(|tag| tree(layout, tag));
    let (small_shown, exact_shown) = (shown(&with), shown(&without));
    for (path, exact) in &exact_shown {
        assert_eq!(small_shown.get(path), Some(exact), "{path}");
    }
    assert_eq!(small_shown.len(), exact_shown.len());

    let left_out = &small["platforms"][0]["files"]["left_out"];
    let in_layer = names_of_layer(layout, "small");
    let database = ImagePath::literal(database);
    let (mut files, mut bytes, mut counted) = (0u64, 0u64, BTreeSet::new());
    for (path, entry) in with.iter() {
        let exact = without.lstat(path).unwrap();
        let name = String::from_utf8_lossy(path.relative()).into_owned();
        if entry.mtime == exact.mtime {
            continue;
        }
        // another time means: what the original has, with its time, and not in the layer
        assert_eq!(Some(entry.mtime), was.lstat(path).map(|was| was.mtime), "{path}");
        assert!(!in_layer.contains(name.trim_end_matches('/')), "{path}");
        assert!(!path.starts_with(&database), "{path}: the database is as it was composed");
        if entry.is_dir() {
            assert!(!in_layer.iter().any(|one| one.starts_with(&format!("{name}/"))), "{path}");
            continue;
        }
        files += 1;
        let link = exact_shown[path].1.first().cloned();
        if link.is_none_or(|first| counted.insert(first)) {
            bytes += entry.size();
        }
    }
    // those whose time is the same, too, are left out as well
    assert!(left_out["files"].as_u64().unwrap() >= files, "{left_out} and {files}");
    assert!(left_out["bytes"].as_u64().unwrap() >= bytes, "{left_out} and {bytes}");
    left_out.clone()
}

fn debian(place: &Place, tag: &str, arguments: &[&str]) -> Command {
    let mut command = place.repair(&place.image("12"));
    command.args(["-o", &place.image(tag)]).args(arguments);
    command
}

#[test]
fn the_images_differ_in_times_of_equal_files_only() {
    let place = Place::debian();
    let html = place.path("page.html").display().to_string();
    let exact = ran(&mut debian(&place, "exact", &["--html", &html])).expect(0).json();
    let skip = ["--skip-identical", "--html", &html];
    let small = ran(&mut debian(&place, "small", &skip)).expect(0).json();
    let layout = place.path("image");
    let left_out = compare(&layout, "12", "/var/lib/dpkg", &small);

    assert!(left_out["files"].as_u64() > Some(10), "the fixture has such files: {left_out}");
    let page = std::fs::read_to_string(&html).unwrap();
    let bytes = imgfix_terminal::bytes(left_out["bytes"].as_u64().unwrap());
    let said =
        format!("{} files left out, identical but for their time: {bytes}", left_out["files"]);
    assert_eq!(page.matches(&said).count(), 1, "{said}");
    let of = |json: &Value, key: &str| json["platforms"][0][key].clone();
    let (layer, files) = (of(&small, "layer"), of(&small, "files"));
    assert!(layer["size"].as_u64() < of(&exact, "layer")["size"].as_u64(), "{layer}");
    assert!(layer["entries"].as_u64() < of(&exact, "layer")["entries"].as_u64(), "{layer}");
    assert!(of(&exact, "files").get("left_out").is_none());
    for key in ["added", "removed", "differing"] {
        assert_eq!(files[key], of(&exact, "files")[key], "{key}");
    }
    for key in ["findings", "packages", "scripts", "effects"] {
        assert_eq!(of(&small, key), of(&exact, key), "{key}");
    }
    let schema = include_str!("../docs/report.schema.json");
    imgfix_report::schema_check::assert_valid(schema, &small.to_string());
}

#[test]
fn option_variable_and_policy_make_the_same_image_whatever_was_there() {
    let place = Place::debian();
    let digest = ran(&mut debian(&place, "small", &["--skip-identical"])).expect(0).digest();
    let mut by_variable = debian(&place, "variable", &[]);
    let by_variable = ran(by_variable.env("IMGFIX_SKIP_IDENTICAL", "true")).expect(0);
    assert_eq!(by_variable.digest(), digest);
    std::fs::write(place.path("imgfix.toml"), "skip-identical = true\n").unwrap();
    let config = place.path("imgfix.toml").display().to_string();
    let by_policy = ran(&mut debian(&place, "policy", &["--config", &config])).expect(0);
    assert_eq!(by_policy.digest(), digest);
    std::fs::remove_file(place.path("imgfix.toml")).unwrap();
    // a repaired image is repaired from its original: nothing of the smaller layer is left
    let exact = ran(&mut debian(&place, "exact", &[])).expect(0);
    let mut again = place.repair(&place.image("small"));
    let again = ran(again.args(["-o", &place.image("again")])).expect(0);
    assert_eq!(again.digest(), exact.digest());
    assert_ne!(exact.digest(), digest);
    // the text says it once, where the layer's size is
    let mut text = place.on("repair", &place.image("12"));
    text.args(["-q", "-r", &report("debian-12.trivy"), "--skip-identical"]);
    let text = ran(&mut text).expect(0).stdout;
    assert_eq!(text.matches("left out, identical but for their time").count(), 1, "{text}");
}

#[test]
fn an_image_of_apk_is_the_same_too() {
    let apk = Apk::alpine();
    let found = apk.place.path("trivy.json");
    std::fs::write(&found, trivy("alpine", "3.20.3", FOUND).to_string()).unwrap();
    let repair = |tag: &str, arguments: &[&str]| {
        let mut command = apk.place.bare("repair", &apk.place.image("1"));
        command.args(["-q", "--format", "json", "-o", &apk.place.image(tag), "-r"]);
        ran(command.arg(&found).args(arguments)).expect(0).json()
    };
    repair("exact", &[]);
    let small = repair("small", &["--skip-identical"]);
    compare(&apk.place.path("image"), "1", "/lib/apk/db", &small);
    assert_eq!(
        cli::tagged(&apk.place.path("image"), "small").as_deref(),
        small["output"]["digest"].as_str()
    );
}
