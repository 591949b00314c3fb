//! Image references as arguments. A name without a transport is a registry's, so that the name
//! of a file or directory that lies here would be asked for at Docker Hub; what is meant is told
//! by its content instead.

use std::path::Path;

use imgfix_oci::Reference;
use imgfix_oci::archive;
use imgfix_oci::archive::ArchiveKind;
use imgfix_oci::reference::{TRANSPORTS, names_a_file};

/// clap's value parser for image references.
///
/// # Errors
/// Not a reference, or the name of an image that lies here.
pub fn parse_reference(text: &str) -> Result<Reference, String> {
    if let Some(why) = lies_here(text) {
        return Err(why);
    }
    text.parse::<Reference>().map_err(|error| error.to_string())
}

/// What to write instead of the path of an image on this machine; `None` when it is none.
fn lies_here(text: &str) -> Option<String> {
    if TRANSPORTS.iter().any(|prefix| text.starts_with(prefix)) {
        return None;
    }
    let (path, name) = match text.split_once(':') {
        Some((path, name)) if names_a_file(path) => (path, format!(":{name}")),
        _ => (text, String::new()),
    };
    let there = Path::new(path);
    if there.join("index.json").is_file() {
        return Some(format!(
            "{path} is a directory here, an OCI layout; write oci:{path}, or oci:{path}:TAG for \
             one image of several"
        ));
    }
    if !there.is_file() {
        return None;
    }
    match archive::kind(there) {
        Some(ArchiveKind::Docker) => Some(format!(
            "{path} is a file here, as 'docker save' writes it; write docker-archive:{path}{name}"
        )),
        Some(ArchiveKind::Oci) => {
            Some(format!("{path} is a file here, an OCI archive; write oci-archive:{path}{name}"))
        }
        None => names_a_file(path).then(|| {
            format!(
                "{path} is a file here, but no image: it has neither manifest.json nor index.json"
            )
        }),
    }
}
