//! Layers of random archives, cut and merged again; and the cases that have a name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read, Write};
use std::sync::Arc;
use std::sync::Mutex;

use imgfix_model::digest::Digest;
use imgfix_model::path::ImagePath;
use imgfix_vfs::layer_reader::LayerSpec;
use imgfix_vfs::tar_reader::TarReader;
use imgfix_vfs::{
    Budget, Compression, FileSystem as _, Kind, LayerLimits, NoLayers, Tree, merge, read_layer,
};
use proptest::prelude::*;

use super::*;

/// What is looked for, in every byte of the result.
const MARKER: &[u8] = b"MARKER-7f3a";

/// A tar stream written by the `tar` crate, an independent implementation.
struct Archive(tar::Builder<Vec<u8>>);

impl Archive {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn add(mut self, name: &str, kind: tar::EntryType, link: &str, data: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(if kind == tar::EntryType::Directory { 0o755 } else { 0o640 });
        header.set_uid(7);
        header.set_mtime(1_700_000_000);
        header.set_size(data.len() as u64);
        let old = header.as_old_mut();
        if name.len() <= 100 {
            old.name[..name.len()].copy_from_slice(name.as_bytes());
        }
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        if name.len() > 100 {
            self.0.append_data(&mut header, name, data).unwrap();
        } else {
            self.0.append(&header, data).unwrap();
        }
        self
    }

    fn file(self, name: &str, data: impl AsRef<[u8]>) -> Self {
        self.add(name, tar::EntryType::Regular, "", data.as_ref())
    }

    fn dir(self, name: &str) -> Self {
        self.add(name, tar::EntryType::Directory, "", b"")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.add(name, tar::EntryType::Symlink, target, b"")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.add(name, tar::EntryType::Link, target, b"")
    }

    fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        self.0.append_pax_extensions(records.iter().copied()).unwrap();
        self
    }

    /// A header about the whole archive.
    fn global(mut self) -> Self {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XGlobalHeader);
        header.set_size(13);
        header.set_cksum();
        self.0.append(&header, &b"13 comment=g\n"[..]).unwrap();
        self
    }

    /// `data` behind a hole of 600 bytes, in GNU's PAX format 0.1.
    fn sparse(self, name: &str, data: &[u8]) -> Self {
        let size = (600 + data.len()).to_string();
        let map = format!("600,{}", data.len());
        self.pax(&[
            ("GNU.sparse.size", size.as_bytes()),
            ("GNU.sparse.map", map.as_bytes()),
            ("GNU.sparse.name", name.as_bytes()),
        ])
        .file("GNUSparseFile.0/x", data)
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn compress(plain: &[u8], with: Compression) -> Vec<u8> {
    match with {
        Compression::None => plain.to_vec(),
        Compression::Gzip => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
            out.write_all(plain).unwrap();
            out.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(plain, 3).unwrap(),
    }
}

fn unpacked(blob: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    imgfix_vfs::compression::Unpacked::new(blob).unwrap().read_to_end(&mut plain).unwrap();
    plain
}

fn specs(count: usize) -> Vec<LayerSpec> {
    let spec = |at| LayerSpec { name: format!("layer {at}"), compression: None, diff_id: None };
    (0..count).map(spec).collect()
}

/// The excision, and every layer as it is afterwards.
fn cut_out(blobs: &[Vec<u8>], cut: &Cut) -> Result<(Excision, Vec<Vec<u8>>), ExciseError> {
    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);
    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut outs: BTreeMap<usize, Out> = BTreeMap::new();
    let open = |at: usize| Ok(&blobs[at][..]);
    let out = |at| Ok(outs.entry(at).or_default().clone());
    let done = excise(&specs(blobs.len()), open, cut, LayerLimits::default(), out)?;
    let mut after = blobs.to_vec();
    for (at, layer) in done.layers.iter().enumerate() {
        let new = outs.get(&at).map(|out| out.0.lock().unwrap().clone());
        match layer {
            NewLayer::Unchanged => assert!(new.is_none(), "layer {at} is not written"),
            NewLayer::Rewritten { written, compression } => {
                let new = new.unwrap();
                let plain = unpacked(&new);
                assert_eq!(Compression::of(&new), Compression::of(&blobs[at]));
                assert_eq!(*compression, Compression::of(&new));
                assert_eq!((written.digest, written.size), (Digest::of(&new), new.len() as u64));
                assert_eq!(written.diff_id.0, Digest::of(&plain));
                assert_eq!(written.unpacked, plain.len() as u64);
                assert_ne!(plain, unpacked(&blobs[at]));
                after[at] = new;
            }
        }
    }
    Ok((done, after))
}

fn tree(blobs: &[Vec<u8>]) -> Tree {
    let budget = Budget::new(LayerLimits::default());
    let read =
        |(blob, spec): (&Vec<u8>, LayerSpec)| read_layer(&blob[..], &spec, &budget, &|_, _| true);
    let layers = blobs.iter().zip(specs(blobs.len())).map(read).collect::<Result<Vec<_>, _>>();
    merge(layers.unwrap(), Arc::new(NoLayers)).unwrap()
}

/// Every path with what is there; a hard link shows the first of its names.
fn shown(tree: &Tree) -> BTreeMap<String, String> {
    let mut first = BTreeMap::new();
    let mut show = |(path, entry): (&ImagePath, &imgfix_vfs::Entry)| {
        let what = match &entry.kind {
            Kind::File(data) => {
                let names = data.link.map(|id| first.entry(id).or_insert(path.clone()).clone());
                let content = tree.read(path).unwrap();
                format!("{names:?} {}", String::from_utf8_lossy(&content))
            }
            Kind::Symlink(target) => format!("-> {}", String::from_utf8_lossy(target)),
            _ => "/".to_owned(),
        };
        let attributes = (entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs.clone());
        (path.to_string(), format!("{what} {attributes:?}"))
    };
    tree.iter().map(&mut show).collect()
}

/// The raw bytes of every member, with its name.
fn members(blob: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let plain = unpacked(blob);
    let mut tar = TarReader::new(BufReader::new(&plain[..]));
    let mut all = Vec::new();
    while let Some(member) = tar.next_member().unwrap() {
        tar.skip_content().unwrap();
        let span = tar.span();
        let bytes = &plain[span.start as usize..(span.end as usize).min(plain.len())];
        all.push((member.name, bytes.to_vec()));
    }
    all
}

fn holds(blob: &[u8], text: &[u8]) -> bool {
    unpacked(blob).windows(text.len()).any(|part| part == text)
}

fn paths(all: &[&str]) -> Cut {
    let paths = all.iter().map(|path| ImagePath::new(path).unwrap()).collect();
    Cut { paths, ..Cut::default() }
}

fn contents(all: &[&[u8]]) -> Cut {
    Cut { contents: all.iter().map(|text| Digest::of(text)).collect(), ..Cut::default() }
}

/// Names and texts of the merged result; `target=` of links that share a file.
fn result(blobs: &[Vec<u8>], cut: &Cut) -> Vec<String> {
    let (_, after) = cut_out(blobs, cut).unwrap();
    let tree = tree(&after);
    let one = |(path, entry): (&ImagePath, &imgfix_vfs::Entry)| match &entry.kind {
        Kind::File(data) => {
            let text = String::from_utf8_lossy(&tree.read(path).unwrap()).into_owned();
            Some(format!("{path}{}{text}", if data.link.is_some() { "~" } else { "=" }))
        }
        Kind::Symlink(target) => Some(format!("{path}->{}", String::from_utf8_lossy(target))),
        _ => None,
    };
    tree.iter().filter_map(one).collect()
}

#[test]
fn every_spelling_in_every_layer_goes() {
    let layers = [
        Archive::new().dir("d").file("./d//a", "old").file("d/b", "1").bytes(),
        Archive::new().file("/d/a", "new").file("c", "2").bytes(),
        Archive::new().dir("e").file(".wh.c", "").bytes(),
    ];
    let (done, after) = cut_out(&layers, &paths(&["/d/a", "/none"])).unwrap();
    assert_eq!(result(&layers, &paths(&["/d/a"])), ["/d/b=1"]);
    assert_eq!(after[2], layers[2], "no hit, the same blob");
    assert_eq!(done.layers[2], NewLayer::Unchanged);
    let cut: Vec<_> =
        done.survey.cut.iter().map(|one| (one.layer, one.path.to_string(), one.bytes)).collect();
    assert_eq!(cut, [(0, "/d/a".into(), 3), (1, "/d/a".into(), 3)]);
    assert_eq!(done.survey.missing_paths, paths(&["/none"]).paths);
    assert_eq!((done.survey.count(0), done.survey.count(2)), (1, 0));
}

#[test]
fn names_lead_where_links_of_folders_lead() {
    let layers = [
        Archive::new().dir("usr").dir("usr/lib").file("usr/lib/a", "1").bytes(),
        Archive::new().symlink("lib", "usr/lib").file("lib/a", "2").file("x", "").bytes(),
    ];
    for name in ["/lib/a", "/usr/lib/a"] {
        assert_eq!(result(&layers, &paths(&[name])), ["/lib->usr/lib", "/x="], "{name}");
    }
}

#[test]
fn a_content_goes_with_all_its_names() {
    let layers = [
        Archive::new().file("a", "evil").link("b", "a").file("c", "good").bytes(),
        Archive::new().link("d", "b").file("e", "evil").symlink("s", "d").bytes(),
    ];
    let (done, _) = cut_out(&layers, &contents(&[b"evil", b"none"])).unwrap();
    assert_eq!(result(&layers, &contents(&[b"evil"])), ["/c=good", "/s->d"]);
    assert_eq!(done.survey.dangling.len(), 1);
    assert_eq!(done.survey.dangling[0].path, ImagePath::literal("/s"));
    assert_eq!(done.survey.missing_contents, contents(&[b"none"]).contents);
    let empty = Archive::new().file("a", "").bytes();
    let (done, _) = cut_out(&[empty], &contents(&[b""])).unwrap();
    assert!(done.survey.is_unchanged(), "no empty file is meant");
}

#[test]
fn what_a_cut_file_had_replaced_does_not_come_back() {
    // an older version, a folder, a link; in a lower layer and in the same one
    let evil = Archive::new().file("a", "evil").file("d", "evil").file("l", "evil");
    let layers = [
        Archive::new().file("a", "old").dir("d").file("d/x", "1").symlink("l", "a").bytes(),
        Archive::new().file("a", "between").bytes(),
        evil.bytes(),
    ];
    assert_eq!(result(&layers, &contents(&[b"evil"])), Vec::<String>::new());
    // by its place it goes from all layers; the folder is hidden
    assert_eq!(result(&layers, &paths(&["/a", "/d"])), ["/l=evil"]);
    let same = [
        Archive::new().file("a", "oldest").bytes(),
        Archive::new().file("a", "old").link("b", "a").file("./a", "evil").bytes(),
    ];
    assert_eq!(result(&same, &contents(&[b"evil"])), ["/b=old"]);
    let (done, _) = cut_out(&same, &contents(&[b"evil"])).unwrap();
    assert_eq!(done.survey.cut[0].reason, Reason::Shadowed);
    // a later one stays
    let later = [Archive::new().file("a", "evil").file("a", "good").bytes()];
    assert_eq!(result(&later, &contents(&[b"evil"])), ["/a=good"]);
}

#[test]
fn the_first_link_left_becomes_the_file() {
    let base = Archive::new().pax(&[("SCHILY.xattr.user.x", b"v"), ("comment", b"kept")]);
    let layers = [
        base.file("a", "data").link("b", "a").link("c", "a").link("z", "b").bytes(),
        Archive::new().link("d", "a").bytes(),
        Archive::new().link("e", "d").bytes(),
    ];
    let cut = paths(&["/a"]);
    assert_eq!(result(&layers, &cut), ["/b~data", "/c~data", "/d~data", "/e~data", "/z~data"]);
    let (_, after) = cut_out(&layers, &cut).unwrap();
    assert_eq!(after[2], layers[2], "it points to what is there");
    let tree = tree(&after);
    let entry = tree.lstat(&ImagePath::literal("/b")).unwrap();
    assert_eq!((entry.mode, entry.uid, entry.mtime), (0o640, 7, 1_700_000_000));
    assert_eq!(entry.xattrs.get(&b"user.x"[..]).unwrap(), b"v");
    assert!(holds(&after[0], b"comment=kept"));
    // the whole of a layer goes, and a link of another one has the data
    let layers = [Archive::new().file("a", "data").bytes(), Archive::new().link("b", "a").bytes()];
    assert_eq!(result(&layers, &cut), ["/b=data"]);
    let (_, after) = cut_out(&layers, &cut).unwrap();
    assert!(!holds(&after[0], b"data") && holds(&after[1], b"data"));
    // the one that was promoted is gone when the next comes
    let layers = [
        Archive::new().file("a", "data").link("b", "a").bytes(),
        Archive::new().file(".wh.b", "").bytes(),
        Archive::new().link("c", "a").bytes(),
        Archive::new().link("d", "a").bytes(),
    ];
    assert_eq!(result(&layers, &cut), ["/c~data", "/d~data"]);
    // the file stays, and its name is another one's when the link comes
    let layers = [
        Archive::new().file("a", "data").bytes(),
        Archive::new().link("b", "a").bytes(),
        Archive::new().file("a", "new").link("c", "b").bytes(),
    ];
    assert_eq!(result(&layers, &paths(&["/b"])), ["/a=new", "/c=data"]);
    assert_eq!(cut_out(&layers, &paths(&["/b"])).unwrap().1[0], layers[0]);
    let layers = [
        Archive::new().file("a", "data").link("b", "a").bytes(),
        Archive::new().file(".wh.b", "").bytes(),
        Archive::new().link("c", "a").bytes(),
        Archive::new().link("d", "a").bytes(),
    ];
    // a link's own name
    assert_eq!(result(&layers, &paths(&["/c"])), ["/a~data", "/d~data"]);
}

#[test]
fn redaction_keeps_size_and_structure() {
    let text = b"{\"key\": \"secret\", \"n\": 1}";
    let redaction = |content: &[u8]| Redaction {
        content: Digest::of(content),
        ranges: std::iter::once(9..15).collect(),
    };
    let cut = |content: &[u8]| Cut {
        redactions: [(ImagePath::literal("/f"), redaction(content))].into(),
        ..Cut::default()
    };
    let layers = [
        Archive::new().file("f", "secret other").bytes(),
        Archive::new().file("g", text).link("f", "g").file("h", "x").bytes(),
    ];
    let (done, after) = cut_out(&layers, &cut(text)).unwrap();
    assert_eq!(
        result(&layers, &cut(text)),
        ["/f~{\"key\": \"******\", \"n\": 1}", "/g~{\"key\": \"******\", \"n\": 1}", "/h=x"]
    );
    assert_eq!(after[0], layers[0]);
    assert_eq!(after[1].len(), layers[1].len());
    assert_eq!((done.survey.cut[0].bytes, done.survey.cut[0].reason), (6, Reason::Redacted));
    let left: Vec<_> = done.survey.left.iter().map(|one| (one.layer, one.why)).collect();
    assert_eq!(left, [(0, Why::OtherContent)]);
    assert!(cut_out(&layers, &cut(b"something else")).unwrap().0.survey.is_unchanged());
    // what is cut by one name and redacted by another
    let both = Cut { paths: paths(&["/g"]).paths, ..cut(text) };
    assert_eq!(result(&layers, &both), ["/f={\"key\": \"******\", \"n\": 1}", "/h=x"]);
    // in a sparse file offsets are not those of the archive
    let sparse = [Archive::new().sparse("f", b"secret").bytes()];
    let whole = [&[0; 600][..], b"secret"].concat();
    let error = cut_out(&sparse, &cut(&whole)).unwrap_err().to_string();
    assert_eq!(error, "layer 1: f: a sparse file cannot be redacted");
}

#[test]
fn headers_of_the_archive_stay_and_sparse_files_go() {
    let long = format!("{}name", "d/".repeat(90));
    let layer = Archive::new().global().file("a", "evil").global().sparse("s", b"evil2");
    let layer = layer.file(&long, "evil").link("h", "s").file("z", "1").bytes();
    let layers = [layer];
    assert_eq!(result(&layers, &contents(&[b"evil"])).len(), 3);
    let (_, after) = cut_out(&layers, &contents(&[b"evil"])).unwrap();
    assert!(after[0].windows(9).filter(|part| part == b"comment=g").count() == 2);
    let (_, after) = cut_out(&layers, &paths(&["/s"])).unwrap();
    let h = tree(&after).read(&ImagePath::literal("/h")).unwrap();
    assert_eq!(&h[..], [&[0; 600][..], b"evil2"].concat());
    assert!(!holds(&after[0], b"GNU.sparse"));
    // between a member's own headers nobody writes one
    let odd = Archive::new().pax(&[("comment", b"x")]).global().file("a", "evil").bytes();
    let error = cut_out(&[odd], &paths(&["/a"])).unwrap_err().to_string();
    assert!(error.starts_with("layer 1: a: a header about the whole archive"), "{error}");
}

#[test]
fn what_is_no_file_is_left_and_said() {
    let layers = [Archive::new().dir("d").file("d/x", "1").symlink("l", "d").bytes()];
    let (done, _) = cut_out(&layers, &paths(&["/d", "/l"])).unwrap();
    assert!(done.survey.is_unchanged());
    let left: Vec<_> = done.survey.left.iter().map(|one| one.path.to_string()).collect();
    assert_eq!(left, ["/d", "/l"]);
    let filled = [Archive::new().dir("d").file("d/x", "1").file("d", "evil").bytes()];
    let error = cut_out(&filled, &paths(&["/d"])).unwrap_err().to_string();
    assert_eq!(error, "layer 1: /d: the layer has a folder there, too");
}

#[test]
fn an_archive_without_end_or_entries_is_one_still() {
    let whole = Archive::new().file("a", "1").file("b", "23").bytes();
    let unpadded = whole[..whole.len() - 1024 - 510].to_vec();
    assert_eq!(result(std::slice::from_ref(&unpadded), &paths(&["/a"])), ["/b=23"]);
    assert_eq!(result(std::slice::from_ref(&unpadded), &paths(&["/b"])), ["/a=1"]);
    let (_, after) = cut_out(&[unpadded], &paths(&["/a", "/b"])).unwrap();
    assert_eq!(after[0], [0; 1024]);
    // what stands behind the end stays
    let more = [whole, b"more".to_vec()].concat();
    let (_, after) = cut_out(&[more], &paths(&["/a"])).unwrap();
    assert!(after[0].ends_with(b"more"));
}

#[test]
fn headers_that_wait_for_links_have_a_bound() {
    let comment = vec![b'x'; 1_000_000];
    let versions = |count: usize| {
        let version = |archive: Archive, at: usize| {
            let archive = archive.pax(&[("comment", &comment[..])]).file("a", at.to_string());
            archive.link(&format!("l{at}"), "a")
        };
        [(0..count).fold(Archive::new(), version).bytes()]
    };
    assert_eq!(result(&versions(3), &paths(&["/a"])), ["/l0=0", "/l1=1", "/l2=2"]);
    let error = cut_out(&versions(70), &paths(&["/a"])).unwrap_err().to_string();
    assert!(error.ends_with("hard links take over are too large"), "{error}");
}

#[test]
fn the_same_cut_gives_the_same_blobs() {
    let layers = [Compression::None, Compression::Gzip, Compression::Zstd]
        .map(|with| compress(&Archive::new().file("a", "evil").file("b", "1").bytes(), with));
    let cut = contents(&[b"evil"]);
    let (one, first) = cut_out(&layers, &cut).unwrap();
    let (two, second) = cut_out(&layers, &cut).unwrap();
    assert_eq!((one.layers, first), (two.layers, second));
}

/// One entry of a random layer.
#[derive(Debug, Clone)]
enum Step {
    File { name: usize, marked: bool, text: u8, pax: bool },
    Sparse { name: usize, marked: bool },
    Link { name: usize, target: usize },
    Symlink { name: usize, target: usize },
    Whiteout { name: usize },
    Opaque { dir: usize },
    Global,
}

const DIRS: [&str; 2] = ["d", "e"];

fn name(at: usize) -> String {
    match at {
        0 => "a".into(),
        1 => "b".into(),
        2 => "d/a".into(),
        3 => "d/b".into(),
        4 => "e/c".into(),
        _ => format!("e/{}", "long".repeat(40)),
    }
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..6usize;
    prop_oneof![
        4 => (name(), any::<bool>(), 0..3u8, any::<bool>())
            .prop_map(|(name, marked, text, pax)| Step::File { name, marked, text, pax }),
        1 => (name(), any::<bool>()).prop_map(|(name, marked)| Step::Sparse { name, marked }),
        4 => (name(), name()).prop_map(|(name, target)| Step::Link { name, target }),
        1 => (name(), name()).prop_map(|(name, target)| Step::Symlink { name, target }),
        2 => name().prop_map(|name| Step::Whiteout { name }),
        1 => (0..2usize).prop_map(|dir| Step::Opaque { dir }),
        1 => Just(Step::Global),
    ]
}

/// Random layers that merge, with the names that hold the marker's content at any time.
fn build(stack: &[(Vec<Step>, u8)]) -> Vec<Vec<u8>> {
    let mut live: BTreeMap<String, bool> = BTreeMap::new();
    let mut blobs = Vec::new();
    for (steps, compression) in stack {
        let mut archive = DIRS.iter().fold(Archive::new(), |archive, dir| archive.dir(dir));
        let mut own = BTreeSet::new();
        for step in steps {
            match step {
                Step::File { name: at, marked, text, pax } => {
                    let path = name(*at);
                    if *pax && path.len() <= 100 {
                        archive = archive.pax(&[("SCHILY.xattr.user.k", &[b'0' + text])]);
                    }
                    let data = content(*marked, *text);
                    archive = archive.file(&path, data);
                    own.insert(path.clone());
                    live.insert(path, true);
                }
                Step::Sparse { name: at, marked } => {
                    let path = name(*at);
                    archive = archive.sparse(&path, &content(*marked, 0));
                    own.insert(path.clone());
                    live.insert(path, true);
                }
                Step::Link { name: at, target } => {
                    let (path, target) = (name(*at), name(*target));
                    // only to files of short names, which the archive's header holds
                    if live.get(&target) == Some(&true) && path != target && target.len() <= 100 {
                        archive = archive.link(&path, &target);
                        own.insert(path.clone());
                        live.insert(path, true);
                    }
                }
                Step::Symlink { name: at, target } => {
                    let path = name(*at);
                    archive = archive.symlink(&path, &format!("/{}", name(*target % 5)));
                    own.insert(path.clone());
                    live.insert(path, false);
                }
                Step::Whiteout { name: at } => {
                    let path = name(*at);
                    if path.len() <= 90 && !own.contains(&path) {
                        let (dir, file) = path.rsplit_once('/').unwrap_or(("", &path));
                        let slash = if dir.is_empty() { "" } else { "/" };
                        archive = archive.file(&format!("{dir}{slash}.wh.{file}"), "");
                        live.remove(&path);
                    }
                }
                Step::Opaque { dir } => {
                    let dir = DIRS[*dir];
                    archive = archive.file(&format!("{dir}/.wh..wh..opq"), "");
                    live.retain(|path, _| {
                        !path.starts_with(&format!("{dir}/")) || own.contains(path)
                    });
                }
                Step::Global => archive = archive.global(),
            }
        }
        let with = [Compression::None, Compression::Gzip, Compression::Zstd];
        blobs.push(compress(&archive.bytes(), with[usize::from(*compression) % 3]));
    }
    blobs
}

fn content(marked: bool, text: u8) -> Vec<u8> {
    match marked {
        true => MARKER.to_vec(),
        false => format!("text {text}").into_bytes(),
    }
}

/// The two contents that hold the marker.
fn marked() -> [Vec<u8>; 2] {
    [MARKER.to_vec(), [&[0; 600][..], MARKER].concat()]
}

/// Names that share a file are shown by the first of them, which may be cut.
fn without_links(all: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let cut = |text: &String| match text.split_once(") ") {
        Some((names, rest)) if names.starts_with("Some(") => rest.to_owned(),
        _ => text.trim_start_matches("None ").to_owned(),
    };
    all.iter().map(|(path, text)| (path.clone(), cut(text))).collect()
}

/// Which of the paths share a file.
fn groups(tree: &Tree, paths: &BTreeSet<String>) -> BTreeSet<BTreeSet<String>> {
    let mut groups: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (path, entry) in tree.iter() {
        if let Kind::File(data) = &entry.kind
            && let Some(id) = data.link
            && paths.contains(&path.to_string())
        {
            groups.entry(id).or_default().insert(path.to_string());
        }
    }
    groups.into_values().filter(|names| names.len() > 1).collect()
}

fn check(blobs: &[Vec<u8>], cut: &Cut, goes: impl Fn(&str, &str) -> bool) {
    let before_tree = tree(blobs);
    let (done, after) = cut_out(blobs, cut).unwrap();
    let after_tree = tree(&after);
    let mut want = without_links(&shown(&before_tree));
    want.retain(|path, text| !goes(path, text));
    assert_eq!(without_links(&shown(&after_tree)), want, "{:?}", done.survey);
    let kept: BTreeSet<String> = want.keys().cloned().collect();
    assert_eq!(groups(&after_tree, &kept), groups(&before_tree, &kept), "{:?}", done.survey);
    for (at, (old, new)) in blobs.iter().zip(&after).enumerate() {
        let old: Vec<_> = members(old);
        let mut rest = old.iter();
        let mut kept = 0;
        for one in members(new) {
            if rest.clone().any(|old| *old == one) {
                kept += 1;
                rest.find(|old| **old == one);
            }
        }
        let edits = done.survey.edits.get(at).map_or(0, BTreeMap::len);
        assert!(kept + edits >= old.len(), "layer {at}: {kept} of {} and {edits}", old.len());
    }
    let again = cut_out(&after, cut).unwrap().0;
    assert!(again.survey.is_unchanged(), "{:?}", again.survey);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_is_cut_by_content_is_nowhere(
        stack in prop::collection::vec((prop::collection::vec(step(), 0..10), any::<u8>()), 1..5),
    ) {
        let blobs = build(&stack);
        let marked = marked();
        let cut = contents(&[&marked[0], &marked[1]]);
        let text = String::from_utf8_lossy(MARKER).into_owned();
        check(&blobs, &cut, |_, shown| shown.contains(&text));
        let (_, after) = cut_out(&blobs, &cut).unwrap();
        prop_assert!(!after.iter().any(|blob| holds(blob, MARKER)));
    }

    #[test]
    fn what_is_cut_by_path_is_missing_and_nothing_else(
        stack in prop::collection::vec((prop::collection::vec(step(), 0..10), any::<u8>()), 1..5),
        cut in prop::collection::btree_set(0..6usize, 1..3),
    ) {
        let blobs = build(&stack);
        let names: BTreeSet<String> = cut.iter().map(|at| format!("/{}", name(*at))).collect();
        let cut = paths(&names.iter().map(String::as_str).collect::<Vec<_>>());
        check(&blobs, &cut, |path, shown| names.contains(path) && !shown.starts_with("->"));
    }

    #[test]
    fn nothing_to_cut_changes_nothing(
        stack in prop::collection::vec((prop::collection::vec(step(), 0..10), any::<u8>()), 1..5),
    ) {
        let blobs = build(&stack);
        let cut = Cut { contents: contents(&[b"none"]).contents, ..paths(&["/nowhere"]) };
        let (done, after) = cut_out(&blobs, &cut).unwrap();
        prop_assert_eq!(after, blobs);
        prop_assert!(done.layers.iter().all(|layer| *layer == NewLayer::Unchanged));
    }

    #[test]
    fn no_stream_makes_the_cutter_panic(
        stack in prop::collection::vec((prop::collection::vec(step(), 0..6), Just(0u8)), 1..3),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut blobs = build(&stack);
        for (at, value) in flips {
            let blob = &mut blobs[0];
            let at = at.index(blob.len());
            blob[at] = value;
            // Keep checksums right, so that the flip is seen.
            for block in (0..blob.len() / 512).map(|at| at * 512) {
                let header = &mut blob[block..block + 512];
                if header[257..262] == *b"ustar" {
                    header[148..156].fill(b' ');
                    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
                    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
                }
            }
        }
        let marked = marked();
        let cut = Cut { contents: contents(&[&marked[0], &marked[1]]).contents, ..paths(&["/a"]) };
        if let Ok((_, after)) = cut_out(&blobs, &cut) {
            tree(&after);
        }
    }
}
