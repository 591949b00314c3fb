//! What scripts are run for: files change as they do on a machine.

use imgfix_model::path::ImagePath;
use imgfix_shell::sandbox::Command;
use imgfix_vfs::{Entry, FileSystem, Kind};

use super::{NOW, changed, overlay, run, sandbox};

#[test]
fn what_a_command_does_comes_back_and_what_the_overlay_does_goes_in() {
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    let script = "echo $GREETING > /etc/new; chown 5:6 /etc/new; rm /etc/gone; mkdir -p /var/d; \
                  ln -s new /etc/link; ln /etc/new /etc/second; echo same > /etc/same; \
                  cat /etc/kept /private/x; stat -c %u:%g:%a /etc/kept; exit 3";
    let finished = run(&mut sandbox, &mut overlay, script);
    let text = String::from_utf8_lossy(&finished.transcript).into_owned();
    assert_eq!((finished.status, text.as_str()), (3, "kept\nx33:33:640\n"));
    assert_eq!(
        changed(&overlay),
        ["/etc/gone", "/etc/link", "/etc/new", "/etc/second", "/var", "/var/d"]
    );
    let new = overlay.lstat(&ImagePath::literal("/etc/new")).unwrap();
    assert_eq!((new.uid, new.gid, new.mode, new.mtime), (5, 6, 0o644, NOW));
    let link = |path| match &overlay.lstat(&ImagePath::literal(path)).unwrap().kind {
        Kind::File(data) => data.link,
        _ => None,
    };
    assert!(link("/etc/new").is_some());
    assert_eq!(link("/etc/new"), link("/etc/second"));
    // what changes outside is there in the next command
    overlay.remove(&ImagePath::literal("/var"));
    let path = ImagePath::literal("/etc/new");
    overlay.set(path, Entry::file("changed\n", 0o600, 2)).unwrap();
    overlay.set(ImagePath::literal("/opt/more"), Entry::symlink("x", 1)).unwrap();
    let finished = run(&mut sandbox, &mut overlay, "cat /etc/new; ls -d /var /opt/more");
    let text = String::from_utf8_lossy(&finished.transcript).into_owned();
    assert!(text.starts_with("changed\n"), "{text}");
    assert!(text.contains("/var") && text.contains("No such file"), "{text}");
    assert!(text.ends_with("/opt/more\n"), "{text}");
}

#[test]
fn nothing_of_this_machine_is_in_reach() {
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    let before = changed(&overlay);
    let script = "id -u; ls /etc/out/; echo x > /etc/out/x; ls /proc/1/root/; cat /proc/net/dev; \
                  ls /dev; echo ok > /dev/null";
    let finished = run(&mut sandbox, &mut overlay, script);
    let text = String::from_utf8_lossy(&finished.transcript).into_owned();
    assert!(text.starts_with("0\n"), "{text}");
    assert!(text.contains("kept\nout\nsame\n"), "{text}");
    assert!(!text.contains("home") && !text.contains("eth"), "{text}");
    assert!(overlay.lstat(&ImagePath::literal("/etc/x")).is_some());
    assert_eq!(changed(&overlay).len(), before.len() + 1);
    assert!(!std::path::Path::new("/etc/x").exists());
}

#[test]
fn a_program_that_is_not_there_is_an_error_that_names_it() {
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    let command = Command { argv: vec!["/bin/none".into()], environment: Vec::new() };
    let stop = sandbox.run(&mut overlay, &command).unwrap_err();
    assert!(stop.detail.contains("/bin/none: No such file"), "{stop}");
    assert_eq!(changed(&overlay), [""; 0]);
}

/// Numbers of users are shifted outside; inside and in what comes back they are the image's.
#[test]
fn owners_are_the_images_own_high_ones_too() {
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    let script = "stat -c %u:%g /etc/high /etc/kept /bin /private/x; \
                  echo more >> /etc/high; chown 65534:65534 /etc/same; \
                  cp -p /etc/high /etc/copy; chown 1000650000:12 /etc/gone; chmod 4750 /etc/gone";
    let finished = run(&mut sandbox, &mut overlay, script);
    let text = String::from_utf8_lossy(&finished.transcript).into_owned();
    assert_eq!(text, "1000650000:1000650000\n33:33\n0:0\n7:7\n");
    let owners = |path| {
        let entry = overlay.lstat(&ImagePath::literal(path)).unwrap();
        (entry.uid, entry.gid, entry.mode)
    };
    assert_eq!(owners("/etc/high"), (1_000_650_000, 1_000_650_000, 0o600));
    assert_eq!(owners("/etc/copy"), (1_000_650_000, 1_000_650_000, 0o600));
    assert_eq!(owners("/etc/same"), (65_534, 65_534, 0o644));
    assert_eq!(owners("/etc/gone"), (1_000_650_000, 12, 0o4750));
}

/// A capability is stored for the namespace that sets it; an image has it for everyone.
#[test]
fn capabilities_of_files_come_back_as_an_image_has_them() {
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    // version 2, effective: CAP_NET_RAW
    let value = "\\x01\\x00\\x00\\x02\\x00\\x20\\x00\\x00".to_owned() + &"\\x00".repeat(12);
    let script = format!(
        "my $n = 'security.capability'; my $v = \"{value}\"; my $f = '/etc/same'; \
         my $r = syscall({}, $f, $n, $v, length($v), 0); print $r == -1 ? $! : 'set';",
        libc::SYS_setxattr
    );
    let (_, said) = super::perl(&mut sandbox, &mut overlay, &script).unwrap();
    assert_eq!(said, "set");
    let entry = overlay.lstat(&ImagePath::literal("/etc/same")).unwrap();
    let mut wanted = vec![1, 0, 0, 2, 0, 0x20, 0, 0];
    wanted.resize(20, 0);
    assert_eq!(entry.xattrs.get(&b"security.capability"[..]), Some(&wanted));
    // and it goes in again
    overlay.set(ImagePath::literal("/opt/x"), entry.clone()).unwrap();
    run(&mut sandbox, &mut overlay, "chown 3 /opt/x; chown 0 /etc/kept; chmod 700 /etc/kept");
}
