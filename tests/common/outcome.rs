//! What a repair has come to: its JSON report in few words, and the image unpacked.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::cli::{is_root, ran};

/// Every finding of a JSON report, as `ID PACKAGE VERDICT REASON`.
pub fn verdicts(json: &Value) -> Vec<String> {
    let platforms = json["platforms"].as_array().expect("platforms");
    let findings = platforms.iter().flat_map(|one| one["findings"].as_array().expect("findings"));
    let mut out: Vec<String> = findings
        .map(|one| {
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let words = [
                word(&one["id"]),
                word(&one["package"]),
                word(&one["verdict"]),
                word(&one["reason"]["kind"]),
            ];
            words.join(" ").trim_end().to_owned()
        })
        .collect();
    out.sort();
    out
}

/// The changed packages of a platform, as `NAME FROM TO`.
pub fn changed(json: &Value, platform: usize) -> Vec<String> {
    let packages = json["platforms"][platform]["packages"].as_array().expect("packages");
    let word = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let mut out: Vec<String> = packages
        .iter()
        .map(|one| [word(&one["name"]), word(&one["from"]), word(&one["to"])].join(" "))
        .collect();
    out.sort();
    out
}

/// Unpacks a tag of a layout into `bundle`, by umoci; the root.
pub fn unpacked(layout: &Path, tag: &str, bundle: &Path) -> PathBuf {
    let mut command = Command::new("umoci");
    command.args(["unpack", "--image", &format!("{}:{tag}", layout.display())]);
    if !is_root() {
        command.arg("--rootless");
    }
    ran(command.arg(bundle)).expect(0);
    bundle.join("rootfs")
}

/// A file of an unpacked image.
#[track_caller]
pub fn text(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
