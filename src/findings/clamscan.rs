//! ClamAV (`clamscan -r`, `clamdscan`): lines of text, one a file, and a summary.
//!
//! Source: `clamscan/manager.c` and `common/output.c` of <https://github.com/Cisco-Talos/clamav>;
//! measured with 1.4.6. Infected is `PATH: NAME FOUND`; a file in a container `PATH!(1)POSIX_TAR:inner:
//! NAME FOUND`. Names of signatures that are not ClamAV's own end in `.UNOFFICIAL`.

use super::report::Collector;
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, risk};
use imgfix_model::digest::Md5;
use imgfix_model::finding::Severity;
use imgfix_model::location::FileLocation;

const SCANNER: &str = "clamscan";

/// What a line is.
enum Line<'a> {
    /// Path and signature.
    Found(&'a str, &'a str),
    /// Path and why it was not scanned.
    NotScanned(&'a str, &'a str),
    /// Nothing was found, or it is no file's line.
    Nothing,
}

/// Whether a text is ClamAV's: its first line is, and one line at least is no other program's.
pub(super) fn is_report(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let first = lines.clone().next().and_then(line);
    let sure = |line: &str| {
        line == SUMMARY || line.ends_with(" FOUND") && line.contains(": ") || line.ends_with(": OK")
    };
    first.is_some() && lines.any(sure)
}

const SUMMARY: &str = "----------- SCAN SUMMARY -----------";

/// What is written behind a path that holds nothing bad.
const NOTHING: &[&str] =
    &["OK", "Empty file", "Symbolic link", "Excluded", "Not a regular file or directory"];

/// Keys of the summary.
const SUMMARY_KEYS: &[&str] = &[
    "Known viruses",
    "Engine version",
    "Scanned directories",
    "Scanned files",
    "Infected files",
    "Total errors",
    "Not removed",
    "Not copied",
    "Not moved",
    "Data scanned",
    "Data read",
    "Time",
    "Start Date",
    "End Date",
];

fn line(text: &str) -> Option<Line<'_>> {
    if text == SUMMARY || text.starts_with("LibClamAV ") || text.starts_with("Scanning ") {
        return Some(Line::Nothing);
    }
    let key = text.split(':').next().filter(|key| key.len() < text.len());
    if key.is_some_and(|key| SUMMARY_KEYS.contains(&key)) {
        return Some(Line::Nothing);
    }
    let (path, said) = text.rsplit_once(": ")?;
    if let Some(name) = said.strip_suffix(" FOUND") {
        return Some(Line::Found(path, name)).filter(|_| !name.contains(' ') && !name.is_empty());
    }
    if NOTHING.contains(&said) {
        return Some(Line::Nothing);
    }
    said.strip_suffix(" ERROR").map(|why| Line::NotScanned(path, why))
}

/// Reads a text that [`is_report`].
pub(super) fn parse(name: &str, text: &str) -> Result<ScanReport, FindingsError> {
    let mut out = Collector::new(name, SCANNER);
    for (at, text) in text.lines().enumerate() {
        let text = text.trim_end();
        let number = at + 1;
        match line(text) {
            Some(Line::Found(path, signature)) => {
                let (id, md5) = identified(signature);
                let file = FileLocation { md5, ..place(path) };
                out.findings.push(risk::malicious(id, Severity::Critical, None, file));
            }
            Some(Line::NotScanned(path, why)) => out.warnings.push(format!(
                "{name}: line {number}: {path} was not scanned ({why}), so that nothing is known \
                 of it"
            )),
            Some(Line::Nothing) => {}
            None if text.is_empty() => {}
            None => {
                return Err(FindingsError::Entry {
                    name: name.to_owned(),
                    scanner: SCANNER,
                    place: format!("line {number}"),
                    why: "not a line that clamscan writes".to_owned(),
                });
            }
        }
    }
    Ok(out.finish(ReportFormat::ClamAv, ArtifactIdentity::default()))
}

/// The signature's name and, with `ExtendedDetectionInfo`, the file's hash: `NAME(md5:size)`.
fn identified(signature: &str) -> (&str, Option<Md5>) {
    let extended = signature.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    let md5 = extended.and_then(|(_, info)| info.split_once(':')?.0.parse().ok());
    let name = extended.filter(|_| md5.is_some()).map_or(signature, |(name, _)| name);
    (name.strip_suffix(".UNOFFICIAL").unwrap_or(name), md5)
}

/// The file that a line is about. Of an archive in the image that is the archive; of a layer
/// that was scanned as a file, what is in the layer.
fn place(path: &str) -> FileLocation {
    let mut parts = path.split("!(");
    let mut file = parts.next().unwrap_or_default();
    let mut layer = layer_of(file);
    let mut in_layer = layer.is_some() || is_layer(file);
    for part in parts {
        // `1)POSIX_TAR:inner/path`
        let Some((_, inner)) = part.split_once(')').and_then(|(_, rest)| rest.split_once(':'))
        else {
            break;
        };
        if let Some(found) = layer_of(inner) {
            (layer, in_layer) = (Some(found), true);
        } else if is_layer(inner) {
            in_layer = true;
        } else if in_layer {
            // the outermost file of the layer is what can be removed
            file = inner;
            return FileLocation { layer, ..risk::file(file) };
        }
    }
    match in_layer {
        true if layer.is_some() => FileLocation { layer, ..FileLocation::default() },
        _ => risk::file(file),
    }
}

/// The digest that names a blob.
fn layer_of(path: &str) -> Option<imgfix_model::digest::Digest> {
    risk::layer(path.rsplit('/').next()?)
}

/// Whether a path is a layer of an archive that `docker save` wrote.
fn is_layer(path: &str) -> bool {
    path == "layer.tar" || path.ends_with("/layer.tar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_in_a_layer_is_a_file_of_the_layer() {
        let hex = "a".repeat(64);
        let layer = risk::layer(&hex);
        for (text, path, want) in [
            ("eicar.com", Some("/eicar.com"), None),
            ("x/a.zip!(2)ZIP:in/b.com", Some("/x/a.zip"), None),
            (&*format!("blobs/sha256/{hex}!(1)POSIX_TAR:srv/e.com"), Some("/srv/e.com"), layer),
            (
                &*format!("app.tar!(4)POSIX_TAR:blobs/sha256/{hex}!(1)POSIX_TAR:a.jar!(2)ZIP:b"),
                Some("/a.jar"),
                layer,
            ),
            ("app.tar!(4)POSIX_TAR:12/layer.tar!(1)POSIX_TAR:a.com", Some("/a.com"), None),
            (&*format!("blobs/sha256/{hex}"), None, layer),
        ] {
            let got = place(text);
            assert_eq!((got.path.as_deref(), got.layer), (path, want), "{text}");
        }
    }

    #[test]
    fn names_lose_what_is_no_part_of_them() {
        let md5 = "44d88612fea8a8f36de82e1278abb02f";
        for (text, name, hash) in [
            ("Win.Test.EICAR_HDB-1", "Win.Test.EICAR_HDB-1", false),
            ("YARA.eicar.UNOFFICIAL", "YARA.eicar", false),
            (&*format!("Eicar-Signature({md5}:68)"), "Eicar-Signature", true),
            ("Odd(name)", "Odd(name)", false),
        ] {
            let (got, found) = identified(text);
            assert_eq!((got, found.is_some()), (name, hash), "{text}");
        }
    }
}
