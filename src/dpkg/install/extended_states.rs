//! apt's `extended_states`: which packages came only as a dependency.

use super::super::control::parse_stanzas;
use super::super::deb::DebControl;
use super::InstallError;
use super::database::{damaged, read_optional};
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem, Overlay};

/// Adds a stanza for each package that has none, after those that are there. `native` is the
/// image's architecture: apt keeps packages for all architectures under it.
pub(super) fn record(
    overlay: &mut Overlay,
    packages: &[&DebControl],
    native: &str,
    timestamp: i64,
) -> Result<(), InstallError> {
    // Without apt nobody reads the file.
    let folder = ImagePath::literal("/var/lib/apt");
    if packages.is_empty() || overlay.stat(&folder).is_none() {
        return Ok(());
    }
    let path = overlay.resolve(&ImagePath::literal("/var/lib/apt/extended_states"))?;
    let mut text = read_optional(overlay, &path)?.to_vec();
    let known = parse_stanzas(text.clone()).map_err(|error| damaged(&path, error))?;
    for package in packages {
        let architecture = match package.architecture() {
            "all" => native,
            own => own,
        };
        let is_known = known.iter().any(|stanza| {
            stanza.get("Package") == Some(package.name())
                && stanza.get("Architecture") == Some(architecture)
        });
        if !is_known {
            let stanza = format!(
                "Package: {}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n",
                package.name(),
            );
            text.extend_from_slice(stanza.as_bytes());
        }
    }
    Ok(overlay.set(path, Entry::file(text, 0o644, timestamp))?)
}
