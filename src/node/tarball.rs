//! An archive of the npm registry: gzip around tar, with the package below one folder.
//!
//! In come bytes whose hash was checked; out come the files as npm unpacks them. The first part
//! of each path goes, whatever it is called (`package/`, `ejs-v3.1.10/`). Links, devices and
//! folders of their own are passed over, as npm does. A `.gitignore` becomes `.npmignore` where
//! there is none before it. What leads out of the folder, is there twice, or is a file where
//! another needs a folder, is an error of the whole archive.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use imgfix_model::path::ImagePath;
use imgfix_repair::archive::{Bounded, Limits};
use imgfix_repair::library_records::MAX_RECORD;
use imgfix_vfs::tar_reader::{MemberKind, Rules, TarError, TarReader};
use imgfix_vfs::{Content, OverBudget, Reserved, Spool};
use serde_json::Value;

/// The largest extension header that npm reads (`maxMetaEntrySize` of node-tar).
const MAX_EXTENSION: u64 = 1 << 20;

/// How many files an archive may have; those of icons have ten thousands.
const MAX_FILES: usize = 200_000;

/// Files of at most so many bytes are held in memory.
const SMALL: u64 = 4096;

const RULES: Rules = Rules {
    max_extension: MAX_EXTENSION,
    pax: true,
    sparse: false,
    other_types: true,
    unpadded_end: true,
};

/// Why an archive is not used.
#[derive(Debug, thiserror::Error)]
pub enum TarballError {
    /// It is broken, or not as archives of packages are. Half a sentence.
    #[error("{0}")]
    Invalid(String),
    /// It unpacks to more than may be held.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The temporary file of this machine fails.
    #[error("cannot write temporary files: {0}; free space or set TMPDIR")]
    Spool(std::io::Error),
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its bytes.
    pub content: Content,
    /// How many.
    pub size: u64,
    /// As npm sets them: 0644, with what the archive has of execution.
    pub mode: u32,
    /// As the archive has it.
    pub mtime: i64,
}

/// What a package brings.
#[derive(Debug)]
pub struct Tarball {
    /// By their paths below the package's folder, sorted.
    pub files: BTreeMap<Vec<u8>, File>,
    /// Its `package.json`.
    pub document: Value,
    /// What is held of the budget while it is.
    pub held: Reserved,
}

/// Reads an archive.
///
/// # Errors
/// As [`TarballError`] says.
pub fn read(archive: impl Read, spool: &Spool, limits: &Limits) -> Result<Tarball, TarballError> {
    let mut source = BufReader::new(archive);
    let start = source.fill_buf().map_err(|error| TarballError::Invalid(error.to_string()))?;
    if !start.starts_with(&[0x1f, 0x8b]) {
        return Err(TarballError::Invalid("it is not compressed with gzip".to_owned()));
    }
    let plain = Bounded::new(MultiGzDecoder::new(source), limits.payload_bytes);
    let mut reader = TarReader::with_rules(BufReader::new(plain), RULES);
    let mut held = limits.memory.share();
    let mut files = BTreeMap::new();
    while let Some(member) = reader.next_member().map_err(invalid)? {
        if member.kind != MemberKind::File {
            continue;
        }
        let Some(name) = below(&member.name)? else { continue };
        let Some(name) = ignore_file(name, &files) else { continue };
        if files.len() >= MAX_FILES {
            return Err(TarballError::Invalid(format!("it has more than {MAX_FILES} files")));
        }
        limits.count_entry(&mut held, name.len())?;
        let content = content(&mut reader, member.size, spool, &mut held)?;
        let mode = (member.mode | 0o644) & 0o755;
        let file = File { content, size: member.size, mode, mtime: member.mtime };
        if files.insert(name.clone(), file).is_some() {
            let name = String::from_utf8_lossy(&name);
            return Err(TarballError::Invalid(format!("it has the file {name} twice")));
        }
    }
    check_folders(&files)?;
    let document = document(&files)?;
    Ok(Tarball { files, document, held })
}

fn invalid(error: TarError) -> TarballError {
    TarballError::Invalid(error.to_string())
}

/// A member's path below the package's folder; `None`: it is not in it.
fn below(name: &[u8]) -> Result<Option<Vec<u8>>, TarballError> {
    let refused = |why: &str| {
        let name = String::from_utf8_lossy(name);
        Err(TarballError::Invalid(format!("its file {name:?} {why}")))
    };
    if name.starts_with(b"/") {
        return refused("has an absolute path");
    }
    let parts: Vec<&[u8]> =
        name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&&b".."[..]) {
        return refused("leads out of its folder");
    }
    let Some((_, rest)) = parts.split_first() else { return Ok(None) };
    if rest.is_empty() {
        return Ok(None);
    }
    let path = rest.join(&b'/');
    if ImagePath::root().join(&path).is_err() {
        return refused("has a name that no file can have");
    }
    Ok(Some(path))
}

/// npm's treatment of `.gitignore`: another name, or nothing where there is an `.npmignore`.
fn ignore_file(name: Vec<u8>, files: &BTreeMap<Vec<u8>, File>) -> Option<Vec<u8>> {
    let folder = match name.strip_suffix(b".gitignore") {
        Some(folder) if folder.is_empty() || folder.ends_with(b"/") => folder,
        _ => return Some(name),
    };
    let other = [folder, b".npmignore"].concat();
    (!files.contains_key(&other)).then_some(other)
}

fn content<R: BufRead>(
    reader: &mut TarReader<R>,
    size: u64,
    spool: &Spool,
    held: &mut Reserved,
) -> Result<Content, TarballError> {
    if size > SMALL {
        return match spool.store(reader, size) {
            Ok(file) => Ok(Content::Spool(file)),
            // what the archive itself does wrong is said by the decoder, with no number
            Err(error) if error.raw_os_error().is_some() => Err(TarballError::Spool(error)),
            Err(error) if error.kind() == std::io::ErrorKind::QuotaExceeded => {
                Err(TarballError::Spool(error))
            }
            Err(error) => Err(TarballError::Invalid(error.to_string())),
        };
    }
    held.grow(size)?;
    let mut bytes = Vec::new();
    reader.take(size).read_to_end(&mut bytes).map_err(|error| invalid(error.into()))?;
    if bytes.len() as u64 != size {
        return Err(TarballError::Invalid("it ends within a file".to_owned()));
    }
    Ok(Content::Inline(bytes.into()))
}

/// A file cannot be where another needs a folder.
fn check_folders(files: &BTreeMap<Vec<u8>, File>) -> Result<(), TarballError> {
    for name in files.keys() {
        let mut at = 0;
        while let Some(slash) = name[at..].iter().position(|byte| *byte == b'/') {
            at += slash;
            if files.contains_key(&name[..at]) {
                let name = String::from_utf8_lossy(&name[..at]);
                return Err(TarballError::Invalid(format!("its {name} is a file and a folder")));
            }
            at += 1;
        }
    }
    Ok(())
}

/// What the package says of itself.
fn document(files: &BTreeMap<Vec<u8>, File>) -> Result<Value, TarballError> {
    let fail =
        |why: String| TarballError::Invalid(format!("its package.json cannot be used: {why}"));
    let file = files.get(&b"package.json"[..]).ok_or_else(|| fail("there is none".to_owned()))?;
    if file.size > MAX_RECORD {
        return Err(fail(format!("it has {} bytes, more than {MAX_RECORD}", file.size)));
    }
    let bytes = match &file.content {
        Content::Inline(bytes) => bytes.to_vec(),
        Content::Spool(stored) => {
            let mut bytes = Vec::new();
            stored.reader().read_to_end(&mut bytes).map_err(TarballError::Spool)?;
            bytes
        }
        Content::Layer { .. } => return Err(fail("it is nowhere".to_owned())),
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let document: Value = imgfix_json::read(bytes).map_err(|error| fail(error.to_string()))?;
    if !document.is_object() {
        return Err(fail("it is no object".to_owned()));
    }
    Ok(document)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use super::*;
    use imgfix_vfs::Memory;
    use proptest::prelude::*;

    pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        out.write_all(plain).unwrap();
        out.finish().unwrap()
    }

    /// A header and its content, of whatever name and type.
    pub(crate) fn member(name: &str, kind: u8, mode: u32, content: &[u8]) -> Vec<u8> {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(format!("{mode:07o}").as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[136..147].copy_from_slice(b"03560116604");
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let mut out = header.to_vec();
        out.extend(content);
        out.resize(out.len().next_multiple_of(512), 0);
        out
    }

    pub(crate) fn tarball(members: &[Vec<u8>]) -> Vec<u8> {
        let mut plain = members.concat();
        plain.extend([0; 1024]);
        gzip(&plain)
    }

    const RECORD: &[u8] = br#"{"name": "a", "version": "1.0.0"}"#;

    fn record() -> Vec<u8> {
        member("x/package.json", b'0', 0o644, RECORD)
    }

    fn read_all(bytes: &[u8]) -> Result<Tarball, TarballError> {
        let limits = Limits::for_archive(bytes.len() as u64, &Memory::default());
        read(bytes, &Spool::new().unwrap(), &limits)
    }

    #[test]
    fn files_are_what_npm_unpacks() {
        let big = vec![b'x'; 10_000];
        let archive = tarball(&[
            member("x/", b'5', 0o700, b""),
            record(),
            member("x/bin/cli.js", b'0', 0o711, b"#!"),
            member("./y//lib/./big", b'0', 0o600, &big),
            member("x/empty/", b'5', 0o755, b""),
            member("x/link", b'2', 0o777, b""),
            member("x/hard", b'1', 0o644, b""),
            member("x/.gitignore", b'0', 0o4666, b"a"),
            member("x/lib/.npmignore", b'0', 0o644, b"b"),
            member("x/lib/.gitignore", b'0', 0o644, b"c"),
            member("alone", b'0', 0o644, b"d"),
        ]);
        let found = read_all(&archive).unwrap();
        let shown: Vec<String> = found
            .files
            .iter()
            .map(|(name, file)| {
                format!("{} {:o} {}", String::from_utf8_lossy(name), file.mode, file.size)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ".npmignore 644 1",
                "bin/cli.js 755 2",
                "lib/.npmignore 644 1",
                "lib/big 644 10000",
                "package.json 644 33",
            ]
        );
        assert_eq!(found.document["name"], "a");
        assert!(matches!(found.files[&b"lib/big"[..]].content, Content::Spool(_)));
    }

    #[test]
    fn hostile_archives_get_one_error() {
        let whole = tarball(&[record()]);
        for (archive, part) in [
            (b"PK\x03\x04".to_vec(), "not compressed with gzip"),
            (Vec::new(), "not compressed"),
            (whole[..whole.len() / 2].to_vec(), ""),
            (tarball(&[]), "there is none"),
            (tarball(&[record(), member("x/../../etc/passwd", b'0', 0o644, b"x")]), "leads out"),
            (tarball(&[record(), member("/etc/passwd", b'0', 0o644, b"x")]), "absolute"),
            (tarball(&[record(), record()]), "package.json twice"),
            (tarball(&[member("x/package.json/a", b'0', 0o644, b"x"), record()]), "and a folder"),
            (tarball(&[member("x/package.json", b'0', 0o644, b"[]")]), "no object"),
            (tarball(&[member("x/package.json", b'0', 0o644, b"{\"a\":1,\"a\":2}")]), "twice"),
            (gzip(&[b'x'; 2000]), "checksum"),
        ] {
            let error = read_all(&archive).unwrap_err().to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
        let bomb = tarball(&[record(), member("x/zeros", b'0', 0o644, &vec![0; 1 << 20])]);
        let mut limits = Limits::for_archive(bomb.len() as u64, &Memory::default());
        limits.payload_bytes = 1 << 19;
        let error = read(&bomb[..], &Spool::new().unwrap(), &limits).unwrap_err().to_string();
        assert!(error.contains("more than is allowed"), "{error}");
    }

    proptest! {
        #[test]
        fn arbitrary_members_never_panic(plain in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = read_all(&gzip(&plain));
            let _ = read_all(&plain);
        }
    }
}
