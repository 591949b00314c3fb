//! Exit codes keep their word: 1 and 2 mean that nothing was published, 4 that the image was,
//! or perhaps was, and that something after that failed.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use common::cli::{Place, Ran, ran, report};
use common::hostile::{Request, Response, Server, serve_layout};
use imgfix_model::digest::Digest;

const OPTIONS: [&str; 9] = [
    "--report-file",
    "--html",
    "--markdown",
    "--review-json",
    "--sarif",
    "--openvex",
    "--junit",
    "--outputs",
    "--dotenv",
];

#[test]
fn a_report_that_cannot_be_written_at_the_end_is_a_code_of_its_own() {
    // The device takes the opening and refuses the bytes, as a disk that is full does.
    for option in OPTIONS {
        let place = Place::debian();
        let other = if option == "--sarif" { "--junit" } else { "--sarif" };
        let mut command = place.repair(&place.image("12"));
        command.args([option, "/dev/full", other]).arg(place.path("other"));
        let run = ran(&mut command).expect(4);
        let image = place.image("12_fix");
        for want in [&*image, "was published, but not its report", option, "/dev/full"] {
            assert!(run.stderr.contains(want), "{want:?} is not in {}", run.stderr);
        }
        assert!(place.tagged("12_fix").is_some());
        assert!(place.path("other").exists(), "the others are written all the same");
    }
}

#[test]
fn standard_output_that_takes_nothing_is_a_code_of_its_own() {
    let place = Place::debian();
    let mut command = place.repair(&place.image("12"));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    command.stdin(Stdio::null()).stdout(full);
    let run: Ran = command.output().unwrap().into();
    let run = run.expect(4);
    assert!(run.stderr.contains("was published, but not its report"), "{}", run.stderr);
    assert!(place.tagged("12_fix").is_some());
}

#[test]
fn what_can_be_known_of_a_report_file_is_said_before_the_work() {
    for option in OPTIONS {
        let place = Place::debian();
        let case = |arguments: &[&std::ffi::OsStr], wants: &[&str]| {
            let run = ran(place.repair(&place.image("12")).args(arguments)).expect(2);
            for want in wants.iter().chain(&[option]) {
                assert!(run.stderr.contains(want), "{want:?} is not in {}", run.stderr);
            }
            assert_eq!(place.tagged("12_fix"), None);
        };
        let (option, home) = (std::ffi::OsStr::new(option), place.path("home"));
        case(&[option, home.as_os_str()], &["directory"]);
        let missing = place.path("no/folder/file");
        case(&[option, missing.as_os_str()], &["No such file"]);
        let other = if option == "--html" { "--sarif" } else { "--html" };
        let (once, twice) = (place.path("same"), place.path("home/../same"));
        let pair = [option, once.as_os_str(), other.as_ref(), twice.as_os_str()];
        case(&pair, &["both name", other]);
        assert!(!once.exists());
    }
    let place = Place::debian();
    std::fs::write(place.path("outputs"), b"step=\xff\n").unwrap();
    let mut command = place.repair(&place.image("12"));
    ran(command.arg("--outputs").arg(place.path("outputs"))).expect(2);
    assert_eq!(std::fs::read(place.path("outputs")).unwrap(), b"step=\xff\n");
}

/// What a registry that takes everything has under its tags and digests.
type Stored = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A registry that takes an image; `answer` may answer first, and sees what is stored.
fn registry(
    place: &Place,
    answer: impl Fn(&Request, &Stored) -> Option<Response> + Send + Sync + 'static,
) -> Server {
    let stored = Stored::default();
    serve_layout(place.path("image"), move |request| {
        let name = request.path.rsplit('/').next().unwrap_or_default().to_owned();
        if request.method == "PUT" && request.path.contains("/manifests/") {
            let mut all = stored.lock().unwrap();
            all.insert(Digest::of(&request.body).to_string(), request.body.clone());
            all.insert(name.clone(), request.body.clone());
        }
        if let Some(response) = answer(request, &stored) {
            return Some(response);
        }
        match request.method.as_str() {
            "POST" => Some(
                Response::new(202, "").header("Location", "/v2/team/app/blobs/uploads/1?state=x"),
            ),
            "PUT" if request.path.contains("/uploads/") => {
                let digest = request.path.rsplit("digest=").next()?.replace("%3A", ":");
                stored.lock().unwrap().insert(digest, request.body.clone());
                Some(Response::new(201, ""))
            }
            "PUT" => Some(Response::new(201, "")),
            "GET" | "HEAD" => {
                let bytes = stored.lock().unwrap().get(&name)?.clone();
                let kind = "application/vnd.oci.image.manifest.v1+json";
                Some(Response::new(200, bytes).header("Content-Type", kind))
            }
            _ => None,
        }
    })
}

fn is_tag(request: &Request, method: &str) -> bool {
    request.method == method && request.path.ends_with("/manifests/12_fix")
}

fn repair(place: &Place, server: &Server) -> Ran {
    let mut command = place.on("repair", &format!("docker://{}/team/app:12", server.host));
    command.args(["-q", "-r", &report("debian-12.trivy")]);
    ran(&mut command)
}

#[test]
fn a_registry_that_keeps_what_it_is_given_is_a_success() {
    let place = Place::debian();
    repair(&place, &registry(&place, |_, _| None)).expect(0);
}

#[test]
fn an_image_that_cannot_be_read_back_is_a_code_of_its_own() {
    type Answer = fn(&Request, &Stored) -> Option<Response>;
    // It forgets the tag, serves another image under it, refuses to tell, or lost the config.
    let cases: [(Answer, &str); 4] = [
        (|request, _| is_tag(request, "GET").then(|| Response::new(404, "{}")), "not found"),
        (
            |request, stored| {
                let other = stored.lock().unwrap().get("12_fix").cloned()?;
                let text = String::from_utf8(other).unwrap().replacen('{', "{ ", 1);
                is_tag(request, "GET").then(|| Response::new(200, text))
            },
            "it is sha256:",
        ),
        (|request, _| is_tag(request, "GET").then(|| Response::new(403, "{}")), "HTTP 403"),
        (
            |request, stored| {
                let read = request.method == "GET" && request.path.contains("/blobs/");
                let done = stored.lock().unwrap().contains_key("12_fix");
                (read && done).then(|| Response::new(404, "{}"))
            },
            "not found",
        ),
    ];
    for (answer, why) in cases {
        let place = Place::debian();
        let server = registry(&place, answer);
        let run = repair(&place, &server).expect(4);
        for want in ["team/app:12_fix", "published", why] {
            assert!(run.stderr.contains(want), "{want:?} is not in {}", run.stderr);
        }
    }
}

#[test]
fn a_registry_whose_answer_is_lost_is_asked_what_became_of_the_tag() {
    // It stored the tag and said 500; it refused; it stored nothing and said 500; it said 500
    // and nothing more.
    for (put, get, code, want) in [
        (500, None, 4, "was published, but then"),
        (400, None, 1, "HTTP 400"),
        (500, Some(404), 1, "HTTP 500"),
        (500, Some(500), 4, "may have moved all the same"),
    ] {
        let place = Place::debian();
        let server = registry(&place, move |request, _| {
            if is_tag(request, "GET") {
                return get.map(|status| Response::new(status, "{}"));
            }
            is_tag(request, "PUT").then(|| Response::new(put, "{}"))
        });
        let run = repair(&place, &server).expect(code);
        let said = run.stderr.contains(want) && run.stderr.contains("team/app:12_fix");
        assert!(said, "PUT {put} GET {get:?}: {}", run.stderr);
        assert_eq!(run.stderr.contains("published"), code == 4 && get.is_none(), "{}", run.stderr);
    }
}
