//! Which wheels an interpreter can use, and which of several is the best
//! (<https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/>).
//!
//! In come an interpreter's version, the machine and its C library; out come all tags that it
//! takes, the best first, as `packaging.tags.sys_tags` gives them and pip orders by.

use std::collections::HashMap;

/// The C library that a wheel's extension modules have to go with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Libc {
    /// GNU's, by its version: `2.36`.
    Glibc(u32, u32),
    /// musl, by its version without the last number: `1.2`.
    Musl(u32, u32),
}

/// An interpreter of an image. Only CPython is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interpreter<'a> {
    /// `3.11`: the first number is always 3.
    pub minor: u32,
    /// Without the global lock: `3.13t`.
    pub is_free_threaded: bool,
    /// In the kernel's word: `x86_64`.
    pub machine: &'a str,
    /// `None`: it is not known, and only wheels without extension modules serve.
    pub libc: Option<Libc>,
}

/// The tags that an interpreter takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags(HashMap<String, usize>);

/// From which glibc on wheels of the first two kinds of `manylinux` are for: only these machines
/// have wheels that old.
const OLD_MACHINES: [&str; 2] = ["x86_64", "i686"];

/// The names that a version of glibc had before names had versions.
const OLD_NAMES: [(u32, &str); 3] =
    [(17, "manylinux2014"), (12, "manylinux2010"), (5, "manylinux1")];

/// The newest version of a C library that is enumerated: a tree may say anything.
const NEWEST: u32 = 200;

impl Tags {
    /// Of this interpreter.
    #[must_use]
    pub fn of(interpreter: Interpreter<'_>) -> Self {
        let Interpreter { minor, is_free_threaded, .. } = interpreter;
        let minor = minor.min(NEWEST);
        let platforms = platforms(interpreter);
        let own = format!("cp3{minor}");
        let abi = match (is_free_threaded, minor) {
            (true, _) => format!("{own}t"),
            // until 3.7 its own memory allocator was named
            (false, ..=7) => format!("{own}m"),
            (false, _) => own.clone(),
        };
        let mut tags = Vec::new();
        let mut add = |python: &str, abi: &str, platform: &str| {
            tags.push(format!("{python}-{abi}-{platform}"));
        };
        let mut abis = vec![abi.as_str()];
        if !is_free_threaded {
            abis.push("abi3");
        }
        abis.push("none");
        for abi in abis {
            platforms.iter().for_each(|platform| add(&own, abi, platform));
        }
        if !is_free_threaded {
            for older in (2..minor).rev() {
                platforms.iter().for_each(|platform| add(&format!("cp3{older}"), "abi3", platform));
            }
        }
        let pythons: Vec<String> = [format!("py3{minor}"), "py3".to_owned()]
            .into_iter()
            .chain((0..minor).rev().map(|older| format!("py3{older}")))
            .collect();
        for python in &pythons {
            platforms.iter().for_each(|platform| add(python, "none", platform));
        }
        add(&own, "none", "any");
        pythons.iter().for_each(|python| add(python, "none", "any"));
        let mut ranks = HashMap::with_capacity(tags.len());
        for (rank, tag) in tags.into_iter().enumerate() {
            ranks.entry(tag).or_insert(rank);
        }
        Self(ranks)
    }

    /// How good a wheel is: the rank of its best tag, the best of all is 0; `None`: it does not
    /// serve.
    #[must_use]
    pub fn rank(&self, wheel: &WheelName) -> Option<usize> {
        let expanded = wheel.pythons.split('.').flat_map(|python| {
            wheel.abis.split('.').flat_map(move |abi| {
                wheel.platforms.split('.').map(move |platform| format!("{python}-{abi}-{platform}"))
            })
        });
        expanded.filter_map(|tag| self.0.get(&tag.to_ascii_lowercase()).copied()).min()
    }

    /// In order, for comparisons with the real ones.
    #[must_use]
    pub fn in_order(&self) -> Vec<&str> {
        let mut all: Vec<(&str, usize)> =
            self.0.iter().map(|(tag, rank)| (tag.as_str(), *rank)).collect();
        all.sort_unstable_by_key(|(_, rank)| *rank);
        all.into_iter().map(|(tag, _)| tag).collect()
    }
}

/// Platforms, the best first.
fn platforms(interpreter: Interpreter<'_>) -> Vec<String> {
    let machine = interpreter.machine;
    let machines: &[&str] = if machine == "armv8l" { &["armv8l", "armv7l"] } else { &[machine] };
    let mut platforms = Vec::new();
    match interpreter.libc {
        Some(Libc::Glibc(2, newest)) => {
            let oldest = if OLD_MACHINES.contains(&machine) { 5 } else { 17 };
            for machine in machines {
                for minor in (oldest..=newest.min(NEWEST)).rev() {
                    platforms.push(format!("manylinux_2_{minor}_{machine}"));
                    let old = OLD_NAMES.iter().find(|(since, _)| *since == minor);
                    platforms.extend(old.map(|(_, name)| format!("{name}_{machine}")));
                }
            }
        }
        Some(Libc::Musl(major, newest)) => {
            for machine in machines {
                for minor in (0..=newest.min(NEWEST)).rev() {
                    platforms.push(format!("musllinux_{major}_{minor}_{machine}"));
                }
            }
        }
        // no distribution has another one, and nothing is known of it
        Some(Libc::Glibc(..)) | None => return platforms,
    }
    platforms.extend(machines.iter().map(|machine| format!("linux_{machine}")));
    platforms
}

/// What the name of a wheel says
/// (<https://packaging.python.org/en/latest/specifications/binary-distribution-format/>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// The distribution, as it is written.
    pub name: String,
    /// Its version, as it is written.
    pub version: String,
    /// Which build of the version it is: a number, and what follows it. The highest is the best.
    pub build: (u64, String),
    /// With dots between: `py2.py3`.
    pythons: String,
    /// `cp311`, `abi3`, `none`.
    abis: String,
    /// `manylinux_2_17_x86_64.manylinux2014_x86_64`, `any`.
    platforms: String,
}

/// The longest file name.
const MAX_NAME: usize = 512;

impl WheelName {
    /// Reads `NAME-VERSION(-BUILD)-PYTHON-ABI-PLATFORM.whl`; `None`: it is no wheel's name.
    #[must_use]
    pub fn parse(file: &str) -> Option<Self> {
        let stem = file.strip_suffix(".whl").filter(|_| file.len() <= MAX_NAME)?;
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, version, build, [pythons, abis, platforms]) = match *parts.as_slice() {
            [name, version, a, b, c] => (name, version, None, [a, b, c]),
            [name, version, build, a, b, c] => (name, version, Some(build), [a, b, c]),
            _ => return None,
        };
        let is_part = |text: &str| {
            let is_allowed =
                |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '+' | '!');
            !text.is_empty() && text.chars().all(is_allowed)
        };
        if ![name, version, pythons, abis, platforms].iter().all(|text| is_part(text)) {
            return None;
        }
        let build = match build {
            None => (0, String::new()),
            Some(build) => {
                let end = build.find(|c: char| !c.is_ascii_digit()).unwrap_or(build.len());
                let (number, rest) = build.split_at_checked(end)?;
                (number.parse().ok()?, rest.to_owned())
            }
        };
        Some(Self {
            name: name.to_owned(),
            version: version.to_owned(),
            build,
            pythons: pythons.to_owned(),
            abis: abis.to_owned(),
            platforms: platforms.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(minor: u32, machine: &str, libc: Option<Libc>) -> Tags {
        Tags::of(Interpreter { minor, is_free_threaded: false, machine, libc })
    }

    fn rank(tags: &Tags, file: &str) -> Option<usize> {
        tags.rank(&WheelName::parse(file).unwrap())
    }

    #[test]
    fn the_order_is_that_of_packaging() {
        // asked of packaging 26.4 for CPython 3.11 on glibc 2.36
        let tags = tags(11, "x86_64", Some(Libc::Glibc(2, 36)));
        let order = tags.in_order();
        assert_eq!(
            order[..2],
            ["cp311-cp311-manylinux_2_36_x86_64", "cp311-cp311-manylinux_2_35_x86_64"]
        );
        assert_eq!(
            order[19..21],
            ["cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64"]
        );
        assert_eq!(order[35], "cp311-cp311-linux_x86_64");
        assert_eq!(order.last(), Some(&"py30-none-any"));
        let place = |tag| order.iter().position(|one| *one == tag).unwrap();
        let rising = [
            "cp311-abi3-manylinux1_x86_64",
            "cp311-none-linux_x86_64",
            "cp310-abi3-manylinux_2_36_x86_64",
            "cp32-abi3-linux_x86_64",
            "py311-none-linux_x86_64",
            "py3-none-manylinux_2_36_x86_64",
            "py310-none-linux_x86_64",
            "cp311-none-any",
            "py311-none-any",
            "py3-none-any",
            "py310-none-any",
        ];
        assert!(rising.windows(2).all(|pair| place(pair[0]) < place(pair[1])));
    }

    #[test]
    fn wheels_serve_by_their_tags() {
        let glibc = tags(11, "x86_64", Some(Libc::Glibc(2, 28)));
        let musl = tags(11, "x86_64", Some(Libc::Musl(1, 2)));
        let arm = tags(11, "aarch64", Some(Libc::Glibc(2, 36)));
        let old = tags(7, "x86_64", Some(Libc::Glibc(2, 17)));
        let bare = tags(11, "x86_64", None);
        let many = "a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl";
        for (file, want) in [
            (many, [true, false, false, false, false]),
            ("a-1-cp311-cp311-manylinux_2_31_x86_64.whl", [false; 5]),
            ("a-1-cp39-abi3-manylinux_2_28_x86_64.whl", [true, false, false, false, false]),
            ("a-1-cp37-abi3-manylinux1_x86_64.whl", [true, false, false, true, false]),
            ("a-1-cp37-cp37m-manylinux1_x86_64.whl", [false, false, false, true, false]),
            ("a-1-cp311-cp311-musllinux_1_1_x86_64.whl", [false, true, false, false, false]),
            ("a-1-cp311-cp311-musllinux_1_3_x86_64.whl", [false; 5]),
            ("a-1-cp311-cp311-manylinux2014_aarch64.whl", [false, false, true, false, false]),
            ("a-1-cp311-cp311-manylinux1_aarch64.whl", [false; 5]),
            ("a-1-py2.py3-none-any.whl", [true; 5]),
            ("a-1-py3-none-any.whl", [true; 5]),
            ("a-1-py2-none-any.whl", [false; 5]),
            ("a-1-py310-none-any.whl", [true, true, true, false, true]),
            ("a-1-cp312-cp312-manylinux2014_x86_64.whl", [false; 5]),
            ("a-1-cp311-cp311-win_amd64.whl", [false; 5]),
            ("a-1-cp311-cp311-linux_x86_64.whl", [true, true, false, false, false]),
            ("a-1-py3-none-manylinux2014_x86_64.whl", [true, false, false, true, false]),
        ] {
            let found = [&glibc, &musl, &arm, &old, &bare].map(|tags| rank(tags, file).is_some());
            assert_eq!(found, want, "{file}");
        }
        assert!(rank(&glibc, many) < rank(&glibc, "a-1-py3-none-any.whl"));
        let free = Tags::of(Interpreter {
            minor: 13,
            is_free_threaded: true,
            machine: "x86_64",
            libc: Some(Libc::Glibc(2, 36)),
        });
        assert!(rank(&free, "a-1-cp313-cp313t-manylinux2014_x86_64.whl").is_some());
        assert!(rank(&free, "a-1-cp313-cp313-manylinux2014_x86_64.whl").is_none());
        assert!(rank(&free, "a-1-cp39-abi3-manylinux2014_x86_64.whl").is_none());
    }

    #[test]
    fn names_of_wheels_are_read() {
        let name = |file| {
            WheelName::parse(file)
                .map(|one| format!("{} {} {:?}", one.name, one.version, one.build))
        };
        for (file, want) in [
            ("Jinja2-3.1.6-py3-none-any.whl", Some("Jinja2 3.1.6 (0, \"\")")),
            ("a_b-1.0+cu121-2x-cp311-cp311-linux_x86_64.whl", Some("a_b 1.0+cu121 (2, \"x\")")),
            ("a-1!2.0-py3-none-any.whl", Some("a 1!2.0 (0, \"\")")),
            ("a-1-b-py3-none-any.whl", None),
            ("a-1.tar.gz", None),
            ("a-1-py3-none.whl", None),
            ("a-1-x-y-py3-none-any.whl", None),
            ("a-1-py3-none-any.zip", None),
            ("-1-py3-none-any.whl", None),
            ("a/b-1-py3-none-any.whl", None),
        ] {
            assert_eq!(name(file).as_deref(), want, "{file}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_names_never_panic(file: String, like in "[a-z]{1,3}-[0-9]([-.a-z0-9_]{1,9}){0,4}[.]whl") {
            let tags = tags(11, "x86_64", None);
            for file in [file, like] {
                if let Some(wheel) = WheelName::parse(&file) {
                    let _ = tags.rank(&wheel);
                }
            }
        }
    }
}
