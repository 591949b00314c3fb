//! What a script writes to the disk is counted, and what others write meanwhile is not.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use imgfix_shell::sandbox::{Limits, Sandbox, Settings};
use rustix::fs::FallocateFlags;

use super::{overlay, perl, settings};

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 200 * MIB;

fn limited(seconds: u64) -> Sandbox {
    let limits = Limits { disk: LIMIT, ..Limits::default() };
    Sandbox::new(Settings { limits, time: Duration::from_secs(seconds), ..settings() }).unwrap()
}

/// Bytes that are free where copies are made.
fn free() -> u64 {
    let found = rustix::fs::statvfs(std::env::temp_dir()).unwrap();
    found.f_bavail * found.f_frsize
}

/// Perl that writes 50 MiB to the open file F.
const FILL: &str = "sub fill { for (1 .. 50) { syswrite F, 'x' x (1 << 20) } }";

/// Another process's gigabyte, taken from the same file system, again and again.
#[test]
fn what_others_write_meanwhile_ends_nothing() {
    let (mut sandbox, mut overlay) = (limited(60), overlay());
    perl(&mut sandbox, &mut overlay, "print 'ready'").unwrap();
    let (stop, stopped) = mpsc::channel::<()>();
    let before = free();
    let neighbour = std::thread::spawn(move || {
        let mut taken = 0;
        while stopped.recv_timeout(Duration::from_millis(700)).is_err() {
            let file = tempfile::tempfile().unwrap();
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, 1024 * MIB).unwrap();
            taken = taken.max(before.saturating_sub(free()));
            std::thread::sleep(Duration::from_millis(700));
        }
        taken
    });
    let script = format!(
        "{FILL} open F, '>', '/tmp/kept'; fill; fill; for (1 .. 40) {{ select undef, undef, undef, \
         0.1; open F, '>', '/tmp/again'; fill; close F }} print 'done'"
    );
    let finished = perl(&mut sandbox, &mut overlay, &script);
    stop.send(()).unwrap();
    let taken = neighbour.join().unwrap();
    assert!(taken > 2 * LIMIT, "the neighbour took {taken} bytes only");
    assert_eq!(finished.unwrap(), (0, "done".to_owned()));
}

/// The ways to fill a disk, with names and without. Each is ended for it.
#[test]
fn whoever_fills_the_disk_is_ended() {
    let mmap = libc::SYS_mmap;
    let sendmsg = libc::SYS_sendmsg;
    let cases = [
        ("files", "for $n (1 .. 40) { open F, '>', \"/tmp/$n\"; fill; close F }".to_owned()),
        (
            "deleted and open",
            "for $n (1 .. 40) { open F, '>', '/tmp/x'; unlink '/tmp/x'; fill; \
             open $f[$n], '>&', F; close F }"
                .to_owned(),
        ),
        (
            "deleted and open in processes of other users",
            "chmod 0777, '/tmp'; for $n (1 .. 40) { open F, '>', \"/tmp/$n\"; fill; \
             unlink \"/tmp/$n\"; if (!fork) { $) = $( = $n; $< = $> = $n; sleep 60 } close F }"
                .to_owned(),
        ),
        (
            "deleted and running",
            "for $n (1 .. 40) { system 'cp', '/bin/sleep', \"/tmp/s$n\"; \
             open F, '>>', \"/tmp/s$n\"; fill; close F; \
             if (!fork) { exec \"/tmp/s$n\", 60 } select undef, undef, undef, 0.1; \
             unlink \"/tmp/s$n\" }"
                .to_owned(),
        ),
        (
            "deleted and mapped",
            format!(
                "for $n (1 .. 40) {{ open F, '+>', '/tmp/x'; unlink '/tmp/x'; fill; \
                 $r = syscall({mmap}, 0, 4096, 1, 1, fileno F, 0); die 'not mapped' if $r == -1; \
                 close F }}"
            ),
        ),
        (
            "deleted and in a socket",
            format!(
                "use Socket; socketpair(A, B, 1, 1, 0); $byte = 'x'; $io = pack 'P Q', $byte, 1; \
                 for $n (1 .. 40) {{ open F, '>', '/tmp/x'; unlink '/tmp/x'; fill; \
                 $control = pack 'Q l l l x4', 20, 1, 1, fileno F; \
                 $message = pack 'Q L x4 P Q P Q l x4', 0, 0, $io, 1, $control, 24, 0; \
                 $r = syscall({sendmsg}, fileno A, $message, 0); die 'not sent' if $r == -1; \
                 close F }}"
            )
            .replace("use Socket; ", ""),
        ),
        (
            "deeper than a path can be",
            "for (1 .. 400) { mkdir 'a-folder-with-a-name' ; chdir 'a-folder-with-a-name' } \
             for $n (1 .. 40) { open F, '>', $n; fill; close F }"
                .to_owned(),
        ),
    ];
    for (name, script) in cases {
        let (mut sandbox, mut overlay) = (limited(60), overlay());
        let started = Instant::now();
        let script = format!("{FILL} {script} sleep 60");
        let stop = perl(&mut sandbox, &mut overlay, &script).expect_err(name);
        let reasons = ["fills the disk", "too long"];
        assert!(reasons.iter().any(|reason| stop.detail.contains(reason)), "{name}: {stop}");
        assert!(started.elapsed() < Duration::from_secs(50), "{name}");
        assert_eq!(overlay.changes().count(), 0, "{name}");
        let (_, said) = perl(&mut sandbox, &mut overlay, "print -e '/tmp/1' ? 'left' : 'clean'")
            .unwrap_or_else(|stop| panic!("after {name}: {stop}"));
        assert_eq!(said, "clean", "{name}");
    }
}

/// The first process counts 100,000 files without using up the processor, and its right to look
/// at others is not handed on.
#[test]
fn counting_many_files_costs_little() {
    let (mut sandbox, mut overlay) = (Sandbox::new(settings()).unwrap(), overlay());
    let script = "for $d (1 .. 100) { mkdir \"/tmp/$d\"; for $n (1 .. 1000) { \
                  open F, '>', \"/tmp/$d/$n\" } } \
                  sub used { open F, '<', '/proc/1/stat'; @f = split ' ', <F>; $f[13] + $f[14] } \
                  $before = used; sleep 8; $used = used() - $before; \
                  for $d (1 .. 100) { unlink \"/tmp/$d/$_\" for 1 .. 1000; rmdir \"/tmp/$d\" } \
                  open F, '<', '/proc/self/status'; ($bounds) = grep /^CapBnd/, <F>; \
                  print \"$used $bounds\"";
    let (status, said) = perl(&mut sandbox, &mut overlay, script).unwrap();
    assert_eq!(status, 0, "{said}");
    let mut fields = said.split_whitespace();
    // in hundredths of a second (USER_HZ)
    let used: u64 = fields.next().unwrap().parse().unwrap();
    eprintln!("counting 100,000 files for 8 s took {used}0 ms of the processor");
    assert!(used < 200, "{used}0 ms in 8 s");
    let bounds = u64::from_str_radix(fields.nth(1).unwrap(), 16).unwrap();
    let ptrace = 1 << 19;
    assert_eq!(bounds & ptrace, 0, "{bounds:x}");
}

#[test]
fn folders_with_more_names_than_are_held_at_once_are_removed() {
    let limited = Settings { time: Duration::from_secs(10), ..settings() };
    let (mut sandbox, mut overlay) = (Sandbox::new(limited).unwrap(), overlay());
    let script = "mkdir '/tmp/d'; mkdir '/tmp/d/e'; for $n (1 .. 12000) { mkdir \"/tmp/d/e/$n\"; \
                  open F, '>', \"/tmp/d/$n\" } sleep 60";
    let stop = perl(&mut sandbox, &mut overlay, script).unwrap_err();
    assert!(stop.detail.contains("time limit"), "{stop}");
    let (_, said) =
        perl(&mut sandbox, &mut overlay, "print -e '/tmp/d' ? 'left' : 'clean'").unwrap();
    assert_eq!(said, "clean");
}
