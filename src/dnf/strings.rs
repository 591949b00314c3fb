//! [`Strings`]: each text of a repository's metadata once, by number.
//!
//! In come texts; out come numbers, equal for equal texts. A repository of seventy thousand
//! packages names two million relations with some hundred thousand texts.

use std::hash::{BuildHasher, RandomState};

use imgfix_vfs::{OverBudget, Reserved};

/// A text's number. 0 is the empty text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(u32);

/// Texts, each once.
pub(crate) struct Strings {
    text: Vec<u8>,
    /// Where each text ends; the first is the empty one.
    ends: Vec<u32>,
    /// Numbers by hash, with open addressing; 0 is a free place.
    table: Vec<u32>,
    hasher: RandomState,
    reserved: Reserved,
}

impl Strings {
    /// No text but the empty one. What is added counts in `reserved`.
    pub fn new(reserved: Reserved) -> Self {
        let (text, ends, table) = (Vec::new(), vec![0], vec![0; 1024]);
        Self { text, ends, table, hasher: RandomState::new(), reserved }
    }

    /// The number of a text, which is added when it is new.
    ///
    /// # Errors
    /// There is no room for more.
    pub fn add(&mut self, text: &str) -> Result<Id, OverBudget> {
        if text.is_empty() {
            return Ok(Id(0));
        }
        if self.ends.len() * 4 > self.table.len() * 3 {
            self.grow()?;
        }
        match self.place(text) {
            Ok(id) => Ok(id),
            Err(place) => {
                let end = self.text.len() + text.len();
                let (Ok(end), Ok(number)) = (u32::try_from(end), u32::try_from(self.ends.len()))
                else {
                    return Err(OverBudget { limit: u64::from(u32::MAX) });
                };
                // twice: a growing vector has as much in reserve
                self.reserved.grow((text.len() + size_of::<u32>()) as u64 * 2)?;
                self.text.extend_from_slice(text.as_bytes());
                self.ends.push(end);
                if let Some(slot) = self.table.get_mut(place) {
                    *slot = number;
                }
                Ok(Id(number))
            }
        }
    }

    /// The number of a text that is there.
    pub fn find(&self, text: &str) -> Option<Id> {
        if text.is_empty() { Some(Id(0)) } else { self.place(text).ok() }
    }

    /// The text of a number.
    pub fn get(&self, id: Id) -> &str {
        let at = id.0 as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let (start, end) = (start.unwrap_or(0), self.ends.get(at).copied().unwrap_or(0));
        let bytes = self.text.get(start as usize..end as usize).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Where a text is, or where it would be in the table.
    fn place(&self, text: &str) -> Result<Id, usize> {
        let mask = self.table.len() - 1;
        // the mask keeps what fits a table
        let mut at = self.hasher.hash_one(text) as usize & mask;
        loop {
            match self.table.get(at).copied().unwrap_or(0) {
                0 => return Err(at),
                number if self.get(Id(number)) == text => return Ok(Id(number)),
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn grow(&mut self) -> Result<(), OverBudget> {
        let len = self.table.len() * 2;
        self.reserved.grow((len * size_of::<u32>()) as u64)?;
        self.table = vec![0; len];
        for number in 1..u32::try_from(self.ends.len()).unwrap_or(u32::MAX) {
            let text = self.get(Id(number)).to_owned();
            if let Err(place) = self.place(&text)
                && let Some(slot) = self.table.get_mut(place)
            {
                *slot = number;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_vfs::Memory;

    #[test]
    fn equal_texts_have_one_number() {
        let mut strings = Strings::new(Memory::fixed(10 << 20).share());
        let ids: Vec<Id> = (0..20_000)
            .map(|number| strings.add(&format!("text {}", number % 10_000)).unwrap())
            .collect();
        assert_eq!(ids[5], ids[10_005]);
        assert_ne!(ids[5], ids[6]);
        assert_eq!(strings.get(ids[9_999]), "text 9999");
        assert_eq!(strings.find("text 3"), Some(ids[3]));
        assert_eq!((strings.find("nothing"), strings.find("")), (None, Some(Id(0))));
        assert_eq!(strings.get(Id(0)), "");
        let mut small = Strings::new(Memory::fixed(100).share());
        assert!((0..100).any(|number| small.add(&format!("text {number}")).is_err()));
    }
}
