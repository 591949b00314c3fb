//! Finds a key that an object of a JSON text has twice.
//!
//! In come bytes, of anybody; out goes the first such key with its place. What is not JSON is
//! left to the reader that comes after: here it has no duplicates. One pass, no recursion,
//! memory in proportion to the keys of the objects that are open.

use std::collections::HashSet;
use std::fmt::Write as _;

use bstr::ByteSlice as _;

/// How deep is looked: the reader refuses what is deeper.
const MAX_DEPTH: usize = 192;
/// Characters of a key or place that a message shows.
const SHOWN: usize = 120;

/// When two keys are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// They have the same characters, escapes resolved.
    AsWritten,
    /// As Go's `encoding/json` takes them for the fields of a structure: without regard to
    /// case. The maps of an image, whose keys are anybody's, are compared as they are written.
    AnyCase,
}

/// Objects of an image whose keys are data, not names of fields.
const MAPS: [&str; 5] = ["annotations", "labels", "exposedports", "volumes", "data"];

/// A key that is there twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{place} has the key {key:?} twice{} (line {line}, column {column}): one program would read \
     the first, another the last",
    if *other_case { ", the other time in another case" } else { "" }
)]
pub struct DuplicateKey {
    /// The key as its second time has it, at most 120 characters of it.
    pub key: String,
    /// `the top`, `config.Env`, `layers[2]`.
    pub place: String,
    /// Where the second begins, counted from 1.
    pub line: usize,
    /// Of the second, in bytes from 1.
    pub column: usize,
    /// It is the same only without regard to case.
    pub other_case: bool,
}

enum Frame {
    Object {
        keys: HashSet<String>,
        /// The one whose value is being read.
        key: String,
        expects_key: bool,
        names: Names,
    },
    List {
        at: usize,
    },
}

/// Checks that no object has a key twice.
///
/// # Errors
/// The first that does.
pub fn check(bytes: &[u8], names: Names) -> Result<(), DuplicateKey> {
    let mut open: Vec<Frame> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let Some(end) = end_of_string(bytes, at) else { return Ok(()) };
                if let Some(Frame::Object { key, expects_key: expects @ true, .. }) =
                    open.last_mut()
                {
                    *expects = false;
                    *key = text(bytes.get(at..end).unwrap_or_default());
                    if is_known(&mut open) {
                        return Err(found(bytes, at, &open));
                    }
                }
                at = end;
                continue;
            }
            b'{' | b'[' if open.len() >= MAX_DEPTH => return Ok(()),
            b'{' => {
                let names = if is_map(open.last()) { Names::AsWritten } else { names };
                let (keys, key) = (HashSet::new(), String::new());
                open.push(Frame::Object { keys, key, expects_key: true, names });
            }
            b'[' => open.push(Frame::List { at: 0 }),
            b'}' | b']' => {
                open.pop();
            }
            b',' => match open.last_mut() {
                Some(Frame::Object { expects_key, .. }) => *expects_key = true,
                Some(Frame::List { at }) => *at += 1,
                None => {}
            },
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Adds the innermost key to those of its object; whether it was there.
fn is_known(open: &mut [Frame]) -> bool {
    let Some(Frame::Object { keys, key, names, .. }) = open.last_mut() else { return false };
    let key = match names {
        Names::AsWritten => key.clone(),
        Names::AnyCase => folded(key),
    };
    !keys.insert(key)
}

/// As Go folds: `K` of Kelvin and the long `s`, too.
fn folded(key: &str) -> String {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Whether the object that opens is the value of a key that holds a map.
fn is_map(parent: Option<&Frame>) -> bool {
    match parent {
        Some(Frame::Object { key, .. }) => MAPS.contains(&folded(key).as_str()),
        _ => false,
    }
}

/// Behind the closing quote of the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += bytes.get(at..)?.find_byteset(b"\"\\")?;
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// What a string with its quotes says; as it is written when that is nothing.
#[allow(clippy::disallowed_methods, reason = "a string has no keys")]
fn text(quoted: &[u8]) -> String {
    let raw = || String::from_utf8_lossy(quoted).into_owned();
    serde_json::from_slice(quoted).unwrap_or_else(|_| raw())
}

fn found(bytes: &[u8], at: usize, open: &[Frame]) -> DuplicateKey {
    let before = bytes.get(..at).unwrap_or_default();
    let line = before.find_iter(b"\n").count() + 1;
    let column = at - before.rfind_byte(b'\n').map_or(0, |newline| newline + 1) + 1;
    let (mut place, mut key, mut other_case) = (String::new(), String::new(), false);
    for (depth, frame) in open.iter().enumerate() {
        match frame {
            Frame::Object { key: innermost, names, .. } if depth + 1 == open.len() => {
                key = innermost.chars().take(SHOWN).collect();
                // The keys are kept folded only: the same spelling may have been there as well.
                other_case = *names == Names::AnyCase && !is_twice_as_written(bytes, at);
            }
            Frame::Object { key, .. } => {
                if !place.is_empty() {
                    place.push('.');
                }
                place.push_str(key);
            }
            Frame::List { at } => {
                // Writing to a String cannot fail.
                let _ = write!(place, "[{at}]");
            }
        }
    }
    let place = match place.is_empty() {
        true => "the top".to_owned(),
        false => imgfix_terminal::clean(&place).chars().take(SHOWN).collect(),
    };
    DuplicateKey { key, place, line, column, other_case }
}

/// Whether the text up to and with the key at `at` has a key twice as it is written.
fn is_twice_as_written(bytes: &[u8], at: usize) -> bool {
    let end = end_of_string(bytes, at).unwrap_or(at);
    let upto = bytes.get(..end).unwrap_or_default();
    check(upto, Names::AsWritten).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str, names: Names) -> Option<String> {
        check(text.as_bytes(), names).err().map(|error| error.to_string())
    }

    #[test]
    fn a_key_that_is_there_twice_is_named_with_its_place() {
        for (text, want) in [
            (r#"{"a":1,"a":2}"#, "the top has the key \"a\" twice (line 1, column 8)"),
            (r#"{"a":1, "\u0061":2}"#, "the top has the key \"a\" twice"),
            (
                "{\n \"config\": {\"User\": \"\",\n  \"User\": 1}}",
                "config has the key \"User\" twice (line 3, column 3)",
            ),
            (r#"{"l":[{},{"x":{"d":1,"e":[],"d":2}}]}"#, "l[1].x has the key \"d\" twice"),
            (r#"[[{"a":0}],[0,{"a":0,"a":0}]]"#, "[1][1] has the key \"a\" twice"),
            (r#"{"":1,"":2}"#, "the top has the key \"\" twice"),
            (r#"{"\"}":1,"b":"\"","\"}":2}"#, "has the key \"\\\"}\" twice"),
            (r#"{"a\nb":{"c":1,"c":1}}"#, "a\\nb has the key"),
        ] {
            for names in [Names::AsWritten, Names::AnyCase] {
                let found = why(text, names).unwrap_or_default();
                assert!(found.contains(want), "{text}: {found}");
            }
        }
    }

    #[test]
    fn what_has_no_key_twice_or_is_no_json_passes() {
        for text in [
            "",
            "{}",
            r#"{"a":{"a":{"a":1}},"b":["a","a"],"c":"a"}"#,
            r#"[{"a":1},{"a":2}]"#,
            r#"{"a":"{\"a\":1,\"a\":2}"}"#,
            "{\"a",
            "{\"a\\",
            "}]}{{",
            ",,,\"a\",\"a\"",
        ] {
            for names in [Names::AsWritten, Names::AnyCase] {
                assert_eq!(why(text, names), None, "{text}");
            }
        }
        let deep = [vec![b'['; 1 << 20], vec![b']'; 1 << 20]].concat();
        assert_eq!(check(&deep, Names::AnyCase), Ok(()));
    }

    #[test]
    fn cases_count_where_readers_tell_them_apart() {
        for text in [
            r#"{"config":{},"Config":{}}"#,
            r#"{"config":{"Env":[],"ENV":[]}}"#,
            "{\"user\":1,\"u\u{17f}er\":2}",
            "{\"k\":1,\"\u{212a}\":2}",
        ] {
            assert_eq!(why(text, Names::AsWritten), None, "{text}");
            let found = why(text, Names::AnyCase).unwrap_or_default();
            assert!(found.contains("twice, the other time in another case"), "{text}: {found}");
        }
        for text in [
            r#"{"annotations":{"a":1,"A":2}}"#,
            r#"{"config":{"Labels":{"a":1,"A":2},"Volumes":{"/a":{},"/A":{}}}}"#,
        ] {
            assert_eq!(why(text, Names::AnyCase), None, "{text}");
        }
        assert!(why(r#"{"annotations":{"a":1,"a":2}}"#, Names::AnyCase).is_some());
    }

    /// Objects and lists, and whether one of the objects has a key twice.
    fn documents() -> impl proptest::strategy::Strategy<Value = (String, bool)> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(("1".to_owned(), false)),
            Just((r#""a\"{,""#.to_owned(), false)),
            Just(("null".to_owned(), false)),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..4).prop_map(|items| {
                let twice = items.iter().any(|(_, twice)| *twice);
                let texts: Vec<String> = items.into_iter().map(|(text, _)| text).collect();
                (format!("[{}]", texts.join(", ")), twice)
            });
            let object = prop::collection::vec(("[abc]", inner), 0..4).prop_map(|items| {
                let keys: HashSet<&String> = items.iter().map(|(key, _)| key).collect();
                let own = keys.len() < items.len();
                let twice = own || items.iter().any(|(_, (_, twice))| *twice);
                let pair = |(key, (text, _)): &(String, (String, bool))| format!("{key:?}:{text}");
                let texts: Vec<String> = items.iter().map(pair).collect();
                (format!("{{{}}}", texts.join(",\n")), twice)
            });
            prop_oneof![list, object]
        })
    }

    proptest::proptest! {
        #[test]
        fn exactly_documents_with_a_key_twice_are_refused((text, twice) in documents()) {
            proptest::prop_assert_eq!(check(text.as_bytes(), Names::AsWritten).is_err(), twice);
            proptest::prop_assert_eq!(check(text.as_bytes(), Names::AnyCase).is_err(), twice);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, text in r#"[{}\[\],:"a\\\\]{0,40}"#) {
            let _ = check(&bytes, Names::AnyCase);
            let _ = check(text.as_bytes(), Names::AnyCase);
        }
    }
}
