//! `ar` archives as `deb(5)` uses them: a magic line, then members with a 60-byte header each.
//!
//! In comes a stream; out come the members one after the other, each as a bounded reader.

use std::io::{self, Read};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;

/// A member's name (trailing blanks and slash removed) and its size in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Of the file in the archive: `debian-binary`, `control.tar.xz`.
    pub name: String,
    /// Bytes of content, without the header and the padding byte.
    pub size: u64,
}

/// Why a stream is not an `ar` archive.
#[derive(Debug, thiserror::Error)]
pub enum ArError {
    /// The first eight bytes are another format's.
    #[error("not an ar archive: it does not start with \"!<arch>\"")]
    Magic,
    /// A header is cut, lacks its end mark, or has no decimal size; the member's number, from 1.
    #[error("the header of member {0} is damaged")]
    Header(usize),
    /// The stream ends before the named member's size is reached.
    #[error("the archive ends inside member {0}")]
    Truncated(String),
    /// The stream itself failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads members in order.
pub struct ArReader<R> {
    input: R,
    /// Bytes of the current member that were not read yet, its padding included.
    rest: u64,
    current: String,
    seen: usize,
}

impl<R: Read> ArReader<R> {
    /// Checks the magic line.
    ///
    /// # Errors
    /// Not an `ar` archive, or unreadable.
    pub fn new(mut input: R) -> Result<Self, ArError> {
        let mut magic = [0; 8];
        match input.read_exact(&mut magic) {
            Ok(()) if &magic == MAGIC => {}
            Ok(()) => return Err(ArError::Magic),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(ArError::Magic);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Self { input, rest: 0, current: String::new(), seen: 0 })
    }

    /// The next member and its content; what is left of the one before is skipped. `None` at
    /// the end of the archive.
    ///
    /// # Errors
    /// A damaged header, an archive that ends early, or a read error.
    pub fn next_member(&mut self) -> Result<Option<(Member, io::Take<&mut R>)>, ArError> {
        self.skip_rest()?;
        let mut header = [0; HEADER];
        let mut filled = 0;
        while let Some(space) = header.get_mut(filled..).filter(|space| !space.is_empty()) {
            match self.input.read(space)? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(ArError::Header(self.seen + 1)),
                got => filled += got,
            }
        }
        self.seen += 1;
        let damaged = || ArError::Header(self.seen);
        if header[58..] != *b"`\n" {
            return Err(damaged());
        }
        let field = |range: std::ops::Range<usize>| -> Option<&str> {
            std::str::from_utf8(header.get(range)?).ok().map(str::trim_ascii_end)
        };
        let name = field(0..16).ok_or_else(damaged)?;
        let name = name.strip_suffix('/').unwrap_or(name).to_owned();
        let size = field(48..58)
            .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|text| text.parse::<u64>().ok())
            .ok_or_else(damaged)?;
        self.rest = size + size % 2;
        self.current.clone_from(&name);
        // The reader handed out may be dropped half-read; what it takes is not counted, so
        // `rest` is settled by `consumed`.
        Ok(Some((Member { name, size }, self.input.by_ref().take(size))))
    }

    /// Tells how much of the current member was read: its size less what its reader has left.
    pub fn consumed(&mut self, bytes: u64) {
        self.rest = self.rest.saturating_sub(bytes);
    }

    fn skip_rest(&mut self) -> Result<(), ArError> {
        let want = self.rest;
        self.rest = 0;
        let got = io::copy(&mut self.input.by_ref().take(want), &mut io::sink())?;
        // The last member may come without its padding byte.
        if got < want && want - got > 1 {
            return Err(ArError::Truncated(self.current.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for (name, content) in members {
            out.extend_from_slice(
                format!(
                    "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                    0,
                    0,
                    0,
                    100_644,
                    content.len()
                )
                .as_bytes(),
            );
            out.extend_from_slice(content);
            if content.len() % 2 == 1 {
                out.push(b'\n');
            }
        }
        out
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ArError> {
        let mut reader = ArReader::new(bytes)?;
        let mut out = Vec::new();
        loop {
            let Some((member, mut content)) = reader.next_member()? else { return Ok(out) };
            let mut text = Vec::new();
            content.read_to_end(&mut text)?;
            let left = content.limit();
            if left > 0 {
                return Err(ArError::Truncated(member.name));
            }
            reader.consumed(member.size);
            out.push((member.name, text));
        }
    }

    #[test]
    fn members_come_in_order_read_or_not() {
        let bytes = archive(&[("a", b"xyz"), ("b/", b"12"), ("c", b"")]);
        let all = read_all(&bytes).unwrap();
        assert_eq!(all[0], ("a".into(), b"xyz".to_vec()));
        assert_eq!(all[1].0, "b");
        let mut reader = ArReader::new(&bytes[..]).unwrap();
        let names: Vec<_> =
            std::iter::from_fn(|| reader.next_member().unwrap().map(|(m, _)| m.name)).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn damage_is_named() {
        let good = archive(&[("a", b"xyz"), ("b", b"12")]);
        assert!(matches!(read_all(b"PK\x03\x04"), Err(ArError::Magic)));
        assert!(matches!(read_all(&good[..8 + 60 + 4 + 30]), Err(ArError::Header(2))));
        assert!(matches!(read_all(&good[..8 + 61]), Err(ArError::Truncated(name)) if name == "a"));
        let mut bad = good.clone();
        bad[8 + 50] = b'x';
        assert!(matches!(read_all(&bad), Err(ArError::Header(1))));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>) {
            let _ = read_all(&bytes);
            bytes.splice(0..0, *MAGIC);
            let _ = read_all(&bytes);
        }
    }
}
