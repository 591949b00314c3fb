//! The values are those of `apt-config dump` (apt 2.6.1).

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use imgfix_vfs::{NoLayers, Tree};

fn conf(text: &str) -> AptConf {
    let mut conf = AptConf::default();
    conf.parse(text.as_bytes());
    conf
}

#[test]
fn files_from_windows_say_the_same() {
    let text = "Acquire::Check-Valid-Until \"false\"; // no\n/* a\n */ APT { A \"b\"; };\n";
    let (mut unix, mut windows) = (AptConf::default(), AptConf::default());
    unix.parse(text.as_bytes());
    windows.parse(format!("\u{feff}{}", text.replace('\n', "\r\n")).as_bytes());
    assert_eq!(format!("{windows:?}"), format!("{unix:?}"));
    assert!(!windows.truth("Acquire::Check-Valid-Until", true));
}

#[test]
fn every_form_of_the_syntax() {
    let text = "A \"1\" { B \"2\"; C { \"x\"; \"y\" \"z\"; }; };\n\
                D::E:: \"f\"; D::E:: \"g\"; D { E \"h\"; };\n\
                q \"a b\" \"c\";\nL { one; two; }\n\"k\" \"v\";\nM \"%41\";\nN::%42 \"n\";\n\
                O \"1\"\n   ;\nP/*c*/ \"p//q\"; # foo\nS { T; } U \"1\";\n\
                V::W { \"a\"; } V::W { \"b\"; };\n#clear A::B;\nUnq a=stable;\r\n\
                // x; \n/* y\n z \"1\"; */ X\t\"2\";\n";
    let conf = conf(text);
    assert_eq!(conf.errors, Vec::<String>::new());
    for (name, want) in [
        ("A", Some("1")),
        ("A::B", None),
        ("a::c::Y", Some("z")),
        ("D::E", Some("h")),
        ("q", Some("a b c")),
        ("k", Some("v")),
        ("M", Some("%41")),
        ("N::B", Some("n")),
        ("O", Some("1")),
        ("P", Some("p//q")),
        ("U", Some("1")),
        ("Unq", Some("a=stable")),
        ("z", None),
        ("X", Some("2")),
        ("missing::at::all", None),
        ("", None),
    ] {
        assert_eq!(conf.get(name), want, "{name}");
    }
    for (name, want) in [
        ("A::C", vec!["x", "z"]),
        ("D::E", vec!["f", "g"]),
        ("L", vec!["one", "two"]),
        ("S", vec!["T"]),
        ("V::W", vec!["a", "b"]),
    ] {
        assert_eq!(conf.members(name), want, "{name}");
    }
    assert_eq!((conf.list("D::E"), conf.list("q")), (vec!["h"], vec!["a b c"]));
}

#[test]
fn later_values_win_and_clear_takes_all_below() {
    let mut conf = conf(
        "Acquire::Check-Valid-Until \"false\"; Acquire { By-Hash \"force\"; };\n\
         DPkg::Post-Invoke { \"rm -f /x\"; }; Gone::A \"1\"; Gone::A::B \"2\";\n\
         Gone::C:: \"3\"; #clear Gone::A;\nAcquire::by-hash no;",
    );
    assert!(!conf.truth("Acquire::Check-Valid-Until", true));
    assert_eq!(conf.get("Acquire::By-Hash"), Some("no"));
    assert_eq!((conf.get("gone::a"), conf.get("gone::a::b")), (None, None));
    assert_eq!(conf.members("Gone::C"), ["3"]);
    conf.parse(b"#clear Gone; Gone::C:: \"4\"; Acquire::Check-Valid-Until \"\";");
    assert_eq!(conf.members("Gone::C"), ["4"]);
    assert!(conf.truth("Acquire::Check-Valid-Until", true) && conf.truth("missing", true));
}

/// What apt says of each, and what stands before the place where it stops counts.
#[test]
fn what_apt_refuses_is_told_with_its_line() {
    for (text, want) in [
        ("A \"1\";\n{ B \"2\"; };", "line 2: a block has no name"),
        ("A \"1\"; B \"2\" 3;", "line 1: \"\\\"2\\\" 3\" is more than one value"),
        ("A \"1\"; #clear;", "#clear does not say what"),
        ("A \"1\"; B { #clear C; };", "a directive stands in a block"),
        ("A \"1\"; #nonsense", ""),
        ("A \"1\"; #includes \"x\";", "the directive #includes is not known"),
        ("A \"1\"; B \"2\"\n", "\"B \\\"2\\\"\" at its end has no semicolon"),
    ] {
        let conf = conf(text);
        assert_eq!(conf.get("A"), Some("1"), "{text}");
        let said = conf.errors.join("");
        assert!(said.contains(want) && said.is_empty() == want.is_empty(), "{text}: {said}");
    }
}

fn image(files: &[(&'static str, &'static str)]) -> AptConf {
    let entries = files.iter().map(|(path, text)| {
        (ImagePath::literal(path), Entry::file(text.as_bytes().to_vec(), 0o644, 0))
    });
    AptConf::read(&Tree::from_entries(entries.collect::<Vec<_>>(), Arc::new(NoLayers))).unwrap()
}

#[test]
fn the_parts_come_first_by_name_and_includes_where_they_stand() {
    let conf = image(&[
        ("/etc/apt/apt.conf", "A \"main\"; #include \"/etc/more/\";\n#include \"/etc/one\";"),
        ("/etc/apt/apt.conf.d/10a", "A \"10a\"; B \"10a\"; C \"10a\";"),
        ("/etc/apt/apt.conf.d/20b.conf", "B \"20b\"; Binary::apt-get::C \"of apt-get\";"),
        ("/etc/apt/apt.conf.d/30c.bak", "B \"backup\";"),
        ("/etc/more/x", "D \"1\"; E \"1\";"),
        ("/etc/one", "E \"2\"; #include \"/etc/one\";"),
    ]);
    let values = ["A", "B", "C", "D", "E"].map(|name| conf.get(name));
    assert_eq!(values, ["main", "20b", "of apt-get", "1", "2"].map(Some));
    assert_eq!(conf.errors.len(), 1, "{:?}", conf.errors);
}

#[test]
fn only_parts_that_apt_reads() {
    for (name, extension, want) in [
        ("70debconf", "conf", true),
        ("x.conf", "conf", true),
        ("x.pref", "conf", false),
        ("x.pref", "pref", true),
        ("x.bak", "conf", false),
        (".x", "conf", false),
        ("a b", "conf", false),
    ] {
        assert_eq!(is_part(name.as_bytes(), extension), want, "{name}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        AptConf::default().parse(&bytes);
    }

    #[test]
    fn near_configuration_never_panics(text in "([a-c:\";{}#/*%\\[ \n]|#clear |#include ){0,60}") {
        AptConf::default().parse(text.as_bytes());
    }
}

#[test]
fn a_file_that_this_machine_cannot_read_is_not_passed_over() {
    use imgfix_vfs::BrokenDisk;
    for path in ["/etc/apt/apt.conf", "/etc/apt/apt.conf.d/x"] {
        let file = (ImagePath::literal(path), BrokenDisk::file(10));
        assert!(
            AptConf::read(&Tree::from_entries([file], Arc::new(BrokenDisk))).is_err(),
            "{path}"
        );
    }
}
