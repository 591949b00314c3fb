//! Whiteouts: names in a layer that stand for something missing, as the OCI image layer
//! specification defines them
//! (<https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts>).

use imgfix_model::path::ImagePath;

/// Before the name of a file that is gone.
pub const PREFIX: &[u8] = b".wh.";

/// The name that says: nothing of the lower layers is left in this directory.
pub const OPAQUE: &[u8] = b".wh..wh..opq";

/// What else starts with this is AUFS's own bookkeeping (`.wh..wh.plnk`), no content.
const AUFS: &[u8] = b".wh..wh.";

/// What the name of a layer entry means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// An entry.
    Plain,
    /// The path it hides in the lower layers.
    Whiteout(ImagePath),
    /// The directory whose content it hides in the lower layers.
    Opaque(ImagePath),
    /// Bookkeeping to be skipped.
    Ignored,
}

/// Why a name with the whiteout prefix means nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadWhiteout;

/// Whether no layer could hold an entry of this name, since readers take it for a whiteout.
#[must_use]
pub fn is_reserved(path: &ImagePath) -> bool {
    path.components().any(|name| name.starts_with(PREFIX))
}

pub(super) fn classify(path: &ImagePath) -> Result<Name, BadWhiteout> {
    if !is_reserved(path) {
        return Ok(Name::Plain);
    }
    let dir = path.parent().unwrap_or_else(ImagePath::root);
    let name = path.file_name();
    if path.components().any(|name| name.starts_with(AUFS) && name != OPAQUE) {
        return Ok(Name::Ignored);
    }
    if is_reserved(&dir) {
        return Err(BadWhiteout);
    }
    if name == OPAQUE {
        return Ok(Name::Opaque(dir));
    }
    match name.strip_prefix(PREFIX) {
        None | Some(b"" | b"." | b"..") => Err(BadWhiteout),
        Some(hidden) => dir.join(hidden).map(Name::Whiteout).map_err(|_| BadWhiteout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_what_the_specification_says() {
        let path = ImagePath::literal;
        for (name, want) in [
            ("/etc/passwd", Ok(Name::Plain)),
            ("/etc/a.wh.b", Ok(Name::Plain)),
            ("/etc/.wh.passwd", Ok(Name::Whiteout(path("/etc/passwd")))),
            ("/.wh.etc", Ok(Name::Whiteout(path("/etc")))),
            ("/etc/.wh..wh..opq", Ok(Name::Opaque(path("/etc")))),
            ("/.wh..wh..opq", Ok(Name::Opaque(path("/")))),
            ("/.wh..wh.plnk/123.456", Ok(Name::Ignored)),
            ("/.wh..wh.aufs", Ok(Name::Ignored)),
            ("/a/.wh..hidden", Ok(Name::Whiteout(path("/a/.hidden")))),
            // "." and ".." would hide the directory itself or its parent.
            ("/a/.wh..", Err(BadWhiteout)),
            ("/a/.wh...", Err(BadWhiteout)),
            ("/a/.wh.", Err(BadWhiteout)),
            ("/a/.wh.b/c", Err(BadWhiteout)),
        ] {
            assert_eq!(classify(&path(name)), want, "{name}");
        }
    }
}
