//! Which relations of a package come from which of its files, as the dictionary of its header has
//! them.
//!
//! In comes a header; out come its files with what they provide and require. Source: rpm
//! `build/rpmfc.cc` (`rpmfcGenerateDepends`).

use crate::header::{Header, tag};

/// A relation that comes from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRelation {
    /// The file's place in the package.
    pub file: usize,
    /// Its kind as the dictionary has it: `P` for what the package provides, `R` for what it
    /// requires, others for weak relations.
    pub kind: u8,
    /// Its place among those of the kind.
    pub place: usize,
}

/// Those of a header, file by file. A list that is shorter than it says ends them.
pub fn file_relations(header: &Header) -> impl Iterator<Item = FileRelation> {
    let dictionary = header.numbers(tag::DEPENDSDICT);
    let starts = header.numbers(tag::FILEDEPENDSX);
    let counts = header.numbers(tag::FILEDEPENDSN);
    let files = starts.iter().zip(counts.iter()).enumerate();
    files.flat_map(move |(file, (start, count))| {
        let places = start..start.saturating_add(count);
        let entries = places.map_while(move |at| dictionary.get(usize::try_from(at).ok()?));
        entries.map(move |entry| FileRelation {
            file,
            kind: (entry >> 24) as u8,
            place: (entry & 0x00ff_ffff) as usize,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::NewHeader;

    fn relations(starts: &[u32], counts: &[u32], dictionary: &[u32]) -> Vec<(usize, char, usize)> {
        let mut new = NewHeader::default();
        new.numbers(tag::FILEDEPENDSX, starts);
        new.numbers(tag::FILEDEPENDSN, counts);
        new.numbers(tag::DEPENDSDICT, dictionary);
        let header = new.region(tag::HEADERIMMUTABLE).unwrap();
        file_relations(&header).map(|one| (one.file, char::from(one.kind), one.place)).collect()
    }

    #[test]
    fn files_have_their_relations_and_damaged_lists_end() {
        let dictionary = [0x5000_0000, 0x5200_0001, 0x5200_0000];
        assert_eq!(
            relations(&[0, 2, 2], &[2, 0, 1], &dictionary),
            [(0, 'P', 0), (0, 'R', 1), (2, 'R', 0)]
        );
        assert_eq!(relations(&[2, u32::MAX], &[9, u32::MAX], &dictionary), [(0, 'R', 0)]);
        assert_eq!(relations(&[], &[1], &dictionary), []);
    }
}
