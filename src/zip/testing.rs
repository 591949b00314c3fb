//! Archives as tests want them.

use std::io::Write as _;

use flate2::{Compression, Crc, write::DeflateEncoder};

use crate::format::{CENTRAL, DESCRIPTOR, END, END_64, LOCAL, LOCATOR_64};

/// An archive to be made.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// What stands before it.
    pub script: Vec<u8>,
    /// Whether offsets count it, as those of `zip -A` and Spring Boot's plugin do; else they count
    /// from behind it.
    pub counts_script: bool,
    /// Name, content, whether it is stored.
    pub entries: Vec<(String, Vec<u8>, bool)>,
    /// With sizes and offsets of 64 bits everywhere.
    pub wide: bool,
    /// With descriptors behind the data, as who writes to a pipe has them.
    pub described_later: bool,
}

impl Made {
    /// With these entries, deflated but for jars.
    #[must_use]
    pub fn of(entries: &[(&str, &[u8])]) -> Self {
        let entry = |(name, content): &(&str, &[u8])| {
            ((*name).to_owned(), content.to_vec(), name.ends_with(".jar"))
        };
        Self { entries: entries.iter().map(entry).collect(), ..Self::default() }
    }

    /// Its bytes.
    #[must_use]
    #[allow(clippy::missing_panics_doc, reason = "for tests, which make small archives")]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = if self.counts_script { self.script.clone() } else { Vec::new() };
        let mut directory = Vec::new();
        for (name, content, stored) in &self.entries {
            let offset = out.len() as u64;
            let mut crc = Crc::new();
            crc.update(content);
            let data = match stored {
                true => content.clone(),
                false => deflated(content),
            };
            let sizes = (data.len() as u64, content.len() as u64);
            let method: u16 = if *stored { 0 } else { 8 };
            let flags: u16 = if self.described_later { 8 } else { 0 };
            let name_len = u16::try_from(name.len()).unwrap_or_default();
            let mut common = Vec::new();
            for field in [45, flags, method, 0x6000, 0x5800] {
                common.extend(field.to_le_bytes());
            }
            let fields = |crc: u32, sizes: (u64, u64), offset: Option<u64>| {
                let mut fields = crc.to_le_bytes().to_vec();
                let mut extra = Vec::new();
                for size in [sizes.0, sizes.1] {
                    fields.extend(self.narrow(size));
                }
                if self.wide {
                    let count = if offset.is_some() { 24_u16 } else { 16 };
                    extra.extend(1_u16.to_le_bytes());
                    extra.extend(count.to_le_bytes());
                    for value in [sizes.1, sizes.0].into_iter().chain(offset) {
                        extra.extend(value.to_le_bytes());
                    }
                }
                fields.extend(name_len.to_le_bytes());
                fields.extend(u16::try_from(extra.len()).unwrap_or_default().to_le_bytes());
                (fields, extra)
            };
            let (here, extra) = match self.described_later {
                true => fields(0, (0, 0), None),
                false => fields(crc.sum(), sizes, None),
            };
            out.extend(LOCAL.to_le_bytes());
            out.extend(&common);
            out.extend(here);
            out.extend(name.as_bytes());
            out.extend(extra);
            out.extend(&data);
            if self.described_later {
                out.extend(DESCRIPTOR.to_le_bytes());
                out.extend(crc.sum().to_le_bytes());
                for size in [sizes.0, sizes.1] {
                    match self.wide {
                        true => out.extend(size.to_le_bytes()),
                        false => out.extend(self.narrow(size)),
                    }
                }
            }
            let (there, extra) = fields(crc.sum(), sizes, Some(offset));
            directory.extend(CENTRAL.to_le_bytes());
            directory.extend(0x032d_u16.to_le_bytes());
            directory.extend(&common);
            directory.extend(there);
            directory.extend([0; 6]);
            let mode: u32 = if name.ends_with('/') { 0o040_755 } else { 0o100_644 };
            directory.extend((mode << 16).to_le_bytes());
            directory.extend(self.narrow(offset));
            directory.extend(name.as_bytes());
            directory.extend(extra);
        }
        let (offset, size, count) =
            (out.len() as u64, directory.len() as u64, self.entries.len() as u64);
        out.extend(directory);
        if self.wide {
            let record = out.len() as u64;
            out.extend(END_64.to_le_bytes());
            out.extend(44_u64.to_le_bytes());
            out.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            for value in [count, count, size, offset] {
                out.extend(value.to_le_bytes());
            }
            out.extend(LOCATOR_64.to_le_bytes());
            out.extend([0; 4]);
            out.extend(record.to_le_bytes());
            out.extend(1_u32.to_le_bytes());
        }
        out.extend(END.to_le_bytes());
        out.extend([0; 4]);
        let count = if self.wide { u16::MAX } else { u16::try_from(count).unwrap_or_default() };
        out.extend(count.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(self.narrow(size));
        out.extend(self.narrow(offset));
        out.extend([0; 2]);
        if self.counts_script { out } else { [self.script.clone(), out].concat() }
    }

    fn narrow(&self, value: u64) -> [u8; 4] {
        let value = if self.wide { u32::MAX } else { u32::try_from(value).unwrap_or_default() };
        value.to_le_bytes()
    }
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}
