//! What the commands do in a small image. The comparison with the real programs is
//! `tests/differential_apk`.

use super::COMMANDS;
use crate::scripts::commands::testing::{Image, run};

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
    let root = crate::rootfs::ImagePath::root();
    image.machine.make_dir(&root, b"/bin", 0o755).unwrap().unwrap();
    image.machine.write_file(&root, b"/bin/busybox", program, 0o755).unwrap().unwrap();
    image
}

#[test]
fn busybox_links_its_applets_where_nothing_is() {
    let mut image = image(&["/usr/sbin/", "/usr/bin/awk=an awk of its own"]);
    assert_eq!(run(&mut image, "/bin/busybox --install -s"), 0);
    let link = image.entry("/usr/sbin/chroot").kind;
    assert_eq!(link, crate::rootfs::Kind::Symlink("/bin/busybox".into()));
    assert_eq!(image.text("/usr/bin/awk"), "an awk of its own");
    // There is no /sbin: that is told, and no failure.
    assert_eq!(image.errors(), "busybox: /sbin/ifconfig: No such file or directory\n");
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
