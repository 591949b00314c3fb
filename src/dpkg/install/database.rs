//! The package database of an image, loaded for one run, and the writing of its files.

use std::collections::HashMap;

use bytes::Bytes;

use super::super::conffiles::{ConffileRecord, parse_conffiles, render_conffiles};
use super::super::configuration::Configuration;
use super::super::control::{Stanza, parse_stanzas};
use super::super::deb::DebControl;
use super::super::diversions::Diversions;
use super::super::relations::parse_list;
use super::super::statoverride::Overrides;
use super::super::status::{StanzaOrder, State, Status, StatusEntry};
use super::super::status_stanza::{ProtectedField, Recorded, render, rewrite};
use super::super::triggers::FileInterests;
use super::file_lists::FileLists;
use super::{InstallError, Run};
use imgfix_model::path::ImagePath;
use imgfix_versions::dpkg::Version;
use imgfix_vfs::{Accounts, Entry, FileSystem, Overlay, RootfsError};

const DATABASE: &str = "/var/lib/dpkg";

/// What the image records.
pub(super) struct Database {
    pub(super) status: Status,
    /// The places of the entries of `status` by name.
    places: HashMap<String, Vec<usize>>,
    pub(super) lists: FileLists,
    pub(super) diversions: Diversions,
    pub(super) overrides: Overrides,
    pub(super) accounts: Accounts,
    pub(super) configuration: Configuration,
    pub(super) file_interests: FileInterests,
    dialect: Dialect,
}

/// What differs between versions of dpkg in what they write.
#[derive(Clone, Copy)]
struct Dialect {
    order: StanzaOrder,
    protected: ProtectedField,
}

impl Database {
    /// Reads everything an installation looks at.
    pub(super) fn load(fs: &Overlay) -> Result<Self, InstallError> {
        let status_file = file("status");
        let mut status =
            Status::parse(fs.read(&status_file)?).map_err(|error| damaged(&status_file, error))?;
        Dialect::of(&status).rewrite(&mut status);
        let accounts = Accounts::parse(
            &read_optional(fs, &ImagePath::literal("/etc/passwd"))?,
            &read_optional(fs, &ImagePath::literal("/etc/group"))?,
        );
        let diversions = parse_file(fs, "diversions", Diversions::parse)?;
        let overrides = parse_file(fs, "statoverride", |text| Overrides::parse(text, &accounts))?;
        let file_interests = parse_file(fs, "triggers/File", FileInterests::parse)?;
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, entry) in status.entries.iter().enumerate() {
            places.entry(entry.name.clone()).or_default().push(place);
        }
        let mut database = Self {
            dialect: Dialect::of(&status),
            places,
            configuration: Configuration::load(fs)?,
            status,
            diversions,
            overrides,
            accounts,
            file_interests,
            ..Self::empty()
        };
        database.load_lists(fs)?;
        Ok(database)
    }

    /// The database of an image that records nothing.
    pub(super) fn empty() -> Self {
        let status = Status::default();
        Self {
            dialect: Dialect::of(&status),
            status,
            places: HashMap::new(),
            lists: FileLists::default(),
            diversions: Diversions::default(),
            overrides: Overrides::default(),
            accounts: Accounts::default(),
            configuration: Configuration::default(),
            file_interests: FileInterests::default(),
        }
    }

    fn load_lists(&mut self, fs: &Overlay) -> Result<(), InstallError> {
        for (at, entry) in self.status.entries.iter().enumerate() {
            if entry.state == State::NotInstalled {
                continue;
            }
            let path = info_file(&info_stem(fs, entry), "list");
            if fs.stat(&path).is_some() {
                self.lists.parse(at, &fs.read(&path)?);
            }
        }
        Ok(())
    }

    /// `name:architecture` of an entry, for people.
    pub(super) fn label(&self, package: usize) -> String {
        self.status
            .entries
            .get(package)
            .map_or_else(String::new, |entry| format!("{}:{}", entry.name, entry.architecture))
    }

    /// The architecture of the image's dpkg; `amd64` where there is none.
    pub(super) fn native_architecture(&self) -> &str {
        let dpkg = self.status.entries.iter().find(|entry| entry.name == "dpkg");
        dpkg.map_or("amd64", |entry| entry.architecture.as_str())
    }

    /// The version of the image's dpkg; empty where there is none.
    pub(super) fn dpkg_version(&self) -> String {
        let dpkg = self.status.entries.iter().find(|entry| entry.name == "dpkg");
        let version = dpkg.map(StatusEntry::version).unwrap_or_default();
        // The program knows its upstream version.
        let upstream = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
        upstream.to_owned()
    }

    /// How many instances of a package are installed.
    pub(super) fn instances(&self, name: &str) -> usize {
        let installed =
            |entry: &&StatusEntry| entry.name == name && entry.state == State::Installed;
        self.status.entries.iter().filter(installed).count()
    }

    /// The installed package that an interest names: `name`, or `name:architecture`.
    pub(super) fn place_of(&self, label: &str) -> Option<usize> {
        let (name, architecture) = match label.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (label, None),
        };
        self.places.get(name)?.iter().copied().find(|place| {
            self.entry(*place).is_some_and(|entry| {
                entry.state == State::Installed
                    && architecture.is_none_or(|architecture| entry.architecture == architecture)
            })
        })
    }

    /// The text of `status`; `instead` may give another text for the stanza of a place.
    pub(super) fn render(&self, instead: impl Fn(usize, &Stanza) -> Option<Bytes>) -> Vec<u8> {
        self.status.render(self.dialect.order, instead)
    }

    pub(super) fn entry(&self, package: usize) -> Option<&StatusEntry> {
        self.status.entries.get(package)
    }

    /// The name of an entry, architecture not said.
    pub(super) fn name(&self, package: usize) -> &str {
        self.entry(package).map(|entry| entry.name.as_str()).unwrap_or_default()
    }

    /// Recorded conffiles of an entry.
    pub(super) fn conffiles(&self, package: usize) -> Result<Vec<ConffileRecord>, InstallError> {
        let Some(entry) = self.entry(package) else { return Ok(Vec::new()) };
        let value = entry.stanza.get_bytes("Conffiles").unwrap_or_default();
        parse_conffiles(value).map_err(|error| {
            damaged(&file("status"), format!("Conffiles of {}: {error}", entry.name))
        })
    }

    /// Replaces the recorded conffiles of an entry, and nothing else of its stanza.
    pub(super) fn set_conffiles(
        &mut self,
        package: usize,
        records: &[ConffileRecord],
    ) -> Result<(), InstallError> {
        let Some(entry) = self.status.entries.get_mut(package) else { return Ok(()) };
        let mut text = Vec::with_capacity(entry.stanza.text().len());
        for field in entry.stanza.fields() {
            let value = if field.name.eq_ignore_ascii_case("Conffiles") {
                let value = render_conffiles(records);
                if value.is_empty() {
                    continue;
                }
                text.extend_from_slice(b"Conffiles:");
                text.extend_from_slice(&value);
                text.push(b'\n');
                continue;
            } else {
                field.value
            };
            text.extend_from_slice(field.name.as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        entry.stanza = one_stanza(text).map_err(|problem| damaged(&file("status"), problem))?;
        Ok(())
    }

    /// Makes the entry of a package that of the version in `control`; a new entry when there
    /// is none. Returns its place.
    pub(super) fn record(
        &mut self,
        place: Option<usize>,
        control: &DebControl,
        conffiles: &[ConffileRecord],
    ) -> Result<usize, InstallError> {
        let package = control.name().to_owned();
        let fail = |problem: String| InstallError::Package { package: package.clone(), problem };
        let recorded = Recorded {
            former: place.and_then(|at| self.entry(at)).map(|entry| &entry.stanza),
            conffiles,
            protected: self.dialect.protected,
        };
        let text = render(&control.stanza, &recorded).map_err(|error| fail(error.to_string()))?;
        let stanza = one_stanza(text).map_err(fail)?;
        let entry = StatusEntry::new(stanza).map_err(|error| fail(error.to_string()))?;
        match place.filter(|at| *at < self.status.entries.len()) {
            Some(at) => {
                self.status.replace(at, entry);
                Ok(at)
            }
            None => {
                let place = self.status.entries.len();
                self.places.entry(entry.name.clone()).or_default().push(place);
                self.status.entries.push(entry);
                Ok(place)
            }
        }
    }

    /// Whether `by` says `Replaces:` of `what`.
    pub(super) fn replaces(by: &Stanza, what: &Stanza) -> bool {
        let (Some(name), Some(version)) = (what.get("Package"), what.get("Version")) else {
            return false;
        };
        let Ok(version) = Version::parse_recorded(version) else { return false };
        let relations = by.get("Replaces").map(parse_list).and_then(Result::ok).unwrap_or_default();
        relations
            .iter()
            .any(|relation| relation.name.eq_ignore_ascii_case(name) && relation.admits(&version))
    }
}

impl Dialect {
    /// Gives all stanzas the form in which this dpkg writes them, which they have unless
    /// somebody else wrote them, and forgets those that it forgets. What it would refuse stays
    /// as it is.
    fn rewrite(self, status: &mut Status) {
        for place in 0..status.entries.len() {
            let Some(entry) = status.entries.get_mut(place) else { continue };
            let text = rewrite(&entry.stanza, self.protected);
            if let Ok(text) = text
                && *text != *entry.stanza.text()
                && let Ok(stanza) = one_stanza(text)
            {
                entry.stanza = stanza;
            }
            if is_leftover(entry) {
                status.forget(place);
            }
        }
    }

    fn of(status: &Status) -> Self {
        let dpkg = status
            .entries
            .iter()
            .find(|entry| entry.name == "dpkg" && entry.state == State::Installed)
            .and_then(|entry| Version::parse_recorded(entry.version()).ok());
        let since = |version: &str| match (&dpkg, Version::parse(version)) {
            (Some(dpkg), Ok(since)) => *dpkg >= since,
            _ => true,
        };
        Self {
            order: if since("1.19.1") { StanzaOrder::ByName } else { StanzaOrder::AsFound },
            protected: if since("1.20.1") {
                ProtectedField::Known
            } else {
                ProtectedField::Unknown
            },
        }
    }
}

/// Whether dpkg forgets an entry when it reads it: of a package that is not installed and not
/// to be installed, or which has no architecture.
fn is_leftover(entry: &StatusEntry) -> bool {
    let words = entry.stanza.get("Status").unwrap_or_default().to_ascii_lowercase();
    let want = words.split_ascii_whitespace().next().unwrap_or_default();
    entry.state == State::NotInstalled
        && match want {
            "unknown" | "deinstall" | "purge" => true,
            "install" => entry.architecture.is_empty(),
            _ => false,
        }
}

impl Run<'_> {
    /// Writes a generated file as dpkg does: mode 0644, owned by root.
    pub(super) fn write(&mut self, path: &ImagePath, text: Vec<u8>) -> Result<(), InstallError> {
        let real = self.overlay.resolve_parent(path)?;
        Ok(self.overlay.set(real, Entry::file(text, 0o644, self.options.timestamp))?)
    }
}

fn one_stanza(text: Vec<u8>) -> Result<Stanza, String> {
    let mut stanzas = parse_stanzas(text).map_err(|error| error.to_string())?;
    match (stanzas.pop(), stanzas.is_empty()) {
        (Some(stanza), true) => Ok(stanza),
        _ => Err("a field contains an empty line".into()),
    }
}

/// A file of the package database. `name` is written in this program, or made of names that
/// the parsers have checked.
pub(super) fn file(name: &str) -> ImagePath {
    ImagePath::new(format!("{DATABASE}/{name}")).unwrap_or_else(|_| ImagePath::literal(DATABASE))
}

/// `info/STEM.KIND`
pub(super) fn info_file(stem: &str, kind: &str) -> ImagePath {
    file(&format!("info/{stem}.{kind}"))
}

/// What the names of a package's `info` files begin with.
pub(super) fn info_stem(fs: &dyn FileSystem, entry: &StatusEntry) -> String {
    // Databases from before dpkg 1.16.2 have no format file and no architecture in names.
    if entry.multi_arch_same && fs.stat(&file("info/format")).is_some() {
        return format!("{}:{}", entry.name, entry.architecture);
    }
    entry.name.clone()
}

pub(super) fn damaged(file: &ImagePath, problem: impl std::fmt::Display) -> InstallError {
    InstallError::Database { file: file.clone(), problem: problem.to_string() }
}

/// The content of a file, empty when there is none.
pub(super) fn read_optional(fs: &Overlay, path: &ImagePath) -> Result<Bytes, InstallError> {
    match fs.read(path) {
        Ok(bytes) => Ok(bytes),
        Err(RootfsError::NotFound(_)) => Ok(Bytes::new()),
        Err(error) => Err(error.into()),
    }
}

fn parse_file<T, E: std::fmt::Display>(
    fs: &Overlay,
    name: &str,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, InstallError> {
    let path = file(name);
    parse(&read_optional(fs, &path)?).map_err(|error| damaged(&path, error))
}
