//! What strangers may send to use up this machine: small inputs that unpack, expand or run
//! without end. Each is at most 25 MB; none may take more than 500 MB of memory or 60 seconds of
//! processor time, and what is honest beside it must be repaired all the same.
//!
//! Full size needs an optimised program: `IMGFIX_MEASURED` names it, and `tests/nightly/run` builds
//! it and runs all with `--ignored`. Needs Debian's gnupg and Linux' `/proc`; no network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod plans;

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::cli::{Place, Ran};
use common::debian::{Deb, Index, Tar, publish, root};
use common::images::layout;

/// What a run may take.
const MEMORY: u64 = 500 << 20;
const TIME: Duration = Duration::from_secs(60);
const INPUT: u64 = 25 << 20;

/// What a run took.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    /// Bytes, at most.
    memory: u64,
    processor: Duration,
    wall: Duration,
}

/// The program in a place, with the place's directories.
fn measured(place: &Place, arguments: &[&str]) -> Command {
    let program = std::env::var("IMGFIX_MEASURED")
        .expect("IMGFIX_MEASURED must name an optimised imgfix (cargo build --release)");
    let mut command = Command::new(program);
    place.prepare(&mut command);
    command.args(arguments);
    command
}

/// As small as it gets: zeros become a thousandth.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let best = flate2::Compression::best();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), best);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Runs to the end, looking at what it takes all the time.
fn run(mut command: Command) -> (Ran, Cost) {
    let start = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let id = child.id();
    let watcher = std::thread::spawn(move || watch(id));
    let ran = Child::wait_with_output(child).expect("output").into();
    let mut cost = watcher.join().expect("watcher");
    cost.wall = start.elapsed();
    (ran, cost)
}

/// What the kernel says of a process until it is gone. Its peak only grows, and its end is never
/// further away than a look.
fn watch(id: u32) -> Cost {
    let mut cost = Cost::default();
    let ticks = 100;
    loop {
        let (Ok(status), Ok(stat)) = (
            std::fs::read_to_string(format!("/proc/{id}/status")),
            std::fs::read_to_string(format!("/proc/{id}/stat")),
        ) else {
            return cost;
        };
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        // A process that has ended and was not waited for has no memory any more.
        let Some(peak) = peak else { return cost };
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
        cost.memory = cost.memory.max(kilobytes << 10);
        let fields: Vec<&str> =
            stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let used: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        cost.processor = Duration::from_millis(used * 1000 / ticks);
        std::thread::sleep(Duration::from_millis(3));
    }
}

#[track_caller]
fn within(name: &str, cost: Cost) {
    let (memory, processor, wall) = (cost.memory >> 20, cost.processor, cost.wall);
    eprintln!("{name}: {memory} MB, {processor:.1?} of processor, {wall:.1?} in all");
    assert!(cost.memory > 0, "{name}: nothing was measured");
    assert!(cost.memory <= MEMORY, "{name}: {memory} MB");
    assert!(processor <= TIME, "{name}: {processor:?}");
}

fn size(path: &Path) -> u64 {
    let metadata = std::fs::symlink_metadata(path).expect("metadata");
    if !metadata.is_dir() {
        return metadata.len();
    }
    std::fs::read_dir(path).expect("directory").map(|entry| size(&entry.unwrap().path())).sum()
}

/// The repository and the image must be small: what they unpack to is the attack.
#[track_caller]
fn is_small(place: &Place) {
    for name in ["image", "repository"] {
        let path = place.path(name);
        let size = if path.exists() { size(&path) } else { 0 };
        assert!(size <= INPUT, "{name}: {size}");
    }
}

/// Repairs an image with the packages `honest` and `victim` from a repository that has `honest`
/// at version 2 and what `attack` gives. `honest` must be upgraded; what became of the rest is
/// returned.
#[track_caller]
fn beside_an_honest_package(
    name: &str,
    packages: Vec<Deb>,
    index: Index,
    more: impl FnOnce(&mut Tar),
) -> Ran {
    let place = Place::new();
    layout(&place.path("image"), "1", &[root(&["honest", "victim"], more)]);
    let mut all = vec![Deb::new("honest", "2")];
    all.extend(packages);
    let line = publish(&place.path("repository"), &all, index);
    is_small(&place);
    let image = place.image("1");
    let options = ["repair", &image, "-v", "--format", "json", "--repository", &line];
    let (ran, cost) = run(measured(&place, &options));
    within(name, cost);
    let ran = ran.expect(0);
    assert!(place.tagged("1_fix").is_some(), "{}", ran.stderr);
    let upgraded = ran.json()["platforms"][0]["packages"].to_string();
    assert!(upgraded.contains("\"honest\""), "{upgraded} {}", ran.stdout);
    ran
}

/// The victim at version 2, whose postinst does this.
fn victim(script: &str) -> Deb {
    Deb::new("victim", "2").member("postinst", format!("#!/bin/sh\n{script}\n"))
}

#[track_caller]
fn script_is_barred(name: &str, script: &str, why: &[&str]) {
    let big = |tar: &mut Tar| tar.file("big", &vec![b'x'; 60 << 20], 0o644);
    let ran = beside_an_honest_package(name, vec![victim(script)], Index::default(), big);
    assert!(why.iter().any(|why| ran.stderr.contains(why)), "{name}: {}", ran.stderr);
}

#[test]
#[ignore = "needs an optimised program: IMGFIX_MEASURED"]
fn scripts_that_hold_or_write_without_end() {
    let stop = &[
        "--max-memory",
        "more than",
        "too much",
        "step limit",
        "cannot be stored",
        "--max-script-time",
    ][..];
    for (name, script) in [
        ("copies appended to", "i=0; while :; do i=$((i+1)); cp /big /c$i; echo x >> /c$i; done"),
        ("files without end", "i=0; while :; do i=$((i+1)); echo $i > /f$i; done"),
        ("large files", "i=0; while :; do i=$((i+1)); seq 500000 > /s$i; done"),
        ("links", "i=0; while :; do i=$((i+1)); ln -s x /l$i; done"),
        ("a doubled string", "a=x; while :; do a=$a$a; done"),
        (
            "strings in subshells",
            "a=$(printf %60000s x); a=$a$a$a$a$a$a$a$a$a$a; f() ( b=$a$1; eval v$1=\\$b; f $(($1+1)) ); f 1",
        ),
        ("a pipe in a pipe", "f() { seq 1000000 | { f; cat; }; }; f"),
        ("a hold space", "echo x | sed ':a; G; h; ba'"),
        ("sed that prints", "seq 100000 | sed -n 'H; ${g; :a; p; ba}'"),
        (
            "an array of awk",
            "awk 'BEGIN { s = sprintf(\"%60000s\", \"\"); while (1) a[i++] = s i }'",
        ),
        ("awk that recurses", "awk 'function f(s) { f(s s) } BEGIN { f(\"xxxxxxxxxxxxxxxx\") }'"),
        ("sprintf", "awk 'BEGIN { while (1) s = sprintf(\"%65000d%65000d%65000d\", 1, 2, 3) }'"),
        ("gsub", "awk 'BEGIN { s = sprintf(\"%60000s\", \"\"); while (1) gsub(/ /, s, s) }'"),
        ("words", "set -- x; while :; do set -- \"$@\" \"$@\"; done"),
        (
            "empty lines",
            "a=$(seq 900000); echo \"$a\" | sed 's/.*//' > /e; cat /e /e /e /e > /ee; sort /ee /ee /ee /ee",
        ),
    ] {
        script_is_barred(name, script, stop);
    }
}

#[test]
#[ignore = "needs an optimised program: IMGFIX_MEASURED"]
fn scripts_that_run_without_end() {
    let stop = &["step limit", "--max-script-time", "more than", "--max-memory"][..];
    for (name, script) in [
        ("a loop", "while :; do :; done"),
        ("numbers", "while :; do seq 1000000 > /dev/null; done"),
        ("copies of a tree", "mkdir /t; while :; do cp -a /usr /t/$((i=i+1)); done"),
        (
            "patterns",
            "a=$(printf %5000s | sed 's/ /a/g'); while :; do case $a in *a*a*a*a*a*a*a*b) ;; esac; done",
        ),
        (
            "expressions",
            "a=$(printf %5000s | sed 's/ /a/g'); while :; do echo $a | grep -E '(a|aa)*b' || :; done",
        ),
        ("sorting", "seq 500000 > /n; while :; do sort -r /n > /dev/null; done"),
        ("names of a file", "ln /big /other; while :; do stat -c %h /big > /dev/null; done"),
        ("reading", "while :; do cat /big > /dev/null; done"),
        ("looking", "while :; do find / -name x; done"),
    ] {
        script_is_barred(name, script, stop);
    }
}

#[test]
#[ignore = "needs an optimised program: IMGFIX_MEASURED"]
fn a_packages_file_of_names_without_end() {
    let mut text = Vec::new();
    for stanza in 0..100 {
        write!(text, "Package: p{stanza}\nVersion: 1\nArchitecture: amd64\nProvides: ").unwrap();
        for name in 0..300_000 {
            write!(text, "n{:06x},", stanza * 300_000 + name).unwrap();
        }
        let sum = "0".repeat(64);
        writeln!(text, "x\nFilename: pool/x\nSize: 1\nSHA256: {sum}\n").unwrap();
    }
    let place = Place::new();
    layout(&place.path("image"), "1", &[root(&["honest", "victim"], |_| ())]);
    let bad = publish(&place.path("bad"), &[], Index { text });
    let good = publish(&place.path("repository"), &[Deb::new("honest", "2")], Index::default());
    assert!(size(&place.path("bad")) <= INPUT);
    let image = place.image("1");
    let command = measured(
        &place,
        &["repair", &image, "--format", "json", "--repository", &bad, "--repository", &good],
    );
    let (ran, cost) = run(command);
    within("Packages", cost);
    let ran = ran.expect(0);
    assert!(ran.stderr.contains(" is left out: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("--max-memory"), "{}", ran.stderr);
    assert!(place.tagged("1_fix").is_some());
}

#[test]
#[ignore = "needs an optimised program: IMGFIX_MEASURED"]
fn packages_that_unpack_without_end() {
    let mut entries = Tar::default();
    for n in 0..900_000 {
        entries.file(&format!("./usr/share/victim/{n}"), b"", 0o644);
    }
    let mut zeros = Tar::default();
    zeros.file("./usr/share/victim/zeros", &vec![0; 700 << 20], 0o644);
    for (name, data, why) in [
        ("900,000 files", entries.end(), "--max-memory"),
        ("a file of zeros", zeros.end(), "unpacks to more than"),
    ] {
        let victim = Deb { data, ..Deb::new("victim", "2") };
        let ran = beside_an_honest_package(name, vec![victim], Index::default(), |_| ());
        assert!(ran.stderr.contains(why), "{name}: {}", ran.stderr);
    }
}

#[test]
#[ignore = "needs an optimised program: IMGFIX_MEASURED"]
fn a_hundred_thousand_trigger_interests() {
    let interests: String = (0..100_000).map(|n| format!("interest-noawait /t/{n}\n")).collect();
    let mut data = Tar::default();
    data.directory("./t");
    for n in 0..50_000 {
        data.file(&format!("./t/{n}"), b"", 0o644);
    }
    let watcher = Deb::new("victim", "2").member("triggers", interests);
    let setter = Deb { data: data.end(), ..Deb::new("setter", "2") };
    let more = |tar: &mut Tar| tar.file("usr/share/none", b"", 0o644);
    let mut packages = vec![watcher, setter];
    packages[0].fields = "Depends: setter\n".to_owned();
    beside_an_honest_package("interests", packages, Index::default(), more);
}

#[test]
#[ignore = "needs an optimised program: IMGFIX_MEASURED"]
fn images_that_unpack_without_end() {
    // A gzip member of 64 MiB, many times one after the other.
    let zeros = packed(&vec![0; 64 << 20]);
    let mut entries = Tar::default();
    for n in 0..1_500_000 {
        entries.file(&format!("d/{n}"), b"", 0o644);
    }
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(11 << 30);
    header.set_cksum();
    let bomb = [packed(header.as_bytes()), zeros.repeat(176)].concat();
    for (name, layer, why) in [
        ("a layer of zeros", bomb, "--max-unpacked-size"),
        ("a layer of files", packed(&entries.end()), "entries"),
    ] {
        let place = Place::new();
        common::images::layout_of_blobs(&place.path("image"), "1", &[layer]);
        is_small(&place);
        let (ran, cost) = run(measured(&place, &["inventory", &place.image("1")]));
        within(name, cost);
        let ran = ran.expect(1);
        assert!(ran.stderr.contains(why), "{name}: {}", ran.stderr);
    }
}

#[test]
#[ignore = "needs an optimised program: IMGFIX_MEASURED"]
fn archives_of_headers_without_end() {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(3 << 30);
    header.set_cksum();
    let zeros = packed(&vec![0; 64 << 20]);
    let one = [packed(header.as_bytes()), zeros.repeat(48)].concat();
    let mut names = Tar::default();
    let long = "d/".repeat(250_000);
    for n in 0..200 {
        names.long_named(&format!("{long}{n}"));
    }
    for (name, archive, why) in [
        ("a long extension header", one, "extension header"),
        ("long names", packed(&names.end()), "bytes of names"),
    ] {
        let place = Place::new();
        std::fs::write(place.path("app.tar"), archive).unwrap();
        let image = format!("docker-archive:{}", place.path("app.tar").display());
        let (ran, cost) = run(measured(&place, &["inventory", &image]));
        within(name, cost);
        let ran = ran.expect(1);
        assert!(ran.stderr.contains(why), "{name}: {}", ran.stderr);
    }
}

/// The measure itself: it sees what a process takes.
#[test]
fn what_a_process_takes_is_seen() {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "a=$(head -c 60000000 /dev/zero | tr '\\0' x); i=0; \
        while [ $i -lt 300000 ]; do i=$((i+1)); done; echo ${#a}",
    ]);
    let (ran, cost) = run(command);
    assert_eq!(ran.expect(0).stdout.trim(), "60000000");
    assert!(cost.memory > 60_000_000, "{cost:?}");
    assert!(cost.processor >= Duration::from_millis(50), "{cost:?}");
}
