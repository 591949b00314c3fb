//! Servers that are slow on purpose or curious: a run ends in time, with a message that says
//! what to do, and those that a redirect leads to learn nothing.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::cli::{Place, fixture, ran, report};
use common::hostile::{Request, Response, Server, serve_layout};

/// A server of the fixtures' repository; `answer` may answer first.
fn repository(
    answer: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static,
) -> (Server, String) {
    let dir: PathBuf = fixture("repository");
    let server = Server::start(move |request| {
        answer(request).unwrap_or_else(|| {
            let path = request.path.trim_start_matches('/').replace("%2B", "+");
            match std::fs::read(dir.join(path)) {
                Ok(bytes) => Response::new(200, bytes),
                Err(_) => Response::new(404, ""),
            }
        })
    });
    let key = fixture("repository/key.asc");
    let (key, host) = (key.display(), &server.host);
    let line = format!("deb [signed-by={key}] http://{host} bookworm-security main");
    (server, line)
}

fn drip(dir: PathBuf, part: &'static str) -> impl Fn(&Request) -> Option<Response> {
    move |request| {
        let path = request.path.trim_start_matches('/').replace("%2B", "+");
        let wanted = request.path.contains(part);
        wanted.then(|| Response::new(200, std::fs::read(dir.join(path)).unwrap()).dripping())
    }
}

/// The run must give up in time, name the server and the option, and publish nothing.
#[track_caller]
fn gives_up(place: &Place, command: &mut std::process::Command, what: &str, host: &str) {
    let start = Instant::now();
    let run = ran(command.args(["--timeout", "2"])).expect(1);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(60), "{what}: {took:?}");
    for want in ["too slow", "--timeout", host] {
        assert!(run.stderr.contains(want), "{what}: {want:?} is not in {}", run.stderr);
    }
    assert_eq!(place.tagged("12_fix"), None);
}

#[test]
fn a_repository_that_drips_is_given_up() {
    for part in ["InRelease", "/by-hash/", ".deb"] {
        let place = Place::debian();
        let (server, line) = repository(drip(fixture("repository"), part));
        let mut command = place.bare("repair", &place.image("12"));
        command.args(["-q", "-r", &report("debian-12.trivy"), "--repository", &line]);
        gives_up(&place, &mut command, part, &server.host);
    }
}

#[test]
fn a_registry_that_drips_is_given_up() {
    for part in ["/manifests/12", "/blobs/"] {
        let place = Place::debian();
        let layout = place.path("image");
        let inner = layout.clone();
        let server = serve_layout(layout, move |request| {
            let last = request.path.rsplit('/').next().unwrap_or_default();
            let digest = match last {
                "12" => common::cli::tagged(&inner, "12")?,
                other => other.to_owned(),
            };
            let wanted = request.method == "GET" && request.path.contains(part);
            let bytes =
                wanted.then(|| std::fs::read(common::cli::blob(&inner, &digest)).unwrap())?;
            let kind = "application/vnd.oci.image.manifest.v1+json";
            Some(Response::new(200, bytes).header("Content-Type", kind).dripping())
        });
        let mut command = place.on("repair", &format!("docker://{}/team/app:12", server.host));
        command.args(["-q", "-r", &report("debian-12.trivy")]);
        gives_up(&place, &mut command, part, &server.host);
    }
}

#[test]
fn a_token_server_that_drips_is_given_up() {
    let place = Place::debian();
    let tokens = Server::start(|_| Response::new(200, vec![b' '; 1 << 16]).dripping());
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"x\"", tokens.host);
    let server = serve_layout(place.path("image"), move |_| {
        Some(Response::new(401, "{}").header("WWW-Authenticate", &realm))
    });
    let mut command = place.on("repair", &format!("docker://{}/team/app:12", server.host));
    command.args(["-q", "-r", &report("debian-12.trivy")]);
    gives_up(&place, &mut command, "token", &server.host);
}

#[test]
fn those_that_a_redirect_leads_to_are_not_told_from_where() {
    let place = Place::debian();
    // The storage behind both: of layers and of packages.
    let storage = {
        let (layout, pool) = (place.path("image"), fixture("repository"));
        Server::start(move |request| {
            let path = request.path.trim_start_matches('/').replace("%2B", "+");
            let file = match path.strip_prefix("layer/") {
                Some(digest) => common::cli::blob(&layout, digest),
                None => pool.join(path),
            };
            Response::new(200, std::fs::read(file).unwrap())
        })
    };
    let to_storage = format!("http://{}", storage.host);
    let to = to_storage.clone();
    let registry = serve_layout(place.path("image"), move |request| {
        let (_, digest) = request.path.split_once("/blobs/")?;
        let read = request.method == "GET";
        read.then(|| Response::new(307, "").header("Location", format!("{to}/layer/{digest}")))
    });
    let (_packages, line) = repository(move |request| {
        let deb = request.path.ends_with(".deb");
        deb.then(|| {
            Response::new(302, "").header("Location", format!("{to_storage}{}", request.path))
        })
    });
    let mut command = place.bare("plan", &format!("docker://{}/team/app:12", registry.host));
    command.args(["-q", "-r", &report("debian-12.trivy"), "--repository", &line]);
    ran(&mut command).expect(0);
    let requests = storage.requests();
    for kind in ["/layer/", ".deb"] {
        assert!(requests.iter().any(|one| one.path.contains(kind)), "{kind}: {requests:?}");
    }
    for request in &requests {
        for name in ["referer", "authorization", "cookie"] {
            assert_eq!(request.header(name), None, "{}", request.path);
        }
    }
}
