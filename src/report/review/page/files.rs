//! The files that differ: what deserves a look first, then all as a tree of folders.
//!
//! A folder is a `details` element, so the tree opens and closes without a script and by
//! keyboard. Twenty thousand files must stay light: a file is one short line, and what is
//! usual (owner root) is not said.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{Scope, number, shown};
use crate::diff::{Aspect, FileState, FilesDiff, ImageDiff};
use imgfix_terminal::bytes;

/// A tree of up to this many files starts open.
const OPEN_UP_TO: usize = 40;
/// Lines of the list of files that deserve a look.
const MAX_NOTABLE: usize = 200;

/// What happened to a path.
#[derive(Clone, Copy)]
enum Change<'a> {
    Added(&'a FileState),
    Removed(&'a FileState),
    Changed { before: &'a FileState, after: &'a FileState, aspects: &'a [Aspect] },
}

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

pub(super) fn section(scope: &Scope, diff: &ImageDiff) -> Markup {
    let files = &diff.files;
    let total = files.added.len() + files.changed.len() + files.removed.len();
    let root = tree(files);
    let notable = notable(files);
    html! {
        @if total > 0 {
            section aria-labelledby=(scope.id("files")) {
                h2 id=(scope.id("files")) { "Files " span.count { (number(total)) } }
                p { (number(files.added.len())) " added, " (number(files.changed.len())) " changed, "
                    (number(files.removed.len())) " removed." }
                @if !notable.is_empty() {
                    h3 { "Worth a look" }
                    ul.plain.notable {
                        @for (path, what) in notable.iter().take(MAX_NOTABLE) {
                            li { code { (shown(path)) } " " strong { (what) } }
                        }
                    }
                    @if notable.len() > MAX_NOTABLE {
                        p { em { (number(notable.len() - MAX_NOTABLE)) " more; they are marked in the tree." } }
                    }
                }
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
            if change.state().kind == "directory" {
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

impl<'a> Change<'a> {
    /// What the path is now, or was.
    fn state(self) -> &'a FileState {
        match self {
            Change::Added(state)
            | Change::Removed(state)
            | Change::Changed { after: state, .. } => state,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Change::Added(_) => "+",
            Change::Removed(_) => "−",
            Change::Changed { .. } => "~",
        }
    }

    /// The word that a screen reader and a colour-blind reader get; also the class.
    fn class(self) -> &'static str {
        match self {
            Change::Added(_) => "a",
            Change::Removed(_) => "r",
            Change::Changed { .. } => "c",
        }
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
                    li.(change.class()) { (shown(&String::from_utf8_lossy(name))) (facts(*change)) }
                } }
            }
        }
    }
}

/// Sign, size, mode, owner and what is unusual, in a few characters.
fn facts(change: Change<'_>) -> Markup {
    let state = change.state();
    let mut words = vec![change.sign().to_owned()];
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

/// What deserves a look about a path.
fn marks(change: Change<'_>) -> Vec<String> {
    let mut out = Vec::new();
    match change {
        Change::Changed { before, after, aspects } => {
            if aspects.contains(&Aspect::SpecialBits) {
                let (old, new) = (before.special(), after.special());
                let gone = old.iter().filter(|bit| !new.contains(bit));
                let come = new.iter().filter(|bit| !old.contains(bit));
                out.extend(come.map(|bit| format!("{bit} set")));
                out.extend(gone.map(|bit| format!("{bit} gone")));
            }
            if aspects.contains(&Aspect::Owner) {
                let owner = |state: &FileState| format!("{}:{}", state.uid, state.gid);
                out.push(format!("owner {} → {}", owner(before), owner(after)));
            }
            if aspects.contains(&Aspect::Xattrs) {
                out.push("extended attributes changed".to_owned());
            }
            if aspects.contains(&Aspect::Kind) {
                out.push("another kind of file".to_owned());
            }
        }
        Change::Added(state) => {
            let special = state.special();
            out.extend(
                special.iter().filter(|bit| **bit != "sticky").map(|bit| format!("new {bit}")),
            );
            if state.xattrs.iter().any(|name| name == "security.capability") {
                out.push("new file capabilities".to_owned());
            }
            if state.kind.ends_with("device") {
                out.push("new device".to_owned());
            }
        }
        Change::Removed(_) => {}
    }
    out
}

fn notable(files: &FilesDiff) -> Vec<(String, String)> {
    let added = files.added.iter().map(|one| (&one.path, Change::Added(&one.state)));
    let changed = files.changed.iter().map(|one| {
        let (before, after, aspects) = (&one.before, &one.after, one.aspects.as_slice());
        (&one.path, Change::Changed { before, after, aspects })
    });
    added
        .chain(changed)
        .map(|(path, change)| (path.to_str_lossy().into_owned(), marks(change).join(", ")))
        .filter(|(_, what)| !what.is_empty())
        .collect()
}
