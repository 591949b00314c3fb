//! What the real `packaging` answers, compared: `tests/differential_python/answers` makes the
//! file that `IMGFIX_PYTHON_ANSWERS` names.

use std::str::FromStr as _;

use crate::cursor::Cursor;
use crate::marker::{Marker, Variables};
use crate::requirement::Requirement;
use crate::specifiers::{Specifiers, Version};
use crate::tags::{Interpreter, Libc, Tags};

fn yes(value: bool) -> String {
    if value { "y" } else { "n" }.to_owned()
}

fn answer(fields: &[&str]) -> String {
    let refused = || "x".to_owned();
    match *fields {
        ["specifier", asked, version] => match Specifiers::from_str(asked) {
            Ok(specifiers) => yes(specifiers.allow(&Version::from_str(version).unwrap())),
            Err(_) => refused(),
        },
        ["marker", asked, extra] => {
            let variables = Variables {
                python_version: Some("3.11".into()),
                python_full_version: Some("3.11.7".into()),
                platform_machine: "x86_64".into(),
            };
            match Marker::parse(&mut Cursor(asked)) {
                Ok(marker) => yes(marker.holds(&variables, extra)),
                Err(_) => refused(),
            }
        }
        ["requirement", asked] => match Requirement::from_str(asked) {
            Ok(found) => {
                let listed = |mut all: Vec<String>| {
                    all.sort();
                    all.dedup();
                    if all.is_empty() { "-".to_owned() } else { all.join(",") }
                };
                let shown = found.specifiers.to_string();
                let clauses = shown.split(',').filter(|one| !one.is_empty());
                format!(
                    "{} {} {} {}",
                    found.name,
                    listed(found.extras),
                    listed(clauses.map(str::to_owned).collect()),
                    yes(found.marker.is_some())
                )
            }
            Err(_) => refused(),
        },
        ["tags", minor, machine, libc] => {
            let (kind, version) = libc.split_once(' ').unwrap();
            let (major, last) = version.split_once('.').unwrap();
            let (major, last) = (major.parse().unwrap(), last.parse().unwrap());
            let libc =
                if kind == "glibc" { Libc::Glibc(major, last) } else { Libc::Musl(major, last) };
            let minor = minor.parse().unwrap();
            let interpreter =
                Interpreter { minor, is_free_threaded: false, machine, libc: Some(libc) };
            Tags::of(interpreter).in_order().join(" ")
        }
        _ => panic!("{fields:?}"),
    }
}

#[test]
#[ignore = "wants IMGFIX_PYTHON_ANSWERS, which tests/differential_python/answers makes"]
fn answers_are_those_of_packaging() {
    let path = std::env::var_os("IMGFIX_PYTHON_ANSWERS").expect("IMGFIX_PYTHON_ANSWERS");
    let text = std::fs::read_to_string(path).unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for line in text.lines() {
        let mut fields: Vec<&str> = line.split('\t').collect();
        let want = fields.pop().unwrap();
        let found = answer(&fields);
        count += 1;
        if found != want {
            wrong.push(format!("{fields:?}: {found}, and packaging {want}"));
        }
    }
    assert!(
        count > 0 && wrong.is_empty(),
        "{} of {count}: {:#?}",
        wrong.len(),
        wrong.iter().take(20).collect::<Vec<_>>()
    );
    eprintln!("{count} answers are those of packaging");
}
