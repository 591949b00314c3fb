//! Texts of strangers on the pages for a reviewer: names and contents of files and the name of an
//! image. What a browser's parser makes of the HTML, and a CommonMark parser of the Markdown, has
//! no element, attribute or link but imgfix's own.
#![no_main]

use std::sync::Arc;

use imgfix_model::platform::Platform;
use imgfix_report::diff::{DiffOptions, Opened, Side, diff_images};
use imgfix_report::review::{Review, markdown, page};
use imgfix_vfs::{Entry, NoLayers, Tree};
use imgfix_model::path::ImagePath;
use libfuzzer_sys::fuzz_target;
use pulldown_cmark::{Event, Options, Parser, Tag};

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let label = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let Ok(name) = ImagePath::new([b"/etc/", parts.next().unwrap_or_default()].concat()) else {
        return;
    };
    let content = parts.next().unwrap_or_default().to_vec();
    let tree = |entries: Vec<(ImagePath, Entry)>| Tree::from_entries(entries, Arc::new(NoLayers));
    let config = serde_json::json!({});
    let before = tree(Vec::new());
    let after = tree(vec![(name, Entry::file(content, 0o644, 1))]);
    let side = |tree, contents, label: &str| Side {
        label: label.to_owned(),
        manifest: None,
        inventory: None,
        tree,
        layers: &[],
        config: &config,
        contents,
    };
    let contents = [Opened(&before), Opened(&after)];
    let [first, second] = &contents;
    let before = side(&before, first, "before");
    let after = side(&after, second, &label);
    let Ok(diff) = diff_images(&before, &after, DiffOptions::default()) else { return };
    let platform: Platform = "linux/amd64".parse().expect("a platform");
    let Some(review) = Review::of_comparison(vec![(platform, diff)]) else { return };
    html(&page::render(&review));
    commonmark(&markdown::render(&review));
});

fn html(text: &str) {
    let document = scraper::Html::parse_document(text);
    for element in document.root_element().descendants().filter_map(scraper::ElementRef::wrap) {
        let name = element.value().name();
        assert!(
            !matches!(name, "script" | "img" | "iframe" | "object" | "embed" | "link" | "form"
                | "base" | "svg" | "math" | "video" | "audio" | "input" | "button" | "template"),
            "<{name}>"
        );
        for (attribute, value) in element.value().attrs() {
            assert!(!attribute.starts_with("on") && attribute != "src", "{attribute}");
            assert!(attribute != "href" || value.starts_with('#'), "{value}");
        }
    }
}

fn commonmark(text: &str) {
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => {
                let own = ["<details>", "</details>", "<summary>", "</summary>"];
                let rest = own.iter().fold(html.to_string(), |rest, tag| rest.replace(tag, ""));
                assert!(!rest.contains('<'), "{html}");
            }
            Event::Start(Tag::Link { .. } | Tag::Image { .. }) => panic!("a link: {text}"),
            _ => {}
        }
    }
}
