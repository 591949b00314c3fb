//! Comparison of commands with the real ones.
//!
//! Each file in `cases/` is a list of command lines (`$ LINE`; several are joined by `;;`, and
//! `<<<` gives an input with the escapes of a Rust string) with what the real commands of
//! Debian 12 print and leave behind, every line run in a fresh copy of [`TREE`]:
//! `= STATUS` of each command, `! ` when it complained, `> ` output, `+ ` and `- ` entries that
//! came and went. [`ours`] are compared with the files in every run; the files are compared with
//! the machine's own commands by the ignored test, which rewrites them when
//! `IMGFIX_BLESS=1` is set.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bstr::BString;

use imgfix_model::path::ImagePath;
use imgfix_shell::{Call, Descriptors, Environment, Machine, Settings, Stream, Table};
use imgfix_vfs::{Entry, FileSystem as _, Kind, NoLayers, Overlay, Tree};

/// All files have this time at first; any later one is shown as `now`.
const OLD: i64 = 1_000_000_000;

/// Path, what it is (`d` directory, `f` file, `l` symbolic link, `h` hard link), mode, content
/// or target.
const TREE: &[(&str, char, u32, &str)] = &[
    ("a", 'f', 0o644, "alpha\n"),
    ("b", 'f', 0o600, "beta\ngamma\n"),
    ("d", 'd', 0o755, ""),
    ("d/sub", 'd', 0o750, ""),
    ("d/sub/z", 'f', 0o644, "zed\n"),
    ("d/x", 'f', 0o644, "x\n"),
    ("d/y.txt", 'f', 0o640, "why\n"),
    ("d/up", 'l', 0o777, "../a"),
    ("empty", 'd', 0o755, ""),
    ("shared", 'd', 0o2775, ""),
    ("exec", 'f', 0o755, "#!/bin/sh\necho run\n"),
    ("suid", 'f', 0o4755, "su\n"),
    ("link", 'l', 0o777, "a"),
    ("dlink", 'l', 0o777, "d"),
    ("dangling", 'l', 0o777, "nowhere"),
    ("loop", 'l', 0o777, "loop"),
    ("h1", 'f', 0o644, "hard\n"),
    ("h2", 'h', 0o644, "h1"),
    ("with space", 'f', 0o644, "space\n"),
    ("nothing", 'f', 0o644, ""),
    ("noeol", 'f', 0o644, "first\nlast"),
    ("words", 'f', 0o644, "the quick brown fox\njumps over\n\nthe lazy dog\nThe End\n"),
    (
        "passwd",
        'f',
        0o644,
        "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
         man:x:6:12:man:/var/cache/man:/usr/sbin/nologin\n",
    ),
    (
        "conf",
        'f',
        0o644,
        "# comment\n[main]\nkey = value\nother=1\n  indented = yes\n\n[second]\nkey = two\n# end\n",
    ),
    ("numbers", 'f', 0o644, "10\n9\n2\n33\n1\n10\n-5\n2.5\n"),
    ("tabs", 'f', 0o644, "a\tb\tc\n1\t2\t3\n\nx\ty\n"),
    ("dups", 'f', 0o644, "one\none\ntwo\nthree\nthree\nthree\none\n"),
    ("control", 'f', 0o644, "Package: foo\nVersion: 1.2-3\nDepends: libc6 (>= 2.14), bar | baz\n"),
];

const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/bash\nman:x:6:12::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n";
const GROUP: &str = "root:x:0:\nadm:x:4:\nman:x:12:\nwww-data:x:33:\nstaff:x:50:\n";

/// One command of a line: its words and its input.
struct One {
    words: Vec<String>,
    input: Vec<u8>,
}

/// What a line did: report lines but those of the tree, and the tree.
struct Outcome {
    report: String,
    tree: BTreeMap<String, String>,
}

fn commands(line: &str) -> Vec<One> {
    line.split(" ;; ").map(one).collect()
}

fn one(text: &str) -> One {
    let (text, input) = match text.split_once(" <<< ") {
        Some((text, input)) => (text, unescaped(&words(input).concat())),
        None => (text, Vec::new()),
    };
    One { words: words(text), input }
}

/// Words with the quotes of a shell, and `$'...'` with escapes.
fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' => out.extend(word.take()),
            '\'' => {
                let inside: String = rest.by_ref().take_while(|&c| c != '\'').collect();
                word.get_or_insert_default().push_str(&inside);
            }
            '"' => {
                let inside: String = rest.by_ref().take_while(|&c| c != '"').collect();
                word.get_or_insert_default().push_str(&inside);
            }
            '$' if rest.peek() == Some(&'\'') => {
                rest.next();
                let inside: String = rest.by_ref().take_while(|&c| c != '\'').collect();
                let inside = String::from_utf8(unescaped(&inside)).unwrap();
                word.get_or_insert_default().push_str(&inside);
            }
            '\\' => word.get_or_insert_default().extend(rest.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    out
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'\\' => match rest.next() {
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'0') => 0,
                Some(other) => other,
                None => b'\\',
            },
            other => other,
        });
    }
    out
}

fn report(out: &mut String, status: i32, complained: bool, output: &[u8]) {
    writeln!(out, "= {status}{}", if complained { " !" } else { "" }).unwrap();
    for line in output.split_inclusive(|&b| b == b'\n') {
        let (line, end) = match line.strip_suffix(b"\n") {
            Some(line) => (line, ""),
            None => (line, "\\"),
        };
        let line = String::from_utf8_lossy(line).replace('\\', "\\\\").replace('\t', "\\t");
        let line: String = line.chars().map(|c| if c == '\0' { '\u{2400}' } else { c }).collect();
        writeln!(out, "> {line}{end}").unwrap();
    }
}

fn shown(kind: &str, mode: u32, owner: (u32, u32), mtime: i64, what: &str) -> String {
    let time = match (kind, mtime) {
        ("d", _) => String::new(),
        (_, time) if time > 1_700_000_000 => " now".into(),
        (_, OLD) => String::new(),
        (_, time) => format!(" @{time}"),
    };
    let mode = if kind == "l" { 0o777 } else { mode };
    format!("{kind} {mode:o} {}:{}{time} {what}", owner.0, owner.1)
}

/// The line by the machine's own commands.
fn real(line: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(OLD as u64);
    for &(path, kind, mode, content) in TREE {
        let path = root.join(path);
        match kind {
            'd' => std::fs::create_dir(&path).unwrap(),
            'f' => std::fs::write(&path, content).unwrap(),
            'l' => std::os::unix::fs::symlink(content, &path).unwrap(),
            _ => std::fs::hard_link(root.join(content), &path).unwrap(),
        }
        if matches!(kind, 'd' | 'f') {
            if path.ends_with("shared") {
                std::os::unix::fs::chown(&path, Some(0), Some(50)).unwrap();
            }
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            std::fs::File::open(&path).unwrap().set_modified(old).unwrap();
        }
        if kind == 'l' {
            let status =
                Command::new("touch").args(["-h", "-d", "@1000000000"]).arg(&path).status();
            assert!(status.unwrap().success());
        }
    }
    let mut text = String::new();
    for One { words, input } in commands(line) {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "umask 022; exec \"$@\"", "sh"])
            .args(&words)
            .current_dir(&root)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _closed = child.stdin.take().unwrap().write_all(&input);
        let output = child.wait_with_output().unwrap();
        let place = root.to_str().unwrap().as_bytes();
        let stdout = bstr::ByteSlice::replace(&output.stdout[..], place, "/w");
        report(&mut text, output.status.code().unwrap(), !output.stderr.is_empty(), &stdout);
    }
    let mut tree = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    real_tree(&root, &root, &mut tree, &mut inodes);
    Outcome { report: text, tree }
}

fn real_tree(
    root: &Path,
    at: &Path,
    out: &mut BTreeMap<String, String>,
    inodes: &mut BTreeMap<u64, String>,
) {
    let mut children: Vec<_> = std::fs::read_dir(at).unwrap().map(|e| e.unwrap().path()).collect();
    children.sort();
    for path in children {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let meta = path.symlink_metadata().unwrap();
        let (kind, what) = if meta.is_dir() {
            ("d", String::new())
        } else if meta.is_symlink() {
            ("l", path.read_link().unwrap().to_str().unwrap().to_owned())
        } else if let (true, Some(first)) = (meta.nlink() > 1, inodes.get(&meta.ino())) {
            ("f", format!("= {first}"))
        } else {
            inodes.insert(meta.ino(), name.clone());
            ("f", format!("{:?}", String::from_utf8_lossy(&std::fs::read(&path).unwrap())))
        };
        let owner = (meta.uid(), meta.gid());
        let what = what.replace(root.to_str().unwrap(), "/w");
        out.insert(name, shown(kind, meta.mode() & 0o7777, owner, meta.mtime(), &what));
        if meta.is_dir() {
            real_tree(root, &path, out, inodes);
        }
    }
}

/// The line by the commands of this folder; `Err` names a stop.
fn ours(line: &str) -> Result<Outcome, String> {
    let mut machine = machine();
    let mut text = String::new();
    for One { words, input } in commands(line) {
        let (output, errors) = (Stream::collector(), Stream::collector());
        let environment: Environment =
            [(BString::from("PATH"), BString::from("/usr/sbin:/usr/bin:/sbin:/bin"))].into();
        let call = Call {
            argv: words.iter().map(|word| BString::from(word.as_str())).collect(),
            environment,
            directory: ImagePath::literal("/w"),
            umask: 0o022,
            descriptors: Descriptors::standard(
                Stream::input(input),
                output.clone(),
                errors.clone(),
            ),
        };
        let status = machine.execute(call).map_err(|stop| stop.to_string())?;
        let complained = !errors.collected().is_empty();
        report(&mut text, status.into(), complained, &output.collected());
    }
    let mut tree = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    let root = ImagePath::literal("/w");
    for path in machine.overlay.walk(&root) {
        if path == root {
            continue;
        }
        let entry = machine.overlay.lstat(&path).unwrap().clone();
        let name = String::from_utf8_lossy(&path.as_bytes()[3..]).into_owned();
        let (kind, what) = match &entry.kind {
            Kind::Directory => ("d", String::new()),
            Kind::Symlink(target) => ("l", String::from_utf8_lossy(target).into_owned()),
            Kind::File(data) => {
                let known = data.link.and_then(|link| inodes.get(&link).cloned());
                match (known, data.link) {
                    (Some(first), _) => ("f", format!("= {first}")),
                    (None, link) => {
                        link.map(|link| inodes.insert(link, name.clone()));
                        let content = machine.overlay.read(&path).unwrap();
                        ("f", format!("{:?}", String::from_utf8_lossy(&content)))
                    }
                }
            }
            _ => ("?", String::new()),
        };
        tree.insert(name, shown(kind, entry.mode, (entry.uid, entry.gid), entry.mtime, &what));
    }
    Ok(Outcome { report: text, tree })
}

fn machine() -> Machine {
    let mut entries: Vec<(ImagePath, Entry)> = vec![
        (ImagePath::literal("/w"), Entry::directory(0o755, OLD)),
        (ImagePath::literal("/tmp"), Entry::directory(0o1777, OLD)),
        (ImagePath::literal("/etc/passwd"), Entry::file(PASSWD, 0o644, OLD)),
        (ImagePath::literal("/etc/group"), Entry::file(GROUP, 0o644, OLD)),
    ];
    for (name, _) in super::COMMANDS {
        let path = ImagePath::new(format!("/usr/bin/{name}")).unwrap();
        entries.push((path, Entry::file("\x7fELF", 0o755, OLD)));
    }
    let mut hard = Vec::new();
    for &(path, kind, mode, content) in TREE {
        let at = ImagePath::new(format!("/w/{path}")).unwrap();
        let entry = match kind {
            'd' => Entry::directory(mode, OLD),
            'f' => Entry::file(content, mode, OLD),
            'l' => Entry::symlink(content, OLD),
            _ => {
                hard.push((path, content));
                continue;
            }
        };
        let gid = if path == "shared" { 50 } else { 0 };
        entries.push((at, Entry { gid, ..entry }));
    }
    let tree = Tree::from_entries(entries, Arc::new(NoLayers));
    let settings = Settings::new(1_800_000_000, "amd64");
    let table = Table::new().with(super::COMMANDS);
    let mut machine = Machine::new(Overlay::new(Arc::new(tree)), settings, Arc::new(table));
    for (path, target) in hard {
        let root = ImagePath::literal("/w");
        machine.make_link(&root, target.as_bytes(), path.as_bytes()).unwrap().unwrap();
    }
    machine
}

/// The case file's lines for one command line.
fn rendered(line: &str, outcome: &Outcome, before: &BTreeMap<String, String>) -> String {
    let mut out = format!("$ {line}\n{}", outcome.report);
    for (name, was) in before {
        if outcome.tree.get(name) != Some(was) {
            writeln!(out, "- {name}").unwrap();
        }
    }
    for (name, is) in &outcome.tree {
        if before.get(name) != Some(is) {
            writeln!(out, "+ {name} {is}").unwrap();
        }
    }
    out
}

/// A file of cases: comment lines at its beginning, then cases.
fn cases(text: &str) -> (String, Vec<(String, String)>) {
    let head: String =
        text.split_inclusive('\n').take_while(|line| !line.starts_with("$ ")).collect();
    let mut out: Vec<(String, String)> = Vec::new();
    for line in text[head.len()..].split_inclusive('\n') {
        if let Some(command) = line.strip_prefix("$ ") {
            out.push((command.trim_end_matches('\n').to_owned(), String::new()));
        }
        out.last_mut().unwrap().1.push_str(line);
    }
    (head, out)
}

fn files() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn commands_do_what_the_recorded_ones_did() {
    let before = ours("true").unwrap().tree;
    let mut wrong = String::new();
    let mut count = 0;
    for file in files() {
        let (_, cases) = cases(&std::fs::read_to_string(&file).unwrap());
        for (line, want) in cases {
            count += 1;
            let got = match ours(&line) {
                Ok(outcome) => rendered(&line, &outcome, &before),
                Err(stop) => format!("$ {line}\nSTOP {stop}\n"),
            };
            if got != want {
                writeln!(wrong, "---- {}\nwant {want}got  {got}", file.display()).unwrap();
            }
        }
    }
    assert!(count > 100, "only {count} cases");
    assert!(wrong.is_empty(), "{wrong}");
}

/// Needs root and the commands of Debian 12.
#[test]
#[ignore = "compares with this machine's own commands"]
fn recorded_cases_are_those_of_the_real_commands() {
    let before = real("true").tree;
    assert_eq!(before, ours("true").unwrap().tree);
    let bless = std::env::var_os("IMGFIX_BLESS").is_some();
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let (mut new, cases) = cases(&text);
        for (line, _) in cases {
            new.push_str(&rendered(&line, &real(&line), &before));
        }
        if bless {
            std::fs::write(&file, &new).unwrap();
        } else {
            assert_eq!(text, new, "{}", file.display());
        }
    }
}
