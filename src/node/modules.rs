//! Which package finds which: the packages of an image by their folders, and Node's search from
//! one of them for a name.
//!
//! In comes a file system; out come [`Modules`], in which versions can be replaced and packages
//! added to see what would become of them. Node looks in `node_modules` of the folder itself and
//! of each folder above it (<https://nodejs.org/api/modules.html#loading-from-node_modules-folders>),
//! by the path behind all links: so it is with npm's nested and hoisted copies, and with pnpm's
//! links between `.pnpm/NAME@VERSION/node_modules` folders.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use imgfix_model::path::ImagePath;
use imgfix_repair::library_records::MAX_RECORD;
use imgfix_vfs::{Entry, FileSystem, Kind};
use serde_json::Value;

use crate::manifest::{Manifest, Need, NeedKind};
use crate::overrides::Overrides;
use crate::pins;
use crate::records;
use crate::spec::Spec;

/// What `package.json` of all packages together may have, in bytes.
const MAX_TOTAL: u64 = 256 << 20;

/// A package, or a project that uses packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Whether it is a project, or a part of one: nobody installed it, and what it needs where it
    /// is developed may be there.
    pub is_project: bool,
    /// What it says of others' dependencies; counts for projects.
    pub overrides: Overrides,
}

impl Package {
    /// As a document says it.
    #[must_use]
    pub fn of(document: &Value, is_project: bool) -> Self {
        let overrides = if is_project { Overrides::of(document) } else { Overrides::default() };
        Self { manifest: Manifest::of(document), is_project, overrides }
    }

    /// As the project's file will have it ([`crate::pins`]).
    fn move_pins(&mut self, name: &str, from: &str, to: &str) {
        let Manifest { dependencies, development, optional, .. } = &mut self.manifest;
        for needs in [dependencies, development, optional] {
            if let Some(spec) = needs.get_mut(name) {
                pins::move_text(spec, from, to);
            }
        }
        self.overrides.move_pins(name, from, to);
    }

    fn needs(&self) -> impl Iterator<Item = Need<'_>> {
        let development = self.manifest.development.iter().filter(|_| self.is_project);
        self.manifest.needs().chain(development.map(|(name, spec)| Need {
            name,
            spec,
            kind: NeedKind::Development,
            may_miss: true,
        }))
    }
}

/// The packages of an image.
#[derive(Debug, Clone)]
pub struct Modules {
    packages: BTreeMap<ImagePath, Package>,
    /// What lies where a package is looked for and is a link, with the folder behind it.
    links: BTreeMap<ImagePath, ImagePath>,
}

/// What is found where a package looks for what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// What it asks for, or nothing where nothing has to be.
    Right,
    /// Nothing.
    Missing,
    /// Another version or another package, in this folder.
    Wrong(ImagePath),
}

/// A need that a change leaves without what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The folder of the package that needs it.
    pub by: ImagePath,
    /// The name that it looks for.
    pub name: String,
    /// What it asks of it.
    pub spec: String,
    /// How it needs it.
    pub kind: NeedKind,
    /// What is there instead.
    pub found: Found,
    /// Whether a project's overrides say so, and not the package itself.
    pub is_override: bool,
}

impl Modules {
    /// Reads every `package.json` of packages, and of the projects that have `node_modules`. One
    /// that cannot be read is not there.
    #[must_use]
    pub fn read(fs: &dyn FileSystem) -> Self {
        let mut folders = BTreeMap::new();
        let mut links = BTreeMap::new();
        fs.visit(&ImagePath::root(), &mut |path, entry| match entry.kind {
            Kind::File(_) if records::is_record(path.as_bytes()) => {
                folders.extend(path.parent().map(|folder| (folder, false)));
            }
            Kind::Symlink(_) if records::is_package(path.as_bytes()) => {
                links.insert(path.clone(), ImagePath::root());
            }
            Kind::Directory if path.file_name() == records::MODULES => {
                // a package's own `node_modules` makes no project of it
                if let Some(above) = path.parent().filter(|above| !records::is_installed(above)) {
                    folders.insert(above, true);
                }
            }
            _ => {}
        });
        links.retain(|link, target| {
            let Ok(folder) = fs.resolve(link) else { return false };
            // what is linked from elsewhere is a part of the project
            let is_project = !records::is_installed(&folder);
            folders.entry(folder.clone()).or_insert(is_project);
            *target = folder;
            true
        });
        let mut left = MAX_TOTAL;
        let mut packages = BTreeMap::new();
        for (folder, is_project) in folders {
            if let Some(document) = document(fs, &folder, &mut left) {
                packages.insert(folder, Package::of(&document, is_project));
            }
        }
        Self { packages, links }
    }

    /// The package in this folder.
    #[must_use]
    pub fn get(&self, folder: &ImagePath) -> Option<&Package> {
        self.packages.get(folder)
    }

    /// All of them, sorted by folder.
    pub fn all(&self) -> impl Iterator<Item = (&ImagePath, &Package)> {
        self.packages.iter()
    }

    /// Puts a package into a folder, in place of what was there.
    pub fn put(&mut self, folder: ImagePath, package: Package) {
        self.links.remove(&folder);
        self.packages.insert(folder, package);
    }

    /// Moves the exact versions of projects that find the package in `folder` in `before`.
    pub fn move_pins(
        &mut self,
        before: &Self,
        folder: &ImagePath,
        name: &str,
        from: &str,
        to: &str,
    ) {
        for (at, package) in &mut self.packages {
            if package.is_project && before.find(at, name) == Some(folder) {
                package.move_pins(name, from, to);
            }
        }
    }

    /// Takes a package away.
    pub fn take(&mut self, folder: &ImagePath) {
        self.packages.remove(folder);
    }

    /// The folder in which a package finds another.
    #[must_use]
    pub fn find(&self, from: &ImagePath, name: &str) -> Option<&ImagePath> {
        let mut above = Some(from.clone());
        while let Some(folder) = above {
            if folder.file_name() != records::MODULES {
                let place = folder.join("node_modules").ok()?.join(name).ok()?;
                let real = self.links.get(&place).unwrap_or(&place);
                if let Some((found, _)) = self.packages.get_key_value(real) {
                    return Some(found);
                }
            }
            above = folder.parent();
        }
        None
    }

    /// The nearest project above a package whose overrides are about it.
    fn overriding(&self, folder: &ImagePath) -> Option<&Package> {
        let mut above = folder.parent();
        while let Some(folder) = above {
            match self.packages.get(&folder) {
                Some(package) if package.is_project => return Some(package),
                _ => above = folder.parent(),
            }
        }
        None
    }

    /// What a package asks for under a name, with the project's word over its own; whether it is
    /// the project's.
    #[must_use]
    pub fn asked<'a>(&'a self, folder: &ImagePath, need: &Need<'a>) -> (&'a str, bool) {
        let by_project = || self.overriding(folder)?.overrides.of_all(need.name);
        match by_project() {
            Some(spec) => (spec, true),
            None => (need.spec, false),
        }
    }

    /// What is where `need` of the package in `folder` leads.
    fn state(&self, folder: &ImagePath, need: &Need<'_>) -> (Found, String, bool) {
        let (spec, is_override) = self.asked(folder, need);
        let found = match self.find(folder, need.name) {
            None if need.may_miss => Found::Right,
            None => Found::Missing,
            Some(at) => {
                let allowed = self.packages.get(at).is_some_and(|package| {
                    let Manifest { name, version, .. } = &package.manifest;
                    Spec::parse(spec).allows(need.name, name, version)
                });
                if allowed { Found::Right } else { Found::Wrong(at.clone()) }
            }
        };
        (found, spec.to_owned(), is_override)
    }

    /// What is broken here and was not so in `before`. What asks for no version (a folder, git)
    /// is broken by every change of what it finds.
    #[must_use]
    pub fn broken_since(&self, before: &Self) -> Vec<Broken> {
        let mut broken = Vec::new();
        for (folder, package) in &self.packages {
            for need in package.needs() {
                let (found, spec, is_override) = self.state(folder, &need);
                if found == Found::Right {
                    continue;
                }
                let was = before.packages.get(folder).and_then(|package| {
                    let need = package.needs().find(|one| one.name == need.name)?;
                    Some(before.state(folder, &need).0)
                });
                let changed = match &found {
                    Found::Wrong(at) => self.packages.get(at) != before.packages.get(at),
                    _ => false,
                };
                let was_so = match &was {
                    None | Some(Found::Right) => false,
                    Some(Found::Missing) => found == Found::Missing,
                    // one that is not of the registry never was right, and is not to change
                    Some(Found::Wrong(_)) => Spec::parse(&spec).is_of_registry() || !changed,
                };
                if !was_so {
                    broken.push(Broken {
                        by: folder.clone(),
                        name: need.name.to_owned(),
                        spec,
                        kind: need.kind,
                        found,
                        is_override,
                    });
                }
            }
        }
        broken
    }

    /// Who finds the package in `folder`, by folder, with what they ask for.
    #[must_use]
    pub fn dependants(&self, folder: &ImagePath) -> Vec<(&ImagePath, Need<'_>)> {
        let mut found = Vec::new();
        for (by, package) in &self.packages {
            for need in package.needs() {
                if self.find(by, need.name) == Some(folder) {
                    found.push((by, need));
                }
            }
        }
        found
    }

    /// What can be reached from the projects.
    #[must_use]
    pub fn reachable(&self) -> BTreeSet<ImagePath> {
        let projects = self.packages.iter().filter(|(_, package)| package.is_project);
        let mut open: Vec<ImagePath> = projects.map(|(folder, _)| folder.clone()).collect();
        let mut seen: BTreeSet<ImagePath> = open.iter().cloned().collect();
        while let Some(folder) = open.pop() {
            let Some(package) = self.packages.get(&folder) else { continue };
            for need in package.needs() {
                if let Some(found) = self.find(&folder, need.name)
                    && seen.insert(found.clone())
                {
                    open.push(found.clone());
                }
            }
        }
        seen
    }

    /// The package whose archive holds the one in `folder`, the outermost one.
    #[must_use]
    pub fn bundled_by(&self, folder: &ImagePath) -> Option<&ImagePath> {
        let mut above = folder.ancestors();
        above.sort_unstable();
        above.iter().filter(|above| *above != folder).find_map(|above| {
            let (holder, package) = self.packages.get_key_value(above)?;
            let holds = !package.is_project && !package.manifest.bundled.is_empty();
            // what is below its `node_modules` and not bundled was put there by an installer
            (holds && self.is_of_bundle(holder, folder)).then_some(holder)
        })
    }

    /// The folders below one that its archive brought.
    #[must_use]
    pub fn bundle_of(&self, holder: &ImagePath) -> BTreeSet<ImagePath> {
        if self.get(holder).is_none_or(|package| package.manifest.bundled.is_empty()) {
            return BTreeSet::new();
        }
        let below = |folder: &&ImagePath| folder.starts_with(holder) && *folder != holder;
        let brought = |folder: &&ImagePath| self.bundled_by(folder) == Some(holder);
        self.packages.keys().filter(below).filter(brought).cloned().collect()
    }

    /// Whether a package below `holder` is one that its archive brings: bundled itself, or needed
    /// by such a one.
    fn is_of_bundle(&self, holder: &ImagePath, folder: &ImagePath) -> bool {
        let Some(package) = self.packages.get(holder) else { return false };
        let mut open: Vec<ImagePath> = package
            .manifest
            .bundled
            .iter()
            .filter_map(|name| self.find(holder, name).cloned())
            .filter(|found| found.starts_with(holder))
            .collect();
        let mut seen: BTreeSet<ImagePath> = open.iter().cloned().collect();
        while let Some(at) = open.pop() {
            if at == *folder {
                return true;
            }
            let Some(package) = self.packages.get(&at) else { continue };
            for need in package.needs() {
                if let Some(found) = self.find(&at, need.name)
                    && found.starts_with(holder)
                    && found != holder
                    && seen.insert(found.clone())
                {
                    open.push(found.clone());
                }
            }
        }
        false
    }
}

/// `package.json` of a folder.
fn document(fs: &dyn FileSystem, folder: &ImagePath, left: &mut u64) -> Option<Value> {
    let path = fs.resolve(&folder.join("package.json").ok()?).ok()?;
    let size = fs.lstat(&path).filter(|entry| entry.is_file()).map(Entry::size)?;
    *left = left.checked_sub(size).filter(|_| size <= MAX_RECORD)?;
    let mut bytes = Vec::new();
    fs.open(&path).ok()?.take(MAX_RECORD).read_to_end(&mut bytes).ok()?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    imgfix_json::read(bytes).ok()
}

#[cfg(test)]
mod tests;
