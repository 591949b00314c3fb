//! What a registry says of one package: its versions, what each needs, and where its archive is
//! with which hash (<https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md>).
//!
//! In come bytes of a registry, short form or full; out comes a [`Packument`]. A version whose
//! archive has no hash is not there. `deprecated` is advice, and no taking back: npm installs such
//! a version, too.

use std::collections::BTreeMap;

use imgfix_repository::ContentHash;
use imgfix_versions::VersionText;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::manifest::Manifest;
use crate::signatures::Signature;
use crate::versions;

/// The media type of the short form, which has all that installing takes.
pub const ACCEPT: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8";

/// The largest answer that is read, in bytes: of the packages with most versions, the full form
/// has some 20 MiB.
pub const MAX: u64 = 96 << 20;

/// The keys of a version that are looked at.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    dist: Option<Dist>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct Dist {
    tarball: Option<String>,
    integrity: Option<String>,
    shasum: Option<String>,
    #[serde(default)]
    signatures: Value,
}

#[derive(Deserialize)]
struct Document {
    name: Option<String>,
    #[serde(default)]
    versions: BTreeMap<String, Value>,
}

/// A version that a registry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The address of its archive, as the registry writes it.
    pub url: String,
    /// What the archive has to have.
    pub hash: ContentHash,
    /// Signatures of the registry.
    pub signatures: Vec<Signature>,
    /// The hash as the registry writes it, which its signatures are over.
    pub integrity: String,
}

/// The versions of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packument {
    /// By their texts.
    pub versions: BTreeMap<String, Published>,
}

impl Packument {
    /// Reads a registry's answer about the package `name`.
    ///
    /// # Errors
    /// It is not JSON of this form, or about another package. Half a sentence.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, String> {
        let document: Document = imgfix_json::read(bytes).map_err(|error| error.to_string())?;
        if document.name.as_deref() != Some(name) {
            let found = document.name.unwrap_or_default();
            return Err(format!("it is about {found:?} instead of {name:?}"));
        }
        let published = |(version, said): (String, Value)| {
            let published = Published::of(name, &version, said)?;
            Some((version, published))
        };
        Ok(Self { versions: document.versions.into_iter().filter_map(published).collect() })
    }

    /// The versions that are no pre-releases.
    pub fn releases(&self) -> impl Iterator<Item = VersionText> {
        let is_release = |text: &&String| versions::is_release(text);
        self.versions.keys().filter(is_release).map(|text| VersionText(text.clone()))
    }
}

impl Published {
    /// `None`: it cannot be installed: no archive, no hash, another package's name.
    fn of(name: &str, version: &str, said: Value) -> Option<Self> {
        #[allow(clippy::disallowed_methods, reason = "a value that was read already")]
        let Said { dist, rest } = Said::deserialize(said).ok()?;
        let Dist { tarball, integrity, shasum, signatures } = dist?;
        let manifest = Manifest::of(&Value::Object(rest));
        if manifest.name != name || manifest.version != version {
            return None;
        }
        let by_integrity = integrity.as_deref().and_then(ContentHash::from_integrity);
        let hash = by_integrity.or_else(|| {
            // an SHA-1, and nothing else
            shasum.as_deref().filter(|text| text.len() == 40).and_then(ContentHash::from_hex)
        })?;
        let integrity = integrity.unwrap_or_else(|| hash.integrity());
        let signatures = Signature::all(&signatures);
        Some(Self { manifest, url: tarball?, hash, signatures, integrity })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";

    #[test]
    fn versions_that_can_be_installed_are_known() {
        let integrity = ContentHash::from_hex(SHA1).unwrap().integrity();
        let document = json!({"name": "@s/a", "dist-tags": {"latest": "1.1.0"}, "versions": {
            "1.0.0": {"name": "@s/a", "version": "1.0.0", "dependencies": {"b": "^1"},
                "deprecated": "no more", "hasInstallScript": true,
                "dist": {"tarball": "https://r.example/a-1.0.0.tgz", "shasum": SHA1}},
            "1.1.0": {"name": "@s/a", "version": "1.1.0", "odd": [1],
                "dist": {"tarball": "t", "integrity": integrity, "shasum": "x", "signatures":
                    [{"keyid": "SHA256:k", "sig": "AAAA"}, {"keyid": 1}, 7]}},
            "2.0.0-rc.1": {"name": "@s/a", "version": "2.0.0-rc.1",
                "dist": {"tarball": "t", "shasum": SHA1}},
            "3.0.0": {"name": "@s/a", "version": "3.0.0", "dist": {"tarball": "t"}},
            "4.0.0": {"name": "@s/a", "version": "4.0.0", "dist": {"shasum": SHA1}},
            "5.0.0": {"name": "@s/a", "version": "5.0.0"},
            "6.0.0": {"name": "other", "version": "6.0.0",
                "dist": {"tarball": "t", "shasum": SHA1}},
            "7.0.0": 7,
        }});
        let found = Packument::read("@s/a", document.to_string().as_bytes()).unwrap();
        assert_eq!(found.versions.keys().collect::<Vec<_>>(), ["1.0.0", "1.1.0", "2.0.0-rc.1"]);
        let releases: Vec<String> = found.releases().map(|text| text.to_string()).collect();
        assert_eq!(releases, ["1.0.0", "1.1.0"]);
        let first = &found.versions["1.0.0"];
        assert_eq!(first.url, "https://r.example/a-1.0.0.tgz");
        assert_eq!(first.hash.to_string(), format!("sha1:{SHA1}"));
        assert_eq!(first.manifest.dependencies["b"], "^1");
        assert_eq!(first.manifest.scripts, ["install"]);
        assert_eq!(found.versions["1.1.0"].signatures.len(), 1);
    }

    #[test]
    fn what_is_about_another_package_is_an_error() {
        for (text, part) in [
            (r#"{"name": "b", "versions": {}}"#, "about \"b\" instead of \"a\""),
            (r#"{"versions": {}}"#, "instead of"),
            (r#"{"name": "a", "versions": []}"#, "expected a map"),
            (r#"{"name": "a", "name": "a"}"#, "twice"),
            ("<html>", "expected value"),
        ] {
            let error = Packument::read("a", text.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Packument::read("a", &bytes);
        }
    }
}
