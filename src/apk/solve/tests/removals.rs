//! What goes with a plan, and what stays: `-name` where it is purged.

use super::*;

fn changes(planned: &Planned) -> String {
    let plan = &planned.plan;
    let mut out: Vec<String> = Vec::new();
    for at in 0..=plan.steps.len() {
        let gone = plan.removals.iter().filter(|removal| removal.before == at);
        out.extend(gone.map(|removal| format!("-{}", removal.package.name)));
        out.extend(plan.steps.get(at).map(|step| step.package.name.to_string()));
    }
    out.join(" ")
}

#[test]
fn what_world_reaches_no_more_goes_and_all_else_stays() {
    for (what, world, image, repository, want) in [
        (
            "a new package excludes it",
            "user",
            &["user 1; D: old", "old 1"][..],
            &["user 2; D: new", "new 2; D: !old"][..],
            "-old new user",
        ),
        (
            "though it has a newer version",
            "user",
            &["user 1; D: old", "old 1"],
            &["user 2; D: new", "new 2; D: !old", "old 2"],
            "-old new user",
        ),
        ("nothing needs it any more", "a", &["a 1; D: l", "l 1"], &["a 2", "l 2"], "a -l"),
        ("nor what it needs", "a", &["a 1; D: l", "l 1; D: m", "m 1"], &["a 2"], "a -l -m"),
        (
            "another provider of its name in a version",
            "a",
            &["a 1; D: so:l", "l1 1; p: so:l=1"],
            &["a 2; D: so:l>=2", "l2 2; p: so:l=2"],
            "-l1 l2 a",
        ),
        (
            "its install_if holds no more",
            "a docs",
            &["a 1", "a-doc 1; i: a=1 docs", "docs 1"],
            &["a 2"],
            "-a-doc a",
        ),
        ("another needs it", "a b", &["a 1; D: l", "b 1; D: l", "l 1"], &["a 2"], "a"),
        ("its install_if holds", "a docs", &["a 1", "d 1; i: docs", "docs 1"], &["a 2"], "a"),
        ("world did not reach it before", "a", &["a 1", "x 1; D: y", "y 1"], &["a 2"], "a"),
        ("there is no world", "", &["a 1; D: l", "l 1"], &["a 2"], "a"),
        ("world names it", "a l", &["a 1; D: l", "l 1"], &["a 2"], "a"),
        (
            "world names it, and it would have to go",
            "user old",
            &["user 1; D: old", "old 1"],
            &["user 2; D: new", "new 2; D: !old"],
            "",
        ),
        (
            "out of world's reach, and it would have to go",
            "user",
            &["user 1", "old 1"],
            &["user 2; D: new", "new 2; D: !old"],
            "",
        ),
        (
            "apk-tools' former library goes before the rest",
            "a apk-tools",
            &["a 1", "apk-tools 1; D: so:l.1", "l1 1; p: so:l.1=1"],
            &["a 2", "apk-tools 2; D: so:l.2", "l2 1; p: so:l.2=2"],
            "l2 apk-tools -l1 a",
        ),
    ] {
        assert_eq!(changes(&everything(world, image, repository)), want, "{what}");
    }
}

#[test]
fn a_removal_has_its_reason() {
    let image = ["user 1; D: old m", "old 1", "m 1"];
    let planned = everything("user", &image, &["user 2; D: new", "new 2; D: !old"]);
    let new = PackageId { name: "new".into(), architecture: "x86_64".into() };
    let reasons: Vec<&Because> = planned.plan.removals.iter().map(|one| &one.because).collect();
    let relation = "depends: !old".to_owned();
    assert_eq!(reasons, [&Because::Needed { package: new, relation }, &Because::Unneeded]);
}

#[test]
fn findings_take_no_more_away_than_they_must() {
    let image = ["a 1; D: l", "l 1", "b 1; D: m", "m 1"];
    let repository = ["a 2", "l 2", "b 2", "m 2"];
    for (finding, want) in [("C l 1 > 2", "l"), ("C a 1 > 2", "a -l"), ("C m 1 > 2", "m")] {
        let planned = for_findings("a b", &image, &repository, &[finding]);
        assert_eq!(changes(&planned), want, "{finding}");
        assert_eq!(planned.fixes.len(), 1, "{finding}");
    }
    let both = for_findings("a b", &image, &repository, &["C a 1 > 2", "D l 1 > 2"]);
    assert_eq!(changes(&both), "a -l");
    let fixed: Vec<&str> = both.fixes.iter().map(|(finding, _)| finding.id.as_str()).collect();
    assert_eq!((fixed, both.plan.unfixed.len()), (vec!["C", "D"], 0));
}

#[test]
fn what_an_install_if_holds_at_its_version_is_left_there() {
    let planned = for_findings("a", &["a 1", "d 1; i: a"], &["d 2"], &["C d 1 > 2"]);
    assert_eq!(changes(&planned), "");
    assert_eq!(
        conflict_detail(&planned),
        "what the installed version is there for does not want d 2"
    );
    let planned = for_findings("a", &["a 1", "d 1; i: a"], &["d 2; i: a"], &["C d 1 > 2"]);
    assert_eq!(changes(&planned), "d");
}
