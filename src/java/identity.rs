//! What a jar is: Maven's `pom.properties` before the manifest, the manifest before the file's
//! name, as Trivy and Syft have it.

use imgfix_zip::{Archive, Entry};

use crate::known;
use crate::manifest::{Manifest, coordinates, is_name, is_version};

/// The largest text of a jar that is read, in bytes.
const MAX_TEXT: u64 = 1 << 20;

/// Of one jar, so many `pom.properties` are read: Hadoop's shaded client has 60.
const MAX_POMS: usize = 1000;

/// A library in a jar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Artifact {
    /// `GROUP:ARTIFACT`, or the artifact alone where no text says the group.
    pub name: String,
    /// As the text has it.
    pub version: String,
    /// Whether the jar is this library; else it has the library's classes among its own.
    pub is_whole: bool,
}

/// A file's name taken apart: `log4j-core-2.14.1.jar` is `log4j-core` and `2.14.1`.
#[must_use]
pub fn file_parts(file: &str) -> (&str, Option<&str>) {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let mut dashes = stem.match_indices('-').map(|(at, _)| at);
    let at = dashes.find(|at| stem[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    match at {
        Some(at) if at > 0 && is_version(&stem[at + 1..]) => (&stem[..at], Some(&stem[at + 1..])),
        _ => (stem, None),
    }
}

/// The artifact in a name `GROUP:ARTIFACT`.
#[must_use]
pub fn artifact_of(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, artifact)| artifact)
}

/// The libraries that a jar is or has. `file` is its own name.
#[must_use]
pub fn identities(archive: &Archive, file: &str) -> Vec<Artifact> {
    let (stem, file_version) = file_parts(file);
    let mut found: Vec<Artifact> = Vec::new();
    let mut poms = archive.entries().iter().filter(|entry| is_pom(entry)).take(MAX_POMS);
    while let Some(bytes) = poms.next().map(|entry| archive.content(entry)) {
        let Some([group, artifact, version]) = bytes.ok().and_then(|text| coordinates(&text))
        else {
            continue;
        };
        let name = format!("{group}:{artifact}");
        found.push(Artifact { name, version, is_whole: false });
    }
    found.sort_unstable();
    found.dedup();
    let manifest = archive.entries().iter().find(|entry| entry.name() == "META-INF/MANIFEST.MF");
    let manifest = manifest.filter(|entry| entry.size() <= MAX_TEXT);
    let manifest = manifest.and_then(|entry| archive.content(entry).ok());
    let manifest = manifest.map(|bytes| Manifest::parse(&bytes)).unwrap_or_default();
    if own(&mut found, stem, file_version, &manifest) {
        return found;
    }
    found.extend(by_manifest(&manifest, stem, file_version));
    found
}

fn is_pom(entry: &Entry) -> bool {
    entry.name().starts_with("META-INF/maven/")
        && entry.name().ends_with("/pom.properties")
        && entry.size() <= MAX_TEXT
}

/// Marks the one that the jar is itself, if one is.
fn own(
    found: &mut [Artifact],
    stem: &str,
    file_version: Option<&str>,
    manifest: &Manifest,
) -> bool {
    if let [only] = found {
        // one that was taken in, by a jar with another name that has a version: `app-1.0.jar`
        let is_other = file_version.is_some_and(|version| {
            version != only.version && stem != artifact_of(&only.name) && !has_title(manifest, only)
        });
        only.is_whole = !is_other || manifest_says_nothing(manifest);
        return only.is_whole;
    }
    let by_file = |one: &Artifact| artifact_of(&one.name) == stem;
    let by_version = |one: &Artifact| by_file(one) && Some(one.version.as_str()) == file_version;
    let at = found.iter().position(by_version).or_else(|| found.iter().position(by_file));
    let at = at.or_else(|| found.iter().position(|one| has_title(manifest, one)));
    if let Some(at) = at {
        found[at].is_whole = true;
    }
    at.is_some()
}

/// Whether the manifest names this artifact as what the jar is.
fn has_title(manifest: &Manifest, one: &Artifact) -> bool {
    let artifact = artifact_of(&one.name);
    let symbolic = manifest.get("bundle-symbolicname").unwrap_or_default();
    let symbolic = symbolic.split(';').next().unwrap_or_default();
    manifest.get("implementation-title") == Some(artifact)
        || symbolic == artifact
        || symbolic.strip_suffix(artifact).is_some_and(|group| group.ends_with('.'))
}

fn manifest_says_nothing(manifest: &Manifest) -> bool {
    ["implementation-title", "bundle-symbolicname"].iter().all(|name| manifest.get(name).is_none())
}

/// What the manifest says of the jar, and what the file's name says where that is silent.
fn by_manifest(manifest: &Manifest, stem: &str, file_version: Option<&str>) -> Option<Artifact> {
    let whole = |group: Option<&str>, artifact: &str, version: &str| {
        let name = match group {
            Some(group) => format!("{group}:{artifact}"),
            None => artifact.to_owned(),
        };
        Some(Artifact { name, version: version.to_owned(), is_whole: true })
    };
    let title = manifest.get("implementation-title");
    // as Netflix' plugin for Gradle writes it: io.micrometer#micrometer-core;1.8.4
    let exact = title.and_then(|title| title.split_once('#')).and_then(|(group, rest)| {
        let (artifact, version) = rest.split_once(';')?;
        Some((group, artifact, version))
    });
    if let Some((group, artifact, version)) = exact
        && is_name(group)
        && is_name(artifact)
        && is_version(version)
    {
        return whole(Some(group), artifact, version);
    }
    let version = version(manifest, file_version)?;
    let is_tomcat = title.is_some_and(|title| title == "Apache Tomcat")
        || manifest.get("implementation-vendor-id") == Some("org.apache.tomcat");
    if let Some(artifact) = known::tomcat(stem).filter(|_| is_tomcat) {
        return whole(Some("org.apache.tomcat"), artifact, &version);
    }
    let symbolic = manifest.get("bundle-symbolicname").and_then(|name| name.split(';').next());
    let artifact = if file_version.is_some() {
        stem
    } else {
        let title = title.filter(|title| is_name(title));
        title.or(symbolic.and_then(|name| name.rsplit('.').next())).unwrap_or(stem)
    };
    if !is_name(artifact) {
        return None;
    }
    let vendor = manifest.get("implementation-vendor-id");
    let before = symbolic.and_then(|name| name.strip_suffix(artifact)?.strip_suffix('.'));
    let group = known::group(artifact).or(vendor).or(before).filter(|group| is_name(group));
    whole(group, artifact, &version)
}

/// The version: a manifest's before the file's name. A bundle's version has a form of its own
/// (`31.1.0.jre`), so the file's counts where both say one.
fn version(manifest: &Manifest, file_version: Option<&str>) -> Option<String> {
    let implementation = manifest.get("implementation-version").filter(|text| is_version(text));
    let bundle = manifest.get("bundle-version").filter(|text| is_version(text));
    let same = |a: &str, b: &str| a.replace(['-', '_'], ".") == b.replace(['-', '_'], ".");
    let version = match (implementation, file_version, bundle) {
        (Some(version), Some(file), _) if file.starts_with(version) => file,
        (Some(version), _, _) => version,
        (None, Some(file), Some(bundle)) if same(file, bundle) => file,
        (None, _, Some(bundle)) => bundle,
        (None, Some(file), None) => file,
        (None, None, None) => {
            manifest.get("specification-version").filter(|text| is_version(text))?
        }
    };
    Some(version.to_owned())
}
