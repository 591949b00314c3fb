//! apt's sources: which repositories an image names, in sources.list(5)'s two syntaxes.
//!
//! In come the image's `/etc/apt` (or the user's `--repository` lines); out go
//! [`AptSource`]s: one URL, one suite, its components and who may sign it. Nothing is fetched
//! here.

use bytes::Bytes;

use super::control::parse_stanzas;
use crate::packages::Distribution;
use crate::rootfs::{FileSystem, ImagePath, RootfsError};

/// The most repositories an image may name.
const MAX_SOURCES: usize = 1000;

/// Why a source cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourcesError {
    #[error("{place}: {why}")]
    Syntax { place: String, why: String },
    #[error("cannot read the image's apt sources: {0}")]
    Image(String),
}

impl From<RootfsError> for SourcesError {
    fn from(error: RootfsError) -> Self {
        SourcesError::Image(error.to_string())
    }
}

/// Who may sign a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// Every key that the image trusts (`trusted.gpg`, `trusted.gpg.d`).
    Trusted,
    /// Keyring files, and fingerprints that narrow the trusted keys.
    Named { files: Vec<String>, fingerprints: Vec<String> },
    /// An armored key in the source itself.
    Inline(String),
}

/// Where a source comes from: it decides which keys count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The image's own configuration: its keyrings decide.
    Image,
    /// Added by imgfix because the distribution has it: the built-in archive keys count too.
    Added,
    /// `--repository`: paths of keys are the host's.
    User,
}

/// One repository: a URL, a suite, components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// Ends in `/`.
    pub url: String,
    /// `bookworm-security`; ends in `/` when it is an exact path, then there are no components.
    pub suite: String,
    pub components: Vec<String>,
    /// Only these architectures; empty: all of the image.
    pub architectures: Vec<String>,
    pub signed_by: SignedBy,
    /// `Check-Valid-Until: no`.
    pub check_valid_until: bool,
    pub origin: Origin,
}

impl AptSource {
    /// The directory of the Release file, ending in `/`.
    #[must_use]
    pub fn dists(&self) -> String {
        if self.suite.ends_with('/') {
            let path = self.suite.trim_start_matches("./").trim_start_matches('/');
            return format!("{}{path}", self.url);
        }
        format!("{}dists/{}/", self.url, self.suite)
    }

    /// For messages: `http://deb.debian.org/debian bookworm`.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{} {}", self.url.trim_end_matches('/'), self.suite)
    }
}

/// Sources, and what was passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    pub sources: Vec<AptSource>,
    pub warnings: Vec<String>,
}

/// Reads the image's own sources: `sources.list`, then `sources.list.d/*` in name order.
///
/// # Errors
/// Unreadable files and lines that apt would refuse too.
pub fn read(fs: &dyn FileSystem) -> Result<Sources, SourcesError> {
    let mut out = Sources::default();
    let main = ImagePath::literal("/etc/apt/sources.list");
    if fs.stat(&main).is_some_and(|entry| entry.is_file()) {
        parse_list(&main.to_string(), &fs.read(&main)?, Origin::Image, &mut out)?;
    }
    let folder = fs.resolve(&ImagePath::literal("/etc/apt/sources.list.d"))?;
    for path in fs.read_dir(&folder) {
        if !fs.stat(&path).is_some_and(|entry| entry.is_file()) {
            continue;
        }
        let name = path.file_name();
        if name.ends_with(b".list") {
            parse_list(&path.to_string(), &fs.read(&path)?, Origin::Image, &mut out)?;
        } else if name.ends_with(b".sources") {
            parse_deb822(&path.to_string(), fs.read(&path)?, &mut out)?;
        }
    }
    if out.sources.len() > MAX_SOURCES {
        return Err(SourcesError::Image(format!("more than {MAX_SOURCES} repositories")));
    }
    Ok(out)
}

/// One `--repository` value, in one-line syntax.
///
/// # Errors
/// Not a `deb` line.
pub fn parse_option(line: &str) -> Result<Vec<AptSource>, SourcesError> {
    let mut out = Sources::default();
    parse_list("--repository", line.as_bytes(), Origin::User, &mut out)?;
    match out.warnings.into_iter().next() {
        Some(why) => Err(SourcesError::Syntax { place: "--repository".to_owned(), why }),
        None if out.sources.is_empty() => Err(SourcesError::Syntax {
            place: format!("--repository {line:?}"),
            why: "want 'deb [OPTIONS] URL SUITE COMPONENT...'".to_owned(),
        }),
        None => Ok(out.sources),
    }
}

/// Options of a source, in either syntax.
#[derive(Debug, Clone)]
struct Options {
    architectures: Vec<String>,
    signed_by: SignedBy,
    check_valid_until: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { architectures: Vec::new(), signed_by: SignedBy::Trusted, check_valid_until: true }
    }
}

impl Options {
    fn set(&mut self, name: &str, value: &str) {
        match name.to_ascii_lowercase().as_str() {
            "arch" | "architectures" => {
                self.architectures = words(value);
            }
            "signed-by" => self.signed_by = signed_by(value),
            "check-valid-until" => {
                self.check_valid_until = !matches!(value.trim(), "no" | "false" | "0");
            }
            // trusted=yes and allow-insecure=yes are not followed: signatures are always
            // checked. The others change nothing that imgfix does.
            _ => {}
        }
    }
}

fn words(value: &str) -> Vec<String> {
    value
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}

fn signed_by(value: &str) -> SignedBy {
    if value.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
        // deb822 continuation lines: one space of indent, empty lines written as a dot
        let lines = value.lines().map(|line| {
            let line = line.strip_prefix(' ').unwrap_or(line);
            if line.trim() == "." { "" } else { line.trim_end() }
        });
        return SignedBy::Inline(lines.collect::<Vec<_>>().join("\n").trim().to_owned() + "\n");
    }
    let (files, fingerprints) = words(value).into_iter().partition(|word| word.starts_with('/'));
    SignedBy::Named { files, fingerprints }
}

fn parse_list(
    file: &str,
    text: &[u8],
    origin: Origin,
    out: &mut Sources,
) -> Result<(), SourcesError> {
    for (at, line) in String::from_utf8_lossy(text).lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let place = format!("{file}:{}", at + 1);
        let fail = |why: &str| SourcesError::Syntax { place: place.clone(), why: why.to_owned() };
        let (kind, rest) =
            line.split_once(char::is_whitespace).ok_or_else(|| fail("incomplete"))?;
        match kind {
            "deb" => {}
            "deb-src" => continue,
            _ => return Err(fail(&format!("unknown kind of source {kind:?} (want deb)"))),
        }
        let mut options = Options::default();
        let mut rest = rest.trim_start();
        if let Some(inside) = rest.strip_prefix('[') {
            let (inside, after) = inside.split_once(']').ok_or_else(|| fail("'[' without ']'"))?;
            for option in inside.split_whitespace() {
                let (name, value) =
                    option.split_once('=').ok_or_else(|| fail("an option without '='"))?;
                options.set(name.trim_end_matches(['+', '-']), value);
            }
            rest = after.trim_start();
        }
        let fields: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
        let [url, suite, components @ ..] = fields.as_slice() else {
            return Err(fail("want a URL, a suite and components"));
        };
        push(&place, url, suite, components, &options, origin, out)?;
    }
    Ok(())
}

fn parse_deb822(file: &str, text: Bytes, out: &mut Sources) -> Result<(), SourcesError> {
    let fail = |why: String| SourcesError::Syntax { place: file.to_owned(), why };
    for stanza in parse_stanzas(text).map_err(|error| fail(error.to_string()))? {
        let get = |field: &str| stanza.get(field).unwrap_or_default();
        let enabled = !matches!(get("Enabled").trim(), "no" | "false" | "0");
        if !enabled || !words(get("Types")).iter().any(|kind| kind == "deb") {
            continue;
        }
        let mut options = Options::default();
        for name in ["Architectures", "Signed-By", "Check-Valid-Until"] {
            if let Some(value) = stanza.get(name) {
                options.set(name, value);
            }
        }
        let place = format!("{file}:{}", stanza.line());
        for url in words(get("URIs")) {
            for suite in words(get("Suites")) {
                push(
                    &place,
                    &url,
                    &suite,
                    &words(get("Components")),
                    &options,
                    Origin::Image,
                    out,
                )?;
            }
        }
    }
    Ok(())
}

fn push(
    place: &str,
    url: &str,
    suite: &str,
    components: &[String],
    options: &Options,
    origin: Origin,
    out: &mut Sources,
) -> Result<(), SourcesError> {
    let fail = |why: String| SourcesError::Syntax { place: place.to_owned(), why };
    let scheme = url.split(':').next().unwrap_or_default();
    let url = match scheme {
        "http" | "https" => url.to_owned(),
        "file" | "copy" => {
            let path = url.split_once(':').map_or("", |(_, path)| path).trim_start_matches("//");
            if !path.starts_with('/') {
                return Err(fail(format!("{url:?} is not an absolute path")));
            }
            format!("file://{path}")
        }
        _ => {
            out.warnings.push(format!(
                "{place}: {url} is passed over: only http, https and file repositories can be used"
            ));
            return Ok(());
        }
    };
    if suite.split('/').any(|part| part == "..") || components.iter().any(|c| c.contains("..")) {
        return Err(fail("'..' in a suite or component".to_owned()));
    }
    if suite.ends_with('/') != components.is_empty() {
        return Err(fail("want components after a suite, and none after an exact path".to_owned()));
    }
    out.sources.push(AptSource {
        url: format!("{}/", url.trim_end_matches('/')),
        suite: suite.to_owned(),
        components: components.to_vec(),
        architectures: options.architectures.clone(),
        signed_by: options.signed_by.clone(),
        check_valid_until: options.check_valid_until,
        origin,
    });
    Ok(())
}

/// Debian's releases that have a security archive under their own name, and whether that name
/// is `X/updates` (before bullseye) or `X-security`.
const DEBIAN: [&str; 5] = ["bullseye", "bookworm", "trixie", "forky", "duke"];
const UBUNTU: [&str; 7] = ["focal", "jammy", "noble", "oracular", "plucky", "questing", "resolute"];

/// The suites of a known distribution that the image's sources should have, and do not: the
/// security archive always; the main archive when there is no source at all (distroless).
#[must_use]
pub fn missing(
    distribution: &Distribution,
    architecture: &str,
    sources: &[AptSource],
) -> Vec<AptSource> {
    let codename = distribution.codename.as_str();
    let mut components: Vec<String> = Vec::new();
    for component in sources.iter().flat_map(|source| &source.components) {
        // Debian's security archive names its components updates/main in its Release file,
        // and takes the plain names in sources
        if [
            "main",
            "contrib",
            "non-free",
            "non-free-firmware",
            "restricted",
            "universe",
            "multiverse",
        ]
        .contains(&component.as_str())
            && !components.contains(component)
        {
            components.push(component.clone());
        }
    }
    if components.is_empty() {
        components.push("main".to_owned());
    }
    let added = |url: &str, suite: String| AptSource {
        url: url.to_owned(),
        suite,
        components: components.clone(),
        architectures: Vec::new(),
        signed_by: SignedBy::Trusted,
        check_valid_until: true,
        origin: Origin::Added,
    };
    let security = format!("{codename}-security");
    let known = match distribution.id.as_str() {
        "debian" if DEBIAN.contains(&codename) => {
            let main = "http://deb.debian.org/debian/";
            vec![
                added("http://deb.debian.org/debian-security/", security.clone()),
                added(main, codename.to_owned()),
                added(main, format!("{codename}-updates")),
            ]
        }
        "ubuntu" if UBUNTU.contains(&codename) => {
            let (main, secure) = if matches!(architecture, "amd64" | "i386") {
                ("http://archive.ubuntu.com/ubuntu/", "http://security.ubuntu.com/ubuntu/")
            } else {
                ("http://ports.ubuntu.com/ubuntu-ports/", "http://ports.ubuntu.com/ubuntu-ports/")
            };
            vec![
                added(secure, security.clone()),
                added(main, codename.to_owned()),
                added(main, format!("{codename}-updates")),
            ]
        }
        _ => Vec::new(),
    };
    known
        .into_iter()
        .filter(|one| {
            if one.suite == security {
                let names = [
                    security.as_str(),
                    "stable-security",
                    "oldstable-security",
                    "oldoldstable-security",
                ];
                !sources.iter().any(|have| names.contains(&have.suite.as_str()))
            } else {
                sources.is_empty()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<Sources, SourcesError> {
        let mut out = Sources::default();
        parse_list("l", text.as_bytes(), Origin::Image, &mut out).map(|()| out)
    }

    #[test]
    fn one_line_sources() {
        let got = list(
            "# x\ndeb [arch=amd64 signed-by=/k.gpg] http://a/debian bookworm main contrib # c\n\
             deb-src http://a/debian bookworm main\ndeb file:/srv/repo ./\ndeb cdrom:[x]/ y main\n",
        );
        // a cdrom name may hold brackets; it is only passed over
        let got = got.unwrap();
        assert_eq!(got.sources.len(), 2);
        assert_eq!(got.sources[0].dists(), "http://a/debian/dists/bookworm/");
        assert_eq!(got.sources[0].components, ["main", "contrib"]);
        let SignedBy::Named { files, .. } = &got.sources[0].signed_by else { panic!() };
        assert_eq!(files, &["/k.gpg"]);
        assert_eq!(got.sources[1].dists(), "file:///srv/repo/");
        assert_eq!(got.warnings.len(), 1);
    }

    #[test]
    fn deb822_sources() {
        let mut out = Sources::default();
        let text = "Types: deb deb-src\nURIs: http://a/d\nSuites: x x-updates\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\n\nTypes: deb\nURIs: http://b\nSuites: y\nComponents: main\nEnabled: no\n";
        parse_deb822("s", Bytes::from_static(text.as_bytes()), &mut out).unwrap();
        assert_eq!(out.sources.len(), 2);
        let SignedBy::Inline(key) = &out.sources[1].signed_by else { panic!() };
        assert!(
            key.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END"),
            "{key:?}"
        );
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        for bad in [
            "deb",
            "rpm http://a b c",
            "deb [x http://a b c",
            "deb http://a b",
            "deb http://a ../b main",
            "deb http://a b/ main",
        ] {
            assert!(list(bad).is_err(), "{bad}");
        }
        assert!(parse_option("deb-src http://a b main").is_err());
        assert!(parse_option("deb http://a b main").is_ok());
    }

    #[test]
    fn the_security_suite_is_found() {
        let debian = Distribution {
            id: "debian".into(),
            codename: "bookworm".into(),
            ..Distribution::default()
        };
        let main =
            list("deb http://deb.debian.org/debian bookworm main contrib\n").unwrap().sources;
        let added = missing(&debian, "amd64", &main);
        assert_eq!(added.len(), 1);
        assert_eq!(added[0].suite, "bookworm-security");
        assert_eq!(added[0].components, ["main", "contrib"]);
        assert_eq!(missing(&debian, "amd64", &[]).len(), 3);
        let both =
            list("deb http://s x-y main\ndeb http://s bookworm-security main\n").unwrap().sources;
        assert!(missing(&debian, "amd64", &both).is_empty());
    }
}
