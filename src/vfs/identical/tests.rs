use std::sync::Arc;

use proptest::prelude::*;

use super::super::layer::{Compression, LayerOptions, write_layer};
use super::super::layer_reader::{Digests as Taken, Wanted, read_layers};
use super::super::testing::spec;
use super::super::{
    Budget, FileData, LayerLimits, LayerLoader, NoLayers, Tree, Xattrs, merge, merge_over,
    read_layer,
};
use super::*;

fn path(text: &'static str) -> ImagePath {
    ImagePath::literal(text)
}

fn file(text: &str, mtime: i64) -> Entry {
    Entry::file(text.to_owned(), 0o644, mtime)
}

fn linked(mut entry: Entry, id: LinkId) -> Entry {
    if let Kind::File(data) = &mut entry.kind {
        data.link = Some(id);
    }
    entry
}

fn empty() -> Overlay {
    Overlay::new(Arc::new(Tree::from_entries([], Arc::new(NoLayers))))
}

fn written(overlay: &Overlay) -> Vec<u8> {
    let mut blob = Vec::new();
    let options = LayerOptions { compression: Compression::None, level: None };
    write_layer(overlay, &options, &mut blob).unwrap();
    blob
}

/// The image of one layer that has what `overlay` made; its contents are in the layer.
fn image(overlay: &Overlay, digests: Taken) -> Arc<Tree> {
    let blob = written(overlay);
    let budget = Budget::new(LayerLimits::default());
    let none = |_: &ImagePath, _: u64| false;
    let wanted = Wanted { digests, ..Wanted::kept(&none) };
    let parsed = read_layers(&[spec(None)], |_| Ok(&blob[..]), &budget, wanted).unwrap();
    let open = move |_| Ok(Box::new(io::Cursor::new(blob.clone())) as Box<dyn Read + Send>);
    Arc::new(merge(parsed, Arc::new(LayerLoader::new(vec![None], open))).unwrap())
}

/// The overlay's layer over its tree, read back.
fn published(overlay: &Overlay) -> Tree {
    let blob = written(overlay);
    let budget = Budget::new(LayerLimits::default());
    let layer = read_layer(&blob[..], &spec(None), &budget, &|_, _| true).unwrap();
    let patch = LayerLoader::of_patch(None, || Err(io::Error::other("all is kept")));
    merge_over(overlay.tree(), layer, patch).unwrap()
}

fn left(identical: &Identical) -> Vec<String> {
    identical.paths.iter().map(ToString::to_string).collect()
}

fn changed(overlay: &Overlay) -> Vec<String> {
    overlay.changes().map(|(path, _)| path.to_string()).collect()
}

/// What of `after` over `before` is left out, and what remains.
fn outcome(
    before: &[(&'static str, Entry)],
    after: &[(&'static str, Entry)],
) -> (Vec<String>, Vec<String>) {
    let mut original = empty();
    for (at, entry) in before {
        original.set(path(at), entry.clone()).unwrap();
    }
    let mut overlay = Overlay::new(image(&original, Taken::Taken));
    for (at, entry) in after {
        overlay.set(path(at), entry.clone()).unwrap();
    }
    let identical = leave_out(&mut overlay, &[path("/var/lib/db")]).unwrap();
    (left(&identical), changed(&overlay))
}

#[test]
fn what_differs_in_time_alone_is_left_out() {
    let mut device = file("", 9);
    device.kind = Kind::CharDevice { major: 1, minor: 3 };
    let (before, mut after) = (device.clone(), device);
    after.mtime = 10;
    for (was, now) in [
        (file("x", 1), file("x", 2)),
        (file("", 1), file("", 2)),
        (Entry::symlink("t", 1), Entry::symlink("t", 2)),
        (before, after),
    ] {
        let (left, changed) = outcome(&[("/d/a", was)], &[("/d/a", now.clone())]);
        assert_eq!((left, changed), (vec!["/d/a".to_owned()], vec![]), "{now:?}");
    }
}

#[test]
fn what_differs_in_anything_else_is_not() {
    let was = file("x", 1);
    let owner = Entry { uid: 1, ..was.clone() };
    let group = Entry { gid: 1, ..was.clone() };
    let mode = Entry { mode: 0o4644, ..was.clone() };
    let capability: Xattrs = [(b"security.capability".to_vec(), vec![1])].into();
    let xattrs = Entry { xattrs: capability, ..was.clone() };
    for now in [owner, group, mode, xattrs, file("y", 1), file("xx", 2), Entry::symlink("x", 1)] {
        let (left, changed) = outcome(&[("/d/a", was.clone())], &[("/d/a", now.clone())]);
        assert_eq!((left, changed), (vec![], vec!["/d/a".to_owned()]), "{now:?}");
    }
    let link = Entry::symlink("t", 1);
    let (left, _) = outcome(&[("/a", link)], &[("/a", Entry::symlink("u", 2))]);
    assert_eq!(left, [""; 0]);
    let (left, changed) = outcome(&[], &[("/new", file("x", 2))]);
    assert_eq!((left, changed), (vec![], vec!["/new".to_owned()]));
}

#[test]
fn a_content_with_the_same_length_is_read() {
    for digests in [Taken::Left, Taken::Taken] {
        let mut original = empty();
        original.set(path("/a"), file("one", 1)).unwrap();
        original.set(path("/b"), file("two", 1)).unwrap();
        let mut overlay = Overlay::new(image(&original, digests));
        let spool = super::super::Spool::new().unwrap();
        for (at, text) in [("/a", "one"), ("/b", "owt")] {
            let content = Content::Spool(spool.store(&mut text.as_bytes(), 3).unwrap());
            let kind = Kind::File(FileData { size: 3, content, link: None });
            overlay.set(path(at), Entry { kind, ..file("", 2) }).unwrap();
        }
        let identical = leave_out(&mut overlay, &[]).unwrap();
        assert_eq!((left(&identical), identical.bytes), (vec!["/a".to_owned()], 3));
        assert_eq!(changed(&overlay), ["/b"]);
    }
}

#[test]
fn a_directory_is_left_out_when_nothing_below_it_is_written() {
    let before = [
        ("/same", Entry::directory(0o755, 1)),
        ("/same/a", file("x", 1)),
        ("/other", Entry::directory(0o755, 1)),
        ("/other/a", file("x", 1)),
        ("/other/b", file("x", 1)),
        ("/mode", Entry::directory(0o755, 1)),
    ];
    let after = [
        ("/same", Entry::directory(0o755, 2)),
        ("/same/a", file("x", 2)),
        ("/other", Entry::directory(0o755, 2)),
        ("/other/a", file("x", 2)),
        ("/other/b", file("y", 2)),
        ("/mode", Entry::directory(0o700, 2)),
    ];
    let (left, changed) = outcome(&before, &after);
    assert_eq!(left, ["/other/a", "/same/a"]);
    assert_eq!(changed, ["/mode", "/other", "/other/b"]);
}

#[test]
fn kept_folders_stay_as_they_are() {
    let before = [
        ("/var/lib/db/list", file("x", 1)),
        ("/var/lib/db-other", file("x", 1)),
        ("/var/lib/db", Entry::directory(0o755, 1)),
    ];
    let after = [
        ("/var/lib/db/list", file("x", 2)),
        ("/var/lib/db-other", file("x", 2)),
        ("/var/lib/db", Entry::directory(0o755, 2)),
    ];
    let (left, changed) = outcome(&before, &after);
    assert_eq!(left, ["/var/lib/db-other"]);
    assert_eq!(changed, ["/var/lib/db", "/var/lib/db/list"]);
}

#[test]
fn a_directory_made_anew_gives_back_what_was_in_it() {
    let mut original = empty();
    original.set(path("/d/a"), file("x", 1)).unwrap();
    original.set(path("/d/gone"), file("x", 1)).unwrap();
    original.set(path("/l"), Entry::symlink("d", 1)).unwrap();
    let mut overlay = Overlay::new(image(&original, Taken::Taken));
    overlay.remove(&path("/d"));
    overlay.set(path("/d/a"), file("x", 2)).unwrap();
    // what was a link to a directory had nothing below it
    overlay.remove(&path("/l"));
    overlay.set(path("/l/a"), file("x", 2)).unwrap();
    let identical = leave_out(&mut overlay, &[]).unwrap();
    assert_eq!(left(&identical), ["/d/a"]);
    assert_eq!(changed(&overlay), ["/d", "/d/gone", "/l", "/l/a"]);
    let tree = published(&overlay);
    assert_eq!(tree.lstat(&path("/d/a")).unwrap().mtime, 1);
    assert!(tree.lstat(&path("/d/gone")).is_none());
}

#[test]
fn names_of_one_file_stay_together() {
    let mut original = empty();
    let id = original.new_link();
    for at in ["/a", "/b"] {
        original.set(path(at), linked(file("xyz", 1), id)).unwrap();
    }
    original.set(path("/alone"), file("xyz", 1)).unwrap();
    let tree = image(&original, Taken::Taken);
    let run = |edit: &dyn Fn(&mut Overlay)| {
        let mut overlay = Overlay::new(Arc::clone(&tree));
        edit(&mut overlay);
        let identical = leave_out(&mut overlay, &[]).unwrap();
        (left(&identical), identical.bytes)
    };
    let together = |names: &[&'static str], mtime| {
        let names = names.to_vec();
        move |overlay: &mut Overlay| {
            let id = overlay.new_link();
            for at in &names {
                overlay.set(path(at), linked(file("xyz", mtime), id)).unwrap();
            }
        }
    };
    // the same names
    let both = vec!["/a".to_owned(), "/b".to_owned()];
    assert_eq!(run(&together(&["/a", "/b"], 2)), (both, 3));
    // a third name, one less, a name of another file, one name only
    let none = (vec![], 0);
    assert_eq!(run(&together(&["/a", "/b", "/c"], 2)), none);
    assert_eq!(run(&together(&["/a", "/b", "/alone"], 2)), none);
    assert_eq!(run(&|overlay| overlay.set(path("/a"), file("xyz", 2)).unwrap()), none);
    assert_eq!(run(&|overlay| overlay.modify(&path("/a"), |one| one.mtime = 2).unwrap()), none);
    let without = |overlay: &mut Overlay| {
        overlay.remove(&path("/b"));
        overlay.set(path("/a"), file("xyz", 2)).unwrap();
    };
    assert_eq!(run(&without), none);
    // one of them changes
    let one_changes = |overlay: &mut Overlay| {
        together(&["/a", "/b"], 2)(overlay);
        overlay.modify(&path("/b"), |one| one.mode = 0o600).unwrap();
    };
    assert_eq!(run(&one_changes), none);
}

#[test]
fn a_broken_disk_is_an_error_and_changes_nothing() {
    use super::super::tree::BrokenDisk;
    let tree = Tree::from_entries([(path("/a"), BrokenDisk::file(3))], Arc::new(BrokenDisk));
    let mut overlay = Overlay::new(Arc::new(tree));
    let now = Entry { mode: 0o755, ..file("abc", 2) };
    overlay.set(path("/a"), now).unwrap();
    let error = leave_out(&mut overlay, &[]).unwrap_err();
    assert!(super::super::fault::is_of_this_machine(&error), "{error}");
    assert_eq!(changed(&overlay), ["/a"]);
}

#[derive(Debug, Clone)]
enum Op {
    Set(ImagePath, Entry),
    /// The same file under several names.
    Link(Vec<ImagePath>, Entry),
    Remove(ImagePath),
    Rename(ImagePath, ImagePath),
    Touch(ImagePath, i64),
    /// What is there, written anew.
    Anew(i64),
}

fn any_path() -> impl Strategy<Value = ImagePath> {
    let name = prop::sample::select(vec!["a", "b", "a-b"]);
    prop::collection::vec(name, 1..4).prop_map(|parts| ImagePath::new(parts.join("/")).unwrap())
}

fn any_file() -> impl Strategy<Value = Entry> {
    ("[xy]{0,2}", prop::sample::select(vec![0o644u32, 0o4755]), 0..3i64)
        .prop_map(|(text, mode, mtime)| Entry { mode, ..file(&text, mtime) })
}

fn any_entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        4 => any_file(),
        2 => (0..3i64).prop_map(|mtime| Entry::directory(0o755, mtime)),
        1 => ("[ab]", 0..3i64).prop_map(|(target, mtime)| Entry::symlink(target, mtime)),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (any_path(), any_entry()).prop_map(|(at, entry)| Op::Set(at, entry)),
        2 => (prop::collection::vec(any_path(), 2..4), any_file())
            .prop_map(|(names, entry)| Op::Link(names, entry)),
        2 => any_path().prop_map(Op::Remove),
        1 => (any_path(), any_path()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => (any_path(), 0..3i64).prop_map(|(at, mtime)| Op::Touch(at, mtime)),
        2 => (3..5i64).prop_map(Op::Anew),
    ]
}

fn apply(overlay: &mut Overlay, op: Op) {
    // What cannot be done is an error and changes nothing.
    match op {
        Op::Set(at, entry) => drop(overlay.set(at, entry)),
        Op::Link(names, entry) => {
            let id = overlay.new_link();
            for at in names {
                let _ = overlay.set(at, linked(entry.clone(), id));
            }
        }
        Op::Remove(at) => overlay.remove(&at),
        Op::Rename(from, to) => drop(overlay.rename(&from, to)),
        Op::Touch(at, mtime) => drop(overlay.modify(&at, |entry| entry.mtime = mtime)),
        Op::Anew(mtime) => anew(overlay, mtime),
    }
}

/// Writes every file anew, as an upgrade does: files that are linked are again, by new ids.
fn anew(overlay: &mut Overlay, mtime: i64) {
    let mut ids: BTreeMap<LinkId, LinkId> = BTreeMap::new();
    for at in overlay.walk(&ImagePath::root()) {
        let Some(Entry { kind: Kind::File(data), .. }) = overlay.lstat(&at) else { continue };
        let (old, bytes) = (data.link, overlay.read(&at).unwrap());
        let mut entry = overlay.lstat(&at).unwrap().clone();
        let link = old.map(|old| *ids.entry(old).or_insert_with(|| overlay.new_link()));
        let content = Content::Inline(bytes);
        entry.kind = Kind::File(FileData { size: entry.size(), content, link });
        entry.mtime = mtime;
        overlay.set(at, entry).unwrap();
    }
}

/// A path's entry without its time, with the content itself, and the names of its file.
type Shown = (Entry, Vec<u8>, BTreeSet<ImagePath>);

fn shown(tree: &Tree) -> BTreeMap<ImagePath, Shown> {
    let links = names(tree);
    let show = |(at, entry): (&ImagePath, &Entry)| {
        let mut bare = Entry { mtime: 0, ..entry.clone() };
        let (mut bytes, mut names) = (Vec::new(), BTreeSet::new());
        if let Kind::File(data) = &mut bare.kind {
            bytes = tree.read(at).unwrap().to_vec();
            names = data.link.map(|id| links[&id].clone()).unwrap_or_default();
            *data = FileData { content: Content::Inline("".into()), link: None, ..data.clone() };
        }
        (at.clone(), (bare, bytes, names))
    };
    tree.iter().map(show).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_image_is_the_same_but_for_times(
        start in prop::collection::vec(any_op(), 0..12),
        ops in prop::collection::vec(any_op(), 0..12),
        taken in any::<bool>(),
    ) {
        let mut original = empty();
        start.into_iter().for_each(|op| apply(&mut original, op));
        let tree = image(&original, if taken { Taken::Taken } else { Taken::Left });
        let mut exact = Overlay::new(Arc::clone(&tree));
        ops.into_iter().for_each(|op| apply(&mut exact, op));
        let mut small = exact.clone();
        let identical = leave_out(&mut small, &[]).unwrap();

        let (with, without) = (published(&small), published(&exact));
        prop_assert_eq!(shown(&with), shown(&without));
        prop_assert!(written(&small).len() <= written(&exact).len());
        let written: BTreeSet<ImagePath> = small.changes().map(|(path, _)| path.clone()).collect();
        for (at, entry) in with.iter() {
            let exact = without.lstat(at).unwrap();
            if identical.paths.contains(at) {
                // as the original has it, and never in the layer
                prop_assert_eq!(Some(entry.mtime), tree.lstat(at).map(|was| was.mtime));
                prop_assert!(!written.contains(at));
            } else if entry.is_dir() && !written.iter().any(|one| one.starts_with(at)) {
                prop_assert_eq!(Some(entry.mtime), tree.lstat(at).map(|was| was.mtime));
            } else {
                prop_assert_eq!(entry.mtime, exact.mtime, "{}", at);
            }
        }
        // once is enough
        let again = leave_out(&mut small, &[]).unwrap();
        prop_assert_eq!(again, Identical::default());
    }
}
