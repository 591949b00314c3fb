//! A plan in words: what will be installed and why, what is left and why. The sentences for
//! [`Reason`]s are the ones that every report uses.
//!
//! In comes a [`Plan`]; out comes text for a terminal or a pipe. Names and details come from
//! images, reports and repositories, so that everything is cleaned before it is shown.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::before_after::RepairReport;
use super::changelogs::NamedInChangelogs;
use super::exploitation;
use super::gate::Gate;
use imgfix_model::plan::{Because, Plan, PlatformPlan, Unfixed};
use imgfix_model::reason::Reason;
use imgfix_terminal::{Accent, Detail, Style, Table, bytes, clean, count};
use imgfix_versions::VersionText;

/// How many finding ids a reason shows unless everything is asked for.
const SHOWN_IDS: usize = 3;

/// The whole plan as text, ending in a newline. `preview` is what the plan would do, from which
/// the counts are.
#[must_use]
pub fn render(plan: &Plan, preview: Option<&RepairReport>, style: Style) -> String {
    let mut out = format!("plan for {} ({})\n", clean(&plan.image), plan.image_digest.short());
    if let Some(report) = preview {
        let counted = &report.summary.vulnerabilities;
        let apart = counted.apart().map(|apart| format!("apart from these {apart}"));
        let gate = report.gate.iter().flat_map(Gate::lines);
        let named = report.summary.named_in_changelogs.map(NamedInChangelogs::sentence);
        let counted = counted.sentence().into_iter().chain(apart).chain(named).chain(gate);
        out.push_str(&format!("{}\n", report.verdict()));
        counted.for_each(|line| out.push_str(&format!("  {line}\n")));
    }
    for platform in &plan.platforms {
        out.push_str(&render_platform(platform, style));
    }
    out
}

fn render_platform(platform: &PlatformPlan, style: Style) -> String {
    let name = style.paint(Accent::Heading, &clean(&platform.platform.to_string()));
    let size: u64 =
        platform.steps.iter().fold(0, |sum, step| sum.saturating_add(step.archive.size));
    let mut out = match platform.steps.len() {
        0 if !platform.stores.is_empty() => format!("\n{name}:\n"),
        0 => format!("\n{name}: nothing to install\n"),
        steps => format!("\n{name}: {} to install, {}\n", count(steps, "package"), bytes(size)),
    };
    out.push_str(&steps(platform, style));
    out.push_str(&removals(platform, style));
    out.push_str(&stores(platform, style));
    out.push_str(&unfixed(platform, style));
    out.push_str(&kept_back(platform, style));
    out
}

fn section(title: &str, table: Table, style: Style) -> String {
    match (table.is_empty(), title) {
        (true, _) => String::new(),
        (false, "") => table.render(style),
        (false, title) => {
            format!("\n{}\n{}", style.paint(Accent::Heading, title), table.render(style))
        }
    }
}

fn steps(platform: &PlatformPlan, style: Style) -> String {
    let mut table =
        Table::new(&["package", "from", "to", "size", "why"], &[4]).stacking(1, 2, "→ ");
    let mut repositories: BTreeMap<&str, usize> = BTreeMap::new();
    for step in &platform.steps {
        table.row([
            &step.package.to_string(),
            step.from.as_ref().map_or("(new)", |version| version.as_ref()),
            step.to.as_ref(),
            &bytes(step.archive.size),
            &why(&step.because, style.detail),
        ]);
        *repositories.entry(&step.archive.repository).or_default() += 1;
    }
    let mut out = section("", table, style);
    for (repository, packages) in repositories {
        let packages = count(packages, "package");
        out.push_str(&format!("  {packages} from {}\n", clean(repository)));
    }
    out
}

fn removals(platform: &PlatformPlan, style: Style) -> String {
    let mut table = Table::new(&["package", "version", "why"], &[2]);
    for removal in &platform.removals {
        let package = removal.package.to_string();
        table.row([&package, removal.version.as_ref(), &removal.why()]);
    }
    section("Taken away", table, style)
}

/// What is done in stores that are no package manager.
fn stores(platform: &PlatformPlan, style: Style) -> String {
    let mut out = String::new();
    for plan in &platform.stores {
        let mut table = Table::new(&["component", "from", "to", "why"], &[3]).stacking(1, 2, "→ ");
        for step in &plan.steps {
            let version = |version: &Option<VersionText>| {
                version.as_ref().map(ToString::to_string).unwrap_or_default()
            };
            let why = why(&step.because, style.detail);
            table.row([&step.component, &version(&step.from), &version(&step.to), &why]);
        }
        out.push_str(&section(&clean(&plan.store.to_string()), table, style));
    }
    out
}

fn why(because: &[Because], detail: Detail) -> String {
    let some = |findings: &[String]| match (detail, findings.len()) {
        (Detail::Normal, 2..) => count(findings.len(), "finding"),
        _ => findings.join(", "),
    };
    let parts: Vec<String> = because
        .iter()
        .map(|because| match because {
            Because::Fixes { findings } => format!("fixes {}", some(findings)),
            Because::Mitigates { findings } => format!("puts {} out of use", some(findings)),
            Because::Newer => "is newer".to_owned(),
            Because::Unneeded => "nothing needs it any more".to_owned(),
            Because::Needed { package, relation } => {
                format!("needed by {}: {relation}", package.name)
            }
            Because::Rule { rule } => format!("replaced by {rule}"),
            Because::Beside { component, relation } => format!("with {component}: {relation}"),
        })
        .collect();
    parts.join("; ")
}

fn join(ids: &[String], most: usize) -> String {
    ids.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What stays unfixed: one row for the findings of one package with one reason, the most
/// severe first.
fn unfixed(platform: &PlatformPlan, style: Style) -> String {
    let mut rows: BTreeMap<(String, &Reason), Vec<&Unfixed>> = BTreeMap::new();
    let stores = platform.stores.iter().flat_map(|store| &store.steps);
    let mitigated: BTreeSet<(&str, &str)> = stores
        .flat_map(|step| step.because.iter().map(move |because| (step, because)))
        .filter_map(|(step, because)| match because {
            Because::Mitigates { findings } => Some((step, findings)),
            _ => None,
        })
        .flat_map(|(step, ids)| ids.iter().map(|id| (step.component.as_str(), id.as_str())))
        .collect();
    // of what is out of use the step says so
    let is_left = |one: &&Unfixed| {
        !mitigated.contains(&(one.finding.package.as_str(), one.finding.id.as_str()))
    };
    for unfixed in platform.unfixed.iter().filter(is_left) {
        let finding = &unfixed.finding;
        // of what is no package it is the place that tells them apart
        let place = finding.location.as_ref().and_then(|_| finding.place_beside_package());
        let subject = match place {
            Some(place) => format!("{} in {place}", finding.package),
            None => finding.package.clone(),
        };
        rows.entry((subject, &unfixed.reason)).or_default().push(unfixed);
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    let worst = |of: &[&Unfixed]| of.iter().map(|unfixed| unfixed.finding.severity).max();
    rows.sort_by_key(|(_, of)| Reverse(worst(of)));
    let mut table = Table::new(&["severity", "package", "findings", "why not"], &[2, 3]);
    for ((package, reason), of) in rows {
        let severity = worst(&of).map(|severity| severity.to_string()).unwrap_or_default();
        // What is known to be exploited stands first, and is never among those that are counted.
        let mut all: BTreeMap<(bool, &str), String> = BTreeMap::new();
        for Unfixed { finding, .. } in &of {
            let words = exploitation::words(finding.known_exploited, None);
            let id = match words.is_empty() {
                true => finding.id.clone(),
                false => format!("{} ({words})", finding.id),
            };
            all.insert((!finding.known_exploited, &finding.id), id);
        }
        let ids: Vec<String> = all.into_values().collect();
        let findings = match style.detail {
            Detail::Normal if ids.len() > SHOWN_IDS => {
                format!("{} and {} more", join(&ids, SHOWN_IDS), ids.len() - SHOWN_IDS)
            }
            _ => ids.join(", "),
        };
        table.row([&severity, &package, &findings, &reason.to_string()]);
    }
    section("Not fixed", table, style)
}

fn kept_back(platform: &PlatformPlan, style: Style) -> String {
    let mut table = Table::new(&["package", "newer version", "why not"], &[2]);
    for kept in &platform.kept_back {
        let package = kept.package.to_string();
        table.row([&package, kept.version.as_ref(), &kept.reason.to_string()]);
    }
    section("Left at their versions", table, style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_model::checksum::ArchiveChecksum;
    use imgfix_model::component::StoreId;
    use imgfix_model::digest::Digest;
    use imgfix_model::document::SCHEMA;
    use imgfix_model::finding::{Finding, Severity};
    use imgfix_model::plan::{Archive, KeptBack, Removal, Step, StorePlan, StoreStep};

    fn id(name: &str) -> imgfix_model::package::PackageId {
        imgfix_model::package::PackageId { name: name.into(), architecture: "amd64".into() }
    }

    fn step(name: &str, from: Option<&str>, because: Because) -> Step {
        Step {
            package: id(name),
            from: from.map(Into::into),
            to: "2.0-1".into(),
            archive: Archive {
                url: "http://deb.example/x.deb".to_owned(),
                size: 1_234_567,
                checksum: ArchiveChecksum::Sha256(Digest::of(b"")),
                repository: "http://deb.example stable main".to_owned(),
            },
            because: vec![because],
        }
    }

    fn unfixed(id: &str, package: &str, severity: Severity, reason: Reason) -> Unfixed {
        Unfixed { finding: Finding { severity, ..Finding::system(id, package, "1") }, reason }
    }

    fn exploited(mut unfixed: Unfixed) -> Unfixed {
        unfixed.finding.known_exploited = true;
        unfixed
    }

    #[test]
    fn a_plan_reads_well_and_commands_no_terminal() {
        let fixes: Vec<String> = (1..=5).map(|n| format!("CVE-2024-{n}")).collect();
        let steps = vec![
            step("libc6", Some("1.0-1"), Because::Fixes { findings: fixes }),
            step(
                "libnew",
                None,
                Because::Needed {
                    package: id("libc6"),
                    relation: "Depends: libnew (>= 2)".to_owned(),
                },
            ),
        ];
        let conflict =
            Reason::Conflict { package: "b".into(), detail: "b has Breaks: \x1b[2J".into() };
        let plan = Plan {
            schema: SCHEMA.to_owned(),
            image: "oci:app:1".to_owned(),
            image_digest: Digest::of(b"x"),
            platforms: vec![PlatformPlan {
                platform: "linux/amd64".parse().unwrap(),
                manifest_digest: Digest::of(b"y"),
                steps,
                unfixed: vec![
                    unfixed("CVE-9", "zlib1g", Severity::Low, Reason::NoFixedVersion),
                    unfixed("CVE-8", "zlib1g", Severity::Low, Reason::NoFixedVersion),
                    exploited(unfixed("CVE-99", "zlib1g", Severity::Low, Reason::NoFixedVersion)),
                    unfixed("CVE-7", "a", Severity::Critical, conflict),
                    unfixed("CVE-5", "jinja2", Severity::Low, Reason::NoFixedVersion),
                ],
                removals: vec![Removal {
                    package: id("libold1"),
                    version: "0.9-1".into(),
                    source: None,
                    before: 1,
                    because: Because::Needed {
                        package: id("libnew"),
                        relation: "depends: !libold1".to_owned(),
                    },
                }],
                kept_back: vec![KeptBack {
                    package: imgfix_model::package::PackageId {
                        name: "held".into(),
                        architecture: "all".into(),
                    },
                    version: "3".into(),
                    reason: Reason::Held { package: "held".into(), by: "dpkg".into() },
                }],
                stores: vec![StorePlan {
                    store: StoreId { kind: "python".into(), place: "/venv\u{1b}[31m".into() },
                    steps: vec![StoreStep {
                        path: None,
                        unpack: None,
                        attested_by: None,
                        component: "jinja2".into(),
                        from: Some("3.0".into()),
                        to: Some("3.1".into()),
                        archive: None,
                        because: vec![
                            Because::Fixes { findings: vec!["CVE-6".into()] },
                            Because::Mitigates { findings: vec!["CVE-5".into()] },
                        ],
                    }],
                }],
            }],
        };
        insta::assert_snapshot!(render(&plan, None, Style::default()));
        let preview = super::super::before_after::samples::planned();
        let text = render(&plan, Some(&preview), Style::default());
        let counted =
            "\n3 of 8 vulnerabilities would be fixed\n  8 vulnerabilities in 6 components\n";
        assert!(text.contains(counted), "{text}");
        assert!(text.contains("  gate: 2 vulnerabilities at or above high would not"), "{text}");
    }

    #[test]
    fn an_empty_plan_says_so() {
        let plan = Plan {
            schema: SCHEMA.to_owned(),
            image: "oci:app:1".to_owned(),
            image_digest: Digest::of(b"x"),
            platforms: vec![PlatformPlan {
                platform: "linux/amd64".parse().unwrap(),
                manifest_digest: Digest::of(b"y"),
                steps: Vec::new(),
                unfixed: Vec::new(),
                removals: Vec::new(),
                kept_back: Vec::new(),
                stores: Vec::new(),
            }],
        };
        assert!(
            render(&plan, None, Style::default()).ends_with("linux/amd64: nothing to install\n")
        );
    }
}
