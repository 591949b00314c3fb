//! What an image is called in documents that other tools join: without transport, tag and digest,
//! so that the name is the same for every tag and after every repair.
//!
//! In comes a reference as reports write it (`docker://registry.example/app:1.0`,
//! `oci:/images/app:1.0`); out go a [`repository`], where there is one, and a short [`name`].

/// `registry.example/team/app` of an image in a registry; `None` for one that lies on a machine,
/// which has no place that others could find it at.
#[must_use]
pub fn repository(reference: &str) -> Option<&str> {
    reference.strip_prefix("docker://").map(without_tag)
}

/// The last part of the repository, or what the layout or archive is called: `app`. Where it lies
/// on a machine is nothing of the image's.
#[must_use]
pub fn name(reference: &str) -> &str {
    if let Some(repository) = repository(reference) {
        return last(repository);
    }
    let (transport, place) = reference.split_once(':').unwrap_or(("", reference));
    // The name of an image in an archive may have slashes of its own: `x.tar:team/app:1`.
    let is_inner =
        place.len() > last(place).len() && place[..place.len() - last(place).len()].contains(':');
    let (file, inner) = last(place).split_once(':').unwrap_or((last(place), ""));
    match (transport, inner) {
        ("docker-archive", inner) if !is_inner && !inner.is_empty() && !inner.starts_with('@') => {
            without_tag(inner)
        }
        _ => [".tar.gz", ".tgz", ".tar.zst", ".tar.zstd", ".tar"]
            .iter()
            .find_map(|extension| file.strip_suffix(extension))
            .unwrap_or(file),
    }
}

/// The repository, or the short name of an image that has none.
#[must_use]
pub fn stable(reference: &str) -> &str {
    repository(reference).unwrap_or_else(|| name(reference))
}

/// As people paste it: a registry's image without the transport.
#[must_use]
pub fn pasted(reference: &str) -> &str {
    reference.strip_prefix("docker://").unwrap_or(reference)
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A colon behind the last slash begins a tag; one before it is a port's.
fn without_tag(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    let start = name.len() - last(name).len();
    match name.get(start..).and_then(|last| last.find(':')) {
        Some(colon) => name.get(..start + colon).unwrap_or(name),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_neither_transport_nor_tag_nor_digest() {
        for (reference, in_registry, short) in [
            ("docker://registry.example/team/app:1.0", Some("registry.example/team/app"), "app"),
            ("docker://localhost:5000/app:1.0_fix", Some("localhost:5000/app"), "app"),
            ("docker://localhost:5000/app@sha256:00ff", Some("localhost:5000/app"), "app"),
            ("docker://h.example/a:1@sha256:00ff", Some("h.example/a"), "a"),
            ("oci:/home/me/image:12", None, "image"),
            ("oci:image", None, "image"),
            ("oci:dir:registry.example/app:1.0", None, "app"),
            ("oci-archive:/tmp/app.tar.gz:1", None, "app"),
            ("docker-archive:/tmp/app.tar", None, "app"),
            ("docker-archive:/tmp/x.tar:app:1.0", None, "app"),
            ("docker-archive:x.tar:registry.example/app:1.0", None, "app"),
            ("docker-archive:x.tar:@1", None, "x"),
            ("", None, ""),
        ] {
            assert_eq!(repository(reference), in_registry, "{reference}");
            assert_eq!(name(reference), short, "{reference}");
            assert_eq!(stable(reference), in_registry.unwrap_or(short), "{reference}");
        }
    }
}
