use proptest::prelude::*;

use super::*;

fn relation(text: &str) -> Relation {
    match text.split(' ').collect::<Vec<_>>()[..] {
        [name] => Relation::new(name, Flags::ANY, "").unwrap(),
        [name, operator, version] => {
            Relation::new(name, Flags::of_operator(operator).unwrap(), version).unwrap()
        }
        _ => panic!("{text}"),
    }
}

/// As `rpm.ver` and `rpmds` of rpm 4.18 answer.
#[test]
fn ranges_overlap_as_in_rpm() {
    for (a, b, want) in [
        ("a", "a", true),
        ("a", "b", false),
        ("a", "a = 1", true),
        ("a >= 1", "a = 1", true),
        ("a > 1", "a = 1", false),
        ("a >= 1", "a = 0.9", false),
        ("a < 2", "a >= 2", false),
        ("a < 2", "a > 1", true),
        ("a <= 2", "a >= 2", true),
        ("a < 2", "a < 1", true),
        ("a = 1", "a = 1-5", true),
        ("a >= 1", "a = 1-5", true),
        ("a > 1", "a = 1-5", false),
        ("a <= 1", "a = 1-5", true),
        ("a < 1", "a = 1-5", false),
        ("a = 1-4", "a = 1-5", false),
        ("a >= 1-4", "a = 1", true),
        ("a > 1-4", "a = 1", true),
        ("a < 1-4", "a = 1", true),
        ("a >= 1:1", "a = 5", false),
        ("a >= 0:1", "a = 5", true),
        ("a < 1:0", "a = 5", true),
        ("a = 1~rc1", "a >= 1", false),
    ] {
        let (a, b) = (relation(a), relation(b));
        assert_eq!(a.overlaps(&b), want, "{a} and {b}");
        assert_eq!(b.overlaps(&a), want, "{b} and {a}");
    }
    assert!(relation("x >= 2").holds(&"2.1-1".parse().unwrap()));
    assert!(!relation("x >= 2").holds(&"1.9-1".parse().unwrap()));
    assert!(relation("x").holds(&"1".parse().unwrap()));
}

#[test]
fn kinds_of_names_are_told_apart() {
    assert!(relation("/bin/sh").is_path());
    assert!(relation("(a").is_rich());
    assert!(relation("rpmlib(FileDigests) <= 4.6.0-1").is_rpmlib());
    assert!(relation("rpmlib(FileDigests) <= 4.6.0-1").is_known_feature());
    assert!(!relation("rpmlib(FileDigests) >= 5").is_known_feature());
    assert!(!relation("rpmlib(ShortCircuited) <= 4.9.0-1").is_known_feature());
    assert_eq!(relation("a <= 1:2-3").to_string(), "a <= 1:2-3");
    assert_eq!(Flags::of_index("GE"), Flags::of_operator(">="));
    assert_eq!(Relation::new("", Flags::ANY, ""), Err(RelationError::NoName));
    assert!(matches!(Relation::new("a", Flags::EQUAL, "-"), Err(RelationError::Version { .. })));
}

#[test]
fn rich_dependencies_are_read() {
    for text in [
        "(a)",
        "(a and b)",
        "(a >= 1 or b < 2-3 or c)",
        "(a if b)",
        "(a if b else c)",
        "(a unless b else c)",
        "(a with b >= 1 with c)",
        "(a without b)",
        "((a or b) if (c and d) else (e without f))",
        "(perl(Foo::Bar) >= 1:2 if perl(Foo))",
        "(/usr/bin/sh if glibc(x86-64))",
        // names that stay open, as rpm reads them
        "(3 or perl(Foo )",
        "(a if perl(Foo )",
        "(a if b else c = 1(2 )",
        "((a or b(c ) if d(e))",
    ] {
        let rich = Rich::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let want = if text == "(a)" { "a" } else { text };
        assert_eq!(rich.to_string(), want);
    }
    let rich = Rich::parse("((a or b) if (c and d))").unwrap();
    let names: Vec<&str> = rich.relations().iter().map(|one| one.name()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let blanks = Rich::parse("( a  or\tb )").unwrap();
    assert_eq!(blanks.to_string(), "(a or b)");
}

#[test]
fn what_is_no_rich_dependency_is_refused() {
    for (text, want) in [
        ("a", "'(' was to come"),
        ("(a", "')' was to come"),
        ("()", "a name was to come"),
        ("(a b)", "no such operator"),
        ("(a and)", "a name was to come"),
        ("(a and b or c)", "need parentheses"),
        ("(a if b if c)", "cannot be chained"),
        ("(a without b without c)", "cannot be chained"),
        ("(a else b)", "'else' needs"),
        ("(a if b else c else d)", "nothing can follow"),
        ("(a >= )", "a version was to come"),
        ("(a <> 1)", "no such comparison"),
        ("(a) b", "more text follows"),
        (&"(".repeat(40), "nested too deeply"),
        (&format!("({})", vec!["a"; 1001].join(" or ")), "too many relations"),
    ] {
        let error = Rich::parse(text).unwrap_err().to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn overlapping_is_symmetric(a in "[12](-[12])?", b in "[12](-[12])?", x in 0u32..8, y in 0u32..8) {
        let a = Relation::new("a", Flags(x << 1), &a).unwrap();
        let b = Relation::new("a", Flags(y << 1), &b).unwrap();
        prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
    }

    #[test]
    fn what_is_written_is_read_to_the_same(text in "\\((a|b|c\\(|d\\(\\)|\\(a)( (or|and|if|with|else|without) (a|b\\(|c\\(d\\)|\\(e|f = 1\\()){1,4} ?\\){1,2}") {
        if let Ok(rich) = Rich::parse(&text) {
            prop_assert_eq!(Rich::parse(&rich.to_string()).unwrap(), rich);
        }
    }

    #[test]
    fn no_text_panics(text in "[()a <=,1if]{0,30}", any in ".{0,20}") {
        let _ = Rich::parse(&any);
        if let Ok(rich) = Rich::parse(&text) {
            let again = rich.to_string();
            if again.starts_with('(') {
                prop_assert_eq!(Rich::parse(&again).unwrap().to_string(), again);
            }
        }
    }
}
