//! [`Program`]: which `ldconfig` the image has, told by the texts in its file.
//!
//! Nothing of it is run. Its release, the text by which it signs caches, the folders that are
//! built in (Debian adds those of the architecture) and what distributions have changed in it
//! are all plain texts there.

use bstr::ByteSlice as _;

use super::elf::{ByteOrder, Class};
use super::processor::{Family, Processor};

/// A release of glibc, such as 2.36.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    pub major: u32,
    pub minor: u32,
}

impl Release {
    const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Whether strings are shared and the cache has extensions, glibc-hwcaps among them.
    #[must_use]
    pub fn has_extensions(self) -> bool {
        self >= Self::new(2, 33)
    }

    /// Whether entries tell the oldest kernel for their library.
    #[must_use]
    pub fn records_kernels(self) -> bool {
        self < Self::new(2, 36)
    }

    /// Whether folders such as `haswell` below a library folder are searched.
    #[must_use]
    pub fn knows_capabilities(self) -> bool {
        self < Self::new(2, 37)
    }

    /// Whether every library counts as one for glibc.
    #[must_use]
    pub fn knows_only_glibc(self) -> bool {
        self >= Self::new(2, 37)
    }

    /// Whether names that start with `ld.so.` are libraries.
    #[must_use]
    pub fn knows_ld_so(self) -> bool {
        self >= Self::new(2, 34)
    }

    /// Debian's change for libraries without a float ABI in their header (up to bullseye).
    #[must_use]
    pub fn reads_arm_attributes(self) -> bool {
        self < Self::new(2, 32)
    }
}

/// Which of its formats a cache is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Old,
    /// The new one hidden behind the old one.
    Compat,
    New,
}

/// An `ldconfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub processor: Processor,
    pub release: Release,
    /// What it writes at the end of a cache.
    pub generator: Option<Vec<u8>>,
    /// Whether the cache's header tells its byte order.
    pub marks_order: bool,
    pub format: Format,
    /// Folders that it searches after those of its configuration.
    pub folders: Vec<Vec<u8>>,
    /// Debian: links to the dynamic linker stay as they are.
    pub keeps_linker_links: bool,
    /// Whether files that dpkg is just unpacking are left out.
    pub skips_dpkg_files: bool,
    /// Whether `-v` tells where a folder comes from.
    pub tells_origins: bool,
}

impl Program {
    /// Reads the file `/sbin/ldconfig`; the error names what is missing there.
    ///
    /// # Errors
    /// It is not an `ldconfig` of glibc that this module knows.
    pub fn read(file: &[u8]) -> Result<Self, &'static str> {
        let processor = processor(file).ok_or("it is not for a known processor")?;
        let generator = generator(file);
        let release = release(file, generator).ok_or("it does not tell its release of glibc")?;
        let generator = generator.filter(|_| release.has_extensions());
        if release.has_extensions() && generator.is_none() {
            return Err("it does not tell how it signs caches");
        }
        let folders = folders(file).ok_or("it does not tell its built-in folders")?;
        let is_new = file.contains_str("Format to use: new (default)");
        Ok(Self {
            processor,
            release,
            generator: generator.map(<[u8]>::to_vec),
            marks_order: file.contains_str("Cache file has wrong endianness"),
            format: if is_new { Format::New } else { Format::Compat },
            folders,
            keeps_linker_links: file.contains_str("is the dynamic linker, ignoring"),
            skips_dpkg_files: file.contains_str(".dpkg-new"),
            tells_origins: file.contains_str("<builtin>"),
        })
    }
}

fn processor(file: &[u8]) -> Option<Processor> {
    let rest = file.strip_prefix(b"\x7fELF")?;
    let class = if *rest.first()? == 2 { Class::Elf64 } else { Class::Elf32 };
    let machine: [u8; 2] = *file.get(18..)?.first_chunk()?;
    let (order, machine) = match rest.get(1)? {
        1 => (ByteOrder::Little, u16::from_le_bytes(machine)),
        _ => (ByteOrder::Big, u16::from_be_bytes(machine)),
    };
    Some(Processor { family: Family::of_machine(machine)?, class, order })
}

/// The text `ldconfig (DISTRIBUTION GLIBC VERSION) stable release version 2.36`.
fn generator(file: &[u8]) -> Option<&[u8]> {
    let mut from = 0;
    while let Some(at) = file.get(from..)?.find(b"\0ldconfig (") {
        let text = text_at(file, from + at + 1)?;
        if text.contains_str(") ") && text.contains_str(" release version ") {
            return Some(text);
        }
        from += at + 1;
    }
    None
}

fn text_at(file: &[u8], at: usize) -> Option<&[u8]> {
    let rest = file.get(at..)?;
    rest.get(..rest.iter().take(512).position(|&b| b == 0)?)
}

/// From the signature, or from the package version in the text `(Debian GLIBC 2.31-13) `.
fn release(file: &[u8], generator: Option<&[u8]>) -> Option<Release> {
    if let Some(text) = generator {
        let at = text.rfind(b" release version ")?;
        return parse_release(text.get(at + b" release version ".len()..)?);
    }
    let mut from = 0;
    while let Some(at) = file.get(from..)?.find(b" GLIBC 2.") {
        from += at + 1;
        let before = file.get(..from)?;
        let is_named = before.rfind_byte(b'(').is_some_and(|open| from - open < 64);
        if is_named && let Some(release) = parse_release(file.get(from + b"GLIBC ".len()..)?) {
            return Some(release);
        }
    }
    None
}

fn parse_release(text: &[u8]) -> Option<Release> {
    let (major, rest) = number(text)?;
    let (minor, _) = number(rest.strip_prefix(b".")?)?;
    Some(Release { major, minor })
}

fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let end = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(end)?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// The built-in folders stand one after the other, each with a slash at its end.
fn folders(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    const LAST: &[u8] = b"/lib/\0/usr/lib/\0";
    let mut best: Option<Vec<Vec<u8>>> = None;
    let mut from = 0;
    while let Some(at) = file.get(from..)?.find(LAST) {
        let mut start = from + at;
        from = start + 1;
        let mut found = vec![b"/lib".to_vec(), b"/usr/lib".to_vec()];
        while let Some(end) = start.checked_sub(2) {
            // the byte before is the NUL of the text before
            let window = file.get(end.saturating_sub(256)..=end)?;
            let Some(nul) = window.rfind_byte(0) else { break };
            let text = window.get(nul + 1..)?;
            let Some(folder) = text.strip_suffix(b"/") else { break };
            let is_folder = folder.starts_with(b"/") && folder.is_ascii();
            if !is_folder || file.get(end + 1) != Some(&0) || found.len() > 8 {
                break;
            }
            found.insert(0, folder.to_vec());
            start = end + 1 - text.len();
        }
        if best.as_ref().is_none_or(|best| best.len() < found.len()) {
            best = Some(found);
        }
    }
    best
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The texts of an `ldconfig` of Debian for x86-64.
    pub fn file(release: &str, more: &[&str]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(18, 0);
        file.extend([62, 0]);
        file.resize(64, 0);
        let signature = format!("(Debian GLIBC {release}-1) ");
        let folders =
            ["/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/", "/lib/", "/usr/lib/"];
        for text in ["", &signature].into_iter().chain(more.iter().copied()).chain(folders) {
            file.extend(text.bytes());
            file.push(0);
        }
        file
    }

    #[test]
    fn a_program_is_known_by_its_texts() {
        let old = Program::read(&file("2.31", &["Cache file has wrong endianness.\n"])).unwrap();
        assert_eq!(old.release, Release::new(2, 31));
        assert_eq!((old.generator, old.marks_order, old.format), (None, true, Format::Compat));
        assert_eq!(old.folders.len(), 4);
        assert_eq!(old.folders[0], b"/lib/x86_64-linux-gnu");
        let signature = "ldconfig (Debian GLIBC 2.36-1) stable release version 2.36";
        let more = [signature, "Format to use: new (default), old, or compat", "<builtin>"];
        let new = Program::read(&file("2.36", &more)).unwrap();
        assert_eq!(new.release, Release::new(2, 36));
        assert_eq!(new.generator.as_deref(), Some(signature.as_bytes()));
        assert_eq!((new.format, new.tells_origins), (Format::New, true));
    }

    #[test]
    fn other_files_are_refused() {
        assert!(Program::read(b"#!/bin/sh\n").is_err());
        let unsigned = file("2.36", &[]);
        assert_eq!(Program::read(&unsigned), Err("it does not tell how it signs caches"));
    }
}
