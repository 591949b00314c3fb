//! Package URLs as scanners write them and SBOMs want them.
//!
//! Source: <https://github.com/package-url/purl-spec/blob/main/PURL-SPECIFICATION.rst>.

use std::fmt::Write as _;

/// The value of a qualifier (`arch`) of a package URL, percent-decoded. `None` when the URL
/// has no such qualifier or its value is empty or not UTF-8.
#[must_use]
pub fn qualifier(purl: &str, key: &str) -> Option<String> {
    let without_subpath = purl.split('#').next().unwrap_or_default();
    let (_, qualifiers) = without_subpath.split_once('?')?;
    qualifiers
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case(key))
        .and_then(|(_, value)| decode(value))
        .filter(|value| !value.is_empty())
}

/// The type and the name space that URLs of a distribution's packages begin with: `apk/alpine`,
/// `deb` alone for one without a name. `purl_type` is
/// [`imgfix_model::package::Inventory::purl_type`]; of rpm's distributions the vendor counts, in
/// Syft's names (`syft/pkg/cataloger/redhat/package.go`).
#[must_use]
pub fn system_space(purl_type: &str, distribution: &str) -> String {
    let id = distribution.to_lowercase();
    space(
        purl_type,
        match id.as_str() {
            "rhel" if purl_type == "rpm" => "redhat",
            id if purl_type == "rpm" && id.starts_with("opensuse") => "opensuse",
            id => id,
        },
    )
}

/// As [`system_space`], in Trivy's names, which are those of its families (`pkg/purl/purl.go`).
#[must_use]
pub fn trivy_space(purl_type: &str, distribution: &str) -> String {
    let id = distribution.to_lowercase();
    space(
        purl_type,
        match id.as_str() {
            "almalinux" => "alma",
            "amzn" => "amazon",
            "mariner" => "cbl-mariner",
            "ol" => "oracle",
            "sles" | "sled" | "sle-micro" | "sl-micro" | "sle_hpc" => "suse",
            _ => return system_space(purl_type, distribution),
        },
    )
}

fn space(purl_type: &str, name: &str) -> String {
    match name {
        "" => purl_type.to_owned(),
        name => format!("{purl_type}/{}", encode(name)),
    }
}

/// What a package URL says of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageUrl {
    /// `deb`, `npm`, ...
    pub kind: String,
    /// As the ecosystem writes it: `libc6`, `org.apache:log4j`, `@scope/name`,
    /// `github.com/a/b`. A distribution's name is not part of it.
    pub name: String,
    /// With an RPM's epoch; empty when the URL has none.
    pub version: String,
    /// The qualifier `arch`, as the URL writes it.
    pub architecture: Option<String>,
}

/// Takes a package URL apart; `None` when it is none.
#[must_use]
pub fn parse(purl: &str) -> Option<PackageUrl> {
    let rest = purl.trim().strip_prefix("pkg:")?.trim_start_matches('/');
    let rest = rest.split('#').next()?.split('?').next()?;
    let (kind, rest) = rest.split_once('/')?;
    // `@` of a scope is written %40, but some tools leave it as it is.
    let (path, version) = match rest.rsplit_once('@') {
        Some((path, version)) if !path.is_empty() && !version.contains('/') => (path, version),
        _ => (rest, ""),
    };
    let parts: Vec<String> =
        path.split('/').filter(|part| !part.is_empty()).map(decode).collect::<Option<_>>()?;
    let (name, namespace) = parts.split_last()?;
    let kind = kind.to_ascii_lowercase();
    let name = match (kind.as_str(), namespace) {
        (_, []) | ("deb" | "apk" | "rpm" | "alpm", _) => name.clone(),
        ("maven", namespace) => format!("{}:{name}", namespace.join("/")),
        (_, namespace) => format!("{}/{name}", namespace.join("/")),
    };
    let version = decode(version)?;
    let version = match qualifier(purl, "epoch") {
        Some(epoch) if kind == "rpm" && epoch != "0" => format!("{epoch}:{version}"),
        _ => version,
    };
    Some(PackageUrl { kind, name, version, architecture: qualifier(purl, "arch") })
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// Percent-encodes one component of a package URL: everything but ASCII letters, digits,
/// `.`, `-`, `_`, `~` and the colon, which the specification leaves as it is.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualifiers_are_found_and_decoded() {
        for (purl, key, want) in [
            ("pkg:deb/debian/bash@5.0-4?arch=amd64&distro=debian-10.1", "arch", Some("amd64")),
            ("pkg:deb/debian/a@1?distro=x&arch=arm%36%34#sub", "arch", Some("arm64")),
            ("pkg:deb/debian/a@1", "arch", None),
            ("pkg:deb/debian/a@1?arch=", "arch", None),
            ("pkg:deb/debian/a@1?arch=%4", "arch", None),
            ("pkg:deb/debian/a@1?arch=%zz", "arch", None),
            ("pkg:deb/debian/a@1#x?arch=amd64", "arch", None),
        ] {
            assert_eq!(qualifier(purl, key).as_deref(), want, "{purl}");
        }
    }

    #[test]
    fn parts_are_found_in_the_ecosystems_words() {
        for (purl, want) in [
            ("pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64", "deb libc6 2.36-9+deb12u4 amd64"),
            ("pkg:deb/debian/zlib@1:1.2.11", "deb zlib 1:1.2.11 -"),
            ("pkg:rpm/centos/bash@4.2-1?epoch=1&arch=x86_64", "rpm bash 1:4.2-1 x86_64"),
            ("pkg:maven/org.apache/log4j@2.13", "maven org.apache:log4j 2.13 -"),
            ("pkg:npm/%40babel/core@7.0.0#lib", "npm @babel/core 7.0.0 -"),
            ("pkg:npm/@babel/core", "npm @babel/core  -"),
            ("pkg:golang/github.com/a/b@v1.2.3", "golang github.com/a/b v1.2.3 -"),
            ("pkg:PyPI/django@3", "pypi django 3 -"),
        ] {
            let got = parse(purl).unwrap();
            let arch = got.architecture.unwrap_or_else(|| "-".into());
            let got = format!("{} {} {} {arch}", got.kind, got.name, got.version);
            assert_eq!(got, want, "{purl}");
        }
        for bad in ["", "libc6", "pkg:", "pkg:deb", "pkg:deb/", "pkg:deb/a%ff@1", "pkg:deb/@1"] {
            assert_eq!(parse(bad).map(|p| p.name).filter(|n| n != "@1"), None, "{bad}");
        }
    }

    #[test]
    fn name_spaces_are_those_of_syft_and_of_trivy() {
        for (purl_type, id, syft, trivy) in [
            ("deb", "debian", "deb/debian", "deb/debian"),
            ("apk", "", "apk", "apk"),
            ("rpm", "rhel", "rpm/redhat", "rpm/redhat"),
            ("rpm", "fedora", "rpm/fedora", "rpm/fedora"),
            ("rpm", "rocky", "rpm/rocky", "rpm/rocky"),
            ("rpm", "almalinux", "rpm/almalinux", "rpm/alma"),
            ("rpm", "ol", "rpm/ol", "rpm/oracle"),
            ("rpm", "amzn", "rpm/amzn", "rpm/amazon"),
            ("rpm", "mariner", "rpm/mariner", "rpm/cbl-mariner"),
            ("rpm", "azurelinux", "rpm/azurelinux", "rpm/azurelinux"),
            ("rpm", "photon", "rpm/photon", "rpm/photon"),
            ("rpm", "sles", "rpm/sles", "rpm/suse"),
            ("rpm", "opensuse-leap", "rpm/opensuse", "rpm/opensuse"),
            ("rpm", "openEuler", "rpm/openeuler", "rpm/openeuler"),
        ] {
            let got = (system_space(purl_type, id), trivy_space(purl_type, id));
            assert_eq!(got, (syft.to_owned(), trivy.to_owned()), "{id}");
        }
    }

    #[test]
    fn versions_are_encoded() {
        assert_eq!(encode("1:3.0.11-1~deb12u2+b1"), "1:3.0.11-1~deb12u2%2Bb1");
        assert_eq!(encode("a/b@c?d#e %"), "a%2Fb%40c%3Fd%23e%20%25");
    }
}
