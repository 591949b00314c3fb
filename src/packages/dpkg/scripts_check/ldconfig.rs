//! Whether `ldconfig` would write the same cache: the names of libraries where it looks.
//!
//! `/etc/ld.so.cache` maps each library's SONAME to `DIRECTORY/SONAME`, a link that packages
//! ship (policy 8.1.1). Its content changes only when such a name comes or goes; the version
//! in the name of the file behind the link is not in it (`ldconfig(8)`).

use std::collections::BTreeSet;

use super::super::path_filter;
use crate::rootfs::{Entry, FileSystem, ImagePath};

/// How deep `include` lines may nest.
const MAX_INCLUDES: usize = 8;

/// Folders below a library folder that ldconfig looks into, when the processor could use
/// what is there.
const CAPABILITIES: &[&str] = &[
    "tls", "i486", "i586", "i686", "sse2", "nosegneg", "haswell", "xeon_phi", "avx512_1", "x86_64",
    "atomics",
];

/// The paths of all names that matter to the cache.
pub fn names(fs: &dyn FileSystem) -> BTreeSet<ImagePath> {
    let mut out = BTreeSet::new();
    for folder in folders(fs) {
        add_names(fs, &folder, &mut out);
        for name in CAPABILITIES {
            if let Ok(below) = folder.join(name) {
                add_names(fs, &below, &mut out);
            }
        }
        if let Ok(levels) = folder.join("glibc-hwcaps") {
            for level in fs.read_dir(&levels) {
                add_names(fs, &level, &mut out);
            }
        }
    }
    out
}

/// Links to libraries, and libraries that no link leads to.
fn add_names(fs: &dyn FileSystem, folder: &ImagePath, out: &mut BTreeSet<ImagePath>) {
    let libraries: Vec<ImagePath> =
        fs.read_dir(folder).into_iter().filter(|path| is_library(path.file_name())).collect();
    let mut behind = BTreeSet::new();
    for path in &libraries {
        if fs.lstat(path).is_some_and(Entry::is_symlink)
            && let Ok(target) = fs.resolve(path)
        {
            behind.insert(target);
        }
    }
    out.extend(libraries.into_iter().filter(|path| !behind.contains(path)));
}

fn is_library(name: &[u8]) -> bool {
    let has_suffix = name.windows(3).any(|part| part == b".so");
    has_suffix && (name.starts_with(b"lib") || name.starts_with(b"ld-") || name.starts_with(b"ld."))
}

/// The folders of `/etc/ld.so.conf` and the built-in ones, links resolved.
fn folders(fs: &dyn FileSystem) -> BTreeSet<ImagePath> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    read_configuration(fs, &ImagePath::literal("/etc/ld.so.conf"), 0, &mut names);
    for built_in in ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/lib32", "/libx32"] {
        names.push(built_in.into());
    }
    names
        .iter()
        .filter_map(|name| ImagePath::new(name).ok())
        .filter_map(|path| fs.resolve(&path).ok())
        .collect()
}

fn read_configuration(fs: &dyn FileSystem, path: &ImagePath, depth: usize, out: &mut Vec<Vec<u8>>) {
    let text = fs.read(path).unwrap_or_default();
    for line in text.split(|&b| b == b'\n') {
        let line = line.split(|&b| b == b'#').next().unwrap_or_default().trim_ascii();
        match line.strip_prefix(b"include") {
            Some(pattern) if pattern.starts_with(b" ") || pattern.starts_with(b"\t") => {
                let files = matching(fs, pattern.trim_ascii());
                for file in files.iter().filter(|_| depth < MAX_INCLUDES) {
                    read_configuration(fs, file, depth + 1, out);
                }
            }
            _ if !line.is_empty() => out.push(line.to_vec()),
            _ => {}
        }
    }
}

/// Files that match a pattern with wildcards in its last component.
fn matching(fs: &dyn FileSystem, pattern: &[u8]) -> Vec<ImagePath> {
    let Some(slash) = pattern.iter().rposition(|&b| b == b'/') else { return Vec::new() };
    let (folder, name) = pattern.split_at(slash);
    let Ok(folder) = ImagePath::new(folder) else { return Vec::new() };
    let Ok(folder) = fs.resolve(&folder) else { return Vec::new() };
    let name = name.get(1..).unwrap_or_default();
    let mut files = fs.read_dir(&folder);
    files.retain(|file| path_filter::matches(name, file.file_name()));
    files
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rootfs::{ContentLoader, Tree};

    struct Nothing;

    impl ContentLoader for Nothing {
        fn open(&self, _layer: u32, _index: u32) -> std::io::Result<Box<dyn std::io::Read + Send>> {
            Err(std::io::Error::other("nothing"))
        }
    }

    fn tree(entries: &[(&str, Entry)]) -> Tree {
        let entries = entries.iter().map(|(path, e)| (ImagePath::new(path).unwrap(), e.clone()));
        Tree::from_entries(entries, Arc::new(Nothing))
    }

    #[test]
    fn the_version_behind_a_soname_does_not_matter() {
        let library = |version: &str, more: &[&str]| {
            let mut entries = vec![
                (
                    "/etc/ld.so.conf".to_owned(),
                    Entry::file("include /etc/ld.so.conf.d/*.conf\n", 0o644, 0),
                ),
                ("/etc/ld.so.conf.d/x.conf".to_owned(), Entry::file("# c\n/usr/lib/x\n", 0o644, 0)),
                ("/lib".to_owned(), Entry::symlink("usr/lib", 0)),
                (format!("/usr/lib/x/libz.so.{version}"), Entry::file("elf", 0o644, 0)),
                (
                    "/usr/lib/x/libz.so.1".to_owned(),
                    Entry::symlink(format!("libz.so.{version}"), 0),
                ),
                ("/usr/lib/x/data".to_owned(), Entry::file("", 0o644, 0)),
            ];
            entries.extend(more.iter().map(|p| ((*p).to_owned(), Entry::file("elf", 0o644, 0))));
            let entries: Vec<(&str, Entry)> =
                entries.iter().map(|(p, e)| (p.as_str(), e.clone())).collect();
            names(&tree(&entries))
        };
        let old = library("1.2", &[]);
        assert_eq!(old.len(), 1);
        assert_eq!(old, library("1.3", &[]));
        assert_ne!(old, library("1.3", &["/usr/lib/x/libnew.so.2"]));
        assert_ne!(old, library("1.3", &["/usr/lib/x/glibc-hwcaps/x86-64-v3/libz.so.1"]));
        assert_eq!(old, library("1.3", &["/usr/lib/y/libnew.so.2"]));
    }
}
