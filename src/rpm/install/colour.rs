//! The colours of packages and of their relations, by which rpm orders what is for two machines:
//! those of the files that a relation comes from. A package with ELF files of which none needs or
//! provides anything has no colour.
//!
//! In comes a header; out come [`Colours`]. Source: rpm `lib/rpmte.cc` (`rpmteColorDS`).

use std::collections::HashMap;

use crate::header::{Header, tag};
use crate::package::file_relations;

/// The colours of a package.
#[derive(Debug, Default)]
pub(super) struct Colours {
    /// Of all of it.
    pub package: u32,
    /// Of what it requires, by its place.
    requires: HashMap<usize, u32>,
}

impl Colours {
    pub fn of(header: &Header) -> Self {
        let mut colours = Self::default();
        let of_files = header.numbers(tag::FILECOLORS);
        for relation in file_relations(header) {
            let colour = of_files.get32(relation.file).unwrap_or_default() & 0xf;
            if colour == 0 || !matches!(relation.kind, b'P' | b'R') {
                continue;
            }
            colours.package |= colour;
            if relation.kind == b'R' {
                *colours.requires.entry(relation.place).or_default() |= colour;
            }
        }
        colours
    }

    /// The colour of what is required at a place of `Requires`.
    pub fn required(&self, at: usize) -> u32 {
        self.requires.get(&at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::NewHeader;

    /// A header of files with these colours, each with these relations.
    fn header(files: &[(u32, &[u32])]) -> Header {
        let mut new = NewHeader::default();
        new.numbers(tag::FILECOLORS, &files.iter().map(|(colour, _)| *colour).collect::<Vec<_>>());
        let (mut first, mut dictionary) = (Vec::new(), Vec::new());
        for (_, relations) in files {
            first.push(dictionary.len() as u32);
            dictionary.extend_from_slice(relations);
        }
        let counts: Vec<u32> = files.iter().map(|(_, relations)| relations.len() as u32).collect();
        new.numbers(tag::FILEDEPENDSX, &first);
        new.numbers(tag::FILEDEPENDSN, &counts);
        new.numbers(tag::DEPENDSDICT, &dictionary);
        new.region(tag::HEADERIMMUTABLE).unwrap()
    }

    #[test]
    fn colours_are_those_of_files_with_relations() {
        let (provides, requires, recommends) = (0x5000_0000, 0x5200_0000, 0x7200_0000);
        let colours = Colours::of(&header(&[
            (1, &[requires, requires + 2]),
            (2, &[requires + 2]),
            (0, &[requires + 1]),
            (4, &[recommends]),
            (8, &[provides]),
        ]));
        assert_eq!(colours.package, 1 | 2 | 8);
        assert_eq!([0, 1, 2, 3].map(|at| colours.required(at)), [1, 0, 3, 0]);
        assert_eq!(Colours::of(&header(&[(2, &[])])).package, 0);
    }
}
