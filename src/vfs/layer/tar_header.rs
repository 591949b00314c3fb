//! Tar headers: POSIX ustar, with a PAX header before it only for what ustar cannot say.
//!
//! Field layout and record format: POSIX pax(1), "ustar Interchange Format" and "pax
//! Extended Header". Extended attributes are `SCHILY.xattr.` records, as in every image
//! layer.

use std::collections::BTreeMap;

use crate::Xattrs;
use crate::pax::XATTR_PREFIX;
use crate::tar_format::{
    BLOCK, CHECKSUM, Field, GID, LINK, MAGIC, MAJOR, MINOR, MODE, MTIME, NAME, PREFIX, SIZE, TYPE,
    UID,
};

/// The values that go into a header.
#[derive(Debug, Clone, Default)]
pub(super) struct Header<'a> {
    /// The type flag.
    pub kind: u8,
    /// Without a leading slash; a directory's ends in one.
    pub name: Vec<u8>,
    /// Target of a hard or symbolic link.
    pub link: &'a [u8],
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: i64,
    pub size: u64,
    pub device: Option<(u32, u32)>,
    pub xattrs: Option<&'a Xattrs>,
}

/// A device number that ustar's fields cannot hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DeviceTooLarge;

impl Header<'_> {
    /// The header's blocks, PAX header included.
    pub fn encode(&self) -> Result<Vec<u8>, DeviceTooLarge> {
        let mut records: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut block = Block([0; BLOCK]);
        let mtime = u64::try_from(self.mtime);
        for (field, value, key) in [
            (UID, u64::from(self.uid), "uid"),
            (GID, u64::from(self.gid), "gid"),
            (SIZE, self.size, "size"),
            (MTIME, mtime.unwrap_or_default(), "mtime"),
            (MODE, u64::from(self.mode & 0o7777), "mode"),
        ] {
            if !block.number(field, value) {
                records.insert(key.into(), value.to_string().into_bytes());
            }
        }
        if mtime.is_err() {
            records.insert(b"mtime".to_vec(), self.mtime.to_string().into_bytes());
        }
        if !block.name(&self.name) {
            records.insert(b"path".to_vec(), self.name.clone());
        }
        if !block.text(LINK, self.link) {
            records.insert(b"linkpath".to_vec(), self.link.to_vec());
        }
        // Zeros for what is no device, as other writers have it.
        let (major, minor) = self.device.unwrap_or_default();
        if !block.number(MAJOR, major.into()) || !block.number(MINOR, minor.into()) {
            return Err(DeviceTooLarge);
        }
        for (name, value) in self.xattrs.into_iter().flatten() {
            records.insert([XATTR_PREFIX, name].concat(), value.clone());
        }
        block.put(TYPE, &[self.kind]);
        let mut out = extended(&self.name, &records);
        out.extend_from_slice(&block.finish());
        Ok(out)
    }
}

/// The PAX header with these records, or nothing when there are none.
pub(super) fn extended(name: &[u8], records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    if records.is_empty() {
        return Vec::new();
    }
    let data: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
    with_data(name, &data)
}

/// The PAX header with these records as they are.
pub(super) fn with_data(name: &[u8], data: &[u8]) -> Vec<u8> {
    let mut block = Block([0; BLOCK]);
    // Only seen by readers that do not know PAX.
    let last = name.split(|&b| b == b'/').rfind(|part| !part.is_empty()).unwrap_or_default();
    let last = last.iter().take(80).map(|&b| if b.is_ascii_graphic() { b } else { b'_' });
    let shown: Vec<u8> = b"PaxHeaders.0/".iter().copied().chain(last).collect();
    block.put(NAME, &shown);
    for (field, value) in [(MODE, 0o644), (UID, 0), (GID, 0), (MTIME, 0), (MAJOR, 0), (MINOR, 0)] {
        block.number(field, value);
    }
    block.number(SIZE, data.len() as u64);
    block.put(TYPE, b"x");
    let mut out = block.finish().to_vec();
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    out
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits too.
pub(super) fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() > length {
        length += 1;
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

pub(super) struct Block(pub(super) [u8; BLOCK]);

impl Block {
    pub(super) fn put(&mut self, (at, len): Field, bytes: &[u8]) {
        let field = self.0.get_mut(at..at + len).unwrap_or_default();
        for (to, from) in field.iter_mut().zip(bytes) {
            *to = *from;
        }
    }

    /// Octal digits and a NUL; zero and `false` when they do not fit.
    pub(super) fn number(&mut self, field: Field, value: u64) -> bool {
        let width = field.1 - 1;
        let digits = format!("{value:0width$o}");
        let fits = digits.len() == width;
        let zeros = "0".repeat(width);
        self.put(field, if fits { digits.as_bytes() } else { zeros.as_bytes() });
        fits
    }

    /// Plain ASCII that fits; otherwise what fits, and `false`.
    pub(super) fn text(&mut self, field: Field, bytes: &[u8]) -> bool {
        self.put(field, bytes);
        bytes.len() <= field.1 && bytes.is_ascii()
    }

    /// The name, divided at a slash when it is long.
    pub(super) fn name(&mut self, name: &[u8]) -> bool {
        if name.len() > NAME.1
            && name.is_ascii()
            && let Some((prefix, rest)) = divide(name)
        {
            self.put(PREFIX, prefix);
            self.put(NAME, rest);
            return true;
        }
        self.text(NAME, name)
    }

    pub(super) fn finish(mut self) -> [u8; BLOCK] {
        self.put(MAGIC, b"ustar\x0000");
        self.put(CHECKSUM, &[b' '; CHECKSUM.1]);
        let sum: u32 = self.0.iter().map(|&byte| u32::from(byte)).sum();
        self.put(CHECKSUM, format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

/// The longest prefix that leaves a name which fits.
fn divide(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_divide = |&at: &usize| name.get(at) == Some(&b'/') && at + 1 < name.len();
    let at = (1..=PREFIX.1).rev().find(is_divide)?;
    let (prefix, rest) = (name.get(..at)?, name.get(at + 1..)?);
    (rest.len() <= NAME.1).then_some((prefix, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &[u8]) -> Header<'static> {
        Header { kind: b'0', name: name.to_vec(), mode: 0o4755, ..Header::default() }
    }

    type Records = Vec<(Vec<u8>, Vec<u8>)>;

    /// What the `tar` crate, an independent reader, makes of it: name, link, owner, time,
    /// PAX records.
    fn read(header: &Header<'_>) -> (Vec<u8>, Vec<u8>, u64, u64, Records) {
        let mut bytes = header.encode().unwrap();
        bytes.resize(bytes.len() + 1024, 0);
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let records = entry.pax_extensions().unwrap().map(|all| {
            all.map(|record| {
                let record = record.unwrap();
                (record.key_bytes().to_vec(), record.value_bytes().to_vec())
            })
            .collect::<Records>()
        });
        let link = entry.link_name_bytes().unwrap_or_default().into_owned();
        let head = entry.header();
        let (uid, mtime) = (head.uid().unwrap(), head.mtime().unwrap());
        assert_eq!(head.mode().unwrap(), header.mode);
        (entry.path_bytes().into_owned(), link, uid, mtime, records.unwrap_or_default())
    }

    #[test]
    fn plain_entries_need_no_pax_header() {
        let long_dir = [&b"d/".repeat(70)[..], b"file"].concat();
        for name in [&b"usr/bin/x"[..], &[b'n'; 100], &long_dir] {
            let header = Header { uid: 2_097_151, mtime: 8_589_934_591, ..header(name) };
            assert_eq!(header.encode().unwrap().len(), 512);
            let (path, link, uid, mtime, records) = read(&header);
            assert_eq!((&path[..], uid, mtime), (name, 2_097_151, 8_589_934_591));
            assert!(link.is_empty() && records.is_empty());
        }
    }

    #[test]
    fn what_ustar_cannot_say_is_in_pax_records() {
        let xattrs: Xattrs = [(b"user.x".to_vec(), b"a=b".to_vec())].into();
        let header = Header {
            kind: b'2',
            link: &[b'l'; 101],
            uid: 2_097_152,
            mtime: -5,
            size: 0,
            xattrs: Some(&xattrs),
            ..header("\u{fc}ber".as_bytes())
        };
        let (path, link, uid, _, records) = read(&header);
        assert_eq!(path, "\u{fc}ber".as_bytes());
        assert_eq!(link, [b'l'; 101]);
        assert_eq!(uid, 2_097_152);
        let keys: Vec<_> = records.iter().map(|(key, _)| String::from_utf8_lossy(key)).collect();
        assert_eq!(keys, ["SCHILY.xattr.user.x", "linkpath", "mtime", "path", "uid"]);
        assert!(records.contains(&(b"mtime".to_vec(), b"-5".to_vec())));
    }

    #[test]
    fn record_lengths_count_themselves() {
        for (value, want) in [(0, 5), (3, 8), (4, 9), (5, 11), (92, 98), (93, 99), (94, 101)] {
            let record = record(b"k", &vec![b'v'; value]);
            assert_eq!(record.len(), want);
            assert!(record.starts_with(format!("{want} k=").as_bytes()));
        }
    }

    #[test]
    fn device_numbers_that_do_not_fit_are_refused() {
        let device = |major| Header { device: Some((major, 1)), ..header(b"d") }.encode();
        assert!(device(0o7_777_777).is_ok());
        assert_eq!(device(0o10_000_000), Err(DeviceTooLarge));
    }
}
