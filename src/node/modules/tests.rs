//! Trees of npm and pnpm: who finds which copy, and what a change breaks.

use super::*;
use crate::testing::{image, package};
use serde_json::json;

fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

/// npm's layout, with what libraries.md measured: mkdirp 0.5.1 pins minimist.
fn npm() -> Modules {
    Modules::read(&image(
        &[
            ("/app/package.json", {
                json!({"name": "app", "dependencies": {"mkdirp": "^0.5.1", "minimist": "^1.2.0",
                    "@s/a": "1"}, "devDependencies": {"lodash": "^4", "gone": "1"}})
            }),
            ("/app/node_modules/mkdirp/package.json", {
                package("mkdirp", "0.5.1", &[("minimist", "0.0.8")])
            }),
            ("/app/node_modules/mkdirp/node_modules/minimist/package.json", {
                package("minimist", "0.0.8", &[])
            }),
            ("/app/node_modules/minimist/package.json", package("minimist", "1.2.5", &[])),
            ("/app/node_modules/lodash/package.json", package("lodash", "4.17.15", &[])),
            ("/app/node_modules/@s/a/package.json", {
                package("@s/a", "1.0.0", &[("minimist", "^1.2.3"), ("broken", "1")])
            }),
            ("/app/node_modules/lodash/test/package.json", package("fixture", "1.0.0", &[])),
        ],
        &[],
    ))
}

fn with(modules: &Modules, folder: &str, document: &Value) -> Modules {
    let mut after = modules.clone();
    after.put(path(folder), Package::of(document, false));
    after
}

fn broken(before: &Modules, after: &Modules) -> Vec<String> {
    let line = |one: Broken| {
        let found = match one.found {
            Found::Missing => "missing".to_owned(),
            Found::Wrong(at) => at.to_string(),
            Found::Right => unreachable!(),
        };
        let by = if one.is_override { " (override)" } else { "" };
        format!("{} {} {}{by}: {found}", one.by, one.name, one.spec)
    };
    after.broken_since(before).into_iter().map(line).collect()
}

#[test]
fn nested_copies_hide_those_above() {
    let modules = npm();
    for (from, name, want) in [
        ("/app", "minimist", "/app/node_modules/minimist"),
        ("/app/node_modules/mkdirp", "minimist", {
            "/app/node_modules/mkdirp/node_modules/minimist"
        }),
        ("/app/node_modules/@s/a", "minimist", "/app/node_modules/minimist"),
        ("/app/node_modules/@s/a", "@s/a", "/app/node_modules/@s/a"),
    ] {
        assert_eq!(modules.find(&path(from), name), Some(&path(want)), "{from} {name}");
    }
    assert_eq!(modules.find(&path("/app"), "fixture"), None);
    assert_eq!(modules.all().count(), 6);
    let of = |folder| -> Vec<String> {
        let lines = modules.dependants(&path(folder)).into_iter();
        lines.map(|(by, need)| format!("{by} {} {}", need.kind.key(), need.spec)).collect()
    };
    assert_eq!(
        of("/app/node_modules/minimist"),
        ["/app dependencies ^1.2.0", "/app/node_modules/@s/a dependencies ^1.2.3"]
    );
    assert_eq!(of("/app/node_modules/lodash"), ["/app devDependencies ^4"]);
}

#[test]
fn a_change_breaks_who_does_not_allow_it() {
    let before = npm();
    let nested = "/app/node_modules/mkdirp/node_modules/minimist";
    for (folder, version, want) in [
        (nested, "0.2.4", vec![format!("/app/node_modules/mkdirp minimist 0.0.8: {nested}")]),
        ("/app/node_modules/minimist", "1.2.8", vec![]),
        ("/app/node_modules/minimist", "2.0.0", {
            vec![
                "/app minimist ^1.2.0: /app/node_modules/minimist".to_owned(),
                "/app/node_modules/@s/a minimist ^1.2.3: /app/node_modules/minimist".to_owned(),
            ]
        }),
    ] {
        let after = with(&before, folder, &package("minimist", version, &[]));
        assert_eq!(broken(&before, &after), want, "{folder} {version}");
    }
}

#[test]
fn what_a_new_version_needs_has_to_be_found_from_its_folder() {
    let before = npm();
    let folder = "/app/node_modules/mkdirp";
    for (needs, want) in [
        (&[("minimist", "^1.2.6")][..], {
            vec![format!("{folder} minimist ^1.2.6: {folder}/node_modules/minimist")]
        }),
        (&[("minimist", "0.0.8"), ("new", "1")], vec![format!("{folder} new 1: missing")]),
        (&[("lodash", "^4.17.0")], vec![]),
    ] {
        let after = with(&before, folder, &package("mkdirp", "0.5.6", needs));
        assert_eq!(broken(&before, &after), want);
    }
    // what was missing before is not held against it
    let again = package("@s/a", "1.0.1", &[("broken", "2"), ("minimist", "1")]);
    let after = with(&before, "/app/node_modules/@s/a", &again);
    assert_eq!(broken(&before, &after), Vec::<String>::new());
}

#[test]
fn peers_and_optional_ones_may_be_missing_but_not_wrong() {
    let needs = json!({"name": "x", "version": "1.0.0", "optionalDependencies": {"o": "1"},
        "peerDependencies": {"p": "^1", "q": "1"}, "peerDependenciesMeta": {"q": {"optional": true}}});
    let image = image(
        &[
            ("/app/package.json", json!({})),
            ("/app/node_modules/x/package.json", needs),
            ("/app/node_modules/p/package.json", package("p", "1.0.0", &[])),
        ],
        &[],
    );
    let before = Modules::read(&image);
    let after = with(&before, "/app/node_modules/p", &package("p", "2.0.0", &[]));
    let found = broken(&before, &after);
    assert_eq!(found, ["/app/node_modules/x p ^1: /app/node_modules/p"]);
    for (name, want) in [("o", 1), ("q", 1), ("r", 0)] {
        let folder = format!("/app/node_modules/{name}");
        let after = with(&before, &folder, &package(name, "2.0.0", &[]));
        assert_eq!(broken(&before, &after).len(), want, "{name}");
    }
}

#[test]
fn overrides_stand_over_what_packages_ask() {
    let files = |overrides: &str| {
        image(
            &[
                (
                    "/app/package.json",
                    json!({"dependencies": {"a": "1"},
                    "overrides": {"b": overrides}}),
                ),
                ("/app/node_modules/a/package.json", package("a", "1.0.0", &[("b", "1.0.0")])),
                ("/app/node_modules/b/package.json", package("b", "2.0.0", &[])),
            ],
            &[],
        )
    };
    for (overrides, want) in [
        ("^2.0.0", vec![]),
        ("2.0.0", vec!["/app/node_modules/a b 2.0.0 (override): /app/node_modules/b"]),
        // it was broken before
        ("3", vec![]),
    ] {
        let before = Modules::read(&files(overrides));
        let after = with(&before, "/app/node_modules/b", &package("b", "2.0.1", &[]));
        assert_eq!(broken(&before, &after), want, "{overrides}");
    }
}

#[test]
fn what_is_not_of_the_registry_is_not_to_change() {
    let image = image(
        &[
            ("/app/package.json", json!({"dependencies": {"a": "github:x/a"}})),
            ("/app/node_modules/a/package.json", package("a", "1.0.0", &[])),
            ("/app/node_modules/b/package.json", package("b", "1.0.0", &[])),
        ],
        &[],
    );
    let before = Modules::read(&image);
    let after = with(&before, "/app/node_modules/a", &package("a", "1.0.1", &[]));
    assert_eq!(broken(&before, &after), ["/app a github:x/a: /app/node_modules/a"]);
    let after = with(&before, "/app/node_modules/b", &package("b", "1.0.1", &[]));
    assert_eq!(broken(&before, &after), Vec::<String>::new());
}

#[test]
fn links_of_pnpm_lead_to_the_folders_behind_them() {
    let store = "/app/node_modules/.pnpm";
    let image = image(
        &[
            ("/app/package.json", json!({"dependencies": {"b": "^2", "own": "workspace:*"}})),
            ("/app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json", {
                package("a", "1.0.0", &[])
            }),
            ("/app/node_modules/.pnpm/b@2.0.0/node_modules/b/package.json", {
                package("b", "2.0.0", &[("a", "^1")])
            }),
            ("/app/own/package.json", {
                json!({"name": "own", "devDependencies": {"b": "2.0.0"}})
            }),
        ],
        &[
            ("/app/node_modules/.pnpm/b@2.0.0/node_modules/a", "../../a@1.0.0/node_modules/a"),
            ("/app/node_modules/b", ".pnpm/b@2.0.0/node_modules/b"),
            ("/app/node_modules/own", "../own"),
            ("/app/own/node_modules/b", "../../node_modules/.pnpm/b@2.0.0/node_modules/b"),
        ],
    );
    let modules = Modules::read(&image);
    let b = path(&format!("{store}/b@2.0.0/node_modules/b"));
    let a = path(&format!("{store}/a@1.0.0/node_modules/a"));
    assert_eq!(modules.find(&b, "a"), Some(&a));
    assert_eq!(modules.find(&path("/app"), "b"), Some(&b));
    assert_eq!(modules.find(&path("/app/own"), "b"), Some(&b));
    let after = with(&modules, b.to_str_lossy().as_ref(), &package("b", "2.0.1", &[("a", "1")]));
    assert_eq!(broken(&modules, &after), [format!("/app/own b 2.0.0: {b}")]);
    assert_eq!(modules.reachable().len(), 4);
}

#[test]
fn bundles_are_known_by_their_holder() {
    let npm = json!({"name": "npm", "version": "10.0.0", "bundleDependencies": ["tar"],
        "dependencies": {"tar": "^6"}});
    let modules = Modules::read(&image(
        &[
            ("/usr/lib/node_modules/npm/package.json", npm),
            ("/usr/lib/node_modules/npm/node_modules/tar/package.json", {
                package("tar", "6.0.0", &[("yallist", "^4")])
            }),
            ("/usr/lib/node_modules/npm/node_modules/yallist/package.json", {
                package("yallist", "4.0.0", &[])
            }),
            ("/usr/lib/node_modules/npm/node_modules/added/package.json", {
                package("added", "4.0.0", &[])
            }),
            ("/usr/lib/node_modules/x/package.json", package("x", "1.0.0", &[])),
        ],
        &[],
    ));
    for (folder, holder) in [
        ("npm/node_modules/tar", Some("npm")),
        ("npm/node_modules/yallist", Some("npm")),
        ("npm/node_modules/added", None),
        ("npm", None),
        ("x", None),
    ] {
        let under = |name: &str| path(&format!("/usr/lib/node_modules/{name}"));
        let want = holder.map(under);
        assert_eq!(modules.bundled_by(&under(folder)), want.as_ref(), "{folder}");
    }
}
