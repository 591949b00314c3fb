//! The values of a tag, read where they stand in a header.

use std::fmt;
use std::iter::FusedIterator;

use bstr::ByteSlice as _;

use super::Type;

/// What a tag has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Numbers of any width, and single bytes.
    Numbers(Numbers<'a>),
    /// Texts: of all types that have some.
    Strings(Strings<'a>),
    /// Bytes.
    Bin(&'a [u8]),
}

impl<'a> Value<'a> {
    /// `data` was checked: it has `count` values.
    pub(super) fn new(typ: Type, count: u32, data: &'a [u8]) -> Self {
        match typ.width() {
            _ if typ == Type::Bin => Self::Bin(data),
            Some(width) => Self::Numbers(Numbers { data, width: width as usize }),
            None => Self::Strings(Strings { rest: data, left: count as usize }),
        }
    }

    /// Its texts; `None`: it has other values.
    #[must_use]
    pub fn strings(self) -> Option<Strings<'a>> {
        match self {
            Self::Strings(strings) => Some(strings),
            _ => None,
        }
    }

    /// Its numbers; `None`: it has other values.
    #[must_use]
    pub fn numbers(self) -> Option<Numbers<'a>> {
        match self {
            Self::Numbers(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// Its bytes; `None`: it has other values.
    #[must_use]
    pub fn bin(self) -> Option<&'a [u8]> {
        match self {
            Self::Bin(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers(numbers) => f.debug_list().entries(numbers.iter()).finish(),
            Self::Strings(strings) => f.debug_list().entries(strings.map(|s| s.as_bstr())).finish(),
            Self::Bin(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

/// Texts one after the other. Going on costs nothing to keep; a text by its place has to be
/// looked for from the start.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Strings<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let end = self.rest.find_byte(0)?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..).unwrap_or_default();
        Some(text)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Strings<'_> {}
impl FusedIterator for Strings<'_> {}

/// Numbers of one width.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers<'a> {
    data: &'a [u8],
    width: usize,
}

impl<'a> Numbers<'a> {
    /// The number at a place.
    #[must_use]
    pub fn get(self, at: usize) -> Option<u64> {
        let from = at.checked_mul(self.width)?;
        let bytes = self.data.get(from..from.checked_add(self.width)?)?;
        if bytes.is_empty() {
            return None;
        }
        Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// The number at a place, where it has at most 32 bits.
    #[must_use]
    pub fn get32(self, at: usize) -> Option<u32> {
        u32::try_from(self.get(at)?).ok()
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.data.len().checked_div(self.width).unwrap_or_default()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.data.is_empty()
    }

    /// All of them, in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = u64> + 'a {
        (0..self.len()).map(move |at| self.get(at).unwrap_or_default())
    }
}

/// Bytes of `count` texts at the start of `data`, with their NULs; `None`: there are not so many.
pub(super) fn texts_len(data: &[u8], count: u32) -> Option<usize> {
    let last = usize::try_from(count).ok()?.checked_sub(1)?;
    data.find_iter(b"\0").nth(last).map(|at| at + 1)
}
