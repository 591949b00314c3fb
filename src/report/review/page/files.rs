//! The files that differ, as a tree of folders.
//!
//! A folder is a `details` element, so the tree opens and closes without a script and by
//! keyboard. Twenty thousand files must stay light: a file is one short line, and what is
//! usual (owner root) is not said.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{Scope, number, shown};
use crate::before_after::FileCounts;
use crate::diff::{Aspect, FileState, FilesDiff, ImageDiff};
use crate::review::marks::{Change, marks};
use imgfix_terminal::bytes;

/// A tree of up to this many files starts open.
const OPEN_UP_TO: usize = 40;
/// A folder of the tree.
#[derive(Default)]
struct Folder<'a> {
    folders: BTreeMap<&'a [u8], Folder<'a>>,
    /// By name.
    files: Vec<(&'a [u8], Change<'a>)>,
    /// The folder's own change, when it is one.
    own: Option<Change<'a>>,
    /// Changes at and below.
    count: usize,
}

pub(super) fn section(scope: &Scope, diff: &ImageDiff, counts: FileCounts) -> Markup {
    let files = &diff.files;
    let total = files.added.len() + files.changed.len() + files.removed.len();
    let root = tree(files);
    html! {
        @if total > 0 {
            section.rest aria-labelledby=(scope.id("files")) {
                h2 id=(scope.id("files")) { "Files" (scope.of_platform()) " " span.count { (number(total)) } }
                p { (counts.sentence()) "." }
                div.tree { (folder("/", &root, total <= OPEN_UP_TO)) }
            }
        }
    }
}

fn tree(files: &FilesDiff) -> Folder<'_> {
    let mut root = Folder::default();
    for one in &files.added {
        insert(&mut root, one.path.as_bytes(), Change::Added(&one.state));
    }
    for one in &files.removed {
        insert(&mut root, one.path.as_bytes(), Change::Removed(&one.state));
    }
    for one in &files.changed {
        let change =
            Change::Changed { before: &one.before, after: &one.after, aspects: &one.aspects };
        insert(&mut root, one.path.as_bytes(), change);
    }
    root
}

fn insert<'a>(root: &mut Folder<'a>, path: &'a [u8], change: Change<'a>) {
    let mut folder = root;
    folder.count += 1;
    let mut parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            if state(change).kind == "directory" {
                let own = folder.folders.entry(part).or_default();
                own.own = Some(change);
                own.count += 1;
            } else {
                folder.files.push((part, change));
            }
            return;
        }
        folder = folder.folders.entry(part).or_default();
        folder.count += 1;
    }
    folder.own = Some(change);
}

/// What the path is now, or was.
fn state(change: Change<'_>) -> &FileState {
    match change {
        Change::Added(state) | Change::Removed(state) | Change::Changed { after: state, .. } => {
            state
        }
    }
}

fn sign(change: Change<'_>) -> &'static str {
    match change {
        Change::Added(_) => "+",
        Change::Removed(_) => "−",
        Change::Changed { .. } => "~",
    }
}

/// The word that a colour-blind reader gets; also the class.
fn class(change: Change<'_>) -> &'static str {
    match change {
        Change::Added(_) => "a",
        Change::Removed(_) => "r",
        Change::Changed { .. } => "c",
    }
}

/// A folder with all below. Folders that hold nothing but one folder share its line. The
/// recursion is as deep as paths, which are bounded.
fn folder(name: &str, this: &Folder<'_>, open: bool) -> Markup {
    if this.files.is_empty()
        && this.own.is_none()
        && let (1, Some((below, only))) = (this.folders.len(), this.folders.first_key_value())
    {
        let separator = if name.ends_with('/') { "" } else { "/" };
        let name = format!("{name}{separator}{}", String::from_utf8_lossy(below));
        return folder(&name, only, open);
    }
    let mut files: Vec<&(&[u8], Change<'_>)> = this.files.iter().collect();
    files.sort_by_key(|(name, _)| *name);
    html! {
        details open[open] {
            summary {
                (shown(name)) @if !name.ends_with('/') { "/" }
                @if let Some(own) = this.own { " " (facts(own)) }
                span.count { (number(this.count)) }
            }
            @for (name, below) in &this.folders {
                (folder(&String::from_utf8_lossy(name), below, open))
            }
            @if !files.is_empty() {
                ul { @for (name, change) in files {
                    li.(class(*change)) { (shown(&String::from_utf8_lossy(name))) (facts(*change)) }
                } }
            }
        }
    }
}

/// Sign, size, mode, owner and what is unusual, in a few characters.
fn facts(change: Change<'_>) -> Markup {
    let state = state(change);
    let mut words = vec![sign(change).to_owned()];
    match change {
        Change::Changed { before, after, aspects } => {
            let sizes = (before.size, after.size);
            match sizes {
                (Some(a), Some(b)) if a != b => words.push(format!("{} → {}", bytes(a), bytes(b))),
                (_, Some(b)) => words.push(bytes(b)),
                _ => {}
            }
            if before.kind != after.kind {
                words.push(format!("{} → {}", before.kind, after.kind));
            }
            if before.mode == after.mode || after.kind == "symlink" {
                words.push(after.mode.clone());
            } else {
                words.push(format!("{} → {}", before.mode, after.mode));
            }
            if aspects.contains(&Aspect::LinkTarget) {
                let target = |state: &FileState| state.target.clone().unwrap_or_default();
                words.push(format!("{} → {}", target(before), target(after)));
            }
        }
        Change::Added(state) | Change::Removed(state) => {
            words.extend(state.size.map(bytes));
            match &state.target {
                Some(target) => words.push(format!("→ {target}")),
                None => words.push(state.mode.clone()),
            }
        }
    }
    let owner = (state.uid, state.gid) != (0, 0);
    if owner {
        words.push(format!("{}:{}", state.uid, state.gid));
    }
    let marks = marks(change);
    html! {
        i { (shown(&words.join(" "))) }
        @if !marks.is_empty() { b.mark { (shown(&marks.join(", "))) } }
    }
}
