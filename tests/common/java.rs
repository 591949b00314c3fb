//! A repository of Maven's layout on this machine, and archives of Java.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use imgfix_zip::testing::Made;
use serde_json::Value;
use sha1::{Digest as _, Sha1};

use super::cli::{Place, fixture};
use super::hostile::{Response, Server};
use super::libraries::{self, Found};
use super::registry::run;

/// The only key that signs in tests, and its public part.
const SECRET: &str = "repository/test-only-secret-key.asc";
pub const KEY: &str = "repository/key.asc";

/// An archive that says what it is.
#[derive(Clone)]
pub struct Jar {
    pub name: String,
    pub version: String,
    pub entries: Vec<(String, Vec<u8>)>,
}

impl Jar {
    /// `GROUP:ARTIFACT` at a version, with Maven's `pom.properties`.
    pub fn new(name: &str, version: &str) -> Self {
        let own = Self { name: name.into(), version: version.into(), entries: Vec::new() };
        own.and(name, version)
    }

    /// The libraries of nobody: an application's archive.
    pub fn of(entries: &[(&str, Vec<u8>)]) -> Self {
        let application = Self { name: String::new(), version: String::new(), entries: Vec::new() };
        entries.iter().fold(application, |jar, (name, content)| jar.with(name, content))
    }

    /// What it says to be, too.
    pub fn and(self, name: &str, version: &str) -> Self {
        let (group, artifact) = name.split_once(':').expect("GROUP:ARTIFACT");
        let text = format!("groupId={group}\nartifactId={artifact}\nversion={version}\n");
        self.with(&format!("META-INF/maven/{group}/{artifact}/pom.properties"), text.as_bytes())
    }

    pub fn with(mut self, name: &str, content: &[u8]) -> Self {
        self.entries.push((name.to_owned(), content.to_vec()));
        self
    }

    /// A public class with public methods, which calls methods `CLASS.NAME`.
    pub fn class(self, name: &str, methods: &[&str], calls: &[&str]) -> Self {
        self.with(&format!("{name}.class"), &class(name, methods, calls))
    }

    pub fn bytes(&self) -> Vec<u8> {
        let entries: Vec<(&str, &[u8])> =
            self.entries.iter().map(|(name, content)| (&**name, &**content)).collect();
        Made::of(&entries).bytes()
    }

    /// The folder of all its versions in a repository.
    fn folder(&self) -> String {
        let (group, artifact) = self.name.split_once(':').expect("GROUP:ARTIFACT");
        format!("{}/{artifact}", group.replace('.', "/"))
    }

    /// Where a repository has it.
    pub fn path(&self) -> String {
        let (folder, version) = (self.folder(), &self.version);
        let artifact = folder.rsplit('/').next().unwrap_or_default();
        format!("/{folder}/{version}/{artifact}-{version}.jar")
    }
}

/// A class file: every method is `()V`.
fn class(name: &str, methods: &[&str], calls: &[&str]) -> Vec<u8> {
    let (mut pool, mut count) = (Vec::new(), 0_u16);
    let mut add = |constant: Vec<u8>| {
        pool.extend(constant);
        count += 1;
        count
    };
    let text = |text: &str| {
        let length = u16::try_from(text.len()).expect("short").to_be_bytes();
        [&[1], &length[..], text.as_bytes()].concat()
    };
    let one = |tag: u8, a: u16| [&[tag], &a.to_be_bytes()[..]].concat();
    let pair = |tag: u8, a: u16, b: u16| [&[tag], &a.to_be_bytes()[..], &b.to_be_bytes()].concat();
    let own = add(text(name));
    let this = add(one(7, own));
    let object = add(text("java/lang/Object"));
    let superclass = add(one(7, object));
    let descriptor = add(text("()V"));
    let names: Vec<u16> = methods.iter().map(|name| add(text(name))).collect();
    for call in calls {
        let (class, name) = call.rsplit_once('.').expect("CLASS.NAME");
        let (class, name) = (add(text(class)), add(text(name)));
        let (class, name) = (add(one(7, class)), add(pair(12, name, descriptor)));
        add(pair(10, class, name));
    }
    let mut out = [&[0xca, 0xfe, 0xba, 0xbe][..], &[0, 0, 0, 61]].concat();
    out.extend((count + 1).to_be_bytes());
    out.extend(pool);
    for number in [1, this, superclass, 0, 0, u16::try_from(names.len()).expect("few")] {
        out.extend(number.to_be_bytes());
    }
    for name in names {
        for number in [1, name, descriptor, 0] {
            out.extend(number.to_be_bytes());
        }
    }
    out.extend([0, 0]);
    out
}

/// A repository that serves archives, each with its SHA-1.
pub struct Maven {
    pub server: Server,
    /// What it has, by path; a test may change it.
    pub files: Arc<Mutex<BTreeMap<String, Response>>>,
}

impl Maven {
    pub fn start(jars: &[Jar]) -> Self {
        let mut files = BTreeMap::new();
        let mut versions: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for jar in jars {
            let bytes = jar.bytes();
            let sha1 = imgfix_model::hex::encode(Sha1::digest(&bytes));
            files.insert(format!("{}.sha1", jar.path()), Response::new(200, sha1));
            files.insert(jar.path(), Response::new(200, bytes));
            versions.entry(jar.folder()).or_default().push(&jar.version);
        }
        for (folder, versions) in versions {
            let versions: String =
                versions.iter().map(|one| format!("<version>{one}</version>")).collect();
            let text = format!(
                "<metadata><versioning><versions>{versions}</versions></versioning></metadata>"
            );
            files.insert(format!("/{folder}/maven-metadata.xml"), Response::new(200, text));
        }
        let files = Arc::new(Mutex::new(files));
        let answers = Arc::clone(&files);
        let server = Server::start(move |request| {
            let files = answers.lock().expect("files");
            files.get(&request.path).cloned().unwrap_or_else(|| Response::new(404, ""))
        });
        Self { server, files }
    }

    pub fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        let answer = Response::new(200, content.into());
        self.files.lock().expect("files").insert(path.to_owned(), answer);
    }

    /// Makes it the mirror of everything in the settings of a place's user.
    pub fn settings(&self, place: &Place) {
        let folder = place.path("home/.m2");
        std::fs::create_dir_all(&folder).expect("directory");
        let text = format!(
            "<settings><mirrors><mirror><id>test</id><mirrorOf>*</mirrorOf>\
             <url>http://{}/</url></mirror></mirrors></settings>",
            self.server.host
        );
        std::fs::write(folder.join("settings.xml"), text).expect("settings");
    }
}

/// An armored signature over a file's content, by the key of tests.
pub fn signature(place: &Place, content: &[u8]) -> Vec<u8> {
    let keys = place.path("keys");
    if !keys.exists() {
        std::fs::create_dir(&keys).expect("directory");
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o700)).expect("mode");
    }
    let home = keys.display().to_string();
    let gpg = |arguments: &[&str]| {
        let first = ["--homedir", &home, "--batch", "--yes", "--quiet"];
        run("gpg", &[&first[..], arguments].concat());
    };
    gpg(&["--import", &fixture(SECRET).display().to_string()]);
    let file = keys.join("signed");
    std::fs::write(&file, content).expect("file");
    gpg(&["--armor", "--detach-sign", &file.display().to_string()]);
    std::fs::read(keys.join("signed.asc")).expect("signature")
}

/// A Trivy report about archives of Java.
pub fn trivy(found: &[Found<'_>]) -> Value {
    libraries::trivy("Java", "jar", found)
}
