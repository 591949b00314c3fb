//! Blobs of a layout that lie elsewhere. Build tools (Bazel, Nix) make layouts of links into a
//! store, and people link `blobs` to one that layouts share.
//!
//! A layout may come from a stranger, and a link in it can lead to any file of this machine. So
//! what a link leads to may be read only when it is what the link's name says: the content has
//! the digest, or the folder holds nothing but blobs.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use imgfix_model::digest::Digest;

/// More links than this are not looked at.
const MAX_LINKS: usize = 10_000;
/// Links to more than this together are not looked at, in bytes: as much as the largest image.
const MAX_BYTES: u64 = 32 << 30;

/// What links of a layout lead to, outside of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Files that are read.
    pub files: Vec<PathBuf>,
    /// The folder of the blobs, which is read, and written with the layout.
    pub folder: Option<PathBuf>,
}

/// Follows the links of the layout in `layout`, as far as they lead to what they say.
#[must_use]
pub fn elsewhere(layout: &Path) -> Elsewhere {
    let mut found = Elsewhere::default();
    let Ok(home) = layout.canonicalize() else { return found };
    let outside = |path: &Path| path.canonicalize().ok().filter(|real| !real.starts_with(&home));
    for name in ["index.json", "oci-layout"] {
        if let Some(real) = outside(&layout.join(name))
            && real.ends_with(name)
            && real.is_file()
        {
            found.files.push(real);
        }
    }
    let blobs = layout.join("blobs/sha256");
    if let Some(real) = outside(&blobs) {
        found.folder = holds_blobs(&real).then_some(real);
        return found;
    }
    let Ok(entries) = fs::read_dir(&blobs) else { return found };
    let links = entries.flatten().filter(|one| one.file_type().is_ok_and(|kind| kind.is_symlink()));
    let mut left = MAX_BYTES;
    for entry in links.take(MAX_LINKS) {
        let digest = entry.file_name().to_str().and_then(|name| Digest::from_hex(name).ok());
        if let (Some(digest), Some(real)) = (digest, outside(&entry.path()))
            && has_digest(&real, digest, &mut left).unwrap_or(false)
        {
            found.files.push(real);
        }
    }
    found
}

/// Whether there are only files here, at least one, and all are called like blobs.
fn holds_blobs(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    let mut some = false;
    for entry in entries {
        let Ok(entry) = entry else { return false };
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        // what a living or killed run of imgfix has there
        let partial = name.starts_with(".imgfix-") && name.ends_with(".partial");
        if !is_file || !(partial || Digest::from_hex(name).is_ok()) {
            return false;
        }
        some |= !partial;
    }
    some
}

/// Whether a regular file has the content that it should. Takes its size from `left`.
fn has_digest(path: &Path, wanted: Digest, left: &mut u64) -> io::Result<bool> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits());
    let flags = flags.map_err(io::Error::other)?;
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(false);
    }
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let size = file.metadata()?.len();
    if !file.metadata()?.is_file() || size > *left {
        return Ok(false);
    }
    *left -= size;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    let mut file = file.take(size);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::from_sha256(hash.finalize().into()) == wanted),
            got => hash.update(buffer.get(..got).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn layout(dir: &Path) -> PathBuf {
        let layout = dir.join("layout");
        fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
        layout
    }

    #[test]
    fn blobs_in_a_store_are_followed_and_secrets_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(dir.path());
        let write = |name: &str, content: &[u8]| {
            let path = dir.path().canonicalize().unwrap().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let stored = write("layer.tar", b"a layer");
        let secret = write("shadow", b"root:$6$...");
        let index = write("index.json", b"{}");
        let other = write("passwords.json", b"{}");
        let blob = |content: &[u8]| layout.join("blobs/sha256").join(Digest::of(content).hex());
        symlink(&stored, blob(b"a layer")).unwrap();
        symlink(&secret, blob(b"what the attacker says it is")).unwrap();
        symlink(&secret, layout.join("blobs/sha256/shadow")).unwrap();
        symlink("/dev/zero", blob(b"a device")).unwrap();
        symlink("/etc", blob(b"a folder")).unwrap();
        symlink(&index, layout.join("index.json")).unwrap();
        symlink(&other, layout.join("oci-layout")).unwrap();
        assert_eq!(elsewhere(&layout), Elsewhere { files: vec![index, stored], folder: None });
    }

    #[test]
    fn a_shared_store_is_followed_and_another_folder_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(dir.path());
        fs::remove_dir(layout.join("blobs/sha256")).unwrap();
        fs::remove_dir(layout.join("blobs")).unwrap();
        let store = dir.path().canonicalize().unwrap().join("store/sha256");
        fs::create_dir_all(&store).unwrap();
        symlink("../store", layout.join("blobs")).unwrap();
        // an empty folder may be anybody's
        assert_eq!(elsewhere(&layout).folder, None);
        fs::write(store.join(Digest::of(b"x").hex()), "x").unwrap();
        fs::write(store.join(".imgfix-a1b2c3.partial"), "x").unwrap();
        assert_eq!(elsewhere(&layout).folder, Some(store.clone()));
        fs::write(store.join("authorized_keys"), "x").unwrap();
        assert_eq!(elsewhere(&layout), Elsewhere::default());
    }
}
