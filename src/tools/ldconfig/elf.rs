//! What `ldconfig` wants to know of a shared library: its machine, its name for programs
//! (SONAME), and what marks it as one for glibc.
//!
//! In comes the file as a stream, read once from start to end with a bounded part of it kept
//! in memory; out comes a [`Library`], or why the file is not one (glibc's `elf/readlib.c`,
//! `elf/readelflib.c`; gABI chapter 5).

use std::io::{self, Read};

use bstr::{BString, ByteSlice as _};
use serde::{Deserialize, Serialize};

/// Bytes kept from the start of a file: headers, notes and the names that the dynamic section
/// points to, which linkers put before the code.
const KEPT: u64 = 8 << 20;

/// The largest dynamic section that is read, in bytes. Real ones are below 4 KiB.
const MAX_DYNAMIC: u64 = 1 << 20;

/// The longest SONAME.
const MAX_NAME: usize = 4096;

/// How many program and section headers are looked at.
const MAX_HEADERS: usize = 4096;

/// What a file is to `ldconfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inspected {
    Library(Library),
    /// No ELF file; a linker script is one that it says nothing about.
    NotElf {
        linker_script: bool,
    },
    /// A program of the old a.out format.
    Aout,
    /// ELF, but not a shared object, or damaged.
    Unusable,
    /// The names lie further into the file than was kept: nothing is known.
    OutOfReach,
}

/// A shared library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    pub class: Class,
    pub order: ByteOrder,
    pub machine: u16,
    /// Flags of the ELF header.
    pub flags: u32,
    pub soname: Option<BString>,
    /// Whether it needs libc.so.6 or libm.so.6, or names glibc's dynamic linker.
    pub needs_glibc: bool,
    /// The oldest kernel, from the ABI note; 0 when it does not say.
    pub kernel: u32,
    /// The x86 ISA level that it needs, as a bit number; 0 when it does not say.
    pub isa_level: u32,
    /// ARM: arguments in floating-point registers, by the build attributes.
    pub hard_float: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    Elf32,
    Elf64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    pub fn put_u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub fn put_u64(self, value: u64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn get_u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    pub fn get_u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    pub fn get_u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }
}

const ET_DYN: u16 = 3;
const EM_ARM: u16 = 40;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;
const PT_GNU_PROPERTY: u32 = 0x6474_e553;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;
const SHT_ARM_ATTRIBUTES: u32 = 0x7000_0003;
const NT_GNU_ABI_TAG: u32 = 1;
const NT_GNU_PROPERTY_TYPE_0: u32 = 5;
const GNU_PROPERTY_X86_ISA_1_NEEDED: u32 = 0xc000_8002;

/// Dynamic linkers of glibc on all machines.
const INTERPRETERS: &[&[u8]] = &[
    b"/lib/ld-linux.so.2",
    b"/lib/ld-linux.so.3",
    b"/lib/ld-linux-armhf.so.3",
    b"/lib/ld-linux-aarch64.so.1",
    b"/lib/ld.so.1",
    b"/lib/ld64.so.1",
    b"/lib64/ld64.so.1",
    b"/lib64/ld64.so.2",
    b"/lib64/ld-linux-x86-64.so.2",
    b"/libx32/ld-linux-x32.so.2",
];

/// Reads a file of `size` bytes.
///
/// # Errors
/// The stream's own.
pub fn inspect(content: &mut dyn Read, size: u64) -> io::Result<Inspected> {
    let mut content = content.take(size);
    let mut view =
        View { head: Vec::new(), dynamic: Vec::new(), dynamic_at: 0, tail: Vec::new(), tail_at: 0 };
    (&mut content).take(4096).read_to_end(&mut view.head)?;
    let Some(header) = Header::read(&view) else { return Ok(not_elf(&view.head)) };
    if header.kind != ET_DYN {
        return Ok(Inspected::Unusable);
    }
    (&mut content).take(KEPT - view.head.len() as u64).read_to_end(&mut view.head)?;
    let segments = header.segments(&view);
    let dynamic = segments.iter().rfind(|segment| segment.kind == PT_DYNAMIC);
    let Some(dynamic) = dynamic.filter(|segment| segment.file_size > 0) else {
        return Ok(Inspected::Unusable);
    };
    // The dynamic section may lie behind the code, and ARM's attributes behind everything.
    let mut at = view.head.len() as u64;
    let end = dynamic.offset.saturating_add(dynamic.file_size.min(MAX_DYNAMIC));
    if end > at {
        let from = dynamic.offset.max(at);
        io::copy(&mut (&mut content).take(from - at), &mut io::sink())?;
        (&mut content).take(end - from).read_to_end(&mut view.dynamic)?;
        view.dynamic_at = from;
        at = from + view.dynamic.len() as u64;
    }
    if header.machine == EM_ARM && at < size {
        let from = header.section_offset.max(at).saturating_sub(64 << 10).max(at);
        io::copy(&mut (&mut content).take(from - at), &mut io::sink())?;
        (&mut content).take(KEPT).read_to_end(&mut view.tail)?;
        view.tail_at = from;
    }
    Ok(library(&header, &segments, dynamic, &view, size))
}

fn not_elf(head: &[u8]) -> Inspected {
    // N_MAGIC of a.out: ZMAGIC, QMAGIC.
    if let Some([0x0b, 0x01] | [0xcc, 0x00]) = head.first_chunk::<2>() {
        return Inspected::Aout;
    }
    let start = head.get(..512).unwrap_or(head);
    Inspected::NotElf {
        linker_script: start.contains_str("GROUP") || start.contains_str("GNU ld script"),
    }
}

/// The parts of a file that are in memory.
struct View {
    head: Vec<u8>,
    dynamic: Vec<u8>,
    dynamic_at: u64,
    tail: Vec<u8>,
    tail_at: u64,
}

impl View {
    /// What is kept from an offset on.
    fn from(&self, offset: u64) -> Option<&[u8]> {
        let within = |part: &'_ [u8], at: u64| {
            let from = usize::try_from(offset.checked_sub(at)?).ok()?;
            (from < part.len()).then_some(from)
        };
        if let Some(from) = within(&self.head, 0) {
            return self.head.get(from..);
        }
        if let Some(from) = within(&self.dynamic, self.dynamic_at) {
            return self.dynamic.get(from..);
        }
        self.tail.get(within(&self.tail, self.tail_at)?..)
    }

    fn range(&self, offset: u64, len: u64) -> Option<&[u8]> {
        self.from(offset)?.get(..usize::try_from(len).ok()?)
    }

    /// A text up to its NUL.
    fn text(&self, offset: u64) -> Option<&[u8]> {
        let rest = self.from(offset)?;
        let end = rest.iter().take(MAX_NAME).position(|&b| b == 0)?;
        rest.get(..end)
    }
}

/// Fields by offset, in a file's class and byte order.
#[derive(Clone, Copy)]
struct Fields<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
    class: Class,
}

impl Fields<'_> {
    fn u16(self, at: usize) -> Option<u16> {
        Some(self.order.get_u16(*self.bytes.get(at..)?.first_chunk()?))
    }

    fn u32(self, at: usize) -> Option<u32> {
        Some(self.order.get_u32(*self.bytes.get(at..)?.first_chunk()?))
    }

    /// A field as wide as an address.
    fn word(self, at: usize) -> Option<u64> {
        match self.class {
            Class::Elf32 => self.u32(at).map(u64::from),
            Class::Elf64 => Some(self.order.get_u64(*self.bytes.get(at..)?.first_chunk()?)),
        }
    }

    /// A field's place in the two classes.
    fn at(self, elf32: usize, elf64: usize) -> usize {
        match self.class {
            Class::Elf32 => elf32,
            Class::Elf64 => elf64,
        }
    }
}

struct Header {
    class: Class,
    order: ByteOrder,
    kind: u16,
    machine: u16,
    flags: u32,
    segments_at: u64,
    segments: u16,
    section_offset: u64,
    sections: u16,
}

#[derive(Clone, Copy)]
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    file_size: u64,
    align: u64,
}

impl Header {
    /// `None` when it is not ELF, or of no known class or byte order.
    fn read(view: &View) -> Option<Self> {
        let bytes = &view.head[..];
        let rest = bytes.strip_prefix(b"\x7fELF")?;
        let class = match rest.first()? {
            1 => Class::Elf32,
            2 => Class::Elf64,
            _ => return None,
        };
        let order = match rest.get(1)? {
            1 => ByteOrder::Little,
            2 => ByteOrder::Big,
            _ => return None,
        };
        let fields = Fields { bytes, order, class };
        Some(Self {
            class,
            order,
            kind: fields.u16(16)?,
            machine: fields.u16(18)?,
            segments_at: fields.word(fields.at(28, 32))?,
            section_offset: fields.word(fields.at(32, 40))?,
            flags: fields.u32(fields.at(36, 48))?,
            segments: fields.u16(fields.at(44, 56))?,
            sections: fields.u16(fields.at(48, 60))?,
        })
    }

    fn fields<'a>(&self, bytes: &'a [u8]) -> Fields<'a> {
        Fields { bytes, order: self.order, class: self.class }
    }

    fn segments(&self, view: &View) -> Vec<Segment> {
        let size = match self.class {
            Class::Elf32 => 32,
            Class::Elf64 => 56,
        };
        let table = view.from(self.segments_at).unwrap_or_default();
        let headers = table.chunks_exact(size).take(usize::from(self.segments).min(MAX_HEADERS));
        let segment = |bytes| {
            let fields = self.fields(bytes);
            Some(Segment {
                kind: fields.u32(0)?,
                offset: fields.word(fields.at(4, 8))?,
                address: fields.word(fields.at(8, 16))?,
                file_size: fields.word(fields.at(16, 32))?,
                align: fields.word(fields.at(28, 48))?,
            })
        };
        headers.filter_map(segment).collect()
    }

    /// Tag and value of each entry of the dynamic section, up to its end.
    fn dynamic_entries(&self, bytes: &[u8]) -> Vec<(u64, u64)> {
        let size = match self.class {
            Class::Elf32 => 8,
            Class::Elf64 => 16,
        };
        let entry = |bytes| {
            let fields = self.fields(bytes);
            Some((fields.word(0)?, fields.word(size / 2)?))
        };
        bytes.chunks_exact(size).map_while(entry).take_while(|(tag, _)| *tag != 0).collect()
    }
}

fn library(
    header: &Header,
    segments: &[Segment],
    dynamic: &Segment,
    view: &View,
    size: u64,
) -> Inspected {
    if dynamic.offset > size {
        return Inspected::Unusable;
    }
    let room = size.saturating_sub(dynamic.offset).min(MAX_DYNAMIC);
    let bytes = view.from(dynamic.offset).unwrap_or_default();
    let bytes = bytes.get(..usize::try_from(room).unwrap_or(usize::MAX)).unwrap_or(bytes);
    let entries = header.dynamic_entries(bytes);
    let Some((_, strings)) = entries.iter().find(|(tag, _)| *tag == DT_STRTAB) else {
        return Inspected::Unusable;
    };
    let strings = file_offset(segments, *strings);
    let mut found = Library {
        class: header.class,
        order: header.order,
        machine: header.machine,
        flags: header.flags,
        soname: None,
        needs_glibc: false,
        kernel: 0,
        isa_level: 0,
        hard_float: header.machine == EM_ARM && hard_float(header, view).unwrap_or(false),
    };
    for segment in segments {
        match segment.kind {
            PT_INTERP => {
                let name = view.text(segment.offset);
                found.needs_glibc |= name.is_some_and(|name| INTERPRETERS.contains(&name));
            }
            PT_NOTE if found.kernel == 0 => {
                found.kernel = oldest_kernel(header, segment, view).unwrap_or(0);
            }
            PT_GNU_PROPERTY => found.isa_level = isa_level(header, segment, view).unwrap_or(0),
            _ => {}
        }
    }
    for (tag, value) in entries {
        if tag != DT_NEEDED && tag != DT_SONAME {
            continue;
        }
        let offset = strings.wrapping_add(value);
        if offset > size {
            return Inspected::Unusable;
        }
        let Some(name) = view.text(offset) else { return Inspected::OutOfReach };
        match tag {
            DT_SONAME => found.soname = Some(name.into()),
            _ => found.needs_glibc |= matches!(name, b"libc.so.6" | b"libm.so.6"),
        }
        if found.soname.is_some() && found.needs_glibc {
            break;
        }
    }
    Inspected::Library(found)
}

/// Where in the file an address is.
fn file_offset(segments: &[Segment], address: u64) -> u64 {
    let holds = |segment: &&Segment| {
        segment.kind == PT_LOAD
            && address.checked_sub(segment.address).is_some_and(|at| at < segment.file_size)
    };
    match segments.iter().find(holds) {
        Some(segment) => address.wrapping_sub(segment.address).wrapping_add(segment.offset),
        None => address,
    }
}

/// Name, type and description of each note of a segment.
fn notes<'a>(
    header: &Header,
    segment: &Segment,
    align: u64,
    view: &'a View,
) -> Vec<(&'a [u8], u32, &'a [u8])> {
    let mut all = Vec::new();
    let mut rest = view.range(segment.offset, segment.file_size).unwrap_or_default();
    while all.len() < MAX_HEADERS {
        let fields = header.fields(rest);
        let (Some(name), Some(description), Some(kind)) =
            (fields.u32(0), fields.u32(4), fields.u32(8))
        else {
            break;
        };
        let name_end = 12 + u64::from(name);
        let start = name_end.next_multiple_of(align);
        let end = start + u64::from(description);
        let part =
            |from: u64, to: u64| rest.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?);
        let (Some(name), Some(description)) = (part(12, name_end), part(start, end)) else { break };
        all.push((name, kind, description));
        let next = usize::try_from(end.next_multiple_of(align)).unwrap_or(usize::MAX);
        rest = rest.get(next..).unwrap_or_default();
    }
    all
}

fn oldest_kernel(header: &Header, segment: &Segment, view: &View) -> Option<u32> {
    let align = match segment.align {
        4 | 8 => segment.align,
        _ => return None,
    };
    let notes = notes(header, segment, align, view);
    let is_abi = |(name, kind, description): &&(&[u8], u32, &[u8])| {
        *name == b"GNU\0" && *kind == NT_GNU_ABI_TAG && description.len() == 16
    };
    let (_, _, description) = notes.iter().find(is_abi)?;
    let fields = header.fields(description);
    let [system, major, minor, patch] = [0, 4, 8, 12].map(|at| fields.u32(at).unwrap_or(0));
    Some((system << 24) | ((major & 0xff) << 16) | ((minor & 0xff) << 8) | (patch & 0xff))
}

fn isa_level(header: &Header, segment: &Segment, view: &View) -> Option<u32> {
    let align = match header.class {
        Class::Elf32 => 4,
        Class::Elf64 => 8,
    };
    if segment.align != align {
        return None;
    }
    let notes = notes(header, segment, align, view);
    let is_property = |(name, kind, _): &&(&[u8], u32, &[u8])| {
        *name == b"GNU\0" && *kind == NT_GNU_PROPERTY_TYPE_0
    };
    let (_, _, mut rest) = *notes.iter().find(is_property)?;
    let mut last = 0;
    while rest.len() >= 8 {
        let fields = header.fields(rest);
        let (kind, size) = (fields.u32(0)?, fields.u32(4)?);
        if kind < last || kind > GNU_PROPERTY_X86_ISA_1_NEEDED {
            return None;
        }
        if kind == GNU_PROPERTY_X86_ISA_1_NEEDED {
            return (size == 4).then(|| fields.u32(8))??.checked_ilog2();
        }
        last = kind;
        let next = 8 + u64::from(size).next_multiple_of(align);
        rest = rest.get(usize::try_from(next).ok()?..)?;
    }
    None
}

/// Tag_ABI_VFP_args of the build attributes (ABI for the Arm architecture, addenda32).
fn hard_float(header: &Header, view: &View) -> Option<bool> {
    let table = view.from(header.section_offset)?;
    let sections = table.chunks_exact(40).take(usize::from(header.sections).min(MAX_HEADERS));
    for section in sections {
        let fields = header.fields(section);
        if fields.u32(4)? == SHT_ARM_ATTRIBUTES {
            let bytes = view.range(fields.u32(16)?.into(), fields.u32(20)?.into())?;
            return attributes_say_hard_float(header, bytes.strip_prefix(b"A")?);
        }
    }
    None
}

fn attributes_say_hard_float(header: &Header, mut sections: &[u8]) -> Option<bool> {
    while !sections.is_empty() {
        let len = usize::try_from(header.fields(sections).u32(0)?).ok()?.max(4);
        let (section, next) = sections.split_at(len.min(sections.len()));
        sections = next;
        let Some(mut parts) = section.get(4..)?.strip_prefix(b"aeabi\0") else { continue };
        while !parts.is_empty() {
            let tag = *parts.first()?;
            let len = usize::try_from(header.fields(parts.get(1..)?).u32(0)?).ok()?.max(5);
            let (part, next) = parts.split_at(len.min(parts.len()));
            parts = next;
            if tag != 1 {
                continue;
            }
            let mut rest = part.get(5..)?;
            while !rest.is_empty() {
                let tag = leb128(&mut rest)?;
                if matches!(tag, 4 | 5 | 67) {
                    let end = rest.iter().position(|&b| b == 0)?;
                    rest = rest.get(end + 1..)?;
                } else if (tag, leb128(&mut rest)?) == (28, 1) {
                    return Some(true);
                }
            }
        }
    }
    Some(false)
}

fn leb128(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, next) = rest.split_first()?;
        *rest = next;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A library of 64 bits with the given machine, SONAME and needed library.
    pub fn sample(order: ByteOrder, machine: u16, soname: &str, needed: &str) -> Vec<u8> {
        let u16 = |value: u16| match order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        };
        let strings = [b"\0", soname.as_bytes(), b"\0", needed.as_bytes(), b"\0"].concat();
        let dynamic_at = 64 + 2 * 56;
        let entries = [(5, 0x1000), (1, soname.len() as u64 + 2), (14, 1), (0, 0)];
        let strings_at = dynamic_at + 16 * entries.len() as u64;
        let mut file = b"\x7fELF".to_vec();
        file.extend([2, if order == ByteOrder::Little { 1 } else { 2 }, 1]);
        file.resize(16, 0);
        file.extend([u16(3), u16(machine)].concat());
        file.extend(order.put_u32(1));
        for word in [0, 64, 0] {
            file.extend(order.put_u64(word));
        }
        file.extend(order.put_u32(0));
        file.extend([u16(64), u16(56), u16(2), u16(0), u16(0), u16(0)].concat());
        let segments = [
            (PT_LOAD, strings_at, 0x1000, strings.len() as u64),
            (PT_DYNAMIC, dynamic_at, 0, 16 * entries.len() as u64),
        ];
        for (kind, offset, address, size) in segments {
            file.extend([order.put_u32(kind), order.put_u32(4)].concat());
            for word in [offset, address, address, size, size, 8] {
                file.extend(order.put_u64(word));
            }
        }
        for (tag, value) in entries {
            file.extend([order.put_u64(tag), order.put_u64(value)].concat());
        }
        file.extend(strings);
        file
    }

    fn inspected(file: &[u8]) -> Inspected {
        inspect(&mut &file[..], file.len() as u64).unwrap()
    }

    #[test]
    fn a_library_tells_its_name_and_machine_in_both_byte_orders() {
        for (order, machine) in [(ByteOrder::Little, 62), (ByteOrder::Big, 22)] {
            let Inspected::Library(library) =
                inspected(&sample(order, machine, "libx.so.1", "libc.so.6"))
            else {
                panic!("not a library");
            };
            assert_eq!((library.machine, library.class), (machine, Class::Elf64));
            assert_eq!(library.soname, Some("libx.so.1".into()));
            assert!(library.needs_glibc);
        }
        let Inspected::Library(other) =
            inspected(&sample(ByteOrder::Little, 62, "libx.so.1", "libother.so"))
        else {
            panic!("not a library");
        };
        assert!(!other.needs_glibc);
    }

    #[test]
    fn other_files_are_told_apart() {
        let script = Inspected::NotElf { linker_script: true };
        assert_eq!(inspected(b"/* GNU ld script */"), script);
        assert_eq!(inspected(b"text"), Inspected::NotElf { linker_script: false });
        assert_eq!(inspected(b"\x0b\x01\x64\x00 and so on"), Inspected::Aout);
        let mut program = sample(ByteOrder::Little, 62, "x", "y");
        program[16] = 2;
        assert_eq!(inspected(&program), Inspected::Unusable);
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(
            flips in proptest::collection::vec((0usize..400, 0u8..), 0..8),
            cut in 0usize..400,
        ) {
            let mut file = sample(ByteOrder::Little, 62, "libx.so.1", "libc.so.6");
            for (at, value) in flips {
                let at = at % file.len();
                file[at] = value;
            }
            let _ = inspected(&file);
            file.truncate(cut);
            let _ = inspected(&file);
        }
    }
}
