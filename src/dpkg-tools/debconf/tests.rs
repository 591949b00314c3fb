//! Cases recorded from the real debconf (`fixtures/debconf/record`), run here.

use std::path::Path;

use bstr::{BString, ByteSlice as _};

use super::configuration::USUAL;
use imgfix_model::path::ImagePath;
use imgfix_shell::{Call, Command, Descriptors, Process, Status, Stream};
use imgfix_tools::testing::Image;
use imgfix_vfs::Entry;

/// One section of a case: its head's words and its text.
type Section = (Vec<String>, String);

fn sections(case: &str) -> Vec<Section> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .join("fixtures/debconf")
        .join(case);
    let text = std::fs::read_to_string(path).unwrap();
    let mut sections: Vec<Section> = Vec::new();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix('@') {
            Some(head) => {
                let words = head.split_whitespace().map(str::to_owned).collect();
                sections.push((words, String::new()));
            }
            None => sections.last_mut().unwrap().1.push_str(line),
        }
    }
    sections
}

/// A script that says the lines of `$0.lines` and notes the answers.
fn talker(process: &mut Process<'_>) -> Status {
    let script = process.call.argv[0].to_string();
    let root = ImagePath::root();
    let read = |process: &mut Process<'_>, path: &str| {
        process.machine.read_file(&root, path.as_bytes()).unwrap().unwrap_or_default()
    };
    let lines = read(process, &format!("{script}.lines"));
    let code = read(process, &format!("{script}.code"));
    for line in lines.lines() {
        process.print([line, b"\n"].concat())?;
        if line.starts_with(b"STOP") {
            continue;
        }
        let stream = process.call.descriptors.get(0).unwrap().clone();
        let answer = process.machine.read_line(&stream)?.unwrap();
        let so_far = read(process, "/answers");
        let all = [&so_far[..], &answer].concat();
        process.machine.write_file(&root, b"/answers", all, 0o644)?.unwrap();
    }
    Ok(code.to_str().unwrap().parse().unwrap())
}

struct Run {
    image: Image,
    /// What the last command gave.
    status: u8,
    output: String,
}

/// Runs a case, and compares all that was recorded.
fn replay(case: &str) {
    let sections = sections(case);
    let scripts = sections.iter().filter(|(head, _)| head[0] == "script");
    let talkers = scripts.map(|(head, _)| {
        let name: &'static str = Box::leak(head[1].clone().into_boxed_str());
        (name, talker as Command)
    });
    let commands: Vec<_> = super::COMMANDS.iter().copied().chain(talkers).collect();
    let configuration = format!("/etc/debconf.conf={USUAL}");
    let image = Image::with(&[&configuration, "/var/cache/debconf/"], &commands);
    let mut run = Run { image, status: 0, output: String::new() };
    let mut compared = 0;
    for (head, text) in &sections {
        compared += run.section(head, text, case);
    }
    assert!(compared > 3, "{case} has nothing recorded");
}

impl Run {
    fn put(&mut self, path: &str, text: &str, mode: u32) {
        let entry = Entry::file(text.to_owned(), mode, 1);
        self.image.machine.overlay.set(ImagePath::new(path).unwrap(), entry).unwrap();
    }

    fn call(&mut self, argv: &[&str], input: &str) -> u8 {
        let variables =
            [("PATH", "/usr/bin"), ("DEBIAN_FRONTEND", "noninteractive"), ("LC_ALL", "C.UTF-8")];
        let output = Stream::collector();
        let input = Stream::input(input.to_owned());
        let call = Call {
            argv: argv.iter().map(|word| BString::from(*word)).collect(),
            environment: variables.map(|(name, value)| (name.into(), value.into())).into(),
            directory: ImagePath::root(),
            umask: 0o022,
            descriptors: Descriptors::standard(input, output.clone(), Stream::terminal()),
        };
        let status = self.image.machine.execute(call).unwrap();
        self.output = String::from_utf8(output.collected()).unwrap();
        status
    }

    /// Does or compares a section; the number of comparisons.
    fn section(&mut self, head: &[String], text: &str, case: &str) -> u32 {
        let words: Vec<&str> = head.iter().map(String::as_str).collect();
        match words[..] {
            ["file", path, mode] => self.put(path, text, u32::from_str_radix(mode, 8).unwrap()),
            ["script", path, code] => {
                self.put(path, "script", 0o755);
                self.put(&format!("{path}.lines"), text, 0o644);
                self.put(&format!("{path}.code"), code, 0o644);
            }
            ["run", ..] => {
                self.status = self.call(&words[1..], text);
            }
            ["exit", code] => {
                assert_eq!(self.status.to_string(), code, "{case}");
                return 1;
            }
            ["output"] | ["part"] => {
                let text = if words[0] == "part" { text.strip_suffix('\n').unwrap() } else { text };
                assert_eq!(self.output, text, "{case}");
                return 1;
            }
            ["answers"] => {
                assert_eq!(self.image.text("/answers"), text, "{case}");
                return 1;
            }
            ["after", path, mode] => {
                assert_eq!(self.image.text(path), text, "{case}: {path}");
                assert_eq!(format!("{:o}", self.image.mode(path)), mode, "{case}: {path}");
                return 1;
            }
            _ => panic!("{case}: {words:?}"),
        }
        0
    }
}

#[test]
fn the_protocol_is_answered_as_by_debconf() {
    replay("protocol.case");
}

#[test]
fn scripts_talk_with_the_frontend_as_with_debconfs() {
    replay("frontend.case");
}

#[test]
fn selections_end_up_in_the_databases_as_with_debconf() {
    replay("selections.case");
}
