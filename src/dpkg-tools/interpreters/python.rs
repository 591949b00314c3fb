//! Compiling Python modules: `pythonX -E -S .../py_compile.py FILE...`, `py3compile`,
//! `py3clean` (python3-minimal) and their elders for Python 2.

use bstr::{BString, ByteSlice as _};

use crate::files::{is_directory, names_in};
use imgfix_shell::{Process, Status, Stop};

/// `pythonX`: compiles nothing, and succeeds, when it is called to compile.
///
/// # Errors
/// Another program.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut words = process.arguments().iter();
    let program = words
        .find(|word| !matches!(&word[..], b"-E" | b"-S" | b"-O" | b"-OO" | b"-W" | b"-I" | b"-B"));
    let base = program.and_then(|program| program.rsplit(|&b| b == b'/').next());
    match base {
        Some(b"py_compile.py" | b"compileall.py") => Ok(0),
        _ => Err(process.unsupported("a Python program")),
    }
}

/// `py3compile`, `pycompile`: compiles nothing, and succeeds.
///
/// # Errors
/// None.
pub fn compile(_: &mut Process<'_>) -> Status {
    Ok(0)
}

/// `py3clean`, `pyclean`: `-p PACKAGE` removes what was compiled from the modules of a
/// package, `DIRECTORY...` from all modules there; folders that are empty then go too.
///
/// # Errors
/// Other options; directories that cannot be read.
pub fn clean(process: &mut Process<'_>) -> Status {
    let mut packages: Vec<BString> = Vec::new();
    let mut directories: Vec<BString> = Vec::new();
    let mut words = process.arguments().to_vec().into_iter();
    while let Some(word) = words.next() {
        match &word[..] {
            b"-p" | b"--package" => packages.extend(words.next()),
            b"-q" | b"--quiet" | b"-v" | b"--verbose" => {}
            [b'-', ..] => return Err(process.unsupported(format!("option {word}"))),
            _ => directories.push(word),
        }
    }
    for package in packages {
        clean_package(process, &package)?;
    }
    for directory in directories {
        clean_below(process, &directory, 0)?;
    }
    Ok(0)
}

fn clean_package(process: &mut Process<'_>, package: &BString) -> Result<(), Stop> {
    let (status, list) = process
        .run_for_output([b"dpkg".into(), b"-L".into(), package.clone()] as [BString; 3], "")?;
    if status != 0 {
        return Ok(());
    }
    for module in list.lines().filter(|path| path.ends_with(b".py")) {
        let at = module.rfind_byte(b'/').unwrap_or(0);
        let (folder, name) = module.split_at_checked(at).unwrap_or((b"", module));
        let name = name.trim_start_with(|c| c == '/');
        let stem = name.strip_suffix(b".py").unwrap_or(name);
        for letter in [b"c", b"o"] {
            unlink(process, &[module, letter].concat())?;
        }
        let cache = [folder, b"/__pycache__"].concat();
        remove_compiled(process, &cache, |file| is_compiled_from(file, stem))?;
    }
    Ok(())
}

/// Whether `x.TAG.pyc` was compiled from `x.py`.
fn is_compiled_from(file: &[u8], stem: &[u8]) -> bool {
    let rest = file.strip_prefix(stem).and_then(|rest| rest.strip_prefix(b"."));
    rest.is_some_and(|rest| rest.ends_with(b".pyc") || rest.ends_with(b".pyo"))
}

/// Removes the files of a `__pycache__` folder that are meant, and the folder when it is empty.
fn remove_compiled(
    process: &mut Process<'_>,
    cache: &[u8],
    meant: impl Fn(&[u8]) -> bool,
) -> Result<(), Stop> {
    let names = names_in(process, cache)?;
    let (gone, kept): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| meant(name));
    for name in &gone {
        unlink(process, &[cache, b"/", name].concat())?;
    }
    if !gone.is_empty() && kept.is_empty() {
        let directory = process.call.directory.clone();
        let _still_used = process.machine.remove_dir(&directory, cache)?;
    }
    Ok(())
}

fn unlink(process: &mut Process<'_>, path: &[u8]) -> Result<(), Stop> {
    let directory = process.call.directory.clone();
    let _missing = process.machine.unlink(&directory, path)?;
    Ok(())
}

/// The deepest folder that is looked at.
const MAX_DEPTH: u32 = 64;

fn clean_below(process: &mut Process<'_>, folder: &[u8], depth: u32) -> Result<(), Stop> {
    if depth > MAX_DEPTH {
        return Err(process.unsupported(format!("{}, too deep", folder.as_bstr())));
    }
    let is_compiled = |file: &[u8]| file.ends_with(b".pyc") || file.ends_with(b".pyo");
    for name in names_in(process, folder)? {
        let path = [folder, b"/", &name].concat();
        let is_link = process.machine.lstat(&process.call.directory, &path)?;
        let is_link = is_link.is_ok_and(|entry| entry.is_symlink());
        if name == b"__pycache__" {
            remove_compiled(process, &path, is_compiled)?;
        } else if !is_link && is_directory(process, &path)? {
            clean_below(process, &path, depth + 1)?;
        } else if is_compiled(&name) {
            unlink(process, &path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_shell::Command;
    use imgfix_tools::testing::{Image, run};

    fn dpkg(process: &mut Process<'_>) -> Status {
        process.print("/.\n/p/a.py\n/p/readme\n")?;
        Ok(0)
    }

    const FILES: &[&str] = &[
        "/p/a.py",
        "/p/a.pyc",
        "/p/__pycache__/a.cpython-39.pyc",
        "/p/__pycache__/ab.cpython-39.pyc",
        "/q/__pycache__/x.cpython-39.pyc",
    ];

    #[test]
    fn compiled_modules_of_a_package_or_a_folder_are_removed() {
        let dpkg: (&'static str, Command) = ("dpkg", dpkg);
        let commands: Vec<_> = super::super::COMMANDS.iter().copied().chain([dpkg]).collect();
        let mut image = Image::with(FILES, &commands);
        assert_eq!(run(&mut image, "py3clean -p x"), 0);
        assert!(!image.exists("/p/a.pyc") && !image.exists("/p/__pycache__/a.cpython-39.pyc"));
        assert!(image.exists("/p/__pycache__/ab.cpython-39.pyc"));
        assert_eq!(run(&mut image, "py3clean /q"), 0);
        assert!(image.exists("/q") && !image.exists("/q/__pycache__"));
    }

    #[test]
    fn compiling_writes_nothing_and_other_programs_stop() {
        let mut image = Image::with(&["/p/a.py"], super::super::COMMANDS);
        assert_eq!(run(&mut image, "py3compile -p x"), 0);
        let compile = "python3.9 -E -S -O /usr/lib/python3.9/py_compile.py /p/a.py";
        assert_eq!(run(&mut image, compile), 0);
        assert!(!image.exists("/p/__pycache__"));
        assert_eq!(image.stop("python3 -c pass"), "python3 with a Python program");
    }
}
