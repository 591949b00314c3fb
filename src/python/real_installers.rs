//! What real installers make of environments, compared: `tests/differential_python/make_cases.py`
//! makes the folder that `IMGFIX_PYTHON_CASES` names. Compiled files are left out on both sides.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem, Kind, NoLayers, Overlay, Spool, Tree};

use crate::distribution::Distribution;
use crate::environment::Environment;
use crate::record;
use crate::replace::{Place, replace};
use crate::wheel::Wheel;
use crate::{normalized, records};

/// Every entry below a folder of this machine, as it would be at `at` in an image.
fn load(folder: &Path, at: &Path, into: &mut BTreeMap<ImagePath, Entry>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let there = at.join(path.file_name().unwrap());
        let metadata = path.symlink_metadata().unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        let entry = if metadata.is_symlink() {
            Entry::symlink(std::fs::read_link(&path).unwrap().to_str().unwrap(), 0)
        } else if metadata.is_dir() {
            load(&path, &there, into);
            Entry::directory(mode, 0)
        } else {
            Entry::file(std::fs::read(&path).unwrap(), mode, 0)
        };
        into.insert(ImagePath::new(there.to_str().unwrap()).unwrap(), entry);
    }
}

fn is_compiled(path: &str) -> bool {
    path.ends_with(".pyc") || path.ends_with("/__pycache__") || path.contains("/__pycache__/")
}

/// What is compared of an environment.
fn seen(fs: &dyn FileSystem, venv: &ImagePath) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    for path in fs.walk(venv) {
        let text = path.to_string();
        if is_compiled(&text) {
            continue;
        }
        let entry = fs.lstat(&path).unwrap();
        let what = match &entry.kind {
            Kind::Directory => "folder".to_owned(),
            Kind::Symlink(target) => format!("link {}", String::from_utf8_lossy(target)),
            Kind::File(_) => {
                let mut bytes = fs.read(&path).unwrap();
                if text.ends_with(".dist-info/RECORD") {
                    let rows = record::read(&bytes).unwrap().into_iter();
                    let kept = rows.filter(|row| !is_compiled(&format!("/{}", row.path)));
                    let end = if bytes.contains(&b'\r') { "crlf" } else { "lf" };
                    bytes = format!("{end} {:#?}", kept.collect::<Vec<_>>()).into();
                }
                String::from_utf8_lossy(&bytes).into_owned()
            }
            other => format!("{other:?}"),
        };
        seen.insert(text, format!("{:o} {what}", entry.mode));
    }
    seen
}

fn compare(case: &Path) -> Result<usize, String> {
    let text = std::fs::read_to_string(case.join("case")).unwrap();
    let [name, _, new]: [&str; 3] = text.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
    let venv = case.join("venv");
    let tree = |folder: &str| {
        let mut entries = BTreeMap::new();
        load(&case.join(folder), &venv, &mut entries);
        Tree::from_entries(entries, Arc::new(NoLayers))
    };
    let (before, after) = (Arc::new(tree("before")), tree("venv"));
    let stores = records::find(&*before);
    let library = stores
        .iter()
        .flat_map(|store| &store.libraries)
        .find(|one| normalized(&one.name) == normalized(name))
        .ok_or("it is not installed")?;
    let place = library.path.parent().and_then(|info| info.parent()).unwrap();
    let environment = Environment::of(&*before, &place, "x86_64").map_err(|e| e.to_string())?;
    let old = Distribution::read(&*before, &environment, &library.path)
        .map_err(|error| error.to_string())?;
    let bytes = std::fs::read(case.join("wheel.whl")).unwrap();
    let wheel = Wheel::read(bytes.into(), name, new)?;
    let mut overlay = Overlay::new(before);
    let spool = Spool::new().unwrap();
    replace(&mut overlay, &environment, &old, &wheel, &Place { spool: &spool, mtime: 0 })
        .map_err(|error| error.to_string())?;
    let root = ImagePath::new(venv.to_str().unwrap()).unwrap();
    let (ours, theirs) = (seen(&overlay, &root), seen(&after, &root));
    let short =
        |text: Option<&String>| text.map(|text| text.chars().take(3000).collect::<String>());
    for path in ours.keys().chain(theirs.keys()) {
        if ours.get(path) != theirs.get(path) {
            let (ours, theirs) = (short(ours.get(path)), short(theirs.get(path)));
            return Err(format!("{path}:\nOURS {ours:?}\nREAL {theirs:?}"));
        }
    }
    Ok(ours.len())
}

#[test]
#[ignore = "wants IMGFIX_PYTHON_CASES, which tests/differential_python/make_cases.py makes"]
fn environments_are_those_of_real_installers() {
    let folder = std::env::var_os("IMGFIX_PYTHON_CASES").expect("IMGFIX_PYTHON_CASES");
    let mut cases: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|case| case.unwrap().path()).collect();
    cases.retain(|case| case.join("case").exists());
    cases.sort();
    let mut wrong = 0;
    for case in &cases {
        match compare(case) {
            Ok(count) => eprintln!("same {}: {count} entries", case.display()),
            Err(why) => {
                wrong += 1;
                eprintln!("DIFFERS {}: {why}", case.display());
            }
        }
    }
    assert!(!cases.is_empty() && wrong == 0, "{wrong} of {} differ", cases.len());
}
