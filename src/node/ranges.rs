//! npm's ranges of versions, as npm itself holds an installed version against them.
//!
//! In comes the text of a range (`^1.2.0 || ~2.1`); out comes a [`Range`] that says whether it
//! allows a version, or `None` where the text is no range. Dependencies are held against ranges in
//! the *loose* way of npm's `semver` (`satisfies(version, range, true)` in its `dep-valid`): what
//! is no comparator is passed over (`1.2.3 foo` is `1.2.3`), leading zeros and `1.2.3beta` are
//! taken, and a pre-release is allowed only by a comparator that has one of the same version.
//! <https://docs.npmjs.com/cli/using-npm/semver>; compared with the real one in
//! `tests/differential_node_ranges.rs`.

use std::cmp::Ordering;

use semver::{BuildMetadata, Prerelease, Version};

use crate::versions::{MAX_LENGTH, MAX_NUMBER};

/// The longest range that is looked at, in bytes: those of packages have a few dozen.
const MAX_RANGE: usize = 4096;

/// Which versions are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// One of them has to allow a version: all of its comparators.
    sets: Vec<Vec<Comparator>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Comparator {
    /// Every version that is no pre-release.
    Any,
    /// No version.
    None,
    /// Those that compare so.
    Is(Operator, Version),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Range {
    /// Reads a range; `None`: it is none (a tag, an address).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_RANGE {
            return None;
        }
        let mut sets = Vec::new();
        for part in text.split("||") {
            let set = parse_set(part)?;
            if !set.is_empty() {
                sets.push(set);
            }
        }
        if sets.is_empty() {
            return None;
        }
        // Where anything is allowed, the others do not count: no pre-release of theirs, either.
        if sets.len() > 1
            && let Some(any) = sets.iter().find(|set| set.as_slice() == [Comparator::Any])
        {
            sets = vec![any.clone()];
        }
        Some(Self { sets })
    }

    /// Whether a version is allowed; one that is no version never is.
    #[must_use]
    pub fn allows(&self, version: &str) -> bool {
        loose_version(version)
            .is_some_and(|version| self.sets.iter().any(|set| set_allows(set, &version)))
    }
}

fn set_allows(set: &[Comparator], version: &Version) -> bool {
    let holds = |comparator: &Comparator| match comparator {
        Comparator::Any => true,
        Comparator::None => false,
        Comparator::Is(operator, of) => {
            let order = version.cmp_precedence(of);
            match operator {
                Operator::Equal => order == Ordering::Equal,
                Operator::Less => order == Ordering::Less,
                Operator::LessOrEqual => order != Ordering::Greater,
                Operator::Greater => order == Ordering::Greater,
                Operator::GreaterOrEqual => order != Ordering::Less,
            }
        }
    };
    let names_it = |comparator: &Comparator| match comparator {
        Comparator::Is(_, of) => {
            !of.pre.is_empty()
                && (of.major, of.minor, of.patch) == (version.major, version.minor, version.patch)
        }
        Comparator::Any | Comparator::None => false,
    };
    set.iter().all(holds) && (version.pre.is_empty() || set.iter().any(names_it))
}

/// What JavaScript's `\s` and `trim` take for white space.
fn is_blank(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

/// The comparators between two `||`; none: nothing there is one. `None`: a number is too large,
/// which npm takes for no range at all.
fn parse_set(text: &str) -> Option<Vec<Comparator>> {
    let blanks = text.split(is_blank).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let text = without_build(&blanks);
    if let Some((from, to)) = hyphen(&text) {
        return Some(simplified(vec![Word::Means(between(&from, &to)?)]));
    }
    let text = joined(&text);
    let words: Option<Vec<Word>> = text.split(' ').map(word_of).collect();
    Some(simplified(words?))
}

/// What the words of a set mean together.
fn simplified(words: Vec<Word>) -> Vec<Comparator> {
    // A star stands for an empty text, and of several only one at either end is seen.
    let is_star = |word: Option<&Word>| matches!(word, Some(Word::Means(set)) if set.as_slice() == [Comparator::Any]);
    let starred = is_star(words.first()) || is_star(words.last());
    let means = |word| match word {
        Word::Means(set) => set,
        Word::Passed => Vec::new(),
    };
    let mut set: Vec<Comparator> =
        words.into_iter().flat_map(means).filter(|one| *one != Comparator::Any).collect();
    if set.contains(&Comparator::None) {
        return vec![Comparator::None];
    }
    // `>=0.0.0` allows the same as a star.
    let zero = Comparator::Is(Operator::GreaterOrEqual, Version::new(0, 0, 0));
    let starred = starred || set.contains(&zero);
    set.retain(|one| *one != zero);
    if set.is_empty() && starred {
        set.push(Comparator::Any);
    }
    set
}

/// Without build metadata, wherever it stands.
fn without_build(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('+') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let behind = &from[1..];
        let mut end = word(behind);
        if end == 0 {
            out.push('+');
            rest = behind;
            continue;
        }
        while behind[end..].starts_with('.') && word(&behind[end + 1..]) > 0 {
            end += 1 + word(&behind[end + 1..]);
        }
        rest = &behind[end..];
    }
    out + rest
}

/// How many bytes of letters, digits and hyphens a text begins with.
fn word(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count()
}

/// Operators with blanks behind them are put to what they are about.
fn joined(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        if c == ' ' || rest.peek() != Some(&' ') {
            continue;
        }
        let mut ahead = rest.clone();
        ahead.next();
        let joins = match c {
            '<' | '>' | '=' => {
                while ahead.next_if(|c| matches!(c, 'v' | '=' | ' ')).is_some() {}
                ahead.next().is_some_and(|c| c.is_ascii_digit() || matches!(c, 'x' | 'X' | '*'))
            }
            '~' | '^' => true,
            _ => false,
        };
        // `~>` may have blanks behind it, too.
        if joins || (c == '>' && out.ends_with("~>")) {
            rest.next();
        }
    }
    out
}

/// A version of which parts may be missing or stand for any (`1.x`).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Partial<'a> {
    major: Part,
    minor: Part,
    patch: Part,
    pre: Option<Vec<&'a str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Missing,
    Any,
    Number(u64),
}

impl Part {
    /// `None`: it stands for any.
    fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Any | Self::Missing => None,
        }
    }
}

/// Reads `[v=]*MAJOR[.MINOR[.PATCH[PRE]]]`, all of `text`.
fn partial(text: &str) -> Option<Partial<'_>> {
    let mut rest = text.trim_start_matches(['v', '=', ' ']);
    let mut parts = [Part::Missing; 3];
    for (at, part) in parts.iter_mut().enumerate() {
        if at > 0 {
            let Some(behind) = rest.strip_prefix('.') else { break };
            rest = behind;
        }
        (*part, rest) = part_of(rest)?;
    }
    let [major, minor, patch] = parts;
    let pre = match rest {
        "" => None,
        _ if patch == Part::Missing => return None,
        _ => Some(prerelease(rest)?),
    };
    Some(Partial { major, minor, patch, pre })
}

fn part_of(text: &str) -> Option<(Part, &str)> {
    if let Some(rest) = text.strip_prefix(['x', 'X', '*']) {
        return Some((Part::Any, rest));
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    // What is too large for npm is so here, too: it becomes an error of the whole range.
    let number = text.get(..digits).filter(|digits| !digits.is_empty())?;
    let number = number.parse().unwrap_or(u64::MAX);
    Some((Part::Number(number), text.get(digits..)?))
}

/// The identifiers of a pre-release, whose hyphen may be missing.
fn prerelease(text: &str) -> Option<Vec<&str>> {
    let identifiers = |text: &'_ str| -> bool {
        text.split('.').all(|one| !one.is_empty() && word(one) == one.len())
    };
    let behind = text.strip_prefix('-').filter(|text| identifiers(text));
    let text = behind.or_else(|| Some(text).filter(|text| identifiers(text)))?;
    Some(text.split('.').collect())
}

/// A version with the pre-release of the loose reading made strict. `None`: npm refuses it.
fn version(major: u64, minor: u64, patch: u64, pre: Option<&[&str]>) -> Option<Version> {
    if [major, minor, patch].into_iter().any(|number| number > MAX_NUMBER) {
        return None;
    }
    let strict = |one: &&str| -> String {
        if !one.bytes().all(|byte| byte.is_ascii_digit()) {
            return (*one).to_owned();
        }
        match one.trim_start_matches('0') {
            "" => "0".to_owned(),
            number => number.to_owned(),
        }
    };
    let pre = match pre {
        Some(pre) => Prerelease::new(&pre.iter().map(strict).collect::<Vec<_>>().join(".")).ok()?,
        None => Prerelease::EMPTY,
    };
    Some(Version { major, minor, patch, pre, build: BuildMetadata::EMPTY })
}

/// Reads a version as loosely as npm does where it holds one against a range.
pub(crate) fn loose_version(text: &str) -> Option<Version> {
    if text.encode_utf16().count() > MAX_LENGTH {
        return None;
    }
    let text = text.trim_matches(is_blank);
    let text = text.trim_start_matches(|c| c == 'v' || c == '=' || is_blank(c));
    let without = match text.split_once('+') {
        Some((version, build)) => {
            let whole = build.split('.').all(|one| !one.is_empty() && word(one) == one.len());
            Some(version).filter(|_| whole)?
        }
        None => text,
    };
    let Partial { major, minor, patch, pre } = partial(without)?;
    version(major.number()?, minor.number()?, patch.number()?, pre.as_deref())
}

/// The two ends of `1.2 - 2.3`.
fn hyphen(text: &str) -> Option<(Partial<'_>, Partial<'_>)> {
    let (from, to) = text.split_once(" - ")?;
    Some((partial(from)?, partial(to)?))
}

/// From the first to the last; with parts missing, to the last that begins so.
fn between(from: &Partial<'_>, to: &Partial<'_>) -> Option<Vec<Comparator>> {
    let mut set = Vec::new();
    if let Some(major) = from.major.number() {
        let minor = from.minor.number();
        let patch = minor.and(from.patch.number());
        let pre = patch.and(from.pre.as_deref());
        let least = version(major, minor.unwrap_or(0), patch.unwrap_or(0), pre)?;
        set.push(Comparator::Is(Operator::GreaterOrEqual, least));
    }
    if let Some(major) = to.major.number() {
        set.push(match (to.minor.number(), to.patch.number()) {
            (None, _) => below(next(major), 0, 0)?,
            (Some(minor), None) => below(major, next(minor), 0)?,
            (Some(minor), Some(patch)) => {
                let most = version(major, minor, patch, to.pre.as_deref())?;
                Comparator::Is(Operator::LessOrEqual, most)
            }
        });
    }
    if set.is_empty() {
        set.push(Comparator::Any);
    }
    Some(set)
}

/// What is too large stays too large.
fn next(number: u64) -> u64 {
    number.saturating_add(1)
}

/// Less than the first pre-release of a version.
fn below(major: u64, minor: u64, patch: u64) -> Option<Comparator> {
    Some(Comparator::Is(Operator::Less, version(major, minor, patch, Some(&["0"]))?))
}

fn at_least(major: u64, minor: u64, patch: u64, pre: Option<&[&str]>) -> Option<Comparator> {
    Some(Comparator::Is(Operator::GreaterOrEqual, version(major, minor, patch, pre)?))
}

/// What one word of a range means.
enum Word {
    /// It is no comparator, and passed over.
    Passed,
    Means(Vec<Comparator>),
}

/// Reads a word; `None`: npm takes the whole range for none.
fn word_of(text: &str) -> Option<Word> {
    if let Some(partial) = text.strip_prefix('^').and_then(partial) {
        return caret(&partial).map(Word::Means);
    }
    if let Some(behind) = text.strip_prefix('~')
        && let Some(partial) = partial(behind.strip_prefix('>').unwrap_or(behind))
    {
        return tilde(&partial).map(Word::Means);
    }
    let (operator, behind) = operator(text);
    if let Some(partial) = partial(behind)
        && in_order(&partial)
    {
        return compared(operator, &partial).map(Word::Means);
    }
    // The first star goes with its operator, and what is left may be a comparator.
    let Some(star) = text.find('*') else { return whole(text) };
    let (before, behind) = text.split_at(star);
    let before = before.strip_suffix('=').unwrap_or(before);
    let before = before.strip_suffix(['<', '>']).unwrap_or(before);
    whole(&(before.to_owned() + &behind[1..]))
}

/// A word without parts that stand for any.
fn whole(text: &str) -> Option<Word> {
    if text.is_empty() {
        return Some(Word::Means(vec![Comparator::Any]));
    }
    let (operator, behind) = operator(text);
    match partial(behind) {
        Some(partial) if partial.patch.number().is_some() && in_order(&partial) => {
            compared(operator, &partial).map(Word::Means)
        }
        _ => Some(Word::Passed),
    }
}

/// Whether no number stands behind a part that stands for any.
fn in_order(partial: &Partial<'_>) -> bool {
    let is_number = |part: Part| part.number().is_some();
    (is_number(partial.major) || !is_number(partial.minor))
        && (is_number(partial.minor) || !is_number(partial.patch))
}

/// `None`: there is none.
fn operator(text: &str) -> (Option<Operator>, &str) {
    for (sign, operator) in [
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("=", Operator::Equal),
    ] {
        if let Some(behind) = text.strip_prefix(sign) {
            return (Some(operator), behind);
        }
    }
    (None, text)
}

fn caret(Partial { major, minor, patch, pre }: &Partial<'_>) -> Option<Vec<Comparator>> {
    let Some(major) = major.number() else { return Some(vec![Comparator::Any]) };
    let Some(minor) = minor.number() else {
        return Some(vec![at_least(major, 0, 0, None)?, below(next(major), 0, 0)?]);
    };
    let of_patch = patch.number();
    let patch = of_patch.unwrap_or(0);
    let end = match (major, minor, of_patch) {
        (0, 0, Some(patch)) => below(0, 0, next(patch))?,
        (0, _, _) => below(0, next(minor), 0)?,
        _ => below(next(major), 0, 0)?,
    };
    Some(vec![at_least(major, minor, patch, of_patch.and(pre.as_deref()))?, end])
}

fn tilde(Partial { major, minor, patch, pre }: &Partial<'_>) -> Option<Vec<Comparator>> {
    let Some(major) = major.number() else { return Some(vec![Comparator::Any]) };
    let Some(minor) = minor.number() else {
        return Some(vec![at_least(major, 0, 0, None)?, below(next(major), 0, 0)?]);
    };
    let pre = patch.number().and(pre.as_deref());
    let least = at_least(major, minor, patch.number().unwrap_or(0), pre)?;
    Some(vec![least, below(major, next(minor), 0)?])
}

/// A version or a part of one, with or without an operator.
fn compared(
    operator: Option<Operator>,
    Partial { major, minor, patch, pre }: &Partial<'_>,
) -> Option<Vec<Comparator>> {
    let Some(major) = major.number() else {
        return Some(vec![match operator {
            Some(Operator::Less | Operator::Greater) => Comparator::None,
            _ => Comparator::Any,
        }]);
    };
    if let (Some(minor), Some(patch)) = (minor.number(), patch.number()) {
        let version = version(major, minor, patch, pre.as_deref())?;
        return Some(vec![Comparator::Is(operator.unwrap_or(Operator::Equal), version)]);
    }
    let start = (major, minor.number().unwrap_or(0));
    let end = match minor.number() {
        None => (next(major), 0),
        Some(minor) => (major, next(minor)),
    };
    Some(match operator {
        None | Some(Operator::Equal) => {
            vec![at_least(start.0, start.1, 0, None)?, below(end.0, end.1, 0)?]
        }
        Some(Operator::Greater) => vec![at_least(end.0, end.1, 0, None)?],
        Some(Operator::GreaterOrEqual) => vec![at_least(start.0, start.1, 0, None)?],
        Some(Operator::Less) => vec![below(start.0, start.1, 0)?],
        Some(Operator::LessOrEqual) => vec![below(end.0, end.1, 0)?],
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Recorded from npm's `semver` 7.8.5, `satisfies(version, range, true)`, a case a line:
    /// `+` or `-`, `?` where `validRange` says that there is none; version; range.
    const RECORDED: &str = include_str!("range_cases.txt");

    #[test]
    fn ranges_are_those_of_npm() {
        assert_eq!(RECORDED.lines().count(), 226);
        for line in RECORDED.lines() {
            let (want, rest) = line.split_once(' ').unwrap();
            let (version, range) = rest.split_once(' ').unwrap();
            let sign = match Range::parse(range) {
                None => "?",
                Some(range) if range.allows(version) => "+",
                Some(_) => "-",
            };
            assert_eq!(sign, want, "{version} {range}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(range: String, version: String) {
            let _ = Range::parse(&range).map(|range| range.allows(&version));
        }

        #[test]
        fn near_ranges_never_panic(range in r"[~^<>=v0-9x*.|+ a-]{0,30}") {
            let _ = Range::parse(&range).map(|range| range.allows("1.2.3"));
        }
    }
}
