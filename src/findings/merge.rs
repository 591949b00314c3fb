//! [`merge`]: several reports, one list without duplicates.
//!
//! The order of the reports does not matter: a [`Merged`] is a set of findings, each with the
//! report that it is from, and everything else is a function of that set.

use std::collections::{BTreeMap, BTreeSet};

use super::{ScanReport, merge_places};
use imgfix_model::advisory;
use imgfix_model::finding::{Assessed, Claim, Class, Finding, Naming};

/// The findings of all reports, each problem once: the same id (or a GHSA whose CVE another
/// entry has), class, package, installed version, place and platform. Secrets and malicious files
/// are one where they are in one place. Of duplicates the worst
/// severity stays, every fixed version (with who names it, when reports disagree), and
/// everything else that only one of them knows: all links, of each source of CVSS the highest
/// score, the highest EPSS, and that one of them knows of exploitation. A report that does not tell architecture or
/// platform speaks of all those that another report names. Sorted, the most urgent first.
#[must_use]
pub fn merge(reports: Vec<ScanReport>) -> Vec<Finding> {
    let mut merged = Merged::default();
    for report in reports {
        merged.add(report);
    }
    merged.findings()
}

/// What reports list and somebody assessed as no problem, each once, in the order of reports.
#[must_use]
pub fn assessed(reports: &[ScanReport]) -> Vec<Assessed> {
    let all: BTreeSet<&Assessed> = reports.iter().flat_map(|report| &report.assessed).collect();
    let mut all: Vec<Assessed> = all.into_iter().cloned().collect();
    all.sort_by(|a, b| (a.finding.urgency(), a).cmp(&(b.finding.urgency(), b)));
    all
}

/// What is exploited first, then what is most likely to be, then the worst severity; see
/// [`Finding::urgency`]: the order of every report.
pub fn sort_for_people(findings: &mut [Finding]) {
    findings.sort_by(|a, b| a.urgency().cmp(&b.urgency()));
}

/// Findings of reports, before duplicates become one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Each with the one report that claims its fix.
    entries: BTreeSet<Finding>,
}

/// What is alike in two entries of one problem, the id apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    class: Class,
    package: String,
    installed: String,
    place: Option<String>,
    other_release: Option<String>,
}

/// Architecture and platform of an entry; `None` speaks of all.
type Machine = (Option<String>, Option<String>);

impl Merged {
    /// Adds a report's findings.
    pub fn add(&mut self, report: ScanReport) {
        for mut finding in report.findings {
            let mut fixed: Vec<String> = finding.fixed.take().into_iter().collect();
            fixed.append(&mut finding.also_fixed_in);
            fixed.sort();
            fixed.dedup();
            if finding.claims.is_empty() && !fixed.is_empty() {
                finding.claims = vec![Claim { report: report.name.clone(), fixed }];
            }
            finding.aliases.sort();
            finding.aliases.dedup();
            self.entries.insert(finding);
        }
    }

    /// Adds what others merged.
    pub fn join(&mut self, other: Merged) {
        self.entries.extend(other.entries);
    }

    /// Each problem once, the most urgent first.
    #[must_use]
    pub fn findings(self) -> Vec<Finding> {
        let mut spots: BTreeMap<Spot, Vec<Finding>> = BTreeMap::new();
        let (placed, others): (Vec<Finding>, Vec<Finding>) =
            self.entries.into_iter().partition(merge_places::is_placed);
        for finding in others {
            let spot = Spot {
                class: finding.class,
                package: finding.package.clone(),
                installed: finding.installed.clone(),
                place: finding.rough_place(),
                other_release: finding.other_release.clone(),
            };
            spots.entry(spot).or_default().push(finding);
        }
        let mut out: Vec<Finding> = spots.into_values().flat_map(of_spot).collect();
        out.extend(merge_places::groups(placed).into_iter().flat_map(of_spot));
        sort_for_people(&mut out);
        out
    }
}

/// The problems of one spot, each once for each machine.
fn of_spot(entries: Vec<Finding>) -> Vec<Finding> {
    let ids: BTreeSet<String> = entries.iter().map(|one| one.id.clone()).collect();
    let mut problems: BTreeMap<String, BTreeMap<Machine, Finding>> = BTreeMap::new();
    for mut finding in entries {
        if let Some(cve) = its_cve(&finding).filter(|cve| ids.contains(*cve)).cloned() {
            let ghsa = std::mem::replace(&mut finding.id, cve);
            finding.aliases.push(ghsa);
        }
        let machine = (finding.architecture.clone(), finding.platform.clone());
        let machines = problems.entry(finding.id.clone()).or_default();
        match machines.get_mut(&machine) {
            Some(same) => absorb(same, &finding),
            None => {
                machines.insert(machine, finding);
            }
        }
    }
    problems.into_values().flat_map(of_problem).map(settled).collect()
}

/// The CVE that a GitHub advisory is about, when that is one. Advisories of distributions have
/// many, and are none of them.
fn its_cve(finding: &Finding) -> Option<&String> {
    if !finding.id.starts_with("GHSA-") {
        return None;
    }
    let mut cves = finding.aliases.iter().filter(|alias| alias.starts_with("CVE-"));
    cves.next().filter(|_| cves.next().is_none())
}

/// The most exact machines that entries speak of, each with what all entries say of it.
fn of_problem(entries: BTreeMap<Machine, Finding>) -> Vec<Finding> {
    let mut machines: BTreeSet<Machine> = entries.keys().cloned().collect();
    // An entry for an architecture and one for a platform speak of one machine.
    let both: Vec<Machine> = machines
        .iter()
        .flat_map(|a| machines.iter().filter_map(|b| meet(a, b)).collect::<Vec<_>>())
        .collect();
    machines.extend(both);
    let exact = |one: &&Machine| !machines.iter().any(|other| other != *one && covers(one, other));
    machines
        .iter()
        .filter(exact)
        .filter_map(|machine| {
            let mut about = entries.iter().filter(|(of, _)| covers(of, machine));
            let mut out = about.next()?.1.clone();
            for (_, finding) in about {
                absorb(&mut out, finding);
            }
            (out.architecture, out.platform) = machine.clone();
            Some(out)
        })
        .collect()
}

/// Whether what is said of `a` is said of `b`, too.
fn covers(a: &Machine, b: &Machine) -> bool {
    (a.0.is_none() || a.0 == b.0) && (a.1.is_none() || a.1 == b.1)
}

/// The machines that both speak of.
fn meet(a: &Machine, b: &Machine) -> Option<Machine> {
    let one = |a: &Option<String>, b: &Option<String>| match (a, b) {
        (Some(a), Some(b)) if a != b => None,
        (a, b) => Some(a.clone().or_else(|| b.clone())),
    };
    Some((one(&a.0, &b.0)?, one(&a.1, &b.1)?))
}

/// Takes over what `from` says, so that the order of entries does not matter.
fn absorb(into: &mut Finding, from: &Finding) {
    fn least<T: Ord + Clone>(a: Option<T>, b: Option<&T>) -> Option<T> {
        a.into_iter().chain(b.cloned()).min()
    }
    into.severity = into.severity.max(from.severity);
    into.location = least(into.location.take(), from.location.as_ref());
    into.path = least(into.path.take(), from.path.as_ref());
    into.title = least(into.title.take(), from.title.as_ref());
    into.status = least(into.status.take(), from.status.as_ref());
    if into.naming != from.naming {
        into.naming = Naming::Either;
    }
    into.claims.extend(from.claims.iter().cloned());
    into.aliases.extend(from.aliases.iter().cloned());
    advisory::absorb(into, from);
}

/// A problem as it is shown: claims are told when reports disagree.
fn settled(mut finding: Finding) -> Finding {
    let mut claims: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for claim in finding.claims.drain(..) {
        claims.entry(claim.report).or_default().extend(claim.fixed);
    }
    let fixed: BTreeSet<&String> = claims.values().flatten().collect();
    let mut fixed = fixed.into_iter().cloned();
    finding.fixed = fixed.next();
    finding.also_fixed_in = fixed.collect();
    let disagree = claims.values().collect::<BTreeSet<_>>().len() > 1;
    if disagree {
        let claim = |(report, fixed): (String, BTreeSet<String>)| Claim {
            report,
            fixed: fixed.into_iter().collect(),
        };
        finding.claims = claims.into_iter().map(claim).collect();
    }
    finding.aliases.sort();
    finding.aliases.dedup();
    finding.aliases.retain(|alias| *alias != finding.id);
    advisory::bounded(&mut finding);
    finding
}

#[cfg(test)]
mod tests {
    use super::super::{ArtifactIdentity, ReportFormat};
    use super::*;
    use imgfix_model::advisory::{Cvss, CvssScore, Epss, MAX_CVSS, MAX_REFERENCES, Probability};
    use imgfix_model::finding::Severity;

    fn report(findings: Vec<Finding>) -> ScanReport {
        named("r.json", findings)
    }

    fn named(name: &str, findings: Vec<Finding>) -> ScanReport {
        ScanReport {
            name: name.into(),
            format: ReportFormat::Trivy,
            artifact: ArtifactIdentity::default(),
            findings,
            assessed: Vec::new(),
            passed: 0,
            warnings: Vec::new(),
        }
    }

    fn finding(arch: Option<&str>, severity: Severity, fixed: Option<&str>) -> Finding {
        Finding {
            severity,
            architecture: arch.map(Into::into),
            fixed: fixed.map(Into::into),
            ..Finding::system("CVE-1", "libc6", "2.36-9")
        }
    }

    #[test]
    fn duplicates_keep_the_worst_severity_and_the_known_fix() {
        let merged = merge(vec![
            named("a", vec![finding(Some("amd64"), Severity::Low, None)]),
            named("b", vec![finding(None, Severity::High, Some("2.36-9+deb12u1"))]),
            named("c", vec![finding(Some("amd64"), Severity::Medium, Some("2.36-9+deb12u2"))]),
        ]);
        let claim =
            |report: &str, fixed: &str| Claim { report: report.into(), fixed: vec![fixed.into()] };
        assert_eq!(
            merged,
            [Finding {
                also_fixed_in: vec!["2.36-9+deb12u2".into()],
                claims: vec![claim("b", "2.36-9+deb12u1"), claim("c", "2.36-9+deb12u2")],
                ..finding(Some("amd64"), Severity::High, Some("2.36-9+deb12u1"))
            }]
        );
    }

    #[test]
    fn what_is_in_one_place_is_one_finding() {
        let text = |name: &str| match name {
            "trivy" => include_str!("samples/risks/trivy.json"),
            "gitleaks" => include_str!("samples/risks/gitleaks.json"),
            "clamscan" => include_str!("samples/risks/clamscan.txt"),
            "yara" => include_str!("samples/risks/yara.txt"),
            _ => include_str!("samples/risks/kingfisher.json"),
        };
        let read = |name: &str| {
            let mut report = super::super::parse_report(name, text(name).as_bytes()).unwrap();
            report.below_root("img/L4");
            report
        };
        let names = ["trivy", "gitleaks", "kingfisher", "clamscan", "yara"];
        let merged = merge(names.iter().map(|name| read(name)).collect());
        assert_eq!(merge(names.iter().rev().map(|name| read(name)).collect()), merged);
        let lines = |path: &str| -> Vec<String> {
            let of = merged.iter().filter(|one| one.path.as_deref() == Some(path));
            let mut lines: Vec<String> = of
                .map(|one| {
                    let file = one.location.as_ref().unwrap().file().unwrap();
                    let columns = file.columns.map(|columns| columns.to_string());
                    let (place, layer) = (one.place().unwrap(), file.layer.is_some());
                    format!("{place} {columns:?} {layer} {} {}", one.id, one.aliases.join(" "))
                })
                .collect();
            lines.sort();
            lines
        };
        assert_eq!(
            lines("/app/.env"),
            [
                "/app/.env:2 Some(\"22-45\") true alibaba-access-key-id ",
                "/app/.env:3 Some(\"1-55\") false betterleaks.alibaba-secret-key generic-api-key",
                "/app/.env:4 Some(\"14-53\") true betterleaks.github-pat github-pat",
            ]
        );
        assert_eq!(
            lines("/root/.ssh/id_rsa"),
            ["/root/.ssh/id_rsa:1-27 Some(\"1-33\") true betterleaks.private-key private-key"]
        );
        assert_eq!(lines("/eicar.com"), ["/eicar.com None false Imgfix.Test.EICAR eicar"]);
        // each variable, each entry of the history stays
        let places: BTreeSet<String> = merged.iter().filter_map(Finding::place).collect();
        for place in ["ENV GITHUB_TOKEN", "ENV AWS_SECRET_ACCESS_KEY", "history entry 7"] {
            assert!(places.contains(place), "{place}: {places:?}");
        }
    }

    #[test]
    fn a_check_of_a_whole_file_is_no_name_of_what_is_in_a_line() {
        use imgfix_model::finding::Subject;
        use imgfix_model::location::{FileLocation, Span};
        let secret = |id: &str, line: Option<u32>, severity| {
            let file = FileLocation { lines: Span::of(line, None), ..FileLocation::at("/a") };
            let base = Finding { severity, ..Finding::system(id, "secret", "") };
            let subject = Some(Subject::Secret);
            Finding { class: Class::Baseline, subject, ..base }.located(file)
        };
        let merged = merge(vec![
            named("a", vec![secret("key", Some(2), Severity::Low)]),
            named("a2", vec![secret("key", Some(9), Severity::Low)]),
            named("b", vec![secret("CIS", None, Severity::High)]),
        ]);
        let said: Vec<_> =
            merged.iter().map(|one| (one.place().unwrap(), one.severity, &one.aliases)).collect();
        let none = Vec::new();
        assert_eq!(
            said,
            [
                ("/a:2".to_owned(), Severity::High, &none),
                ("/a:9".to_owned(), Severity::High, &none)
            ]
        );
        let alone = merge(vec![named("b", vec![secret("CIS", None, Severity::High)])]);
        assert_eq!(alone[0].id, "CIS");
    }

    #[test]
    fn an_advisory_about_one_cve_is_that_cve() {
        let base = finding(Some("amd64"), Severity::Low, None);
        let named = |id: &str, aliases: &[&str]| Finding {
            id: id.into(),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            ..base.clone()
        };
        let ids = |findings: Vec<Finding>| -> Vec<String> {
            let merged = merge(vec![report(findings)]);
            merged.iter().map(|one| format!("{} {}", one.id, one.aliases.join(" "))).collect()
        };
        assert_eq!(ids(vec![named("CVE-1", &[]), named("GHSA-1", &["CVE-1"])]), ["CVE-1 GHSA-1"]);
        // of several CVEs none is lost
        assert_eq!(
            ids(vec![named("CVE-1", &[]), named("GHSA-1", &["CVE-1", "CVE-2"])]),
            ["CVE-1 ", "GHSA-1 CVE-1 CVE-2"]
        );
        assert_eq!(
            ids(vec![named("CVE-1", &[]), named("DSA-1", &["CVE-1"])]),
            ["CVE-1 ", "DSA-1 CVE-1"]
        );
        let elsewhere = Finding { package: "b".into(), ..named("GHSA-1", &["CVE-1"]) };
        assert_eq!(ids(vec![named("CVE-1", &[]), elsewhere]).len(), 2);
    }

    fn any_finding() -> impl proptest::strategy::Strategy<Value = Finding> {
        use proptest::prelude::*;
        let word = |words: &'static [&'static str]| proptest::sample::select(words);
        let maybe = |words: &'static [&'static str]| proptest::option::of(word(words));
        (
            (word(&["CVE-1", "CVE-2", "GHSA-1"]), word(&["a", "b"]), maybe(&["1", "2", "3"])),
            (maybe(&["amd64", "i386"]), maybe(&["linux/amd64", "linux/386"]), maybe(&["CVE-1"])),
            (0..6_usize, proptest::sample::select(&[Naming::Binary, Naming::Source][..])),
            any_said(),
        )
            .prop_map(
                |(
                    (id, package, fixed),
                    (architecture, platform, alias),
                    (severity, naming),
                    said,
                )| {
                    Finding {
                        severity: Severity::WORST_FIRST[severity],
                        fixed: fixed.map(Into::into),
                        architecture: architecture.map(Into::into),
                        platform: platform.map(Into::into),
                        aliases: alias.map(Into::into).into_iter().collect(),
                        naming,
                        id: id.into(),
                        package: package.into(),
                        ..said
                    }
                },
            )
    }

    /// A finding that says something of its advisory, as a report is read.
    fn any_said() -> impl proptest::strategy::Strategy<Value = Finding> {
        use proptest::prelude::*;
        let link = || {
            (0..30_u8, any::<bool>()).prop_map(|(at, safe)| {
                format!("http{}://a.example/{at}", if safe { "s" } else { "" })
            })
        };
        let score = || proptest::option::of((0..=100_u8).prop_map(|n| f64::from(n) / 10.0));
        let cvss = (0..12_u8, score(), proptest::option::of(0..3_u8)).prop_map(
            |(source, score, vector)| Cvss {
                source: format!("s{source}"),
                score: score.and_then(CvssScore::new),
                vector: vector.map(|at| format!("AV:{at}")),
            },
        );
        let probability = || (0..=10_u8).prop_map(|n| f64::from(n) / 10.0);
        let epss = (probability(), proptest::option::of(probability())).prop_map(|(a, b)| {
            let percentile = b.and_then(Probability::new);
            Epss { score: Probability::new(a).unwrap_or_default(), percentile }
        });
        (
            proptest::option::of(link()),
            proptest::collection::vec(link(), 0..25),
            proptest::collection::vec(cvss, 0..12),
            proptest::option::of(epss),
            any::<bool>(),
        )
            .prop_map(|(advisory, references, cvss, epss, known_exploited)| {
                let mut finding = Finding {
                    advisory,
                    references,
                    cvss,
                    epss,
                    known_exploited,
                    ..Finding::system("", "", "1")
                };
                super::advisory::bounded(&mut finding);
                finding
            })
    }

    proptest::proptest! {
        #[test]
        fn the_order_of_reports_does_not_matter(
            lists in proptest::collection::vec(proptest::collection::vec(any_finding(), 0..5), 3)
        ) {
            let reports: Vec<ScanReport> = lists
                .iter()
                .enumerate()
                .map(|(at, list)| named(&format!("r{at}"), list.clone()))
                .collect();
            let want = merge(reports.clone());
            for finding in &want {
                proptest::prop_assert!(finding.references.len() <= MAX_REFERENCES);
                proptest::prop_assert!(finding.cvss.len() <= MAX_CVSS);
            }
            for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let reports = order.iter().map(|at| reports[*at].clone()).collect();
                proptest::prop_assert_eq!(&merge(reports), &want);
            }
            let merged = |reports: &[ScanReport]| {
                let mut merged = Merged::default();
                reports.iter().for_each(|report| merged.add(report.clone()));
                merged
            };
            // (a b) c, a (b c), and a report given twice
            let (mut left, mut right) = (merged(&reports[..2]), merged(&reports[..1]));
            left.join(merged(&reports[2..]));
            right.join(merged(&reports[1..]));
            right.join(merged(&reports[..1]));
            proptest::prop_assert_eq!(&left.findings(), &want);
            proptest::prop_assert_eq!(&right.findings(), &want);
        }
    }

    #[test]
    fn architectures_stay_apart_and_a_vague_report_speaks_of_both() {
        let merged = merge(vec![
            report(vec![finding(None, Severity::Critical, None)]),
            report(vec![
                finding(Some("amd64"), Severity::Low, None),
                finding(Some("i386"), Severity::Low, None),
            ]),
        ]);
        assert_eq!(
            merged,
            [
                finding(Some("amd64"), Severity::Critical, None),
                finding(Some("i386"), Severity::Critical, None),
            ]
        );
    }

    #[test]
    fn what_differs_in_any_part_of_the_identity_stays() {
        let base = finding(Some("amd64"), Severity::Low, None);
        let all = vec![
            base.clone(),
            Finding { id: "CVE-2".into(), ..base.clone() },
            Finding { package: "libc-bin".into(), ..base.clone() },
            Finding { installed: "2".into(), ..base.clone() },
            Finding { path: Some("/app/a.jar".into()), ..base.clone() },
            Finding { architecture: Some("arm64".into()), ..base.clone() },
        ];
        assert_eq!(merge(vec![report(all.clone()), report(all.clone())]).len(), all.len());
        let arm = Finding { platform: Some("linux/arm64".into()), ..base.clone() };
        let amd = Finding { platform: Some("linux/amd64".into()), ..base };
        assert_eq!(merge(vec![report(vec![arm, amd])]).len(), 2);
    }

    #[test]
    fn what_any_report_says_of_a_problem_is_kept() {
        let cvss = |source: &str, score: f64| Cvss {
            source: source.into(),
            score: CvssScore::new(score),
            vector: None,
        };
        let epss =
            |score: f64| Probability::new(score).map(|score| Epss { score, percentile: None });
        let base = finding(Some("amd64"), Severity::Low, None);
        let merged = merge(vec![
            report(vec![Finding {
                advisory: Some("https://b.example/".into()),
                references: vec!["https://c.example/".into()],
                cvss: vec![cvss("nvd", 9.8), cvss("redhat", 5.0)],
                epss: epss(0.1),
                ..base.clone()
            }]),
            report(vec![Finding {
                advisory: Some("https://a.example/".into()),
                references: vec!["https://c.example/".into()],
                cvss: vec![cvss("nvd", 7.0), cvss("vendor", 6.0)],
                epss: epss(0.2),
                known_exploited: true,
                ..base.clone()
            }]),
            report(vec![base.clone()]),
        ]);
        let want = Finding {
            advisory: Some("https://a.example/".into()),
            references: vec!["https://b.example/".into(), "https://c.example/".into()],
            cvss: vec![cvss("nvd", 9.8), cvss("vendor", 6.0), cvss("redhat", 5.0)],
            epss: epss(0.2),
            known_exploited: true,
            ..base
        };
        assert_eq!(merged, [want]);
    }

    #[test]
    fn what_is_exploited_comes_first_then_what_is_likely_to_be() {
        let epss =
            |score: f64| Probability::new(score).map(|score| Epss { score, percentile: None });
        let merged = merge(vec![report(vec![
            Finding { id: "CVE-4".into(), ..finding(None, Severity::Critical, None) },
            Finding { id: "CVE-3".into(), epss: epss(0.1), ..finding(None, Severity::High, None) },
            Finding { id: "CVE-2".into(), epss: epss(0.5), ..finding(None, Severity::Low, None) },
            Finding {
                id: "CVE-5".into(),
                epss: epss(0.1),
                ..finding(None, Severity::Critical, None)
            },
            Finding {
                id: "CVE-1".into(),
                known_exploited: true,
                ..finding(None, Severity::Unknown, None)
            },
        ])]);
        let ids: Vec<&str> = merged.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["CVE-1", "CVE-2", "CVE-5", "CVE-3", "CVE-4"]);
    }

    #[test]
    fn the_worst_comes_first() {
        let ids: Vec<String> = merge(vec![report(vec![
            Finding { id: "CVE-3".into(), ..finding(None, Severity::Low, None) },
            Finding { id: "CVE-2".into(), ..finding(None, Severity::Critical, None) },
            Finding { id: "CVE-1".into(), ..finding(None, Severity::Low, None) },
        ])])
        .into_iter()
        .map(|f| f.id)
        .collect();
        assert_eq!(ids, ["CVE-2", "CVE-1", "CVE-3"]);
    }
}
