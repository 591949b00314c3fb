//! The config of an image without what was found in it, and with the layers that are new.
//!
//! In comes the config as JSON; out goes another one, with what was changed in it. Docker writes
//! what it ran twice, into `config` and `container_config`, and builders write it once more into
//! the history, which scanners read as a Dockerfile: what goes, goes from all of them.
//!
//! A history keeps its length. A line that sets a variable becomes a comment: Trivy 0.59 counts
//! `ENV NAME=` as a secret still, and gives no result at all for `ENV NAME`.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::digest::DiffId;
use serde_json::{Map, Value};

use super::cut::Reason;
use super::survey::Survey;

/// What is to be taken out of a config.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigCut {
    /// Variables that go, by name, with the lines of the history that set them.
    pub variables: BTreeSet<String>,
    /// Build arguments whose values are written over, by name.
    pub arguments: BTreeSet<String>,
    /// Labels whose values are written over, by key.
    pub labels: BTreeSet<String>,
    /// Texts that are written over wherever they stand: in commands, labels, the history.
    pub texts: BTreeSet<String>,
}

/// One thing that was changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigEdit {
    /// Where: `config.Env`, `history[3].created_by`.
    pub place: String,
    /// The variable, argument or label; nothing for a text.
    pub name: Option<String>,
}

/// What stands for a value that was written over.
const MASK: &str = "***";

/// What a removed variable was is looked for elsewhere, too, unless it is so short that it may be
/// any word; in bytes.
const SHORTEST: usize = 8;

/// The objects that say how a container is run.
const RUNS: [&str; 2] = ["config", "container_config"];

/// `config` without `cut`, and what was changed. The layers are as they were.
#[must_use]
pub fn scrub(config: &Value, cut: &ConfigCut) -> (Value, Vec<ConfigEdit>) {
    let mut scrub = Scrub { cut, texts: cut.texts.clone(), edits: BTreeSet::new() };
    scrub.texts.retain(|text| !text.is_empty());
    let mut config = config.clone();
    for run in RUNS {
        if let Some(Value::Object(map)) = config.get_mut(run) {
            scrub.run(run, map);
        }
    }
    let history = config.get_mut("history").and_then(Value::as_array_mut);
    for (at, entry) in history.into_iter().flatten().enumerate() {
        scrub.line(at, entry);
    }
    if let Value::Object(map) = &mut config {
        for (key, value) in map.iter_mut().filter(|(key, _)| key.as_str() != "rootfs") {
            scrub.replace(key, value);
        }
    }
    (config, scrub.edits.into_iter().collect())
}

struct Scrub<'a> {
    cut: &'a ConfigCut,
    /// What is written over everywhere: the cut's texts and the values that were found.
    texts: BTreeSet<String>,
    edits: BTreeSet<ConfigEdit>,
}

impl Scrub<'_> {
    fn edited(&mut self, place: String, name: Option<&str>) {
        self.edits.insert(ConfigEdit { place, name: name.map(str::to_owned) });
    }

    fn found(&mut self, value: &str) {
        if value.len() >= SHORTEST {
            self.texts.insert(value.to_owned());
        }
    }

    /// `config` or `container_config`.
    fn run(&mut self, place: &str, run: &mut Map<String, Value>) {
        if let Some(Value::Array(variables)) = run.get_mut("Env") {
            let mut removed = Vec::new();
            variables.retain(|one| {
                let (name, value) =
                    one.as_str().and_then(|one| one.split_once('=')).unwrap_or_default();
                let goes = self.cut.variables.contains(name);
                if goes {
                    removed.push((name.to_owned(), value.to_owned()));
                }
                !goes
            });
            for (name, value) in removed {
                self.edited(format!("{place}.Env"), Some(&name));
                self.found(&value);
            }
        }
        if let Some(Value::Object(labels)) = run.get_mut("Labels") {
            for (key, value) in labels.iter_mut().filter(|(key, _)| self.cut.labels.contains(*key))
            {
                if let Some(text) = value.as_str().filter(|text| *text != MASK).map(str::to_owned) {
                    *value = MASK.into();
                    self.edited(format!("{place}.Labels"), Some(key));
                    self.found(&text);
                    // the history has it as it was written
                    self.texts.insert(format!("{key}={text}"));
                }
            }
        }
        let command = run.get_mut("Cmd").and_then(Value::as_array_mut);
        for word in command.into_iter().flatten() {
            if let Some(new) = word.as_str().and_then(|text| self.instruction(text)) {
                self.edited(format!("{place}.Cmd"), None);
                *word = new.into();
            }
        }
    }

    /// One entry of the history.
    fn line(&mut self, at: usize, entry: &mut Value) {
        let Some(Value::String(line)) = entry.get_mut("created_by") else { return };
        if let Some(new) = self.instruction(line) {
            *line = new;
            self.edited(format!("history[{at}].created_by"), None);
        }
    }

    /// What an instruction becomes, when it sets a variable or has arguments that are cut.
    fn instruction(&mut self, line: &str) -> Option<String> {
        let bare = line.trim_start();
        let bare = bare.strip_prefix("/bin/sh -c").map_or(bare, str::trim_start);
        let bare = bare.strip_prefix("#(nop)").map_or(bare, str::trim_start);
        for (keyword, names) in [("ENV", &self.cut.variables), ("ARG", &self.cut.arguments)] {
            let rest =
                bare.strip_prefix(keyword).filter(|rest| rest.starts_with(char::is_whitespace));
            let Some(rest) = rest else { continue };
            let set: Vec<&str> = names
                .iter()
                .map(String::as_str)
                .filter(|name| sets(rest.trim_start(), name))
                .collect();
            if !set.is_empty() {
                return Some(format!("# imgfix: {keyword} of {} removed", set.join(", ")));
            }
        }
        self.arguments(line)
    }

    /// A line with build arguments: `RUN |2 A=1 B=2 /bin/sh -c ...`, or without `RUN`.
    fn arguments(&mut self, line: &str) -> Option<String> {
        let start = line.find('|')?;
        let count = line.get(start + 1..)?;
        let digits = count.bytes().take_while(u8::is_ascii_digit).count();
        let before = line.get(..start)?.trim();
        if digits == 0 || !(before.is_empty() || before == "RUN") {
            return None;
        }
        let mut out = line.to_owned();
        let mut is_changed = false;
        for name in self.cut.arguments.iter().chain(&self.cut.variables) {
            let marker = format!(" {name}=");
            let Some(at) = out.find(&marker) else { continue };
            let from = at + marker.len();
            let rest = out.get(from..).unwrap_or_default().to_owned();
            let value = rest.get(..value_end(&rest)).unwrap_or_default();
            if value.is_empty() || value == MASK {
                continue;
            }
            out.replace_range(from..from + value.len(), MASK);
            is_changed = true;
            if value.len() >= SHORTEST {
                self.texts.insert(value.to_owned());
            }
        }
        is_changed.then_some(out)
    }

    /// Writes over the texts in every string of `value`.
    fn replace(&mut self, place: &str, value: &mut Value) {
        match value {
            Value::String(text) => {
                let mut new = text.clone();
                // the longest first: one may be in another
                let mut texts: Vec<&String> = self.texts.iter().collect();
                texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
                for secret in texts {
                    if new.contains(secret.as_str()) {
                        let mask = match secret.split_once('=') {
                            // of a label only its value
                            Some((key, _)) if self.cut.labels.contains(key) => {
                                format!("{key}={MASK}")
                            }
                            _ => MASK.to_owned(),
                        };
                        new = new.replace(secret.as_str(), &mask);
                    }
                }
                if new != *text {
                    *text = new;
                    self.edited(place.to_owned(), None);
                }
            }
            Value::Array(list) => {
                for (at, one) in list.iter_mut().enumerate() {
                    let place = match place {
                        "history" => format!("history[{at}]"),
                        _ => place.to_owned(),
                    };
                    self.replace(&place, one);
                }
            }
            Value::Object(map) => {
                for (key, one) in map.iter_mut() {
                    self.replace(&format!("{place}.{key}"), one);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Whether an ENV or ARG line without its keyword sets `name`: `A=1 NAME=2`, `NAME 2`.
fn sets(line: &str, name: &str) -> bool {
    let first = line.split(char::is_whitespace).next();
    let mut words = line.split(char::is_whitespace);
    first == Some(name)
        || words.any(|word| word.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
}

/// Where the value at the start of `text` ends: before the next argument or the shell.
fn value_end(text: &str) -> usize {
    let is_next = |rest: &str| {
        let name = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let is_argument = name > 0
            && rest.as_bytes().get(name) == Some(&b'=')
            && !rest.starts_with(|c: char| c.is_ascii_digit());
        is_argument || rest.starts_with('/') || rest.starts_with("sh ")
    };
    let mut spaces = text.match_indices(' ').map(|(at, _)| at);
    spaces.find(|at| text.get(at + 1..).is_some_and(is_next)).unwrap_or(text.len())
}

/// The diff IDs of layers that were written anew, by their places, base first.
pub type NewDiffIds = BTreeMap<usize, DiffId>;

/// `config` with the layers that are new, and a comment on their lines of the history. A history
/// that does not fit the layers gets none: which line is which layer's is not known then.
#[must_use]
pub fn with_layers(config: &Value, layers: &NewDiffIds, survey: &Survey) -> Value {
    let mut config = config.clone();
    let ids = config.pointer_mut("/rootfs/diff_ids").and_then(Value::as_array_mut);
    let mut count = 0;
    for (at, id) in ids.into_iter().flatten().enumerate() {
        count += 1;
        if let Some(new) = layers.get(&at) {
            *id = new.to_string().into();
        }
    }
    let history = config.get_mut("history").and_then(Value::as_array_mut);
    let lines = history.into_iter().flatten().filter(|line| has_layer(line));
    let lines: Vec<&mut Value> = lines.collect();
    if lines.len() != count {
        return config;
    }
    for (at, line) in lines.into_iter().enumerate() {
        if let (Some(line), true) = (line.as_object_mut(), layers.contains_key(&at)) {
            let said = said(survey, at);
            let comment = match line.get("comment").and_then(Value::as_str) {
                Some(old) if !old.is_empty() => format!("{old}; {said}"),
                _ => said,
            };
            line.insert("comment".to_owned(), comment.into());
        }
    }
    config
}

fn has_layer(line: &Value) -> bool {
    line.get("empty_layer").and_then(Value::as_bool) != Some(true)
}

/// What the history says of a layer.
fn said(survey: &Survey, layer: usize) -> String {
    let cut = survey.cut.iter().filter(|one| one.layer == layer);
    let (redacted, removed): (Vec<_>, Vec<_>) = cut.partition(|one| one.reason == Reason::Redacted);
    let files = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 file {what}")),
        count => Some(format!("{count} files {what}")),
    };
    let parts = [files(removed.len(), "removed"), files(redacted.len(), "redacted")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.is_empty() {
        true => "imgfix: links changed".to_owned(),
        false => format!("imgfix: {}", parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::cut::Cutting;
    use super::*;

    fn names(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_variable_goes_from_everywhere() {
        let run = json!({"Env": ["PATH=/bin", "TOKEN=s3cret-value", "TOKENS=1"],
            "Cmd": ["serve", "--token=s3cret-value"]});
        let mut container = run.clone();
        container["Cmd"] = json!(["/bin/sh", "-c", "#(nop) ", "ENV TOKEN=s3cret-value"]);
        let config = json!({"config": run, "container_config": container,
            "history": [
                {"created_by": "/bin/sh -c #(nop)  ENV TOKEN=s3cret-value", "empty_layer": true},
                {"created_by": "ENV A=1 TOKEN=s3cret-value", "empty_layer": true, "comment": "c"},
                {"created_by": "ENV TOKENS=1", "empty_layer": true},
                {"created_by": "RUN /bin/sh -c curl -H s3cret-value x"}],
            "rootfs": {"diff_ids": ["s3cret-value"]}});
        let cut = ConfigCut { variables: names(&["TOKEN"]), ..ConfigCut::default() };
        let (after, edits) = scrub(&config, &cut);
        let want = json!({
            "config": {"Env": ["PATH=/bin", "TOKENS=1"], "Cmd": ["serve", "--token=***"]},
            "container_config": {"Env": ["PATH=/bin", "TOKENS=1"],
                "Cmd": ["/bin/sh", "-c", "#(nop) ", "# imgfix: ENV of TOKEN removed"]},
            "history": [
                {"created_by": "# imgfix: ENV of TOKEN removed", "empty_layer": true},
                {"created_by": "# imgfix: ENV of TOKEN removed", "empty_layer": true,
                    "comment": "c"},
                {"created_by": "ENV TOKENS=1", "empty_layer": true},
                {"created_by": "RUN /bin/sh -c curl -H *** x"}],
            "rootfs": {"diff_ids": ["s3cret-value"]}});
        assert_eq!(after, want);
        let places: Vec<&str> = edits.iter().map(|edit| edit.place.as_str()).collect();
        assert_eq!(
            places,
            [
                "config.Cmd",
                "config.Env",
                "container_config.Cmd",
                "container_config.Env",
                "history[0].created_by",
                "history[1].created_by",
                "history[3].created_by",
            ]
        );
        assert_eq!(scrub(&after, &cut).0, after, "a second time changes nothing");
    }

    #[test]
    fn arguments_labels_and_texts_are_written_over() {
        let cut = ConfigCut {
            arguments: names(&["TOKEN"]),
            labels: names(&["key"]),
            texts: names(&["hunter2", "hunter2more"]),
            ..ConfigCut::default()
        };
        for (line, want) in [
            (
                "RUN |2 TOKEN=abc def USER=x /bin/sh -c make # buildkit",
                "RUN |2 TOKEN=*** USER=x /bin/sh -c make # buildkit",
            ),
            ("|1 TOKEN=ab /bin/sh -c echo ab", "|1 TOKEN=*** /bin/sh -c echo ab"),
            (
                "|1 TOKEN=long-enough /bin/sh -c echo long-enough",
                "|1 TOKEN=*** /bin/sh -c echo ***",
            ),
            ("ARG TOKEN=abc", "# imgfix: ARG of TOKEN removed"),
            ("LABEL key=v other=v", "LABEL key=*** other=v"),
            ("RUN /bin/sh -c a | b TOKEN=x", "RUN /bin/sh -c a | b TOKEN=x"),
            ("echo hunter2more hunter2", "echo *** ***"),
        ] {
            let config = json!({"config": {"Labels": {"key": "v", "b": "hunter2"},
                "Healthcheck": {"Test": ["CMD", "x", "hunter2"]}, "Entrypoint": ["hunter2"]},
                "history": [{"created_by": line}]});
            let (after, _) = scrub(&config, &cut);
            assert_eq!(after["history"][0]["created_by"], want);
            let run = json!({"Labels": {"key": "***", "b": "***"},
                "Healthcheck": {"Test": ["CMD", "x", "***"]}, "Entrypoint": ["***"]});
            assert_eq!(after["config"], run);
        }
        let config = json!({"config": {"Labels": null}, "history": [null, {"created_by": 1}]});
        assert_eq!(scrub(&config, &cut), (config.clone(), Vec::new()));
        assert_eq!(scrub(&json!(1), &cut), (json!(1), Vec::new()));
    }

    #[test]
    fn new_layers_are_named_where_they_are() {
        let id = |text: &str| DiffId(imgfix_model::digest::Digest::of(text.as_bytes()));
        let file = |layer, reason| Cutting {
            layer,
            path: imgfix_model::path::ImagePath::literal("/a"),
            bytes: 1,
            content: None,
            reason,
        };
        let survey = Survey {
            cut: vec![
                file(0, Reason::Path),
                file(0, Reason::Content),
                file(2, Reason::Redacted),
                file(2, Reason::Path),
            ],
            ..Survey::default()
        };
        let layers: NewDiffIds = [(0, id("0")), (2, id("2"))].into();
        let ids = ["a", "b", "c"].map(|text| id(text).to_string());
        let history = json!([{"created_by": "x", "comment": "buildkit"},
            {"empty_layer": true}, {"created_by": "y"}, {"empty_layer": false}]);
        let config = json!({"rootfs": {"diff_ids": ids}, "history": history});
        let after = with_layers(&config, &layers, &survey);
        assert_eq!(
            after["history"],
            json!([{"created_by": "x", "comment": "buildkit; imgfix: 2 files removed"},
                {"empty_layer": true}, {"created_by": "y"},
                {"empty_layer": false, "comment": "imgfix: 1 file removed, 1 file redacted"}])
        );
        let want = [id("0"), id("b"), id("2")].map(|id| id.to_string());
        assert_eq!(after["rootfs"]["diff_ids"], json!(want));
        let short = json!({"rootfs": {"diff_ids": ids}, "history": [{}]});
        let after = with_layers(&short, &layers, &survey);
        assert_eq!(after["history"], json!([{}]), "it does not fit");
        assert_eq!(after["rootfs"]["diff_ids"], json!(want));
    }
}
