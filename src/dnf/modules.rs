//! Streams of modules: which packages are seen when one stream of a module is chosen.
//!
//! In come the documents of `modules.yaml`, what the image has enabled, and its platform; out
//! comes a [`ModuleFilter`]: packages of streams that are not active are hidden, and so are
//! packages of no module that have the name of one of an active stream. Source: libmodulemd's
//! `yaml_specs`, libdnf's `ModulePackageContainer`, and dnf.modularity(7).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Deserialize;

use super::ini;
use super::primary::{Package, RelationKind};
use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem, Memory, OverBudget, Reserved, RootfsError};

/// The most unpacked bytes of one `modules.yaml`. Real ones have some ten megabytes.
pub const MAX_UNPACKED: u64 = 256 << 20;

/// The most documents of one file, and the largest of them in bytes.
const MAX_DOCUMENTS: usize = 20_000;
const MAX_DOCUMENT: usize = 4 << 20;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    /// A document is not what it should be.
    #[error("document {number}: {why}")]
    Document {
        /// From 1.
        number: usize,
        /// What is wrong, for people.
        why: String,
    },
    /// It has more than there is room for.
    #[error(transparent)]
    Memory(#[from] OverBudget),
}

/// What is read of a document, of whatever kind.
#[derive(Deserialize)]
struct Document {
    document: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    /// Of a stream.
    name: Option<String>,
    /// Of defaults.
    module: Option<String>,
    stream: Option<String>,
    version: Option<u64>,
    #[serde(default)]
    dependencies: Dependencies,
    #[serde(default)]
    artifacts: Option<Artifacts>,
}

/// A list since version 2 of the format, one map before.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Dependencies {
    #[default]
    None,
    List(Vec<Alternative>),
    Single(SingleDependencies),
}

#[derive(Deserialize, Default)]
struct Alternative {
    #[serde(default)]
    requires: BTreeMap<String, Vec<Text>>,
}

#[derive(Deserialize, Default)]
struct SingleDependencies {
    #[serde(default)]
    requires: BTreeMap<String, Text>,
}

/// A stream's name may look like a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Word(String),
    Whole(u64),
    Number(f64),
}

impl Text {
    fn into_text(self) -> String {
        match self {
            Self::Word(text) => text,
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

#[derive(Deserialize, Default)]
struct Artifacts {
    #[serde(default)]
    rpms: Option<Vec<String>>,
}

/// What a stream needs of other modules: any one of these.
type Requires = Vec<BTreeMap<String, Vec<String>>>;

#[derive(Debug)]
struct Stream {
    name: String,
    stream: String,
    version: u64,
    requires: Requires,
    /// `name-epoch:version-release.arch`
    artifacts: Vec<String>,
}

/// All that repositories say of modules.
#[derive(Debug)]
pub struct Modules {
    streams: Vec<Stream>,
    defaults: BTreeMap<String, String>,
    reserved: Reserved,
}

/// What an image has chosen of modules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleState {
    /// By module: the stream.
    pub enabled: BTreeMap<String, String>,
    /// Modules of which no stream is to be active.
    pub disabled: BTreeSet<String>,
    /// `el9`, `f40`; empty when it is not known.
    pub platform: String,
    /// Metadata of enabled streams that dnf has kept in case a repository loses it.
    pub kept: Vec<Vec<u8>>,
}

impl ModuleState {
    /// Reads the image's state. `platform` is what the configuration says (`platform:el9`).
    ///
    /// # Errors
    /// A file cannot be read from its layer.
    pub fn read(fs: &dyn FileSystem, platform: Option<&str>) -> Result<Self, RootfsError> {
        let mut state = Self::default();
        for path in files(fs, "/etc/dnf/modules.d", b".module") {
            let Some(text) = fs.read_if_readable(&path)? else { continue };
            for section in ini::parse(&text).unwrap_or_default() {
                let name = section.get("name").unwrap_or(&section.name).to_owned();
                match (section.get("state"), section.get("stream")) {
                    (Some("enabled"), Some(stream)) if !stream.is_empty() => {
                        state.enabled.insert(name, stream.to_owned());
                    }
                    (Some("disabled"), _) => {
                        state.disabled.insert(name);
                    }
                    _ => {}
                }
            }
        }
        for path in files(fs, "/var/lib/dnf/modulefailsafe", b".yaml") {
            state.kept.extend(fs.read_if_readable(&path)?.map(|text| text.to_vec()));
        }
        let platform = match platform {
            Some(platform) => platform.to_owned(),
            None => platform_id(fs)?.unwrap_or_default(),
        };
        state.platform = platform.trim_start_matches("platform:").to_owned();
        Ok(state)
    }
}

fn files(fs: &dyn FileSystem, folder: &'static str, ending: &[u8]) -> Vec<ImagePath> {
    let Ok(folder) = fs.resolve(&ImagePath::literal(folder)) else { return Vec::new() };
    let mut files = fs.read_dir(&folder);
    files.retain(|path| path.file_name().ends_with(ending));
    files
}

/// `PLATFORM_ID` of os-release(5).
fn platform_id(fs: &dyn FileSystem) -> Result<Option<String>, RootfsError> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        let Some(text) = fs.read_if_readable(&ImagePath::literal(path))? else { continue };
        let text = String::from_utf8_lossy(&text);
        let mut values = text.lines().filter_map(|line| line.strip_prefix("PLATFORM_ID="));
        return Ok(values.next().map(|value| value.trim_matches(['"', '\'', ' ']).to_owned()));
    }
    Ok(None)
}

impl Modules {
    /// None. What is added counts in `memory`.
    #[must_use]
    pub fn none(memory: &Memory) -> Self {
        Self { streams: Vec::new(), defaults: BTreeMap::new(), reserved: memory.share() }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.defaults.is_empty()
    }

    /// Adds the documents of one file. Kinds of documents that say nothing of packages
    /// (translations, ends of life) are passed over.
    ///
    /// # Errors
    /// A document of a stream or of defaults is malformed, or there is no room for it.
    pub fn add(&mut self, text: &[u8]) -> Result<(), ModulesError> {
        let text = String::from_utf8_lossy(text);
        for (at, document) in documents(&text).enumerate() {
            let fail = |why: String| ModulesError::Document { number: at + 1, why };
            if at >= MAX_DOCUMENTS || document.len() > MAX_DOCUMENT {
                return Err(fail("more than in any real file".to_owned()));
            }
            let kind = ["modulemd", "modulemd-stream", "modulemd-packager", "modulemd-defaults"];
            let is_of = |line: &str| {
                let value = line.strip_prefix("document:").map(str::trim);
                value.is_some_and(|value| kind.contains(&value.trim_matches(['"', '\''])))
            };
            if !document.lines().any(is_of) {
                continue;
            }
            let read: Document =
                serde_yaml_ng::from_str(document).map_err(|error| fail(error.to_string()))?;
            if let Some(data) = read.data {
                self.document(read.document.as_deref().unwrap_or_default(), data)?;
            }
        }
        Ok(())
    }

    fn document(&mut self, kind: &str, data: Data) -> Result<(), ModulesError> {
        let stream = data.stream.unwrap_or_default();
        if kind == "modulemd-defaults" {
            if let (Some(module), false) = (data.module, stream.is_empty()) {
                self.reserved.grow((module.len() + stream.len() + 64) as u64)?;
                self.defaults.insert(module, stream);
            }
            return Ok(());
        }
        let Some(name) = data.name.filter(|_| !stream.is_empty()) else { return Ok(()) };
        let requires = match data.dependencies {
            Dependencies::None => Vec::new(),
            Dependencies::List(list) => {
                let texts = |list: Vec<Text>| list.into_iter().map(Text::into_text).collect();
                let one = |one: Alternative| {
                    one.requires.into_iter().map(|(name, list)| (name, texts(list))).collect()
                };
                list.into_iter().map(one).collect()
            }
            Dependencies::Single(single) => {
                let one = single.requires.into_iter();
                vec![one.map(|(name, stream)| (name, vec![stream.into_text()])).collect()]
            }
        };
        let rpms = data.artifacts.and_then(|artifacts| artifacts.rpms).unwrap_or_default();
        let artifacts: Vec<String> = rpms
            .iter()
            .filter(|nevra| !nevra.ends_with(".src"))
            .filter_map(|nevra| with_epoch(nevra))
            .collect();
        let bytes: usize = artifacts.iter().map(|nevra| nevra.len() + size_of::<String>()).sum();
        self.reserved.grow((bytes * 2 + size_of::<Stream>() + 256) as u64)?;
        self.streams.push(Stream {
            name,
            stream,
            version: data.version.unwrap_or(0),
            requires,
            artifacts,
        });
        Ok(())
    }

    /// What is hidden of repositories with these modules.
    #[must_use]
    pub fn filter(&self, state: &ModuleState) -> ModuleFilter {
        let active = self.active(state);
        let mut filter = ModuleFilter::default();
        for stream in &self.streams {
            let is_active = active.iter().any(|one| std::ptr::eq(*one, stream));
            for nevra in &stream.artifacts {
                if is_active {
                    filter.names.extend(name_of(nevra).map(str::to_owned));
                    filter.visible.insert(nevra.clone());
                }
                let streams = filter.streams.entry(nevra.clone()).or_default();
                let own = (stream.name.clone(), stream.stream.clone());
                if !streams.contains(&own) {
                    streams.push(own);
                }
            }
        }
        filter
    }

    /// The contexts of the streams that are chosen, by the image or as defaults: of each the
    /// newest whose needs are met.
    fn active(&self, state: &ModuleState) -> Vec<&Stream> {
        let mut chosen: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
        for (module, stream) in &self.defaults {
            if !state.disabled.contains(module) {
                chosen.insert(module, (stream, false));
            }
        }
        for (module, stream) in &state.enabled {
            chosen.insert(module, (stream, true));
        }
        // What a default stream needs may fall away with another default: until nothing does.
        loop {
            let lost: Vec<&str> = chosen
                .iter()
                .filter(|(module, (stream, enabled))| {
                    !enabled && self.contexts(module, stream, &chosen, state).is_empty()
                })
                .map(|(module, _)| *module)
                .collect();
            if lost.is_empty() {
                break;
            }
            for module in lost {
                chosen.remove(module);
            }
        }
        let mut active = Vec::new();
        for (module, (stream, _)) in &chosen {
            let mut contexts = self.contexts(module, stream, &chosen, state);
            if contexts.is_empty() {
                // The image has enabled it: its packages are seen, whatever it needs.
                let own = |one: &&Stream| one.name == **module && one.stream == **stream;
                contexts = self.streams.iter().filter(own).collect();
            }
            let newest = contexts.iter().map(|one| one.version).max();
            active.extend(contexts.into_iter().filter(|one| Some(one.version) == newest));
        }
        active
    }

    /// The contexts of a stream whose needs are met.
    fn contexts(
        &self,
        module: &str,
        stream: &str,
        chosen: &BTreeMap<&str, (&str, bool)>,
        state: &ModuleState,
    ) -> Vec<&Stream> {
        let meets = |wanted: &[String], stream: &str| {
            let (not, any): (Vec<&String>, Vec<&String>) =
                wanted.iter().partition(|one| one.starts_with('-'));
            let excluded = not.iter().any(|one| one.trim_start_matches('-') == stream);
            !excluded && (any.is_empty() || any.iter().any(|one| *one == stream))
        };
        let holds = |alternative: &BTreeMap<String, Vec<String>>| {
            alternative.iter().all(|(name, wanted)| match name.as_str() {
                "platform" => state.platform.is_empty() || meets(wanted, &state.platform),
                name => chosen.get(name).is_some_and(|(stream, _)| meets(wanted, stream)),
            })
        };
        let met = |one: &&Stream| one.requires.is_empty() || one.requires.iter().any(holds);
        let own = |one: &&Stream| one.name == module && one.stream == stream;
        self.streams.iter().filter(own).filter(met).collect()
    }
}

/// The documents of a stream: parted by lines that begin with `---`.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match text.find("\n---") {
            Some(at) => {
                rest = text.get(at + 4..);
                text.get(..at)
            }
            None => rest.take(),
        }
    })
    .map(|text| text.strip_prefix("---").unwrap_or(text))
    .map(|text| text.find("\n...").and_then(|end| text.get(..end)).unwrap_or(text))
    .filter(|text| !text.trim().is_empty())
}

/// `name-epoch:version-release.arch`, with the epoch that may be missing.
fn with_epoch(nevra: &str) -> Option<String> {
    let (rest, release) = nevra.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    let epoch = if version.contains(':') { "" } else { "0:" };
    Some(format!("{name}-{epoch}{version}-{release}"))
}

/// The name in such a text.
fn name_of(nevra: &str) -> Option<&str> {
    let (rest, _) = nevra.rsplit_once('-')?;
    rest.rsplit_once('-').map(|(name, _)| name)
}

/// Which packages are hidden.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleFilter {
    /// Packages of active streams.
    visible: HashSet<String>,
    /// Their names, which no other package may have.
    names: HashSet<String>,
    /// Packages of all streams, with those that have them.
    streams: HashMap<String, Vec<(String, String)>>,
}

impl ModuleFilter {
    /// Whether a package of a repository without `module_hotfixes` is hidden.
    #[must_use]
    pub fn hides(&self, package: &Package<'_>) -> bool {
        if self.streams.is_empty() {
            return false;
        }
        let nevra = nevra(package);
        if self.visible.contains(&nevra) {
            return false;
        }
        let provides = || package.relations(RelationKind::Provides);
        self.streams.contains_key(&nevra)
            || self.names.contains(package.name())
            || (!self.names.is_empty() && provides().any(|one| self.names.contains(one.name)))
    }

    /// Whether a package is of a module's stream.
    #[must_use]
    pub fn is_of(&self, package: &Package<'_>, module: &str, stream: &str) -> bool {
        let streams = self.streams.get(&nevra(package)).into_iter().flatten();
        streams.into_iter().any(|(name, own)| name == module && own == stream)
    }
}

fn nevra(package: &Package<'_>) -> String {
    format!(
        "{}-{}:{}-{}.{}",
        package.name(),
        package.epoch(),
        package.version(),
        package.release(),
        package.architecture()
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::primary::PrimaryFile;

    const TEXT: &str = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: nodejs\n  stream: 1.10\n\
        \x20 version: 2\n  context: c\n  dependencies:\n  - requires:\n      platform: [el8]\n  \
        artifacts:\n    rpms:\n    - nodejs-1:5.0-1.m.x86_64\n    - npm-5-1.m.x86_64\n    - nodejs-1:5.0-1.m.src\n...\n\
        ---\ndocument: modulemd\nversion: 2\ndata:\n  name: nodejs\n  stream: \"12\"\n  version: 3\n  \
        context: d\n  dependencies:\n  - requires: {platform: [el9]}\n  artifacts:\n    rpms:\n    - nodejs-1:12.0-1.m.x86_64\n...\n\
        ---\ndocument: modulemd-obsoletes\nversion: 1\ndata: [not, read]\n...\n\
        ---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: nodejs\n  stream: 1.10\n  profiles:\n    8: [default]\n...\n";

    fn modules(text: &str) -> Modules {
        let mut modules = Modules::none(&Memory::default());
        modules.add(text.as_bytes()).unwrap();
        modules
    }

    fn packages(list: &[(&str, &str, &str, &str)]) -> PrimaryFile {
        let mut text = String::from("<metadata>");
        for (name, epoch, version, provides) in list {
            text += &format!(
                "<package><name>{name}</name><arch>x86_64</arch><version epoch=\"{epoch}\" \
                 ver=\"{version}\" rel=\"1.m\"/><checksum type=\"sha256\">{:064}</checksum>\
                 <size package=\"1\"/><location href=\"x\"/><format><provides>\
                 <entry name=\"{provides}\"/></provides></format></package>",
                0
            );
        }
        text += "</metadata>";
        PrimaryFile::read(text.as_bytes(), &|_| true, &Memory::default()).unwrap()
    }

    fn seen(modules: &Modules, state: &ModuleState) -> Vec<String> {
        let file = packages(&[
            ("nodejs", "1", "5.0", "a"),
            ("nodejs", "1", "12.0", "a"),
            ("nodejs", "1", "20.0", "a"),
            ("npm", "0", "5", "b"),
            ("other", "0", "1", "nodejs"),
            ("plain", "0", "1", "plain"),
        ]);
        let filter = modules.filter(state);
        let visible = file.packages().filter(|package| !filter.hides(package));
        visible.map(|package| format!("{} {}", package.name(), package.version())).collect()
    }

    #[test]
    fn one_stream_is_seen_and_nothing_else_of_its_names() {
        let modules = modules(TEXT);
        assert_eq!(modules.defaults.get("nodejs").map(String::as_str), Some("1.10"));
        let state = |platform: &str| ModuleState {
            platform: platform.to_owned(),
            ..ModuleState::default()
        };
        // the default stream fits the platform
        assert_eq!(seen(&modules, &state("el8")), ["nodejs 5.0", "npm 5", "plain 1"]);
        // nothing is active: packages of no module are seen
        let none = ["nodejs 20.0", "other 1", "plain 1"];
        assert_eq!(seen(&modules, &state("el9")), none);
        let mut disabled = state("el8");
        disabled.disabled.insert("nodejs".to_owned());
        assert_eq!(seen(&modules, &disabled), none);
        // what the image has enabled wins
        let mut enabled = state("el8");
        enabled.enabled.insert("nodejs".to_owned(), "12".to_owned());
        assert_eq!(seen(&modules, &enabled), ["nodejs 12.0", "plain 1"]);
        let file = packages(&[("nodejs", "1", "12.0", "a")]);
        let filter = modules.filter(&enabled);
        let package = file.packages().next().unwrap();
        assert!(
            filter.is_of(&package, "nodejs", "12") && !filter.is_of(&package, "nodejs", "1.10")
        );
    }

    #[test]
    fn the_images_state_is_read() {
        use imgfix_vfs::{Entry, NoLayers, Tree};
        let file = |path, text: &str| {
            (ImagePath::literal(path), Entry::file(text.as_bytes().to_vec(), 0o644, 0))
        };
        let tree = Tree::from_entries(
            [
                file(
                    "/etc/dnf/modules.d/a.module",
                    "[a]\nname=a\nstream=1\nprofiles=\nstate=enabled\n",
                ),
                file("/etc/dnf/modules.d/b.module", "[b]\nname=b\nstream=\nstate=disabled\n"),
                file("/etc/os-release", "ID=x\nPLATFORM_ID=\"platform:el9\"\n"),
                file("/var/lib/dnf/modulefailsafe/a:1:x86_64.yaml", "x"),
            ],
            std::sync::Arc::new(NoLayers),
        );
        let state = ModuleState::read(&tree, None).unwrap();
        assert_eq!(state.enabled.get("a").map(String::as_str), Some("1"));
        assert!(state.disabled.contains("b") && state.kept.len() == 1);
        assert_eq!(state.platform, "el9");
        assert_eq!(ModuleState::read(&tree, Some("platform:el8")).unwrap().platform, "el8");
    }

    #[test]
    fn bombs_and_other_documents_are_refused() {
        let mut bomb = String::from("---\ndocument: modulemd\na: &a [x,x,x,x,x,x,x,x,x]\n");
        for (one, other) in
            ["b", "c", "d", "e", "f", "g", "h", "i", "j"].iter().zip("abcdefghi".chars())
        {
            bomb += &format!(
                "{one}: &{one} [*{other},*{other},*{other},*{other},*{other},*{other},*{other},*{other},*{other}]\n"
            );
        }
        bomb += "data: {name: *j, stream: x}\n";
        let mut modules = Modules::none(&Memory::default());
        assert!(modules.add(bomb.as_bytes()).is_err());
        let wrong = "---\ndocument: modulemd\ndata: {name: [], stream: 1}\n";
        assert!(modules.add(wrong.as_bytes()).is_err());
        let mut small = Modules::none(&Memory::fixed(50));
        assert!(small.add(TEXT.as_bytes()).is_err());
    }

    #[test]
    fn real_modules_are_read() {
        let Some(folder) = std::env::var_os("IMGFIX_RPM_DATA") else {
            eprintln!("IMGFIX_RPM_DATA is not set: no real modules.yaml was read");
            return;
        };
        let folder = std::path::Path::new(&folder).join("repodata");
        for file in [
            "modules-fedora/f29.yaml",
            "modules-fedora/f29-updates.yaml",
            "ci-dnf-stack/dnf-ci-fedora-modular-modules.yaml",
        ] {
            let text = std::fs::read(folder.join(file)).unwrap();
            let mut modules = Modules::none(&Memory::default());
            modules.add(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
            let text = String::from_utf8_lossy(&text);
            let listed = text.lines().filter(|line| line.trim() == "document: modulemd").count();
            assert_eq!(modules.streams.len(), listed, "{file}");
            assert!(listed > 5, "{file}: {listed}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(---\n|document: modulemd\n|data:[ {}a-z&*\\[\\]]{0,20}\n| *[a-z]{1,5}: ?[0-9.a-z]{0,5}\n){0,12}") {
            let _ = Modules::none(&Memory::default()).add(text.as_bytes());
        }
    }
}
