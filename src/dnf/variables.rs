//! Variables of `.repo` files: `$releasever`, `$basearch`, and what the image's folders of
//! variables add.
//!
//! In come the image's files, its architecture and release; out come [`Variables`], which
//! replace `$name` and `${name}` in texts. Source: dnf.conf(5) "VARIABLES", yum.conf(5).

use std::collections::BTreeMap;

use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem, RootfsError};

/// Folders in which a file is a variable: its name, and its first line. Later ones win.
const FOLDERS: [&str; 5] = [
    "/usr/share/dnf5/vars.d",
    "/etc/yum/vars",
    "/etc/tdnf/vars",
    "/etc/zypp/vars.d",
    "/etc/dnf/vars",
];

/// The longest text after variables are replaced, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// The most variables that an image may have.
const MAX_VARIABLES: usize = 1000;

/// Names with what they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

/// A text that grows beyond any real one when its variables are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is longer than any real one once its variables are replaced")]
pub struct TooLong;

impl Variables {
    /// Those of an image. `architecture` is rpm's name of its machine (`x86_64`), `release` what
    /// `$releasever` stands for; a file of the image that names one of them wins.
    ///
    /// # Errors
    /// A file cannot be read from its layer.
    pub fn read(
        fs: &dyn FileSystem,
        architecture: &str,
        release: &str,
    ) -> Result<Self, RootfsError> {
        let mut all = BTreeMap::from([
            ("arch".to_owned(), architecture.to_owned()),
            ("basearch".to_owned(), base_architecture(architecture).to_owned()),
        ]);
        if !release.is_empty() {
            all.insert("releasever".to_owned(), release.to_owned());
        }
        for folder in FOLDERS {
            let Ok(folder) = fs.resolve(&ImagePath::literal(folder)) else { continue };
            for path in fs.read_dir(&folder).into_iter().take(MAX_VARIABLES) {
                let Ok(name) = std::str::from_utf8(path.file_name()) else { continue };
                let good = name.bytes().all(is_of_name) && !name.is_empty();
                if !good || !fs.stat(&path).is_some_and(|entry| entry.is_file()) {
                    continue;
                }
                let Some(text) = fs.read_if_readable(&path)? else { continue };
                let text = String::from_utf8_lossy(&text);
                let value = text.lines().next().unwrap_or_default().trim();
                all.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(match all.get("releasever").cloned() {
            Some(release) => Self(all).with_release(&release),
            None => Self(all),
        })
    }

    /// The same for another release.
    #[must_use]
    pub fn with_release(mut self, release: &str) -> Self {
        let (major, minor) = release.split_once('.').unwrap_or((release, ""));
        for (name, value) in
            [("releasever", release), ("releasever_major", major), ("releasever_minor", minor)]
        {
            self.0.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// What a variable stands for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Replaces `$name`, `${name}`, and dnf's `${name:-word}` and `${name:+word}`. What is not
    /// known stays as it is. Of `$releasever_x` with no such variable, `$releasever` is replaced,
    /// as tdnf does.
    ///
    /// # Errors
    /// The text gets longer than any real one.
    pub fn replace(&self, text: &str) -> Result<String, TooLong> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let (value, next) = match after.strip_prefix('{') {
                Some(inner) => self.braced(inner),
                None => self.plain(after),
            }
            .unwrap_or(("$", after));
            out.push_str(value);
            rest = next;
            if out.len() > MAX_TEXT {
                return Err(TooLong);
            }
        }
        out.push_str(rest);
        if out.len() > MAX_TEXT { Err(TooLong) } else { Ok(out) }
    }

    /// The value of the longest variable that a text begins with, and what is behind it.
    fn plain<'a>(&'a self, text: &'a str) -> Option<(&'a str, &'a str)> {
        let end = text.bytes().position(|b| !is_of_name(b)).unwrap_or(text.len());
        (1..=end).rev().find_map(|end| {
            let (name, rest) = text.split_at_checked(end)?;
            Some((self.get(name)?, rest))
        })
    }

    /// The same for what is behind `${`.
    fn braced<'a>(&'a self, text: &'a str) -> Option<(&'a str, &'a str)> {
        let (inner, rest) = text.split_once('}')?;
        let end = inner.bytes().position(|b| !is_of_name(b)).unwrap_or(inner.len());
        let (name, word) = inner.split_at_checked(end)?;
        let known = self.get(name).filter(|value| !value.is_empty());
        let value = match (word.get(..2), word.get(2..)) {
            (Some(":-"), Some(word)) => known.unwrap_or(word),
            (Some(":+"), Some(word)) => known.map_or("", |_| word),
            _ if word.is_empty() => self.get(name)?,
            _ => return None,
        };
        Some((value, rest))
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// `$basearch` of a machine: the name that repositories use for its whole line.
#[must_use]
pub fn base_architecture(architecture: &str) -> &str {
    match architecture {
        "i386" | "i486" | "i586" | "i686" | "athlon" | "geode" | "pentium3" | "pentium4" => "i386",
        "x86_64" | "x86_64_v2" | "x86_64_v3" | "x86_64_v4" | "amd64" | "ia32e" => "x86_64",
        "aarch64" | "arm64" => "aarch64",
        "armv7hl" | "armv7hnl" | "armv8hl" => "armhfp",
        "armv5tel" | "armv5tejl" | "armv6l" | "armv7l" | "armv8l" => "arm",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    fn variables(files: &[(&'static str, &str)]) -> Variables {
        let files = files.iter().map(|(path, text)| {
            (ImagePath::literal(path), Entry::file(text.as_bytes().to_vec(), 0o644, 0))
        });
        let tree = Tree::from_entries(files, Arc::new(NoLayers));
        Variables::read(&tree, "x86_64", "9.4").unwrap()
    }

    #[test]
    fn variables_are_replaced_as_dnf_and_tdnf_do_it() {
        let variables = variables(&[
            ("/etc/dnf/vars/stream", "9-stream\nmore\n"),
            ("/etc/yum/vars/stream", "older\n"),
            ("/etc/yum/vars/awsregion", "eu-1"),
            ("/etc/dnf/vars/no-name", "x"),
            ("/etc/dnf/vars/empty", ""),
        ]);
        for (text, want) in [
            ("https://x/$releasever/$basearch/", "https://x/9.4/x86_64/"),
            ("$releasever_major-$releasever_minor-${releasever}x", "9-4-9.4x"),
            ("photon_$releasever_$basearch", "photon_9.4_x86_64"),
            ("$stream.$awsregion.$arch", "9-stream.eu-1.x86_64"),
            ("$unknown ${unknown} $ ${ $", "$unknown ${unknown} $ ${ $"),
            ("${unknown:-word}${empty:-e}${stream:+yes}${empty:+no}", "wordeyes"),
            ("${stream:?}", "${stream:?}"),
            ("$no-name", "$no-name"),
        ] {
            assert_eq!(variables.replace(text).unwrap(), want, "{text}");
        }
        assert_eq!(variables.replace(&"$stream".repeat(9000)), Err(TooLong));
    }

    #[test]
    fn a_file_decides_the_release() {
        let locked = variables(&[("/etc/dnf/vars/releasever", "2023.5.20240903\n")]);
        assert_eq!(locked.get("releasever"), Some("2023.5.20240903"));
        assert_eq!(locked.get("releasever_major"), Some("2023"));
        let freed = locked.with_release("2023.9.1");
        assert_eq!(freed.replace("$releasever-$releasever_minor").unwrap(), "2023.9.1-9.1");
    }
}
