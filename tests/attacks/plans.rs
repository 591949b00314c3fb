//! Indexes whose packages make the search for a plan take for ever, or hold without end: each is
//! signed, small, and beside an honest package, which must be upgraded all the same.

use std::fmt::Write as _;

use super::common::apk::{Entry, Key, Package, Root, index_tar};
use super::common::apk_samples::ALPINE;
use super::common::cli::{Place, Ran};
use super::common::debian::{Deb, Index, publish, root};
use super::common::images::layout;
use super::{is_small, measured, run, within};

/// A package of an index whose file is never fetched.
fn stanza(text: &mut String, name: &str, version: &str, fields: &str) {
    let sum = "0".repeat(64);
    writeln!(
        text,
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\n{fields}Filename: pool/x\nSize: 1\n\
         SHA256: {sum}\n"
    )
    .unwrap();
}

fn list(of: impl Iterator<Item = String>, between: &str) -> String {
    of.collect::<Vec<_>>().join(between)
}

/// One pigeon more than there are holes, each of which holds one: that this cannot be takes a
/// search by resolution exponentially many steps.
fn pigeons(holes: usize) -> String {
    let mut text = String::new();
    let place = |pigeon: usize, hole: usize| format!("p{pigeon}h{hole}");
    let wants = (0..=holes).map(|pigeon| list((0..holes).map(|hole| place(pigeon, hole)), " | "));
    stanza(&mut text, "victim", "2", &format!("Depends: {}\n", list(wants, ", ")));
    for hole in 0..holes {
        for pigeon in 0..=holes {
            let others = (0..=holes).filter(|other| *other != pigeon);
            let others = list(others.map(|other| place(other, hole)), ", ");
            stanza(&mut text, &place(pigeon, hole), "1", &format!("Conflicts: {others}\n"));
        }
    }
    text
}

/// Two ways on from each of many places, and none out at the end.
fn labyrinth(length: usize) -> String {
    let mut text = String::new();
    let on = |at: usize| match at < length {
        true => format!("Depends: a{at} | b{at}, c{at} | d{at}\n"),
        false => "Depends: nowhere\n".to_owned(),
    };
    stanza(&mut text, "victim", "2", &on(0));
    for at in 0..length {
        for name in ["a", "b", "c", "d"] {
            stanza(&mut text, &format!("{name}{at}"), "1", &on(at + 1));
        }
    }
    text
}

/// Many that do the same, exclude each other and can none be installed.
fn rivals(count: usize) -> String {
    let mut text = String::new();
    stanza(&mut text, "victim", "2", "Depends: job\n");
    for rival in 0..count {
        let fields = "Provides: job\nConflicts: job\nDepends: nowhere | job-tool\n";
        stanza(&mut text, &format!("rival{rival}"), "1", fields);
        stanza(
            &mut text,
            &format!("tool{rival}"),
            "1",
            "Provides: job-tool\nDepends: job, nowhere\n",
        );
    }
    text
}

/// One package that asks for one of thousands, again and again in other words.
fn the_same_again(count: usize, clauses: usize) -> String {
    let mut text = String::new();
    let again = (0..clauses).map(|at| format!("job | x{at}"));
    stanza(&mut text, "victim", "2", &format!("Depends: {}, nowhere\n", list(again, ", ")));
    for one in 0..count {
        stanza(&mut text, &format!("one{one}"), "1", "Provides: job\nDepends: nowhere\n");
    }
    text
}

/// One package that provides very many names, and another that wants and forbids them all.
fn names(count: usize) -> String {
    let mut text = String::new();
    let all = list((0..count).map(|at| format!("n{at}")), ", ");
    stanza(&mut text, "victim", "2", "Depends: all, wants\n");
    stanza(&mut text, "all", "1", &format!("Provides: {all}\n"));
    stanza(&mut text, "wants", "1", &format!("Depends: {all}, nowhere\nBreaks: {all}\n"));
    text
}

/// Very many versions of one package, each with relations of its own.
fn versions(count: usize) -> String {
    let mut text = String::new();
    for version in 2..count + 2 {
        let fields =
            format!("Depends: other (= {version}), honest (>= 1)\nBreaks: honest (>> {version})\n");
        stanza(&mut text, "victim", &version.to_string(), &fields);
        let fields = format!("Depends: victim (= {})\n", version + 1);
        stanza(&mut text, "other", &version.to_string(), &fields);
    }
    text
}

/// Groups of two that exclude each other at random: a formula near the threshold where it is
/// hardest to say whether it can be fulfilled.
fn formula(variables: usize) -> String {
    let mut text = String::new();
    let mut seed = 1u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let literal = |random: &mut dyn FnMut(usize) -> usize| {
        format!("{}{}", ["t", "f"][random(2)], random(variables))
    };
    let clauses = variables * 426 / 100;
    let clauses: Vec<String> =
        (0..clauses).map(|_| list((0..3).map(|_| literal(&mut random)), " | ")).collect();
    stanza(&mut text, "victim", "2", &format!("Depends: {}\n", clauses.join(", ")));
    for variable in 0..variables {
        stanza(&mut text, &format!("t{variable}"), "1", &format!("Conflicts: f{variable}\n"));
        stanza(&mut text, &format!("f{variable}"), "1", "");
    }
    text
}

/// The honest package is upgraded; the victim is not, and the finding says why.
#[track_caller]
fn beside_an_honest_package(name: &str, text: String) -> Ran {
    let place = Place::new();
    layout(&place.path("image"), "1", &[root(&["honest", "victim"], |_| ())]);
    let index = Index { text: text.into_bytes() };
    let line = publish(&place.path("repository"), &[Deb::new("honest", "2")], index);
    is_small(&place);
    let image = place.image("1");
    let (ran, cost) =
        run(measured(&place, &["repair", &image, "-v", "--format", "json", "--repository", &line]));
    within(name, cost);
    tell_steps(&ran);
    honest_alone(ran, &place)
}

fn tell_steps(ran: &Ran) {
    for line in ran.stderr.lines().filter(|line| line.contains("planning took")) {
        eprintln!("  {line}");
    }
}

#[track_caller]
fn honest_alone(ran: Ran, place: &Place) -> Ran {
    let ran = ran.expect(0);
    assert!(place.tagged("1_fix").is_some(), "{}", ran.stderr);
    let upgraded = ran.json()["platforms"][0]["packages"].to_string();
    assert!(upgraded.contains("\"honest\"") && !upgraded.contains("\"victim\""), "{upgraded}");
    let kept = ran.json()["platforms"][0]["kept_back"].to_string();
    assert!(kept.contains("\"victim\""), "{}", ran.stdout);
    ran
}

#[test]
#[ignore = "needs an optimised program: IMGFIX_MEASURED"]
fn plans_without_end() {
    for (name, text, given_up) in [
        ("pigeons", pigeons(12), true),
        ("many pigeons", pigeons(60), true),
        ("a formula", formula(400), true),
        ("a labyrinth", labyrinth(10_000), false),
        ("rivals", rivals(4_900), true),
        ("the same again", the_same_again(5_000, 100_000), false),
        ("names", names(200_000), false),
        ("versions", versions(5_000), false),
    ] {
        let ran = beside_an_honest_package(name, text);
        let told = ran.stdout.contains("was given up") || ran.stdout.contains("any real one");
        assert!(told || !given_up, "{name}: {}", ran.stdout);
    }
}

/// Many hostile packages use up what a run has for questions; the honest one has a share of its
/// own, and is upgraded all the same.
#[test]
#[ignore = "needs an optimised program: IMGFIX_MEASURED"]
fn plans_without_end_for_many_packages() {
    let names: Vec<String> = (0..200).map(|n| format!("other{n}")).collect();
    let mut installed: Vec<&str> = names.iter().map(String::as_str).collect();
    installed.extend(["honest", "victim"]);
    let place = Place::new();
    layout(&place.path("image"), "1", &[root(&installed, |_| ())]);
    let text = pigeons(12);
    let wants = text.lines().find(|line| line.starts_with("Depends:")).unwrap().to_owned() + "\n";
    let mut all = text;
    for name in &names {
        stanza(&mut all, name, "2", &wants);
    }
    let line =
        publish(&place.path("repository"), &[Deb::new("honest", "2")], Index { text: all.into() });
    is_small(&place);
    let image = place.image("1");
    let (ran, cost) =
        run(measured(&place, &["repair", &image, "-v", "--format", "json", "--repository", &line]));
    within("pigeons for 200 packages", cost);
    tell_steps(&ran);
    let ran = honest_alone(ran, &place);
    assert!(ran.stdout.contains("was given up"), "{}", ran.stdout);
}

// --- apk ----------------------------------------------------------------------------------

/// Two repositories of apk in folders, of which one is hostile.
fn of_apk(name: &str, text: impl Into<Vec<u8>>) -> Ran {
    let place = Place::new();
    let key = Key::new(&place.path("home"), "builder-1.rsa");
    let older = [Package::new("honest", "1"), Package::new("victim", "1")];
    let honest = Package::new("honest", "2").file("usr/share/honest", "2");
    super::common::apk::publish(&place.path("repository"), "x86_64", &key, "RSA", &[honest]);
    let bad = place.path("bad/x86_64");
    std::fs::create_dir_all(&bad).unwrap();
    let packed = super::packed(&index_tar(text));
    std::fs::write(bad.join("APKINDEX.tar.gz"), key.sign("RSA", &packed)).unwrap();
    assert!(super::size(&bad) <= super::INPUT, "{name}: {}", super::size(&bad));
    let mut root = Root::default();
    root.write("etc/os-release", ALPINE);
    root.write("etc/apk/arch", "x86_64\n");
    root.write("etc/apk/world", "honest\nvictim\n");
    let url = |name: &str| place.path(name).display().to_string();
    root.write("etc/apk/repositories", format!("{}\n{}\n", url("bad"), url("repository")));
    root.write(&format!("etc/apk/keys/{}", key.name), key.public.clone());
    root.install("lib/apk/db", &older, &key);
    root.put(Entry { mode: 0o755, ..Entry::file("bin/sh", "no program") });
    layout(&place.path("image"), "1", &[root.layer()]);
    let image = place.image("1");
    let lines = ["bad", "repository"].map(url);
    let (ran, cost) = run(measured(
        &place,
        &[
            "repair",
            &image,
            "-v",
            "--format",
            "json",
            "--repository",
            &lines[0],
            "--repository",
            &lines[1],
        ],
    ));
    within(name, cost);
    tell_steps(&ran);
    let ran = ran.expect(0);
    assert!(place.tagged("1_fix").is_some(), "{}", ran.stderr);
    let upgraded = ran.json()["platforms"][0]["packages"].to_string();
    assert!(upgraded.contains("\"honest\"") && !upgraded.contains("\"victim\""), "{upgraded}");
    ran
}

/// A package of an index whose file is never fetched.
fn record(text: &mut String, name: &str, version: &str, fields: &str) {
    use base64::Engine as _;
    use sha1::Digest as _;
    let sum = sha1::Sha1::digest(format!("{name} {version}"));
    let sum = base64::engine::general_purpose::STANDARD.encode(sum);
    writeln!(text, "C:Q1{sum}\nP:{name}\nV:{version}\nA:x86_64\nS:1\nI:1\n{fields}").unwrap();
}

#[test]
#[ignore = "needs an optimised program: IMGFIX_MEASURED"]
fn indexes_of_apk_that_are_too_much_are_left_out() {
    let mut provided = String::new();
    for package in 0..100 {
        let all = list((0..100_000).map(|n| format!("n{:x}", package * 100_000 + n)), " ");
        record(&mut provided, &format!("p{package}"), "1", &format!("p:{all}\n"));
    }
    let mut packages = String::new();
    for package in 0..1_000_000 {
        writeln!(packages, "C:Q1{package:026}A=\nP:p{package}\nV:1\n").unwrap();
    }
    let mut long = String::new();
    record(&mut long, "long", "1", &format!("T:{}\n", "x".repeat(300 << 20)));
    let mut short = String::new();
    record(&mut short, "odd", "1", "T:x\n");
    // no UTF-8, so that two forms of it are there at once
    let odd = [short.trim_end().as_bytes(), &vec![0x80; 100 << 20], b"\n\n"].concat();
    for (name, text, why) in [
        ("names of apk", provided.into_bytes(), "--max-memory"),
        ("packages of apk", packages.into_bytes(), "--max-memory"),
        ("a long line", long.into_bytes(), "--max-memory"),
        ("a long line of no text", odd, "--max-memory"),
    ] {
        let ran = of_apk(name, text);
        assert!(ran.stderr.contains(" is left out: "), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{name}: {}", ran.stderr);
    }
}

#[test]
#[ignore = "needs an optimised program: IMGFIX_MEASURED"]
fn plans_of_apk_without_end() {
    let place = |pigeon: usize, hole: usize| format!("p{pigeon}h{hole}");
    let holes = 12;
    let mut birds = String::new();
    let wants = list((0..=holes).map(|pigeon| format!("pigeon{pigeon}")), " ");
    record(&mut birds, "victim", "2", &format!("D:{wants}\n"));
    for pigeon in 0..=holes {
        for hole in 0..holes {
            // what provides one name in a version excludes the others that do
            let fields = format!("p:pigeon{pigeon}=1 hole{hole}=1\n");
            record(&mut birds, &place(pigeon, hole), "1", &fields);
        }
    }
    let mut versions = String::new();
    for version in 2..5_000 {
        let fields = format!("D:other={version} honest\n");
        record(&mut versions, "victim", &version.to_string(), &fields);
        let fields = format!("D:victim={} !honest>{version}\n", version + 1);
        record(&mut versions, "other", &version.to_string(), &fields);
    }
    let mut rivals = String::new();
    record(&mut rivals, "victim", "2", "D:job\n");
    for rival in 0..5_000 {
        record(&mut rivals, &format!("rival{rival}"), "1", "D:nowhere\np:job=1\n");
    }
    let mut names = String::new();
    let all = |kind: &str| list((0..200_000).map(|n| format!("{kind}{n}")), " ");
    record(&mut names, "victim", "2", "D:all wants\n");
    record(&mut names, "all", "1", &format!("p:{}\n", all("n")));
    record(&mut names, "wants", "1", &format!("D:{} nowhere\np:{}\n", all("n"), all("n")));
    let mut along = String::new();
    for n in 0..5_000 {
        let waits = if n == 0 { "honest".to_owned() } else { format!("along{}", n - 1) };
        record(&mut along, &format!("along{n}"), "1", &format!("i:{waits}\nD:nowhere\n"));
    }
    for (name, text) in [
        ("pigeons of apk", birds),
        ("versions of apk", versions),
        ("rivals of apk", rivals),
        ("names of apk", names),
        ("install_if", along),
    ] {
        of_apk(name, text);
    }
}
