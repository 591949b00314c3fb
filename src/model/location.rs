//! [`Location`]: where in an image a finding is. Readers of scanners' reports and imgfix's own
//! checks make them; repairs look there, reports show them. A location names a place and never
//! holds what is there: the value of a secret is not part of it.

use std::fmt;

use super::digest::{Digest, Md5};

/// Where in an image a finding is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(tag = "in", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Location {
    /// A file of a layer.
    File(FileLocation),
    /// An environment variable of the image's configuration.
    Environment {
        /// Its name.
        name: String,
    },
    /// A label of the image's configuration.
    Label {
        /// Its key.
        key: String,
    },
    /// An entry of the image's history.
    History {
        /// Which one, from 1, the oldest first; `None`: the report does not say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        entry: Option<u32>,
    },
    /// The image's configuration.
    Config {
        /// Which part; `None`: the report does not say, and it may be the history as well.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        field: Option<ConfigField>,
    },
    /// The image as it was built: advice about a Dockerfile, which is in no image.
    Build {
        /// The file, as the report names it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        file: Option<String>,
        /// Lines of it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        lines: Option<Span>,
    },
}

/// A file, by its path, by its content, or by both.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct FileLocation {
    /// Absolute in the image; `None`: the file is known by its content alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// Lines of the file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lines: Option<Span>,
    /// The first in the first line and the last in the last one; never without `lines`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub columns: Option<Span>,
    /// The layer that holds it: its diff ID, or the digest of the compressed layer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layer: Option<Digest>,
    /// Of the content.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<Digest>,
    /// Of the content.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub md5: Option<Md5>,
}

/// Lines of a file, or columns of lines: from 1, the last one belongs to it. Columns are bytes,
/// or characters where the scanner counts those: the same in ASCII.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// From 1.
    pub first: u32,
    /// From 1; the same as `first` when it is one alone.
    pub last: u32,
}

/// A part of an image's configuration.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigField {
    /// `User`.
    User,
    /// `Healthcheck`.
    Healthcheck,
    /// `Entrypoint`.
    Entrypoint,
    /// `Cmd`.
    Cmd,
    /// `ExposedPorts`.
    ExposedPorts,
    /// `Volumes`.
    Volumes,
    /// `WorkingDir`.
    WorkingDir,
}

impl Span {
    /// From `first` to `last`; `None` when there is no first, and one alone when `last` is
    /// missing or before it.
    #[must_use]
    pub fn of(first: Option<u32>, last: Option<u32>) -> Option<Self> {
        let first = first.filter(|first| *first > 0)?;
        Some(Self { first, last: last.unwrap_or(first).max(first) })
    }

    /// Both, and what is between them.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

impl FileLocation {
    /// A file and nothing more of it.
    #[must_use]
    pub fn at(path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// The content's hash, as the report has it.
    #[must_use]
    pub fn hash(&self) -> Option<String> {
        let sha256 = self.sha256.map(|digest| digest.to_string());
        sha256.or_else(|| self.md5.map(|md5| md5.to_string()))
    }
}

impl Location {
    /// The file, when it is one.
    #[must_use]
    pub fn file(&self) -> Option<&FileLocation> {
        match self {
            Location::File(file) => Some(file),
            _ => None,
        }
    }

    /// The same, as exact as two reports have to be for one place: without lines, columns,
    /// layer and content of a file that has a path.
    #[must_use]
    pub fn roughly(&self) -> Self {
        match self {
            Location::File(FileLocation { path: Some(path), .. }) => {
                Location::File(FileLocation::at(path))
            }
            other => other.clone(),
        }
    }
}

impl From<FileLocation> for Location {
    fn from(file: FileLocation) -> Self {
        Location::File(file)
    }
}

impl fmt::Display for Span {
    /// `3`, `3-5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl fmt::Display for ConfigField {
    /// As the OCI image specification has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfigField::User => "User",
            ConfigField::Healthcheck => "Healthcheck",
            ConfigField::Entrypoint => "Entrypoint",
            ConfigField::Cmd => "Cmd",
            ConfigField::ExposedPorts => "ExposedPorts",
            ConfigField::Volumes => "Volumes",
            ConfigField::WorkingDir => "WorkingDir",
        })
    }
}

/// What goes behind `in`: `/srv/app/.env:3`, `ENV AWS_KEY`, `history entry 7`.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(file) => match (&file.path, file.lines) {
                (Some(path), Some(lines)) => write!(f, "{path}:{lines}"),
                (Some(path), None) => f.write_str(path),
                (None, _) => match file.hash() {
                    Some(hash) => write!(f, "the file with {hash}"),
                    None => match file.layer {
                        Some(layer) => write!(f, "a file of layer {}", layer.short()),
                        None => f.write_str("a file"),
                    },
                },
            },
            Location::Environment { name } => write!(f, "ENV {name}"),
            Location::Label { key } => write!(f, "label {key}"),
            Location::History { entry: Some(entry) } => write!(f, "history entry {entry}"),
            Location::History { entry: None } => f.write_str("the history"),
            Location::Config { field: Some(field) } => write!(f, "configuration {field}"),
            Location::Config { field: None } => f.write_str("the image's configuration"),
            Location::Build { file: Some(file), lines: Some(lines) } => {
                write!(f, "the image as built ({file}:{lines})")
            }
            Location::Build { file: Some(file), lines: None } => {
                write!(f, "the image as built ({file})")
            }
            Location::Build { file: None, .. } => f.write_str("the image as built"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u32, last: u32) -> Option<Span> {
        Span::of(Some(first), Some(last))
    }

    #[test]
    fn every_place_reads_well_and_is_read_as_it_is_written() {
        let hash = Digest::of(b"");
        for (location, text, json) in [
            (
                FileLocation { lines: span(3, 3), columns: span(1, 9), ..FileLocation::at("/a") }
                    .into(),
                "/a:3".to_owned(),
                r#"{"in":"file","path":"/a","lines":{"first":3,"last":3},"columns":{"first":1,"last":9}}"#
                    .to_owned(),
            ),
            (
                FileLocation { lines: span(1, 27), layer: Some(hash), ..FileLocation::at("/k") }
                    .into(),
                "/k:1-27".to_owned(),
                format!(
                    r#"{{"in":"file","path":"/k","lines":{{"first":1,"last":27}},"layer":"{hash}"}}"#
                ),
            ),
            (
                FileLocation { sha256: Some(hash), ..FileLocation::default() }.into(),
                format!("the file with {hash}"),
                format!(r#"{{"in":"file","sha256":"{hash}"}}"#),
            ),
            (
                Location::Environment { name: "AWS_KEY".into() },
                "ENV AWS_KEY".into(),
                r#"{"in":"environment","name":"AWS_KEY"}"#.into(),
            ),
            (
                Location::Label { key: "a.b".into() },
                "label a.b".into(),
                r#"{"in":"label","key":"a.b"}"#.into(),
            ),
            (
                Location::History { entry: Some(7) },
                "history entry 7".into(),
                r#"{"in":"history","entry":7}"#.into(),
            ),
            (
                Location::Config { field: Some(ConfigField::ExposedPorts) },
                "configuration ExposedPorts".into(),
                r#"{"in":"config","field":"exposed-ports"}"#.into(),
            ),
            (
                Location::Build { file: Some("Dockerfile".into()), lines: span(2, 2) },
                "the image as built (Dockerfile:2)".into(),
                r#"{"in":"build","file":"Dockerfile","lines":{"first":2,"last":2}}"#.into(),
            ),
        ] {
            assert_eq!(location.to_string(), text);
            assert_eq!(serde_json::to_string(&location).unwrap(), json);
            assert_eq!(serde_json::from_str::<Location>(&json).unwrap(), location);
        }
        for wrong in [
            r#"{"in":"file","path":"/a","value":"secret"}"#,
            r#"{"in":"environment","name":"A","value":"secret"}"#,
            r#"{"in":"memory"}"#,
        ] {
            assert!(serde_json::from_str::<Location>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_span_has_an_order() {
        assert_eq!(Span::of(Some(3), None), span(3, 3));
        assert_eq!(Span::of(Some(3), Some(1)), span(3, 3));
        assert_eq!(Span::of(Some(0), Some(4)), None);
        assert_eq!(
            Span { first: 2, last: 3 }.hull(Span { first: 5, last: 6 }),
            Span { first: 2, last: 6 }
        );
    }
}
