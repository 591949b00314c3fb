//! Scripts whose status and output are those of the real dash and bash.
//!
//! `shell_cases/*.txt` holds scripts with what dash (or, in `bash*.txt`, bash, in `ash*.txt`, busybox)
//! gave for them, in a directory with the files of [`FILES`]. The test here needs none of them;
//! the ignored one asks the real shells again: `cargo test -p imgfix-tools shell_cases::real -- --ignored`,
//! and with `IMGFIX_RECORD=1` in the environment writes down what they say. For busybox it wants
//! an unpacked root file system of Alpine in `IMGFIX_ALPINE_ROOT`, as root.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bstr::BString;

use crate::testing::Image;
use imgfix_model::path::ImagePath;
use imgfix_shell::machine::MAX_STEPS;
use imgfix_shell::shell::{Dialect, Script, run};
use imgfix_shell::{Call, Descriptors, Environment, Status, Stream};

/// What is in the directory that scripts run in.
const FILES: &[&str] = &[
    "a.txt=one\ntwo\nthree\n",
    "b.txt=x:y:z\n",
    "empty=",
    "dir/",
    "dir/.hidden=h",
    "dir/inner=inner\n",
    "dir/sub/",
    "dir/sub/deep.txt=deep\n",
    "[x]=brackets",
    "lib.sh=libvar=set\nlibfn() { echo \"lib $1\"; }\n",
];

const PLACE: &str = "/tmp/place";

const ARGUMENTS: &[&str] = &["first", "second arg", ""];

struct Case {
    name: String,
    script: String,
    status: u8,
    output: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("shell_cases")
}

/// Case files with their dialects.
fn case_files() -> Vec<(PathBuf, Dialect)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let dialect = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        match name.split('.').next() {
            Some("bash") => Dialect::Bash,
            Some("ash") => Dialect::Ash,
            _ => Dialect::Posix,
        }
    };
    files.into_iter().map(|path| (path.clone(), dialect(&path))).collect()
}

/// `==== NAME`, the script, `---- STATUS`, the output.
fn cases(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for part in text.split("==== ").skip(1) {
        let (name, rest) = part.split_once('\n').unwrap();
        let (script, rest) = rest.split_once("---- ").unwrap_or((rest, "0\n"));
        let (status, output) = rest.split_once('\n').unwrap();
        cases.push(Case {
            name: name.to_owned(),
            script: script.to_owned(),
            status: status.trim().parse().unwrap(),
            output: output.to_owned(),
        });
    }
    cases
}

/// What an evaluation of a script gives: its status and output.
fn evaluate(script: &str, dialect: Dialect) -> (Status, String, Image) {
    evaluate_with(script, dialect, MAX_STEPS)
}

/// As [`evaluate`], with so many steps to spend.
fn evaluate_with(
    script: impl Into<Vec<u8>>,
    dialect: Dialect,
    steps: u64,
) -> (Status, String, Image) {
    let mut paths = vec!["/tmp/".to_owned(), format!("{PLACE}/"), "/home/".to_owned()];
    paths.extend(FILES.iter().map(|file| format!("{PLACE}/{file}")));
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let mut image = Image::new(&paths);
    let (output, errors) = (Stream::collector(), Stream::collector());
    let environment: Environment = [
        (BString::from("PATH"), BString::from("/usr/sbin:/usr/bin:/sbin:/bin")),
        (BString::from("HOME"), BString::from("/home")),
    ]
    .into();
    let mut argv = vec![BString::from(format!("{PLACE}.script"))];
    argv.extend(ARGUMENTS.iter().map(|argument| BString::from(*argument)));
    let call = Call {
        argv,
        environment,
        directory: ImagePath::new(PLACE).unwrap(),
        umask: 0o022,
        descriptors: Descriptors::standard(
            Stream::input("input 1\ninput 2\n"),
            output.clone(),
            errors.clone(),
        ),
    };
    let script =
        Script { name: "script".into(), text: script.into().into(), dialect, options: Vec::new() };
    image.machine.spend(MAX_STEPS - steps).unwrap();
    let status = run(&mut image.machine, &script, call);
    let mut text = String::from_utf8_lossy(&output.collected()).into_owned();
    if let Err(stop) = &status {
        writeln!(text, "STOP {stop}").unwrap();
    }
    (status, text, image)
}

/// Runs a test on a thread with the stack that the pipeline gives to scripts.
fn with_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(test).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn scripts_do_what_they_do_in_the_real_shells() {
    with_stack(|| {
        let mut wrong = String::new();
        for (path, dialect) in case_files() {
            for case in cases(&std::fs::read_to_string(&path).unwrap()) {
                let (status, output, _) = evaluate(&case.script, dialect);
                let status = status.unwrap_or(255);
                if (status, &output) != (case.status, &case.output) {
                    writeln!(
                        wrong,
                        "==== {} {}\n{}---- want {}\n{}---- got {status}\n{output}",
                        path.file_name().unwrap().display(),
                        case.name,
                        case.script,
                        case.status,
                        case.output,
                    )
                    .unwrap();
                }
            }
        }
        assert!(wrong.is_empty(), "\n{wrong}");
    });
}

/// Runs a script with a real shell, in a directory with the same files.
fn really(script: &str, dialect: Dialect) -> (u8, String) {
    use std::process::{Command, Stdio};
    let (root, shell) = match dialect {
        Dialect::Posix => (String::new(), "dash"),
        Dialect::Bash => (String::new(), "bash"),
        Dialect::Ash => (std::env::var("IMGFIX_ALPINE_ROOT").unwrap(), "ash"),
    };
    let place = PathBuf::from(format!("{root}{PLACE}"));
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).unwrap();
    for file in FILES {
        let (name, content) = file.split_once('=').unwrap_or((file, ""));
        match name.ends_with('/') {
            true => std::fs::create_dir_all(place.join(name)).unwrap(),
            false => std::fs::write(place.join(name), content).unwrap(),
        }
    }
    let null = format!("{root}/dev/null");
    if !std::path::Path::new(&null).exists() {
        // an archive of a root has no devices
        let made = Command::new("mknod").args(["-m", "666", &null, "c", "1", "3"]).status();
        assert!(made.unwrap().success());
    }
    let input = place.with_extension("input");
    std::fs::write(&input, "input 1\ninput 2\n").unwrap();
    let file = place.with_extension("script");
    std::fs::write(&file, script).unwrap();
    let mut program = Command::new("timeout");
    program.arg("10");
    if !root.is_empty() {
        // A new root wants its directory set by a shell in it.
        program.args(["chroot", &root, "/bin/sh", "-c", "cd $0; exec \"$@\"", PLACE]);
    }
    let output = program
        .arg(shell)
        .arg(format!("{PLACE}.script"))
        .args(ARGUMENTS)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/home")
        .current_dir(&place)
        .stdin(std::fs::File::open(&input).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let status = u8::try_from(output.status.code().unwrap()).unwrap();
    (status, String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
#[ignore = "needs dash, bash and a root of Alpine, and writes to /tmp/place"]
fn real_shells_still_say_the_same() {
    let record = std::env::var_os("IMGFIX_RECORD").is_some();
    let mut wrong = String::new();
    for (path, dialect) in case_files() {
        let mut text = String::new();
        for case in cases(&std::fs::read_to_string(&path).unwrap()) {
            let (status, output) = really(&case.script, dialect);
            if (status, &output) != (case.status, &case.output) {
                let Case { name, script, .. } = &case;
                writeln!(wrong, "==== {name}\n{script}---- {status}\n{output}").unwrap();
            }
            write!(text, "==== {}\n{}---- {status}\n{output}", case.name, case.script).unwrap();
        }
        if record {
            std::fs::write(&path, text).unwrap();
        }
    }
    assert!(record || wrong.is_empty(), "\n{wrong}");
}

/// What a script that must stop says.
fn stop(script: &str, dialect: Dialect) -> String {
    let (status, output, _) = evaluate(script, dialect);
    match status {
        Err(stop) => stop.to_string(),
        Ok(status) => panic!("{script}: status {status}, {output}"),
    }
}

#[test]
fn what_the_machine_does_not_have_stops_with_its_line() {
    with_stack(|| {
        for (script, want) in [
            ("true\nsleep 1 &", "a command in the background, in script line 2"),
            ("\n\nif true; then\n kill 1\nfi", "the builtin kill, in script line 4"),
            ("ulimit -n 5", "the builtin ulimit, in script line 1"),
            ("alias a=b", "the builtin alias, in script line 1"),
            ("echo $PPID", "it reads $PPID, in script line 1"),
            ("echo ${x^^}", "the expansion ${x^^}, in script line 1"),
            ("echo a\nif", "syntax error: unexpected end of the script, in script line 2"),
            ("f() {\n ulimit\n}\n\nf", "the builtin ulimit, in script line 2"),
            ("x=$(\nulimit)", "the builtin ulimit, in script line 2"),
            ("true | {\n ulimit; }", "the builtin ulimit, in script line 2"),
            ("echo 'ulimit' > d\n. ./d", "the builtin ulimit, in ./d line 1, in script line 2"),
            ("trap ulimit EXIT", "the builtin ulimit, in script line 1"),
            ("cat < /proc/cpuinfo", "/proc/cpuinfo"),
            ("ls /proc/self; cat /sys/x", "/proc/self"),
            ("f() { f; }; f", "commands nest too deep"),
            ("x='$(eval \"$x\")'; eval \"$x\"", "commands nest too deep"),
            ("echo . ./d > d; . ./d", "commands nest too deep"),
            ("exec 3<> a.txt", "reading and writing"),
        ] {
            let said = stop(script, Dialect::Posix);
            assert!(said.contains(want), "{script}: {said}");
        }
        for (script, want) in [
            ("\necho $RANDOM", "it reads $RANDOM, in script line 2"),
            ("declare -A x", "declare with -A"),
            ("cat <(echo)", "a process substitution"),
            ("shopt -s extglob", "shopt extglob"),
            ("select x in a; do :; done", "\"select\" is not evaluated"),
            ("readonly x=1; x=2", "read-only"),
        ] {
            let said = stop(script, Dialect::Bash);
            assert!(said.contains(want), "{script}: {said}");
        }
    });
}

#[test]
fn what_does_not_end_or_grows_without_limit_stops() {
    with_stack(|| {
        for script in [
            "while :; do :; done",
            "until false; do :; done",
            "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done",
            "x=a; while :; do x=$(echo $x$x; echo $x); done",
            "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaa >> f; done",
            "set -- a; while :; do set -- \"$@\" \"$@\"; done",
            "i=0; while :; do i=$((i+1)); eval \"v$i=$i\"; done",
            "f() { while :; do local x$1; set -- a$1; done; }; f",
        ] {
            let (status, _, _) = evaluate_with(script, Dialect::Posix, 30_000);
            let said = status.unwrap_err().to_string();
            assert!(said.contains("limit") || said.contains("data"), "{script}: {said}");
        }
    });
}

/// A script with some of its bytes changed, taken from the cases.
fn mutated() -> impl proptest::strategy::Strategy<Value = (Vec<u8>, Dialect)> {
    use proptest::prelude::*;
    let mut scripts = Vec::new();
    for (path, dialect) in case_files() {
        let text = std::fs::read_to_string(path).unwrap();
        scripts.extend(cases(&text).into_iter().map(|case| (case.script.into_bytes(), dialect)));
    }
    let change = (any::<prop::sample::Index>(), 0..3_u8, any::<prop::sample::Index>());
    (prop::sample::select(scripts), prop::collection::vec(change, 0..6)).prop_map(
        |((mut script, dialect), changes)| {
            const SIGNS: &[u8] = b"$`\"'\\(){}[]<>|&;#*?=:-+!~ \n\t\0\xffa1";
            for (place, kind, sign) in changes {
                if script.is_empty() {
                    break;
                }
                let at = place.index(script.len());
                match kind {
                    0 => script[at] = *sign.get(SIGNS),
                    1 => script.insert(at, *sign.get(SIGNS)),
                    _ => {
                        let end = at + sign.index(script.len() - at);
                        script.drain(at..=end.min(at + 8).min(script.len() - 1));
                    }
                }
            }
            (script, dialect)
        },
    )
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]
    #[test]
    fn changed_scripts_end_with_a_status_or_a_stop((script, dialect) in mutated()) {
        with_stack(move || {
            let _ = evaluate_with(script, dialect, 20_000);
        });
    }
}
