//! `systemd-sysusers`: makes the users and groups of `sysusers.d(5)` that are missing (systemd's
//! `src/sysusers/sysusers.c`, as of 257).
//!
//! - `lines`: what files ask for
//! - `accounts`: which numbers that gets, and the four files

mod accounts;
mod lines;

use imgfix_shell::options::{Long, Value};
use imgfix_shell::{Process, Status, Stop};

use super::files::{names_in, read_optional};
use lines::Wanted;

/// Folders of configurations; of two files with one name the first counts.
const FOLDERS: &[&str] =
    &["/etc/sysusers.d", "/run/sysusers.d", "/usr/local/lib/sysusers.d", "/usr/lib/sysusers.d"];

/// `systemd-sysusers [--replace=PATH] [--inline] [FILE...]`.
///
/// # Errors
/// Other options, and lines that are not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut given, mut replaced, mut is_inline) = (Vec::new(), None, false);
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Long("replace") => replaced = Some(options.value()?),
            Long("inline") => is_inline = true,
            Long("root") => match options.value()?.as_slice() {
                b"/" => {}
                root => return Err(process.unsupported([b"--root=", root].concat())),
            },
            Value(word) => given.push(word.into_encoded_bytes()),
            option => return Err(process.unsupported_option(&option)),
        }
    }
    let mut reader = Reader { wanted: Wanted::default(), status: 0 };
    match (replaced, given.is_empty()) {
        (Some(_), true) => {
            process
                .complain("When --replace= is given, some configuration items must be given.")?;
            return Ok(1);
        }
        (None, false) => reader.given(process, &given, is_inline)?,
        (replaced, _) => {
            for path in configurations(process, replaced.as_deref())? {
                match replaced.as_ref() == Some(&path) {
                    true => reader.given(process, &given, is_inline)?,
                    false => reader.file(process, &path)?,
                }
            }
        }
    }
    reader.wanted.add_implied();
    accounts::make(process, &reader.wanted)?;
    Ok(reader.status)
}

/// All configurations by their names, with one that stands for what is given.
fn configurations(
    process: &mut Process<'_>,
    replaced: Option<&[u8]>,
) -> Result<Vec<Vec<u8>>, Stop> {
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let name = replaced.and_then(|path| path.rsplit(|&byte| byte == b'/').next());
    for folder in FOLDERS {
        let mut names = names_in(process, folder.as_bytes())?;
        let is_its = |path: &&[u8]| {
            path.strip_suffix(name.unwrap_or_default())
                .is_some_and(|rest| rest.strip_suffix(b"/") == Some(folder.as_bytes()))
        };
        if let (Some(_), Some(name)) = (replaced.filter(is_its), name) {
            names.push(name.to_vec());
        }
        for name in names.into_iter().filter(|name| name.ends_with(b".conf")) {
            if !found.iter().any(|(other, _)| *other == name) {
                let path = [folder.as_bytes(), b"/", &name].concat();
                found.push((name, path));
            }
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Reads what is asked for.
struct Reader {
    wanted: Wanted,
    status: u8,
}

impl Reader {
    fn given(
        &mut self,
        process: &mut Process<'_>,
        given: &[Vec<u8>],
        is_inline: bool,
    ) -> Result<(), Stop> {
        for word in given {
            if is_inline {
                self.text(process, word)?;
            } else if word == b"-" {
                let input = process.input()?;
                self.text(process, &input)?;
            } else {
                let path = find(process, word)?;
                self.file(process, &path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, process: &mut Process<'_>, path: &[u8]) -> Result<(), Stop> {
        match read_optional(process, path)? {
            Some(text) => self.text(process, &text),
            None => {
                let shown = String::from_utf8_lossy(path).into_owned();
                process.complain(format!(
                    "Failed to open '{shown}', ignoring: No such file or directory"
                ))?;
                self.status = 1;
                Ok(())
            }
        }
    }

    fn text(&mut self, process: &mut Process<'_>, text: &[u8]) -> Result<(), Stop> {
        let text = std::str::from_utf8(text).map_err(|_| process.unsupported("no UTF-8"))?;
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match self.wanted.add(line) {
                Ok(()) => {}
                Err(lines::Trouble::Wrong) => {
                    process.complain(format!("wrong line: {line}"))?;
                    self.status = 1;
                }
                Err(lines::Trouble::Unknown) => return Err(process.unsupported(line)),
            }
        }
        Ok(())
    }
}

/// The file that a word means.
fn find(process: &mut Process<'_>, word: &[u8]) -> Result<Vec<u8>, Stop> {
    if !word.contains(&b'/') {
        for folder in FOLDERS {
            let path = [folder.as_bytes(), b"/", word].concat();
            if super::files::exists(process, &path)? {
                return Ok(path);
            }
        }
    }
    Ok(word.to_vec())
}

#[cfg(test)]
mod tests {
    use crate::testing::{Image, run};

    const COMMANDS: &[(&str, imgfix_shell::Command)] = &[("systemd-sysusers", super::run)];

    fn image() -> Image {
        Image::with(
            &[
                "/etc/passwd=root:x:0:0:root:/root:/bin/bash\nold:x:998:998::/:/sbin/nologin\n",
                "/etc/group=root:x:0:\nold:x:998:\nwheel:x:10:root\n",
                "/etc/shadow=root:*:1::::::\n",
                "/usr/lib/sysusers.d/a.conf=u first - \"The first\" /var/lib/first\nm first wheel\n",
                "/usr/lib/sysusers.d/b.conf=g team 40\nu second 998:team\nu old -\nu! third 41\n",
            ],
            COMMANDS,
        )
    }

    #[test]
    fn what_is_missing_is_made_and_what_is_there_stays() {
        let mut image = image();
        assert_eq!(run(&mut image, "systemd-sysusers"), 0, "{}", image.errors());
        assert_eq!(
            image.text("/etc/passwd"),
            "root:x:0:0:root:/root:/bin/bash\nold:x:998:998::/:/sbin/nologin\n\
             first:x:999:999:The first:/var/lib/first:/usr/sbin/nologin\n\
             second:x:997:40::/:/usr/sbin/nologin\nthird:x:41:41::/:/usr/sbin/nologin\n"
        );
        assert_eq!(
            image.text("/etc/group"),
            "root:x:0:\nold:x:998:\nwheel:x:10:first,root\nteam:x:40:\nfirst:x:999:\nthird:x:41:\n"
        );
        // A second of 2001 is the day 11574.
        assert_eq!(
            image.text("/etc/shadow"),
            "root:*:1::::::\nfirst:!*:11574::::::\nsecond:!*:11574::::::\nthird:!*:11574:::::1:\n"
        );
        assert_eq!(image.text("/etc/gshadow"), "team:!*::\nfirst:!*::\nthird:!*::\n");
        assert_eq!((image.mode("/etc/gshadow"), image.mode("/etc/shadow")), (0, 0o644));
        let before = image.entry("/etc/passwd");
        assert_eq!(run(&mut image, "systemd-sysusers a.conf b.conf"), 0);
        assert_eq!(image.entry("/etc/passwd"), before);
    }

    #[test]
    fn input_stands_for_a_file_unless_an_administrator_has_one() {
        let mut image = image();
        let argv = ["systemd-sysusers", "--replace=/usr/lib/sysusers.d/b.conf", "-"];
        assert_eq!(image.call(&argv, "g piped 50\n").unwrap(), 0);
        let groups = image.text("/etc/group");
        assert!(groups.ends_with("piped:x:50:\nfirst:x:999:\n"), "{groups}");
    }

    #[test]
    fn what_is_not_known_is_a_stop_and_what_is_wrong_a_status() {
        let mut image = image();
        let line = "u a%b - x";
        assert_eq!(
            image.call(&["systemd-sysusers", "-"], line).unwrap_err().detail,
            "systemd-sysusers with u a%b - x"
        );
        assert_eq!(image.call(&["systemd-sysusers", "--inline", "x y z"], "").unwrap(), 1);
        assert_eq!(run(&mut image, "systemd-sysusers missing.conf"), 1);
    }
}
