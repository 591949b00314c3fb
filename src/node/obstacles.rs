//! Why a copy of a package is not changed where it is, whatever the version.
//!
//! In come the file system and the package's folder; out comes half a sentence with the remedy, or
//! nothing. Install scripts are not run, so what they make would be of another version than what
//! is beside it; the same goes for what is compiled.

use imgfix_model::path::ImagePath;
use imgfix_vfs::FileSystem;

use crate::manifest::Manifest;
use crate::records;

/// Whether something is in the way of changing the package in `folder`.
#[must_use]
pub fn of_copy(fs: &dyn FileSystem, folder: &ImagePath, manifest: &Manifest) -> Option<String> {
    if !records::is_installed(folder) {
        return Some(
            "it is a part of the application itself (a workspace, a linked folder); change it in \
             its source and build the image anew"
                .to_owned(),
        );
    }
    let has = |folder: &ImagePath, name: &str| {
        folder.join(name).is_ok_and(|path| fs.lstat(&path).is_some())
    };
    if folder.components().any(|part| part == b".yarn") {
        return Some(
            "Yarn's Plug'n'Play keeps it; upgrade it with yarn and build the image anew".to_owned(),
        );
    }
    if let Some(script) = manifest.scripts.first() {
        return Some(scripted(script));
    }
    if has(folder, "binding.gyp") {
        return Some(
            "it is compiled when it is installed (binding.gyp), and nothing of an image is \
             executed; upgrade it and build the image anew"
                .to_owned(),
        );
    }
    let compiled = fs
        .walk(folder)
        .into_iter()
        .find(|path| path.file_name().ends_with(b".node") && owner(path, folder));
    compiled
        .map(|path| format!("it has compiled code ({path}); upgrade it and build the image anew"))
}

/// Of a version of a registry that has a script to run.
#[must_use]
pub fn scripted(script: &str) -> String {
    format!(
        "it runs a script when it is installed ({script}), and nothing of an image is executed; \
         upgrade it and build the image anew"
    )
}

/// Whether a path is the package's own, and not of one below it.
fn owner(path: &ImagePath, folder: &ImagePath) -> bool {
    let rest = path.as_bytes().get(folder.as_bytes().len()..).unwrap_or_default();
    !rest.split(|byte| *byte == b'/').any(|part| part == records::MODULES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{image, package};
    use serde_json::json;

    #[test]
    fn what_is_in_the_way_is_said() {
        let tree = image(
            &[
                ("/app/own/package.json", package("own", "1.0.0", &[])),
                ("/app/node_modules/plain/package.json", package("plain", "1.0.0", &[])),
                ("/app/node_modules/plain/node_modules/x/x.node", json!(1)),
                ("/app/node_modules/gyp/binding.gyp", json!(1)),
                ("/app/node_modules/built/build/Release/x.node", json!(1)),
                ("/app/.yarn/unplugged/x/node_modules/x/package.json", json!({})),
            ],
            &[],
        );
        for (folder, scripts, want) in [
            ("/app/own", &[][..], Some("a workspace")),
            ("/app/node_modules/plain", &[], None),
            ("/app/node_modules/plain", &["postinstall"], Some("(postinstall)")),
            ("/app/node_modules/gyp", &[], Some("binding.gyp")),
            ("/app/node_modules/built", &[], Some("compiled code (/app/node_modules/built/build")),
            ("/app/.yarn/unplugged/x/node_modules/x", &[], Some("Plug'n'Play")),
        ] {
            let scripts = scripts.iter().map(|script| (*script).to_owned()).collect();
            let manifest = Manifest { scripts, ..Manifest::default() };
            let found = of_copy(&tree, &ImagePath::new(folder).unwrap(), &manifest);
            match want {
                None => assert_eq!(found, None, "{folder}"),
                Some(want) => assert!(found.clone().unwrap().contains(want), "{found:?}"),
            }
        }
    }
}
