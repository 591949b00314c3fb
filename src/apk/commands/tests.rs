//! What the commands do in a small image. The comparison with the real programs is
//! `tests/differential_apk`.

use super::COMMANDS;
use imgfix_tools::testing::{Image, run};

fn image(paths: &[&str]) -> Image {
    let mut image = Image::with(paths, COMMANDS);
    let program = super::applets::tests::program(&[
        ("[", 3),
        ("awk", 3),
        ("cat", 1),
        ("chroot", 4),
        ("ifconfig", 2),
        ("ls", 1),
        ("mkdir", 1),
        ("zcat", 1),
    ]);
    let root = imgfix_model::path::ImagePath::root();
    image.machine.make_dir(&root, b"/bin", 0o755).unwrap().unwrap();
    image.machine.write_file(&root, b"/bin/busybox", program, 0o755).unwrap().unwrap();
    image
}

#[test]
fn busybox_links_its_applets_where_nothing_is() {
    let mut image = image(&["/usr/sbin/", "/usr/bin/awk=an awk of its own"]);
    assert_eq!(run(&mut image, "/bin/busybox --install -s"), 0);
    let link = image.entry("/usr/sbin/chroot").kind;
    assert_eq!(link, imgfix_vfs::Kind::Symlink("/bin/busybox".into()));
    assert_eq!(image.text("/usr/bin/awk"), "an awk of its own");
    // There is no /sbin: that is told, and no failure.
    assert_eq!(image.errors(), "busybox: /sbin/ifconfig: No such file or directory\n");
}

/// The real one of Alpine 3.20.3 on a root with `/bin` in `/usr` makes links to `/bin/busybox`:
/// it has that path built in, and not `/proc/self/exe`.
#[test]
fn links_lead_to_what_the_program_has_built_in() {
    for (built_in, want) in [("", "/bin/busybox"), ("/proc/self/exe\0", "/usr/bin/busybox")] {
        let mut image = image(&["/usr/sbin/", "/usr/bin/"]);
        let root = imgfix_model::path::ImagePath::root();
        let mut program =
            image.machine.read_file(&root, b"/bin/busybox").unwrap().unwrap().to_vec();
        program.extend_from_slice(built_in.as_bytes());
        image.machine.unlink(&root, b"/bin/busybox").unwrap().unwrap();
        image.machine.remove_dir(&root, b"/bin").unwrap().unwrap();
        image.machine.make_symlink(&root, b"/bin", b"usr/bin").unwrap().unwrap();
        image.machine.write_file(&root, b"/usr/bin/busybox", program, 0o755).unwrap().unwrap();
        assert_eq!(run(&mut image, "/bin/busybox --install -s"), 0);
        let link = image.entry("/usr/sbin/chroot").kind;
        assert_eq!(link, imgfix_vfs::Kind::Symlink(want.into()));
    }
}

#[test]
fn applets_are_called_listed_and_missed() {
    let mut image = image(&[]);
    assert_eq!(run(&mut image, "/bin/busybox --list"), 0);
    assert_eq!(image.output(), "[\nawk\ncat\nchroot\nifconfig\nls\nmkdir\nzcat\n");
    assert_eq!(run(&mut image, "/bin/busybox --list-full"), 0);
    assert!(image.output().starts_with("usr/bin/[\nusr/bin/awk\nbin/cat\n"));
    assert_eq!(run(&mut image, "/bin/busybox mkdir -p /a/b"), 0);
    assert!(image.exists("/a/b"));
    assert_eq!(run(&mut image, "/bin/busybox tree"), 127);
    assert!(image.stop("/bin/busybox ifconfig").contains("the applet ifconfig of busybox"));
    assert!(image.stop("/bin/busybox --install").contains("--install"));
}

#[test]
fn accounts_are_added_as_package_scripts_ask() {
    let mut image = image(&[
        "/etc/passwd=root:x:0:0:root:/root:/bin/ash\n",
        "/etc/group=root:x:0:root\nnogroup:x:65533:\n",
        "/etc/shadow=root:*::0:::::\n",
    ]);
    assert_eq!(run(&mut image, "addgroup -S klogd"), 0);
    let line = "adduser -S -D -H -h /dev/null -s /sbin/nologin -G klogd -g klogd klogd";
    assert_eq!(run(&mut image, line), 0);
    assert!(image.text("/etc/group").ends_with("\nklogd:x:100:klogd\n"));
    assert!(image.text("/etc/group-").ends_with("\nklogd:x:100:\n"));
    assert!(
        image.text("/etc/passwd").ends_with("\nklogd:x:100:100:klogd:/dev/null:/sbin/nologin\n")
    );
    assert!(image.text("/etc/shadow").ends_with("\nklogd:!:11574:0:99999:7:::\n"));
    assert_eq!(image.entry("/etc/shadow-").mtime, 1);
    assert_eq!(run(&mut image, line), 1);
    assert_eq!(run(&mut image, "addgroup -S klogd"), 1);
    assert!(image.errors().contains("addgroup: group 'klogd' in use\n"));
    assert!(image.stop("adduser person").contains("a password that a person types in"));
}

const UPDATE: &str = "/usr/sbin/update-ca-certificates=\x7fELF/etc/ssl/certs/bundleXXXXXX\
                      /etc/ca-certificates/update.d/";

fn with_certificates(configuration: &str, paths: &[&str]) -> Image {
    let configuration = format!("/etc/ca-certificates.conf={configuration}");
    let base = [
        UPDATE,
        &configuration,
        "/usr/share/ca-certificates/mozilla/A.crt=cert A\n",
        "/usr/share/ca-certificates/mozilla/B,_(b).crt=cert B\n",
        "/etc/ssl/certs/ca-certificates.crt=old\n",
    ];
    let mut image = image(&[&base, paths].concat());
    let root = imgfix_model::path::ImagePath::root();
    let program = b"/usr/sbin/update-ca-certificates";
    image.machine.chmod(&root, program, 0o755).unwrap().unwrap();
    image
}

#[test]
fn certificates_are_bundled_and_linked_as_alpines_program_does() {
    let configuration = "# Automatically generated by ca-certificates-20240705-r0\n# now\n\
                         mozilla/A.crt\n!mozilla/C.crt\nmozilla/B,_(b).crt\n";
    let own = "/usr/local/share/ca-certificates/own.crt=own\n";
    let mut image = with_certificates(configuration, &[own]);
    let root = imgfix_model::path::ImagePath::root();
    for (name, target) in [
        ("ca-cert-C.pem", "/usr/share/ca-certificates/mozilla/C.crt"),
        ("ca-cert-A.pem", "/elsewhere"),
        ("mine.pem", "/srv/mine.pem"),
    ] {
        let path = format!("/etc/ssl/certs/{name}");
        let machine = &mut image.machine;
        machine.make_symlink(&root, path.as_bytes(), target.as_bytes()).unwrap().unwrap();
    }
    assert_eq!(run(&mut image, "update-ca-certificates"), 0);
    let bundle = image.text("/etc/ssl/certs/ca-certificates.crt");
    assert_eq!(bundle, "cert A\n\ncert B\n\nown\n\n");
    let links = image.machine.read_dir(&root, b"/etc/ssl/certs").unwrap().unwrap();
    let links: Vec<_> = links.iter().map(|name| String::from_utf8_lossy(name)).collect();
    let want = ["ca-cert-A.pem", "ca-cert-B__=b=.pem", "ca-cert-own.pem", "ca-certificates.crt"];
    assert_eq!(links, [&want[..], &["mine.pem"]].concat());
    let link = image.entry("/etc/ssl/certs/ca-cert-A.pem").kind;
    let target = "/usr/share/ca-certificates/mozilla/A.crt";
    assert_eq!(link, imgfix_vfs::Kind::Symlink(target.into()));
}

#[test]
fn other_releases_of_ca_certificates_and_what_depends_on_the_disk_stop() {
    let known = "# Automatically generated by ca-certificates-20240705-r0\nmozilla/A.crt\n";
    let own =
        ["/usr/local/share/ca-certificates/1.crt=1", "/usr/local/share/ca-certificates/2.crt=2"];
    for (configuration, paths, want) in [
        ("mozilla/A.crt\n", &[][..], "the release of ca-certificates is not known"),
        (
            "# Automatically generated by ca-certificates-20191127-r4\n",
            &[],
            "the release of ca-certificates is not known",
        ),
        (known, &own, "depends on the disk"),
        (known, &["/usr/local/share/ca-certificates/d/x"], "is not a file"),
        (
            "# Automatically generated by ca-certificates-20240705-r0\nmozilla/A.crt\nx/A.crt\n",
            &[],
            "another certificate has the name of",
        ),
    ] {
        let stop = with_certificates(configuration, paths).stop("update-ca-certificates");
        assert!(stop.contains(want), "{stop} / {want}");
    }
    let mut image = image(&[]);
    assert!(image.stop("update-ca-certificates").contains("is not Alpine's ca-certificates"));
    assert!(image.stop("c_rehash /etc/ssl/certs").contains("is not Alpine's ca-certificates"));
}

/// The disk fails under a program: that ends the run, and is no trait of the image.
#[test]
fn a_broken_disk_is_not_taken_for_a_file_that_is_not_there() {
    let texts = "\x7fELF /etc/ssl/certs/ bundleXXXXXX /etc/ca-certificates/update.d/ c_rehash \
                 SSL_CERT_DIR -compat";
    let release = "# Automatically generated by ca-certificates-20240705\nx.crt\n";
    let mut wrong = Vec::new();
    for (line, broken) in [
        ("/bin/busybox --list", "/bin/busybox"),
        ("/bin/busybox --install -s", "/bin/busybox"),
        ("/bin/busybox ls", "/bin/busybox"),
        ("update-ca-certificates", "/usr/sbin/update-ca-certificates"),
        ("update-ca-certificates", "/etc/ca-certificates.conf"),
        ("update-ca-certificates", "/usr/share/ca-certificates/x.crt"),
        ("update-ca-certificates", "/usr/local/share/ca-certificates/own.crt"),
        ("update-ca-certificates", "/etc/ca-certificates/update.d/hook"),
        ("c_rehash /etc/ssl/certs", "/usr/bin/c_rehash"),
        ("c_rehash /etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt"),
        ("c_rehash /etc/ssl/certs", "/etc/ssl/certs/x.pem"),
        ("addgroup -S web", "/etc/group"),
        ("adduser -S web", "/etc/passwd"),
    ] {
        let mut image = image(&[
            "/etc/ssl/certs/",
            "/etc/ca-certificates/update.d/",
            "/usr/share/ca-certificates/x.crt=x\n",
            "/usr/local/share/ca-certificates/",
            "/etc/passwd=root:x:0:0:root:/root:/bin/sh\n",
            "/etc/group=root:x:0:\n",
            &format!("/etc/ca-certificates.conf={release}"),
            &format!("/usr/sbin/update-ca-certificates={texts}"),
        ]);
        let root = imgfix_model::path::ImagePath::root();
        for name in ["update-ca-certificates", "c_rehash"] {
            let path = format!("/usr/bin/{name}");
            image.machine.write_file(&root, path.as_bytes(), texts, 0o755).unwrap().unwrap();
        }
        if broken.starts_with("/usr/sbin") {
            image.break_file("/usr/bin/update-ca-certificates");
        }
        image.break_file(broken);
        let words: Vec<&str> = line.split(' ').collect();
        match image.call(&words, "") {
            Ok(status) => wrong.push(format!("{line}: status {status}, {}", image.errors())),
            Err(stop) if stop.is_of_this_machine => {}
            Err(stop) => wrong.push(format!("{line}, {broken}: {stop}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
