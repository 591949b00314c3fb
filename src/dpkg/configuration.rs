//! The image's dpkg configuration: `/etc/dpkg/dpkg.cfg.d/*` and `/etc/dpkg/dpkg.cfg`, and the
//! arguments that apt calls dpkg with (`DPkg::Options`).
//!
//! In come the texts of these files in dpkg's order; out come the options that change what an
//! upgrade writes: path filters and how conffile questions are answered. Syntax: `dpkg(1)`,
//! section Files, and dpkg's `lib/dpkg/options.c`. Arguments come after the files.

use super::apt_conf::AptConf;
use super::conffiles::{ConffileAnswer, ConffilePolicy};
use super::path_filter::{PathFilter, Rule};
use imgfix_model::path::ImagePath;
use imgfix_repository::config_text::plain;
use imgfix_vfs::{FileSystem, RootfsError};

/// What the configuration says.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// `path-exclude` and `path-include`, in the order read.
    pub filter: PathFilter,
    /// `force-conf*` and `refuse-conf*`.
    pub conffiles: ConffilePolicy,
}

impl Configuration {
    /// Reads the image's configuration; without files, dpkg's defaults.
    ///
    /// # Errors
    /// A configuration file that cannot be read.
    pub fn load(fs: &dyn FileSystem) -> Result<Self, RootfsError> {
        let mut configuration = Self::default();
        let folder = fs.resolve(&ImagePath::literal("/etc/dpkg/dpkg.cfg.d"))?;
        let mut files = fs.read_dir(&folder);
        files.retain(|path| is_fragment_name(path.file_name()));
        files.push(ImagePath::literal("/etc/dpkg/dpkg.cfg"));
        for file in files {
            if fs.stat(&file).is_some_and(imgfix_vfs::Entry::is_file) {
                configuration.add(&fs.read(&file)?);
            }
        }
        configuration.add_arguments(&AptConf::read(fs)?.members("DPkg::Options"));
        Ok(configuration)
    }

    /// Adds the options of a command line: `--force-confnew`, `--path-exclude=/x`, and
    /// `--path-exclude` with the next argument as its value.
    pub fn add_arguments(&mut self, arguments: &[&str]) {
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let Some(option) = argument.strip_prefix("--") else { continue };
            match option.split_once('=') {
                Some((option, value)) => self.set(option.as_bytes(), value.as_bytes()),
                None if ["path-exclude", "path-include"].contains(&option) => {
                    let value = arguments.next().map(|value| value.as_bytes());
                    self.set(option.as_bytes(), value.unwrap_or_default());
                }
                None => self.set(option.as_bytes(), b""),
            }
        }
    }

    /// Adds the options of one file.
    pub fn add(&mut self, text: &[u8]) {
        for line in plain(text).split(|&b| b == b'\n') {
            let line = line.trim_ascii_end();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let end = line
                .iter()
                .position(|b| !b.is_ascii_alphanumeric() && *b != b'-')
                .unwrap_or(line.len());
            let (option, value) = line.split_at(end);
            let value = value.get(1..).unwrap_or_default();
            let value = value.strip_prefix(b"=").unwrap_or(value).trim_ascii_start();
            self.set(option, without_quotes(value));
        }
    }

    fn set(&mut self, option: &[u8], value: &[u8]) {
        match option {
            b"path-exclude" => self.filter.push(Rule::Exclude, value),
            b"path-include" => self.filter.push(Rule::Include, value),
            _ => {
                for (word, force) in [
                    (&b"force"[..], Force::Set),
                    (b"no-force", Force::Unset),
                    (b"refuse", Force::Unset),
                ] {
                    match option.strip_prefix(word) {
                        Some(b"") => self.force(value, force),
                        Some([b'-', names @ ..]) => self.force(names, force),
                        _ => {}
                    }
                }
            }
        }
    }

    /// With both `confnew` and `confold` the new one wins, in whatever order they stand;
    /// without any, nobody can be asked, and the old one stays.
    fn force(&mut self, names: &[u8], force: Force) {
        let is_set = force == Force::Set;
        for name in names.split(|&b| b == b',') {
            let all = name == b"all";
            if all || name == b"confnew" {
                self.conffiles.answer =
                    if is_set { ConffileAnswer::InstallNew } else { ConffileAnswer::KeepOld };
            }
            if all || name == b"confdef" {
                self.conffiles.prefer_default = is_set;
            }
            if all || name == b"confmiss" {
                self.conffiles.restore_missing = is_set;
            }
            if all || name == b"confask" {
                self.conffiles.ask_always = is_set;
            }
        }
    }
}

/// Whether an option is given or taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Force {
    Set,
    Unset,
}

fn is_fragment_name(name: &[u8]) -> bool {
    name.iter().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(b))
}

fn without_quotes(value: &[u8]) -> &[u8] {
    for quote in [b'"', b'\''] {
        if let [first, inner @ .., last] = value
            && *first == quote
            && *last == quote
        {
            return inner;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_every_spelling() {
        let mut configuration = Configuration::default();
        configuration.add(
            b"# docker\npath-exclude /usr/share/doc/*\npath-exclude=\"/usr/share/man/*\"\n\
              path-include = /usr/share/doc/*/copyright\nforce-confnew\nforce-unsafe-io\n\
              force confdef,confmiss\nlog /var/log/dpkg.log\n",
        );
        assert!(configuration.filter.excludes(b"/usr/share/doc/a/b", false));
        assert!(configuration.filter.excludes(b"/usr/share/man/b", false));
        assert!(!configuration.filter.excludes(b"/usr/share/doc/a/copyright", false));
        assert_eq!(
            configuration.conffiles,
            ConffilePolicy {
                answer: ConffileAnswer::InstallNew,
                prefer_default: true,
                restore_missing: true,
                ask_always: false,
            }
        );
    }
    /// `answer`, `prefer_default`, `restore_missing`, `ask_always` after these arguments.
    #[test]
    fn arguments_of_apt_come_after_the_files() {
        use ConffileAnswer::{InstallNew, KeepOld};
        for (file, arguments, want) in [
            ("", "", (KeepOld, false, false, false)),
            ("", "--force-confnew", (InstallNew, false, false, false)),
            ("", "--force-confdef --force-confold", (KeepOld, true, false, false)),
            ("", "--force-confdef,confnew", (InstallNew, true, false, false)),
            ("", "--force=confmiss --force-confask", (KeepOld, false, true, true)),
            ("force-confnew\n", "--force-confold", (InstallNew, false, false, false)),
            ("force-confold\n", "--force-confnew", (InstallNew, false, false, false)),
            ("force-confnew\n", "--no-force-confnew", (KeepOld, false, false, false)),
            ("force-confmiss\n", "--refuse-confmiss,confdef", (KeepOld, false, false, false)),
            ("", "--force-all", (InstallNew, true, true, true)),
            ("", "force-confnew -D1 --forceconfnew", (KeepOld, false, false, false)),
        ] {
            let mut configuration = Configuration::default();
            configuration.add(file.as_bytes());
            let arguments: Vec<&str> = arguments.split_whitespace().collect();
            configuration.add_arguments(&arguments);
            let ConffilePolicy { answer, prefer_default, restore_missing, ask_always } =
                configuration.conffiles;
            let have = (answer, prefer_default, restore_missing, ask_always);
            assert_eq!(have, want, "{file} {arguments:?}");
        }
    }

    #[test]
    fn paths_are_left_out_by_arguments_too() {
        let mut configuration = Configuration::default();
        configuration.add_arguments(&["--path-exclude=/a/*", "--path-exclude", "/b/*"]);
        for (path, excluded) in [(&b"/a/x"[..], true), (b"/b/x", true), (b"/c/x", false)] {
            assert_eq!(configuration.filter.excludes(path, false), excluded);
        }
    }

    /// apt takes the members of the list; what the name itself is set to is none.
    #[test]
    fn apts_list_is_read_in_each_form_that_apt_knows() {
        use std::sync::Arc;

        use imgfix_vfs::{Entry, NoLayers, Tree};
        for (conf, want) in [
            ("DPkg::Options:: \"--force-confnew\";", ConffileAnswer::InstallNew),
            (
                "Dpkg::Options { \"--force-confdef\"; \"--force-confnew\"; };",
                ConffileAnswer::InstallNew,
            ),
            ("DPkg { Options:: \"--force-confnew\"; };", ConffileAnswer::InstallNew),
            ("DPkg::Options::x \"--force-confnew\";", ConffileAnswer::InstallNew),
            ("DPkg::Options \"--force-confnew\";", ConffileAnswer::KeepOld),
            ("DPkg::Options:: \"--force-confnew\"; #clear DPkg::Options;", ConffileAnswer::KeepOld),
        ] {
            let path = ImagePath::literal("/etc/apt/apt.conf.d/local");
            let file = Entry::file(conf.as_bytes().to_vec(), 0o644, 0);
            let tree = Tree::from_entries([(path, file)], Arc::new(NoLayers));
            let configuration = Configuration::load(&tree).unwrap();
            assert_eq!(configuration.conffiles.answer, want, "{conf}");
        }
    }
}
