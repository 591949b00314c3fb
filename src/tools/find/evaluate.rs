//! The expression for one file, and its actions.

use super::super::operands::{directory_part, last_component, lstat, quoted, stat};
use super::parse::{Expression, Permission, Request, Run, Subject};
use super::walk::Found;
use bstr::BString;
use imgfix_shell::fnmatch::{CaseOf, matches_in};
use imgfix_shell::{Call, Process, Stop};
use imgfix_vfs::{Entry, Kind};

/// The longest command line for many files, in bytes.
const MAX_COMMAND: usize = 128 << 10;

/// What happens after a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Descend,
    /// What is below the directory is passed over.
    Prune,
    Quit,
}

/// The state over all files.
pub(super) struct Evaluation<'a> {
    request: &'a Request,
    pub(super) status: u8,
    /// Files that wait for a program, by the program's number: where it runs, and their names.
    waiting: Vec<(Option<Vec<u8>>, Vec<Vec<u8>>)>,
    after: After,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(request: &'a Request) -> Self {
        let waiting = vec![(None, Vec::new()); request.runs.len()];
        Self { request, status: 0, waiting, after: After::Descend }
    }

    /// Evaluates the expression.
    pub(super) fn file(&mut self, process: &mut Process<'_>, found: &Found) -> Result<After, Stop> {
        self.after = After::Descend;
        let request = self.request;
        self.holds(process, &request.expression, found)?;
        Ok(self.after)
    }

    /// Runs programs for the files that still wait.
    pub(super) fn finish(&mut self, process: &mut Process<'_>) -> Result<(), Stop> {
        (0..self.waiting.len()).try_for_each(|number| self.run_waiting(process, number))
    }

    fn holds(
        &mut self,
        process: &mut Process<'_>,
        expression: &Expression,
        found: &Found,
    ) -> Result<bool, Stop> {
        process.machine.spend(1)?;
        if self.after == After::Quit {
            return Ok(false);
        }
        Ok(match expression {
            Expression::Not(inner) => !self.holds(process, inner, found)?,
            Expression::And(a, b) => {
                self.holds(process, a, found)? && self.holds(process, b, found)?
            }
            Expression::Or(a, b) => {
                self.holds(process, a, found)? || self.holds(process, b, found)?
            }
            Expression::List(a, b) => {
                self.holds(process, a, found)?;
                self.holds(process, b, found)?
            }
            Expression::Print { end } => {
                process.print([&found.path[..], &[*end]].concat())?;
                true
            }
            Expression::Printf(format) => {
                let text = self.formatted(process, format, found)?;
                process.print(text)?;
                true
            }
            Expression::Delete => self.delete(process, found)?,
            Expression::Prune => {
                if !self.request.depth_first {
                    self.after = After::Prune;
                }
                true
            }
            Expression::Quit => {
                self.after = After::Quit;
                true
            }
            Expression::Run(number) => self.run(process, *number, found)?,
            test => self.test(process, test, found)?,
        })
    }

    fn test(
        &self,
        process: &mut Process<'_>,
        test: &Expression,
        found: &Found,
    ) -> Result<bool, Stop> {
        let entry = &found.entry;
        Ok(match test {
            Expression::False => false,
            Expression::Glob { subject, pattern, ignore_case } => {
                let text = match (subject, &entry.kind) {
                    (Subject::Name, _) => last_component(&found.path),
                    (Subject::Path, _) => &found.path,
                    (Subject::Target, Kind::Symlink(target)) => target,
                    (Subject::Target, _) => return Ok(false),
                };
                let case = if *ignore_case { CaseOf::Ignored } else { CaseOf::Counts };
                matches_in(pattern, text, case)
            }
            Expression::Regex(regex) => regex.is_match(&found.path)?,
            Expression::Type { letters, followed } => {
                let letter = match followed {
                    true => match stat(process, &found.path)? {
                        Ok(target) => letter(&target),
                        Err(_) => letter(entry),
                    },
                    false => letter(entry),
                };
                letters.contains(&letter)
            }
            Expression::Empty if entry.is_dir() => {
                let names = process.machine.read_dir(&process.call.directory, &found.path)?;
                names.is_ok_and(|names| names.is_empty())
            }
            Expression::Empty => entry.is_file() && entry.size() == 0,
            // The size of a directory depends on the file system that holds the image.
            Expression::Size { .. } if entry.is_dir() => {
                return Err(process.unsupported("-size of a directory"));
            }
            Expression::Size { unit, compare } => compare.holds((size(entry) + unit - 1) / unit),
            Expression::Perm(Permission::Exactly(bits)) => entry.mode == *bits,
            Expression::Perm(Permission::All(bits)) => entry.mode & bits == *bits,
            Expression::Perm(Permission::Any(bits)) => *bits == 0 || entry.mode & bits != 0,
            Expression::User(compare) => compare.holds(entry.uid.into()),
            Expression::Group(compare) => compare.holds(entry.gid.into()),
            Expression::NoUser => self.request.accounts.user_name(entry.uid).is_none(),
            Expression::NoGroup => self.request.accounts.group_name(entry.gid).is_none(),
            Expression::Links(_) if entry.is_dir() => {
                return Err(process.unsupported("-links of a directory"));
            }
            Expression::Links(compare) => {
                let count = process.machine.links(&process.call.directory, &found.path)?;
                compare.holds(count.map_or(1, |count| count as i64))
            }
            Expression::Newer(time) => entry.mtime > *time,
            Expression::Age { unit, compare } => {
                compare.holds((process.machine.settings.now - entry.mtime).div_euclid(*unit))
            }
            Expression::Executable => entry.is_dir() || entry.mode & 0o111 != 0,
            _ => true,
        })
    }

    fn delete(&mut self, process: &mut Process<'_>, found: &Found) -> Result<bool, Stop> {
        if found.path == b"." {
            return Ok(true);
        }
        let directory = &process.call.directory;
        let is_directory = lstat(process, &found.path)?.is_ok_and(|entry| entry.is_dir());
        let done = match is_directory {
            true => process.machine.remove_dir(directory, &found.path)?,
            false => process.machine.unlink(directory, &found.path)?,
        };
        if let Err(errno) = done {
            process.complain(format!("cannot delete {}: {errno}", quoted(&found.path)))?;
            self.status = 1;
            return Ok(false);
        }
        Ok(true)
    }

    fn run(
        &mut self,
        process: &mut Process<'_>,
        number: usize,
        found: &Found,
    ) -> Result<bool, Stop> {
        let Some(run) = self.request.runs.get(number) else { return Ok(false) };
        let (place, name) = match run.in_directory {
            true => {
                let name = [b"./", last_component(&found.path)].concat();
                (Some(directory_part(&found.path).to_vec()), name)
            }
            false => (None, found.path.clone()),
        };
        if !run.together {
            let words = run.words.iter().map(|word| filled(word, &name)).collect();
            return Ok(start(process, place.as_deref(), words)? == 0);
        }
        let full = self.waiting.get(number).is_some_and(|(before, names)| {
            let length: usize = names.iter().map(|name| name.len() + 1).sum();
            length > MAX_COMMAND || !names.is_empty() && *before != place
        });
        if full {
            self.run_waiting(process, number)?;
        }
        if let Some(waiting) = self.waiting.get_mut(number) {
            waiting.0 = place;
            waiting.1.push(name);
        }
        Ok(true)
    }

    fn run_waiting(&mut self, process: &mut Process<'_>, number: usize) -> Result<(), Stop> {
        let Some((place, names)) = self.waiting.get_mut(number).map(std::mem::take) else {
            return Ok(());
        };
        let Some(Run { words, .. }) = self.request.runs.get(number).filter(|_| !names.is_empty())
        else {
            return Ok(());
        };
        let words = words.iter().cloned().chain(names).collect();
        if start(process, place.as_deref(), words)? != 0 {
            self.status = 1;
        }
        Ok(())
    }

    fn formatted(
        &self,
        process: &mut Process<'_>,
        format: &[u8],
        found: &Found,
    ) -> Result<Vec<u8>, Stop> {
        let mut out = Vec::new();
        let mut rest = format.iter();
        let unknown = || process.unsupported([b"-printf ", format].concat());
        while let Some(&byte) = rest.next() {
            match byte {
                b'%' => match rest.next() {
                    Some(b'%') => out.push(b'%'),
                    Some(&letter) => {
                        let accounts = &self.request.accounts;
                        out.extend(directive(letter, found, accounts).ok_or_else(unknown)?);
                    }
                    None => return Err(unknown()),
                },
                b'\\' => out.push(match rest.next() {
                    Some(b'n') => b'\n',
                    Some(b't') => b'\t',
                    Some(b'0') => 0,
                    Some(b'\\') => b'\\',
                    _ => return Err(unknown()),
                }),
                other => out.push(other),
            }
        }
        Ok(out)
    }
}

fn directive(letter: u8, found: &Found, accounts: &imgfix_vfs::Accounts) -> Option<Vec<u8>> {
    let entry = &found.entry;
    let (uid, gid) = (entry.uid, entry.gid);
    let text = match letter {
        b'p' => found.path.clone(),
        b'f' => last_component(&found.path).to_vec(),
        b'h' => match found.path.iter().rposition(|&b| b == b'/') {
            Some(slash) => found.path.get(..slash)?.to_vec(),
            None => b".".to_vec(),
        },
        b'P' => {
            let below = found.path.get(found.start..)?;
            below.strip_prefix(b"/").unwrap_or(below).to_vec()
        }
        b'H' => found.path.get(..found.start)?.to_vec(),
        b'd' => found.depth.to_string().into_bytes(),
        b'm' => format!("{:o}", entry.mode).into_bytes(),
        b'y' => vec![self::letter(entry)],
        b's' if !entry.is_dir() => size(entry).to_string().into_bytes(),
        b'l' => match &entry.kind {
            Kind::Symlink(target) => target.clone(),
            _ => Vec::new(),
        },
        b'U' => uid.to_string().into_bytes(),
        b'G' => gid.to_string().into_bytes(),
        b'u' => {
            accounts.user_name(uid).map_or_else(|| uid.to_string().into_bytes(), <[u8]>::to_vec)
        }
        b'g' => {
            accounts.group_name(gid).map_or_else(|| gid.to_string().into_bytes(), <[u8]>::to_vec)
        }
        _ => return None,
    };
    Some(text)
}

/// What `-type` calls the entry.
fn letter(entry: &Entry) -> u8 {
    match entry.kind {
        Kind::Directory => b'd',
        Kind::File(_) => b'f',
        Kind::Symlink(_) => b'l',
        Kind::Fifo => b'p',
        Kind::CharDevice { .. } => b'c',
        Kind::BlockDevice { .. } => b'b',
    }
}

fn size(entry: &Entry) -> i64 {
    match &entry.kind {
        Kind::Symlink(target) => target.len() as i64,
        _ => i64::try_from(entry.size()).unwrap_or(i64::MAX),
    }
}

/// A word with `{}` replaced by the file.
fn filled(word: &[u8], name: &[u8]) -> Vec<u8> {
    bstr::ByteSlice::replace(word, b"{}", name)
}

/// Runs a program and returns its status.
fn start(
    process: &mut Process<'_>,
    place: Option<&[u8]>,
    words: Vec<Vec<u8>>,
) -> imgfix_shell::Status {
    let mut call =
        Call { argv: words.into_iter().map(BString::from).collect(), ..process.call.clone() };
    if let Some(place) = place {
        let Ok(directory) = process.follow(place)? else { return Ok(1) };
        call.directory = directory;
    }
    process.machine.execute(call)
}
