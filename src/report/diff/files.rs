//! File differences: a merge of the two trees' sorted paths.

use std::collections::BTreeMap;

use imgfix_secrets::Secrets;
use sha2::{Digest as _, Sha256};

use super::{Contents, DiffError, Mtime, Side};
use imgfix_model::digest::{DiffId, Digest};
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Content, Entry, Kind, LayerId};

/// Paths that differ, each list in byte order.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct FilesDiff {
    /// Paths that only the second image has.
    pub added: Vec<PathState>,
    /// Paths that only the first image has.
    pub removed: Vec<PathState>,
    /// Paths that both have, and that differ.
    pub changed: Vec<FileChange>,
}

impl FilesDiff {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// A path and what it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PathState {
    /// Where it is in the image.
    pub path: ImagePath,
    /// What it is, or was.
    #[serde(flatten)]
    pub state: FileState,
}

/// A path that is on both sides and differs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileChange {
    /// Where it is in the image.
    pub path: ImagePath,
    /// In what it differs; never empty.
    pub aspects: Vec<Aspect>,
    /// What it is in the first image.
    pub before: FileState,
    /// What it is in the second image.
    pub after: FileState,
}

/// In what a path can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// A file became a link, and the like.
    Kind,
    /// The bytes of a regular file.
    Content,
    /// Permission bits.
    Mode,
    /// setuid, setgid or sticky came or went: worth a look.
    SpecialBits,
    /// Number of user or group.
    Owner,
    /// Where a symbolic link leads.
    LinkTarget,
    /// Major or minor number of a device.
    Device,
    /// Extended attributes, file capabilities among them.
    Xattrs,
    /// The modification time; only when it was asked for ([`Mtime::Compared`]).
    Mtime,
}

/// What a path is, without its content.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileState {
    /// `file`, `directory`, `symlink`, `fifo`, `char-device`, `block-device`.
    pub kind: &'static str,
    /// Bytes; only regular files have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Four octal digits (`4755`).
    pub mode: String,
    /// Number of the owning user.
    pub uid: u32,
    /// Number of the owning group.
    pub gid: u32,
    /// A symbolic link's target; bytes that are not UTF-8 are replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `major:minor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Seconds since the epoch.
    pub mtime: i64,
    /// Names of extended attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<String>,
}

impl FileState {
    fn of(entry: &Entry) -> Self {
        let masked = |text: &str| Secrets::shipped().mask(text).into_owned();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (kind, target, device) = match &entry.kind {
            Kind::Directory => ("directory", None, None),
            Kind::File(_) => ("file", None, None),
            Kind::Symlink(target) => ("symlink", Some(masked(&lossy(target))), None),
            Kind::Fifo => ("fifo", None, None),
            Kind::CharDevice { major, minor } => {
                ("char-device", None, Some(format!("{major}:{minor}")))
            }
            Kind::BlockDevice { major, minor } => {
                ("block-device", None, Some(format!("{major}:{minor}")))
            }
        };
        Self {
            kind,
            size: entry.is_file().then(|| entry.size()),
            mode: format!("{:04o}", entry.mode & 0o7777),
            uid: entry.uid,
            gid: entry.gid,
            target,
            device,
            mtime: entry.mtime,
            xattrs: entry.xattrs.keys().map(|name| lossy(name)).collect(),
        }
    }

    /// The special bits by name; for links and directories only setuid and setgid mean harm,
    /// and a link has no mode of its own.
    #[must_use]
    pub fn special(&self) -> Vec<&'static str> {
        let mode = u32::from_str_radix(&self.mode, 8).unwrap_or_default();
        if self.kind == "symlink" {
            return Vec::new();
        }
        [(0o4000, "setuid"), (0o2000, "setgid"), (0o1000, "sticky")]
            .into_iter()
            .filter(|(bit, _)| mode & bit != 0)
            .map(|(_, name)| name)
            .collect()
    }
}

/// Compares the trees of two sides.
pub(super) fn diff_files(
    before: &Side<'_>,
    after: &Side<'_>,
    mtime: Mtime,
) -> Result<FilesDiff, DiffError> {
    let root = ImagePath::root();
    let mut diff = FilesDiff::default();
    let mut pairs: Vec<(ImagePath, Comparison)> = Vec::new();
    let mut old = before.tree.walk(&root).into_iter().peekable();
    let mut new = after.tree.walk(&root).into_iter().peekable();
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => break,
        };
        let state = |side: &Side<'_>, path: ImagePath| {
            side.tree.lstat(&path).map(FileState::of).map(|state| PathState { path, state })
        };
        match order {
            std::cmp::Ordering::Less => {
                diff.removed.extend(old.next().and_then(|path| state(before, path)));
            }
            std::cmp::Ordering::Greater => {
                diff.added.extend(new.next().and_then(|path| state(after, path)));
            }
            std::cmp::Ordering::Equal => {
                let path = old.next();
                new.next();
                let Some(path) = path else { break };
                if let Some((a, b)) = before.tree.lstat(&path).zip(after.tree.lstat(&path)) {
                    let compared = compare(a, before.layers, b, after.layers, mtime);
                    if compared.content == Sameness::Unknown || !compared.aspects.is_empty() {
                        pairs.push((path, compared));
                    }
                }
            }
        }
    }
    decide_by_reading(before, after, &mut pairs)?;
    for (path, compared) in pairs.into_iter().filter(|(_, compared)| !compared.aspects.is_empty()) {
        if let Some((a, b)) = before.tree.lstat(&path).zip(after.tree.lstat(&path)) {
            let (before, after) = (FileState::of(a), FileState::of(b));
            diff.changed.push(FileChange { path, aspects: compared.aspects, before, after });
        }
    }
    Ok(diff)
}

/// What metadata says of a pair.
struct Comparison {
    /// Sorted.
    aspects: Vec<Aspect>,
    content: Sameness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sameness {
    Same,
    Different,
    /// Only reading can tell.
    Unknown,
}

fn compare(
    a: &Entry,
    a_layers: &[DiffId],
    b: &Entry,
    b_layers: &[DiffId],
    mtime: Mtime,
) -> Comparison {
    let mut aspects = Vec::new();
    let mut note = |differs: bool, aspect: Aspect| {
        if differs {
            aspects.push(aspect);
        }
    };
    let mut content = Sameness::Same;
    match (&a.kind, &b.kind) {
        (Kind::File(old), Kind::File(new)) => {
            content = if old.size == new.size {
                same_content(&old.content, a_layers, &new.content, b_layers)
            } else {
                Sameness::Different
            };
            note(content == Sameness::Different, Aspect::Content);
        }
        (Kind::Symlink(old), Kind::Symlink(new)) => note(old != new, Aspect::LinkTarget),
        (Kind::CharDevice { .. }, Kind::CharDevice { .. })
        | (Kind::BlockDevice { .. }, Kind::BlockDevice { .. }) => {
            note(a.kind != b.kind, Aspect::Device);
        }
        (old, new) => {
            note(std::mem::discriminant(old) != std::mem::discriminant(new), Aspect::Kind);
        }
    }
    // A symbolic link's mode means nothing: tools write what they like.
    if !(a.is_symlink() && b.is_symlink()) {
        note(a.mode & 0o777 != b.mode & 0o777, Aspect::Mode);
        note(a.mode & 0o7000 != b.mode & 0o7000, Aspect::SpecialBits);
    }
    note((a.uid, a.gid) != (b.uid, b.gid), Aspect::Owner);
    note(a.xattrs != b.xattrs, Aspect::Xattrs);
    note(mtime == Mtime::Compared && a.mtime != b.mtime, Aspect::Mtime);
    aspects.sort();
    Comparison { aspects, content }
}

fn same_content(a: &Content, a_layers: &[DiffId], b: &Content, b_layers: &[DiffId]) -> Sameness {
    let layer = |layers: &[DiffId], layer: LayerId| match layer {
        LayerId::Original(number) => layers.get(usize::try_from(number).ok()?).copied(),
        LayerId::Patch => None,
    };
    match (a, b) {
        (Content::Inline(a), Content::Inline(b)) if a == b => Sameness::Same,
        (Content::Inline(_), Content::Inline(_)) => Sameness::Different,
        (
            Content::Layer { layer: a_layer, index: a_index },
            Content::Layer { layer: b_layer, index: b_index },
        ) if a_index == b_index
            && layer(a_layers, *a_layer).is_some()
            && layer(a_layers, *a_layer) == layer(b_layers, *b_layer) =>
        {
            Sameness::Same
        }
        (Content::Spool(a), Content::Spool(b)) if a == b => Sameness::Same,
        _ => Sameness::Unknown,
    }
}

/// Settles the pairs that metadata leaves open, by the content's digests.
fn decide_by_reading(
    before: &Side<'_>,
    after: &Side<'_>,
    pairs: &mut [(ImagePath, Comparison)],
) -> Result<(), DiffError> {
    let open: Vec<ImagePath> = pairs
        .iter()
        .filter(|(_, compared)| compared.content == Sameness::Unknown)
        .map(|(path, _)| path.clone())
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let old = digests(before.contents, &open)
        .map_err(|source| DiffError::Content { side: before.label.clone(), source })?;
    let new = digests(after.contents, &open)
        .map_err(|source| DiffError::Content { side: after.label.clone(), source })?;
    for (path, compared) in pairs {
        if compared.content != Sameness::Unknown {
            continue;
        }
        let missing =
            |side: &Side<'_>| DiffError::Missing { side: side.label.clone(), path: path.clone() };
        let a = old.get(path).ok_or_else(|| missing(before))?;
        let b = new.get(path).ok_or_else(|| missing(after))?;
        compared.content = if a == b { Sameness::Same } else { Sameness::Different };
        if a != b {
            compared.aspects.push(Aspect::Content);
            compared.aspects.sort();
        }
    }
    Ok(())
}

fn digests(
    contents: &dyn Contents,
    wanted: &[ImagePath],
) -> Result<BTreeMap<ImagePath, Digest>, imgfix_vfs::RootfsError> {
    let mut out = BTreeMap::new();
    let mut buffer = vec![0; 64 * 1024];
    contents.read_each(wanted, &mut |paths, content| {
        let mut hash = Sha256::new();
        loop {
            let got = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => got,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hash.update(buffer.get(..got).unwrap_or_default());
        }
        let digest = Digest::from_sha256(hash.finalize().into());
        out.extend(paths.iter().map(|path| (path.clone(), digest)));
        Ok(())
    })?;
    Ok(out)
}
