//! `cp` of coreutils: `-a`, `-d`, `-f`, `-H`, `-L`, `-P`, `-n`, `-p`, `-r`, `-R`, `-T`, `-t`, `-u`, `-v`,
//! `--preserve`, `--remove-destination`, `--reflink`.

use super::copy::{Copying, Kept, Links};
use super::destination::Destination;
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};

/// Copies files.
///
/// # Errors
/// An option that is not evaluated; a path of a running system.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut copying = Copying::default();
    let mut links = None;
    let mut destination = Destination::default();
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('a') | Long("archive") => {
                copying.recursive = true;
                links = Some(Links::Copied);
                copying.kept = Kept {
                    mode: true,
                    ownership: true,
                    time: true,
                    attributes: true,
                    hard_links: true,
                };
            }
            Short('d') => {
                links = Some(Links::Copied);
                copying.kept.hard_links = true;
            }
            Short('f') | Long("force") => {}
            Short('H') => links = Some(Links::OperandsFollowed),
            Short('L') | Long("dereference") => links = Some(Links::Followed),
            Short('P') | Long("no-dereference") => links = Some(Links::Copied),
            Short('n') | Long("no-clobber") => copying.no_clobber = true,
            Short('p') => keep_usual(&mut copying.kept),
            Long("preserve") => match options.optional_value() {
                None => keep_usual(&mut copying.kept),
                Some(list) if keep_listed(&mut copying.kept, &list) => {}
                Some(list) => return Err(process.unsupported([b"--preserve=", &list[..]].concat())),
            },
            Short('r' | 'R') | Long("recursive") => copying.recursive = true,
            Short('T') | Long("no-target-directory") => destination.as_file = true,
            Short('t') | Long("target-directory") => destination.directory = Some(options.value()?),
            Short('u') | Long("update") => copying.update = true,
            Short('v') | Long("verbose") => copying.verbose = true,
            Long("remove-destination") => copying.remove_first = true,
            Long("reflink") => drop(options.optional_value()),
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    copying.links = links.unwrap_or(match copying.recursive {
        true => Links::Copied,
        false => Links::Followed,
    });
    let Some(pairs) = destination.pairs(process, operands)? else { return Ok(1) };
    let mut status = 0;
    for (from, to) in pairs {
        if !copying.operand(process, &from, &to)? {
            status = 1;
        }
    }
    Ok(status)
}

fn keep_usual(kept: &mut Kept) {
    (kept.mode, kept.ownership, kept.time) = (true, true, true);
}

fn keep_listed(kept: &mut Kept, list: &[u8]) -> bool {
    for word in list.split(|&b| b == b',') {
        match word {
            b"mode" => kept.mode = true,
            b"ownership" => kept.ownership = true,
            b"timestamps" => kept.time = true,
            b"links" => kept.hard_links = true,
            b"xattr" => kept.attributes = true,
            // Labels are no part of an image.
            b"context" => {}
            b"all" => {
                keep_usual(kept);
                (kept.attributes, kept.hard_links) = (true, true);
            }
            _ => return false,
        }
    }
    true
}
