//! One header block of a tar archive, as it is read: fields, numbers in both notations, the
//! checksum, the name in its two parts.
//!
//! In come 512 bytes; out comes what their fields say ([`super::tar_format`]).

use super::tar_format::{
    BLOCK, CHECKSUM, Field, MAGIC, NAME, PREFIX, STAR_PREFIX, STAR_TRAILER, TYPE,
};

/// One header block.
#[derive(Clone)]
pub(super) struct Header(pub(super) [u8; BLOCK]);

impl Header {
    pub(super) fn field(&self, (at, len): Field) -> &[u8] {
        self.0.get(at..at + len).unwrap_or_default()
    }

    pub(super) fn number(&self, field: Field) -> Option<i64> {
        number(self.field(field))
    }

    pub(super) fn type_flag(&self) -> u8 {
        self.field(TYPE).first().copied().unwrap_or_default()
    }

    pub(super) fn is_gnu(&self) -> bool {
        self.field(MAGIC) == b"ustar  \0"
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.iter().all(|&byte| byte == 0)
    }

    /// The sum of all bytes with the checksum field taken as spaces; some old archivers
    /// summed signed bytes.
    pub(super) fn checksum_matches(&self) -> bool {
        let (at, len) = CHECKSUM;
        let bytes = self.0.iter().enumerate();
        let bytes = bytes.map(|(i, &b)| if (at..at + len).contains(&i) { b' ' } else { b });
        let (mut unsigned, mut signed) = (0i64, 0i64);
        for byte in bytes {
            unsigned += i64::from(byte);
            signed += i64::from(byte.cast_signed());
        }
        self.number(CHECKSUM).is_some_and(|sum| sum == unsigned || sum == signed)
    }

    /// The name, with the prefix that POSIX added for long ones.
    pub(super) fn name(&self) -> Vec<u8> {
        let prefix = if !self.field(MAGIC).starts_with(b"ustar\0") {
            &[][..]
        } else if self.field(STAR_TRAILER) == b"tar\0" {
            until_nul(self.field(STAR_PREFIX))
        } else {
            until_nul(self.field(PREFIX))
        };
        let name = until_nul(self.field(NAME));
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }
}

/// A numeric field: octal digits among spaces and NULs, or GNU's base-256 when the first bit
/// is set.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 == 0 {
        let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
        let start = field.iter().position(|byte| !is_blank(byte));
        let digits = field.get(start.unwrap_or(field.len())..)?;
        let end = digits.iter().position(is_blank).unwrap_or(digits.len());
        return digits.get(..end)?.iter().try_fold(0i64, |value, &digit| match digit {
            b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
            _ => None,
        });
    }
    // Two's complement in 7 bits and then bytes.
    let top = i128::from(first & 0x7f) - if first & 0x40 == 0 { 0 } else { 0x80 };
    let rest = field.get(1..)?;
    let value = rest.iter().try_fold(top, |value, &byte| {
        value.checked_mul(256).map(|value| value + i128::from(byte))
    })?;
    i64::try_from(value).ok()
}

pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}
