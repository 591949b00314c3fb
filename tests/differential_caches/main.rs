//! Rebuilds system caches with the programs of a real root file system, in a chroot, and with
//! imgfix's own over a tree of the same root, and compares every path.
//!
//! The root is made here from this machine's `ldconfig` and some of its libraries, with all
//! that the program treats differently. `IMGFIX_ROOTS` (separated by colons) names whole
//! root file systems to compare on too. Needs root, or `unshare` with subordinate user
//! numbers, and a Debian machine. No network.

#[path = "../differential_dpkg/disk.rs"]
#[allow(dead_code)]
mod disk;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use imgfix_dpkg_tools::table;
use imgfix_model::path::ImagePath;
use imgfix_shell::{Call, Descriptors, Environment, Machine, Settings, Stream};
use imgfix_vfs::Overlay;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Not state of the image, or not to be known: a cache by inode number.
const EXEMPT: &[&str] = &["/var/cache/ldconfig/aux-cache", "/var/cache/ldconfig"];

/// Folders with nothing of interest, left out for time.
const SKIP: &[&str] = &["/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/proc", "/sys"];

/// Runs `body` where chroot works: here for root, otherwise in this test again inside user
/// namespaces.
fn as_root(test: &str, body: impl FnOnce()) {
    const INSIDE: &str = "IMGFIX_INSIDE_UNSHARE";
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout == b"0\n" {
        return body();
    }
    assert!(std::env::var_os(INSIDE).is_none(), "unshare did not make us root");
    let status = Command::new("unshare")
        .args(["--map-root-user", "--map-auto", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "this test runs a chroot: run it as root, or install util-linux and uidmap and give this \
         user numbers in /etc/subuid ({status:?})"
    );
}

/// What a command leaves and says.
struct Result {
    files: disk::Snapshot,
    output: Vec<u8>,
    status: i32,
}

fn ours(root: &Path, argv: &[&str]) -> Result {
    let overlay = Overlay::new(Arc::new(disk::tree(root, SKIP)));
    let settings = Settings::new(42, "amd64");
    let mut machine = Machine::new(overlay, settings, Arc::new(table()));
    let (output, errors) = (Stream::collector(), Stream::collector());
    let environment: Environment = [("PATH".into(), PATH.into())].into();
    let call = Call {
        argv: argv.iter().map(|&word| word.into()).collect(),
        environment,
        directory: ImagePath::root(),
        umask: 0o022,
        descriptors: Descriptors::standard(Stream::null(), output.clone(), errors),
    };
    let status = machine.execute(call).unwrap_or_else(|stop| panic!("{argv:?}: {stop}"));
    let files = disk::overlay_snapshot(&machine.overlay);
    Result { files, output: output.collected(), status: status.into() }
}

/// Runs the real command; the root is changed.
fn real(root: &Path, argv: &[&str]) -> Result {
    let done = Command::new("chroot")
        .arg(root)
        .args(argv)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let status = done.status.code().unwrap_or(-1);
    Result { files: disk::snapshot(root, SKIP), output: done.stdout, status }
}

/// Runs a command both ways on a root, and compares what is there afterwards.
fn compare(root: &Path, argv: &[&str]) {
    let before = disk::snapshot(root, SKIP);
    let ours = ours(root, argv);
    let real = real(root, argv);
    let mut differences = Vec::new();
    let mut names: Vec<&String> = ours.files.keys().chain(real.files.keys()).collect();
    names.sort();
    names.dedup();
    for name in names.into_iter().filter(|name| !EXEMPT.contains(&name.as_str())) {
        // times of what was not touched are the same in both
        let of = |snapshot: &disk::Snapshot| {
            snapshot.get(name).map(|node| (node.kind.clone(), node.mode, node.uid, node.gid))
        };
        if of(&ours.files) != of(&real.files) {
            let was = of(&before);
            differences.push(format!(
                "{name}: was {was:?}\n  real {:?}\n  ours {:?}",
                of(&real.files),
                of(&ours.files)
            ));
        }
    }
    let shown: String = differences.iter().map(|line| cut(line)).collect();
    assert!(differences.is_empty(), "{argv:?} in {}:\n{shown}", root.display());
    assert_eq!(ours.status, real.status, "{argv:?}");
    if argv.contains(&"-p") {
        let text = |output: &[u8]| String::from_utf8_lossy(output).into_owned();
        assert_eq!(text(&ours.output), text(&real.output), "{argv:?}");
    }
}

fn cut(line: &str) -> String {
    let mut text: String = line.chars().take(2000).collect();
    text.push('\n');
    text
}

/// Copies this machine's libraries and `ldconfig` into a new root, with odd cases beside them.
fn small_root(folder: &Path) {
    let triplet = "x86_64-linux-gnu";
    let from = PathBuf::from("/usr/lib").join(triplet);
    let lib = folder.join("usr/lib").join(triplet);
    for made in ["etc/ld.so.conf.d", "usr/sbin", "var/cache/ldconfig", "opt/lib", "usr/local/lib"] {
        fs::create_dir_all(folder.join(made)).unwrap();
    }
    fs::create_dir_all(lib.join("glibc-hwcaps/x86-64-v3")).unwrap();
    fs::create_dir_all(lib.join("glibc-hwcaps/x86-64-v2")).unwrap();
    fs::create_dir_all(lib.join("haswell/avx512_1")).unwrap();
    fs::create_dir_all(lib.join("tls")).unwrap();
    for (link, target) in
        [("lib", "usr/lib"), ("sbin", "usr/sbin"), ("lib64", "usr/lib64"), ("bin", "usr/bin")]
    {
        symlink(target, folder.join(link)).unwrap();
    }
    fs::copy("/sbin/ldconfig", folder.join("usr/sbin/ldconfig")).unwrap();
    let mut libraries: Vec<PathBuf> = fs::read_dir(&from)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let small = fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() < 1 << 19);
            // a link of that name is made below
            name.contains(".so")
                && name != "libc.so"
                && small
                && path.symlink_metadata().unwrap().is_file()
        })
        .collect();
    libraries.sort();
    libraries.truncate(60);
    for library in &libraries {
        fs::copy(library, lib.join(library.file_name().unwrap())).unwrap();
    }
    let libc = from.join("libc.so.6");
    for place in [
        "libc.so.6",
        "glibc-hwcaps/x86-64-v3/libc-3.so",
        "haswell/libc.so.6",
        "haswell/avx512_1/libc.so.6",
        "tls/libc.so.6",
        "ld.so.5",
        "libz.so.1.0.dpkg-new",
    ] {
        fs::copy(&libc, lib.join(place)).unwrap();
    }
    let first = &libraries[0];
    fs::copy(first, folder.join("opt/lib/libone.so.1")).unwrap();
    fs::copy(first, folder.join("opt/lib/libone.so.10")).unwrap();
    fs::copy(first, folder.join("opt/lib/libone.so.9")).unwrap();
    fs::copy(&libraries[1], folder.join("usr/local/lib/libtwo.so")).unwrap();
    fs::write(lib.join("libscript.so"), "/* GNU ld script */\nGROUP ( libc.so.6 )\n").unwrap();
    fs::write(lib.join("libtext.so"), "x".repeat(100)).unwrap();
    fs::write(lib.join("libempty.so"), "").unwrap();
    fs::write(lib.join("libshort.so"), "\x7fELF").unwrap();
    symlink("gone.so.7", lib.join("libgone.so.7")).unwrap();
    symlink("gone.so.7", lib.join("libgone.so")).unwrap();
    symlink("libc.so.6", lib.join("libc.so")).unwrap();
    symlink("/opt/lib/libone.so.9", lib.join("libelsewhere.so.3")).unwrap();
    symlink(triplet, folder.join("usr/lib/libdirectory.so")).unwrap();
    fs::write(
        folder.join("etc/ld.so.conf"),
        "# comment\ninclude /etc/ld.so.conf.d/*.conf ld.so.conf.d/[a]?more\n/nowhere\n",
    )
    .unwrap();
    fs::write(folder.join("etc/ld.so.conf.d/b.conf"), format!("/lib/{triplet}\n")).unwrap();
    fs::write(folder.join("etc/ld.so.conf.d/a.conf"), "  /usr/local/lib/ # x\n\t/opt/lib//\n")
        .unwrap();
    fs::write(folder.join("etc/ld.so.conf.d/a-more"), "/usr/lib\n").unwrap();
}

#[test]
fn ldconfig_leaves_what_the_real_one_leaves() {
    as_root("ldconfig_leaves_what_the_real_one_leaves", || {
        let scratch = tempfile::tempdir().unwrap();
        for (number, arguments) in [
            &["-X"][..],
            &[],
            &["-v"],
            &["-N"],
            &["-n", "/opt/lib"],
            &["-c", "old"],
            &["-c", "compat"],
            &["-C", "/etc/other.cache", "-f", "/etc/ld.so.conf.d/b.conf"],
            &["/usr/lib/x86_64-linux-gnu/tls"],
            &["usr"],
        ]
        .iter()
        .enumerate()
        {
            let root = scratch.path().join(number.to_string());
            small_root(&root);
            if arguments.contains(&"-c") {
                // with these the real program writes what it has in memory by chance
                for folder in ["haswell", "tls"] {
                    let lib = root.join("usr/lib/x86_64-linux-gnu");
                    fs::remove_dir_all(lib.join(folder)).unwrap();
                }
            }
            let argv = [&["ldconfig"][..], arguments].concat();
            compare(&root, &argv);
            if !argv.contains(&"-n") {
                compare(&root, &["ldconfig", "-p"]);
            }
        }
    });
}

/// Certificates as `openssl` makes them, with names that are equal in canonical form only.
fn certificates(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let make = |name: &str, subject: &str, more: &[&str]| {
        let done = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", "/dev/null"])
            .args(["-utf8", "-multivalue-rdn", "-days", "1", "-subj", subject, "-out"])
            .arg(folder.join(name))
            .args(more)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    make("a.pem", "/C=DE/O=Some  Thing/CN= Root  CA ", &[]);
    make("b.crt", "/C=de/O=some thing/CN=root ca", &[]);
    make("c.cer", "/C=DE/O=\u{dc}n\u{ef}c\u{f6}de \u{1f600}/CN=x", &[]);
    make("d.pem", "/C=DE/O=A+OU=B/CN=multi", &[]);
    make("e.pem", "/C=DE/CN=crl", &[]);
    make("f.pem", "/CN=", &[]);
    make("g.txt", "/CN=other", &[]);
    fs::copy(folder.join("a.pem"), folder.join("z.pem")).unwrap();
    let two = [fs::read(folder.join("a.pem")).unwrap(), fs::read(folder.join("b.crt")).unwrap()];
    fs::write(folder.join("two.pem"), two.concat()).unwrap();
    fs::write(folder.join("text.pem"), "no certificate\n").unwrap();
    fs::write(folder.join("damaged.pem"), "-----BEGIN CERTIFICATE-----\n??\n").unwrap();
    symlink("/nowhere", folder.join("gone.pem")).unwrap();
    symlink("old.pem", folder.join("01234567.0")).unwrap();
    symlink("old.pem", folder.join("01234567.r3")).unwrap();
    symlink("old.pem", folder.join("0123456.0")).unwrap();
    symlink("a.pem", folder.join("linked.pem")).unwrap();
}

/// Whole roots need `openssl`, which small ones cannot have.
#[test]
fn openssl_rehash_leaves_what_the_real_one_leaves() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("etc/certs");
    certificates(&folder);
    fs::create_dir_all(scratch.path().join("usr/bin")).unwrap();
    fs::write(scratch.path().join("usr/bin/openssl"), "\x7fELF").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(scratch.path().join("usr/bin/openssl"), mode).unwrap();
    for round in 0..4 {
        let ours = ours(scratch.path(), &["openssl", "rehash", "-v", "/etc/certs"]);
        let real = Command::new("openssl").args(["rehash", "-v"]).arg(&folder).output().unwrap();
        let text = |output: &[u8]| String::from_utf8_lossy(output).into_owned();
        let told = text(&real.stdout).replace(folder.to_str().unwrap(), "/etc/certs");
        assert_eq!(text(&ours.output), told, "round {round}");
        assert_eq!(Some(ours.status), real.status.code(), "round {round}");
        let left = disk::snapshot(scratch.path(), SKIP);
        let kinds = |snapshot: &disk::Snapshot| {
            let kind = |(name, node): (&String, &disk::Node)| (name.clone(), node.kind.clone());
            snapshot.iter().map(kind).collect::<Vec<_>>()
        };
        assert!(kinds(&ours.files) == kinds(&left), "round {round}");
        match round {
            0 => fs::remove_file(folder.join("a.pem")).unwrap(),
            1 => fs::rename(folder.join("b.crt"), folder.join("y.crt")).unwrap(),
            _ => {
                fs::write(folder.join("new.pem"), fs::read(folder.join("g.txt")).unwrap()).unwrap()
            }
        }
    }
}

#[test]
fn caches_of_whole_roots_are_as_the_real_programs_make_them() {
    in_whole_roots("caches_of_whole_roots_are_as_the_real_programs_make_them", CACHES);
}

#[test]
fn certificates_of_whole_roots_are_as_the_real_script_leaves_them() {
    in_whole_roots("certificates_of_whole_roots_are_as_the_real_script_leaves_them", CERTIFICATES);
}

/// Compares commands in the roots that `IMGFIX_ROOTS` names, where they have the program.
fn in_whole_roots(test: &str, commands: &[&[&str]]) {
    let Some(roots) = std::env::var_os("IMGFIX_ROOTS") else { return };
    as_root(test, || {
        for root in std::env::split_paths(&roots) {
            for argv in commands {
                let program = argv[0];
                let places = ["usr/sbin", "usr/bin", "sbin", "usr/lib/x86_64-linux-gnu/glib-2.0"];
                let is_there = |place: &&&str| root.join(place).join(program).exists();
                if let Some(place) = places.iter().find(is_there) {
                    let path = format!("/{place}/{program}");
                    let argv = [&[path.as_str()][..], &argv[1..]].concat();
                    compare(&root, &argv);
                }
            }
        }
    });
}

const CACHES: &[&[&str]] = &[
    &["ldconfig", "-X"],
    &["ldconfig"],
    &["ldconfig", "-p"],
    &["ldconfig", "-c", "old"],
    &["ldconfig", "-c", "compat"],
    &["ldconfig", "-p"],
    &["ldconfig"],
    &["update-mime", "--triggered"],
    &["glib-compile-schemas", "/usr/share/glib-2.0/schemas"],
    &["gio-querymodules", "/usr/lib/x86_64-linux-gnu/gio/modules"],
    &["pg_updatedicts"],
];

const CERTIFICATES: &[&[&str]] =
    &[&["update-ca-certificates"], &["update-ca-certificates", "--fresh"]];
