//! What a Rust program says it was built of: the section that cargo-auditable has the linker write
//! (<https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md>).
//!
//! In comes the program; out come its crates with their versions.

use std::io::Read as _;

use flate2::read::ZlibDecoder;
use object::{Object as _, ObjectSection as _};

use crate::programs::Part;

/// The section.
const SECTION: &str = ".dep-v0";

/// The largest list, in bytes, as the format's own readers have it.
const MAX_TEXT: u64 = 8 << 20;

#[derive(serde::Deserialize)]
struct List {
    packages: Vec<Crate>,
}

#[derive(serde::Deserialize)]
struct Crate {
    name: String,
    version: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    root: bool,
}

/// The crates in a program; `None`: it says none.
#[must_use]
pub fn crates(file: &object::File<'_>) -> Option<Vec<Part>> {
    let section = file.section_by_name(SECTION)?;
    let mut text = Vec::new();
    let stream = ZlibDecoder::new(section.data().ok()?).take(MAX_TEXT + 1);
    { stream }.read_to_end(&mut text).ok()?;
    let List { packages } =
        imgfix_json::read(&text).ok().filter(|_| text.len() as u64 <= MAX_TEXT)?;
    let is_inside = |one: &Crate| !one.root && one.kind.as_deref() != Some("build");
    let part = |one: Crate| Part { name: one.name, version: one.version };
    Some(packages.into_iter().filter(is_inside).map(part).collect())
}
