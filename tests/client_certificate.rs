//! `--client-certificate`, end to end: a repository whose server wants to know who asks, as Red
//! Hat's does, and `imgfix` as a user runs it.
//!
//! Needs Debian's openssl; no network.

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::cli::{copy_tree, fixture, ran};
use common::outcome::verdicts;
use common::rpm::{FOUND, Rpm, trivy};

/// openssl's own server of files, which wants a certificate of its clients.
struct Server {
    process: Child,
    /// `https://127.0.0.1:PORT`
    url: String,
}

impl Server {
    fn start(certificates: &Path, folder: &Path) -> Self {
        let file = |name: &str| certificates.join(name);
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-WWW", "-Verify", "1"])
            .arg("-verify_return_error")
            .arg("-CAfile")
            .arg(file("ca.pem"))
            .arg("-cert")
            .arg(file("server.pem"))
            .arg("-key")
            .arg(file("server-key.pem"))
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Debian's package openssl");
        let mut lines = BufReader::new(process.stdout.take().expect("stdout")).lines();
        let address =
            lines.find_map(|line| line.expect("line").strip_prefix("ACCEPT ").map(str::to_owned));
        // It goes on to say what it does, which nobody has to read.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url: format!("https://{}", address.expect("an address")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_repository_for_subscribers_is_used_with_the_certificate_of_this_machine() {
    let rpm = Rpm::new();
    let folder = rpm.place.path("certificates");
    std::fs::create_dir(&folder).unwrap();
    let made = Command::new(fixture("make-client-certificates")).arg(&folder).output();
    let made = made.expect("Debian's package openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // As subscription-manager keeps them.
    let entitlement = folder.join("entitlement");
    std::fs::create_dir(&entitlement).unwrap();
    for (made, kept) in [("client.pem", "1.pem"), ("client-key.pem", "1-key.pem")] {
        std::fs::rename(folder.join(made), entitlement.join(kept)).unwrap();
    }
    let served = rpm.place.path("served");
    copy_tree(&fixture("rpm/repository"), &served.join("9/BaseOS/x86_64/os"));
    let server = Server::start(&folder, &served);

    let report = rpm.report(&trivy(FOUND));
    let repair = |more: &[String]| {
        let mut command = rpm.place.bare("repair", &rpm.place.image("9"));
        command.args(["-q", "--format=json", "-r"]).arg(&report);
        command.args(["--mirror", &format!("http://rpm.imgfix.invalid={}", server.url)]);
        command.arg("--ca-file").arg(folder.join("ca.pem")).args(more);
        ran(&mut command)
    };
    let option = |url: &str, files: &str| format!("--client-certificate={url}={files}");
    let keys = entitlement.display().to_string();

    // Without it there is no repository, and with one for another place neither.
    for more in [vec![], vec![option("https://127.0.0.1:1", &keys)]] {
        let run = repair(&more);
        assert_ne!(run.code, Some(0));
        assert!(run.stderr.contains(&server.url), "{}", run.stderr);
    }
    let wrong = repair(&[option(&server.url, &folder.join("ca.pem").display().to_string())]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("no key in PEM form"), "{}", wrong.stderr);

    let repaired = repair(&[option(&server.url, &keys)]).expect(0);
    let fixed = verdicts(&repaired.json()).iter().filter(|one| one.ends_with(" fixed")).count();
    assert_eq!(fixed, 8);
}
