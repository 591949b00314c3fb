//! An index of PyPI's kind on this machine, wheels, and images with a virtual environment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use imgfix_zip::testing::Made;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::debian::Tar;
use super::hostile::{Response, Server};

/// Where the images' environment is.
pub const VENV: &str = "opt/venv";
pub const PACKAGES: &str = "opt/venv/lib/python3.11/site-packages";

/// A distribution of the index.
#[derive(Clone)]
pub struct Wheel {
    pub name: String,
    pub version: String,
    pub tags: String,
    pub needs: Vec<String>,
    pub requires_python: Option<String>,
    pub is_yanked: bool,
    pub scripts: String,
    /// What is where the index says that its provenance is; empty: nothing.
    pub provenance: Option<String>,
    /// Below the folder of distributions.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Wheel {
    pub fn new(name: &str, version: &str) -> Self {
        let module = format!("{}/__init__.py", name.to_lowercase());
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            tags: "py3-none-any".to_owned(),
            needs: Vec::new(),
            requires_python: None,
            is_yanked: false,
            scripts: String::new(),
            provenance: None,
            files: vec![(module, format!("version = {version:?}\n").into_bytes())],
        }
    }

    pub fn needs(mut self, line: &str) -> Self {
        self.needs.push(line.to_owned());
        self
    }

    pub fn script(mut self, line: &str) -> Self {
        self.scripts.push_str(line);
        self.scripts.push('\n');
        self
    }

    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.to_owned(), content.into()));
        self
    }

    pub fn metadata(&self) -> String {
        let mut text =
            format!("Metadata-Version: 2.1\nName: {}\nVersion: {}\n", self.name, self.version);
        for line in &self.needs {
            text.push_str(&format!("Requires-Dist: {line}\n"));
        }
        if let Some(python) = &self.requires_python {
            text.push_str(&format!("Requires-Python: {python}\n"));
        }
        text
    }

    pub fn file_name(&self) -> String {
        format!("{}-{}-{}.whl", self.name, self.version, self.tags)
    }

    pub fn info(&self) -> String {
        format!("{}-{}.dist-info", self.name, self.version)
    }

    /// Files of the wheel without its RECORD.
    pub fn parts(&self) -> Vec<(String, Vec<u8>)> {
        let mut parts = self.files.clone();
        let info = self.info();
        parts.push((format!("{info}/METADATA"), self.metadata().into_bytes()));
        let format = format!("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {}\n", self.tags);
        parts.push((format!("{info}/WHEEL"), format.into_bytes()));
        if !self.scripts.is_empty() {
            let text = format!("[console_scripts]\n{}", self.scripts);
            parts.push((format!("{info}/entry_points.txt"), text.into_bytes()));
        }
        parts
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut parts = self.parts();
        let mut record: String = parts.iter().map(|(name, _)| format!("{name},,\n")).collect();
        record.push_str(&format!("{}/RECORD,,\n", self.info()));
        parts.push((format!("{}/RECORD", self.info()), record.into_bytes()));
        let parts: Vec<(&str, &[u8])> =
            parts.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
        Made::of(&parts).bytes()
    }

    /// As pip has installed it, in the images' environment.
    pub fn install(&self, tar: &mut Tar) {
        let (mut record, info) = (String::new(), self.info());
        let mut parts = self.parts();
        parts.push((format!("{info}/INSTALLER"), b"pip\n".to_vec()));
        for (name, content) in &parts {
            tar.file(&format!("{PACKAGES}/{name}"), content, 0o644);
            record.push_str(&format!("{name},,\r\n"));
        }
        for script in self.scripts.lines() {
            let (name, function) = script.split_once(" = ").expect("script");
            let (module, function) = function.split_once(':').expect("function");
            let text = format!(
                "#!/opt/venv/bin/python3\n# old\nimport sys\nfrom {module} import {function}\n\
                 if __name__ == '__main__':\n    sys.exit({function}())\n"
            );
            tar.file(&format!("{VENV}/bin/{name}"), text.as_bytes(), 0o755);
            record.push_str(&format!("../../../bin/{name},,\r\n"));
        }
        record.push_str(&format!("{info}/RECORD,,\r\n"));
        tar.file(&format!("{PACKAGES}/{info}/RECORD"), record.as_bytes(), 0o644);
    }
}

/// What makes it an environment of CPython 3.11.7 on glibc 2.36.
pub fn environment(tar: &mut Tar) {
    tar.file(
        &format!("{VENV}/pyvenv.cfg"),
        b"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.7\n",
        0o644,
    );
    tar.file("usr/bin/python3.11", b"elf\0/lib64/ld-linux-x86-64.so.2\0", 0o755);
    tar.file("usr/lib/x86_64-linux-gnu/libc.so.6", b"stable release version 2.36.\n", 0o755);
}

/// An index that serves wheels.
pub struct Index {
    pub server: Server,
    /// Answers that take the place of the true ones, by path.
    pub instead: Arc<Mutex<BTreeMap<String, Response>>>,
}

impl Index {
    pub fn start(wheels: &[Wheel]) -> Self {
        let instead: Arc<Mutex<BTreeMap<String, Response>>> = Arc::default();
        let (answers, wheels) = (Arc::clone(&instead), wheels.to_vec());
        let server = Server::start(move |request| {
            if let Some(answer) = answers.lock().expect("answers").get(&request.path) {
                return answer.clone();
            }
            answer(&wheels, &request.path)
        });
        Self { server, instead }
    }

    pub fn url(&self) -> String {
        format!("http://{}/simple", self.server.host)
    }
}

fn answer(wheels: &[Wheel], path: &str) -> Response {
    if let Some(name) = path.strip_prefix("/files/") {
        let found = wheels.iter().find(|wheel| wheel.file_name() == name);
        return found
            .map_or_else(|| Response::new(404, ""), |wheel| Response::new(200, wheel.bytes()));
    }
    if let Some(name) = path.strip_prefix("/integrity/") {
        let found = wheels.iter().find(|wheel| wheel.file_name() == name);
        let text = found.and_then(|wheel| wheel.provenance.clone()).unwrap_or_default();
        return Response::new(if text.is_empty() { 404 } else { 200 }, text);
    }
    let project = path.trim_start_matches("/simple/").trim_end_matches('/');
    let of_project = wheels.iter().filter(|wheel| wheel.name.to_lowercase() == project);
    let files: Vec<Value> = of_project
        .map(|wheel| {
            let sha256 = format!("{:x}", Sha256::digest(wheel.bytes()));
            json!({"filename": wheel.file_name(), "url": format!("../../files/{}", wheel.file_name()),
                "hashes": {"sha256": sha256}, "requires-python": wheel.requires_python,
                "yanked": wheel.is_yanked,
                "provenance": wheel.provenance.as_ref()
                    .map(|_| format!("../../integrity/{}", wheel.file_name()))})
        })
        .collect();
    if files.is_empty() {
        return Response::new(404, "");
    }
    let document = json!({"meta": {"api-version": "1.1"}, "name": project, "files": files});
    Response::new(200, document.to_string())
        .header("content-type", "application/vnd.pypi.simple.v1+json")
}

/// A Trivy report: id, name, installed and fixed version of distributions of the environment.
pub fn trivy(found: &[(&str, &str, &str, &str)]) -> Value {
    let list: Vec<Value> = found
        .iter()
        .map(|(id, name, installed, fixed)| {
            json!({"VulnerabilityID": id, "PkgName": name,
                "PkgPath": format!("{PACKAGES}/{name}-{installed}.dist-info/METADATA"),
                "InstalledVersion": installed, "FixedVersion": fixed, "Status": "fixed",
                "Title": "made by a test", "Severity": "HIGH"})
        })
        .collect();
    json!({"SchemaVersion": 2, "ArtifactName": "app", "ArtifactType": "container_image",
        "Metadata": {}, "Results": [{"Target": "Python", "Class": "lang-pkgs",
        "Type": "python-pkg", "Vulnerabilities": list}]})
}
