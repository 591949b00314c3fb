//! A Python environment, from the files of an image: its interpreter, what wheels have to go
//! with, and where the parts of a distribution go.
//!
//! In come the file system and the folder that holds records of distributions; out comes what
//! pip would know of itself there. Nothing is run: the interpreter's version is in the folder's
//! name, the last number and the C library's version are read from files.

mod libc;

use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem, RootfsError};

use crate::marker::Variables;
use crate::specifiers::{Specifiers, Version};
use crate::tags::{Interpreter, Libc, Tags};

/// An environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The folder with the records: `/opt/venv/lib/python3.11/site-packages`.
    pub place: ImagePath,
    /// What it belongs to: `/opt/venv`. Of a folder that is no interpreter's, itself.
    pub prefix: ImagePath,
    /// Whether it is a virtual environment.
    pub is_virtual: bool,
    /// Whether its interpreter looks nowhere else.
    pub is_isolated: bool,
    /// Whether an interpreter has it on its path by itself.
    pub is_installed: bool,
    /// `None`: the image has no interpreter that it is known to be for.
    pub version: Option<PythonVersion>,
    /// In the kernel's word: `x86_64`.
    pub machine: String,
    /// `None`: it is not known.
    pub libc: Option<Libc>,
}

/// The version of a CPython 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonVersion {
    /// `3.11`.
    pub minor: u32,
    /// `3.11.7`; `None`: it is not known.
    pub micro: Option<u32>,
    /// Without the global lock.
    pub is_free_threaded: bool,
}

impl Environment {
    /// Of the records in `place`, in an image for `machine`.
    ///
    /// # Errors
    /// A layer cannot be read, or the interpreter is no CPython 3 (half a sentence, in
    /// [`EnvironmentError::Other`]).
    pub fn of(
        fs: &dyn FileSystem,
        place: &ImagePath,
        machine: &str,
    ) -> Result<Self, EnvironmentError> {
        let found = Placed::of(place).map_err(EnvironmentError::Other)?;
        let (prefix, is_installed) = match &found {
            Placed::Versioned { prefix, .. } | Placed::Debian { prefix } => (prefix.clone(), true),
            Placed::Elsewhere => (place.clone(), false),
        };
        let config = prefix.join("pyvenv.cfg").ok();
        let config = match config {
            Some(path) => fs.read_if_readable(&path)?,
            None => None,
        };
        let config = config.as_deref().map(String::from_utf8_lossy);
        let python = match found {
            Placed::Versioned { minor, is_free_threaded, .. } => Some((minor, is_free_threaded)),
            Placed::Debian { .. } | Placed::Elsewhere => {
                only_interpreter(fs).map(|one| (one, false))
            }
        };
        let base = base_prefix(config.as_deref(), &prefix);
        let version = match python {
            None => None,
            Some((minor, is_free_threaded)) => {
                let micro = micro(fs, &base, config.as_deref(), minor)?;
                Some(PythonVersion { minor, micro, is_free_threaded })
            }
        };
        let program = version.and_then(|one| libc::program(fs, &base, one.minor));
        let libc = libc::of(fs, program.as_ref())?;
        Ok(Self {
            place: place.clone(),
            prefix,
            is_virtual: config.is_some(),
            is_isolated: config.as_deref().is_some_and(|text| {
                let system = setting(text, "include-system-site-packages");
                !system.is_some_and(|word| word.eq_ignore_ascii_case("true"))
            }),
            is_installed,
            version,
            machine: machine.to_owned(),
            libc,
        })
    }

    /// The tags of wheels that it takes; none, where its interpreter is not known.
    #[must_use]
    pub fn tags(&self) -> Option<Tags> {
        let PythonVersion { minor, is_free_threaded, .. } = self.version?;
        let (machine, libc) = (self.machine.as_str(), self.libc);
        Some(Tags::of(Interpreter { minor, is_free_threaded, machine, libc }))
    }

    /// What markers are evaluated in.
    #[must_use]
    pub fn variables(&self) -> Variables {
        let full = |one: PythonVersion| Some(format!("3.{}.{}", one.minor, one.micro?));
        Variables {
            python_version: self.version.map(|one| format!("3.{}", one.minor)),
            python_full_version: self.version.and_then(full),
            platform_machine: self.machine.clone(),
        }
    }

    /// Whether its interpreter is one of those that `Requires-Python` says. Where its last number
    /// is not known, any has to do.
    #[must_use]
    pub fn allows(&self, requires_python: &Specifiers) -> bool {
        let Some(PythonVersion { minor, micro, .. }) = self.version else {
            return requires_python.is_empty();
        };
        let is_allowed = |micro: u32| {
            requires_python.allow(&Version::new([3, u64::from(minor), u64::from(micro)]))
        };
        match micro {
            Some(micro) => is_allowed(micro),
            None => is_allowed(0) && is_allowed(99),
        }
    }

    /// The folders in which its interpreter finds distributions, its own first.
    #[must_use]
    pub fn search_path(&self, fs: &dyn FileSystem) -> Vec<ImagePath> {
        let mut places = vec![self.place.clone()];
        let Some(PythonVersion { minor, .. }) = self.version else { return places };
        if self.is_isolated {
            return places;
        }
        // an interpreter under /usr/local has its own, and Debian's looks there, too
        let has = |folder: &str| {
            let path = ImagePath::new(format!("{folder}/bin/python3.{minor}"));
            path.is_ok_and(|path| fs.lstat(&path).is_some())
        };
        let local = "/usr/local";
        let (of_local, of_usr) = (has(local), has("/usr"));
        let mut names = Vec::new();
        if of_local {
            names.push(format!("{local}/lib/python3.{minor}/site-packages"));
        }
        if of_usr || !of_local {
            names.extend([
                format!("{local}/lib/python3.{minor}/dist-packages"),
                format!("{local}/lib64/python3.{minor}/site-packages"),
                "/usr/lib/python3/dist-packages".to_owned(),
                format!("/usr/lib/python3.{minor}/site-packages"),
                format!("/usr/lib64/python3.{minor}/site-packages"),
            ]);
        }
        if !of_local {
            names.push(format!("{local}/lib/python3.{minor}/site-packages"));
        }
        let found = names.into_iter().filter_map(|name| ImagePath::new(name).ok());
        let is_other = |path: &ImagePath| *path != self.place && fs.lstat(path).is_some();
        let own = self.place.to_string();
        let is_locals = own.starts_with(local) && own.ends_with("/site-packages") && of_local;
        places.extend(found.filter(is_other).filter(|_| !is_locals));
        places
    }

    /// Where programs go.
    #[must_use]
    pub fn programs(&self) -> Option<ImagePath> {
        self.prefix.join("bin").ok()
    }

    /// Where a wheel's C headers of a distribution go.
    #[must_use]
    pub fn headers(&self, distribution: &str) -> Option<ImagePath> {
        let minor = self.version?.minor;
        let folder = match (self.is_installed, self.is_virtual) {
            (false, _) => format!("include/{distribution}"),
            (true, true) => format!("include/site/python3.{minor}/{distribution}"),
            (true, false) => format!("include/python3.{minor}/{distribution}"),
        };
        self.prefix.join(folder).ok()
    }

    /// For people: `CPython 3.11.7 on x86_64 with glibc 2.36`.
    #[must_use]
    pub fn describe(&self) -> String {
        let version = match self.version {
            None => "an unknown Python".to_owned(),
            Some(PythonVersion { minor, micro, is_free_threaded }) => {
                let micro = micro.map(|micro| format!(".{micro}")).unwrap_or_default();
                let kind = if is_free_threaded { "t" } else { "" };
                format!("CPython 3.{minor}{micro}{kind}")
            }
        };
        let libc = match self.libc {
            None => "an unknown C library".to_owned(),
            Some(Libc::Glibc(major, minor)) => format!("glibc {major}.{minor}"),
            Some(Libc::Musl(major, minor)) => format!("musl {major}.{minor}"),
        };
        format!("{version} on {} with {libc}", self.machine)
    }
}

/// Why nothing is known of an environment.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A layer cannot be read.
    #[error(transparent)]
    Image(#[from] RootfsError),
    /// It is one that is not repaired: half a sentence.
    #[error("{0}")]
    Other(String),
}

/// Whose folder of records it is.
enum Placed {
    /// `PREFIX/lib/python3.11/site-packages`, `dist-packages`.
    Versioned { prefix: ImagePath, minor: u32, is_free_threaded: bool },
    /// `/usr/lib/python3/dist-packages`.
    Debian { prefix: ImagePath },
    /// What `pip --target` filled, or a program's own.
    Elsewhere,
}

impl Placed {
    fn of(place: &ImagePath) -> Result<Self, String> {
        let parts: Vec<&[u8]> = place.components().collect();
        let [above @ .., lib, python, packages] = parts.as_slice() else {
            return Ok(Self::Elsewhere);
        };
        let is_packages = matches!(*packages, b"site-packages" | b"dist-packages");
        if !is_packages || !matches!(*lib, b"lib" | b"lib64") {
            return Ok(Self::Elsewhere);
        }
        let prefix = ImagePath::new(above.join(&b'/')).map_err(|error| error.to_string())?;
        let name = String::from_utf8_lossy(python);
        if name == "python3" {
            return Ok(Self::Debian { prefix });
        }
        match python_name(&name) {
            Some((minor, is_free_threaded)) => {
                Ok(Self::Versioned { prefix, minor, is_free_threaded })
            }
            None if name.starts_with("python2") => Err("its interpreter is Python 2".to_owned()),
            None if name.starts_with("pypy") => Err("its interpreter is PyPy".to_owned()),
            None => Ok(Self::Elsewhere),
        }
    }
}

/// `python3.11` and `python3.13t`: the second number, and whether it is without the lock.
fn python_name(name: &str) -> Option<(u32, bool)> {
    let number = name.strip_prefix("python3.")?;
    let (number, is_free_threaded) = match number.strip_suffix('t') {
        Some(number) => (number, true),
        None => (number, false),
    };
    let minor = number.parse().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((minor, is_free_threaded))
}

/// The interpreter of what says nothing of its own: the one that `python3` leads to.
fn only_interpreter(fs: &dyn FileSystem) -> Option<u32> {
    ["/usr/local/bin/python3", "/usr/bin/python3"].into_iter().find_map(|path| {
        let target = fs.resolve(&ImagePath::literal(path)).ok()?;
        fs.lstat(&target).filter(|entry| entry.is_file())?;
        python_name(std::str::from_utf8(target.file_name()).ok()?).map(|(minor, _)| minor)
    })
}

/// The prefix of the interpreter behind a virtual environment; its own of any other.
fn base_prefix(config: Option<&str>, prefix: &ImagePath) -> ImagePath {
    let home = config.and_then(|text| setting(text, "home"));
    let base = home.and_then(|home| ImagePath::new(home).ok()).and_then(|home| home.parent());
    base.unwrap_or_else(|| prefix.clone())
}

/// A value of `pyvenv.cfg`: lines of `KEY = VALUE`, keys in any case.
fn setting<'a>(config: &'a str, key: &str) -> Option<&'a str> {
    let pairs = config.lines().filter_map(|line| line.split_once('='));
    let mut pairs = pairs.map(|(key, value)| (key.trim(), value.trim()));
    pairs.find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

/// The last number of the interpreter's version.
fn micro(
    fs: &dyn FileSystem,
    base: &ImagePath,
    config: Option<&str>,
    minor: u32,
) -> Result<Option<u32>, RootfsError> {
    let start = format!("3.{minor}.");
    let micro = |version: &str| -> Option<u32> {
        let rest = version.strip_prefix(&start)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    };
    let prefixes = [base.clone(), ImagePath::literal("/usr")];
    for prefix in &prefixes {
        let header = prefix.join(format!("include/python3.{minor}/patchlevel.h"));
        let Ok(header) = header else { continue };
        let Some(text) = fs.read_if_readable(&header)? else { continue };
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find_map(|line| line.trim().strip_prefix("#define PY_VERSION "));
        let version = line.map(|rest| rest.trim().trim_matches('"'));
        if let Some(found) = version.and_then(micro) {
            return Ok(Some(found));
        }
    }
    for prefix in &prefixes {
        if let Some(found) = libc::python_version(fs, prefix, minor)? {
            return Ok(micro(&found));
        }
    }
    let said = config.and_then(|text| setting(text, "version").or(setting(text, "version_info")));
    Ok(said.and_then(micro))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    fn tree(entries: &[(&'static str, &'static str)]) -> Tree {
        let entries = entries.iter().map(|(path, text)| {
            let entry = match text.strip_prefix("-> ") {
                Some(target) => Entry::symlink(target, 0),
                None => Entry::file(*text, 0o755, 0),
            };
            (ImagePath::literal(path), entry)
        });
        Tree::from_entries(entries, Arc::new(NoLayers))
    }

    fn of(tree: &Tree, place: &'static str) -> Environment {
        Environment::of(tree, &ImagePath::literal(place), "x86_64").unwrap()
    }

    const DEBIAN: [(&str, &str); 3] = [
        ("/usr/bin/python3", "-> python3.11"),
        ("/usr/bin/python3.11", "elf \0/lib64/ld-linux-x86-64.so.2\0 \x003.11.2\0"),
        (
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "\0GNU C Library (Debian GLIBC 2.36-9+deb12u9) stable release version 2.36.\nCopyright",
        ),
    ];

    #[test]
    fn environments_are_read_from_the_tree() {
        let mut entries = DEBIAN.to_vec();
        entries.push(("/usr/lib/python3/dist-packages/x", ""));
        entries.push((
            "/opt/venv/pyvenv.cfg",
            "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.1\n",
        ));
        let tree = tree(&entries);
        let venv = of(&tree, "/opt/venv/lib/python3.11/site-packages");
        assert_eq!(venv.describe(), "CPython 3.11.2 on x86_64 with glibc 2.36");
        assert!(venv.is_virtual && venv.is_installed);
        assert_eq!(venv.prefix.to_string(), "/opt/venv");
        assert_eq!(
            venv.headers("greenlet").unwrap().to_string(),
            "/opt/venv/include/site/python3.11/greenlet"
        );
        let local = of(&tree, "/usr/local/lib/python3.11/dist-packages");
        assert_eq!(local.prefix.to_string(), "/usr/local");
        assert_eq!(local.describe(), "CPython 3.11.2 on x86_64 with glibc 2.36");
        assert!(!local.is_virtual);
        let debian = of(&tree, "/usr/lib/python3/dist-packages");
        assert_eq!(debian.prefix.to_string(), "/usr");
        let path = |env: &Environment| -> Vec<String> {
            env.search_path(&tree).iter().map(ToString::to_string).collect()
        };
        assert_eq!(path(&venv), ["/opt/venv/lib/python3.11/site-packages"]);
        assert_eq!(
            path(&local),
            ["/usr/local/lib/python3.11/dist-packages", "/usr/lib/python3/dist-packages"]
        );
        let target = of(&tree, "/app/libs");
        assert_eq!(target.prefix.to_string(), "/app/libs");
        assert!(!target.is_installed);
        assert_eq!(target.describe(), "CPython 3.11.2 on x86_64 with glibc 2.36");
        let allows = |text: &str| venv.allows(&text.parse().unwrap());
        assert!(allows(">=3.8") && allows("!=3.11.1") && !allows(">=3.11.3") && !allows("<3.11"));
    }

    #[test]
    fn what_the_tree_does_not_say_is_not_known() {
        let tree =
            tree(&[("/opt/v/pyvenv.cfg", "home = /usr/bin\nversion_info = 3.9.1.final.0\n")]);
        let venv = of(&tree, "/opt/v/lib/python3.9/site-packages");
        assert_eq!(venv.describe(), "CPython 3.9.1 on x86_64 with an unknown C library");
        let other = of(&tree, "/srv/lib/python3.13t/site-packages");
        assert_eq!(other.describe(), "CPython 3.13t on x86_64 with an unknown C library");
        assert!(other.allows(&">=3.8".parse().unwrap()));
        assert!(!other.allows(&">=3.13.1".parse().unwrap()));
        let target = of(&tree, "/app");
        assert_eq!(target.version, None);
        assert!(target.tags().is_none());
        for (place, want) in [
            ("/usr/lib/python2.7/dist-packages", "its interpreter is Python 2"),
            ("/opt/lib/pypy3.10/site-packages", "its interpreter is PyPy"),
        ] {
            let error = Environment::of(&tree, &ImagePath::literal(place), "x86_64").unwrap_err();
            assert_eq!(error.to_string(), want);
        }
    }

    #[test]
    fn musl_is_told_from_glibc_by_the_interpreter() {
        let mut entries = DEBIAN.to_vec();
        entries.retain(|(path, _)| *path != "/usr/bin/python3.11");
        entries.push(("/usr/bin/python3.11", "elf \0/lib/ld-musl-x86_64.so.1\0 \x003.11.6\0"));
        entries.push((
            "/lib/ld-musl-x86_64.so.1",
            "elf\0musl libc (x86_64)\nVersion %s\0x\x001.2.4\0",
        ));
        let tree = tree(&entries);
        let env = of(&tree, "/usr/lib/python3.11/site-packages");
        assert_eq!(env.describe(), "CPython 3.11.6 on x86_64 with musl 1.2");
    }
}
