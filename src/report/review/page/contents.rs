//! The list of contents, and the filter: radio buttons that the style sheet reads, so that it
//! works without a script.

use maud::{Markup, html};

use super::number;
use crate::problems::Problem;
use crate::review::Review;
use crate::review::attention::Look;
use imgfix_model::verdict::Outcome;

/// Contents and filter; only a repair has something to filter.
pub(super) fn section(review: &Review, problems: &[Problem<'_>], looks: &[Look]) -> Markup {
    let links = links(review, problems, looks);
    html! {
        nav.contents aria-label="Contents" {
            ul { @for (id, title, count) in &links {
                li { a href=(format!("#{id}")) { (title) } @if let Some(count) = count { span.count { (number(*count)) } } }
            } }
        }
        @if let Some(report) = review.repair.as_ref().filter(|_| !problems.is_empty()) {
            (filter(report.is_done()))
        }
    }
}

type Link = (String, String, Option<usize>);

fn links(review: &Review, problems: &[Problem<'_>], looks: &[Look]) -> Vec<Link> {
    let mut all: Vec<Link> = Vec::new();
    let mut add = |id: &str, title: &str, count| all.push((id.to_owned(), title.to_owned(), count));
    let items = looks.iter().map(|look| look.items.len()).sum();
    if items > 0 {
        add("attention", "To look at", Some(items));
    }
    if let Some(report) = &review.repair {
        let counted = &report.summary.vulnerabilities;
        if !problems.is_empty() {
            add("left", report.title_of_left(), Some(counted.not_fixed));
        }
        if counted.mitigated > 0 {
            add("mitigated", "Mitigated", Some(counted.mitigated));
        }
        let changed = &report.summary.changed;
        if !changed.is_nothing() || problems.iter().any(|one| one.outcome == Outcome::Fixed) {
            let title = if changed.packages + changed.removed > 0 || changed.components == 0 {
                ("packages", "Packages")
            } else {
                ("components", "Components")
            };
            add(title.0, title.1, None);
        }
        if report.platforms.iter().any(|one| !one.kept_back.is_empty()) {
            add("kept", "Left at their versions", None);
        }
    }
    if review.platforms.iter().any(|one| one.diff.is_some()) {
        add("config", "Image config", None);
    }
    if let Some(report) = &review.repair {
        let counted = &report.summary.vulnerabilities;
        for (id, title, count) in [
            ("ignored", "Ignored", counted.ignored),
            ("not-affected", "Not affected", counted.not_affected),
            ("assessed", "Assessed", counted.assessed),
        ] {
            if count > 0 {
                add(id, title, Some(count));
            }
        }
    }
    let several = review.platforms.len() > 1;
    for (at, one) in review.platforms.iter().enumerate() {
        let Some(diff) = &one.diff else { continue };
        let suffix = if several { format!(" {}", one.platform) } else { String::new() };
        if !diff.files.is_empty() {
            add(&format!("p{at}-files"), &format!("Files{suffix}"), None);
        }
        if !diff.texts.is_empty() {
            add(&format!("p{at}-texts"), &format!("Text changes{suffix}"), None);
        }
    }
    if review.repair.is_some() {
        add("origin", "Provenance", None);
    }
    all
}

/// The choices of a group of the filter; a page begins with the first.
type Choices = [(&'static str, &'static str); 3];

const STATES: Choices =
    [("show-all", "Everything"), ("show-left", "Not fixed"), ("show-fixed", "Fixed")];
const STATES_OF_PLAN: Choices =
    [("show-all", "Everything"), ("show-left", "Would be left"), ("show-fixed", "Would be fixed")];
const SEVERITIES: Choices = [
    ("least-any", "Any severity"),
    ("least-high", "High and worse"),
    ("least-critical", "Critical"),
];

/// Inputs and labels are beside the sections, because the style sheet reads what is checked with
/// sibling combinators: `:has()` costs seconds on pages of twenty thousand files.
fn filter(is_done: bool) -> Markup {
    let group = |name: &str, legend: &str, choices: Choices| {
        html! {
            span.legend { (legend) }
            @for (at, (id, label)) in choices.into_iter().enumerate() {
                input.filter type="radio" id=(id) name=(name) checked[at == 0]
                    aria-label=(format!("{legend}: {label}"));
                label.filter for=(id) { (label) }
            }
        }
    };
    html! {
        (group("show", "Show", if is_done { STATES } else { STATES_OF_PLAN }))
        (group("least", "Severity", SEVERITIES))
        span.legend { "Print" }
        input.filter type="checkbox" id="print-all" aria-label="Print: the evidence, too";
        label.filter for="print-all" { "The evidence, too" }
    }
}
