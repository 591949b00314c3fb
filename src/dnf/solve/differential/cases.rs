//! Systems that are asked about by name, each for one rule. In comes nothing; out come
//! [`System`]s.

use super::random::{Ask, Offered, PRIORITY, Question, System};

const CASES: [(&str, &[&str], &[&str]); 12] = [
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

/// The systems by their names.
pub(super) fn systems() -> Vec<(String, System)> {
    // lines have a release, as those of random systems
    let full = |lines: &[&str]| -> Vec<String> {
        let line = |line: &&str| match line.split_once("; ") {
            Some((package, rest)) => format!("{package}-1; {rest}"),
            None => format!("{line}-1"),
        };
        lines.iter().map(line).collect()
    };
    let system = |(name, installed, offered): &(&str, &[&str], &[&str])| {
        let system = System {
            installed: full(installed),
            repositories: vec![Offered { offered: full(offered), priority: PRIORITY }],
            kernel: None,
            weak_dependencies: true,
            protected: Vec::new(),
            excluded: Vec::new(),
            questions: vec![Question { name: "everything".to_owned(), ask: Ask::Everything }],
        };
        (format!("case-{name}"), system)
    };
    CASES.iter().map(system).collect()
}
