//! The image's config: a sentence, and the changes folded.

use maud::{Markup, html};
use serde_json::Value;

use imgfix_terminal::count;

use super::{scrolling, shown};
use crate::diff::ConfigChange;
use crate::review::{Review, config};

/// What became of the config of all platforms.
pub(super) fn section(review: &Review) -> Markup {
    let Some(sentence) = config::sentence(review) else { return html! {} };
    let several = review.platforms.len() > 1;
    html! {
        section aria-labelledby="config" {
            h2 #config { "Image config" }
            p { (sentence) }
            @for one in &review.platforms {
                @if let Some(diff) = one.diff.as_ref().filter(|diff| !diff.config.is_empty()) {
                    @let of = if several { format!(" of {}", one.platform) } else { String::new() };
                    details {
                        summary { (count(diff.config.len(), "difference")) (shown(&of)) }
                        (scrolling(&format!("Changes of the config{}", shown(&of)), &table(&diff.config)))
                    }
                }
            }
        }
    }
}

fn table(changes: &[ConfigChange]) -> Markup {
    let text = |value: &Option<Value>| match value {
        None => "—".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    html! {
        table.config {
            thead { tr { th scope="col" { "Place" } th scope="col" { "Before" } th scope="col" { "After" } } }
            tbody { @for change in changes { tr {
                th scope="row" { code { (shown(&change.path)) } }
                td { (shown(&text(&change.before))) }
                td { (shown(&text(&change.after))) }
            } } }
        }
    }
}
