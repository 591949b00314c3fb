//! Users and groups that a package provides, made before anything else of it happens, since 4.19.
//! Source: rpm `lib/psm.cc` (`runSysusers`), `lib/rpmds.cc` (`rpmdsIsSysuser`).
//!
//! In come provides like `user(name) = LINE`, the line one of `sysusers.d(5)` in base64; out goes
//! for each file that provides some a call of the helper that the image's settings name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::element::Element;
use super::scripts::Due;
use super::{InstallError, Release, Run};
use crate::header::tag;
use crate::package::scripts::ScriptFlags;
use crate::package::{FileRelation, Package, Scriptlet, file_relations};
use crate::relation::Flags;

impl Release {
    /// Since 4.19 rpm makes users and groups.
    fn makes_accounts(self) -> bool {
        self >= Self::new(4, 19)
    }

    /// Since 4.20 it makes members of groups, too.
    fn makes_members(self) -> bool {
        self >= Self::new(4, 20)
    }
}

/// The lines of one file.
struct Source {
    /// The path of the file; empty: the package itself provides them.
    path: Vec<u8>,
    lines: Vec<Vec<u8>>,
}

impl Run<'_, '_> {
    /// Makes the users and groups of a package that comes.
    pub(super) fn accounts(&mut self, element: &Element<'_>) -> Result<(), InstallError> {
        let release = self.options.release;
        let Some(helper) = &self.options.sysusers else { return Ok(()) };
        if !release.makes_accounts() {
            return Ok(());
        }
        let helper = helper.clone();
        for Source { path, lines } in sources(element, release) {
            let mut program: Vec<&[u8]> = vec![helper.as_bytes()];
            if !path.is_empty() {
                program.extend([&b"--replace"[..], &path]);
            }
            program.push(b"-");
            let script = Scriptlet { program, body: None, flags: ScriptFlags::default() };
            let due = Due { owner: element.package, script, kind: "sysusers", is_critical: true };
            self.run_script(&due, Vec::new(), lines)?;
        }
        Ok(())
    }
}

fn sources(element: &Element<'_>, release: Release) -> Vec<Source> {
    let header = element.package.header();
    let names = header.strings(tag::PROVIDENAME);
    let flags = header.numbers(tag::PROVIDEFLAGS);
    let versions = header.strings(tag::PROVIDEVERSION);
    let mut sources: Vec<Source> = Vec::new();
    for (at, ((name, flags), version)) in names.zip(flags.iter()).zip(versions).enumerate() {
        let is_member = release.makes_members() && name.starts_with(b"groupmember(");
        let is_account = name.starts_with(b"user(") || name.starts_with(b"group(") || is_member;
        if !is_account || flags & u64::from(Flags::EQUAL.0) == 0 {
            continue;
        }
        let Ok(mut line) = STANDARD.decode(version) else { continue };
        // Zeros fill it up, so that base64 needs no sign that a version may not have.
        line.truncate(line.iter().position(|&byte| byte == 0).unwrap_or(line.len()));
        let path = provider(element, element.package, at).unwrap_or_default();
        match sources.iter_mut().find(|source| source.path == path) {
            Some(source) => source.lines.push(line),
            None => sources.push(Source { path, lines: vec![line] }),
        }
    }
    sources
}

/// The file from which a provide was made.
fn provider(element: &Element<'_>, package: &Package, provide: usize) -> Option<Vec<u8>> {
    let is_it = |one: &FileRelation| one.kind == b'P' && one.place == provide;
    let found = file_relations(package.header()).find(is_it)?;
    element.files.get(found.file).map(|file| file.path())
}
