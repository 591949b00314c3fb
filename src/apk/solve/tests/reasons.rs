//! What is not done, and what is said of it.

use super::*;

#[test]
fn findings_name_packages_or_their_origins() {
    let image = ["libx 1; o: x", "x-tools 1; o: x", "y 1"];
    let repository = ["libx 2; o: x", "x-tools 2; o: x", "y 2"];
    for (line, want) in [
        ("C libx 1 > 2", &["libx 1>2"][..]),
        ("C x 1 > 2", &["libx 1>2", "x-tools 1>2"]),
        ("C y 1 > 1_rc1", &[]),
    ] {
        let planned = for_findings("libx x-tools y", &image, &repository, &[line]);
        assert_eq!(steps(&planned), want, "{line}");
    }
    let planned = for_findings("y", &image, &repository, &["C z 1 > 2"]);
    assert_eq!(reason(&planned), &Reason::NotOwned);
}

#[test]
fn what_is_not_reached_has_its_reason() {
    let held = |by: &str| Reason::Held { package: "a".to_owned(), by: by.to_owned() };
    for (what, world, repository, want) in [
        ("exact version", "a=1", &["a 2"][..], held("world: a=1")),
        ("limit", "a<2", &["a 2", "a 1.5"], held("world: a<2")),
        (
            "tag",
            "a",
            &["@edge a 2"],
            held(
                "the tag of its repository (etc/apk/repositories), to which world does not pin it",
            ),
        ),
        (
            "not there",
            "a",
            &["a 1.5"],
            Reason::NotInRepositories { wanted: "2".into(), newest: Some("1.5".into()) },
        ),
        ("nowhere", "a", &[], Reason::NotInRepositories { wanted: "2".into(), newest: None }),
    ] {
        let planned = for_findings(world, &["a 1"], repository, &["C a 1 > 2"]);
        assert_eq!(reason(&planned), &want, "{what}");
        assert_eq!(steps(&planned), [""; 0], "{what}");
    }
    // Only the highest has the fix, and it cannot be installed.
    let repository = ["a 2", "a 1.5", "a 3; D: missing"];
    let planned = for_findings("a", &["a 1"], &repository, &["C a 1 > 3", "D a 1 > 2"]);
    assert_eq!(steps(&planned), ["a 1>2"]);
    assert!(conflict_detail(&planned).contains("depends: missing"), "{:?}", reason(&planned));
    let planned = for_findings("a", &["a 1"], &["a 2"], &["C a 1 >"]);
    assert_eq!(steps(&planned), ["a 1>2"]);
    let because = imgfix_model::reason::UnknownFix::NotSaid;
    let unproven = Reason::Unproven { upgraded_to: "2".into(), because };
    assert_eq!(reason(&planned), &unproven);
    // In Alpine's data 0 is a version that was never affected.
    let planned = for_findings("a", &["a 1"], &["a 2"], &["C a 1 > 0"]);
    assert_eq!((steps(&planned).len(), planned.already_fixed.len()), (0, 1));
    let planned = everything("a=1", &["a 1"], &["a 2"]);
    assert_eq!(planned.plan.kept_back[0].reason, held("world: a=1"));
}

#[test]
fn conflicts_are_explained() {
    for (what, world, image, repository, words) in [
        (
            "world forbids what is needed",
            "a !n",
            &["a 1"][..],
            &["a 2; D: n", "n 1"][..],
            &["n 1", "world has !n"][..],
        ),
        ("missing", "a", &["a 1"], &["a 2; D: so:m"], &["depends: so:m", "nothing in the rep"]),
        (
            "held by world",
            "a b=1",
            &["a 1", "b 1"],
            &["a 2; D: b>=2", "b 2"],
            &["depends: b>=2", "nothing"],
        ),
        ("same name", "a b", &["a 1", "b 1; p: v=1"], &["a 2; p: v=2"], &["provides: v", "b 1"]),
        (
            "another package's limit",
            "a b",
            &["a 1", "b 1; D: a<2"],
            &["a 2"],
            &["b 1 has depends: a<2"],
        ),
    ] {
        let planned = for_findings(world, image, repository, &["C a 1 > 2"]);
        let detail = conflict_detail(&planned);
        assert!(words.iter().all(|word| detail.contains(word)), "{what}: {detail}");
        assert_eq!(steps(&planned), [""; 0], "{what}");
    }
}

#[test]
fn barred_packages_are_neither_upgraded_nor_added() {
    let ban = Reason::Held { package: "n".to_owned(), by: "the policy".to_owned() };
    let id = |name: &str| PackageId { name: name.into(), architecture: "x86_64".into() };
    for barred in ["n", "a"] {
        let planned = planned(
            "a b",
            &["a 1", "b 1"],
            &["a 2; D: n", "n 1", "b 2"],
            &findings(&["C a 1 > 2", "D b 1 > 2"]),
            &BTreeMap::from([(id(barred), ban.clone())]),
        );
        assert_eq!(steps(&planned), ["b 1>2"]);
        assert_eq!(reason(&planned), &ban);
    }
}
