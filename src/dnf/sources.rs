//! Which repositories an image names: the `.repo` files of dnf, yum, tdnf and zypper.
//!
//! In come the image's files with its options and variables (or the user's `--repository`
//! values); out come [`RpmSource`]s. Nothing is fetched here. Source: dnf.conf(5) "REPO OPTIONS",
//! yum.conf(5), and libzypp's documentation of repositories.

use super::ini::{self, Section, words};
use super::options::{Options, Tool, at, specs};
use super::spec::Spec;
use super::variables::Variables;
use imgfix_model::left_out::LeftOut;
use imgfix_repository::repository_url::{Located, Login, NoLocation, Origin, locate};
use imgfix_vfs::{FileSystem, RootfsError};

/// The most repositories an image may name.
const MAX_SOURCES: usize = 1000;

/// The most URLs of one repository.
const MAX_URLS: usize = 100;

/// dnf's priority and cost of a repository that says nothing.
const PRIORITY: i64 = 99;
const COST: i64 = 1000;

/// Why sources cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// A `--repository` value is wrong.
    #[error("--repository {text:?}: {why}")]
    Option {
        /// As the user gave it.
        text: String,
        /// What is wrong, for people.
        why: String,
    },
    /// More than any real image has.
    #[error("the image names more than {MAX_SOURCES} repositories")]
    TooMany,
    /// A file cannot be read from its layer.
    #[error("cannot read the image's repositories: {0}")]
    Image(#[from] RootfsError),
}

/// Where a list of a repository's mirrors is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorList {
    /// A URL a line.
    Plain(String),
    /// RFC 5854's forerunner, with digests of `repomd.xml`.
    Metalink(String),
}

impl MirrorList {
    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Plain(url) | Self::Metalink(url) => url,
        }
    }
}

/// Files of a TLS client's certificate, which some repositories want (Red Hat's).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate's path in the image.
    pub certificate: String,
    /// The key's.
    pub key: String,
}

/// One repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmSource {
    /// The section's name: `baseos`.
    pub id: String,
    /// Where its `repodata` folder is: in order of preference, with a slash at the end.
    pub urls: Vec<String>,
    /// Where more of them are listed.
    pub mirrors: Option<MirrorList>,
    /// From the URL, or `username` and `password`.
    pub login: Option<Login>,
    /// Smaller is better.
    pub priority: i64,
    /// Of equal packages, that of the cheaper repository is taken.
    pub cost: i64,
    /// What it does not offer.
    pub excluded: Vec<Spec>,
    /// When there are any, all that it offers.
    pub included: Vec<Spec>,
    /// Whether its packages are seen whatever modules say.
    pub module_hotfixes: bool,
    /// Whether its `repomd.xml` has to be signed.
    pub signed_metadata: bool,
    /// Where the keys of its packages are, as written: `file:` paths and URLs.
    pub keys: Vec<String>,
    /// Whether the others suffice when it cannot be reached.
    pub may_be_missing: bool,
    /// Wanted by its server.
    pub client_certificate: Option<ClientCertificate>,
    /// The proxy that the image reaches it by.
    pub proxy: Option<String>,
    /// Whose configuration names it.
    pub origin: Origin,
}

impl RpmSource {
    /// A repository at a URL, with nothing said about it.
    #[must_use]
    pub fn at(id: &str, url: &str, origin: Origin) -> Self {
        Self {
            id: id.to_owned(),
            urls: vec![format!("{}/", url.trim_end_matches('/'))],
            mirrors: None,
            login: None,
            priority: PRIORITY,
            cost: COST,
            excluded: Vec::new(),
            included: Vec::new(),
            module_hotfixes: false,
            signed_metadata: false,
            keys: Vec::new(),
            may_be_missing: false,
            client_certificate: None,
            proxy: None,
            origin,
        }
    }

    /// For messages: `baseos https://cdn.example/9/BaseOS/x86_64/os`.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{} {}", self.id, self.place())
    }

    /// Its first URL, or that of its mirror list; no slash at the end.
    #[must_use]
    pub fn place(&self) -> &str {
        let list = || self.mirrors.as_ref().map(MirrorList::url);
        let first = self.urls.first().map(String::as_str).or_else(list).unwrap_or_default();
        first.trim_end_matches('/')
    }
}

/// Sources, and those that cannot be used wherever they lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Those that are enabled, in dnf's order: by file, then as the file has them.
    pub sources: Vec<RpmSource>,
    /// What is not used, and why.
    pub left_out: Vec<LeftOut>,
    /// How many the image names and has switched off.
    pub disabled: usize,
}

/// Reads the image's own sources. A file that dnf would pass over with a warning is left out.
///
/// # Errors
/// A file cannot be read from its layer; more repositories than any real image has.
pub fn read(
    fs: &dyn FileSystem,
    options: &Options,
    variables: &Variables,
) -> Result<Sources, SourcesError> {
    let mut reader = Reader { options, variables, out: Sources::default() };
    let main = match options.tool {
        Tool::Yum => Some("/etc/yum.conf"),
        Tool::Dnf => Some("/etc/dnf/dnf.conf"),
        Tool::Tdnf | Tool::Zypper => None,
    };
    // yum and dnf take sections of the main file for repositories, too
    if let Some(text) = main.map(|file| fs.read_if_readable(&at(file))).transpose()?.flatten() {
        let sections = ini::parse(&text).unwrap_or_default();
        for section in sections.iter().filter(|section| section.name != "main") {
            reader.section(main.unwrap_or_default(), section)?;
        }
    }
    for folder in &options.repository_folders {
        let folder = fs.resolve(&at(folder))?;
        for path in fs.read_dir(&folder) {
            let name = path.file_name();
            let listed = name.ends_with(b".repo") && !name.starts_with(b".");
            if !listed || !fs.stat(&path).is_some_and(|entry| entry.is_file()) {
                continue;
            }
            let Some(text) = fs.read_if_readable(&path)? else { continue };
            match ini::parse(&text) {
                Ok(sections) => {
                    for section in sections.iter().filter(|section| section.name != "main") {
                        reader.section(&path.to_string(), section)?;
                    }
                }
                Err(error) => reader.leave_out(&path.to_string(), error.to_string()),
            }
        }
    }
    Ok(reader.out)
}

/// One `--repository` value: a URL or an absolute path of this machine, with what a `.repo` file
/// says of it in brackets before it: `[priority=10 gpgkey=/etc/keys/own.asc] https://x/os/`.
///
/// # Errors
/// It names no repository.
pub fn parse_option(text: &str, variables: &Variables) -> Result<RpmSource, SourcesError> {
    let fail = |why: &str| SourcesError::Option { text: text.to_owned(), why: why.to_owned() };
    let (settings, url) = match text.trim().strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((settings, url))) => (settings, url.trim()),
        Some(None) => return Err(fail("'[' without ']'")),
        None => ("", text.trim()),
    };
    let mut section = String::from("[x]\n");
    for setting in settings.split_ascii_whitespace() {
        if !setting.contains('=') {
            return Err(fail("want KEY=VALUE in the brackets"));
        }
        section.push_str(setting);
        section.push('\n');
    }
    let sections = ini::parse(section.as_bytes()).map_err(|error| fail(error.why))?;
    let section = sections.into_iter().next().unwrap_or_default();
    if url.is_empty() || url.contains(char::is_whitespace) {
        return Err(fail("want '[KEY=VALUE...] URL'"));
    }
    let local = url.starts_with('/').then(|| format!("file://{url}"));
    let expanded = variables.replace(local.as_deref().unwrap_or(url));
    let expanded = expanded.map_err(|error| fail(&error.to_string()))?;
    let Located { url, login } = match locate(&expanded, Origin::User) {
        Ok(found) => found,
        Err(NoLocation::PassOver { why, .. } | NoLocation::Wrong(why)) => return Err(fail(&why)),
    };
    let mut source = RpmSource { login, ..RpmSource::at(&url, &url, Origin::User) };
    source.id = section.get("id").unwrap_or("user").to_owned();
    settle(&mut source, &section, &Options::default());
    Ok(source)
}

/// What a section says of its repository beside where it is.
fn settle(source: &mut RpmSource, section: &Section, options: &Options) {
    source.priority = section.number("priority").unwrap_or(PRIORITY);
    source.cost = section.number("cost").unwrap_or(COST);
    for key in ["exclude", "excludepkgs"] {
        source.excluded.extend(specs(section.list(key)));
    }
    source.included = specs(section.list("includepkgs"));
    source.module_hotfixes = section.truth("module_hotfixes").unwrap_or(false);
    source.signed_metadata = section.truth("repo_gpgcheck").unwrap_or(false);
    source.may_be_missing =
        section.truth("skip_if_unavailable").unwrap_or(options.skip_if_unavailable);
    let text = |key: &str| section.get(key).filter(|value| !value.is_empty()).map(str::to_owned);
    source.proxy = text("proxy").filter(|proxy| proxy != "_none_");
    source.client_certificate = text("sslclientcert").map(|certificate| ClientCertificate {
        certificate,
        key: text("sslclientkey").unwrap_or_default(),
    });
    if source.keys.is_empty() {
        source.keys =
            section.list("gpgkey").unwrap_or_default().into_iter().map(str::to_owned).collect();
    }
    if let Some(user) = text("username") {
        let password = text("password").unwrap_or_default();
        source.login.get_or_insert(Login { user, password });
    }
}

struct Reader<'a> {
    options: &'a Options,
    variables: &'a Variables,
    out: Sources,
}

impl Reader<'_> {
    fn section(&mut self, file: &str, section: &Section) -> Result<(), SourcesError> {
        if self.out.sources.len() + self.out.disabled >= MAX_SOURCES {
            return Err(SourcesError::TooMany);
        }
        let expand = |text: &str| self.variables.replace(text).unwrap_or_default();
        if section.get("enabled").map(expand).as_deref().and_then(ini::truth) == Some(false) {
            self.out.disabled += 1;
            return Ok(());
        }
        let id = expand(&section.name);
        let place = format!("{file}: {id}");
        if let Some(kind @ ("plaindir" | "yast2")) = section.get("type") {
            let why = format!("a repository of type {kind} has no repodata to read");
            self.leave_out(&place, why);
            return Ok(());
        }
        let mut source = RpmSource {
            urls: Vec::new(),
            keys: words(&expand(section.get("gpgkey").unwrap_or_default()))
                .map(str::to_owned)
                .collect(),
            ..RpmSource::at(&id, "", Origin::Image)
        };
        let lists = [
            ("metalink", MirrorList::Metalink as fn(String) -> MirrorList),
            ("mirrorlist", MirrorList::Plain),
        ];
        let mut reasons = Vec::new();
        for (key, list) in lists {
            let Some(text) = section.get(key).filter(|text| !text.is_empty()) else { continue };
            // a list's address may have a query, which no repository's has
            let text = expand(text);
            let (before, query) = text.split_at(text.find('?').unwrap_or(text.len()));
            match locate(before, Origin::Image) {
                // some files name a metalink as a mirror list; its text tells
                Ok(Located { url, login }) => {
                    let url = format!("{}{query}", url.trim_end_matches('/'));
                    source.login = source.login.or(login);
                    source.mirrors.get_or_insert(list(url));
                }
                Err(NoLocation::PassOver { why, .. } | NoLocation::Wrong(why)) => reasons.push(why),
            }
        }
        let below = section.get("path").map(expand).unwrap_or_default();
        for url in section.list("baseurl").unwrap_or_default().into_iter().take(MAX_URLS) {
            let mut url = expand(url);
            if self.options.tool == Tool::Zypper && !below.trim_matches('/').is_empty() {
                url = format!("{}/{}", url.trim_end_matches('/'), below.trim_matches('/'));
            }
            match locate(&url, Origin::Image) {
                Ok(Located { url, .. }) if url.split('/').any(|part| part == "..") => {
                    reasons.push(format!("'..' in the URL {url}"));
                }
                Ok(Located { url, login }) => {
                    source.login = source.login.or(login);
                    source.urls.push(url);
                }
                Err(NoLocation::PassOver { url, why }) => reasons.push(format!("{url}: {why}")),
                Err(NoLocation::Wrong(why)) => reasons.push(why),
            }
        }
        settle(&mut source, section, self.options);
        if source.urls.is_empty() && source.mirrors.is_none() {
            let none = || "it has no baseurl, mirrorlist or metalink".to_owned();
            self.leave_out(&place, reasons.into_iter().next().unwrap_or_else(none));
            return Ok(());
        }
        // the last of a name counts
        self.out.sources.retain(|known| known.id != source.id);
        self.out.sources.push(source);
        Ok(())
    }

    fn leave_out(&mut self, source: &str, why: String) {
        self.out.left_out.push(LeftOut { source: source.to_owned(), why });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use imgfix_model::path::ImagePath;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    fn image(files: &[(&'static str, &str)]) -> Sources {
        let files = files.iter().map(|(path, text)| {
            (ImagePath::literal(path), Entry::file(text.as_bytes().to_vec(), 0o644, 0))
        });
        let tree = Tree::from_entries(files, Arc::new(NoLayers));
        let variables = Variables::read(&tree, "x86_64", "9").unwrap();
        read(&tree, &Options::read(&tree).unwrap(), &variables).unwrap()
    }

    #[test]
    fn repo_files_are_read_as_dnf_reads_them() {
        let got = image(&[
            (
                "/etc/yum.repos.d/b.repo",
                "[baseos]\nname=Base $releasever\n\
                 baseurl=https://me:pw@a/$releasever/$basearch/os/\n  http://b/os\nenabled=1\n\
                 gpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/KEY-$releasever\n \
                 https://x/key\npriority=10\ncost=5\nexclude=a* b\nincludepkgs=c\n\
                 module_hotfixes=true\nsslclientcert=/etc/pki/entitlement/1.pem\n\
                 sslclientkey=/etc/pki/entitlement/1-key.pem\nproxy=http://p:3128\n\
                 skip_if_unavailable=1\n\n[off]\nbaseurl=https://off\nenabled=0\n",
            ),
            (
                "/etc/yum.repos.d/a.repo",
                "[list]\nmirrorlist=https://m/list?repo=$releasever&arch=$basearch\n\
                 [meta]\nmetalink=https://m/metalink?repo=x\nbaseurl=https://c/os\n\
                 [none]\nname=x\n[ftp]\nbaseurl=ftp://x\n[local]\nbaseurl=file:///media/cd\n",
            ),
            ("/etc/yum.repos.d/broken.repo", "nonsense\n"),
            ("/etc/yum.repos.d/not.repo.rpmsave", "nonsense\n"),
            ("/etc/dnf/dnf.conf", "[main]\n[inline]\nbaseurl=https://in/line\n"),
        ]);
        let places: Vec<String> = got.sources.iter().map(RpmSource::describe).collect();
        assert_eq!(
            places,
            [
                "inline https://in/line",
                "list https://m/list?repo=9&arch=x86_64",
                "meta https://c/os",
                "baseos https://a/9/x86_64/os"
            ]
        );
        let base = got.sources.last().unwrap();
        assert_eq!(base.urls, ["https://a/9/x86_64/os/", "http://b/os/"]);
        assert!(base.login.is_some() && base.signed_metadata && base.module_hotfixes);
        assert!(base.may_be_missing);
        assert_eq!(base.keys, ["file:///etc/pki/rpm-gpg/KEY-9", "https://x/key"]);
        assert_eq!((base.priority, base.cost), (10, 5));
        assert_eq!((base.excluded.len(), base.included.len()), (2, 1));
        assert_eq!(base.client_certificate.as_ref().unwrap().key, "/etc/pki/entitlement/1-key.pem");
        assert!(
            matches!(&got.sources[2].mirrors, Some(MirrorList::Metalink(url)) if url == "https://m/metalink?repo=x")
        );
        assert_eq!(got.disabled, 1);
        let why: Vec<String> = got.left_out.iter().map(ToString::to_string).collect();
        assert_eq!(why.len(), 4, "{why:?}");
        assert!(why[0].contains("a.repo: none") && why[0].contains("no baseurl"), "{why:?}");
        assert!(why[2].contains("inside the image"), "{why:?}");
        assert!(why[3].contains("broken.repo is left out: line 1: text before"), "{why:?}");
    }

    #[test]
    fn zypper_has_its_own_folder() {
        let got = image(&[
            ("/usr/bin/zypper", ""),
            (
                "/etc/zypp/repos.d/oss.repo",
                "[oss]\nenabled=1\nautorefresh=1\nbaseurl=https://d/$basearch\npath=/sub/\n\
                 type=rpm-md\n[old]\nbaseurl=https://o\ntype=yast2\n",
            ),
            ("/etc/yum.repos.d/x.repo", "[x]\nbaseurl=https://x\n"),
        ]);
        assert_eq!(got.sources.len(), 1);
        assert_eq!(got.sources[0].urls, ["https://d/x86_64/sub/"]);
        assert_eq!(got.left_out.len(), 1);
    }

    #[test]
    fn the_user_names_repositories_by_url() {
        let variables = Variables::default();
        let source =
            parse_option("[priority=5 gpgkey=/k.asc id=own] https://u:p@x/os", &variables).unwrap();
        assert_eq!((source.id.as_str(), source.priority), ("own", 5));
        assert_eq!((source.place(), source.origin), ("https://x/os", Origin::User));
        assert_eq!(
            (source.keys.as_slice(), source.login.is_some()),
            (&["/k.asc".to_owned()][..], true)
        );
        assert_eq!(parse_option("/srv/repo", &variables).unwrap().place(), "file:///srv/repo");
        for wrong in ["", "[x https://x", "[x] https://x", "ftp://x", "https://x y", "https://x?y"]
        {
            assert!(parse_option(wrong, &variables).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(\\[[a-z]\\]\n|[a-z]{1,9}=[ -~]{0,20}\n){0,6}") {
            image(&[("/etc/yum.repos.d/x.repo", &text)]);
        }
    }
}
