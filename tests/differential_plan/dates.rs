//! Dates of Release files against the real apt's parser, which python3-apt shows as
//! `apt_pkg.str_to_time`: written as archives write them, and bent at random.

use std::io::Write;
use std::process::{Command, Stdio};

use imgfix_repository::date;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// What apt makes of each text; `None`: python3-apt is not on this machine.
fn apt(texts: &[String]) -> Option<Vec<Option<i64>>> {
    const SCRIPT: &str = "import apt_pkg, sys\n\
        for text in sys.stdin.buffer.read().decode().split('\\0'):\n    print(apt_pkg.str_to_time(text))";
    let python = |script: &str| {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", script]);
        command
    };
    if !python("import apt_pkg").output().is_ok_and(|output| output.status.success()) {
        return None;
    }
    let mut child = python(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let all = texts.join("\0");
    let writer = std::thread::spawn(move || stdin.write_all(all.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    Some(lines.lines().map(|line| line.parse().ok()).collect())
}

/// Text near the three forms. Left out is what apt does not decide: it reads past the end of
/// a month of one letter, and wraps numbers that are longer than they may be.
fn dates() -> impl Strategy<Value = String> {
    let weekday = "(Sun,|Sat,|Mon,|mon,|Tue|wed|Sunday,|Thurs,|Fri;|Son,|So,|)";
    let month = "(Jan|feb|Mar|Apr|MAY|jun|June|Jul|Aug|Sep|Oct|Nov|Dec|Mai|Xyz)";
    let clock = "[0-3 ]?[0-9]:[0-7]?[0-9](:[0-7]?[0-9])?(\\.5)?";
    let zone = "(GMT|UTC|UTC|Z|[+-]0{1,4}|[+-]0100|EDT|utc|)";
    let year = "(19[0-9]{2}|20[0-9]{2}|[0-9]{1,5})";
    let gap = "[ \t]{1,2}";
    let text = |pattern: String| proptest::string::string_regex(&pattern).unwrap();
    prop_oneof![
        text(format!(
            "{weekday}{gap}\\+?[0-3]?[0-9]{gap}{month}{gap}{year}{gap}{clock}{gap}{zone} ?"
        )),
        text(format!("{weekday} {{0,2}}[0-3]?[0-9]-{month}-[0-9]{{2,4}}-?{gap}{clock}{gap}{zone}")),
        text(format!("{weekday}{gap}{month}{gap}[0-3]?[0-9] {{0,2}}{clock}{gap}{year}(| |Z| GMT)")),
        text("[A-Sa-z0-9:,+ -]{0,30}".to_owned()),
    ]
}

/// Dates that every archive could have, in each padding.
fn well_formed() -> impl Strategy<Value = String> {
    (0_i64..4_102_444_800, prop_oneof![Just('0'), Just(' ')], "(UTC|GMT|Z|\\+0000)").prop_map(
        |(seconds, pad, zone)| {
            let at = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            let two = |value: u8| match pad {
                '0' => format!("{value:02}"),
                _ => format!("{value:2}"),
            };
            let weekday = at.weekday().to_string();
            let month = at.month().to_string();
            let (minute, second) = (at.minute(), at.second());
            format!(
                "{}, {} {} {} {}:{minute:02}:{second:02} {zone}",
                &weekday[..3],
                two(at.day()),
                &month[..3],
                at.year(),
                two(at.hour()),
            )
        },
    )
}

#[test]
fn dates_are_read_as_apt_reads_them() {
    let mut runner = TestRunner::default();
    let mut texts: Vec<String> = Vec::new();
    let strategy = prop_oneof![2 => dates().boxed(), 1 => well_formed().boxed()];
    for _ in 0..20_000 {
        texts.push(strategy.new_tree(&mut runner).unwrap().current());
    }
    let Some(wanted) = apt(&texts) else {
        eprintln!("NOT COMPARED: dates with apt's parser; install python3-apt");
        return;
    };
    assert_eq!(wanted.len(), texts.len());
    let read = wanted.iter().flatten().count();
    assert!((5_000..19_000).contains(&read), "{read} of {} are dates", texts.len());
    for (text, want) in texts.iter().zip(wanted) {
        assert_eq!(date::parse(text), want, "{text:?}");
    }
}
