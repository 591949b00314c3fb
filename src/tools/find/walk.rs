//! The files below the starting points, directories before what is in them unless asked
//! otherwise.

use super::super::operands::{inside, lstat, stat};
use super::evaluate::{After, Evaluation};
use super::parse::{Follow, Request};
use imgfix_shell::{Errno, Process, Status, Stop};
use imgfix_vfs::Entry;

/// A file that was found.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) path: Vec<u8>,
    /// Length of the starting point in the path.
    pub(super) start: usize,
    pub(super) depth: usize,
    /// Links followed as asked.
    pub(super) entry: Entry,
}

/// What is still to be done, the next last.
enum Task {
    Visit {
        path: Vec<u8>,
        start: usize,
        depth: usize,
    },
    /// A directory after all below it.
    Leave(Found),
}

/// Walks and evaluates.
pub(super) fn run(process: &mut Process<'_>, request: &Request) -> Status {
    let mut evaluation = Evaluation::new(request);
    for start in &request.starts {
        if from_start(process, request, &mut evaluation, start)? == After::Quit {
            break;
        }
    }
    evaluation.finish(process)?;
    Ok(evaluation.status)
}

fn from_start(
    process: &mut Process<'_>,
    request: &Request,
    evaluation: &mut Evaluation<'_>,
    start: &[u8],
) -> Result<After, Stop> {
    let length = start.len();
    let mut tasks = vec![Task::Visit { path: start.to_vec(), start: length, depth: 0 }];
    while let Some(task) = tasks.pop() {
        process.machine.spend(1)?;
        let (path, start, depth) = match task {
            Task::Visit { path, start, depth } => (path, start, depth),
            Task::Leave(found) => {
                if evaluation.file(process, &found)? == After::Quit {
                    return Ok(After::Quit);
                }
                continue;
            }
        };
        let entry = match entry(process, request.follow, &path, depth)? {
            Ok(entry) => entry,
            Err(errno) => {
                let path = String::from_utf8_lossy(&path).into_owned();
                process.complain(format!("'{path}': {errno}"))?;
                evaluation.status = 1;
                continue;
            }
        };
        let is_directory = entry.is_dir();
        let found = Found { path, start, depth, entry };
        let evaluated = depth >= request.min_depth;
        let mut after = After::Descend;
        if evaluated && !request.depth_first {
            after = evaluation.file(process, &found)?;
        }
        let below = match after {
            After::Quit => return Ok(After::Quit),
            After::Prune => Vec::new(),
            After::Descend if is_directory && depth < request.max_depth => {
                below(process, request, &found)?
            }
            After::Descend => Vec::new(),
        };
        if evaluated && request.depth_first {
            tasks.push(Task::Leave(found));
        }
        tasks.extend(below.into_iter().rev());
    }
    Ok(After::Descend)
}

fn below(process: &mut Process<'_>, request: &Request, found: &Found) -> Result<Vec<Task>, Stop> {
    if request.follow == Follow::Always && found.depth > 40 {
        return Err(process.unsupported("-L and directories that lead to themselves"));
    }
    let names = process.machine.read_dir(&process.call.directory, &found.path)?;
    let visit = |name: Vec<u8>| Task::Visit {
        path: inside(&found.path, &name),
        start: found.start,
        depth: found.depth + 1,
    };
    Ok(names.unwrap_or_default().into_iter().map(visit).collect())
}

fn entry(
    process: &Process<'_>,
    follow: Follow,
    path: &[u8],
    depth: usize,
) -> Result<Result<Entry, Errno>, Stop> {
    let followed = match follow {
        Follow::Never => false,
        Follow::StartingPoints => depth == 0,
        Follow::Always => true,
    };
    if followed && let Ok(entry) = stat(process, path)? {
        return Ok(Ok(entry));
    }
    lstat(process, path)
}
