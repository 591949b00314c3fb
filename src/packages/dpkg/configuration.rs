//! The image's dpkg configuration: `/etc/dpkg/dpkg.cfg.d/*` and `/etc/dpkg/dpkg.cfg`.
//!
//! In come the texts of these files in dpkg's order; out come the options that change what an
//! upgrade writes: path filters and how conffile questions are answered. Syntax: `dpkg(1)`,
//! section Files, and dpkg's `lib/dpkg/options.c`.

use super::conffiles::{ConffileAnswer, ConffilePolicy};
use super::path_filter::{PathFilter, Rule};
use crate::rootfs::{FileSystem, ImagePath, RootfsError};

/// What the configuration says.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    pub filter: PathFilter,
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
            if fs.stat(&file).is_some_and(crate::rootfs::Entry::is_file) {
                configuration.add(&fs.read(&file)?);
            }
        }
        Ok(configuration)
    }

    /// Adds the options of one file.
    pub fn add(&mut self, text: &[u8]) {
        for line in text.split(|&b| b == b'\n') {
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
            b"force" => self.force(value),
            _ => {
                if let Some(names) = option.strip_prefix(b"force-") {
                    self.force(names);
                }
            }
        }
    }

    fn force(&mut self, names: &[u8]) {
        for name in names.split(|&b| b == b',') {
            match name {
                b"confold" => self.conffiles.answer = ConffileAnswer::KeepOld,
                b"confnew" => self.conffiles.answer = ConffileAnswer::InstallNew,
                b"confdef" => self.conffiles.prefer_default = true,
                b"confmiss" => self.conffiles.restore_missing = true,
                b"confask" => self.conffiles.ask_always = true,
                _ => {}
            }
        }
    }
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
}
