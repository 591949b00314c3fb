//! `index.json` of an OCI layout: which image is meant by a name, and the index with another
//! image under a name.
//!
//! An entry is named by its tag (`org.opencontainers.image.ref.name`), or by the whole name that
//! containerd and docker 25 write beside it (`io.containerd.image.name`): `docker save a:1 b:1`
//! gives two entries with the tag 1. Entries without a name that are no images (signatures and
//! attestations, as `cosign save` writes them) are in nobody's way, and stay.

use std::collections::BTreeSet;

use oci_spec::image::Descriptor;
use serde_json::{Value, json};

use super::exact_numbers::ExactNumbers;
use super::image_index::{Child, ChildKind, read_child};
use super::layout::{Files, open_blob};
use super::manifest::{MAX_MANIFEST, ManifestKind, check_manifest_type, read_descriptor};
use super::media_type;
use super::reference::parse_name;
use super::transport::{ImageError, RawManifest};
use super::verified::read_small;

/// The annotation of an entry that is its tag.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation of an entry that is its whole name.
pub(super) const IMAGE_NAME: &str = "io.containerd.image.name";
/// The annotation by which `cosign save` says what an entry is.
const COSIGN_KIND: &str = "kind";

/// The image that a name stands for.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub descriptor: Descriptor,
    /// The name as it was given; without one, the tag or the whole name of the entry.
    pub tag: Option<String>,
    /// The whole name of the entry.
    pub image_name: Option<String>,
}

pub(super) fn parse_index(bytes: &[u8], place: &str) -> Result<Value, ImageError> {
    let place = format!("{place}: index.json");
    let index: Value = imgfix_json::read_of_image(bytes)
        .map_err(|error| ImageError::json(place.as_str(), error))?;
    match index.get("manifests") {
        Some(Value::Array(_) | Value::Null) => Ok(index),
        _ => Err(ImageError::invalid(place, "it has no list of manifests")),
    }
}

/// `index.json` for changing, and its numbers.
pub(super) fn editable_index(
    bytes: &[u8],
    place: &str,
) -> Result<(Value, ExactNumbers), ImageError> {
    let index = parse_index(bytes, place)?;
    Ok(ExactNumbers::read(bytes).unwrap_or_else(|_| (index, ExactNumbers::default())))
}

pub(super) fn entries(index: &Value) -> &[Value] {
    index.get("manifests").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn annotation<'v>(entry: &'v Value, key: &str) -> Option<&'v str> {
    entry.get("annotations")?.get(key)?.as_str()
}

pub(super) fn ref_name(entry: &Value) -> Option<&str> {
    annotation(entry, REF_NAME)
}

/// A name with registry and tag, however short it was written.
fn whole(name: &str) -> Option<String> {
    parse_name(name).ok().map(|parsed| parsed.to_string())
}

/// Whether an entry is called `tag`; the entries without a name are called nothing.
pub(super) fn is_called(entry: &Value, tag: Option<&str>) -> bool {
    let name = annotation(entry, IMAGE_NAME);
    match tag {
        None => ref_name(entry).is_none() && name.is_none(),
        Some(tag) => {
            ref_name(entry) == Some(tag)
                || name.is_some_and(|name| name == tag || whole(name) == whole(tag))
        }
    }
}

/// The name that tells an entry from the others.
fn shown<'v>(entry: &'v Value, all: &[Value]) -> Option<&'v str> {
    let name = annotation(entry, IMAGE_NAME);
    match ref_name(entry) {
        Some(tag) if all.iter().filter(|one| ref_name(one) == Some(tag)).count() > 1 => {
            name.or(Some(tag))
        }
        Some(tag) => Some(tag),
        None => name,
    }
}

/// The entry of `index.json` that is meant. `files` are those of the layout: what a manifest is
/// about shows in it.
pub(super) fn choose(
    files: &dyn Files,
    index: &Value,
    tag: Option<&str>,
    place: &str,
) -> Result<Chosen, ImageError> {
    let entries = entries(index);
    let names = || {
        let names: BTreeSet<&str> = entries.iter().filter_map(|one| shown(one, entries)).collect();
        match names.is_empty() {
            true => "it has no tags".to_owned(),
            false => format!("its tags are: {}", names.into_iter().collect::<Vec<_>>().join(", ")),
        }
    };
    let is_meant = |entry: &&Value| tag.is_none() || is_called(entry, tag);
    let mut wanted: Vec<&Value> = entries.iter().filter(is_meant).collect();
    if differ(&wanted) {
        wanted.retain(|entry| is_image(files, entry, place));
    }
    let Some(first) = wanted.first() else {
        let hint =
            if entries.is_empty() { "; it is empty".into() } else { format!("; {}", names()) };
        return Err(ImageError::NotFound { place: place.to_owned(), hint });
    };
    if differ(&wanted) {
        let whole: Vec<&str> =
            wanted.iter().filter_map(|one| annotation(one, IMAGE_NAME)).collect();
        let why = match tag {
            Some(_) if whole.len() == wanted.len() => {
                format!("several images have this tag; name one wholly: {}", whole.join(", "))
            }
            Some(_) => "several images have this tag; remove all but one".to_owned(),
            None => format!("it has several images; name one of them ({})", names()),
        };
        return Err(ImageError::invalid(place, why));
    }
    let place = format!("{place}: index.json");
    let descriptor = read_descriptor(Some(first), &place)?;
    check_manifest_type(&descriptor, &place)?;
    Ok(Chosen {
        descriptor,
        tag: tag.or(shown(first, entries)).map(str::to_owned),
        image_name: annotation(first, IMAGE_NAME).map(str::to_owned),
    })
}

fn differ(entries: &[&Value]) -> bool {
    let digest = |entry: &&Value| entry.get("digest").cloned();
    entries.windows(2).any(|pair| match pair {
        [a, b] => digest(a) != digest(b),
        _ => false,
    })
}

/// Whether an entry is an image, or is to be refused with a reason. Its manifest is looked at
/// when the entry does not tell.
fn is_image(files: &dyn Files, entry: &Value, place: &str) -> bool {
    let Some(child) = looks_like_image(entry, place) else { return false };
    let manifest = || {
        let blob = open_blob(files, &child.descriptor, place)?;
        let bytes = read_small(blob, &child.descriptor, MAX_MANIFEST, place)?;
        let media_type = child.descriptor.media_type().to_string();
        let raw = RawManifest { media_type, digest: child.digest, bytes };
        ManifestKind::of(&raw, &child, place)
    };
    child.kind == ChildKind::Index || !matches!(manifest(), Ok(ManifestKind::Artifact))
}

/// The entry, unless it says that it is no image.
fn looks_like_image(entry: &Value, place: &str) -> Option<Child> {
    let of_cosign = annotation(entry, COSIGN_KIND)
        .and_then(|kind| kind.strip_prefix("dev.cosignproject.cosign/"))
        .is_some_and(|kind| !kind.starts_with("image"));
    let child = read_child(entry, place).ok()?;
    let is_manifest = matches!(child.kind, ChildKind::Image | ChildKind::Index);
    (is_manifest && !of_cosign).then_some(child)
}

/// The whole name of an image that is written with `tag`, when the original has one. A tag that
/// is a whole name itself is taken as it is.
pub(super) fn name_with_tag(original: Option<&str>, tag: Option<&str>) -> Option<String> {
    let (original, tag) = (parse_name(original?).ok()?, tag?);
    if tag.contains(['/', ':']) {
        return whole(tag);
    }
    Some(format!("{}/{}:{tag}", original.registry(), original.repository()))
}

/// How many images without a name an index has.
pub(super) fn unnamed_images(index: &Value) -> usize {
    let unnamed = |entry: &&Value| is_called(entry, None) && looks_like_image(entry, "").is_some();
    entries(index).iter().filter(unnamed).count()
}

/// `index.json` with `tag` pointing at `manifest`: the entry that was called so is replaced where
/// it stands, all others stay as they are. Without a tag the image without a name is replaced.
pub(super) fn with_entry(
    index: Option<Value>,
    manifest: &Descriptor,
    tag: Option<&str>,
    image_name: Option<&str>,
) -> Value {
    let mut index = index.unwrap_or_else(
        || json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": []}),
    );
    let mut entry = json!({
        "mediaType": manifest.media_type().as_ref(),
        "digest": manifest.digest().as_ref(),
        "size": manifest.size(),
    });
    if let Some(tag) = tag {
        entry["annotations"] = json!({ REF_NAME: tag });
    }
    if let Some(name) = image_name {
        entry["annotations"][IMAGE_NAME] = name.into();
    }
    let gives_way = |old: &Value| match (tag, image_name) {
        (None, _) => is_called(old, None) && looks_like_image(old, "").is_some(),
        // others of this tag have another whole name
        (Some(tag), Some(name)) => match annotation(old, IMAGE_NAME) {
            Some(_) => is_called(old, Some(name)),
            None => ref_name(old) == Some(tag),
        },
        (Some(tag), None) => is_called(old, Some(tag)),
    };
    let mut entry = Some(entry);
    let mut manifests = Vec::new();
    for old in entries(&index) {
        if gives_way(old) {
            manifests.extend(entry.take());
        } else {
            manifests.push(old.clone());
        }
    }
    manifests.extend(entry);
    index["manifests"] = Value::Array(manifests);
    index
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{self, Read};

    use super::super::layout::blob_path;
    use super::*;
    use imgfix_model::digest::Digest;

    struct Memory(BTreeMap<String, Vec<u8>>);

    impl Files for Memory {
        fn open(&self, name: &str) -> io::Result<Option<(Box<dyn Read + Send>, u64)>> {
            Ok(self.0.get(name).map(|bytes| {
                let size = bytes.len() as u64;
                (Box::new(io::Cursor::new(bytes.clone())) as Box<dyn Read + Send>, size)
            }))
        }
    }

    /// A manifest with this config and layer type, and its entry with these annotations.
    fn add(files: &mut Memory, config: &str, layer: &str, annotations: Value) -> Value {
        let blob = |media_type: &str| {
            let digest = Digest::of(media_type.as_bytes()).to_string();
            json!({"mediaType": media_type, "digest": digest, "size": 1})
        };
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
            "config": blob(config), "layers": [blob(layer)], "x": annotations})
        .to_string();
        let digest = Digest::of(manifest.as_bytes());
        let size = manifest.len();
        files.0.insert(blob_path(&digest), manifest.into_bytes());
        json!({"mediaType": media_type::OCI_MANIFEST, "digest": digest.to_string(),
            "size": size, "annotations": annotations})
    }

    fn image(files: &mut Memory, annotations: Value) -> Value {
        add(files, media_type::OCI_CONFIG, media_type::OCI_LAYER, annotations)
    }

    fn chosen(files: &Memory, entries: &[Value], tag: Option<&str>) -> Result<String, String> {
        let index = json!({"schemaVersion": 2, "manifests": entries});
        choose(files, &index, tag, "oci:app")
            .map(|chosen| format!("{} {:?}", chosen.descriptor.digest(), chosen.tag))
            .map_err(|error| error.to_string())
    }

    /// What `docker save a:1 b:1` of version 25 and newer writes.
    #[test]
    fn images_of_one_tag_are_told_apart_by_their_whole_names() {
        let mut files = Memory(BTreeMap::new());
        let (a, b) = ("docker.io/library/a:1", "registry.example/b:1");
        let entries =
            [a, b].map(|name| image(&mut files, json!({REF_NAME: "1", IMAGE_NAME: name})));
        let digest = |at: usize| entries[at]["digest"].as_str().expect("digest").to_owned();
        for (name, at) in [(a, 0), ("a:1", 0), ("docker.io/a:1", 0), (b, 1)] {
            assert_eq!(
                chosen(&files, &entries, Some(name)),
                Ok(format!("{} {:?}", digest(at), Some(name))),
                "{name}"
            );
        }
        assert_eq!(
            chosen(&files, &entries, Some("1")),
            Err(format!("oci:app: several images have this tag; name one wholly: {a}, {b}"))
        );
        assert_eq!(
            chosen(&files, &entries, None),
            Err(format!(
                "oci:app: it has several images; name one of them (its tags are: {a}, {b})"
            ))
        );
        let error = chosen(&files, &entries, Some("2")).expect_err("2");
        assert_eq!(error, format!("oci:app: not found; its tags are: {a}, {b}"));
        let nameless = [image(&mut files, json!({REF_NAME: "1"})), entries[0].clone()];
        let error = chosen(&files, &nameless, Some("1")).expect_err("two");
        assert!(error.contains("remove all but one"), "{error}");
    }

    #[test]
    fn one_image_needs_no_name_and_has_what_the_layout_calls_it() {
        for (annotations, tag) in [
            (json!({REF_NAME: "1"}), Some("1")),
            (json!({REF_NAME: "1", IMAGE_NAME: "docker.io/library/a:1"}), Some("1")),
            (json!({IMAGE_NAME: "docker.io/library/a:1"}), Some("docker.io/library/a:1")),
            (json!({}), None),
        ] {
            let mut files = Memory(BTreeMap::new());
            let entry = image(&mut files, annotations);
            let digest = entry["digest"].as_str().expect("digest").to_owned();
            assert_eq!(chosen(&files, &[entry], None), Ok(format!("{digest} {tag:?}")));
        }
    }

    /// What `cosign save` writes: an image, its signatures and its attestations, without tags.
    #[test]
    fn what_lies_beside_an_image_is_in_nobodys_way() {
        let simple = "application/vnd.dev.cosign.simplesigning.v1+json";
        let dsse = "application/vnd.dsse.envelope.v1+json";
        let kind = |kind: &str| json!({COSIGN_KIND: format!("dev.cosignproject.cosign/{kind}")});
        for annotated in [true, false] {
            let noted = |text: &str| if annotated { kind(text) } else { json!({}) };
            let mut files = Memory(BTreeMap::new());
            let config = media_type::OCI_CONFIG;
            let mut artifact = add(&mut files, config, media_type::OCI_LAYER, json!({"n": 1}));
            artifact["artifactType"] = "application/x".into();
            let mut other = artifact.clone();
            other["mediaType"] = "application/json".into();
            let entries = [
                add(&mut files, config, simple, noted("sigs")),
                image(&mut files, noted("image")),
                add(&mut files, config, dsse, noted("atts")),
                add(&mut files, "application/vnd.oci.empty.v1+json", "text/plain", json!({})),
                artifact,
                other,
            ];
            let digest = entries[1]["digest"].as_str().expect("digest");
            assert_eq!(chosen(&files, &entries, None), Ok(format!("{digest} None")));
        }
    }

    #[test]
    fn only_the_entry_of_that_name_is_replaced() {
        let mut files = Memory(BTreeMap::new());
        let new = super::super::descriptor(media_type::OCI_MANIFEST, &Digest::of(b"new"), 3);
        let (a, b) = ("docker.io/library/a:1", "registry.example/b:1");
        let named = [a, b].map(|name| image(&mut files, json!({REF_NAME: "1", IMAGE_NAME: name})));
        let plain = image(&mut files, json!({REF_NAME: "2"}));
        let unnamed = image(&mut files, json!({}));
        let kind = json!({COSIGN_KIND: "dev.cosignproject.cosign/sigs"});
        let signature = image(&mut files, kind);
        let all = [&named[0], &signature, &named[1], &plain, &unnamed].map(Clone::clone);
        let replaced = |tag: Option<&str>, name: Option<&str>| {
            let index = json!({"schemaVersion": 2, "manifests": all, "x": 1});
            let new = with_entry(Some(index), &new, tag, name);
            assert_eq!(new["x"], 1);
            let places: Vec<usize> = entries(&new)
                .iter()
                .enumerate()
                .filter(|(at, entry)| all.get(*at) != Some(*entry))
                .map(|(at, _)| at)
                .collect();
            (places, entries(&new).len())
        };
        for (tag, name, want) in [
            (Some("1"), Some(a), (vec![0], 5)),
            (Some("1"), Some(b), (vec![2], 5)),
            (Some(b), Some(b), (vec![2], 5)),
            (Some(b), None, (vec![2], 5)),
            (Some("2"), Some("docker.io/library/c:2"), (vec![3], 5)),
            (Some("3"), None, (vec![5], 6)),
            (None, None, (vec![4], 5)),
        ] {
            assert_eq!(replaced(tag, name), want, "{tag:?} {name:?}");
        }
        assert_eq!(unnamed_images(&json!({"manifests": all})), 1);
    }

    #[test]
    fn a_whole_name_is_kept_with_the_new_tag() {
        for (original, tag, want) in [
            (None, Some("1_fix"), None),
            (Some("docker.io/library/a:1"), Some("1_fix"), Some("docker.io/library/a:1_fix")),
            (
                Some("docker.io/library/a:1"),
                Some("docker.io/library/a:1_fix"),
                Some("docker.io/library/a:1_fix"),
            ),
            (Some("docker.io/library/a:1"), Some("b:2"), Some("docker.io/library/b:2")),
            (Some("docker.io/library/a:1"), None, None),
            (Some("Not A Name"), Some("1"), None),
        ] {
            assert_eq!(name_with_tag(original, tag).as_deref(), want, "{original:?} {tag:?}");
        }
    }
}
