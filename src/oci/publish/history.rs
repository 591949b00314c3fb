//! A config's history, made to fit its layers.
//!
//! Engines count: every entry that does not say `empty_layer` stands for one layer, in order
//! (<https://github.com/opencontainers/image-spec/blob/main/config.md#properties>). Builders such
//! as nix, jib and bazel write no history or too few entries, and a squashed image may have too
//! many; an entry for the patch layer alone would then stand for the lowest layer, and buildah
//! refuses to build on such an image. In comes the original's history, out goes one that fits,
//! with a note of what was changed, so that [`Evened::undo`] gives the original's back.

use serde_json::{Map, Value, json};

/// What the author of an entry is not known to have said.
const UNKNOWN: &str = "unknown (the image had no history entry for this layer)";

/// What was changed in a history to make it fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Evened {
    /// Entries that were added behind the original's.
    filled: usize,
    /// Entries that stood for no layer and say so now.
    emptied: Vec<(usize, Former)>,
}

/// What an entry said of being empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Former {
    Nothing,
    False,
    Null,
}

impl Former {
    const ALL: [(Self, &str); 3] = [(Self::Nothing, ""), (Self::False, "f"), (Self::Null, "n")];

    fn suffix(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, suffix)| suffix)
    }
}

/// Makes `history` stand for `layers` layers. `created` is the time of entries that are added.
pub(super) fn even(history: &mut Vec<Value>, layers: usize, created: Option<&str>) -> Evened {
    let full = history.iter().filter(|entry| stands_for_a_layer(entry)).count();
    let mut evened = Evened { filled: layers.saturating_sub(full), emptied: Vec::new() };
    for _ in 0..evened.filled {
        let mut entry = Map::new();
        if let Some(created) = created {
            entry.insert("created".into(), created.into());
        }
        entry.insert("created_by".into(), UNKNOWN.into());
        history.push(Value::Object(entry));
    }
    // which layers were melted together is not known; the newest entries are most likely right
    let surplus = full.saturating_sub(layers);
    let candidates = history.iter_mut().enumerate().filter(|(_, one)| stands_for_a_layer(one));
    for (at, entry) in candidates.take(surplus) {
        let Value::Object(entry) = entry else { continue };
        let former = match entry.insert(EMPTY.to_owned(), json!(true)) {
            None => Former::Nothing,
            Some(Value::Null) => Former::Null,
            Some(_) => Former::False,
        };
        evened.emptied.push((at, former));
    }
    evened
}

const EMPTY: &str = "empty_layer";

fn stands_for_a_layer(entry: &Value) -> bool {
    entry.get(EMPTY).and_then(Value::as_bool) != Some(true)
}

impl Evened {
    /// Gives the history back as it was.
    pub(super) fn undo(&self, history: &mut Vec<Value>) {
        history.truncate(history.len().saturating_sub(self.filled));
        for (at, former) in &self.emptied {
            let Some(Value::Object(entry)) = history.get_mut(*at) else { continue };
            match former {
                Former::Nothing => drop(entry.shift_remove(EMPTY)),
                Former::False => drop(entry.insert(EMPTY.to_owned(), json!(false))),
                Former::Null => drop(entry.insert(EMPTY.to_owned(), Value::Null)),
            }
        }
    }

    /// As the patch layer's entry notes it; `None` when nothing was changed.
    pub(super) fn note(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        let emptied = self.emptied.iter().map(|(at, former)| format!("-{at}{}", former.suffix()));
        Some([format!("{}", self.filled)].into_iter().chain(emptied).collect())
    }

    /// Reads what [`Evened::note`] wrote.
    pub(super) fn read(note: &str) -> Option<Self> {
        let mut parts = note.split('-');
        let filled = parts.next()?.parse().ok()?;
        let emptied = parts.map(|part| {
            let digits = part.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let suffix = part.get(digits.len()..)?;
            let (former, _) = Former::ALL.into_iter().find(|(_, one)| *one == suffix)?;
            Some((digits.parse().ok()?, former))
        });
        Some(Self { filled, emptied: emptied.collect::<Option<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_fits_its_layers_and_comes_back() {
        let entry = |text: &str| json!({"created_by": text});
        let empty = json!({"created_by": "ENV A=b", "empty_layer": true});
        let unknown = || json!({"created": "t", "created_by": UNKNOWN});
        let gone = |text: &str| json!({"created_by": text, "empty_layer": true});
        let table = [
            // as it should be
            (vec![entry("a"), empty.clone(), entry("b")], 2, None, None),
            (vec![], 0, None, None),
            // nix, bazel: none
            (vec![], 2, Some(vec![unknown(), unknown()]), Some("2")),
            // jib, bazel on a base: the base's only
            (
                vec![entry("base"), empty.clone()],
                3,
                Some(vec![entry("base"), empty.clone(), unknown(), unknown()]),
                Some("2"),
            ),
            // nothing but settings
            (vec![empty.clone()], 1, Some(vec![empty.clone(), unknown()]), Some("1")),
            // squashed, the entries left as they were
            (
                vec![
                    entry("a"),
                    empty.clone(),
                    json!({"created_by": "b", "empty_layer": false}),
                    json!({"empty_layer": null, "created_by": "c"}),
                    entry("d"),
                ],
                1,
                Some(vec![
                    gone("a"),
                    empty.clone(),
                    gone("b"),
                    json!({"empty_layer": true, "created_by": "c"}),
                    entry("d"),
                ]),
                Some("0-0-2f-3n"),
            ),
            // null is how Go writes an entry that is not there, and reads as a layer's
            (vec![Value::Null], 1, None, None),
        ];
        for (before, layers, want, note) in table {
            let mut history = before.clone();
            let evened = even(&mut history, layers, Some("t"));
            assert_eq!(history, want.unwrap_or_else(|| before.clone()), "{before:?}");
            assert_eq!(history.iter().filter(|one| stands_for_a_layer(one)).count(), layers);
            assert_eq!(evened.note().as_deref(), note);
            if let Some(note) = evened.note() {
                assert_eq!(Evened::read(&note), Some(evened.clone()));
            }
            evened.undo(&mut history);
            let text = |history: &[Value]| Value::from(history.to_vec()).to_string();
            assert_eq!(text(&history), text(&before), "the same bytes");
        }
        for text in ["", "x", "1-", "1-2x", "-1", "1-a"] {
            assert_eq!(Evened::read(text), None, "{text:?}");
        }
    }
}
