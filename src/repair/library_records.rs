//! What rooms for libraries share: records, one file for each library, are read within bounds
//! and become [`Libraries`], one for each folder that holds them.
//!
//! In come records that a room found by their paths, and its reader of one; out come stores, and
//! the records that could not be read, with the reason. A damaged record is never an error of
//! the image: the rest of it is as it was.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;

use imgfix_model::component::{Libraries, Library, StoreId, Unread};
use imgfix_model::description::{Description, License, Party};
use imgfix_model::path::ImagePath;
use imgfix_versions::{VersionOrder, VersionText};
use imgfix_vfs::{Content, Entry, FileSystem, Kind};

/// The largest record of one library that is read, in bytes: more than twice the largest that was seen
/// (pydantic's METADATA, which holds its README).
pub const MAX_RECORD: u64 = 256 << 10;

/// What the records of one kind in one image may have together, in bytes.
const MAX_TOTAL: u64 = 256 << 20;

/// The longest name or version, in bytes. npm refuses names over 214 characters.
const MAX_TEXT: usize = 256;

/// A kind of store that has files which say what its libraries are: one each, or one of all.
pub struct Ecosystem {
    /// The word in [`StoreId`]: `python`.
    pub kind: &'static str,
    /// The type word of package URLs: `pypi`.
    pub purl_type: &'static str,
    /// How versions of these libraries are compared.
    pub order: VersionOrder,
    /// The largest record that is read, in bytes.
    pub largest: u64,
    /// Reads a record: the libraries that it is about; half a sentence when it is damaged.
    pub read: fn(&[u8]) -> Result<Vec<Identity>, String>,
}

/// Which library a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    name: String,
    version: String,
    description: Description,
}

impl Identity {
    /// A name and a version that can be shown and compared.
    ///
    /// # Errors
    /// One is empty, too long, or has control characters: half a sentence.
    pub fn new(name: &str, version: &str) -> Result<Self, String> {
        for (what, text) in [("name", name), ("version", version)] {
            if text.is_empty() {
                return Err(format!("it has an empty {what}"));
            }
            if text.len() > MAX_TEXT {
                return Err(format!("its {what} has more than {MAX_TEXT} bytes"));
            }
            if text.chars().any(char::is_control) {
                return Err(format!("its {what} has control characters"));
            }
        }
        let description = Description::default();
        Ok(Self { name: name.to_owned(), version: version.to_owned(), description })
    }

    /// With what the record says beside.
    #[must_use]
    pub fn described(self, supplier: Option<Party>, license: Option<License>) -> Self {
        Self { description: Description { supplier, license, needs: None }, ..self }
    }

    /// As the record writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As the record writes it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What the record says beside.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }
}

/// A file that records a library.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// The folder of its store.
    pub place: ImagePath,
    /// The file itself, or a link to it.
    pub path: ImagePath,
}

impl Ecosystem {
    /// Reads records, in whatever order they come. Stores are sorted by place; one of which no
    /// record could be read is there, too. Which system packages the records belong to is not
    /// known yet.
    #[must_use]
    pub fn libraries(&self, fs: &dyn FileSystem, mut records: Vec<Record>) -> Vec<Libraries> {
        records.sort_unstable();
        records.dedup();
        let mut left = MAX_TOTAL;
        let mut stores: BTreeMap<ImagePath, Libraries> = BTreeMap::new();
        for Record { place, path } in records {
            let store = stores.entry(place).or_insert_with_key(|place| self.empty(place));
            let found = match self.read(fs, &path, &mut left) {
                Ok(found) => found,
                Err(why) => {
                    store.unread.push(Unread { path, why });
                    continue;
                }
            };
            store.libraries.extend(found.into_iter().map(|one| {
                let Identity { name, version, description } = one;
                let (version, path) = (VersionText(version), path.clone());
                Library { name, version, path, owner: None, description, mitigated: Vec::new() }
            }));
        }
        let mut stores: Vec<Libraries> = stores.into_values().collect();
        for store in &mut stores {
            store.libraries.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
        }
        stores
    }

    fn empty(&self, place: &ImagePath) -> Libraries {
        Libraries {
            store: StoreId::new(self.kind, place),
            purl_type: self.purl_type,
            order: self.order,
            libraries: Vec::new(),
            unread: Vec::new(),
        }
    }

    fn read(
        &self,
        fs: &dyn FileSystem,
        path: &ImagePath,
        left: &mut u64,
    ) -> Result<Vec<Identity>, String> {
        let mut entry = fs.lstat(path);
        let mut path = Cow::Borrowed(path);
        if entry.is_some_and(Entry::is_symlink) {
            path = Cow::Owned(fs.resolve(&path).map_err(|error| error.to_string())?);
            entry = fs.lstat(&path);
        }
        let Some(Kind::File(data)) = entry.map(|entry| &entry.kind) else {
            return Err("it leads to no file".to_owned());
        };
        if data.size > self.largest {
            return Err(format!("it has {} bytes, more than {}", data.size, self.largest));
        }
        *left = left.checked_sub(data.size).ok_or_else(|| {
            format!("the image has more than {MAX_TOTAL} bytes of records of this kind")
        })?;
        if let Content::Inline(bytes) = &data.content {
            return (self.read)(bytes);
        }
        let mut bytes = Vec::new();
        let stream = fs.open(&path).map_err(|error| error.to_string())?;
        stream.take(self.largest).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        (self.read)(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{NoLayers, Tree};

    const LINES: Ecosystem = Ecosystem {
        kind: "lines",
        purl_type: "line",
        order: VersionOrder::DPKG,
        largest: MAX_RECORD,
        read: |bytes| {
            let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
            let (name, version) = text.split_once(' ').unwrap_or((text, ""));
            Ok(vec![Identity::new(name, version)?])
        },
    };

    fn unread(found: &[Libraries]) -> impl Iterator<Item = &Unread> {
        found.iter().flat_map(|store| &store.unread)
    }

    fn record(place: &'static str, path: &'static str) -> Record {
        Record { place: ImagePath::literal(place), path: ImagePath::literal(path) }
    }

    #[test]
    fn stores_are_sorted_and_damage_is_named() {
        let big = vec![b'x'; usize::try_from(MAX_RECORD).unwrap() + 1];
        let file = |path, text: &[u8]| (ImagePath::literal(path), Entry::file(text.to_vec(), 0, 0));
        let long = format!("long {}", "1".repeat(MAX_TEXT + 1));
        let tree = Tree::from_entries(
            [
                file("/b/1", b"z 1"),
                file("/b/2", b"a 2"),
                file("/b/3", b"a 1"),
                file("/a/1", b"x 1"),
                file("/c/empty", b" 1"),
                file("/c/nameless", b"x"),
                file("/c/control", b"x\x1b[2J 1"),
                file("/c/long", long.as_bytes()),
                file("/c/big", &big),
                (ImagePath::literal("/a/link"), Entry::symlink("/b/1", 0)),
                (ImagePath::literal("/c/nowhere"), Entry::symlink("/x", 0)),
            ],
            Arc::new(NoLayers),
        );
        let records = [
            ("/b", "/b/3"),
            ("/b", "/b/1"),
            ("/b", "/b/2"),
            ("/a", "/a/1"),
            ("/a", "/a/link"),
            ("/a", "/a/link"),
            ("/c", "/c/empty"),
            ("/c", "/c/nameless"),
            ("/c", "/c/control"),
            ("/c", "/c/long"),
            ("/c", "/c/big"),
            ("/c", "/c/nowhere"),
        ];
        let records = records.map(|(place, path)| record(place, path)).to_vec();
        let found = LINES.libraries(&tree, records);
        let shown: Vec<String> = found
            .iter()
            .flat_map(|store| {
                store.libraries.iter().map(move |one| {
                    format!("{}: {} {} {}", store.store, one.name, one.version, one.path)
                })
            })
            .collect();
        assert_eq!(
            shown,
            [
                "lines at /a: x 1 /a/1",
                "lines at /a: z 1 /a/link",
                "lines at /b: a 2 /b/2",
                "lines at /b: a 1 /b/3",
                "lines at /b: z 1 /b/1",
            ]
        );
        let unread: Vec<String> =
            unread(&found).map(|one| format!("{}: {}", one.path, one.why)).collect();
        assert_eq!(
            unread,
            [
                "/c/big: it has 262145 bytes, more than 262144",
                "/c/control: its name has control characters",
                "/c/empty: it has an empty name",
                "/c/long: its version has more than 256 bytes",
                "/c/nameless: it has an empty version",
                "/c/nowhere: it leads to no file",
            ]
        );
    }

    #[test]
    fn records_are_bounded_together() {
        let entry = Entry::file(vec![b'x'; usize::try_from(MAX_RECORD).unwrap()], 0o644, 0);
        let number = MAX_TOTAL / MAX_RECORD + 1;
        let paths: Vec<ImagePath> =
            (0..number).map(|at| ImagePath::new(format!("/{at:05}")).unwrap()).collect();
        let entries = paths.iter().map(|path| (path.clone(), entry.clone()));
        let tree = Tree::from_entries(entries, Arc::new(NoLayers));
        let all = Ecosystem { read: |_| Ok(vec![Identity::new("x", "1")?]), ..LINES };
        let records =
            paths.into_iter().map(|path| Record { place: ImagePath::root(), path }).collect();
        let found = all.libraries(&tree, records);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].libraries.len(), 1024);
        assert_eq!(found[0].unread.len(), 1);
        let why = &found[0].unread[0].why;
        assert!(why.contains("more than 268435456 bytes"), "{why}");
    }
}
