//! `ucfq -w FILE|PACKAGE...` (ucf): what ucf knows of configuration files, one line each:
//! `FILE:PACKAGE:EXISTS:CHANGED`.

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice as _};
use md5::{Digest as _, Md5};

use super::files::{read_optional, read_or_empty};
use imgfix_shell::{Process, Status, Stop};

/// Answers for each file, sorted.
///
/// # Errors
/// Its output as a table.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut state, mut names, mut colons) = (BString::from("/var/lib/ucf"), Vec::new(), false);
    let mut words = process.arguments().to_vec().into_iter();
    while let Some(word) = words.next() {
        match &word[..] {
            b"-w" | b"--with-colons" => colons = true,
            b"--state-dir" => state = words.next().unwrap_or_default(),
            [b'-', ..] => return Err(process.unsupported(format!("option {word}"))),
            _ => names.push(word),
        }
    }
    if !colons {
        return Err(process.unsupported("a table as its output"));
    }
    let registry = pairs(process, &[&state[..], b"/registry"].concat())?;
    let hashes = pairs(process, &[&state[..], b"/hashfile"].concat())?;
    let mut files: BTreeMap<BString, BString> = BTreeMap::new();
    for name in names {
        if !name.contains(&b'/') {
            let owned = registry.iter().filter(|(package, _)| *package == name);
            files.extend(owned.map(|(package, file)| (file.clone(), package.clone())));
            continue;
        }
        let owner = registry.iter().rev().find(|(_, file)| *file == name);
        let owner = owner.map(|(package, _)| package.clone()).unwrap_or_default();
        files.entry(name).or_insert(owner);
    }
    for (file, package) in files {
        let hash = hashes.iter().rev().find(|(_, of)| *of == file).map(|(hash, _)| hash);
        report(process, &file, &package, hash)?;
    }
    Ok(0)
}

/// The lines of two words of a file.
fn pairs(process: &mut Process<'_>, path: &[u8]) -> Result<Vec<(BString, BString)>, Stop> {
    let text = read_or_empty(process, path)?;
    let pairs = text.lines().filter_map(|line| {
        let words = super::debconf::words(line);
        let [first, second] = <[BString; 2]>::try_from(words).ok()?;
        Some((first, second))
    });
    Ok(pairs.collect())
}

fn report(
    process: &mut Process<'_>,
    file: &BString,
    package: &BString,
    hash: Option<&BString>,
) -> Result<(), Stop> {
    let content = read_optional(process, file)?;
    let name = match process.follow(file)? {
        Ok(real) if content.is_some() => BString::from(real.as_bytes()),
        _ => file.clone(),
    };
    let exists = if content.is_some() { "Yes" } else { "" };
    let changed = match (content, hash) {
        (Some(content), Some(hash)) => {
            let sum = imgfix_model::hex::encode(Md5::digest(&content));
            if *hash == sum { "No" } else { "Yes" }
        }
        _ => "",
    };
    process.print(format!("{name}:{package}:{exists}:{changed}\n"))
}

#[cfg(test)]
mod tests {
    use super::run;
    use imgfix_tools::testing::{Image, run as call};

    #[test]
    fn files_are_reported_with_their_package_and_whether_they_changed() {
        let mut image = Image::with(
            &[
                "/etc/a=x",
                "/etc/b=y",
                "/var/lib/ucf/registry=p \t /etc/a\np \t /etc/gone\nq \t /etc/b\n",
                "/var/lib/ucf/hashfile=9dd4e461268c8034f5c8564e155c67a6  /etc/a\n0  /etc/b\n",
            ],
            &[("ucfq", run)],
        );
        assert_eq!(call(&mut image, "ucfq --with-colons p /etc/b /etc/none"), 0);
        let want = "/etc/a:p:Yes:No\n/etc/b:q:Yes:Yes\n/etc/gone:p::\n/etc/none:::\n";
        assert_eq!(image.output(), want);
    }
}
