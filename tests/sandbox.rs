//! The sandbox end to end: real programs of this machine, copied into a small root, run in
//! namespaces; what they do comes back, and nothing of this machine is in reach.
//!
//! Needs Linux that lets user namespaces be made, `unshare` and `ldd` on the machine, and root
//! or subordinate user numbers.

use std::path::PathBuf;
use std::sync::Arc;

use imgfix::rootfs::{Entry, FileSystem, ImagePath, Kind, NoLayers, Overlay, Tree};
use imgfix::scripts::sandbox::{Command, Finished, Sandbox, Settings};

const NOW: i64 = 1_000_000_000;

/// A root with some of this machine's programs and what they are linked to, and a few files.
fn overlay() -> Overlay {
    let file = |content: &str, mode, uid| Entry {
        uid,
        gid: uid,
        ..Entry::file(content.to_owned(), mode, 1)
    };
    let mut entries = vec![
        (ImagePath::literal("/etc/kept"), file("kept\n", 0o640, 33)),
        (ImagePath::literal("/etc/gone"), file("gone\n", 0o644, 0)),
        (ImagePath::literal("/etc/same"), file("same\n", 0o644, 0)),
        (ImagePath::literal("/etc/out"), Entry::symlink("/../../etc", 1)),
        (ImagePath::literal("/usr/sbin"), Entry::directory(0o755, 1)),
        (ImagePath::literal("/private"), Entry { uid: 7, ..Entry::directory(0o700, 1) }),
        (ImagePath::literal("/private/x"), file("x", 0o600, 7)),
    ];
    for name in ["sh", "chown", "ln", "rm", "ls", "cat", "mkdir", "stat", "id"] {
        let program = std::fs::canonicalize(format!("/bin/{name}")).unwrap();
        let linked = std::process::Command::new("ldd").arg(&program).output().unwrap();
        let linked = String::from_utf8(linked.stdout).unwrap();
        let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
        for library in libraries {
            let content = std::fs::read(library).unwrap();
            entries.push((ImagePath::new(library).unwrap(), Entry::file(content, 0o755, 1)));
        }
        let path = ImagePath::new(format!("/bin/{name}")).unwrap();
        entries.push((path, Entry::file(std::fs::read(program).unwrap(), 0o755, 1)));
    }
    Overlay::new(Arc::new(Tree::from_entries(entries, Arc::new(NoLayers))))
}

fn sandbox() -> Sandbox {
    let helper = PathBuf::from(env!("CARGO_BIN_EXE_imgfix"));
    Sandbox::new(Settings { now: NOW, helper }).unwrap()
}

fn run(sandbox: &mut Sandbox, overlay: &mut Overlay, script: &str) -> Finished {
    let argv = ["/bin/sh", "-c", script].map(Into::into).to_vec();
    let environment = vec![("PATH".into(), "/bin".into()), ("GREETING".into(), "hello".into())];
    sandbox.run(overlay, &Command { argv, environment }).unwrap()
}

fn changed(overlay: &Overlay) -> Vec<String> {
    overlay.changes().map(|(path, _)| path.to_string()).collect()
}

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
