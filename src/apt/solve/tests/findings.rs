//! Plans for what reports say: which packages a finding is about, and which version is enough.

use super::*;

#[test]
fn findings_are_matched_by_name_source_and_version() {
    let image = &[
        "liba 1+b1; Source: a (1)",
        "liba-bin 1+b1; Source: a (1)",
        "tool 4:9; Source: defaults (1.2)",
    ];
    let repository = &[
        "liba 2; Source: a (2)",
        "liba-bin 2; Source: a (2)",
        "tool 4:10; Source: defaults (1.3)",
    ];
    let plan =
        |lines: &[&str]| Case { requests: findings(lines), ..Case::new(image, repository) }.plan();
    // By binary name; by source name all of its packages.
    assert_eq!(steps(&plan(&["C liba 1+b1 > 2"])), ["liba 1+b1>2"]);
    assert_eq!(steps(&plan(&["C a 1 > 2"])), ["liba 1+b1>2", "liba-bin 1+b1>2"]);
    // Fixed versions are those of the source.
    assert_eq!(steps(&plan(&["C tool 4:9 > 1.3"])), ["tool 4:9>4:10"]);
    assert_eq!(plan(&["C tool 4:9 > 1.2"]).already_fixed.len(), 1);
    assert_eq!(steps(&plan(&["C tool 4:9 > 4:10"])), ["tool 4:9>4:10"]);
}

#[test]
fn a_source_s_finding_is_for_all_its_binaries() {
    use imgfix_model::finding::Naming;
    let image = &["openssl 1", "libssl3 1; Source: openssl"];
    let repository = &["openssl 2", "libssl3 2; Source: openssl"];
    let both = &["libssl3 1>2", "openssl 1>2"][..];
    for (naming, want) in
        [(Naming::Source, both), (Naming::Either, both), (Naming::Binary, &["openssl 1>2"][..])]
    {
        let mut one = finding("C openssl 1 > 2");
        one.naming = naming;
        let requests = Requests::Findings(vec![one.into()]);
        let planned = Case { requests, ..Case::new(image, repository) }.plan();
        let mut done = steps(&planned);
        done.sort();
        assert_eq!(done, want, "{naming:?}");
        assert!(planned.plan.unfixed.is_empty(), "{naming:?}");
    }
    // One of them has no fixed version yet: what can be done is done, and nothing is claimed.
    let mut one = finding("C openssl 1 > 2");
    one.naming = Naming::Source;
    let requests = Requests::Findings(vec![one.into()]);
    let planned = Case { requests, ..Case::new(image, &["openssl 2"]) }.plan();
    assert_eq!(steps(&planned), ["openssl 1>2"]);
    let wanted = || Reason::NotInRepositories { wanted: "2".to_owned(), newest: None };
    assert_eq!(reasons(&planned), [("C".to_owned(), wanted())]);
}

#[test]
fn without_a_fixed_version_the_newest_is_taken_and_nothing_is_claimed() {
    use imgfix_model::reason::UnknownFix;
    let unknown = |fixed: Option<&str>| {
        let mut one = finding("C a 1 >");
        one.fixed = fixed.map(ToOwned::to_owned);
        Requests::Findings(vec![one.into()])
    };
    let word = || UnknownFix::Word { word: "See advisory".to_owned() };
    for (fixed, because) in [(None, UnknownFix::NotSaid), (Some("See advisory"), word())] {
        let newer = Case { requests: unknown(fixed), ..Case::new(&["a 1"], &["a 2"]) }.plan();
        assert_eq!(steps(&newer), ["a 1>2"]);
        let unproven = Reason::Unproven { upgraded_to: "2".to_owned(), because: because.clone() };
        assert_eq!(reasons(&newer), [("C".to_owned(), unproven)]);
        let same = Case { requests: unknown(fixed), ..Case::new(&["a 1"], &["a 1"]) }.plan();
        assert!(same.plan.steps.is_empty());
        let nothing = Reason::FixUnknown { because, installed: "1".to_owned() };
        assert_eq!(reasons(&same), [("C".to_owned(), nothing)]);
    }
}

#[test]
fn another_release_s_report_changes_nothing() {
    let mut one = finding("C a 1 > 2");
    one.other_release = Some("ubuntu 22.04".to_owned());
    let requests = Requests::Findings(vec![one.into()]);
    let planned = Case { requests, ..Case::new(&["a 1"], &["a 2"]) }.plan();
    assert!(planned.plan.steps.is_empty());
    let reason = Reason::OtherRelease { release: "ubuntu 22.04".to_owned() };
    assert_eq!(reasons(&planned), [("C".to_owned(), reason)]);
}

#[test]
fn findings_that_nothing_can_fix_get_their_reasons() {
    let mut elsewhere = finding("E a 1 > 2");
    elsewhere.platform = Some("linux/arm64".to_owned());
    let ignored = Reason::Ignored { by: "--ignore I".to_owned() };
    let mut no_fix = finding("N a 1 >");
    no_fix.status = Some(imgfix_model::finding::FixStatus::Affected);
    let requests = Requests::Findings(vec![
        no_fix.into(),
        elsewhere.into(),
        Request { finding: finding("I a 1 > 2"), settled: Some(ignored.clone()) },
    ]);
    let planned = Case { requests, ..Case::new(&["a 1"], &["a 2"]) }.plan();
    assert_eq!(
        reasons(&planned),
        [("N".to_owned(), Reason::NoFixedVersion), ("I".to_owned(), ignored),]
    );
    assert!(planned.plan.steps.is_empty());
}

#[test]
fn reports_that_disagree_are_met_as_far_as_can_be() {
    let mut two = finding("C a 1 > 2");
    two.also_fixed_in = vec!["3".to_owned()];
    let requests = Requests::Findings(vec![two.into()]);
    for (repository, want) in [(&["a 3"][..], "a 1>3"), (&["a 2"], "a 1>2")] {
        let planned = Case { requests: requests.clone(), ..Case::new(&["a 1"], repository) }.plan();
        assert_eq!(steps(&planned), [want]);
    }
}
