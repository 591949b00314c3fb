//! [`ScriptsArchive`]: `lib/apk/db/scripts.tar`, the scripts of installed packages.
//!
//! In comes the archive's bytes, plain (apk 2) or gzip (`scripts.tar.gz`, what apk 3 makes where
//! there is no plain one); out come the scripts by package and moment, and the archive again as
//! apk's own writer makes it, byte for byte when plain. Source: apk-tools 2.14, `src/database.c`
//! (`apk_read_script_archive_entry`, `apk_db_scriptdb_write`), `src/io_archive.c`
//! (`apk_tar_write_entry`); apk-tools 3.0, `src/database.c`.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read as _, Write as _};

use bytes::Bytes;

use super::apk_file::Script;
use super::identity::Identity;
use super::installed::{InstalledDatabase, InstalledPackage};
use crate::rootfs::tar_format::{
    BLOCK, CHECKSUM, Field, GID, GROUP, MAGIC, MODE, MTIME, NAME, SIZE, TYPE, UID, USER,
};

/// How large an archive may be, unpacked, in bytes.
pub const MAX_ARCHIVE: u64 = 64 << 20;

/// How many members an archive may have.
pub const MAX_MEMBERS: usize = 65_536;

/// Why an archive cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptsError {
    #[error("it is not gzip: {0}")]
    Gzip(String),
    #[error("it has more than {MAX_ARCHIVE} bytes")]
    TooLarge,
    #[error("it has more than {MAX_MEMBERS} members")]
    TooMany,
    #[error("member {member}: {why}")]
    Tar { member: usize, why: String },
}

/// How the archive is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// `scripts.tar`
    Plain,
    /// `scripts.tar.gz`
    Gzip,
}

impl Storage {
    /// Both, the one that apk prefers first.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Gzip];

    /// The archive's name in the database's directory.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Plain => "scripts.tar",
            Self::Gzip => "scripts.tar.gz",
        }
    }
}

/// The scripts of packages, by the packages' identities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptsArchive {
    packages: HashMap<Identity, BTreeMap<Script, Bytes>>,
}

impl ScriptsArchive {
    /// Reads an archive. Members whose names are not those of scripts are passed over, as apk
    /// does; of two scripts for the same moment the last counts.
    ///
    /// # Errors
    /// It is damaged or too large.
    pub fn parse(bytes: &[u8], storage: Storage) -> Result<Self, ScriptsError> {
        match storage {
            Storage::Plain => Self::parse_tar(bytes),
            Storage::Gzip => {
                let mut plain = Vec::new();
                flate2::read::MultiGzDecoder::new(bytes)
                    .take(MAX_ARCHIVE + 1)
                    .read_to_end(&mut plain)
                    .map_err(|error| ScriptsError::Gzip(error.to_string()))?;
                Self::parse_tar(&plain)
            }
        }
    }

    fn parse_tar(bytes: &[u8]) -> Result<Self, ScriptsError> {
        if bytes.len() as u64 > MAX_ARCHIVE {
            return Err(ScriptsError::TooLarge);
        }
        let mut scripts = Self::default();
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().map_err(|error| at(1, &error))?;
        for (member, entry) in (1..).zip(entries) {
            if member > MAX_MEMBERS {
                return Err(ScriptsError::TooMany);
            }
            let mut entry = entry.map_err(|error| at(member, &error))?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let Some((package, script)) = script_of(&entry.path_bytes()) else { continue };
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(|error| at(member, &error))?;
            scripts.insert(package, script, content.into());
        }
        Ok(scripts)
    }

    /// A package's script.
    #[must_use]
    pub fn get(&self, package: &Identity, script: Script) -> Option<&Bytes> {
        self.packages.get(package)?.get(&script)
    }

    /// All scripts of a package, in apk's order.
    pub fn of(&self, package: &Identity) -> impl Iterator<Item = (Script, &Bytes)> {
        let scripts = self.packages.get(package).into_iter().flatten();
        scripts.map(|(script, content)| (*script, content))
    }

    /// Sets a package's script.
    pub fn insert(&mut self, package: Identity, script: Script, content: Bytes) {
        self.packages.entry(package).or_default().insert(script, content);
    }

    /// Takes a package's scripts away.
    pub fn remove(&mut self, package: &Identity) {
        self.packages.remove(package);
    }

    /// The archive of the installed packages' scripts, in the order of the database's list.
    /// `timestamp` (seconds since 1970) stands for the build time of packages that have none.
    ///
    /// # Errors
    /// None that bytes in memory can have; gzip's writer has the type.
    pub fn write(
        &self,
        database: &InstalledDatabase,
        timestamp: u64,
        storage: Storage,
    ) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        for package in &database.packages {
            let Some(identity) = &package.record.identity else { continue };
            for (script, content) in self.of(identity) {
                let name = member_name(package, identity, script);
                let time = package.record.build_time.filter(|&time| time != 0);
                write_member(&mut out, &name, time.unwrap_or(timestamp), content);
            }
        }
        out.resize(out.len() + 2 * BLOCK, 0);
        match storage {
            Storage::Plain => Ok(out),
            Storage::Gzip => {
                let level = flate2::Compression::default();
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
                gzip.write_all(&out)?;
                gzip.finish()
            }
        }
    }
}

fn at(member: usize, error: &io::Error) -> ScriptsError {
    ScriptsError::Tar { member, why: error.to_string() }
}

/// Whose script a member is: `name-version.IDENTITY.MOMENT`.
fn script_of(name: &[u8]) -> Option<(Identity, Script)> {
    let name = std::str::from_utf8(name).ok()?;
    let (rest, moment) = name.rsplit_once('.')?;
    let (_, identity) = rest.rsplit_once('.')?;
    Some((identity.parse().ok()?, Script::from_name(moment)?))
}

fn member_name(package: &InstalledPackage, identity: &Identity, script: Script) -> String {
    let record = &package.record;
    format!("{}-{}.{identity}.{}", record.name, record.version, script.name())
}

/// A member as apk writes it: GNU magic, owner root, mode 0755; size and time without a NUL
/// behind them, names cut to 99 bytes.
fn write_member(out: &mut Vec<u8>, name: &str, time: u64, content: &[u8]) {
    let mut header = [0; BLOCK];
    let name = name.as_bytes();
    put(&mut header, NAME, name.get(..NAME.1 - 1).unwrap_or(name));
    put(&mut header, MODE, b"0000755");
    put(&mut header, UID, b"0000000");
    put(&mut header, GID, b"0000000");
    put(&mut header, SIZE, &octal(content.len() as u64, SIZE.1));
    put(&mut header, MTIME, &octal(time, MTIME.1));
    put(&mut header, CHECKSUM, b"        ");
    put(&mut header, TYPE, b"0");
    put(&mut header, MAGIC, b"ustar  ");
    put(&mut header, USER, b"root");
    put(&mut header, GROUP, b"root");
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    put(&mut header, CHECKSUM, &octal(sum, 6));
    put(&mut header, (CHECKSUM.0 + 6, 1), b"\0");
    out.extend_from_slice(&header);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

fn put(header: &mut [u8; BLOCK], (offset, length): Field, value: &[u8]) {
    let field = header.iter_mut().skip(offset).take(length);
    field.zip(value).for_each(|(to, from)| *to = *from);
}

/// The last `digits` octal digits.
fn octal(value: u64, digits: usize) -> Vec<u8> {
    let all = format!("{value:0digits$o}").into_bytes();
    all.get(all.len().saturating_sub(digits)..).unwrap_or(&all).to_vec()
}
