//! The file `/etc/ld.so.cache`: the order of its entries, and its formats as bytes (glibc's
//! `elf/cache.c`, `elf/stringtable.c`, `sysdeps/generic/dl-cache.h`).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::elf::ByteOrder;
use super::program::{Format, Program};

const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
const NEW_MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const EXTENSION_MAGIC: u32 = (-358_342_284_i32).cast_unsigned();

/// Bytes before the entries, and of each entry.
const OLD_HEADER: usize = 16;
const OLD_ENTRY: usize = 12;
const NEW_HEADER: usize = 48;
const NEW_ENTRY: usize = 24;

/// A library in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedLibrary {
    /// The name that programs ask for.
    pub name: Vec<u8>,
    pub path: Vec<u8>,
    pub flags: u32,
    /// The oldest kernel; 0 for releases that do not record it.
    pub kernel: u32,
    pub isa_level: u32,
    /// The sum of the capabilities of the folder (before 2.37).
    pub capabilities: u64,
    /// The name of the folder below `glibc-hwcaps`.
    pub level: Option<Vec<u8>>,
}

/// All libraries, in the order of the cache.
pub struct Cache<'a> {
    program: &'a Program,
    entries: Vec<CachedLibrary>,
    /// Names of folders below `glibc-hwcaps`, those without libraries too.
    levels: BTreeSet<Vec<u8>>,
}

impl<'a> Cache<'a> {
    #[must_use]
    pub fn new(program: &'a Program) -> Self {
        Self { program, entries: Vec::new(), levels: BTreeSet::new() }
    }

    /// Adds a library; it comes after those that are equal in order.
    pub fn add(&mut self, entry: CachedLibrary) {
        let signed = self.program.processor.has_signed_chars();
        let at = self.entries.partition_point(|present| order(present, &entry, signed).is_le());
        self.entries.insert(at, entry);
    }

    /// Notes a folder below `glibc-hwcaps`: its name is in the file even when it is empty.
    pub fn add_level(&mut self, name: &[u8]) {
        self.levels.insert(name.to_vec());
    }

    /// Whether a library lies in a folder for capabilities (before 2.37).
    #[must_use]
    pub fn has_capabilities(&self) -> bool {
        self.entries.iter().any(|entry| entry.capabilities != 0)
    }

    /// The file.
    #[must_use]
    pub fn write(&self, format: Format) -> Vec<u8> {
        let strings = self.strings();
        let order = self.program.processor.order;
        let old_entries: Vec<&CachedLibrary> =
            self.entries.iter().filter(|entry| entry.capabilities == 0).collect();
        let new_size = match format {
            Format::Old => 0,
            _ => NEW_HEADER + NEW_ENTRY * self.entries.len(),
        };
        let mut out = Vec::new();
        if format != Format::New {
            // In the compatible format an even number, for the alignment of what follows.
            let even = format == Format::Compat && old_entries.len() % 2 == 1;
            let count = old_entries.len() + usize::from(even);
            let size = OLD_HEADER + OLD_ENTRY * count;
            // Before 2.33 the old format counts padding that it does not have.
            let padding = match self.program.release.has_extensions() {
                true => 0,
                false => size.next_multiple_of(8) - size,
            };
            out.extend_from_slice(OLD_MAGIC);
            out.push(0);
            out.extend(order.put_u32(as_u32(count)));
            let last = old_entries.last().filter(|_| even);
            for entry in old_entries.iter().chain(last) {
                let place = |offset: usize| order.put_u32(as_u32(new_size + padding + offset));
                out.extend(order.put_u32(entry.flags));
                out.extend(place(strings.offset(entry, &entry.name, Part::Name)));
                out.extend(place(strings.offset(entry, &entry.path, Part::Path)));
            }
        }
        if format == Format::Old {
            out.extend_from_slice(&strings.text);
            return out;
        }
        let extensions_at = (out.len() + new_size + strings.text.len()).next_multiple_of(4);
        self.write_new(&strings, extensions_at, &mut out);
        out.extend_from_slice(&strings.text);
        if self.program.generator.is_some() {
            out.resize(extensions_at, 0);
            self.write_extensions(&strings, new_size, &mut out);
        }
        out
    }

    /// Header and entries of the new format.
    fn write_new(&self, strings: &Strings, extensions_at: usize, out: &mut Vec<u8>) {
        let Program { processor, generator, marks_order, .. } = self.program;
        let order = processor.order;
        let base = NEW_HEADER + NEW_ENTRY * self.entries.len();
        let levels = self.levels();
        out.extend_from_slice(NEW_MAGIC);
        out.extend(order.put_u32(as_u32(self.entries.len())));
        out.extend(order.put_u32(as_u32(strings.text.len())));
        let mark = match order {
            _ if !marks_order => 0,
            ByteOrder::Little => 2,
            ByteOrder::Big => 3,
        };
        out.extend([mark, 0, 0, 0]);
        let extensions_at = if generator.is_some() { as_u32(extensions_at) } else { 0 };
        out.extend(order.put_u32(extensions_at));
        out.extend([0; 12]);
        for entry in &self.entries {
            let name = base + strings.offset(entry, &entry.name, Part::Name);
            let path = base + strings.offset(entry, &entry.path, Part::Path);
            let level = entry.level.as_ref().and_then(|level| levels.get(&level[..]));
            let capabilities = match level {
                Some(at) => (1 << 62) | (u64::from(entry.isa_level & 0x3ff) << 32) | at,
                None => entry.capabilities,
            };
            out.extend(order.put_u32(entry.flags));
            out.extend(order.put_u32(as_u32(name)));
            out.extend(order.put_u32(as_u32(path)));
            out.extend(order.put_u32(entry.kernel));
            out.extend(order.put_u64(capabilities));
        }
    }

    /// The names of folders below `glibc-hwcaps`, with their number in order.
    fn levels(&self) -> BTreeMap<&[u8], u64> {
        let names: BTreeSet<&[u8]> =
            self.entries.iter().filter_map(|entry| entry.level.as_deref()).collect();
        names.into_iter().zip(0..).collect()
    }

    /// The signature, and the names of the levels when there are any.
    fn write_extensions(&self, strings: &Strings, base: usize, out: &mut Vec<u8>) {
        const SECTION: usize = 16;
        let order = self.program.processor.order;
        let generator = self.program.generator.as_deref().unwrap_or_default();
        let levels = self.levels();
        let sections = if levels.is_empty() { 1 } else { 2 };
        let names_at = out.len() + 8 + SECTION * sections;
        let names_size = 4 * levels.len();
        let mut put = |values: &[usize]| {
            for &value in values {
                out.extend(order.put_u32(as_u32(value)));
            }
        };
        put(&[EXTENSION_MAGIC as usize, sections]);
        put(&[0, 0, names_at + names_size, generator.len()]);
        if !levels.is_empty() {
            put(&[1, 0, names_at, names_size]);
        }
        for name in levels.keys() {
            put(&[base + strings.shared.get(*name).copied().unwrap_or(0)]);
        }
        out.extend_from_slice(generator);
    }

    fn strings(&self) -> Strings {
        match self.program.release.has_extensions() {
            true => Strings::shared(&self.entries, &self.levels),
            false => Strings::separate(&self.entries),
        }
    }
}

/// Sizes are below 4 GiB: the number and length of names are bounded.
fn as_u32(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[derive(Clone, Copy)]
enum Part {
    Name,
    Path,
}

/// The string table.
struct Strings {
    text: Vec<u8>,
    /// Where each text is, when they are shared.
    shared: BTreeMap<Vec<u8>, usize>,
    /// Where name and path of each entry are, by path, flags and name, when they are not.
    separate: BTreeMap<(Vec<u8>, u32, u64), usize>,
}

impl Strings {
    /// Before 2.33: name and path of each entry, one after the other.
    fn separate(entries: &[CachedLibrary]) -> Self {
        let mut text = Vec::new();
        let mut separate = BTreeMap::new();
        for entry in entries {
            separate.insert(Self::key(entry), text.len());
            for part in [&entry.name, &entry.path] {
                text.extend_from_slice(part);
                text.push(0);
            }
        }
        Self { text, shared: BTreeMap::new(), separate }
    }

    fn key(entry: &CachedLibrary) -> (Vec<u8>, u32, u64) {
        (entry.path.clone(), entry.flags, entry.capabilities)
    }

    /// Since 2.33: each text once, as the end of a longer one where there is such.
    fn shared(entries: &[CachedLibrary], levels: &BTreeSet<Vec<u8>>) -> Self {
        let parts = entries.iter().flat_map(|entry| [&entry.name, &entry.path]);
        let texts: BTreeSet<Vec<u8>> =
            parts.chain(levels).map(|part| part.iter().rev().copied().collect()).collect();
        let mut text = Vec::new();
        let mut shared = BTreeMap::new();
        let mut previous: Vec<u8> = Vec::new();
        let mut previous_at = 0;
        for reversed in texts.into_iter().rev() {
            if previous.starts_with(&reversed) {
                previous_at += previous.len() - reversed.len();
            } else {
                previous_at = text.len();
                text.extend(reversed.iter().rev());
                text.push(0);
            }
            shared.insert(reversed.iter().rev().copied().collect(), previous_at);
            previous = reversed;
        }
        Self { text, shared, separate: BTreeMap::new() }
    }

    fn offset(&self, entry: &CachedLibrary, text: &[u8], part: Part) -> usize {
        if let Some(&at) = self.shared.get(text) {
            return at;
        }
        let at = self.separate.get(&Self::key(entry)).copied().unwrap_or(0);
        match part {
            Part::Name => at,
            Part::Path => at + entry.name.len() + 1,
        }
    }
}

/// The order of the cache: names downwards, then what the dynamic linker should find first.
fn order(a: &CachedLibrary, b: &CachedLibrary, signed: bool) -> Ordering {
    let levels = match (&a.level, &b.level) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    compare_names(&b.name, &a.name, signed)
        .then(b.flags.cmp(&a.flags))
        .then(levels)
        .then(b.capabilities.count_ones().cmp(&a.capabilities.count_ones()))
        .then(b.capabilities.cmp(&a.capabilities))
        .then(b.kernel.cmp(&a.kernel))
}

/// Compares file names with the numbers in them as numbers (`_dl_cache_libcmp`). Numbers
/// wrap as C's `int` does.
#[must_use]
pub fn compare_names(mut a: &[u8], mut b: &[u8], signed: bool) -> Ordering {
    let value = |byte: u8| if signed { i32::from(byte.cast_signed()) } else { i32::from(byte) };
    while let Some((&first, rest)) = a.split_first() {
        let other = b.first().copied().unwrap_or(0);
        match (first.is_ascii_digit(), other.is_ascii_digit()) {
            (true, true) => {
                let difference = take_number(&mut a).wrapping_sub(take_number(&mut b));
                if difference != 0 {
                    return difference.cmp(&0);
                }
            }
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (false, false) if first != other => return value(first).cmp(&value(other)),
            (false, false) => {
                a = rest;
                b = b.get(1..).unwrap_or_default();
            }
        }
    }
    0.cmp(&value(b.first().copied().unwrap_or(0)))
}

fn take_number(text: &mut &[u8]) -> i32 {
    let mut number: i32 = 0;
    while let Some((digit, rest)) = text.split_first().filter(|(digit, _)| digit.is_ascii_digit()) {
        number = number.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'));
        *text = rest;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_compare_as_numbers() {
        for (a, b, want) in [
            ("libc.so.6", "libc.so.6", Ordering::Equal),
            ("libx.so.10", "libx.so.9", Ordering::Greater),
            ("libx.so.1", "libx.so", Ordering::Greater),
            ("libx.so.01", "libx.so.1", Ordering::Equal),
            ("libx1.so", "libxa.so", Ordering::Greater),
            ("libx-1.so", "libx1.so", Ordering::Less),
            ("liba", "libb", Ordering::Less),
        ] {
            assert_eq!(compare_names(a.as_bytes(), b.as_bytes(), true), want, "{a} {b}");
            assert_eq!(compare_names(b.as_bytes(), a.as_bytes(), true), want.reverse(), "{b} {a}");
        }
    }
}
