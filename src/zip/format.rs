//! The numbers of the format, and fields read out of bytes without going over their end.

use crate::ZipError;

pub(crate) const LOCAL: u32 = 0x0403_4b50;
pub(crate) const CENTRAL: u32 = 0x0201_4b50;
pub(crate) const END: u32 = 0x0605_4b50;
pub(crate) const END_64: u32 = 0x0606_4b50;
pub(crate) const LOCATOR_64: u32 = 0x0706_4b50;
pub(crate) const DESCRIPTOR: u32 = 0x0807_4b50;

pub(crate) const LOCAL_LEN: usize = 30;
pub(crate) const CENTRAL_LEN: usize = 46;
pub(crate) const END_LEN: usize = 22;
pub(crate) const END_64_LEN: usize = 56;
pub(crate) const LOCATOR_64_LEN: usize = 20;

/// The extra field with sizes and offsets of 64 bits.
pub(crate) const EXTRA_64: u16 = 1;

pub(crate) const ENCRYPTED: u16 = 1;
pub(crate) const DESCRIBED_LATER: u16 = 1 << 3;
pub(crate) const STRONGLY_ENCRYPTED: u16 = 1 << 6;
pub(crate) const UTF_8: u16 = 1 << 11;
pub(crate) const HIDDEN: u16 = 1 << 13;

pub(crate) const STORED: u16 = 0;
pub(crate) const DEFLATED: u16 = 8;

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(field.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(field.try_into().ok()?))
}

/// Extra fields one after the other: identifier, where its data begin, data. What is left at the
/// end and too short for a field is skipped: some writers pad.
pub(crate) fn extras(bytes: &[u8]) -> impl Iterator<Item = (u16, usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let id = u16_at(bytes, at)?;
        let len = usize::from(u16_at(bytes, at + 2)?);
        let start = at + 4;
        let data = bytes.get(start..start + len)?;
        at = start + len;
        Some((id, start, data))
    })
}

/// `extra` without the field of 64 bits.
pub(crate) fn without_64(extra: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(extra.len());
    let mut end = 0;
    for (id, start, data) in extras(extra) {
        end = start + data.len();
        if id != EXTRA_64 {
            kept.extend_from_slice(&extra[start - 4..end]);
        }
    }
    kept.extend_from_slice(&extra[end..]);
    kept
}

/// A number as a place in memory.
pub(crate) fn place(number: u64) -> Result<usize, ZipError> {
    usize::try_from(number).map_err(|_| ZipError::Damaged(format!("no byte has number {number}")))
}

pub(crate) fn damaged(what: impl Into<String>) -> ZipError {
    ZipError::Damaged(what.into())
}

/// `value` over the field at `at`, which is there.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(field) = bytes.get_mut(at..at + value.len()) {
        field.copy_from_slice(value);
    }
}
