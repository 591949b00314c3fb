//! What an installation did besides the files of the packages, for any family: configuration
//! files that were kept, scripts that ran. The families make [`Effect`]s; reports tell them.

use super::path::ImagePath;

/// Something about a package that a person may want to know after an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Effect {
    /// `name:architecture`.
    pub package: String,
    /// What happened to the package, with what belongs to it.
    #[serde(flatten)]
    pub kind: EffectKind,
}

/// The kinds of [`Effect`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EffectKind {
    /// `from` is `None` for a package that was not installed before.
    Installed {
        /// The version before.
        from: Option<String>,
        /// The version that was installed.
        to: String,
    },
    /// A conffile that was changed in the image stays; the package's is beside it.
    ConffileKept {
        /// The conffile, as it was in the image.
        path: ImagePath,
        /// Where the package's own is: `.dpkg-dist` behind the name, or apk's `.apk-new`.
        shipped_as: ImagePath,
    },
    /// A configuration file of the package replaces one that was changed in the image (the image's
    /// dpkg configuration says so); the former is beside it.
    ConffileReplaced {
        /// The conffile, with the package's content now.
        path: ImagePath,
        /// Where the image's own is: `.dpkg-old` behind the name.
        former_as: ImagePath,
    },
    /// The new version does not ship the conffile; it stays, recorded as obsolete.
    ConffileObsolete {
        /// The conffile that stays.
        path: ImagePath,
    },
    /// The new version wants a conffile gone that was changed in the image.
    ConffileSaved {
        /// Where the conffile was.
        path: ImagePath,
        /// Where it is now: `.dpkg-old` behind the name.
        saved_as: ImagePath,
    },
    /// An obsolete file stays because `owner` has the same file under another name.
    SharedFileKept {
        /// The name by which the package had the file.
        path: ImagePath,
        /// The package that has the same file: `name:architecture`.
        owner: String,
    },
    /// A maintainer script was run; `changed` is what it changed outside the package database.
    ScriptRan {
        /// Which of the package's scripts: `postinst`, `.post-upgrade`.
        script: String,
        /// What it was called with, as by the package manager.
        arguments: Vec<String>,
        /// Paths that it made, changed or removed.
        changed: Vec<ImagePath>,
    },
    /// A script failed, and the package manager goes on after that.
    ScriptFailed {
        /// Which of the package's scripts: `post`.
        script: String,
        /// What it was called with, as by the package manager.
        arguments: Vec<String>,
        /// What happened, for people.
        detail: String,
    },
    /// All files of the package are in another one now, and nothing needs it: it is gone.
    Disappeared {
        /// The version that was installed.
        version: String,
        /// The package that took over its files: `name:architecture`.
        by: String,
    },
    /// An obsolete directory stays because something is in it.
    DirectoryKept {
        /// The directory that stays.
        path: ImagePath,
    },
}
