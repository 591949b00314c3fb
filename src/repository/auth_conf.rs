//! Logins for repositories as apt_auth.conf(5) has them: `/etc/apt/auth.conf` and
//! `/etc/apt/auth.conf.d/*`, in the manner of netrc.
//!
//! In come the files of the image, or of this machine; out comes the [`Login`] for a URL. An
//! entry that names no protocol counts for https only, as for apt: over http everybody on the
//! way could read it.

use super::config_text::{is_part, plain};
use super::repository_url::Login;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem, RootfsError};

/// The largest file that is read, in bytes.
const MAX_FILE: usize = 1 << 20;
/// The most files.
const MAX_FILES: usize = 1000;

/// The single file, which is read first.
pub const FILE: &str = "/etc/apt/auth.conf";
/// The folder of further ones, which are read in the order of their names.
pub const FOLDER: &str = "/etc/apt/auth.conf.d";

/// Whether apt reads a file of this name in [`FOLDER`].
#[must_use]
pub fn is_read(path: &std::path::Path) -> bool {
    path.file_name().is_some_and(|name| is_part(name.as_encoded_bytes(), "conf"))
}

/// The files, each as its words.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AuthConf {
    files: Vec<Vec<String>>,
}

impl std::fmt::Debug for AuthConf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AuthConf({} files)", self.files.len())
    }
}

/// What the files have for a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No entry fits.
    Nothing,
    /// The entry that fits.
    Login(Login),
    /// An entry fits but for the protocol: it names none, and the URL is not https.
    OnlyEncrypted,
}

/// The parts of a URL that entries are compared with.
struct UrlParts<'a> {
    protocol: &'a str,
    host: &'a str,
    /// With the port, when the URL names one.
    authority: &'a str,
    path: &'a str,
}

impl AuthConf {
    /// Reads the image's files. A path that is not a file is passed over: what its logins would
    /// open stays closed, and the server's refusal is reported.
    ///
    /// # Errors
    /// A file cannot be read from its layer.
    pub fn read(fs: &dyn FileSystem) -> Result<Self, RootfsError> {
        let mut paths = vec![ImagePath::literal(FILE)];
        if let Ok(folder) = fs.resolve(&ImagePath::literal(FOLDER)) {
            paths.extend(
                fs.read_dir(&folder).into_iter().filter(|path| is_part(path.file_name(), "conf")),
            );
        }
        let mut out = Self::default();
        for path in &paths {
            if let Some(text) = fs.read_if_readable(path)? {
                out.add(&text);
            }
        }
        Ok(out)
    }

    /// Adds a file; earlier ones come first.
    pub fn add(&mut self, text: &[u8]) {
        if self.files.len() >= MAX_FILES {
            return;
        }
        let text = plain(text.get(..MAX_FILE).unwrap_or(text));
        let text = String::from_utf8_lossy(&text);
        let words = text.split([' ', '\t', '\n']).filter(|word| !word.is_empty());
        self.files.push(words.map(str::to_owned).collect());
    }

    /// Whether the files have no words at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.iter().all(Vec::is_empty)
    }

    /// The login for a URL: of the first file that has one, its first entry that fits.
    #[must_use]
    pub fn login(&self, url: &str) -> Found {
        let Some(parts) = UrlParts::of(url) else { return Found::Nothing };
        let mut found = Found::Nothing;
        for words in &self.files {
            match parts.look_up(words) {
                Found::Nothing => {}
                Found::OnlyEncrypted => found = Found::OnlyEncrypted,
                login @ Found::Login(_) => return login,
            }
        }
        found
    }
}

impl<'a> UrlParts<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let (protocol, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // (a login in the URL is taken out before, and goes before these files)
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        };
        Some(Self { protocol, host, authority, path })
    }

    /// Goes through the words of one file as apt does: unknown ones are passed over.
    fn look_up(&self, words: &[String]) -> Found {
        let mut words = words.iter().map(String::as_str);
        let mut refused = Found::Nothing;
        while words.by_ref().any(|word| word == "machine") {
            let Some(machine) = words.next() else { break };
            match self.fit(machine) {
                Fit::No => {}
                Fit::OnlyEncrypted => refused = Found::OnlyEncrypted,
                Fit::Yes => {
                    return entry(words).map_or(refused, Found::Login);
                }
            }
        }
        refused
    }

    /// `[PROTOCOL://]HOST[:PORT][/PATH]`
    fn fit(&self, machine: &str) -> Fit {
        let (protocol, name) = match machine.split_once("://") {
            Some((protocol, name)) => (Some(protocol), name),
            None => (None, machine),
        };
        if protocol.is_some_and(|protocol| protocol != self.protocol) {
            return Fit::No;
        }
        let fits = match name.contains('/') {
            true => format!("{}{}", self.authority, self.path).starts_with(name),
            false => name == self.authority || name == self.host,
        };
        match (fits, protocol) {
            (false, _) => Fit::No,
            (true, None) if self.protocol != "https" => Fit::OnlyEncrypted,
            (true, _) => Fit::Yes,
        }
    }
}

/// How an entry fits a URL.
enum Fit {
    Yes,
    No,
    OnlyEncrypted,
}

/// User and password of an entry, to the next one. An entry that is cut off counts with what
/// it has, one without a user and a password not at all.
fn entry<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Login> {
    let (mut user, mut password) = (None, None);
    while let Some(word) = words.next() {
        match word {
            "login" => user = words.next(),
            "password" => password = words.next(),
            "machine" => break,
            _ => {}
        }
    }
    user.or(password)?;
    let owned = |word: Option<&str>| word.unwrap_or_default().to_owned();
    Some(Login { user: owned(user), password: owned(password) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    fn conf(text: &str) -> AuthConf {
        let mut out = AuthConf::default();
        out.add(text.as_bytes());
        out
    }

    /// `user:password`, or empty.
    fn found(conf: &AuthConf, url: &str) -> String {
        match conf.login(url) {
            Found::Nothing => String::new(),
            Found::Login(login) => format!("{}:{}", login.user, login.password),
            Found::OnlyEncrypted => "only https".to_owned(),
        }
    }

    #[test]
    fn entries_fit_as_for_apt() {
        // what apt's own test of the format has, and its results
        let conf = conf(
            "\nmachine example.netter login bar password foo\n\
             machine example.net login foo password bar\n\n\
             machine example.org:90 login apt password apt\n\
             machine\texample.org:8080\nlogin\nexample\tpassword \t foobar\n\n\
             machine example.org\nlogin anonymous\npassword pass\n\n\
             machine example.com/foo login user1 unknown token password pass1\n\
             machine example.com/bar password pass2 login user2\n\t\t  unknown token\n\
             machine example.com/user login user\n\
             machine example.netter login unused password firstentry\n\
             machine ftp://example.last/debian login debian password rules",
        );
        for (url, want) in [
            ("https://example.net/foo", "foo:bar"),
            ("https://example.org:90/foo", "apt:apt"),
            ("https://example.org:8080/foo", "example:foobar"),
            ("https://example.net:42/foo", "foo:bar"),
            ("https://example.org/foo", "anonymous:pass"),
            ("https://example.com/apt", ""),
            ("https://example.com/foo", "user1:pass1"),
            ("https://example.com/fooo", "user1:pass1"),
            ("https://example.com/fo", ""),
            ("https://example.com/bar", "user2:pass2"),
            ("https://example.com/user", "user:"),
            ("https://example.netter/", "bar:foo"),
            ("https://example.last/debian", ""),
            ("ftp://example.last/debian", "debian:rules"),
            ("ftp://example.debian/", ""),
        ] {
            assert_eq!(found(&conf, url), want, "{url}");
        }
    }

    #[test]
    fn what_the_manual_page_says_of_its_example() {
        for (machine, fits) in [
            ("example.org", true),
            ("example.org/deb", true),
            ("example.org/debian", true),
            ("example.org/debian/", true),
            ("example.org:443", false),
            ("example.org/deb/", false),
            ("example.org/ubuntu", false),
            ("example.orga", false),
            ("example.net", false),
        ] {
            let conf = conf(&format!("machine {machine} login apt password debian"));
            let login = found(&conf, "https://example.org/debian/dists/x/InRelease");
            assert_eq!(!login.is_empty(), fits, "{machine}");
        }
    }

    #[test]
    fn without_a_protocol_an_entry_counts_for_https_only() {
        let conf = conf(
            "machine https.example login foo1 password bar\n\
             machine http://http.example login foo1 password bar\n",
        );
        for (url, want) in [
            ("https://https.example/foo", "foo1:bar"),
            ("http://https.example/foo", "only https"),
            ("http://http.example/foo", "foo1:bar"),
            ("https://http.example/foo", ""),
        ] {
            assert_eq!(found(&conf, url), want, "{url}");
        }
    }

    #[test]
    fn files_that_are_cut_off_or_written_on_windows() {
        for (text, want) in [
            ("machine a login u password p\nmachine", "u:p"),
            ("machine b login u password p\nmachine a login", ""),
            ("machine b login u password p\nmachine a password", ""),
            ("machine a", ""),
            ("foo a login u password p\nmachin a login u password p", ""),
            ("\u{feff}machine a\r\nlogin u\r\npassword p\r\n", "u:p"),
        ] {
            assert_eq!(found(&conf(text), "https://a/x"), want, "{text:?}");
        }
    }

    #[test]
    fn the_images_files_are_read_as_apt_reads_them_and_shown_nowhere() {
        let files = [
            ("/etc/apt/auth.conf", "machine a login first password s3cret\n"),
            (
                "/etc/apt/auth.conf.d/90esm.conf",
                "machine a login late password x\nmachine b login b password x",
            ),
            ("/etc/apt/auth.conf.d/plain", "machine c login c password x"),
            ("/etc/apt/auth.conf.d/old.save", "machine d login d password x"),
        ];
        let tree = Tree::from_entries(
            files.map(|(path, text)| (ImagePath::literal(path), Entry::file(text, 0o600, 0))),
            Arc::new(NoLayers),
        );
        let conf = AuthConf::read(&tree).unwrap();
        let users = ["a", "b", "c", "d"].map(|host| found(&conf, &format!("https://{host}/")));
        assert_eq!(users, ["first:s3cret", "b:x", "c:x", ""]);
        assert!(!format!("{conf:?}{:?}", conf.login("https://a/")).contains("s3cret"));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_files_and_urls_never_panic(bytes: Vec<u8>, url in ".{0,40}") {
            let mut conf = AuthConf::default();
            conf.add(&bytes);
            let _ = conf.login(&url);
        }

        #[test]
        fn near_entries_never_panic(
            text in "((machine|login|password|https?://|a|:8|/x)[ \n]?){0,20}",
            url in "https?://a?(:[0-9]{0,3})?/?x?"
        ) {
            let _ = conf(&text).login(&url);
        }
    }
}
