//! Archives that take a folder's place: tar, plain or compressed with gzip, zstd or xz, and zip.
//!
//! In come an archive's bytes; out come its entries by their names, each once, below folders only.
//! Names cannot leave the folder, nor lead through a link; sizes and numbers are bounded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};

use flate2::bufread::MultiGzDecoder;
use imgfix_model::path::ImagePath;
use imgfix_repair::archive::{Bounded, Limits};
use imgfix_vfs::tar_reader::{Member, MemberKind, TarError, TarReader};
use imgfix_vfs::{Compression, Content, Entry, FileData, Kind, Spool, compression};
use imgfix_zip::{Archive, Names, ZipError};

/// The largest zip archive, in bytes: it is held in memory.
const MAX_ZIP: u64 = 1 << 30;

/// What an xz stream begins with.
const XZ: &[u8] = b"\xfd7zXZ\0";

/// Why an archive is not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It cannot be read, or unpacks to more than is allowed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The tar archive is damaged.
    #[error("{0}")]
    Tar(#[from] TarError),
    /// The zip archive is damaged.
    #[error("{0}")]
    Zip(#[from] ZipError),
    /// One of its entries cannot be made.
    #[error("{name:?}: {why}")]
    Entry {
        /// As the archive writes it.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It has more entries than are allowed.
    #[error("it has more than {0} entries")]
    TooMany(usize),
    /// Its entries are held with more memory than there is for them.
    #[error("{0}")]
    Memory(#[from] imgfix_vfs::OverBudget),
    /// There is nothing of what is wanted in it.
    #[error("it has nothing {0}")]
    Nothing(String),
}

/// What an archive has.
#[derive(Debug, Default)]
pub struct Unpacked {
    /// By their paths below the folder, which starts at the root.
    pub entries: BTreeMap<ImagePath, Entry>,
}

impl Unpacked {
    /// Without the first `strip` folders of all names; what has no more of them is left out, as
    /// tar(1) does it.
    fn stripped(name: &[u8], strip: u32) -> Option<ImagePath> {
        let path = ImagePath::new(name).ok()?;
        let rest: Vec<&[u8]> = path.components().skip(usize::try_from(strip).ok()?).collect();
        (!rest.is_empty()).then(|| ImagePath::new(rest.join(&b'/')).ok())?
    }

    fn put(&mut self, name: &[u8], path: ImagePath, entry: Entry) -> Result<(), UnpackError> {
        let fail = |why| entry_error(name, why);
        // folders are written again by many packers
        let is_folder = entry.is_dir();
        match self.entries.insert(path, entry) {
            Some(former) if !(is_folder && former.is_dir()) => Err(fail("it is there twice")),
            _ => Ok(()),
        }
    }

    /// Adds the folders that no entry is for, and checks that everything lies in folders.
    fn complete(mut self, mtime: i64) -> Result<Self, UnpackError> {
        let paths: Vec<ImagePath> = self.entries.keys().cloned().collect();
        for path in paths {
            for above in path.ancestors().into_iter().filter(|above| !above.is_root()) {
                let there = self.entries.entry(above);
                let folder = there.or_insert_with(|| Entry::directory(0o755, mtime));
                if !folder.is_dir() {
                    return Err(entry_error(path.as_bytes(), "it lies below what is no folder"));
                }
            }
        }
        Ok(self)
    }
}

fn entry_error(name: &[u8], why: &'static str) -> UnpackError {
    UnpackError::Entry { name: String::from_utf8_lossy(name).chars().take(200).collect(), why }
}

/// Everything in the archive, without the first `strip` folders of its names.
///
/// # Errors
/// It is damaged, beyond `limits`, or an entry cannot be made below a folder.
pub fn unpack(
    file: File,
    strip: u32,
    spool: &Spool,
    limits: &Limits,
) -> Result<Unpacked, UnpackError> {
    let select = |name: &[u8]| match ImagePath::new(name) {
        Ok(_) => Ok(Unpacked::stripped(name, strip)),
        Err(_) => Err(entry_error(name, "its name leads out of the folder")),
    };
    let (unpacked, newest) = read(file, &select, spool, limits)?;
    if unpacked.entries.is_empty() {
        return Err(UnpackError::Nothing(format!("below {strip} folders")));
    }
    unpacked.complete(newest)
}

/// The one file of the archive with this name.
///
/// # Errors
/// As for [`unpack`]; there is no such file.
pub fn member(
    file: File,
    wanted: &str,
    spool: &Spool,
    limits: &Limits,
) -> Result<Entry, UnpackError> {
    let wanted_path = ImagePath::new(wanted).ok();
    let select = |name: &[u8]| {
        let path = ImagePath::new(name).ok();
        Ok(path.filter(|path| Some(path) == wanted_path.as_ref()))
    };
    let (unpacked, _) = read(file, &select, spool, limits)?;
    let found = unpacked.entries.into_values().find(Entry::is_file);
    found.ok_or_else(|| UnpackError::Nothing(format!("that is named {wanted:?} and is a file")))
}

/// Where an entry goes; `None`: nowhere.
type Select<'a> = &'a dyn Fn(&[u8]) -> Result<Option<ImagePath>, UnpackError>;

/// What is selected, and the newest time of it.
fn read(
    mut file: File,
    select: Select<'_>,
    spool: &Spool,
    limits: &Limits,
) -> Result<(Unpacked, i64), UnpackError> {
    let mut start = [0; 16];
    let length = file.read(&mut start)?;
    file.rewind()?;
    let start = start.get(..length).unwrap_or_default();
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        return read_zip(file, select, limits);
    }
    let xz = start.starts_with(XZ);
    let source = BufReader::with_capacity(1 << 16, file);
    let plain: Box<dyn Read> = match Compression::of(start) {
        Compression::Gzip => Box::new(MultiGzDecoder::new(source)),
        Compression::Zstd => Box::new(compression::zstd(source)?),
        Compression::None if xz => Box::new(compression::xz(source)?),
        Compression::None => Box::new(source),
    };
    let plain = Bounded::new(plain, limits.payload_bytes);
    read_tar(BufReader::with_capacity(1 << 16, plain), select, spool, limits)
}

fn read_tar(
    plain: impl io::BufRead,
    select: Select<'_>,
    spool: &Spool,
    limits: &Limits,
) -> Result<(Unpacked, i64), UnpackError> {
    let mut archive = TarReader::new(plain);
    let (mut unpacked, mut newest, mut count) = (Unpacked::default(), 0, 0);
    let mut held = limits.memory.share();
    while let Some(member) = archive.next_member()? {
        count += 1;
        if count > limits.entries {
            return Err(UnpackError::TooMany(limits.entries));
        }
        let Some(path) = select(&member.name)? else { continue };
        limits.count_entry(&mut held, member.name.len())?;
        newest = newest.max(member.mtime);
        let Member { name, kind, size, mode, mtime, .. } = member;
        let entry = |kind| Entry {
            kind,
            mode: mode & 0o777,
            uid: 0,
            gid: 0,
            mtime,
            xattrs: imgfix_vfs::Xattrs::new(),
        };
        let made = match kind {
            MemberKind::Directory => entry(Kind::Directory),
            MemberKind::Symlink(target) => Entry { mode: 0o777, ..entry(Kind::Symlink(target)) },
            MemberKind::File => {
                let content = Content::Spool(spool.store(&mut archive, size)?);
                entry(Kind::File(FileData { size, content, link: None }))
            }
            // another name of what is there: a file of its own, which has the same content
            MemberKind::HardLink(target) => {
                let former = select(&target)?.and_then(|path| unpacked.entries.get(&path));
                let former = former.filter(|former| former.is_file()).cloned();
                former.ok_or_else(|| entry_error(&name, "it links to what is no file before it"))?
            }
            _ => return Err(entry_error(&name, "it is neither file, folder nor link")),
        };
        unpacked.put(&name, path, made)?;
    }
    Ok((unpacked, newest))
}

fn read_zip(
    file: File,
    select: Select<'_>,
    limits: &Limits,
) -> Result<(Unpacked, i64), UnpackError> {
    let size = file.metadata()?.len();
    if size > MAX_ZIP {
        return Err(UnpackError::Io(io::Error::other(format!(
            "a zip archive of more than {MAX_ZIP} bytes"
        ))));
    }
    let mut bytes = Vec::new();
    file.take(MAX_ZIP).read_to_end(&mut bytes)?;
    let bytes = limits.memory.hold(bytes)?;
    let archive = Archive::read(bytes, imgfix_zip::Limits::PACKAGE, Names::Unpacked)?;
    let mut unpacked = Unpacked::default();
    let mut held = limits.memory.share();
    for one in archive.entries() {
        let name = one.name().as_bytes();
        let Some(path) = select(one.path().as_bytes())? else { continue };
        limits.count_entry(&mut held, name.len())?;
        let entry = if one.is_folder() {
            Entry::directory(one.unix_mode().map_or(0o755, |mode| mode & 0o777), 0)
        } else {
            let mode = one.unix_mode().map_or(0o644, |mode| mode & 0o777);
            let content = limits.memory.hold(archive.content(one)?)?;
            Entry::file(content, mode, 0)
        };
        unpacked.put(name, path, entry)?;
    }
    Ok((unpacked, 0))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;
    use proptest::prelude::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    /// `NAME`, `NAME=CONTENT`, `NAME>LINK`, `NAME+HARD LINK`; folders end with a slash.
    fn tar(members: &[&str]) -> Vec<u8> {
        let mut out = tar::Builder::new(Vec::new());
        for member in members {
            let mut header = tar::Header::new_gnu();
            header.set_mtime(7);
            header.set_mode(0o4755);
            let (name, kind, text) = if let Some((name, text)) = member.split_once('=') {
                (name, tar::EntryType::Regular, text)
            } else if let Some((name, text)) = member.split_once('>') {
                (name, tar::EntryType::Symlink, text)
            } else if let Some((name, text)) = member.split_once('+') {
                (name, tar::EntryType::Link, text)
            } else {
                (*member, tar::EntryType::Directory, "")
            };
            header.set_entry_type(kind);
            let stored = header.as_old_mut();
            stored.name[..name.len()].copy_from_slice(name.as_bytes());
            let mut content: &[u8] = &[];
            match kind {
                tar::EntryType::Regular => content = text.as_bytes(),
                _ => stored.linkname[..text.len()].copy_from_slice(text.as_bytes()),
            }
            header.set_size(content.len() as u64);
            header.set_cksum();
            out.append(&header, content).unwrap();
        }
        out.into_inner().unwrap()
    }

    fn shown(result: Result<Unpacked, UnpackError>) -> String {
        match result {
            Err(error) => error.to_string(),
            Ok(unpacked) => {
                let line = |(path, entry): (&ImagePath, &Entry)| {
                    let kind = match &entry.kind {
                        Kind::Directory => "/".to_owned(),
                        Kind::Symlink(target) => format!(">{}", String::from_utf8_lossy(target)),
                        Kind::File(data) => format!("={}", data.size),
                        _ => "?".to_owned(),
                    };
                    format!("{path}{kind} {:o} {}", entry.mode, entry.mtime)
                };
                unpacked.entries.iter().map(line).collect::<Vec<_>>().join("\n")
            }
        }
    }

    fn unpacked(bytes: &[u8], strip: u32) -> String {
        let (spool, limits) = (Spool::new().unwrap(), Limits { entries: 8, ..Limits::default() });
        shown(unpack(file(bytes), strip, &spool, &limits))
    }

    #[test]
    fn folders_are_stripped_and_completed() {
        let plain =
            tar(&["jdk/", "jdk/bin/java=12", "./jdk/lib>bin", "jdk/bin/j+jdk/bin/java", "x"]);
        let want = "/bin/ 755 7\n/bin/j=2 755 7\n/bin/java=2 755 7\n/lib>bin 777 7";
        assert_eq!(unpacked(&plain, 1), want);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        assert_eq!(unpacked(&gzip.finish().unwrap(), 1), want);
        assert_eq!(unpacked(&zstd::encode_all(&plain[..], 1).unwrap(), 1), want);
        assert_eq!(unpacked(&plain, 3), "it has nothing below 3 folders");
    }

    #[test]
    fn nothing_leaves_the_folder() {
        for (members, want) in [
            (&["../x=1"][..], "\"../x\": its name leads out of the folder"),
            (&["a/../../x=1"], "\"a/../../x\": its name leads out of the folder"),
            (&["/etc/x=1"], "/etc/ 755 7\n/etc/x=1 755 7"),
            (&["a>/etc", "a/passwd=1"], "\"/a/passwd\": it lies below what is no folder"),
            (&["a/b=1", "a>/etc"], "\"/a/b\": it lies below what is no folder"),
            (&["a=1", "a=2"], "\"a\": it is there twice"),
            (&["a/", "a/", "a/b=1"], "/a/ 755 7\n/a/b=1 755 7"),
            (&["a+../../etc/passwd"], "\"../../etc/passwd\": its name leads out of the folder"),
            (&["a+b", "b=1"], "\"a\": it links to what is no file before it"),
            (&["1=", "2=", "3=", "4=", "5=", "6=", "7=", "8=", "9="], "it has more than 8 entries"),
        ] {
            assert_eq!(unpacked(&tar(members), 0), want, "{members:?}");
        }
    }

    #[test]
    fn one_member_is_found_by_its_name() {
        let bytes = tar(&["k/bin/kubectl=123", "k/bin/"]);
        let (spool, limits) = (Spool::new().unwrap(), Limits::default());
        for (name, want) in [
            ("k/bin/kubectl", Ok(3)),
            ("./k/bin/kubectl", Ok(3)),
            ("k/bin", Err("it has nothing that is named \"k/bin\" and is a file")),
            ("kubectl", Err("it has nothing that is named \"kubectl\" and is a file")),
        ] {
            let found = member(file(&bytes), name, &spool, &limits);
            let found = found.map(|entry| entry.size()).map_err(|error| error.to_string());
            assert_eq!(found, want.map_err(str::to_owned), "{name}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = unpacked(&bytes, 0);
        }
    }
}
