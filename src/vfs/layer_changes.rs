//! What the members of a layer's archive change: entries, hard links, whiteouts.
//!
//! In come tar members; out goes one [`LayerChange`] for each, in the order of the archive, as
//! the OCI image layer specification reads them
//! (<https://github.com/opencontainers/image-spec/blob/main/layer.md>). Every member is taken
//! from the image's budget before anything of it is kept.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::layer_reader::{Digests, LayerError, LayerSpec, Wanted};
use super::limits::Budget;
use super::tar_reader::{Member, MemberKind, TarReader};
use super::whiteout::{self, Name};
use super::{Content, Entry, FileData, Kind, LayerId};
use imgfix_model::digest::Digest;
use imgfix_model::path::ImagePath;

/// What one member of a layer's archive changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerChange {
    /// As the archive names it: links in its directories are not resolved yet.
    pub path: ImagePath,
    /// What happens there.
    pub action: Action,
}

/// What a change does to what the layers below have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Puts an entry. A file's [`Content::Layer`] has the lowest layer here: a layer does not
    /// know which one it is.
    Set(Entry),
    /// Makes the path another name of this one.
    HardLink(ImagePath),
    /// Hides the path, which is not the member's own.
    Whiteout(ImagePath),
    /// Hides what the lower layers have in this directory.
    Opaque(ImagePath),
    /// Nothing: bookkeeping of old storage drivers.
    Ignore,
}

/// Turns tar members into changes.
#[derive(Clone, Copy)]
pub(super) struct ChangeReader<'a> {
    pub(super) spec: &'a LayerSpec,
    /// What all layers may still cost.
    pub(super) budget: &'a Budget,
    pub(super) wanted: Wanted<'a>,
    /// Where notes go, by the index of the member.
    pub(super) notes: &'a RefCell<BTreeMap<u32, Bytes>>,
    /// Where digests go, by the index of the member.
    pub(super) digests: &'a RefCell<BTreeMap<u32, Digest>>,
}

impl ChangeReader<'_> {
    /// What `member` does, which `tar` is at: the `index`-th of the layer.
    ///
    /// # Errors
    /// No layer may have such a member, its content cannot be read, or the budget is spent.
    pub(super) fn change<R: BufRead>(
        self,
        tar: &mut TarReader<R>,
        member: Member,
        index: u32,
    ) -> Result<LayerChange, LayerError> {
        self.charge(tar, &member)?;
        let fail = |why: String| LayerError::Entry {
            layer: self.spec.name.clone(),
            entry: lossy(&member.name),
            why,
        };
        let path = ImagePath::new(&member.name).map_err(|error| fail(error.to_string()))?;
        let action = match whiteout::classify(&path) {
            Ok(Name::Whiteout(hidden)) => Action::Whiteout(hidden),
            Ok(Name::Opaque(dir)) => Action::Opaque(dir),
            Ok(Name::Ignored) => Action::Ignore,
            Ok(Name::Plain) => match &member.kind {
                MemberKind::HardLink(target) => Action::HardLink(
                    ImagePath::new(target)
                        .map_err(|error| fail(format!("hard link target: {error}")))?,
                ),
                _ => Action::Set(self.entry(tar, &path, &member, index)?),
            },
            Err(whiteout::BadWhiteout) => {
                return Err(fail(
                    "names that start with '.wh.' stand for removed files; this one \
                                 names none"
                        .into(),
                ));
            }
        };
        Ok(LayerChange { path, action })
    }

    /// Takes what the member costs from the budget.
    fn charge<R: BufRead>(self, tar: &TarReader<R>, member: &Member) -> Result<(), LayerError> {
        let layer = || self.spec.name.clone();
        let limits = self.budget.limits();
        if !self.budget.take_entry() {
            return Err(LayerError::Entries { layer: layer(), limit: limits.max_entries });
        }
        let link = match &member.kind {
            MemberKind::HardLink(target) | MemberKind::Symlink(target) => target.len(),
            _ => 0,
        };
        let xattrs: usize =
            member.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        if !self.budget.take_metadata((member.name.len() + link + xattrs) as u64) {
            return Err(LayerError::Metadata { layer: layer(), limit: limits.max_metadata });
        }
        // The stored bytes are counted as they are decompressed.
        if !self.budget.take_unpacked(tar.hole_bytes()) {
            return Err(LayerError::Unpacked { layer: layer(), limit: limits.max_unpacked });
        }
        Ok(())
    }

    fn entry<R: BufRead>(
        self,
        tar: &mut TarReader<R>,
        path: &ImagePath,
        member: &Member,
        index: u32,
    ) -> Result<Entry, LayerError> {
        let fail = |why: &str| LayerError::Entry {
            layer: self.spec.name.clone(),
            entry: lossy(&member.name),
            why: why.into(),
        };
        let kind = match &member.kind {
            MemberKind::Directory => Kind::Directory,
            MemberKind::Fifo => Kind::Fifo,
            &MemberKind::CharDevice { major, minor } => Kind::CharDevice { major, minor },
            &MemberKind::BlockDevice { major, minor } => Kind::BlockDevice { major, minor },
            MemberKind::Symlink(target) => {
                if target.is_empty()
                    || target.len() > imgfix_model::path::MAX_PATH
                    || target.contains(&0)
                {
                    return Err(fail("the link's target is empty, too long or has a NUL byte"));
                }
                Kind::Symlink(target.clone())
            }
            MemberKind::Other => return Err(fail("its type is not supported")),
            MemberKind::File | MemberKind::HardLink(_) => {
                let content = self.content(tar, path, member, index)?;
                Kind::File(FileData { size: member.size, content, link: None })
            }
        };
        let &Member { mode, uid, gid, mtime, .. } = member;
        Ok(Entry { kind, mode, uid, gid, mtime, xattrs: member.xattrs.clone() })
    }

    fn content<R: BufRead>(
        self,
        tar: &mut TarReader<R>,
        path: &ImagePath,
        member: &Member,
        index: u32,
    ) -> Result<Content, LayerError> {
        let corrupt = |error: io::Error| LayerError::Corrupt {
            layer: self.spec.name.clone(),
            why: format!("{}: {error}", lossy(&member.name)),
        };
        let kept = member.size <= super::filesystem::MAX_READ
            && (member.size == 0 || (self.wanted.keep)(path, member.size))
            && self.budget.take_inline(member.size);
        if !kept {
            let mut content = Hashed { inner: tar, hash: Sha256::new() };
            let note = match self.wanted.digests {
                Digests::Left => (self.wanted.note)(path, member.size, &mut *content.inner),
                Digests::Taken => (self.wanted.note)(path, member.size, &mut content),
            };
            let note = note.map_err(corrupt)?;
            // Those that do not fit are taken when they are asked for, from the layer.
            if self.wanted.digests == Digests::Taken && self.budget.take_inline(DIGEST_COST) {
                let digest = content.finish().map_err(corrupt)?;
                self.digests.borrow_mut().insert(index, digest);
            }
            if let Some(note) = note.filter(|note| self.budget.take_inline(note.len() as u64)) {
                self.notes.borrow_mut().insert(index, note);
            }
            return Ok(Content::Layer { layer: LayerId::Original(0), index });
        }
        let mut bytes = Vec::new();
        tar.read_to_end(&mut bytes).map_err(corrupt)?;
        Ok(Content::Inline(bytes.into()))
    }
}

/// What a digest takes in memory, about, with its place in the map.
const DIGEST_COST: u64 = 64;

/// Hashes what is read through it.
struct Hashed<'a, R> {
    inner: &'a mut R,
    hash: Sha256,
}

impl<R: Read> Hashed<'_, R> {
    /// The digest of everything, what was not read yet with it.
    fn finish(mut self) -> io::Result<Digest> {
        io::copy(self.inner, &mut self.hash)?;
        Ok(Digest::from_sha256(self.hash.finalize().into()))
    }
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..got).unwrap_or_default());
        Ok(got)
    }
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..256).unwrap_or(name)).into_owned()
}
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::layer_reader::read_layers;
    use super::super::limits::LayerLimits;
    use super::super::testing::{Archive, message, read, read_with, shown, spec, tree};
    use super::super::{
        Compression, ContentLoader as _, FileSystem as _, LayerLoader, NoLayers, Xattrs, merge,
    };
    use super::*;

    #[test]
    fn names_that_leave_the_root_are_refused() {
        for archive in [
            Archive::new().file("../etc/passwd", "x"),
            Archive::new().file("usr/../../etc/passwd", "x"),
            Archive::new().file("a", "x").hard_link("b", "../a"),
            Archive::new().pax(&[("path", b"a/../../b")]).file("a", "x"),
            Archive::new().file(".wh...", ""),
            Archive::new().file("dir/.wh..", ""),
        ] {
            let result = read(&archive.bytes());
            assert!(matches!(result, Err(LayerError::Entry { .. })), "{result:?}");
        }
        let absolute = shown(vec![Archive::new().file("/etc/a", "x").bytes()]);
        assert_eq!(absolute, ["/", "/etc", "/etc/a=x"]);
    }

    #[test]
    fn entries_and_metadata_have_limits() {
        let many = (0..20).fold(Archive::new(), |a, n| a.file(&format!("f{n}"), "")).bytes();
        let few = LayerLimits { max_entries: 19, ..LayerLimits::default() };
        assert!(matches!(read_with(&many, few), Err(LayerError::Entries { .. })));
        let small = LayerLimits { max_metadata: 30, ..LayerLimits::default() };
        assert!(matches!(read_with(&many, small), Err(LayerError::Metadata { .. })));
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(1 << 40);
        header.set_cksum();
        let text = message(read(header.as_bytes()));
        assert!(text.contains("extension header"), "{text}");
    }

    #[test]
    fn only_wanted_files_stay_in_memory() {
        let blob = Archive::new().dir("d").file("d/keep", "k").file("d/leave", "abc").bytes();
        let only = |path: &ImagePath, _: u64| path.file_name() == b"keep";
        let budget = Budget::new(LayerLimits::default());
        let open = |layer| match layer {
            0 => Ok(Box::new(io::Cursor::new(Archive::new().bytes())) as Box<dyn Read + Send>),
            _ => Ok(Box::new(io::Cursor::new(
                Archive::new().dir("d").file("d/keep", "k").file("d/leave", "abc").bytes(),
            )) as _),
        };
        let layers = [Archive::new().bytes(), blob];
        let specs = [spec(None), spec(Some(Compression::None))];
        let parsed =
            read_layers(&specs, |at| Ok(&layers[at][..]), &budget, Wanted::kept(&only)).unwrap();
        let loader = Arc::new(LayerLoader::new(vec![None, Some(Compression::None)], open));
        let tree = merge(parsed, Arc::clone(&loader) as _).unwrap();
        let content = |path| match &tree.lstat(&ImagePath::literal(path)).unwrap().kind {
            Kind::File(data) => data.content.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(content("/d/keep"), Content::Inline("k".into()));
        let one = LayerId::Original(1);
        assert_eq!(content("/d/leave"), Content::Layer { layer: one, index: 2 });
        assert_eq!(&tree.read(&ImagePath::literal("/d/leave")).unwrap()[..], b"abc");

        let mut seen = Vec::new();
        let wanted = [(one, [1, 2].into())].into();
        loader
            .load_many(&wanted, &mut |layer, index, content| {
                let mut text = String::new();
                content.read_to_string(&mut text)?;
                seen.push((layer, index, text));
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [(one, 1, "k".into()), (one, 2, "abc".into())]);
        assert!(loader.load_many(&[(one, [3].into())].into(), &mut |_, _, _| Ok(())).is_err());
    }

    #[test]
    fn notes_are_made_of_files_that_are_left() {
        let blob = Archive::new().file("keep", "k").file("note", "abc").file("leave", "d").bytes();
        let note = |path: &ImagePath, size: u64, content: &mut dyn Read| {
            let mut first = [0];
            content.read_exact(&mut first)?;
            let wanted = path.file_name() == b"note";
            Ok(wanted.then(|| format!("{}{size}", char::from(first[0])).into()))
        };
        let keep = |path: &ImagePath, _: u64| path.file_name() == b"keep";
        let layers = [Archive::new().file("low", "x").bytes(), blob];
        let budget = Budget::new(LayerLimits::default());
        let specs = [spec(None), spec(None)];
        for digests in [Digests::Left, Digests::Taken] {
            let wanted = Wanted { keep: &keep, note: &note, digests };
            let parsed = read_layers(&specs, |at| Ok(&layers[at][..]), &budget, wanted).unwrap();
            let tree = merge(parsed, Arc::new(NoLayers)).unwrap();
            let note = |layer, index| tree.note(LayerId::Original(layer), index);
            assert_eq!(note(1, 1).map(|note| &note[..]), Some(&b"a3"[..]));
            assert_eq!([(0, 0), (1, 0), (1, 2)].map(|(l, i)| note(l, i)), [None; 3]);
            // what a note has read of a file is hashed, too
            let taken = |text: &[u8]| (digests == Digests::Taken).then(|| Digest::of(text));
            let digest = |layer, index| tree.digest(LayerId::Original(layer), index).copied();
            assert_eq!((digest(0, 0), digest(1, 1)), (taken(b"x"), taken(b"abc")));
            assert_eq!((digest(1, 0), digest(1, 2)), (None, taken(b"d")));
        }
    }

    #[test]
    fn digests_are_taken_within_the_budget_and_of_holes_too() {
        let blob = Archive::new()
            .pax(&[("GNU.sparse.size", b"8"), ("GNU.sparse.map", b"3,1,6,1")])
            .file("holes", "ab")
            .file("plain", "abc")
            .bytes();
        let digests_of = |max_inline| {
            let budget = Budget::new(LayerLimits { max_inline, ..LayerLimits::default() });
            let none = |_: &ImagePath, _: u64| false;
            let wanted = Wanted { digests: Digests::Taken, ..Wanted::kept(&none) };
            let mut all = read_layers(&[spec(None)], |_| Ok(&blob[..]), &budget, wanted).unwrap();
            all.remove(0).digests
        };
        let (holes, plain) = (Digest::of(b"\0\0\0a\0\0b\0"), Digest::of(b"abc"));
        assert_eq!(digests_of(1 << 20), [(0, holes), (1, plain)].into());
        assert_eq!(digests_of(DIGEST_COST), [(0, holes)].into());
    }

    #[test]
    fn attributes_come_from_header_and_extensions() {
        let long = "d/".repeat(80) + "file";
        let blob = Archive::new()
            .pax(&[
                ("path", "\u{fc}ber".as_bytes()),
                ("uid", b"3000000"),
                ("mtime", b"-1.5"),
                ("SCHILY.xattr.security.capability", b"\x01\n\0=x"),
            ])
            .file("ignored", "x")
            .file(&long, "long")
            .add("null", tar::EntryType::Char, "", b"")
            .add("pipe", tar::EntryType::Fifo, "", b"")
            .bytes();
        let tree = tree(vec![blob]).unwrap();
        let entry = tree.lstat(&ImagePath::literal("/\u{fc}ber")).unwrap();
        assert_eq!((entry.uid, entry.gid, entry.mtime, entry.mode), (3_000_000, 0, -2, 0o644));
        let want: Xattrs = [(b"security.capability".to_vec(), b"\x01\n\0=x".to_vec())].into();
        assert_eq!(entry.xattrs, want);
        assert_eq!(&tree.read(&ImagePath::new(&long).unwrap()).unwrap()[..], b"long");
        assert_eq!(tree.lstat(&ImagePath::literal("/pipe")).unwrap().kind, Kind::Fifo);
        let null = &tree.lstat(&ImagePath::literal("/null")).unwrap().kind;
        assert_eq!(null, &Kind::CharDevice { major: 0, minor: 0 });
    }
}
