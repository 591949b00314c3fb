//! [`InstalledDatabase`]: `lib/apk/db/installed`, which packages are there and which files are
//! theirs.
//!
//! In come the file's bytes; out come records that write themselves as apk does, byte for byte.
//! What apk itself corrects when it reads is corrected here too: a directory named twice is one,
//! a file named twice is its first owner's, a field it does not know is dropped where it drops
//! it. Source: apk-tools 2.12 and 2.14, `src/database.c` (`apk_db_index_read`,
//! `apk_db_write_fdb`).

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use super::dependency::Dependency;
use super::directory_order::DirectoryOrder;
use super::record::{FieldError, Record, Taken, join, number};
use super::scripts_archive::HeaderStyle;
use imgfix_model::identity::{Identity, IdentityError};
use imgfix_model::package::PackageName;
use imgfix_model::path::{ImagePath, PathError};
use imgfix_versions::apk::Version;
use imgfix_versions::apk::generation::{APK_TOOLS, Generation};

/// The first release that writes the packages sorted.
const SORTED_SINCE: &str = "2.14";

/// Why the database cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct InstalledError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// The most lines that are read: each becomes a record, a directory or a file in memory. An
/// image with a thousand packages has a few hundred thousand.
const MAX_LINES: usize = 4_000_000;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// More lines than are read.
    #[error("more than {MAX_LINES} lines are not read")]
    TooMany,
    /// Bytes that are not UTF-8, in a field that must be.
    #[error("it is not UTF-8 text")]
    Encoding,
    /// Not a letter, a colon and a value; the line is cut to 100 characters.
    #[error("{0:?} is not a field (a letter, a colon and a value)")]
    NoField(String),
    /// A malformed value.
    #[error("field {field}: {source}")]
    Field {
        /// The field's letter.
        field: char,
        /// What is wrong with the value.
        source: FieldError,
    },
    /// A letter that apk does not know there.
    #[error("apk knows no field {0} in the installed database")]
    Unknown(char),
    /// A field before what it is about.
    #[error("field {field} comes before the {wanted} that it is of")]
    Misplaced {
        /// The field's letter.
        field: char,
        /// What it is about, with its field: `file (R)`.
        wanted: &'static str,
    },
    /// A record without a field that every package has.
    #[error("the record that ends here has no {0}")]
    Missing(&'static str),
    /// Two records of one package.
    #[error("package {name} is recorded a second time (the first record begins in line {first})")]
    Duplicate {
        /// The package.
        name: PackageName,
        /// The line in which its first record begins, from 1.
        first: usize,
    },
    /// A malformed value of `M` or `a`, cut to 100 characters.
    #[error("{0:?} is not owner, group and mode (want UID:GID:MODE, the mode octal)")]
    Attributes(String),
    /// A value of `R` that is not one component of a path, cut to 100 characters.
    #[error("{0:?} is not the name of a file in a directory")]
    FileName(String),
    /// A directory or file whose path would leave the image's root, or is too long.
    #[error(transparent)]
    Path(#[from] PathError),
    /// An unknown mark in `f`; the value is cut to 100 characters.
    #[error("{0:?} is not a mark that apk knows (f, s, x or S)")]
    Broken(String),
}

/// In which order the packages are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RecordOrder {
    /// apk before 2.14: as they are in the list, what is installed last at its end.
    List,
    /// apk 2.14: by name, as `strcasecmp` has it.
    #[default]
    Sorted,
}

/// The database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstalledDatabase {
    /// In the order of apk's own list, which is that of the file when it was read; a new or
    /// changed package goes to the end. The archive of scripts is written in this order.
    pub packages: Vec<InstalledPackage>,
    /// How [`InstalledDatabase::write`] orders them. Told by the apk that was installed when the
    /// file was read; another that comes by an upgrade does not write this time.
    pub order: RecordOrder,
    /// How the archive of scripts is written, by the same apk.
    pub header_style: HeaderStyle,
    /// Whose image it is.
    pub generation: Generation,
}

/// One package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstalledPackage {
    /// The fields that an index has, too.
    pub record: Record,
    /// `g`: tags, of apk 3.
    pub tags: Vec<String>,
    /// `r`: whose files it may overwrite.
    pub replaces: Vec<Dependency>,
    /// `q`: which of two packages that replace each other wins.
    pub replaces_priority: Option<u64>,
    /// `s`: the tag of the repository it is from, without the `@`.
    pub repository_tag: Option<String>,
    /// `f`
    pub broken: Broken,
    /// `F`, in the order of the database.
    pub directories: Vec<Directory>,
}

/// What went wrong when a package was installed (`f:`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Broken {
    /// `f`: not all files could be put in place.
    pub files: bool,
    /// `s`: a script failed.
    pub script: bool,
    /// `x`: not all extended attributes could be set.
    pub xattrs: bool,
    /// `S`: checksums are SHA-256 cut to 160 bits.
    pub sha256_160: bool,
}

/// A directory that a package has, with its files there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// `F`
    pub path: ImagePath,
    /// `M`
    pub attributes: Attributes,
    /// In the order of the database.
    pub files: Vec<FileRecord>,
}

/// A file (everything but a directory) that a package has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// `R`: one component of a path.
    pub name: Vec<u8>,
    /// `a`
    pub attributes: Attributes,
    /// `Z`: of the content, or of a link's target.
    pub identity: Option<Identity>,
}

/// Owner, group and mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The lower twelve bits.
    pub mode: u32,
    /// Of the extended attributes, when there are any.
    pub xattrs: Option<Identity>,
}

impl Attributes {
    /// What a directory has when nothing is said.
    pub const DIRECTORY: Self = Self { uid: 0, gid: 0, mode: 0o755, xattrs: None };
    /// What a file has when nothing is said.
    pub const FILE: Self = Self { uid: 0, gid: 0, mode: 0o644, xattrs: None };
}

impl FromStr for Attributes {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let fail = || Problem::Attributes(shown(text.as_bytes()));
        let mut parts = text.splitn(4, ':');
        let mut next = |radix| {
            let part = parts.next().filter(|part| !part.starts_with('+'));
            part.and_then(|part| u32::from_str_radix(part, radix).ok()).ok_or_else(fail)
        };
        let (uid, gid, mode) = (next(10)?, next(10)?, next(8)? & 0o7777);
        let xattrs = parts.next().map(str::parse).transpose();
        Ok(Self { uid, gid, mode, xattrs: xattrs.map_err(|_: IdentityError| fail())? })
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{:o}", self.uid, self.gid, self.mode)?;
        match &self.xattrs {
            Some(identity) => write!(f, ":{identity}"),
            None => Ok(()),
        }
    }
}

impl FileRecord {
    /// A file of the usual owner and mode.
    #[must_use]
    pub fn new(name: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), attributes: Attributes::FILE, identity: None }
    }
}

impl Directory {
    /// A directory of the usual owner and mode, without files.
    #[must_use]
    pub fn new(path: ImagePath) -> Self {
        Self { path, attributes: Attributes::DIRECTORY, files: Vec::new() }
    }

    /// Where a file of it is.
    ///
    /// # Errors
    /// The path is too long. Not of a file that was read with the directory.
    pub fn path_of(&self, file: &FileRecord) -> Result<ImagePath, PathError> {
        self.path.join(&file.name)
    }
}

impl InstalledPackage {
    /// The package's name (`P`).
    #[must_use]
    pub fn name(&self) -> &str {
        self.record.name.as_ref()
    }

    /// With the directories in this order, and the files of each by name; with none as it is.
    fn ordered(mut self, order: Option<Vec<ImagePath>>) -> Self {
        let Some(order) = order else { return self };
        let places: HashMap<ImagePath, usize> = order.into_iter().zip(0..).collect();
        self.directories.sort_by_key(|directory| places.get(&directory.path).copied());
        for directory in &mut self.directories {
            directory.files.sort_by(|a, b| a.name.cmp(&b.name));
        }
        self
    }

    /// Its files, each with where it is.
    pub fn files(&self) -> impl Iterator<Item = (ImagePath, &FileRecord)> {
        self.directories.iter().flat_map(|directory| {
            let at = |file| Some((directory.path_of(file).ok()?, file));
            directory.files.iter().filter_map(at)
        })
    }

    /// `carried` are the fields of packages before this that are not written yet.
    fn write(&self, out: &mut Vec<u8>, carried: &mut Vec<u8>) {
        let mut record = String::new();
        self.record.write(&mut record);
        if !self.tags.is_empty() {
            record += &format!("g:{}\n", self.tags.join(" "));
        }
        out.extend_from_slice(record.as_bytes());
        let mut text = String::new();
        if !self.replaces.is_empty() {
            text += &format!("r:{}\n", join(&self.replaces));
        }
        if let Some(priority) = self.replaces_priority.filter(|&priority| priority != 0) {
            text += &format!("q:{priority}\n");
        }
        if let Some(tag) = &self.repository_tag {
            text += &format!("s:{tag}\n");
        }
        carried.extend_from_slice(text.as_bytes());
        self.broken.write(carried);
        for directory in &self.directories {
            out.append(carried);
            directory.write(out);
        }
        out.push(b'\n');
    }
}

impl Broken {
    /// `None`: one of the marks is not known.
    fn add(mut self, marks: &[u8]) -> Option<Self> {
        for mark in marks {
            match mark {
                b'f' => self.files = true,
                b's' => self.script = true,
                b'x' => self.xattrs = true,
                b'S' => self.sha256_160 = true,
                _ => return None,
            }
        }
        Some(self)
    }

    /// apk 2 writes the `S` only beside another mark. Without it checksums would be taken for
    /// what they are not: it always stays.
    fn write(self, out: &mut Vec<u8>) {
        if self == Self::default() {
            return;
        }
        let marks =
            [(self.files, 'f'), (self.script, 's'), (self.xattrs, 'x'), (self.sha256_160, 'S')];
        let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
        line(out, b'f', marks.as_bytes());
    }
}

impl Directory {
    fn write(&self, out: &mut Vec<u8>) {
        line(out, b'F', self.path.relative());
        if self.attributes != Attributes::DIRECTORY {
            line(out, b'M', self.attributes.to_string().as_bytes());
        }
        for file in &self.files {
            line(out, b'R', &file.name);
            if file.attributes != Attributes::FILE {
                line(out, b'a', file.attributes.to_string().as_bytes());
            }
            if let Some(identity) = &file.identity {
                line(out, b'Z', identity.to_string().as_bytes());
            }
        }
    }
}

fn line(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.extend_from_slice(&[field, b':']);
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(100).collect()
}

impl InstalledDatabase {
    /// Reads the database. Which order it is written in is told by the apk-tools it has;
    /// without one, by whether it is sorted now. Its generation is what it says itself; see
    /// [`DatabasePaths::read_installed`](super::inventory::DatabasePaths::read_installed).
    ///
    /// # Errors
    /// The first line that apk would refuse, and what makes no sense: names that leave the
    /// root, packages recorded twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, InstalledError> {
        Self::parse_of(Generation::of(bytes, || false), bytes)
    }

    /// Reads the database of an image of this generation.
    ///
    /// # Errors
    /// As [`InstalledDatabase::parse`].
    pub fn parse_of(generation: Generation, bytes: &[u8]) -> Result<Self, InstalledError> {
        let mut reader = Reader { generation, ..Reader::default() };
        let mut number = 0;
        for text in bytes.split(|&b| b == b'\n') {
            number += 1;
            reader
                .line(number, text)
                .map_err(|problem| InstalledError { line: number, problem })?;
        }
        reader.finish(number).map_err(|problem| InstalledError { line: number, problem })?;
        let packages = reader.packages.into_iter().zip(reader.orders);
        let packages = packages.map(|(package, order)| package.ordered(order)).collect();
        let mut database = Self { packages, generation, ..Self::default() };
        database.order = database.order_of_its_apk();
        database.header_style = HeaderStyle::of(generation, database.apk_tools());
        Ok(database)
    }

    /// The database as apk writes it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut packages: Vec<&InstalledPackage> = self.packages.iter().collect();
        if self.order == RecordOrder::Sorted {
            packages.sort_by(|a, b| compare_names(&a.record.name, &b.record.name));
        }
        let (mut out, mut carried) = (Vec::new(), Vec::new());
        for package in packages {
            package.write(&mut out, &mut carried);
            match self.leftover() {
                Leftover::Carried => {}
                Leftover::Dropped => carried.clear(),
                Leftover::Kept if carried.is_empty() => {}
                Leftover::Kept => {
                    out.pop();
                    out.append(&mut carried);
                    out.push(b'\n');
                }
            }
        }
        out
    }

    /// The package of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&InstalledPackage> {
        self.packages.iter().find(|package| package.name() == name)
    }

    /// The version of the apk that is installed, if one is.
    #[must_use]
    pub fn apk_tools(&self) -> Option<&Version> {
        self.get(APK_TOOLS).map(|package| &package.record.version)
    }

    /// apk has these fields in a buffer that it empties at a package's first directory: those
    /// of a package without directories come behind the next package's with apk 2, and vanish
    /// with apk 3. What wrote the database of an image without apk does not do that.
    fn leftover(&self) -> Leftover {
        match (self.apk_tools(), self.generation) {
            (None, _) => Leftover::Kept,
            (Some(_), Generation::Apk2) => Leftover::Carried,
            (Some(_), Generation::Apk3) => Leftover::Dropped,
        }
    }

    fn order_of_its_apk(&self) -> RecordOrder {
        let sorted = match self.apk_tools() {
            Some(version) => !version.is_before(SORTED_SINCE),
            None => self
                .packages
                .is_sorted_by(|a, b| compare_names(&a.record.name, &b.record.name).is_le()),
        };
        if sorted { RecordOrder::Sorted } else { RecordOrder::List }
    }
}

/// What becomes of a package's own fields when it has no directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leftover {
    Kept,
    Carried,
    Dropped,
}

/// How apk 2.14 orders names where it shows or writes them.
#[must_use]
pub fn compare_names(a: &PackageName, b: &PackageName) -> Ordering {
    let lower = |name: &PackageName| name.0.to_ascii_lowercase();
    lower(a).cmp(&lower(b)).then_with(|| a.0.cmp(&b.0))
}

/// Where a file's record is: package, directory of it, file there.
#[derive(Debug, Clone, Copy)]
struct FilePosition {
    package: usize,
    directory: usize,
    file: usize,
}

/// A record that is being read.
#[derive(Default)]
struct Open {
    package: InstalledPackage,
    first_line: usize,
    /// A field that only this database has was met; from there on apk wants to know them all.
    is_past_header: bool,
    directory: Option<usize>,
    directories: HashMap<ImagePath, usize>,
    order: DirectoryOrder,
    file: Option<FilePosition>,
}

#[derive(Default)]
struct Reader {
    generation: Generation,
    packages: Vec<InstalledPackage>,
    /// Of each package the directories in their order, if that is not the order of the file.
    orders: Vec<Option<Vec<ImagePath>>>,
    /// Names, with the first line of the record.
    names: HashMap<PackageName, usize>,
    files: HashMap<ImagePath, FilePosition>,
    open: Option<Open>,
}

impl Reader {
    fn line(&mut self, number: usize, text: &[u8]) -> Result<(), Problem> {
        if number > MAX_LINES {
            return Err(Problem::TooMany);
        }
        // apk takes a single character for an empty line
        if text.len() < 2 {
            return self.finish(number);
        }
        let [field, b':', value @ ..] = text else {
            return Err(Problem::NoField(shown(text)));
        };
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open { first_line: number, ..Open::default() },
        };
        let result = self.field(&mut open, *field, value);
        self.open = Some(open);
        result
    }

    fn field(&mut self, open: &mut Open, field: u8, value: &[u8]) -> Result<(), Problem> {
        match field {
            b'F' => return open.enter(value, self.generation),
            b'R' => return self.file(open, value),
            _ => {}
        }
        let text = std::str::from_utf8(value).map_err(|_| Problem::Encoding)?;
        let wrong = |source| Problem::Field { field: char::from(field), source };
        if open.package.record.set(field, text).map_err(wrong)? == Taken::Yes {
            return Ok(());
        }
        match field {
            b'M' => open.current(field)?.attributes = text.parse()?,
            b'a' => self.current(open, field)?.attributes = text.parse()?,
            b'Z' => {
                let identity: Identity =
                    text.parse().map_err(|error: IdentityError| wrong(error.into()))?;
                let is_cut = open.package.broken.sha256_160;
                let identity = if is_cut { identity.of_cut_sha256() } else { identity };
                self.current(open, field)?.identity = Some(identity);
            }
            b'r' => {
                let list = Dependency::parse_list(text).map_err(|error| wrong(error.into()))?;
                open.package.replaces.extend(list);
            }
            b'g' if self.generation == Generation::Apk3 => {
                let tags = text.split(' ').filter(|tag| !tag.is_empty());
                open.package.tags.extend(tags.map(str::to_owned));
            }
            b'q' => open.package.replaces_priority = Some(number(text).map_err(wrong)?),
            b's' => {
                let tag = text.trim_start_matches('@');
                open.package.repository_tag = Some(tag.to_owned());
            }
            b'f' => {
                let broken = open.package.broken.add(value);
                open.package.broken = broken.ok_or_else(|| Problem::Broken(shown(value)))?;
            }
            _ if open.is_past_header => return Err(Problem::Unknown(char::from(field))),
            _ => return Ok(()),
        }
        open.is_past_header = true;
        Ok(())
    }

    fn file(&mut self, open: &mut Open, name: &[u8]) -> Result<(), Problem> {
        let package = self.packages.len();
        let Some(directory) = open.directory else {
            return Err(Problem::Misplaced { field: 'R', wanted: "directory (F)" });
        };
        let current = open.current(b'R')?;
        if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
            return Err(Problem::FileName(shown(name)));
        }
        let path = current.path.join(name)?;
        let new = FilePosition { package, directory, file: current.files.len() };
        let position = *self.files.entry(path).or_insert(new);
        if position.package == package
            && position.directory == directory
            && position.file == new.file
        {
            current.files.push(FileRecord::new(name));
        }
        open.file = Some(position);
        Ok(())
    }

    /// The file that `a` and `Z` are of: this package's, or one of a package before that has
    /// the same path.
    fn current<'s>(
        &'s mut self,
        open: &'s mut Open,
        field: u8,
    ) -> Result<&'s mut FileRecord, Problem> {
        let missing = Problem::Misplaced { field: char::from(field), wanted: "file (R)" };
        let Some(position) = open.file else { return Err(missing) };
        let package = match self.packages.get_mut(position.package) {
            Some(package) => package,
            None => &mut open.package,
        };
        let directory = package.directories.get_mut(position.directory);
        directory.and_then(|directory| directory.files.get_mut(position.file)).ok_or(missing)
    }

    fn finish(&mut self, number: usize) -> Result<(), Problem> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let record = &open.package.record;
        if record.name.0.is_empty() {
            return Err(Problem::Missing("name (P)"));
        }
        if record.version.as_str().is_empty() {
            return Err(Problem::Missing("version (V)"));
        }
        let first = open.first_line.min(number);
        if let Some(first) = self.names.insert(record.name.clone(), first) {
            return Err(Problem::Duplicate { name: record.name.clone(), first });
        }
        self.packages.push(open.package);
        let is_of_apk3 = self.generation == Generation::Apk3;
        self.orders.push(is_of_apk3.then(|| open.order.finish()));
        Ok(())
    }
}

impl Open {
    /// Makes a directory the current one, which it may have been before.
    fn enter(&mut self, path: &[u8], generation: Generation) -> Result<(), Problem> {
        if self.package.record.name.0.is_empty() {
            return Err(Problem::Misplaced { field: 'F', wanted: "package (P)" });
        }
        let path = ImagePath::new(path)?;
        if generation == Generation::Apk3 {
            self.order.enter(&path);
        }
        let next = self.package.directories.len();
        let at = *self.directories.entry(path.clone()).or_insert(next);
        if at == next {
            self.package.directories.push(Directory::new(path));
        }
        self.directory = Some(at);
        self.file = None;
        self.is_past_header = true;
        Ok(())
    }

    fn current(&mut self, field: u8) -> Result<&mut Directory, Problem> {
        let at = self.directory.and_then(|at| self.package.directories.get_mut(at));
        let field = char::from(field);
        at.ok_or(Problem::Misplaced { field, wanted: "directory (F)" })
    }
}

#[cfg(test)]
mod tests;
