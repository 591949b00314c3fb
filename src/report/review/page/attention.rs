//! What a reviewer has to look at.

use maud::{Markup, html};

use super::{number, shown};
use crate::review::attention::{Item, Look};

/// Lists of more items start folded.
const OPEN_UP_TO: usize = 12;
/// Items of a list that are shown at all; paths are all in the tree.
const MAX_ITEMS: usize = 200;

pub(super) fn section(looks: &[Look]) -> Markup {
    let total: usize = looks.iter().map(|look| look.items.len()).sum();
    html! {
        @if total > 0 {
            section.attention aria-labelledby="attention" {
                h2 #attention { "To look at " span.count { (number(total)) } }
                @for look in looks {
                    h3 id=(format!("look-{}", look.name)) {
                        (look.title) " " span.count { (number(look.items.len())) }
                    }
                    @if look.items.len() <= OPEN_UP_TO {
                        (list(&look.items))
                    } @else {
                        details { summary { "Show them" } (list(&look.items)) }
                    }
                }
            }
        }
    }
}

fn list(items: &[Item]) -> Markup {
    html! {
        ul.plain {
            @for one in items.iter().take(MAX_ITEMS) {
                li {
                    code { (shown(&one.what)) }
                    @if !one.why.is_empty() { " " strong { (shown(&one.why)) } }
                    @if !one.platforms.is_empty() { small { " on " (shown(&one.platforms.join(", "))) } }
                }
            }
        }
        @if items.len() > MAX_ITEMS {
            p { em { (number(items.len() - MAX_ITEMS)) " more; " code { "imgfix diff" } " shows them." } }
        }
    }
}
