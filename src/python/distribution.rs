//! An installed distribution: its folder of records, its files, who installed it.
//!
//! In come the file system and the path of its METADATA; out comes what is needed to take it
//! away and to put another version in its place. Paths of its RECORD are made paths of the image
//! here, and none leads out of its environment.

use imgfix_model::path::ImagePath;
use imgfix_vfs::FileSystem;

use crate::entry_points::{self, Script};
use crate::environment::Environment;
use crate::fault::Fault;
use crate::record::{self, LineEnd, Row};
use crate::wrapper::{self, Installer, Template};

/// The largest script that is looked at, in bytes.
const MAX_SCRIPT: u64 = 1 << 20;

/// What is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Its folder of records.
    pub info: ImagePath,
    /// Its files in the image, the folder's own among them.
    pub files: Vec<ImagePath>,
    /// What its INSTALLER has, as it is; `None`: it has none.
    pub installer: Option<bytes::Bytes>,
    /// Whether somebody asked for it by its name.
    pub is_requested: bool,
    /// How lines of its RECORD end.
    pub line_end: LineEnd,
    /// The templates of its wrappers, by the program's name.
    pub templates: Vec<(String, Template)>,
    /// The lines with which its programs name their interpreter.
    pub shebang: Option<String>,
    /// Where its programs are, if it has one.
    pub programs: Option<ImagePath>,
    /// The user and the group of its files.
    pub owner: (u32, u32),
}

impl Distribution {
    /// Of the METADATA at `path`.
    ///
    /// # Errors
    /// It has no RECORD, or one that cannot be followed; a layer cannot be read.
    pub fn read(
        fs: &dyn FileSystem,
        environment: &Environment,
        path: &ImagePath,
    ) -> Result<Self, Fault> {
        let none = || Fault::Refused(format!("{path} is no record"));
        let info = path.parent().ok_or_else(none)?;
        let file = |name: &str| -> Result<Option<bytes::Bytes>, Fault> {
            Ok(fs.read_if_readable(&info.join(name)?)?)
        };
        let record = file("RECORD")?
            .ok_or_else(|| Fault::Refused("nothing records its files (it has no RECORD)".into()))?;
        let wrong = |why: String| Fault::Refused(format!("of its RECORD, {why}"));
        let rows = record::read(&record).map_err(wrong)?;
        let mut files = Vec::with_capacity(rows.len());
        for row in &rows {
            files.push(environment.recorded(fs, row).map_err(wrong)?);
        }
        let scripts = match file("entry_points.txt")? {
            // what cannot be read made no wrappers
            Some(text) => entry_points::scripts(&text).unwrap_or_default(),
            None => Vec::new(),
        };
        let metadata = fs.lstat(path).ok_or_else(none)?;
        let line_end =
            if record.windows(2).any(|pair| pair == b"\r\n") { LineEnd::CrLf } else { LineEnd::Lf };
        let mut found = Self {
            installer: file("INSTALLER")?,
            is_requested: fs.lstat(&info.join("REQUESTED")?).is_some(),
            line_end,
            templates: Vec::new(),
            shebang: None,
            programs: None,
            owner: (metadata.uid, metadata.gid),
            info,
            files,
        };
        found.read_wrappers(fs, environment, &scripts)?;
        Ok(found)
    }

    /// What is there of one that comes new beside this one, with the same installer.
    #[must_use]
    pub fn nothing_beside(&self) -> Self {
        Self {
            info: self.info.clone(),
            files: Vec::new(),
            installer: self.installer.clone(),
            is_requested: false,
            line_end: self.line_end,
            templates: Vec::new(),
            shebang: self.shebang.clone(),
            programs: self.programs.clone(),
            owner: self.owner,
        }
    }

    /// Which installer's form it has.
    #[must_use]
    pub fn installed_by(&self) -> Installer {
        let name = self.installer.as_deref().unwrap_or_default().trim_ascii();
        if name == b"uv" { Installer::Uv } else { Installer::Pip }
    }

    fn read_wrappers(
        &mut self,
        fs: &dyn FileSystem,
        environment: &Environment,
        scripts: &[Script],
    ) -> Result<(), Fault> {
        let minor = environment.version.map_or(0, |version| version.minor);
        let scripts = entry_points::of_interpreter(scripts.to_vec(), minor);
        for file in &self.files {
            let folder = file.parent().filter(|folder| folder.file_name() == b"bin");
            let is_small = fs.lstat(file).is_some_and(|one| one.size() <= MAX_SCRIPT);
            let Some(folder) = folder.filter(|_| is_small) else { continue };
            let Some(script) = fs.read_if_readable(file)? else { continue };
            let is_it = |script: &&Script| script.name.as_bytes() == file.file_name();
            let named = scripts.iter().find(is_it);
            let template = named.zip(Template::of(&script));
            let shebang = wrapper::shebang_of(&script);
            if template.is_some() || shebang.is_some() {
                self.programs.get_or_insert(folder);
            }
            self.templates.extend(template.map(|(named, one)| (named.name.clone(), one)));
            self.shebang = self.shebang.take().or(shebang);
        }
        Ok(())
    }
}

impl Environment {
    /// The path in the image of a row of a RECORD, with links in folders followed.
    ///
    /// # Errors
    /// It leads out of the environment: half a sentence.
    pub fn recorded(&self, fs: &dyn FileSystem, row: &Row) -> Result<ImagePath, String> {
        let outside = || format!("{:?} is not in {}", row.path, self.prefix);
        let mut parts: Vec<&[u8]> = Vec::new();
        if !row.path.starts_with('/') {
            parts.extend(self.base().components());
            if !self.is_installed {
                // `pip --target` writes rows as if they were relative to this folder of a
                // temporary one
                let virtual_folder: [&[u8]; 2] = [b"lib", b"python"];
                let leads_up = row.path.starts_with("../../");
                parts.extend(virtual_folder.iter().filter(|_| leads_up));
            }
        }
        for part in row.path.as_bytes().split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop().ok_or_else(outside)?),
                part => parts.push(part),
            }
        }
        let path = ImagePath::new(parts.join(&b'/')).map_err(|error| error.to_string())?;
        let path = fs.resolve_parent(&path).map_err(|error| error.to_string())?;
        let is_below = path.starts_with(&self.prefix) && path != self.prefix;
        if is_below { Ok(path) } else { Err(outside()) }
    }

    /// What rows are relative to.
    fn base(&self) -> &ImagePath {
        &self.place
    }

    /// How a RECORD names a file of the image.
    #[must_use]
    pub fn row_path(&self, path: &ImagePath, installer: Installer) -> String {
        let base: Vec<&[u8]> = self.place.components().collect();
        let parts: Vec<&[u8]> = path.components().collect();
        let same = base.iter().zip(&parts).take_while(|(a, b)| a == b).count();
        let mut up = base.len().saturating_sub(same);
        let below = parts.get(same..).unwrap_or_default();
        // see `recorded`
        let is_beside = !self.is_installed && below.first() == Some(&&b"bin"[..]);
        if is_beside && installer == Installer::Pip {
            up += 2;
        }
        let mut all: Vec<&[u8]> = vec![b".."; up];
        all.extend(below);
        String::from_utf8_lossy(&all.join(&b'/')).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    fn tree() -> Tree {
        let file =
            |path, text: &'static str| (ImagePath::literal(path), Entry::file(text, 0o644, 0));
        let entries = [
            file("/opt/v/pyvenv.cfg", "home = /usr/bin\n"),
            file("/opt/v/lib/python3.11/site-packages/x", ""),
            file("/app/libs/x", ""),
            file("/etc/passwd", ""),
            (ImagePath::literal("/opt/v/lib64"), Entry::symlink("lib", 0)),
            (ImagePath::literal("/opt/v/etc"), Entry::symlink("/etc", 0)),
        ];
        Tree::from_entries(entries, Arc::new(NoLayers))
    }

    fn recorded(place: &'static str, path: &str) -> String {
        let tree = tree();
        let environment = Environment::of(&tree, &ImagePath::literal(place), "x86_64").unwrap();
        let row = Row { path: path.to_owned(), hash: String::new(), size: String::new() };
        environment.recorded(&tree, &row).map_or_else(|why| why, |path| path.to_string())
    }

    #[test]
    fn rows_lead_nowhere_else() {
        let venv = "/opt/v/lib/python3.11/site-packages";
        for (path, want) in [
            ("a/b.py", "/opt/v/lib/python3.11/site-packages/a/b.py"),
            ("./a//b.py", "/opt/v/lib/python3.11/site-packages/a/b.py"),
            ("../../../bin/a", "/opt/v/bin/a"),
            ("../../../lib64/python3.11/x", "/opt/v/lib/python3.11/x"),
            ("/opt/v/bin/a", "/opt/v/bin/a"),
        ] {
            assert_eq!(recorded(venv, path), want, "{path}");
        }
        for path in [
            "../../../../etc/passwd",
            "/etc/passwd",
            "../../../etc/passwd",
            "../../..",
            "../../../../../../../../x",
            "",
            "/",
        ] {
            let found = recorded(venv, path);
            assert!(found.ends_with("is not in /opt/v") || path.is_empty(), "{path}: {found}");
        }
    }

    #[test]
    fn rows_of_a_target_are_relative_to_where_pip_made_it() {
        assert_eq!(recorded("/app/libs", "a.py"), "/app/libs/a.py");
        assert_eq!(recorded("/app/libs", "../../bin/a"), "/app/libs/bin/a");
        assert_eq!(recorded("/app/libs", "bin/a"), "/app/libs/bin/a");
        assert!(recorded("/app/libs", "../../../bin/a").ends_with("is not in /app/libs"));
        let environment =
            Environment::of(&tree(), &ImagePath::literal("/app/libs"), "x86_64").unwrap();
        let row = |path, installer| environment.row_path(&ImagePath::literal(path), installer);
        assert_eq!(row("/app/libs/bin/a", Installer::Pip), "../../bin/a");
        assert_eq!(row("/app/libs/bin/a", Installer::Uv), "bin/a");
        assert_eq!(row("/app/libs/a/b.py", Installer::Pip), "a/b.py");
    }
}
