//! The review as a page: one HTML file that needs nothing else, no script, no font, no
//! network. Verdict and gate come first, then what a reviewer must look at, what is not fixed,
//! the packages, the image's config; then the evidence, which print leaves out.
//!
//! maud escapes every text; [`shown`] takes from texts of others what could still mislead the
//! eye (controls, characters that reorder text). The style is `style.css`, inlined; lists are
//! filtered by it, too.

mod attention;
mod config;
mod contents;
mod files;
mod findings;
mod notes;
mod origin;
mod packages;
mod texts;
mod verdict;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::attention::looks;
use super::{PlatformReview, Review};
use crate::before_after::{PlatformReport, Stage};
use crate::problems::problems;
use imgfix_terminal::clean;

const STYLE: &str = include_str!("style.css");

/// The page, ending in a newline.
#[must_use]
pub fn render(review: &Review) -> String {
    let after = review.after.as_ref().unwrap_or(&review.before);
    let title = format!("{}: {}", short_name(&after.reference), review.verdict());
    let all = review.repair.as_ref().map(|report| problems(&report.platforms)).unwrap_or_default();
    let looks = looks(review);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                // Nothing may be loaded or run, whatever text slipped in.
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
                title { (shown(&title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the review" }
                (verdict::header(review))
                main #main {
                    (verdict::section(review))
                    (contents::section(review, &all, &looks))
                    (attention::section(&looks))
                    @if let Some(report) = &review.repair {
                        (findings::open(report, &all))
                        (packages::section(review, report, &all))
                    }
                    (config::section(review))
                    @if let Some(report) = &review.repair { (findings::settled(report, &all)) }
                    @for (number, (platform, report)) in review.pairs().enumerate() {
                        (platform_section(review, number, platform, report))
                    }
                    (origin::section(review))
                }
                footer {
                    p { "Made by " (review.tool.name) " " (review.tool.version) ". " (said_of(review)) }
                }
            }
        }
    };
    let mut text = page.into_string();
    text.push('\n');
    text
}

/// What the verdicts are worth.
fn said_of(review: &Review) -> &'static str {
    match review.repair.as_ref().map(|report| (report.stage, report.is_done())) {
        None => "",
        Some((Stage::Planned, _)) => {
            "Verdicts say what the plan would do: it was tried in memory; nothing was written."
        }
        Some((Stage::Repaired, true)) => "Verdicts are read back from the repaired image.",
        Some((Stage::Repaired, false)) => {
            "Verdicts are read back from the layer that was not published."
        }
    }
}

/// The evidence of one platform.
fn platform_section(
    review: &Review,
    number: usize,
    platform: &PlatformReview,
    report: Option<&PlatformReport>,
) -> Markup {
    let several = review.platforms.len() > 1;
    let name = several.then(|| platform.platform.to_string());
    let scope = Scope { prefix: format!("p{number}-"), name };
    let counts = report.map(|report| report.files).unwrap_or_default();
    html! {
        @if let Some(diff) = &platform.diff {
            @if report.is_none() { (packages::compared(&scope, diff)) }
            (files::section(&scope, diff, counts.compared(&diff.files)))
            (texts::section(&scope, diff))
        }
        @if let Some(report) = report { (notes::section(&scope, report)) }
    }
}

/// Makes ids unique when the page has several platforms.
struct Scope {
    prefix: String,
    /// The platform, when the page has several.
    name: Option<String>,
}

impl Scope {
    fn id(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A name of a part, which no other platform's has.
    fn label(&self, name: &str) -> String {
        match &self.name {
            Some(platform) => format!("{name}, {}", shown(platform)),
            None => name.to_owned(),
        }
    }

    /// What a heading adds when there are several platforms.
    fn of_platform(&self) -> Markup {
        html! { @if let Some(name) = &self.name { small { " " (shown(name)) } } }
    }
}

/// Text of others, as it is shown: controls and characters that reorder or hide text are
/// written out. Escaping for HTML is maud's.
fn shown(text: &str) -> String {
    clean(text)
}

/// Like [`shown`] for lines of a file, in which tabs are harmless.
fn shown_line(line: &str) -> String {
    line.split('\t').map(clean).collect::<Vec<_>>().join("\t")
}

/// A reference without its transport, registry and folders, for the tab of a browser.
fn short_name(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

fn number(value: usize) -> String {
    crate::summary::thousands(value)
}

/// A table that scrolls sideways by itself when it is too wide for a narrow screen; `name` is
/// read out when the keyboard reaches it.
fn scrolling(name: &str, table: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(name) tabindex="0" { (table) } }
}

#[cfg(test)]
mod tests;
