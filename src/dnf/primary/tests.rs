use super::*;
use imgfix_vfs::Memory;
use proptest::prelude::*;

/// A package's element with relations.
fn package(name: &str, rest: &str) -> String {
    format!(
        r#"<package type="rpm"><name>{name}</name><arch>x86_64</arch>
<version epoch="1" ver="2.0" rel="3.el9"/>
<checksum type="sha256" pkgid="YES">{:064x}</checksum><summary>a &lt; b &amp; c</summary>
<time file="1" build="1600000000"/><size package="10" installed="20" archive="30"/>
<location href="Packages/{name}.rpm"/><format><rpm:vendor>V</rpm:vendor>
<rpm:sourcerpm>{name}.src.rpm</rpm:sourcerpm><rpm:header-range start="4" end="9"/>{rest}<file>/etc/{name}</file>
<file type="dir">/etc/d</file><file type="ghost">/etc/g</file></format></package>"#,
        name.len()
    )
}

fn read(packages: &str) -> Result<PrimaryFile, PrimaryError> {
    let text = format!(
        "<?xml version=\"1.0\"?><metadata xmlns=\"c\" xmlns:rpm=\"r\" packages=\"1\">{packages}</metadata>"
    );
    PrimaryFile::read(text.as_bytes(), &|architecture| architecture != "src", &Memory::default())
}

fn names<'a>(packages: impl Iterator<Item = Package<'a>>) -> Vec<&'a str> {
    packages.map(|package| package.name()).collect()
}

const RELATIONS: &str = r#"<rpm:provides><rpm:entry name="a" flags="EQ" epoch="1" ver="2.0" rel="3.el9"/>
<rpm:entry name="libx.so.1()(64bit)"/></rpm:provides><rpm:requires>
<rpm:entry name="/bin/sh" pre="1"/><rpm:entry name="b" flags="GE" epoch="0" ver="1"/>
<rpm:entry name="(c if d)"/></rpm:requires><rpm:obsoletes><rpm:entry name="old" flags="LT" epoch="0" ver="9" rel="1"/>
</rpm:obsoletes><rpm:supplements><rpm:entry name="(x and y)"/></rpm:supplements>"#;

#[test]
fn packages_have_their_relations_and_are_found_by_them() {
    let file = read(&(package("a", RELATIONS) + &package("bb", ""))).unwrap();
    assert_eq!(file.len(), 2);
    let a = file.named("a").next().unwrap();
    assert_eq!((a.evr().as_str(), a.architecture(), a.vendor()), ("1:2.0-3.el9", "x86_64", "V"));
    assert_eq!((a.location(), a.size(), a.built()), ("Packages/a.rpm", 10, 1_600_000_000));
    assert_eq!((a.source(), a.header_end()), ("a.src.rpm", Some(9)));
    let texts = |kind| a.relations(kind).map(|one| one.to_string()).collect::<Vec<_>>();
    assert_eq!(texts(RelationKind::Provides), ["a = 1:2.0-3.el9", "libx.so.1()(64bit)"]);
    assert_eq!(texts(RelationKind::Requires), ["/bin/sh", "b >= 1", "(c if d)"]);
    assert_eq!(texts(RelationKind::Obsoletes), ["old < 9-1"]);
    assert_eq!(texts(RelationKind::Files), ["/etc/a", "/etc/d", "/etc/g"]);
    assert_eq!(names(file.providing("libx.so.1()(64bit)")), ["a"]);
    assert_eq!(names(file.obsoleting("old")), ["a"]);
    assert_eq!(names(file.rich_supplements()), ["a"]);
    assert_eq!(names(file.with_file("/etc/d")), ["a", "bb"]);
    assert!(names(file.providing("nothing")).is_empty());
}

#[test]
fn files_of_other_folders_are_added() {
    let mut file = read(&(package("a", "") + &package("bb", ""))).unwrap();
    let digest = file.named("bb").next().unwrap().digest();
    file.add_files([("/usr/share/x", digest), ("/usr/share/x", Digest::of(b"none"))]).unwrap();
    assert_eq!(names(file.with_file("/usr/share/x")), ["bb"]);
}

#[test]
fn what_cannot_be_fetched_is_left_out() {
    for (from, to) in [
        ("Packages/a.rpm", "../a.rpm"),
        ("Packages/a.rpm", "https://x/a.rpm"),
        ("type=\"sha256\"", "type=\"sha\""),
        ("ver=\"2.0\"", "ver=\"\""),
        ("epoch=\"1\" ver=\"2", "epoch=\"x\" ver=\"2"),
        ("<name>a</name>", "<name>a/b</name>"),
        ("size package=\"10\"", "size package=\"\""),
    ] {
        let text = package("a", "").replace(from, to);
        let file = read(&(text + &package("bb", ""))).unwrap();
        assert_eq!((file.len(), file.left_out().unwrap().0), (1, 1), "{to}");
    }
    let source = read(&package("a", "").replace("<arch>x86_64", "<arch>src")).unwrap();
    assert!(source.is_empty() && source.left_out().is_none());
}

#[test]
fn other_documents_are_refused_and_memory_is_bounded() {
    let memory = Memory::default();
    for text in ["", "<html/>", "<metadata><package>", "<!DOCTYPE x><metadata/>"] {
        assert!(PrimaryFile::read(text.as_bytes(), &|_| true, &memory).is_err(), "{text}");
    }
    let many: String = (0..200).map(|n| package(&format!("p{n}"), RELATIONS)).collect();
    let text = format!("<metadata>{many}</metadata>");
    let small = Memory::fixed(20_000);
    let error = PrimaryFile::read(text.as_bytes(), &|_| true, &small).unwrap_err();
    assert!(matches!(error, PrimaryError::Memory(_)), "{error}");
    drop(error);
    assert_eq!(small.used(), 0);
}

#[test]
fn a_real_repository_is_read() {
    let Some(folder) = std::env::var_os("IMGFIX_RPM_DATA") else {
        eprintln!("IMGFIX_RPM_DATA is not set: no real primary.xml was read");
        return;
    };
    let path = std::path::Path::new(&folder).join("repodata/el8-pgdg13/repodata");
    let name = "30f63c7f873ffe9d028eb94c4b44bb986673c21ad664e07f0f55cef228080c8e-primary.xml.gz";
    let reader = std::fs::File::open(path.join(name)).unwrap();
    let reader = flate2::bufread::MultiGzDecoder::new(std::io::BufReader::new(reader));
    let memory = Memory::default();
    let file = PrimaryFile::read(std::io::BufReader::new(reader), &|_| true, &memory).unwrap();
    assert_eq!((file.len(), file.left_out()), (1384, None));
    let newest = file.named("postgresql13").filter(|one| one.evr() == "13.14-1PGDG.rhel8");
    assert_eq!(newest.count(), 1);
    assert!(memory.used() < 6 << 20, "{}", memory.used());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(<[/a-z:]{1,9}|[ >\"=&;a-z]{0,9}){0,30}") {
        let _ = read(&text);
    }
}
