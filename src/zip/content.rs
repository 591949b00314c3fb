//! What entries hold, checked against their size and CRC.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::{Crc, read::DeflateDecoder};

use crate::format::{DEFLATED, ENCRYPTED, HIDDEN, STORED, STRONGLY_ENCRYPTED, damaged};
use crate::{Archive, Entry, ZipError};

impl Archive {
    /// The content of one of this archive's entries. What is stored is not copied.
    ///
    /// # Errors
    /// It is encrypted, compressed in another way than with deflate, or not what its header says.
    pub fn content(&self, entry: &Entry) -> Result<Bytes, ZipError> {
        let name = &entry.name;
        if entry.flags & (ENCRYPTED | STRONGLY_ENCRYPTED | HIDDEN) != 0 {
            return Err(ZipError::Unsupported(format!("{name:?} is encrypted")));
        }
        let packed = entry.data..entry.data + self.packed_len(entry)?;
        let content = match entry.method {
            STORED => self.bytes.slice(packed),
            DEFLATED => inflated(&self.bytes[packed], entry)?,
            other => {
                let what = format!("{name:?} is compressed by method {other}");
                return Err(ZipError::Unsupported(what));
            }
        };
        let mut crc = Crc::new();
        crc.update(&content);
        if crc.sum() != entry.crc {
            return Err(damaged(format!("{name:?} has another CRC than it says")));
        }
        Ok(content)
    }

    /// The content of the entry with this name.
    ///
    /// # Errors
    /// As for [`Archive::content`]; there is none with this name, or several.
    pub fn named(&self, name: &str) -> Result<Bytes, ZipError> {
        let at = self.find(name)?.ok_or_else(|| ZipError::NoEntry(name.to_owned()))?;
        self.content(&self.entries[at])
    }

    fn packed_len(&self, entry: &Entry) -> Result<usize, ZipError> {
        let len = crate::format::place(entry.compressed)?;
        let end = entry.data.checked_add(len).filter(|end| *end <= self.end.directory);
        end.map(|_| len).ok_or_else(|| damaged("an entry of another archive was asked for"))
    }
}

/// Never more is inflated than the header says; memory grows with what really comes.
fn inflated(packed: &[u8], entry: &Entry) -> Result<Bytes, ZipError> {
    let name = &entry.name;
    let mut content = Vec::new();
    let mut decoder = DeflateDecoder::new(packed);
    let read = (&mut decoder).take(entry.size).read_to_end(&mut content);
    let whole = read.and_then(|_| ended(&mut decoder));
    match whole {
        Ok(true) if content.len() as u64 == entry.size => {}
        Ok(_) => return Err(damaged(format!("{name:?} has another size than it says"))),
        Err(error) => return Err(damaged(format!("{name:?} cannot be inflated: {error}"))),
    }
    if decoder.total_in() != packed.len() as u64 {
        return Err(damaged(format!("{name:?} has bytes behind its end")));
    }
    Ok(content.into())
}

fn ended(decoder: &mut impl Read) -> io::Result<bool> {
    Ok(decoder.read(&mut [0])? == 0)
}
