//! The file format JKS of Java's key stores, as far as stores of certificate authorities have
//! it: trusted certificates only (`sun.security.provider.JavaKeyStore` of OpenJDK).
//!
//! Big-endian: a magic number, version 2, the number of entries; each entry its kind (2), its
//! alias, the time in milliseconds since 1970, `X.509`, the certificate; at the end a SHA-1 of
//! the password, a salt and all that is before.

use sha1::{Digest as _, Sha1};

use super::hashtable::Hashtable;

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const TRUSTED_CERTIFICATE: u32 = 2;
const SALT: &[u8] = b"Mighty Aphrodite";
const DIGEST: usize = 20;

/// A certificate that is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// When it was added, in milliseconds since 1970.
    pub added: i64,
    pub der: Vec<u8>,
}

/// The certificates by alias, in the order of the file.
pub type Entries = Hashtable<Trusted>;

/// Why a file is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not a JKS key store of version 2")]
    Format,
    #[error("an entry that is not a trusted X.509 certificate")]
    Entry,
    #[error("damaged, or kept with another password")]
    Digest,
}

/// Reads a file.
///
/// # Errors
/// It is not a store of trusted certificates that is kept with this password.
pub fn read(file: &[u8], password: &str) -> Result<Entries, Error> {
    let length = file.len().checked_sub(DIGEST).ok_or(Error::Format)?;
    let (content, digest) = file.split_at_checked(length).ok_or(Error::Format)?;
    let mut rest = Reader(content);
    if (rest.number()?, rest.number()?) != (MAGIC, VERSION) {
        return Err(Error::Format);
    }
    let count = rest.number()?;
    let mut entries = Entries::default();
    for _ in 0..count {
        if rest.number()? != TRUSTED_CERTIFICATE {
            return Err(Error::Entry);
        }
        let alias = rest.text()?;
        let added = i64::from_be_bytes(*rest.take_array()?);
        if rest.text()? != "X.509" {
            return Err(Error::Entry);
        }
        let length = rest.number()?;
        let der = rest.take(length as usize)?.to_vec();
        entries.put(alias, Trusted { added, der });
    }
    match rest.0.is_empty() && digest_of(content, password)[..] == *digest {
        true => Ok(entries),
        false => Err(Error::Digest),
    }
}

/// The file with these entries; `None` when a text is too long for it.
#[must_use]
pub fn write(entries: &Entries, password: &str) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    for number in [MAGIC, VERSION, u32::try_from(entries.len()).ok()?] {
        file.extend(number.to_be_bytes());
    }
    for (alias, trusted) in entries.iter() {
        file.extend(TRUSTED_CERTIFICATE.to_be_bytes());
        write_text(&mut file, alias)?;
        file.extend(trusted.added.to_be_bytes());
        write_text(&mut file, "X.509")?;
        file.extend(u32::try_from(trusted.der.len()).ok()?.to_be_bytes());
        file.extend(&trusted.der);
    }
    let digest = digest_of(&file, password);
    file.extend(digest);
    Some(file)
}

/// An alias as the store keeps it: in lower case. `None` when it has characters that the file
/// writes in another way than UTF-8.
#[must_use]
pub fn alias(name: &str) -> Option<String> {
    let plain = name.chars().all(|c| c != '\0' && u32::from(c) <= 0xffff);
    plain.then(|| name.to_lowercase())
}

fn digest_of(content: &[u8], password: &str) -> [u8; DIGEST] {
    let mut digest = Sha1::new();
    for unit in password.encode_utf16() {
        digest.update(unit.to_be_bytes());
    }
    digest.update(SALT);
    digest.update(content);
    digest.finalize().into()
}

fn write_text(file: &mut Vec<u8>, text: &str) -> Option<()> {
    file.extend(u16::try_from(text.len()).ok()?.to_be_bytes());
    file.extend(text.as_bytes());
    Some(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Error::Format)?;
        self.0 = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        self.take(N)?.try_into().map_err(|_| Error::Format)
    }

    fn number(&mut self) -> Result<u32, Error> {
        Ok(u32::from_be_bytes(*self.take_array()?))
    }

    fn text(&mut self) -> Result<String, Error> {
        let length = u16::from_be_bytes(*self.take_array()?);
        let bytes = self.take(length.into())?;
        let text = std::str::from_utf8(bytes).map_err(|_| Error::Entry)?;
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(aliases: &[&str]) -> Entries {
        let mut entries = Entries::default();
        for alias in aliases {
            let der = alias.bytes().rev().collect();
            entries.put((*alias).to_owned(), Trusted { added: 1_700_000_000_123, der });
        }
        entries
    }

    #[test]
    fn what_is_written_is_read() {
        let file = write(&entries(&["debian:a.pem", "debian:b.pem"]), "changeit").unwrap();
        let read = read(&file, "changeit").unwrap();
        assert_eq!(write(&read, "changeit").unwrap(), file);
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn the_bytes_of_an_empty_store_are_those_of_openjdk_17() {
        let file = write(&entries(&[]), "changeit").unwrap();
        let text = imgfix_model::hex::encode(&file);
        assert_eq!(text, "feedfeed0000000200000000e2686e45fb43dfa4d992dd41ceb6b21c6330d792");
    }

    #[test]
    fn other_files_and_passwords_are_refused() {
        let file = write(&entries(&["a"]), "changeit").unwrap();
        assert_eq!(read(&file, "other").unwrap_err(), Error::Digest);
        assert_eq!(read(b"", "changeit").unwrap_err(), Error::Format);
        assert_eq!(read(&[0x30; 100], "changeit").unwrap_err(), Error::Format);
        for end in 0..file.len() {
            assert!(read(&file[..end], "changeit").is_err());
        }
        let mut key = file;
        key[15] = 1;
        assert_eq!(read(&key, "changeit").unwrap_err(), Error::Entry);
    }

    #[test]
    fn aliases_are_in_lower_case() {
        assert_eq!(alias("debian:Főtanúsítvány.PEM").as_deref(), Some("debian:főtanúsítvány.pem"));
        assert_eq!(alias("\u{1f512}"), None);
    }
}
