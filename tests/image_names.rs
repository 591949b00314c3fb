//! What is said of images that are named in a way that cannot be right, or that cannot be
//! repaired: the exact words, since they are all that the user has to go on.
//!
//! No network; needs Debian's tar.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::process::Command;

use common::cli::{Place, Ran, ran};
use common::hostile::{Response, Server};
use common::images::{layer, layout, platforms_layout};
use common::registry::run;

/// `imgfix repair` in the place's directory.
fn repair(place: &Place, arguments: &[&str]) -> Ran {
    ran(place.imgfix().args(["repair", "--no-cache"]).args(arguments))
}

/// The first line on stderr.
fn first_line(ran: &Ran) -> &str {
    ran.stderr.lines().next().unwrap_or_default()
}

#[test]
fn a_file_or_directory_that_lies_here_is_told_by_its_content() {
    let place = Place::debian();
    let image = place.path("image").display().to_string();
    let (docker, oci) = (place.path("app.tar"), place.path("oci.tgz"));
    let archive = format!("docker-archive:{}:app:1", docker.display());
    run("skopeo", &["copy", "-q", &place.image("12"), &archive]);
    let members = ["oci-layout", "index.json", "blobs"];
    let tar = ["-C", &image, "-czf", &oci.display().to_string()];
    run("tar", &[&tar[..], &members].concat());
    std::fs::write(place.path("notes.tar"), "no image").expect("file");
    let docker_words = "is a file here, as 'docker save' writes it; write docker-archive:";
    for (name, want) in [
        ("app.tar", format!("app.tar {docker_words}app.tar")),
        ("./app.tar", format!("./app.tar {docker_words}./app.tar")),
        ("app.tar:app:1", format!("app.tar {docker_words}app.tar:app:1")),
        ("oci.tgz", "oci.tgz is a file here, an OCI archive; write oci-archive:oci.tgz".to_owned()),
        (
            "image",
            "image is a directory here, an OCI layout; write oci:image, or oci:image:TAG for one \
             image of several"
                .to_owned(),
        ),
        (
            "notes.tar",
            "notes.tar is a file here, but no image: it has neither manifest.json nor index.json"
                .to_owned(),
        ),
    ] {
        for subcommand in ["repair", "plan", "inventory"] {
            let ran = ran(place.imgfix().args([subcommand, name])).expect(2);
            let want = format!("error: invalid value '{name}' for '<IMAGE>': {want}");
            assert_eq!(first_line(&ran), want, "{subcommand}");
        }
    }
    // a file of another kind does not hide a registry's image of that name
    std::fs::write(place.path("127.0.0.1"), "x").expect("file");
    let elsewhere = repair(&place, &["127.0.0.1:1/app:1"]).expect(1);
    assert!(elsewhere.stderr.contains("cannot be reached"), "{}", elsewhere.stderr);
}

#[test]
fn a_digest_without_a_tag_says_what_to_give() {
    let place = Place::new();
    let digest = format!("sha256:{}", "0".repeat(64));
    for (image, repository) in [
        (format!("127.0.0.1:1/team/app@{digest}"), "127.0.0.1:1/team/app"),
        (format!("debian@{digest}"), "docker.io/library/debian"),
    ] {
        let ran = repair(&place, &[&image]).expect(2);
        let want = format!(
            "imgfix: error: \"docker://{repository}@{digest}\" has no name for the result: it has no tag \
             that one could be made of; give one, as in -o {repository}:TAG"
        );
        assert_eq!(ran.stderr.trim(), want);
    }
    // with -o the registry is asked
    let image = format!("127.0.0.1:1/team/app@{digest}");
    repair(&place, &[&image, "-o", "127.0.0.1:1/team/app:1"]).expect(1);
}

#[test]
fn a_chiselled_ubuntu_is_named() {
    let place = Place::new();
    let wall = layer("var/lib/chisel/manifest.wall", b"wall");
    layout(&place.path("image"), "1", &[layer("etc/os-release", b"ID=ubuntu\n"), wall]);
    let ran = repair(&place, &[&place.image("1")]).expect(1);
    let want = format!(
        "imgfix: error: {} (linux/amd64): the image is a chiselled Ubuntu: chisel cut its files out of \
         packages and noted them in /var/lib/chisel/manifest.wall, and there is no dpkg database \
         that they could be upgraded by; build it anew with 'chisel cut', which takes the newest \
         packages",
        place.image("1")
    );
    assert!(ran.stderr.contains(&want), "{}", ran.stderr);
}

#[test]
fn platforms_are_chosen_by_the_names_that_people_write() {
    let place = Place::new();
    let one = |name: &'static str| (name, vec![layer("etc/arch", name.as_bytes())]);
    platforms_layout(&place.path("image"), "1", &[one("amd64"), one("arm64")]);
    for (name, platform) in [
        ("linux/aarch64", "linux/arm64"),
        ("linux/x86_64", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("amd64", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64"),
    ] {
        let ran = repair(&place, &[&place.image("1"), "--platform", name]).expect(0);
        // neither records what is installed: the warning names the one that was chosen
        assert!(ran.stderr.contains(&format!("({platform})")), "{name}: {}", ran.stderr);
    }
}

#[test]
fn a_credential_helper_that_cannot_be_run_is_named() {
    let place = Place::new();
    let server = Server::start(|_| {
        Response::new(401, "").header("WWW-Authenticate", "Basic realm=\"private\"")
    });
    let home = place.path("home/.docker");
    std::fs::create_dir(&home).expect("directory");
    let file = home.join("config.json");
    let helpers = format!(r#"{{"credHelpers":{{"{}":"imgfix-is-not-here"}}}}"#, server.host);
    std::fs::write(&file, helpers).expect("config.json");
    let host = &server.host;
    let mut command: Command = place.imgfix();
    let ran = ran(command.args(["inventory", &format!("{host}/app:1")])).expect(1);
    let want = format!(
        "imgfix: error: docker://{host}/app:1: {host} answered HTTP 401; run 'docker login {host}' or set \
         REGISTRY_AUTH_FILE (the credential helper docker-credential-imgfix-is-not-here that {} \
         names cannot be run; install it, or take it out of there), and check the image's name",
        file.display()
    );
    assert_eq!(ran.stderr.lines().last(), Some(&*want));
}
