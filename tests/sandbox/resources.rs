//! What a script may use up.

use std::time::{Duration, Instant};

use imgfix_shell::sandbox::{Limits, Sandbox, Settings};

use super::{overlay, perl, settings};

const MIB: u64 = 1 << 20;

fn limited(limits: Limits, seconds: u64) -> Sandbox {
    Sandbox::new(Settings { limits, time: Duration::from_secs(seconds), ..settings() }).unwrap()
}

/// Each is ended, for a reason that names it, and the next command finds a clean sandbox.
#[test]
fn what_uses_too_much_is_ended() {
    let small = Limits { processes: 64, memory: 200 * MIB, files: 5000, ..Limits::default() };
    let memory = "for (1 .. 4) { if (!fork) { $x = 'x' x (100 << 20); sleep 60 } } sleep 60";
    let names = "for $n (1 .. 99999) { mkdir \"/tmp/$n\" } sleep 60";
    let users = "for $n (1 .. 300) { if (!fork) { $< = $> = $n; sleep 60 } } sleep 60";
    let deep = "for (1 .. 3000) { mkdir 'deep-folder'; chdir 'deep-folder' }";
    let cases = [
        ("a fork bomb", "fork while 1", 3, ["processes", "time limit"]),
        ("processes of many users", users, 30, ["processes", "processes"]),
        ("memory", memory, 30, ["memory", "memory"]),
        ("files", names, 30, ["files", "files"]),
        ("time", "sleep 60", 1, ["time limit", "time limit"]),
        ("depth", deep, 30, ["too long", "too long"]),
        ("its first process", "kill 9, getppid; sleep 60", 1, ["time limit", "time limit"]),
    ];
    for (name, script, seconds, reasons) in cases {
        let (mut sandbox, mut overlay) = (limited(small, seconds), overlay());
        let started = Instant::now();
        let stop = perl(&mut sandbox, &mut overlay, script).expect_err(name);
        assert!(reasons.iter().any(|reason| stop.detail.contains(reason)), "{name}: {stop}");
        assert!(started.elapsed() < Duration::from_secs(seconds + 20), "{name}");
        assert_eq!(overlay.changes().count(), 0, "{name}");
        let (_, said) = perl(
            &mut sandbox,
            &mut overlay,
            "print -e '/tmp/1' || -e '/deep-folder' ? 'left' : 'clean'",
        )
        .unwrap();
        assert_eq!(said, "clean", "{name}");
    }
}

#[test]
fn what_one_process_uses_too_much_of_fails_in_it() {
    let small = Limits { data: 100 * MIB, file: MIB, ..Limits::default() };
    let (mut sandbox, mut overlay) = (limited(small, 60), overlay());
    let data = "$x = 'x' x (200 << 20); print 'done'";
    let (status, said) = perl(&mut sandbox, &mut overlay, data).unwrap();
    assert!(status != 0 && said.contains("Out of memory"), "{status} {said}");
    let file = "$SIG{XFSZ} = 'IGNORE'; open F, '>', '/tmp/large'; \
                $n += syswrite F, 'x' x 65536 for 1 .. 64; print -s '/tmp/large'";
    let (_, said) = perl(&mut sandbox, &mut overlay, file).unwrap();
    assert_eq!(said, MIB.to_string());
    let (_, said) = perl(&mut sandbox, &mut overlay, "print 'x' x (5 << 20)").unwrap();
    assert_eq!(said.len() as u64, MIB);
}
