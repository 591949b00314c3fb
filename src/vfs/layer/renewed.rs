//! A member's header written anew, with another name, target or type, and all else as it was.
//!
//! In comes the header as an archive has it ([`RawHeader`]); out go the blocks of the new one:
//! mode, owner, group, time and the names of both as they were, and all PAX records but those
//! that speak of what is new. GNU's long names become PAX records; a sparse file becomes a plain
//! one, whose content the caller writes with its holes.

use super::tar_header::{Block, record, with_data};
use crate::pax;
use crate::tar_format::{BLOCK, GID, GROUP, LINK, MAGIC, MODE, MTIME, SIZE, TYPE, UID, USER};
use crate::tar_reader::RawHeader;

/// What is new in a header.
#[derive(Debug, Clone, Copy)]
pub struct Renewed<'a> {
    /// The type flag.
    pub kind: u8,
    /// The name as it is stored.
    pub name: &'a [u8],
    /// The target of a link, as it is stored; empty for what is none.
    pub link: &'a [u8],
    /// Bytes of content that follow.
    pub size: u64,
}

/// The header's blocks; `None` when its PAX records are damaged.
#[must_use]
pub fn renewed(raw: &RawHeader, new: Renewed<'_>) -> Option<Vec<u8>> {
    let mut records = match &raw.pax {
        Some(data) => pax::kept(data, stays)?,
        None => Vec::new(),
    };
    let mut block = Block([0; BLOCK]);
    let field = |(at, len)| raw.block.get(at..at + len).unwrap_or_default();
    for kept in [MODE, UID, GID, MTIME] {
        block.put(kept, field(kept));
    }
    if field(MAGIC).starts_with(b"ustar") {
        block.put(USER, field(USER));
        block.put(GROUP, field(GROUP));
    }
    if !block.number(SIZE, new.size) {
        records.extend(record(b"size", new.size.to_string().as_bytes()));
    }
    if !block.name(new.name) {
        records.extend(record(b"path", new.name));
    }
    if !block.text(LINK, new.link) {
        records.extend(record(b"linkpath", new.link));
    }
    block.put(TYPE, &[new.kind]);
    let mut out = match records.as_slice() {
        [] => Vec::new(),
        some => with_data(new.name, some),
    };
    out.extend_from_slice(&block.finish());
    Some(out)
}

/// Whether a record of this key says something that is not new.
fn stays(key: &[u8]) -> bool {
    !matches!(key, b"path" | b"linkpath" | b"size") && !key.starts_with(b"GNU.sparse.")
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;
    use crate::tar_reader::{Member, MemberKind, TarReader};
    use crate::testing::Archive;

    fn first(bytes: &[u8]) -> (Member, RawHeader) {
        let mut tar = TarReader::new(BufReader::new(bytes));
        let member = tar.next_member().unwrap().unwrap();
        let raw = tar.raw_header().unwrap().clone();
        (member, raw)
    }

    #[test]
    fn all_but_what_is_new_stays() {
        let long = "d/".repeat(90) + "name";
        for (old, link, new) in [
            ("a", "", "b"),
            ("a", "", long.as_str()),
            (long.as_str(), "", "b"),
            ("a", "x", "\u{e4}/b"),
        ] {
            let kind = if link.is_empty() { tar::EntryType::Regular } else { tar::EntryType::Link };
            let records: [(&str, &[u8]); 3] =
                [("mtime", b"5.25"), ("SCHILY.xattr.user.a", b"v\n=1"), ("comment", b"kept")];
            let bytes = Archive::new().pax(&records).add(old, kind, link, b"").bytes();
            let (before, raw) = first(&bytes);
            let want = if link.is_empty() { &b""[..] } else { long.as_bytes() };
            let flag = before.type_flag;
            let asked = Renewed { kind: flag, name: new.as_bytes(), link: want, size: 0 };
            let out = renewed(&raw, asked).unwrap();
            assert!(out.windows(7).any(|part| part == b"comment"), "{old} {new}");
            let (after, _) = first(&out);
            assert_eq!(after.name, new.as_bytes());
            assert_eq!((before.mtime, after.mtime, after.mode), (5, 5, before.mode));
            assert_eq!(after.xattrs, before.xattrs);
            match after.kind {
                MemberKind::HardLink(target) => assert_eq!(target, want),
                kind => assert_eq!(kind, MemberKind::File),
            }
        }
    }
}
