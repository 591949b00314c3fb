//! `ldconfig`: links to shared libraries, and the cache by which programs find them.
//!
//! The cache is byte for byte what the image's own `ldconfig` would write: its release of
//! glibc and what its distribution changed are read from the texts in its file ([`program`]).
//! `/var/cache/ldconfig/aux-cache` is left as it is: it is keyed by inode numbers and change
//! times, which an image does not have, and `ldconfig` drops what does not fit.
//!
//! - [`configuration`], [`folders`]: where libraries are looked for
//! - [`elf`], [`inspections`]: what a file is
//! - [`libraries`]: what is done in a folder
//! - [`cache`], [`listing`]: the file, written and read

mod cache;
mod configuration;
mod elf;
mod folders;
mod inspections;
mod libraries;
mod listing;
mod processor;
mod program;

use bstr::ByteSlice as _;
use imgfix_shell::options::{Long, Short, Value};

use cache::Cache;
use configuration::Line;
use folders::{Folders, Origin};
use imgfix_shell::execute::interpreter;
use imgfix_shell::{Process, Status, Stop, shell};
use imgfix_vfs::{Entry, FileSystem as _};
use inspections::Inspections;
pub use inspections::note;
use libraries::Manner;
use listing::Kernels;
use program::{Format, Program};

/// What the command line asks for.
struct Request {
    print: bool,
    build: bool,
    only_arguments: bool,
    manner: Manner,
    format: Option<Format>,
    cache: Vec<u8>,
    configuration: Vec<u8>,
    folders: Vec<Vec<u8>>,
}

/// Builds or prints the cache.
///
/// # Errors
/// Options that are not evaluated; an `ldconfig` that is not known; a library that cannot be
/// read.
pub fn run(process: &mut Process<'_>) -> Status {
    let request = request(process)?;
    let text = own_text(process)?;
    if text.starts_with(b"#!") {
        return run_wrapper(process, text);
    }
    if request.print {
        let kernels = match text.contains_str("OS ABI: %s") {
            true => Kernels::Told,
            false => Kernels::Ignored,
        };
        return listing::print(process, &request.cache, kernels);
    }
    let program = Program::read(&text)
        .map_err(|why| Stop::new(format!("the image's ldconfig is not known: {why}")))?;
    let mut folders = Folders::default();
    for folder in &request.folders {
        if request.build && !folder.starts_with(b"/") {
            let folder = String::from_utf8_lossy(folder).into_owned();
            process.complain(format!("relative path `{folder}' used to build cache"))?;
            return Ok(1);
        }
        let origin = Origin { file: b"<cmdline>".to_vec(), line: 0 };
        let line = Line { text: folder.clone(), origin };
        folders.add_line(process, &program, &line, request.manner.verbose)?;
    }
    if !request.only_arguments {
        let mut lines = configuration::read(process, &request.configuration)?;
        let origin = Origin { file: b"<builtin>".to_vec(), line: 0 };
        let built_in = program.folders.iter();
        lines.extend(built_in.map(|text| Line { text: text.clone(), origin: origin.clone() }));
        for line in &lines {
            folders.add_line(process, &program, line, request.manner.verbose)?;
        }
    }
    libraries::add_capabilities(process, &program, &mut folders)?;
    let mut inspections = Inspections::gather(process, &program, &folders.0)?;
    let mut cache = Cache::new(&program);
    for folder in &folders.0 {
        let cache = request.build.then_some(&mut cache);
        libraries::search(process, &program, folder, &mut inspections, request.manner, cache)?;
    }
    if !request.build {
        return Ok(0);
    }
    let format = request.format.unwrap_or(program.format);
    if format != Format::New && program.release.has_extensions() && cache.has_capabilities() {
        // glibc 2.33 to 2.36 write past the end of their memory then.
        return Err(process.unsupported("an old format and libraries for capabilities"));
    }
    let bytes = cache.write(format);
    replace(process, &request.cache, bytes)
}

fn request(process: &mut Process<'_>) -> Result<Request, Stop> {
    let mut request = Request {
        print: false,
        build: true,
        only_arguments: false,
        manner: Manner { verbose: false, links: true },
        format: None,
        cache: b"/etc/ld.so.cache".to_vec(),
        configuration: b"/etc/ld.so.conf".to_vec(),
        folders: Vec::new(),
    };
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('p') | Long("print-cache") => request.print = true,
            Short('v') | Long("verbose") => request.manner.verbose = true,
            Short('N') => request.build = false,
            Short('X') => request.manner.links = false,
            Short('n') => {
                request.build = false;
                request.only_arguments = true;
            }
            // There is no other root than that of the image.
            Short('r') => match options.value()? {
                root if root.iter().all(|&b| b == b'/') => {}
                _ => return Err(process.unsupported("-r")),
            },
            Short('C') => request.cache = options.value()?,
            Short('f') => request.configuration = options.value()?,
            Short('i') | Long("ignore-aux-cache") => {}
            Short('c') | Long("format") => {
                request.format = match &options.value()?[..] {
                    b"old" => Some(Format::Old),
                    b"compat" => Some(Format::Compat),
                    b"new" => Some(Format::New),
                    _ => None,
                };
            }
            Value(folder) => request.folders.push(folder.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    Ok(request)
}

/// The content of the program that is run.
fn own_text(process: &mut Process<'_>) -> Result<bytes::Bytes, Stop> {
    let name = process.call.argv.first().cloned().unwrap_or_default();
    let path = match name.contains(&b'/') {
        true => Some(name.to_vec()),
        false => process.machine.which(&process.call, &name)?,
    };
    let text = match path {
        Some(path) => process.machine.read_file(&process.call.directory, &path)?.ok(),
        None => None,
    };
    text.ok_or_else(|| Stop::new("the image's ldconfig cannot be read"))
}

/// Ubuntu's `ldconfig` is a script that calls `ldconfig.real`, or leaves it to a trigger.
fn run_wrapper(process: &mut Process<'_>, text: bytes::Bytes) -> Status {
    let Some(found) = interpreter(&text) else {
        return Err(process.unsupported("a script in its place"));
    };
    let name = String::from_utf8_lossy(process.name()).into_owned();
    let script = shell::Script { name, text, dialect: found.dialect, options: found.options };
    let call = process.call.clone();
    shell::run(process.machine, &script, call)
}

/// Puts the new cache in place by renaming. One with the same bytes stays as it is: a layer
/// would otherwise carry it for its time alone.
fn replace(process: &mut Process<'_>, path: &[u8], bytes: Vec<u8>) -> Status {
    let directory = process.call.directory.clone();
    let present = match process.locate(path)? {
        Ok(at) => process.machine.overlay.lstat(&at).cloned(),
        Err(_) => None,
    };
    let is_usual =
        |entry: &Entry| entry.is_file() && (entry.mode, entry.uid, entry.gid) == (0o644, 0, 0);
    if present.as_ref().is_some_and(is_usual)
        && process.machine.read_file(&directory, path)?.is_ok_and(|old| old == bytes)
    {
        return Ok(0);
    }
    let temporary = [path, b"~"].concat();
    if process.machine.lstat(&directory, &temporary)?.is_ok_and(|entry| entry.is_symlink()) {
        let _left = process.machine.unlink(&directory, &temporary)?;
    }
    let written = match process.machine.write_file(&directory, &temporary, bytes, 0o644)? {
        Ok(()) => match process.machine.chmod(&directory, &temporary, 0o644)? {
            Ok(()) => process.machine.rename(&directory, &temporary, path)?,
            failed => failed,
        },
        failed => failed,
    };
    match written {
        Ok(()) => Ok(0),
        Err(errno) => {
            let path = String::from_utf8_lossy(path).into_owned();
            process.complain(format!("Can't create temporary cache file {path}~: {errno}"))?;
            Ok(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Image, run};
    use super::elf::ByteOrder;
    use super::elf::tests::sample;
    use super::program;
    use imgfix_model::path::ImagePath;
    use imgfix_vfs::Entry;

    fn image() -> Image {
        let mut image =
            Image::new(&["/etc/ld.so.conf=/opt/lib\n", "/lib/", "/usr/lib/", "/opt/lib/"]);
        let signature = "ldconfig (Debian GLIBC 2.36-1) stable release version 2.36";
        let program = program::tests::file("2.36", &[signature, "Format to use: new (default)"]);
        put(&mut image, "/usr/bin/ldconfig", program);
        let library = |soname| sample(ByteOrder::Little, 62, soname, "libc.so.6");
        put(&mut image, "/opt/lib/libx.so.1.9", library("libx.so.1"));
        put(&mut image, "/opt/lib/libx.so.1.10", library("libx.so.1"));
        put(&mut image, "/usr/lib/liby.so.2", library("liby.so.2"));
        put(&mut image, "/usr/lib/liby.so.2.dpkg-new", library("liby.so.2"));
        let foreign = sample(ByteOrder::Big, 22, "libforeign.so.2", "libc.so.6");
        put(&mut image, "/usr/lib/libforeign.so.2", foreign);
        image
    }

    fn put(image: &mut Image, path: &'static str, content: Vec<u8>) {
        let entry = Entry::file(content, 0o755, 1);
        image.machine.overlay.set(ImagePath::literal(path), entry).unwrap();
    }

    #[test]
    fn the_newest_library_gets_the_link_and_the_cache_tells_where_it_is() {
        let mut image = image();
        assert_eq!(run(&mut image, "ldconfig"), 0);
        let link = image.entry("/opt/lib/libx.so.1").kind;
        assert_eq!(link, imgfix_vfs::Kind::Symlink(b"libx.so.1.10".to_vec()));
        assert_eq!(run(&mut image, "ldconfig -p"), 0);
        assert_eq!(
            image.output(),
            "2 libs found in cache `/etc/ld.so.cache'\n\
             \tliby.so.2 (libc6,x86-64) => /usr/lib/liby.so.2\n\
             \tlibx.so.1 (libc6,x86-64) => /opt/lib/libx.so.1\n\
             Cache generated by: ldconfig (Debian GLIBC 2.36-1) stable release version 2.36\n"
        );
    }

    #[test]
    fn a_cache_that_stays_the_same_is_not_touched() {
        let mut image = image();
        assert_eq!(run(&mut image, "ldconfig -N"), 0);
        assert!(!image.exists("/etc/ld.so.cache"));
        assert_eq!(run(&mut image, "ldconfig -X"), 0);
        let first = image.entry("/etc/ld.so.cache");
        image.machine.settings.now += 1;
        assert_eq!(run(&mut image, "ldconfig"), 0);
        assert_eq!(image.entry("/etc/ld.so.cache"), first);
        assert!(!image.exists("/etc/ld.so.cache~"));
    }

    #[test]
    fn an_unknown_program_stops() {
        let mut image = Image::new(&["/etc/"]);
        assert!(image.stop("ldconfig").starts_with("the image's ldconfig is not known"));
        assert_eq!(image.stop("ldconfig -l x"), "ldconfig with -l");
    }
}
