//! What images without a database do not get.

use super::*;

const README: &str = "/usr/share/doc/a-1/README";

/// The former package `a`, and what of it is in the image.
fn former() -> [Sample; 8] {
    [
        directory("/usr/share/doc/a-1"),
        config(README, "1", DOC),
        file("/usr/lib/a.so.1", "1"),
        file("/usr/bin/a", "1"),
        Sample { langs: "de", ..file("/usr/share/locale/de/a.mo", "1") },
        Sample { langs: "en", ..file("/usr/share/locale/en/a.mo", "1") },
        file("/usr/share/a/data", "1"),
        config("/var/a", "", GHOST),
    ]
}

/// The image after an upgrade to a package with these files, when these paths were dropped.
fn upgraded(gone: &[&'static str], files: &[Sample]) -> Vec<String> {
    let mut image = Image::new();
    image.upgrade(&[new_package("a", "1", &former())]).unwrap();
    for path in gone {
        image.overlay.remove(&ImagePath::literal(path));
    }
    let packages = [new_package("a", "2", files)];
    image.options.left_out = dropped(&image.overlay, &image.installed, &packages).unwrap();
    image.upgrade(&packages).unwrap();
    let mut shown = image.shown("/usr");
    // folders of the package alone
    let own = |line: &str| files.iter().any(|one| one.path.strip_prefix("/usr/") == Some(line));
    shown.retain(|line| line.strip_suffix('/').is_none_or(own));
    shown
}

#[test]
fn what_was_dropped_stays_so_and_what_is_new_comes() {
    let gone = ["/usr/share/doc/a-1", README, "/usr/share/locale/de/a.mo", "/usr/bin/a"];
    let files = [
        // in both, there and not
        file("/usr/lib/a.so.1", "2"),
        file("/usr/bin/a", "2"),
        // new beside what is there, in a folder of its own, beside what is gone
        file("/usr/lib/a.so.2", "2"),
        file("/opt/a", "2"),
        file("/usr/bin/b", "2"),
        // documentation elsewhere, with its folder
        directory("/usr/share/doc/a-2"),
        config("/usr/share/doc/a-2/README", "2", DOC),
        config("/usr/share/a/manual", "2", DOC),
        // a language that is there, and one that is not
        Sample { langs: "en", ..file("/usr/share/locale/en/b.mo", "2") },
        Sample { langs: "de", ..file("/usr/share/locale/de/b.mo", "2") },
        // a folder that is new
        directory("/usr/share/a/folder"),
    ];
    let got = upgraded(&gone, &files);
    assert_eq!(got, ["lib/a.so.1 2", "lib/a.so.2 2", "share/a/folder/", "share/locale/en/b.mo 2"]);
}

#[test]
fn an_image_that_has_all_gets_all() {
    let files = [
        file("/usr/bin/a", "2"),
        directory("/usr/share/doc/a-2"),
        config("/usr/share/doc/a-2/README", "2", DOC),
        Sample { langs: "fr", ..file("/usr/share/locale/fr/a.mo", "2") },
    ];
    let got = upgraded(&[], &files);
    let want = ["bin/a 2", "share/doc/a-2/", "share/doc/a-2/README 2", "share/locale/fr/a.mo 2"];
    assert_eq!(got, want);
}

#[test]
fn a_folder_comes_with_what_is_in_it() {
    let gone = ["/usr/share/doc/a-1/README", "/usr/share/doc/a-1"];
    let files = [
        directory("/usr/share/doc/a-1"),
        Sample { mode: 0o40700, ..directory("/usr/share/doc/a-1/more") },
        file("/usr/share/doc/a-1/more/program", "2"),
    ];
    // nothing says that it is documentation, but its folder
    assert_eq!(upgraded(&gone, &files), Vec::<String>::new());
    let files = [directory("/usr/lib/a"), file("/usr/lib/a/x", "2"), directory("/usr/share/doc/b")];
    assert_eq!(upgraded(&gone, &files), ["lib/a/", "lib/a/x 2"]);
}
