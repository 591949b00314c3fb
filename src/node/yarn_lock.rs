//! Yarn 1's `yarn.lock` and `node_modules/.yarn-integrity`.
//!
//! In come the files and what became of a package; out come the files with its block and its
//! address changed, and everything else as it was. A block is a line of patterns (`a@^1, a@~1.2:`)
//! with what they resolve to, two blanks in.

use serde_json::Value;

/// A package that has another version now.
pub struct Moved<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version before.
    pub from: &'a str,
    /// Its version now.
    pub to: &'a str,
    /// The address of its archive.
    pub url: &'a str,
    /// SHA-1 of the archive in hexadecimal digits, which follows the address.
    pub sha1: &'a str,
    /// SHA-512 of the archive, as integrity.
    pub integrity: &'a str,
    /// What it needs: names and specs.
    pub dependencies: &'a [(String, String)],
    /// What it would like.
    pub optional: &'a [(String, String)],
    /// Whether a project asked for exactly the old version, and asks for the new one now.
    pub is_pinned: bool,
}

/// Whether a file is of Yarn 1: later ones write YAML, with hashes of zip files that nothing but
/// Yarn makes.
#[must_use]
pub fn is_classic(text: &str) -> bool {
    text.lines().take(5).any(|line| line == "# yarn lockfile v1")
}

/// `yarn.lock` with the block changed, and the addresses before and after; `None`: it has no such
/// block.
#[must_use]
pub fn replace(text: &str, new: &Moved<'_>) -> Option<(String, String, String)> {
    let mut out = String::with_capacity(text.len());
    let mut addresses = None;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let mut body: Vec<&str> = Vec::new();
        if !line.starts_with([' ', '#']) && line.ends_with(':') {
            while let Some(next) = lines.next_if(|next| next.starts_with(' ')) {
                body.push(next);
            }
        }
        let field = |name: &str| {
            let found = body.iter().find_map(|line| line.strip_prefix("  ")?.strip_prefix(name));
            found.and_then(|rest| rest.strip_prefix(' ')).map(unquoted)
        };
        let patterns: Vec<&str> = line.trim_end_matches(':').split(", ").map(unquoted).collect();
        let is_it = !body.is_empty()
            && field("version") == Some(new.from)
            && patterns.iter().all(|one| name_of(one) == Some(new.name));
        let resolved = field("resolved").filter(|_| is_it);
        match resolved {
            None => {
                out.push_str(line);
                out.push('\n');
                for line in body {
                    out.push_str(line);
                    out.push('\n');
                }
            }
            Some(old) => {
                let new_address = address(old, new);
                out.push_str(&block(&patterns, &new_address, field("integrity").is_some(), new));
                addresses = Some((old.to_owned(), new_address));
            }
        }
    }
    if !text.ends_with('\n') {
        out.pop();
    }
    let (old, new) = addresses?;
    Some((out, old, new))
}

/// What the new version of a package asks of others, and the old one did.
pub struct Asked<'a> {
    /// Names and specs that are new, with the version that is found.
    pub added: &'a [(String, String, String)],
    /// Names and specs that nothing asks for any more.
    pub dropped: &'a [(String, String)],
}

/// `yarn.lock` with the patterns of other blocks changed, and what came: pattern and address.
/// `None`: nothing is to change.
#[must_use]
pub fn repattern(text: &str, asked: &Asked<'_>) -> Option<(String, Vec<(String, String)>)> {
    let lines: Vec<&str> = text.lines().collect();
    let is_key = |line: &str| !line.starts_with([' ', '#']) && line.ends_with(':');
    let field = |at: usize, name: &str| {
        let body = lines.get(at + 1..)?.iter().take_while(|line| line.starts_with(' '));
        let found = body.filter_map(|line| line.strip_prefix("  ")?.strip_prefix(name)).next();
        found.and_then(|rest| rest.strip_prefix(' ')).map(unquoted)
    };
    let patterns = |line: &str| -> Vec<String> {
        line.trim_end_matches(':').split(", ").map(|one| unquoted(one).to_owned()).collect()
    };
    let all: std::collections::BTreeSet<String> =
        lines.iter().filter(|line| is_key(line)).flat_map(|line| patterns(line)).collect();
    let (mut out, mut came, mut changed) = (Vec::new(), Vec::new(), false);
    for (at, line) in lines.iter().enumerate() {
        if !is_key(line) {
            out.push((*line).to_owned());
            continue;
        }
        let old = patterns(line);
        let mut new = old.clone();
        let name = old.first().and_then(|one| name_of(one)).map(str::to_owned);
        for (needed, spec, version) in asked.added {
            let pattern = format!("{needed}@{spec}");
            let is_it = name.as_ref() == Some(needed)
                && field(at, "version") == Some(version)
                && !all.contains(&pattern);
            if is_it {
                came.push((pattern.clone(), field(at, "resolved").unwrap_or_default().to_owned()));
                new.push(pattern);
            }
        }
        let is_dropped = |one: &String| {
            asked.dropped.iter().any(|(name, spec)| *one == format!("{name}@{spec}"))
        };
        // a block without a pattern is none
        if new.iter().any(|one| !is_dropped(one)) {
            new.retain(|one| !is_dropped(one));
        }
        if new == old {
            out.push((*line).to_owned());
            continue;
        }
        new.sort();
        new.dedup();
        changed = true;
        let key: Vec<String> = new.iter().map(|one| quoted(one)).collect();
        out.push(format!("{}:", key.join(", ")));
    }
    let end = if text.ends_with('\n') { "\n" } else { "" };
    changed.then(|| (out.join("\n") + end, came))
}

/// `.yarn-integrity` with the patterns of other packages changed.
pub fn repattern_integrity(file: &mut Value, asked: &Asked<'_>, came: &[(String, String)]) {
    let Some(entries) = file.get_mut("lockfileEntries").and_then(Value::as_object_mut) else {
        return;
    };
    for (name, spec) in asked.dropped {
        entries.shift_remove(&format!("{name}@{spec}"));
    }
    for (pattern, address) in came {
        entries.insert(pattern.clone(), address.clone().into());
    }
    entries.sort_keys();
}

/// `.yarn-integrity` with an address and a pin changed.
pub fn replace_integrity(file: &mut Value, old: &str, now: &str, new: &Moved<'_>) {
    let (pin, moved) = (pattern(new, new.from), pattern(new, new.to));
    let renamed =
        |text: &str| if new.is_pinned && text == pin { moved.clone() } else { text.into() };
    if let Some(entries) = file.get_mut("lockfileEntries").and_then(Value::as_object_mut) {
        let all = std::mem::take(entries);
        entries.extend(all.into_iter().map(|(key, value)| {
            let is_it = value.as_str() == Some(old) && name_of(&key) == Some(new.name);
            (renamed(&key), if is_it { now.into() } else { value })
        }));
    }
    if let Some(patterns) = file.get_mut("topLevelPatterns").and_then(Value::as_array_mut) {
        for one in patterns.iter_mut() {
            if let Some(text) = one.as_str() {
                *one = renamed(text).into();
            }
        }
    }
}

fn pattern(new: &Moved<'_>, version: &str) -> String {
    format!("{}@{version}", new.name)
}

/// The name in `NAME@RANGE`; an alias is a package of its own.
fn name_of(pattern: &str) -> Option<&str> {
    let at = pattern.get(1..)?.find('@')? + 1;
    Some(&pattern[..at])
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// As Yarn quotes what is no plain word.
fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.starts_with("true")
        && !text.starts_with("false")
        && !text.contains([':', ' ', '\t', '\n', '\\', '"', ',', '[', ']']);
    if is_plain { text.to_owned() } else { format!("\"{text}\"") }
}

/// The new address, at the host that the old one names.
fn address(old: &str, new: &Moved<'_>) -> String {
    const YARN: &str = "https://registry.yarnpkg.com/";
    const NPM: &str = "https://registry.npmjs.org/";
    let url = match new.url.strip_prefix(NPM) {
        Some(path) if old.starts_with(YARN) => format!("{YARN}{path}"),
        _ => new.url.to_owned(),
    };
    match old.contains('#') {
        true => format!("{url}#{}", new.sha1),
        false => url,
    }
}

fn block(patterns: &[&str], address: &str, has_integrity: bool, new: &Moved<'_>) -> String {
    let (pin, moved) = (pattern(new, new.from), pattern(new, new.to));
    let mut patterns: Vec<&str> = patterns
        .iter()
        .map(|one| if new.is_pinned && **one == pin { moved.as_str() } else { one })
        .collect();
    patterns.sort_unstable();
    patterns.dedup();
    let key: Vec<String> = patterns.iter().map(|one| quoted(one)).collect();
    let mut out =
        format!("{}:\n  version \"{}\"\n  resolved \"{address}\"\n", key.join(", "), new.to);
    if has_integrity {
        out.push_str(&format!("  integrity {}\n", new.integrity));
    }
    for (title, needs) in
        [("dependencies", new.dependencies), ("optionalDependencies", new.optional)]
    {
        if !needs.is_empty() {
            out.push_str(&format!("  {title}:\n"));
        }
        for (name, spec) in needs {
            out.push_str(&format!("    {} \"{spec}\"\n", quoted(name)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const LOCK: &str = "\
# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.
# yarn lockfile v1


\"@s/a@1.0.0\", \"@s/a@^1.0.0\":
  version \"1.0.0\"
  resolved \"https://registry.yarnpkg.com/@s/a/-/a-1.0.0.tgz#aa\"
  integrity sha512-old
  dependencies:
    b \"^1\"

b@^1:
  version \"1.0.0\"
  resolved \"https://registry.yarnpkg.com/b/-/b-1.0.0.tgz#bb\"
";

    type Both = (Vec<(String, String)>, Vec<(String, String)>);

    fn needs() -> Both {
        let need = |name: &str, spec: &str| (name.to_owned(), spec.to_owned());
        (vec![need("@s/c", "^2"), need("d", "1 || 2")], vec![need("e", "*")])
    }

    fn moved<'a>(name: &'a str, url: &'a str, needs: &'a Both) -> Moved<'a> {
        Moved {
            name,
            from: "1.0.0",
            to: "1.0.1",
            url,
            sha1: "cc",
            integrity: "sha512-new",
            dependencies: &needs.0,
            optional: &needs.1,
            is_pinned: true,
        }
    }

    #[test]
    fn a_block_is_changed_and_the_rest_stays() {
        let needs = needs();
        assert!(is_classic(LOCK));
        assert!(!is_classic("__metadata:\n  version: 8\n"));
        let new = moved("@s/a", "https://registry.npmjs.org/@s/a/-/a-1.0.1.tgz", &needs);
        let (text, old, now) = replace(LOCK, &new).unwrap();
        let want = LOCK.replace(
            "\"@s/a@1.0.0\", \"@s/a@^1.0.0\":
  version \"1.0.0\"
  resolved \"https://registry.yarnpkg.com/@s/a/-/a-1.0.0.tgz#aa\"
  integrity sha512-old
  dependencies:
    b \"^1\"
",
            "\"@s/a@1.0.1\", \"@s/a@^1.0.0\":
  version \"1.0.1\"
  resolved \"https://registry.yarnpkg.com/@s/a/-/a-1.0.1.tgz#cc\"
  integrity sha512-new
  dependencies:
    \"@s/c\" \"^2\"
    d \"1 || 2\"
  optionalDependencies:
    e \"*\"
",
        );
        assert_eq!(text, want);
        assert_eq!(old, "https://registry.yarnpkg.com/@s/a/-/a-1.0.0.tgz#aa");
        let mut file = json!({"topLevelPatterns": ["@s/a@1.0.0", "b@^1"], "lockfileEntries":
            {"@s/a@1.0.0": old.clone(), "@s/a@^1.0.0": old.clone(), "b@^1": "x"}});
        replace_integrity(&mut file, &old, &now, &new);
        assert_eq!(
            file,
            json!({"topLevelPatterns": ["@s/a@1.0.1", "b@^1"], "lockfileEntries":
                {"@s/a@1.0.1": now.clone(), "@s/a@^1.0.0": now, "b@^1": "x"}})
        );
        let other = moved("b", "https://npm.example/b-1.0.1.tgz", &needs);
        let (text, _, now) = replace(LOCK, &other).unwrap();
        assert_eq!(now, "https://npm.example/b-1.0.1.tgz#cc");
        assert!(text.contains("\nb@^1:\n") && !text.contains("sha512-new"), "{text}");
        assert_eq!(replace(LOCK, &moved("c", "x", &needs)), None);
    }

    #[test]
    fn what_is_asked_of_others_changes_their_blocks() {
        let added = [("b".to_owned(), "~1.0".to_owned(), "1.0.0".to_owned())];
        let dropped = [("b".to_owned(), "^1".to_owned()), ("@s/a".to_owned(), "1.0.0".to_owned())];
        let asked = Asked { added: &added, dropped: &dropped };
        let (text, came) = repattern(LOCK, &asked).unwrap();
        let want = LOCK
            .replace("\nb@^1:\n", "\nb@~1.0:\n")
            .replace("\"@s/a@1.0.0\", \"@s/a@^1.0.0\"", "\"@s/a@^1.0.0\"");
        assert_eq!(text, want);
        let mut file = json!({"lockfileEntries": {"z": "x", "b@^1": "x", "a": "x"}});
        repattern_integrity(&mut file, &asked, &came);
        let address = "https://registry.yarnpkg.com/b/-/b-1.0.0.tgz#bb";
        let want = json!({"lockfileEntries": {"a": "x", "b@~1.0": address, "z": "x"}});
        assert_eq!(file.to_string(), want.to_string());
        // the last pattern of a block stays
        let dropped = [("b".to_owned(), "^1".to_owned())];
        assert_eq!(repattern(LOCK, &Asked { added: &[], dropped: &dropped }), None);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text: String) {
            let _ = replace(&text, &moved("a", "x", &needs()));
        }

        #[test]
        fn near_locks_never_panic(text in "(a@1:|\n|  version \"1.0.0\"|  resolved x| |\"|,|a){0,20}") {
            let _ = replace(&text, &moved("a", "x", &needs()));
        }
    }
}
