//! Tests of the whole room: what is read, what is refused, what a rewriting leaves.

use bytes::Bytes;
use proptest::prelude::*;

use crate::testing::Made;
use crate::{Addition, Archive, Change, Limits, Names, ZipError};

fn read(bytes: impl Into<Bytes>) -> Result<Archive, ZipError> {
    Archive::read(bytes.into(), Limits::PACKAGE, Names::Unpacked)
}

/// All forms that one list of entries has.
fn forms(entries: &[(&str, &[u8])]) -> Vec<Made> {
    let mut forms = Vec::new();
    for (wide, described_later) in [(false, false), (true, false), (false, true), (true, true)] {
        let shell = b"#!/bin/sh\nexec java -jar $0\n".as_slice();
        for (script, counts_script) in [(b"".as_slice(), false), (shell, false), (shell, true)] {
            let (made, script) = (Made::of(entries), script.to_vec());
            forms.push(Made { wide, described_later, script, counts_script, ..made });
        }
    }
    forms
}

const ENTRIES: [(&str, &[u8]); 4] = [
    ("BOOT-INF/", b""),
    ("BOOT-INF/lib/a-1.jar", b"not really a jar, and stored"),
    ("BOOT-INF/classpath.idx", b"- \"BOOT-INF/lib/a-1.jar\"\n- \"BOOT-INF/lib/a-1.jar\"\n"),
    ("z.txt", b"last"),
];

#[test]
fn every_form_is_read_and_rewritten() {
    for made in forms(&ENTRIES) {
        let archive = read(made.bytes()).unwrap();
        for (name, content) in ENTRIES {
            assert_eq!(archive.named(name).unwrap(), content, "{made:?}");
        }
        assert_eq!(archive.prefix(), made.script);
        assert_eq!(archive.rewrite(&[].into(), &[]).unwrap(), made.bytes());

        let jar = archive.find("BOOT-INF/lib/a-1.jar").unwrap().unwrap();
        let last = archive.find("z.txt").unwrap().unwrap();
        let new =
            Bytes::from_static(b"a longer one, which is stored as the old one was: 0123456789");
        let changes = [(jar, Change::Content(new.clone())), (last, Change::Removed)];
        let added = Addition { name: "added.txt".into(), content: Bytes::from_static(b"new") };
        let again = archive.rewrite(&changes.into(), &[added]).unwrap();
        let again = read(again).unwrap();
        let names: Vec<&str> = again.entries().iter().map(|entry| entry.name()).collect();
        assert_eq!(names, ["BOOT-INF/", ENTRIES[1].0, ENTRIES[2].0, "added.txt"]);
        assert_eq!(again.named(ENTRIES[1].0).unwrap(), new);
        assert!(again.entries()[jar].is_stored());
        assert_eq!(again.named(ENTRIES[2].0).unwrap(), ENTRIES[2].1);
        assert_eq!(again.named("added.txt").unwrap(), b"new".as_slice());
        assert_eq!(again.prefix(), made.script);
        assert_eq!(again.entries()[2].unix_mode(), Some(0o100_644));
    }
}

#[test]
fn all_else_is_copied() {
    let old = Made::of(&ENTRIES);
    let mut new = old.clone();
    new.entries[1].1 = b"x".to_vec();
    new.entries[2].1 = b"y".to_vec();
    let archive = read(old.bytes()).unwrap();
    let changes = [(1, Change::Content("x".into())), (2, Change::Content("y".into()))];
    assert_eq!(archive.rewrite(&changes.into(), &[]).unwrap(), new.bytes());
}

fn refused(bytes: Vec<u8>) -> String {
    let archive = match read(bytes) {
        Err(error) => return error.to_string(),
        Ok(archive) => archive,
    };
    let mut contents = archive.entries().iter().map(|entry| archive.content(entry));
    contents.find_map(Result::err).map_or("nothing".to_owned(), |error| error.to_string())
}

/// The place of the first `what` in `bytes`.
fn place(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap()
}

#[test]
fn damage_is_one_clear_error() {
    let one = Made::of(&[("a.txt", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]);
    let stored = Made::of(&[("a.jar", b"aaaa"), ("b.jar", b"bbbb")]);
    let changed = |made: &Made, what: &[u8], at: usize, value: &[u8]| {
        let mut bytes = made.bytes();
        let at = place(&bytes, what) + at;
        bytes[at..at + value.len()].copy_from_slice(value);
        bytes
    };
    let (local, central, end) = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06");
    for (bytes, want) in [
        (b"".to_vec(), "it is no zip archive"),
        (vec![b'x'; 100], "it is no zip archive"),
        (
            changed(&one, end, 8, &[2, 0, 2, 0]),
            "it says that it has 2 entries, and its central directory has room for 1",
        ),
        (changed(&one, end, 10, &[2, 0]), "it has several parts"),
        (changed(&one, end, 12, &[1, 2, 0, 0]), "begins before the archive"),
        (changed(&one, end, 16, &[0xff]), "is not where its end record says"),
        (changed(&one, central, 16, &[0, 0, 0, 0]), "another CRC in the central directory"),
        (changed(&one, central, 24, &[9]), "another size in the central directory"),
        (changed(&one, central, 10, &[12]), "another method in the central directory"),
        (changed(&one, local, 30, b"b"), "another name in the central directory"),
        (changed(&one, local, 6, &[1]), "another set of flags"),
        (changed(&one, central, 42, &[3]), "is not where the central directory says"),
        (changed(&stored, b"aaaa", 0, b"b"), "\"a.jar\" has another CRC than it says"),
        (Made::of(&[("a", b""), ("a", b"")]).bytes(), "an unsafe entry \"a\": it comes twice"),
        (Made::of(&[("a/", b""), ("a", b"")]).bytes(), "it comes twice"),
        (Made::of(&[("a", b""), ("a/b", b"")]).bytes(), "what is above it is a file"),
        (Made::of(&[("../a", b"")]).bytes(), "its name leaves the folder"),
        (Made::of(&[("a/../b", b"")]).bytes(), "its name leaves the folder"),
        (Made::of(&[("a//b", b"")]).bytes(), "its name leaves the folder"),
        (Made::of(&[("/a", b"")]).bytes(), "its name is absolute"),
        (Made::of(&[("a\\b", b"")]).bytes(), "its name has a backslash"),
        (Made::of(&[("a\x1b[2J", b"")]).bytes(), "an unsafe entry \"a\\u{1b}[2J\""),
        (changed(&one, central, 40, &[0xff, 0xa1]), "it is neither a file nor a folder"),
    ] {
        let refused = refused(bytes);
        assert!(refused.contains(want), "{refused}, not {want}");
    }
}

#[test]
fn entries_that_share_bytes_are_refused() {
    let mut bytes = Made::of(&[("a.jar", b"aaaa"), ("a.jar", b"aaaa")]).bytes();
    // the second one is where the first one is
    let first = place(&bytes, b"PK\x01\x02");
    let second = first + 4 + place(&bytes[first + 4..], b"PK\x01\x02");
    bytes[second + 42] = 0;
    let read = Archive::read(bytes.into(), Limits::PACKAGE, Names::LookedInto);
    assert_eq!(
        read.unwrap_err().to_string(),
        "it is a damaged zip archive: its entries lie over each other"
    );
}

#[test]
fn names_are_keys_for_who_looks_into() {
    let made = Made::of(&[("../a", b"1"), ("b", b"2"), ("b", b"3")]);
    let archive = Archive::read(made.bytes().into(), Limits::PACKAGE, Names::LookedInto).unwrap();
    assert_eq!(archive.named("../a").unwrap(), b"1".as_slice());
    assert!(archive.named("b").unwrap_err().to_string().contains("\"b\" comes twice"));
    assert_eq!(archive.named("c"), Err(ZipError::NoEntry("c".into())));
}

#[test]
fn what_it_may_use_is_bounded() {
    let zeros = vec![0; 70 << 20];
    let bomb = Made::of(&[("zeros", &zeros)]).bytes();
    assert!(refused(bomb.clone()).contains("more than 200 times as large as it is"));
    let wide = Limits { ratio: 2000, ..Limits::PACKAGE };
    let read = |limits| Archive::read(bomb.clone().into(), limits, Names::Unpacked);
    let archive = read(wide).unwrap();
    assert_eq!(archive.named("zeros").unwrap().len(), zeros.len());
    let why = read(Limits { entry: 1 << 20, ..wide }).unwrap_err().to_string();
    assert!(why.contains("more than 1048576"), "{why}");
    let why = read(Limits { total: 1 << 20, ..wide }).unwrap_err().to_string();
    assert!(why.contains("its contents have 73400320 bytes"), "{why}");
    let why = read(Limits { entries: 0, ..wide }).unwrap_err().to_string();
    assert!(why.contains("it has 1 entries, more than 0"), "{why}");
}

#[test]
fn a_size_that_is_a_lie_is_refused_before_memory_is_used() {
    let made = Made::of(&[("a.txt", b"aaaa")]);
    let mut bytes = made.bytes();
    for (header, field) in [(b"PK\x03\x04", 22), (b"PK\x01\x02", 24)] {
        let at = place(&bytes, header) + field;
        bytes[at..at + 4].copy_from_slice(&0x7000_0000_u32.to_le_bytes());
    }
    assert!(refused(bytes.clone()).contains("\"a.txt\" cannot have 1879048192 bytes"));
    for (header, field) in [(b"PK\x03\x04", 22), (b"PK\x01\x02", 24)] {
        let at = place(&bytes, header) + field;
        bytes[at..at + 4].copy_from_slice(&3_u32.to_le_bytes());
    }
    assert!(refused(bytes).contains("has another size than it says"));
}

#[test]
fn additions_have_safe_and_free_names() {
    let archive = read(Made::of(&ENTRIES).bytes()).unwrap();
    for name in ["z.txt", "BOOT-INF", "../x", "x/"] {
        let added = Addition { name: name.into(), content: Bytes::new() };
        assert!(archive.rewrite(&[].into(), &[added]).is_err(), "{name}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = refused(bytes);
    }

    #[test]
    fn changed_bytes_never_panic(at in 0_usize..2000, value: u8, form in 0_usize..12) {
        let mut bytes = forms(&ENTRIES)[form].bytes();
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(archive) = Archive::read(bytes.into(), Limits::PACKAGE, Names::LookedInto) {
            let contents: Vec<_> =
                archive.entries().iter().map(|entry| archive.content(entry)).collect();
            // what nobody asked to change says what it said
            let changes = [(0, Change::Removed)];
            if let Ok(again) = archive.rewrite(&changes.into(), &[]) {
                let again = Archive::read(again, Limits::PACKAGE, Names::LookedInto).unwrap();
                let after: Vec<_> =
                    again.entries().iter().map(|entry| again.content(entry)).collect();
                prop_assert_eq!(&contents[1..], after);
            }
        }
    }
}
