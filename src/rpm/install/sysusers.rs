//! Users and groups that a package provides, which rpm has made before the package is unpacked,
//! since 4.19.
//!
//! In comes a package's `user(NAME) = LINE` and its kin, the lines of sysusers.d(5) in base64; out
//! comes the first that the image does not have. An upgrade hardly ever needs one, and then it is a
//! stop. Source: rpm `lib/psm.cc` (`runSysusers`), `lib/rpmds.cc` (`rpmdsIsSysuser`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imgfix_repair::script_run::Trouble;

use super::element::Element;
use super::owners::Owners;
use super::scripts::ScriptCall;
use super::{InstallError, Release, Run, id};
use crate::package::scripts::ScriptFlags;
use crate::package::{Package, RelationKind};
use crate::relation::Flags;

impl Run<'_, '_> {
    /// Looks whether the image has the users and groups of a package.
    pub(super) fn users(&mut self, element: &Element<'_>) -> Result<(), InstallError> {
        if self.options.release < Release::new(4, 19) {
            return Ok(());
        }
        let lines = lines(element.package);
        if lines.is_empty() {
            return Ok(());
        }
        let owners = Owners::read(self.overlay)?;
        let Some(line) = lines.into_iter().find(|line| !owners.has(line)) else { return Ok(()) };
        let call = ScriptCall {
            package: id(element.package),
            kind: "sysusers",
            title: String::new(),
            program: Vec::new(),
            body: None,
            flags: ScriptFlags(0),
            counts: Vec::new(),
            paths: Vec::new(),
        };
        let detail = format!("the image has not what {line:?} asks for, which is not made here");
        let trouble = Trouble { line: None, detail, is_of_this_machine: false };
        Err(self.failed(&call, trouble))
    }
}

/// What a package has of sysusers.d(5).
fn lines(package: &Package) -> Vec<String> {
    let provides = package.relations(RelationKind::Provides).unwrap_or_default();
    let of_users = provides.iter().filter(|one| {
        let names = ["user(", "group(", "groupmember("];
        one.flags().has(Flags::EQUAL) && names.iter().any(|start| one.name().starts_with(start))
    });
    let line = |evr: String| {
        let bytes = STANDARD.decode(evr.trim_end_matches('\0')).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        Some(text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned())
    };
    of_users.filter_map(|one| line(one.evr()?.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{NewHeader, tag};

    #[test]
    fn lines_are_base64_of_what_is_provided() {
        let mut header = NewHeader::default();
        for (tag, text) in [(tag::NAME, "a"), (tag::VERSION, "1"), (tag::RELEASE, "1")] {
            header.string(tag, text.as_bytes());
        }
        let encoded = STANDARD.encode("u dbus 81 \"Bus\" /\0");
        let provides: [&[u8]; 4] = [b"user(dbus)", b"group(x)", b"user(y)", b"a"];
        header.strings(tag::PROVIDENAME, &provides);
        header.numbers(tag::PROVIDEFLAGS, &[8, 8, 0, 8]);
        header.strings(tag::PROVIDEVERSION, &[encoded.as_bytes(), b"no!", b"", b"1-1"]);
        let package = Package::new(header.plain().unwrap()).unwrap();
        assert_eq!(lines(&package), ["u dbus 81 \"Bus\" /"]);
    }
}
