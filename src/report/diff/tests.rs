//! Two small images that differ in everything that can differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::*;
use imgfix_model::package::{Distribution, Installed, PackageId};
use imgfix_terminal::{Colour, Detail, Style};
use imgfix_versions::VersionOrder;
use imgfix_vfs::{Content, Entry, FileData, Kind, LayerId, Tree};

/// Content of layer members, by layer and index.
struct Members(BTreeMap<(LayerId, u32), &'static str>);

impl imgfix_vfs::ContentLoader for Members {
    fn open(&self, layer: LayerId, index: u32) -> std::io::Result<Box<dyn std::io::Read + Send>> {
        match self.0.get(&(layer, index)) {
            Some(text) => Ok(Box::new(text.as_bytes())),
            None => Err(std::io::Error::other("no such member")),
        }
    }
}

fn in_layer(layer: u32, index: u32, size: u64) -> Entry {
    Entry {
        kind: Kind::File(FileData {
            size,
            content: Content::Layer { layer: LayerId::Original(layer), index },
            link: None,
        }),
        ..Entry::file("", 0o755, 1)
    }
}

fn tree(entries: Vec<(&str, Entry)>, members: &[((u32, u32), &'static str)]) -> Tree {
    Tree::from_entries(
        entries.into_iter().map(|(path, entry)| (ImagePath::new(path).unwrap(), entry)),
        Arc::new(Members(
            members.iter().map(|((n, at), text)| ((LayerId::Original(*n), *at), *text)).collect(),
        )),
    )
}

fn inventory(packages: &[(&str, &str)]) -> Inventory {
    Inventory {
        unfinished: Vec::new(),
        family: "dpkg",
        purl_type: "deb",
        order: VersionOrder::DPKG,
        distribution: Distribution::default(),
        packages: packages
            .iter()
            .map(|(name, version)| Installed {
                id: PackageId { name: (*name).into(), architecture: "amd64".into() },
                version: (*version).into(),
                source: None,
                held: false,
            })
            .collect(),
    }
}

fn mode(entry: Entry, mode: u32) -> Entry {
    Entry { mode, ..entry }
}

struct Image {
    tree: Tree,
    inventory: Inventory,
    config: serde_json::Value,
    layers: Vec<DiffId>,
}

fn layer(name: &str) -> DiffId {
    DiffId(Digest::of(name.as_bytes()))
}

fn before() -> Image {
    Image {
        tree: tree(
            vec![
                ("/etc/conf", Entry::file("one\ntwo\nthree\n", 0o644, 1)),
                ("/etc/same", Entry::file("same", 0o644, 1)),
                ("/etc/link", Entry::symlink("a", 1)),
                ("/etc/became-dir", Entry::file("x", 0o644, 1)),
                ("/usr/bin/su", mode(Entry::file("su", 0, 1), 0o755)),
                ("/usr/bin/evil\x1b[2J", Entry::file("x", 0o755, 1)),
                ("/usr/lib/shared", in_layer(0, 1, 4)),
                ("/usr/lib/equal", in_layer(0, 2, 5)),
                ("/usr/lib/differs", in_layer(0, 3, 6)),
                ("/usr/share/old/a", Entry::file("a", 0o644, 1)),
                ("/usr/share/old/b", Entry::file("b", 0o644, 1)),
                ("/var/blob", Entry::file(&b"\0\x01"[..], 0o644, 1)),
                ("/var/time", Entry::file("t", 0o644, 1)),
            ],
            &[((0, 1), "same"), ((0, 2), "equal"), ((0, 3), "before")],
        ),
        inventory: inventory(&[
            ("base-files", "12"),
            ("gone", "1"),
            ("libssl3", "3.0.9-1"),
            ("tar", "1.34-2"),
        ]),
        config: json!({
            "architecture": "amd64",
            "config": {"Env": ["PATH=/bin"], "Labels": {"a.b": "1"}, "User": "app"},
            "rootfs": {"diff_ids": ["sha256:1"]}
        }),
        layers: vec![layer("base")],
    }
}

fn after() -> Image {
    Image {
        tree: tree(
            vec![
                ("/etc/conf", Entry::file("one\n2\x1b[2J\nthree\n\tfour\n", 0o600, 2)),
                ("/etc/same", Entry::file("same", 0o644, 2)),
                ("/etc/link", Entry::symlink("b", 2)),
                ("/etc/became-dir", Entry::directory(0o755, 2)),
                ("/usr/bin/su", mode(Entry::file("su", 0, 1), 0o4755)),
                ("/usr/lib/shared", in_layer(1, 1, 4)),
                ("/usr/lib/equal", in_layer(2, 7, 5)),
                ("/usr/lib/differs", in_layer(2, 8, 6)),
                ("/usr/share/new/tool", mode(Entry::file("x", 0, 1), 0o2755)),
                ("/usr/share/new/readme", Entry::file("a", 0o644, 1)),
                ("/var/blob", Entry::file(&b"\0\x02"[..], 0o644, 1)),
                ("/var/time", Entry::file("t", 0o644, 2)),
            ],
            // The shared member is not here on purpose: it must not be read.
            &[((2, 7), "equal"), ((2, 8), "after!")],
        ),
        inventory: inventory(&[
            ("base-files", "12"),
            ("libssl3", "3.0.14-1"),
            ("new", "1"),
            ("tar", "1.34-1"),
        ]),
        config: json!({
            "architecture": "amd64",
            "config": {"Env": ["PATH=/bin", "X=\u{1b}[2J"], "Labels": {"a.b": "2"}},
            "rootfs": {"diff_ids": ["sha256:1", "sha256:2"]}
        }),
        layers: vec![layer("other"), layer("base"), layer("patch")],
    }
}

fn compare(before: &Image, after: &Image, options: DiffOptions) -> ImageDiff {
    let (old, new) = (Opened(&before.tree), Opened(&after.tree));
    diff_images(&side("app:1.0", before, &old), &side("app:1.0_fix", after, &new), options).unwrap()
}

fn side<'a>(label: &str, image: &'a Image, contents: &'a dyn Contents) -> Side<'a> {
    Side {
        label: label.into(),
        manifest: Some(Digest::of(label.as_bytes())),
        inventory: Some(&image.inventory),
        tree: &image.tree,
        layers: &image.layers,
        config: &image.config,
        contents,
    }
}

#[test]
fn renderings_are_as_they_were() {
    let diff = compare(&before(), &after(), DiffOptions::default());
    insta::assert_snapshot!("text", render(&diff, Style::default()));
    insta::assert_snapshot!("json", diff.to_json());
}

#[test]
fn the_json_keeps_to_its_schema() {
    let schema = include_str!("../../../docs/diff.schema.json");
    let mut diff = compare(&before(), &after(), DiffOptions::default());
    super::super::schema_check::assert_valid(schema, &diff.to_json());
    diff.packages = None;
    diff.before.manifest = None;
    super::super::schema_check::assert_valid(schema, &diff.to_json());
}

#[test]
fn equal_images_do_not_differ() {
    let diff = compare(&after(), &after(), DiffOptions::default());
    assert!(diff.is_empty(), "{diff:?}");
    assert!(render(&diff, Style::default()).ends_with("\nno differences\n"));
}

#[test]
fn a_time_alone_counts_only_when_asked_for() {
    let options = DiffOptions { mtime: Mtime::Compared, ..DiffOptions::default() };
    let diff = compare(&before(), &after(), options);
    let time = |diff: &ImageDiff| {
        diff.files.changed.iter().find(|c| c.path.to_string() == "/var/time").cloned()
    };
    assert_eq!(time(&diff).unwrap().aspects, [Aspect::Mtime]);
    assert_eq!(time(&compare(&before(), &after(), DiffOptions::default())), None);
}

#[test]
fn text_beyond_the_bounds_is_named() {
    for (options, want) in [
        (DiffOptions { max_text: 5, ..DiffOptions::default() }, "too-large"),
        (DiffOptions { max_texts: 0, ..DiffOptions::default() }, "too-many"),
        (DiffOptions { max_total: 10, ..DiffOptions::default() }, "too-many"),
    ] {
        let diff = compare(&before(), &after(), options);
        let left = diff.texts_left_out.iter().find(|l| l.path.to_string() == "/etc/conf").unwrap();
        assert_eq!(serde_json::to_value(left.why).unwrap(), want);
        assert!(diff.texts.iter().all(|text| text.path.to_string() != "/etc/conf"));
    }
}

#[test]
fn unreadable_content_is_an_error_that_names_the_side() {
    let (old, mut new) = (before(), after());
    new.tree = tree(vec![("/usr/lib/equal", in_layer(2, 7, 5))], &[]);
    let (a, b) = (Opened(&old.tree), Opened(&new.tree));
    let error = diff_images(&side("a", &old, &a), &side("b", &new, &b), DiffOptions::default())
        .unwrap_err();
    assert!(error.to_string().starts_with("b: "), "{error}");
}

#[test]
fn no_escape_of_others_reaches_the_terminal() {
    let diff = compare(&before(), &after(), DiffOptions::default());
    assert!(!render(&diff, Style::default()).contains('\x1b'));
    let style = Style { colour: Colour::Always, detail: Detail::Full, width: Some(60) };
    for part in render(&diff, style).split('\x1b').skip(1) {
        let ours = ["[0m", "[1m", "[31m", "[32m", "[33m"];
        assert!(ours.iter().any(|code| part.starts_with(code)), "{part:?}");
    }
}

#[test]
fn long_lists_are_counted_unless_all_is_asked_for() {
    let (old, mut new) = (before(), after());
    new.tree = Tree::from_entries(
        (0..100)
            .map(|n| (ImagePath::new(format!("/file{n:03}")).unwrap(), Entry::file("x", 0o644, 1))),
        Arc::new(Members(BTreeMap::new())),
    );
    let diff = compare(&old, &new, DiffOptions::default());
    let text = render(&diff, Style::default());
    assert!(text.contains("... and 40 more") && !text.contains("file099"), "{text}");
    let full = render(&diff, Style { detail: Detail::Full, ..Style::default() });
    assert!(full.contains("+ /file099 (1 B)") && full.contains("- /usr/share/old/b"), "{full}");
}

#[test]
fn layers_are_read_once_and_hard_links_get_one_content() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in [("a", "alpha"), ("b", "beta")] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    let blob = archive.into_inner().unwrap();
    let opened = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&opened);
    let loader = imgfix_vfs::LayerLoader::new(vec![None], move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(std::io::Cursor::new(blob.clone())) as _)
    });
    let entries = vec![
        ("/b", in_layer(0, 1, 4)),
        ("/also-b", in_layer(0, 1, 4)),
        ("/a", in_layer(0, 0, 5)),
        ("/inline", Entry::file("here", 0o644, 1)),
        ("/dir", Entry::directory(0o755, 1)),
    ];
    let tree = Tree::from_entries(
        entries.into_iter().map(|(path, entry)| (ImagePath::new(path).unwrap(), entry)),
        Arc::new(loader),
    );
    let path = |text: &str| ImagePath::new(text).unwrap();
    let mut got = BTreeMap::new();
    tree.read_each(
        &[path("/b"), path("/inline"), path("/a"), path("/also-b")],
        &mut |paths, content| {
            let mut text = String::new();
            content.read_to_string(&mut text)?;
            got.extend(paths.iter().map(|path| (path.to_string(), text.clone())));
            Ok(())
        },
    )
    .unwrap();
    let want = [("/a", "alpha"), ("/also-b", "beta"), ("/b", "beta"), ("/inline", "here")];
    assert_eq!(got.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>(), want);
    assert_eq!(opened.load(Ordering::Relaxed), 1);
    for missing in ["/dir", "/nowhere"] {
        assert!(tree.read_each(&[path(missing)], &mut |_, _| Ok(())).is_err(), "{missing}");
    }
}
