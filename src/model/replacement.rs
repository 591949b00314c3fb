//! [`Replacement`]: a rule of the user's that puts a file or a folder of an image in the place of
//! one that no package manager and no library's registry has.

use super::digest::Digest;
use super::path::ImagePath;
use super::platform::Platform;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// What is replaced.
    pub what: Replaced,
    /// The platform that it is for; `None`: every one.
    pub platform: Option<Platform>,
    /// Where the new content is: `https:`, `http:` or `file:`.
    pub url: String,
    /// SHA-256 of what is there.
    pub digest: Digest,
    /// How many leading folders of an archive's names are left out, when it is unpacked.
    pub strip: u32,
    /// The name of the one file of an archive that is wanted.
    pub member: Option<String>,
    /// Where the rule is written, for people: `imgfix.toml:12:1`.
    pub rule: String,
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// What is at this path: a file, or a folder with all that is below.
    Path(ImagePath),
    /// Every file with this SHA-256.
    Content(Digest),
}
