//! `glib-compile-schemas` and `gio-querymodules`, as libglib2.0's scripts call them.
//!
//! Both build one file from all files of a folder. It is right as it is while those files are
//! as they were when it was built; it is removed when there are none; anything else stops,
//! because modules tell what they are good for only when they are loaded.

use imgfix_model::path::ImagePath;
use imgfix_shell::{Errno, Process, Status, Stop};
use imgfix_vfs::FileSystem as _;

/// `glib-compile-schemas FOLDER`: settings schemas into `gschemas.compiled`.
///
/// # Errors
/// Options; schemas that have changed.
pub fn compile_schemas(process: &mut Process<'_>) -> Status {
    let is_source = |name: &[u8]| {
        [&b".gschema.xml"[..], b".enums.xml", b".gschema.override"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    let is_schema = |name: &[u8]| is_source(name) && !name.ends_with(b".override");
    let [folder] = &folders(process)?[..] else {
        return Err(process.unsupported("other than one folder"));
    };
    match state(process, folder, &is_source, &is_schema, b"gschemas.compiled")? {
        State::Missing(errno) => {
            let folder = String::from_utf8_lossy(folder).into_owned();
            process.complain(format!("Failed to open “{folder}”: {errno}"))?;
            Ok(1)
        }
        State::Empty | State::AsBuilt => Ok(0),
        State::Changed => Err(process.unsupported("schemas that have changed")),
    }
}

/// `gio-querymodules FOLDER...`: what GIO modules are there into `giomodule.cache`.
///
/// # Errors
/// Options; modules that have changed.
pub fn query_modules(process: &mut Process<'_>) -> Status {
    let is_module = |name: &[u8]| name.starts_with(b"lib") && name.ends_with(b".so");
    for folder in folders(process)? {
        if let State::Changed = state(process, &folder, &is_module, &is_module, b"giomodule.cache")?
        {
            return Err(process.unsupported("modules that have changed"));
        }
    }
    Ok(0)
}

fn folders(process: &Process<'_>) -> Result<Vec<Vec<u8>>, Stop> {
    let words: Vec<Vec<u8>> = process.arguments().iter().map(|word| word.to_vec()).collect();
    match words.iter().find(|word| word.starts_with(b"-")) {
        Some(option) => Err(process.unsupported(option)),
        None => Ok(words),
    }
}

enum State {
    Missing(Errno),
    /// There is nothing to build from; what was built is removed.
    Empty,
    /// All is as it was when the image was built.
    AsBuilt,
    Changed,
}

/// What a folder and the file that is built from it are like.
fn state(
    process: &mut Process<'_>,
    folder: &[u8],
    is_source: &dyn Fn(&[u8]) -> bool,
    makes_result: &dyn Fn(&[u8]) -> bool,
    result: &[u8],
) -> Result<State, Stop> {
    let directory = process.call.directory.clone();
    let names = match process.machine.read_dir(&directory, folder)? {
        Ok(names) => names,
        Err(errno) => return Ok(State::Missing(errno)),
    };
    let built = [folder, b"/", result].concat();
    if !names.iter().any(|name| makes_result(name)) {
        let _missing = process.machine.unlink(&directory, &built)?;
        return Ok(State::Empty);
    }
    let Ok(real) = process.follow(folder)? else { return Ok(State::Changed) };
    let overlay = &process.machine.overlay;
    let is_used = |path: &&ImagePath| is_source(path.file_name()) || path.file_name() == result;
    let now: Vec<ImagePath> = overlay.read_dir(&real).iter().filter(is_used).cloned().collect();
    let then: Vec<ImagePath> =
        overlay.tree().read_dir(&real).iter().filter(is_used).cloned().collect();
    let is_same = |path: &ImagePath| {
        let content = |fs: &dyn imgfix_vfs::FileSystem| fs.stat(path).map(|e| e.kind.clone());
        content(overlay) == content(&**overlay.tree())
    };
    let has_result = now.iter().any(|path| path.file_name() == result);
    match has_result && now == then && now.iter().all(is_same) {
        true => Ok(State::AsBuilt),
        false => Ok(State::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Image, run};

    #[test]
    fn what_is_built_from_nothing_is_removed() {
        let mut image = Image::new(&["/s/gschemas.compiled=x", "/m/giomodule.cache=x", "/m/x.so="]);
        assert_eq!(run(&mut image, "glib-compile-schemas /s"), 0);
        assert_eq!(run(&mut image, "gio-querymodules /m /none"), 0);
        assert_eq!(run(&mut image, "glib-compile-schemas /none"), 1);
        assert!(!image.exists("/s/gschemas.compiled"));
        assert!(!image.exists("/m/giomodule.cache"));
    }

    #[test]
    fn what_is_built_from_the_same_files_stays_and_changed_files_stop() {
        let mut image =
            Image::new(&["/s/a.gschema.xml=1", "/s/gschemas.compiled=x", "/m/libx.so="]);
        assert_eq!(run(&mut image, "glib-compile-schemas /s"), 0);
        assert_eq!(image.text("/s/gschemas.compiled"), "x");
        let entry = image.entry("/m/libx.so");
        let path = imgfix_model::path::ImagePath::literal("/s/b.gschema.override");
        image.machine.overlay.set(path, entry).unwrap();
        assert!(image.stop("glib-compile-schemas /s").contains("schemas that have changed"));
        assert!(image.stop("gio-querymodules /m").contains("modules that have changed"));
    }
}
