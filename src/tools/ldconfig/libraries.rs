//! What `ldconfig` does in one folder: finds its libraries, makes the links by which programs
//! find them, and names what belongs into the cache.

use super::cache::{Cache, CachedLibrary, compare_names};
use super::elf::Inspected;
use super::folders::{Folder, Folders};
use super::inspections::Inspections;
use super::program::Program;
use imgfix_model::path::ImagePath;
use imgfix_shell::{Errno, Process, Stop};
use imgfix_vfs::{Entry, FileSystem as _, Kind};

/// How many libraries there may be.
const MAX_LIBRARIES: usize = 200_000;

/// Names of dynamic linkers whose links Debian's `ldconfig` does not change.
const LINKERS: &[&[u8]] = &[
    b"ld-kfreebsd-x86-64.so.1",
    b"ld-linux-aarch64.so.1",
    b"ld-linux-aarch64_be.so.1",
    b"ld-linux-armhf.so.3",
    b"ld-linux-ia64.so.2",
    b"ld-linux-mipsn8.so.1",
    b"ld-linux-x32.so.2",
    b"ld-linux-x86-64.so.2",
    b"ld-linux.so.2",
    b"ld-linux.so.3",
    b"ld.so.1",
    b"ld64.so.1",
    b"ld64.so.2",
];

/// What is to be done besides the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    pub verbose: bool,
    /// Whether links are made, changed and removed.
    pub links: bool,
}

/// A library of a folder.
struct Found {
    file: Vec<u8>,
    soname: Vec<u8>,
    flags: u32,
    is_link: bool,
    isa_level: u32,
    kernel: u32,
}

/// Adds the folders for capabilities of the processor that lie in the folders.
///
/// # Errors
/// A path of a running system; too many folders.
pub fn add_capabilities(
    process: &mut Process<'_>,
    program: &Program,
    folders: &mut Folders,
) -> Result<(), Stop> {
    let mut at = 0;
    while let Some(folder) = folders.0.get(at).cloned() {
        at += 1;
        if !program.release.knows_capabilities() || folder.level.is_some() {
            continue;
        }
        for (name, _) in names(process, program, &folder)? {
            if !program.processor.is_searched(&name) {
                continue;
            }
            let path = [&folder.path[..], b"/", &name].concat();
            let is_folder = process
                .machine
                .stat(&process.call.directory, &path)?
                .is_ok_and(|entry| entry.is_dir());
            if is_folder && let Ok(real) = process.follow(&path)? {
                folders.add(Folder { path, real, ..folder.clone() })?;
            }
        }
    }
    Ok(())
}

/// The files of a folder that may be libraries, with what each is (a link is not followed).
///
/// # Errors
/// A path of a running system.
pub fn names(
    process: &mut Process<'_>,
    program: &Program,
    folder: &Folder,
) -> Result<Vec<(Vec<u8>, Entry)>, Stop> {
    let root = ImagePath::root();
    let Ok(names) = process.machine.read_dir(&root, folder.real.as_bytes())? else {
        return Ok(Vec::new());
    };
    let mut wanted = Vec::new();
    for name in names {
        let Ok(path) = folder.real.join(&name) else { continue };
        let Some(entry) = process.machine.overlay.lstat(&path) else { continue };
        let fits = match entry.kind {
            Kind::File(_) => is_library(&name, program),
            Kind::Symlink(_) | Kind::Directory => {
                is_library(&name, program)
                    || folder.level.is_some()
                    || (program.release.knows_capabilities()
                        && program.processor.is_searched(&name))
            }
            _ => false,
        };
        if fits && !is_temporary(&name, program) {
            wanted.push((name, entry.clone()));
        }
    }
    Ok(wanted)
}

fn is_library(name: &[u8], program: &Program) -> bool {
    let is_named = name.starts_with(b"lib") || name.starts_with(b"ld-");
    (is_named && contains(name, b".so"))
        || (program.release.knows_ld_so()
            && (name.starts_with(b"ld.so.") || name.starts_with(b"ld64.so.")))
}

/// Files of prelink, rpm and dpkg.
fn is_temporary(name: &[u8], program: &Program) -> bool {
    let prelink = name.ends_with(b".#prelink#")
        || name
            .len()
            .checked_sub(17)
            .is_some_and(|at| name.get(at..).is_some_and(|end| end.starts_with(b".#prelink#.")));
    prelink
        || (program.skips_dpkg_files
            && (name.contains(&b';')
                || name.ends_with(b".dpkg-new")
                || name.ends_with(b".dpkg-tmp")))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Does all that is to be done in a folder; adds its libraries to the cache when there is one.
///
/// # Errors
/// A path of a running system; a library that cannot be read.
pub fn search(
    process: &mut Process<'_>,
    program: &Program,
    folder: &Folder,
    inspections: &mut Inspections,
    manner: Manner,
    cache: Option<&mut Cache<'_>>,
) -> Result<(), Stop> {
    let capabilities = capabilities(program, folder);
    if manner.verbose {
        print_heading(process, program, folder, capabilities)?;
    }
    let found = find(process, program, folder, inspections, manner)?;
    if found.len() > MAX_LIBRARIES {
        return Err(Stop::new("there are too many libraries for ldconfig"));
    }
    for library in found.iter().rev() {
        if folder.level.is_none() && !library.is_link {
            link(process, program, folder, library, manner)?;
        } else if folder.level.is_some() && manner.verbose {
            process.print([b"\t", &library.soname[..], b" -> ", &library.file, b"\n"].concat())?;
        }
    }
    let Some(cache) = cache else { return Ok(()) };
    if let Some(level) = &folder.level {
        cache.add_level(level);
    }
    for library in found.into_iter().rev() {
        process.machine.spend(1)?;
        let file = if folder.level.is_some() { &library.file } else { &library.soname };
        cache.add(CachedLibrary {
            path: [&folder.path[..], b"/", file].concat(),
            flags: library.flags,
            kernel: if program.release.records_kernels() { library.kernel } else { 0 },
            isa_level: library.isa_level,
            capabilities,
            level: folder.level.clone(),
            name: library.soname,
        });
    }
    Ok(())
}

/// The sum of the capabilities that the folder's name ends with.
fn capabilities(program: &Program, folder: &Folder) -> u64 {
    if !program.release.knows_capabilities() || folder.level.is_some() {
        return 0;
    }
    let names = folder.path.rsplit(|&b| b == b'/');
    let bits = names.map_while(|name| program.processor.capability(name));
    bits.fold(0, |sum: u64, bit| sum.wrapping_add(1 << bit))
}

fn print_heading(
    process: &mut Process<'_>,
    program: &Program,
    folder: &Folder,
    capabilities: u64,
) -> Result<(), Stop> {
    let mut text = [&folder.path[..], b":"].concat();
    if let Some(level) = &folder.level {
        text.extend([&b" (hwcap: \""[..], level, b"\")"].concat());
    } else if capabilities != 0 {
        text.extend(format!(" (hwcap: {capabilities:#018x})").bytes());
    }
    if program.tells_origins {
        text.extend([&b" (from "[..], &folder.origin.file].concat());
        text.extend(format!(":{})", folder.origin.line).bytes());
    }
    text.push(b'\n');
    process.print(text)
}

fn find(
    process: &mut Process<'_>,
    program: &Program,
    folder: &Folder,
    inspections: &mut Inspections,
    manner: Manner,
) -> Result<Vec<Found>, Stop> {
    let signed = program.processor.has_signed_chars();
    let mut all: Vec<Found> = Vec::new();
    let mut by_soname = std::collections::BTreeMap::new();
    for (name, entry) in names(process, program, folder)? {
        process.machine.spend(1)?;
        let Some(found) = look_at(process, program, folder, inspections, manner, &name, &entry)?
        else {
            continue;
        };
        let Some(present) = by_soname.get(&found.soname).and_then(|&at: &usize| all.get_mut(at))
        else {
            by_soname.insert(found.soname.clone(), all.len());
            all.push(found);
            continue;
        };
        let newer = compare_names(&present.file, &found.file, signed).is_lt();
        if (!found.is_link && present.is_link) || (found.is_link == present.is_link && newer) {
            let plain = |flags: u32| flags & 0xff00 == 0;
            if plain(present.flags) && plain(found.flags) {
                present.flags = found.flags;
            } else if present.flags != found.flags {
                let [old, new, path] = [&present.file, &found.file, &folder.path]
                    .map(|text| String::from_utf8_lossy(text).into_owned());
                process.complain(format!(
                    "libraries {old} and {new} in directory {path} have same soname but \
                     different type."
                ))?;
            }
            *present = Found { flags: present.flags, ..found };
        }
    }
    Ok(all)
}

/// What one file of the folder is; `None` when it is left out.
fn look_at(
    process: &mut Process<'_>,
    program: &Program,
    folder: &Folder,
    inspections: &mut Inspections,
    manner: Manner,
    name: &[u8],
    entry: &Entry,
) -> Result<Option<Found>, Stop> {
    let path = [&folder.path[..], b"/", name].concat();
    let own = [folder.real.as_bytes(), b"/", name].concat();
    let root = ImagePath::root();
    let is_link = entry.is_symlink();
    let target = match process.machine.follow(&root, &own)? {
        Ok(target) => process.machine.overlay.lstat(&target).cloned().map(|entry| (target, entry)),
        Err(_) => None,
    };
    let Some((real, target)) = target else {
        if manner.verbose {
            let path = String::from_utf8_lossy(&path).into_owned();
            process.complain(format!("Cannot stat {path}: {}", Errno::NotFound))?;
        }
        if manner.links && contains(name, b".so.") {
            let _left = process.machine.unlink(&root, &own)?;
        }
        return Ok(None);
    };
    if !target.is_file() {
        return Ok(None);
    }
    let inspected = inspections.of(process, program, &real, &target)?;
    let (soname, flags, isa_level, kernel) = match inspected {
        Inspected::Library(library) => {
            let Some(flags) = program.processor.flags(&library, program.release) else {
                return Ok(None);
            };
            (library.soname, flags, library.isa_level, library.kernel)
        }
        Inspected::Aout => return Err(process.unsupported("a library of the a.out format")),
        Inspected::NotElf { linker_script } => {
            if !linker_script && !is_debugger_file(name, program) {
                let path = String::from_utf8_lossy(&path).into_owned();
                let text = "is not an ELF file - it has the wrong magic bytes at the start.\n";
                process.complain(format!("{path} {text}"))?;
            }
            return Ok(None);
        }
        Inspected::Unusable => return Ok(None),
        Inspected::OutOfReach => {
            return Err(Stop::new(format!("the names in the library {real} are not found")));
        }
    };
    let soname = soname.map_or_else(|| name.to_vec(), Vec::from);
    // A link that is neither the SONAME nor the name for the compiler counts as a file.
    let is_link =
        is_link && (name == soname || (name.ends_with(b".so") && soname.starts_with(name)));
    let soname = if is_link { name.to_vec() } else { soname };
    let flags = match folder.flags {
        Some(known) if flags == 1 => known,
        _ => flags,
    };
    Ok(Some(Found { file: name.to_vec(), soname, flags, is_link, isa_level, kernel }))
}

fn is_debugger_file(name: &[u8], program: &Program) -> bool {
    name.ends_with(b"-gdb.py")
        || (program.release.knows_only_glibc()
            && (name.ends_with(b"-gdb.gdb") || name.ends_with(b"-gdb.scm")))
}

/// Sees to it that the SONAME leads to the library.
fn link(
    process: &mut Process<'_>,
    program: &Program,
    folder: &Folder,
    library: &Found,
    manner: Manner,
) -> Result<(), Stop> {
    let root = ImagePath::root();
    let [file, soname] =
        [&library.file, &library.soname].map(|name| [folder.real.as_bytes(), b"/", name].concat());
    let mut do_link = true;
    let mut do_remove = true;
    let present = process.machine.lstat(&root, &soname)?.ok();
    if process.machine.stat(&root, &soname)?.is_ok() {
        if program.keeps_linker_links && LINKERS.contains(&&library.soname[..]) {
            do_link = false;
        }
        if is_same(process, &file, &soname)? {
            do_link = false;
        } else if !present.is_some_and(|entry| entry.is_symlink()) {
            let path = [&folder.path[..], b"/", &library.soname].concat();
            let path = String::from_utf8_lossy(&path).into_owned();
            process.complain(format!("{path} is not a symbolic link\n"))?;
            do_link = false;
        }
    } else if !present.is_some_and(|entry| entry.is_symlink()) {
        do_remove = false;
    }
    let mut outcome = "\n";
    if do_link && manner.links {
        let removed = !do_remove || process.machine.unlink(&root, &soname)?.is_ok();
        let made = removed && process.machine.make_symlink(&root, &soname, &library.file)?.is_ok();
        outcome = if made { " (changed)\n" } else { " (SKIPPED)\n" };
    }
    if manner.verbose {
        let line = [b"\t", &library.soname[..], b" -> ", &library.file, outcome.as_bytes()];
        process.print(line.concat())?;
    }
    Ok(())
}

/// Whether both paths lead to one file.
fn is_same(process: &mut Process<'_>, a: &[u8], b: &[u8]) -> Result<bool, Stop> {
    let root = ImagePath::root();
    let (Ok(a), Ok(b)) = (process.machine.follow(&root, a)?, process.machine.follow(&root, b)?)
    else {
        return Ok(false);
    };
    let inode = |path: &ImagePath| match &process.machine.overlay.lstat(path)?.kind {
        Kind::File(data) => data.link,
        _ => None,
    };
    Ok(a == b || inode(&a).is_some_and(|inode_of_a| Some(inode_of_a) == inode(&b)))
}
