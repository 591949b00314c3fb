//! What a Go program says it was built of: the build info that the linker writes
//! (`debug/buildinfo` of Go's library reads the same).
//!
//! In comes the program; out come its modules with their versions, `stdlib` for Go itself.

use object::{Object as _, ObjectSegment as _};

use crate::programs::Part;

/// What the build info begins with.
const MAGIC: &[u8] = b"\xff Go buildinf:";

/// The longest text of modules, in bytes: programs with two thousand modules have 200 KB.
const MAX_TEXT: usize = 8 << 20;

/// How the module that a program is made of is called when it has no version.
const DEVEL: &str = "(devel)";

/// The modules in a program; `None`: it is not Go's.
#[must_use]
pub fn modules(file: &object::File<'_>, bytes: &[u8]) -> Option<Vec<Part>> {
    let at = find(bytes)?;
    let header = bytes.get(at..)?;
    let (version, text) = match header.get(15)? & 2 {
        // since Go 1.18 both texts follow
        0 => by_pointers(file, header)?,
        _ => {
            let (version, rest) = counted(header.get(32..)?)?;
            (version, counted(rest)?.0)
        }
    };
    let version = std::str::from_utf8(version).ok()?;
    let mut parts = vec![Part {
        name: "stdlib".to_owned(),
        // of `go1.21.8 X:boringcrypto` the experiments do not count
        version: version.split(' ').next()?.trim_start_matches("go").to_owned(),
    }];
    // the text stands between two marks of 16 bytes
    let text = text.get(16..text.len().saturating_sub(16)).unwrap_or_default();
    for line in String::from_utf8_lossy(text).lines() {
        let mut fields = line.split('\t');
        let (word, name, version) = (fields.next(), fields.next(), fields.next());
        let (Some(word), Some(name), Some(version)) = (word, name, version) else { continue };
        let part = Part { name: name.to_owned(), version: version.to_owned() };
        match word {
            "mod" if version != DEVEL => parts.push(part),
            "dep" => parts.push(part),
            // takes the place of the line before
            "=>" => {
                parts.pop();
                parts.push(part);
            }
            _ => {}
        }
    }
    Some(parts)
}

/// Where the build info is: it stands at a multiple of 16.
fn find(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.windows(MAGIC.len()).position(|one| one == MAGIC) {
        let at = from + at;
        if at % 16 == 0 {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// A text with its length before it, in base 128, and what follows it.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut shift, mut at) = (0usize, 0u32, 0usize);
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
        if shift > 28 {
            return None;
        }
    }
    let rest = bytes.get(at..)?;
    (length <= MAX_TEXT).then_some(())?;
    Some((rest.get(..length)?, rest.get(length..)?))
}

/// Before Go 1.18: two pointers to texts, each a pointer and a length.
fn by_pointers<'a>(file: &object::File<'a>, header: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let size = usize::from(*header.get(14)?);
    let is_big = header.get(15)? & 1 != 0;
    let number = |bytes: &[u8]| -> Option<u64> {
        let bytes = bytes.get(..size).filter(|_| matches!(size, 4 | 8))?;
        let digits: Vec<u8> =
            if is_big { bytes.to_vec() } else { bytes.iter().rev().copied().collect() };
        Some(digits.iter().fold(0, |all, byte| (all << 8) | u64::from(*byte)))
    };
    let text = |at: usize| {
        let pointer = number(header.get(at..)?)?;
        let head = at_address(file, pointer, 2 * size as u64)?;
        let (start, length) = (number(head)?, number(head.get(size..)?)?);
        (length <= MAX_TEXT as u64).then(|| at_address(file, start, length))?
    };
    Some((text(16)?, text(16 + size)?))
}

/// What a program has in memory at an address.
fn at_address<'a>(file: &object::File<'a>, address: u64, size: u64) -> Option<&'a [u8]> {
    file.segments().find_map(|segment| segment.data_range(address, size).ok().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(counted(b"\x03abcd"), Some((&b"abc"[..], &b"d"[..])));
        assert_eq!(counted(b"\x85\x00abcdef"), Some((&b"abcde"[..], &b"f"[..])));
        for bytes in
            [&b""[..], b"\x04abc", b"\x80", b"\xff\xff\xff\xff\x7fabc", b"\x80\x80\x80\x80\x80\x01"]
        {
            assert_eq!(counted(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn build_info_stands_at_a_multiple_of_16() {
        let at = |offset: usize| {
            let mut bytes = vec![0; offset];
            bytes.extend(MAGIC);
            find(&bytes)
        };
        assert_eq!((at(32), at(33), at(0)), (Some(32), None, Some(0)));
    }
}
