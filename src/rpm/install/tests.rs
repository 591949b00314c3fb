//! Small packages over small images, each rule by itself.

use std::collections::BTreeMap;

use imgfix_vfs::{FileSystem as _, Kind, NoLayers, Tree};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::archive::{Headers, Owner, PayloadEntry, PayloadKind};
use crate::header::installed::FileState;
use crate::header::{Header, NewHeader, Tag, tag};
use crate::package::RelationKind;
use imgfix_repair::script_run::{Ran, Trouble};
use imgfix_vfs::{Content, Entry, Xattrs};

mod dropped;
mod order;
mod rules;
mod sysusers;

const CONFIG: u32 = 1;
const DOC: u32 = 2;
const MISSINGOK: u32 = 8;
const NOREPLACE: u32 = 17;
const GHOST: u32 = 64;

/// A file of a sample package.
#[derive(Clone, Copy)]
struct Sample {
    path: &'static str,
    /// Its text, or a link's target.
    text: &'static str,
    mode: u32,
    flags: u32,
    user: &'static str,
    group: &'static str,
    inode: u32,
    langs: &'static str,
    colour: u32,
    caps: &'static str,
}

fn file(path: &'static str, text: &'static str) -> Sample {
    Sample {
        path,
        text,
        mode: 0o100644,
        flags: 0,
        user: "root",
        group: "root",
        inode: 0,
        langs: "",
        colour: 0,
        caps: "",
    }
}

fn config(path: &'static str, text: &'static str, flags: u32) -> Sample {
    Sample { flags, ..file(path, text) }
}

fn directory(path: &'static str) -> Sample {
    Sample { mode: 0o40755, ..file(path, "") }
}

fn link(path: &'static str, target: &'static str) -> Sample {
    Sample { mode: 0o120777, ..file(path, target) }
}

fn new_package(name: &str, version: &str, files: &[Sample]) -> NewPackage {
    let header = header(name, version, files);
    let mut firsts: BTreeMap<u32, &Sample> = BTreeMap::new();
    let payload = files.iter().filter(|file| file.flags & GHOST == 0).map(|file| {
        let kind = match file.mode & 0o170_000 {
            0o040_000 => PayloadKind::Directory,
            0o120_000 => PayloadKind::Symlink(file.text.into()),
            0o020_000 => PayloadKind::CharDevice { major: 1, minor: 3 },
            _ => match firsts.get(&file.inode) {
                Some(first) if file.inode != 0 => PayloadKind::HardLink(first.path.into()),
                _ => {
                    firsts.insert(file.inode, file);
                    let content = Content::Inline(file.text.into());
                    PayloadKind::File { content, size: file.text.len() as u64 }
                }
            },
        };
        let owner = || Owner { name: None, id: 0 };
        PayloadEntry {
            path: file.path.into(),
            kind,
            mode: file.mode & 0o7777,
            user: owner(),
            group: owner(),
            mtime: 5,
            xattrs: Xattrs::new(),
            checksum: None,
        }
    });
    let signature = NewHeader::default().region(tag::HEADERSIGNATURES).unwrap();
    let headers = Headers { signature, package: Package::new(header).unwrap() };
    let package = RpmPackage::for_test(headers, payload.collect());
    NewPackage { package: Arc::new(package), archive_digests: Vec::new() }
}

fn header(name: &str, version: &str, files: &[Sample]) -> Header {
    let mut new = NewHeader::default();
    new.string(tag::NAME, name.as_bytes());
    new.string(tag::VERSION, version.as_bytes());
    new.string(tag::RELEASE, b"1");
    new.string(tag::ARCH, b"noarch");
    new.string(tag::SOURCERPM, b"sample.src.rpm");
    let mut folders: Vec<&str> = Vec::new();
    let mut indexes = Vec::new();
    for file in files {
        let folder = &file.path[..=file.path.rfind('/').unwrap()];
        let at = folders.iter().position(|known| *known == folder);
        indexes.push(at.unwrap_or(folders.len()) as u32);
        if at.is_none() {
            folders.push(folder);
        }
    }
    if !files.is_empty() {
        let texts = |text: &dyn Fn(&Sample) -> String| files.iter().map(text).collect::<Vec<_>>();
        let mut strings = |tag, texts: Vec<String>| {
            let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            new.strings(tag, &texts);
        };
        let is = |file: &Sample, kind| file.mode & 0o170_000 == kind;
        strings(
            tag::BASENAMES,
            texts(&|file| file.path[file.path.rfind('/').unwrap() + 1..].to_owned()),
        );
        strings(tag::DIRNAMES, folders.iter().map(|folder| (*folder).to_owned()).collect());
        let digest = |file: &Sample| match is(file, 0o100_000) && file.flags & GHOST == 0 {
            true => imgfix_model::hex::encode(Sha256::digest(file.text)),
            false => String::new(),
        };
        strings(tag::FILEDIGESTS, texts(&digest));
        let target = |file: &Sample| match is(file, 0o120_000) {
            true => file.text.to_owned(),
            false => String::new(),
        };
        strings(tag::FILELINKTOS, texts(&target));
        strings(tag::FILEUSERNAME, texts(&|file| file.user.to_owned()));
        strings(tag::FILEGROUPNAME, texts(&|file| file.group.to_owned()));
        strings(tag::FILELANGS, texts(&|file| file.langs.to_owned()));
        strings(tag::FILECAPS, texts(&|file| file.caps.to_owned()));
        let numbers =
            |number: &dyn Fn(&Sample) -> u32| files.iter().map(number).collect::<Vec<_>>();
        new.numbers(tag::DIRINDEXES, &indexes);
        new.numbers(tag::FILESIZES, &numbers(&|file| file.text.len() as u32));
        new.numbers(tag::FILEMTIMES, &numbers(&|_| 5));
        new.numbers(tag::FILEFLAGS, &numbers(&|file| file.flags));
        new.numbers(tag::FILECOLORS, &numbers(&|file| file.colour));
        let modes: Vec<u16> = files.iter().map(|file| file.mode as u16).collect();
        new.short_numbers(tag::FILEMODES, &modes);
        new.number(tag::FILEDIGESTALGO, 8);
    }
    new.region(tag::HEADERIMMUTABLE).unwrap()
}

fn options() -> Options {
    Options {
        release: Release::new(4, 18),
        timestamp: 100,
        colour: 3,
        no_documentation: false,
        sysusers: None,
        languages: None,
        left_out: HashSet::new(),
        shared: Vec::new(),
        defers_posttrans: false,
    }
}

/// For packages without scripts.
struct NoCalls;

impl Scripts for NoCalls {
    fn run(&mut self, _: &mut Overlay, call: &ScriptCall) -> Result<Ran, Trouble> {
        panic!("{call:?}")
    }
}

/// An image, and what its database has.
struct Image {
    overlay: Overlay,
    installed: Vec<Installed>,
    last: u32,
    options: Options,
}

impl Image {
    fn new() -> Self {
        let tree = Tree::from_entries(Vec::new(), Arc::new(NoLayers));
        let overlay = Overlay::new(Arc::new(tree));
        Self { overlay, installed: Vec::new(), last: 0, options: options() }
    }

    fn put(&mut self, path: &'static str, entry: Entry) {
        self.overlay.set(ImagePath::literal(path), entry).unwrap();
    }

    fn text(&mut self, path: &'static str, text: &'static str) {
        self.put(path, Entry::file(text, 0o640, 9));
    }

    /// Takes the changes over, as a database would.
    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Add(header) => {
                    self.last += 1;
                    let package = Package::new(header.clone()).unwrap();
                    self.installed.push(Installed { number: self.last, package });
                }
                Change::Erase(number) => self.installed.retain(|one| one.number != *number),
                Change::FileState { .. } => {}
            }
        }
    }

    /// As `rpm -U`: what has the same name goes.
    fn upgrade(&mut self, packages: &[NewPackage]) -> Result<Outcome, InstallError> {
        let mut steps: Vec<Step> = (0..packages.len()).map(Step::Install).collect();
        for one in &self.installed {
            let is_it = |new: &NewPackage| {
                new.package.headers.package.name() == one.package.name()
                    && new.package.headers.package.arch() == one.package.arch()
            };
            let replaced_by = packages.iter().position(is_it);
            if replaced_by.is_some() {
                steps.push(Step::Erase { number: one.number, replaced_by });
            }
        }
        self.run(packages, &steps)
    }

    fn remove(&mut self, name: &str) -> Result<Outcome, InstallError> {
        let number = self.installed.iter().find(|one| one.package.name() == name).unwrap().number;
        self.run(&[], &[Step::Erase { number, replaced_by: None }])
    }

    fn install(
        &mut self,
        packages: &[NewPackage],
        steps: &[Step],
    ) -> Result<Outcome, InstallError> {
        let (overlay, installed) = (&mut self.overlay, &self.installed);
        install(overlay, installed, packages, &[steps.to_vec()], &self.options, &mut NoCalls)
    }

    fn run(&mut self, packages: &[NewPackage], steps: &[Step]) -> Result<Outcome, InstallError> {
        let outcome = self.install(packages, steps)?;
        self.apply(&outcome.changes);
        Ok(outcome)
    }

    /// Everything below a directory: `name text`, `name/`, `name -> target`.
    fn shown(&self, below: &'static str) -> Vec<String> {
        let below = ImagePath::literal(below);
        let shown = |path: &ImagePath| {
            let name = String::from_utf8_lossy(&path.as_bytes()[below.as_bytes().len()..]);
            let name = name.trim_start_matches('/').to_owned();
            match &self.overlay.lstat(path).unwrap().kind {
                Kind::Directory => format!("{name}/"),
                Kind::Symlink(to) => format!("{name} -> {}", String::from_utf8_lossy(to)),
                Kind::File(_) => {
                    format!("{name} {}", String::from_utf8_lossy(&self.overlay.read(path).unwrap()))
                }
                other => format!("{name} {other:?}"),
            }
        };
        self.overlay.walk(&below).iter().filter(|path| **path != below).map(shown).collect()
    }

    fn entry(&self, path: &'static str) -> &Entry {
        self.overlay.lstat(&ImagePath::literal(path)).unwrap()
    }

    /// What the database says of the files of the last package with this name.
    fn states(&self, name: &str) -> Vec<FileState> {
        let found = self.installed.iter().rev().find(|one| one.package.name() == name).unwrap();
        found.package.files().unwrap().iter().map(|file| file.state).collect()
    }
}

/// Writes down what it is to run; scripts whose text is `false` fail.
#[derive(Default)]
struct Recorder(Vec<String>);

impl Scripts for Recorder {
    fn run(&mut self, _: &mut Overlay, call: &ScriptCall) -> Result<Ran, Trouble> {
        let paths: Vec<_> = call.paths.iter().map(|path| String::from_utf8_lossy(path)).collect();
        self.0.push(format!("{} {:?} {}", call.title, call.counts, paths.join(" ")));
        let fails = call.body.as_deref() == Some(b"false");
        Ok(Ran { status: fails.into(), transcript: Vec::new() })
    }
}

#[test]
fn scripts_run_at_their_moments() {
    let with = |new: &NewPackage, fails: bool| {
        let header = new.package.headers.package.header();
        let mut more = NewHeader::default();
        for entry in header.entries() {
            more.copy(header, entry.tag, entry.tag);
        }
        for tag in [tag::PRETRANS, tag::PREIN, tag::POSTIN, tag::PREUN, tag::POSTUN, tag::POSTTRANS]
        {
            more.string(tag, if fails && tag == tag::POSTIN { b"false" } else { b"true" });
        }
        let headers = Headers {
            signature: new.package.headers.signature.clone(),
            package: Package::new(more.region(tag::HEADERIMMUTABLE).unwrap()).unwrap(),
        };
        let package = RpmPackage::for_test(headers, new.package.payload.clone());
        NewPackage { package: Arc::new(package), archive_digests: Vec::new() }
    };
    let mut image = Image::new();
    for (version, steps) in [
        ("1", vec![Step::Install(0)]),
        ("2", vec![Step::Install(0), Step::Erase { number: 1, replaced_by: Some(0) }]),
    ] {
        let new = with(&new_package("a", version, &[file("/d/x", "1")]), version == "2");
        let mut recorder = Recorder::default();
        let (overlay, installed) = (&mut image.overlay, &image.installed);
        let outcome = install(overlay, installed, &[new], &[steps], &image.options, &mut recorder);
        let outcome = outcome.unwrap();
        image.apply(&outcome.changes);
        let want: &[&str] = match version {
            "1" => &[
                "%pretrans(a-1-1.noarch) [1] ",
                "%prein(a-1-1.noarch) [1] ",
                "%post(a-1-1.noarch) [1] ",
                "%posttrans(a-1-1.noarch) [1] ",
            ],
            _ => &[
                "%pretrans(a-2-1.noarch) [2] ",
                "%prein(a-2-1.noarch) [2] ",
                "%post(a-2-1.noarch) [2] ",
                "%preun(a-1-1.noarch) [1] ",
                "%postun(a-1-1.noarch) [1] ",
                "%posttrans(a-2-1.noarch) [2] ",
            ],
        };
        assert_eq!(recorder.0, want);
        let failed = |effect: &&Effect| matches!(effect.kind, EffectKind::ScriptFailed { .. });
        let failed: Vec<&Effect> = outcome.effects.iter().filter(failed).collect();
        assert_eq!(failed.len(), usize::from(version == "2"));
    }
}
