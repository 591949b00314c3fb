//! Numbers of two and four bytes in a file, in the byte order of the machine that wrote it.

use super::damage::Damage;

/// Bytes with an order of bytes. Offsets that lead out of them are [`Damage::Truncated`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn little(bytes: &'a [u8]) -> Self {
        Self { bytes, big: false }
    }

    pub(super) fn big(bytes: &'a [u8]) -> Self {
        Self { bytes, big: true }
    }

    pub(super) fn ordered(bytes: &'a [u8], big: bool) -> Self {
        Self { bytes, big }
    }

    pub(super) fn len(self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_big(self) -> bool {
        self.big
    }

    pub(super) fn slice(
        self,
        offset: usize,
        length: usize,
        what: &'static str,
    ) -> Result<&'a [u8], Damage> {
        offset
            .checked_add(length)
            .and_then(|end| self.bytes.get(offset..end))
            .ok_or(Damage::Truncated { what, offset: offset as u64 })
    }

    pub(super) fn u8(self, offset: usize, what: &'static str) -> Result<u8, Damage> {
        self.bytes.get(offset).copied().ok_or(Damage::Truncated { what, offset: offset as u64 })
    }

    pub(super) fn u16(self, offset: usize, what: &'static str) -> Result<u16, Damage> {
        let array = self.array::<2>(offset, what)?;
        Ok(if self.big { u16::from_be_bytes(array) } else { u16::from_le_bytes(array) })
    }

    pub(super) fn u32(self, offset: usize, what: &'static str) -> Result<u32, Damage> {
        let array = self.array::<4>(offset, what)?;
        Ok(if self.big { u32::from_be_bytes(array) } else { u32::from_le_bytes(array) })
    }

    fn array<const N: usize>(self, offset: usize, what: &'static str) -> Result<[u8; N], Damage> {
        self.slice(offset, N, what)?
            .try_into()
            .map_err(|_| Damage::Truncated { what, offset: offset as u64 })
    }
}
