//! The files of a project that name versions of its packages: `package.json`, and the lockfiles
//! of npm, Yarn 1 and pnpm.
//!
//! In come an overlay in which packages have changed, and what changed; out come these files as
//! the installer would have left them. A file that cannot be read is an error: a project whose
//! files disagree is not left behind.

use std::collections::BTreeSet;

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem, Overlay, RootfsError};
use serde_json::Value;

use crate::json_file::JsonFile;
use crate::manifest::{Manifest, Needs};
use crate::modules::Modules;
use crate::npm_lock::{self, Arrived};
use crate::{pins, pnpm_lock, yarn_lock};

/// The largest lockfile that is changed, in bytes.
const MAX_LOCK: u64 = 64 << 20;

/// npm's lockfiles, below the folder that they are about.
const NPM: [&str; 3] =
    ["node_modules/.package-lock.json", "package-lock.json", "npm-shrinkwrap.json"];

/// pnpm's, likewise.
const PNPM: [&str; 3] =
    ["pnpm-lock.yaml", "node_modules/.pnpm/lock.yaml", "node_modules/.modules.yaml"];

/// Why a project's files cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// One is not as its program writes it.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: ImagePath,
        /// What is wrong with it.
        why: String,
    },
    /// The image cannot be read.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
}

/// A package that was put into a folder.
pub struct Installed {
    /// The folder.
    pub folder: ImagePath,
    /// The version that was there; `None`: it is new.
    pub from: Option<String>,
    /// The folder of the package that needs it, when it is new.
    pub needed_by: Option<ImagePath>,
    /// Its `package.json`.
    pub document: Value,
    /// The address of its archive.
    pub url: String,
    /// SHA-1 of the archive, in hexadecimal digits.
    pub sha1: String,
    /// SHA-512 of the archive, as integrity.
    pub integrity: String,
}

/// Changes every file that is about what was installed or taken away.
///
/// # Errors
/// As [`FilesError`] says.
pub fn update(
    overlay: &mut Overlay,
    before: &Modules,
    installed: &[Installed],
    gone: &[ImagePath],
) -> Result<(), FilesError> {
    pinned(overlay, before, installed)?;
    let after = Modules::read(overlay);
    let folders = installed.iter().map(|one| &one.folder).chain(gone);
    let roots: BTreeSet<ImagePath> = folders.flat_map(ImagePath::ancestors).collect();
    for root in &roots {
        let below: Vec<&Installed> =
            installed.iter().filter(|one| location(root, &one.folder).is_some()).collect();
        for name in NPM {
            edit_json(overlay, root, name, |lock| {
                npm(lock, before, root, &below, gone);
            })?;
        }
        yarn(overlay, before, &after, root, &below)?;
        for name in PNPM {
            edit_text(overlay, root, name, |text| pnpm(text, &after, &below))?;
        }
    }
    Ok(())
}

/// Where a folder is, as lockfiles of `root` name it; `None`: not below a `node_modules` of it.
fn location(root: &ImagePath, folder: &ImagePath) -> Option<String> {
    let rest = match root.is_root() {
        true => folder.relative(),
        false => folder.as_bytes().strip_prefix(root.as_bytes())?.strip_prefix(b"/")?,
    };
    let rest = std::str::from_utf8(rest).ok()?;
    rest.split('/').any(|part| part == "node_modules").then(|| rest.to_owned())
}

/// Whether the project in `root` finds the package: its exact version moves then.
fn is_pinned(before: &Modules, root: &ImagePath, one: &Installed) -> bool {
    let name = folder_name(&one.folder);
    let project = before.get(root).filter(|package| package.is_project);
    project.is_some() && before.find(root, &name) == Some(&one.folder)
}

/// The name under which a package is found: that of its folder.
pub fn folder_name(folder: &ImagePath) -> String {
    let parts: Vec<&[u8]> = folder.components().collect();
    let own = parts.last().copied().unwrap_or_default();
    let above = parts.len().checked_sub(2).and_then(|at| parts.get(at)).copied();
    let own = String::from_utf8_lossy(own);
    match above.filter(|above| above.starts_with(b"@")) {
        Some(scope) => format!("{}/{own}", String::from_utf8_lossy(scope)),
        None => own.into_owned(),
    }
}

/// `package.json` of the projects that ask for exactly the version that a package had.
fn pinned(
    overlay: &mut Overlay,
    before: &Modules,
    installed: &[Installed],
) -> Result<(), FilesError> {
    for (root, _) in before.all().filter(|(_, package)| package.is_project) {
        let asked: Vec<&Installed> =
            installed.iter().filter(|one| is_pinned(before, root, one)).collect();
        if asked.is_empty() {
            continue;
        }
        edit_json(overlay, root, "package.json", |document| {
            for one in asked {
                let Some(from) = &one.from else { continue };
                let to = Manifest::of(&one.document).version;
                pins::move_on(document, &folder_name(&one.folder), from, &to);
            }
        })?;
    }
    Ok(())
}

fn npm(
    lock: &mut Value,
    before: &Modules,
    root: &ImagePath,
    below: &[&Installed],
    gone: &[ImagePath],
) {
    for one in below {
        let Some(location) = location(root, &one.folder) else { continue };
        let arrived = Arrived {
            location: &location,
            document: &one.document,
            url: &one.url,
            integrity: &one.integrity,
            deprecated: None,
        };
        let known = npm_lock::replace(lock, &arrived);
        let needed_by = one.needed_by.as_ref().and_then(|by| self::location(root, by));
        if let (false, Some(needed_by)) = (known, needed_by) {
            npm_lock::add(lock, &arrived, &needed_by);
        }
        let name = folder_name(&one.folder);
        let to = Manifest::of(&one.document).version;
        // what the lockfile says of the project, and of its workspaces
        let projects = before.dependants(&one.folder).into_iter().filter_map(|(by, _)| {
            before.get(by).filter(|package| package.is_project)?;
            if by == root {
                return Some(String::new());
            }
            let rest = by.as_bytes().strip_prefix(root.as_bytes())?;
            Some(String::from_utf8_lossy(rest).trim_start_matches('/').to_owned())
        });
        if let Some(from) = &one.from {
            for project in projects.collect::<BTreeSet<String>>() {
                let entry = lock.get_mut("packages").and_then(|all| all.get_mut(&project));
                if let Some(entry) = entry {
                    pins::move_on(entry, &name, from, &to);
                }
            }
        }
    }
    for folder in gone {
        if let Some(location) = location(root, folder) {
            npm_lock::remove(lock, &location);
        }
    }
}

fn yarn(
    overlay: &mut Overlay,
    before: &Modules,
    after: &Modules,
    root: &ImagePath,
    below: &[&Installed],
) -> Result<(), FilesError> {
    for one in below {
        let manifest = Manifest::of(&one.document);
        let Some(from) = &one.from else { continue };
        // another folder with the same version keeps the block that is for both
        let is_alone = !before.all().any(|(folder, package)| {
            *folder != one.folder
                && folder.starts_with(root)
                && package.manifest.name == manifest.name
                && package.manifest.version == *from
                && !below.iter().any(|other| other.folder == *folder)
        });
        if !is_alone {
            continue;
        }
        let needs = |needs: &'_ Needs| -> Vec<(String, String)> {
            needs.iter().map(|(name, spec)| (name.clone(), spec.clone())).collect()
        };
        let (dependencies, optional) = (needs(&manifest.dependencies), needs(&manifest.optional));
        let moved = yarn_lock::Moved {
            name: &manifest.name,
            from,
            to: &manifest.version,
            url: &one.url,
            sha1: &one.sha1,
            integrity: &one.integrity,
            dependencies: &dependencies,
            optional: &optional,
            is_pinned: is_pinned(before, root, one),
        };
        let mut addresses = None;
        edit_text(overlay, root, "yarn.lock", |text| {
            if !yarn_lock::is_classic(text) {
                return None;
            }
            let (text, old, now) = yarn_lock::replace(text, &moved)?;
            addresses = Some((old, now));
            Some(text)
        })?;
        if let Some((old, now)) = addresses {
            edit_json(overlay, root, "node_modules/.yarn-integrity", |file| {
                yarn_lock::replace_integrity(file, &old, &now, &moved);
            })?;
            yarn_patterns(overlay, before, after, root, one)?;
        }
    }
    Ok(())
}

/// What a package asks of others now, and does not any more, stands in their blocks.
fn yarn_patterns(
    overlay: &mut Overlay,
    before: &Modules,
    after: &Modules,
    root: &ImagePath,
    one: &Installed,
) -> Result<(), FilesError> {
    let asked = |manifest: &Manifest| -> BTreeSet<(String, String)> {
        let pairs = manifest.dependencies.iter().chain(&manifest.optional);
        pairs.map(|(name, spec)| (name.clone(), spec.clone())).collect()
    };
    let had = before.get(&one.folder).map(|old| asked(&old.manifest)).unwrap_or_default();
    let has = asked(&Manifest::of(&one.document));
    let added: Vec<(String, String, String)> = has
        .difference(&had)
        .filter_map(|(name, spec)| {
            let found = after.get(after.find(&one.folder, name)?)?;
            Some((name.clone(), spec.clone(), found.manifest.version.clone()))
        })
        .collect();
    let mut still: BTreeSet<(String, String)> = BTreeSet::new();
    for (_, package) in after.all().filter(|(folder, _)| folder.starts_with(root)) {
        still.extend(asked(&package.manifest));
        let own = package.manifest.development.iter().filter(|_| package.is_project);
        still.extend(own.map(|(name, spec)| (name.clone(), spec.clone())));
    }
    let dropped: Vec<(String, String)> =
        had.difference(&has).filter(|pair| !still.contains(*pair)).cloned().collect();
    let asked = yarn_lock::Asked { added: &added, dropped: &dropped };
    let mut came = None;
    edit_text(overlay, root, "yarn.lock", |text| {
        let (text, new) = yarn_lock::repattern(text, &asked)?;
        came = Some(new);
        Some(text)
    })?;
    let Some(came) = came else { return Ok(()) };
    edit_json(overlay, root, "node_modules/.yarn-integrity", |file| {
        yarn_lock::repattern_integrity(file, &asked, &came);
    })
}

fn pnpm(text: &str, after: &Modules, below: &[&Installed]) -> Option<String> {
    let mut changed: Option<String> = None;
    for one in below {
        let manifest = Manifest::of(&one.document);
        let Some(from) = &one.from else { continue };
        let found = |needs: &Needs| -> Vec<(String, String)> {
            let one = |name: &String| {
                let found = after.get(after.find(&one.folder, name)?)?;
                Some((name.clone(), found.manifest.version.clone()))
            };
            needs.keys().filter_map(one).collect()
        };
        let (dependencies, optional) = (found(&manifest.dependencies), found(&manifest.optional));
        let moved = pnpm_lock::Moved {
            name: &manifest.name,
            from,
            to: &manifest.version,
            integrity: &one.integrity,
            dependencies: &dependencies,
            optional: &optional,
        };
        let now = pnpm_lock::replace(changed.as_deref().unwrap_or(text), &moved);
        changed = now.or(changed);
    }
    changed
}

/// The bytes of a file below a folder, and where it is behind all links; `None`: there is none.
fn read(
    overlay: &Overlay,
    root: &ImagePath,
    name: &str,
) -> Result<Option<(ImagePath, Vec<u8>)>, FilesError> {
    let Ok(path) = root.join(name) else { return Ok(None) };
    let Ok(path) = overlay.resolve(&path) else { return Ok(None) };
    let Some(size) = overlay.lstat(&path).filter(|entry| entry.is_file()).map(Entry::size) else {
        return Ok(None);
    };
    if size > MAX_LOCK {
        let why = format!("it has {size} bytes, more than {MAX_LOCK}");
        return Err(FilesError::Unreadable { path, why });
    }
    let bytes = overlay.read(&path)?.to_vec();
    Ok(Some((path, bytes)))
}

fn edit_json(
    overlay: &mut Overlay,
    root: &ImagePath,
    name: &str,
    edit: impl FnOnce(&mut Value),
) -> Result<(), FilesError> {
    let Some((path, bytes)) = read(overlay, root, name)? else { return Ok(()) };
    let mut file =
        JsonFile::read(&bytes).map_err(|why| FilesError::Unreadable { path: path.clone(), why })?;
    let old = file.bytes();
    edit(&mut file.value);
    let new = file.bytes();
    // one that says the same stays byte for byte, whatever its form
    if new == old { Ok(()) } else { Ok(overlay.set_content(&path, new.into())?) }
}

fn edit_text(
    overlay: &mut Overlay,
    root: &ImagePath,
    name: &str,
    edit: impl FnOnce(&str) -> Option<String>,
) -> Result<(), FilesError> {
    let Some((path, bytes)) = read(overlay, root, name)? else { return Ok(()) };
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| FilesError::Unreadable { path: path.clone(), why: error.to_string() })?;
    match edit(text) {
        Some(text) => Ok(overlay.set_content(&path, text.into())?),
        None => Ok(()),
    }
}
