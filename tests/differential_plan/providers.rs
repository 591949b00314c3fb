//! Which provider of a virtual package apt takes, and which of several alternatives: random
//! repositories, judged by `apt-get --simulate`.

use std::fmt::Write as _;

use imgfix_apt::index::{PackageIndex, RepositoryInfo};
use imgfix_dpkg::inventory::DpkgInventory;
use proptest::prelude::*;
use proptest::sample::select;

use super::{has_apt, plan, random, simulated, steps, tree, try_apt, write_root};

/// Packages that may provide `virtual`: name, priority, whether it does, what it needs.
#[derive(Debug, Clone)]
struct System {
    providers: Vec<(&'static str, &'static str, bool, u8)>,
    wanted: &'static str,
    mentioned_first: Option<&'static str>,
    installed: Option<&'static str>,
}

const NAMES: [&str; 4] = ["pa", "pb", "pd", "pe"];

fn system() -> impl Strategy<Value = System> {
    let provider =
        (select(vec!["optional", "optional", "extra", "standard", ""]), any::<bool>(), 0..4u8);
    (
        prop::collection::vec(provider, NAMES.len()),
        Just(NAMES.to_vec()).prop_shuffle(),
        select(vec!["virtual", "pe | virtual", "pb (>= 9) | virtual", "virtual | pa"]),
        prop::option::of(select(NAMES.to_vec())),
        prop::option::weighted(0.2, select(NAMES.to_vec())),
    )
        .prop_map(|(facts, names, wanted, mentioned_first, installed)| System {
            providers: names
                .into_iter()
                .zip(facts)
                .map(|(name, (priority, provides, needs))| (name, priority, provides, needs))
                .collect(),
            wanted,
            mentioned_first,
            installed,
        })
}

fn stanza(name: &str, version: &str, more: &str) -> String {
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: x <x@x.org>\n\
         Description: x\n{more}\n"
    )
}

#[test]
fn apt_takes_the_same_providers() {
    const FILE: &str = "Filename: ./x.deb\nSize: 1\nSHA256: \
                        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
    if !has_apt() {
        eprintln!("NOT RUN: apt_takes_the_same_providers needs apt-get");
        return;
    }
    let judged = std::cell::Cell::new(0);
    random(25, &system(), |system| {
        let root = tempfile::tempdir().unwrap();
        let mut offered = String::new();
        if let Some(name) = system.mentioned_first {
            offered += &stanza("first", "1", &format!("Suggests: {name}\n{FILE}"));
        }
        for (name, priority, provides, needs) in &system.providers {
            let mut more = String::new();
            if !priority.is_empty() {
                let _ = writeln!(more, "Priority: {priority}");
            }
            if *provides {
                more += "Provides: virtual\n";
            }
            match needs {
                0 => {}
                1 => more += "Depends: helper\n",
                2 => more += "Depends: helper, other-helper\n",
                _ => more += "Depends: nobody-has-this\n",
            }
            offered += &stanza(name, "1", &(more + FILE));
        }
        for helper in ["helper", "other-helper"] {
            offered += &stanza(helper, "1", FILE);
        }
        offered += &stanza("app", "2", &format!("Depends: {}\n{FILE}", system.wanted));
        let state = "Status: install ok installed\n";
        let mut status = stanza("app", "1", state);
        if let Some(name) = system.installed {
            status += &stanza(name, "0.5", state);
        }
        write_root(root.path(), &status, &offered);
        let inventory = DpkgInventory::read(&tree(root.path())).unwrap();
        let info = RepositoryInfo { url: "file:///x/".into(), ..RepositoryInfo::default() };
        let index = PackageIndex::from_text(&offered, info).unwrap();
        let ours = steps(&plan(&inventory, &index));
        let text = try_apt(root.path(), &["--simulate", "--with-new-pkgs", "upgrade"]);
        let theirs = text.as_ref().map(|text| simulated(text)).unwrap_or_default();
        prop_assert_eq!(&ours, &theirs, "{:?}\n{}", text, offered);
        judged.set(judged.get() + usize::from(ours.len() > 1));
        Ok(())
    });
    assert!(judged.get() > 0);
}
