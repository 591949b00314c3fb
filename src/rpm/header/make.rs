//! [`NewHeader`]: a header that is written.
//!
//! In come values by their tags, and perhaps a region that is kept as it is; out come the bytes,
//! laid out as rpm does it: the region, then everything else sorted by tag, each value aligned
//! by its type. Source: `headerExport` of rpm `lib/header.cc`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{ENTRY, Header, HeaderError, Region, Tag, Type, tag};

/// Values that become a header.
#[derive(Debug, Clone, Default)]
pub struct NewHeader {
    values: BTreeMap<Tag, Written>,
}

#[derive(Debug, Clone)]
struct Written {
    typ: Type,
    count: usize,
    data: Vec<u8>,
}

impl NewHeader {
    /// A number of 32 bits.
    pub fn number(&mut self, tag: Tag, value: u32) {
        self.numbers(tag, &[value]);
    }

    /// Numbers of 32 bits.
    pub fn numbers(&mut self, tag: Tag, values: &[u32]) {
        let data = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        self.put(tag, Type::Int32, values.len(), data);
    }

    /// Numbers of 16 bits.
    pub fn short_numbers(&mut self, tag: Tag, values: &[u16]) {
        let data = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        self.put(tag, Type::Int16, values.len(), data);
    }

    /// Numbers of 64 bits.
    pub fn long_numbers(&mut self, tag: Tag, values: &[u64]) {
        let data = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        self.put(tag, Type::Int64, values.len(), data);
    }

    /// Single bytes.
    pub fn chars(&mut self, tag: Tag, values: &[u8]) {
        self.put(tag, Type::Char, values.len(), values.to_vec());
    }

    /// Bytes.
    pub fn bin(&mut self, tag: Tag, bytes: &[u8]) {
        self.put(tag, Type::Bin, bytes.len(), bytes.to_vec());
    }

    /// A text. What follows a NUL is left out.
    pub fn string(&mut self, tag: Tag, text: &[u8]) {
        self.put(tag, Type::String, 1, terminated(&[text]));
    }

    /// Texts.
    pub fn strings(&mut self, tag: Tag, texts: &[&[u8]]) {
        self.put(tag, Type::StringArray, texts.len(), terminated(texts));
    }

    /// A text in the languages of [`tag::HEADERI18NTABLE`].
    pub fn i18n(&mut self, tag: Tag, texts: &[&[u8]]) {
        self.put(tag, Type::I18nString, texts.len(), terminated(texts));
    }

    /// The values of another header's tag, as they stand there, under another tag.
    pub(crate) fn copy(&mut self, from: &Header, tag: Tag, to: Tag) {
        let Some(entry) = from.entry(tag) else { return };
        let at = entry.offset as usize;
        let data = from.data().get(at..at + entry.len as usize).unwrap_or_default();
        self.put(to, entry.typ, entry.count as usize, data.to_vec());
    }

    /// Nothing is written of no values: no header can have such an entry.
    fn put(&mut self, tag: Tag, typ: Type, count: usize, data: Vec<u8>) {
        if count > 0 {
            self.values.insert(tag, Written { typ, count, data });
        }
    }

    /// A header without a region, as those of keys are.
    ///
    /// # Errors
    /// More than a header may have.
    pub fn plain(&self) -> Result<Header, HeaderError> {
        Header::parse(self.layout(Vec::new(), Vec::new())?)
    }

    /// A header that is all region, as archives have it.
    ///
    /// # Errors
    /// More than a header may have.
    pub fn region(&self, region: Tag) -> Result<Header, HeaderError> {
        let plain = self.layout(vec![0; ENTRY], Vec::new())?;
        let data_len = super::u32_at(&plain, 4);
        let index_len = (self.values.len() + 1) * ENTRY;
        let mut blob = plain.to_vec();
        let entry = raw_entry(region, Type::Bin, data_len as usize, ENTRY)?;
        blob.splice(8..8 + ENTRY, entry);
        blob.extend(raw_entry(region, Type::Bin, 0, ENTRY)?);
        let at = blob.len() - ENTRY + 8;
        let back = u32::try_from(index_len).map_err(|_| too_large(index_len, 0))?.wrapping_neg();
        blob.splice(at..at + 4, back.to_be_bytes());
        blob.splice(4..8, (data_len + ENTRY as u32).to_be_bytes());
        Header::parse(blob.into())
    }

    /// The region of a package as it is, and these values behind it, as databases have it.
    ///
    /// # Errors
    /// There is no region; more than a header may have.
    pub fn behind_region(&self, of: &Header) -> Result<Header, HeaderError> {
        let region = of.region().ok_or(HeaderError::NoRegion(tag::HEADERIMMUTABLE.0))?;
        let Region { entries, data, .. } = region;
        let index = of.blob().get(8..8 + entries as usize * ENTRY).unwrap_or_default();
        let data = of.data().get(..data as usize).unwrap_or_default();
        Header::parse(self.layout(index.to_vec(), data.to_vec())?)
    }

    fn layout(&self, mut index: Vec<u8>, mut data: Vec<u8>) -> Result<Bytes, HeaderError> {
        for (&tag, value) in &self.values {
            let at = data.len().next_multiple_of(value.typ.alignment() as usize);
            data.resize(at, 0);
            index.extend(raw_entry(tag, value.typ, at, value.count)?);
            data.extend_from_slice(&value.data);
        }
        let entries = index.len() / ENTRY;
        let counts = (u32::try_from(entries), u32::try_from(data.len()));
        let (Ok(count), Ok(len)) = counts else { return Err(too_large(entries, data.len())) };
        let mut blob = Vec::with_capacity(8 + index.len() + data.len());
        blob.extend(count.to_be_bytes());
        blob.extend(len.to_be_bytes());
        blob.append(&mut index);
        blob.append(&mut data);
        Ok(blob.into())
    }
}

fn terminated(texts: &[&[u8]]) -> Vec<u8> {
    let mut data = Vec::new();
    for text in texts {
        data.extend(text.iter().take_while(|&&byte| byte != 0));
        data.push(0);
    }
    data
}

fn raw_entry(tag: Tag, typ: Type, at: usize, count: usize) -> Result<[u8; ENTRY], HeaderError> {
    let (Ok(offset), Ok(number)) = (u32::try_from(at), u32::try_from(count)) else {
        return Err(too_large(count, at));
    };
    let mut entry = [0; ENTRY];
    let fields = [tag.0, typ as u32, offset, number];
    for (to, field) in entry.chunks_exact_mut(4).zip(fields) {
        to.copy_from_slice(&field.to_be_bytes());
    }
    Ok(entry)
}

fn too_large(entries: usize, data: usize) -> HeaderError {
    let clip = |count| u32::try_from(count).unwrap_or(u32::MAX);
    HeaderError::TooLarge { entries: clip(entries), data: clip(data) }
}
