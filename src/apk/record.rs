//! [`Record`]: what apk says of a package, in the installed database and in an index: lines of
//! a letter, a colon and a value.
//!
//! In come lines; out comes a record that writes itself as apk does, in apk's order of fields.
//! Fields that only the installed database has (`r q s f`, files) are in
//! [`super::installed`]. Source: apk-tools 2.14, `src/package.c` (`apk_pkg_add_info`,
//! `apk_pkg_write_index_entry`); <https://wiki.alpinelinux.org/wiki/Apk_spec>.

use super::dependency::{Dependency, DependencyError};
use imgfix_model::identity::{Identity, IdentityError};
use imgfix_model::package::{Architecture, PackageId, PackageName};
use imgfix_versions::apk::Version;
use imgfix_versions::apk::generation::Generation;

/// Why a field cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A malformed entry in a list of dependencies.
    #[error(transparent)]
    Dependency(#[from] DependencyError),
    /// A malformed checksum (`C`, `Z`).
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Not a number without sign; the value is cut to 100 characters.
    #[error("{0:?} is not a number")]
    Number(String),
    /// Not a version to any generation of apk; the value is cut to 100 characters.
    #[error("{0:?} is not a version")]
    Version(String),
    /// Not a name that can be part of file names and URLs; the value is cut to 100 characters.
    #[error("{0:?} is not a package name")]
    Name(String),
}

/// A package, as database and index have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `C`. Every record that apk wrote has one; others may lack it.
    pub identity: Option<Identity>,
    /// `P`
    pub name: PackageName,
    /// `V`
    pub version: Version,
    /// `A`; empty when absent.
    pub architecture: Architecture,
    /// `S`: of the package file, in bytes.
    pub size: u64,
    /// `I`: in bytes.
    pub installed_size: u64,
    /// `T`
    pub description: String,
    /// `U`
    pub url: String,
    /// `L`
    pub license: String,
    /// `o`: the source package.
    pub origin: Option<String>,
    /// `m`
    pub maintainer: Option<String>,
    /// `t`: seconds since 1970.
    pub build_time: Option<u64>,
    /// `c`
    pub commit: Option<String>,
    /// `k`: which provider of a name is taken when nothing else decides.
    pub provider_priority: Option<u64>,
    /// `D`
    pub depends: Vec<Dependency>,
    /// `p`
    pub provides: Vec<Dependency>,
    /// `i`
    pub install_if: Vec<Dependency>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            identity: None,
            name: "".into(),
            version: Version::new(""),
            architecture: "".into(),
            size: 0,
            installed_size: 0,
            description: String::new(),
            url: String::new(),
            license: String::new(),
            origin: None,
            maintainer: None,
            build_time: None,
            commit: None,
            provider_priority: None,
            depends: Vec::new(),
            provides: Vec::new(),
            install_if: Vec::new(),
        }
    }
}

/// Whether a line belonged to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is set.
    Yes,
    /// Another field's letter.
    No,
}

impl Record {
    /// The package's name and architecture.
    #[must_use]
    pub fn id(&self) -> PackageId {
        PackageId { name: self.name.clone(), architecture: self.architecture.clone() }
    }

    /// The source package's name: the origin, or the package's own.
    #[must_use]
    pub fn origin_name(&self) -> &str {
        self.origin.as_deref().unwrap_or(&self.name.0)
    }

    /// Whether an apk takes all versions that the record has for versions.
    #[must_use]
    pub fn is_valid(&self, by: Generation) -> bool {
        let mut lists = [&self.depends, &self.provides, &self.install_if].into_iter().flatten();
        by.is_valid(self.version.as_str()) && lists.all(|dependency| dependency.is_valid(by))
    }

    /// Takes one field.
    ///
    /// # Errors
    /// The value is not what the field must have.
    pub fn set(&mut self, field: u8, value: &str) -> Result<Taken, FieldError> {
        match field {
            b'C' => self.identity = Some(value.parse()?),
            b'P' => self.name = name(value)?,
            b'V' => self.version = version(value)?,
            b'A' => self.architecture = value.into(),
            b'S' => self.size = number(value)?,
            b'I' => self.installed_size = number(value)?,
            b'T' => self.description = value.to_owned(),
            b'U' => self.url = value.to_owned(),
            b'L' => self.license = value.to_owned(),
            b'o' => self.origin = Some(value.to_owned()),
            b'm' => self.maintainer = Some(value.to_owned()),
            b't' => self.build_time = Some(number(value)?),
            b'c' => self.commit = Some(value.to_owned()),
            b'k' => self.provider_priority = Some(number(value)?),
            b'D' => self.depends = Dependency::parse_list(value)?,
            b'p' => self.provides = Dependency::parse_list(value)?,
            b'i' => self.install_if = Dependency::parse_list(value)?,
            _ => return Ok(Taken::No),
        }
        Ok(Taken::Yes)
    }

    /// Writes the fields in apk's order, each on a line.
    pub fn write(&self, out: &mut String) {
        let mut line = |field: char, value: &str| {
            out.push(field);
            out.push(':');
            out.push_str(value);
            out.push('\n');
        };
        if let Some(identity) = &self.identity {
            line('C', &identity.to_string());
        }
        line('P', &self.name.0);
        line('V', self.version.as_str());
        if !self.architecture.0.is_empty() {
            line('A', &self.architecture.0);
        }
        line('S', &self.size.to_string());
        line('I', &self.installed_size.to_string());
        line('T', &self.description);
        line('U', &self.url);
        line('L', &self.license);
        let texts = [('o', &self.origin), ('m', &self.maintainer)];
        for (field, value) in texts {
            if let Some(value) = value {
                line(field, value);
            }
        }
        if let Some(time) = self.build_time {
            line('t', &time.to_string());
        }
        if let Some(commit) = &self.commit {
            line('c', commit);
        }
        if let Some(priority) = self.provider_priority {
            line('k', &priority.to_string());
        }
        for (field, list) in [('D', &self.depends), ('p', &self.provides), ('i', &self.install_if)]
        {
            if !list.is_empty() {
                line(field, &join(list));
            }
        }
    }
}

/// A list as apk writes it.
#[must_use]
pub fn join(list: &[Dependency]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

pub(super) fn number(text: &str) -> Result<u64, FieldError> {
    text.parse().map_err(|_| FieldError::Number(text.chars().take(100).collect()))
}

fn version(text: &str) -> Result<Version, FieldError> {
    let version = Version::new(text);
    match version.is_known() {
        true => Ok(version),
        false => Err(FieldError::Version(text.chars().take(100).collect())),
    }
}

/// A name, which becomes part of file names and URLs. Virtual packages (`apk add --virtual
/// .run-deps`) begin with a dot.
fn name(text: &str) -> Result<PackageName, FieldError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    let only_dots = text.bytes().all(|b| b == b'.');
    match !only_dots && text.bytes().all(good) {
        true => Ok(text.into()),
        false => Err(FieldError::Name(text.chars().take(100).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASELAYOUT: &str = "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:alpine-baselayout\nV:3.6.5-r0\n\
        A:x86_64\nS:8515\nI:315392\nT:Alpine base dir structure and init scripts\n\
        U:https://git.alpinelinux.org/cgit/aports/tree/main/alpine-baselayout\nL:GPL-2.0-only\n\
        o:alpine-baselayout\nm:Natanael Copa <ncopa@alpinelinux.org>\nt:1714981135\n\
        c:66187892e05b03a41d08e9acabd19b7576a1c875\nk:10\nD:alpine-baselayout-data=3.6.5-r0 /bin/sh\n\
        p:cmd:x=1 so:y=2\ni:z\n";

    #[test]
    fn a_record_is_written_as_it_was_read() {
        let mut record = Record::default();
        for line in BASELAYOUT.lines() {
            let (field, value) = line.split_once(':').unwrap();
            assert_eq!(record.set(field.as_bytes()[0], value), Ok(Taken::Yes), "{line}");
        }
        let mut out = String::new();
        record.write(&mut out);
        assert_eq!(out, BASELAYOUT);
        assert_eq!(record.set(b'F', "etc"), Ok(Taken::No));
        assert_eq!(record.set(b'P', ".python-rundeps"), Ok(Taken::Yes));
    }

    #[test]
    fn values_that_are_none_are_told() {
        let mut record = Record::default();
        for (field, value) in [
            (b'C', "x"),
            (b'P', "../x"),
            (b'P', ""),
            (b'P', ".."),
            (b'V', "1,2"),
            (b'S', "-1"),
            (b'D', "="),
        ] {
            assert!(record.set(field, value).is_err(), "{value}");
        }
    }
}
