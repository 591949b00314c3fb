//! One package in the place of another, as npm leaves it on disk.
//!
//! In come an overlay, the package's folder and what its archive holds; out come the old files
//! gone, `node_modules` below as it was (but for what the old archive had brought itself), the new
//! files, and the links to its commands. Files get the owner that the folder's files had, and the
//! archive's time: nothing depends on when it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use imgfix_model::path::{ImagePath, PathError};
use imgfix_vfs::{Content, Entry, FileData, FileSystem, Kind, Overlay, RootfsError, Xattrs};

use crate::manifest::Manifest;
use crate::records;
use crate::tarball::{File, Tarball};

/// The largest command whose first line is looked at, in bytes.
const MAX_COMMAND: u64 = 16 << 20;

/// Why the overlay cannot be changed so.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The image has something else where a folder has to be, or cannot be read.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// A path is longer than an image can have.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The temporary file cannot be read.
    #[error("cannot read temporary files: {0}")]
    Temporary(std::io::Error),
}

/// Where a package goes.
pub struct Place<'a> {
    /// Its folder, behind all links.
    pub folder: &'a ImagePath,
    /// What is there, if anything is.
    pub old: Option<&'a Manifest>,
    /// Folders below that the old archive brought: they go with it.
    pub bundled: &'a BTreeSet<ImagePath>,
}

/// Whose files are new ones, and of when folders are.
#[derive(Clone, Copy)]
struct Like {
    uid: u32,
    gid: u32,
    mtime: i64,
}

impl Like {
    fn entry(self, kind: Kind, mode: u32, mtime: i64) -> Entry {
        Entry { kind, mode, uid: self.uid, gid: self.gid, mtime, xattrs: Xattrs::new() }
    }
}

/// Puts the files of an archive into a folder.
///
/// # Errors
/// As [`InstallError`] says; the overlay is then of no use.
pub fn put(
    overlay: &mut Overlay,
    place: &Place<'_>,
    tarball: &Tarball,
) -> Result<(), InstallError> {
    let like = like(overlay, place.folder);
    empty(overlay, place)?;
    let manifest = Manifest::of(&tarball.document);
    let commands: BTreeSet<&str> = manifest.commands.values().map(String::as_str).collect();
    if overlay.lstat(place.folder).is_none() {
        let folder = like.entry(Kind::Directory, 0o755, like.mtime);
        overlay.set(place.folder.clone(), folder)?;
    }
    for (name, file) in &tarball.files {
        let path = place.folder.join(name)?;
        make_folders(overlay, place.folder, &path, like)?;
        let is_command = std::str::from_utf8(name).is_ok_and(|name| commands.contains(name));
        let entry = match is_command {
            true => command(file, like)?,
            false => like.entry(data(file.content.clone(), file.size), file.mode, file.mtime),
        };
        overlay.set(path, entry)?;
    }
    link_commands(overlay, place, &manifest, like)
}

/// Takes a package away, with everything below it and the links to its commands.
///
/// # Errors
/// As [`InstallError`] says.
pub fn take(overlay: &mut Overlay, place: &Place<'_>) -> Result<(), InstallError> {
    let like = like(overlay, place.folder);
    link_commands(overlay, place, &Manifest::default(), like)?;
    overlay.remove(place.folder);
    // a scope that has no package any more goes, too
    if let Some(above) = place.folder.parent()
        && above.file_name().starts_with(b"@")
        && overlay.read_dir(&above).is_empty()
    {
        overlay.remove(&above);
    }
    Ok(())
}

fn data(content: Content, size: u64) -> Kind {
    Kind::File(FileData { size, content, link: None })
}

/// As the record that was there, else as the nearest folder above.
fn like(overlay: &Overlay, folder: &ImagePath) -> Like {
    let of = |entry: &Entry, mtime: i64| Like { uid: entry.uid, gid: entry.gid, mtime };
    let record = folder.join("package.json").ok();
    let record = record.and_then(|record| overlay.lstat(&record));
    let mut above = Some(folder.clone());
    while let Some(path) = above {
        if let Some(entry) = overlay.lstat(&path) {
            return of(record.unwrap_or(entry), entry.mtime);
        }
        above = path.parent();
    }
    Like { uid: 0, gid: 0, mtime: 0 }
}

/// Removes what is in a folder, but not the packages that an installer put below it.
fn empty(overlay: &mut Overlay, place: &Place<'_>) -> Result<(), InstallError> {
    for child in overlay.read_dir(place.folder) {
        if child.file_name() != records::MODULES {
            overlay.remove(&child);
            continue;
        }
        for bundled in place.bundled.iter().filter(|one| one.starts_with(&child)) {
            overlay.remove(bundled);
        }
        let has_packages =
            overlay.walk(&child).iter().any(|path| records::is_package(path.as_bytes()));
        if !has_packages && !place.bundled.is_empty() {
            overlay.remove(&child);
        }
    }
    Ok(())
}

/// The folders between a package's own and a file.
fn make_folders(
    overlay: &mut Overlay,
    folder: &ImagePath,
    path: &ImagePath,
    like: Like,
) -> Result<(), InstallError> {
    let mut missing = Vec::new();
    let mut above = path.parent();
    while let Some(at) = above.filter(|at| at != folder) {
        if overlay.lstat(&at).is_some() {
            break;
        }
        above = at.parent();
        missing.push(at);
    }
    for at in missing.into_iter().rev() {
        overlay.set(at, like.entry(Kind::Directory, 0o755, like.mtime))?;
    }
    Ok(())
}

/// A command: executable, and without the carriage return that a first line of Windows has.
fn command(file: &File, like: Like) -> Result<Entry, InstallError> {
    let whole = |file: &File| like.entry(data(file.content.clone(), file.size), 0o755, file.mtime);
    if file.size > MAX_COMMAND {
        return Ok(whole(file));
    }
    let bytes = match &file.content {
        Content::Inline(bytes) => bytes.to_vec(),
        Content::Spool(stored) => {
            let mut bytes = Vec::new();
            stored.reader().read_to_end(&mut bytes).map_err(InstallError::Temporary)?;
            bytes
        }
        Content::Layer { .. } => return Ok(whole(file)),
    };
    let line = bytes.iter().position(|byte| *byte == b'\n');
    let is_foreign = bytes.starts_with(b"#!")
        && line.is_some_and(|at| at > 3 && bytes.get(at - 1) == Some(&b'\r'));
    let Some(at) = line.filter(|_| is_foreign) else { return Ok(whole(file)) };
    let mut bytes = bytes;
    bytes.remove(at - 1);
    Ok(like.entry(
        data(Content::Inline(bytes.clone().into()), bytes.len() as u64),
        0o755,
        file.mtime,
    ))
}

/// The folder of links to the commands of a package, and whether it is one of all users.
fn commands_folder(overlay: &Overlay, folder: &ImagePath) -> Option<ImagePath> {
    let mut modules = folder.parent()?;
    if modules.file_name() != records::MODULES {
        modules = modules.parent()?;
    }
    if modules.file_name() != records::MODULES {
        return None;
    }
    let above = modules.parent()?;
    let project = above.join("package.json").ok()?;
    // PREFIX/lib/node_modules is where `npm install --global` puts packages
    if above.file_name() == b"lib" && overlay.lstat(&project).is_none() {
        return above.parent()?.join("bin").ok();
    }
    modules.join(".bin").ok()
}

/// Whether a package lies in pnpm's store, which links commands from elsewhere.
#[must_use]
pub fn is_in_pnpm_store(folder: &ImagePath) -> bool {
    folder.components().any(|component| component == b".pnpm")
}

/// Links to commands: new ones come, those that lead to nothing any more go. One that is another
/// package's stays.
fn link_commands(
    overlay: &mut Overlay,
    place: &Place<'_>,
    new: &Manifest,
    like: Like,
) -> Result<(), InstallError> {
    let none = BTreeMap::new();
    let old = place.old.map_or(&none, |old| &old.commands);
    if is_in_pnpm_store(place.folder) || (old.is_empty() && new.commands.is_empty()) {
        return Ok(());
    }
    let Some(links) = commands_folder(overlay, place.folder) else { return Ok(()) };
    let links = overlay.resolve(&links)?;
    for (name, file) in old {
        let link = links.join(name)?;
        if new.commands.get(name) != Some(file) && leads_into(overlay, &link, place.folder) {
            overlay.remove(&link);
        }
    }
    for (name, file) in &new.commands {
        if old.get(name) == Some(file) {
            continue;
        }
        let link = links.join(name)?;
        if overlay.lstat(&link).is_some() {
            continue;
        }
        if overlay.lstat(&links).is_none() {
            overlay.set(links.clone(), like.entry(Kind::Directory, 0o755, like.mtime))?;
        }
        let target = relative(&links, &place.folder.join(file)?);
        overlay.set(link, like.entry(Kind::Symlink(target), 0o777, like.mtime))?;
    }
    if place.old.is_some() && new.commands.is_empty() && overlay.read_dir(&links).is_empty() {
        overlay.remove(&links);
    }
    Ok(())
}

/// Whether a link leads into a folder, by what is written in it.
fn leads_into(overlay: &Overlay, link: &ImagePath, folder: &ImagePath) -> bool {
    let Some(Entry { kind: Kind::Symlink(_), .. }) = overlay.lstat(link) else { return false };
    overlay.resolve(link).is_ok_and(|target| target.starts_with(folder))
}

/// The way from a folder to a path.
fn relative(from: &ImagePath, to: &ImagePath) -> Vec<u8> {
    let from: Vec<&[u8]> = from.components().collect();
    let to: Vec<&[u8]> = to.components().collect();
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(&b".."[..], from.len() - shared);
    up.chain(to.get(shared..).unwrap_or_default().iter().copied()).collect::<Vec<_>>().join(&b'/')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::tarball;
    use crate::tarball::tests::{member, tarball};
    use crate::testing::{image, package};
    use imgfix_repair::archive::Limits;
    use imgfix_vfs::{Memory, Spool};
    use serde_json::json;

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    fn archive(members: &[Vec<u8>]) -> Tarball {
        let bytes = tarball(members);
        let limits = Limits::for_archive(bytes.len() as u64, &Memory::default());
        tarball::read(&bytes[..], &Spool::new().unwrap(), &limits).unwrap()
    }

    fn shown(overlay: &Overlay, below: &str) -> Vec<String> {
        let line = |path: ImagePath| {
            let entry = overlay.lstat(&path).unwrap();
            match &entry.kind {
                Kind::Symlink(target) => format!("{path} -> {}", String::from_utf8_lossy(target)),
                Kind::Directory => format!("{path}/"),
                _ => format!("{path} {:o} {}", entry.mode, entry.uid),
            }
        };
        overlay.walk(&path(below)).into_iter().skip(1).map(line).collect()
    }

    #[test]
    fn a_package_takes_the_place_of_another() {
        let old = json!({"name": "a", "version": "1.0.0", "bin": {"a": "old.js", "gone": "x.js",
            "same": "same.js"}});
        let tree = image(
            &[
                ("/app/package.json", json!({})),
                ("/app/node_modules/a/package.json", old.clone()),
                ("/app/node_modules/a/lib/old.js", json!(1)),
                ("/app/node_modules/a/node_modules/b/package.json", package("b", "1.0.0", &[])),
                ("/app/node_modules/other/x.js", json!(1)),
            ],
            &[
                ("/app/node_modules/.bin/a", "../a/old.js"),
                ("/app/node_modules/.bin/gone", "../a/x.js"),
                ("/app/node_modules/.bin/same", "../a/same.js"),
                ("/app/node_modules/.bin/new", "../other/x.js"),
            ],
        );
        let mut overlay = Overlay::new(Arc::new(tree));
        let record =
            br#"{"name": "a", "version": "1.1.0", "bin": {"a": "cli.js", "same": "same.js",
            "new": "cli.js", "fresh": "bin/f.js"}}"#;
        let new = archive(&[
            member("package/package.json", b'0', 0o600, record),
            member("package/cli.js", b'0', 0o644, b"#!/usr/bin/env node\r\nx\r\n"),
            member("package/same.js", b'0', 0o644, b"#!x\n"),
            member("package/bin/f.js", b'0', 0o644, b"x"),
            member("package/tool.sh", b'0', 0o711, b"x"),
        ]);
        let folder = path("/app/node_modules/a");
        let manifest = Manifest::of(&old);
        let bundled = BTreeSet::new();
        let place = Place { folder: &folder, old: Some(&manifest), bundled: &bundled };
        put(&mut overlay, &place, &new).unwrap();
        assert_eq!(
            shown(&overlay, "/app/node_modules"),
            [
                "/app/node_modules/.bin/",
                "/app/node_modules/.bin/a -> ../a/cli.js",
                "/app/node_modules/.bin/fresh -> ../a/bin/f.js",
                "/app/node_modules/.bin/new -> ../other/x.js",
                "/app/node_modules/.bin/same -> ../a/same.js",
                "/app/node_modules/a/",
                "/app/node_modules/a/bin/",
                "/app/node_modules/a/bin/f.js 755 0",
                "/app/node_modules/a/cli.js 755 0",
                "/app/node_modules/a/node_modules/",
                "/app/node_modules/a/node_modules/b/",
                "/app/node_modules/a/node_modules/b/package.json 644 0",
                "/app/node_modules/a/package.json 644 0",
                "/app/node_modules/a/same.js 755 0",
                "/app/node_modules/a/tool.sh 755 0",
                "/app/node_modules/other/",
                "/app/node_modules/other/x.js 644 0",
            ]
        );
        let cli = overlay.read(&folder.join("cli.js").unwrap()).unwrap();
        assert_eq!(&cli[..], b"#!/usr/bin/env node\nx\r\n");
        let after = Manifest::of(&new.document);
        let place = Place { old: Some(&after), ..place };
        take(&mut overlay, &place).unwrap();
        assert_eq!(
            shown(&overlay, "/app/node_modules"),
            [
                "/app/node_modules/.bin/",
                "/app/node_modules/.bin/new -> ../other/x.js",
                "/app/node_modules/other/",
                "/app/node_modules/other/x.js 644 0",
            ]
        );
    }

    #[test]
    fn a_bundle_goes_with_its_holder_and_global_commands_are_beside() {
        let npm = json!({"name": "npm", "version": "10.0.0", "bin": {"npm": "bin/npm.js"}});
        let tree = image(
            &[
                ("/usr/lib/node_modules/npm/package.json", npm.clone()),
                ("/usr/lib/node_modules/npm/node_modules/tar/package.json", {
                    package("tar", "6.0.0", &[])
                }),
                ("/usr/lib/node_modules/npm/node_modules/.bin/x", json!(1)),
                ("/usr/lib/node_modules/npm/bin/npm.js", json!(1)),
            ],
            &[("/usr/bin/npm", "../lib/node_modules/npm/bin/npm.js")],
        );
        let mut overlay = Overlay::new(Arc::new(tree));
        let record = br#"{"name": "npm", "version": "10.0.1",
            "bin": {"npm": "bin/npm.js", "npx": "bin/npx.js"}}"#;
        let new = archive(&[
            member("package/package.json", b'0', 0o644, record),
            member("package/bin/npm.js", b'0', 0o644, b"x"),
            member("package/bin/npx.js", b'0', 0o644, b"x"),
            member("package/node_modules/tar/package.json", b'0', 0o644, b"{}"),
        ]);
        let folder = path("/usr/lib/node_modules/npm");
        let manifest = Manifest::of(&npm);
        let bundled = [path("/usr/lib/node_modules/npm/node_modules/tar")].into();
        let place = Place { folder: &folder, old: Some(&manifest), bundled: &bundled };
        put(&mut overlay, &place, &new).unwrap();
        let files: Vec<String> =
            shown(&overlay, "/usr").into_iter().filter(|line| !line.ends_with('/')).collect();
        assert_eq!(
            files,
            [
                "/usr/bin/npm -> ../lib/node_modules/npm/bin/npm.js",
                "/usr/bin/npx -> ../lib/node_modules/npm/bin/npx.js",
                "/usr/lib/node_modules/npm/bin/npm.js 755 0",
                "/usr/lib/node_modules/npm/bin/npx.js 755 0",
                "/usr/lib/node_modules/npm/node_modules/tar/package.json 644 0",
                "/usr/lib/node_modules/npm/package.json 644 0",
            ]
        );
    }
}
