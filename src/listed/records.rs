//! Stores that have their libraries in small files: .NET's `*.deps.json`, gems' specifications,
//! Composer's `installed.json`. In comes a tree; out come its stores, listed and judged.

use std::collections::BTreeMap;
use std::io::Read as _;

use imgfix_model::component::{Libraries, Library, StoreId, Unread};
use imgfix_model::description::Description;
use imgfix_model::path::ImagePath;
use imgfix_repair::error::Cause;
use imgfix_repair::judge::SameName;
use imgfix_repair::libraries::LibraryStore;
use imgfix_repair::library_records::Identity;
use imgfix_repair::repairer::{Kind, Repairer};
use imgfix_versions::VersionText;
use imgfix_vfs::{FileSystem, Kind as EntryKind};

use crate::order::ORDER;
use crate::{dotnet, php, ruby};

/// The largest record that is read, in bytes.
const MAX_RECORD: u64 = 8 << 20;

/// A kind of record.
struct Records {
    kind: &'static str,
    purl_type: &'static str,
    /// The folder of the store, when a record has this path.
    place: fn(&ImagePath) -> Option<ImagePath>,
    /// Names with their versions; half a sentence when it is damaged.
    read: fn(&[u8]) -> Result<Vec<(String, String)>, String>,
    same_name: SameName,
    advice: fn(&Library, &str) -> String,
}

const DOTNET: Records = Records {
    kind: "dotnet",
    purl_type: "nuget",
    place: dotnet::place,
    read: dotnet::read,
    same_name: str::eq_ignore_ascii_case,
    advice: |library, fixed| format!("publish the application anew with {} {fixed}", library.name),
};

const RUBY: Records = Records {
    kind: "ruby",
    purl_type: "gem",
    place: ruby::place,
    read: ruby::read,
    same_name: str::eq,
    advice: |library, fixed| {
        format!(
            "build the image anew after 'bundle update {}' (gem {} {fixed})",
            library.name, library.name
        )
    },
};

const PHP: Records = Records {
    kind: "php",
    purl_type: "composer",
    place: php::place,
    read: php::read,
    same_name: str::eq_ignore_ascii_case,
    advice: |library, fixed| {
        format!("build the image anew after 'composer update {}' ({fixed})", library.name)
    },
};

/// Applications of .NET.
pub struct DotNet;

/// Folders of gems.
pub struct Ruby;

/// Applications that Composer installed packages for.
pub struct Php;

impl Kind for DotNet {
    fn wants(&self, path: &ImagePath, size: u64) -> bool {
        DOTNET.wants(path, size)
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        DOTNET.detect(fs)
    }
}

impl Kind for Ruby {
    fn wants(&self, path: &ImagePath, size: u64) -> bool {
        RUBY.wants(path, size)
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        RUBY.detect(fs)
    }
}

impl Kind for Php {
    fn wants(&self, path: &ImagePath, size: u64) -> bool {
        PHP.wants(path, size)
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        PHP.detect(fs)
    }
}

impl Records {
    fn wants(&self, path: &ImagePath, size: u64) -> bool {
        size <= MAX_RECORD && (self.place)(path).is_some()
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        let mut records = Vec::new();
        fs.visit(&ImagePath::root(), &mut |path, entry| {
            if let EntryKind::File(data) = &entry.kind
                && let Some(place) = (self.place)(path)
            {
                records.push((place, path.clone(), data.size));
            }
        });
        let mut stores: BTreeMap<ImagePath, Libraries> = BTreeMap::new();
        for (place, path, size) in records {
            let store = stores.entry(place).or_insert_with_key(|place| Libraries {
                store: StoreId::new(self.kind, place),
                purl_type: self.purl_type,
                order: ORDER,
                libraries: Vec::new(),
                unread: Vec::new(),
            });
            let read = match size > MAX_RECORD {
                true => Err(format!("it has {size} bytes, more than {MAX_RECORD}")),
                false => {
                    let mut bytes = Vec::new();
                    fs.open(&path)?.take(MAX_RECORD).read_to_end(&mut bytes)?;
                    (self.read)(&bytes)
                }
            };
            let found = read.and_then(|all| {
                all.iter().map(|(name, version)| Identity::new(name, version)).collect()
            });
            match found {
                Err(why) => store.unread.push(Unread { path, why }),
                Ok::<Vec<Identity>, _>(found) => {
                    store.libraries.extend(found.into_iter().map(|one| Library {
                        name: one.name().to_owned(),
                        version: VersionText(one.version().to_owned()),
                        path: path.clone(),
                        owner: None,
                        description: Description::default(),
                        mitigated: Vec::new(),
                    }));
                }
            }
        }
        stores.retain(|_, store| !(store.libraries.is_empty() && store.unread.is_empty()));
        let repairer = |mut store: Libraries| -> Box<dyn Repairer> {
            store.libraries.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
            Box::new(LibraryStore::new(store, self.same_name).built(self.advice))
        };
        Ok(stores.into_values().map(repairer).collect())
    }
}
