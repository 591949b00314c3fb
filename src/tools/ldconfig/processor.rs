//! [`Processor`]: what `ldconfig` of a machine records of a library in the cache, and which
//! folders below a library folder it takes for hardware capabilities.
//!
//! Sources: glibc's `sysdeps/generic/ldconfig.h` (flags), `readelflib.c` and `dl-procinfo` of
//! each machine.

use super::elf::{ByteOrder, Class, Library};
use super::program::Release;

/// The flag of a library for glibc (`FLAG_ELF_LIBC6`).
pub const LIBC6: u32 = 3;

/// The flag of a library that nothing marks as one for glibc (`FLAG_ELF`).
const ELF: u32 = 1;

/// The processor that an `ldconfig` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processor {
    pub family: Family,
    pub class: Class,
    pub order: ByteOrder,
}

/// Machines whose libraries one `ldconfig` handles together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    X86,
    Arm,
    PowerPc,
    S390,
    RiscV,
    LoongArch,
}

const EM_386: u16 = 3;
const EM_X86_64: u16 = 62;

impl Family {
    /// By the machine of an ELF header; `None` for one whose flags are not known here.
    #[must_use]
    pub fn of_machine(machine: u16) -> Option<Self> {
        Some(match machine {
            EM_386 | EM_X86_64 => Self::X86,
            40 | 183 => Self::Arm,
            20 | 21 => Self::PowerPc,
            22 => Self::S390,
            243 => Self::RiscV,
            258 => Self::LoongArch,
            _ => return None,
        })
    }
}

impl Processor {
    /// The flags of a library in the cache; `None` for one that this processor's `ldconfig`
    /// leaves out.
    #[must_use]
    pub fn flags(self, library: &Library, release: Release) -> Option<u32> {
        if library.order != self.order {
            return None;
        }
        let plain = if library.needs_glibc || release.knows_only_glibc() { LIBC6 } else { ELF };
        let is64 = library.class == Class::Elf64;
        Some(match self.family {
            Family::X86 => match (library.machine, library.class) {
                (EM_X86_64, Class::Elf64) => 0x300 | LIBC6,
                (EM_X86_64, Class::Elf32) => 0x800 | LIBC6,
                (EM_386, Class::Elf32) => plain,
                _ => return None,
            },
            Family::Arm if is64 => 0xa00 | LIBC6,
            Family::Arm => arm(library, release, plain),
            Family::PowerPc if is64 => 0x500 | LIBC6,
            Family::S390 if is64 => 0x400 | LIBC6,
            Family::PowerPc | Family::S390 => plain,
            Family::RiscV => match library.flags & 6 {
                0 => 0xf00 | LIBC6,
                4 => 0x1000 | LIBC6,
                _ => return None,
            },
            Family::LoongArch => match library.flags & 7 {
                1 => 0x1100 | LIBC6,
                3 => 0x1200 | LIBC6,
                _ => return None,
            },
        })
    }

    /// Whether file names compare as signed bytes, as C's `char` does there.
    #[must_use]
    pub fn has_signed_chars(self) -> bool {
        self.family == Family::X86 || self.family == Family::LoongArch
    }

    /// The bit of a folder's name among the hardware capabilities, for releases that know
    /// such folders (before 2.37).
    #[must_use]
    pub fn capability(self, name: &[u8]) -> Option<u32> {
        let at = |names: &[&str]| names.iter().position(|known| known.as_bytes() == name);
        let bit = match self.family {
            Family::X86 => at(X86_CAPABILITIES).or_else(|| Some(48 + at(X86_PLATFORMS)?)),
            Family::Arm if self.class == Class::Elf64 => at(AARCH64_CAPABILITIES),
            Family::Arm => at(ARM_CAPABILITIES),
            Family::S390 => at(S390_CAPABILITIES).or_else(|| Some(32 + at(S390_PLATFORMS)?)),
            Family::PowerPc => {
                at(POWERPC_CAPABILITIES).or_else(|| Some(32 + at(POWERPC_PLATFORMS)?))
            }
            Family::RiscV | Family::LoongArch => None,
        };
        match bit {
            Some(bit) => u32::try_from(bit).ok(),
            None => (name == b"tls").then_some(63),
        }
    }

    /// Whether libraries are looked for in a folder of this name below a library folder.
    #[must_use]
    pub fn is_searched(self, name: &[u8]) -> bool {
        let Some(bit) = self.capability(name) else { return false };
        let important: &[u32] = match self.family {
            Family::X86 => return true,
            Family::Arm if self.class == Class::Elf64 => &[8, 63],
            Family::Arm => &[6, 12, 63],
            Family::S390 => &[1, 4, 5, 6, 11, 13, 15],
            Family::PowerPc => &[10, 28],
            Family::RiscV | Family::LoongArch => &[63],
        };
        let is_platform = matches!(self.family, Family::S390 | Family::PowerPc)
            && (32..48).contains(&bit)
            || name == b"tls";
        is_platform || important.contains(&bit)
    }
}

fn arm(library: &Library, release: Release, plain: u32) -> u32 {
    const EABI_VERSION: u32 = 0xff00_0000;
    const EABI_5: u32 = 0x0500_0000;
    const SOFT: u32 = 0x200;
    const HARD: u32 = 0x400;
    if library.flags & EABI_VERSION != EABI_5 {
        return plain;
    }
    let marked = release.reads_arm_attributes() && library.hard_float;
    match library.flags {
        flags if flags & HARD != 0 => 0x900 | LIBC6,
        flags if flags & SOFT != 0 => 0xb00 | LIBC6,
        _ if marked => 0x900 | LIBC6,
        _ => LIBC6,
    }
}

const X86_CAPABILITIES: &[&str] = &["sse2", "x86_64", "avx512_1"];
const X86_PLATFORMS: &[&str] = &["i586", "i686", "haswell", "xeon_phi"];

const AARCH64_CAPABILITIES: &[&str] = &[
    "fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "atomics", "fphp",
    "asimdhp", "cpuid", "asimdrdm", "jscvt", "fcma", "lrcpc", "dcpop", "sha3", "sm3", "sm4",
    "asimddp", "sha512", "sve", "asimdfhm", "dit", "uscat", "ilrcpc", "flagm", "ssbs", "sb",
    "paca", "pacg",
];

const ARM_CAPABILITIES: &[&str] = &[
    "swp", "half", "thumb", "26bit", "fastmult", "fpa", "vfp", "edsp", "java", "iwmmxt", "crunch",
    "thumbee", "neon", "vfpv3", "vfpv3d16", "tls", "vfpv4", "idiva", "idivt", "vfpd32", "lpae",
    "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32",
];

const S390_CAPABILITIES: &[&str] = &[
    "esan3", "zarch", "stfle", "msa", "ldisp", "eimm", "dfp", "edat", "etf3eh", "highgprs", "te",
    "vx", "vxd", "vxe", "gs", "vxe2", "vxp", "sort", "dflt",
];

const S390_PLATFORMS: &[&str] =
    &["g5", "z900", "z990", "z9-109", "z10", "z196", "zEC12", "z13", "z14", "z15"];

const POWERPC_CAPABILITIES: &[&str] = &[
    "ppcle",
    "true_le",
    "-",
    "-",
    "-",
    "-",
    "archpmu",
    "vsx",
    "arch_2_06",
    "power6x",
    "dfp",
    "pa6t",
    "arch_2_05",
    "ic_snoop",
    "smt",
    "booke",
    "cellbe",
    "power5+",
    "power5",
    "power4",
    "notb",
    "efpdouble",
    "efpsingle",
    "spe",
    "ucache",
    "4xxmac",
    "mmu",
    "fpu",
    "altivec",
    "ppc601",
    "ppc64",
    "ppc32",
];

const POWERPC_PLATFORMS: &[&str] = &[
    "power4",
    "ppc970",
    "power5",
    "power5+",
    "power6",
    "ppc-cell-be",
    "power6x",
    "power7",
    "ppca2",
    "ppc405",
    "ppc440",
    "ppc464",
    "ppc476",
    "power8",
    "power9",
];
