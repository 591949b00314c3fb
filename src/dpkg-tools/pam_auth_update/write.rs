//! Writes `/etc/pam.d/common-*` from a template and the enabled profiles, and saves what was
//! written below `/var/lib/pam`.

use bstr::{BString, ByteSlice as _};
use md5::{Digest as _, Md5};

use super::changes::{LineChanges, split_line, without_jump};
use super::{Chosen, MarkersAt, TYPES, marker};
use crate::files::{read_optional, unusable};
use imgfix_shell::{Process, Stop};

/// Whether files are replaced that have lost their marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    Given,
    None,
}

/// Writes all files. Ends early, with what was written so far, at one that has lost its marks
/// (pam-auth-update does the same, and ends well).
///
/// # Errors
/// A file cannot be written, or a line of a profile is no line of pam.d(5).
pub fn write(process: &mut Process<'_>, chosen: &Chosen, force: Force) -> Result<bool, Stop> {
    let (configuration, saved) = (&chosen.configuration, &chosen.saved);
    for kind in TYPES {
        let target = format!("{configuration}/common-{kind}");
        let shipped = format!("/usr/share/pam/common-{kind}");
        let changes = chosen.changes.as_ref();
        let changes = changes.map(|changes| changes.lines.get(kind).cloned().unwrap_or_default());
        let template = match is_pristine(process, chosen, kind, &target)? {
            true => &shipped,
            false => &target,
        };
        let mut text = from_template(process, chosen, kind, template, changes.clone())?;
        if text.is_none() && force == Force::Given {
            text = from_template(process, chosen, kind, &shipped, changes)?;
        }
        let Some(text) = text else { return Ok(false) };
        put(process, &format!("{target}.pam-new"), text)?;
        put(process, &format!("{saved}/{kind}.new"), saved_text(chosen, kind))?;
        if force == Force::Given && read_optional(process, target.as_bytes())?.is_some() {
            let backup = format!("{target}.pam-old");
            if process.run(["cp", "-f", &target, &backup])? != 0 {
                return Err(process.unsupported(format!("{target} that cannot be copied")));
            }
        }
        rename(process, &format!("{target}.pam-new"), &target)?;
        rename(process, &format!("{saved}/{kind}.new"), &format!("{saved}/{kind}"))?;
    }
    Ok(true)
}

fn put(process: &mut Process<'_>, path: &str, text: Vec<u8>) -> Result<(), Stop> {
    let directory = process.call.directory.clone();
    let made = process.machine.write_file(&directory, path.as_bytes(), text, 0o644)?;
    made.map_err(|why| unusable(process, path.as_bytes(), why))
}

fn rename(process: &mut Process<'_>, from: &str, to: &str) -> Result<(), Stop> {
    let directory = process.call.directory.clone();
    let done = process.machine.rename(&directory, from.as_bytes(), to.as_bytes())?;
    done.map_err(|why| unusable(process, from.as_bytes(), why))
}

/// Whether what a file has outside of the managed blocks is what some version shipped.
fn is_pristine(
    process: &mut Process<'_>,
    chosen: &Chosen,
    kind: &str,
    file: &str,
) -> Result<bool, Stop> {
    let Some(text) = read_optional(process, file.as_bytes())? else { return Ok(false) };
    let mut frame = Vec::new();
    walk(&text, |line, _| frame.extend_from_slice(line));
    let sum = imgfix_model::hex::encode(Md5::digest(&frame));
    Ok(chosen.shipped_sums.iter().any(|(of, known)| of == kind && *known == sum))
}

/// Hands on every line outside of the managed blocks, with the block that begins after it.
/// Returns how far the marks went.
fn walk(text: &[u8], mut line_of: impl FnMut(&[u8], Option<MarkersAt>)) -> MarkersAt {
    let mut at = MarkersAt::Start;
    for line in text.lines_with_terminator() {
        let is_marker = marker(at).is_some_and(|marker| line.starts_with(marker));
        let inside = matches!(at, MarkersAt::Primary | MarkersAt::Additional);
        if is_marker {
            at = at.next();
        }
        let begins = is_marker && !inside;
        if !inside || is_marker {
            line_of(line, begins.then_some(at));
        }
    }
    at
}

/// The new text of a file; `None` when the template lacks a mark or is missing.
fn from_template(
    process: &mut Process<'_>,
    chosen: &Chosen,
    kind: &str,
    template: &str,
    mut changes: Option<LineChanges>,
) -> Result<Option<Vec<u8>>, Stop> {
    let Some(template) = read_optional(process, template.as_bytes())? else { return Ok(None) };
    let mut text = Vec::new();
    let mut failed = None;
    let end = walk(&template, |line, begins| {
        text.extend_from_slice(line);
        if let Some(block) = begins
            && let Err(stop) = write_block(&mut text, chosen, kind, block, &mut changes)
        {
            failed = Some(stop);
        }
    });
    match failed {
        Some(stop) => Err(stop),
        None => Ok((end == MarkersAt::End).then_some(text)),
    }
}

/// The name of a type in profiles: `auth` is `Auth`.
fn profile_type(kind: &str) -> String {
    let (first, rest) = kind.split_at_checked(1).unwrap_or((kind, ""));
    first.to_ascii_uppercase() + rest
}

fn write_block(
    text: &mut Vec<u8>,
    chosen: &Chosen,
    kind: &str,
    block: MarkersAt,
    changes: &mut Option<LineChanges>,
) -> Result<(), Stop> {
    let name = if block == MarkersAt::Primary { "Primary" } else { "Additional" };
    let word = kind.trim_end_matches("-noninteractive");
    let kind = profile_type(kind);
    let profiles = chosen.enabled_profiles().filter(|(_, profile)| profile.block(&kind) == name);
    let parts: Vec<&[u8]> =
        profiles.enumerate().map(|(at, (_, profile))| profile.lines(&kind, at)).collect();
    // Jumps lead behind the lines that follow in the block.
    let lines = parts.iter().flat_map(|part| part.split_str("\n"));
    let mut count = lines.filter(|line| !line.is_empty()).count() as i64;
    if name == "Additional" {
        count -= 1;
    }
    if name == "Primary" && count == 0 {
        text.extend_from_slice(format!("{word}\t[default=1]\t\t\tpam_permit.so\n").as_bytes());
    }
    for line in parts.iter().filter(|part| !part.is_empty()).flat_map(|part| part.split_str("\n")) {
        let merged = merge(line, count, changes)?;
        text.extend_from_slice(&[word.as_bytes(), b"\t", &merged, b"\n"].concat());
        count -= 1;
    }
    Ok(())
}

/// A profile's line with the administrator's options, and jumps to the end as numbers.
fn merge(line: &[u8], count: i64, changes: &mut Option<LineChanges>) -> Result<Vec<u8>, Stop> {
    let Some((module, mut options)) = split_line(line) else {
        let line = line.as_bstr();
        return Err(Stop::new(format!("pam-auth-update with the line '{line}' in a profile")));
    };
    let module = module.replace("end", count.to_string());
    if let Some(changes) = changes {
        let key = without_jump(&module);
        let added = changes.added.entry(key.clone()).or_default();
        let removed = changes.removed.entry(key).or_default();
        for option in &options {
            added.remove(option);
        }
        options.retain(|option| !removed.contains(option));
        options.extend(added.iter().cloned());
    }
    Ok([&module[..], b" ", &bstr::join(" ", &options)].concat())
}

/// What is saved of a file: the profiles' lines, before any change.
fn saved_text(chosen: &Chosen, kind: &str) -> Vec<u8> {
    let kind = profile_type(kind);
    let mut text = Vec::new();
    let mut write = |unwanted: &str| {
        let profiles = chosen.enabled_profiles().filter(|(_, profile)| {
            !profile.block(&kind).is_empty() && profile.block(&kind) != unwanted
        });
        let mut count = 0;
        for (at, (name, profile)) in profiles.enumerate() {
            let lines = profile.lines(&kind, at);
            if !lines.is_empty() {
                let name: &BString = name;
                text.extend_from_slice(&[b"Module: ", &name[..], b"\n", lines, b"\n"].concat());
            }
            count = at + 1;
        }
        if unwanted == "Additional" && count == 0 {
            text.extend_from_slice(b"Module: null\n[default=1]\t\t\tpam_permit.so\n");
        }
    };
    write("Additional");
    write("Primary");
    text
}
