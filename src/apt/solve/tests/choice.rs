//! Plans as apt chooses: pins, phased updates, one provider of several, recommendations.

use super::*;

#[test]
fn pins_forbid() {
    let requests = findings(&["C a 1 > 2"]);
    let pins = "Package: a\nPin: version 2\nPin-Priority: -1\n";
    let case = Case { requests, pins, ..Case::new(&["a 1"], &["a 2"]) };
    let by = "the pin of priority -1 in /etc/apt/preferences, line 1".to_owned();
    let held = Reason::Held { package: "a".to_owned(), by };
    assert_eq!(reasons(&case.plan()), [("C".to_owned(), held.clone())]);
    let everything = Case { requests: Requests::Everything, ..case };
    assert_eq!(everything.plan().plan.kept_back[0].reason, held);
}

/// Each is what `apt-get --simulate --with-new-pkgs upgrade` (apt 2.6.1) takes.
#[test]
fn of_several_providers_apts_choice_is_taken() {
    let app = "app 2; Depends: virtual";
    for (repository, want) in [
        // Of equals the one that is mentioned last, whatever it needs.
        (
            vec![app, "pa 1; Provides: virtual; Depends: h1", "pc 1; Provides: virtual", "h1 1"],
            "pc",
        ),
        (
            vec![app, "pa 1; Provides: virtual", "pc 1; Provides: virtual; Depends: h1", "h1 1"],
            "h1 pc",
        ),
        (vec![app, "pc 1; Provides: virtual", "pa 1; Provides: virtual"], "pa"),
        (
            vec![
                "aa 1; Suggests: pc",
                app,
                "pa 1; Provides: virtual",
                "pb 1; Provides: virtual",
                "pc 1; Provides: virtual",
            ],
            "pb",
        ),
        (
            vec![
                app,
                "pa 1; Provides: virtual; Priority: optional",
                "pb 1; Provides: virtual; Priority: standard",
                "pc 1; Provides: virtual; Priority: optional",
            ],
            "pb",
        ),
        // A package of that very name goes first.
        (vec![app, "virtual 1", "pc 1; Provides: virtual"], "virtual"),
        // What cannot be installed is passed over.
        (vec![app, "pa 1; Provides: virtual", "pc 1; Provides: virtual; Depends: none"], "pa"),
    ] {
        let mut new = steps(&Case::new(&["app 1"], &repository).plan());
        new.retain(|step| step.contains(" >"));
        let names: Vec<&str> = new.iter().filter_map(|step| step.split(' ').next()).collect();
        assert_eq!(names.join(" "), want, "{repository:?}");
    }
}

/// The packages named are those that apt 2.6.1 installs besides.
#[test]
fn what_apt_would_install_as_recommended_is_named() {
    for (image, repository, want) in [
        (
            vec!["app 1; Recommends: old", "kept 1"],
            vec![
                "app 2; Recommends: virtual, old, kept, other | more",
                "pa 1; Provides: virtual",
                "old 1",
                "more 1",
            ],
            vec![
                "more 1, too: app 2 has Recommends: other | more",
                "pa 1, too: app 2 has Recommends: virtual",
            ],
        ),
        (
            vec!["app 1; Recommends: dep", "dep 1"],
            vec!["app 2; Recommends: dep (>= 3) | alt", "dep 2", "alt 1"],
            vec!["alt 1, too: app 2 has Recommends: dep (>= 3) | alt"],
        ),
        (
            vec!["app 1"],
            vec!["app 2; Depends: new", "new 1; Recommends: rec, app", "rec 1"],
            vec!["rec 1, too: new 1 has Recommends: rec"],
        ),
        (vec!["app 1; Recommends: rec"], vec!["app 2; Recommends: rec", "rec 1"], vec![]),
        (vec!["app 1"], vec!["app 2; Recommends: nobody, b (", "rec 1"], vec![]),
    ] {
        let planned = Case::new(&image, &repository).plan();
        assert_eq!(planned.notes.len(), want.len(), "{:?}", planned.notes);
        for (note, want) in planned.notes.iter().zip(&want) {
            let want = format!("apt would install {want}, and imgfix adds only what is needed");
            assert_eq!(*note, want);
        }
        let (inventory, index) = (inventory(&image), index(&repository));
        let policy = AptPolicy { recommends: Recommends::Ignored, ..AptPolicy::default() };
        let requests = Requests::Everything;
        let none = BTreeMap::new();
        let quiet = plan_platform(&inventory, &index, &policy, &requests, &none, &context());
        assert_eq!(quiet.notes, Vec::<String>::new());
        assert_eq!(quiet.plan.steps, planned.plan.steps);
    }
}

/// Phased updates are held back where apt upgrades everything, and taken where it is asked
/// for a package.
#[test]
fn phased_updates_wait_unless_a_finding_asks() {
    let (image, repository) = (["foo 1"], ["foo 2; Phased-Update-Percentage: 10"]);
    let policy = AptPolicy { phasing: Phasing::HoldBack, ..AptPolicy::default() };
    let run = |requests: &Requests| {
        let (inventory, index) = (inventory(&image), index_of("noble-updates", &repository));
        plan_platform(&inventory, &index, &policy, requests, &BTreeMap::new(), &context())
    };
    let all = run(&Requests::Everything);
    assert!(all.plan.steps.is_empty());
    let held = format!("{:?}", all.plan.kept_back[0].reason);
    assert!(held.contains("apt's phased updates (10% of machines get 2 by now"), "{held}");
    let asked = run(&findings(&["CVE-1 foo 1 > 2"]));
    assert_eq!(steps(&asked), ["foo 1>2"]);
    assert_eq!(asked.notes, ["foo 2 is a phased update, which 10% of machines get by now"]);
}
