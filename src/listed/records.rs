//! Stores that have their libraries in small files: .NET's `*.deps.json`, gems' specifications,
//! Composer's `installed.json`. In comes a tree; out come its stores, listed and judged.

use imgfix_model::component::Libraries;
use imgfix_model::path::ImagePath;
use imgfix_repair::error::Cause;
use imgfix_repair::judge::SameName;
use imgfix_repair::libraries::{Advice, LibraryStore};
use imgfix_repair::library_records::{Ecosystem, Identity, Record};
use imgfix_repair::repairer::{Kind, Repairer};
use imgfix_vfs::FileSystem;

use crate::order::ORDER;
use crate::{dotnet, php, ruby};

/// The largest record that is read, in bytes.
const MAX_RECORD: u64 = 8 << 20;

/// A kind of record.
struct Records {
    ecosystem: Ecosystem,
    /// The folder of the store, when a record has this path.
    place: fn(&ImagePath) -> Option<ImagePath>,
    same_name: SameName,
    advice: Advice,
}

/// Names and versions that can be shown and compared.
fn identities(all: Vec<(String, String)>) -> Result<Vec<Identity>, String> {
    all.iter().map(|(name, version)| Identity::new(name, version)).collect()
}

const fn ecosystem(
    kind: &'static str,
    purl_type: &'static str,
    read: fn(&[u8]) -> Result<Vec<Identity>, String>,
) -> Ecosystem {
    Ecosystem { kind, purl_type, order: ORDER, largest: MAX_RECORD, read }
}

const DOTNET: Records = Records {
    ecosystem: ecosystem("dotnet", "nuget", |record| identities(dotnet::read(record)?)),
    place: dotnet::place,
    same_name: str::eq_ignore_ascii_case,
    advice: |library, fixed| format!("publish the application anew with {} {fixed}", library.name),
};

const RUBY: Records = Records {
    ecosystem: ecosystem("ruby", "gem", |record| identities(ruby::read(record)?)),
    place: ruby::place,
    same_name: str::eq,
    advice: |library, fixed| {
        format!(
            "build the image anew after 'bundle update {}' (gem {} {fixed})",
            library.name, library.name
        )
    },
};

const PHP: Records = Records {
    ecosystem: ecosystem("php", "composer", |record| identities(php::read(record)?)),
    place: php::place,
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
            if entry.is_file()
                && let Some(place) = (self.place)(path)
            {
                records.push(Record { place, path: path.clone() });
            }
        });
        let mut stores = self.ecosystem.libraries(fs, records);
        // an application may have no packages
        stores.retain(|store| !(store.libraries.is_empty() && store.unread.is_empty()));
        let repairer = |store: Libraries| -> Box<dyn Repairer> {
            Box::new(LibraryStore::new(store, self.same_name).built(self.advice))
        };
        Ok(stores.into_iter().map(repairer).collect())
    }
}
