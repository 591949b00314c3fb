//! What the commands do in a small image. The comparison with the real programs is
//! `tests/differential_commands`.

use super::COMMANDS;
use super::shadow;
use imgfix_tools::testing::{Image, run};

const STATUS: &str = "/var/lib/dpkg/status=Package: dpkg\nStatus: install ok installed\n\
                      Architecture: amd64\nVersion: 1.21.22\n\nPackage: libx\n\
                      Status: install ok installed\nArchitecture: amd64\nMulti-Arch: same\n\
                      Depends: other\nVersion: 2\n\n";

fn image(paths: &[&str]) -> Image {
    let base = [
        STATUS,
        "/var/lib/dpkg/info/format=1\n",
        "/var/lib/dpkg/info/libx:amd64.list=/.\n/usr/lib/x\n",
        "/etc/passwd=root:x:0:0:root:/root:/bin/sh\n",
        "/etc/group=root:x:0:\nnogroup:x:65534:\n",
        "/etc/shadow=root:*:1:0:99999:7:::\n",
        "/etc/gshadow=root:*::\n",
    ];
    let commands: Vec<_> = COMMANDS.iter().chain(shadow::COMMANDS).copied().collect();
    Image::with(&[&base, paths].concat(), &commands)
}

#[test]
fn packages_are_found_and_missed_with_dpkgs_statuses() {
    let mut image = image(&[]);
    for (line, status, output) in [
        ("dpkg --compare-versions 1 lt 2", 0, ""),
        ("dpkg --compare-versions 2 lt 1", 1, ""),
        ("dpkg --print-architecture", 0, "amd64\n"),
        ("dpkg -L libx", 0, "/.\n/usr/lib/x\n"),
        ("dpkg -S /usr/lib/x", 0, "libx:amd64: /usr/lib/x\n"),
        ("dpkg -S /usr/lib/y", 1, ""),
        ("dpkg-query -W -f=${Status} libx", 0, "install ok installed"),
        ("dpkg-query -W -f=${db:Status-Status} other", 0, "not-installed"),
        ("dpkg-query -W unheard", 1, ""),
    ] {
        assert_eq!(run(&mut image, line), status, "{line}");
        assert_eq!(image.output(), output, "{line}");
    }
}

#[test]
fn what_changes_packages_stops() {
    let mut image = image(&[]);
    assert_eq!(image.stop("dpkg --configure -a"), "dpkg with option configure");
    assert_eq!(image.stop("getent hosts localhost"), "getent with database hosts");
    assert!(image.stop("passwd root").contains("a person"));
    assert!(image.stop("update-initramfs -u").contains("how a machine starts"));
}

#[test]
fn diversions_overrides_and_triggers_change_their_files() {
    let mut image = image(&["/usr/bin/a=x", "/var/lib/dpkg/triggers/Unincorp="]);
    let add = "dpkg-divert --package p --divert /usr/bin/a.real --rename --add /usr/bin/a";
    assert_eq!(run(&mut image, add), 0);
    assert_eq!(image.text("/var/lib/dpkg/diversions"), "/usr/bin/a\n/usr/bin/a.real\np\n");
    assert_eq!(image.text("/usr/bin/a.real"), "x");
    let mode = "dpkg-statoverride --update --add root root 4711 /usr/bin/a.real";
    assert_eq!(run(&mut image, mode), 0);
    assert_eq!(image.mode("/usr/bin/a.real"), 0o4711);
    assert_eq!(run(&mut image, "dpkg-trigger --no-await ldconfig"), 0);
    assert_eq!(run(&mut image, "dpkg-trigger --by-package=p ldconfig"), 0);
    assert_eq!(image.text("/var/lib/dpkg/triggers/Unincorp"), "ldconfig p -\n");
}

#[test]
fn accounts_are_added_with_their_backups() {
    let mut image = image(&[]);
    let line = "useradd -r -d /nonexistent -g nogroup -s /usr/sbin/nologin -u 123 daemonx";
    assert_eq!(run(&mut image, line), 0);
    let users = image.text("/etc/passwd");
    assert!(users.ends_with("\ndaemonx:x:123:65534::/nonexistent:/usr/sbin/nologin\n"), "{users}");
    assert_eq!(image.text("/etc/passwd-"), "root:x:0:0:root:/root:/bin/sh\n");
    assert!(image.text("/etc/shadow").ends_with("\ndaemonx:!:11574::::::\n"));
    assert_eq!(run(&mut image, line), 9);
}

#[test]
fn alternatives_point_at_the_best_choice() {
    let mut image = image(&["/opt/a=", "/opt/b="]);
    let install = |path: &str, priority: u32| {
        format!("update-alternatives --quiet --install /usr/bin/e e {path} {priority}")
    };
    assert_eq!(run(&mut image, &install("/opt/a", 10)), 0);
    assert_eq!(run(&mut image, &install("/opt/b", 20)), 0);
    let record = image.text("/var/lib/dpkg/alternatives/e");
    assert_eq!(record, "auto\n/usr/bin/e\n\n/opt/a\n10\n/opt/b\n20\n\n");
    assert_eq!(run(&mut image, "update-alternatives --query e"), 0);
    assert!(image.output().contains("Value: /opt/b\n"));
    assert_eq!(run(&mut image, "update-alternatives --remove-all e"), 0);
    assert!(!image.exists("/usr/bin/e") && !image.exists("/etc/alternatives/e"));
}

/// The disk fails under a program: that ends the run, and is no trait of the image.
#[test]
fn a_broken_disk_is_not_taken_for_a_file_that_is_not_there() {
    let mut wrong = Vec::new();
    for (line, broken) in [
        ("dpkg -L libx", "/var/lib/dpkg/info/libx:amd64.list"),
        ("dpkg -S /usr/lib/x", "/var/lib/dpkg/info/libx:amd64.list"),
        ("dpkg-query -W libx", "/var/lib/dpkg/status"),
        ("dpkg-divert --list", "/var/lib/dpkg/diversions"),
        ("dpkg-statoverride --list", "/var/lib/dpkg/statoverride"),
        ("dpkg-trigger --by-package=libx x", "/var/lib/dpkg/triggers/Unincorp"),
        ("update-alternatives --list editor", "/var/lib/dpkg/alternatives/editor"),
        ("getent passwd root", "/etc/passwd"),
        ("getent group root", "/etc/group"),
        ("useradd --system web", "/etc/passwd"),
        ("useradd --system web", "/etc/shadow"),
        ("groupadd --system web", "/etc/gshadow"),
        ("adduser --system web", "/etc/passwd"),
        ("update-rc.d x defaults", "/etc/init.d/x"),
    ] {
        let mut image =
            image(&["/etc/init.d/", "/usr/lib/systemd/system/", "/etc/systemd/system/"]);
        image.break_file(broken);
        let words: Vec<&str> = line.split(' ').collect();
        match image.call(&words, "") {
            Ok(status) => {
                wrong.push(format!("{line}, {broken}: status {status}, {}", image.errors()))
            }
            Err(stop) if stop.is_of_this_machine => {}
            Err(stop) => wrong.push(format!("{line}, {broken}: {stop}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
