//! The page as text; that it looks and behaves well is tested in a browser
//! (`tests/review_page`).

use super::super::samples;
use super::*;

/// The page without its style, which would hide what matters in a snapshot.
fn page(review: &Review) -> String {
    let text = render(review).replace(STYLE, "");
    // One element a line, so that a difference reads well.
    text.replace("><", ">\n<")
}

#[test]
fn the_page_is_as_it_was() {
    insta::assert_snapshot!("repair", page(&samples::repair()));
    insta::assert_snapshot!("comparison", page(&samples::comparison()));
    insta::assert_snapshot!("untouched", page(&samples::untouched()));
    insta::assert_snapshot!("index", page(&samples::index()));
    insta::assert_snapshot!("planned", page(&samples::planned()));
}

#[test]
fn nothing_comes_from_outside_and_nothing_runs() {
    for review in [samples::repair(), samples::comparison(), samples::hostile()] {
        let text = render(&review);
        // Escaped text has no `<`, so every one begins a tag.
        for tag in text.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
            let name = tag.split([' ', '/']).find(|word| !word.is_empty()).unwrap_or_default();
            assert!(!["script", "img", "link", "iframe", "object"].contains(&name), "{tag}");
            assert!(!tag.contains(" src=") && !tag.contains(" on"), "{tag}");
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
        let links: Vec<&str> = text.split("href=").skip(1).collect();
        // What is not on the page itself is a link that the reader may follow, and no more.
        let followed = |link: &str| {
            let (url, rest) = link.trim_start_matches('"').split_once('"').unwrap();
            imgfix_model::advisory::web_link(&url.replace("&amp;", "&")).is_some()
                && rest.starts_with(" rel=\"noopener noreferrer\">")
        };
        assert!(links.iter().all(|link| link.starts_with("\"#") || followed(link)), "{links:?}");
        assert!(!text.contains('\x1b') && !text.contains('\u{202e}'));
    }
}

#[test]
fn every_text_of_others_is_escaped() {
    let text = render(&samples::hostile());
    let shown = text.matches("&lt;script&gt;alert(1)").count();
    assert!(shown > 60, "only {shown} of the hostile texts are shown");
}

#[test]
fn two_thousand_findings_and_twenty_thousand_files_stay_below_three_megabytes() {
    let text = render(&samples::large());
    assert!(text.len() < 3_000_000, "{} bytes", text.len());
    assert_eq!(text.matches("some-file-name-").count(), 20_000 + 100, "all files, and the notable");
    assert_eq!(text.matches("CVE-2024-1").count(), 2000);
}

#[test]
fn ids_are_unique_when_there_are_several_platforms() {
    let mut review = samples::repair();
    let mut arm = review.platforms[0].clone();
    arm.platform.architecture = "arm64".into();
    if let Some(report) = &mut review.repair {
        let mut other = report.platforms[0].clone();
        other.platform = arm.platform.clone();
        report.platforms.push(other);
    }
    review.platforms.push(arm);
    let text = render(&review);
    let mut ids: Vec<&str> =
        text.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    for named in text.split("aria-labelledby=\"").skip(1).filter_map(|rest| rest.split('"').next())
    {
        assert!(ids.contains(&named), "{named}");
    }
}

/// Writes the samples where the browser's test finds them, when it asks for them.
#[test]
fn the_samples_are_written_for_the_browser() {
    let Some(folder) = std::env::var_os("IMGFIX_REVIEW_SAMPLES") else { return };
    let folder = std::path::PathBuf::from(folder);
    for (name, review) in [
        ("repair", samples::repair()),
        ("index", samples::index()),
        ("planned", samples::planned()),
        ("comparison", samples::comparison()),
        ("hostile", samples::hostile()),
        ("large", samples::large()),
    ] {
        std::fs::write(folder.join(format!("{name}.html")), render(&review)).unwrap();
    }
}
