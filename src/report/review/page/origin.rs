//! Where it comes from: layer, digests, repositories and their keys, archives, and the command
//! that makes the same again.

use maud::{Markup, html};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{scrolling, shown};
use crate::before_after::PlatformReport;
use crate::review::{PlatformReview, Review, layer};
use imgfix_terminal::bytes;

pub(super) fn section(review: &Review) -> Markup {
    let several = review.platforms.len() > 1;
    html! {
        @if review.repair.is_some() {
            section aria-labelledby="origin" {
                h2 #origin { "Provenance" }
                @for (platform, report) in review.pairs() {
                    @if several { h3 { (shown(&platform.platform.to_string())) } }
                    (facts(report))
                    (repositories(platform))
                    (archives(report))
                }
                @if let Some(command) = &review.reproduce {
                    h3 { "To make the same again" }
                    pre.command { (shown(command)) }
                }
            }
        }
    }
}

fn facts(report: Option<&PlatformReport>) -> Markup {
    let Some(platform) = report else { return html! {} };
    html! {
        dl.facts {
            dt { "Original manifest" } dd { code { (platform.original_manifest.to_string()) } }
            @if let Some(manifest) = &platform.manifest {
                dt { "Repaired manifest" } dd { code { (manifest.to_string()) } }
            }
            @if let Some(layer) = layer(report) {
                dt { "Added layer" }
                dd { code { (layer.digest.to_string()) } " "
                    (bytes(layer.size)) " stored, " (bytes(layer.unpacked_size)) " unpacked, "
                    (layer.entries) " entries" }
                dt { "Its diff ID" } dd { code { (layer.diff_id.to_string()) } }
            }
        }
    }
}

fn repositories(platform: &PlatformReview) -> Markup {
    html! {
        @if !platform.repositories.is_empty() {
            h3 { "Repositories and who signed them" }
            ul.plain { @for one in &platform.repositories {
                li {
                    code { (shown(&one.repository)) }
                    @if one.fingerprint.is_empty() {
                        " made " (date(one.signed)) ", not signed itself: its packages are"
                    } @else {
                        " signed " (date(one.signed)) " by "
                        (shown(&one.signer)) " " code { (shown(&one.fingerprint)) }
                    }
                    @if let Some(date) = &one.date { ", Release of " (shown(date)) }
                }
            } }
        }
    }
}

fn archives(report: Option<&PlatformReport>) -> Markup {
    let packages = report.map(|report| report.packages.as_slice()).unwrap_or_default();
    let table = html! {
        table.archives {
            thead { tr { th scope="col" { "Archive" } th scope="col" { "SHA-256" } } }
            tbody { @for one in packages { tr {
                th scope="row" { (shown(&one.url)) }
                td { code { (one.checksum.to_string()) } }
            } } }
        }
    };
    let platform = report.map(|report| report.platform.to_string()).unwrap_or_default();
    let label = format!("Package archives of {}", shown(&platform));
    html! {
        @if !packages.is_empty() {
            details { summary { "Package archives" } (scrolling(&label, &table)) }
        }
    }
}

/// Seconds since the epoch as a date; the number itself when it is none.
fn date(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| seconds.to_string())
}
