//! Hard links of what is cut: the layers are merged a second time, now without it.
//!
//! A link whose target went and whose file stays points to another name of the file, the first
//! that the image has at that moment; when it has none, the link becomes the file. So a link
//! never points to what is not there, in whatever layer its target was. What lies below a cut
//! file in lower layers is hidden by a whiteout in its place: it was not seen before.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::path::ImagePath;
use imgfix_vfs::layer_changes::Action;
use imgfix_vfs::replay::{MemberId, Replay};
use imgfix_vfs::{LayerId, ParsedLayer};

use super::cut::{ExciseError, Reason};
use super::survey::{Edit, Found, Info, Survey, What, change, refused};

/// Notes the edits of everything that is hit, and of its links; gives the image as it is after.
pub(super) fn edit(
    layers: &[ParsedLayer],
    found: &Found,
    hits: &BTreeMap<MemberId, Reason>,
    survey: &mut Survey,
) -> Result<Replay, ExciseError> {
    let mut links = Links { layers, hits, touched: BTreeSet::new(), names: BTreeMap::new() };
    links.touched = found
        .members()
        .filter(|(member, _)| hits.contains_key(member))
        .filter_map(|(member, info)| source(member, info))
        .collect();
    let mut after = Replay::default();
    for (member, info) in found.members() {
        let Some(change) = change(layers, member) else { continue };
        let failed = |why| refused(member, &change.path, why);
        let edit = match hits.contains_key(&member) {
            true => Some(links.cut(&mut after, member, info)?),
            false => links.keep(&mut after, member, info).map_err(failed)?,
        };
        let Some(edit) = edit else { continue };
        if let Edit::Promote(source) = edit {
            survey.saved.entry(source).or_default();
        }
        survey.names.insert(member, change.path.clone());
        if let Some(edits) = survey.edits.get_mut(member.layer as usize) {
            edits.insert(member.index, edit);
        }
    }
    // What no link takes over need not be kept.
    let promoted: BTreeSet<MemberId> = survey
        .edits
        .iter()
        .flat_map(BTreeMap::values)
        .filter_map(|edit| match edit {
            Edit::Promote(source) => Some(*source),
            _ => None,
        })
        .collect();
    survey.saved.retain(|member, _| promoted.contains(member));
    Ok(after)
}

/// The member that has the content of a file's name.
fn source(member: MemberId, info: &Info) -> Option<MemberId> {
    match &info.what {
        What::File => Some(member),
        What::Link { source, .. } => Some(*source),
        What::Other { .. } | What::Whiteout => None,
    }
}

struct Links<'a> {
    layers: &'a [ParsedLayer],
    hits: &'a BTreeMap<MemberId, Reason>,
    /// Files one of whose names is cut, by the member that has the content.
    touched: BTreeSet<MemberId>,
    /// Their names that stay, in order, with the member that puts each there.
    names: BTreeMap<MemberId, Vec<(ImagePath, MemberId)>>,
}

impl Links<'_> {
    fn cut(&self, after: &mut Replay, member: MemberId, info: &Info) -> Result<Edit, ExciseError> {
        let path = &info.path;
        let lower = LayerId::Original(member.layer);
        let Some(below) = after.at(path) else { return Ok(Edit::Drop) };
        if below.layer >= lower {
            return Ok(Edit::Drop);
        }
        let hidden = after.apply(member, path, Action::Whiteout(path.clone()));
        hidden.map_err(|why| refused(member, path, why))?;
        if after.at(path).is_some() || after.has_below(path) {
            let why = "the layer has entries below it that the file had replaced".to_owned();
            return Err(refused(member, path, why));
        }
        Ok(Edit::Whiteout(path.clone()))
    }

    fn keep(
        &mut self,
        after: &mut Replay,
        member: MemberId,
        info: &Info,
    ) -> Result<Option<Edit>, String> {
        let change = change(self.layers, member).ok_or("it is not there")?;
        let touched = source(member, info).filter(|one| self.touched.contains(one));
        let Some(source) = touched else {
            after.apply(member, &change.path, change.action.clone())?;
            return Ok(None);
        };
        let edit = match &info.what {
            What::Link { target, set_by, .. } if !is_at(after, target, *set_by) => {
                let names = self.names.get(&source).map_or(&[][..], Vec::as_slice);
                match names.iter().find(|(path, by)| is_at(after, path, *by)) {
                    Some((path, _)) => Some(Edit::Relink(path.clone())),
                    None => Some(Edit::Promote(source)),
                }
            }
            _ => None,
        };
        let action = match &edit {
            Some(Edit::Relink(path)) => Action::HardLink(path.clone()),
            Some(Edit::Promote(source)) => {
                self::change(self.layers, *source).ok_or("its file is not there")?.action.clone()
            }
            _ => change.action.clone(),
        };
        after.apply(member, &change.path, action)?;
        if !self.hits.contains_key(&member) {
            self.names.entry(source).or_default().push((info.path.clone(), member));
        }
        Ok(edit)
    }
}

/// Whether `path` is still what `member` put there.
fn is_at(after: &Replay, path: &ImagePath, member: MemberId) -> bool {
    after.at(path).is_some_and(|placed| placed.set_by == member)
}
