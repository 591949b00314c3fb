//! What a hostile package's script tries. Each is refused, the machine is as it was, and the
//! sandbox goes on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::processes::is_running;
use super::{is_root, overlay, perl, run, sandbox};

const EPERM: i32 = libc::EPERM;
const ENOSYS: i32 = libc::ENOSYS;

/// System calls with perl's `syscall`, and the error that each has to give.
fn calls() -> Vec<(&'static str, String, i32)> {
    let call = |name, number: i64, arguments: &str, error| {
        (name, format!("syscall({number}, {arguments})"), error)
    };
    let new_user = libc::CLONE_NEWUSER;
    vec![
        call("mount", libc::SYS_mount, "'x', '/tmp', 'tmpfs', 0, 0", EPERM),
        call("remount /proc/sys", libc::SYS_mount, "0, '/proc/sys', 0, 4128, 0", EPERM),
        call("umount /proc/sys", libc::SYS_umount2, "'/proc/sys', 2", EPERM),
        call("open_tree", libc::SYS_open_tree, "-100, '/proc/sys', 1", ENOSYS),
        call("fsopen", libc::SYS_fsopen, "'proc', 0", ENOSYS),
        call("mount_setattr", libc::SYS_mount_setattr, "-100, '/proc/sys', 0, 0, 0", ENOSYS),
        call("pivot_root", libc::SYS_pivot_root, "'/tmp', '/tmp'", EPERM),
        call("chroot", libc::SYS_chroot, "'/tmp'", EPERM),
        call("mknod of a disk", libc::SYS_mknodat, "-100, '/tmp/b', 0060600, 0x700", EPERM),
        call("mknod of memory", libc::SYS_mknodat, "-100, '/tmp/c', 0020600, 0x101", EPERM),
        call("ptrace of the first", libc::SYS_ptrace, "16, 1, 0, 0", EPERM),
        call("traced by its parent", libc::SYS_ptrace, "0, 0, 0, 0", EPERM),
        call("memory of the first", libc::SYS_process_vm_readv, "1, 0, 0, 0, 0, 0", EPERM),
        call("descriptors of the first", libc::SYS_pidfd_getfd, "0, 0, 0", EPERM),
        call("keyctl", libc::SYS_keyctl, "0, -3, 0", EPERM),
        call("add_key", libc::SYS_add_key, "'user', 'x', 'x', 1, -3", EPERM),
        call("request_key", libc::SYS_request_key, "'user', 'x', 0, -3", EPERM),
        call("unshare", libc::SYS_unshare, &new_user.to_string(), EPERM),
        call("setns", libc::SYS_setns, "0, 0", EPERM),
        call("clone", libc::SYS_clone, &format!("{new_user} | 17, 0, 0, 0, 0"), EPERM),
        call("clone of mounts", libc::SYS_clone, "0x00020000 | 17, 0, 0, 0, 0", EPERM),
        call("clone3", libc::SYS_clone3, "0, 0", ENOSYS),
        call("open_by_handle_at", libc::SYS_open_by_handle_at, "-100, 0, 0", EPERM),
        call("bpf", libc::SYS_bpf, "0, 0, 0", EPERM),
        call("perf_event_open", libc::SYS_perf_event_open, "0, 0, 0, 0, 0", EPERM),
        call("userfaultfd", libc::SYS_userfaultfd, "0", EPERM),
        call("io_uring", libc::SYS_io_uring_setup, "1, 0", ENOSYS),
        call("memfd_create", libc::SYS_memfd_create, "'x', 0", ENOSYS),
        call("init_module", libc::SYS_init_module, "0, 0, ''", EPERM),
        call("kexec_load", libc::SYS_kexec_load, "0, 0, 0, 0", EPERM),
        call("reboot", libc::SYS_reboot, "0, 0, 0, 0", EPERM),
        call("settimeofday", libc::SYS_settimeofday, "0, 0", EPERM),
        call("clock_settime", libc::SYS_clock_settime, "0, 0", EPERM),
        call("sethostname", libc::SYS_sethostname, "'x', 1", EPERM),
        call("swapon", libc::SYS_swapon, "'/tmp', 0", EPERM),
        call("syslog", libc::SYS_syslog, "3, 0, 0", EPERM),
        call("quotactl", libc::SYS_quotactl, "0, 0, 0, 0", EPERM),
        call("acct", libc::SYS_acct, "'/tmp/x'", EPERM),
        call("personality", libc::SYS_personality, "0x0040000", EPERM),
        call("TIOCSTI", libc::SYS_ioctl, "1, 0x5412, 'x'", EPERM),
        call("TIOCSTI in disguise", libc::SYS_ioctl, "1, 0x5412 | (1 << 40), 'x'", EPERM),
        call("TIOCLINUX", libc::SYS_ioctl, "1, 0x541c, 'x'", EPERM),
        call("socket of IPv4", libc::SYS_socket, "2, 1, 0", libc::EAFNOSUPPORT),
        call("socket of IPv6", libc::SYS_socket, "10, 2, 0", libc::EAFNOSUPPORT),
        call("socket of the kernel", libc::SYS_socket, "16, 3, 0", libc::EAFNOSUPPORT),
        call("socket of packets", libc::SYS_socket, "17, 3, 0", libc::EAFNOSUPPORT),
        call("socket of the hypervisor", libc::SYS_socket, "40, 1, 0", libc::EAFNOSUPPORT),
        call("kill of a process outside", libc::SYS_kill, "2000000, 9", libc::ESRCH),
    ]
}

#[test]
fn system_calls_that_lead_out_are_refused() {
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    let mut script = "sub str { my $copy = shift; $copy } ".to_owned();
    for (name, call, _) in calls() {
        // perl passes on only what it may write
        let parts = call.split('\'').enumerate().map(|(at, part)| match at % 2 {
            0 => part.to_owned(),
            _ => format!("str('{part}')"),
        });
        let call: String = parts.collect();
        script += &format!(
            "$! = 0; $r = {call}; print '{name}: ', $r == -1 ? $! + 0 : 'done', \"\\n\";\n"
        );
    }
    let (_, said) = perl(&mut sandbox, &mut overlay, &script).unwrap();
    let got: BTreeMap<&str, &str> = said.lines().filter_map(|line| line.split_once(": ")).collect();
    for (name, call, error) in calls() {
        assert_eq!(got.get(name), Some(&error.to_string().as_str()), "{name} ({call}): {said}");
    }
}

/// Files through which a kernel is told what to do, or tells what it knows.
#[test]
fn the_kernels_files_are_read_only_or_masked() {
    let settings = [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/printk_ratelimit_burst",
        "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/shmmax",
        "/proc/sys/kernel/pid_max",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/vm/drop_caches",
        "/proc/sys/fs/binfmt_misc/register",
        "/proc/sysrq-trigger",
        "/proc/irq/default_smp_affinity",
        "/proc/bus/pci/devices",
        "/proc/1/mem",
        "/proc/self/uid_map",
    ];
    let read = |path: &&str| fs::read(path).ok();
    let host = &settings[..7];
    let before: Vec<_> = host.iter().map(read).collect();
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    let mut script = String::new();
    for path in settings {
        script += &format!(
            "if (open(F, '+<', '{path}')) {{ $ok = syswrite(F, '7'); \
             print '{path}: ', defined $ok ? 'written' : $! + 0, \"\\n\"; close F }} \
             else {{ print '{path}: ', $! + 0, \"\\n\" }}"
        );
    }
    let (_, said) = perl(&mut sandbox, &mut overlay, &script).unwrap();
    assert_eq!(said.lines().count(), settings.len(), "{said}");
    let refused = [libc::EROFS, libc::EACCES, libc::EPERM, libc::ENOENT].map(|n| n.to_string());
    for line in said.lines() {
        let (path, error) = line.split_once(": ").unwrap();
        assert!(refused.iter().any(|wanted| wanted == error), "{path}: {error}");
    }
    assert_eq!(host.iter().map(read).collect::<Vec<_>>(), before);

    let finished = run(&mut sandbox, &mut overlay, "cat /proc/self/mountinfo");
    let text = String::from_utf8_lossy(&finished.transcript).into_owned();
    let options = |place: &str| {
        let mut lines = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let line = lines.rfind(|fields| fields[4] == place);
        line.map(|fields| fields[5].split(',').map(str::to_owned).collect::<Vec<_>>())
    };
    let wanted = [
        ("/", "nosuid nodev"),
        ("/dev", "nosuid noexec"),
        ("/proc", "nosuid nodev noexec"),
        ("/proc/sys", "ro nosuid nodev noexec"),
        ("/proc/irq", "ro nosuid nodev noexec"),
        ("/proc/bus", "ro nosuid nodev noexec"),
        ("/proc/fs", "ro nosuid nodev noexec"),
        ("/proc/sysrq-trigger", "ro nosuid nodev noexec"),
    ];
    for (place, flags) in wanted {
        match options(place) {
            Some(options) => {
                let has = |flag: &str| options.iter().any(|one| one == flag);
                assert!(flags.split(' ').all(has), "{place}: {options:?}");
            }
            None => assert!(!std::path::Path::new(place).exists(), "{place}: {text}"),
        }
    }

    let masked = "for my $p (qw(kcore keys kmsg timer_list sched_debug kallsyms interrupts)) \
                  { next unless open(F, '<', \"/proc/$p\"); $n = sysread(F, $b, 9); \
                  print \"$p can be read\\n\" if $n } print -e '/sys' ? 'sys' : 'no sys', \"\\n\"; \
                  opendir(D, '/dev'); print join(' ', sort readdir D), \"\\n\"; \
                  print open(F, '+<', '/dev/tty') ? 'tty' : $! + 0, \"\\n\"";
    let (_, said) = perl(&mut sandbox, &mut overlay, masked).unwrap();
    let devices = ". .. fd full null random shm stderr stdin stdout tty urandom zero";
    assert_eq!(said, format!("no sys\n{devices}\n{}\n", libc::ENXIO));
}

/// The rights of the one who runs scripts, read from the kernel.
#[test]
fn root_inside_is_nobody_outside_and_keeps_few_rights() {
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    let script = "cat /proc/self/status /proc/self/uid_map /proc/self/gid_map; ls /proc/self/fd";
    let finished = run(&mut sandbox, &mut overlay, script);
    let text = String::from_utf8_lossy(&finished.transcript).into_owned();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    };
    // chown, dac_override, fowner, fsetid, kill, setgid, setuid, setfcap
    let kept = format!("{:016x}", 0x8000_00fb_u64);
    assert_eq!(
        [field("CapEff:"), field("CapPrm:"), field("CapBnd:")],
        [(); 3].map(|()| kept.clone())
    );
    assert_eq!([field("CapInh:"), field("CapAmb:")], [(); 2].map(|()| "0".repeat(16)));
    assert_eq!((field("NoNewPrivs:").as_str(), field("Seccomp:").as_str()), ("1", "2"));
    assert_eq!(field("Uid:"), "0\t0\t0\t0");
    assert_eq!(field("Groups:"), "");
    let own = rustix::process::geteuid().as_raw();
    let lines: Vec<Vec<u32>> = text
        .lines()
        .map(|line| line.split_whitespace().map_while(|word| word.parse().ok()).collect())
        .filter(|numbers: &Vec<u32>| numbers.len() == 3)
        .collect();
    assert!(lines.len() >= 4, "{text}");
    for line in lines {
        let (first, count) = (line[1], line[2]);
        assert!(first > 1000 && !(first..first + count).contains(&own), "{line:?}");
    }
    // nothing is inherited; 3 is the folder that is listed
    let descriptors: Vec<_> =
        text.lines().filter(|line| line.len() < 3 && line.parse::<u8>().is_ok()).collect();
    assert_eq!(descriptors, ["0", "1", "2", "3"], "{text}");
}

#[test]
fn set_uid_programs_give_no_rights_inside() {
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    let script = "cp /bin/id /tmp/id; chmod 4755 /tmp/id; \
                  perl -e '$) = \"5 5\"; $( = 5; $> = 5; $< = 5; exec \"/tmp/id\", \"-u\"'";
    let finished = run(&mut sandbox, &mut overlay, script);
    assert_eq!(String::from_utf8_lossy(&finished.transcript), "5\n");
}

/// A folder that is opened before leads nowhere but to the copy, and neither does a process.
#[test]
fn neither_descriptors_nor_processes_lead_out() {
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    let marker = format!("/tmp/imgfix-outside-{}", std::process::id());
    fs::write(&marker, "outside").unwrap();
    let script = format!(
        "mkdir '/tmp/jail'; opendir(D, '/'); $r = chroot('/tmp/jail'); print $r ? 'jailed ' : 'no ';\n\
         chdir('/proc/self/fd/' . fileno(D)); chdir('..') for 1 .. 50;\n\
         for my $p ('.{marker}', '/proc/1/root{marker}', '/proc/1/cwd{marker}', '/proc/self/root{marker}',\n\
         '/../..{marker}') {{ print 'out through ', $p if open(F, '<', $p) }}\n\
         opendir(P, '/proc'); print scalar(grep {{ /^[0-9]+$/ }} readdir P);"
    );
    let (_, said) = perl(&mut sandbox, &mut overlay, &script).unwrap();
    fs::remove_file(&marker).unwrap();
    assert_eq!(said, "no 2");
}

#[test]
fn processes_outside_live_on_and_what_is_left_running_does_not() {
    let mut outside = Command::new("sleep").arg("600").spawn().unwrap();
    let name = format!("imgfix-left-{}", std::process::id());
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    let script = format!(
        "if (!fork) {{ $0 = '{name}'; setpgrp; $SIG{{HUP}} = $SIG{{TERM}} = 'IGNORE'; sleep 600 }} \
         sleep 1; print kill(9, 1); print kill(9, {}); print 'on';",
        outside.id()
    );
    let (_, said) = perl(&mut sandbox, &mut overlay, &script).unwrap();
    assert_eq!(said, "10on", "a signal to the first process is dropped");
    assert!(!is_running(&name), "it outlives its sandbox");
    let everything = "fork; fork; kill 9, -1; print 'on'";
    let _ended = perl(&mut sandbox, &mut overlay, everything);
    assert!(outside.try_wait().unwrap().is_none(), "a process outside was killed");
    outside.kill().unwrap();
    outside.wait().unwrap();
    assert_eq!(perl(&mut sandbox, &mut overlay, "print 'on'").unwrap().1, "on");
}

/// Where a sandbox's copy has a file.
pub fn in_a_copy(name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(std::env::temp_dir()).ok()?.flatten();
    let mut copies = entries.filter_map(|entry| {
        let is_ours = entry.file_name().to_str()?.starts_with("imgfix-sandbox-");
        is_ours.then(|| entry.path().join("place/copy").join(name))
    });
    copies.find(|path| path.exists())
}

/// Other users of this machine cannot run what a script made set-uid, while it runs.
#[test]
fn a_set_uid_file_in_the_copy_is_out_of_reach() {
    let name = format!("setuid-{}", std::process::id());
    let script = format!(
        "cp /bin/id /tmp/{name}; chmod 4755 /tmp/{name}; chmod 777 / /..; chmod 777 /../..; \
         while [ ! -e /tmp/go-on ]; do sleep 0.1; done"
    );
    let looking = std::thread::spawn({
        let name = format!("tmp/{name}");
        move || {
            let deadline = Instant::now() + Duration::from_secs(60);
            let path = loop {
                assert!(Instant::now() < deadline, "no copy");
                match in_a_copy(&name) {
                    Some(path) if fs::metadata(&path).unwrap().mode() & 0o7777 == 0o4755 => {
                        break path;
                    }
                    _ => std::thread::sleep(Duration::from_millis(20)),
                }
            };
            let copy = path.parent().unwrap().parent().unwrap().to_owned();
            let folder = copy.parent().unwrap().parent().unwrap();
            let seen = [
                fs::metadata(&path).unwrap(),
                fs::metadata(&copy).unwrap(),
                fs::metadata(folder).unwrap(),
            ];
            let owners = seen.each_ref().map(MetadataExt::uid);
            let ran = is_root().then(|| {
                // root's right to go everywhere is gone only after the first program
                Command::new("setpriv")
                    .args(["--reuid", "61234", "--regid", "61234", "--clear-groups"])
                    .args(["sh", "-c", "exec \"$0\""])
                    .arg(&path)
                    .stdout(Stdio::piped())
                    .output()
                    .unwrap()
            });
            (owners, seen[2].mode() & 0o7777, ran)
        }
    });
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    let running = std::thread::spawn(move || {
        let finished = super::run(&mut sandbox, &mut overlay, &format!("{script} & sleep 3"));
        (finished.status, sandbox)
    });
    let ([file, copy, folder], mode, ran) = looking.join().unwrap();
    running.join().unwrap();
    let own = rustix::process::geteuid().as_raw();
    assert_eq!((folder, mode), (own, 0o700));
    assert!(file != 0 && file != own && copy == file, "{file} {copy}");
    if let Some(ran) = ran {
        assert!(!ran.status.success() && ran.stdout.is_empty(), "{ran:?}");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(said.contains("Permission denied"), "{said}");
    }
}
