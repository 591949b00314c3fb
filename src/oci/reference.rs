//! [`Reference`]: names of images in the syntax of containers-transports(5), as skopeo takes
//! them.
//!
//! Text comes in, a value that says where an image is goes out, and [`fmt::Display`] writes it
//! back so that skopeo reads the same image. Nothing here touches the disk or the network: an
//! `oci:DIR` without a tag is completed by the source that opens it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use imgfix_model::digest::Digest;

/// Why text is not an image reference, or why another cannot be derived from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{input:?} {problem}: {why}")]
pub struct ReferenceError {
    /// The text, without a login.
    pub input: String,
    problem: &'static str,
    /// What is wrong with it and what to write instead, for people.
    pub why: String,
}

/// Where an image is and what it is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `oci:DIR[:TAG]`: an OCI layout directory.
    OciLayout {
        /// The directory with `oci-layout` and `index.json`.
        dir: PathBuf,
        /// The `org.opencontainers.image.ref.name` annotation of an entry of `index.json`;
        /// `None`: its only image.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:TAG]`: an OCI layout in a tar file.
    OciArchive {
        /// The tar file.
        file: PathBuf,
        /// As for an OCI layout.
        tag: Option<String>,
    },
    /// `docker-archive:FILE[:REF]`: what `docker save` writes.
    DockerArchive {
        /// The tar file.
        file: PathBuf,
        /// One of the archive's `RepoTags`, or `@N`, the position of an image in its
        /// `manifest.json`; `None`: its only image.
        reference: Option<String>,
    },
    /// `docker://HOST/REPO:TAG|@DIGEST`, or the same without the prefix.
    Registry(oci_client::Reference),
}

/// Transports of containers-transports(5) that need something imgfix does without, with what
/// to do instead.
const OTHER_TRANSPORTS: [(&str, &str); 9] = [
    (
        "docker-daemon:",
        "imgfix uses no daemon: 'docker save -o app.tar IMAGE', then docker-archive:app.tar",
    ),
    ("containers-storage:", "export it first: 'skopeo copy containers-storage:IMAGE oci:DIR:TAG'"),
    ("dir:", "convert it first: 'skopeo copy dir:PATH oci:DIR:TAG'"),
    ("ostree:", "convert it first: 'skopeo copy ostree:IMAGE oci:DIR:TAG'"),
    ("sif:", "convert it first: 'skopeo copy sif:FILE oci:DIR:TAG'"),
    (
        "tarball:",
        "a bare root file system is not an image; use oci:, docker-archive: or a registry",
    ),
    ("https://", "leave out https://, as in HOST/REPO:TAG"),
    ("http://", "leave out http:// and use --plain-http, as in HOST/REPO:TAG"),
    ("docker:", "write docker://HOST/REPO:TAG"),
];

/// What a reference with a transport begins with.
pub const TRANSPORTS: [&str; 4] = ["docker://", "oci:", "oci-archive:", "docker-archive:"];

/// Extensions of tar files, plain and compressed.
const TAR_EXTENSIONS: [&str; 5] = [".tar.gz", ".tgz", ".tar.zst", ".tar.zstd", ".tar"];

/// Whether text is more likely to be the name of a file than that of a repository.
#[must_use]
pub fn names_a_file(text: &str) -> bool {
    text.starts_with(['/', '.', '~'])
        || TAR_EXTENSIONS.iter().any(|extension| text.ends_with(extension))
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(input: &str) -> Result<Self, ReferenceError> {
        let problem = "is not an image reference";
        parse(input).map_err(|why| ReferenceError {
            input: without_credentials(input),
            problem,
            why,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, path, name) = match self {
            Self::OciLayout { dir, tag } => ("oci", dir, tag),
            Self::OciArchive { file, tag } => ("oci-archive", file, tag),
            Self::DockerArchive { file, reference } => ("docker-archive", file, reference),
            Self::Registry(reference) => return write!(f, "docker://{reference}"),
        };
        write!(f, "{transport}:{}", path.display())?;
        match name {
            Some(name) => write!(f, ":{name}"),
            None => Ok(()),
        }
    }
}

impl Reference {
    /// The default place of a repaired image: the same transport and repository or layout
    /// with `suffix` behind the tag; for an archive a new file beside it (`app.tar` →
    /// `app_fix.tar`) whose inner name has the suffix too.
    ///
    /// A name that ends in `suffix` already stays as it is: repairing `app:1.0_fix` replaces
    /// `app:1.0_fix`, and so does `app_fix.tar`.
    ///
    /// # Errors
    /// There is no tag to put the suffix behind (a registry reference by digest, a layout
    /// without tag), or the new tag would be longer than the 128 characters a registry takes.
    pub fn with_fix_suffix(&self, suffix: &str) -> Result<Self, ReferenceError> {
        let problem = "has no name for the result";
        let fail = |why: String| ReferenceError { input: self.to_string(), problem, why };
        if suffix.is_empty() || suffix.len() > 64 || !suffix.bytes().all(is_tag_byte) {
            return Err(fail(format!(
                "the tag suffix {suffix:?} must be 1 to 64 letters, digits, '_', '.' or '-'"
            )));
        }
        let no_tag = || {
            let example = match self {
                Self::Registry(name) => format!("{}/{}:TAG", name.registry(), name.repository()),
                Self::OciLayout { dir, .. } => format!("oci:{}:TAG", dir.display()),
                Self::OciArchive { .. } => "oci-archive:FILE".to_owned(),
                Self::DockerArchive { .. } => "docker-archive:FILE".to_owned(),
            };
            fail(format!("it has no tag that one could be made of; give one, as in -o {example}"))
        };
        match self {
            Self::OciLayout { dir, tag } => {
                let tag = tag.as_deref().ok_or_else(no_tag)?;
                Ok(Self::OciLayout { dir: dir.clone(), tag: Some(suffixed(tag, suffix)) })
            }
            Self::OciArchive { file, tag } => Ok(Self::OciArchive {
                file: suffixed_file(file, suffix).ok_or_else(no_tag)?,
                tag: tag.as_deref().map(|tag| suffixed(tag, suffix)),
            }),
            Self::DockerArchive { file, reference } => Ok(Self::DockerArchive {
                file: suffixed_file(file, suffix).ok_or_else(no_tag)?,
                reference: reference
                    .as_deref()
                    .filter(|name| !name.starts_with('@'))
                    .map(|name| suffixed(name, suffix)),
            }),
            Self::Registry(name) => {
                let tag = suffixed(name.tag().ok_or_else(no_tag)?, suffix);
                if tag.len() > MAX_TAG {
                    return Err(fail(format!(
                        "with {suffix:?} its tag is longer than the {MAX_TAG} characters a \
                         registry takes; name the result with -o"
                    )));
                }
                Ok(Self::Registry(oci_client::Reference::with_tag(
                    name.registry().to_owned(),
                    name.repository().to_owned(),
                    tag,
                )))
            }
        }
    }

    /// Whether an image written here takes the place of `other`: it has the same name, or is the
    /// same archive file, which holds one image only when it is written.
    #[must_use]
    pub fn replaces(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::OciArchive { file, .. } | Self::DockerArchive { file, .. },
                Self::OciArchive { file: theirs, .. } | Self::DockerArchive { file: theirs, .. },
            ) => file == theirs,
            _ => self == other,
        }
    }

    /// The name as `org.opencontainers.image.base.name` wants it: fully qualified, without
    /// the transport for a registry.
    #[must_use]
    pub fn base_name(&self) -> String {
        match self {
            Self::Registry(reference) => reference.to_string(),
            // where the image lies on this machine is nothing of the image's, and a repair must
            // give the same bytes from anywhere
            Self::OciLayout { dir, tag } => {
                Self::OciLayout { dir: last_name(dir), tag: tag.clone() }.to_string()
            }
            Self::OciArchive { file, tag } => {
                Self::OciArchive { file: last_name(file), tag: tag.clone() }.to_string()
            }
            // the name that the archive gives the image, however short it was written
            Self::DockerArchive { file, reference } => {
                let full = reference.as_deref().and_then(|name| parse_name(name).ok());
                full.map_or_else(
                    || {
                        Self::DockerArchive { file: last_name(file), reference: reference.clone() }
                            .to_string()
                    },
                    |full| full.to_string(),
                )
            }
        }
    }
}

/// The last component of a path; of `.` and `..` what they stand for.
fn last_name(path: &Path) -> PathBuf {
    let resolved = match path.file_name() {
        Some(name) => return PathBuf::from(name),
        None => path.canonicalize(),
    };
    resolved.ok().and_then(|path| path.file_name().map(PathBuf::from)).unwrap_or_default()
}

/// Longest tag (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>).
const MAX_TAG: usize = 128;

fn is_tag_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn parse(input: &str) -> Result<Reference, String> {
    if input.is_empty() {
        return Err("it is empty; write HOST/REPO:TAG, oci:DIR:TAG or docker-archive:FILE".into());
    }
    if input.chars().any(char::is_control) {
        return Err("it has control characters".into());
    }
    if let Some(rest) = input.strip_prefix("docker://") {
        return parse_registry(rest);
    }
    if let Some(rest) = input.strip_prefix("oci:") {
        let (dir, tag) = path_and_name(rest, "oci:DIR[:TAG]")?;
        return Ok(Reference::OciLayout { dir, tag: tag.map(check_layout_tag).transpose()? });
    }
    if let Some(rest) = input.strip_prefix("oci-archive:") {
        let (file, tag) = path_and_name(rest, "oci-archive:FILE[:TAG]")?;
        return Ok(Reference::OciArchive { file, tag: tag.map(check_layout_tag).transpose()? });
    }
    if let Some(rest) = input.strip_prefix("docker-archive:") {
        let (file, name) = path_and_name(rest, "docker-archive:FILE[:REF]")?;
        let reference = name.map(check_archive_name).transpose()?;
        return Ok(Reference::DockerArchive { file, reference });
    }
    for (prefix, instead) in OTHER_TRANSPORTS {
        if input.starts_with(prefix) {
            return Err(format!("the transport {prefix} is not supported; {instead}"));
        }
    }
    if input.starts_with(['/', '.', '~']) {
        return Err("it looks like a path; write oci:DIR:TAG for an OCI layout, \
                    docker-archive:FILE or oci-archive:FILE for a tar file"
            .into());
    }
    parse_registry(input)
}

/// Splits at the first colon, as containers/image does: a path with a colon cannot be named.
fn path_and_name<'a>(rest: &'a str, form: &str) -> Result<(PathBuf, Option<&'a str>), String> {
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) => (path, Some(name)),
        None => (rest, None),
    };
    if path.is_empty() {
        return Err(format!("the path is empty; write {form}"));
    }
    if name == Some("") {
        return Err(format!("there is nothing behind the last ':'; write {form}"));
    }
    Ok((PathBuf::from(path), name))
}

/// The characters of `org.opencontainers.image.ref.name`
/// (<https://github.com/opencontainers/image-spec/blob/main/annotations.md#pre-defined-annotation-keys>).
fn check_layout_tag(tag: &str) -> Result<String, String> {
    if tag.starts_with('@') {
        return Err("an image of a layout is named by its tag, not by its position".into());
    }
    let fine = |b: u8| is_tag_byte(b) || matches!(b, b'@' | b':' | b'+' | b'/');
    if tag.len() > 512 || !tag.bytes().all(fine) {
        return Err(format!(
            "the tag {tag:?} may hold letters, digits and - . _ : @ + / only, at most 512"
        ));
    }
    Ok(tag.to_owned())
}

fn check_archive_name(name: &str) -> Result<String, String> {
    if let Some(position) = name.strip_prefix('@') {
        return match position.parse::<u16>() {
            Ok(n) if n.to_string() == position => Ok(name.to_owned()),
            _ => Err(format!("{name:?} is not the position of an image in the archive (want @0)")),
        };
    }
    let parsed = parse_name(name)?;
    if parsed.digest().is_some() {
        return Err("an image of a docker-archive is named by its tag, not by a digest".into());
    }
    Ok(name.to_owned())
}

fn parse_registry(name: &str) -> Result<Reference, String> {
    parse_name(name).map(Reference::Registry)
}

/// A docker reference, Docker Hub's short names completed as docker does.
pub(super) fn parse_name(name: &str) -> Result<oci_client::Reference, String> {
    if name.len() > 1024 {
        return Err("it is longer than 1024 characters".into());
    }
    let parsed: oci_client::Reference = name.parse().map_err(|error| {
        let lower = name.rsplit_once('/').map_or(name, |(_, last)| last);
        let lower = lower.split([':', '@']).next().unwrap_or_default();
        let hint = if lower.bytes().any(|b| b.is_ascii_uppercase()) {
            "; repository names are lower case"
        } else {
            "; write HOST/REPO:TAG or HOST/REPO@sha256:DIGEST"
        };
        format!("{error}{hint}")
    })?;
    if parsed.repository().bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("repository names are lower case".into());
    }
    if let Some(digest) = parsed.digest() {
        digest.parse::<Digest>().map_err(|error| error.to_string())?;
    }
    Ok(parsed)
}

fn suffixed(tag: &str, suffix: &str) -> String {
    if tag.ends_with(suffix) { tag.to_owned() } else { format!("{tag}{suffix}") }
}

/// `app.tar` → `app_fix.tar`, `app.tar.gz` → `app_fix.tar` (the result is never compressed
/// as a whole). `None`: not a file name.
fn suffixed_file(file: &Path, suffix: &str) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let stem = TAR_EXTENSIONS
        .iter()
        .find_map(|extension| name.strip_suffix(extension).filter(|stem| !stem.is_empty()));
    let fixed = match stem {
        Some(stem) => format!("{}.tar", suffixed(stem, suffix)),
        None => suffixed(name, suffix),
    };
    Some(file.with_file_name(fixed))
}

/// What may be shown of `input`: a user name and password in front of a host are not.
fn without_credentials(input: &str) -> String {
    let shown: String = input.chars().take(300).collect();
    let (scheme, rest) = match shown.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), shown.as_str()),
    };
    // 'user:password@host/…': an '@' that starts no digest, or a name in front of the host
    match rest.rsplit_once('@') {
        Some((before, after)) if before.contains(':') && !after.starts_with("sha") => {
            format!("{scheme}…@{after}")
        }
        Some((before, digest)) if before.contains('@') => {
            let host = before.rsplit_once('@').map_or(before, |(_, host)| host);
            format!("{scheme}…@{host}@{digest}")
        }
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Reference {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    const ZEROS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn every_transport_is_read_and_written_as_skopeo_writes_it() {
        let table = [
            ("oci:/srv/app", "oci:/srv/app"),
            ("oci:app:1.0", "oci:app:1.0"),
            ("oci:app:example.org/app:1.0", "oci:app:example.org/app:1.0"),
            ("oci-archive:app.tar:v1", "oci-archive:app.tar:v1"),
            ("docker-archive:app.tar", "docker-archive:app.tar"),
            ("docker-archive:app.tar:app:1.0", "docker-archive:app.tar:app:1.0"),
            ("docker-archive:app.tar:@3", "docker-archive:app.tar:@3"),
            ("docker://localhost:5000/app", "docker://localhost:5000/app:latest"),
            ("localhost:5000/app:1", "docker://localhost:5000/app:1"),
            ("debian:12", "docker://docker.io/library/debian:12"),
            ("debian", "docker://docker.io/library/debian:latest"),
            ("bitnami/redis:7", "docker://docker.io/bitnami/redis:7"),
            ("index.docker.io/library/debian:12", "docker://docker.io/library/debian:12"),
        ];
        for (text, written) in table {
            assert_eq!(parsed(text).to_string(), written, "{text}");
        }
        let by_digest = format!("ghcr.io/a/b@{ZEROS}");
        assert_eq!(parsed(&by_digest).to_string(), format!("docker://{by_digest}"));
    }

    #[test]
    fn a_bad_reference_says_what_to_write() {
        let table = [
            ("", "it is empty"),
            ("oci:", "oci:DIR[:TAG]"),
            ("oci:dir:", "nothing behind"),
            ("oci:dir:a b", "may hold"),
            ("docker-archive:f.tar:Upper/x", "lower case"),
            ("docker-archive:f.tar:@01", "position"),
            ("docker-daemon:app:1", "docker save"),
            ("containers-storage:app", "skopeo copy"),
            ("https://ghcr.io/app", "leave out https://"),
            ("./app.tar", "looks like a path"),
            ("/srv/app", "looks like a path"),
            ("ghcr.io/App:1", "lower case"),
            ("ghcr.io/app@sha256:12", "HOST/REPO"),
            ("ghcr.io/app:1\n", "control characters"),
        ];
        for (text, why) in table {
            let error = text.parse::<Reference>().expect_err(text).to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
        let sha512 = format!("ghcr.io/a@sha512:{}", "0".repeat(128));
        let error = sha512.parse::<Reference>().expect_err("sha512").to_string();
        assert!(error.contains("not a sha256 digest"), "{error}");
    }

    #[test]
    fn credentials_in_a_reference_are_not_repeated() {
        let with_digest = format!("docker://user:secret@host/app@{ZEROS}");
        for text in ["docker://user:secret@host/app:1", "user:secret@host/app:1", &with_digest] {
            let error = text.parse::<Reference>().expect_err(text).to_string();
            assert!(!error.contains("secret"), "{error}");
            assert!(error.contains("host/app"), "{error}");
        }
    }

    #[test]
    fn the_default_output_has_the_suffix_once() {
        let table = [
            ("oci:dir:1.0", "oci:dir:1.0_fix"),
            ("oci:dir:1.0_fix", "oci:dir:1.0_fix"),
            ("oci-archive:out/app.tar:1.0", "oci-archive:out/app_fix.tar:1.0_fix"),
            ("oci-archive:app.tar", "oci-archive:app_fix.tar"),
            ("docker-archive:app.tar:app:1", "docker-archive:app_fix.tar:app:1_fix"),
            ("docker-archive:app.tar:@0", "docker-archive:app_fix.tar"),
            ("docker-archive:/a.b/app.tar.gz", "docker-archive:/a.b/app_fix.tar"),
            ("docker-archive:app", "docker-archive:app_fix"),
            ("docker-archive:app_fix.tar:app:1_fix", "docker-archive:app_fix.tar:app:1_fix"),
            ("debian:12", "docker://docker.io/library/debian:12_fix"),
            ("debian:12_fix", "docker://docker.io/library/debian:12_fix"),
        ];
        for (text, fixed) in table {
            let written = parsed(text).with_fix_suffix("_fix").map(|r| r.to_string());
            assert_eq!(written.as_deref(), Ok(fixed), "{text}");
        }
        let both = format!("debian:12@{ZEROS}");
        let written = parsed(&both).with_fix_suffix("-patched").map(|r| r.to_string());
        assert_eq!(written.as_deref(), Ok("docker://docker.io/library/debian:12-patched"));
    }

    #[test]
    fn an_archive_replaces_all_that_is_in_its_file() {
        let table = [
            ("oci:a:1", "oci:a:1", true),
            ("oci:a:1", "oci:a:2", false),
            ("oci-archive:a.tar:1", "oci-archive:a.tar:2", true),
            ("docker-archive:a.tar:app:1_fix", "docker-archive:a.tar:app:1", true),
            ("docker-archive:a.tar:app:1", "docker-archive:b.tar:app:1", false),
            ("debian:12", "docker.io/library/debian:12", true),
            ("debian:12", "oci:debian:12", false),
        ];
        for (new, old, replaces) in table {
            assert_eq!(parsed(new).replaces(&parsed(old)), replaces, "{new} {old}");
        }
    }

    #[test]
    fn a_base_name_does_not_depend_on_spelling_or_place() {
        let table = [
            ("debian:12", "docker.io/library/debian:12"),
            ("docker://docker.io/library/debian:12", "docker.io/library/debian:12"),
            ("oci:/srv/app:1", "oci:app:1"),
            ("oci:srv/../app:1", "oci:app:1"),
            ("oci-archive:/srv/app.tar:1", "oci-archive:app.tar:1"),
            ("docker-archive:/srv/app.tar:app:1", "docker.io/library/app:1"),
            ("docker-archive:b.tar:app:1", "docker.io/library/app:1"),
            ("docker-archive:b.tar:app", "docker.io/library/app:latest"),
            ("docker-archive:b.tar:docker.io/library/app:1", "docker.io/library/app:1"),
            ("docker-archive:b.tar:example.org/a/app:1", "example.org/a/app:1"),
            ("docker-archive:/srv/b.tar", "docker-archive:b.tar"),
            ("docker-archive:/srv/b.tar:@0", "docker-archive:b.tar:@0"),
        ];
        for (text, name) in table {
            assert_eq!(parsed(text).base_name(), name, "{text}");
        }
    }

    #[test]
    fn without_a_tag_the_output_must_be_named() {
        let by_digest = format!("debian@{ZEROS}");
        for text in ["oci:dir", &by_digest] {
            let error = parsed(text).with_fix_suffix("_fix").expect_err(text).to_string();
            assert!(error.contains("-o"), "{error}");
        }
        let long = format!("debian:{}", "a".repeat(128));
        assert!(parsed(&long).with_fix_suffix("_fix").is_err());
        for suffix in ["", "_f x", "/x", ":x"] {
            assert!(parsed("debian:12").with_fix_suffix(suffix).is_err(), "{suffix:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_the_same(
            text in prop_oneof![
                "(oci|oci-archive):[a-zA-Z0-9/._-]{1,20}(:[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,12})?",
                "docker-archive:[a-zA-Z0-9/._ -]{1,20}(:[a-z0-9]{1,8}(:[a-zA-Z0-9_.-]{0,6})?)?",
                "(docker://)?([a-z0-9.]{1,8}(:[0-9]{1,4})?/)?[a-z0-9/]{1,12}(:[A-Za-z0-9._-]{1,9})?",
                "\\PC{0,40}",
            ]
        ) {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>(), Ok(reference.clone()));
                if let Ok(fixed) = reference.with_fix_suffix("_fix") {
                    prop_assert_eq!(fixed.with_fix_suffix("_fix"), Ok(fixed.clone()));
                    prop_assert_eq!(fixed.to_string().parse::<Reference>(), Ok(fixed));
                }
            }
        }
    }
}
