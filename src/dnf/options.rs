//! What the image's package manager is told to do: which program it is, and the settings that
//! decide which versions it takes and what it installs of them.
//!
//! In come the image's files; out come [`Options`]. Source: dnf.conf(5), yum.conf(5),
//! tdnf.conf(5), and zypp.conf of libzypp. What is not set has the program's own default.

use std::collections::BTreeSet;

use super::ini::{self, IniError, Section};
use super::installed::InstalledPackage;
use super::spec::Spec;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem, RootfsError};

/// Which program chooses and installs packages in the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tool {
    /// dnf of any version, and microdnf: also where none is there.
    #[default]
    Dnf,
    /// yum 3.
    Yum,
    /// Photon's and Azure's tdnf.
    Tdnf,
    /// SUSE's.
    Zypper,
}

/// Whether a program is there: the first that is decides.
const PROGRAMS: [(&str, Tool); 10] = [
    ("/usr/bin/zypper", Tool::Zypper),
    ("/usr/bin/tdnf", Tool::Tdnf),
    ("/usr/bin/dnf5", Tool::Dnf),
    ("/usr/bin/dnf-3", Tool::Dnf),
    ("/usr/bin/dnf", Tool::Dnf),
    ("/usr/bin/microdnf", Tool::Dnf),
    ("/etc/dnf/dnf.conf", Tool::Dnf),
    ("/usr/bin/yum", Tool::Yum),
    ("/etc/zypp/repos.d", Tool::Zypper),
    // no program at all: what makes such images
    ("/var/lib/rpmmanifest/container-manifest-2", Tool::Tdnf),
];

/// Kernels and what goes with them: several versions stay beside each other.
const INSTALL_ONLY: [&str; 6] = [
    "kernel",
    "kernel-PAE",
    "installonlypkg(kernel)",
    "installonlypkg(kernel-module)",
    "installonlypkg(vm)",
    "multiversion(kernel)",
];

/// Settings of the image's package manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whose settings they are.
    pub tool: Tool,
    /// Folders of `.repo` files.
    pub repository_folders: Vec<String>,
    /// Whether what is recommended comes along.
    pub weak_dependencies: bool,
    /// Whether the newest version or none is taken.
    pub best: bool,
    /// Whether `Obsoletes` of offered packages count.
    pub obsoletes: bool,
    /// Whether repositories that do not say it themselves may be unreachable.
    pub skip_if_unavailable: bool,
    /// `tsflags=nodocs`, or zypp's `rpm.install.excludedocs`: documentation is not unpacked.
    pub without_documents: bool,
    /// Other `tsflags` than that one, which imgfix does not follow, and says so: without scripts
    /// or triggers an upgrade would be half done.
    pub unfollowed_flags: Vec<String>,
    /// Names and capabilities of which several versions may be installed.
    pub install_only: Vec<String>,
    /// Packages that must not be removed.
    pub protected: Vec<Spec>,
    /// What no repository offers.
    pub excluded: Vec<Spec>,
    /// When there are any, all that repositories offer.
    pub included: Vec<Spec>,
    /// Whether a package may come from another vendor than the installed one.
    pub vendor_change: bool,
    /// Vendors that are taken for one: each by how it begins, in small letters.
    pub same_vendors: Vec<Vec<String>>,
    /// `platform:el9`, when it is said in the configuration.
    pub platform: Option<String>,
    /// Through which proxy repositories are reached from the image; imgfix uses its own
    /// machine's, and says so.
    pub proxy: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self::of(Tool::Dnf)
    }
}

/// Why settings cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// The program itself would refuse the file.
    #[error("{file}, {source}")]
    Syntax {
        /// The file of the image.
        file: String,
        /// Where, and what is wrong.
        source: IniError,
    },
    /// A file cannot be read from its layer.
    #[error(transparent)]
    Image(#[from] RootfsError),
}

impl Options {
    /// A program's defaults.
    #[must_use]
    pub fn of(tool: Tool) -> Self {
        let folders: &[&str] = match tool {
            Tool::Zypper => &["/etc/zypp/repos.d"],
            _ => &["/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d"],
        };
        Self {
            tool,
            repository_folders: folders.iter().map(|folder| (*folder).to_owned()).collect(),
            weak_dependencies: matches!(tool, Tool::Dnf | Tool::Zypper),
            best: false,
            obsoletes: true,
            skip_if_unavailable: false,
            without_documents: false,
            unfollowed_flags: Vec::new(),
            install_only: INSTALL_ONLY.iter().map(|name| (*name).to_owned()).collect(),
            protected: Vec::new(),
            excluded: Vec::new(),
            included: Vec::new(),
            vendor_change: tool != Tool::Zypper,
            same_vendors: Vec::new(),
            platform: None,
            proxy: None,
        }
    }

    /// Whether every installed version of a package stays.
    #[must_use]
    pub fn keeps_all(&self, package: &InstalledPackage) -> bool {
        self.install_only.iter().any(|name| {
            package.name == *name || package.provides.iter().any(|one| one.name == *name)
        })
    }

    /// Whether two vendors are one.
    #[must_use]
    pub fn is_same_vendor(&self, a: &str, b: &str) -> bool {
        let (a, b) = (a.to_lowercase(), b.to_lowercase());
        let begins = |names: &[String], vendor: &str| {
            names.iter().any(|name| vendor.starts_with(name.as_str()))
        };
        a == b || self.same_vendors.iter().any(|names| begins(names, &a) && begins(names, &b))
    }

    /// Reads what the image says.
    ///
    /// # Errors
    /// A file that the program itself refuses, or that cannot be read from its layer.
    pub fn read(fs: &dyn FileSystem) -> Result<Self, OptionsError> {
        let mut options = Self::of(tool(fs));
        let file = match options.tool {
            Tool::Zypper => "/etc/zypp/zypp.conf",
            Tool::Tdnf => "/etc/tdnf/tdnf.conf",
            Tool::Yum => "/etc/yum.conf",
            Tool::Dnf => "/etc/dnf/dnf.conf",
        };
        let mut protected: Vec<String> = match options.tool {
            Tool::Zypper => Vec::new(),
            _ => ["dnf", "glob:/etc/yum/protected.d/*.conf", "glob:/etc/dnf/protected.d/*.conf"]
                .map(str::to_owned)
                .to_vec(),
        };
        for section in sections(fs, file)?.iter().filter(|section| section.name == "main") {
            match options.tool {
                Tool::Zypper => options.zypp(section),
                _ => options.main(section),
            }
            if let Some(own) = section.list("protected_packages") {
                protected = own.into_iter().map(str::to_owned).collect();
            }
        }
        options.protected = protected_packages(fs, &protected)?;
        if options.tool == Tool::Zypper {
            options.same_vendors = same_vendors(fs)?;
        }
        Ok(options)
    }

    /// `[main]` of dnf, yum and tdnf.
    fn main(&mut self, section: &Section) {
        let set = |slot: &mut bool, key: &str| {
            if let Some(value) = section.truth(key) {
                *slot = value;
            }
        };
        set(&mut self.best, "best");
        set(&mut self.obsoletes, "obsoletes");
        set(&mut self.skip_if_unavailable, "skip_if_unavailable");
        if self.tool == Tool::Dnf {
            set(&mut self.weak_dependencies, "install_weak_deps");
        }
        let flags = section.list("tsflags").unwrap_or_default();
        self.without_documents |= flags.contains(&"nodocs");
        let others = flags.into_iter().filter(|flag| *flag != "nodocs");
        self.unfollowed_flags.extend(others.map(str::to_owned));
        for key in ["exclude", "excludepkgs"] {
            self.excluded.extend(specs(section.list(key)));
        }
        self.included.extend(specs(section.list("includepkgs")));
        if let Some(names) = section.list("installonlypkgs") {
            // dnf adds to its own list
            self.install_only.extend(names.into_iter().map(str::to_owned));
        }
        for (key, slot) in [("module_platform_id", &mut self.platform), ("proxy", &mut self.proxy)]
        {
            *slot = section.get(key).filter(|value| !value.is_empty()).map(str::to_owned);
        }
        // tdnf has `repodir`, the others a list
        for key in ["reposdir", "repodir"] {
            if let Some(folders) = section.list(key).filter(|folders| !folders.is_empty()) {
                self.repository_folders = folders.into_iter().map(str::to_owned).collect();
            }
        }
    }

    /// `[main]` of zypp.conf.
    fn zypp(&mut self, section: &Section) {
        if let Some(only) = section.truth("solver.onlyRequires") {
            self.weak_dependencies = !only;
        }
        if let Some(allowed) = section.truth("solver.allowVendorChange") {
            self.vendor_change = allowed;
        }
        if let Some(without) = section.truth("rpm.install.excludedocs") {
            self.without_documents = without;
        }
        if let Some(names) = section.list("multiversion") {
            let name = |name: &&str| name.trim_start_matches("provides:").to_owned();
            self.install_only = names.iter().map(name).collect();
        }
        if let Some(folder) = section.get("reposdir") {
            self.repository_folders = vec![folder.to_owned()];
        }
    }
}

/// `vendors = A,B` in the files of libzypp's `vendors.d`.
fn same_vendors(fs: &dyn FileSystem) -> Result<Vec<Vec<String>>, OptionsError> {
    let Ok(folder) = fs.resolve(&at("/etc/zypp/vendors.d")) else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for path in fs.read_dir(&folder) {
        let Some(text) = fs.read_if_readable(&path)? else { continue };
        // libzypp passes over what it cannot read
        let sections = ini::parse(&text).unwrap_or_default();
        for section in sections.iter().filter(|section| section.name == "main") {
            let names = section.get("vendors").unwrap_or_default().split(',');
            let names = names.map(|name| name.trim().to_lowercase());
            all.push(names.filter(|name| !name.is_empty()).collect());
        }
    }
    Ok(all)
}

/// The program of the image.
fn tool(fs: &dyn FileSystem) -> Tool {
    let there = |path: &str| fs.stat(&at(path)).is_some();
    PROGRAMS.iter().find(|(path, _)| there(path)).map_or(Tool::Dnf, |(_, tool)| *tool)
}

/// A path of the image's own configuration; the root for what cannot be one.
pub(crate) fn at(path: &str) -> ImagePath {
    ImagePath::new(path).unwrap_or_else(|_| ImagePath::root())
}

/// The sections of a file; none when it is not there.
pub(crate) fn sections(fs: &dyn FileSystem, file: &str) -> Result<Vec<Section>, OptionsError> {
    let path = at(file);
    let Some(text) = fs.read_if_readable(&path)? else { return Ok(Vec::new()) };
    ini::parse(&text).map_err(|source| OptionsError::Syntax { file: file.to_owned(), source })
}

/// The patterns of a list that is there.
pub(crate) fn specs(list: Option<Vec<&str>>) -> Vec<Spec> {
    list.into_iter().flatten().filter_map(Spec::new).collect()
}

/// Names, and those in the files that `glob:FOLDER/*.conf` names: one a line.
fn protected_packages(fs: &dyn FileSystem, list: &[String]) -> Result<Vec<Spec>, RootfsError> {
    let mut all = BTreeSet::new();
    for word in list {
        let Some(pattern) = word.strip_prefix("glob:") else {
            all.extend(Spec::new(word));
            continue;
        };
        let Some((folder, pattern)) = pattern.rsplit_once('/') else { continue };
        let Ok(folder) = ImagePath::new(folder) else { continue };
        let Ok(folder) = fs.resolve(&folder) else { continue };
        for path in fs.read_dir(&folder) {
            if !imgfix_shell::fnmatch::matches(pattern.as_bytes(), path.file_name()) {
                continue;
            }
            let Some(text) = fs.read_if_readable(&path)? else { continue };
            let text = String::from_utf8_lossy(&text);
            let lines = text.lines().map(str::trim);
            all.extend(lines.filter(|line| !line.starts_with('#')).filter_map(Spec::new));
        }
    }
    Ok(all.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    fn options(files: &[(&'static str, &str)]) -> Result<Options, OptionsError> {
        let files = files.iter().map(|(path, text)| {
            (ImagePath::literal(path), Entry::file(text.as_bytes().to_vec(), 0o644, 0))
        });
        Options::read(&Tree::from_entries(files, Arc::new(NoLayers)))
    }

    fn texts(specs: &[Spec]) -> Vec<&str> {
        specs.iter().map(|spec| spec.text.as_str()).collect()
    }

    #[test]
    fn dnf_is_told_by_its_main_section() {
        let got = options(&[
            (
                "/etc/dnf/dnf.conf",
                "[main]\ngpgcheck=1\ninstallonly_limit=3\nbest=True\nskip_if_unavailable=False\n\
                 install_weak_deps=0\ntsflags=nodocs,notriggers\nexclude=a*, b\nexcludepkgs=c\n\
                 installonlypkgs=mine\nproxy=http://p/\nmodule_platform_id=platform:el9\n",
            ),
            ("/etc/dnf/protected.d/dnf.conf", "# x\ndnf\nsetup\n"),
            ("/etc/yum/protected.d/sudo.conf", "sudo\n"),
            ("/etc/yum/protected.d/sudo.conf.rpmsave", "no\n"),
        ])
        .unwrap();
        assert_eq!(got.tool, Tool::Dnf);
        assert!(got.best && !got.weak_dependencies && got.without_documents && got.vendor_change);
        assert_eq!(got.unfollowed_flags, ["notriggers"]);
        assert_eq!(texts(&got.excluded), ["a*", "b", "c"]);
        assert_eq!(texts(&got.protected), ["dnf", "setup", "sudo"]);
        assert_eq!(got.install_only.last().map(String::as_str), Some("mine"));
        assert_eq!(got.platform.as_deref(), Some("platform:el9"));
        assert_eq!(got.proxy.as_deref(), Some("http://p/"));
        let bare = options(&[]).unwrap();
        assert_eq!(Options { protected: Vec::new(), ..bare }, Options::default());
        let broken = options(&[("/etc/dnf/dnf.conf", "nonsense\n")]).unwrap_err();
        assert!(broken.to_string().starts_with("/etc/dnf/dnf.conf, line 1: "), "{broken}");
    }

    #[test]
    fn the_program_that_is_there_decides() {
        for (program, want) in [
            ("/usr/bin/zypper", Tool::Zypper),
            ("/usr/bin/tdnf", Tool::Tdnf),
            ("/usr/bin/microdnf", Tool::Dnf),
            ("/usr/bin/yum", Tool::Yum),
            ("/etc/zypp/repos.d/x.repo", Tool::Zypper),
            ("/var/lib/rpmmanifest/container-manifest-2", Tool::Tdnf),
        ] {
            assert_eq!(options(&[(program, "")]).unwrap().tool, want, "{program}");
        }
        // dnf's own yum
        let both = options(&[("/usr/bin/yum", ""), ("/usr/bin/dnf-3", "")]).unwrap();
        assert_eq!(both.tool, Tool::Dnf);
    }

    #[test]
    fn zypper_keeps_to_vendors() {
        let conf = "[main]\nsolver.onlyRequires = true\nrpm.install.excludedocs = yes\n\
                    multiversion = provides:multiversion(kernel)\n";
        let got = options(&[("/usr/bin/zypper", ""), ("/etc/zypp/zypp.conf", conf)]).unwrap();
        assert!(!got.vendor_change && !got.weak_dependencies && got.without_documents);
        assert_eq!(got.install_only, ["multiversion(kernel)"]);
        assert!(got.protected.is_empty());
    }
}
