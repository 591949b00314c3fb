//! The members of a payload: cpio as rpm writes it.
//!
//! In comes a decompressed stream; out come members, one after the other, whose content the caller
//! reads. Three forms: `newc` (070701), the same with a checksum (070702), and rpm's own without
//! names and sizes (07070X), whose members are numbers of files in the header; that one is for
//! files above 4 GiB and all packages of rpm 6. Source: cpio(5), rpm `lib/cpio.cc`.

use std::io::{self, Read};

/// The longest name of a member, in bytes.
const MAX_NAME: u64 = 4096;
/// The name of the last member.
const TRAILER: &[u8] = b"TRAILER!!!";

/// Why a payload cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CpioError {
    /// Its bytes are not those of a member.
    #[error("payload, byte {at}: {why}")]
    Invalid {
        /// Where the member begins, in bytes from the start of the payload.
        at: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// The stream failed, or ends early.
    #[error("payload: {0}")]
    Read(#[from] io::Error),
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// With a name and its own numbers.
    Named {
        /// As it stands there, mostly `./usr/bin/a`.
        name: Vec<u8>,
        /// Bytes of its content.
        size: u64,
        /// The sum of its bytes, of archives that have it.
        checksum: Option<u32>,
    },
    /// The number of a file in the header, which has everything else.
    Numbered(u32),
}

/// Reads members. Content has to be read whole, with [`Cpio::content`], before the next one.
pub struct Cpio<R> {
    inner: R,
    at: u64,
    /// Bytes of content that were not read yet.
    left: u64,
}

impl<R: Read> Cpio<R> {
    /// From the start of a payload.
    pub fn new(inner: R) -> Self {
        Self { inner, at: 0, left: 0 }
    }

    /// The next member; `None`: that was the last one.
    ///
    /// # Errors
    /// The stream is damaged or ends before its last member.
    pub fn next_member(&mut self) -> Result<Option<Member>, CpioError> {
        let at = self.at;
        let invalid = |why| CpioError::Invalid { at, why };
        if self.left > 0 {
            return Err(invalid("the content before was not read"));
        }
        self.align()?;
        let mut magic = [0; 6];
        self.read_exact(&mut magic)?;
        let has_checksum = match &magic {
            b"070701" => false,
            b"070702" => true,
            b"07070X" => {
                let mut number = [0; 8];
                self.read_exact(&mut number)?;
                let number = hex(&number).ok_or_else(|| invalid("its number is not one"))?;
                self.align()?;
                return Ok(Some(Member::Numbered(number)));
            }
            _ => return Err(invalid("it is no member of a cpio archive")),
        };
        let mut fields = [0; 13 * 8];
        self.read_exact(&mut fields)?;
        let field = |index: usize| {
            let digits = fields.get(index * 8..index * 8 + 8).unwrap_or_default();
            hex(digits).ok_or_else(|| invalid("a number is not one"))
        };
        for index in 0..13 {
            field(index)?;
        }
        let (size, name_len, checksum) = (field(6)?, u64::from(field(11)?), field(12)?);
        if !(1..=MAX_NAME).contains(&name_len) {
            return Err(invalid("its name is empty or too long"));
        }
        let mut name = vec![0; usize::try_from(name_len).unwrap_or_default()];
        self.read_exact(&mut name)?;
        if name.pop() != Some(0) || name.contains(&0) {
            return Err(invalid("its name does not end where it has to"));
        }
        self.align()?;
        if name == TRAILER {
            return Ok(None);
        }
        self.left = u64::from(size);
        let checksum = has_checksum.then_some(checksum);
        Ok(Some(Member::Named { name, size: u64::from(size), checksum }))
    }

    /// Says how many bytes of content a numbered member has.
    pub fn set_size(&mut self, size: u64) {
        self.left = size;
    }

    /// The content of the member that came last.
    pub fn content(&mut self) -> Content<'_, R> {
        Content { of: self }
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(buffer)?;
        self.at += buffer.len() as u64;
        Ok(())
    }

    /// To the next multiple of four.
    fn align(&mut self) -> io::Result<()> {
        let mut padding = [0; 3];
        let len = usize::try_from(self.at.wrapping_neg() % 4).unwrap_or_default();
        match padding.get_mut(..len) {
            Some(padding) => self.read_exact(padding),
            None => Ok(()),
        }
    }
}

/// Content of a member.
pub struct Content<'a, R> {
    of: &'a mut Cpio<R>,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.of.left).unwrap_or(usize::MAX);
        let want = left.min(buffer.len());
        // Decompressors do not like to be asked for nothing.
        if want == 0 {
            return Ok(0);
        }
        let got = self.of.inner.read(buffer.get_mut(..want).unwrap_or_default())?;
        self.of.at += got as u64;
        self.of.left -= got as u64;
        Ok(got)
    }
}

/// Eight hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member(magic: &str, name: &str, content: &[u8]) -> Vec<u8> {
        let mut out = format!(
            "{magic}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08X}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}",
            1,
            0o100644,
            0,
            0,
            1,
            5,
            content.len(),
            0,
            0,
            0,
            0,
            name.len() + 1,
            7
        )
        .into_bytes();
        out.extend(name.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(content);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    #[test]
    fn members_of_all_forms_are_read() {
        let mut bytes = member("070701", "./a", b"hello");
        bytes.extend(member("070702", "./b", b""));
        bytes.extend(b"07070X0000000a\0\0abc\0");
        bytes.extend(member("070701", "TRAILER!!!", b""));
        let mut cpio = Cpio::new(&bytes[..]);
        let named =
            |name: &str, size, checksum| Some(Member::Named { name: name.into(), size, checksum });
        assert_eq!(cpio.next_member().unwrap(), named("./a", 5, None));
        let mut content = Vec::new();
        cpio.content().read_to_end(&mut content).unwrap();
        assert_eq!(content, b"hello");
        assert_eq!(cpio.next_member().unwrap(), named("./b", 0, Some(7)));
        assert_eq!(cpio.next_member().unwrap(), Some(Member::Numbered(10)));
        cpio.set_size(3);
        content.clear();
        cpio.content().read_to_end(&mut content).unwrap();
        assert_eq!(content, b"abc");
        assert_eq!(cpio.next_member().unwrap(), None);
    }

    #[test]
    fn damaged_members_are_errors_with_their_place() {
        let long = member("070701", &"a".repeat(5000), b"");
        let good = member("070701", "./a", b"");
        let mut odd = good.clone();
        odd[10] = b'x';
        let mut unterminated = good.clone();
        unterminated[113] = b'b';
        for (bytes, want) in [
            (&b"070707123456"[..], "no member"),
            (&long, "too long"),
            (&odd, "a number is not one"),
            (&unterminated, "does not end"),
            (b"07070Xnonumber", "its number"),
            (&good[..50], "failed to fill"),
        ] {
            let error = Cpio::new(bytes).next_member().unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut cpio = Cpio::new(&bytes[..]);
            while let Ok(Some(_)) = cpio.next_member() {
                if io::copy(&mut cpio.content(), &mut io::sink()).is_err() {
                    break;
                }
            }
        }
    }
}
