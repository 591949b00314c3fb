//! Debian's `docker-registry` on a free loopback port, with its own storage; gone when
//! dropped.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::hostile::Request;
use super::tokens::TokenServer;

/// What the registry asks of its clients.
#[derive(Debug, Default, Clone)]
pub struct Setup {
    /// User name and password of HTTP basic authentication.
    pub login: Option<(String, String)>,
    /// TLS with a certificate of an authority made for this registry.
    pub tls: bool,
    /// The login is asked for by a token server, not by the registry.
    pub tokens: bool,
    /// Which certificate it shows.
    pub certificate: Certificate,
    /// Deletion is not allowed, as in a registry that nobody has configured.
    pub keeps_everything: bool,
}

/// A registry's certificate.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// Signed by an authority.
    #[default]
    Signed,
    /// An authority's own, as `openssl req -x509` makes it, with CA:TRUE.
    Authority,
    /// Signed by itself, with CA:FALSE.
    Itself,
}

/// A running registry.
pub struct Registry {
    child: Child,
    dir: TempDir,
    /// `127.0.0.1:PORT`
    pub host: String,
    setup: Setup,
    tokens: Option<TokenServer>,
}

impl Registry {
    /// Plain HTTP, no login.
    pub fn start() -> Self {
        Self::start_with(Setup::default())
    }

    /// Starts a registry and waits until it listens.
    pub fn start_with(setup: Setup) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut auth = String::new();
        let mut tokens = None;
        if let Some((user, password)) = &setup.login {
            match setup.tokens {
                true => {
                    let server = TokenServer::start(dir.path(), user, password);
                    auth = server.configuration();
                    tokens = Some(server);
                }
                false => auth = write_htpasswd(dir.path(), user, password),
            }
        }
        if setup.tls {
            write_certificates(dir.path(), setup.certificate);
        }
        for _ in 0..5 {
            // another process may take the port between this and the registry's bind
            let host = format!("127.0.0.1:{}", free_port());
            let config = dir.path().join("config.yml");
            std::fs::write(&config, configuration(dir.path(), &host, &setup, &auth))
                .expect("config");
            let mut child = spawn(&config, &dir.path().join("log"));
            if listens(&mut child, &host) {
                return Self { child, dir, host, setup, tokens };
            }
            let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
            assert!(log.contains("address already in use"), "docker-registry failed: {log}");
        }
        panic!("no free port for docker-registry");
    }

    /// A reference to an image here.
    pub fn reference(&self, name: &str) -> String {
        format!("docker://{}/{name}", self.host)
    }

    /// The certificate authority, when TLS is spoken.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.setup.tls.then(|| self.dir.path().join("ca.pem"))
    }

    /// A file of credentials as `docker login` writes it.
    pub fn auth_file(&self) -> Option<PathBuf> {
        self.auth_file_for(&self.host)
    }

    /// The same for the registry under another name.
    pub fn auth_file_for(&self, host: &str) -> Option<PathBuf> {
        let (user, password) = self.setup.login.as_ref()?;
        let path = self.dir.path().join("auth.json");
        let auths = serde_json::json!({"auths": {host: {"username": user, "password": password}}});
        std::fs::write(&path, auths.to_string()).expect("auth file");
        Some(path)
    }

    /// What skopeo needs to talk to it: `prefix` is `src-` or `dest-` for copies, or empty.
    pub fn skopeo_options(&self, prefix: &str) -> Vec<String> {
        let mut options = Vec::new();
        match self.setup.tls {
            true => options
                .push(format!("--{prefix}cert-dir={}", self.dir.path().join("certs").display())),
            false => options.push(format!("--{prefix}tls-verify=false")),
        }
        if let Some((user, password)) = &self.setup.login {
            options.push(format!("--{prefix}creds={user}:{password}"));
        }
        options
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(config: &Path, log: &Path) -> Child {
    Command::new("docker-registry")
        .arg("serve")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(log).expect("log"))
        .spawn()
        .unwrap_or_else(|error| {
            panic!("docker-registry cannot be run ({error}); install the Debian package 'docker-registry'")
        })
}

/// Waits for the registry; `false` when it ended instead.
fn listens(child: &mut Child, host: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if child.try_wait().expect("state of docker-registry").is_some() {
            return false;
        }
        if TcpStream::connect(host).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    let _ = child.kill();
    panic!("docker-registry does not listen on {host}");
}

/// Runs a program that must succeed; its standard output.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| {
        panic!("{program} cannot be run ({error}); install the Debian package that has it")
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn configuration(dir: &Path, host: &str, setup: &Setup, auth: &str) -> String {
    let shown = dir.display();
    let mut config = format!(
        "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {shown}/data\n  delete:\n    enabled: {}\nhttp:\n  addr: {host}\n",
        !setup.keeps_everything
    );
    if setup.tls {
        config +=
            &format!("  tls:\n    certificate: {shown}/server.pem\n    key: {shown}/server.key\n");
    }
    config + auth
}

/// Writes the password; the `auth:` section of the configuration.
fn write_htpasswd(dir: &Path, user: &str, password: &str) -> String {
    let line =
        Command::new("htpasswd").args(["-Bbn", "-C", "4", user, password]).output().unwrap_or_else(
            |error| panic!("htpasswd cannot be run ({error}); install 'apache2-utils'"),
        );
    assert!(line.status.success(), "htpasswd failed");
    std::fs::write(dir.join("htpasswd"), line.stdout).expect("htpasswd");
    format!("auth:\n  htpasswd:\n    realm: test\n    path: {}/htpasswd\n", dir.display())
}

/// Writes a server's certificate and key (`server.pem`, `server.key`) and whom to trust for it
/// (`ca.pem`).
pub fn write_certificates(dir: &Path, kind: Certificate) {
    match kind {
        Certificate::Signed => write_signed_certificate(dir),
        Certificate::Authority => write_own_certificate(dir, "CA:TRUE"),
        Certificate::Itself => write_own_certificate(dir, "CA:FALSE"),
    }
    std::fs::create_dir(dir.join("certs")).expect("certs");
    std::fs::copy(dir.join("ca.pem"), dir.join("certs/ca.crt")).expect("certs");
}

/// One certificate for the server and for those who trust it.
fn write_own_certificate(dir: &Path, constraints: &str) {
    let path = |name: &str| dir.join(name).display().to_string();
    let constraints = format!("basicConstraints=critical,{constraints}");
    let names = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.test";
    let (key, certificate) = (path("server.key"), path("server.pem"));
    let key_type = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let subject = ["-days", "30", "-subj", "/CN=127.0.0.1"];
    // the constraints of the machine's openssl.cnf would come twice
    std::fs::write(dir.join("openssl.cnf"), "[req]\ndistinguished_name=name\n[name]\n")
        .expect("cnf");
    let configuration = path("openssl.cnf");
    let extensions = ["-config", &configuration, "-addext", names, "-addext", &constraints];
    let files = ["-keyout", &key, "-out", &certificate];
    let request = ["req", "-x509"];
    run("openssl", &[&request[..], &key_type, &subject, &extensions, &files].concat());
    std::fs::copy(&certificate, dir.join("ca.pem")).expect("certificate");
}

fn write_signed_certificate(dir: &Path) {
    let path = |name: &str| dir.join(name).display().to_string();
    let (ca, ca_key) = (path("ca.pem"), path("ca.key"));
    let (request, key, certificate) = (path("server.csr"), path("server.key"), path("server.pem"));
    let names = path("names");
    std::fs::write(
        &names,
        "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.test\nbasicConstraints=CA:FALSE\n",
    )
    .expect("names");
    run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=imgfix test authority",
            "-keyout",
            &ca_key,
            "-out",
            &ca,
        ],
    );
    run(
        "openssl",
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=127.0.0.1",
            "-keyout",
            &key,
            "-out",
            &request,
        ],
    );
    run(
        "openssl",
        &[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-set_serial",
            "1",
            "-days",
            "30",
            "-extfile",
            &names,
            "-out",
            &certificate,
        ],
    );
}

impl Registry {
    /// What the token server was asked, when there is one.
    pub fn token_requests(&self) -> Vec<Request> {
        self.tokens.as_ref().map(|tokens| tokens.server.requests()).unwrap_or_default()
    }

    /// Uploads that were begun and neither finished nor cancelled.
    pub fn open_uploads(&self) -> Vec<PathBuf> {
        let upload = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "_uploads");
        self.stored().into_keys().filter(upload).collect()
    }

    /// Every stored file: its size and when it was written.
    pub fn stored(&self) -> std::collections::BTreeMap<PathBuf, (u64, std::time::SystemTime)> {
        let mut files = std::collections::BTreeMap::new();
        let mut folders = vec![self.dir.path().join("data")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.metadata().expect("metadata") {
                    meta if meta.is_dir() => folders.push(path),
                    meta => {
                        files.insert(path, (meta.len(), meta.modified().expect("time")));
                    }
                }
            }
        }
        files
    }
}
