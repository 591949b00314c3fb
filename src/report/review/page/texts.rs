//! The text of changed files: configuration first.

use maud::{Markup, html};

use super::{Scope, number, shown, shown_line};
use crate::diff::{ImageDiff, TextChange};
use crate::review::attention::is_config;

/// Bytes of text diffs shown at most, so that the page stays light; configuration comes first.
const MAX_TEXT: usize = 400_000;

/// Text differences: configuration open, the rest folded.
pub(super) fn section(scope: &Scope, diff: &ImageDiff) -> Markup {
    let is_config = |text: &&TextChange| is_config(&text.path);
    let mut ordered: Vec<&TextChange> = diff.texts.iter().filter(is_config).collect();
    let config = ordered.len();
    ordered.extend(diff.texts.iter().filter(|text| !is_config(text)));
    let mut room = MAX_TEXT;
    let fitting = ordered
        .iter()
        .take_while(|text| {
            let fits = text.unified.len() <= room;
            room = room.saturating_sub(text.unified.len());
            fits
        })
        .count();
    let hidden = ordered.len() - fitting;
    html! {
        @if !ordered.is_empty() {
            section.rest aria-labelledby=(scope.id("texts")) {
                h2 id=(scope.id("texts")) { "Text changes" (scope.of_platform()) " " span.count { (number(ordered.len())) } }
                @if config > 0 { p { "Configuration first: " (number(config)) " below " code { "/etc" } "." } }
                @for text in ordered.iter().take(fitting) {
                    details open[is_config(text) && text.unified.len() < 20_000] {
                        summary { code { (shown(&text.path.to_str_lossy())) } }
                        pre.diff tabindex="0" { (unified(&text.unified)) }
                    }
                }
                @if hidden > 0 {
                    p { em { (number(hidden)) " more changed text files are not shown here; "
                        code { "imgfix diff" } " shows them." } }
                }
            }
        }
    }
}

fn unified(text: &str) -> Markup {
    html! {
        @for line in text.lines() {
            @match line.as_bytes().first() {
                Some(b'+') => ins { (shown_line(line)) },
                Some(b'-') => del { (shown_line(line)) },
                Some(b'@') => i { (shown_line(line)) },
                _ => (shown_line(line)),
            }
            "\n"
        }
    }
}
