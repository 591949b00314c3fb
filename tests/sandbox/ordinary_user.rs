//! The same tests again, by a user who is not root.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::{DISK, helper, is_root};

/// Tells the second round of the tests where the built program is.
pub const HELPER: &str = "IMGFIX_TEST_HELPER";

/// This machine's accounts with one more, in a mount namespace: the machine stays as it is.
const SCRIPT: &str = r#"
set -e
cp -a /etc "$1/etc"
echo 'imgfix-tester:x:54321:54321::/:/bin/sh' >> "$1/etc/passwd"
echo 'imgfix-tester:x:54321:' >> "$1/etc/group"
echo 'imgfix-tester:3000000:65536' >> "$1/etc/subuid"
echo 'imgfix-tester:3000000:65536' >> "$1/etc/subgid"
mount --bind "$1/etc" /etc
cd /
exec setpriv --reuid 54321 --regid 54321 --clear-groups \
    env TMPDIR="$1/tmp" IMGFIX_TEST_HELPER="$1/imgfix" "$1/tests" --test-threads 2
"#;

#[test]
fn an_ordinary_user_gets_the_same() {
    if !is_root() {
        return;
    }
    if Command::new("newuidmap").output().is_err() {
        eprintln!("NOT tested: an ordinary user; newuidmap (package uidmap) is missing");
        return;
    }
    let _disk = DISK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(helper(), dir.path().join("imgfix")).unwrap();
    fs::copy(std::env::current_exe().unwrap(), dir.path().join("tests")).unwrap();
    let tmp = dir.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    fs::set_permissions(&tmp, fs::Permissions::from_mode(0o1777)).unwrap();
    let done = Command::new("unshare")
        .args(["--mount", "sh", "-c", SCRIPT, "sh"])
        .arg(dir.path())
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(done.status.success(), "{}\n{}", said[0], said[1]);
    assert!(said[0].contains("test result: ok."), "{}\n{}", said[0], said[1]);
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0, "something was left behind");
}
