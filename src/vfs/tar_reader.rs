//! [`TarReader`]: the members of a tar stream, for layers, archives of images and packages.
//!
//! In comes an uncompressed stream; out come headers with names, attributes and sizes as
//! the extensions amend them, and the content of each. Written here rather than taken from
//! the `tar` crate, which reads extension headers without bound, splits PAX records at
//! newlines (binary attribute values contain them) and knows no PAX sparse files. Where
//! readers differ, this one follows Go's `archive/tar`: it decides what every container
//! runtime unpacks. What a package manager does not read of the format, its [`Rules`] say.
//!
//! The format: POSIX pax(1), "ustar Interchange Format" and "pax Interchange Format"; GNU
//! tar manual, "Basic Tar Format" and "Sparse Formats".

use std::io::{self, BufRead, Read};

use super::Xattrs;
use super::pax::{self, Sparse};
use super::tar_block::{Header, number, until_nul};
use super::tar_format::{
    Field, GID, GNU_EXTENDED, GNU_MORE_EXTENDED, GNU_MORE_SPARSE, GNU_REAL_SIZE, GNU_SPARSE, GROUP,
    LINK, MAJOR, MINOR, MODE, MTIME, SIZE, UID, USER,
};

const BLOCK: u64 = super::tar_format::BLOCK as u64;

/// The largest extension header (PAX records, long names) accepted, in bytes: the bound of
/// Go's `archive/tar`.
pub const MAX_EXTENSION: u64 = 1 << 20;

/// What of the format an archive may use: the programs that an archive is for do not all read
/// the same. A type that the rules leave out is one that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The largest extension header, in bytes.
    pub max_extension: u64,
    /// PAX headers. GNU's headers of long names always count.
    pub pax: bool,
    /// Sparse files of both kinds.
    pub sparse: bool,
    /// A member of a type that is not known is [`MemberKind::Other`], and no error.
    pub other_types: bool,
    /// The archive may end before the last member's padding does: umoci leaves it out.
    pub unpadded_end: bool,
}

impl Rules {
    /// Layers, and archives of images: what Go's `archive/tar` reads.
    pub const LAYER: Self = Self {
        max_extension: MAX_EXTENSION,
        pax: true,
        sparse: true,
        other_types: false,
        unpadded_end: true,
    };
}

/// How many pieces a sparse file may have.
const MAX_SEGMENTS: usize = 1 << 20;

/// Why a stream is not a tar archive that can be used.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The stream under it failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The format is broken, or has what the [`Rules`] do not allow.
    #[error("{place}: {why}")]
    Invalid {
        /// The member's name, or where in the archive it is.
        place: String,
        /// What is wrong, for people.
        why: String,
    },
}

/// One member's header.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    /// As stored: may be absolute, have `..`, or end in a slash.
    pub name: Vec<u8>,
    /// What it stands for.
    pub kind: MemberKind,
    /// The type as the header has it, for programs that tell apart more than `kind`.
    pub type_flag: u8,
    /// Bytes of content, the holes of a sparse file included.
    pub size: u64,
    /// Permission bits with setuid, setgid and sticky (`0o7777`).
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The owner's name; empty when the header has none.
    pub user: Vec<u8>,
    /// The group's name; empty when the header has none.
    pub group: Vec<u8>,
    /// Time of modification, seconds since the epoch; fractions are cut off towards the past.
    pub mtime: i64,
    /// The `SCHILY.xattr.` records of its PAX header.
    pub xattrs: Xattrs,
    /// The content's hash that apk's archives have in an extension, hexadecimal.
    pub apk_checksum: Option<Vec<u8>>,
}

/// A member's type: pax(1), `typeflag`.
#[derive(Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// `0`, NUL, `7`; `S` and PAX sparse files where the [`Rules`] allow them.
    File,
    /// `1`: another name of an earlier member, whose name is this one as stored.
    HardLink(Vec<u8>),
    /// `2`, with the target as stored.
    Symlink(Vec<u8>),
    /// `3`.
    CharDevice {
        /// The driver, as in makedev(3).
        major: u32,
        /// Which of the driver's devices.
        minor: u32,
    },
    /// `4`.
    BlockDevice {
        /// The driver, as in makedev(3).
        major: u32,
        /// Which of the driver's devices.
        minor: u32,
    },
    /// `5`, or a file of the time before POSIX whose name ends in a slash.
    Directory,
    /// `6`.
    Fifo,
    /// A type that the [`Rules`] do not know; it may have content.
    Other,
}

/// A piece of a sparse file that is stored.
#[derive(Debug, Clone, Copy)]
struct Segment {
    offset: u64,
    len: u64,
}

/// Where a member is in its archive, in bytes from the archive's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Its first block: that of an extension header, where it has one.
    pub start: u64,
    /// Where its stored content begins.
    pub content: u64,
    /// Behind the padding of its content. The last member's may be missing in the archive.
    pub end: u64,
    /// Whether a header that is about the whole archive (PAX, `g`) stands between the member's
    /// own.
    pub has_global: bool,
}

/// A member's header as it stands in the archive, for who writes it anew.
#[derive(Clone)]
pub struct RawHeader {
    pub(super) block: [u8; BLOCK as usize],
    /// The records of its PAX header.
    pub(super) pax: Option<Vec<u8>>,
}

/// Reads members one after another. As a [`Read`] it gives the content of the current one.
pub struct TarReader<R> {
    inner: R,
    rules: Rules,
    /// Bytes read from the archive.
    offset: u64,
    /// Stored bytes of the current member still in the archive, and the padding after them.
    stored: u64,
    padding: u64,
    /// The current member's content: its pieces, where the reader is, and its length.
    segments: Vec<Segment>,
    segment: usize,
    position: u64,
    size: u64,
    span: Span,
    raw: Option<RawHeader>,
}

impl<R: BufRead> TarReader<R> {
    /// A reader of layers.
    pub fn new(inner: R) -> Self {
        Self::with_rules(inner, Rules::LAYER)
    }

    /// A reader of archives for a program that reads by these rules.
    pub fn with_rules(inner: R, rules: Rules) -> Self {
        Self {
            inner,
            rules,
            offset: 0,
            stored: 0,
            padding: 0,
            segments: Vec::new(),
            segment: 0,
            position: 0,
            size: 0,
            span: Span::default(),
            raw: None,
        }
    }

    /// Where the current member is.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The current member's header; `None` before the first and behind the last.
    pub fn raw_header(&self) -> Option<&RawHeader> {
        self.raw.as_ref()
    }

    /// The stream under it. What is read of it here is missing in the archive.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Where the reader is in the archive: after [`TarReader::next_member`] at the start of the
    /// member's stored content.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads what is left of the current member's content, and its padding.
    ///
    /// # Errors
    /// The stream fails or ends before.
    pub fn skip_content(&mut self) -> Result<(), TarError> {
        self.skip_member()
    }

    /// Goes past the current member's content and padding without reading them. `seek` moves
    /// the archive's reader forward by so many bytes.
    ///
    /// # Errors
    /// Those of `seek`; the member is larger than any file.
    pub fn pass_over(
        &mut self,
        seek: impl FnOnce(&mut R, i64) -> io::Result<()>,
    ) -> Result<(), TarError> {
        let rest = self.stored.saturating_add(self.padding);
        let step = i64::try_from(rest).map_err(|_| self.invalid("the size is too large"))?;
        seek(&mut self.inner, step)?;
        self.offset = self.offset.saturating_add(rest);
        self.stored = 0;
        self.padding = 0;
        Ok(())
    }

    /// Bytes of the current member's content that are not stored: the holes of a sparse file.
    pub fn hole_bytes(&self) -> u64 {
        let stored: u64 = self.segments.iter().map(|segment| segment.len).sum();
        self.size.saturating_sub(stored)
    }

    /// The next member; `None` at the end of the archive. What was not read of the member
    /// before is skipped.
    ///
    /// # Errors
    /// The stream fails or ends within a member; the format is broken, or has what the rules do
    /// not allow.
    pub fn next_member(&mut self) -> Result<Option<Member>, TarError> {
        self.skip_member()?;
        self.raw = None;
        let mut extensions = Extensions::default();
        let (mut start, mut has_global) = (self.offset, false);
        loop {
            let Some(header) = self.header()? else {
                if extensions.any() {
                    return Err(self.invalid("the archive ends after an extension header"));
                }
                return Ok(None);
            };
            let slot = match header.type_flag() {
                b'x' | b'X' if self.rules.pax => &mut extensions.pax,
                b'L' => &mut extensions.long_name,
                b'K' => &mut extensions.long_link,
                b'g' if self.rules.pax => {
                    // Describes all that follows; Go and with it every runtime ignores it.
                    self.stored = self.number(&header, SIZE, "size")?;
                    self.padding = padding(self.stored);
                    self.skip_member()?;
                    match extensions.any() {
                        true => has_global = true,
                        false => start = self.offset,
                    }
                    continue;
                }
                _ => {
                    let member = self.member(&header, &extensions)?;
                    let content = self.offset;
                    let end = content.saturating_add(self.stored).saturating_add(self.padding);
                    self.span = Span { start, content, end, has_global };
                    self.raw = Some(RawHeader { block: header.0, pax: extensions.pax });
                    return Ok(Some(member));
                }
            };
            if slot.is_some() {
                return Err(self.invalid("two extension headers of one kind for one entry"));
            }
            *slot = Some(self.extension(&header)?);
        }
    }

    /// The content of an extension header.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, TarError> {
        let size: u64 = self.number(header, SIZE, "size")?;
        let most = self.rules.max_extension;
        if size > most {
            return Err(self.invalid(&format!(
                "an extension header of {size} bytes; at most {most} are accepted"
            )));
        }
        let mut data = Vec::new();
        (&mut self.inner).take(size).read_to_end(&mut data)?;
        self.offset += data.len() as u64;
        if data.len() as u64 != size {
            return Err(self.cut());
        }
        self.padding = padding(size);
        self.skip_member()?;
        Ok(data)
    }

    /// Reads one header block; `None` at the end of the archive: two zero blocks, or nothing.
    fn header(&mut self) -> Result<Option<Header>, TarError> {
        let Some(header) = self.block()? else { return Ok(None) };
        if header.is_zero() {
            return match self.block()? {
                Some(next) if !next.is_zero() => {
                    Err(self.invalid("a lone block of zeros between entries"))
                }
                _ => Ok(None),
            };
        }
        if !header.checksum_matches() {
            return Err(self.invalid("the header's checksum does not match"));
        }
        Ok(Some(header))
    }

    fn block(&mut self) -> Result<Option<Header>, TarError> {
        let mut block = [0; BLOCK as usize];
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.inner.read(rest) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(self.cut()),
                Ok(got) => filled += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.offset += BLOCK;
        Ok(Some(Header(block)))
    }

    /// Puts a header and its extensions together and gets ready to read the content.
    fn member(&mut self, header: &Header, extensions: &Extensions) -> Result<Member, TarError> {
        let mut records = pax::Records::default();
        if let Some(data) = &extensions.pax {
            records = pax::parse(data).map_err(|why| self.invalid(why))?;
        }
        let name = match (&extensions.long_name, records.path.take()) {
            (Some(long), _) => until_nul(long).to_vec(),
            (None, Some(path)) => path,
            (None, None) => header.name(),
        };
        let shown = ShownName(String::from_utf8_lossy(&name).into_owned());
        let link = match (&extensions.long_link, records.linkpath.take()) {
            (Some(long), _) => until_nul(long).to_vec(),
            (None, Some(path)) => path,
            (None, None) => until_nul(header.field(LINK)).to_vec(),
        };
        let kind = self.kind(header, &name, link, &shown)?;
        let is_file = kind == MemberKind::File;
        let size: u64 = match records.size {
            Some(size) => size,
            None => self.number(header, SIZE, "size")?,
        };
        self.stored = if is_file || kind == MemberKind::Other { size } else { 0 };
        if self.stored > i64::MAX as u64 {
            return Err(shown.invalid("the size is too large"));
        }
        self.padding = padding(self.stored);
        self.segment = 0;
        self.position = 0;
        self.size = self.stored;
        self.segments.clear();
        self.segments.push(Segment { offset: 0, len: self.stored });
        let mut name = name;
        if is_file && self.rules.sparse {
            if header.type_flag() == b'S' {
                self.gnu_sparse(header, &shown)?;
            } else if let Some(sparse) = records.sparse.take() {
                if let Some(real) = &sparse.name {
                    name.clone_from(real);
                }
                self.pax_sparse(&sparse, &shown)?;
            }
        }
        let uid = records.uid.map_or_else(|| self.number(header, UID, "uid"), Ok)?;
        let gid = records.gid.map_or_else(|| self.number(header, GID, "gid"), Ok)?;
        let mtime = records.mtime.map_or_else(|| self.number(header, MTIME, "mtime"), Ok)?;
        let mode = header.number(MODE).unwrap_or(0) & 0o7777;
        Ok(Member {
            name,
            kind,
            type_flag: header.type_flag(),
            size: self.size,
            mode: u32::try_from(mode).unwrap_or(0),
            uid,
            gid,
            user: until_nul(header.field(USER)).to_vec(),
            group: until_nul(header.field(GROUP)).to_vec(),
            mtime,
            xattrs: records.xattrs,
            apk_checksum: records.apk_checksum,
        })
    }

    fn kind(
        &self,
        header: &Header,
        name: &[u8],
        link: Vec<u8>,
        shown: &ShownName,
    ) -> Result<MemberKind, TarError> {
        let device = || -> Result<(u32, u32), TarError> {
            Ok((self.number(header, MAJOR, "major")?, self.number(header, MINOR, "minor")?))
        };
        Ok(match header.type_flag() {
            // Before POSIX a directory was a file whose name ends in a slash.
            0 | b'0' if name.ends_with(b"/") => MemberKind::Directory,
            0 | b'0' | b'7' => MemberKind::File,
            b'S' if header.is_gnu() && self.rules.sparse => MemberKind::File,
            b'1' => MemberKind::HardLink(link),
            b'2' => MemberKind::Symlink(link),
            b'3' => {
                let (major, minor) = device()?;
                MemberKind::CharDevice { major, minor }
            }
            b'4' => {
                let (major, minor) = device()?;
                MemberKind::BlockDevice { major, minor }
            }
            b'5' => MemberKind::Directory,
            b'6' => MemberKind::Fifo,
            _ if self.rules.other_types => MemberKind::Other,
            other => {
                let flag = char::from(other).escape_default().to_string();
                return Err(shown.invalid(&format!("entry type '{flag}' is not supported")));
            }
        })
    }

    /// Old GNU sparse format: four pieces in the header, more in blocks after it.
    fn gnu_sparse(&mut self, header: &Header, shown: &ShownName) -> Result<(), TarError> {
        const PIECE: usize = 24;
        let bad = || shown.invalid("the map of the sparse file is damaged");
        let mut segments = Vec::new();
        let mut add = |table: &[u8]| -> Result<(), TarError> {
            for piece in table.chunks_exact(PIECE) {
                let (offset, len) = piece.split_at(PIECE / 2);
                if offset.first() == Some(&0) {
                    return Ok(());
                }
                let value = |field| number(field).and_then(|n| u64::try_from(n).ok());
                let (Some(offset), Some(len)) = (value(offset), value(len)) else {
                    return Err(bad());
                };
                segments.push(Segment { offset, len });
                if segments.len() > MAX_SEGMENTS {
                    return Err(bad());
                }
            }
            Ok(())
        };
        add(header.field(GNU_SPARSE))?;
        let mut extended = header.field(GNU_EXTENDED).first() == Some(&1);
        while extended {
            let Some(block) = self.block()? else { return Err(self.cut()) };
            add(block.field(GNU_MORE_SPARSE))?;
            extended = block.field(GNU_MORE_EXTENDED).first() == Some(&1);
        }
        let size = self.number(header, GNU_REAL_SIZE, "real size")?;
        self.set_segments(segments, size, shown)
    }

    /// The three PAX sparse formats of GNU tar (0.0 and 0.1 in the records, 1.0 before the
    /// content).
    fn pax_sparse(&mut self, sparse: &Sparse, shown: &ShownName) -> Result<(), TarError> {
        let bad = || shown.invalid("the map of the sparse file is damaged");
        let mut numbers = sparse.map.clone();
        if sparse.map_in_content {
            let before = self.stored;
            let count = self.map_number().ok_or_else(bad)?;
            if count > MAX_SEGMENTS as u64 {
                return Err(bad());
            }
            for _ in 0..count.saturating_mul(2) {
                numbers.push(self.map_number().ok_or_else(bad)?);
            }
            let rest = padding(before - self.stored);
            if !self.skip(rest)? {
                return Err(self.cut());
            }
            self.stored = self.stored.checked_sub(rest).ok_or_else(bad)?;
        }
        let segments: Vec<Segment> = numbers
            .chunks(2)
            .map(|pair| match *pair {
                [offset, len] => Ok(Segment { offset, len }),
                _ => Err(bad()),
            })
            .collect::<Result<_, _>>()?;
        if segments.len() > MAX_SEGMENTS {
            return Err(bad());
        }
        self.set_segments(segments, sparse.size.ok_or_else(bad)?, shown)
    }

    /// A decimal number and a newline of a map that precedes the content.
    fn map_number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for digits in 0..=20 {
            self.stored = self.stored.checked_sub(1)?;
            let mut byte = [0];
            self.inner.read_exact(&mut byte).ok()?;
            self.offset += 1;
            match byte {
                [b'\n'] if digits > 0 => return Some(value),
                [digit @ b'0'..=b'9'] => {
                    value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
                }
                _ => return None,
            }
        }
        None
    }

    fn set_segments(
        &mut self,
        segments: Vec<Segment>,
        size: u64,
        shown: &ShownName,
    ) -> Result<(), TarError> {
        let mut end = 0u64;
        let mut stored = 0u64;
        for segment in &segments {
            let next = segment.offset.checked_add(segment.len);
            match next {
                Some(next) if segment.offset >= end && next <= size => end = next,
                _ => return Err(shown.invalid("the pieces of the sparse file overlap")),
            }
            stored = stored.saturating_add(segment.len);
        }
        if stored != self.stored || size > i64::MAX as u64 {
            return Err(shown.invalid("the map of the sparse file does not match its content"));
        }
        self.segments = segments;
        self.size = size;
        Ok(())
    }

    fn skip_member(&mut self) -> Result<(), TarError> {
        let is_whole = self.skip(self.stored)?;
        let is_padded = self.skip(self.padding)? || self.rules.unpadded_end;
        if !is_whole || !is_padded {
            return Err(self.cut());
        }
        self.stored = 0;
        self.padding = 0;
        self.size = 0;
        self.position = 0;
        Ok(())
    }

    /// Whether so many bytes were there.
    fn skip(&mut self, mut bytes: u64) -> Result<bool, TarError> {
        while bytes > 0 {
            let here = match self.inner.fill_buf() {
                Ok(buffer) => buffer.len(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if here == 0 {
                return Ok(false);
            }
            let step = usize::try_from(bytes).unwrap_or(usize::MAX).min(here);
            self.inner.consume(step);
            self.offset += step as u64;
            bytes -= step as u64;
        }
        Ok(true)
    }

    fn number<T: TryFrom<i64>>(
        &self,
        header: &Header,
        field: Field,
        what: &str,
    ) -> Result<T, TarError> {
        let value = header.number(field).and_then(|value| T::try_from(value).ok());
        value.ok_or_else(|| self.invalid(&format!("the {what} in the header is not valid")))
    }

    fn cut(&self) -> TarError {
        self.invalid("the archive is cut off")
    }

    fn invalid(&self, why: &str) -> TarError {
        TarError::Invalid { place: format!("tar stream at byte {}", self.offset), why: why.into() }
    }
}

impl<R: BufRead> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(self.position);
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        while let Some(segment) = self.segments.get(self.segment)
            && self.position >= segment.offset + segment.len
        {
            self.segment += 1;
        }
        let (run, is_hole) = match self.segments.get(self.segment) {
            None => (left, true),
            Some(next) if self.position < next.offset => (next.offset - self.position, true),
            Some(here) => (here.offset + here.len - self.position, false),
        };
        let want = usize::try_from(run).unwrap_or(usize::MAX).min(buffer.len());
        let part = buffer.get_mut(..want).unwrap_or_default();
        let got = if is_hole {
            part.fill(0);
            want
        } else {
            let got = self.inner.read(part)?;
            if got == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.stored = self.stored.saturating_sub(got as u64);
            self.offset += got as u64;
            got
        };
        self.position += got as u64;
        Ok(got)
    }
}

/// Extension headers seen before the header they describe.
#[derive(Default)]
struct Extensions {
    pax: Option<Vec<u8>>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl Extensions {
    fn any(&self) -> bool {
        self.pax.is_some() || self.long_name.is_some() || self.long_link.is_some()
    }
}

/// The name of the member that an error is about, as it may be shown.
struct ShownName(String);

impl ShownName {
    fn invalid(&self, why: &str) -> TarError {
        TarError::Invalid { place: self.0.clone(), why: why.into() }
    }
}

fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

#[cfg(test)]
mod tests {
    use super::super::LayerError;
    use super::super::testing::{Archive, read, shown};
    use super::{Span, TarReader};

    #[test]
    fn sparse_files_have_their_holes_back() {
        let mut gnu = tar::Header::new_gnu();
        gnu.set_entry_type(tar::EntryType::GNUSparse);
        gnu.set_path("gnu").unwrap();
        gnu.set_size(2);
        let fields = gnu.as_gnu_mut().unwrap();
        fields.sparse[0].set_offset(3);
        fields.sparse[0].set_length(1);
        fields.sparse[1].set_offset(6);
        fields.sparse[1].set_length(1);
        fields.set_real_size(8);
        gnu.set_cksum();
        let mut archive = Archive::new();
        archive.0.append(&gnu, &b"ab"[..]).unwrap();
        let mut map = b"2\n3\n1\n6\n1\n".to_vec();
        map.resize(512, 0);
        map.extend_from_slice(b"ab");
        let v1: [(&str, &[u8]); 4] = [
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"pax1.0"),
            ("GNU.sparse.realsize", b"8"),
        ];
        let v01: [(&str, &[u8]); 3] = [
            ("GNU.sparse.size", b"8"),
            ("GNU.sparse.map", b"3,1,6,1"),
            ("GNU.sparse.name", b"pax0.1"),
        ];
        let v00: [(&str, &[u8]); 5] = [
            ("GNU.sparse.size", b"8"),
            ("GNU.sparse.offset", b"3"),
            ("GNU.sparse.numbytes", b"1"),
            ("GNU.sparse.offset", b"6"),
            ("GNU.sparse.numbytes", b"1"),
        ];
        let blob = archive
            .pax(&v1)
            .add("GNUSparseFile.0/x", tar::EntryType::Regular, "", &map)
            .pax(&v01)
            .file("GNUSparseFile.1/x", "ab")
            .pax(&v00)
            .file("pax0.0", "ab")
            .file("after", "z")
            .bytes();
        let want = "\0\0\0a\0\0b\0";
        assert_eq!(
            shown(vec![blob]),
            [
                "/".into(),
                "/after=z".into(),
                format!("/gnu={want}"),
                format!("/pax0.0={want}"),
                format!("/pax0.1={want}"),
                format!("/pax1.0={want}"),
            ]
        );
    }

    #[test]
    fn spans_cover_the_archive() {
        let long = "d/".repeat(90) + "name";
        let mut global = tar::Header::new_ustar();
        global.set_entry_type(tar::EntryType::XGlobalHeader);
        global.set_size(9);
        global.set_cksum();
        let mut archive = Archive::new().file("a", "1").file(&long, "23");
        archive.0.append(&global, &b"9 c=data\n"[..]).unwrap();
        let archive = archive.pax(&[("comment", b"x")]).dir("e").symlink("f", "a").bytes();
        let mut tar = TarReader::new(&archive[..]);
        let mut spans = Vec::new();
        while tar.next_member().unwrap().is_some() {
            assert!(tar.raw_header().is_some());
            tar.skip_content().unwrap();
            let Span { start, content, end, has_global } = tar.span();
            assert!(!has_global);
            spans.push((start, content, end));
        }
        // GNU's long name takes two blocks and its header one; so do PAX records
        let want = [(0, 512, 1024), (1024, 2560, 3072), (4096, 5632, 5632), (5632, 6144, 6144)];
        assert_eq!(spans, want);
        assert!(tar.raw_header().is_none());
    }

    #[test]
    fn the_last_padding_may_be_missing_and_no_content() {
        let whole = Archive::new().file("a", "1").file("b", "23").bytes();
        let content = whole.len() - 1024 - 512;
        for length in [content + 2, content + 3, content + 511, content + 512] {
            assert_eq!(shown(vec![whole[..length].to_vec()]), ["/", "/a=1", "/b=23"], "{length}");
        }
        let cut = read(&whole[..=content]);
        assert!(matches!(cut, Err(LayerError::Corrupt { .. })), "{cut:?}");
    }

    #[test]
    fn damaged_sparse_maps_are_refused() {
        for (size, map) in
            [("8", "3,1,3,1"), ("8", "3,1,6"), ("5", "3,1,6,1"), ("8", "3,1"), ("8", "1,3")]
        {
            let blob = Archive::new()
                .pax(&[("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.map", map.as_bytes())])
                .file("f", "ab")
                .bytes();
            assert!(matches!(read(&blob), Err(LayerError::Corrupt { .. })), "{size} {map}");
        }
    }
}
