//! Deleting a tag, and only that: other tags of the same image, and blobs, stay.
//!
//! In comes the tag with the digest that it is known to name; a tag that names something else
//! by now is not touched. Archives are files of the user's and are not deleted here.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use super::layout_index::{editable_index, entries, is_called};
use super::registry;
use super::verified::write_error;
use super::{ImageError, Reference, RegistryOptions};
use imgfix_host::staging::Staged;
use imgfix_host::unfinished::Unfinished;
use imgfix_model::digest::Digest;

/// Whether `reference` is a tag that can be deleted at all; asked before the work is done.
///
/// # Errors
/// It is an archive, or an image by its digest.
pub fn check_deletable(reference: &Reference) -> Result<(), ImageError> {
    let why = match reference {
        Reference::OciArchive { .. } | Reference::DockerArchive { .. } => {
            "an archive is a file and has no tag that could be deleted alone; keep the original \
             (--original keep) and remove the file yourself"
        }
        Reference::Registry(name) if name.digest().is_some() => {
            "an image by its digest has no tag, and deleting the digest would take every tag of \
             the image away; name the tag, or keep the original (--original keep)"
        }
        Reference::Registry(_) | Reference::OciLayout { .. } => return Ok(()),
    };
    Err(ImageError::invalid(reference.to_string(), why))
}

/// Deletes a tag that names `digest`.
///
/// # Errors
/// [`check_deletable`]; the tag names something else; the registry or the disk does not allow
/// it. The tag is as it was then.
pub fn delete_tag(
    reference: &Reference,
    digest: &Digest,
    options: &RegistryOptions,
    unfinished: &Unfinished,
) -> Result<(), ImageError> {
    check_deletable(reference)?;
    match reference {
        Reference::OciLayout { dir, tag } => {
            untag_layout(dir, tag.as_deref(), digest, &reference.to_string(), unfinished)
        }
        Reference::Registry(name) => registry::delete_tag(name, digest, options),
        Reference::OciArchive { .. } | Reference::DockerArchive { .. } => Ok(()),
    }
}

/// Takes the tag's entry out of `index.json`, which is replaced whole and under the lock that
/// writers hold.
fn untag_layout(
    dir: &Path,
    tag: Option<&str>,
    digest: &Digest,
    place: &str,
    unfinished: &Unfinished,
) -> Result<(), ImageError> {
    let fail = |error| write_error(place, error);
    let directory = File::open(dir).map_err(fail)?;
    let _ = directory.lock();
    let path = dir.join("index.json");
    let bytes = std::fs::read(&path).map_err(|error| ImageError::io(place, error))?;
    let (index, numbers) = editable_index(&bytes, place)?;
    let index = numbers.restore(&without_tag(index, tag, digest, place)?.to_string());
    let write = || {
        let mut staged = Staged::create_in(dir, unfinished)?;
        staged.file().write_all(index.as_bytes())?;
        staged.sync()?;
        staged.persist(&path, || ())?;
        directory.sync_all()
    };
    write().map_err(fail)
}

/// `index.json` without the entries of a tag.
fn without_tag(
    mut index: Value,
    tag: Option<&str>,
    digest: &Digest,
    place: &str,
) -> Result<Value, ImageError> {
    let (named, others): (Vec<Value>, Vec<Value>) =
        entries(&index).iter().cloned().partition(|entry| is_called(entry, tag));
    let wanted = digest.to_string();
    let other = |entry: &Value| entry.get("digest").and_then(Value::as_str) != Some(&*wanted);
    if named.is_empty() || named.iter().any(other) {
        return Err(ImageError::invalid(place, format!("its tag does not name {digest} any more")));
    }
    index["manifests"] = Value::Array(others);
    Ok(index)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::layout_index::REF_NAME;
    use super::*;

    fn index(tags: &[(&str, &[u8])]) -> Value {
        let entry = |(tag, content): &(&str, &[u8])| json!({"digest": Digest::of(content).to_string(), "annotations": {REF_NAME: tag}});
        json!({"schemaVersion": 2, "manifests": tags.iter().map(entry).collect::<Vec<_>>(), "x": 1})
    }

    fn untag(dir: &Path, tag: &str) -> Result<(), ImageError> {
        let reference = Reference::OciLayout { dir: dir.to_owned(), tag: Some(tag.to_owned()) };
        let options = RegistryOptions::default();
        delete_tag(&reference, &Digest::of(b"old"), &options, &Unfinished::default())
    }

    #[test]
    fn only_the_entry_of_the_tag_goes() {
        let temp = tempfile::tempdir().expect("dir");
        let path = temp.path().join("index.json");
        let before = index(&[("1", b"old"), ("same", b"old"), ("1_fix", b"new")]);
        std::fs::write(&path, before.to_string()).expect("write");
        untag(temp.path(), "1").expect("untag");
        let after: Value =
            serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("JSON");
        assert_eq!(after, index(&[("same", b"old"), ("1_fix", b"new")]));
        assert_eq!(std::fs::read_dir(temp.path()).expect("dir").count(), 1, "nothing is left over");
    }

    #[test]
    fn a_tag_that_names_another_image_now_stays() {
        let temp = tempfile::tempdir().expect("dir");
        let path = temp.path().join("index.json");
        for tags in [&[("1", &b"newer"[..])][..], &[("1", b"old"), ("1", b"newer")], &[]] {
            let before = index(tags).to_string();
            std::fs::write(&path, &before).expect("write");
            let error = untag(temp.path(), "1").expect_err("moved").to_string();
            assert!(error.contains("does not name sha256:"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), before);
        }
    }

    #[test]
    fn what_has_no_tag_of_its_own_is_refused() {
        let digest = Digest::of(b"");
        for (reference, want) in [
            ("docker-archive:app.tar", "remove the file yourself"),
            ("oci-archive:app.tar:1", "remove the file yourself"),
            (&format!("example.org/app@{digest}"), "would take every tag"),
            (&format!("example.org/app:1@{digest}"), "would take every tag"),
        ] {
            let reference: Reference = reference.parse().expect("reference");
            let error = check_deletable(&reference).expect_err("refused").to_string();
            assert!(error.contains(want), "{error}");
        }
        for reference in ["example.org/app:1", "oci:image:1", "oci:image"] {
            check_deletable(&reference.parse().expect("reference")).expect(reference);
        }
    }
}
