//! What other users of this machine can reach of a copy while a script runs in it: nothing,
//! whether root or an ordinary user runs imgfix. The others are an ordinary user, and one with the
//! numbers that the files of the copy have, which no account has.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{is_root, ordinary_user, overlay, run, sandbox};

/// Where the attacked sandbox says how its set-uid program is called.
const NAME: &str = "IMGFIX_TEST_VICTIM";

/// Tries each way to a set-uid program of the copy and tells which one led there.
///
/// $1: its path outside; $2: its path inside; $3: a folder of the attacker's own; then the
/// processes of the sandbox. Descriptor 9 is the temporary directory, opened before the copy was
/// made.
const ATTACK: &str = r#"
path=$1 inside=$2 own=$3
shift 3
reached() { echo "REACHED through $1"; }
folder=${path%/place/copy/*}
below=${folder##*/}/place/copy$inside
try() {
    [ ! -e "$2" ] || reached "a look at $1"
    "$2" -u > /dev/null 2>&1 && reached "running $1"
    cat "$2" > /dev/null 2>&1 && reached "reading $1"
    ln "$2" "$own/hard" 2> /dev/null && reached "a hard link to $1"
}
try 'its path' "$path"
try 'a descriptor of the temporary directory' "/proc/self/fd/9/$below"
for part in "$folder" "$folder/place" "$folder/place/copy" "$folder/place/copy/tmp"; do
    cd "$part" 2> /dev/null && reached "the folder $part"
    ls "$part" > /dev/null 2>&1 && reached "the names in $part"
    # root's attack only shows that these can succeed
    [ "$(id -u)" != 0 ] || continue
    mv "$part" "$own/moved" 2> /dev/null && reached "moving $part"
    chmod 777 "$part" 2> /dev/null && reached "the mode of $part"
done
for process in "$@"; do
    [ -d "/proc/$process" ] || echo "process $process has ended"
    try 'the root of a process' "/proc/$process/root$inside"
    try 'the current folder of a process' "/proc/$process/cwd$inside"
    # their numbers can be seen, not where they lead
    for number in $(ls "/proc/$process/fd/" 2> /dev/null); do
        at=/proc/$process/fd/$number
        [ "$number" -gt 2 ] || continue
        ls -L "$at" > /dev/null 2>&1 && reached 'a descriptor of a process'
        readlink "$at" > /dev/null && reached 'the name of a descriptor'
        try 'an open folder of a process' "$at/${inside##*/}"
        try 'an open file of a process' "$at"
    done
    ls "/proc/$process/map_files/" > /dev/null 2>&1 && reached 'the maps of a process'
    nsenter -t "$process" -U true 2> /dev/null && reached 'its user namespace'
    nsenter -t "$process" -m true 2> /dev/null && reached 'its mounts'
    nsenter -t "$process" -U -m "$inside" 2> /dev/null && reached 'its namespaces'
done
echo tried
"#;

/// Makes a set-uid program and waits. Called by the test below, and by it as an ordinary user.
#[test]
#[ignore = "it is what another test attacks"]
fn victim() {
    let name = std::env::var(NAME).unwrap();
    let (mut sandbox, mut overlay) = (sandbox(), overlay());
    let script = format!(
        "cp /bin/id /tmp/{name}; chmod 777 / /..; sleep 100 & exec perl -e 'opendir D, \"/tmp\"; \
         open F, \"<\", \"/tmp/{name}\"; chmod 04755, \"/tmp/{name}\"; \
         for (1 .. 900) {{ select undef, undef, undef, 0.1; exit if ! -e \"/tmp/{name}\" }} exit 1'"
    );
    assert_eq!(run(&mut sandbox, &mut overlay, &script).status, 0);
}

/// Waits for the copy with a set-uid program of this name.
fn copy(temporary: &Path, name: &str) -> PathBuf {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < deadline, "no copy in {}", temporary.display());
        let folders = fs::read_dir(temporary).unwrap().flatten();
        let mut paths = folders.map(|entry| entry.path().join("place/copy/tmp").join(name));
        let is_there = |path: &PathBuf| fs::metadata(path).is_ok_and(|it| it.mode() & 0o4000 != 0);
        if let Some(path) = paths.find(is_there) {
            return path;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The processes of `user` that are in one namespace with the one that has `name` in its
/// arguments: other tests' sandboxes have processes of the same numbers, which come and go.
fn processes_of(user: u32, name: &str) -> Vec<String> {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/pid")).ok();
    let all = processes_of_number(user);
    let named = all.iter().find(|process| {
        let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(name)
    });
    let wanted = named.and_then(|process| namespace(process));
    assert!(wanted.is_some(), "no process of {name} among {all:?}");
    all.into_iter().filter(|process| namespace(process) == wanted).collect()
}

fn processes_of_number(user: u32) -> Vec<String> {
    let names = fs::read_dir("/proc").unwrap().flatten();
    let numbers = names.filter_map(|entry| entry.file_name().into_string().ok());
    numbers
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|name| {
            let status = fs::read_to_string(format!("/proc/{name}/status")).unwrap_or_default();
            let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
            uid.and_then(|uid| uid.split_whitespace().next()?.parse().ok()) == Some(user)
        })
        .collect()
}

fn attack(user: u32, before: &File, path: &Path, name: &str, own: &Path) -> String {
    let owner = fs::metadata(path).unwrap().uid();
    let processes = processes_of(owner, name);
    assert!(processes.len() >= 3, "{processes:?}");
    let id = user.to_string();
    // root's right to go everywhere is gone only after the first program
    let done = Command::new("sh")
        .args(["-c", "exec 9< \"/proc/self/fd/$0\"; exec setpriv \"$@\""])
        .arg(before.as_raw_fd().to_string())
        .args(["--reuid", &id, "--regid", &id, "--clear-groups", "sh", "-c", ATTACK, "sh"])
        .arg(path)
        .arg(format!("/tmp/{name}"))
        .arg(own)
        .args(processes)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn no_other_user_reaches_a_copy_by_any_way() {
    if !is_root() {
        eprintln!("NOT tested as this user: other users; only root can become them");
        return;
    }
    for is_ordinary in [false, true] {
        let place = ordinary_user::Place::new();
        let name = format!("setuid-{}-{is_ordinary}", std::process::id());
        let temporary = place.temporary();
        let before = File::open(&temporary).unwrap();
        // of the file system of the copy, for hard links
        let own = place.path().join("own");
        fs::create_dir(&own).unwrap();
        fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).unwrap();
        // what a descriptor leads to is the folder of the test, not the number in another process
        rustix::io::fcntl_setfd(&before, rustix::io::FdFlags::empty()).unwrap();
        let arguments = ["--exact", "others::victim", "--ignored"];
        let mut command = match is_ordinary {
            true => place.command(&arguments),
            false => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.args(arguments).env("TMPDIR", &temporary);
                command
            }
        };
        command.env(NAME, &name).stdin(Stdio::null());
        let victim = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let path = copy(&temporary, &name);
        let owner = fs::metadata(&path).unwrap().uid();
        assert!(owner > 100_000, "{owner}");
        let said: Vec<_> = [65533, owner, 0]
            .map(|user| attack(user, &before, &path, &name, &own))
            .into_iter()
            .collect();
        fs::remove_file(&path).unwrap();
        let ended = victim.wait_with_output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        for (who, said) in ["an ordinary user", "the files' numbers"].iter().zip(&said) {
            assert_eq!(said, "tried\n", "{who}, ordinary: {is_ordinary}");
        }
        // The attacks are real: root's succeed.
        for way in
            ["running its path", "a descriptor of", "a hard link", "the root of", "open folder"]
        {
            assert!(said[2].contains(way), "{way}: {}", said[2]);
        }
    }
}
