//! What a run has given up when strangers' bytes come: attacks from inside a confined process,
//! each of which works in an open one; the built program under way; and runs in unusual places,
//! which must go on as if nothing were confined.
//!
//! Where the kernel has no Landlock, the tests say what they did not see.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use common::cli::{
    IMGFIX, Place, assert_same, copy_tree, fixture, is_root, ran, report, repository_line,
    snapshot, tagged,
};
use imgfix_confinement as confinement;
use imgfix_confinement::{Confined, Files, Needs, Network, machine, network};
use imgfix_host::unfinished::Unfinished;
use imgfix_model::digest::Digest;

/// What the kernel can do; `None`, said loudly, without Landlock.
fn landlock() -> Option<u32> {
    let seen =
        std::thread::spawn(|| confinement::confine(&Needs::default(), &Unfinished::default()));
    match seen.join().unwrap().files {
        Files::On { abi, .. } => Some(abi.trim_start_matches('V').parse().unwrap()),
        other => {
            eprintln!("NOT tested on this kernel: Landlock ({other:?})");
            None
        }
    }
}

// --- from inside ----------------------------------------------------------------------------

/// Says to a child process that it is the one that attacks, and how much it has given up first.
const ROLE: &str = "IMGFIX_TEST_ROLE";
const PLACE: &str = "IMGFIX_TEST_PLACE";

/// Where somebody listens.
const ADDRESS: &str = "IMGFIX_TEST_ADDRESS";

/// Runs this test program's `test` in a process of its own: what it tried, and how each ended.
fn inside(test: &str, role: &str, place: &Path, address: &str) -> BTreeMap<String, String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(PLACE, place).env(ADDRESS, address);
    let output = ran(&mut command).expect(0).stdout;
    let outcomes = output.lines().filter_map(|line| line.split_once(" => "));
    outcomes.map(|(name, how)| (name.to_owned(), how.to_owned())).collect()
}

fn attack<T>(name: &str, attack: impl FnOnce() -> io::Result<T>) {
    let outcome = match attack() {
        Ok(_) => "done".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    };
    println!("\n{name} => {outcome}");
}

/// The needs of the attacked: it reads one file and an image, keeps one folder, and names one
/// report.
fn needs(place: &Path, network: Network) -> Needs {
    let mut needs = Needs { network, ..Needs::default() };
    machine::needs(&mut needs, Some(&place.join("tmp")));
    needs.read(&[place.join("link")]);
    needs.source(&format!("oci:{}:1", place.join("layout").display()).parse().unwrap());
    needs.keep(&place.join("new/cache"), 0o700);
    needs.report(&place.join("home/report.json"));
    needs
}

/// What a decoder that was taken over would try. `place` has a home with secrets.
fn attacks(place: &Path, staged: tempfile::NamedTempFile) {
    let at = |name: &str| place.join(name);
    attack("allowed: read through a link", || fs::read(at("link")));
    attack("allowed: write the cache", || fs::write(at("new/cache/x"), "x"));
    attack("allowed: move in the cache", || {
        fs::create_dir(at("new/cache/deep"))?;
        fs::rename(at("new/cache/x"), at("new/cache/deep/y"))
    });
    attack("allowed: temporary file", || tempfile::tempfile_in(at("tmp")));
    attack("allowed: a blob that is a link", || {
        fs::read(at("layout/blobs/sha256").join(Digest::of(b"a layer").hex()))
    });
    attack("allowed: name the report", || {
        staged.persist(at("home/report.json")).map_err(|error| error.error)
    });
    attack("allowed: how many processors", std::thread::available_parallelism);
    attack("read a secret of the user", || fs::read(at("home/.ssh/id")));
    attack("list the home", || fs::read_dir(at("home")));
    attack("read a secret beside the file", || fs::read(at("secrets/other")));
    attack("read a secret by a link in the image", || {
        fs::read(at("layout/blobs/sha256").join(Digest::of(b"a lie").hex()))
    });
    attack("read it by a link made in the cache", || {
        fs::hard_link(at("home/.ssh/id"), at("new/cache/id"))
    });
    attack("overwrite keys", || fs::write(at("home/.ssh/authorized_keys"), "ssh-ed25519 A"));
    attack("overwrite a file beside the report", || fs::write(at("home/.bashrc"), "evil"));
    attack("truncate a file beside the report", || {
        fs::File::options().write(true).truncate(true).open(at("home/.bashrc"))
    });
    attack("make a folder", || fs::create_dir(at("home/evil")));
    attack("move a file out of the cache", || {
        fs::rename(at("new/cache/deep/y"), at("home/.ssh/authorized_keys"))
    });
    attack("change the image", || fs::write(at("layout/index.json"), "{}"));
    attack("start a program", || Command::new("/bin/true").status());
    attack("read the environment of another process", || {
        fs::read(format!("/proc/{}/environ", std::os::unix::process::parent_id()))
    });
    attack("wait for connections", || TcpListener::bind("127.0.0.1:0"));
    attack("signal another process", || {
        let parent = rustix::process::getppid().unwrap();
        Ok(rustix::process::test_kill_process(parent)?)
    });
    attack("connect", || TcpStream::connect(address()));
    attack("send a datagram", || UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", address()));
    attack("ask a daemon", || UnixStream::connect(at("socket")));
    if is_root() {
        attack("read shadow", || fs::read("/etc/shadow"));
    }
}

/// Where the parent listens.
fn address() -> String {
    std::env::var(ADDRESS).unwrap()
}

fn prepare(place: &Path) {
    for folder in ["home/.ssh", "secrets", "tmp", "layout/blobs/sha256", "store"] {
        fs::create_dir_all(place.join(folder)).unwrap();
    }
    for (file, text) in [
        ("home/.ssh/id", "secret"),
        ("home/.bashrc", "mine"),
        ("secrets/other", "secret"),
        ("secrets/allowed", "x"),
        ("store/layer", "a layer"),
        ("layout/index.json", "{}"),
    ] {
        fs::write(place.join(file), text).unwrap();
    }
    symlink("secrets/allowed", place.join("link")).unwrap();
    let blob = |name: &[u8]| place.join("layout/blobs/sha256").join(Digest::of(name).hex());
    symlink(place.join("store/layer"), blob(b"a layer")).unwrap();
    symlink(place.join("home/.ssh/id"), blob(b"a lie")).unwrap();
}

/// The same attacks in an open process, in one that needs the network, and in one that needs
/// none. The two roles of this test: it attacks when it is started so, and else starts itself.
#[test]
fn what_is_not_needed_cannot_be_done() {
    if let (Ok(role), Some(place)) = (std::env::var(ROLE), std::env::var_os(PLACE)) {
        let place = PathBuf::from(place);
        // opened before, as reports are
        let staged = tempfile::NamedTempFile::new_in(place.join("home")).unwrap();
        let confined = match role.as_str() {
            "open" => {
                fs::create_dir_all(place.join("new/cache")).unwrap();
                Confined::default()
            }
            "network" => {
                confinement::confine(&needs(&place, Network::Needed), &Unfinished::default())
            }
            _ => confinement::confine(&needs(&place, Network::None), &Unfinished::default()),
        };
        println!("\n{confined}");
        attacks(&place, staged);
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let results: BTreeMap<&str, BTreeMap<String, String>> = ["open", "network", "none"]
        .into_iter()
        .map(|role| {
            let dir = tempfile::tempdir().unwrap();
            prepare(dir.path());
            let _daemon = UnixListener::bind(dir.path().join("socket")).unwrap();
            (role, inside("what_is_not_needed_cannot_be_done", role, dir.path(), &address))
        })
        .collect();
    let names: Vec<&String> = results["open"].keys().collect();
    assert!(names.len() >= 24, "{names:?}");
    let abi = landlock();
    let mut wrong = Vec::new();
    for name in names {
        let of = |role| results[role].get(name).map_or("missing", String::as_str);
        // every attack is one: it works where nothing is given up
        if of("open") != "done" {
            wrong.push(format!("{name} in an open process: {}", of("open")));
        }
        let network = ["connect", "send a datagram", "ask a daemon"].contains(&name.as_str());
        // what the kernel has from which version on
        let since = match name.as_str() {
            "wait for connections" => 4,
            "signal another process" => 6,
            _ => 2,
        };
        let refused = |role, how: &str| match (name.starts_with("allowed"), network, role) {
            (true, ..) | (_, true, "network") => how == "done",
            (_, true, _) => how == "PermissionDenied",
            _ if abi.is_none_or(|abi| abi < since) => true,
            _ => how == "PermissionDenied" || how == "CrossesDevices",
        };
        for role in ["network", "none"] {
            if !refused(role, of(role)) {
                wrong.push(format!("{name} with {role}: {}", of(role)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A thread from before, a connection from before, sockets of every kind.
#[test]
fn a_closed_network_stays_closed() {
    const NAME: &str = "a_closed_network_stays_closed";
    if std::env::var(ROLE).is_ok() {
        network::try_out().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let before = std::thread::spawn(move || {
            told.recv().unwrap();
            TcpStream::connect(address).map(|_| ())
        });
        let connected = TcpStream::connect(address).unwrap();
        attack("close while connected", || network::close().map_err(io::Error::other));
        drop((connected, listener));
        attack("close", || network::close().map_err(io::Error::other));
        attack("connect", || TcpStream::connect(address));
        attack("datagrams", || UdpSocket::bind("127.0.0.1:0"));
        attack("a local daemon", || UnixStream::connect("/run/systemd/private"));
        attack("a pair", || {
            let (mut one, mut other) = UnixStream::pair()?;
            one.write_all(b"x")?;
            io::Read::read_exact(&mut other, &mut [0])
        });
        tell.send(()).unwrap();
        attack("a thread from before", || before.join().unwrap());
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let outcomes = inside(NAME, "closed", place.path(), "");
    let want = [
        ("a local daemon", "PermissionDenied"),
        ("a pair", "done"),
        ("a thread from before", "PermissionDenied"),
        ("close", "done"),
        ("close while connected", "Other"),
        ("connect", "PermissionDenied"),
        ("datagrams", "PermissionDenied"),
    ];
    let want = want.map(|(name, how)| (name.to_owned(), how.to_owned()));
    assert_eq!(outcomes, BTreeMap::from(want));
}

// --- the program under way ----------------------------------------------------------------

/// What a run says when the tag has moved.
const DONE: &str = "blobs: ";

/// A repair that waits at its end, for a reader of its report.
struct Waiting {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Waiting {
    fn start(place: &Place, command: &mut Command) -> Self {
        let fifo = place.path("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
        command.args(["-v", "--report-file"]).arg(&fifo);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program");
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, said: String::new() }
    }

    /// Reads on until it says this.
    #[track_caller]
    fn until(mut self, text: &str) -> Self {
        while !self.said.contains(text) && self.stderr.read_line(&mut self.said).unwrap() > 0 {}
        assert!(self.said.contains(text), "{}", self.said);
        self
    }

    /// A number in the status of every thread.
    fn status(&self, name: &str) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let statuses = tasks.map(|task| task.unwrap().path().join("status"));
        statuses.filter_map(|status| number_in(&status, name)).collect()
    }

    /// How many sockets lead to `port`.
    fn connections(&self, port: &str) -> usize {
        let id = self.child.id();
        let port = format!(":{:04X}", port.parse::<u16>().unwrap());
        let table = fs::read_to_string(format!("/proc/{id}/net/tcp")).unwrap();
        let rows: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        let inodes: Vec<String> = rows
            .iter()
            .filter(|row| row.get(2).is_some_and(|remote| remote.ends_with(&port)))
            .map(|row| format!("socket:[{}]", row[9]))
            .collect();
        let descriptors = fs::read_dir(format!("/proc/{id}/fd")).unwrap();
        descriptors
            .filter_map(|one| fs::read_link(one.unwrap().path()).ok())
            .filter(|target| inodes.iter().any(|inode| target == Path::new(inode)))
            .count()
    }
}

fn number_in(status: &Path, name: &str) -> Option<u32> {
    let status = fs::read_to_string(status).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().parse().ok()
}

/// What this process has given up, as in a container; the program has it from here.
fn own(name: &str) -> u32 {
    number_in(Path::new("/proc/thread-self/status"), name).unwrap()
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server of the fixtures' repository that keeps connections open.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    host
}

fn serve(stream: TcpStream) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines();
    loop {
        let first = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        let path = first.split(' ').nth(1)?.trim_start_matches('/').replace("%2B", "+");
        let (status, body) = match fs::read(fixture("repository").join(path)) {
            Ok(body) => (200, body),
            Err(_) => (404, Vec::new()),
        };
        write!(writer, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len()).ok()?;
        writer.write_all(&body).ok()?;
    }
}

fn line_of(host: &str) -> String {
    let key = fixture("repository/key.asc");
    format!("deb [signed-by={}] http://{host} bookworm-security main", key.display())
}

fn from_server(place: &Place, host: &str) -> Command {
    let mut command = place.bare("repair", &place.image("12"));
    command.args(["-r", &report("debian-12.trivy"), "--repository", &line_of(host)]);
    command
}

#[test]
fn every_thread_of_a_run_is_confined() {
    let (place, host) = (Place::debian(), server());
    let running = Waiting::start(&place, &mut from_server(&place, &host)).until(DONE);
    let threads = running.status("NoNewPrivs");
    assert!(threads.len() >= 3, "{threads:?}");
    if landlock().is_some() {
        assert!(running.said.contains("imgfix: confined to "), "{}", running.said);
        assert!(threads.iter().all(|one| *one == 1), "{threads:?}");
    } else {
        assert!(running.said.contains("not confined to the run's files"), "{}", running.said);
    }
    drop(running);
    let (place, mut open) = (Place::debian(), Command::new(IMGFIX));
    place.prepare(&mut open);
    open.args(["repair", &place.image("12"), "--unconfined", "--no-cache"]);
    open.args(["-r", &report("debian-12.trivy"), "--repository", &line_of(&host)]);
    let running = Waiting::start(&place, &mut open).until(DONE);
    assert!(running.status("NoNewPrivs").iter().all(|one| *one == own("NoNewPrivs")));
    assert!(running.said.contains("imgfix: not confined\n"), "{}", running.said);
}

#[test]
fn the_network_is_gone_when_everything_is_fetched() {
    let host = server();
    let port = host.rsplit(':').next().unwrap();
    let mut tags = Vec::new();
    for flag in [None, Some("--no-network-after-fetch")] {
        let place = Place::debian();
        let mut command = from_server(&place, &host);
        command.args(flag).args(["--html", "page.html"]);
        // While somebody else writes to the layout, the run waits with its publication.
        let other = fs::File::open(place.path("image")).unwrap();
        other.lock().unwrap();
        let running = Waiting::start(&place, &mut command).until("imgfix: publishing");
        let (filters, open) = (running.status("Seccomp_filters"), running.connections(port));
        assert!(filters.len() >= 3, "{filters:?}");
        match flag {
            None => {
                assert!(filters.iter().all(|one| *one == own("Seccomp_filters")), "{filters:?}");
                assert!(open > 0, "a server that attacks would not be heard here anyway");
            }
            Some(_) => {
                assert!(filters.iter().all(|one| *one > own("Seccomp_filters")), "{filters:?}");
                assert_eq!(open, 0);
                assert!(running.said.contains("the network is given up"), "{}", running.said);
            }
        }
        other.unlock().unwrap();
        drop(running.until(DONE));
        tags.push(tagged(&place.path("image"), "12_fix").expect("a tag"));
    }
    assert_eq!(tags[0], tags[1]);
}

/// While the policy files are read: of a pipe nobody knows whether it extends others, so that the
/// run may read more, and nothing else.
#[test]
fn policy_files_are_read_by_a_confined_process() {
    for subcommand in [["config", "check"].as_slice(), &["config", "show", "--config"]] {
        let place = Place::new();
        let fifo = place.path("policy.toml");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
        let mut command = place.imgfix();
        command.args(subcommand).arg(&fifo).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().expect("the program");
        // Opened when the program opens it, too.
        let mut writer = fs::File::options().write(true).open(&fifo).unwrap();
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let confined = number_in(&status, "NoNewPrivs");
        writer.write_all(b"strict = true\n").unwrap();
        drop(writer);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{subcommand:?}");
        if landlock().is_some() {
            assert_eq!(confined, Some(1), "{subcommand:?}");
        }
    }
    // Without the word, only the file is read, and no connection is made.
    let place = Place::new();
    for (text, want) in [
        ("strict = true\n", "policy files: confined to"),
        ("extends = ['other.toml']\n", "policy files: confined to"),
    ] {
        fs::write(place.path("policy.toml"), text).unwrap();
        fs::write(place.path("other.toml"), "strict = true\n").unwrap();
        let run = ran(place.imgfix().args(["config", "check", "-v", "policy.toml"])).expect(0);
        let mut lines = run.stderr.lines().filter(|line| line.contains("confined to"));
        if landlock().is_some() {
            let first = lines.next().unwrap();
            assert!(first.contains(want), "{}", run.stderr);
            assert_eq!(first.contains("without network"), !text.contains("extends"), "{first}");
            assert!(lines.next().unwrap().contains("without network"), "{}", run.stderr);
        }
    }
}

/// What a plan names is fetched before any of it is unpacked.
#[test]
fn a_saved_plan_is_done_without_network() {
    let (place, host) = (Place::debian(), server());
    let image = place.image("12");
    let mut plan = place.bare("plan", &image);
    plan.args(["-q", "-r", &report("debian-12.trivy"), "--repository", &line_of(&host)]);
    ran(plan.args(["--save", "plan.json"])).expect(0);
    let mut command = place.imgfix();
    command.args(["repair", &image, "-v", "--plan", "plan.json", "--no-cache"]);
    let run = ran(command.arg("--no-network-after-fetch")).expect(0);
    let gone = run.stderr.find("the network is given up").unwrap();
    assert!(gone < run.stderr.find("writing").unwrap(), "{}", run.stderr);
    assert!(tagged(&place.path("image"), "12_fix").is_some());
}

#[test]
fn a_run_that_needs_the_network_says_so_before_it_starts() {
    let place = Place::debian();
    fs::write(
        place.path("told.toml"),
        "[[notify]]\nkind = 'webhook'\nurl = 'http://127.0.0.1:1/'\n",
    )
    .unwrap();
    let image = place.image("12");
    for (arguments, want) in [
        (vec!["127.0.0.1:1/app:1"], "skopeo copy docker://"),
        (vec![&*image, "-o", "127.0.0.1:1/app:1"], "write it to oci:DIR:TAG with -o"),
        (vec![&*image, "--config", "told.toml"], "leave it aside with --no-config"),
        (vec![&*image, "--scan-with", "scanner {layout}"], "leave out --scan-with"),
        (vec![&*image, "--scripts", "sandbox"], "leave out --scripts"),
    ] {
        let mut command = place.imgfix();
        command.args(["repair", "--no-cache", "--no-network-after-fetch"]).args(&arguments);
        let run = ran(&mut command).expect(2);
        assert!(run.stderr.contains("--no-network-after-fetch: "), "{}", run.stderr);
        assert!(run.stderr.contains(want), "{arguments:?}: {}", run.stderr);
    }
    assert_eq!(place.tagged("12_fix"), None);
}

/// Reading of local images and of reports needs no network, and none is left.
#[test]
fn runs_without_network_have_none() {
    let place = Place::debian();
    let image = place.image("12");
    std::fs::write(place.path("imgfix.toml"), "").unwrap();
    let policy = place.path("imgfix.toml").display().to_string();
    for arguments in [
        vec!["findings", &*report("debian-12.trivy")],
        vec!["inventory", &*image],
        vec!["diff", &*image, &*image],
        vec!["config", "check", &*policy],
        vec!["config", "check"],
    ] {
        let run = ran(place.imgfix().arg("-v").args(&arguments)).expect(0);
        assert!(run.stderr.contains("; without network"), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stderr.contains("confined to "), landlock().is_some(), "{}", run.stderr);
    }
    ran(&mut place.repair(&image)).expect(0);
    let mut offline = place.repair(&image);
    offline.args(["--offline", "--html", "page.html"]);
    let mut offline_said = place.on("plan", &image);
    ran(&mut offline).expect(0);
    let run = ran(offline_said.args(["-v", "--offline"])).expect(0);
    assert!(run.stderr.contains("; without network"), "{}", run.stderr);
}

/// Runs a command on a kernel that has not got a system call.
fn without(number: i64, errno: i32, command: &mut Command) -> common::cli::Ran {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
    let answer = SeccompAction::Errno(errno as u32);
    let rules = [(number, Vec::new())].into_iter().collect();
    let processor = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, processor).unwrap();
    let filter = BpfProgram::try_from(filter).unwrap();
    // what a thread has given up, the processes that it starts have not got
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            apply_filter(&filter).unwrap();
            ran(command)
        });
        run.join().unwrap()
    })
}

#[test]
fn a_kernel_without_landlock_or_seccomp_changes_nothing_but_what_was_asked_for() {
    let wanted = wanted();
    let landlock = libc::SYS_landlock_create_ruleset;
    for errno in [libc::ENOSYS, libc::EOPNOTSUPP, libc::EPERM] {
        let place = Place::debian();
        let run = without(landlock, errno, &mut place.repair(&place.image("12"))).expect(0);
        assert_eq!((run.digest(), &*run.stderr), (wanted.clone(), ""));
    }
    let place = Place::debian();
    let mut inventory = place.imgfix();
    inventory.args(["inventory", "-v", &place.image("12")]);
    let run = without(landlock, libc::ENOSYS, &mut inventory).expect(0);
    assert!(run.stderr.contains("this kernel has no Landlock"), "{}", run.stderr);
    let run = without(libc::SYS_seccomp, libc::EINVAL, &mut inventory).expect(0);
    assert!(run.stderr.contains("; the network stays open: "), "{}", run.stderr);
    let mut asked = place.repair(&place.image("12"));
    asked.arg("--no-network-after-fetch");
    let run = without(libc::SYS_seccomp, libc::EINVAL, &mut asked).expect(2);
    let why = "--no-network-after-fetch: this system does not let the network be given up";
    assert!(run.stderr.contains(why), "{}", run.stderr);
    assert_eq!(place.tagged("12_fix"), None);
    // what does not need Landlock does not ask for it
    without(landlock, libc::ENOSYS, &mut asked).expect(0);
}

// --- unusual places -----------------------------------------------------------------------

/// The digest of a repair where nothing is unusual.
fn wanted() -> String {
    let place = Place::debian();
    ran(&mut place.repair(&place.image("12"))).expect(0).digest()
}

#[test]
fn runs_in_unusual_places_go_on() {
    let wanted = wanted();
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let unusual: [(&str, &dyn Fn(&Place, &mut Command)); 8] = [
        ("a temporary directory on another disk", &|_, command| {
            command.env("TMPDIR", elsewhere.path());
        }),
        ("a cache on another disk, which is not there yet", &|_, command| {
            command.arg("--cache-dir").arg(elsewhere.path().join("not/yet"));
        }),
        ("the default cache", &|place, command| {
            command.env("XDG_CACHE_HOME", place.path("my cache"));
        }),
        ("no home", &|_, command| {
            command.env_remove("HOME");
        }),
        ("a cache that is a link", &|place, command| {
            symlink(place.path("cache"), place.path("linked")).unwrap();
            command.arg("--cache-dir").arg(place.path("linked"));
        }),
        ("reports in a linked folder, named from elsewhere", &|place, command| {
            fs::create_dir_all(place.path("real/reports")).unwrap();
            symlink("real/reports", place.path("reports")).unwrap();
            fs::write(place.path("reports/env"), "A=1\n").unwrap();
            fs::create_dir(place.path("cwd")).unwrap();
            command.current_dir(place.path("cwd"));
            command.args(["--html", "../reports/a.html", "--outputs", "../reports/env"]);
            command.args(["--sarif", "/dev/null", "--junit", "/dev/stderr"]);
        }),
        ("a policy that writes a file", &|place, command| {
            let text = "[[notify]]\nkind = 'file'\npath = 'told.jsonl'\n";
            fs::write(place.path("policy.toml"), text).unwrap();
            command.arg("--config").arg(place.path("policy.toml"));
        }),
        ("certificates of other distributions", &|place, command| {
            fs::create_dir(place.path("certs")).unwrap();
            command.env("SSL_CERT_FILE", place.path("none.pem"));
            command.env("SSL_CERT_DIR", place.path("certs"));
        }),
    ];
    for (name, change) in unusual {
        let place = Place::debian();
        let mut command = place.imgfix();
        command.args(["repair", &place.image("12"), "-q", "--format", "json"]);
        command.args(["-r", &report("debian-12.trivy")]);
        command.args(["--repository", &repository_line(&fixture("repository"))]);
        change(&place, &mut command);
        let run = ran(&mut command);
        assert_eq!(run.code, Some(0), "{name}: {}", run.stderr);
        assert_eq!(run.digest(), wanted, "{name}");
        assert!(!run.stderr.contains("warning"), "{name}: {}", run.stderr);
        if name.starts_with("reports") {
            assert!(place.path("real/reports/a.html").is_file());
            assert!(fs::read_to_string(place.path("reports/env")).unwrap().starts_with("A=1\n"));
            assert!(run.stderr.contains("<testsuite"), "{}", run.stderr);
        }
        if name.starts_with("a policy") {
            assert!(place.path("told.jsonl").is_file());
        }
    }
}

/// Names are looked up, and whom TLS trusts is read, also behind links.
#[test]
fn names_and_certificates_are_found() {
    let (place, host) = (Place::debian(), server());
    let port = host.rsplit(':').next().unwrap();
    ran(&mut from_server(&place, &format!("localhost:{port}"))).expect(0);
    for folder in ["store", "certs", "empty"] {
        fs::create_dir(place.path(folder)).unwrap();
    }
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-nodes", "-subj", "/CN=test", "-keyout", "/dev/null", "-out"]);
    ran(openssl.arg(place.path("store/ca.pem"))).expect(0);
    symlink("../store/ca.pem", place.path("certs/ca.pem")).unwrap();
    let none = "this machine has no certificates";
    for (variable, path, has) in [
        ("SSL_CERT_DIR", "certs", true),
        ("SSL_CERT_FILE", "certs/ca.pem", true),
        ("SSL_CERT_DIR", "empty", false),
    ] {
        let mut command = place.imgfix();
        command.args(["plan", &place.image("12"), "--no-cache", "--repository"]);
        command.arg(line_of("127.0.0.1:1").replace("http:", "https:"));
        let run = ran(command.env(variable, place.path(path))).expect(1);
        assert_eq!(!run.stderr.contains(none), has, "{variable}={path}: {}", run.stderr);
    }
}

/// Where the image comes from and goes to.
#[test]
fn linked_and_missing_images_are_read_and_written() {
    let wanted = wanted();
    let place = Place::debian();
    let repair = |image: &str, output: &str, then: &str| {
        let run = ran(place.repair(image).args(["-o", output]));
        assert_eq!(run.code, Some(0), "{image} to {output}: {}", run.stderr);
        assert!(place.path(then).exists(), "{then}");
        run.digest()
    };
    // to folders that are not there
    assert_eq!(
        repair(&place.image("12"), "oci:new/er/layout:1", "new/er/layout/index.json"),
        wanted
    );
    repair(&place.image("12"), "oci-archive:a.tar:1", "a.tar");
    repair("oci-archive:a.tar:1", "docker-archive:b.tar:app:1", "b.tar");
    // through links
    // (the last name of the folder is recorded, so that it is always the same)
    fs::create_dir(place.path("linked")).unwrap();
    symlink("../image", place.path("linked/image")).unwrap();
    let linked = repair("oci:linked/image:12", "oci:linked/image:13", "image/index.json");
    assert_eq!(linked, wanted);
    // a layout of links into a store, as build tools make it, and one with the store's folder
    let store = place.path("store");
    copy_tree(&place.path("image/blobs/sha256"), &store);
    for (name, links) in [("built", true), ("shared", false)] {
        let layout = place.path(name).join("image");
        fs::create_dir_all(layout.join("blobs")).unwrap();
        for file in ["index.json", "oci-layout"] {
            fs::copy(fixture("debian-12").join(file), layout.join(file)).unwrap();
        }
        if links {
            fs::create_dir(layout.join("blobs/sha256")).unwrap();
            for blob in fs::read_dir(&store).unwrap() {
                let blob = blob.unwrap();
                symlink(blob.path(), layout.join("blobs/sha256").join(blob.file_name())).unwrap();
            }
        } else {
            symlink(&store, layout.join("blobs/sha256")).unwrap();
        }
        let (image, output) = (format!("oci:{name}/image:12"), format!("oci:{name}/image:12_fix"));
        assert_eq!(repair(&image, &output, name), wanted, "{name}");
    }
}

/// A run that fails leaves no folder that was made for it.
#[test]
fn a_failed_run_leaves_no_folders() {
    let place = Place::debian();
    let before = snapshot(&place.path("image"));
    let mut command = place.on("repair", &format!("oci:{}:none", place.path("image").display()));
    ran(command.args(["-o", "oci:new/er:1"])).expect(1);
    assert!(!place.path("new").exists());
    let run = ran(place.on("repair", "oci:missing:1").args(["-o", "oci:missing:2"])).expect(1);
    assert!(!place.path("missing").exists(), "{}", run.stderr);
    assert_same(&before, &snapshot(&place.path("image")));
}

/// A helper for credentials has needs of its own: it is run as before.
#[test]
fn a_credential_helper_is_run() {
    let place = Place::debian();
    let bin = place.path("bin");
    fs::create_dir(&bin).unwrap();
    let helper = bin.join("docker-credential-test");
    fs::write(&helper, "#!/bin/sh\ncat > \"$HOME/asked\"\nexit 1\n").unwrap();
    fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir(place.path("home/.docker")).unwrap();
    fs::write(place.path("home/.docker/config.json"), r#"{"credsStore":"test"}"#).unwrap();
    let mut command = place.imgfix();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", bin.display()));
    let run = ran(command.args(["inventory", "-v", "127.0.0.1:1/app:1"])).expect(1);
    let why = "not confined to the run's files: docker-credential-test is started";
    assert!(run.stderr.contains(why), "{}", run.stderr);
    let asked = fs::read_to_string(place.path("home/asked")).unwrap();
    assert!(asked.contains("127.0.0.1:1"), "{asked}");
}
