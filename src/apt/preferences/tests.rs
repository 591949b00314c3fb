//! Candidates under pins, target releases and priorities, as `apt-cache policy` has them.

use std::sync::Arc;

use super::*;
use crate::index::PackageIndex;
use crate::packages_file::PackagesFile;

/// What `apt-cache policy foo` (apt 2.6) shows for the same image and pins: package foo,
/// 1 is installed, 2 is in a local repository of Debian 12.5 "stable" "bookworm".
fn offered(version: &str, change: impl FnOnce(&mut RepositoryInfo)) -> Vec<Available> {
    let mut repository = RepositoryInfo {
        url: "file:///repo/".to_owned(),
        suite: "./".to_owned(),
        archive: "stable".to_owned(),
        codename: "bookworm".to_owned(),
        component: "main".to_owned(),
        architecture: "amd64".to_owned(),
        version: "12.5".to_owned(),
        origin: "Debian".to_owned(),
        ..RepositoryInfo::default()
    };
    change(&mut repository);
    let text = format!(
        "Package: foo\nArchitecture: amd64\nVersion: {version}\nFilename: ./foo.deb\nSize: 1\n\
         SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
    );
    let mut index = PackageIndex::new();
    index.push(
        PackagesFile::read(text.as_bytes(), &imgfix_vfs::Memory::default()).unwrap(),
        Arc::new(repository),
    );
    index.versions("foo")
}

fn pins(text: &str) -> Preferences {
    let mut preferences = Preferences::default();
    preferences.add("/etc/apt/preferences", text.as_bytes()).unwrap();
    preferences
}

fn present<'a>(version: &'a Version, architecture: &'a Architecture) -> Present<'a> {
    Present { name: "foo", architecture, version, source_name: "foo", source_version: version }
}

fn candidate(pins: &Preferences, offered: &[Available]) -> String {
    let (installed, native) = (Version::parse("1").unwrap(), Architecture::from("amd64"));
    pins.candidate(offered, Some(present(&installed, &native)), &native).to_string()
}

/// The priorities of the offered version 2 and of the installed version 1.
fn priorities(pins: &Preferences) -> (i32, i32) {
    let native = Architecture::from("amd64");
    let offered = offered("2", |_| {});
    let (new, old) = (Version::parse("2").unwrap(), Version::parse("1").unwrap());
    let files = vec![File::Repository(&offered[0].repository)];
    let new = subject(&offered[0], &new, &native, files);
    let old = Subject { version: old.as_str(), files: vec![File::Status], ..new.clone() };
    (pins.rate(&new, &native).priority, pins.rate(&old, &native).priority)
}

/// Each is what `apt-cache policy` of apt 2.6.1 shows.
#[test]
fn files_from_windows_say_the_same() {
    let text = "Explanation: x\nPackage: *\nPin: release a=x\nPin-Priority: 10\n\n# c\n\
                Package: b\nPin: version 1\nPin-Priority: 990\n";
    let read = |text: &str| {
        let mut out = Preferences::default();
        out.add("p", text.as_bytes()).unwrap();
        format!("{out:?}")
    };
    assert_eq!(read(&format!("\u{feff}{}", text.replace('\n', "\r\n"))), read(text));
}

#[test]
fn priorities_are_those_of_apt_cache_policy() {
    let record = |package: &str, pin: &str, priority: &str| {
        format!("Package: {package}\nPin: {pin}\nPin-Priority: {priority}\n\n")
    };
    for (records, want) in [
        (vec![], (500, 100)),
        (vec![("foo", "version 2", "200"), ("foo", "version 2", "300")], (200, 100)),
        (vec![("*", "release a=stable", "200"), ("*", "release n=bookworm", "300")], (200, 100)),
        (vec![("*", "version 2", "300")], (500, 100)),
        (vec![("foo", "release 12", "300")], (500, 100)),
        (vec![("foo", "release v=12*", "301")], (301, 100)),
        (vec![("foo", "release 12.*", "301")], (301, 100)),
        (vec![("foo", "release v=12*,o=debian", "301")], (301, 100)),
        (vec![("foo", "release BOOK*", "302")], (302, 100)),
        (vec![("FO*", "origin \"\"", "303")], (303, 100)),
        (vec![("*", "origin \"", "303")], (500, 100)),
        (vec![("foo", "origin", "303")], (303, 100)),
        (vec![("Foo", "release a=stable", "304")], (500, 100)),
        (vec![("/^fo/ bar", "release o=debian", "304")], (304, 100)),
        (vec![("/^f[[:alpha:]]/", "release *", "304")], (500, 100)),
        (vec![("/(/", "release *", "304")], (500, 100)),
        (vec![("foo", "version /(/", "304")], (500, 100)),
        (vec![("foo:i386", "release o=Debian", "305")], (500, 100)),
        (vec![("foo:amd64", "release o=Debian", "305")], (305, 100)),
        (vec![("foo:native", "release o=Debian", "305")], (500, 100)),
        (vec![("foo:all", "release o=Debian", "305")], (500, 100)),
        (vec![("src:foo", "version 2", "-5")], (-5, 100)),
        (vec![("src:foo", "version 1", "307")], (500, 307)),
        (vec![("foo", "bogus 2", "5")], (500, 100)),
        (vec![("foo", "source-version 2", "316")], (500, 100)),
        (vec![("foo", "release c=main,a=stable", "40")], (40, 100)),
        (vec![("foo", "release c=contrib,a=stable", "40")], (500, 100)),
        (vec![("foo", "release b=amd64", "41")], (41, 100)),
        (vec![("*:any", "release a=stable", "41")], (41, 100)),
        (vec![("foo", "version /^2/", "998")], (998, 100)),
        (vec![("foo", "version 2*", "998")], (998, 100)),
        (vec![("foo", "release a=stable,a=nope", "40")], (500, 100)),
        (vec![("foo", "release a = stable", "306")], (500, 306)),
        (vec![("f[n-p]?", "release *", "42")], (42, 42)),
        (vec![("f[!o]o", "release *", "42")], (500, 100)),
        (vec![("*", "release", "43")], (500, 43)),
        (vec![("*", "release x=y", "43")], (500, 43)),
        (vec![("*", "release *", "-5")], (-5, -5)),
        (vec![("*", "release a=now", "600")], (500, 600)),
        (vec![("*", "release c=now", "600")], (500, 600)),
        (vec![("*", "release now", "600")], (500, 600)),
        (vec![("foo", "version 2", "308abc")], (308, 100)),
        (vec![("foo", "version 2", "+313")], (313, 100)),
        (vec![("*", "release *", "never")], (-32768, -32768)),
        (vec![("*", "release a=stable", "never"), ("foo", "version 2", "9")], (-32768, 100)),
        (vec![("*", "release a=stable", "7"), ("*", "release stable", "never")], (-32768, 100)),
    ] {
        let text: String =
            records.iter().map(|(package, pin, value)| record(package, pin, value)).collect();
        assert_eq!(priorities(&pins(&text)), want, "{text}");
    }
    let comments = "# a\n# b\nExplanation: x\nExplanation: y\nPackage: foo\n\
                    Pin: release o=debian\nPin-Priority: 304\n";
    assert_eq!(priorities(&pins(comments)).0, 304);
    assert_eq!(priorities(&pins("Package: foo\nPin-Priority: 3\n")).0, 500);
}

#[test]
fn an_apt_from_2_9_9_on_knows_versions_of_sources() {
    let record = b"Package: foo\nPin: source-version 2\nPin-Priority: 316\n";
    for (apt, want) in [("2.9.8", 500), ("2.9.9", 316), ("3.0.3", 316)] {
        let pin_types = PinTypes::of(Some(&Version::parse(apt).unwrap()));
        let mut preferences = Preferences { pin_types, ..Preferences::default() };
        preferences.add("preferences", record).unwrap();
        assert_eq!(priorities(&preferences).0, want, "{apt}");
    }
}

/// Each is what `apt-cache policy` of apt 2.6.1 shows; where it refuses, nothing is pinned.
#[test]
fn the_target_release_has_990_and_goes_before_general_pins() {
    let stable = "Package: *\nPin: release a=stable\nPin-Priority: 200\n";
    let own = "Package: foo\nPin: release a=stable\nPin-Priority: 200\n";
    for (release, text, want) in [
        ("stable", "", Ok((990, 100))),
        ("bookworm", stable, Ok((990, 100))),
        ("bookworm", own, Ok((200, 100))),
        ("a=stable", "", Ok((990, 100))),
        ("n=bookworm,o=Debian", "", Ok((990, 100))),
        ("a=trixie", "", Ok((500, 100))),
        ("12*", "", Ok((990, 100))),
        ("12.5", "", Ok((990, 100))),
        ("12", "", Err("\"12\"")),
        ("/^(stable|bookworm)(-security|-updates)?$/", "", Ok((990, 100))),
        ("/^trixie/", "", Err("\"/^trixie/\"")),
        ("trixie", stable, Err("\"trixie\"")),
        ("STABLE", "", Ok((990, 100))),
        ("s*e", "", Ok((990, 100))),
        ("now", "", Ok((500, 990))),
        ("", "", Ok((500, 100))),
    ] {
        let mut conf = AptConf::default();
        conf.parse(format!("APT {{ Default-Release \"{release}\"; }};").as_bytes());
        let mut preferences = pins(text);
        let offered = offered("2", |_| {});
        let warning = preferences.target(&conf, [&*offered[0].repository]);
        match want {
            Ok(want) => {
                assert_eq!(warning, None, "{release}");
                assert_eq!(priorities(&preferences), want, "{release} {text}");
            }
            Err(want) => assert!(warning.is_some_and(|said| said.contains(want)), "{release}"),
        }
    }
}

#[test]
fn the_candidate_is_apts() {
    for (text, want) in [
        ("", "2"),
        ("Package: foo\nPin: version 2\nPin-Priority: 100\n", "2"),
        (
            "Package: foo\nPin: version 2\nPin-Priority: 99\n",
            "not 2 because of the pin of priority 99 in /etc/apt/preferences, line 1",
        ),
        (
            "Package: foo\nPin: version 2\nPin-Priority: -1\n",
            "not 2 because of the pin of priority -1 in /etc/apt/preferences, line 1",
        ),
        (
            "\nPackage: foo\nPin: version 1\nPin-Priority: 999\n",
            "not 2 because of the pin of priority 999 in /etc/apt/preferences, line 2",
        ),
    ] {
        assert_eq!(candidate(&pins(text), &offered("2", |_| {})), want, "{text}");
    }
}

#[test]
fn what_apt_would_downgrade_stays_as_it_is() {
    let forced = pins("Package: foo\nPin: version 0.9\nPin-Priority: 1001\n");
    let mut versions = offered("0.9", |_| {});
    assert_eq!(candidate(&forced, &versions), "(none)");
    versions.extend(offered("2", |_| {}));
    let held = "not 2 because of the pin of priority 1001 in /etc/apt/preferences, line 1";
    assert_eq!(candidate(&forced, &versions), held);
    let low = pins("Package: foo\nPin: version 0.9\nPin-Priority: 999\n");
    assert_eq!(candidate(&low, &versions), "2");
}

#[test]
fn repositories_that_are_not_automatic_yield_to_what_is_installed() {
    let none = Preferences::default();
    let experimental = offered("2", |repository| repository.not_automatic = true);
    assert!(candidate(&none, &experimental).contains("the priority 1 of file:///repo ./"));
    let mut backports = offered("2", |repository| {
        repository.not_automatic = true;
        repository.but_automatic_upgrades = true;
    });
    assert_eq!(candidate(&none, &backports), "2");
    // The installed version is in stable, whose 500 is more than the 100 of backports.
    backports.extend(offered("1", |_| {}));
    assert!(candidate(&none, &backports).starts_with("not 2"));
}

#[test]
fn equal_versions_come_from_the_earliest_source() {
    let mut both = offered("2", |repository| repository.suite = "first/".to_owned());
    both.extend(offered("2", |repository| repository.suite = "second/".to_owned()));
    let (installed, native) = (Version::parse("1").unwrap(), Architecture::from("amd64"));
    match Preferences::default().candidate(&both, Some(present(&installed, &native)), &native) {
        Candidate::Version(available) => assert_eq!(available.repository.suite, "first/"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_apt_refuses_is_an_error_with_file_and_line() {
    for (text, want) in [
        ("\nPackage: foo\nPin: version 2\n", "/etc/apt/preferences: line 2: Pin-Priority"),
        ("Package: foo\nPin: version 2\nPin-Priority: 0\n", "or is zero"),
        ("Package: foo\nPin: version 2\nPin-Priority: 40000\n", "-32768 to 32767"),
        ("Package: foo\nPin: version 2\nPin-Priority: never\n", "Pin-Priority"),
        ("Pin: version 2\nPin-Priority: 3\n", "no Package"),
        ("nonsense\n", "line 1"),
    ] {
        let error = Preferences::default()
            .add("/etc/apt/preferences", text.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
}
