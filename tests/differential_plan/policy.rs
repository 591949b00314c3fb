//! Which version apt would take: random preference files, target releases and repositories,
//! judged by `apt-cache policy`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use imgfix_apt::index::{PackageIndex, RepositoryInfo};
use imgfix_apt::packages_file::PackagesFile;
use imgfix_apt::preferences::{Candidate, Preferences, Present};
use imgfix_dpkg::apt_conf::AptConf;
use imgfix_model::package::Architecture;
use imgfix_versions::dpkg::Version;
use imgfix_vfs::Memory;
use proptest::prelude::*;
use proptest::sample::select;

use super::{has_apt, random};

const NAMES: [&str; 3] = ["pa", "lib-pb", "pc"];
const VERSIONS: [&str; 4] = ["1.0-1", "1.0-2", "1:0.5", "2~rc1"];

/// A repository: its Release file's fields, and which versions of each package it has.
#[derive(Debug, Clone)]
struct Repository {
    fields: [&'static str; 5],
    not_automatic: bool,
    but_upgrades: bool,
    has: Vec<Vec<usize>>,
}

fn repository() -> impl Strategy<Value = Repository> {
    let versions = prop::collection::vec(0..VERSIONS.len(), 0..3);
    (
        select(vec!["stable", "testing", "stable-security", ""]),
        select(vec!["bookworm", "trixie", "bookworm-security", ""]),
        select(vec!["12", "12.5", "13", ""]),
        select(vec!["Debian", "Other", ""]),
        select(vec!["Debian", "Debian-Security", ""]),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        prop::collection::vec(versions, NAMES.len()),
    )
        .prop_map(|(suite, codename, version, origin, label, no, but, has)| Repository {
            fields: [suite, codename, version, origin, label],
            not_automatic: no,
            but_upgrades: but,
            has,
        })
}

/// One record of a preferences file.
fn record() -> impl Strategy<Value = String> {
    let package = select(vec![
        "*",
        "pa",
        "lib-pb",
        "Pa",
        "p?",
        "lib-*",
        "/^p/",
        "/P[ab]/",
        "pa pc",
        "src:pc",
        "src:common",
        "src:*",
        "pa:any",
        "pa:amd64",
        "pa:i386",
        "lib-pb:all",
        "/(/",
        "*:any",
        "pc:native",
    ]);
    let pin = select(vec![
        "release *",
        "release a=stable",
        "release n=trixie",
        "release v=12*",
        "release v=12",
        "release 12*",
        "release 13",
        "release stable",
        "release bookworm*",
        "release /^stable/",
        "release o=Debian",
        "release o=debian,l=Debian-Security",
        "release l=/security$/",
        "release c=main",
        "release c=contrib",
        "release b=amd64",
        "release a=now",
        "release now",
        "release x=y",
        "release",
        "release a = stable",
        "release a=stable,a=testing",
        "version 1.0-1",
        "version 1.0*",
        "version *",
        "version /^1/",
        "version 1:0.5",
        "version 2?rc1",
        "origin \"\"",
        "origin example.org",
        "origin \"*\"",
        "release n=/^(tri|book)/",
        "nonsense 1",
    ]);
    let priority = select(vec![
        "-10", "-1", "1", "50", "99", "100", "101", "499", "500", "501", "989", "990", "991",
        "999", "1000", "1001", "200x", "never",
    ]);
    (package, pin, priority).prop_map(|(package, pin, priority)| {
        let priority = if priority == "never" && package != "*" { "-5" } else { priority };
        format!("Package: {package}\nPin: {pin}\nPin-Priority: {priority}\n\n")
    })
}

fn target() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        "",
        "",
        "stable",
        "bookworm",
        "trixie",
        "a=stable",
        "n=trixie,o=Debian",
        "12*",
        "12.5",
        "/^stable(-security)?$/",
        "/^(bookworm|13)/",
        "now",
        "testing",
        "*",
        "o=Other",
    ])
}

#[derive(Debug, Clone)]
struct System {
    repositories: Vec<Repository>,
    installed: Vec<Option<usize>>,
    settings: Vec<(&'static str, Vec<String>)>,
}

fn system() -> impl Strategy<Value = System> {
    (
        prop::collection::vec(repository(), 1..4),
        prop::collection::vec(prop::option::weighted(0.7, 0..VERSIONS.len()), NAMES.len()),
        prop::collection::vec((target(), prop::collection::vec(record(), 0..4)), 5..6),
    )
        .prop_map(|(repositories, installed, settings)| System {
            repositories,
            installed,
            settings,
        })
}

fn stanza(name: &str, version: &str, more: &str) -> String {
    let (architecture, source) = match name {
        "lib-pb" => ("all", ""),
        "pc" => ("amd64", "Source: common (3)\n"),
        _ => ("amd64", ""),
    };
    format!(
        "Package: {name}\n{more}Version: {version}\nArchitecture: {architecture}\n{source}\
         Maintainer: x <x@example.org>\nDescription: x\n"
    )
}

fn packages(repository: &Repository) -> String {
    const FILE: &str = "Filename: x.deb\nSize: 1\nSHA256: \
                        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
    let mut out = String::new();
    for (name, versions) in NAMES.iter().zip(&repository.has) {
        let mut versions = versions.clone();
        versions.sort_unstable();
        versions.dedup();
        for version in versions {
            let _ = writeln!(out, "{}{FILE}", stanza(name, VERSIONS[version], ""));
        }
    }
    out
}

fn release(repository: &Repository, packages: &str) -> String {
    let names = ["Suite", "Codename", "Version", "Origin", "Label"];
    let mut out = String::new();
    for (name, value) in names.iter().zip(repository.fields).filter(|(_, value)| !value.is_empty())
    {
        let _ = writeln!(out, "{name}: {value}");
    }
    for (name, is) in [
        ("NotAutomatic", repository.not_automatic),
        ("ButAutomaticUpgrades", repository.but_upgrades),
    ] {
        if is {
            let _ = writeln!(out, "{name}: yes");
        }
    }
    let digest = imgfix_model::digest::Digest::of(packages.as_bytes());
    let _ = write!(
        out,
        "Date: Mon, 23 Nov 2026 00:00:00 UTC\nArchitectures: amd64\nComponents: main\n\
         SHA256:\n {} {} main/binary-amd64/Packages\n",
        digest.hex(),
        packages.len()
    );
    out
}

fn apt(root: &Path, program: &str, arguments: &[&str]) -> (bool, String) {
    let root = root.display();
    let output = Command::new(program)
        .env("LC_ALL", "C")
        .env("APT_CONFIG", format!("{root}/base.conf"))
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text + &String::from_utf8_lossy(&output.stderr))
}

fn write_root(root: &Path, system: &System) -> PackageIndex {
    for folder in [
        "etc/apt/apt.conf.d",
        "etc/apt/preferences.d",
        "etc/apt/sources.list.d",
        "var/lib/dpkg",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
    ] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let mut status = String::new();
    for (name, version) in NAMES.iter().zip(&system.installed) {
        if let Some(version) = version {
            let state = "Status: install ok installed\n";
            let _ = writeln!(status, "{}", stanza(name, VERSIONS[*version], state));
        }
    }
    fs::write(root.join("var/lib/dpkg/status"), status).unwrap();
    let shown = root.display();
    let base = format!(
        "Dir \"{shown}\"; Dir::State::status \"{shown}/var/lib/dpkg/status\";\n\
         APT {{ Architecture \"amd64\"; Architectures {{ \"amd64\"; \"i386\"; }}; }};\n\
         APT::Sandbox::User \"\"; Acquire::Languages \"none\"; Debug::NoLocking \"1\";\n\
         Acquire::Check-Valid-Until \"0\"; Acquire::AllowInsecureRepositories \"1\";\n"
    );
    fs::write(root.join("base.conf"), base).unwrap();
    let mut index = PackageIndex::new();
    let mut sources = String::new();
    for (number, repository) in system.repositories.iter().enumerate() {
        let folder = root.join(format!("repository/dists/r{number}/main/binary-amd64"));
        fs::create_dir_all(&folder).unwrap();
        let text = packages(repository);
        fs::write(folder.join("Packages"), &text).unwrap();
        let release = release(repository, &text);
        fs::write(root.join(format!("repository/dists/r{number}/Release")), release).unwrap();
        let _ = writeln!(
            sources,
            "deb [trusted=yes arch=amd64] file:{shown}/repository r{number} main"
        );
        let [archive, codename, version, origin, label] = repository.fields.map(str::to_owned);
        let info = RepositoryInfo {
            url: format!("file:{shown}/repository/"),
            suite: format!("r{number}"),
            component: "main".into(),
            architecture: "amd64".into(),
            origin,
            label,
            archive,
            codename,
            version,
            not_automatic: repository.not_automatic,
            but_automatic_upgrades: repository.but_upgrades,
            ..RepositoryInfo::default()
        };
        index
            .push(PackagesFile::read(text.as_bytes(), &Memory::default()).unwrap(), Arc::new(info));
    }
    fs::write(root.join("etc/apt/sources.list"), sources).unwrap();
    let (good, text) = apt(root, "apt-get", &["update"]);
    assert!(good, "{text}");
    index
}

/// The candidates that `apt-cache policy` shows, by name; `None` for a name without any.
fn candidates(text: &str) -> BTreeMap<String, Option<String>> {
    let mut out = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(candidate) = line.trim().strip_prefix("Candidate: ") {
            let candidate = (candidate != "(none)").then(|| candidate.to_owned());
            out.insert(std::mem::take(&mut name), candidate);
        } else if let Some(own) = line.strip_suffix(':').filter(|own| !own.starts_with(' ')) {
            own.clone_into(&mut name);
        }
    }
    out
}

/// What apt's candidate means where nothing is downgraded: the version, if it is newer than
/// what is installed.
fn upgrade(candidate: Option<&String>, installed: Option<&Version>) -> Option<String> {
    let candidate = candidate?;
    let version = Version::parse(candidate).unwrap();
    installed.is_none_or(|installed| version > *installed).then(|| candidate.clone())
}

fn compare(root: &Path, system: &System, index: &PackageIndex) -> Result<usize, TestCaseError> {
    let native = Architecture::from("amd64");
    let mut judged = 0;
    for (target, records) in &system.settings {
        let records = records.concat();
        let settings = format!("APT {{ Default-Release \"{target}\"; }};\n");
        fs::write(root.join("etc/apt/apt.conf.d/50target"), &settings).unwrap();
        fs::write(root.join("etc/apt/preferences"), &records).unwrap();
        let mut conf = AptConf::default();
        conf.parse(settings.as_bytes());
        let mut ours = Preferences::default();
        ours.add("preferences", records.as_bytes()).unwrap();
        let warning = ours.target(&conf, index.populated());
        let (_, text) = apt(root, "apt-cache", &[&["policy"], NAMES.as_slice()].concat());
        prop_assert_eq!(warning.is_some(), text.contains("invalid for APT::Default-Release"));
        if warning.is_some() {
            continue;
        }
        let theirs = candidates(&text);
        for (name, installed) in NAMES.iter().zip(&system.installed) {
            let version = installed.map(|at| Version::parse(VERSIONS[at]).unwrap());
            let source_version = Version::parse("3").unwrap();
            let is_common = *name == "pc";
            let present = version.as_ref().map(|version| Present {
                name,
                architecture: &native,
                version,
                source_name: if is_common { "common" } else { name },
                source_version: if is_common { &source_version } else { version },
            });
            let versions = index.versions(name);
            let own = match ours.candidate(&versions, present, &native) {
                Candidate::Version(available) => Some(available.version.to_string()),
                _ => None,
            };
            let want = upgrade(theirs.get(*name).and_then(Option::as_ref), version.as_ref());
            prop_assert_eq!(own, want, "{}: {} {}\n{}\n{:?}", name, target, records, text, system);
            judged += 1;
        }
    }
    Ok(judged)
}

#[test]
fn apt_takes_the_same_candidates() {
    if !has_apt() {
        eprintln!("NOT RUN: apt_takes_the_same_candidates needs apt-get and apt-cache");
        return;
    }
    let judged = std::cell::Cell::new(0);
    random(12, &system(), |system| {
        let root = tempfile::tempdir().unwrap();
        let index = write_root(root.path(), &system);
        judged.set(judged.get() + compare(root.path(), &system, &index)?);
        Ok(())
    });
    assert!(judged.get() > 0);
}
