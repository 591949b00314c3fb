//! What the pages say of the program is held against it: links lead somewhere, the site has every
//! page, and the messages that the page about trouble explains are messages of the program.

use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Parser, Tag};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` with this extension, but built and fetched ones.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", ".git", "corpus", "artifacts"].contains(&name.as_str()) {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Where the links and pictures of a page lead that stay in the repository.
fn links(page: &str) -> Vec<String> {
    let targets = Parser::new(page).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    });
    let elsewhere = |target: &String| target.contains("://") || target.starts_with("mailto:");
    targets.filter(|target| !elsewhere(target)).collect()
}

/// A heading as the part of a link that leads to it.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn links_of_pages_lead_somewhere() {
    let pages = files(root(), "md");
    assert!(pages.len() > 20, "{pages:?}");
    let mut dead = Vec::new();
    for page in &pages {
        for link in links(&fs::read_to_string(page).unwrap()) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            let reached = match (target.exists(), anchor) {
                (true, "") => true,
                (true, anchor) => fs::read_to_string(&target)
                    .is_ok_and(|text| anchors(&text).iter().any(|found| found == anchor)),
                (false, _) => false,
            };
            if !reached {
                dead.push(format!("{}: {link}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn the_site_has_every_page() {
    let docs = root().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let listed: Vec<PathBuf> = links(&summary).iter().map(|link| docs.join(link)).collect();
    let pages = files(&docs, "md");
    let missing: Vec<_> = pages
        .iter()
        .filter(|page| !listed.contains(page) && !page.ends_with("SUMMARY.md"))
        .collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:#?}");
}

/// Every call of the program in a text: the subcommand, and the long options behind it.
fn calls(text: &str) -> Vec<(String, Vec<String>)> {
    const SUBCOMMANDS: [&str; 9] =
        ["repair", "plan", "inventory", "diff", "findings", "config", "cache", "login", "logout"];
    let text = text.replace("\\\n", " ");
    let mut calls = Vec::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some((_, behind)) = rest.split_once("imgfix ") {
            rest = behind;
            let mut words = behind.split(|c: char| c.is_whitespace() || "`'\"()[]|,".contains(c));
            let Some(subcommand) = words.next().filter(|word| SUBCOMMANDS.contains(word)) else {
                continue;
            };
            // What comes behind another program's name is its own.
            let own = behind.split(['|', ';', '`']).next().unwrap_or_default();
            let options = own
                .split(|c: char| c.is_whitespace() || "`'\"()[]{}=:,".contains(c))
                .map(|word| word.trim_start_matches('+'))
                .filter(|word| word.starts_with("--") && word.len() > 2)
                .map(str::to_owned);
            calls.push((subcommand.to_owned(), options.collect()));
        }
    }
    calls
}

#[test]
fn options_in_pages_and_pipelines_are_options_of_the_program() {
    let mut texts = files(root(), "md");
    for extension in ["yml", "yaml"] {
        texts.extend(files(root(), extension));
    }
    texts.extend([root().join("docs/ci/Jenkinsfile"), root().join("action.yml")]);
    // What was is in the changelog, and what was decided in the decisions.
    texts.retain(|path| !path.ends_with("CHANGELOG.md"));
    let mut helps = std::collections::BTreeMap::new();
    let mut checked = 0;
    for path in texts {
        for (subcommand, options) in calls(&fs::read_to_string(&path).unwrap()) {
            let help = helps.entry(subcommand.clone()).or_insert_with(|| {
                let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_imgfix"));
                let output = command.args([&subcommand, "--help"]).output().unwrap();
                String::from_utf8(output.stdout).unwrap()
            });
            for option in options {
                // The sample scanner's options stand in the value of --scan-with.
                if ["--format", "--input"].contains(&option.as_str()) {
                    continue;
                }
                checked += 1;
                let known = help.split(|c: char| c.is_whitespace() || c == ',');
                assert!(
                    known.clone().any(|word| word == option),
                    "{}: imgfix {subcommand} has no option {option}",
                    path.display()
                );
            }
        }
    }
    assert!(checked > 30, "{checked} options were looked for");
}

#[test]
fn messages_that_are_explained_are_messages_of_the_program() {
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let sources: String = files(&root().join("src"), "rs")
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    // A text that goes over several lines stands there with a backslash and an indentation.
    let sources: String = sources.split("\\\n").map(str::trim_start).collect::<Vec<_>>().concat();
    let first_cells = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_start_matches("| ").split(" | ").next().unwrap_or_default());
    let mut checked = 0;
    for cell in first_cells {
        for message in cell.split('`').skip(1).step_by(2) {
            // Words in capitals stand for what differs, and so do three dots.
            let mut part = String::new();
            let mut parts = Vec::new();
            for word in message.split_whitespace() {
                let varies = word == "..."
                    || word.chars().all(|c| c.is_ascii_uppercase() || "_',;".contains(c));
                if varies {
                    parts.push(std::mem::take(&mut part));
                } else {
                    if !part.is_empty() {
                        part.push(' ');
                    }
                    part.push_str(word);
                }
            }
            parts.push(part);
            for part in parts.iter().filter(|part| part.len() > 3) {
                checked += 1;
                assert!(sources.contains(part.as_str()), "no message has {part:?} of {message:?}");
            }
        }
    }
    assert!(checked > 15, "{checked} parts of messages were looked for");
}

/// Who reads the list of dependencies wants to know what each is for.
#[test]
fn each_direct_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let page = fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let reasons = page.split("## Why each direct dependency").nth(1).unwrap();
    let direct = manifest["workspace"]["dependencies"].as_table().unwrap();
    let named = |name: &&String| !reasons.contains(&format!("`{name}`"));
    let outside = direct.keys().filter(|name| !name.starts_with("imgfix-"));
    let missing: Vec<&String> = outside.filter(named).collect();
    assert!(
        missing.is_empty(),
        "docs/dependencies.md does not say what these are for: {missing:?}"
    );
    for word in reasons.split('`').skip(1).step_by(2) {
        let known = direct.contains_key(word) || word == "zlib-rs";
        assert!(known, "docs/dependencies.md gives a reason for {word}, which is no dependency");
    }
}
