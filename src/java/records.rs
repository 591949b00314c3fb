//! Where an image has archives of Java. In comes a file system; out come its stores: one for each
//! folder with archives, and one for each archive that has archives itself (a fat jar, a war).
//!
//! What a file of a layer is was noted when the layer went by ([`note`]): one at a time is in
//! memory. What has no note is read again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use imgfix_model::component::{Libraries, Library, StoreId, Unread};
use imgfix_model::description::Description;
use imgfix_model::path::ImagePath;
use imgfix_versions::VersionText;
use imgfix_vfs::{FileSystem, Kind, RootfsError};

use crate::identity::Artifact;
use crate::listing::{Found, MAX_FILE, is_archive, look_into};
use crate::mitigation;
use crate::versions::ORDER;

/// The word in [`StoreId`].
pub const KIND: &str = "java";

/// The type word of package URLs.
pub const PURL_TYPE: &str = "maven";

/// Archives are in memory one at a time, whatever the number of layers that are read side by
/// side.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The note of an archive, for the reader of layers.
///
/// # Errors
/// The content's own.
pub fn note(path: &ImagePath, size: u64, content: &mut dyn Read) -> io::Result<Option<Bytes>> {
    if !is_archive(path.file_name()) || size > MAX_FILE {
        return Ok(None);
    }
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let found = look(path, content)?;
    Ok(serde_json::to_vec(&found).ok().map(Bytes::from))
}

fn look(path: &ImagePath, content: &mut dyn Read) -> io::Result<Vec<Found>> {
    let mut bytes = Vec::new();
    content.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(look_into(bytes.into(), &String::from_utf8_lossy(path.file_name())))
}

/// The stores of an image, sorted by place.
///
/// # Errors
/// A layer cannot be read again.
pub fn find(fs: &dyn FileSystem) -> Result<Vec<Libraries>, RootfsError> {
    let mut files = Vec::new();
    fs.visit(&ImagePath::root(), &mut |path, entry| {
        if let Kind::File(data) = &entry.kind
            && is_archive(path.file_name())
            && data.size > 0
        {
            files.push((path.clone(), data.size));
        }
    });
    stores(fs, files)
}

/// The store at `place`; `None`: there is none.
///
/// # Errors
/// As [`find`].
pub fn find_in(fs: &dyn FileSystem, place: &ImagePath) -> Result<Option<Libraries>, RootfsError> {
    let size = |path: &ImagePath| match &fs.lstat(path)?.kind {
        Kind::File(data) if is_archive(path.file_name()) && data.size > 0 => Some(data.size),
        _ => None,
    };
    let near = if size(place).is_some() { vec![place.clone()] } else { fs.read_dir(place) };
    let files = near.into_iter().filter_map(|path| Some((path.clone(), size(&path)?))).collect();
    let id = StoreId::new(KIND, place);
    Ok(stores(fs, files)?.into_iter().find(|store| store.store == id))
}

/// The stores that these archives make up, sorted by place.
fn stores(
    fs: &dyn FileSystem,
    files: Vec<(ImagePath, u64)>,
) -> Result<Vec<Libraries>, RootfsError> {
    let mut stores: BTreeMap<ImagePath, Libraries> = BTreeMap::new();
    let mut contradicted: BTreeSet<(ImagePath, &str)> = BTreeSet::new();
    for (path, size) in files {
        let found = match size > MAX_FILE {
            true => too_large(size),
            false => found_in(fs, &path)?,
        };
        let is_fat = found.first().is_some_and(|file| file.has_nested);
        let place =
            if is_fat { path.clone() } else { path.parent().unwrap_or_else(ImagePath::root) };
        if !is_fat {
            contradicted.extend(mitigation::contradicted(&found).map(|how| (place.clone(), how)));
        }
        let store = stores.entry(place).or_insert_with_key(|place| Libraries {
            store: StoreId::new(KIND, place),
            purl_type: PURL_TYPE,
            order: ORDER,
            libraries: Vec::new(),
            unread: Vec::new(),
        });
        for one in &found {
            add(store, &path, one, &found);
        }
    }
    for (place, store) in &mut stores {
        for Library { path, mitigated, .. } in &mut store.libraries {
            mitigated.retain(|one| {
                let is_shadowed = mitigation::rule_of(&one.how)
                    .is_some_and(|rule| mitigation::is_shadowed(fs, path, rule));
                !is_shadowed && !contradicted.contains(&(place.clone(), &*one.how))
            });
        }
    }
    // of a folder whose archives say nothing of themselves there is nothing to say
    stores.retain(|_, store| !(store.libraries.is_empty() && store.unread.is_empty()));
    let mut stores: Vec<Libraries> = stores.into_values().collect();
    for store in &mut stores {
        store.libraries.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
        store.unread.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(stores)
}

fn too_large(size: u64) -> Vec<Found> {
    let unread = Some(format!("it has {size} bytes, more than {MAX_FILE}"));
    vec![Found {
        at: String::new(),
        artifacts: Vec::new(),
        unread,
        has_nested: false,
        is_signed: false,
        marks: Vec::new(),
    }]
}

pub fn found_in(fs: &dyn FileSystem, path: &ImagePath) -> Result<Vec<Found>, RootfsError> {
    let noted = fs.note(path).and_then(|note| imgfix_json::read(note).ok());
    if let Some(found) = noted {
        return Ok(found);
    }
    let failed = |source| RootfsError::Io { what: path.to_string(), source };
    look(path, &mut *fs.open(path)?).map_err(failed)
}

fn add(store: &mut Libraries, file: &ImagePath, found: &Found, all: &[Found]) {
    let Ok(path) = (match found.at.as_str() {
        "" => Ok(file.clone()),
        at => file.join(at),
    }) else {
        let why = "an archive in it has a name that is no path".to_owned();
        store.unread.push(Unread { path: file.clone(), why });
        return;
    };
    if let Some(why) = &found.unread {
        store.unread.push(Unread { path: path.clone(), why: why.clone() });
    }
    for Artifact { name, version, .. } in &found.artifacts {
        let mitigated = mitigation::mitigated(name, version, &found.at, all);
        store.libraries.push(Library {
            name: name.clone(),
            version: VersionText(version.clone()),
            path: path.clone(),
            owner: None,
            description: Description::default(),
            mitigated,
        });
    }
}
