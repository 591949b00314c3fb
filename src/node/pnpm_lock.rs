//! pnpm's lockfiles: `pnpm-lock.yaml`, and `.pnpm/lock.yaml` and `.modules.yaml` of what is
//! installed.
//!
//! In come the files and what became of a package; out come the files with its version, hash and
//! dependencies changed, line by line, and everything else as it was. The forms since version 5
//! are known: packages are `/NAME/VERSION`, `/NAME@VERSION` or `NAME@VERSION`, with what they got
//! from peers behind it (`_react@18.0.0`, `(react@18.0.0)`).

/// A package that has another version now.
pub struct Moved<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version before.
    pub from: &'a str,
    /// Its version now.
    pub to: &'a str,
    /// SHA-512 of its archive, as integrity.
    pub integrity: &'a str,
    /// What it needs and finds: names and versions.
    pub dependencies: &'a [(String, String)],
    /// The same of what it would like.
    pub optional: &'a [(String, String)],
}

/// A file with a package changed; `None`: it does not have it.
#[must_use]
pub fn replace(text: &str, new: &Moved<'_>) -> Option<String> {
    let mut out: Vec<String> = Vec::new();
    let mut found = false;
    let mut section = "";
    let mut lines = text.lines().peekable();
    // whether the entry of the importer that is read is the package's
    let mut is_import = false;
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let content = line.trim_start();
        if indent == 0 && !content.is_empty() {
            section = content.trim_end_matches(':');
        }
        let key = content.split_once(':').map(|(key, _)| unquoted(key));
        if indent == 2
            && let Some(renamed) = key.and_then(|key| package_key(key, new))
        {
            found = true;
            out.push(format!("  {}:{}", quoted(&renamed), behind_key(content)));
            let mut body = Vec::new();
            while let Some(next) = lines.next_if(|next| next.starts_with("   ")) {
                body.push(next);
            }
            out.extend(entry(&body, section, new));
            continue;
        }
        if key == Some(new.name) && content.ends_with(':') {
            is_import = true;
        } else if is_import
            && (content.starts_with("specifier:") || content.starts_with("version:"))
        {
            // `version` ends what an importer says of one
            is_import = content.starts_with("specifier:");
        } else {
            is_import = false;
        }
        let is_own_line = key == Some(new.name)
            || content.starts_with("version:")
            || content.starts_with("specifier:");
        match is_own_line.then(|| value(line, new, section)).flatten() {
            Some(changed) if key == Some(new.name) || in_import(&out, new) => {
                found = true;
                out.push(changed);
            }
            _ => out.push(line.to_owned()),
        }
    }
    let mut text_out = out.join("\n");
    if text.ends_with('\n') {
        text_out.push('\n');
    }
    found.then_some(text_out)
}

/// Whether the lines so far end within what an importer says of the package.
fn in_import(out: &[String], new: &Moved<'_>) -> bool {
    for line in out.iter().rev().take(2) {
        let content = line.trim();
        if content.starts_with("specifier:") {
            continue;
        }
        return content.strip_suffix(':').map(unquoted) == Some(new.name);
    }
    false
}

/// A key of a package, with its new version.
fn package_key(key: &str, new: &Moved<'_>) -> Option<String> {
    for (before, between) in [("/", "/"), ("/", "@"), ("", "@")] {
        let start = format!("{before}{}{between}", new.name);
        if let Some(rest) = key.strip_prefix(&start)
            && let Some(peers) = rest.strip_prefix(new.from)
            && (peers.is_empty() || peers.starts_with(['(', '_']))
        {
            return Some(format!("{start}{}{peers}", new.to));
        }
    }
    None
}

/// A line `NAME: VERSION`, `version: VERSION` or `specifier: VERSION` with the new version.
fn value(line: &str, new: &Moved<'_>, section: &str) -> Option<String> {
    if section == "hoistedDependencies" || section == "hoistedAliases" {
        return None;
    }
    let (key, version) = line.split_once(": ")?;
    let plain = unquoted(version.trim());
    let rest = plain.strip_prefix(new.from)?;
    (rest.is_empty() || rest.starts_with(['(', '_'])).then(|| format!("{key}: {}{rest}", new.to))
}

/// What stands under a package: its hash, and what it needs.
fn entry(body: &[&str], section: &str, new: &Moved<'_>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut skipping = false;
    // what it needs stands before these
    let mut place = None;
    for line in body {
        let is_field = line.starts_with("    ") && !line.starts_with("     ");
        let content = line.trim_start();
        if is_field {
            skipping = content == "dependencies:" || content == "optionalDependencies:";
        }
        if skipping {
            continue;
        }
        let is_behind = ["transitivePeerDependencies:", "dev:", "optional:"]
            .iter()
            .any(|field| content.starts_with(field));
        if is_field && is_behind {
            place.get_or_insert(out.len());
        }
        if is_field && content.starts_with("resolution:") {
            out.push(format!("    resolution: {{integrity: {}}}", new.integrity));
        } else {
            out.push((*line).to_owned());
        }
    }
    // since version 9 `packages` says what packages are, and `snapshots` what they need
    let says_needs = section == "snapshots"
        || (section == "packages" && body.iter().any(|line| line.trim_start().starts_with("dev:")))
        || body.iter().any(|line| line.trim_start() == "dependencies:");
    let mut needed = Vec::new();
    if says_needs {
        for (title, needs) in
            [("dependencies", new.dependencies), ("optionalDependencies", new.optional)]
        {
            if !needs.is_empty() {
                needed.push(format!("    {title}:"));
            }
            for (name, version) in needs {
                needed.push(format!("      {}: {version}", quoted(name)));
            }
        }
    }
    let place = place.unwrap_or(out.len());
    out.splice(place..place, needed);
    out
}

/// What stands behind a key that has its value on its line: `{}`.
fn behind_key(content: &str) -> &str {
    let quote = content.starts_with('\'');
    let key_end = match quote {
        true => content.get(1..).and_then(|rest| rest.find("':")).map(|at| at + 3),
        false => content.find(':').map(|at| at + 1),
    };
    key_end.and_then(|end| content.get(end..)).unwrap_or_default()
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text)
}

fn quoted(text: &str) -> String {
    match text.starts_with('@') {
        true => format!("'{text}'"),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moved<'a>(name: &'a str, needs: &'a [(String, String)]) -> Moved<'a> {
        Moved {
            name,
            from: "1.2.5",
            to: "1.2.8",
            integrity: "sha512-new",
            dependencies: needs,
            optional: &[],
        }
    }

    const V9: &str = "\
lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      '@s/m':
        specifier: 1.2.5
        version: 1.2.5
      minimist:
        specifier: ^1.2.0
        version: 1.2.5
      other:
        specifier: 1.2.5
        version: 1.2.5

packages:

  '@s/m@1.2.5':
    resolution: {integrity: sha512-s}

  minimist@1.2.5:
    resolution: {integrity: sha512-old}

  mkdirp@0.5.5:
    resolution: {integrity: sha512-m}
    hasBin: true

snapshots:

  '@s/m@1.2.5': {}

  minimist@1.2.5: {}

  mkdirp@0.5.5:
    dependencies:
      minimist: 1.2.5
      other: 1.2.5
";

    #[test]
    fn a_package_is_changed_wherever_it_is_named() {
        let want = V9
            .replace("        specifier: ^1.2.0\n        version: 1.2.5", {
                "        specifier: ^1.2.0\n        version: 1.2.8"
            })
            .replace("  minimist@1.2.5:", "  minimist@1.2.8:")
            .replace("sha512-old", "sha512-new")
            .replace("      minimist: 1.2.5", "      minimist: 1.2.8");
        assert_eq!(replace(V9, &moved("minimist", &[])).unwrap(), want);
        let scoped = replace(V9, &moved("@s/m", &[])).unwrap();
        let want = V9
            .replace("      '@s/m':\n        specifier: 1.2.5\n        version: 1.2.5", {
                "      '@s/m':\n        specifier: 1.2.8\n        version: 1.2.8"
            })
            .replace("'@s/m@1.2.5'", "'@s/m@1.2.8'")
            .replace("sha512-s}", "sha512-new}");
        assert_eq!(scoped, want);
        assert_eq!(replace(V9, &moved("gone", &[])), None);
    }

    #[test]
    fn needs_are_written_anew() {
        let needs = [("@x/y".to_owned(), "3.0.0".to_owned()), ("z".to_owned(), "1.0.0".to_owned())];
        let text = "snapshots:\n\n  a@1.2.5(react@18.0.0):\n    dependencies:\n      q: 1.0.0\n    \
                    transitivePeerDependencies:\n      - x\n";
        assert_eq!(
            replace(text, &moved("a", &needs)).unwrap(),
            "snapshots:\n\n  a@1.2.8(react@18.0.0):\n    dependencies:\n      '@x/y': 3.0.0\n      z: \
             1.0.0\n    transitivePeerDependencies:\n      - x\n"
        );
    }

    #[test]
    fn older_forms_are_known() {
        let text = "dependencies:\n  a: 1.2.5\npackages:\n\n  /a/1.2.5:\n    resolution: {integrity: \
                    sha512-old}\n    dev: false\n\n  /b/1.0.0:\n    dependencies:\n      a: 1.2.5\n";
        let want = text.replace("1.2.5", "1.2.8").replace("sha512-old", "sha512-new");
        assert_eq!(replace(text, &moved("a", &[])).unwrap(), want);
        let modules = "hoistedDependencies:\n  /a@1.2.5:\n    a: private\n";
        assert_eq!(replace(modules, &moved("a", &[])).unwrap(), modules.replace("1.2.5", "1.2.8"));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text: String) {
            let _ = replace(&text, &moved("a", &[]));
        }

        #[test]
        fn near_locks_never_panic(text in "(  |a@1.2.5:|'|\n|version: |: |dependencies:|a){0,20}") {
            let _ = replace(&text, &moved("a", &[]));
        }
    }
}
