//! What rpm's indexes have of a header: for each index the keys, and for each key the place in the
//! header's list (`tag2index` in `lib/rpmdb.cc` of rpm's source).
//!
//! In comes a header; out come entries in the order in which rpm adds them. All three formats store
//! the same entries, each in its own way.

use super::rich;
use crate::header::{Header, Value, tag};

/// An index of rpm's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Its name: of a table of SQLite, of a file of Berkeley DB.
    pub name: &'static str,
    /// The number of the tag whose values are its keys: its name in ndb.
    pub tag: tag::Tag,
    /// Whether keys are texts.
    pub(super) text: bool,
    /// Whether a header can have several.
    pub(super) array: bool,
}

const fn index(name: &'static str, tag: tag::Tag, text: bool, array: bool) -> Index {
    Index { name, tag, text, array }
}

/// All indexes, in the order in which rpm fills them.
pub const INDEXES: [Index; 18] = [
    index("Name", tag::NAME, true, false),
    index("Basenames", tag::BASENAMES, true, true),
    index("Group", tag::GROUP, true, false),
    index("Requirename", tag::REQUIRENAME, true, true),
    index("Providename", tag::PROVIDENAME, true, true),
    index("Conflictname", tag::CONFLICTNAME, true, true),
    index("Obsoletename", tag::OBSOLETENAME, true, true),
    index("Triggername", tag::TRIGGERNAME, true, true),
    index("Dirnames", tag::DIRNAMES, true, true),
    index("Installtid", tag::INSTALLTID, false, false),
    index("Sigmd5", tag::SIGMD5, false, false),
    index("Sha1header", tag::SHA1HEADER, true, false),
    index("Filetriggername", tag::FILETRIGGERNAME, true, true),
    index("Transfiletriggername", tag::TRANSFILETRIGGERNAME, true, true),
    index("Recommendname", tag::RECOMMENDNAME, true, true),
    index("Suggestname", tag::SUGGESTNAME, true, true),
    index("Supplementname", tag::SUPPLEMENTNAME, true, true),
    index("Enhancename", tag::ENHANCENAME, true, true),
];

/// `RPMSENSE_*` (`rpmds.h`): what makes a requirement one that is over when the package is
/// installed, and what keeps it beyond that.
const INSTALL_ONLY: u32 = 1 << 9 | 1 << 10 | 1 << 24 | 1 << 26 | 1 << 7 | 1 << 5;
const ERASE: u32 = 1 << 11 | 1 << 12 | 1 << 20 | 1 << 21;
const META: u32 = 1 << 29;

/// One entry of an index, without the package's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key: a text without its end, or a number in the byte order of the database.
    pub key: Vec<u8>,
    /// The place in the header's list; of file triggers, the number of the trigger.
    pub place: u32,
}

impl Index {
    /// The entries that a header has in this index.
    #[must_use]
    pub fn entries(&self, header: &Header, big_endian: bool) -> Vec<Entry> {
        if !self.text {
            return self.single(header, big_endian).into_iter().collect();
        }
        let keys: Vec<&[u8]> = if self.array {
            header.strings(self.tag).collect()
        } else {
            // rpm takes a package without a group for one of this group.
            let unknown = (self.tag == tag::GROUP).then_some(&b"Unknown"[..]);
            header.string(self.tag).or(unknown).into_iter().collect()
        };
        let flags = header.numbers(tag::REQUIREFLAGS);
        let triggers = match self.tag {
            tag::FILETRIGGERNAME => Some(header.numbers(tag::FILETRIGGERINDEX)),
            tag::TRANSFILETRIGGERNAME => Some(header.numbers(tag::TRANSFILETRIGGERINDEX)),
            _ => None,
        };
        let mut seen = std::collections::HashSet::new();
        let mut entries = Vec::with_capacity(keys.len());
        for (at, key) in keys.into_iter().enumerate() {
            let left_out = match self.tag {
                tag::REQUIRENAME => flags.get32(at).is_some_and(is_over),
                tag::TRIGGERNAME => !seen.insert(key),
                _ => false,
            };
            if left_out {
                continue;
            }
            let place = match triggers {
                Some(triggers) => triggers.get32(at).unwrap_or(0),
                None => u32::try_from(at).unwrap_or(u32::MAX),
            };
            entries.push(Entry { key: key.to_vec(), place });
            if key.first() == Some(&b'(') && self.has_rich() {
                let names = rich::names(key).unwrap_or_default().into_iter();
                entries.extend(names.map(|key| Entry { key, place }));
            }
        }
        entries
    }

    /// The entry of an index of numbers or of bytes.
    fn single(&self, header: &Header, big_endian: bool) -> Option<Entry> {
        let key = match header.get(self.tag)? {
            Value::Bin(bytes) => bytes.to_vec(),
            _ => {
                let number = header.number32(self.tag)?;
                if big_endian { number.to_be_bytes().into() } else { number.to_le_bytes().into() }
            }
        };
        Some(Entry { key, place: 0 })
    }

    /// Whether keys can be dependencies made of others.
    fn has_rich(&self) -> bool {
        matches!(
            self.tag,
            tag::REQUIRENAME
                | tag::CONFLICTNAME
                | tag::SUGGESTNAME
                | tag::SUPPLEMENTNAME
                | tag::RECOMMENDNAME
                | tag::ENHANCENAME
        )
    }
}

/// Whether a requirement counts for the installation alone.
fn is_over(flags: u32) -> bool {
    flags & INSTALL_ONLY != 0 && flags & (ERASE | META) == 0
}
