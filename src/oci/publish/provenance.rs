//! The marks of a repair: what a repaired image says about where it comes from.
//!
//! They are written twice. The history entry of the patch layer says everything, because it
//! survives every transport and conversion: it is what [`super::original_of`] goes by. For
//! people and other tools the same facts stand as annotations of an OCI manifest; Docker's
//! schema 2 has no annotations, so there they are `config.Labels`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::history::Evened;
use crate::manifest::MAX_LAYERS;
use imgfix_model::digest::{DiffId, Digest};

/// <https://github.com/opencontainers/image-spec/blob/main/annotations.md>: what the image
/// was made from.
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// Digest of the manifest of the image it was made from.
pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
/// What the original's reference named: an index, or the manifest itself.
pub const ORIGINAL_DIGEST: &str = "dev.imgfix.original.digest";
/// The original's manifest for this platform.
pub const ORIGINAL_MANIFEST: &str = "dev.imgfix.original.manifest";
/// The plan that was carried out.
pub const PLAN_DIGEST: &str = "dev.imgfix.plan.digest";
/// For each repository that packages came from the time of the newest of them:
/// `SHORT-NAME:SECONDS`, with commas between. An older index of that repository is refused when
/// the image is repaired again. It follows from the packages, so that the same packages give the
/// same image.
pub const NEWEST: &str = "dev.imgfix.newest";
/// The version of imgfix.
pub const VERSION: &str = "dev.imgfix.version";
/// The patch layer, as stored.
pub const LAYER: &str = "dev.imgfix.layer";
/// The diff ID of the patch layer (in the history entry only).
pub const DIFF_ID: &str = "dev.imgfix.diff_id";
/// The layers of the original that were written anew because something was cut out of them:
/// `PLACE:DIGEST` of each as it was (the lowest is 0), with commas between.
pub const EXCISED: &str = "dev.imgfix.excised";
/// How the original's history was made to fit its layers (in the history entry only).
const HISTORY: &str = "dev.imgfix.history";
/// Put before a key whose former value was the original's own.
const REPLACED: &str = "dev.imgfix.replaced.";

/// The most repositories of which an image's word is taken.
const MAX_REPOSITORIES: usize = 256;

/// How the `created_by` of the patch layer begins.
pub const CREATED_BY: &str = "imgfix repair";

/// Facts of one repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The original's name ([`crate::Reference::base_name`]).
    pub base_name: String,
    /// The digest of what that name pointed at: an index, or the manifest.
    pub original_digest: Digest,
    /// The digest of the plan.
    pub plan_digest: Digest,
    /// The time of the newest package of each repository, in seconds since the epoch, by what
    /// `newest::short_name` of the room `repository` makes of the repository's name.
    pub newest: BTreeMap<String, i64>,
    /// The version of imgfix.
    pub version: String,
    /// What was cut out of the original's own layers. The digest of the base is recorded no more
    /// then: the image is not made of that base's layers.
    pub excised: Option<Excised>,
    /// `SOURCE_DATE_EPOCH` (seconds), for the time of the history entry. Without it the entry
    /// has the time of the original, so that the clock is in no digest.
    pub source_date_epoch: Option<i64>,
}

/// Layers of an original that are not as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excised {
    /// The digest of the original's manifest, which names them as they were.
    pub original_manifest: Digest,
    /// The digests that they had, by their places; the lowest is 0.
    pub layers: BTreeMap<usize, Digest>,
}

impl Excised {
    fn text(&self) -> String {
        let one = |(place, digest): (&usize, &Digest)| format!("{place}:{digest}");
        self.layers.iter().map(one).collect::<Vec<_>>().join(",")
    }

    fn read(text: &str, original_manifest: Digest) -> Option<Self> {
        let one = |part: &str| {
            let (place, digest) = part.split_once(':')?;
            Some((place.parse().ok()?, digest.parse().ok()?))
        };
        let layers = text.split(',').take(MAX_LAYERS).map(one).collect::<Option<_>>()?;
        Some(Self { original_manifest, layers })
    }
}

impl Provenance {
    /// The manifest that the repair began with, when what is built on is `manifest`.
    pub(super) fn original(&self, manifest: &Digest) -> Digest {
        self.excised.as_ref().map_or(*manifest, |excised| excised.original_manifest)
    }

    /// The keys of a manifest that is built on `manifest`, with a layer when there is one.
    pub(super) fn marks(
        &self,
        manifest: &Digest,
        layer: Option<&Digest>,
    ) -> Vec<(&'static str, String)> {
        let original = self.original(manifest).to_string();
        let mut marks = vec![(BASE_NAME, self.base_name.clone())];
        match &self.excised {
            None => marks.push((BASE_DIGEST, original.clone())),
            Some(excised) => marks.push((EXCISED, excised.text())),
        }
        marks.extend([
            (ORIGINAL_DIGEST, self.original_digest.to_string()),
            (ORIGINAL_MANIFEST, original),
            (PLAN_DIGEST, self.plan_digest.to_string()),
            (VERSION, self.version.clone()),
        ]);
        marks.extend(layer.map(|layer| (LAYER, layer.to_string())));
        marks.extend(self.newest_text().map(|text| (NEWEST, text)));
        marks
    }

    /// Sets the marks. What the original says of the digest of its own base goes where it is not
    /// true any more, and can come back.
    pub(super) fn set(&self, map: &mut Map<String, Value>, marks: &[(&str, String)]) {
        set_marks(map, marks);
        if self.excised.is_some() {
            rename(map, BASE_DIGEST, &format!("{REPLACED}{BASE_DIGEST}"));
        }
    }

    fn newest_text(&self) -> Option<String> {
        let one = |(name, time): (&String, &i64)| format!("{name}:{time}");
        let all: Vec<String> = self.newest.iter().map(one).collect();
        (!all.is_empty()).then(|| all.join(","))
    }

    /// The keys of an index whose original is the one that was named.
    pub(super) fn index_marks(&self) -> Vec<(&'static str, String)> {
        let mut marks = vec![(BASE_NAME, self.base_name.clone())];
        if self.excised.is_none() {
            marks.push((BASE_DIGEST, self.original_digest.to_string()));
        }
        marks.push((ORIGINAL_DIGEST, self.original_digest.to_string()));
        marks.push((VERSION, self.version.clone()));
        marks
    }

    /// The comment of the history entry; the name is last because it may have spaces.
    pub(super) fn comment(
        &self,
        manifest: &Digest,
        diff_id: Option<&DiffId>,
        evened: &Evened,
    ) -> String {
        let diff_id = diff_id.map(|id| format!("{DIFF_ID}={id} ")).unwrap_or_default();
        let excised = self.excised.as_ref().map(|one| format!(" {EXCISED}={}", one.text()));
        let history = evened.note().map(|note| format!(" {HISTORY}={note}")).unwrap_or_default();
        let newest = self.newest_text().map(|text| format!(" {NEWEST}={text}"));
        format!(
            "{diff_id}{ORIGINAL_MANIFEST}={manifest} {ORIGINAL_DIGEST}={} \
             {PLAN_DIGEST}={}{}{}{history} {BASE_NAME}={}",
            self.original_digest,
            self.plan_digest,
            newest.unwrap_or_default(),
            excised.unwrap_or_default(),
            self.base_name
        )
    }
}

/// What the history entry of a patch layer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    /// Of the patch layer; `None` when the repair added none.
    pub diff_id: Option<DiffId>,
    pub original_manifest: Digest,
    pub original_digest: Digest,
    pub plan_digest: Option<Digest>,
    pub newest: BTreeMap<String, i64>,
    pub base_name: String,
    pub evened: Evened,
    pub excised: Option<Excised>,
}

impl Recorded {
    /// Reads a history entry; `None` when imgfix did not write it.
    pub(super) fn read(entry: &Value) -> Option<Self> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        if !text("created_by")?.starts_with(CREATED_BY) {
            return None;
        }
        let comment = text("comment")?;
        let (facts, base_name) = comment.split_once(&format!(" {BASE_NAME}="))?;
        let fact_text = |key: &str| {
            let fact =
                facts.split(' ').find_map(|fact| fact.split_once('=').filter(|f| f.0 == key));
            fact.map(|(_, value)| value)
        };
        let fact = |key: &str| fact_text(key).and_then(|value| value.parse::<Digest>().ok());
        let one = |text: &str| {
            let (name, time) = text.split_once(':')?;
            Some((name.to_owned(), time.parse().ok()?))
        };
        let newest = fact_text(NEWEST).unwrap_or_default().split(',').filter_map(one);
        let original_manifest = fact(ORIGINAL_MANIFEST)?;
        // What cannot be read is no record: the base that it speaks of is not known then.
        let excised = match fact_text(EXCISED) {
            Some(text) => Some(Excised::read(text, original_manifest)?),
            None => None,
        };
        let diff_id = fact(DIFF_ID).map(DiffId);
        if diff_id.is_none() && excised.is_none() {
            return None;
        }
        Some(Self {
            diff_id,
            original_manifest,
            original_digest: fact(ORIGINAL_DIGEST)?,
            plan_digest: fact(PLAN_DIGEST),
            newest: newest.take(MAX_REPOSITORIES).collect(),
            base_name: base_name.to_owned(),
            evened: fact_text(HISTORY).and_then(Evened::read).unwrap_or_default(),
            excised,
        })
    }
}

/// Adds marks to annotations or labels. A value of the original under one of the keys is kept
/// beside it, so that it can come back.
pub(super) fn set_marks(map: &mut Map<String, Value>, marks: &[(&str, String)]) {
    for (key, value) in marks {
        let former = map.insert((*key).to_owned(), Value::String(value.clone()));
        let saved = format!("{REPLACED}{key}");
        if let Some(former) = former
            && !map.contains_key(&saved)
        {
            map.insert(saved, former);
        }
    }
}

/// Whether annotations or labels have marks of a repair.
pub(super) fn is_marked(map: &Map<String, Value>) -> bool {
    map.contains_key(VERSION)
}

/// Takes the marks of a repair out of annotations or labels again.
pub(super) fn unset_marks(map: &mut Map<String, Value>) {
    let ours = [
        BASE_NAME,
        BASE_DIGEST,
        ORIGINAL_DIGEST,
        ORIGINAL_MANIFEST,
        PLAN_DIGEST,
        VERSION,
        LAYER,
        NEWEST,
        EXCISED,
    ];
    for key in ours {
        let saved = format!("{REPLACED}{key}");
        if !map.contains_key(key) {
            rename(map, &saved, key);
            continue;
        }
        match map.shift_remove(&saved) {
            Some(former) => {
                map.insert(key.to_owned(), former);
            }
            None => {
                map.shift_remove(key);
            }
        }
    }
}

/// Gives a key another name, at its place.
fn rename(map: &mut Map<String, Value>, from: &str, to: &str) {
    if map.contains_key(from) {
        let named = |key: String| if key == from { to.to_owned() } else { key };
        *map = std::mem::take(map).into_iter().map(|(key, value)| (named(key), value)).collect();
    }
}
