//! A registry of npm's kind on this machine, and images with node modules.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

use super::debian::Tar;
use super::hostile::{Response, Server};
use super::images::gzip;
use super::libraries::{self, Found};

/// A package of the registry.
#[derive(Clone)]
pub struct Package {
    pub document: Value,
    pub files: Vec<(String, Vec<u8>, u32)>,
}

impl Package {
    pub fn new(name: &str, version: &str) -> Self {
        let document = json!({"name": name, "version": version, "main": "index.js"});
        let index = (String::from("index.js"), format!("// {version}\n").into_bytes(), 0o644);
        Self { document, files: vec![index] }
    }

    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.document[key] = value;
        self
    }

    pub fn needs(self, needs: Value) -> Self {
        self.with("dependencies", needs)
    }

    pub fn file(mut self, path: &str, content: &str, mode: u32) -> Self {
        self.files.push((path.to_owned(), content.into(), mode));
        self
    }

    pub fn name(&self) -> &str {
        self.document["name"].as_str().expect("name")
    }

    pub fn version(&self) -> &str {
        self.document["version"].as_str().expect("version")
    }

    pub fn tarball(&self) -> Vec<u8> {
        let mut tar = Tar::default();
        tar.file("package/package.json", self.document.to_string().as_bytes(), 0o644);
        for (path, content, mode) in &self.files {
            tar.file(&format!("package/{path}"), content, *mode);
        }
        gzip(&tar.end())
    }

    /// As an image has it, below `folder`.
    pub fn install(&self, tar: &mut Tar, folder: &str) {
        tar.file(&format!("{folder}/package.json"), self.document.to_string().as_bytes(), 0o644);
        for (path, content, mode) in &self.files {
            tar.file(&format!("{folder}/{path}"), content, *mode);
        }
    }
}

pub fn integrity(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let digest = Sha512::digest(bytes);
    format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(digest))
}

/// A registry that serves packages.
pub struct Registry {
    pub server: Server,
    /// Answers that take the place of the true ones, by path.
    pub instead: Arc<Mutex<BTreeMap<String, Response>>>,
}

impl Registry {
    pub fn start(packages: &[Package]) -> Self {
        let instead: Arc<Mutex<BTreeMap<String, Response>>> = Arc::default();
        let answers = Arc::clone(&instead);
        let packages = packages.to_vec();
        let server = Server::start(move |request| {
            if let Some(answer) = answers.lock().expect("answers").get(&request.path) {
                return answer.clone();
            }
            let host = request.header("host").unwrap_or_default();
            answer(&packages, &request.path, host)
                .map_or_else(|| Response::new(404, "{}"), |body| Response::new(200, body))
        });
        Self { server, instead }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.server.host)
    }
}

fn answer(packages: &[Package], path: &str, host: &str) -> Option<Vec<u8>> {
    let path = path.trim_start_matches('/').replace("%2f", "/");
    if let Some((name, file)) = path.split_once("/-/") {
        let is_it = |one: &&Package| {
            let base = name.rsplit('/').next().unwrap_or(name);
            one.name() == name && file == format!("{base}-{}.tgz", one.version())
        };
        return packages.iter().find(is_it).map(Package::tarball);
    }
    let mut versions = serde_json::Map::new();
    for one in packages.iter().filter(|one| one.name() == path) {
        let tarball = one.tarball();
        let base = path.rsplit('/').next().unwrap_or(&path);
        let mut document = one.document.clone();
        document["dist"] = json!({
            "tarball": format!("http://{host}/{path}/-/{base}-{}.tgz", one.version()),
            "integrity": integrity(&tarball),
        });
        versions.insert(one.version().to_owned(), document);
    }
    (!versions.is_empty())
        .then(|| json!({"name": path, "versions": versions}).to_string().into_bytes())
}

/// A Trivy report about node modules.
pub fn trivy(found: &[Found<'_>]) -> Value {
    libraries::trivy("Node.js", "node-pkg", found)
}
