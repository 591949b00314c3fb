//! `Packages` files in compact form: found, damaged, left out, too large.

use proptest::prelude::*;

use super::*;

const SHA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn stanza(name: &str, version: &str, more: &str) -> String {
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: x\n{more}\
         Filename: pool/{name}.deb\nSize: 12\nSHA256: {SHA}\nDescription: d\n long\n\n"
    )
}

fn names(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|r| format!("{} {}", r.text(Field::Package).unwrap(), r.text(Field::Version).unwrap()))
        .collect()
}

#[test]
fn versions_and_providers_are_found_and_survive_the_cache() {
    let mut text = stanza("b", "2", "Provides: mta, c (= 1),\n d:any\n");
    text += &stanza("a", "1", "Provides: mta, mta\n");
    text += &stanza("b", "3", "");
    for i in 0..2000 {
        text += &stanza(&format!("filler{i}"), "1", "Depends: x, y\n");
    }
    let built = PackagesFile::read(text.as_bytes(), &Memory::default()).unwrap();
    assert!(built.blocks.len() > BLOCK_ROW, "several blocks");
    let loaded = PackagesFile::from_bytes(built.as_bytes().to_vec(), &Memory::default()).unwrap();
    for file in [built, loaded] {
        assert_eq!(file.len(), 2003);
        assert_eq!(names(&file.versions("b")), ["b 2", "b 3"]);
        assert_eq!(names(&file.providers("mta")), ["b 2", "a 1"]);
        assert_eq!(names(&file.providers("c")), ["b 2"]);
        assert_eq!(names(&file.providers("d")), ["b 2"]);
        assert_eq!(names(&file.versions("filler1999")), ["filler1999 1"]);
        assert!(file.versions("").is_empty() && file.versions("zz").is_empty());
        assert!(file.has("a") && !file.has("mta"));
        assert_eq!(file.left_out(), None);
    }
}

#[test]
fn a_damaged_cached_form_is_refused() {
    let file = PackagesFile::read(stanza("a", "1", "").as_bytes(), &Memory::default()).unwrap();
    let good = file.as_bytes().to_vec();
    for at in [0, 9, 30, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(PackagesFile::from_bytes(bad, &Memory::default()).is_err(), "byte {at}");
    }
    for len in [0, 8, 40, good.len() - 1] {
        assert!(
            PackagesFile::from_bytes(good[..len].to_vec(), &Memory::default()).is_err(),
            "length {len}"
        );
    }
}

#[test]
fn stanzas_that_cannot_be_fetched_are_left_out_and_counted() {
    for (field, value, why) in [
        ("Filename", "../x.deb", "line 1: a: the field Filename has a '..' component"),
        ("Filename", "/x.deb", "line 1: a: the field Filename is absolute"),
        ("Filename", "http://x/y", "line 1: a: the field Filename is absolute"),
        ("Filename", "", "line 1: a: the field Filename is missing"),
        ("Size", "-1", "line 1: a: the field Size is missing or wrong"),
        ("SHA256", "abc", "line 1: a: the field SHA256 is missing or wrong"),
        ("Version", "1 2", "line 1: a: the field Version is missing or wrong"),
        ("Package", "a/b", "line 1: \"a/b\" is not a package name"),
    ] {
        let text: String = stanza("a", "1", "")
            .lines()
            .map(|line| match line.strip_prefix(&format!("{field}:")) {
                Some(_) => format!("{field}: {value}\n"),
                None => format!("{line}\n"),
            })
            .collect();
        let file =
            PackagesFile::read((text + &stanza("z", "1", "")).as_bytes(), &Memory::default())
                .unwrap();
        assert_eq!(file.left_out(), Some((1, why)));
        assert_eq!(file.len(), 1);
    }
}

#[test]
fn names_without_end_meet_the_budget_and_give_it_back() {
    let memory = Memory::fixed(MAX_STANZA as u64 + (8 << 20));
    let provides = (0..50_000).map(|n| format!("a{n},")).collect::<String>();
    let text: String = (0..20)
        .map(|n| stanza(&format!("p{n}"), "1", &format!("Provides: {provides}\n")))
        .collect();
    let error = PackagesFile::read(text.as_bytes(), &memory).unwrap_err();
    assert!(error.to_string().contains("--max-memory"), "{error}");
    assert_eq!(memory.used(), 0);
    let small = PackagesFile::read(stanza("a", "1", "").as_bytes(), &memory).unwrap();
    assert_eq!(memory.used(), small.as_bytes().len() as u64);
    drop(small);
    assert_eq!(memory.used(), 0);
    let same = stanza("a", "1", "").repeat(MAX_SAME + 1);
    let error = PackagesFile::read(same.as_bytes(), &Memory::default()).unwrap_err();
    assert_eq!(error.to_string(), "more than 5000 packages are called \"a\", or provide it");
}

#[test]
fn text_that_is_not_deb822_is_an_error_with_its_line() {
    for (text, want) in [
        ("no colon\n", "line 1: expected a field name and a colon, found \"no colon\""),
        ("Package: a\nPackage: b\n", "line 2: the field Package is there twice"),
        (" x\n", "line 1: a continuation line without a field"),
        ("\n\nVersion: 1\n", "line 3: a stanza without a Package field"),
    ] {
        let error = PackagesFile::read(text.as_bytes(), &Memory::default()).unwrap_err();
        assert_eq!(error.to_string(), want);
    }
    let long = "x".repeat(MAX_STANZA + 10);
    assert!(PackagesFile::read(long.as_bytes(), &Memory::default()).is_err());
    assert!(PackagesFile::read(&b""[..], &Memory::default()).unwrap().is_empty());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = PackagesFile::read(&bytes[..], &Memory::default());
        let _ = PackagesFile::from_bytes(bytes, &Memory::default());
    }

    #[test]
    fn near_packages_files_never_panic(
        text in "((Package|Version|Provides|SHA256|Filename|x)?[: ]{0,2}[a-c,(]{0,3}\n){0,30}"
    ) {
        let _ = PackagesFile::read(text.as_bytes(), &Memory::default());
    }
}
