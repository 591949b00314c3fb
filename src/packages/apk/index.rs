//! What apk repositories offer: [`PackageIndex`] over the `APKINDEX` of several repositories,
//! and [`Available`], one package of them.
//!
//! In comes the text of each `APKINDEX` with the repository it belongs to; questions are
//! answered by name. A package that several repositories have (the same identity) is one
//! package, as for apk. Source: apk-tools 2.14, `src/database.c` (`apk_db_index_read`,
//! `apk_db_pkg_add`, `apk_db_select_repo`, `apk_repo_format_real_url`).

use std::collections::HashMap;
use std::sync::Arc;

use super::record::{FieldError, Record, Taken};
use crate::packages::PackageName;
use crate::plan::{Archive, ArchiveChecksum};

/// The most packages in one index.
const MAX_PACKAGES: usize = 1 << 20;

/// Why the text of an index cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    #[error("line {line}: {what:?} is not a field (want a letter, a colon and a value)")]
    Line { line: usize, what: String },
    #[error("it is cut off: no empty line ends the last package")]
    CutOff,
    #[error("it has more than {MAX_PACKAGES} packages")]
    TooMany,
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

    /// What to fetch for it. `None`: the index gives no identity to check it by; such packages
    /// are not in a [`PackageIndex`].
    #[must_use]
    pub fn archive(&self) -> Option<Archive> {
        let Record { name, version, architecture, .. } = &self.record;
        let folder =
            if architecture.0.is_empty() { &self.repository.architecture } else { &architecture.0 };
        Some(Archive {
            url: format!("{}/{folder}/{name}-{version}.apk", self.repository.url),
            size: self.record.size,
            checksum: ArchiveChecksum::Apk(self.record.identity?),
            repository: self.repository.url.clone(),
        })
    }
}

/// The packages of all repositories.
#[derive(Debug, Default)]
pub struct PackageIndex {
    packages: Vec<Arc<Available>>,
    /// Positions by identity's bytes, package name, provided name, and name in an `install_if`.
    identities: HashMap<Vec<u8>, usize>,
    names: HashMap<String, Vec<usize>>,
    provided: HashMap<String, Vec<usize>>,
    install_ifs: HashMap<String, Vec<usize>>,
}

/// Packages of an index that cannot be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    pub count: usize,
    /// Which was the first, and why.
    pub first: String,
}

impl PackageIndex {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the packages of one `APKINDEX`. Packages that cannot be used (a malformed field, no
    /// identity, a field in capitals that apk 2.14 does not know either) are left out.
    ///
    /// # Errors
    /// The text is no `APKINDEX`; then nothing was added.
    pub fn push(&mut self, text: &str, repository: RepositoryInfo) -> Result<LeftOut, IndexError> {
        let (records, left_out) = parse(text)?;
        let repository = Arc::new(repository);
        for record in records {
            self.add(record, &repository);
        }
        Ok(left_out)
    }

    fn add(&mut self, record: Record, repository: &Arc<RepositoryInfo>) {
        let Some(identity) = record.identity else { return };
        if let Some(&at) = self.identities.get(identity.as_bytes()) {
            if let Some(known) = self.packages.get_mut(at) {
                Arc::make_mut(known).also_in(repository);
            }
            return;
        }
        let at = self.packages.len();
        self.identities.insert(identity.as_bytes().to_vec(), at);
        put(&mut self.names, &record.name, at);
        for provided in &record.provides {
            put(&mut self.provided, &provided.name, at);
        }
        for needed in &record.install_if {
            put(&mut self.install_ifs, &needed.name, at);
        }
        let repository = Arc::clone(repository);
        self.packages.push(Arc::new(Available { record, repository, others: Vec::new() }));
    }

    fn at(&self, found: Option<&Vec<usize>>) -> Vec<Arc<Available>> {
        let positions = found.into_iter().flatten();
        positions.filter_map(|&at| self.packages.get(at).cloned()).collect()
    }

    /// The packages of this name, in the order of the repositories.
    #[must_use]
    pub fn versions(&self, name: &str) -> Vec<Arc<Available>> {
        self.at(self.names.get(name))
    }

    /// The packages that satisfy dependencies on `name`: those called so, and those whose
    /// `provides` have it (`so:libssl.so.3`, `cmd:sh`, a package name).
    #[must_use]
    pub fn providers(&self, name: &str) -> Vec<Arc<Available>> {
        let mut found = self.versions(name);
        found.extend(
            self.at(self.provided.get(name)).into_iter().filter(|one| one.record.name.0 != name),
        );
        found
    }

    /// The packages whose `install_if` has `name`.
    #[must_use]
    pub fn installed_if(&self, name: &str) -> Vec<Arc<Available>> {
        self.at(self.install_ifs.get(name))
    }

    /// Every package, in the order of the repositories.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Available>> {
        self.packages.iter()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.packages.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }
}

impl Available {
    /// Another repository has it, too.
    fn also_in(&mut self, repository: &Arc<RepositoryInfo>) {
        let mut further = Arc::clone(repository);
        if further.is_local() && !self.repository.is_local() {
            std::mem::swap(&mut further, &mut self.repository);
        }
        self.others.push(further);
    }
}

fn put(map: &mut HashMap<String, Vec<usize>>, name: &PackageName, at: usize) {
    match map.get_mut(&name.0) {
        // a package may have a name twice
        Some(list) if list.last() == Some(&at) => {}
        Some(list) => list.push(at),
        None => drop(map.insert(name.0.clone(), vec![at])),
    }
}

fn parse(text: &str) -> Result<(Vec<Record>, LeftOut), IndexError> {
    let mut records = Vec::new();
    let mut left_out = LeftOut::default();
    let mut current: Option<Entry> = None;
    for (at, line) in text.lines().enumerate() {
        // apk ends a package at any line that is too short for a field
        if line.len() < 2 {
            let Some(entry) = current.take() else { continue };
            if records.len() >= MAX_PACKAGES {
                return Err(IndexError::TooMany);
            }
            match entry.finish() {
                Ok(record) => records.push(record),
                Err(why) => left_out.add(why),
            }
            continue;
        }
        let fail = || IndexError::Line { line: at + 1, what: line.chars().take(80).collect() };
        let (field, value) = line.split_once(':').filter(|(f, _)| f.len() == 1).ok_or_else(fail)?;
        let field = field.bytes().next().ok_or_else(fail)?;
        current.get_or_insert_default().set(field, value);
    }
    if current.is_some() {
        return Err(IndexError::CutOff);
    }
    Ok((records, left_out))
}

/// A package being read.
#[derive(Default)]
struct Entry {
    record: Record,
    /// Why it cannot be used.
    why: Option<String>,
}

impl Entry {
    fn set(&mut self, field: u8, value: &str) {
        let problem = |why: &str| Some(format!("field {}: {why}", char::from(field)));
        let why = match self.record.set(field, value) {
            Ok(Taken::Yes) => None,
            // of the installed database, or of a newer apk that says it does no harm
            Ok(Taken::No) if field.is_ascii_lowercase() || b"FMRZ".contains(&field) => None,
            Ok(Taken::No) => problem("unknown to apk 2.14"),
            Err(error) => problem(&FieldError::to_string(&error)),
        };
        if self.why.is_none() {
            self.why = why;
        }
    }

    fn finish(self) -> Result<Record, String> {
        let record = self.record;
        let named = |why: &str| format!("{}: {why}", record.name);
        if let Some(why) = self.why {
            return Err(named(&why));
        }
        if record.name.0.is_empty() || record.version.as_str().is_empty() {
            return Err(named("no name or no version"));
        }
        if record.identity.is_none() {
            return Err(named("no checksum (C)"));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
        if !record.architecture.0.bytes().all(plain) {
            return Err(named("a malformed architecture"));
        }
        Ok(record)
    }
}

impl LeftOut {
    fn add(&mut self, why: String) {
        self.count += 1;
        if self.count == 1 {
            self.first = why;
        }
    }
}
