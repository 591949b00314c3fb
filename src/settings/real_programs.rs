//! Cases for the real programs: `tests/differential_settings/run` makes the folder that
//! `IMGFIX_SETTINGS_CASES` names, and compares what is written into it with what they say.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, NoLayers, Tree};

use crate::{Format, SettingsError};

fn load(folder: &Path, root: &Path, entries: &mut Vec<(ImagePath, Entry)>) {
    for child in fs::read_dir(folder).unwrap() {
        let path = child.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        let entry = if kind.is_symlink() {
            Entry::symlink(fs::read_link(&path).unwrap().to_str().unwrap().as_bytes().to_vec(), 0)
        } else if kind.is_dir() {
            load(&path, root, entries);
            continue;
        } else {
            Entry::file(fs::read(&path).unwrap(), 0o644, 0)
        };
        entries.push((ImagePath::new(name).unwrap(), entry));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for child in fs::read_dir(from).unwrap() {
        let path = child.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), target).unwrap();
        } else if kind.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

fn answer(case: &Path) -> Result<String, SettingsError> {
    let ask = fs::read_to_string(case.join("ask")).unwrap();
    let fields: Vec<&str> = ask.split('\t').collect();
    let [_, format, file, key, value, _] = fields[..] else { panic!("{ask}") };
    let format: Format = format.parse().unwrap();
    let file = ImagePath::new(file).unwrap();
    let root = case.join("root");
    let mut entries = Vec::new();
    load(&root, &root, &mut entries);
    let tree = Tree::from_entries(entries, Arc::new(NoLayers));
    let said = |found: Option<crate::Found>| found.map_or("(none)".to_owned(), |found| found.value);
    let mut out = String::new();
    if key != "http.server.location.autoindex" {
        out += &format!("before {}\n", said(crate::effective(&tree, format, &file, key)?));
    }
    if format == Format::Redis {
        let password = crate::effective(&tree, format, &file, "requirepass")?;
        let before = password.map_or(String::new(), |found| found.value);
        let after = if key == "requirepass" { value } else { &before };
        out += &format!("password {before}\nafter-password {after}\n");
    }
    for (path, bytes) in crate::set(&tree, format, &file, key, value)? {
        let path = path.to_string();
        fs::write(case.join("after").join(path.trim_start_matches('/')), bytes).unwrap();
    }
    Ok(out)
}

#[test]
#[ignore = "wants IMGFIX_SETTINGS_CASES, which tests/differential_settings/run makes"]
fn real_programs_are_asked_the_same() {
    let folder = std::env::var_os("IMGFIX_SETTINGS_CASES").expect("IMGFIX_SETTINGS_CASES");
    let mut count = 0;
    for case in fs::read_dir(folder).unwrap() {
        let case = case.unwrap().path();
        copy(&case.join("root"), &case.join("after"));
        let text = answer(&case).unwrap_or_else(|error| format!("error {error}\n"));
        fs::write(case.join("answer"), text).unwrap();
        count += 1;
    }
    assert!(count > 0, "no cases");
}
