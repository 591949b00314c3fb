//! Whole transactions against what real rpms made of the same packages: order, tree, scripts'
//! log, database.
//!
//! `IMGFIX_RPM_GOLDEN` names a folder with the packages of two repositories, and for each real tool
//! chain the database before and after an upgrade, the tree after it, and what scripts wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgfix_model::path::ImagePath;
use imgfix_repair::archive::Limits;
use imgfix_repair::virtual_runner::VirtualRunner;
use imgfix_rpm::Package;
use imgfix_rpm::archive::unpack;
use imgfix_rpm::database::{Change, Database, FileChange, Location};
use imgfix_rpm::header::{Header, tag};
use imgfix_rpm::install::{Installed, NewPackage, Options, Release, Step, install, order};
use imgfix_rpm_tools::lua::Numbers;
use imgfix_shell::Settings;
use imgfix_vfs::capabilities::Capabilities;
use imgfix_vfs::{Entry, FileSystem as _, Kind, NoLayers, Overlay, Spool, Tree};
use sha2::{Digest as _, Sha256};

use crate::scriptlets::Scriptlets;

/// The time of everything that is built and installed.
const EPOCH: i64 = 1_700_000_000;
/// The time of what was changed by hand.
const BY_HAND: i64 = 1_790_000_000;

/// A real tool chain.
struct Chain {
    name: &'static str,
    release: Release,
    numbers: Numbers,
    database: &'static str,
    /// Since 4.18 times are those of `SOURCE_DATE_EPOCH`.
    has_times: bool,
}

const CHAINS: [Chain; 7] = [
    chain("sq416", Release::new(4, 16), "/var/lib/rpm"),
    chain("bdb", Release::new(4, 16), "/var/lib/rpm"),
    chain("sq", Release::new(4, 18), "/var/lib/rpm"),
    chain("sq420", Release::new(4, 20), "/var/lib/rpm"),
    chain("ndb", Release::new(4, 20), "/usr/lib/sysimage/rpm"),
    chain("sq6", Release::new(6, 1), "/var/lib/rpm"),
    chain("ndb6", Release::new(6, 1), "/usr/lib/sysimage/rpm"),
];

const fn chain(name: &'static str, release: Release, database: &'static str) -> Chain {
    let is_old = release.minor == 16;
    let numbers = if is_old { Numbers::OneKind } else { Numbers::Floats };
    Chain { name, release, numbers, database, has_times: !is_old }
}

fn packages(folder: &Path, spool: &Spool) -> Vec<NewPackage> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "rpm"));
    files.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        let package = unpack(&bytes[..], spool, &Limits::default()).unwrap();
        let archive_digests = imgfix_rpm::archive_digests(&bytes[..]).unwrap().into();
        NewPackage { package: Arc::new(package), archive_digests }
    };
    files.into_iter().map(read).collect()
}

fn own(new: &NewPackage) -> &Package {
    &new.package.headers.package
}

/// The image and its database.
struct Image {
    overlay: Overlay,
    installed: Vec<Installed>,
    next: u32,
}

impl Image {
    fn install(&mut self, chain: &Chain, packages: &[NewPackage], steps: &[Step]) -> Vec<Change> {
        let order = order(steps, packages, &self.installed, chain.release, 3).unwrap();
        self.transactions(chain, packages, &[order])
    }

    fn transactions(
        &mut self,
        chain: &Chain,
        packages: &[NewPackage],
        transactions: &[Vec<Step>],
    ) -> Vec<Change> {
        let options = Options {
            release: chain.release,
            timestamp: EPOCH as u32,
            colour: 3,
            no_documentation: false,
            sysusers: None,
            languages: None,
            left_out: Default::default(),
            shared: Vec::new(),
            defers_posttrans: transactions.len() > 1,
        };
        let table = Arc::new(imgfix_rpm_tools::table());
        let mut runner = VirtualRunner::new(table, Settings::new(EPOCH, "x86_64"));
        let mut scripts = Scriptlets::new(&mut runner, chain.numbers);
        let outcome = install(
            &mut self.overlay,
            &self.installed,
            packages,
            transactions,
            &options,
            &mut scripts,
        )
        .unwrap_or_else(|error| panic!("{}: {error}", chain.name));
        for change in &outcome.changes {
            match change {
                Change::Add(header) => {
                    let package = Package::new(header.clone()).unwrap();
                    self.installed.push(Installed { number: self.next, package });
                    self.next += 1;
                }
                Change::Erase(number) => self.installed.retain(|one| one.number != *number),
                Change::FileState { .. } => {}
            }
        }
        outcome.changes
    }

    fn set(&mut self, path: &str, entry: Entry) {
        let path = self.overlay.resolve_parent(&ImagePath::new(path).unwrap()).unwrap();
        self.overlay.set(path, Entry { mtime: BY_HAND, ..entry }).unwrap();
    }

    /// What somebody has changed in the image, as `demo.d/local-changes` of its makers has it.
    fn change_by_hand(&mut self) {
        let own = |image: &mut Self, name: &str, text: &'static str| {
            image.set(&format!("/etc/demo/{name}"), Entry::file(text, 0o644, BY_HAND));
        };
        for name in ["B", "C", "D", "F", "H", "I", "J", "K", "Q", "R", "T.mine", "W"] {
            own(self, name, "mine\n");
        }
        for (name, text) in [("M", "M 2\n"), ("N", "state\n"), ("O", "state\n"), ("X", "unowned\n")]
        {
            own(self, name, text);
        }
        for name in ["E", "L", "U"] {
            self.overlay.remove(&ImagePath::new(format!("/etc/demo/{name}")).unwrap());
        }
        let at = ImagePath::literal("/etc/demo/S");
        let changed = |entry: &mut Entry| (entry.mode, entry.uid, entry.gid) = (0o600, 1, 1);
        self.overlay.modify(&at, changed).unwrap();
        self.set("/etc/demo/T", Entry::symlink("T.mine", BY_HAND));
        let log = ImagePath::literal("/var/log/scriptlets.log");
        self.overlay.set(log, Entry::file("", 0o644, BY_HAND)).unwrap();
    }

    /// A line a path, as the makers of the golden data wrote them.
    fn lines(&self) -> BTreeMap<String, String> {
        let mut lines = BTreeMap::new();
        let mut links: BTreeMap<_, usize> = BTreeMap::new();
        let mut found = Vec::new();
        let mut folders = vec![ImagePath::root()];
        while let Some(folder) = folders.pop() {
            for path in self.overlay.read_dir(&folder) {
                let entry = self.overlay.lstat(&path).unwrap().clone();
                match &entry.kind {
                    Kind::Directory => folders.push(path.clone()),
                    Kind::File(data) => {
                        data.link.iter().for_each(|link| *links.entry(*link).or_default() += 1);
                    }
                    _ => {}
                }
                found.push((path, entry));
            }
        }
        for (path, entry) in found {
            let (mut kind, mut count, mut target) = ("f", 1, String::from("-"));
            let mut digest = String::from("-");
            let mut time = entry.mtime.to_string();
            if entry.mtime == BY_HAND {
                time = "now".to_owned();
            }
            match &entry.kind {
                Kind::Directory => {
                    let line = format!("d {:o} {}:{}", entry.mode, entry.uid, entry.gid);
                    lines.insert(path.to_string(), line);
                    continue;
                }
                Kind::Symlink(to) => {
                    (kind, target) = ("l", String::from_utf8_lossy(to).into_owned());
                }
                Kind::CharDevice { .. } => kind = "c",
                Kind::File(data) => {
                    count = data.link.map_or(1, |link| links[&link]);
                    let content = self.overlay.read(&path).unwrap();
                    digest = imgfix_model::hex::encode(Sha256::digest(&content))[..16].to_owned();
                }
                other => panic!("{path}: {other:?}"),
            }
            let mode = if kind == "l" { 0o777 } else { entry.mode };
            let caps = entry.xattrs.iter().find(|(name, _)| name.ends_with(b"capability"));
            let caps = caps.and_then(|(_, value)| Capabilities::from_bytes(value)?.shown());
            let caps = caps.unwrap_or_else(|| "-".to_owned());
            let owner = format!("{}:{}", entry.uid, entry.gid);
            lines.insert(
                path.to_string(),
                format!(
                    "{kind} {mode:o} {owner} n={count} ->{target} t={time} {digest} caps={caps}"
                ),
            );
        }
        lines
    }
}

/// Paths that have nothing to do with packages: package managers' own.
fn is_of_package_managers(path: &str) -> bool {
    [
        "/var/lib/rpm",
        "/usr/lib/sysimage",
        "/var/lib/dnf",
        "/var/log/dnf",
        "/var/log/hawkey",
        "/var/cache",
        "/run/dnf",
        "/var/lib/yum",
        "/var/log/README",
        "/etc/dnf",
        "/var/log/scriptlets.log",
    ]
    .iter()
    .any(|one| path.starts_with(one))
}

fn golden_lines(folder: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder).unwrap();
    let lines = text.lines().map(|line| {
        let (path, rest) = line.split_once("  ").unwrap();
        let rest = match rest.starts_with("d ") {
            // neither links nor times of directories are compared
            true => rest.split(" n=").next().unwrap().to_owned(),
            false => rest.to_owned(),
        };
        (format!("/{path}"), rest)
    });
    lines.collect()
}

/// What differs between two lists of lines by path.
fn differences(ours: &BTreeMap<String, String>, real: &BTreeMap<String, String>) -> String {
    let paths: BTreeSet<&String> = ours.keys().chain(real.keys()).collect();
    let mut out = String::new();
    for path in paths.into_iter().filter(|path| !is_of_package_managers(path)) {
        let (a, b) = (ours.get(path), real.get(path));
        // what was made in this run has the time of the run there, and the given one here
        let same = |a: &str, b: &str| {
            a == b || b.contains(" t=now ") && a.replace(&format!(" t={EPOCH} "), " t=now ") == b
        };
        if a.zip(b).is_none_or(|(a, b)| !same(a, b)) {
            let none = "(not there)".to_owned();
            let (a, b) = (a.unwrap_or(&none), b.unwrap_or(&none));
            writeln!(out, "{path}\n  ours {a}\n  real {b}").unwrap();
        }
    }
    out
}

fn read_database(chain: &Chain, folder: &Path) -> (Overlay, Database) {
    let mut overlay = Overlay::new(Arc::new(Tree::from_entries([], Arc::new(NoLayers))));
    let place = ImagePath::literal(chain.database);
    for parent in place.ancestors().into_iter().chain([place.clone()]) {
        overlay.set(parent, Entry::directory(0o755, 0)).unwrap();
    }
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = place.join(entry.file_name().to_str().unwrap()).unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        overlay.set(path, Entry::file(bytes, 0o644, 0)).unwrap();
    }
    let location = Location::find(&overlay).unwrap().unwrap();
    let database = Database::read(&overlay, location).unwrap();
    (overlay, database)
}

fn headers(database: &Database) -> Vec<Installed> {
    let header = |blob: &bytes::Bytes| Header::parse(blob.clone()).unwrap();
    let records = database.records.iter();
    let one = |record: &imgfix_rpm::database::Record| Installed {
        number: record.number,
        package: Package::new(header(&record.blob)).unwrap(),
    };
    records.map(one).collect()
}

fn labels(installed: &[Installed]) -> Vec<String> {
    installed.iter().map(|one| format!("{} {}", one.number, one.package.label())).collect()
}

/// A header without what a real run has by the clock.
fn without_times(package: &Package, chain: &Chain) -> Vec<(u32, Vec<u8>)> {
    let header = package.header();
    if chain.has_times {
        return vec![(0, header.blob().to_vec())];
    }
    let timed = [tag::INSTALLTIME, tag::INSTALLTID];
    let tags = header.entries().iter().map(|entry| entry.tag).filter(|tag| !timed.contains(tag));
    tags.map(|tag| (tag.0, format!("{:?}", header.get(tag)).into_bytes())).collect()
}

/// What an upgrade does, package by package.
fn upgrade(installed: &[Installed], new: &[NewPackage]) -> Vec<Vec<Step>> {
    let group = |(at, new): (usize, &NewPackage)| {
        let names = [own(new).name(), if own(new).name() == "demo-new" { "demo-old" } else { "" }];
        let former = installed.iter().filter(|one| names.contains(&one.package.name()));
        let former = former.map(|one| Step::Erase { number: one.number, replaced_by: Some(at) });
        [Step::Install(at)].into_iter().chain(former).collect()
    };
    new.iter().enumerate().map(group).collect()
}

/// zypper's way: a transaction a package, in its own order.
fn check_zypper(golden: &Path) -> String {
    let chain = CHAINS.iter().find(|one| one.name == "ndb").unwrap();
    let spool = Spool::new().unwrap();
    let (old, new) =
        (packages(&golden.join("repo-old"), &spool), packages(&golden.join("repo-new"), &spool));
    let (_, database) = read_database(chain, &golden.join("ndb/old"));
    let mut image = Image {
        overlay: Overlay::new(Arc::new(Tree::from_entries([], Arc::new(NoLayers)))),
        installed: Vec::new(),
        next: 1,
    };
    let steps: Vec<Step> = (0..old.len()).map(Step::Install).collect();
    image.install(chain, &old, &steps);
    image.installed = headers(&database);
    image.change_by_hand();
    image.next = 1 + image.installed.iter().map(|one| one.number).max().unwrap();
    let said = std::fs::read_to_string(golden.join("zypp/up.log")).unwrap();
    let order = said.lines().filter_map(|line| line.split_once(") Installing: "));
    let order = order.map(|(_, rest)| rest.split(" [").next().unwrap());
    let groups = upgrade(&image.installed, &new);
    let transactions: Vec<Vec<Step>> = order
        .map(|label| {
            // zypper leaves out an epoch of 0
            let is_it = |new: &NewPackage| own(new).label().replace("-0:", "-") == label;
            groups[new.iter().position(is_it).unwrap_or_else(|| panic!("{label}"))].clone()
        })
        .collect();
    assert_eq!(transactions.len(), new.len());
    image.transactions(chain, &new, &transactions);
    let log = ImagePath::literal("/var/log/scriptlets.log");
    let ours = String::from_utf8(image.overlay.read(&log).unwrap().to_vec()).unwrap();
    let real = std::fs::read_to_string(golden.join("zypp/scriptlets.log")).unwrap();
    // The real log is of Debian's rpm, which drops the transaction file triggers of packages with a
    // %posttrans; SUSE's hands them to zypper.
    let ours = ours.split_inclusive('\n').take(real.lines().count()).collect::<String>();
    if ours == real { String::new() } else { format!("ours\n{ours}\nreal\n{real}") }
}

fn check(chain: &Chain, golden: &Path) -> String {
    let spool = Spool::new().unwrap();
    let mut wrong = String::new();
    let (old, new) =
        (packages(&golden.join("repo-old"), &spool), packages(&golden.join("repo-new"), &spool));
    let (before, database) = read_database(chain, &golden.join(chain.name).join("old"));
    let key: Vec<Installed> =
        headers(&database).into_iter().filter(|one| one.package.is_key()).collect();
    let mut image = Image {
        overlay: Overlay::new(Arc::new(Tree::from_entries([], Arc::new(NoLayers)))),
        next: key.iter().map(|one| one.number).max().unwrap_or(0) + 1,
        installed: key,
    };
    let steps: Vec<Step> = (0..old.len()).map(Step::Install).collect();
    image.install(chain, &old, &steps);
    let (ours, real) = (labels(&image.installed), labels(&headers(&database)));
    if ours != real {
        writeln!(wrong, "installation's order\n  ours {ours:#?}\n  real {real:#?}").unwrap();
    }
    image.installed = headers(&database);
    image.change_by_hand();
    let real = golden_lines(&golden.join(chain.name).join("tree.old"));
    let differ = differences(&image.lines(), &real);
    if !differ.is_empty() {
        writeln!(wrong, "tree before\n{differ}").unwrap();
    }
    image.next = 1 + image.installed.iter().map(|one| one.number).max().unwrap();
    let mut groups = upgrade(&image.installed, &new);
    // dnf tells rpm of what is new first
    let is_newer = |package: &NewPackage| {
        image.installed.iter().any(|one| one.package.name() == own(package).name())
    };
    groups.sort_by_key(|group| match group.first() {
        Some(Step::Install(at)) => is_newer(&new[*at]),
        _ => true,
    });
    let steps = groups.concat();
    let changes = image.install(chain, &new, &steps);
    let (_, database_after) = read_database(chain, &golden.join(chain.name).join("new"));
    let after = headers(&database_after);
    let (ours, theirs) = (labels(&image.installed), labels(&after));
    if ours != theirs {
        writeln!(wrong, "upgrade's order\n  ours {ours:#?}\n  real {theirs:#?}").unwrap();
    }
    for (ours, real) in image.installed.iter().zip(&after) {
        let same = without_times(&ours.package, chain) == without_times(&real.package, chain);
        if ours.package.label() == real.package.label() && !same {
            writeln!(wrong, "header of {} differs", real.package.label()).unwrap();
        }
    }
    let log = ImagePath::literal("/var/log/scriptlets.log");
    let ours = String::from_utf8(image.overlay.read(&log).unwrap().to_vec()).unwrap();
    let real = std::fs::read_to_string(golden.join(chain.name).join("scriptlets.log")).unwrap();
    if ours != real {
        let at = ours.lines().zip(real.lines()).take_while(|(a, b)| a == b).count();
        let rest = |text: &str| text.lines().skip(at).take(6).collect::<Vec<_>>().join("\n    ");
        writeln!(
            wrong,
            "scripts' log, line {}\n  ours\n    {}\n  real\n    {}",
            at + 1,
            rest(&ours),
            rest(&real)
        )
        .unwrap();
    }
    let real = golden_lines(&golden.join(chain.name).join("tree.new"));
    let differ = differences(&image.lines(), &real);
    if !differ.is_empty() {
        writeln!(wrong, "tree after\n{differ}").unwrap();
    }
    let written = database.write(&before, &changes).unwrap();
    let mut written_to = before;
    for (path, change) in written.files {
        match change {
            FileChange::Write(bytes) => {
                written_to.set(path, Entry::file(bytes, 0o644, 0)).unwrap();
            }
            FileChange::Remove => written_to.remove(&path),
        }
    }
    let ours = headers(&Database::read(&written_to, database.location).unwrap());
    if labels(&ours) != theirs {
        writeln!(wrong, "database written\n  ours {:#?}", labels(&ours)).unwrap();
    }
    wrong
}

/// The folder of golden data, where it is at hand.
fn golden() -> Option<PathBuf> {
    let Some(golden) = std::env::var_os("IMGFIX_RPM_GOLDEN").map(PathBuf::from) else {
        eprintln!("NOT RUN: IMGFIX_RPM_GOLDEN names no folder with what real rpms made");
        return None;
    };
    let inner = golden.join("golden");
    Some(if inner.is_dir() { inner } else { golden })
}

/// Scripts nest deep.
fn with_deep_stack(work: impl FnOnce() -> String + Send) -> String {
    imgfix_repair::apply::with_deep_stack(work).unwrap()
}

#[test]
fn transactions_are_those_of_real_rpms() {
    let Some(golden) = golden() else { return };
    let mut wrong = String::new();
    for chain in CHAINS {
        let found = with_deep_stack(|| check(&chain, &golden));
        if !found.is_empty() {
            writeln!(wrong, "===== {}\n{found}", chain.name).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_transaction_a_package_runs_the_scripts_that_zypper_runs() {
    let Some(golden) = golden() else { return };
    let wrong = with_deep_stack(|| check_zypper(&golden));
    assert!(wrong.is_empty(), "{wrong}");
}
