//! trufflehog (`trufflehog docker --json`, `trufflehog filesystem --json`): one object a line.
//!
//! Source: `pkg/output/json.go`, `pkg/sources/docker/docker.go` and `proto/source_metadata.proto` of
//! <https://github.com/trufflesecurity/trufflehog>. `Raw`, `RawV2`, `Redacted` and `ExtraData` hold
//! the value or what it opens; none is read.

use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::report::{Collector, EntryPath, non_empty};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, risk};
use imgfix_model::finding::Severity;
use imgfix_model::location::{FileLocation, Location, Span};

const SCANNER: &str = "trufflehog";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Trufflehog,
    outlines: &[Outline {
        form: Form::Either,
        needs: &["SourceMetadata", "DetectorName"],
        any: &["SourceMetadata.Data", "DecoderName", "Verified"],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Found {
    source_metadata: Option<SourceMetadata>,
    detector_name: Option<String>,
    detector_description: Option<String>,
    verified: Option<bool>,
    /// Of a line of trufflehog's log.
    #[serde(rename = "level")]
    level: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct SourceMetadata {
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Data {
    docker: Option<Docker>,
    filesystem: Option<Filesystem>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Docker {
    file: Option<String>,
    image: Option<String>,
    layer: Option<String>,
    tag: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Filesystem {
    file: Option<String>,
    line: Option<u32>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let mut out = Collector::new(name, SCANNER);
    let mut artifact = ArtifactIdentity::default();
    let list = bytes.trim_ascii_start().first() == Some(&b'[');
    if list || imgfix_json::read::<serde::de::IgnoredAny>(bytes).is_ok() {
        for (at, (found, _)) in
            super::report::documents::<Found>(name, SCANNER, bytes)?.into_iter().enumerate()
        {
            let place = out.place(format!("[{at}]"));
            add(&mut out, &place, found, &mut artifact)?;
        }
        return Ok(out.finish(ReportFormat::Trufflehog, artifact));
    }
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let place = out.place(format!("line {}", at + 1));
        let found: Found = imgfix_json::read_with_paths(line).map_err(|error| {
            let place = format!("line {}, {}", at + 1, error.place);
            FindingsError::Entry { name: name.to_owned(), scanner: SCANNER, place, why: error.why }
        })?;
        add(&mut out, &place, found, &mut artifact)?;
    }
    Ok(out.finish(ReportFormat::Trufflehog, artifact))
}

fn add(
    out: &mut Collector<'_>,
    place: &EntryPath<'_>,
    found: Found,
    artifact: &mut ArtifactIdentity,
) -> Result<(), FindingsError> {
    if found.source_metadata.is_none() && found.level.is_some() {
        return Ok(());
    }
    let id = place.required("DetectorName", found.detector_name)?;
    let data = found.source_metadata.and_then(|metadata| metadata.data);
    let (docker, filesystem) = data.map_or((None, None), |data| (data.docker, data.filesystem));
    let location = match (docker, filesystem) {
        (Some(docker), _) => {
            if let Some(image) = non_empty(docker.image).filter(|_| artifact.name.is_empty()) {
                let tag = non_empty(docker.tag).map(|tag| format!(":{tag}")).unwrap_or_default();
                artifact.name = format!("{image}{tag}");
            }
            let path = place.required("SourceMetadata.Data.Docker.file", docker.file)?;
            of_metadata(&path).unwrap_or_else(|| {
                let layer = docker.layer.as_deref().and_then(risk::layer);
                FileLocation { layer, ..risk::file(&path) }.into()
            })
        }
        (None, Some(filesystem)) => {
            let path = place.required("SourceMetadata.Data.Filesystem.file", filesystem.file)?;
            let lines = Span::of(filesystem.line, None);
            FileLocation { lines, ..risk::file(&path) }.into()
        }
        (None, None) => {
            let why = "neither Docker nor Filesystem: scan the image or a folder";
            return Err(place.error("SourceMetadata.Data", why));
        }
    };
    let severity = match found.verified {
        // the secret opens something
        Some(true) => Severity::Critical,
        _ => risk::SECRET,
    };
    let title = non_empty(found.detector_description);
    out.findings.push(risk::secret(&id, severity, title, Some(location)));
    Ok(())
}

/// `image-metadata:history:16:created-by` is the 17th entry of the history.
fn of_metadata(path: &str) -> Option<Location> {
    let rest = path.strip_prefix("image-metadata:")?;
    let Some(entry) = rest.strip_prefix("history:") else {
        return Some(Location::Config { field: None });
    };
    let number = entry.split(':').next().and_then(|number| number.parse::<u32>().ok());
    Some(Location::History { entry: number.and_then(|number| number.checked_add(1)) })
}
