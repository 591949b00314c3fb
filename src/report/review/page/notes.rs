//! What scripts and recipes did, and what the planner noted.

use maud::{Markup, html};

use super::{Scope, number, shown};
use crate::before_after::PlatformReport;
use crate::review::attention::script_sentence;

/// What scripts and conffiles did, and what the planner noted.
pub(super) fn section(scope: &Scope, report: &PlatformReport) -> Markup {
    let count =
        report.scripts.len() + report.stale.len() + report.effects.len() + report.notes.len();
    let list = html! {
        ul.plain {
            @for one in &report.scripts {
                li { b { (shown(&one.package)) } " " (shown(&script_sentence(one))) }
            }
            @for file in &report.stale {
                li { code { (shown(&file.path.to_str_lossy())) } " removed: " (shown(&file.reason)) }
            }
            @for effect in &report.effects {
                li { b { (shown(&effect.package)) } " " (shown(&effect.text)) }
            }
            @for note in &report.notes { li { (shown(note)) } }
        }
    };
    html! {
        @if count > 0 {
            section.rest aria-labelledby=(scope.id("notes")) {
                h2 id=(scope.id("notes")) { "Scripts and notes" (scope.of_platform()) " " span.count { (number(count)) } }
                @if count <= 12 { (list) } @else { details { summary { "Show all " (number(count)) } (list) } }
            }
        }
    }
}
