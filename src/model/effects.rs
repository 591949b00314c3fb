//! What an installation did besides the files of the packages, for any family: configuration
//! files that were kept, scripts that ran. The families make [`Effect`]s; reports tell them.

use super::path::ImagePath;

/// Something about a package that a person may want to know after an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Effect {
    /// `name:architecture`.
    pub package: String,
    #[serde(flatten)]
    pub kind: EffectKind,
}

/// The kinds of [`Effect`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EffectKind {
    /// `from` is `None` for a package that was not installed before.
    Installed { from: Option<String>, to: String },
    /// A conffile that was changed in the image stays; the package's is beside it.
    ConffileKept { path: ImagePath, shipped_as: ImagePath },
    /// A configuration file of the package replaces one that was changed in the image (the image's
    /// dpkg configuration says so); the former is beside it.
    ConffileReplaced { path: ImagePath, former_as: ImagePath },
    /// The new version does not ship the conffile; it stays, recorded as obsolete.
    ConffileObsolete { path: ImagePath },
    /// The new version wants a conffile gone that was changed in the image.
    ConffileSaved { path: ImagePath, saved_as: ImagePath },
    /// An obsolete file stays because `owner` has the same file under another name.
    SharedFileKept { path: ImagePath, owner: String },
    /// A maintainer script was run; `changed` is what it changed outside the package database.
    ScriptRan { script: String, arguments: Vec<String>, changed: Vec<ImagePath> },
    /// All files of the package are in another one now, and nothing needs it: it is gone.
    Disappeared { version: String, by: String },
    /// An obsolete directory stays because something is in it.
    DirectoryKept { path: ImagePath },
}
