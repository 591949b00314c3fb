//! Orders and ranges against the real thing: where npm is on the machine, its own `semver` is
//! asked about random pairs. Where it is not, that is said, and the recorded answers are left.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::{ORDER, Range};

const PROGRAM: &str = r"
const semver = require(process.argv[1] + '/npm/node_modules/semver');
const pairs = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const order = (a, b) => { try { return '<=>'[semver.compare(a, b) + 1] } catch { return 'x' } };
const range = (v, r) => semver.validRange(r, true) === null ? '?'
  : semver.satisfies(v, r, true) ? '+' : '-';
console.log(pairs.map(([a, b, r]) => order(a, b) + range(a, r)).join(''));
";

/// What npm's semver says of versions and a range: the order of both, and whether the range
/// allows the first. `None`: there is no npm.
fn asked(cases: &[(String, String, String)]) -> Option<Vec<[char; 2]>> {
    let root = Command::new("npm").args(["root", "--global"]).output().ok()?;
    let root = String::from_utf8(root.stdout).unwrap();
    let mut node = Command::new("node")
        .args(["-e", PROGRAM, root.trim()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = node.stdin.take().unwrap();
    input.write_all(imgfix_json::pretty(&cases).as_bytes()).unwrap();
    drop(input);
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Vec<char> = String::from_utf8(output.stdout).unwrap().trim().chars().collect();
    assert_eq!(answers.len(), 2 * cases.len());
    Some(answers.chunks(2).map(|pair| [pair[0], pair[1]]).collect())
}

/// What is said here.
fn answer((a, b, range): &(String, String, String)) -> [char; 2] {
    let order = match ORDER.compare(a, b) {
        None => 'x',
        Some(order) => ['<', '=', '>'][usize::try_from(order as i8 + 1).unwrap()],
    };
    let allowed = match Range::parse(range) {
        None => '?',
        Some(range) if range.allows(a) => '+',
        Some(_) => '-',
    };
    [order, allowed]
}

const COUNT: usize = 20_000;

#[test]
fn npm_says_the_same_of_random_versions_and_ranges() {
    const VERSION: &str = "[ v=]{0,1}[0-3]{1,2}[.][0-3][.][0-3]\
        (-?[a-b0-2]{1,2}([.][0-2a-]{1,2})?|-[0-9.a-]{1,4})?([+][a-z.]{1,3})?";
    const PART: &str = "([0-3]|[0-3]|[0-3]|x|[*]|01)";
    let plain = format!("v?{PART}([.]{PART}([.]{PART}(-[a-b0-2]{{1,2}}([.][0-2])?)?)?)?");
    let comparator = format!("([<>]=?|=|[~^]|~>|[^~]|)[ ]?{plain}");
    // with a blank behind the sign, npm takes `1 - = 2.0.0` for `1 2.0.0`
    let end = format!("(=|){plain}");
    let texts = |pattern: &str| proptest::string::string_regex(pattern).unwrap();
    let range = prop_oneof![
        4 => texts(&comparator),
        2 => texts(&format!("{comparator} {comparator}")),
        2 => texts(&format!("{comparator} ?[|][|] ?{comparator}")),
        2 => texts(&format!("{end} {{1,2}}- {{1,2}}{end}")),
        1 => texts(&format!("{comparator}( [|][|]|[|][|] | {comparator}|-|)")),
        1 => texts("[~^<>=v0-2x*.|+ a-]{0,12}"),
        1 => texts("(latest|git[+]https://x[.]y/z|file:[.]/a|npm:a@1|>=0[.]0[.]0| )( [*]| [|][|] 1)?"),
    ];
    let strategy = (VERSION, VERSION, range);
    let mut runner = TestRunner::deterministic();
    let mut sample = || strategy.new_tree(&mut runner).unwrap().current();
    let cases: Vec<(String, String, String)> = (0..COUNT).map(|_| sample()).collect();
    let Some(answers) = asked(&cases) else {
        eprintln!("NOT COMPARED: there is no npm on this machine");
        return;
    };
    let kinds: BTreeSet<[char; 2]> = answers.iter().copied().collect();
    assert!(kinds.len() >= 10, "the cases are too alike: {kinds:?}");
    let differing: Vec<_> = cases
        .iter()
        .zip(&answers)
        .filter(|(case, theirs)| answer(case) != **theirs)
        .map(|(case, theirs)| format!("{case:?}: npm {theirs:?}, here {:?}", answer(case)))
        .collect();
    assert!(
        differing.is_empty(),
        "{} of {COUNT} differ:\n{}",
        differing.len(),
        differing[..differing.len().min(40)].join("\n")
    );
}
