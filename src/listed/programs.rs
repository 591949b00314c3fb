//! Programs that say what they were built of. In come files while their layers stream by; out comes
//! a note for each such program, and from the notes the stores: one a program.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use imgfix_model::component::{Libraries, Library, StoreId};
use imgfix_model::description::Description;
use imgfix_model::path::ImagePath;
use imgfix_repair::error::Cause;
use imgfix_repair::libraries::LibraryStore;
use imgfix_repair::library_records::Identity;
use imgfix_repair::repairer::{Kind, Repairer};
use imgfix_versions::VersionText;
use imgfix_vfs::{FileSystem, Kind as EntryKind};

use crate::order::ORDER;
use crate::{go, rust};

/// The smallest program that has a list, in bytes: Go's have a megabyte, Rust's not much less.
const MIN_FILE: u64 = 64 << 10;

/// The largest program that is looked into, in bytes; it is held in memory meanwhile.
const MAX_FILE: u64 = 512 << 20;

const ELF: &[u8] = b"\x7fELF";

/// One program is in memory at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Programs of Go, and of Rust where cargo-auditable built them.
pub struct Programs;

/// A module or crate in a program.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Part {
    /// As the program writes it.
    pub name: String,
    /// As the program writes it.
    pub version: String,
}

/// What a program says.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Built {
    go: Vec<Part>,
    rust: Vec<Part>,
}

impl Kind for Programs {
    fn wants(&self, _path: &ImagePath, _size: u64) -> bool {
        false
    }

    fn note(
        &self,
        path: &ImagePath,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<Option<Bytes>> {
        // shared libraries are ldconfig's to look into
        let name = path.file_name();
        let is_library = name.windows(3).any(|part| part == b".so");
        if is_library || !(MIN_FILE..=MAX_FILE).contains(&size) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        content.take(ELF.len() as u64).read_to_end(&mut bytes)?;
        if bytes != ELF {
            return Ok(None);
        }
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        content.take(MAX_FILE).read_to_end(&mut bytes)?;
        let built = built(&bytes);
        Ok(built.and_then(|built| serde_json::to_vec(&built).ok()).map(Bytes::from))
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        let mut found = Vec::new();
        fs.visit(&ImagePath::root(), &mut |path, entry| {
            if let EntryKind::File(_) = entry.kind
                && let Some(note) = fs.note(path)
                && let Ok(Built { go, rust }) = imgfix_json::read(note)
            {
                found.extend(store("go", "golang", path, go));
                found.extend(store("rust", "cargo", path, rust));
            }
        });
        let store = |libraries: Libraries| -> Box<dyn Repairer> {
            let advice = match libraries.purl_type {
                "golang" => advice_go,
                _ => advice_rust,
            };
            Box::new(LibraryStore::new(libraries, str::eq).built(advice))
        };
        Ok(found.into_iter().map(store).collect())
    }
}

fn advice_go(library: &Library, fixed: &str) -> String {
    match library.name.as_str() {
        "stdlib" => format!("build it anew with Go {fixed}"),
        name => format!("build it anew with {name} {fixed}"),
    }
}

fn advice_rust(library: &Library, fixed: &str) -> String {
    format!("build it anew with the crate {} {fixed}", library.name)
}

/// What a program says it was built of; `None`: nothing.
fn built(bytes: &[u8]) -> Option<Built> {
    let file = object::File::parse(bytes).ok()?;
    let go = go::modules(&file, bytes).unwrap_or_default();
    let rust = rust::crates(&file).unwrap_or_default();
    (!go.is_empty() || !rust.is_empty()).then_some(Built { go, rust })
}

/// The store of a program; `None`: it has nothing of the kind.
fn store(
    kind: &'static str,
    purl_type: &'static str,
    path: &ImagePath,
    parts: Vec<Part>,
) -> Option<Libraries> {
    let library = |part: Part| {
        // names and versions that can be shown
        let identity = Identity::new(&part.name, &part.version).ok()?;
        Some(Library {
            name: identity.name().to_owned(),
            version: VersionText(identity.version().to_owned()),
            path: path.clone(),
            owner: None,
            description: Description::default(),
            mitigated: Vec::new(),
        })
    };
    let mut libraries: Vec<Library> = parts.into_iter().filter_map(library).collect();
    libraries.sort_by(|a, b| (&a.name, &a.version.0).cmp(&(&b.name, &b.version.0)));
    libraries.dedup();
    (!libraries.is_empty()).then(|| Libraries {
        store: StoreId::new(kind, path),
        purl_type,
        order: ORDER,
        libraries,
        unread: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use proptest::prelude::*;

    /// A program of 64 bits with sections of these names and contents, the first at 64.
    fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut names = vec![0];
        let mut body = Vec::new();
        // of each: its name's offset, type, offset and size
        let mut headers = vec![(0, 0, 0, 0)];
        let mut add = |names: &mut Vec<u8>, name: &str, kind: u32, content: &[u8]| {
            let offset = 64 + body.len();
            headers.push((names.len(), kind, offset, content.len()));
            names.extend(name.as_bytes());
            names.push(0);
            body.extend(content);
            body.resize(body.len().next_multiple_of(16), 0);
        };
        for (name, content) in sections {
            add(&mut names, name, 1, content);
        }
        let all = [names.as_slice(), b".shstrtab\0"].concat();
        add(&mut names, ".shstrtab", 3, &all);
        let table = 64 + body.len();
        let mut out = b"\x7fELF\x02\x01\x01".to_vec();
        out.resize(16, 0);
        out.extend([2u16, 62].iter().flat_map(|one| one.to_le_bytes()));
        out.extend(1u32.to_le_bytes());
        out.extend([0u64, 0, table as u64].iter().flat_map(|one| one.to_le_bytes()));
        out.extend(0u32.to_le_bytes());
        let count = u16::try_from(headers.len()).unwrap();
        out.extend([64u16, 56, 0, 64, count, count - 1].iter().flat_map(|one| one.to_le_bytes()));
        out.extend(&body);
        for (name, kind, offset, size) in headers {
            out.extend(u32::try_from(name).unwrap().to_le_bytes());
            out.extend(kind.to_le_bytes());
            let fields = [0, 0, offset as u64, size as u64];
            out.extend(fields.iter().flat_map(|one| one.to_le_bytes()));
            out.extend([0u32, 0].iter().flat_map(|one| one.to_le_bytes()));
            out.extend([1u64, 0].iter().flat_map(|one| one.to_le_bytes()));
        }
        out
    }

    fn go(version: &str, text: &str) -> Vec<u8> {
        let mut out = b"\xff Go buildinf:\x08\x02".to_vec();
        out.resize(32, 0);
        let text = format!("0123456789abcdef{text}0123456789abcdef");
        for text in [version, &text] {
            let mut length = text.len();
            while length > 0x7f {
                out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
                length >>= 7;
            }
            out.push(u8::try_from(length).unwrap());
            out.extend(text.as_bytes());
        }
        out
    }

    fn shown(parts: &[Part]) -> String {
        let one = |part: &Part| format!("{} {}", part.name, part.version);
        parts.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn modules_of_go_are_read() {
        let text = "path\texample.com/tool\nmod\texample.com/tool\t(devel)\t\n\
                    dep\tgolang.org/x/net\tv0.17.0\th1:x=\n\
                    dep\texample.com/old\tv1.0.0\n=>\texample.com/new\tv1.0.1\th1:y=\n\
                    build\t-compiler=gc\n";
        let built = built(&elf(&[(".go.buildinfo", &go("go1.21.3 X:boringcrypto", text))]));
        assert_eq!(
            shown(&built.unwrap().go),
            "stdlib 1.21.3, golang.org/x/net v0.17.0, example.com/new v1.0.1"
        );
    }

    #[test]
    fn crates_of_rust_are_read() {
        let text = br#"{"packages":[{"name":"adler","version":"0.2.3","source":"crates.io"},
            {"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"},
            {"name":"tool","version":"0.1.0","source":"local","root":true}]}"#;
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(text).unwrap();
        let built = built(&elf(&[(".text", b"x"), (".dep-v0", &zlib.finish().unwrap())]));
        assert_eq!(shown(&built.unwrap().rust), "adler 0.2.3");
        assert_eq!(super::built(&elf(&[(".dep-v0", b"no zlib")])), None);
        assert_eq!(super::built(b"\x7fELF"), None);
    }

    #[test]
    fn a_note_is_made_of_programs_only() {
        let program = |path: &'static str, bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes.resize(bytes.len().max(usize::try_from(MIN_FILE).unwrap()), 0);
            let (path, size) = (ImagePath::literal(path), bytes.len() as u64);
            Programs.note(&path, size, &mut &bytes[..]).unwrap().is_some()
        };
        let go = elf(&[(".go.buildinfo", &go("go1.21.3", ""))]);
        assert!(program("/usr/bin/tool", &go));
        assert!(!program("/usr/lib/libtool.so.1", &go));
        assert!(!program("/usr/bin/script", b"#!/bin/sh"));
        let path = ImagePath::literal("/usr/bin/tool");
        assert_eq!(Programs.note(&path, 100, &mut &go[..]).unwrap(), None, "too small");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>, at: u16, value: u8) {
            let _ = built(&bytes);
            let mut program = elf(&[(".go.buildinfo", &go("go1.21.3", "dep\ta\tv1\n"))]);
            let at = usize::from(at) % program.len();
            program[at] = value;
            let _ = built(&program);
            bytes.splice(0..0, program);
            let _ = built(&bytes);
        }
    }
}
