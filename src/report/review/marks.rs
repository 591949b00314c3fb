//! What deserves a look about a path that differs: special bits, owners, capabilities, another
//! kind of file.

use crate::diff::{Aspect, FileState};

/// What happened to a path.
#[derive(Clone, Copy)]
pub enum Change<'a> {
    /// It is new.
    Added(&'a FileState),
    /// It is gone.
    Removed(&'a FileState),
    /// It is there and differs.
    Changed {
        /// What it was.
        before: &'a FileState,
        /// What it is.
        after: &'a FileState,
        /// In what it differs.
        aspects: &'a [Aspect],
    },
}

/// Half sentences on what is unusual; none for what upgrades do every day.
#[must_use]
pub fn marks(change: Change<'_>) -> Vec<String> {
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
