//! What glibc's packages run when they are upgraded: `iconvconfig`, and `glibc_post_upgrade` of
//! RHEL 8 and older (glibc's `sysdeps/unix/sysv/linux/x86/glibc_post_upgrade.c` there).

use imgfix_model::path::ImagePath;
use imgfix_shell::{Process, Status, Stop};
use imgfix_tools::files::{exists, is_there, read_optional, replace};
use imgfix_vfs::FileSystem;

/// `iconvconfig [-o FILE] [--nostdlib] [DIRECTORY]`: the cache of character sets. It is a function
/// of the configuration of its directory: while that is what it was in the image, the cache is, too.
///
/// # Errors
/// A configuration that has changed, or a cache that is not there to be kept; other options.
pub fn iconvconfig(process: &mut Process<'_>) -> Status {
    use imgfix_shell::options::{Long, Short, Value};
    let (mut output, mut folders, mut standard) = (None, Vec::new(), true);
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('o') | Long("output") => output = Some(options.value()?),
            Long("nostdlib") => standard = false,
            Value(folder) => folders.push(folder.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let folder = match (folders.as_slice(), standard) {
        ([], true) => b"/usr/lib64/gconv".to_vec(),
        ([folder], false) => folder.clone(),
        _ => return Err(process.unsupported("several directories")),
    };
    let output = output.unwrap_or_else(|| [&folder[..], b"/gconv-modules.cache"].concat());
    let (Ok(folder), Ok(cache)) = (process.follow(&folder)?, process.follow(&output)?) else {
        return Err(process.unsupported("a directory that is not there"));
    };
    let tree = std::sync::Arc::clone(process.machine.overlay.tree());
    if configuration(&*tree, &folder)? != configuration(&process.machine.overlay, &folder)? {
        return Err(process.unsupported("character sets that have changed"));
    }
    let kept = tree.lstat(&cache).filter(|entry| entry.is_file() && entry.size() > 0);
    let Some(mode) = kept.map(|entry| entry.mode) else {
        return Err(process.unsupported("a cache that the image did not have"));
    };
    let content = tree.read(&cache).map_err(unreadable)?;
    if read_optional(process, &output)?.as_ref() != Some(&content) {
        replace(process, &output, content, mode)?;
    }
    Ok(0)
}

fn unreadable(error: imgfix_vfs::RootfsError) -> Stop {
    Stop::from_error(format!("iconvconfig cannot read its files: {error}"), &error)
}

/// What a directory is configured with: `gconv-modules` and `gconv-modules.d/*.conf`.
fn configuration(
    files: &dyn FileSystem,
    folder: &ImagePath,
) -> Result<Vec<(ImagePath, bytes::Bytes)>, Stop> {
    let mut found = Vec::new();
    let mut folders = vec![folder.clone()];
    folders.extend(folder.join(b"gconv-modules.d").ok());
    for folder in folders {
        for path in &files.read_dir(&folder) {
            let name = path.file_name();
            let counts = name == b"gconv-modules" || name.ends_with(b".conf");
            if counts && files.stat(path).is_some_and(imgfix_vfs::Entry::is_file) {
                found.push((path.clone(), files.read(path).map_err(unreadable)?));
            }
        }
    }
    Ok(found)
}

/// `glibc_post_upgrade.ARCHITECTURE`: the linker's configuration, its cache, and that of character
/// sets. It restarts init and sshd where they run: in an image they do not.
///
/// # Errors
/// What an image of today does not have: libraries of other processors, a configuration of the
/// linker without its directory.
pub fn post_upgrade(process: &mut Process<'_>) -> Status {
    for folder in ["/lib64/tls", "/lib64/i686", "/lib/tls", "/lib/i686"] {
        if is_there(process, folder.as_bytes())? {
            return Err(process.unsupported(format!("libraries in {folder}")));
        }
    }
    if let Some(text) = read_optional(process, b"/etc/ld.so.conf")? {
        let line = b"include ld.so.conf.d/*.conf";
        if !text.split(|&b| b == b'\n').any(|have| have == line) {
            return Err(process.unsupported("/etc/ld.so.conf without its directory"));
        }
    }
    let program = ["/sbin/ldconfig", "/usr/sbin/ldconfig"];
    for path in program {
        if exists(process, path.as_bytes())? {
            process.run([path])?;
            break;
        }
    }
    for folder in ["/usr/lib64/gconv", "/usr/lib/gconv"] {
        let cache = format!("{folder}/gconv-modules.cache");
        let is_bare = folder == "/usr/lib/gconv" && exists(process, b"/usr/lib64/gconv")?;
        if !is_bare && exists(process, cache.as_bytes())? {
            process.run(["/usr/sbin/iconvconfig", "-o", &cache, "--nostdlib", folder])?;
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use imgfix_tools::testing::{Image, run};

    const LINE: &str =
        "iconvconfig -o /usr/lib64/gconv/gconv-modules.cache --nostdlib /usr/lib64/gconv";

    #[test]
    fn the_cache_of_the_same_character_sets_is_kept() {
        let commands: &[(&str, imgfix_shell::Command)] = &[("iconvconfig", super::iconvconfig)];
        let files = [
            "/usr/lib64/gconv/gconv-modules=module A\n",
            "/usr/lib64/gconv/gconv-modules.cache=cached",
            "/new=module B\n",
            "/empty=",
        ];
        let mut image = Image::with(&files, commands);
        run(&mut image, "cp /empty /usr/lib64/gconv/gconv-modules.cache");
        assert_eq!(run(&mut image, LINE), 0);
        assert_eq!(image.text("/usr/lib64/gconv/gconv-modules.cache"), "cached");
        run(&mut image, "cp /new /usr/lib64/gconv/gconv-modules");
        assert!(image.stop(LINE).contains("character sets that have changed"));
    }
}
