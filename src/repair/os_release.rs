//! Which distribution an image is: `os-release(5)`, for all families.
//!
//! In comes the image's file system; out comes a [`Distribution`].

use imgfix_model::package::Distribution;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem, RootfsError};

/// The distribution from `os-release(5)`: `/etc/os-release`, or `/usr/lib/os-release`.
/// Unknown when there is neither.
///
/// # Errors
/// A file that is there and cannot be read.
pub fn read_distribution(fs: &dyn FileSystem) -> Result<Distribution, RootfsError> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        let path = ImagePath::literal(path);
        if fs.stat(&path).is_some_and(Entry::is_file) {
            return Ok(parse_os_release(&String::from_utf8_lossy(&fs.read(&path)?)));
        }
    }
    Ok(Distribution::default())
}

fn parse_os_release(text: &str) -> Distribution {
    let mut distribution = Distribution::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        let slot = match key.trim() {
            "ID" => &mut distribution.id,
            "VERSION_ID" => &mut distribution.version_id,
            "VERSION_CODENAME" => &mut distribution.codename,
            "PRETTY_NAME" => &mut distribution.pretty_name,
            _ => continue,
        };
        *slot = unquote(value.trim());
    }
    distribution
}

/// Shell quoting as os-release allows it: none, single, or double with backslashes.
fn unquote(value: &str) -> String {
    if let Some(inner) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return inner.to_owned();
    }
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let mut out = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        out.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{NoLayers, Tree};

    fn image(files: &[(&'static str, &'static str)]) -> Tree {
        let entry = |text: &str| Entry::file(text.as_bytes().to_vec(), 0o644, 0);
        let entries = files.iter().map(|(path, text)| (ImagePath::literal(path), entry(text)));
        Tree::from_entries(entries, Arc::new(NoLayers))
    }

    #[test]
    fn an_image_without_os_release_is_unknown() {
        assert_eq!(read_distribution(&image(&[])).unwrap(), Distribution::default());
    }

    #[test]
    fn all_ways_of_quoting_are_read_and_etc_comes_first() {
        let text = "# x\nID=wolfi\nPRETTY_NAME=\"Wol\\\"fi\"\nVERSION_ID='20230201'\nHOME_URL=\n";
        let tree = image(&[("/etc/os-release", text), ("/usr/lib/os-release", "ID=other\n")]);
        let distribution = read_distribution(&tree).unwrap();
        assert_eq!((&*distribution.id, &*distribution.version_id), ("wolfi", "20230201"));
        assert_eq!((&*distribution.pretty_name, &*distribution.codename), ("Wol\"fi", ""));
    }
}
