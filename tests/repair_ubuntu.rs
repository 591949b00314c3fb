//! Ubuntu as it is published (pockets, components, hours padded with spaces, Ubuntu Pro's archive
//! without a subscription), and repositories that cannot be used: `imgfix` as a user runs it, on
//! the fixtures' Ubuntu image and archive. No network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use common::cli::{Place, Ran, blob, copy_tree, fixture, manifest, ran, report, tagged};
use common::images;
use serde_json::Value;

/// A place with the image `ubuntu-24.04` as `oci:image:24.04`.
fn ubuntu() -> Place {
    let place = Place::new();
    copy_tree(&fixture("ubuntu-24.04"), &place.path("image"));
    place
}

/// The same with further layers of one file each.
fn ubuntu_with(files: &[(&str, &str)]) -> Place {
    let place = Place::new();
    let original = fixture("ubuntu-24.04");
    let digest = manifest(&original, "24.04")["layers"][0]["digest"].clone();
    let layer = std::fs::read(blob(&original, digest.as_str().expect("digest"))).expect("layer");
    let mut base = Vec::new();
    flate2::read::GzDecoder::new(&layer[..]).read_to_end(&mut base).expect("gzip");
    let more = files.iter().map(|(path, text)| images::layer(path, text.as_bytes()));
    let layers: Vec<Vec<u8>> = std::iter::once(base).chain(more).collect();
    images::layout(&place.path("image"), "24.04", &layers);
    place
}

/// An HTTP server that answers every request with a status, or with a file for a right login.
/// Out come its URL and what it was asked.
fn server(
    answer: impl Fn(&str, Option<&str>) -> (u16, Vec<u8>) + Send + 'static,
) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut lines = BufReader::new(stream.try_clone().expect("stream")).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            let headers: Vec<String> =
                lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let login = headers.iter().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("authorization").then_some(value)
            });
            let (status, body) = answer(&path, login);
            log.lock().expect("log").push(path);
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&body);
        }
    });
    (url, asked)
}

type Asked = Arc<Mutex<Vec<String>>>;

/// `imgfix SUBCOMMAND` on the image, with Ubuntu's archive of the fixtures, and Ubuntu Pro's at
/// `esm`.
fn on(place: &Place, subcommand: &str, esm: &str) -> Command {
    let mut command = place.bare(subcommand, &place.image("24.04"));
    let archive = fixture("ubuntu-repository");
    for host in ["archive", "security"] {
        let mirror = format!("http://{host}.ubuntu.com/ubuntu=file://{}", archive.display());
        command.args(["--mirror", &mirror]);
    }
    command.args(["--mirror", &format!("https://esm.ubuntu.com={esm}")]);
    command
}

fn repair(place: &Place, esm: &str) -> Command {
    let mut command = on(place, "repair", esm);
    command.args(["--format", "json", "-r", &report("ubuntu-24.04.trivy")]);
    command
}

/// `CVE package: fixed by VERSION`, or the reason's kind.
fn verdicts(json: &Value) -> Vec<String> {
    let mut out: Vec<String> = json["platforms"][0]["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|one| {
            let end = match one["verdict"].as_str().expect("verdict") {
                "fixed" => one["fixed_by"].as_str().expect("version"),
                _ => one["reason"]["kind"].as_str().expect("kind"),
            };
            format!("{} {end}", one["package"].as_str().expect("package"))
        })
        .collect();
    out.sort();
    out
}

fn no_subscription(_: &str, _: Option<&str>) -> (u16, Vec<u8>) {
    (401, Vec::new())
}

const REPAIRED: [&str; 5] = [
    "libexpat1 2.6.1-2ubuntu0.3",
    "libheif1 repository-unreadable",
    "libjq1 1.7.1-3ubuntu0.24.04.1",
    "liblzma5 5.6.1+really5.4.5-1ubuntu0.2",
    "zlib1g no-fixed-version",
];

fn warnings(done: &Ran) -> Vec<&str> {
    done.stderr.lines().filter(|line| line.contains("warning")).collect()
}

#[test]
fn an_ubuntu_image_is_repaired_and_ubuntu_pro_without_a_subscription_is_left_out() {
    let place = ubuntu();
    let (esm, asked) = server(no_subscription);
    let done = ran(&mut repair(&place, &esm)).expect(0);
    let json = done.json();
    assert_eq!(verdicts(&json), REPAIRED);
    let [warning] = warnings(&done)[..] else { panic!("{}", done.stderr) };
    assert!(
        warning.contains("https://esm.ubuntu.com/apps/ubuntu noble-apps-security is left out")
            && warning.contains("pro attach"),
        "{warning}"
    );
    let heif = json["platforms"][0]["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .find(|one| one["package"] == "libheif1")
        .expect("libheif1");
    let why = heif["explanation"].as_str().expect("text");
    assert!(
        why.starts_with("its repository could not be read: https://esm.ubuntu.com/apps/ubuntu"),
        "{why}"
    );
    assert!(asked.lock().expect("log").iter().all(|path| path.ends_with("/InRelease")));
}

#[test]
fn the_user_may_want_every_repository_to_be_read() {
    let (esm, _) = server(no_subscription);
    for by in ["flag", "policy"] {
        let place = ubuntu();
        let mut command = repair(&place, &esm);
        if by == "flag" {
            command.arg("--strict-repositories");
        } else {
            let text = "[repositories]\nstrict-repositories = true\n";
            std::fs::write(place.path("imgfix.toml"), text).expect("policy");
        }
        let done = ran(&mut command).expect(1);
        assert!(
            done.stderr.contains("noble-apps-security")
                && done.stderr.contains("(--strict-repositories)"),
            "{by}: {}",
            done.stderr
        );
        assert_eq!(tagged(&place.path("image"), "24.04_fix"), None);
    }
}

#[test]
fn configuration_from_windows_says_the_same() {
    let original = fixture("ubuntu-24.04");
    let text = |name: &str| {
        let path = format!("etc/apt/sources.list.d/{name}.sources");
        let digest = manifest(&original, "24.04")["layers"][0]["digest"].clone();
        let layer = std::fs::File::open(blob(&original, digest.as_str().expect("digest")));
        let layer = flate2::read::GzDecoder::new(layer.expect("layer"));
        let mut tar = tar::Archive::new(layer);
        let mut entry = tar
            .entries()
            .expect("tar")
            .map(|entry| entry.expect("entry"))
            .find(|entry| entry.path().expect("path") == Path::new(&path))
            .expect("sources");
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        (path, format!("\u{feff}{}", text.replace('\n', "\r\n")))
    };
    let [(ubuntu, ubuntu_text), (esm_path, esm_text)] = ["ubuntu", "ubuntu-esm-apps"].map(text);
    let place = ubuntu_with(&[(&ubuntu, &ubuntu_text), (&esm_path, &esm_text)]);
    let (esm, _) = server(no_subscription);
    let done = ran(&mut repair(&place, &esm)).expect(0);
    assert_eq!(verdicts(&done.json()), REPAIRED, "{}", done.stderr);
}

#[test]
fn the_images_own_login_opens_the_images_own_repository_and_is_shown_nowhere() {
    let archive = fixture("ubuntu-repository");
    // me:s3cret
    let (url, asked) = server(move |path, login| match login {
        Some("Basic bWU6czNjcmV0") => {
            match std::fs::read(archive.join(path.trim_start_matches("/private/"))) {
                Ok(body) => (200, body),
                Err(_) => (404, Vec::new()),
            }
        }
        _ => (401, Vec::new()),
    });
    let host = url.strip_prefix("http://").expect("http");
    let keyring = "/usr/share/keyrings/ubuntu-archive-keyring.gpg";
    let sources = format!("deb [signed-by={keyring}] {url}/private noble-security main universe\n");
    let auth =
        |protocol: &str| format!("machine {protocol}{host}/private login me password s3cret\n");
    for (auth, opens) in [(auth("http://"), true), (auth(""), false)] {
        let place = ubuntu_with(&[
            ("etc/apt/sources.list.d/private.list", &sources),
            ("etc/apt/auth.conf.d/private.conf", &auth),
        ]);
        let (esm, _) = server(no_subscription);
        let mut command = repair(&place, &esm);
        command.arg("--verbose");
        let done = ran(&mut command).expect(0);
        let left_out = done.stderr.contains("/private noble-security is left out");
        assert_eq!(left_out, !opens, "{}", done.stderr);
        assert_eq!(done.stderr.contains("but for https only"), !opens, "{}", done.stderr);
        assert!(!done.stderr.contains("s3cret") && !done.stdout.contains("s3cret"));
    }
    assert!(
        asked
            .lock()
            .expect("log")
            .iter()
            .any(|path| path.contains("Packages") || path.contains("by-hash"))
    );
}

/// An image with a package database, of a release and with the given sources.
fn small_image(release: &str, sources: &str) -> Place {
    let place = Place::new();
    let status = "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\
                  Maintainer: x\nDescription: x\n";
    let mut files = vec![("etc/os-release", release), ("var/lib/dpkg/status", status)];
    if !sources.is_empty() {
        files.push(("etc/apt/sources.list", sources));
    }
    let layers: Vec<_> =
        files.iter().map(|(path, text)| images::layer(path, text.as_bytes())).collect();
    images::layout(&place.path("image"), "1", &layers);
    place
}

const BUSTER: &str = "ID=debian\nVERSION_ID=\"10\"\nVERSION_CODENAME=buster\n\
                      PRETTY_NAME=\"Debian GNU/Linux 10 (buster)\"\n";

#[test]
fn a_release_at_its_end_of_life_is_named_with_the_way_out() {
    let place = small_image(
        BUSTER,
        "deb http://deb.debian.org/debian buster main\n\
         deb http://deb.debian.org/debian buster-updates main\n\
         deb http://security.debian.org/debian-security buster/updates main\n",
    );
    let mut command = place.bare("plan", &place.image("1"));
    let nowhere = format!("file://{}", place.path("nowhere").display());
    for host in ["deb", "security"] {
        command.args(["--mirror", &format!("http://{host}.debian.org={nowhere}")]);
    }
    let done = ran(&mut command).expect(1);
    assert!(
        done.stderr.contains(
            "no repository can be used: Debian 10 (buster) has reached its end of life \
             (2024-06-30), and its packages have moved: go on with \
             --mirror http://deb.debian.org/debian=http://archive.debian.org/debian \
             --mirror http://security.debian.org/debian-security=http://archive.debian.org/\
             debian-security"
        ),
        "{}",
        done.stderr
    );
}

#[test]
fn an_image_without_any_source_has_a_reason_of_its_own() {
    let findings = r#"{"schema": "imgfix/findings/v1", "findings": [{"id": "CVE-1", "class": "system", "severity": "high", "package": "a", "installed": "1", "fixed": "2"}]}"#;
    for (release, want) in [
        (BUSTER, "deb http://archive.debian.org/debian buster main"),
        ("ID=kali\nPRETTY_NAME=\"Kali\"\n", "none is known for Kali; give one with --repository"),
    ] {
        let place = small_image(release, "");
        std::fs::write(place.path("report.json"), findings).expect("report");
        let mut command = place.bare("plan", &place.image("1"));
        command.args(["-r", "report.json", "--format", "json"]);
        let done = ran(&mut command).expect(0);
        let reason = &done.json()["platforms"][0]["unfixed"][0]["reason"];
        assert_eq!(reason["kind"], "no-repository", "{reason} {}", done.stderr);
        let advice = reason["advice"].as_str().expect("advice");
        assert!(advice.contains(want), "{advice}");
        assert!(done.stderr.contains("the image names no repository"), "{}", done.stderr);
    }
}

#[test]
fn without_a_home_downloads_are_kept_for_the_run_only() {
    let (esm, _) = server(no_subscription);
    for home in ["/", "/proc/none"] {
        let place = ubuntu();
        let with = |more: &[&str]| {
            let plain = on(&place, "plan", &esm);
            let mut command = place.imgfix();
            // without --cache-dir and its value
            command.args(
                plain
                    .get_args()
                    .filter(|word| *word != "--cache-dir" && *word != place.path("cache")),
            );
            command.env("HOME", home).args(more);
            ran(&mut command)
        };
        let done = with(&[]).expect(0);
        let told = warnings(&done).iter().any(|line| {
            line.contains("for this run only")
                && line.contains("--cache-dir DIR")
                && line.contains("--no-cache")
        });
        assert!(told, "{home}: {}", done.stderr);
        let silent = with(&["--no-cache"]).expect(0);
        assert!(!silent.stderr.contains("for this run only"), "{}", silent.stderr);
        let offline = with(&["--offline"]);
        assert!(matches!(offline.code, Some(1 | 2)), "{}", offline.stderr);
        let says = offline.stderr.contains("--cache-dir");
        assert!(says, "{home}: {}", offline.stderr);
        assert!(!Path::new("/.cache/imgfix").exists());
    }
}
