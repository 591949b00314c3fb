//! Copies that are not changed, whatever the version. In come the file system and a copy's record;
//! out comes half a sentence: why, with the remedy.

use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem, RootfsError};
use serde::Deserialize;

use crate::names::same_name;
use crate::records;

/// The largest `direct_url.json` or conda record that is read, in bytes.
const MAX_JSON: u64 = 4 << 20;

/// Why the copy of `name` recorded at `record` is not changed; `None`: it can be.
///
/// # Errors
/// A layer cannot be read.
pub fn obstacle(
    fs: &dyn FileSystem,
    name: &str,
    record: &ImagePath,
) -> Result<Option<String>, RootfsError> {
    let Some((info, place)) = record.parent().and_then(|info| Some((info.clone(), info.parent()?)))
    else {
        return Ok(Some("its record is not in a folder of distributions".to_owned()));
    };
    if let Some(parent) = carrier(&place) {
        return Ok(Some(format!(
            "it is a copy inside of {parent}, and changes with an upgrade of that"
        )));
    }
    if !info.file_name().ends_with(b".dist-info") || record.file_name() != b"METADATA" {
        return Ok(Some(
            "it is an egg, which has no list of its files that counts: reinstall it with a \
             present pip when the image is built"
                .to_owned(),
        ));
    }
    let file = |name: &str| -> Result<Option<bytes::Bytes>, RootfsError> {
        let Ok(path) = info.join(name) else { return Ok(None) };
        let is_small = fs.stat(&path).is_some_and(|entry| entry.size() <= MAX_JSON);
        if is_small { fs.read_if_readable(&path) } else { Ok(None) }
    };
    let installer = file("INSTALLER")?.map(|text| String::from_utf8_lossy(&text).trim().to_owned());
    if is_condas(fs, name, &place, installer.as_deref()) {
        return Ok(Some(
            "conda installed it: update it with conda when the image is built".to_owned(),
        ));
    }
    if let Some(text) = file("direct_url.json")?
        && let Some(why) = of_url(&text)
    {
        return Ok(Some(why));
    }
    if let Some(pth) = editable(fs, name, &place) {
        return Ok(Some(format!("it is an editable installation ({pth}): change its source")));
    }
    if fs.lstat(&info.join("RECORD").unwrap_or_else(|_| info.clone())).is_none() {
        return Ok(Some("nothing records its files (it has no RECORD)".to_owned()));
    }
    if installer.as_deref().unwrap_or_default().is_empty() {
        return Ok(Some(
            "no installer recorded itself (it has no INSTALLER): it belongs to what put it there"
                .to_owned(),
        ));
    }
    let store = records::find_in(fs, &place);
    let copies = store.iter().flat_map(|store| &store.libraries);
    if copies.filter(|one| same_name(&one.name, name)).count() > 1 {
        return Ok(Some(
            "its environment records it twice: uninstall it until it is gone, then install it"
                .to_owned(),
        ));
    }
    Ok(None)
}

/// The distribution that carries the copies in `place` in itself: the folder below the one of all
/// distributions.
fn carrier(place: &ImagePath) -> Option<String> {
    let parts: Vec<&[u8]> = place.components().collect();
    let is_all = |part: &&[u8]| matches!(*part, b"site-packages" | b"dist-packages");
    let below = match parts.iter().rposition(is_all) {
        Some(at) => parts.get(at + 1..)?,
        // a distribution in a folder of its own
        None => {
            let at = parts.iter().position(|part| matches!(*part, b"_vendor" | b"_vendored"))?;
            parts.get(at.saturating_sub(1)..)?
        }
    };
    below.first().map(|part| String::from_utf8_lossy(part).into_owned())
}

/// Whether conda has a record of its own of it.
fn is_condas(fs: &dyn FileSystem, name: &str, place: &ImagePath, installer: Option<&str>) -> bool {
    if installer == Some("conda") {
        return true;
    }
    if matches!(installer, Some("pip" | "uv")) {
        return false;
    }
    place.ancestors().iter().rev().any(|folder| {
        let Ok(meta) = folder.join("conda-meta") else { return false };
        fs.read_dir(&meta).iter().any(|path| {
            // `NAME-VERSION-BUILD.json`
            let file = String::from_utf8_lossy(path.file_name()).into_owned();
            let mut parts = file.rsplitn(3, '-');
            parts.nth(2).is_some_and(|recorded| same_name(recorded, name))
        })
    })
}

/// What `direct_url.json` says (<https://packaging.python.org/en/latest/specifications/direct-url/>).
#[derive(Deserialize)]
struct DirectUrl {
    url: String,
    #[serde(default)]
    dir_info: Option<DirInfo>,
    #[serde(default)]
    vcs_info: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct DirInfo {
    #[serde(default)]
    editable: bool,
}

/// Why what came from a URL is not changed; a wheel that somebody brought is no other than the
/// index's.
fn of_url(text: &[u8]) -> Option<String> {
    let Ok(from) = imgfix_json::read::<DirectUrl>(text) else {
        return Some("its direct_url.json cannot be read".to_owned());
    };
    // a login may be in it
    let url = match from.url.split_once("://") {
        Some((scheme, rest)) => {
            let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
            format!("{scheme}://{rest}")
        }
        None => from.url.clone(),
    };
    match from.dir_info {
        Some(DirInfo { editable: true }) => {
            return Some(format!("it is an editable installation ({url}): change its source"));
        }
        Some(_) => return Some(format!("it was built of {url}: change that source")),
        None => {}
    }
    let is_wheel_file = url.starts_with("file://") && url.ends_with(".whl");
    if from.vcs_info.is_some() || !is_wheel_file {
        return Some(format!("it was installed from {url}, not from an index: change that source"));
    }
    None
}

/// What makes a distribution's source a part of the path.
fn editable(fs: &dyn FileSystem, name: &str, place: &ImagePath) -> Option<String> {
    fs.read_dir(place).into_iter().find_map(|path| {
        let file = String::from_utf8_lossy(path.file_name()).into_owned();
        let own = match file.strip_prefix("__editable__.") {
            Some(rest) => rest.strip_suffix(".pth")?.split('-').next()?,
            None => file.strip_suffix(".egg-link")?,
        };
        same_name(own, name).then(|| file.clone())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    fn why(files: &[(&str, &str)], record: &'static str) -> Option<String> {
        let metadata = "Name: Foo_Bar\nVersion: 1\n";
        let mut entries = vec![(ImagePath::literal(record), Entry::file(metadata, 0o644, 0))];
        entries.extend(files.iter().map(|(path, text)| {
            (ImagePath::new(path).unwrap(), Entry::file((*text).to_owned(), 0o644, 0))
        }));
        let tree = Tree::from_entries(entries, Arc::new(NoLayers));
        obstacle(&tree, "Foo_Bar", &ImagePath::literal(record)).unwrap()
    }

    const RECORD: &str = "/v/lib/python3.11/site-packages/foo_bar-1.dist-info/METADATA";

    /// Files beside the record, by their name in its folder or below the one above.
    fn beside(files: &[(&str, &str)]) -> Option<String> {
        let files: Vec<(String, &str)> = files
            .iter()
            .map(|(name, text)| match name.strip_prefix('/') {
                Some(name) => (format!("/v/{name}"), *text),
                None => {
                    (format!("/v/lib/python3.11/site-packages/foo_bar-1.dist-info/{name}"), *text)
                }
            })
            .collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), *b)).collect();
        why(&files, RECORD)
    }

    #[test]
    fn what_is_not_changed_has_its_reason() {
        let whole = [("RECORD", ""), ("INSTALLER", "pip\n")];
        let with = |more: (&'static str, &'static str)| {
            let files: Vec<_> = whole.iter().copied().chain([more]).collect();
            beside(&files).unwrap_or_default()
        };
        assert_eq!(beside(&whole), None);
        for (more, want) in [
            (
                (
                    "direct_url.json",
                    r#"{"url": "file:///src/foo", "dir_info": {"editable": true}}"#,
                ),
                { "it is an editable installation (file:///src/foo): change its source" },
            ),
            (("direct_url.json", r#"{"url": "file:///src/foo", "dir_info": {}}"#), {
                "it was built of file:///src/foo: change that source"
            }),
            (
                (
                    "direct_url.json",
                    r#"{"url": "https://me:secret@h/r.git", "vcs_info": {"vcs": "git", "commit_id": "1"}}"#,
                ),
                "it was installed from https://h/r.git, not from an index: change that source",
            ),
            (
                (
                    "direct_url.json",
                    r#"{"url": "file:///w/foo-1-py3-none-any.whl", "archive_info": {}}"#,
                ),
                "",
            ),
            (("direct_url.json", "{"), "its direct_url.json cannot be read"),
            (("/lib/python3.11/site-packages/__editable__.foo_bar-1.pth", "/src"), {
                "it is an editable installation (__editable__.foo_bar-1.pth): change its source"
            }),
            (("/lib/python3.11/site-packages/foo-bar.egg-link", "/src"), {
                "it is an editable installation (foo-bar.egg-link): change its source"
            }),
            (
                (
                    "/lib/python3.11/site-packages/foo.bar-2.dist-info/METADATA",
                    "Name: foo.bar\nVersion: 2\n",
                ),
                {
                    "its environment records it twice: uninstall it until it is gone, then install it"
                },
            ),
            // what pip installed in conda's environment is pip's
            (("/conda-meta/foo-bar-1-py311_0.json", "{}"), ""),
        ] {
            assert_eq!(with(more), want, "{more:?}");
        }
        let conda = "conda installed it: update it with conda when the image is built";
        assert_eq!(beside(&[("RECORD", ""), ("INSTALLER", "conda")]).unwrap(), conda);
        let meta = ("/conda-meta/foo-bar-1-py311_0.json", "{}");
        assert_eq!(beside(&[("RECORD", ""), meta]).unwrap(), conda);
        assert!(beside(&[("INSTALLER", "pip")]).unwrap().contains("no RECORD"));
        assert!(beside(&[("RECORD", "")]).unwrap().contains("no INSTALLER"));
        for record in
            ["/v/lib/python3.11/site-packages/foo_bar.egg-info", "/v/foo_bar.egg-info/PKG-INFO"]
        {
            assert!(why(&[], record).unwrap().starts_with("it is an egg"));
        }
        for record in [
            "/v/lib/python3.11/site-packages/setuptools/_vendor/foo_bar-1.dist-info/METADATA",
            "/srv/setuptools/_vendor/foo_bar-1.dist-info/METADATA",
        ] {
            assert!(why(&[], record).unwrap().starts_with("it is a copy inside of setuptools,"));
        }
    }
}
