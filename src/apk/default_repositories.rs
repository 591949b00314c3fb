//! The repositories of known distributions, for images that name none (distroless images
//! often have no `etc/apk/repositories`).
//!
//! In comes what os-release(5) says; out go the sources to add.

use super::sources::{ApkSource, Layout};
use imgfix_model::package::Distribution;
use imgfix_repository::repository_url::Origin;

/// The repositories of a known distribution, when the image names none at all. An image that
/// names some decides for itself: Alpine, Wolfi and Chainguard have no separate repository of
/// security updates.
#[must_use]
pub fn missing(distribution: &Distribution, sources: &[ApkSource]) -> Vec<ApkSource> {
    if !sources.is_empty() {
        return Vec::new();
    }
    let urls = match distribution.id.as_str() {
        "alpine" => alpine(&distribution.version_id),
        "wolfi" => vec!["https://packages.wolfi.dev/os".to_owned()],
        "chainguard" => vec!["https://apk.cgr.dev/chainguard".to_owned()],
        _ => Vec::new(),
    };
    let added = |url| ApkSource {
        url,
        layout: Layout::default(),
        login: None,
        tag: None,
        origin: Origin::Added,
    };
    urls.into_iter().map(added).collect()
}

/// `3.20.3` has the branch `v3.20`; snapshots on the way to a release (`3.21.0_alpha20240807`)
/// are of `edge`. Source: <https://wiki.alpinelinux.org/wiki/Repositories>.
fn alpine(version_id: &str) -> Vec<String> {
    let branch = if version_id.contains("_alpha") || version_id == "edge" {
        "edge".to_owned()
    } else {
        let mut numbers = version_id.split('.');
        let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
            return Vec::new();
        };
        if major.is_empty() || minor.is_empty() {
            return Vec::new();
        }
        if !(major.bytes().chain(minor.bytes())).all(|b| b.is_ascii_digit()) {
            return Vec::new();
        }
        format!("v{major}.{minor}")
    };
    let base = format!("https://dl-cdn.alpinelinux.org/alpine/{branch}");
    vec![format!("{base}/main"), format!("{base}/community")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(id: &str, version_id: &str) -> Vec<String> {
        let distribution = Distribution {
            id: id.to_owned(),
            version_id: version_id.to_owned(),
            ..Distribution::default()
        };
        missing(&distribution, &[]).into_iter().map(|source| source.url).collect()
    }

    #[test]
    fn known_distributions_have_their_repositories() {
        let alpine = |branch: &str| {
            let base = format!("https://dl-cdn.alpinelinux.org/alpine/{branch}");
            vec![format!("{base}/main"), format!("{base}/community")]
        };
        for (id, version, want) in [
            ("alpine", "3.20.3", alpine("v3.20")),
            ("alpine", "3.22", alpine("v3.22")),
            ("alpine", "3.21.0_alpha20240807", alpine("edge")),
            ("wolfi", "20230201", vec!["https://packages.wolfi.dev/os".to_owned()]),
            ("chainguard", "20230214", vec!["https://apk.cgr.dev/chainguard".to_owned()]),
            ("alpine", "", vec![]),
            ("alpine", "3", vec![]),
            ("alpine", "3./../x", vec![]),
            ("postmarketos", "24.06", vec![]),
        ] {
            assert_eq!(urls(id, version), want, "{id} {version}");
        }
    }

    #[test]
    fn an_image_that_names_a_repository_gets_no_other() {
        let own = super::super::sources::parse_option("https://example.org/x").unwrap();
        let alpine = Distribution {
            id: "alpine".to_owned(),
            version_id: "3.20.3".to_owned(),
            ..Distribution::default()
        };
        assert!(missing(&alpine, &own).is_empty());
    }
}
