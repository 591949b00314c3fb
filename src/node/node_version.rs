//! Which Node.js an image has: the headers beside it say so.

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem};

/// Where the headers are: of Node's own images and archives, and of distributions.
const HEADERS: [&str; 2] =
    ["/usr/local/include/node/node_version.h", "/usr/include/node/node_version.h"];

/// The largest such file, in bytes.
const MAX: u64 = 1 << 16;

/// `20.11.0`; `None`: it is not known.
#[must_use]
pub fn of(fs: &dyn FileSystem) -> Option<String> {
    HEADERS.iter().find_map(|path| {
        let path = ImagePath::new(path).ok()?;
        let is_small = fs.stat(&path).map(Entry::size).is_some_and(|size| size <= MAX);
        let bytes = is_small.then(|| fs.read(&path).ok())??;
        let text = std::str::from_utf8(&bytes).ok()?;
        let number = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("#define NODE_{name}_VERSION ")))?;
            line.trim().parse::<u32>().ok()
        };
        Some(format!("{}.{}.{}", number("MAJOR")?, number("MINOR")?, number("PATCH")?))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{NoLayers, Tree};

    #[test]
    fn headers_say_the_version() {
        let text = "#ifndef X\n#define NODE_MAJOR_VERSION 20\n#define NODE_MINOR_VERSION 11\n\
                    #define NODE_PATCH_VERSION 1\n";
        let tree = |text: &str| {
            let path = ImagePath::literal("/usr/include/node/node_version.h");
            Tree::from_entries([(path, Entry::file(text.to_owned(), 0o644, 0))], Arc::new(NoLayers))
        };
        assert_eq!(of(&tree(text)).as_deref(), Some("20.11.1"));
        assert_eq!(of(&tree("#define NODE_MAJOR_VERSION x")), None);
    }
}
