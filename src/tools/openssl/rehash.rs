//! `openssl rehash`: links named by the hash of a certificate's name, by which OpenSSL finds
//! it (`openssl-rehash(1)`; OpenSSL's `apps/rehash.c`).

use super::name::{self, Identity};
use super::pem::{self, Content, Object};
use imgfix_shell::{Errno, Process, Status, Stop};

/// How many files of one hash get links.
const MAX_COLLISIONS: usize = 256;

/// The table that OpenSSL keeps hashes in; its order is that of the messages.
const BUCKETS: u32 = 257;

/// The folder when none is named.
const DEFAULT_FOLDER: &[u8] = b"/usr/lib/ssl/certs";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Certificate,
    RevocationList,
}

impl Kind {
    fn suffix(self) -> &'static str {
        match self {
            Self::Certificate => "",
            Self::RevocationList => "r",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::RevocationList => "CRL",
        }
    }
}

/// Files and links of one hash.
struct Bucket {
    kind: Kind,
    hash: u32,
    entries: Vec<HashedFile>,
    /// How many of them need a link.
    needed: usize,
    /// Whether a file was passed over because another one is the same.
    duplicate: bool,
}

impl Bucket {
    /// Several files want new links, or one is the same as another.
    fn depends_on_order(&self) -> bool {
        let is_new = |entry: &&HashedFile| entry.fingerprint.is_some() && entry.old.is_none();
        self.duplicate || self.entries.iter().filter(is_new).count() > 1
    }
}

/// A file, or what a link with such a name leads to.
struct HashedFile {
    file: Vec<u8>,
    /// The smallest number of a link to it.
    old: Option<u16>,
    /// Of a file that is there; `None` for what only a link names.
    fingerprint: Option<[u8; 20]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Manner {
    verbose: bool,
    removes: bool,
    order: Order,
}

/// In which order files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Names,
    /// Of the disk: what depends on it is a stop.
    Unknown,
}

/// `c_rehash` of Alpine's ca-certificates, in C, of which OpenSSL's was made: it takes files in
/// the order of the disk.
///
/// # Errors
/// A certificate that is not in DER; links that depend on the order.
pub fn in_any_order(process: &mut Process<'_>, folders: &[Vec<u8>]) -> Status {
    let manner = Manner { verbose: false, removes: true, order: Order::Unknown };
    for folder in folders {
        rehash(process, folder, manner)?;
    }
    // Files that cannot be read are told, and no failure.
    Ok(0)
}

/// Makes the links of the named folders anew.
///
/// # Errors
/// Options that are not evaluated; a certificate that is not in DER.
pub fn run(process: &mut Process<'_>, arguments: &[Vec<u8>]) -> Status {
    let mut manner = Manner { verbose: false, removes: true, order: Order::Names };
    let mut rest = arguments.iter();
    let mut folders: Vec<Vec<u8>> = Vec::new();
    for word in rest.by_ref() {
        match &word[..] {
            b"-v" => manner.verbose = true,
            b"-n" => manner.removes = false,
            option if option.starts_with(b"-") && option.len() > 1 => {
                return Err(process.unsupported([b"rehash ", option].concat()));
            }
            folder => {
                folders.push(folder.to_vec());
                break;
            }
        }
    }
    folders.extend(rest.cloned());
    if folders.is_empty() {
        let named = process.variable("SSL_CERT_DIR").unwrap_or(DEFAULT_FOLDER);
        let named = named.split(|&b| b == b':').filter(|folder| !folder.is_empty());
        folders = named.map(<[u8]>::to_vec).collect();
    }
    let mut errors = 0;
    for folder in folders {
        errors += rehash(process, &folder, manner)?;
    }
    Ok(u8::try_from(errors & 0xff).unwrap_or(1))
}

/// One folder; how many errors there were.
fn rehash(process: &mut Process<'_>, folder: &[u8], manner: Manner) -> Result<usize, Stop> {
    let directory = process.call.directory.clone();
    let Ok(names) = process.machine.read_dir(&directory, folder)? else {
        say(process, &[b"Skipping ", folder, b", can't write"])?;
        return Ok(1);
    };
    if manner.verbose {
        process.print([b"Doing ", folder, b"\n"].concat())?;
    }
    let mut errors = 0;
    let mut buckets: Vec<Bucket> = Vec::new();
    for name in names {
        process.machine.spend(1)?;
        let path = join(folder, &name);
        let Ok(entry) = process.machine.lstat(&directory, &path)? else { continue };
        let link = match entry.kind {
            imgfix_vfs::Kind::Symlink(target) => hash_of_link(&name).zip(Some(target)),
            _ => None,
        };
        errors += match link {
            Some(((kind, hash, number), target)) => {
                add(process, &mut buckets, kind, hash, &target, Found::Link(number))?
            }
            None => look_at(process, &mut buckets, &name, &path)?,
        };
    }
    if manner.order == Order::Unknown && buckets.iter().any(Bucket::depends_on_order) {
        return Err(Stop::new("which certificate gets which link depends on the disk"));
    }
    // The order of OpenSSL's table, each place of it the newest bucket first.
    buckets.reverse();
    let place = |bucket: &Bucket| {
        bucket.hash.wrapping_add(u32::from(bucket.kind == Kind::RevocationList)) % BUCKETS
    };
    buckets.sort_by_key(place);
    for bucket in buckets {
        errors += link(process, folder, bucket, manner)?;
    }
    Ok(errors)
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let separator: &[u8] = if folder.ends_with(b"/") || folder.is_empty() { b"" } else { b"/" };
    [folder, separator, name].concat()
}

/// Writes a line to standard error.
fn say(process: &mut Process<'_>, parts: &[&[u8]]) -> Result<(), Stop> {
    process.complain(parts.concat())
}

/// The hash and number that a link is named by: `HASH.N`, `HASH.rN`.
fn hash_of_link(name: &[u8]) -> Option<(Kind, u32, u16)> {
    let (digits, rest) = name.split_at_checked(8)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let hash = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let rest = rest.strip_prefix(b".")?;
    let (kind, number) = match rest.strip_prefix(b"r").or_else(|| rest.strip_prefix(b"R")) {
        Some(number) => (Kind::RevocationList, number),
        None => (Kind::Certificate, rest),
    };
    if !number.iter().all(u8::is_ascii_digit) || number.len() > 9 {
        return None;
    }
    let number: u32 = std::str::from_utf8(number).ok()?.parse().unwrap_or(0);
    Some((kind, hash, u16::try_from(number & 0xffff).unwrap_or(0)))
}

/// Reads a file whose name says that it may be a certificate.
fn look_at(
    process: &mut Process<'_>,
    buckets: &mut Vec<Bucket>,
    name: &[u8],
    path: &[u8],
) -> Result<usize, Stop> {
    let Some(dot) = name.iter().rposition(|&b| b == b'.') else { return Ok(0) };
    let extension = name.get(dot + 1..).unwrap_or_default().to_ascii_lowercase();
    if ![&b"pem"[..], b"crt", b"cer", b"crl"].contains(&&extension[..]) {
        return Ok(0);
    }
    let directory = process.call.directory.clone();
    let text = match process.machine.read_file(&directory, path)? {
        Ok(text) => text,
        Err(Errno::IsADirectory) => return Ok(0),
        Err(_) => {
            say(process, &[b"error: skipping ", name, b", cannot open file"])?;
            return Ok(1);
        }
    };
    process.machine.spend(text.len() as u64 / 4096)?;
    let not_der = |_| Stop::new(format!("{} is not in DER", String::from_utf8_lossy(path)));
    let (kind, Identity { hash, fingerprint }) = match pem::read(&text) {
        Content::One(Object::Certificate(der)) => {
            (Kind::Certificate, name::of_certificate(&der).map_err(not_der)?)
        }
        Content::One(Object::RevocationList(der)) => {
            (Kind::RevocationList, name::of_revocation_list(&der).map_err(not_der)?)
        }
        Content::NotOne => {
            let why = b",it does not contain exactly one certificate or CRL";
            say(process, &[b"warning: skipping ", name, why])?;
            return Ok(0);
        }
        Content::Damaged => return Ok(0),
    };
    add(process, buckets, kind, hash, name, Found::File(fingerprint))
}

/// What names a file.
enum Found {
    Link(u16),
    File([u8; 20]),
}

fn add(
    process: &mut Process<'_>,
    buckets: &mut Vec<Bucket>,
    kind: Kind,
    hash: u32,
    file: &[u8],
    found: Found,
) -> Result<usize, Stop> {
    let at = buckets.iter().position(|bucket| (bucket.kind, bucket.hash) == (kind, hash));
    let at = at.unwrap_or_else(|| {
        buckets.push(Bucket { kind, hash, entries: Vec::new(), needed: 0, duplicate: false });
        buckets.len() - 1
    });
    let Some(bucket) = buckets.get_mut(at) else { return Ok(0) };
    if let Found::File(fingerprint) = found {
        let is_there = |entry: &HashedFile| entry.fingerprint == Some(fingerprint);
        if bucket.entries.iter().any(is_there) {
            bucket.duplicate = true;
            let kind = kind.text().as_bytes();
            say(process, &[b"warning: skipping duplicate ", kind, b" in ", file])?;
            return Ok(0);
        }
    }
    let at = match bucket.entries.iter().position(|entry| entry.file == file) {
        Some(at) => at,
        None if bucket.needed >= MAX_COLLISIONS => {
            say(process, &[b"error: hash table overflow for ", file])?;
            return Ok(1);
        }
        None => {
            bucket.entries.push(HashedFile { file: file.to_vec(), old: None, fingerprint: None });
            bucket.entries.len() - 1
        }
    };
    let Some(entry) = bucket.entries.get_mut(at) else { return Ok(0) };
    match found {
        Found::Link(number) => entry.old = Some(entry.old.map_or(number, |old| old.min(number))),
        Found::File(fingerprint) if entry.fingerprint.is_none() => {
            entry.fingerprint = Some(fingerprint);
            bucket.needed += 1;
        }
        Found::File(_) => {}
    }
    Ok(0)
}

/// Makes and removes the links of one hash. A link with a number that will be used stays,
/// whatever it leads to.
fn link(
    process: &mut Process<'_>,
    folder: &[u8],
    bucket: Bucket,
    manner: Manner,
) -> Result<usize, Stop> {
    let directory = process.call.directory.clone();
    let Bucket { kind, hash, entries, needed, .. } = bucket;
    let named = |number: usize| format!("{hash:08x}.{}{number}", kind.suffix()).into_bytes();
    let stays = |entry: &HashedFile| entry.old.map(usize::from).filter(|old| *old < needed);
    let mut used: Vec<usize> = entries.iter().filter_map(stays).collect();
    let mut errors = 0;
    let mut next = 0;
    for entry in &entries {
        if let Some(old) = stays(entry) {
            if manner.verbose {
                process.print([b"link ", &entry.file[..], b" -> ", &named(old), b"\n"].concat())?;
            }
            continue;
        }
        if entry.fingerprint.is_some() {
            while used.contains(&next) {
                next += 1;
            }
            used.push(next);
            let name = named(next);
            if manner.verbose {
                process.print([b"link ", &entry.file[..], b" -> ", &name, b"\n"].concat())?;
            }
            let path = join(folder, &name);
            errors += unlink(process, &path)?;
            if let Err(errno) = process.machine.make_symlink(&directory, &path, &entry.file)? {
                let why = errno.to_string();
                say(process, &[b"Can't symlink ", &entry.file, b", ", why.as_bytes()])?;
                errors += 1;
            }
        } else if manner.removes {
            let name = named(entry.old.map_or(usize::from(u16::MAX), usize::from));
            if manner.verbose {
                process.print([b"unlink ", &name[..], b"\n"].concat())?;
            }
            errors += unlink(process, &join(folder, &name))?;
        }
    }
    Ok(errors)
}

fn unlink(process: &mut Process<'_>, path: &[u8]) -> Result<usize, Stop> {
    let directory = process.call.directory.clone();
    match process.machine.unlink(&directory, path)? {
        Ok(()) | Err(Errno::NotFound) => Ok(0),
        Err(errno) => {
            say(process, &[b"Can't unlink ", path, b", ", errno.to_string().as_bytes()])?;
            Ok(1)
        }
    }
}
