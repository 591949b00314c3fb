//! What upgraded Debian packages say of themselves: the new part of their changelogs, from the
//! repaired image or from the packages' archives, with the vulnerabilities that it names.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::GzDecoder;

use crate::changelog;
use imgfix_dpkg::deb::{PayloadKind, unpack};
use imgfix_model::changelog::{Changelog, Changelogs};
use imgfix_model::package::{Inventory, PackageId};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::Step;
use imgfix_repair::apply::open_archive;
use imgfix_repair::archive::Limits;
use imgfix_repair::error::RepairerError;
use imgfix_repository::Fetcher;
use imgfix_versions::VersionText;
use imgfix_versions::dpkg::Version;
use imgfix_vfs::{Content, FileSystem, Overlay, RootfsError, Spool, fault};

/// The largest changelog that is read, in bytes unpacked.
const MAX_CHANGELOG: u64 = 16 << 20;

/// The changelogs of upgraded packages: from the repaired image, or where the image keeps no
/// documentation (path-exclude), from the package's archive. `installed` has what the image had:
/// a changelog counts the versions of the source package.
///
/// # Errors
/// This machine cannot read a file, or an archive cannot be fetched or unpacked.
pub fn gather(
    steps: &[Step],
    installed: &Inventory,
    overlay: &Overlay,
    fetcher: &Fetcher,
) -> Result<Changelogs, RepairerError> {
    let sources: BTreeMap<&PackageId, &VersionText> =
        installed.packages.iter().map(|one| (&one.id, one.source_version())).collect();
    let (mut parts, mut named) = (Vec::new(), BTreeMap::new());
    for step in steps {
        let Some(from) = &step.from else { continue };
        let from = sources.get(&step.package).copied().unwrap_or(from);
        let Ok(from) = Version::parse(from.as_ref()) else { continue };
        let text = match in_image(step, overlay)? {
            Some(text) => Some(text),
            None => in_archive(step, fetcher)?,
        };
        let Some(text) = text else { continue };
        named.insert(step.package.clone(), changelog::named_newer_than(&text, &from));
        parts.push((step.package.to_string(), changelog::newer_than(&text, &from)));
    }
    Ok(Changelogs { entries: Changelog::gather(parts), named })
}

/// Where a package's changelog is: of the Debian package, or of a native one.
fn places(step: &Step) -> [String; 2] {
    let name = step.package.name.as_ref();
    ["changelog.Debian.gz", "changelog.gz"].map(|file| format!("/usr/share/doc/{name}/{file}"))
}

fn in_image(step: &Step, overlay: &Overlay) -> Result<Option<String>, RepairerError> {
    for place in places(step) {
        let Ok(path) = ImagePath::new(place) else { continue };
        let Ok(path) = overlay.resolve(&path) else { continue };
        if !overlay.lstat(&path).is_some_and(imgfix_vfs::Entry::is_file) {
            continue;
        }
        let content = overlay.open(&path).map_err(RepairerError::family)?;
        let text = unpacked(content).map_err(|source| {
            RepairerError::family(RootfsError::Io { what: path.to_string(), source })
        })?;
        if text.is_some() {
            return Ok(text);
        }
    }
    Ok(None)
}

fn in_archive(step: &Step, fetcher: &Fetcher) -> Result<Option<String>, RepairerError> {
    let paths = fetcher.archives(&[&step.archive])?;
    let Some(path) = paths.first() else { return Ok(None) };
    let spool = Spool::new().map_err(RepairerError::Temporary)?;
    let file = open_archive(&step.archive.url, path)?;
    let package = unpack(file, &spool, &Limits::default()).map_err(|source| {
        RepairerError::Archive { archive: step.archive.url.clone(), source: source.into() }
    })?;
    let places = places(step);
    for entry in &package.payload {
        if !places.iter().any(|place| place.as_bytes() == entry.path) {
            continue;
        }
        let text = match &entry.kind {
            PayloadKind::File { content: Content::Spool(file), .. } => unpacked(file.reader()),
            PayloadKind::File { content: Content::Inline(bytes), .. } => unpacked(bytes.as_ref()),
            _ => Ok(None),
        };
        if let Some(text) = text.map_err(RepairerError::Temporary)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// A compressed text, within bounds; what is not UTF-8 in it is replaced. None when it is damaged.
///
/// # Errors
/// This machine cannot read it.
fn unpacked(content: impl Read) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    match GzDecoder::new(content).take(MAX_CHANGELOG).read_to_end(&mut bytes) {
        Ok(_) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if fault::is_of_this_machine(&error) => Err(error),
        Err(_) => Ok(None),
    }
}
