//! Who forbids a version, in words.

use imgfix_model::reason::Reason;

use crate::modules::{Broken, Found, Modules};

/// The reason for a broken need: which package has which line.
#[must_use]
pub fn constrained(after: &Modules, broken: &Broken) -> Reason {
    let shown = |folder| match after.get(folder) {
        Some(package) if package.is_project => {
            let name = &package.manifest.name;
            let file = format!("{folder}/package.json").replace("//", "/");
            if name.is_empty() { file } else { format!("{name} ({file})") }
        }
        Some(package) => format!("{} {}", package.manifest.name, package.manifest.version),
        None => folder.to_string(),
    };
    let line = format!("\"{}\": \"{}\"", broken.name, broken.spec);
    let relation = match broken.is_override {
        true => format!("the project's overrides have {line}"),
        false => format!("{} has {line}", broken.kind.key()),
    };
    let component = match &broken.found {
        Found::Wrong(at) => shown(at),
        Found::Missing | Found::Right => broken.name.clone(),
    };
    Reason::Constrained { component, by: shown(&broken.by), relation }
}
