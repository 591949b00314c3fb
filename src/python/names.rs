//! Names of distributions: `Zope.Interface`, `zope_interface` and `zope-interface` are one
//! (<https://packaging.python.org/en/latest/specifications/name-normalization/>, PEP 503).

/// Whether two texts name one distribution.
#[must_use]
pub fn same_name(a: &str, b: &str) -> bool {
    letters(a).eq(letters(b))
}

/// The normalised form, in which indexes know a distribution.
#[must_use]
pub fn normalized(name: &str) -> String {
    letters(name).collect()
}

/// The normalised form: lower-case, runs of `-`, `_` and `.` as one `-`.
fn letters(name: &str) -> impl Iterator<Item = char> {
    let is_separator = |c: char| matches!(c, '-' | '_' | '.');
    let mut after_separator = false;
    name.chars().filter_map(move |c| {
        let is_more = is_separator(c) && after_separator;
        after_separator = is_separator(c);
        match c {
            _ if is_more => None,
            _ if after_separator => Some('-'),
            c => Some(c.to_ascii_lowercase()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_separators_do_not_count() {
        for (a, b, same) in [
            ("Jinja2", "jinja2", true),
            ("zope.interface", "Zope_Interface", true),
            ("friendly-.-_bard", "Friendly_Bard", true),
            ("ruamel.yaml.clib", "ruamel-yaml-clib", true),
            ("a-b", "ab", false),
            ("a-", "a", false),
            ("a", "b", false),
            ("", "", true),
        ] {
            assert_eq!(same_name(a, b), same, "{a} {b}");
        }
        assert_eq!(letters("Friendly-.-_Bard").collect::<String>(), "friendly-bard");
    }
}
