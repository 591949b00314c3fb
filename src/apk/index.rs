//! What apk repositories offer: [`PackageIndex`] over the `APKINDEX` of several repositories,
//! and [`Available`], one package of them.
//!
//! In comes the text of each `APKINDEX` with the repository it belongs to; questions are
//! answered by name. Texts are kept as they are, with the place of each package and of each
//! name it has; packages are parsed when they are asked for (Wolfi's index has a hundred
//! megabytes, of which a repair looks at some kilobytes). A package that several repositories
//! have (the same identity) is one package, as for apk. Source: apk-tools 2.14, `src/database.c`
//! (`apk_db_index_read`, `apk_db_pkg_add`, `apk_db_select_repo`, `apk_repo_format_real_url`).

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::sync::Arc;

use super::record::{FieldError, Record, Taken};
use super::sources::Layout;
use imgfix_model::checksum::ArchiveChecksum;
use imgfix_model::identity::Identity;
use imgfix_model::plan::Archive;
use imgfix_vfs::{Memory, OverBudget, Reserved};

/// The most packages in one index.
const MAX_PACKAGES: usize = 1 << 20;

/// The most names that the packages of one index provide and wait for, together (Wolfi's has some
/// hundred thousand).
const MAX_NAMES: usize = 1 << 24;

/// The most packages of one name, or that provide one name, as in indexes of apt.
const MAX_SAME: usize = 5_000;

/// What one package takes in tables while the index is read, in bytes: what is scanned of it, its
/// place, and a slot of a hash table that is half empty.
const PACKAGE: u64 = 192;
/// What one name takes in a table that has grown just now, in bytes.
const NAME: u64 = 32;
/// How many packages' tables are reserved at once.
const AT_ONCE: usize = 1 << 12;

/// Why the text of an index cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// A line that is not a field.
    #[error("line {line}: {what:?} is not a field (want a letter, a colon and a value)")]
    Line {
        /// From 1.
        line: usize,
        /// The line, cut to 80 characters.
        what: String,
    },
    /// The text ends within a package.
    #[error("it is cut off: no empty line ends the last package")]
    CutOff,
    /// Too many packages.
    #[error("it has more than {MAX_PACKAGES} packages")]
    TooMany,
    /// Too many names in `p:` and `i:`.
    #[error("its packages have more than {MAX_NAMES} names in provides and install_if")]
    TooManyNames,
    /// Too many packages under one name.
    #[error("it has more than {MAX_SAME} packages that are called {name:?}, or provide it")]
    Same {
        /// The name that they are called, or provide.
        name: String,
    },
    /// More than `--max-memory` leaves room for.
    #[error(transparent)]
    Memory(#[from] OverBudget),
}

/// Where an index comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryInfo {
    /// The URL as configured (before `--mirror`), without a login or a slash at the end.
    pub url: String,
    /// How the configuration names it: untagged (`None`) and by tags (`edge` for `@edge`).
    /// What is only tagged is taken for dependencies with that tag alone.
    pub tags: Vec<Option<String>>,
    /// The architecture whose index this is: `x86_64`.
    pub architecture: String,
    /// Where its files are.
    pub layout: Layout,
    /// imgfix added this repository: the image's own configuration does not name it.
    pub added: bool,
}

impl RepositoryInfo {
    /// Whether the configuration names it with this tag, or untagged for `None`.
    #[must_use]
    pub fn has_tag(&self, tag: Option<&str>) -> bool {
        self.tags.iter().any(|own| own.as_deref() == tag)
    }

    /// A path of this machine: apk prefers it to what it must fetch.
    fn is_local(&self) -> bool {
        self.url.starts_with("file:")
    }
}

/// One package that the repositories have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Available {
    /// What the index says of it.
    pub record: Record,
    /// Where it is fetched from: the first local repository that has it, or else the first.
    pub repository: Arc<RepositoryInfo>,
    /// Further repositories that have the same package.
    pub others: Vec<Arc<RepositoryInfo>>,
}

impl Available {
    /// All repositories that have it.
    pub fn repositories(&self) -> impl Iterator<Item = &RepositoryInfo> {
        std::iter::once(&self.repository).chain(&self.others).map(AsRef::as_ref)
    }

    /// Whether a repository that is configured with this tag (untagged for `None`) has it.
    #[must_use]
    pub fn has_tag(&self, tag: Option<&str>) -> bool {
        self.repositories().any(|repository| repository.has_tag(tag))
    }

    /// The tag that installing it takes and records; `None`: a repository without one has it
    /// (apk-tools 2.14, `src/solver.c`, `get_tag`).
    fn only_tag(&self) -> Option<&str> {
        if self.has_tag(None) {
            return None;
        }
        self.repositories().flat_map(|repository| &repository.tags).find_map(Option::as_deref)
    }

    /// What to fetch for it. `None`: the index gives no identity to check it by; such packages
    /// are not in a [`PackageIndex`].
    #[must_use]
    pub fn archive(&self) -> Option<Archive> {
        let Record { name, version, architecture, .. } = &self.record;
        let folder =
            if architecture.0.is_empty() { &self.repository.architecture } else { &architecture.0 };
        let path = self.repository.layout.package(folder, &format!("{name}-{version}.apk"));
        Some(Archive {
            url: format!("{}/{path}", self.repository.url),
            size: self.record.size,
            checksum: ArchiveChecksum::Apk(self.record.identity?),
            repository: match self.only_tag() {
                Some(tag) => format!("@{tag} {}", self.repository.url),
                None => self.repository.url.clone(),
            },
        })
    }
}

/// The packages of all repositories.
#[derive(Debug, Default)]
pub struct PackageIndex {
    files: Vec<File>,
    /// Where each package's text is. A package's number is its position here.
    packages: Vec<PackageSpan>,
    /// The number of the package of this identity.
    identities: HashMap<Identity, usize>,
    /// Further files that have a package, by its number.
    copies: HashMap<usize, Vec<usize>>,
    names: Table,
    provided: Table,
    install_ifs: Table,
    hasher: RandomState,
    /// What the texts and tables hold.
    held: Vec<Reserved>,
}

/// The text of one `APKINDEX`.
#[derive(Debug)]
struct File {
    text: String,
    repository: Arc<RepositoryInfo>,
}

/// Where the text of a package is.
#[derive(Debug)]
struct PackageSpan {
    file: usize,
    /// Its lines in the file, in bytes.
    text: Range<usize>,
}

/// Numbers of packages by the hash of a name. Different names may have the same hash: who asks
/// compares the names.
#[derive(Debug, Default)]
struct Table(Vec<(u64, usize)>);

impl Table {
    fn sort(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// The numbers in the order in which they were added.
    fn find(&self, hash: u64) -> impl Iterator<Item = usize> {
        let start = self.0.partition_point(|(one, _)| *one < hash);
        let rest = self.0.get(start..).unwrap_or_default();
        rest.iter().take_while(move |(one, _)| *one == hash).map(|(_, number)| *number)
    }
}

/// Packages of an index that cannot be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnusablePackages {
    /// How many they are.
    pub count: usize,
    /// Which was the first, and why.
    pub first: String,
}

impl PackageIndex {
    /// An index that offers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the packages of one `APKINDEX`. Packages that cannot be used (a malformed field, no
    /// identity, a field in capitals that apk 2.14 does not know either) are left out. Lists of
    /// dependencies are read later: a package with a malformed one is not found by its names.
    ///
    /// # Errors
    /// The text is no `APKINDEX`; then nothing was added.
    pub fn push(
        &mut self,
        text: String,
        repository: RepositoryInfo,
    ) -> Result<UnusablePackages, IndexError> {
        self.push_held(text, Memory::default().share(), repository)
    }

    /// As [`PackageIndex::push`]; `held` is the text's share of what may be held, and grows with
    /// the tables.
    ///
    /// # Errors
    /// As [`PackageIndex::push`], or it is more than may be held.
    pub fn push_held(
        &mut self,
        text: String,
        mut held: Reserved,
        repository: RepositoryInfo,
    ) -> Result<UnusablePackages, IndexError> {
        let (packages, left_out) = scan(&text, &mut held)?;
        let count = |list: &str| names(list).count();
        let all = packages.iter().map(|one| 1 + count(one.provides) + count(one.install_if));
        let all: usize = all.sum();
        if all - packages.len() > MAX_NAMES {
            return Err(IndexError::TooManyNames);
        }
        held.grow(NAME * all as u64)?;
        self.check_same(&packages)?;
        let file = self.files.len();
        for package in packages {
            self.add(file, package);
        }
        self.files.push(File { text, repository: Arc::new(repository) });
        for table in [&mut self.names, &mut self.provided, &mut self.install_ifs] {
            table.sort();
        }
        self.held.push(held);
        Ok(left_out)
    }

    /// Refuses a name that more packages have than any real index does.
    fn check_same(&self, packages: &[Scanned<'_>]) -> Result<(), IndexError> {
        let mut hashes: Vec<u64> = packages
            .iter()
            .flat_map(|one| names(one.provides).chain(std::iter::once(one.name)))
            .map(|name| self.hasher.hash_one(name))
            .collect();
        hashes.sort_unstable();
        let Some(same) = hashes.windows(MAX_SAME + 1).find(|some| some.first() == some.last())
        else {
            return Ok(());
        };
        let name = packages
            .iter()
            .flat_map(|one| names(one.provides).chain(std::iter::once(one.name)))
            .find(|name| Some(&self.hasher.hash_one(name)) == same.first());
        Err(IndexError::Same { name: name.unwrap_or_default().chars().take(80).collect() })
    }

    fn add(&mut self, file: usize, package: Scanned<'_>) {
        if let Some(&known) = self.identities.get(&package.identity) {
            self.copies.entry(known).or_default().push(file);
            return;
        }
        let number = self.packages.len();
        self.identities.insert(package.identity, number);
        self.names.0.push((self.hasher.hash_one(package.name), number));
        for (table, list) in
            [(&mut self.provided, package.provides), (&mut self.install_ifs, package.install_if)]
        {
            table.0.extend(names(list).map(|name| (self.hasher.hash_one(name), number)));
        }
        self.packages.push(PackageSpan { file, text: package.text });
    }

    /// The package of this number.
    fn package(&self, number: usize) -> Option<Arc<Available>> {
        let PackageSpan { file, text } = self.packages.get(number)?;
        let file = self.files.get(*file)?;
        let mut record = Record::default();
        for line in file.text.get(text.clone())?.split('\n') {
            let (field, value) = field(line)?;
            record.set(field, value).ok()?;
        }
        let mut repository = Arc::clone(&file.repository);
        let mut others = Vec::new();
        for copy in self.copies.get(&number).into_iter().flatten() {
            let mut copy = Arc::clone(&self.files.get(*copy)?.repository);
            if copy.is_local() && !repository.is_local() {
                std::mem::swap(&mut copy, &mut repository);
            }
            others.push(copy);
        }
        Some(Arc::new(Available { record, repository, others }))
    }

    fn find(&self, table: &Table, name: &str) -> Vec<Arc<Available>> {
        table.find(self.hasher.hash_one(name)).filter_map(|number| self.package(number)).collect()
    }

    /// The packages of this name, in the order of the repositories.
    #[must_use]
    pub fn versions(&self, name: &str) -> Vec<Arc<Available>> {
        let mut found = self.find(&self.names, name);
        found.retain(|one| one.record.name.0 == name);
        found
    }

    /// The packages that satisfy dependencies on `name`: those called so, and those whose
    /// `provides` have it (`so:libssl.so.3`, `cmd:sh`, a package name).
    #[must_use]
    pub fn providers(&self, name: &str) -> Vec<Arc<Available>> {
        let mut found = self.versions(name);
        found.extend(self.find(&self.provided, name).into_iter().filter(|one| {
            let provides = one.record.provides.iter().any(|provided| provided.name.0 == name);
            provides && one.record.name.0 != name
        }));
        found
    }

    /// The packages whose `install_if` has `name`.
    #[must_use]
    pub fn installed_if(&self, name: &str) -> Vec<Arc<Available>> {
        let mut found = self.find(&self.install_ifs, name);
        found.retain(|one| one.record.install_if.iter().any(|needed| needed.name.0 == name));
        found
    }

    /// The package of this identity.
    #[must_use]
    pub fn identified(&self, identity: &Identity) -> Option<Arc<Available>> {
        self.package(*self.identities.get(identity)?)
    }

    /// Every package, in the order of the repositories.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Available>> {
        (0..self.packages.len()).filter_map(|number| self.package(number))
    }

    /// Number of packages; one that several repositories have counts once.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packages.len()
    }

    /// Whether the repositories offer nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }
}

/// The names in a list of dependencies as written.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split([' ', '\n']).map(dependency_name).filter(|name| !name.is_empty())
}

/// The name in a dependency as written.
fn dependency_name(text: &str) -> &str {
    let text = text.strip_prefix('!').unwrap_or(text);
    text.split(['<', '>', '=', '~', '@']).next().unwrap_or_default()
}

/// A line of an index: a letter, a colon, a value.
fn field(line: &str) -> Option<(u8, &str)> {
    let (field, value) = line.split_once(':')?;
    match field.as_bytes() {
        [field] => Some((*field, value)),
        _ => None,
    }
}

/// A package as far as it is read ahead.
struct Scanned<'a> {
    identity: Identity,
    name: &'a str,
    provides: &'a str,
    install_if: &'a str,
    /// Its lines.
    text: Range<usize>,
}

/// Finds the packages of an index.
fn scan<'a>(
    text: &'a str,
    held: &mut Reserved,
) -> Result<(Vec<Scanned<'a>>, UnusablePackages), IndexError> {
    let mut packages = Vec::new();
    let mut left_out = UnusablePackages::default();
    let mut current: Option<Draft<'_>> = None;
    let mut at = 0;
    for (number, line) in text.split('\n').enumerate() {
        let start = at;
        at += line.len() + 1;
        // apk ends a package at any line that is too short for a field
        if line.len() >= 2 {
            let (field, value) = field(line).ok_or_else(|| IndexError::Line {
                line: number + 1,
                what: line.chars().take(80).collect(),
            })?;
            let draft = current.get_or_insert_with(|| Draft { start, ..Draft::default() });
            draft.set(field, value);
            continue;
        }
        let Some(draft) = current.take() else { continue };
        // what follows the last line end is no line
        if at > text.len() {
            return Err(IndexError::CutOff);
        }
        if packages.len() >= MAX_PACKAGES {
            return Err(IndexError::TooMany);
        }
        if packages.len().is_multiple_of(AT_ONCE) {
            held.grow(PACKAGE * AT_ONCE as u64)?;
        }
        match draft.finish(start.saturating_sub(1)) {
            Ok(package) => packages.push(package),
            Err(why) => left_out.add(why),
        }
    }
    if current.is_some() {
        return Err(IndexError::CutOff);
    }
    Ok((packages, left_out))
}

/// A package being read.
#[derive(Default)]
struct Draft<'a> {
    start: usize,
    /// The fields but for descriptions and lists of dependencies.
    record: Record,
    name: &'a str,
    provides: &'a str,
    install_if: &'a str,
    /// Why it cannot be used.
    why: Option<String>,
}

impl<'a> Draft<'a> {
    fn set(&mut self, field: u8, value: &'a str) {
        let result = match field {
            b'p' => {
                self.provides = value;
                Ok(())
            }
            b'i' => {
                self.install_if = value;
                Ok(())
            }
            b'P' => {
                self.name = value;
                self.check(field, value)
            }
            b'C' | b'V' | b'A' | b'S' | b'I' | b't' | b'k' => self.check(field, value),
            // read when the package is asked for
            b'T' | b'U' | b'L' | b'D' => Ok(()),
            // of the installed database; fields in small letters do no harm, says apk
            b'F' | b'M' | b'R' | b'Z' | b'a'..=b'z' => Ok(()),
            _ => Err("unknown to apk 2.14".to_owned()),
        };
        if let Err(why) = result
            && self.why.is_none()
        {
            self.why = Some(format!("field {}: {why}", char::from(field)));
        }
    }

    fn check(&mut self, field: u8, value: &str) -> Result<(), String> {
        let set = self.record.set(field, value);
        set.map(|_: Taken| ()).map_err(|error: FieldError| error.to_string())
    }

    /// `end`: where its lines end.
    fn finish(self, end: usize) -> Result<Scanned<'a>, String> {
        let named = |why: &str| format!("{}: {why}", self.name);
        if let Some(why) = &self.why {
            return Err(named(why));
        }
        if self.name.is_empty() || self.record.version.as_str().is_empty() {
            return Err(named("no name or no version"));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
        if !self.record.architecture.0.bytes().all(plain) {
            return Err(named("a malformed architecture"));
        }
        Ok(Scanned {
            identity: self.record.identity.ok_or_else(|| named("no checksum (C)"))?,
            name: self.name,
            provides: self.provides,
            install_if: self.install_if,
            text: self.start..end,
        })
    }
}

impl UnusablePackages {
    fn add(&mut self, why: String) {
        self.count += 1;
        if self.count == 1 {
            self.first = why;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A package of an index; its identity follows from its name and version.
    fn package(name: &str, version: &str, more: &str) -> String {
        let identity = Identity::of(format!("{name}-{version}").as_bytes());
        format!("C:{identity}\nP:{name}\nV:{version}\nA:x86_64\nS:7\nI:9\n{more}\n")
    }

    fn repository(url: &str, tag: Option<&str>) -> RepositoryInfo {
        RepositoryInfo {
            url: url.to_owned(),
            tags: vec![tag.map(str::to_owned)],
            architecture: "x86_64".to_owned(),
            layout: Layout::default(),
            added: false,
        }
    }

    fn index(repositories: &[(&str, &[String])]) -> PackageIndex {
        let mut index = PackageIndex::new();
        for (url, packages) in repositories {
            let left_out = index.push(packages.concat(), repository(url, None)).unwrap();
            assert_eq!(left_out, UnusablePackages::default());
        }
        index
    }

    /// `NAME-VERSION` of each.
    fn shown(found: &[Arc<Available>]) -> Vec<String> {
        let name = |one: &Arc<Available>| format!("{}-{}", one.record.name, one.record.version);
        found.iter().map(name).collect()
    }

    #[test]
    fn packages_are_found_by_what_they_are_called_provide_and_wait_for() {
        let index = index(&[
            (
                "http://a/main",
                &[
                    package("musl", "1.2.5-r0", "p:so:libc.musl-x86_64.so.1=1\n"),
                    package(
                        "busybox",
                        "1.36.1-r1",
                        "D:so:libc.musl-x86_64.so.1\np:cmd:sh=1 /bin/sh\n",
                    ),
                    package("busybox-doc", "1-r0", "i:busybox=1.36.1-r1 docs\n"),
                    package("dash", "0.5-r0", "p:cmd:sh=0.5 cmd:sh=0.6 sh-any@x\n"),
                ],
            ),
            (
                "http://a/community",
                &[package("musl", "1.2.6-r0", ""), package("own", "1", "p:own=2\n")],
            ),
        ]);
        assert_eq!(shown(&index.versions("musl")), ["musl-1.2.5-r0", "musl-1.2.6-r0"]);
        assert_eq!(shown(&index.providers("cmd:sh")), ["busybox-1.36.1-r1", "dash-0.5-r0"]);
        assert_eq!(shown(&index.providers("sh-any")), ["dash-0.5-r0"]);
        assert_eq!(shown(&index.providers("own")), ["own-1"]);
        assert_eq!(shown(&index.installed_if("busybox")), ["busybox-doc-1-r0"]);
        assert!(index.versions("cmd:sh").is_empty() && index.providers("none").is_empty());
        assert_eq!((index.len(), index.iter().count()), (6, 6));
        let archive = index.versions("musl")[0].archive().unwrap();
        assert_eq!(archive.url, "http://a/main/x86_64/musl-1.2.5-r0.apk");
        assert_eq!((archive.size, archive.repository.as_str()), (7, "http://a/main"));
        let identity = Identity::of(b"musl-1.2.5-r0");
        assert_eq!(archive.checksum, identity.into());
        assert_eq!(index.identified(&identity).unwrap().record.name.0, "musl");
    }

    #[test]
    fn the_same_package_of_several_repositories_is_one() {
        let same = || package("a", "1", "");
        let mut index = PackageIndex::new();
        index.push(same(), repository("http://one", Some("edge"))).unwrap();
        index.push(same(), repository("file:///local", None)).unwrap();
        index.push(same(), repository("file:///later", None)).unwrap();
        let found = index.versions("a");
        let [a] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(a.repository.url, "file:///local");
        assert_eq!(a.repositories().count(), 3);
        assert!(a.has_tag(None) && a.has_tag(Some("edge")) && !a.has_tag(Some("testing")));
        assert_eq!(a.archive().unwrap().repository, "file:///local");
        index.push(package("b", "1", ""), repository("http://one", Some("edge"))).unwrap();
        assert_eq!(index.versions("b")[0].archive().unwrap().repository, "@edge http://one");
    }

    #[test]
    fn packages_that_cannot_be_used_are_left_out_and_counted() {
        let good = package("good", "1", "Q:x\n").replace("Q:x\n", "x:small letters\n");
        for (bad, why) in [
            (package("a", "1", "").replace("C:Q1", "C:Q9"), "a: field C: \"Q9"),
            (package("../a", "1", ""), "../a: field P: \"../a\" is not a package name"),
            (package("a", "1,2", ""), "a: field V"),
            (package("a", "1", "Q:capital\n"), "a: field Q: unknown to apk"),
            (package("a", "1", "").replace("A:x86_64", "A:../x"), "a: a malformed architecture"),
            ("P:a\nV:1\n\n".to_owned(), "a: no checksum"),
            ("P:a\n\n".to_owned(), "a: no name or no version"),
        ] {
            let mut index = PackageIndex::new();
            let text = format!("{bad}{good}{bad}");
            let left_out = index.push(text, RepositoryInfo::default()).unwrap();
            assert_eq!((left_out.count, index.len()), (2, 1), "{bad}");
            assert!(left_out.first.starts_with(why), "{left_out:?}");
        }
        // its dependencies cannot be known
        let index = index(&[("http://a", &[package("a", "1", "D:b=1,2\n")])]);
        assert!(index.versions("a").is_empty() && index.len() == 1);
    }

    #[test]
    fn text_that_is_no_index_is_refused_with_its_place() {
        for (text, want) in [
            ("P:a\n<html>\n\n".to_owned(), "line 2: \"<html>\""),
            ("Package: a\n\n".to_owned(), "line 1"),
            (package("a", "1", "").trim_end().to_owned(), "cut off"),
            (package("a", "1", "").trim_end().to_owned() + "\n", "cut off"),
        ] {
            let mut index = PackageIndex::new();
            let why = index.push(text, RepositoryInfo::default()).unwrap_err().to_string();
            assert!(why.contains(want) && index.is_empty(), "{why}");
        }
    }

    #[test]
    fn an_index_with_names_without_end_is_refused() {
        let lists = "a ".repeat(MAX_NAMES / 2 + 1);
        let text = format!("p:{lists}\ni:{lists}\n");
        let mut index = PackageIndex::new();
        let why = index.push(package("a", "1", &text), RepositoryInfo::default()).unwrap_err();
        assert_eq!((why, index.len()), (IndexError::TooManyNames, 0));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text: String) {
            let _ = PackageIndex::new().push(text, RepositoryInfo::default());
        }

        #[test]
        fn near_indexes_never_panic_and_find_what_they_hold(
            names in proptest::collection::vec("[a-z]{1,3}", 0..20),
            provided in "[a-z:=<@! ]{0,12}",
            junk in "([A-Za-z]:[ -~é]{0,5}\n){0,3}",
        ) {
            let more = format!("p:{provided}\n{junk}");
            let text: String = names.iter().map(|name| package(name, "1", &more)).collect();
            let mut index = PackageIndex::new();
            if index.push(text, RepositoryInfo::default()).is_ok() {
                for one in index.iter() {
                    prop_assert!(index.versions(&one.record.name.0).contains(&one));
                    for provided in &one.record.provides {
                        prop_assert!(index.providers(&provided.name.0).contains(&one));
                    }
                }
            }
        }
    }
}
