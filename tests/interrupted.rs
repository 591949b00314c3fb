//! Ctrl-C, `kill` and `kill -9` at any moment: the old tag works, a new one is whole or not
//! there, the next run succeeds; and a run that could still act leaves nothing behind.
//!
//! Moments are chosen by what the program says it does, not by the clock, and a report that
//! nobody takes keeps it from ending before the signal comes: every run is hit, however busy
//! the machine is.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::apk::{Entry, Package};
use common::apk_samples::{ALPINE, Apk, DATABASE, newer, older};
use common::cli::{
    Place, assert_same, copy_tree, fixture, ran, read_json, report, snapshot, tagged,
};
use common::hostile::{Response, Server, serve_layout};
use common::processes::{is_running, linked, until};
use common::registry::run;

/// A run that was started, and what it said so far.
struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    said: Vec<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let stderr = BufReader::new(child.stderr.take().expect("stderr"));
        Self { child, stderr, said: Vec::new() }
    }

    /// Waits for one more line; `false` at the end.
    fn line(&mut self) -> bool {
        let mut line = String::new();
        let read = self.stderr.read_line(&mut line).expect("a line");
        self.said.push(line.trim_end().to_owned());
        read > 0
    }

    /// Sends a signal and waits for the end; how it ended, and what it said after the signal.
    fn signalled(mut self, signal: &str) -> (ExitStatus, String) {
        run("kill", &[signal, &self.child.id().to_string()]);
        let status = self.child.wait().expect("status");
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("stderr");
        (status, rest)
    }
}

/// A repair of `image` that says what it does, and does not end by itself.
fn endless(place: &Place, image: &str) -> Command {
    let fifo = place.path("report-nobody-reads");
    if !fifo.exists() {
        run("mkfifo", &[&fifo.display().to_string()]);
    }
    let mut command = place.on("repair", image);
    command.args(["-v", "-r", &report("debian-12.trivy"), "--report-file"]).arg(fifo);
    command
}

/// The digest of an undisturbed run, and how many lines it says until the tag has moved.
fn undisturbed(place: &Place) -> (String, usize) {
    let digest = ran(&mut place.repair(&place.image("12"))).expect(0).digest();
    fresh_image(place);
    let mut running = Running::start(&mut endless(place, &place.image("12")));
    while running.line() && !running.said.iter().any(|line| line.contains("blobs: ")) {}
    let lines = running.said.len();
    assert!(lines > 10, "{:?}", running.said);
    running.signalled("-KILL");
    fresh_image(place);
    (digest, lines)
}

fn fresh_image(place: &Place) {
    std::fs::remove_dir_all(place.path("image")).expect("remove");
    copy_tree(&fixture("debian-12"), &place.path("image"));
}

/// Waits spread over a few milliseconds, always the same ones.
fn waits() -> impl Iterator<Item = Duration> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Duration::from_micros(state % 30_000)
    })
}

/// Every file of the original image must be there as it was.
#[track_caller]
fn original_is_whole(place: &Place) {
    let image = place.path("image");
    for (path, content) in snapshot(&fixture("debian-12")) {
        let relative = path.strip_prefix(fixture("debian-12")).expect("below");
        if !relative.ends_with("index.json") {
            let now = std::fs::read(image.join(relative)).expect("file");
            assert!(now == content, "{}", relative.display());
        }
    }
    assert_eq!(place.tagged("12"), tagged(&fixture("debian-12"), "12"));
}

/// Nothing in the temporary directory, nothing half downloaded.
#[track_caller]
fn nothing_temporary(place: &Place) {
    for folder in ["tmp", "cache/tmp"] {
        let left: Vec<_> =
            std::fs::read_dir(place.path(folder)).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    snapshot(dir).into_keys().collect()
}

#[test]
fn killed_at_fifty_moments() {
    let place = Place::debian();
    let (digest, lines) = undisturbed(&place);
    ran(&mut place.repair(&place.image("12"))).expect(0);
    let repaired = files(&place.path("image"));
    fresh_image(&place);
    let mut unpublished = 0;
    for (at, wait) in waits().take(50).enumerate() {
        let mut running = Running::start(&mut endless(&place, &place.image("12")));
        for _ in 0..at * lines / 50 {
            running.line();
        }
        std::thread::sleep(wait);
        let (status, _) = running.signalled("-KILL");
        assert_eq!(status.signal(), Some(9), "a run ended before it was killed");
        original_is_whole(&place);
        match place.tagged("12_fix") {
            Some(found) => assert_eq!(found, digest, "half an image was published"),
            None => unpublished += 1,
        }
        if at % 5 == 4 {
            let again = ran(&mut place.repair(&place.image("12"))).expect(0).digest();
            assert_eq!(again, digest);
            // what the killed ones left is used or gone
            assert_eq!(files(&place.path("image")), repaired);
            nothing_temporary(&place);
            fresh_image(&place);
        }
    }
    assert!(unpublished >= 25, "only {unpublished} of 50 runs were killed before the end");
    let again = ran(&mut place.repair(&place.image("12"))).expect(0).digest();
    assert_eq!(again, digest);
}

/// The run must have ended by the signal, promptly, with the one line that `published` wants.
#[track_caller]
fn ended_well((status, said): (ExitStatus, String), code: i32, line: &str) {
    assert_eq!(status.code(), Some(code), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("imgfix: ") && last.contains(line), "{said}");
    assert!(!said.contains("error") && !said.contains("panicked"), "{said}");
}

#[test]
fn interrupted_at_twenty_moments_nothing_is_left() {
    let place = Place::debian();
    let (digest, lines) = undisturbed(&place);
    for (at, wait) in waits().take(20).enumerate() {
        fresh_image(&place);
        let before = snapshot(&place.path("image"));
        let (signal, code, by) = match at % 2 {
            0 => ("-INT", 130, "interrupted"),
            _ => ("-TERM", 143, "terminated"),
        };
        let mut running = Running::start(&mut endless(&place, &place.image("12")));
        // the handler is there before the first line is
        for _ in 0..=at * lines / 20 {
            running.line();
        }
        std::thread::sleep(wait);
        let started = Instant::now();
        let ended = running.signalled(signal);
        assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
        nothing_temporary(&place);
        match place.tagged("12_fix") {
            Some(found) => {
                assert_eq!(found, digest, "half an image was published");
                ended_well(
                    ended,
                    code,
                    &format!("{by} after {} was published", place.image("12_fix")),
                );
                original_is_whole(&place);
            }
            None => {
                ended_well(ended, code, &format!("{by}; nothing was published"));
                assert_same(&before, &snapshot(&place.path("image")));
            }
        }
    }
    let again = ran(&mut place.repair(&place.image("12"))).expect(0).digest();
    assert_eq!(again, digest);
}

/// Interrupts a repair to `output` as soon as it publishes.
fn interrupted_while_publishing(place: &Place, output: &str) {
    for wait in waits().take(4) {
        let mut command = endless(place, &place.image("12"));
        let mut running = Running::start(command.args(["-o", output]));
        while running.line() && !running.said.iter().any(|line| line.contains("publishing")) {}
        std::thread::sleep(wait / 10);
        let (status, said) = running.signalled("-INT");
        assert_eq!(status.code(), Some(130), "{said}");
        if said.contains("nothing was published") {
            return;
        }
        assert!(said.contains("was published"), "{said}");
        let _ = std::fs::remove_dir_all(place.path("new"));
    }
    panic!("the run was always faster than the signal");
}

#[test]
fn a_new_layout_or_archive_that_was_interrupted_is_not_there() {
    let place = Place::debian();
    ran(&mut place.repair(&place.image("12"))).expect(0);
    let output = format!("oci:{}:1", place.path("new/layout").display());
    interrupted_while_publishing(&place, &output);
    assert!(!place.path("new").exists(), "{:?}", files(&place.path("new")));
    for transport in ["oci-archive", "docker-archive"] {
        std::fs::create_dir_all(place.path("new")).expect("directory");
        let output = format!("{transport}:{}:app:1", place.path("new/app.tar").display());
        interrupted_while_publishing(&place, &output);
        assert_eq!(files(&place.path("new")), Vec::<PathBuf>::new());
    }
}

/// Waits until the server has a request that `wanted` is true of.
fn asked(server: &Server, wanted: impl Fn(&common::hostile::Request) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !server.requests().iter().any(&wanted) {
        assert!(Instant::now() < deadline, "{:?}", server.requests());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_upload_that_was_interrupted_is_cancelled() {
    let place = Place::debian();
    let session = "/v2/team/app/blobs/uploads/7";
    let server = serve_layout(place.path("image"), move |request| match request.method.as_str() {
        "POST" => Some(Response::new(202, "").header("Location", session)),
        // longer than the test waits
        "PUT" => {
            std::thread::sleep(Duration::from_secs(30));
            Some(Response::new(500, ""))
        }
        "DELETE" => Some(Response::new(204, "")),
        _ => None,
    });
    let image = format!("docker://{}/team/app:12", server.host);
    let running = Running::start(&mut endless(&place, &image));
    asked(&server, |one| one.method == "PUT");
    let started = Instant::now();
    let ended = running.signalled("-INT");
    assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
    ended_well(ended, 130, "nothing was published");
    let requests = server.requests();
    let cancelled: Vec<_> = requests.iter().filter(|one| one.method == "DELETE").collect();
    assert!(matches!(cancelled.as_slice(), [one] if one.path == session), "{cancelled:?}");
    assert!(!requests.iter().any(|one| one.method == "PUT" && one.path.contains("/manifests/")));
    nothing_temporary(&place);
}

#[test]
fn a_tag_that_may_have_moved_is_named() {
    let place = Place::debian();
    let server = serve_layout(place.path("image"), move |request| match request.method.as_str() {
        "POST" => Some(Response::new(202, "").header("Location", "/v2/team/app/blobs/uploads/7")),
        "PUT" if request.path.ends_with("/manifests/12_fix") => {
            std::thread::sleep(Duration::from_secs(30));
            Some(Response::new(500, ""))
        }
        "PUT" => Some(Response::new(201, "")),
        _ => None,
    });
    let image = format!("docker://{}/team/app:12", server.host);
    let running = Running::start(&mut endless(&place, &image));
    asked(&server, |one| one.path.ends_with("/manifests/12_fix"));
    ended_well(running.signalled("-TERM"), 143, "team/app:12_fix; see what it points at");
}

#[test]
fn a_download_that_was_interrupted_leaves_no_part() {
    let repository = fixture("repository");
    let server = Server::start(move |request| {
        if request.path.ends_with(".deb") {
            std::thread::sleep(Duration::from_secs(30));
        }
        match std::fs::read(repository.join(request.path.trim_start_matches('/'))) {
            Ok(bytes) => Response::new(200, bytes),
            Err(_) => Response::new(404, ""),
        }
    });
    let place = Place::debian();
    let key = fixture("repository/key.asc");
    let line =
        format!("deb [signed-by={}] http://{} bookworm-security main", key.display(), server.host);
    for cache in [vec!["--cache-dir", "cache"], vec!["--no-cache"]] {
        let mut command = place.imgfix();
        command.args(["repair", &place.image("12"), "-r", &report("debian-12.trivy")]);
        let running = Running::start(command.args(["--repository", &line]).args(cache));
        let before = server.requests().len();
        asked(&server, |_| {
            server.requests()[before..].iter().any(|one| one.path.ends_with(".deb"))
        });
        ended_well(running.signalled("-INT"), 130, "nothing was published");
        nothing_temporary(&place);
    }
    let index = read_json(&place.path("image/index.json"));
    assert_eq!(index, read_json(&fixture("debian-12/index.json")));
}

/// An image whose package gets a script that runs a program of the image, which no virtual
/// shell knows and which does not end.
fn with_an_endless_script(name: &str) -> Apk {
    let apk = Apk::new();
    let change = |package: Package| match package.name.as_str() {
        "foo-tools" => Package { scripts: Vec::new(), ..package }
            .script("post-upgrade", &format!("/usr/bin/{name} 600")),
        _ => package,
    };
    let packages: Vec<Package> = newer().into_iter().map(change).collect();
    apk.publish("RSA", &packages);
    let mut root = apk.root(ALPINE, "x86_64");
    root.install(DATABASE, &older(), &apk.key);
    root.install_scripts(DATABASE, &older());
    for (program, path) in [("sh", "bin/sh".to_owned()), ("sleep", format!("usr/bin/{name}"))] {
        let (program, libraries) = linked(program);
        let relative = |library: &Path| library.display().to_string()[1..].to_owned();
        let files = libraries.iter().map(|library| (relative(library), library));
        for (path, from) in files.chain([(path, &program)]) {
            let content = std::fs::read(from).expect("a program");
            root.put(Entry { mode: 0o755, ..Entry::file(&path, content) });
        }
    }
    apk.image(&root);
    apk
}

#[test]
fn a_script_in_the_sandbox_ends_with_the_run_however_that_ends() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("NOT tested: the image is for x86_64");
        return;
    }
    let name = format!("imgfix-endless-{}", std::process::id());
    let apk = with_an_endless_script(&name);
    // what -KILL leaves is gone after the next run, which an interruption ends
    for (signal, code) in [("-KILL", None), ("-INT", Some(130)), ("-TERM", Some(143))] {
        let mut command = apk.place.bare("repair", &apk.place.image("1"));
        let running = Running::start(command.args(["--scripts", "sandbox"]));
        until("the script runs", || is_running(&format!("/usr/bin/{name}\0")));
        let started = Instant::now();
        let (status, said) = running.signalled(signal);
        assert_eq!(status.code(), code, "{said}");
        assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
        until("the script ends", || !is_running(&name));
        assert_eq!(apk.place.tagged("1_fix"), None);
        if code.is_some() {
            nothing_temporary(&apk.place);
            assert!(said.contains("nothing was published"), "{said}");
        }
    }
}
