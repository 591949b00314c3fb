//! [`ScriptsArchive`]: `lib/apk/db/scripts.tar`, the scripts of installed packages.
//!
//! In comes the archive's bytes, plain (apk 2) or gzip (`scripts.tar.gz`, what apk 3 makes where
//! there is no plain one); out come the scripts by package and moment, and the archive again as
//! apk's own writer makes it, byte for byte when plain. Source: apk-tools 2.14, `src/database.c`
//! (`apk_read_script_archive_entry`, `apk_db_scriptdb_write`), `src/io_archive.c`
//! (`apk_tar_write_entry`); apk-tools 3.0, `src/database.c`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::io::{self, Read as _, Write as _};

use bytes::Bytes;

use super::apk_file::Script;
use super::installed::{InstalledDatabase, InstalledPackage, compare_names};
use super::members::TAR;
use imgfix_model::identity::Identity;
use imgfix_versions::apk::Version;
use imgfix_versions::apk::generation::Generation;
use imgfix_vfs::tar_format::{
    BLOCK, CHECKSUM, Field, GID, GROUP, MAGIC, MODE, MTIME, NAME, SIZE, TYPE, UID, USER,
};
use imgfix_vfs::tar_reader::{MemberKind, TarReader};

/// How large an archive may be, decompressed, in bytes.
pub const MAX_ARCHIVE: u64 = 64 << 20;

const FILE_TYPE: &[u8] = b"0";
/// GNU tar's member with the name of the member behind it.
const LONG_NAME_TYPE: &[u8] = b"L";
const LONG_NAME: &str = "././@LongLink";

/// In a gzip header.
const UNIX: u8 = 3;

/// How many members an archive may have.
pub const MAX_MEMBERS: usize = 65_536;

/// Why an archive cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptsError {
    /// The compressed archive cannot be decompressed; it says why.
    #[error("it is not gzip: {0}")]
    Gzip(String),
    /// Larger than [`MAX_ARCHIVE`].
    #[error("it has more than {MAX_ARCHIVE} bytes")]
    TooLarge,
    /// More than [`MAX_MEMBERS`].
    #[error("it has more than {MAX_MEMBERS} members")]
    TooMany,
    /// Not a tar archive.
    #[error("member {member}: {why}")]
    Tar {
        /// Which one cannot be read, from 1.
        member: usize,
        /// For people.
        why: String,
    },
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

/// How releases of apk write the members' headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeaderStyle {
    /// Before 2.12.8: a NUL behind size and time; the time is that of the run.
    Terminated,
    /// 2.12.8 to 2.12.11, and 2.14.0: size and time fill their fields; the time is that of the
    /// run.
    RunTime,
    /// 2.12.12 and later, 2.14.1 and later: the time is when the package was built.
    #[default]
    BuildTime,
    /// 3.0: the same; packages by name, identities in hexadecimal digits, long names whole.
    Named,
}

impl HeaderStyle {
    /// How a release of apk of this generation writes; without apk, its newest release.
    #[must_use]
    pub fn of(generation: Generation, apk: Option<&Version>) -> Self {
        if generation == Generation::Apk3 {
            return Self::Named;
        }
        let Some(apk) = apk else { return Self::default() };
        let before = |version| apk.is_before(version);
        if before("2.12.8") {
            Self::Terminated
        } else if before("2.12.12") || !before("2.14.0_rc1") && before("2.14.1") {
            Self::RunTime
        } else {
            Self::BuildTime
        }
    }

    fn number(self, value: u64, (_, length): Field) -> Vec<u8> {
        match self {
            Self::Terminated => octal(value, length - 1),
            Self::RunTime | Self::BuildTime | Self::Named => octal(value, length),
        }
    }

    /// The time of a package's scripts, when the run is at `timestamp`.
    fn time(self, package: &InstalledPackage, timestamp: u64) -> u64 {
        let built = package.record.build_time.filter(|&time| time != 0);
        match self {
            Self::Named => built.unwrap_or(0),
            Self::BuildTime => built.unwrap_or(timestamp),
            Self::Terminated | Self::RunTime => timestamp,
        }
    }
}

/// The scripts of packages, by the packages' identities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptsArchive {
    packages: HashMap<Identity, BTreeMap<Script, Bytes>>,
    /// A member that was read has its package's identity as apk 3 writes it.
    is_of_apk3: bool,
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
        let mut archive = TarReader::with_rules(bytes, TAR);
        for member in 1.. {
            let at = |error: &dyn Display| ScriptsError::Tar { member, why: error.to_string() };
            let Some(entry) = archive.next_member().map_err(|error| at(&error))? else { break };
            if member > MAX_MEMBERS {
                return Err(ScriptsError::TooMany);
            }
            if entry.kind != MemberKind::File {
                continue;
            }
            let Some((package, script)) = script_of(&entry.name) else { continue };
            scripts.is_of_apk3 |= entry.name.windows(3).any(|part| part == b".X1");
            let mut content = Vec::new();
            archive.read_to_end(&mut content).map_err(|error| at(&error))?;
            scripts.insert(package, script, content.into());
        }
        Ok(scripts)
    }

    /// Whether the archive that was read is one that only apk 3 writes.
    #[must_use]
    pub fn is_of_apk3(&self) -> bool {
        self.is_of_apk3
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

    /// The packages that have scripts, in no order.
    pub fn packages(&self) -> impl Iterator<Item = &Identity> {
        self.packages.keys()
    }

    /// Sets a package's script.
    pub fn insert(&mut self, package: Identity, script: Script, content: Bytes) {
        self.packages.entry(package).or_default().insert(script, content);
    }

    /// Takes a package's scripts away.
    pub fn remove(&mut self, package: &Identity) {
        self.packages.remove(package);
    }

    /// The archive of the installed packages' scripts, in the order and the style of the
    /// database's apk. `timestamp` (seconds since 1970) is the time of the run, where the
    /// style has it or a package has no build time.
    ///
    /// # Errors
    /// Never for bytes in memory: the type is that of gzip's writer.
    pub fn write(
        &self,
        database: &InstalledDatabase,
        timestamp: u64,
        storage: Storage,
    ) -> io::Result<Vec<u8>> {
        let style = database.header_style;
        let mut packages: Vec<&InstalledPackage> = database.packages.iter().collect();
        if style == HeaderStyle::Named {
            packages.sort_by(|a, b| compare_names(&a.record.name, &b.record.name));
        }
        let mut out = Vec::new();
        for package in packages {
            let Some(identity) = &package.record.identity else { continue };
            for (script, content) in self.of(identity) {
                let name = member_name(package, identity, script, style);
                let time = style.number(style.time(package, timestamp), MTIME);
                let size = |length: usize| style.number(length as u64, SIZE);
                if style == HeaderStyle::Named && name.len() >= NAME.1 {
                    let numbers = [size(name.len()), time.clone()];
                    let content = [name.as_bytes(), b"\0"].concat();
                    write_member(&mut out, (LONG_NAME, LONG_NAME_TYPE), &numbers, &content);
                }
                let numbers = [size(content.len()), time];
                write_member(&mut out, (&name, FILE_TYPE), &numbers, content);
            }
        }
        out.resize(out.len() + 2 * BLOCK, 0);
        match storage {
            Storage::Plain => Ok(out),
            Storage::Gzip => {
                let level = flate2::Compression::best();
                let mut gzip =
                    flate2::GzBuilder::new().operating_system(UNIX).write(Vec::new(), level);
                gzip.write_all(&out)?;
                gzip.finish()
            }
        }
    }
}

/// Whose script a member is: `name-version.IDENTITY.MOMENT`.
fn script_of(name: &[u8]) -> Option<(Identity, Script)> {
    let name = std::str::from_utf8(name).ok()?;
    let (rest, moment) = name.rsplit_once('.')?;
    let (_, identity) = rest.rsplit_once('.')?;
    Some((identity.parse().ok()?, Script::from_name(moment)?))
}

fn member_name(
    package: &InstalledPackage,
    identity: &Identity,
    script: Script,
    style: HeaderStyle,
) -> String {
    let record = &package.record;
    let identity = match style {
        HeaderStyle::Named => identity.hexadecimal(),
        _ => identity.to_string(),
    };
    format!("{}-{}.{identity}.{}", record.name, record.version, script.name())
}

/// A member as apk writes it: GNU magic, owner root, mode 0755, names cut to 99 bytes.
fn write_member(
    out: &mut Vec<u8>,
    (name, kind): (&str, &[u8]),
    [size, time]: &[Vec<u8>; 2],
    content: &[u8],
) {
    let mut header = [0; BLOCK];
    let name = name.as_bytes();
    put(&mut header, NAME, name.get(..NAME.1 - 1).unwrap_or(name));
    put(&mut header, MODE, b"0000755");
    put(&mut header, UID, b"0000000");
    put(&mut header, GID, b"0000000");
    put(&mut header, SIZE, size);
    put(&mut header, MTIME, time);
    put(&mut header, CHECKSUM, b"        ");
    put(&mut header, TYPE, kind);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::record::Record;
    use super::*;

    const REAL: [(&[u8], &[u8]); 2] = [
        (
            include_bytes!("../../fixtures/apk/alpine-3.14.10/installed"),
            include_bytes!("../../fixtures/apk/alpine-3.14.10/scripts.tar"),
        ),
        (
            include_bytes!("../../fixtures/apk/alpine-3.20.3/installed"),
            include_bytes!("../../fixtures/apk/alpine-3.20.3/scripts.tar"),
        ),
    ];

    const APK_3: [(&[u8], &[u8]); 2] = [
        (
            include_bytes!("../../fixtures/apk/apk-3.0.6/before/installed"),
            include_bytes!("../../fixtures/apk/apk-3.0.6/before/scripts.tar.gz"),
        ),
        (
            include_bytes!("../../fixtures/apk/apk-3.0.6/after/installed"),
            include_bytes!("../../fixtures/apk/apk-3.0.6/after/scripts.tar.gz"),
        ),
    ];

    /// The database with busybox before alpine-baselayout, which is how they were installed
    /// when the archive was made; in the file they are sorted.
    fn as_installed(bytes: &[u8]) -> InstalledDatabase {
        let mut database = InstalledDatabase::parse(bytes).unwrap();
        database.packages.sort_by_key(|package| package.name() != "busybox");
        database
    }

    #[test]
    fn real_archives_are_written_as_they_were_read() {
        // when the image with apk 2.12.7 was made
        let run = 1_680_100_093;
        for (installed, archive) in REAL {
            let scripts = ScriptsArchive::parse(archive, Storage::Plain).unwrap();
            let written = scripts.write(&as_installed(installed), run, Storage::Plain).unwrap();
            assert!(written == archive);
        }
    }

    #[test]
    fn the_style_is_that_of_the_images_apk() {
        for (apk, want) in [
            ("2.10.6-r0", HeaderStyle::Terminated),
            ("2.12.7-r4", HeaderStyle::Terminated),
            ("2.12.8-r0", HeaderStyle::RunTime),
            ("2.12.11-r0", HeaderStyle::RunTime),
            ("2.12.12-r0", HeaderStyle::BuildTime),
            ("2.14.0_rc1-r0", HeaderStyle::RunTime),
            ("2.14.0-r5", HeaderStyle::RunTime),
            ("2.14.1-r0", HeaderStyle::BuildTime),
        ] {
            let apk = Version::new(apk);
            assert_eq!(HeaderStyle::of(Generation::Apk2, Some(&apk)), want, "{apk}");
            assert_eq!(HeaderStyle::of(Generation::Apk3, Some(&apk)), HeaderStyle::Named);
        }
        assert_eq!(HeaderStyle::of(Generation::Apk2, None), HeaderStyle::BuildTime);
    }

    #[test]
    fn archives_of_apk_3_are_written_as_they_were_read() {
        for (installed, archive) in APK_3 {
            let scripts = ScriptsArchive::parse(archive, Storage::Gzip).unwrap();
            assert!(scripts.is_of_apk3());
            let database = InstalledDatabase::parse(installed).unwrap();
            let written = scripts.write(&database, 9, Storage::Gzip).unwrap();
            let plain = |gzip: &[u8]| {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(gzip).read_to_end(&mut plain).unwrap();
                plain
            };
            assert!(plain(&written) == plain(archive));
            // the header: no time, the best level, Unix
            assert_eq!(written[..10], archive[..10]);
        }
    }

    #[test]
    fn apk_3_writes_long_names_whole() {
        let name = "n".repeat(60);
        let mut database = database(&[(&name, None)]);
        database.header_style = HeaderStyle::Named;
        let identity = Identity::of(name.as_bytes());
        let mut scripts = ScriptsArchive::default();
        scripts.insert(identity, Script::PostInstall, Bytes::from_static(b"x"));
        let written = scripts.write(&database, 5, Storage::Plain).unwrap();
        assert_eq!(written.len(), 6 * BLOCK);
        let mut archive = tar::Archive::new(&written[..]);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        let long = format!("{name}-1-r0.{}.post-install", identity.hexadecimal());
        assert_eq!(String::from_utf8_lossy(&entry.path_bytes()), long);
        assert_eq!((entry.header().mtime().unwrap(), entry.size()), (0, 1));
        assert!(ScriptsArchive::parse(&written, Storage::Plain).unwrap().is_of_apk3());
    }

    #[test]
    fn gzip_holds_the_same_scripts() {
        let (installed, archive) = REAL[1];
        let scripts = ScriptsArchive::parse(archive, Storage::Plain).unwrap();
        let written = scripts.write(&as_installed(installed), 0, Storage::Gzip).unwrap();
        assert_eq!(ScriptsArchive::parse(&written, Storage::Gzip), Ok(scripts));
        let error = ScriptsArchive::parse(archive, Storage::Gzip).unwrap_err().to_string();
        assert!(error.starts_with("it is not gzip"), "{error}");
    }

    fn database(packages: &[(&str, Option<u64>)]) -> InstalledDatabase {
        let package = |(name, time): &(&str, Option<u64>)| InstalledPackage {
            record: Record {
                identity: Some(Identity::of(name.as_bytes())),
                name: (*name).into(),
                version: Version::new("1-r0"),
                build_time: *time,
                ..Record::default()
            },
            ..InstalledPackage::default()
        };
        let packages = packages.iter().map(package).collect();
        InstalledDatabase { packages, ..InstalledDatabase::default() }
    }

    #[test]
    fn scripts_are_written_for_installed_packages_in_their_order() {
        let mut scripts = ScriptsArchive::default();
        for name in ["a", "b", "gone"] {
            let identity = Identity::of(name.as_bytes());
            scripts.insert(identity, Script::Trigger, Bytes::from_static(b"t"));
            scripts.insert(identity, Script::PreInstall, Bytes::from_static(b""));
        }
        let database = database(&[("b", Some(7)), ("a", None)]);
        let written = scripts.write(&database, 5, Storage::Plain).unwrap();
        let mut archive = tar::Archive::new(&written[..]);
        let members: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
                format!("{name} {}", entry.header().mtime().unwrap())
            })
            .collect();
        let (a, b) = (Identity::of(b"a"), Identity::of(b"b"));
        assert_eq!(
            members,
            [
                format!("b-1-r0.{b}.pre-install 7"),
                format!("b-1-r0.{b}.trigger 7"),
                format!("a-1-r0.{a}.pre-install 5"),
                format!("a-1-r0.{a}.trigger 5"),
            ]
        );
        assert_eq!(
            ScriptsArchive::default().write(&database, 0, Storage::Plain).unwrap(),
            [0; 1024]
        );
    }

    #[test]
    fn names_of_no_script_are_passed_over_and_damage_is_told() {
        for name in ["x", "a-1.Q1.trigger", "a-1.Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=.other", ".trigger"]
        {
            assert_eq!(script_of(name.as_bytes()), None, "{name}");
        }
        let error = ScriptsArchive::parse(&[b'x'; 700], Storage::Plain).unwrap_err();
        assert!(matches!(error, ScriptsError::Tar { member: 1, .. }), "{error}");
    }

    proptest! {
        #[test]
        fn damaged_archives_never_panic(at in 0..REAL[1].1.len(), byte: u8, end in 0..11_000_usize) {
            let mut bytes = REAL[1].1.to_vec();
            bytes[at] = byte;
            bytes.truncate(end);
            let _ = ScriptsArchive::parse(&bytes, Storage::Plain);
        }
    }
}
