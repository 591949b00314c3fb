//! Tables of matches, and a comparison with the real sed.

use super::*;
use proptest::prelude::*;

fn shown(pattern: &str, syntax: Syntax, text: &str) -> String {
    let regex = match Regex::new(pattern.as_bytes(), syntax, Options::default()) {
        Ok(regex) => regex,
        Err(error) => return error.to_string(),
    };
    match regex.find_at(text.as_bytes(), 0).unwrap() {
        None => "none".into(),
        Some(found) => (0..=regex.groups())
            .map(|number| match found.group(number) {
                Some((start, end)) => format!("[{}]", &text[start..end]),
                None => "[]".into(),
            })
            .collect(),
    }
}

#[test]
fn basic_expressions_match_leftmost_and_longest() {
    for (pattern, text, want) in [
        ("a*", "baa", "[]"),
        ("^*ab", "*ab", "[*ab]"),
        ("*a", "b*a", "[*a]"),
        (r"\(*a\)", "*a", "[*a][*a]"),
        (r"a\|ab", "abc", "[ab]"),
        (r"\(a\|ab\)\(c\|bcd\)\(d*\)", "abcd", "[abcd][a][bcd][]"),
        (r"a\{2,3\}", "aaaa", "[aaa]"),
        (r"a\{2\}b\{,1\}", "caab", "[aab]"),
        (r"\(.\)\1", "abccd", "[cc][c]"),
        (
            r"^\(.*\)\n\1$",
            "x\nx",
            "regular expression \"^\\\\(.*\\\\)\\\\n\\\\1$\": an unusual escape",
        ),
        ("a$b", "a$b", "[a$b]"),
        ("a^b", "a^b", "[a^b]"),
        (r"\(^a\)", "ba", "none"),
        (r"\<b\>", "ab b", "[b]"),
        (r"\w\+", "  ab_1-", "[ab_1]"),
        ("[]a]*", "]a]b", "[]a]]"),
        ("[^]a]", "]ab", "[b]"),
        ("[[:digit:]x-z-]*", "1y-2a", "[1y-2]"),
        (r"[\n]", "\\", r"[\]"),
        (r"a\?b", "aab", "[ab]"),
        ("x+y?", "x+y?", "[x+y?]"),
        (r"\(a*\)*", "b", "[][]"),
        (r"\(ab*\)*", "abbaab", "[abbaab][ab]"),
        (r"a\{1", "a", "regular expression \"a\\\\{1\": an interval that does not end"),
    ] {
        assert_eq!(shown(pattern, Syntax::Basic, text), want, "{pattern} {text:?}");
    }
}

#[test]
fn extended_expressions_match_leftmost_and_longest() {
    for (pattern, text, want) in [
        ("a|ab|abc", "xabcd", "[abc]"),
        ("(a|b|ab)*", "abab", "[abab][b]"),
        ("((a)|b)*", "ab", "[ab][b][a]"),
        ("(a*)+", "aa", "[aa][aa]"),
        ("(wee|week)(knights|night)", "weeknights", "[weeknights][wee][knights]"),
        ("a{2}", "aaa", "[aa]"),
        ("(foo|bar)$", "foobar", "[bar][bar]"),
        ("^(a|b)?$", "", "[][]"),
        (r"\(a\)", "(a)", "[(a)]"),
        ("a||b", "c", "[]"),
        ("(|a)b", "ab", "[ab][a]"),
        ("a+b*c?", "aabbcc", "[aabbc]"),
        ("x(y|)z", "xz", "[xz][]"),
        (r"([a-z]+) \1", "the the", "[the the][the]"),
        ("*a", "a", "regular expression \"*a\": a repetition of nothing"),
        ("a)", "a)", "regular expression \"a)\": a closing parenthesis alone"),
    ] {
        assert_eq!(shown(pattern, Syntax::Extended, text), want, "{pattern} {text:?}");
    }
    assert_eq!(shown("a{2}", Syntax::Awk, "a{2}"), "[a{2}]");
    assert_eq!(shown(r"[\/\t]+", Syntax::Awk, "a\t/"), "[\t/]");
    assert_eq!(shown("a.b", Syntax::Literal, "axba.b"), "[a.b]");
}

#[test]
fn options_change_what_matches() {
    let find = |pattern: &str, options, text: &str| {
        let regex = Regex::new(pattern.as_bytes(), Syntax::Extended, options).unwrap();
        regex.find_at(text.as_bytes(), 0).unwrap().map(|found| (found.start, found.end))
    };
    let usual = Options::default();
    assert_eq!(find("^b$", Options { multiline: true, ..usual }, "a\nb\nc"), Some((2, 3)));
    assert_eq!(find("AB[c-d]", Options { ignore_case: true, ..usual }, "xabD"), Some((1, 4)));
    let words = Options { around: Around::NoWord, ..usual };
    assert_eq!(find("ab|abc", words, "abcd abc"), Some((5, 8)));
    assert_eq!(find("abc|ab", words, "ab.c"), Some((0, 2)));
    assert_eq!(find("a|ab", Options { around: Around::Nothing, ..usual }, "ab"), Some((0, 2)));
}

#[test]
fn searches_are_bounded() {
    let regex = Regex::new(br"\(a*\)*\(a*\)*b\2", Syntax::Basic, Options::default()).unwrap();
    assert_eq!(regex.find_at(&[b'a'; 4000], 0), Err(RegexError::TooHard));
    let regex = Regex::new(b"(a*)*b", Syntax::Extended, Options::default()).unwrap();
    assert_eq!(regex.find_at(&[b'a'; 4000], 0), Ok(None));
    assert!(Regex::new(b"((a{999}){999}){999}", Syntax::Extended, Options::default()).is_err());
}

fn patterns() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just(".".to_owned()),
        Just("[ab]".to_owned()),
        Just("[^a]".to_owned()),
        Just("\\w".to_owned()),
    ];
    atom.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}{b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}|{b})")),
            inner.clone().prop_map(|a| format!("({a})*")),
            inner.clone().prop_map(|a| format!("({a})?")),
            inner.clone().prop_map(|a| format!("({a}){{1,2}}")),
            inner.prop_map(|a| format!("({a})+")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_pattern_panics(pattern in "[ab*+?(){}|\\[\\]^$\\\\.,0-9:-]{0,12}", text in "[ab\n]{0,8}") {
        for syntax in [Syntax::Basic, Syntax::Extended, Syntax::Awk] {
            if let Ok(regex) = Regex::new(pattern.as_bytes(), syntax, Options::default()) {
                let _ = regex.find_at(text.as_bytes(), 0);
            }
        }
    }

    /// The whole match is compared: glibc has bugs in the groups of nested repetitions.
    #[test]
    #[ignore = "runs this machine's sed"]
    fn matches_are_those_of_the_real_sed(pattern in patterns(), text in "[abc ]{1,8}") {
        use std::io::Write as _;
        let mut child = std::process::Command::new("sed")
            .args(["-E", &format!("s/{pattern}/<&>/")])
            .env("LC_ALL", "C")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let regex = Regex::new(pattern.as_bytes(), Syntax::Extended, Options::default()).unwrap();
        let ours = match regex.find_at(text.as_bytes(), 0).unwrap() {
            Some(Match { start, end, .. }) => {
                format!("{}<{}>{}", &text[..start], &text[start..end], &text[end..])
            }
            None => text.clone(),
        };
        prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), ours);
    }
}
