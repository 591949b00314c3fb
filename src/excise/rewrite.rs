//! The second pass: the layers that have something to be cut, written anew.
//!
//! In comes the uncompressed tar stream of each layer with edits, base first, and the
//! [`Survey`]; out goes the new stream. Members without an edit are copied with their headers,
//! extension headers and padding, as is what stands behind the last one.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};
use std::ops::Range;

use imgfix_model::path::ImagePath;
use imgfix_vfs::layer::{Renewed, renewed, whiteout_member};
use imgfix_vfs::replay::MemberId;
use imgfix_vfs::tar_format::BLOCK;
use imgfix_vfs::tar_reader::{Member, RawHeader, TarReader};
use imgfix_vfs::{Spool, SpoolFile};

use super::cut::ExciseError;
use super::survey::{Edit, Survey};
use super::tap::{Flow, Tap, masked};

/// The most bytes of headers that are kept for links that take a content over.
const MAX_SAVED_HEADERS: usize = 64 << 20;

/// Writes layers anew. Contents that links take over wait in a temporary file meanwhile.
pub struct Rewriter<'s> {
    survey: &'s Survey,
    saved: BTreeMap<MemberId, Saved>,
    /// Bytes of the headers in `saved`.
    headers: usize,
    spool: Option<Spool>,
}

/// A file that goes, for a link that takes its place.
struct Saved {
    header: RawHeader,
    content: SpoolFile,
    size: u64,
}

impl<'s> Rewriter<'s> {
    /// For the layers that `survey` is about, which come in their order.
    #[must_use]
    pub fn new(survey: &'s Survey) -> Self {
        Self { survey, saved: BTreeMap::new(), headers: 0, spool: None }
    }

    /// Writes one layer (the lowest is 0) that the survey [reads](Survey::reads); what comes out
    /// is the layer as it was where it does not [rewrite](Survey::rewrites) it. The stream is read
    /// to its end.
    ///
    /// # Errors
    /// The stream is not the one that was surveyed, or has a form in which an entry cannot be cut;
    /// `out` or the temporary file fail.
    pub fn layer(
        &mut self,
        layer: usize,
        stream: impl Read,
        out: &mut dyn Write,
    ) -> Result<(), ExciseError> {
        let output = |source| ExciseError::Output { layer, source };
        let mut tar = TarReader::new(Tap::new(stream, out));
        for index in 0u32.. {
            let member = MemberId { layer: u32::try_from(layer).unwrap_or(u32::MAX), index };
            let edit = self.survey.edits.get(layer).and_then(|edits| edits.get(&index));
            let flow = match edit {
                None | Some(Edit::Redact(_)) => Flow::Copied,
                Some(_) => Flow::Held,
            };
            tar.get_mut().set_flow(flow);
            let next = tar.next_member();
            let Some(found) = next.map_err(|error| failed(layer, &mut tar, error))? else { break };
            if let Some(edit) = edit {
                self.edit(&mut tar, member, &found, edit)?;
            }
            if let Some(masks) = self.survey.saved.get(&member) {
                self.save(&mut tar, member, &found, masks)?;
            }
            tar.skip_content().map_err(|error| failed(layer, &mut tar, error))?;
            tar.get_mut().set_masks(Vec::new());
        }
        let tap = tar.get_mut();
        tap.set_flow(Flow::Copied);
        let held = tap.take_held();
        tap.put(&held).map_err(output)?;
        loop {
            match tap.fill_buf().map(<[u8]>::len) {
                Ok(0) => break,
                Ok(rest) => tap.consume(rest),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let why = error.to_string();
                    return Err(tap.failure().map_or(ExciseError::Changed { layer, why }, output));
                }
            }
        }
        if let Some(error) = tap.failure() {
            return Err(output(error));
        }
        // A stream of nothing is no archive to every reader.
        if tap.written() == 0 {
            tap.put(&[0; 2 * BLOCK]).map_err(output)?;
        }
        Ok(())
    }

    fn edit<R: Read>(
        &mut self,
        tar: &mut TarReader<Tap<'_, R>>,
        member: MemberId,
        found: &Member,
        edit: &Edit,
    ) -> Result<(), ExciseError> {
        let layer = member.layer as usize;
        let output = |source| ExciseError::Output { layer, source };
        let refuse = |why: &str| ExciseError::Refused {
            layer,
            entry: String::from_utf8_lossy(&found.name).into_owned(),
            why: why.to_owned(),
        };
        let span = tar.span();
        if let Edit::Redact(ranges) = edit {
            if tar.hole_bytes() > 0 {
                return Err(refuse("a sparse file cannot be redacted"));
            }
            let shift = |range: &Range<u64>| {
                let at = |offset: u64| span.content.saturating_add(offset.min(found.size));
                at(range.start)..at(range.end)
            };
            tar.get_mut().set_masks(ranges.iter().map(shift).collect());
            return Ok(());
        }
        let name = ImagePath::new(&found.name).ok();
        if name.as_ref() != self.survey.names.get(&member) {
            let why = "it is not the layer that was read before".to_owned();
            return Err(ExciseError::Changed { layer, why });
        }
        if span.has_global {
            return Err(refuse("a header about the whole archive stands between its own"));
        }
        // Headers about the whole archive that stand before the member stay.
        let held = tar.get_mut().take_held();
        let own = usize::try_from(span.content - span.start).unwrap_or(usize::MAX);
        let before = held.get(..held.len().saturating_sub(own)).unwrap_or_default();
        tar.get_mut().put(before).map_err(output)?;
        tar.get_mut().set_flow(Flow::Dropped);
        let header = tar.raw_header().cloned().ok_or_else(|| refuse("it has no header"))?;
        let damaged = || refuse("its PAX records are damaged");
        match edit {
            Edit::Drop | Edit::Redact(_) => {}
            Edit::Whiteout(path) => tar.get_mut().put(&whiteout_member(path)).map_err(output)?,
            Edit::Relink(target) => {
                let link = target.relative();
                let new = Renewed { kind: b'1', name: &found.name, link, size: 0 };
                let blocks = renewed(&header, new).ok_or_else(damaged)?;
                tar.get_mut().put(&blocks).map_err(output)?;
            }
            Edit::Promote(source) => {
                let saved = self.saved.get(source);
                let saved =
                    saved.ok_or_else(|| refuse("the file that it links to was not read"))?;
                let new = Renewed { kind: b'0', name: &found.name, link: b"", size: saved.size };
                let blocks = renewed(&saved.header, new).ok_or_else(damaged)?;
                tar.get_mut().put(&blocks).map_err(output)?;
                let mut content = saved.content.reader();
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    let got = content.read(&mut buffer).map_err(output)?;
                    let Some(part) = buffer.get(..got).filter(|part| !part.is_empty()) else {
                        break;
                    };
                    tar.get_mut().put(part).map_err(output)?;
                }
                let block = BLOCK as u64;
                let padding = usize::try_from((block - saved.size % block) % block).unwrap_or(0);
                let zeros = [0; BLOCK];
                tar.get_mut().put(zeros.get(..padding).unwrap_or_default()).map_err(output)?;
            }
        }
        Ok(())
    }

    /// Keeps the content of a member, for a link that becomes the file.
    fn save<R: Read>(
        &mut self,
        tar: &mut TarReader<Tap<'_, R>>,
        member: MemberId,
        found: &Member,
        masks: &[Range<u64>],
    ) -> Result<(), ExciseError> {
        let layer = member.layer as usize;
        let output = |source| ExciseError::Output { layer, source };
        let changed = |why: &str| ExciseError::Changed { layer, why: why.to_owned() };
        let header = tar.raw_header().cloned().ok_or_else(|| changed("it has no header"))?;
        let span = tar.span();
        let bytes = usize::try_from(span.content - span.start).unwrap_or(usize::MAX);
        self.headers = self.headers.saturating_add(bytes);
        if self.headers > MAX_SAVED_HEADERS {
            return Err(ExciseError::Refused {
                layer,
                entry: String::from_utf8_lossy(&found.name).into_owned(),
                why: "headers of files that hard links take over are too large".to_owned(),
            });
        }
        let spool = match &self.spool {
            Some(spool) => spool.clone(),
            None => self.spool.insert(Spool::new().map_err(output)?).clone(),
        };
        let size = found.size;
        let mut content = Masked { inner: &mut *tar, at: 0, masks };
        let content = spool.store(&mut content, size).map_err(|error| {
            let unwritten = tar.get_mut().failure();
            match (unwritten, error.kind()) {
                (Some(source), _) => output(source),
                (None, io::ErrorKind::UnexpectedEof) => changed("it is cut off"),
                (None, _) => output(error),
            }
        })?;
        self.saved.insert(member, Saved { header, content, size });
        Ok(())
    }
}

/// What an error of the tar reader is about: what it reads, or what it wrote on the way.
fn failed<R: Read>(
    layer: usize,
    tar: &mut TarReader<Tap<'_, R>>,
    error: imgfix_vfs::tar_reader::TarError,
) -> ExciseError {
    match tar.get_mut().failure() {
        Some(source) => ExciseError::Output { layer, source },
        None => ExciseError::Changed { layer, why: error.to_string() },
    }
}

/// A content with ranges of it written over.
struct Masked<'a, R> {
    inner: &'a mut R,
    at: u64,
    masks: &'a [Range<u64>],
}

impl<R: Read> Read for Masked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        let part = buffer.get_mut(..got).unwrap_or_default();
        if let Some(changed) = masked(part, self.at, self.masks) {
            part.copy_from_slice(&changed);
        }
        self.at += got as u64;
        Ok(got)
    }
}
