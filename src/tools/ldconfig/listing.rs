//! What `ldconfig -p` prints: the entries of a cache, in any of its formats.

use super::elf::ByteOrder;
use imgfix_shell::{Process, Status};

/// Whether the oldest kernel of an entry is printed (before glibc 2.36).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    Told,
    Ignored,
}

/// Why a file is no cache; the text is glibc's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Malformed {
    NotACache,
    Order,
    Extensions,
}

/// Prints a cache; status 1 when it cannot.
///
/// # Errors
/// A path of a running system.
pub fn print(process: &mut Process<'_>, path: &[u8], kernels: Kernels) -> Status {
    let directory = process.call.directory.clone();
    let name = String::from_utf8_lossy(path).into_owned();
    let file = match process.machine.read_file(&directory, path)? {
        Ok(file) => file,
        Err(errno) => {
            process.complain(format!("Can't open cache file {name}\n: {errno}"))?;
            return Ok(1);
        }
    };
    if file.is_empty() {
        return Ok(0);
    }
    match listing(&file, path, kernels) {
        Ok(text) => {
            process.print(text)?;
            Ok(0)
        }
        Err(why) => {
            process.complain(match why {
                Malformed::NotACache => "File is not a cache file.\n".to_owned(),
                Malformed::Order => "Cache file has wrong endianness.\n".to_owned(),
                Malformed::Extensions => {
                    format!("Malformed extension data in cache file {name}\n")
                }
            })?;
            Ok(1)
        }
    }
}

/// A cache's bytes, in the byte order that its numbers make sense in.
#[derive(Clone, Copy)]
struct Reader<'a> {
    file: &'a [u8],
    order: ByteOrder,
}

impl<'a> Reader<'a> {
    fn u32(self, at: usize) -> Option<usize> {
        let bytes = *self.file.get(at..)?.first_chunk()?;
        usize::try_from(self.order.get_u32(bytes)).ok()
    }

    fn u64(self, at: usize) -> Option<u64> {
        Some(self.order.get_u64(*self.file.get(at..)?.first_chunk()?))
    }

    fn text(self, at: usize) -> Option<&'a [u8]> {
        let rest = self.file.get(at..)?;
        rest.get(..rest.iter().position(|&b| b == 0)?)
    }
}

const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
const NEW_MAGIC: &[u8] = b"glibc-ld.so.cache1.1";

fn listing(file: &[u8], path: &[u8], kernels: Kernels) -> Result<Vec<u8>, Malformed> {
    // Caches of other byte orders are told by numbers of entries that cannot be.
    let is_big = |at: usize, size: usize| {
        let little = Reader { file, order: ByteOrder::Little };
        little.u32(at).is_none_or(|count| count.saturating_mul(size) > file.len())
    };
    let order = |big| if big { ByteOrder::Big } else { ByteOrder::Little };
    if file.starts_with(NEW_MAGIC) {
        let order = order(is_big(20, 24));
        return new_format(Reader { file, order }, 0, path, kernels);
    }
    if !file.starts_with(OLD_MAGIC) {
        return Err(Malformed::NotACache);
    }
    let order = order(is_big(12, 12));
    let reader = Reader { file, order };
    let count = reader.u32(12).ok_or(Malformed::NotACache)?;
    let end = count.saturating_mul(12).saturating_add(16);
    if end > file.len() {
        return Err(Malformed::NotACache);
    }
    let hidden = end.next_multiple_of(8);
    if file.get(hidden..).is_some_and(|rest| rest.len() > 48 && rest.starts_with(NEW_MAGIC)) {
        return new_format(reader, hidden, path, kernels);
    }
    let mut out = heading(count, path);
    for at in (16..end).step_by(12) {
        let place = |field| Some(end + reader.u32(at + field)?);
        let (Some(flags), Some(name), Some(value)) = (
            reader.u32(at),
            place(4).and_then(|at| reader.text(at)),
            place(8).and_then(|at| reader.text(at)),
        ) else {
            return Err(Malformed::NotACache);
        };
        entry(name, flags, &Capability::None, 0, value, &mut out);
    }
    Ok(out)
}

fn heading(count: usize, path: &[u8]) -> Vec<u8> {
    let mut out = format!("{count} libs found in cache `").into_bytes();
    out.extend_from_slice(path);
    out.extend_from_slice(b"'\n");
    out
}

enum Capability<'a> {
    None,
    Bits(u64),
    Level(&'a [u8]),
}

fn new_format(
    reader: Reader<'_>,
    base: usize,
    path: &[u8],
    kernels: Kernels,
) -> Result<Vec<u8>, Malformed> {
    let count = reader.u32(base + 20).ok_or(Malformed::NotACache)?;
    let mark = reader.file.get(base + 28).copied().unwrap_or(0);
    let expected = match reader.order {
        ByteOrder::Little => 2,
        ByteOrder::Big => 3,
    };
    if mark != 0 && mark & 3 != expected {
        return Err(Malformed::Order);
    }
    let extensions = extensions(reader, reader.u32(base + 32).unwrap_or(0))?;
    let mut out = heading(count, path);
    for number in 0..count {
        let at = base + 48 + number * 24;
        let text = |field| reader.text(base + reader.u32(at + field)?);
        let (Some(flags), Some(name), Some(value), Some(kernel), Some(bits)) =
            (reader.u32(at), text(4), text(8), reader.u32(at + 12), reader.u64(at + 16))
        else {
            return Err(Malformed::NotACache);
        };
        let level = (bits >> 42 == 1 << 20)
            .then(|| extensions.level(reader, usize::try_from(bits & 0xffff_ffff).ok()?))
            .flatten();
        let capability = match (level, bits) {
            (Some(level), _) => Capability::Level(level),
            (None, 0) => Capability::None,
            (None, bits) => Capability::Bits(bits),
        };
        let kernel = if kernels == Kernels::Told { kernel } else { 0 };
        entry(name, flags, &capability, kernel, value, &mut out);
    }
    if let Some(generator) = extensions.generator {
        out.extend([b"Cache generated by: ", generator, b"\n"].concat());
    }
    Ok(out)
}

/// The sections behind the strings.
#[derive(Default)]
struct Extensions<'a> {
    generator: Option<&'a [u8]>,
    /// Where the places of the levels' names are, and how many there are.
    levels: Option<(usize, usize)>,
}

impl Extensions<'_> {
    fn level<'a>(&self, reader: Reader<'a>, number: usize) -> Option<&'a [u8]> {
        let (at, count) = self.levels?;
        (number < count).then(|| reader.text(reader.u32(at + 4 * number)?)).flatten()
    }
}

fn extensions(reader: Reader<'_>, at: usize) -> Result<Extensions<'_>, Malformed> {
    const MAGIC: u32 = (-358_342_284_i32).cast_unsigned();
    let mut found = Extensions::default();
    if at == 0 {
        return Ok(found);
    }
    if reader.u32(at) != usize::try_from(MAGIC).ok() {
        return Err(Malformed::Extensions);
    }
    let count = reader.u32(at + 4).filter(|count| *count < 1024).ok_or(Malformed::Extensions)?;
    for number in 0..count {
        let section = at + 8 + 16 * number;
        let (Some(tag), Some(place), Some(size)) =
            (reader.u32(section), reader.u32(section + 8), reader.u32(section + 12))
        else {
            return Err(Malformed::Extensions);
        };
        let content =
            reader.file.get(place..place.saturating_add(size)).ok_or(Malformed::Extensions)?;
        match tag {
            0 => found.generator = Some(content),
            1 => found.levels = Some((place, size / 4)),
            _ => {}
        }
    }
    Ok(found)
}

fn entry(
    name: &[u8],
    flags: usize,
    capability: &Capability<'_>,
    kernel: usize,
    path: &[u8],
    out: &mut Vec<u8>,
) {
    out.extend([b"\t", name, b" ("].concat());
    out.extend_from_slice(match flags & 0xff {
        0 => b"libc4",
        1 => b"ELF",
        2 => b"libc5",
        3 => b"libc6",
        _ => b"unknown",
    });
    let kind = match flags & 0xff00 {
        0 => String::new(),
        0x100 | 0x400 | 0x500 | 0x700 => ",64bit".into(),
        0x200 => ",IA-64".into(),
        0x300 => ",x86-64".into(),
        0x600 => ",N32".into(),
        0x800 => ",x32".into(),
        0x900 => ",hard-float".into(),
        0xa00 => ",AArch64".into(),
        0xb00 | 0xf00 | 0x1100 => ",soft-float".into(),
        0xc00 => ",nan2008".into(),
        0xd00 => ",N32,nan2008".into(),
        0xe00 => ",64bit,nan2008".into(),
        0x1000 | 0x1200 => ",double-float".into(),
        other => format!(",{other}"),
    };
    out.extend(kind.bytes());
    match capability {
        Capability::None => {}
        Capability::Bits(bits) => out.extend(format!(", hwcap: {bits:#018x}").bytes()),
        Capability::Level(level) => out.extend([b", hwcap: \"", *level, b"\""].concat()),
    }
    if kernel != 0 {
        let systems = ["Linux", "Hurd", "Solaris", "FreeBSD", "kNetBSD", "Syllable"];
        let system = systems.get(kernel >> 24).unwrap_or(&"Unknown OS");
        let [major, minor, patch] = [16, 8, 0].map(|shift| (kernel >> shift) & 0xff);
        out.extend(format!(", OS ABI: {system} {major}.{minor}.{patch}").bytes());
    }
    out.extend([b") => ", path, b"\n"].concat());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_cache_makes_it_panic(
            rest in proptest::collection::vec(any::<u8>(), 0..300),
            count in 0u32..8,
            old in any::<bool>(),
        ) {
            let mut file = if old { b"ld.so-1.7.0\0".to_vec() } else { NEW_MAGIC.to_vec() };
            file.extend(count.to_le_bytes());
            file.extend(rest);
            let _ = listing(&file, b"/etc/ld.so.cache", Kernels::Told);
        }
    }
}
