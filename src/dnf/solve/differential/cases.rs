//! Systems that are asked about by name, each for one rule. In comes nothing; out come
//! [`System`]s.

use super::random::{Ask, Offered, PRIORITY, Question, Streams, System};

const CASES: [(&str, &[&str], &[&str]); 13] = [
    ("older-obsoletes", &["c 1", "d 1"], &["c 2; R: p", "p 2; O: d < 2", "p 3"]),
    ("part-for-whole", &["whole 1"], &["whole 2", "part 2; O: whole < 3"]),
    ("part-and-whole", &["whole 1"], &["whole 2", "part 2; O: whole < 2"]),
    ("part-is-needed", &["whole 1", "u 1"], &["whole 2", "part 2; O: whole < 2", "u 2; R: part"]),
    ("whole-needs-part", &["whole 1"], &["whole 2; R: part", "part 2; O: whole < 2"]),
    ("same-words", &["whole 1"], &["whole 2; O: whole < 2", "part 2; O: whole < 2"]),
    ("two-parts", &["whole 1"], &["part 2; O: whole < 2", "rest 2; O: whole < 2"]),
    ("all-or-none", &["whole 1"], &["part 2; O: whole < 2", "rest 2; O: whole < 2; R: no"]),
    ("other-words", &["whole 1"], &["rest 2; O: whole < 3", "part 2; O: whole < 2"]),
    ("one-for-two", &["a 1", "b 1"], &["ab 2; O: a < 2; O: b < 2"]),
    ("installed-for-other", &["a 1", "b 1"], &["a 2; O: b < 2"]),
    ("out-of-reach", &["whole 1"], &["part 2; O: whole < 9; R: no", "whole 2"]),
    ("one-machine", &["a 1", "a.i686 1"], &["a 3", "a 2", "a.i686 2"]),
];

/// Streams 18 and 20 of the module `node`, and what is of no module.
const NODE: [&str; 4] = ["node 18.1", "node 18.2", "node 20.1", "node 21"];
const STREAMS: &str = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: node\n  stream: '18'\n  \
    version: 1\n  context: c\n  arch: x86_64\n  summary: s\n  description: d\n  \
    license: {module: [MIT]}\n  artifacts:\n    rpms:\n    - node-0:18.1-1.x86_64\n    \
    - node-0:18.2-1.x86_64\n...\n---\ndocument: modulemd\nversion: 2\ndata:\n  name: node\n  \
    stream: '20'\n  version: 1\n  context: c\n  arch: x86_64\n  summary: s\n  description: d\n  \
    license: {module: [MIT]}\n  artifacts:\n    rpms:\n    - node-0:20.1-1.x86_64\n...\n";
const DEFAULT: &str = "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: node\n  \
    stream: '18'\n  profiles: {}\n...\n";
const ENABLED: [&str; 3] = ["node", "18", "enabled"];

/// A system with modules, by its name: what of them is chosen, and what the repository says.
fn with_modules() -> Vec<(&'static str, &'static str, Streams, Offered)> {
    let of = "node 18.1; M: node:18";
    let chosen = |chosen: &[[&'static str; 3]]| Streams { chosen: chosen.to_vec(), ..no_streams() };
    let repository = |modules: String| Offered { modules, ..Offered::at(PRIORITY, full(&NODE)) };
    let all = || repository(STREAMS.to_owned());
    let kept = Streams { kept: STREAMS.to_owned(), ..chosen(&[ENABLED]) };
    vec![
        ("stream-enabled", of, chosen(&[ENABLED]), all()),
        ("stream-default", of, no_streams(), repository(format!("{STREAMS}{DEFAULT}"))),
        ("stream-hotfixes", of, chosen(&[ENABLED]), Offered { module_hotfixes: true, ..all() }),
        ("stream-kept", of, kept, repository(String::new())),
        ("stream-disabled", of, chosen(&[["node", "", "disabled"]]), all()),
        ("stream-switched", of, chosen(&[["node", "20", "enabled"]]), all()),
        ("stream-of-none", "node 18.1", chosen(&[["node", "20", "enabled"]]), all()),
        ("stream-unasked", "node 18.1", no_streams(), all()),
    ]
}

fn no_streams() -> Streams {
    Streams::default()
}

/// Lines have a release, as those of random systems.
fn full(lines: &[&str]) -> Vec<String> {
    let line = |line: &&str| match line.split_once("; ") {
        Some((package, rest)) => format!("{package}-1; {rest}"),
        None => format!("{line}-1"),
    };
    lines.iter().map(line).collect()
}

/// The systems by their names.
pub(super) fn systems() -> Vec<(String, System)> {
    let system = |installed: &[&str], streams: Streams, repository: Offered| System {
        installed: full(installed),
        repositories: vec![repository],
        kernel: None,
        weak_dependencies: true,
        protected: Vec::new(),
        excluded: Vec::new(),
        streams,
        locks: Vec::new(),
        is_suse_one: false,
        questions: vec![Question { name: "everything".to_owned(), ask: Ask::Everything }],
    };
    let plain = CASES.iter().map(|(name, installed, offered)| {
        let repository = Offered::at(PRIORITY, full(offered));
        (format!("case-{name}"), system(installed, no_streams(), repository))
    });
    let moduled = with_modules().into_iter().map(|(name, installed, streams, repository)| {
        (format!("case-{name}"), system(&[installed], streams, repository))
    });
    plain.chain(moduled).collect()
}
