//! The first pass: which entries of which layers go, and what becomes of their hard links.
//!
//! In come all layers as the one reader of layers gives them, with the digests of their files,
//! and a [`Cut`]; out goes a [`Survey`]. It follows the layers as they are merged
//! ([`Replay`]), because a name means what it leads to at that moment: `lib/a` is `usr/lib/a`
//! where `lib` is a link, and a hard link belongs to whatever has its target's name then.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use imgfix_model::digest::Digest;
use imgfix_model::path::ImagePath;
use imgfix_vfs::layer_changes::{Action, LayerChange};
use imgfix_vfs::replay::{MemberId, Replay};
use imgfix_vfs::{Kind, ParsedLayer};

use super::cut::{Cut, Cutting, Dangling, ExciseError, Left, Reason, Redaction, Why};
use super::links;

/// What happens to one member of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edit {
    /// It goes.
    Drop,
    /// It goes, and a whiteout of what lies below it in lower layers stands in its place.
    Whiteout(ImagePath),
    /// It stays, and points to another name of the same file.
    Relink(ImagePath),
    /// A link that stays becomes the file, since the member that had the content goes.
    Promote(MemberId),
    /// It stays, with these ranges of its content written over.
    Redact(Vec<Range<u64>>),
}

/// What is done to an image.
#[derive(Debug, Default)]
pub struct Survey {
    /// Edits of each layer by the member's index; empty for a layer that stays as it is.
    pub(super) edits: Vec<BTreeMap<u32, Edit>>,
    /// What the members of `edits` are named, for the second reading to compare.
    pub(super) names: BTreeMap<MemberId, ImagePath>,
    /// Members whose content a link takes over, with what is written over in it.
    pub(super) saved: BTreeMap<MemberId, Vec<Range<u64>>>,
    /// What is cut, in the order of layers and archives.
    pub cut: Vec<Cutting>,
    /// Symbolic links that lead to nothing afterwards and did before.
    pub dangling: Vec<Dangling>,
    /// Entries at places of the cut that are left.
    pub left: Vec<Left>,
    /// Paths of the cut (and of its redactions) that no layer has as a file.
    pub missing_paths: BTreeSet<ImagePath>,
    /// Contents of the cut that no layer has.
    pub missing_contents: BTreeSet<Digest>,
}

impl Survey {
    /// Whether this layer (the lowest is 0) is written anew.
    #[must_use]
    pub fn rewrites(&self, layer: usize) -> bool {
        self.edits.get(layer).is_some_and(|edits| !edits.is_empty())
    }

    /// Whether this layer (the lowest is 0) is to be read again: it is written anew, or a link in
    /// another layer takes over a content of it.
    #[must_use]
    pub fn reads(&self, layer: usize) -> bool {
        self.rewrites(layer) || self.saved.keys().any(|member| member.layer as usize == layer)
    }

    /// Whether the image stays as it is.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.edits.iter().all(BTreeMap::is_empty)
    }

    /// How many entries of this layer (the lowest is 0) go or are redacted.
    #[must_use]
    pub fn count(&self, layer: usize) -> usize {
        self.cut.iter().filter(|one| one.layer == layer).count()
    }
}

/// What one member is, once it is known where its names lead.
pub(super) struct Info {
    /// Its place in the image.
    pub path: ImagePath,
    pub what: What,
}

pub(super) enum What {
    /// A folder, symbolic link, device or pipe.
    Other { is_dir: bool },
    /// A file with its content.
    File,
    /// Another name of a file.
    Link {
        /// Where its target's name leads.
        target: ImagePath,
        /// The member that had put the target there.
        set_by: MemberId,
        /// The member that has the content.
        source: MemberId,
    },
    /// A whiteout.
    Whiteout,
}

/// Decides what goes. `layers` are those of one image, base first, read with the digests of their
/// files.
///
/// # Errors
/// The layers do not merge, or what is cut was put over a folder that the same layer has filled.
pub fn survey(layers: &[ParsedLayer], cut: &Cut) -> Result<Survey, ExciseError> {
    let found = Found::of(layers, cut)?;
    let hits = found.hits(layers, cut)?;
    let mut survey = Survey::default();
    found.redact(layers, cut, &hits, &mut survey);
    let after = links::edit(layers, &found, &hits, &mut survey)?;
    found.account(layers, cut, &hits, &mut survey);
    dangling(&found.before, &after, &mut survey);
    Ok(survey)
}

/// All members of an image, by their places.
pub(super) struct Found {
    /// By layer and index.
    pub infos: Vec<Vec<Info>>,
    /// The merged image.
    before: Replay,
    /// The paths of the cut with what they lead to in any of the layers.
    paths: BTreeSet<ImagePath>,
    /// The same for redactions: from a place to the path that was asked for.
    redacted: BTreeMap<ImagePath, ImagePath>,
}

impl Found {
    fn of(layers: &[ParsedLayer], cut: &Cut) -> Result<Self, ExciseError> {
        let mut found = Self {
            infos: Vec::with_capacity(layers.len()),
            before: Replay::default(),
            paths: cut.paths.clone(),
            redacted: cut.redactions.keys().map(|path| (path.clone(), path.clone())).collect(),
        };
        for (number, layer) in (0u32..).zip(layers) {
            let mut infos = Vec::with_capacity(layer.changes.len());
            for (index, change) in (0u32..).zip(&layer.changes) {
                let member = MemberId { layer: number, index };
                let info = info(&mut found.before, member, change);
                infos.push(info.map_err(|why| refused(member, &change.path, why))?);
            }
            found.infos.push(infos);
            let leads = |path: &ImagePath| found.before.locate(path).ok();
            let paths: Vec<ImagePath> = cut.paths.iter().filter_map(leads).collect();
            let redacted: Vec<_> = cut.redactions.keys().map(|path| (leads(path), path)).collect();
            for (place, path) in redacted {
                if let Some(place) = place {
                    found.redacted.entry(place).or_insert_with(|| path.clone());
                }
            }
            found.paths.extend(paths);
        }
        Ok(found)
    }

    /// All members with what they are, in order.
    pub fn members(&self) -> impl Iterator<Item = (MemberId, &Info)> {
        (0u32..).zip(&self.infos).flat_map(|(layer, infos)| {
            (0u32..).zip(infos).map(move |(index, info)| (MemberId { layer, index }, info))
        })
    }

    fn hits(
        &self,
        layers: &[ParsedLayer],
        cut: &Cut,
    ) -> Result<BTreeMap<MemberId, Reason>, ExciseError> {
        let mut hits = BTreeMap::new();
        for (member, info) in self.members() {
            let source = match &info.what {
                What::File => member,
                What::Link { source, .. } => *source,
                What::Other { .. } | What::Whiteout => continue,
            };
            let by_content = match source == member {
                true => digest(layers, member).is_some_and(|one| cut.contents.contains(&one)),
                false => hits.get(&source) == Some(&Reason::Content),
            };
            let named = change(layers, member).is_some_and(|one| self.paths.contains(&one.path));
            if by_content {
                hits.insert(member, Reason::Content);
            } else if named || self.paths.contains(&info.path) {
                hits.insert(member, Reason::Path);
            }
        }
        self.shadowed(&mut hits)?;
        Ok(hits)
    }

    /// What one layer has at the place of something that is cut, before it.
    fn shadowed(&self, hits: &mut BTreeMap<MemberId, Reason>) -> Result<(), ExciseError> {
        let mut more = Vec::new();
        for (number, infos) in (0u32..).zip(&self.infos) {
            let member = |index| MemberId { layer: number, index };
            let mut last: BTreeMap<&ImagePath, u32> = BTreeMap::new();
            for (index, info) in (0u32..).zip(infos) {
                if !matches!(info.what, What::Whiteout) {
                    last.insert(&info.path, index);
                }
            }
            last.retain(|_, index| hits.contains_key(&member(*index)));
            for (index, info) in (0u32..).zip(infos) {
                let is_shadowed = last.get(&info.path).is_some_and(|last| index < *last);
                match info.what {
                    _ if !is_shadowed || hits.contains_key(&member(index)) => {}
                    What::Whiteout => {}
                    What::Other { is_dir: true } => {
                        let why = "the layer has a folder there, too".to_owned();
                        return Err(refused(member(index), &info.path, why));
                    }
                    _ => more.push(member(index)),
                }
            }
        }
        hits.extend(more.into_iter().map(|member| (member, Reason::Shadowed)));
        Ok(())
    }

    /// Notes which contents are written over.
    fn redact(
        &self,
        layers: &[ParsedLayer],
        cut: &Cut,
        hits: &BTreeMap<MemberId, Reason>,
        survey: &mut Survey,
    ) {
        survey.edits.resize_with(layers.len(), BTreeMap::new);
        for (member, info) in self.members() {
            let source = match &info.what {
                What::File => member,
                What::Link { source, .. } => *source,
                What::Other { .. } | What::Whiteout => continue,
            };
            let Some(redaction) = self.redaction(layers, cut, member, info) else { continue };
            if digest(layers, source) != Some(redaction.content) {
                continue;
            }
            survey.saved.insert(source, redaction.ranges.clone());
            if !hits.contains_key(&source)
                && let Some(edits) = survey.edits.get_mut(source.layer as usize)
            {
                edits.insert(source.index, Edit::Redact(redaction.ranges.clone()));
            }
        }
    }

    fn redaction<'c>(
        &self,
        layers: &[ParsedLayer],
        cut: &'c Cut,
        member: MemberId,
        info: &Info,
    ) -> Option<&'c Redaction> {
        let named = change(layers, member).and_then(|one| self.redacted.get(&one.path));
        cut.redactions.get(named.or_else(|| self.redacted.get(&info.path))?)
    }

    /// What the survey says of the members that were asked for.
    fn account(
        &self,
        layers: &[ParsedLayer],
        cut: &Cut,
        hits: &BTreeMap<MemberId, Reason>,
        survey: &mut Survey,
    ) {
        let mut seen = BTreeSet::new();
        for (member, info) in self.members() {
            let Some(change) = change(layers, member) else { continue };
            let layer = member.layer as usize;
            let entry = |bytes, reason| Cutting {
                layer,
                path: change.path.clone(),
                bytes,
                content: digest(layers, member),
                reason,
            };
            let named = [&change.path, &info.path];
            let edit = survey.edits.get(layer).and_then(|edits| edits.get(&member.index));
            if let Some(reason) = hits.get(&member) {
                survey.cut.push(entry(size(change), *reason));
            } else if let Some(Edit::Redact(ranges)) = edit {
                let size = size(change);
                let bytes =
                    ranges.iter().map(|range| range.end.min(size).saturating_sub(range.start));
                survey.cut.push(entry(bytes.sum(), Reason::Redacted));
            }
            let why = match info.what {
                What::Whiteout => continue,
                What::Other { .. } => {
                    named.into_iter().any(|path| self.paths.contains(path)).then_some(Why::NotAFile)
                }
                What::File | What::Link { .. } => {
                    seen.extend(named.map(ImagePath::clone));
                    let source = match info.what {
                        What::Link { source, .. } => source,
                        _ => member,
                    };
                    self.redaction(layers, cut, member, info)
                        .filter(|_| !hits.contains_key(&member))
                        .filter(|one| digest(layers, source) != Some(one.content))
                        .map(|_| Why::OtherContent)
                }
            };
            if let Some(why) = why {
                survey.left.push(Left { layer, path: change.path.clone(), why });
            }
        }
        let is_seen = |path: &ImagePath| {
            seen.contains(path) || self.before.locate(path).is_ok_and(|place| seen.contains(&place))
        };
        let asked = cut.paths.iter().chain(cut.redactions.keys());
        survey.missing_paths = asked.filter(|path| !is_seen(path)).cloned().collect();
        let cut_contents: BTreeSet<_> = survey.cut.iter().filter_map(|one| one.content).collect();
        survey.missing_contents = cut.contents.difference(&cut_contents).copied().collect();
    }
}

fn info(replay: &mut Replay, member: MemberId, change: &LayerChange) -> Result<Info, String> {
    let what = match &change.action {
        Action::Set(entry) if entry.is_file() => What::File,
        Action::Set(entry) => What::Other { is_dir: entry.is_dir() },
        Action::HardLink(target) => {
            let target = replay.locate(target)?;
            match replay.at(&target) {
                Some(at) if at.entry.is_file() => {
                    What::Link { set_by: at.set_by, source: at.source, target }
                }
                _ => What::Other { is_dir: false },
            }
        }
        Action::Whiteout(_) | Action::Opaque(_) | Action::Ignore => What::Whiteout,
    };
    replay.apply(member, &change.path, change.action.clone())?;
    let path = match what {
        What::Whiteout => change.path.clone(),
        _ => replay.locate(&change.path)?,
    };
    Ok(Info { path, what })
}

pub(super) fn change(layers: &[ParsedLayer], member: MemberId) -> Option<&LayerChange> {
    layers.get(member.layer as usize)?.changes.get(member.index as usize)
}

/// The digest of a file; none of an empty one.
fn digest(layers: &[ParsedLayer], member: MemberId) -> Option<Digest> {
    layers.get(member.layer as usize)?.digests.get(&member.index).copied()
}

fn size(change: &LayerChange) -> u64 {
    match &change.action {
        Action::Set(entry) => match &entry.kind {
            Kind::File(data) => data.size,
            _ => 0,
        },
        _ => 0,
    }
}

pub(super) fn refused(member: MemberId, path: &ImagePath, why: String) -> ExciseError {
    ExciseError::Refused { layer: member.layer as usize, entry: path.to_string(), why }
}

fn dangling(before: &Replay, after: &Replay, survey: &mut Survey) {
    for (path, placed) in after.iter() {
        if let Kind::Symlink(target) = &placed.entry.kind
            && after.followed(path).is_none()
            && before.followed(path).is_some()
        {
            survey.dangling.push(Dangling { path: path.clone(), target: target.clone() });
        }
    }
}
