//! The header that rpm puts into its database when it installs a package.
//!
//! In come the two headers of an archive, and what the installation knows; out comes the header
//! byte for byte as rpm writes it: the package's own as it is, and behind it what the signature
//! header had and what happened. So vendors' signatures can be verified from a database. Source:
//! `headerMergeLegacySigs` of rpm `lib/package.cc` and `dbAdd` of `lib/psm.cc`.

use super::{Header, HeaderError, NewHeader, Tag, Type, tag};

/// A release of rpm, as far as headers in its database differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writer {
    /// 4.11 to 4.15: whatever the signature header has of its own range is taken over.
    Rpm4_11,
    /// 4.16 to 4.20: what is in a list is taken over.
    Rpm4_16,
    /// 6: digests of the archive are added.
    Rpm6,
}

/// What an installation adds to a package's header.
#[derive(Debug, Clone)]
pub struct Installation<'a> {
    /// The rpm that the image has.
    pub writer: Writer,
    /// When, in seconds since the epoch.
    pub time: u32,
    /// The transaction's number, of all its packages.
    pub transaction: u32,
    /// The colours of the machine: 3 where 32-bit packages can be beside 64-bit ones, 0 elsewhere.
    pub colour: u32,
    /// What became of each file ([`FileState`]), in the header's order.
    pub states: &'a [u8],
    /// Digests of the whole archive: number of the hash ([RFC 9580]), hexadecimal. Only rpm 6 has
    /// them, SHA-256 and SHA-512.
    ///
    /// [RFC 9580]: https://www.rfc-editor.org/rfc/rfc9580#section-9.5
    pub archive_digests: &'a [(u32, String)],
}

/// What became of a package's file, as `FILESTATES` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FileState {
    /// It is there.
    Normal = 0,
    /// Another package's file is in its place.
    Replaced = 1,
    /// It was left out: documentation, a language.
    NotInstalled = 2,
    /// Its file system is another machine's.
    NetShared = 3,
    /// Another package's file of a preferred colour is in its place.
    WrongColour = 4,
}

impl FileState {
    /// Of a value of `FILESTATES`; what is not known counts as [`FileState::Normal`].
    #[must_use]
    pub fn of(value: u8) -> Self {
        match value {
            1 => Self::Replaced,
            2 => Self::NotInstalled,
            3 => Self::NetShared,
            4 => Self::WrongColour,
            _ => Self::Normal,
        }
    }
}

/// Why an installed header cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstalledError {
    /// What is put together is no header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A value of the signature header is not what it has to be, or the package's header has it.
    #[error("invalid signature tag {tag}: {why}")]
    Signature {
        /// As it would be in the database.
        tag: Tag,
        /// What is wrong.
        why: &'static str,
    },
}

/// A tag of signature headers that goes into the database.
struct Taken {
    /// In the signature header.
    from: Tag,
    /// In the database.
    to: Tag,
    typ: Type,
    /// How many values it has to have; 0: any number.
    count: u32,
    /// It may stand in the package's own header instead.
    either: bool,
    /// Since which rpm.
    since: Writer,
}

const fn taken(from: Tag, to: Tag, typ: Type, count: u32) -> Taken {
    Taken { from, to, typ, count, either: false, since: Writer::Rpm4_11 }
}

/// What is taken from signature headers.
const TAKEN: &[Taken] = &[
    taken(tag::signature::SIZE, tag::SIGSIZE, Type::Int32, 1),
    taken(tag::signature::PGP, tag::SIGPGP, Type::Bin, 0),
    taken(tag::signature::MD5, tag::SIGMD5, Type::Bin, 16),
    taken(tag::signature::GPG, tag::SIGGPG, Type::Bin, 0),
    Taken { either: true, ..taken(tag::signature::PAYLOADSIZE, tag::ARCHIVESIZE, Type::Int32, 1) },
    Taken {
        either: true,
        since: Writer::Rpm4_16,
        ..taken(tag::SIGFILESIGNATURES, tag::FILESIGNATURES, Type::StringArray, 0)
    },
    Taken {
        either: true,
        since: Writer::Rpm4_16,
        ..taken(tag::SIGFILESIGNATURELENGTH, tag::FILESIGNATURELENGTH, Type::Int32, 1)
    },
    Taken {
        since: Writer::Rpm4_16,
        ..taken(tag::VERITYSIGNATURES, tag::VERITYSIGNATURES, Type::StringArray, 0)
    },
    Taken {
        since: Writer::Rpm4_16,
        ..taken(tag::VERITYSIGNATUREALGO, tag::VERITYSIGNATUREALGO, Type::Int32, 1)
    },
    taken(tag::SHA1HEADER, tag::SHA1HEADER, Type::String, 1),
    taken(tag::SHA256HEADER, tag::SHA256HEADER, Type::String, 1),
    Taken {
        since: Writer::Rpm6,
        ..taken(tag::SHA3_256HEADER, tag::SHA3_256HEADER, Type::String, 1)
    },
    taken(tag::DSAHEADER, tag::DSAHEADER, Type::Bin, 0),
    taken(tag::RSAHEADER, tag::RSAHEADER, Type::Bin, 0),
    taken(tag::LONGSIGSIZE, tag::LONGSIGSIZE, Type::Int64, 1),
    taken(tag::LONGARCHIVESIZE, tag::LONGARCHIVESIZE, Type::Int64, 1),
    Taken { since: Writer::Rpm6, ..taken(tag::OPENPGP, tag::OPENPGP, Type::StringArray, 0) },
];

/// The most values of a tag that is taken over, as in rpm.
const MAX_COUNT: u32 = 16 << 20;
/// Of the range of signature tags: the first, and the first behind it.
const SIGNATURE_TAGS: std::ops::Range<u32> = 256..1000;
/// The first tag that means something else in signature headers.
const OTHER_MEANING: u32 = 1000;

/// The header as rpm stores it.
///
/// # Errors
/// The package has no region (rpm 3), or its signature header has what rpm refuses.
pub fn installed(
    signature: &Header,
    package: &Header,
    installation: &Installation<'_>,
) -> Result<Header, InstalledError> {
    let mut new = NewHeader::default();
    take_signatures(&mut new, signature, package, installation.writer)?;
    let Installation { writer, time, transaction, colour, states, archive_digests } = installation;
    new.chars(tag::FILESTATES, states);
    new.number(tag::INSTALLTID, *transaction);
    new.number(tag::INSTALLTIME, *time);
    new.number(tag::INSTALLCOLOR, *colour);
    if *writer >= Writer::Rpm6 && !package.has(tag::PACKAGEDIGESTS) {
        let digests: Vec<&[u8]> = archive_digests.iter().map(|(_, hex)| hex.as_bytes()).collect();
        let hashes: Vec<u32> = archive_digests.iter().map(|(hash, _)| *hash).collect();
        new.strings(tag::PACKAGEDIGESTS, &digests);
        new.numbers(tag::PACKAGEDIGESTALGOS, &hashes);
    }
    Ok(new.behind_region(package)?)
}

fn take_signatures(
    new: &mut NewHeader,
    signature: &Header,
    package: &Header,
    writer: Writer,
) -> Result<(), InstalledError> {
    if writer == Writer::Rpm4_11 {
        // All of the range, under its own number.
        for entry in signature.entries() {
            if SIGNATURE_TAGS.contains(&entry.tag.0) && !package.has(entry.tag) {
                new.copy(signature, entry.tag, entry.tag);
            }
        }
    }
    let is_of_rpm6 = package.number(tag::RPMFORMAT).is_some_and(|format| format >= 6);
    for taken in TAKEN.iter().filter(|taken| taken.since <= writer) {
        let Taken { from, to, typ, count, either, .. } = *taken;
        let fail = |why| InstalledError::Signature { tag: to, why };
        let found = signature.entries().iter().find(|entry| entry.tag == from);
        if package.has(to) {
            match writer {
                Writer::Rpm4_11 => continue,
                _ if either && found.is_none() => continue,
                _ => return Err(fail("the package's own header has it")),
            }
        }
        // What numbers mean twice, packages of rpm 6 do not have.
        if writer == Writer::Rpm6 && is_of_rpm6 && from.0 >= OTHER_MEANING {
            continue;
        }
        let Some(entry) = found else { continue };
        if entry.typ != typ {
            return Err(fail("it is of another type"));
        }
        if entry.count > MAX_COUNT || (count > 0 && entry.count != count) {
            return Err(fail("it has another number of values"));
        }
        new.copy(signature, from, to);
    }
    Ok(())
}
