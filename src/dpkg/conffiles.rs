//! Conffiles: the `conffiles` member of a package, the `Conffiles` field of the status file,
//! and what happens to one at an upgrade.
//!
//! In come texts and MD5 sums; out come records and a [`Decision`]. Rules: `deb-conffiles(5)`
//! and dpkg's `src/main/configure.c` with nobody to ask, which is what an image build is.

/// What dpkg records for a conffile of a new package that it has not configured yet.
pub const NEW_CONFFILE: &str = "newconffile";
/// What dpkg takes for the hash of a file that is not there.
pub const NONEXISTENT: &str = "nonexistent";
/// What dpkg records when the conffile's path cannot be followed.
pub const UNUSABLE: &str = "-";

/// Why conffile data is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ConffileError {
    /// From 1, in the text that was read.
    pub line: usize,
    /// What dpkg would not accept there.
    pub problem: String,
}

/// One line of a package's `conffiles` member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippedConffile {
    /// Absolute, as written.
    pub path: Vec<u8>,
    /// Without a flag [`ShippedKind::Shipped`].
    pub kind: ShippedKind,
}

/// Whether the package ships the file or wants it gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShippedKind {
    /// A path without a flag: the payload has the file.
    Shipped,
    /// `remove-on-upgrade`: the payload has no such file, and the former version's goes away.
    RemoveOnUpgrade,
}

/// One line of the status file's `Conffiles` field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConffileRecord {
    /// Absolute: `./etc/a` and `etc/a` of old databases are read as `/etc/a`.
    pub path: Vec<u8>,
    /// MD5 of the version last installed from a package, in hexadecimal, or one of dpkg's
    /// words.
    pub hash: String,
    /// No installed version ships it any more; it stays until the package is purged.
    pub obsolete: bool,
    /// The package asks for its removal at the next upgrade.
    pub remove_on_upgrade: bool,
}

/// Reads a package's `conffiles` member.
///
/// # Errors
/// Empty lines, paths that are not absolute, unknown flags, no newline at the end: what dpkg
/// refuses.
pub fn parse_shipped(text: &[u8]) -> Result<Vec<ShippedConffile>, ConffileError> {
    let mut out = Vec::new();
    let mut lines = text.split(|&b| b == b'\n').enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        let fail = |problem: String| ConffileError { line: at + 1, problem };
        if lines.peek().is_none() {
            if line.is_empty() {
                break;
            }
            return Err(fail("the last line has no newline".into()));
        }
        if line.is_empty() {
            return Err(fail("an empty line".into()));
        }
        let line = line.trim_ascii_end();
        if line.is_empty() {
            continue;
        }
        let (kind, path) = match line.strip_prefix(b"remove-on-upgrade ") {
            Some(path) => (ShippedKind::RemoveOnUpgrade, path),
            None => (ShippedKind::Shipped, line),
        };
        if !path.starts_with(b"/") {
            return Err(fail(format!("{:?} is not an absolute path", lossy(line))));
        }
        out.push(ShippedConffile { path: path.to_vec(), kind });
    }
    Ok(out)
}

/// Reads the value of a `Conffiles` field.
///
/// # Errors
/// A line that is not ` PATH HASH [obsolete] [remove-on-upgrade]`.
pub fn parse_conffiles(value: &[u8]) -> Result<Vec<ConffileRecord>, ConffileError> {
    let mut out = Vec::new();
    for (at, line) in value.split(|&b| b == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let fail = || ConffileError { line: at + 1, problem: format!("{:?}", lossy(line)) };
        let mut rest = line.trim_ascii();
        let mut record = ConffileRecord {
            path: Vec::new(),
            hash: String::new(),
            obsolete: false,
            remove_on_upgrade: false,
        };
        if let Some(before) = rest.strip_suffix(b" remove-on-upgrade") {
            record.remove_on_upgrade = true;
            rest = before;
        }
        if let Some(before) = rest.strip_suffix(b" obsolete") {
            record.obsolete = true;
            rest = before;
        }
        let space = rest.iter().rposition(|&b| b == b' ').ok_or_else(fail)?;
        let (path, hash) = rest.split_at(space);
        record.hash = String::from_utf8(hash.trim_ascii().to_vec()).map_err(|_| fail())?;
        let trimmed = path.strip_prefix(b"./").unwrap_or(path);
        record.path = [b"/", trimmed.strip_prefix(b"/").unwrap_or(trimmed)].concat();
        if record.path.len() < 2 || record.hash.is_empty() {
            return Err(fail());
        }
        out.push(record);
    }
    Ok(out)
}

/// The value of a `Conffiles` field as dpkg writes it: empty without records, otherwise it
/// starts with a newline.
#[must_use]
pub fn render_conffiles(records: &[ConffileRecord]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        out.extend_from_slice(b"\n ");
        out.extend_from_slice(&record.path);
        out.push(b' ');
        out.extend_from_slice(record.hash.as_bytes());
        if record.obsolete {
            out.extend_from_slice(b" obsolete");
        }
        if record.remove_on_upgrade {
            out.extend_from_slice(b" remove-on-upgrade");
        }
    }
    out
}

/// How a question that dpkg would ask is answered (`--force-conf*` of `dpkg(1)`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConffilePolicy {
    /// What wins where both sides changed the file.
    pub answer: ConffileAnswer,
    /// `--force-confdef`: the default where dpkg has one, which is always to keep.
    pub prefer_default: bool,
    /// `--force-confmiss`: a missing conffile is installed again.
    pub restore_missing: bool,
    /// `--force-confask`: ask even when the package's version did not change.
    pub ask_always: bool,
}

/// Which version wins when both sides changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ConffileAnswer {
    /// The image's, as `--force-confold` and every image build that cannot be asked.
    #[default]
    KeepOld,
    /// The package's (`--force-confnew`).
    InstallNew,
}

/// What to do with a shipped conffile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The file in the image stays, the package's is dropped.
    Keep,
    /// The file in the image stays (or stays deleted), the package's goes beside it as
    /// `.dpkg-dist`.
    KeepWithDist,
    /// The package's file is installed.
    Install,
    /// The package's file is installed, the one in the image becomes `.dpkg-old`.
    InstallWithBackup,
}

/// Decides for one conffile from three hashes: what was last installed from a package
/// (`recorded`), what is in the image (`current`) and what the new package ships.
#[must_use]
pub fn decide(recorded: &str, current: &str, shipped: &str, policy: ConffilePolicy) -> Decision {
    let missing = current == NONEXISTENT;
    if current == shipped {
        return Decision::Keep;
    }
    if missing && (policy.restore_missing || recorded == NEW_CONFFILE) {
        return Decision::Install;
    }
    let is_new = recorded == NEW_CONFFILE;
    let user_edited = is_new || recorded != current;
    let package_edited = is_new || recorded != shipped;
    let ask = user_edited && (package_edited || policy.ask_always && !is_new);
    if !ask {
        return if package_edited { Decision::Install } else { Decision::Keep };
    }
    match policy.answer {
        ConffileAnswer::InstallNew if !policy.prefer_default => Decision::InstallWithBackup,
        _ => Decision::KeepWithDist,
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_round_trip() {
        let value = b"\n /etc/a 0123 obsolete\n /etc/b c 45\n /etc/c 6 obsolete remove-on-upgrade\
                      \n /etc/d newconffile";
        let records = parse_conffiles(value).unwrap();
        assert_eq!(records.len(), 4);
        assert_eq!(records[1].path, b"/etc/b c");
        assert!(records[2].obsolete && records[2].remove_on_upgrade);
        assert_eq!(render_conffiles(&records), value);
        assert!(parse_conffiles(b"\n /etc/a").is_err());
        assert!(parse_conffiles(b"").unwrap().is_empty());
    }

    #[test]
    fn shipped_lists_are_checked_as_dpkg_does() {
        let list = parse_shipped(b"/etc/a\nremove-on-upgrade /etc/b\n/etc/c  \n").unwrap();
        assert_eq!(list[0], ShippedConffile { path: b"/etc/a".into(), kind: ShippedKind::Shipped });
        assert_eq!(list[1].kind, ShippedKind::RemoveOnUpgrade);
        assert_eq!(list[2].path, b"/etc/c");
        for bad in [&b"/etc/a"[..], b"etc/a\n", b"\n/etc/a\n", b"other-flag /etc/a\n"] {
            assert!(parse_shipped(bad).is_err(), "{}", lossy(bad));
        }
    }

    #[test]
    fn decisions_follow_dpkgs_table() {
        use Decision::*;
        let old = ConffilePolicy::default();
        let new = ConffilePolicy { answer: ConffileAnswer::InstallNew, ..old };
        let default = ConffilePolicy { prefer_default: true, ..new };
        let missing = ConffilePolicy { restore_missing: true, ..old };
        let ask = ConffilePolicy { ask_always: true, ..old };
        for (recorded, current, shipped, policy, want) in [
            ("1", "1", "1", old, Keep),
            ("1", "1", "2", old, Install),
            ("1", "x", "1", old, Keep),
            ("1", "x", "2", old, KeepWithDist),
            ("1", "2", "2", old, Keep),
            ("1", NONEXISTENT, "1", old, Keep),
            ("1", NONEXISTENT, "2", old, KeepWithDist),
            (NEW_CONFFILE, NONEXISTENT, "2", old, Install),
            (NEW_CONFFILE, "x", "2", old, KeepWithDist),
            (NEW_CONFFILE, "2", "2", old, Keep),
            ("1", "x", "2", new, InstallWithBackup),
            ("1", "x", "1", new, Keep),
            ("1", "x", "2", default, KeepWithDist),
            ("1", NONEXISTENT, "1", missing, Install),
            ("1", "x", "1", ask, KeepWithDist),
        ] {
            assert_eq!(
                decide(recorded, current, shipped, policy),
                want,
                "{recorded} {current} {shipped}"
            );
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse_shipped(&bytes);
            let _ = parse_conffiles(&bytes);
        }
    }
}
