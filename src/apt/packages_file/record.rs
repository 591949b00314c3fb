//! The fields of a stanza that are kept, and [`Record`], one stanza's fields in a block of the
//! compact form.
//!
//! In comes an unpacked block; out come the values of fields as text. A record is, for each
//! field, a tag of one byte, the length of the value as four bytes (little-endian) and the value;
//! a tag of 255 ends it.

use bytes::Bytes;

use super::u32_at;

/// The fields that are kept. The number is the field's tag in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Field {
    Package,
    Version,
    Architecture,
    Source,
    MultiArch,
    Essential,
    Protected,
    Priority,
    PreDepends,
    Depends,
    Provides,
    Conflicts,
    Breaks,
    Replaces,
    Recommends,
    Suggests,
    Enhances,
    Filename,
    Size,
    Sha256,
    Phased,
}

/// The names of fields in `Packages` files, and which field each is.
pub(super) const FIELDS: [(&str, Field); 22] = [
    ("Package", Field::Package),
    ("Version", Field::Version),
    ("Architecture", Field::Architecture),
    ("Source", Field::Source),
    ("Multi-Arch", Field::MultiArch),
    ("Essential", Field::Essential),
    ("Protected", Field::Protected),
    ("Important", Field::Protected),
    ("Priority", Field::Priority),
    ("Pre-Depends", Field::PreDepends),
    ("Depends", Field::Depends),
    ("Provides", Field::Provides),
    ("Conflicts", Field::Conflicts),
    ("Breaks", Field::Breaks),
    ("Replaces", Field::Replaces),
    ("Recommends", Field::Recommends),
    ("Suggests", Field::Suggests),
    ("Enhances", Field::Enhances),
    ("Filename", Field::Filename),
    ("Size", Field::Size),
    ("SHA256", Field::Sha256),
    ("Phased-Update-Percentage", Field::Phased),
];

/// How many fields are kept.
pub(super) const FIELD_COUNT: usize = 21;

/// The fields that name other packages, in the order in which apt reads them.
pub(super) const NAMING: [Field; 9] = [
    Field::PreDepends,
    Field::Depends,
    Field::Conflicts,
    Field::Breaks,
    Field::Recommends,
    Field::Suggests,
    Field::Replaces,
    Field::Enhances,
    Field::Provides,
];

impl Field {
    /// The field of this name, in upper or lower case, if it is one that is kept.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        FIELDS
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))
            .map(|(_, field)| *field)
    }
}

/// One stanza's kept fields.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    fields: [Option<Bytes>; FIELD_COUNT],
}

impl Record {
    /// The record at `offset` of an unpacked block.
    pub(super) fn at(block: &Bytes, offset: usize) -> Option<Self> {
        Self::with_end(block, offset).map(|(record, _)| record)
    }

    /// The record at `offset`, and where the next one begins.
    pub(super) fn with_end(block: &Bytes, offset: usize) -> Option<(Self, usize)> {
        let mut fields: [Option<Bytes>; FIELD_COUNT] = Default::default();
        let mut at = offset;
        loop {
            let tag = usize::from(*block.get(at)?);
            if tag == usize::from(u8::MAX) {
                return Some((Self { fields }, at + 1));
            }
            let len = u32_at(block, at + 1)? as usize;
            let start = at + 5;
            at = start.checked_add(len).filter(|end| *end <= block.len())?;
            *fields.get_mut(tag)? = Some(block.slice(start..at));
        }
    }

    /// The value of a field; `None` when the stanza does not have it.
    pub(crate) fn text(&self, field: Field) -> Option<&str> {
        std::str::from_utf8(self.bytes(field)?).ok()
    }

    /// As [`Record::text`], as bytes: a digest is kept as its 32 bytes.
    pub(crate) fn bytes(&self, field: Field) -> Option<&[u8]> {
        self.fields.get(field as usize)?.as_deref()
    }
}

/// The names in a relation field.
pub(super) fn names_in(field: &str) -> impl Iterator<Item = &str> {
    field.split([',', '|']).map(|relation| {
        let relation = relation.trim_start();
        let end = relation.find([' ', '(', ':', '[', '<', '\n', '\t']).unwrap_or(relation.len());
        relation.get(..end).unwrap_or_default()
    })
}
