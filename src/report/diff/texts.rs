//! Unified diffs of changed text files, within bounds. Lines are compared as they are and shown
//! without what looks like a secret in the file as a whole: a difference may show the middle of a
//! key alone.

use std::collections::BTreeMap;
use std::io::Read;

use bytes::Bytes;
use imgfix_secrets::Secrets;
use similar::{ChangeTag, TextDiff};

use super::{Aspect, Contents, DiffError, DiffOptions, FileChange, FilesDiff, Side};
use imgfix_model::path::ImagePath;
use imgfix_vfs::RootfsError;

/// A changed text file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TextChange {
    /// Where it is in both images.
    pub path: ImagePath,
    /// The unified diff with three lines of context, without file headers.
    pub unified: String,
}

/// A changed file whose text is not shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// Where it is in both images.
    pub path: ImagePath,
    /// Why there is no diff of it.
    pub why: WhyLeftOut,
}

/// Why text is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyLeftOut {
    /// Larger than the bound for one file.
    TooLarge,
    /// The bounds for all files together are used up.
    TooMany,
    /// It is not UTF-8, or has a NUL byte near its beginning.
    Binary,
    /// So many lines differ that finding the differences costs too much.
    TooDifferent,
}

/// How much work all diffs together may be, in line comparisons at worst: a few seconds.
const MAX_WORK: u64 = 2_000_000_000;

/// How much of a file is looked at to tell text from binary.
const PROBE: usize = 8000;

/// Unified diffs of the changed files that are text on both sides.
pub(super) fn diff_texts(
    before: &Side<'_>,
    after: &Side<'_>,
    files: &FilesDiff,
    options: DiffOptions,
) -> Result<(Vec<TextChange>, Vec<LeftOut>), DiffError> {
    let (wanted, mut left_out) = choose(files, options);
    let read = |side: &Side<'_>| {
        contents(side.contents, &wanted, options.max_text)
            .map_err(|source| DiffError::Content { side: side.label.clone(), source })
    };
    let (old, new) = (read(before)?, read(after)?);
    let mut texts = Vec::new();
    let mut work = MAX_WORK;
    for path in wanted {
        let missing =
            |side: &Side<'_>| DiffError::Missing { side: side.label.clone(), path: path.clone() };
        let a = old.get(&path).ok_or_else(|| missing(before))?;
        let b = new.get(&path).ok_or_else(|| missing(after))?;
        match unified(a, b, &mut work) {
            Ok(unified) => texts.push(TextChange { path, unified }),
            Err(why) => left_out.push(LeftOut { path, why }),
        }
    }
    left_out.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((texts, left_out))
}

/// Which files are read, within the bounds.
fn choose(files: &FilesDiff, options: DiffOptions) -> (Vec<ImagePath>, Vec<LeftOut>) {
    let mut wanted = Vec::new();
    let mut left_out = Vec::new();
    let mut total = 0_u64;
    for change in files.changed.iter().filter(|change| change.aspects.contains(&Aspect::Content)) {
        let (a, b) = sizes(change);
        let mut leave = |why| left_out.push(LeftOut { path: change.path.clone(), why });
        if a.max(b) > options.max_text {
            leave(WhyLeftOut::TooLarge);
        } else if wanted.len() >= options.max_texts
            || total.saturating_add(a).saturating_add(b) > options.max_total
        {
            leave(WhyLeftOut::TooMany);
        } else {
            total += a + b;
            wanted.push(change.path.clone());
        }
    }
    (wanted, left_out)
}

fn sizes(change: &FileChange) -> (u64, u64) {
    (change.before.size.unwrap_or_default(), change.after.size.unwrap_or_default())
}

fn contents(
    contents: &dyn Contents,
    wanted: &[ImagePath],
    max: u64,
) -> Result<BTreeMap<ImagePath, Bytes>, RootfsError> {
    let mut out = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(out);
    }
    contents.read_each(wanted, &mut |paths, content| {
        let mut bytes = Vec::new();
        // Sizes were checked; what gives more than it said does not get more.
        content.take(max).read_to_end(&mut bytes)?;
        let bytes = Bytes::from(bytes);
        out.extend(paths.iter().map(|path| (path.clone(), bytes.clone())));
        Ok(())
    })?;
    Ok(out)
}

/// The lines that are compared, each with its end: a carriage return alone is one, too.
fn lines(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['\n', '\r']).map_or(rest.len(), |at| {
            at + if rest.get(at..).is_some_and(|end| end.starts_with("\r\n")) { 2 } else { 1 }
        });
        let (line, later) = rest.split_at(end);
        out.push(line);
        rest = later;
    }
    out
}

fn unified(before: &[u8], after: &[u8], work: &mut u64) -> Result<String, WhyLeftOut> {
    let (before, after) = (text(before)?, text(after)?);
    let cost = cost(before, after);
    *work = work.checked_sub(cost).ok_or(WhyLeftOut::TooDifferent)?;
    let diff = TextDiff::from_lines(before, after);
    let secrets = Secrets::shipped();
    let (old, new) = (secrets.mask_lines(before), secrets.mask_lines(after));
    let mut unified = diff.unified_diff();
    let unified = unified.context_radius(3);
    if old == before && new == after {
        return Ok(unified.to_string());
    }
    let (old, new) = (lines(&old), lines(&new));
    let mut out = String::new();
    for hunk in unified.iter_hunks() {
        out.push_str(&format!("{}\n", hunk.header()));
        for change in hunk.iter_changes() {
            let line = match change.tag() {
                ChangeTag::Insert => change.new_index().and_then(|index| new.get(index)),
                ChangeTag::Delete | ChangeTag::Equal => {
                    change.old_index().and_then(|index| old.get(index))
                }
            };
            out.push_str(&format!("{}{}", change.tag(), line.unwrap_or(&"")));
            if change.missing_newline() {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    Ok(out)
}

fn text(bytes: &[u8]) -> Result<&str, WhyLeftOut> {
    if bytes.iter().take(PROBE).any(|&byte| byte == 0) {
        return Err(WhyLeftOut::Binary);
    }
    std::str::from_utf8(bytes).map_err(|_| WhyLeftOut::Binary)
}

/// Line comparisons at worst: the product of the lines between the common start and end.
fn cost(before: &str, after: &str) -> u64 {
    let common = before.lines().zip(after.lines()).take_while(|(a, b)| a == b).count();
    let (old, new) = (before.lines().count() - common, after.lines().count() - common);
    let tail = before
        .lines()
        .rev()
        .zip(after.lines().rev())
        .take(old.min(new))
        .take_while(|(a, b)| a == b)
        .count();
    (old - tail) as u64 * (new - tail) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_shown_is_named() {
        let mut work = MAX_WORK;
        assert_eq!(unified(b"a\0b", b"a", &mut work), Err(WhyLeftOut::Binary));
        assert_eq!(unified(b"\xff", b"a", &mut work), Err(WhyLeftOut::Binary));
        let many = |word: &str| -> String { (0..50_000).map(|n| format!("{word}{n}\n")).collect() };
        let (a, b) = (many("a"), many("b"));
        assert_eq!(unified(a.as_bytes(), b.as_bytes(), &mut work), Err(WhyLeftOut::TooDifferent));
        assert_eq!(work, MAX_WORK);
    }

    #[test]
    fn secrets_are_shown_masked_and_count_as_they_are() {
        let mut work = MAX_WORK;
        let diff = |before: &str, after: &str| {
            unified(before.as_bytes(), after.as_bytes(), &mut MAX_WORK.clone())
        };
        let got = diff("a=1\nDB_PASSWORD=first\nb=2\n", "a=1\nDB_PASSWORD=second\nb=3\n");
        let want =
            "@@ -1,3 +1,3 @@\n a=1\n-DB_PASSWORD=[masked]\n-b=2\n+DB_PASSWORD=[masked]\n+b=3\n";
        assert_eq!(got.unwrap(), want);
        // The middle of a key, far from where it begins; and a file without an end of its line.
        let key = |middle: &str| {
            let line = |n: usize| format!("{}{n}\n", "Aa1".repeat(20));
            let lines = |range: std::ops::Range<usize>| range.map(line).collect::<String>();
            let (first, last) = (lines(0..10), lines(10..20));
            format!("-----BEGIN PRIVATE KEY-----\n{first}{middle}\n{last}-----END PRIVATE KEY-----")
        };
        let (a, b) = (key("Qq2Qq2"), key("Zz3Zz3"));
        let got = unified(a.as_bytes(), b.as_bytes(), &mut work).unwrap();
        let shown = " [masked]\n".repeat(3);
        assert_eq!(got, format!("@@ -9,7 +9,7 @@\n{shown}-[masked]\n+[masked]\n{shown}"));
        let got = diff("TOKEN=abc", "TOKEN=abcd").unwrap();
        let none = "\\ No newline at end of file\n";
        assert_eq!(got, format!("@@ -1 +1 @@\n-TOKEN=[masked]\n{none}+TOKEN=[masked]\n{none}"));
        let plain = |word: &str| format!("a\r\nb\rc\r\n{word}");
        let masked = |word: &str| format!("TOKEN=x\r\nb\rc\r\n{word}");
        let ends = |text: &str| text.split('\n').skip(2).map(str::to_owned).collect::<Vec<_>>();
        let (want, got) = (diff(&plain("b"), &plain("c")), diff(&masked("b"), &masked("c")));
        assert_eq!(ends(&got.unwrap()), ends(&want.unwrap()));
    }

    #[test]
    fn common_lines_cost_nothing() {
        let base: String = (0..10_000).map(|n| format!("line {n}\n")).collect();
        for (changed, want) in [
            (base.clone(), 0),
            (format!("{base}more\n"), 0),
            (base.replace("line 5000\n", "other\n"), 1),
            (base.replace("line 5\n", "x\ny\n"), 2),
            ("a\na\n".to_owned(), 20_000),
        ] {
            assert_eq!(cost(&base, &changed), want);
        }
        assert_eq!(cost("a\n", "a\na\n"), 0);
    }
}
