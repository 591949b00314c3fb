//! apt's sources: which repositories an image names, in sources.list(5)'s two syntaxes.
//!
//! In come the image's `/etc/apt` (or the user's `--repository` lines); out go
//! [`AptSource`]s: one URL, one suite, its components and who may sign it. Nothing is fetched
//! here.

use bytes::Bytes;

use imgfix_dpkg::apt_conf::{AptConf, truth};
use imgfix_dpkg::control::parse_stanzas;
use imgfix_model::left_out::LeftOut;
use imgfix_model::path::ImagePath;
use imgfix_repository::config_text::plain;
use imgfix_repository::repository_url::{Located, NoLocation, locate};
use imgfix_vfs::{FileSystem, RootfsError};

use imgfix_repository::repository_url::{Login, Origin};

/// The most repositories an image may name.
const MAX_SOURCES: usize = 1000;

/// Why a source cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourcesError {
    /// A line or stanza that apt would refuse, too.
    #[error("{place}: {why}")]
    Syntax {
        /// File and line in the image, or the option.
        place: String,
        /// What is wrong, or wanted, for people.
        why: String,
    },
    /// The files cannot be read, or name too many repositories; it says which.
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
    /// What `Signed-By` names, in either syntax.
    Named {
        /// Absolute paths of keyrings; none: the trusted keys.
        files: Vec<String>,
        /// Fingerprints that the keys are narrowed to; none: all of them.
        fingerprints: Vec<String>,
    },
    /// An armored key in the source itself.
    Inline(String),
}

/// Whether index files are asked for by their digest (`by-hash/SHA256/...`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ByHash {
    /// When the Release file says that the repository has them.
    #[default]
    AsReleased,
    /// `By-Hash: no`
    Never,
    /// `By-Hash: force`
    Always,
}

impl ByHash {
    /// `By-Hash: yes|no|force`, in sources and apt.conf alike.
    fn from_value(value: &str) -> Self {
        if value.trim().eq_ignore_ascii_case("force") {
            return Self::Always;
        }
        if truth(value) == Some(false) { Self::Never } else { Self::AsReleased }
    }
}

/// One repository: a URL, a suite, components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// Ends in `/`; without a login.
    pub url: String,
    /// From the URL.
    pub login: Option<Login>,
    /// `bookworm-security`; ends in `/` when it is an exact path, then there are no components.
    pub suite: String,
    /// `main`, `contrib`; empty for an exact path.
    pub components: Vec<String>,
    /// Only these architectures; empty: all of the image.
    pub architectures: Vec<String>,
    /// Never these (`arch-=`).
    pub without_architectures: Vec<String>,
    /// Whose signature of the Release file counts.
    pub signed_by: SignedBy,
    /// `false` for `Check-Valid-Until: no`, of the source or of apt.conf.
    pub check_valid_until: bool,
    /// `trusted=yes` or `allow-insecure=yes`, which is not followed: signatures are checked.
    pub says_trusted: bool,
    /// Whether index files are asked for by their digest.
    pub by_hash: ByHash,
    /// Who names it: the image, the user, or imgfix.
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

    /// Whether packages of `architecture` are wanted from here.
    #[must_use]
    pub fn wants(&self, architecture: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|one| one == architecture);
        (self.architectures.is_empty() || named(&self.architectures))
            && !named(&self.without_architectures)
    }

    /// For messages: `http://deb.debian.org/debian bookworm`.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{} {}", self.url.trim_end_matches('/'), self.suite)
    }

    /// As [`AptSource::describe`], with each component: what a plan names as a package's
    /// repository.
    #[must_use]
    pub fn repositories(&self) -> Vec<String> {
        let name = self.describe();
        match self.components.is_empty() {
            true => vec![name],
            false => self.components.iter().map(|one| format!("{name} {one}")).collect(),
        }
    }
}

/// What the image or the user names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// In the order of the files, and in each file from top to bottom.
    pub sources: Vec<AptSource>,
    /// Sources of kinds that are not read (`cdrom:`), each with why.
    pub left_out: Vec<LeftOut>,
}

/// Reads the image's own sources: `sources.list`, then `sources.list.d/*` in name order.
///
/// # Errors
/// Unreadable files and lines that apt would refuse too.
pub fn read(fs: &dyn FileSystem) -> Result<Sources, SourcesError> {
    let mut out = Sources::default();
    let defaults = Options::from_conf(&AptConf::read(fs)?);
    let main = ImagePath::literal("/etc/apt/sources.list");
    if fs.stat(&main).is_some_and(|entry| entry.is_file()) {
        let text = fs.read(&main)?;
        parse_list(&main.to_string(), &text, &defaults, Origin::Image, &mut out)?;
    }
    let folder = fs.resolve(&ImagePath::literal("/etc/apt/sources.list.d"))?;
    for path in fs.read_dir(&folder) {
        let name = path.file_name();
        if !is_read_by_apt(name) || !fs.stat(&path).is_some_and(|entry| entry.is_file()) {
            continue;
        }
        let (place, text) = (path.to_string(), fs.read(&path)?);
        if name.ends_with(b".list") {
            parse_list(&place, &text, &defaults, Origin::Image, &mut out)?;
        } else {
            parse_deb822(&place, &text, &defaults, &mut out)?;
        }
    }
    if out.sources.len() > MAX_SOURCES {
        return Err(SourcesError::Image(format!("more than {MAX_SOURCES} repositories")));
    }
    Ok(out)
}

/// File names as sources.list(5) allows them in `sources.list.d`.
fn is_read_by_apt(name: &[u8]) -> bool {
    let plain = name.iter().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(b));
    plain && !name.starts_with(b".") && (name.ends_with(b".list") || name.ends_with(b".sources"))
}

/// One `--repository` value, in one-line syntax.
///
/// # Errors
/// Not a `deb` line.
pub fn parse_option(line: &str) -> Result<Vec<AptSource>, SourcesError> {
    let mut out = Sources::default();
    let defaults = Options::default();
    parse_list("--repository", line.as_bytes(), &defaults, Origin::User, &mut out)?;
    match out.left_out.into_iter().next() {
        Some(one) => Err(SourcesError::Syntax { place: one.source, why: one.why }),
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
    without_architectures: Vec<String>,
    signed_by: SignedBy,
    check_valid_until: bool,
    by_hash: ByHash,
    /// Says that signatures need not be checked, which is not followed.
    trusted: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            architectures: Vec::new(),
            without_architectures: Vec::new(),
            signed_by: SignedBy::Trusted,
            check_valid_until: true,
            by_hash: ByHash::default(),
            trusted: false,
        }
    }
}

impl Options {
    fn from_conf(conf: &AptConf) -> Self {
        Self {
            check_valid_until: conf.truth("Acquire::Check-Valid-Until", true),
            by_hash: conf.get("Acquire::By-Hash").map_or(ByHash::default(), ByHash::from_value),
            ..Self::default()
        }
    }

    /// One option by its name in either syntax; a name may end in `+` or `-` (`arch-=i386`).
    /// Options that change nothing here (languages, diffs, targets) are passed over.
    fn set(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "arch" | "architectures" => self.architectures = words(value),
            // More than the default, which is every architecture of the image already.
            "arch+" | "architectures-add" => {}
            "arch-" | "architectures-remove" => self.without_architectures.extend(words(value)),
            "signed-by" => self.signed_by = signed_by(value),
            "check-valid-until" => self.check_valid_until = truth(value).unwrap_or(true),
            "by-hash" => self.by_hash = ByHash::from_value(value),
            "trusted" | "allow-insecure" => self.trusted |= truth(value) == Some(true),
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
    defaults: &Options,
    origin: Origin,
    out: &mut Sources,
) -> Result<(), SourcesError> {
    for (at, line) in String::from_utf8_lossy(&plain(text)).lines().enumerate() {
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
        let mut options = defaults.clone();
        let mut rest = rest.trim_start();
        if let Some(inside) = rest.strip_prefix('[') {
            let (inside, after) = inside.split_once(']').ok_or_else(|| fail("'[' without ']'"))?;
            for option in inside.split_whitespace() {
                let (name, value) =
                    option.split_once('=').ok_or_else(|| fail("an option without '='"))?;
                options.set(name, value);
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

fn parse_deb822(
    file: &str,
    text: &[u8],
    defaults: &Options,
    out: &mut Sources,
) -> Result<(), SourcesError> {
    let fail = |why: String| SourcesError::Syntax { place: file.to_owned(), why };
    let text = without_comments(&plain(text));
    for stanza in parse_stanzas(text).map_err(|error| fail(error.to_string()))? {
        let get = |field: &str| stanza.get(field).unwrap_or_default();
        let enabled = truth(get("Enabled")) != Some(false);
        if !enabled || !words(get("Types")).iter().any(|kind| kind == "deb") {
            continue;
        }
        let mut options = defaults.clone();
        for field in stanza.fields() {
            if let Ok(value) = std::str::from_utf8(field.value) {
                options.set(field.name, value);
            }
        }
        let place = format!("{file}:{}", stanza.line());
        let components = words(get("Components"));
        for url in words(get("URIs")) {
            for suite in words(get("Suites")) {
                if out.sources.len() >= MAX_SOURCES {
                    // Before they are there: a stanza names every URI with every suite.
                    return Err(SourcesError::Image(format!(
                        "more than {MAX_SOURCES} repositories"
                    )));
                }
                push(&place, &url, &suite, &components, &options, Origin::Image, out)?;
            }
        }
    }
    Ok(())
}

/// deb822 text without its comment lines, which may stand between the lines of a field.
fn without_comments(text: &[u8]) -> Bytes {
    let lines = text.split_inclusive(|&b| b == b'\n').filter(|line| !line.starts_with(b"#"));
    lines.collect::<Vec<_>>().concat().into()
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
    let Located { url, login } = match locate(url, origin) {
        Ok(found) => found,
        Err(NoLocation::PassOver { url, why }) => {
            out.left_out.push(LeftOut { source: format!("{place}: {url}"), why });
            return Ok(());
        }
        Err(NoLocation::Wrong(why)) => return Err(fail(why)),
    };
    if suite.split('/').any(|part| part == "..") || components.iter().any(|c| c.contains("..")) {
        return Err(fail("'..' in a suite or component".to_owned()));
    }
    if suite.ends_with('/') != components.is_empty() {
        return Err(fail("want components after a suite, and none after an exact path".to_owned()));
    }
    out.sources.push(AptSource {
        url,
        login,
        suite: suite.to_owned(),
        components: components.to_vec(),
        architectures: options.architectures.clone(),
        without_architectures: options.without_architectures.clone(),
        signed_by: options.signed_by.clone(),
        check_valid_until: options.check_valid_until,
        says_trusted: options.trusted,
        by_hash: options.by_hash,
        origin,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(text: &str) -> Result<Sources, SourcesError> {
        let mut out = Sources::default();
        let defaults = Options::default();
        parse_list("l", text.as_bytes(), &defaults, Origin::Image, &mut out).map(|()| out)
    }

    fn deb822(text: &str) -> Result<Sources, SourcesError> {
        let mut out = Sources::default();
        parse_deb822("s", text.as_bytes(), &Options::default(), &mut out).map(|()| out)
    }

    #[test]
    fn one_line_sources() {
        let got = list(
            "# x\ndeb [arch=amd64 signed-by=/k.gpg] http://a/debian bookworm main contrib # c\n\
             deb-src http://a/debian bookworm main\ndeb http://b/repo/ ./\n\
             deb cdrom:[x]/ y main\n\
             deb [arch-=i386 by-hash=force check-valid-until=no trusted=yes] https://c x/y m\n",
        )
        .unwrap();
        assert_eq!(got.sources.len(), 3);
        assert_eq!(got.sources[0].dists(), "http://a/debian/dists/bookworm/");
        assert_eq!(got.sources[0].components, ["main", "contrib"]);
        assert!(got.sources[0].wants("amd64") && !got.sources[0].wants("i386"));
        let SignedBy::Named { files, .. } = &got.sources[0].signed_by else { panic!() };
        assert_eq!(files, &["/k.gpg"]);
        assert_eq!(got.sources[1].dists(), "http://b/repo/");
        let last = &got.sources[2];
        assert!(last.wants("amd64") && !last.wants("i386") && !last.check_valid_until);
        assert_eq!(last.by_hash, ByHash::Always);
        assert!(last.says_trusted && !got.sources[0].says_trusted);
        // a cdrom name may hold brackets; it is only left out
        let [cdrom] = got.left_out.as_slice() else { panic!("{:?}", got.left_out) };
        assert_eq!(cdrom.source, "l:5: cdrom:[x]/");
    }

    #[test]
    fn deb822_sources() {
        let got = deb822(
            "# a comment\nTypes: deb deb-src\n# http://snapshot.debian.org/archive/x\n\
             URIs: http://a/d\nSuites: x\n# between lines\n x-updates\nComponents: main\n\
             Check-Valid-Until: off\nArchitectures-Remove: armhf\nSigned-By:\n\
             \x20-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n\
             \x20-----END PGP PUBLIC KEY BLOCK-----\n\n\
             Types: deb\nURIs: http://b\nSuites: y\nComponents: main\nEnabled: no\n",
        )
        .unwrap();
        assert_eq!(got.sources.len(), 2);
        assert_eq!(got.sources[1].suite, "x-updates");
        assert!(!got.sources[1].check_valid_until && !got.sources[1].wants("armhf"));
        let SignedBy::Inline(key) = &got.sources[1].signed_by else { panic!() };
        assert!(
            key.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END"),
            "{key:?}"
        );
    }

    #[test]
    fn a_path_in_an_image_never_becomes_a_path_of_the_host() {
        for line in ["deb file:/etc ./", "deb file:///srv x main", "deb COPY:/srv x main"] {
            let got = list(line).unwrap();
            assert!(got.sources.is_empty() && got.left_out.len() == 1, "{line}");
        }
        for (line, want) in [
            ("deb file:/srv/repo ./", "file:///srv/repo/"),
            ("deb file:///srv/repo/ ./", "file:///srv/repo/"),
            ("deb copy:/srv ./", "file:///srv/"),
        ] {
            assert_eq!(parse_option(line).unwrap()[0].dists(), want);
        }
        assert!(parse_option("deb file:srv ./").is_err());
    }

    #[test]
    fn files_from_windows_say_the_same() {
        let stanzas = "Types: deb\nURIs: http://a/d\n# c\nSuites: x x-updates\nComponents: main\n\
                       Signed-By: /k.gpg\n\nTypes: deb\nURIs: http://b\nSuites: ./\n";
        let lines = "deb [signed-by=/k.gpg] http://a/d x main\n\n# c\ndeb http://b ./\n";
        type Read = fn(&str) -> Result<Sources, SourcesError>;
        for (read, text, count) in [(deb822 as Read, stanzas, 3), (list as Read, lines, 2)] {
            let windows = read(&format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
            assert_eq!(windows, read(text).unwrap());
            assert_eq!(windows.sources.len(), count);
        }
    }

    #[test]
    fn logins_are_kept_out_of_urls_and_messages() {
        let got = list("deb https://me:s%20e+cret@host:8443/d x main\n").unwrap();
        let source = &got.sources[0];
        assert_eq!(source.url, "https://host:8443/d/");
        let login = source.login.as_ref().unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("me", "s e+cret"));
        assert!(!format!("{source:?}{}", source.describe()).contains("cret"));
        let wrong = list("deb https://me:secret@/d x main\n").unwrap_err().to_string();
        assert!(!wrong.contains("secret"), "{wrong}");
    }

    #[test]
    fn the_images_files_are_read_as_apt_reads_them() {
        let files = [
            ("/etc/apt/sources.list", "deb http://a x main\n"),
            ("/etc/apt/sources.list.d/b.list", "deb http://b x main\n"),
            ("/etc/apt/sources.list.d/a.sources", "Types: deb\nURIs: http://c\nSuites: ./\n"),
            ("/etc/apt/sources.list.d/old.list.save", "nonsense\n"),
            ("/etc/apt/sources.list.d/.hidden.list", "nonsense\n"),
            ("/etc/apt/apt.conf.d/99snapshot", "Acquire::Check-Valid-Until \"false\";\n"),
        ];
        let tree = imgfix_vfs::Tree::from_entries(
            files.map(|(path, text)| {
                (ImagePath::literal(path), imgfix_vfs::Entry::file(text, 0o644, 0))
            }),
            std::sync::Arc::new(imgfix_vfs::NoLayers),
        );
        let got = read(&tree).unwrap();
        let urls: Vec<_> = got.sources.iter().map(|source| source.url.as_str()).collect();
        assert_eq!(urls, ["http://a/", "http://c/", "http://b/"]);
        assert!(got.sources.iter().all(|source| !source.check_valid_until));
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

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let mut out = Sources::default();
            let options = Options::default();
            let _ = parse_list("l", &bytes, &options, Origin::Image, &mut out);
            let _ = parse_deb822("s", &bytes, &options, &mut out);
        }

        #[test]
        fn near_sources_never_panic(
            line in "deb ?(\\[[a-z=+\\- ]{0,12}\\]?)? ?(http|file|cdrom)?:?/{0,3}[a-z:@%/.]{0,12} [a-z/.]{0,5} m?"
        ) {
            let _ = list(&line);
            let _ = parse_option(&line);
        }
    }
}
