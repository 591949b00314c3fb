//! What a report is about, and whether that is the image at hand.
//!
//! Digests decide. Names do not: a tag moves, and the same image has many names.

use imgfix_model::digest::{DiffId, Digest};
use imgfix_model::package::Distribution;
use imgfix_model::platform::Platform;

/// What a report says it is about. Digests are kept as the report writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArtifactIdentity {
    /// As the scanner was called: an image reference or a file.
    pub name: String,
    /// `container_image`, `filesystem`, `image`, `directory`, ... in the scanner's words.
    pub kind: Option<String>,
    /// Digests of manifests or indexes (`sha256:...`).
    pub manifest_digests: Vec<String>,
    /// Digest of the image's config, which Docker calls the image ID.
    pub config_digest: Option<String>,
    /// The layers' uncompressed digests, lowest first.
    pub diff_ids: Vec<String>,
    /// `debian`, `ubuntu`, ...
    pub os_family: Option<String>,
    /// `10.13`, `22.04`.
    pub os_version: Option<String>,
    /// `linux/amd64`.
    pub platform: Option<String>,
}

/// What is known of one platform's image, to hold a report against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// What the image says that it is for.
    pub platform: Platform,
    /// The index (when there is one) and the platform's manifest.
    pub manifest_digests: Vec<Digest>,
    /// Digest of the image's config, which Docker calls the image ID.
    pub config_digest: Digest,
    /// The layers' uncompressed digests, lowest first.
    pub diff_ids: Vec<DiffId>,
    /// The compressed layers as stored, lowest first.
    pub layer_digests: Vec<Digest>,
    /// What the image's os-release(5) says; `None` when it has none.
    pub distribution: Option<Distribution>,
}

/// Whether a report is about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// A digest says that it is.
    Yes,
    /// The report is about something else.
    No {
        /// The rest of a sentence about the report: `it is about ubuntu 22.04, and ...`.
        why: String,
    },
    /// The report says too little to tell.
    Unknown,
}

pub(super) fn platform_text(
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
) -> Option<String> {
    let architecture = architecture.filter(|text| !text.is_empty())?;
    Some(
        Platform {
            os: os.filter(|text| !text.is_empty()).unwrap_or_else(|| "linux".to_owned()),
            architecture,
            variant: variant.filter(|text| !text.is_empty()),
        }
        .to_string(),
    )
}

/// Family and version in what scanners call a system: `debian 12.9`, `Debian GNU/Linux 12
/// (bookworm)`, `Alpine Linux v3.18`.
pub(super) fn system_of_text(text: &str) -> (Option<String>, Option<String>) {
    let mut words = text.split_whitespace();
    let family = words.next().map(str::to_ascii_lowercase).map(|family| match family.as_str() {
        "red" => "redhat".to_owned(),
        _ => family,
    });
    let version = words
        .map(|word| word.strip_prefix('v').unwrap_or(word))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    (family, version.map(str::to_owned))
}

/// Holds a report against the platforms of an image (all of an index, and where a repaired
/// image records its original, the original's too).
///
/// A digest of manifest, config or all layers in common is a match. Else layers, platform or
/// distribution that differ are a mismatch. A config digest alone that differs proves
/// nothing: converting between Docker's and OCI's formats changes it.
#[must_use]
pub fn matches_image(report: &ArtifactIdentity, images: &[ImageFacts]) -> Match {
    if images.iter().any(|image| same_digest(report, image)) {
        return Match::Yes;
    }
    let candidates: Vec<&ImageFacts> = images
        .iter()
        .filter(|image| {
            let wanted = report.platform.as_deref().and_then(|text| text.parse().ok());
            wanted.is_none_or(|wanted: Platform| {
                image.platform.os == wanted.os && image.platform.architecture == wanted.architecture
            })
        })
        .collect();
    if let (Some(platform), [], [_, ..]) = (&report.platform, candidates.as_slice(), images) {
        let have: Vec<String> = images.iter().map(|image| image.platform.to_string()).collect();
        return Match::No {
            why: format!("it is about {platform}, and the image has {}", have.join(", ")),
        };
    }
    if let Some(why) = other_distribution(report, &candidates) {
        return Match::No { why };
    }
    if !report.diff_ids.is_empty() && !candidates.is_empty() {
        return Match::No {
            why: format!(
                "its layers ({} of them) are not the image's: it is about {:?} at another time \
                 or another image",
                report.diff_ids.len(),
                report.name
            ),
        };
    }
    Match::Unknown
}

fn same_digest(report: &ArtifactIdentity, image: &ImageFacts) -> bool {
    let parsed = |text: &String| text.parse::<Digest>().ok();
    let manifest = report
        .manifest_digests
        .iter()
        .filter_map(parsed)
        .any(|digest| image.manifest_digests.contains(&digest));
    let config = report.config_digest.as_ref().and_then(parsed) == Some(image.config_digest);
    let layers: Option<Vec<Digest>> = report.diff_ids.iter().map(parsed).collect();
    let layers = layers.is_some_and(|layers| {
        !layers.is_empty()
            && (layers.iter().eq(image.diff_ids.iter().map(|id| &id.0))
                || layers == image.layer_digests)
    });
    manifest || config || layers
}

/// The release that a report is about (`ubuntu 22.04`), when that is a known one and none of
/// the image's, and no digest says that the report is about this image.
#[must_use]
pub fn other_release(report: &ArtifactIdentity, images: &[ImageFacts]) -> Option<String> {
    let family = report.os_family.as_deref()?;
    let known = KNOWN_RELEASES.contains(&os_release_id(&family.to_ascii_lowercase()));
    if !known || images.iter().any(|image| same_digest(report, image)) {
        return None;
    }
    other_distribution(report, &images.iter().collect::<Vec<_>>())?;
    let release = report.os_version.as_deref().unwrap_or_default();
    Some(format!("{family} {release}").trim().to_owned())
}

/// `ID` of os-release(5) of distributions whose fixed versions are their own.
const KNOWN_RELEASES: [&str; 20] = [
    "almalinux",
    "alpine",
    "amzn",
    "arch",
    "azurelinux",
    "centos",
    "chainguard",
    "debian",
    "fedora",
    "mariner",
    "ol",
    "opensuse-leap",
    "photon",
    "rhel",
    "rocky",
    "sles",
    "ubuntu",
    "wolfi",
    "opensuse-tumbleweed",
    "minimos",
];

fn other_distribution(report: &ArtifactIdentity, images: &[&ImageFacts]) -> Option<String> {
    let family = report.os_family.as_deref()?;
    let release = report.os_version.as_deref().unwrap_or_default();
    let known: Vec<&Distribution> =
        images.iter().filter_map(|image| image.distribution.as_ref()).collect();
    // Without a distribution of its own an image proves nothing.
    if known.is_empty() || known.len() < images.len() {
        return None;
    }
    let same = |distribution: &&Distribution| {
        distribution.id.eq_ignore_ascii_case(os_release_id(family))
            && same_release(release, &distribution.version_id)
    };
    if known.iter().any(same) {
        return None;
    }
    let have: Vec<String> =
        known.iter().map(|d| format!("{} {}", d.id, d.version_id).trim().to_owned()).collect();
    Some(format!(
        "it is about {}, and the image is {}",
        format!("{family} {release}").trim(),
        have.join(", ")
    ))
}

/// Scanners' family names that differ from `ID` of os-release(5).
fn os_release_id(family: &str) -> &str {
    match family {
        "redhat" => "rhel",
        "amazon" | "amazonlinux" => "amzn",
        "alma" => "almalinux",
        "rockylinux" => "rocky",
        "oracle" | "oraclelinux" => "ol",
        "cbl-mariner" => "mariner",
        "opensuse.leap" => "opensuse-leap",
        "suse linux enterprise server" => "sles",
        other => other,
    }
}

/// Scanners read Debian's point release from `/etc/debian_version` (`12.7`) where
/// `os-release` has `12`; an unknown release on one side (`sid`, empty) says nothing.
fn same_release(report: &str, image: &str) -> bool {
    let starts_with_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if !starts_with_digit(report) || !starts_with_digit(image) {
        return true;
    }
    // Trivy appends names: `2 (Karoo)`.
    let mut ours = image.split('.');
    let mut theirs = report.split_whitespace().next().unwrap_or_default().split('.');
    loop {
        match (ours.next(), theirs.next()) {
            (Some(a), Some(b)) if a == b => {}
            (Some(_), Some(_)) => return false,
            (None, _) | (_, None) => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn image() -> ImageFacts {
        ImageFacts {
            platform: "linux/amd64".parse().unwrap(),
            manifest_digests: vec![digest("index"), digest("manifest")],
            config_digest: digest("config"),
            diff_ids: vec![DiffId(digest("a")), DiffId(digest("b"))],
            layer_digests: vec![digest("az"), digest("bz")],
            distribution: Some(Distribution {
                id: "debian".into(),
                version_id: "12".into(),
                ..Distribution::default()
            }),
        }
    }

    fn report() -> ArtifactIdentity {
        ArtifactIdentity { name: "app:1.0".into(), ..ArtifactIdentity::default() }
    }

    #[test]
    fn systems_are_found_in_texts() {
        for (text, family, version) in [
            ("debian 12.9", Some("debian"), Some("12.9")),
            ("Debian GNU/Linux 12 (bookworm)", Some("debian"), Some("12")),
            ("Alpine Linux v3.18", Some("alpine"), Some("3.18")),
            ("Red Hat Enterprise Linux 8.4", Some("redhat"), Some("8.4")),
            ("ubuntu", Some("ubuntu"), None),
            ("", None, None),
        ] {
            let want = (family.map(str::to_owned), version.map(str::to_owned));
            assert_eq!(system_of_text(text), want, "{text}");
        }
    }

    #[test]
    fn any_digest_in_common_is_a_match() {
        for identity in [
            ArtifactIdentity { manifest_digests: vec![digest("index").to_string()], ..report() },
            ArtifactIdentity {
                manifest_digests: vec!["junk".into(), digest("manifest").to_string()],
                ..report()
            },
            ArtifactIdentity { config_digest: Some(digest("config").to_string()), ..report() },
            ArtifactIdentity {
                diff_ids: vec![digest("a").to_string(), digest("b").to_string()],
                ..report()
            },
            ArtifactIdentity {
                diff_ids: vec![digest("az").to_string(), digest("bz").to_string()],
                ..report()
            },
        ] {
            assert_eq!(matches_image(&identity, &[image()]), Match::Yes, "{identity:?}");
        }
    }

    #[test]
    fn a_mismatch_says_why() {
        let os = |family: &str, version: &str| ArtifactIdentity {
            os_family: Some(family.into()),
            os_version: Some(version.into()),
            ..report()
        };
        for (identity, want) in [
            (
                ArtifactIdentity { platform: Some("linux/arm64".into()), ..report() },
                "it is about linux/arm64, and the image has linux/amd64",
            ),
            (os("ubuntu", "22.04"), "it is about ubuntu 22.04, and the image is debian 12"),
            (os("debian", "11.3"), "it is about debian 11.3, and the image is debian 12"),
            (
                ArtifactIdentity {
                    diff_ids: vec![digest("a").to_string(), digest("c").to_string()],
                    ..report()
                },
                "its layers (2 of them) are not the image's: it is about \"app:1.0\" at another \
                 time or another image",
            ),
        ] {
            assert_eq!(
                matches_image(&identity, &[image()]),
                Match::No { why: want.into() },
                "{identity:?}"
            );
        }
    }

    #[test]
    fn another_release_is_named() {
        let os = |family: &str, version: &str| ArtifactIdentity {
            os_family: Some(family.into()),
            os_version: Some(version.into()),
            ..report()
        };
        for (identity, want) in [
            (os("ubuntu", "22.04"), Some("ubuntu 22.04")),
            (os("debian", "11.3"), Some("debian 11.3")),
            (os("debian", "12.7"), None),
            (os("Debian", "12"), None),
            (os("debian", ""), None),
            // a word for a system that nobody knows says nothing
            (os("linux", "6.1"), None),
            (report(), None),
            (
                ArtifactIdentity {
                    config_digest: Some(digest("config").to_string()),
                    ..os("ubuntu", "22.04")
                },
                None,
            ),
        ] {
            assert_eq!(other_release(&identity, &[image()]).as_deref(), want, "{identity:?}");
        }
    }

    #[test]
    fn too_little_is_unknown() {
        let debian_12 = ArtifactIdentity {
            os_family: Some("debian".into()),
            os_version: Some("12.7".into()),
            platform: Some("linux/amd64".into()),
            config_digest: Some(digest("converted").to_string()),
            ..report()
        };
        assert_eq!(matches_image(&report(), &[image()]), Match::Unknown);
        assert_eq!(matches_image(&debian_12, &[image()]), Match::Unknown);
        assert_eq!(matches_image(&debian_12, &[]), Match::Unknown);
    }
}
