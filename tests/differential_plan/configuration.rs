//! apt's configuration: random texts, read by `apt-config dump` and by imgfix.

use std::fs;
use std::process::Command;

use imgfix_dpkg::apt_conf::AptConf;
use proptest::prelude::*;
use proptest::sample::select;

use super::{has_apt, random};

fn text() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "Xa",
        "Xb",
        "Xa::Xc",
        "Xb::",
        "Xa::Xc::",
        "::",
        " ",
        " ",
        " ",
        "\n",
        "\"1\"",
        "\"v w\"",
        "\"p//q;\"",
        "x",
        "%41",
        ";",
        ";",
        ";\n",
        ";\n",
        "{",
        "}",
        "};\n",
        "// c\n",
        "# c ;\n",
        "/* c */",
        "/* c\n d */",
        "#clear ",
        "#clear Xa;\n",
        "\t",
        "Xd \"1\";\n",
        "Xe { \"m\"; \"n\"; };\n",
        "Xf::Xg { Xh \"2\"; };\n",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// The lines of a dump that are about our names: name, value.
fn dumped(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (name, value) = line.split_once(" \"")?;
        let value = value.strip_suffix("\";")?;
        // (apt-config encodes odd characters of names.)
        let plain = name.starts_with('X') && !name.contains('%');
        plain.then(|| (name.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

#[test]
fn apt_reads_the_same_settings() {
    if !has_apt() {
        eprintln!("NOT RUN: apt_reads_the_same_settings needs apt-config");
        return;
    }
    let judged = std::cell::Cell::new(0);
    random(200, &text(), |text| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("conf");
        fs::write(&file, &text).unwrap();
        let output = Command::new("apt-config")
            .env("LC_ALL", "C")
            .env("APT_CONFIG", &file)
            .args(["-oDir::Etc::parts=/dev/null", "dump"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut ours = AptConf::default();
        ours.parse(text.as_bytes());
        // Where apt stops, it shows nothing.
        prop_assert_eq!(
            output.status.success(),
            ours.errors.is_empty(),
            "{}\n{}\n{:?}",
            text,
            said,
            ours.errors
        );
        let dump = dumped(&String::from_utf8_lossy(&output.stdout));
        for (name, value) in dump.iter().filter(|(name, _)| !name.contains("::::")) {
            match name.strip_suffix("::") {
                Some(list) if !value.is_empty() => {
                    prop_assert!(
                        ours.members(list).contains(&value.as_str()),
                        "{} {}\n{}",
                        name,
                        value,
                        text
                    );
                }
                Some(_) => {}
                None => {
                    let own = ours.get(name).unwrap_or_default();
                    prop_assert_eq!(own, value.as_str(), "{}\n{}\n{}", name, text, said);
                }
            }
        }
        judged.set(judged.get() + dump.len());
        Ok(())
    });
    assert!(judged.get() > 0);
}
