//! The repositories of known distributions: which of them a Debian or Ubuntu image should have,
//! and where they are.
//!
//! In come what os-release(5) says and the image's own sources; out go the sources to add. An
//! image whose sources name only `main` still gets the distribution's security repository.

use super::sources::{AptSource, ByHash, SignedBy};
use imgfix_model::package::Distribution;
use imgfix_repository::repository_url::Origin;

/// Debian's releases since the security repository is called `CODENAME-security`, by
/// `VERSION_ID`: <https://www.debian.org/releases/>.
const DEBIAN: [(&str, &str); 5] =
    [("11", "bullseye"), ("12", "bookworm"), ("13", "trixie"), ("14", "forky"), ("15", "duke")];

/// Ubuntu's releases on archive.ubuntu.com, by `VERSION_ID`:
/// <https://documentation.ubuntu.com/release-team/release-cycle/>.
const UBUNTU: [(&str, &str); 6] = [
    ("20.04", "focal"),
    ("22.04", "jammy"),
    ("24.04", "noble"),
    ("25.04", "plucky"),
    ("25.10", "questing"),
    ("26.04", "resolute"),
];

/// Names that Debian's suites have besides the codename, which move from release to release.
const DEBIAN_ALIASES: [&str; 4] = ["stable", "oldstable", "oldoldstable", "testing"];

/// Components that the distributions' own repositories have.
const COMPONENTS: [&str; 7] =
    ["main", "contrib", "non-free", "non-free-firmware", "restricted", "universe", "multiverse"];

/// The codename of a known release; distroless images have only `VERSION_ID`.
fn codename(distribution: &Distribution) -> Option<&'static str> {
    let known: &[(&str, &str)] = match distribution.id.as_str() {
        "debian" => &DEBIAN,
        "ubuntu" => &UBUNTU,
        _ => return None,
    };
    let by = |(version, codename): &&(&str, &str)| {
        if distribution.codename.is_empty() {
            *version == distribution.version_id
        } else {
            *codename == distribution.codename
        }
    };
    known.iter().find(by).map(|(_, codename)| *codename)
}

/// The suites of a known distribution that the image's sources should have, and do not: the
/// security repository always; the main one and its updates when there is no source at all
/// (distroless). `architecture` is the image's native one.
#[must_use]
pub fn missing(
    distribution: &Distribution,
    architecture: &str,
    sources: &[AptSource],
) -> Vec<AptSource> {
    let Some(codename) = codename(distribution) else { return Vec::new() };
    let (main, secure) = match (distribution.id.as_str(), architecture) {
        ("debian", _) => {
            ("http://deb.debian.org/debian/", "http://deb.debian.org/debian-security/")
        }
        (_, "amd64" | "i386") => {
            ("http://archive.ubuntu.com/ubuntu/", "http://security.ubuntu.com/ubuntu/")
        }
        _ => ("http://ports.ubuntu.com/ubuntu-ports/", "http://ports.ubuntu.com/ubuntu-ports/"),
    };
    let components = components(distribution, sources);
    let added = |url: &str, suite: String| AptSource {
        url: url.to_owned(),
        login: None,
        suite,
        components: components.clone(),
        architectures: Vec::new(),
        without_architectures: Vec::new(),
        signed_by: SignedBy::Trusted,
        check_valid_until: true,
        says_trusted: false,
        by_hash: ByHash::default(),
        origin: Origin::Added,
    };
    let mut out = Vec::new();
    if sources.is_empty() {
        out.push(added(main, codename.to_owned()));
        out.push(added(main, format!("{codename}-updates")));
    }
    if !names_security(codename, sources) {
        out.push(added(secure, format!("{codename}-security")));
    }
    out
}

/// Whether a source is the security repository already, at whatever mirror, or the image follows
/// Debian unstable, which has none.
fn names_security(codename: &str, sources: &[AptSource]) -> bool {
    let names = std::iter::once(codename).chain(DEBIAN_ALIASES);
    let known: Vec<String> =
        names.flat_map(|name| [format!("{name}-security"), format!("{name}/updates")]).collect();
    sources.iter().any(|source| {
        known.contains(&source.suite) || matches!(source.suite.as_str(), "sid" | "unstable")
    })
}

/// The components that the image uses, as far as the distribution has them.
fn components(distribution: &Distribution, sources: &[AptSource]) -> Vec<String> {
    let mut used: Vec<String> = Vec::new();
    for component in sources.iter().flat_map(|source| &source.components) {
        // Debian's Release files for security list updates/main; sources may say either.
        let component = component.strip_prefix("updates/").unwrap_or(component);
        if COMPONENTS.contains(&component) && !used.iter().any(|have| have == component) {
            used.push(component.to_owned());
        }
    }
    if used.is_empty() {
        let all: &[&str] = if distribution.id == "ubuntu" {
            &["main", "restricted", "universe", "multiverse"]
        } else {
            &["main"]
        };
        used.extend(all.iter().map(|name| (*name).to_owned()));
    }
    used
}

#[cfg(test)]
mod tests {
    use super::super::sources::parse_option;
    use super::*;

    fn distribution(id: &str, codename: &str, version_id: &str) -> Distribution {
        Distribution {
            id: id.to_owned(),
            codename: codename.to_owned(),
            version_id: version_id.to_owned(),
            ..Distribution::default()
        }
    }

    /// What is added, as `URL SUITE COMPONENTS`.
    fn added(distribution: &Distribution, architecture: &str, lines: &[&str]) -> Vec<String> {
        let sources: Vec<_> = lines.iter().flat_map(|line| parse_option(line).unwrap()).collect();
        missing(distribution, architecture, &sources)
            .iter()
            .map(|one| format!("{} {}", one.describe(), one.components.join(" ")))
            .collect()
    }

    #[test]
    fn the_security_archive_is_added_when_no_source_names_it() {
        let bookworm = distribution("debian", "bookworm", "12");
        let security = "http://deb.debian.org/debian-security bookworm-security";
        for (lines, want) in [
            (&["deb http://a bookworm main contrib"][..], vec![format!("{security} main contrib")]),
            (&["deb http://docker bookworm stable"], vec![format!("{security} main")]),
            (&["deb http://a bookworm main", "deb http://m bookworm-security main"], vec![]),
            (&["deb http://a stable main", "deb http://m stable-security main"], vec![]),
            (&["deb http://a bookworm main", "deb http://m bookworm/updates main"], vec![]),
            (&["deb http://a unstable main"], vec![]),
        ] {
            assert_eq!(added(&bookworm, "amd64", lines), want, "{lines:?}");
        }
    }

    #[test]
    fn an_image_without_sources_gets_its_distributions() {
        assert_eq!(
            added(&distribution("debian", "", "12"), "arm64", &[]),
            [
                "http://deb.debian.org/debian bookworm main",
                "http://deb.debian.org/debian bookworm-updates main",
                "http://deb.debian.org/debian-security bookworm-security main",
            ]
        );
        let ubuntu = distribution("ubuntu", "noble", "24.04");
        assert_eq!(
            added(&ubuntu, "amd64", &["deb http://a noble main universe"]),
            ["http://security.ubuntu.com/ubuntu noble-security main universe"]
        );
        assert_eq!(
            added(&ubuntu, "arm64", &["deb http://a noble main"]),
            ["http://ports.ubuntu.com/ubuntu-ports noble-security main"]
        );
    }

    #[test]
    fn nothing_is_added_to_what_is_not_known() {
        for (id, codename) in [("debian", "buster"), ("kali", "kali-rolling"), ("", "")] {
            assert!(added(&distribution(id, codename, ""), "amd64", &[]).is_empty(), "{id}");
        }
    }
}
