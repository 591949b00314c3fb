//! apk's sources: which repositories an image names, in `etc/apk/repositories` and
//! `repositories.d`.
//!
//! In come the image's files (or the user's `--repository` values); out go [`ApkSource`]s.
//! Nothing is fetched here. Source: apk-tools 2.14, `src/database.c` (`apk_db_add_repository`,
//! `add_repos_from_file`), and apk-repositories(5) of apk-tools 3, whose lines with a type
//! (`v2 URL COMPONENT...`) and variables are understood too.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::left_out::LeftOut;
use imgfix_model::path::ImagePath;
use imgfix_repository::config_text::plain;
use imgfix_repository::repository_url::{Located, NoLocation, locate};
use imgfix_vfs::{FileSystem, RootfsError};

use imgfix_repository::repository_url::{Login, Origin};

/// The most repositories an image may name.
const MAX_SOURCES: usize = 1000;
/// The longest line after its variables are replaced, in bytes.
const MAX_LINE: usize = 8192;
/// The file, and the folders of `*.list` files: what an earlier folder has hides files of the
/// same name in later ones. apk 2 reads the first folder only; apk 3, and the images made for
/// it, have the second.
const FILE: &str = "/etc/apk/repositories";
const FOLDERS: [&str; 2] = ["/etc/apk/repositories.d", "/lib/apk/repositories.d"];

/// Why a source cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourcesError {
    #[error("{place}: {why}")]
    Syntax { place: String, why: String },
    #[error("cannot read the image's apk repositories: {0}")]
    Image(String),
}

impl From<RootfsError> for SourcesError {
    fn from(error: RootfsError) -> Self {
        Self::Image(error.to_string())
    }
}

/// Where a repository has its files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Layout {
    /// `URL/ARCH/APKINDEX.tar.gz`, and packages in `URL/ARCH` of their architecture.
    #[default]
    ByArchitecture,
    /// Everything in one folder, with an index of this name: apk 3's `ndx` lines.
    Folder { index: String },
}

impl Layout {
    /// The path of the index below the URL.
    #[must_use]
    pub fn index(&self, architecture: &str) -> String {
        match self {
            Self::ByArchitecture => format!("{architecture}/APKINDEX.tar.gz"),
            Self::Folder { index } => index.clone(),
        }
    }

    /// The path of a package's file below the URL.
    #[must_use]
    pub fn package(&self, architecture: &str, file: &str) -> String {
        match self {
            Self::ByArchitecture => format!("{architecture}/{file}"),
            Self::Folder { .. } => file.to_owned(),
        }
    }
}

/// One repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApkSource {
    /// Without a login; no slash at the end.
    pub url: String,
    /// Where index and packages are below it.
    pub layout: Layout,
    /// From the URL.
    pub login: Option<Login>,
    /// `edge` for `@edge`: only dependencies with this tag take packages from here.
    pub tag: Option<String>,
    pub origin: Origin,
}

impl ApkSource {
    /// Whether both mean the same index.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.url == other.url && self.layout == other.layout
    }

    /// For messages: `@edge https://dl-cdn.alpinelinux.org/alpine/edge/main`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.tag {
            Some(tag) => format!("@{tag} {}", self.url),
            None => self.url.clone(),
        }
    }
}

/// Sources, and those that cannot be used wherever they lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    pub sources: Vec<ApkSource>,
    pub left_out: Vec<LeftOut>,
}

/// Reads the image's own sources. `architecture` is what `${APK_ARCH}` stands for.
///
/// # Errors
/// Unreadable files, and lines that name no repository.
pub fn read(fs: &dyn FileSystem, architecture: &str) -> Result<Sources, SourcesError> {
    let mut reader = Reader::new(Origin::Image, architecture);
    let main = ImagePath::literal(FILE);
    if fs.stat(&main).is_some_and(|entry| entry.is_file()) {
        reader.text(FILE, &fs.read(&main)?)?;
    }
    let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
    for folder in FOLDERS {
        let folder = fs.resolve(&ImagePath::literal(folder))?;
        for path in fs.read_dir(&folder) {
            let name = path.file_name();
            let listed = name.ends_with(b".list") && !name.starts_with(b".");
            if !listed || !fs.stat(&path).is_some_and(|entry| entry.is_file()) {
                continue;
            }
            if seen.insert(name.to_vec()) {
                reader.text(&path.to_string(), &fs.read(&path)?)?;
            }
        }
    }
    Ok(reader.out)
}

/// One `--repository` value: a line of `etc/apk/repositories` (`URL`, `@TAG URL`), or an
/// absolute path of this machine.
///
/// # Errors
/// It names no repository.
pub fn parse_option(line: &str) -> Result<Vec<ApkSource>, SourcesError> {
    let mut reader = Reader::new(Origin::User, "");
    reader.line("--repository", line)?;
    match reader.out.left_out.into_iter().next() {
        Some(one) => Err(SourcesError::Syntax { place: one.source, why: one.why }),
        None if reader.out.sources.is_empty() => Err(SourcesError::Syntax {
            place: "--repository".to_owned(),
            why: "want 'URL' or '@TAG URL'".to_owned(),
        }),
        None => Ok(reader.out.sources),
    }
}

/// Reads lines; variables go on from file to file.
struct Reader {
    origin: Origin,
    variables: BTreeMap<String, String>,
    out: Sources,
}

impl Reader {
    fn new(origin: Origin, architecture: &str) -> Self {
        let variables = BTreeMap::from([("APK_ARCH".to_owned(), architecture.to_owned())]);
        Self { origin, variables, out: Sources::default() }
    }

    fn text(&mut self, file: &str, text: &[u8]) -> Result<(), SourcesError> {
        for (at, line) in String::from_utf8_lossy(&plain(text)).lines().enumerate() {
            self.line(&format!("{file}:{}", at + 1), line)?;
        }
        Ok(())
    }

    fn line(&mut self, place: &str, line: &str) -> Result<(), SourcesError> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (kind, rest) = match words.as_slice() {
            [] => return Ok(()),
            [first, ..] if first.starts_with('#') => return Ok(()),
            ["set", rest @ ..] => return self.set(place, rest),
            [kind @ ("v2" | "v3" | "ndx"), rest @ ..] => (Some(*kind), rest),
            rest => (None, rest),
        };
        let (tag, rest) = match rest {
            [tag, rest @ ..] if tag.starts_with('@') => (tag.strip_prefix('@'), rest),
            rest => (None, rest),
        };
        let [url, components @ ..] = rest else {
            return Err(syntax(place, "want a URL"));
        };
        if tag == Some("") {
            return Err(syntax(place, "'@' without a tag"));
        }
        let is_index = |url: &str| url.ends_with(".adb") || url.ends_with(".tar.gz");
        let kind = match kind {
            None if is_index(url) => "ndx",
            kind => kind.unwrap_or("v2"),
        };
        let url = self.expand(place, url)?;
        if components.is_empty() {
            return self.add(place, kind, &url, tag);
        }
        for component in components {
            let component = self.expand(place, component)?;
            self.add(place, kind, &format!("{}/{component}", url.trim_end_matches('/')), tag)?;
        }
        Ok(())
    }

    /// Adds a repository of a type, if its index can be read.
    fn add(
        &mut self,
        place: &str,
        kind: &str,
        url: &str,
        tag: Option<&str>,
    ) -> Result<(), SourcesError> {
        let url = url.trim_end_matches('/');
        match (kind, url.rsplit_once('/')) {
            ("v2", _) => self.push(place, url, Layout::ByArchitecture, tag),
            ("ndx", Some((folder, index))) if !index.ends_with(".adb") => {
                self.push(place, folder, Layout::Folder { index: index.to_owned() }, tag)
            }
            _ => {
                let why = format!(
                    "it is in apk 3's own format ({kind}), and only repositories with an \
                     APKINDEX.tar.gz are read"
                );
                self.leave_out(place, url, why);
                Ok(())
            }
        }
    }

    fn push(
        &mut self,
        place: &str,
        url: &str,
        layout: Layout,
        tag: Option<&str>,
    ) -> Result<(), SourcesError> {
        // apk takes an absolute path for a repository on the machine it runs on
        let local = url.starts_with('/').then(|| format!("file://{url}"));
        let Located { url, login } = match locate(local.as_deref().unwrap_or(url), self.origin) {
            Ok(found) => found,
            Err(NoLocation::PassOver { url, why }) => {
                self.leave_out(place, &url, why);
                return Ok(());
            }
            Err(NoLocation::Wrong(why)) => return Err(syntax(place, &why)),
        };
        if url.split('/').any(|part| part == "..") {
            return Err(syntax(place, "'..' in a URL"));
        }
        if self.out.sources.len() >= MAX_SOURCES {
            return Err(SourcesError::Image(format!("more than {MAX_SOURCES} repositories")));
        }
        self.out.sources.push(ApkSource {
            url: url.trim_end_matches('/').to_owned(),
            layout,
            login,
            tag: tag.map(str::to_owned),
            origin: self.origin,
        });
        Ok(())
    }

    fn leave_out(&mut self, place: &str, url: &str, why: String) {
        self.out.left_out.push(LeftOut { source: format!("{place}: {url}"), why });
    }

    /// `set [-default] KEY=VALUE`.
    fn set(&mut self, place: &str, words: &[&str]) -> Result<(), SourcesError> {
        let (default, rest) = match words {
            ["-default", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let [assignment] = rest else { return Err(syntax(place, "want set KEY=VALUE")) };
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(syntax(place, "want set KEY=VALUE"));
        };
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let letter = key.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if !letter || !key.bytes().all(good) || key.starts_with("APK_") {
            return Err(syntax(place, &format!("{key:?} cannot be set")));
        }
        let value = self.expand(place, value)?;
        if !default || !self.variables.contains_key(key) {
            self.variables.insert(key.to_owned(), value);
        }
        Ok(())
    }

    /// Replaces `${KEY}`.
    fn expand(&self, place: &str, text: &str) -> Result<String, SourcesError> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (key, after) =
                after.split_once('}').ok_or_else(|| syntax(place, "'${' without '}'"))?;
            let value = self.variables.get(key);
            out += before;
            out += value.ok_or_else(|| syntax(place, &format!("${{{key}}} is not set")))?;
            if out.len() > MAX_LINE {
                return Err(syntax(place, "the line is too long"));
            }
            rest = after;
        }
        Ok(out + rest)
    }
}

fn syntax(place: &str, why: &str) -> SourcesError {
    SourcesError::Syntax { place: place.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    fn image(files: &[(&'static str, &str)]) -> Result<Sources, SourcesError> {
        let files = files.iter().map(|(path, text)| {
            (ImagePath::literal(path), Entry::file(text.as_bytes().to_vec(), 0o644, 0))
        });
        read(&Tree::from_entries(files, Arc::new(NoLayers)), "x86_64")
    }

    fn described(sources: &Sources) -> Vec<String> {
        sources.sources.iter().map(ApkSource::describe).collect()
    }

    #[test]
    fn the_images_files_are_read_as_apk_reads_them() {
        let got = image(&[
            (
                "/etc/apk/repositories",
                "https://a/v3.20/main\n#http://commented/out\n\n  http://b/x/  \r\n\
                 @edge https://a/edge/main\n@local\t/media/apks\nftp://me:pw@c/x\n",
            ),
            ("/etc/apk/repositories.d/b.list", "https://later\n"),
            ("/etc/apk/repositories.d/a.list", "https://sooner\n"),
            ("/etc/apk/repositories.d/.hidden.list", "nonsense\n"),
            ("/etc/apk/repositories.d/a.list.bak", "nonsense\n"),
            ("/lib/apk/repositories.d/a.list", "https://hidden/by/the/first\n"),
            ("/lib/apk/repositories.d/c.list", "https://distribution\n"),
        ])
        .unwrap();
        assert_eq!(
            described(&got),
            [
                "https://a/v3.20/main",
                "http://b/x",
                "@edge https://a/edge/main",
                "https://sooner",
                "https://later",
                "https://distribution",
            ]
        );
        assert!(got.sources.iter().all(|source| source.origin == Origin::Image));
        let [local, ftp] = got.left_out.as_slice() else { panic!("{:?}", got.left_out) };
        assert!(
            local.source.starts_with("/etc/apk/repositories:6: ")
                && local.why.contains("inside the image")
        );
        assert!(ftp.source.contains("ftp://c/x") && !ftp.source.contains("pw"), "{ftp}");
        assert_eq!(image(&[]), Ok(Sources::default()));
    }

    #[test]
    fn lines_of_apk_3_are_understood() {
        let got = image(&[
            (
                "/etc/apk/repositories",
                "set mirror=https://m/alpine\nset -default mirror=https://no\n",
            ),
            (
                "/etc/apk/repositories.d/x.list",
                "v2 @t ${mirror}/v3.22 main community\nhttps://x/${APK_ARCH}/y\n\
                 v3 https://adb/x main\nndx https://y/own/APKINDEX.tar.gz\nhttps://z/index.adb\n\
                 ndx @t https://y/own/APKINDEX.tar.gz\nhttps://y/other/INDEX.tar.gz\nndx https://z/x.adb\n",
            ),
        ])
        .unwrap();
        assert_eq!(
            described(&got),
            [
                "@t https://m/alpine/v3.22/main",
                "@t https://m/alpine/v3.22/community",
                "https://x/x86_64/y",
                "https://y/own",
                "@t https://y/own",
                "https://y/other",
            ]
        );
        assert_eq!(got.left_out.len(), 3, "{:?}", got.left_out);
        let why = &got.left_out[0].why;
        assert!(why.contains("in apk 3's own format (v3)"), "{why}");
        let layouts: Vec<String> =
            got.sources.iter().map(|one| one.layout.index("x86_64")).collect();
        let (own, other) = ("APKINDEX.tar.gz", "INDEX.tar.gz");
        let by_architecture = "x86_64/APKINDEX.tar.gz";
        assert_eq!(layouts, [by_architecture, by_architecture, by_architecture, own, own, other]);
    }

    #[test]
    fn files_from_windows_say_the_same() {
        let text = "http://a/main\n# c\n\n@edge http://b/main\nv2 http://c main community\n";
        let read = |text: &str| {
            let mut reader = Reader::new(Origin::Image, "x86_64");
            reader.text("r", text.as_bytes()).map(|()| reader.out)
        };
        let windows = read(&format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
        assert_eq!(windows, read(text).unwrap());
        assert_eq!(windows.sources.len(), 4);
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        for (line, want) in [
            ("@edge", "want a URL"),
            ("@ http://a", "'@' without a tag"),
            ("http://", "cannot be used"),
            ("https://a/../b", "'..' in a URL"),
            ("https://a/?x", "no '?' or '#'"),
            ("https://a/${x}", "${x} is not set"),
            ("https://a/${x", "'${' without '}'"),
            ("set x", "want set KEY=VALUE"),
            ("set APK_ARCH=x", "cannot be set"),
            ("set 1=x", "cannot be set"),
        ] {
            let why = image(&[("/etc/apk/repositories", &format!("# 1\n{line}\n"))]);
            let why = why.unwrap_err().to_string();
            assert!(why.starts_with("/etc/apk/repositories:2: ") && why.contains(want), "{why}");
        }
        // a value that doubles with each line
        let doubling =
            "set a=https://aaaaaaaaaaaaaaaa\n".to_owned() + &"set a=${a}${a}\n".repeat(40);
        assert!(
            image(&[("/etc/apk/repositories", &doubling)])
                .unwrap_err()
                .to_string()
                .contains("too long")
        );
        assert!(image(&[("/etc/apk/repositories", &"https://a\n".repeat(2000))]).is_err());
    }

    #[test]
    fn the_users_values_may_be_paths_of_this_machine_and_logins_stay_hidden() {
        let one = |line: &str| parse_option(line).map(|mut sources| sources.remove(0));
        assert_eq!(one("/srv/apk/").unwrap().url, "file:///srv/apk");
        assert_eq!(one("file:///srv/apk").unwrap().url, "file:///srv/apk");
        assert_eq!(one("@mine /srv/apk").unwrap().describe(), "@mine file:///srv/apk");
        let source = one("https://me:s%20e+cret@host:8443/d").unwrap();
        assert_eq!(source.url, "https://host:8443/d");
        assert_eq!(source.login.as_ref().unwrap().password, "s e+cret");
        assert!(!format!("{source:?}{}", source.describe()).contains("cret"));
        for (line, want) in
            [("", "want 'URL'"), ("srv/apk", "only http"), ("v3 https://a", "own format (v3)")]
        {
            let why = parse_option(line).unwrap_err().to_string();
            assert!(why.starts_with("--repository: ") && why.contains(want), "{why}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_lines_never_panic(line: String, near in "(set )?(@[a-z]* )?(v2 )?[a-z:/${}=]{0,20}") {
            let _ = parse_option(&line);
            let _ = parse_option(&near);
        }
    }
}
