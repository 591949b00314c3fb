//! The review as a page: one HTML file that needs nothing else, no script, no font, no
//! network. The verdict comes first, then what is left, what was done, and the evidence.
//!
//! maud escapes every text; [`shown`] takes from texts of others what could still mislead the
//! eye (controls, characters that reorder text). The style is `style.css`, inlined.

mod changes;
mod files;
mod findings;
mod origin;
mod verdict;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{PlatformReview, Review};
use crate::before_after::PlatformReport;
use imgfix_terminal::clean;

const STYLE: &str = include_str!("style.css");

/// The page, ending in a newline.
#[must_use]
pub fn render(review: &Review) -> String {
    let after = review.after.as_ref().unwrap_or(&review.before);
    let title = format!("{}: {}", short_name(&after.reference), review.verdict());
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
                    @for (number, (platform, report)) in review.pairs().enumerate() {
                        (platform_section(review, number, platform, report))
                    }
                    (origin::section(review))
                }
                footer {
                    p { "Made by " (review.tool.name) " " (review.tool.version)
                        ". Verdicts are read back from the repaired image." }
                }
            }
        }
    };
    let mut text = page.into_string();
    text.push('\n');
    text
}

/// What was found, done and changed in one platform's image.
fn platform_section(
    review: &Review,
    number: usize,
    platform: &PlatformReview,
    report: Option<&PlatformReport>,
) -> Markup {
    let several = review.platforms.len() > 1;
    let scope = Scope { prefix: format!("p{number}-") };
    html! {
        @if several {
            h2.platform id=(scope.id("top")) { (shown(&platform.platform.to_string())) }
        }
        @if let Some(report) = report {
            (findings::sections(&scope, report))
            (changes::packages(&scope, report, &platform.changelogs))
        }
        @if let Some(diff) = &platform.diff {
            @if report.is_none() { (changes::compared_packages(&scope, diff)) }
            (files::section(&scope, diff))
            (changes::texts(&scope, diff))
            (changes::config(&scope, diff))
        } @else if review.repair.is_some() {
            p { "This platform's image is as it was." }
        }
        @if let Some(report) = report { (changes::notes(&scope, report)) }
    }
}

/// Makes ids unique when the page has several platforms.
struct Scope {
    prefix: String,
}

impl Scope {
    fn id(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
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

/// `12,345`.
fn number(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A table that scrolls sideways by itself when it is too wide for a narrow screen; `name` is
/// read out when the keyboard reaches it.
fn scrolling(name: &str, table: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(name) tabindex="0" { (table) } }
}

#[cfg(test)]
mod tests;
