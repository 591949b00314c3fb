//! One distribution in place of another of the same name, or a new one, as an installer leaves it.
//!
//! In come the overlay, the installed distribution and a wheel; out comes the overlay with the
//! old one's files gone and the wheel unpacked, recorded as the installer of that environment
//! records it. Nothing of either is run; compiled files of the old one go, and none are made:
//! the interpreter makes its own.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Content, Entry, FileData, FileSystem, Kind, Overlay, Spool, Xattrs};
use sha2::{Digest as _, Sha256};

use crate::distribution::Distribution;
use crate::entry_points;
use crate::environment::Environment;
use crate::fault::Fault;
use crate::names::normalized;
use crate::record::{self, Row};
use crate::wheel::{Part, Wheel, is_executable};
use crate::wrapper::{self, Installer, Template};

/// Files up to this size stay in memory, in bytes.
const IN_MEMORY: usize = 16 << 10;

/// Where larger files and what is written go, and when that is.
pub struct Place<'a> {
    /// For the content of larger files.
    pub spool: &'a Spool,
    /// The time of everything that is written, in seconds since the epoch.
    pub mtime: i64,
}

/// Puts `wheel` in the place of `old`.
///
/// # Errors
/// A path of one of both cannot be changed so; a layer or the temporary directory fails. The
/// overlay is then to be dropped.
pub fn replace(
    overlay: &mut Overlay,
    environment: &Environment,
    old: &Distribution,
    wheel: &Wheel,
    place: &Place<'_>,
) -> Result<(), Fault> {
    let templates = Templates::of(overlay, environment, old)?;
    remove(overlay, environment, old);
    let mut unpacking = Unpacking {
        overlay,
        environment,
        old,
        place,
        installed: BTreeMap::new(),
        changed: BTreeMap::new(),
        generated: Vec::new(),
    };
    unpacking.files(wheel, &templates)?;
    unpacking.wrappers(wheel, &templates)?;
    unpacking.records(wheel)
}

/// Removes a distribution: its files, what was compiled of them, and folders that then have no
/// files any more. The folder of all distributions stays.
fn remove(overlay: &mut Overlay, environment: &Environment, old: &Distribution) {
    let mut folders = BTreeSet::new();
    for file in &old.files {
        let compiled = compiled(overlay, file);
        for path in std::iter::once(file.clone()).chain(compiled) {
            if overlay.lstat(&path).is_some_and(|entry| !entry.is_dir()) {
                overlay.remove(&path);
                folders.extend(path.parent());
            }
        }
    }
    let may_go = |path: &ImagePath| {
        path.starts_with(&environment.prefix)
            && *path != environment.prefix
            && !environment.place.starts_with(path)
    };
    for folder in folders.into_iter().rev() {
        let has_files = |overlay: &Overlay, folder: &ImagePath| {
            let mut below = overlay.walk(folder).into_iter();
            below.any(|path| overlay.lstat(&path).is_some_and(|entry| !entry.is_dir()))
        };
        if !may_go(&folder) || overlay.lstat(&folder).is_none() || has_files(overlay, &folder) {
            continue;
        }
        overlay.remove(&folder);
        let mut above = folder.parent();
        while let Some(folder) = above.filter(|folder| may_go(folder)) {
            if !overlay.read_dir(&folder).is_empty() {
                break;
            }
            overlay.remove(&folder);
            above = folder.parent();
        }
    }
}

/// What interpreters compiled of a module.
fn compiled(overlay: &Overlay, file: &ImagePath) -> Vec<ImagePath> {
    let (Some(folder), Some(stem)) = (file.parent(), file.file_name().strip_suffix(b".py")) else {
        return Vec::new();
    };
    let beside =
        [b".pyc", b".pyo"].iter().filter_map(|suffix| folder.join([stem, *suffix].concat()).ok());
    let cached =
        folder.join("__pycache__").map(|cache| overlay.read_dir(&cache)).unwrap_or_default();
    let cached = cached.into_iter().filter(|path| {
        let rest = path.file_name().strip_prefix(stem);
        rest.is_some_and(|rest| rest.starts_with(b".") && rest.ends_with(b".pyc"))
    });
    beside.chain(cached).collect()
}

/// By which templates wrappers are written.
struct Templates {
    own: Vec<(String, Template)>,
    /// For programs that the old version had not.
    other: Template,
}

impl Templates {
    /// Of a distribution: its own wrappers, else those of the same installer in the environment,
    /// pip's own first, else what the present installer writes.
    fn of(fs: &Overlay, environment: &Environment, old: &Distribution) -> Result<Self, Fault> {
        let own = old.templates.clone();
        let other = match own.first() {
            Some((_, first)) => first.clone(),
            None => Self::of_others(fs, environment, old)?,
        };
        Ok(Self { own, other })
    }

    fn of_others(
        fs: &Overlay,
        environment: &Environment,
        old: &Distribution,
    ) -> Result<Template, Fault> {
        let installer = old.installed_by();
        let (mut shebang, mut template) = (old.shebang.clone(), None);
        if let Some(programs) = environment.programs() {
            let folder = fs.resolve(&programs)?;
            let mut files = fs.read_dir(&folder);
            files.sort_by_key(|path| path.file_name() != b"pip");
            for file in files {
                let is_small = |entry: &Entry| entry.is_file() && entry.size() < IN_MEMORY as u64;
                if !fs.lstat(&file).is_some_and(is_small) {
                    continue;
                }
                let Some(bytes) = fs.read_if_readable(&file)? else { continue };
                shebang = shebang.or_else(|| wrapper::shebang_of(&bytes));
                template = Template::of(&bytes).filter(|one| one.is_of(installer));
                if template.is_some() {
                    break;
                }
            }
        }
        let template =
            template.unwrap_or_else(|| Template::present(installer, &python(fs, environment)));
        let shebang = old.shebang.clone().or(shebang);
        Ok(match shebang {
            Some(lines) => template.with_shebang(&lines),
            None => template,
        })
    }

    fn get(&self, program: &str) -> &Template {
        let own = self.own.iter().find(|(name, _)| name == program);
        own.map_or(&self.other, |(_, template)| template)
    }

    /// The first lines of a script of the wheel that asks for the environment's interpreter.
    fn shebang(&self) -> &str {
        self.other.shebang()
    }
}

/// The interpreter, where nothing says how it is called.
fn python(fs: &dyn FileSystem, environment: &Environment) -> String {
    let minor = environment.version.map(|version| format!("bin/python3.{}", version.minor));
    let names = ["bin/python3".to_owned(), "bin/python".to_owned()].into_iter().chain(minor);
    let own = names.filter_map(|name| environment.prefix.join(name).ok());
    let usual = ["/usr/local/bin/python3", "/usr/bin/python3"].map(ImagePath::literal);
    let mut all = own.chain(usual);
    let found = all.find(|path| fs.lstat(path).is_some());
    found.map_or_else(|| "/usr/bin/python3".to_owned(), |path| path.to_string())
}

/// A wheel on its way into the overlay.
struct Unpacking<'a> {
    overlay: &'a mut Overlay,
    environment: &'a Environment,
    old: &'a Distribution,
    place: &'a Place<'a>,
    /// Names in the wheel, and how its RECORD in the image will name them.
    installed: BTreeMap<String, String>,
    /// Rows of what is not as it is in the wheel.
    changed: BTreeMap<String, Row>,
    /// Rows of what is not in the wheel.
    generated: Vec<Row>,
}

impl Unpacking<'_> {
    fn files(&mut self, wheel: &Wheel, templates: &Templates) -> Result<(), Fault> {
        let is_wrapper = |name: &str| {
            let base = name.rsplit('/').next().unwrap_or(name);
            let base = base.strip_suffix("-script.py").unwrap_or(base);
            wheel.scripts.iter().any(|script| script.name == base)
        };
        let record = format!("{}/RECORD", wheel.info);
        for entry in wheel.files() {
            let part = wheel.part(entry)?;
            let (folder, name) = match part {
                Part::Library(name) => (Some(self.environment.place.clone()), name),
                Part::Scripts(name) if is_wrapper(name) => continue,
                Part::Scripts(name) => (self.programs(), name),
                Part::Data(name) => (Some(self.environment.prefix.clone()), name),
                Part::Headers(name) => {
                    (self.environment.headers(&headers_name(wheel, self.old.installed_by())), name)
                }
            };
            let folder = folder.ok_or_else(|| {
                Fault::Refused(format!("its file {:?} has no place here", entry.path()))
            })?;
            let path = self.inside(&folder.join(name)?)?;
            let row = self.row_path(&path);
            self.installed.insert(entry.path().to_owned(), row.clone());
            if entry.path() == record {
                continue;
            }
            let content = wheel.content(entry).map_err(|why| format!("its wheel: {why}"))?;
            let mode = if is_executable(entry) { 0o755 } else { 0o644 };
            match part {
                Part::Scripts(_) if content.starts_with(b"#!python") => {
                    let rest = content.iter().position(|byte| *byte == b'\n');
                    let rest = rest.and_then(|end| content.get(end + 1..)).unwrap_or_default();
                    let bytes = Bytes::from([templates.shebang().as_bytes(), rest].concat());
                    self.changed.insert(row.clone(), hashed(row, &bytes));
                    let mode = match self.old.installed_by() {
                        Installer::Uv => 0o755,
                        Installer::Pip => mode,
                    };
                    self.write(path, bytes, mode)?;
                }
                _ => self.write(path, content, mode)?,
            }
        }
        Ok(())
    }

    fn wrappers(&mut self, wheel: &Wheel, templates: &Templates) -> Result<(), Fault> {
        let minor = self.environment.version.map_or(0, |version| version.minor);
        for script in entry_points::of_interpreter(wheel.scripts.clone(), minor) {
            let programs = self.programs().ok_or_else(|| {
                Fault::Refused(format!("its program {} has no place here", script.name))
            })?;
            let path = self.inside(&programs.join(&script.name)?)?;
            let bytes = Bytes::from(templates.get(&script.name).wrapper(&script));
            self.generate(path, bytes, 0o755)?;
        }
        Ok(())
    }

    /// What the installer says of itself, and RECORD.
    fn records(mut self, wheel: &Wheel) -> Result<(), Fault> {
        let info = self.environment.place.join(&wheel.info)?;
        if let Some(installer) = &self.old.installer {
            self.generate(info.join("INSTALLER")?, installer.clone(), 0o644)?;
        }
        if self.old.is_requested {
            self.generate(info.join("REQUESTED")?, Bytes::new(), 0o644)?;
        }
        let mut rows = std::mem::take(&mut self.generated);
        let mut installed = std::mem::take(&mut self.installed);
        let name = format!("{}/RECORD", wheel.info);
        installed.entry(name.clone()).or_insert(name.clone());
        for row in &wheel.rows {
            let path = installed.remove(&row.path).unwrap_or_else(|| row.path.clone());
            rows.push(match self.changed.get(&path) {
                Some(changed) => changed.clone(),
                None => Row { path, ..row.clone() },
            });
        }
        let unnamed = |path| Row { path, hash: String::new(), size: String::new() };
        rows.extend(installed.into_values().map(unnamed));
        let record = record::write(rows, self.old.line_end);
        self.write(self.environment.place.join(name)?, record.into(), 0o644)
    }

    fn programs(&self) -> Option<ImagePath> {
        self.old.programs.clone().or_else(|| self.environment.programs())
    }

    fn row_path(&self, path: &ImagePath) -> String {
        self.environment.row_path(path, self.old.installed_by())
    }

    /// The path with links in its folders followed, which must stay in the environment.
    fn inside(&self, path: &ImagePath) -> Result<ImagePath, Fault> {
        let path = self.overlay.resolve_parent(path)?;
        if path.starts_with(&self.environment.prefix) {
            return Ok(path);
        }
        Err(Fault::Refused(format!("{path} is not in {}", self.environment.prefix)))
    }

    fn generate(&mut self, path: ImagePath, bytes: Bytes, mode: u32) -> Result<(), Fault> {
        let row = self.row_path(&path);
        self.generated.push(hashed(row, &bytes));
        self.write(path, bytes, mode)
    }

    fn write(&mut self, path: ImagePath, bytes: Bytes, mode: u32) -> Result<(), Fault> {
        let size = bytes.len() as u64;
        let content = if bytes.len() <= IN_MEMORY {
            // its own bytes: a part of a larger whole would keep that
            Content::Inline(Bytes::copy_from_slice(&bytes))
        } else {
            let stored = self.place.spool.store(&mut &bytes[..], size);
            Content::Spool(stored.map_err(Fault::Temporary)?)
        };
        let data = FileData { size, content, link: None };
        if self.overlay.lstat(&path).is_some_and(Entry::is_dir) {
            return Err(Fault::Refused(format!("{path} is a folder, and would be a file")));
        }
        for folder in path.ancestors() {
            if self.overlay.lstat(&folder).is_none() {
                self.overlay.set(folder, self.entry(Kind::Directory, 0o755))?;
            }
        }
        let entry = self.entry(Kind::File(data), mode);
        Ok(self.overlay.set(path, entry)?)
    }

    fn entry(&self, kind: Kind, mode: u32) -> Entry {
        let ((uid, gid), mtime) = (self.old.owner, self.place.mtime);
        Entry { kind, mode, uid, gid, mtime, xattrs: Xattrs::new() }
    }
}

/// What the folder of a distribution's C headers is called.
fn headers_name(wheel: &Wheel, installer: Installer) -> String {
    match installer {
        Installer::Pip => normalized(&wheel.name),
        Installer::Uv => normalized(&wheel.name).replace('-', "_"),
    }
}

fn hashed(path: String, bytes: &[u8]) -> Row {
    let hash = format!("sha256={}", URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)));
    Row { path, hash, size: bytes.len().to_string() }
}
