//! What is told: one message from what happened, in each receiver's form.

use serde_json::{Value, json};

use super::When;
use imgfix_model::finding::Severity;
use imgfix_report::RepairReport;
use imgfix_report::gate::Gate;
use imgfix_terminal::clean;

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A repair came to its end; whether it was published stands in the report.
    Repaired(&'a RepairReport),
    /// The repair failed, and nothing was published unless `why` says so.
    Failed {
        /// As the user named it.
        image: &'a str,
        /// A sentence.
        why: &'a str,
    },
}

/// What is told of it. Every text is clean for terminals and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    image: String,
    /// The repaired image; the original when nothing was published, empty when the repair failed.
    repaired: String,
    digest: String,
    published: bool,
    vulnerabilities: usize,
    source_packages: usize,
    /// Of `repaired`.
    fixed: usize,
    /// Of `repaired`.
    remaining: usize,
    /// One sentence.
    verdict: String,
    /// What was counted, in one sentence; empty when there was nothing.
    counted: String,
    gate: Option<ToldGate>,
    failed: bool,
}

/// What a gate says, for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ToldGate {
    /// `passed` or `failed`.
    word: &'static str,
    threshold: Severity,
    /// The first line, then one for each of what holds it, up to a bound.
    lines: Vec<String>,
    held_by: usize,
}

impl From<&Gate> for ToldGate {
    fn from(gate: &Gate) -> Self {
        let (threshold, held_by) = (gate.threshold, gate.held_by.len());
        Self { word: gate.word(), threshold, lines: gate.lines(), held_by }
    }
}

impl Message {
    /// The message about an event.
    #[must_use]
    pub fn of(event: Event<'_>) -> Self {
        match event {
            Event::Repaired(report) => {
                let counted = &report.summary.vulnerabilities;
                let output = report.output.as_ref().unwrap_or(&report.image);
                let (fixed, remaining) = report.standing();
                Self {
                    image: clean(&report.image.reference),
                    repaired: clean(&output.reference),
                    digest: output.digest.to_string(),
                    published: report.output.is_some(),
                    vulnerabilities: counted.total,
                    source_packages: counted.source_packages,
                    fixed,
                    remaining,
                    verdict: report.verdict(),
                    counted: counted.sentence().unwrap_or_default(),
                    gate: report.gate.as_ref().map(ToldGate::from),
                    failed: false,
                }
            }
            Event::Failed { image, why } => Self {
                image: clean(image),
                repaired: String::new(),
                digest: String::new(),
                published: false,
                vulnerabilities: 0,
                source_packages: 0,
                fixed: 0,
                remaining: 0,
                verdict: format!("the repair failed: {}", clean(why)),
                counted: String::new(),
                gate: None,
                failed: true,
            },
        }
    }

    /// Whether a target wants to know.
    #[must_use]
    pub fn concerns(&self, when: When) -> bool {
        match when {
            When::Always => true,
            When::Remaining => self.failed || self.remaining > 0,
            When::Failed => self.failed,
        }
    }

    /// The message as data.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "schema": "imgfix/notification/v1",
            "event": if self.failed { "failed" } else { "repaired" },
            "image": self.image,
            "repaired": self.repaired,
            "digest": self.digest,
            "published": self.published,
            "vulnerabilities": self.vulnerabilities,
            "source_packages": self.source_packages,
            "fixed": self.fixed,
            "remaining": self.remaining,
            "verdict": self.verdict,
            "counted": self.counted,
            "gate": self.gate.as_ref().map(|gate| json!({
                "threshold": gate.threshold,
                "passed": gate.held_by == 0,
                "held_by": gate.held_by,
                "lines": gate.lines,
            })),
        })
    }

    /// A template with its placeholders filled. In a template that is JSON (it begins with `{`
    /// or `[`) values are escaped for a JSON string.
    #[must_use]
    pub fn fill(&self, template: &str) -> String {
        let is_json = template.trim_start().starts_with(['{', '[']);
        let value = |text: &str| {
            if !is_json {
                return text.to_owned();
            }
            let quoted = Value::from(text).to_string();
            quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
        };
        let values = [
            ("image", value(&self.image)),
            ("repaired", value(&self.repaired)),
            ("digest", value(&self.digest)),
            ("fixed", self.fixed.to_string()),
            ("remaining", self.remaining.to_string()),
            ("verdict", value(&self.verdict)),
            ("vulnerabilities", self.vulnerabilities.to_string()),
            ("counted", value(&self.counted)),
            ("gate", self.gate.as_ref().map_or("none", |gate| gate.word).to_owned()),
        ];
        // One pass, so that a value that looks like a placeholder stays what it is.
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let found = values.iter().find_map(|(name, value)| {
                let tail = from.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}')?;
                Some((value, tail))
            });
            rest = match found {
                Some((value, tail)) => {
                    out.push_str(value);
                    tail
                }
                None => {
                    out.push('{');
                    from.get(1..).unwrap_or_default()
                }
            };
        }
        out.push_str(rest);
        out
    }

    /// The message as DingTalk's robots take it.
    ///
    /// Source: <https://open.dingtalk.com/document/orgapp/custom-bot-send-message-type>.
    #[must_use]
    pub fn dingtalk(&self) -> Value {
        let title = format!("imgfix: {}", self.verdict);
        let mut text = format!("### {}\n\n- image: {}\n", title, self.image);
        if !self.repaired.is_empty() {
            text.push_str(&format!("- repaired: {}\n- digest: {}\n", self.repaired, self.digest));
            if !self.counted.is_empty() {
                text.push_str(&format!("- {}\n", self.counted));
            }
            text.push_str(&format!("- fixed: {}\n- remaining: {}\n", self.fixed, self.remaining));
        }
        for line in self.gate.iter().flat_map(|gate| &gate.lines) {
            text.push_str(&format!("- {}\n", line.trim_start()));
        }
        json!({"msgtype": "markdown", "markdown": {"title": title, "text": text}})
    }

    /// The message as Slack's incoming webhooks take it.
    ///
    /// Source: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>;
    /// `&`, `<` and `>` are the three characters to escape.
    #[must_use]
    pub fn slack(&self) -> Value {
        let escaped =
            |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let mut text = format!("*imgfix: {}*\n{}", escaped(&self.verdict), escaped(&self.image));
        if !self.repaired.is_empty() {
            text.push_str(&format!(" → {} ({})", escaped(&self.repaired), self.digest));
        }
        if !self.counted.is_empty() {
            text.push_str(&format!("\n{}", escaped(&self.counted)));
        }
        for line in self.gate.iter().flat_map(|gate| &gate.lines) {
            text.push_str(&format!("\n{}", escaped(line)));
        }
        json!({"text": text})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_report::before_after::samples;

    #[test]
    fn each_form_tells_the_same() {
        let report = samples::report();
        let message = Message::of(Event::Repaired(&report));
        assert_eq!(message.json()["verdict"], "3 of 8 vulnerabilities are fixed");
        assert_eq!(message.json()["event"], "repaired");
        assert!(message.dingtalk()["markdown"]["text"].as_str().unwrap().contains("remaining: 5"));
        assert!(message.slack()["text"].as_str().unwrap().contains("app:1.0_fix (sha256:"));
        assert_eq!(message.fill("{fixed}/{remaining} {unknown} {"), "3/5 {unknown} {");
    }

    #[test]
    fn the_gate_is_told() {
        let mut report = samples::report();
        report.hold_against(Severity::Critical);
        let message = Message::of(Event::Repaired(&report));
        let gate = &message.json()["gate"];
        assert_eq!((&gate["passed"], &gate["held_by"]), (&json!(false), &json!(1)));
        let want = "gate: 1 vulnerability at or above critical is not fixed: CVE-2023-31484";
        assert!(message.slack()["text"].as_str().unwrap().contains(want));
        assert!(message.dingtalk()["markdown"]["text"].as_str().unwrap().contains(want));
        assert_eq!(message.fill("{gate}: {counted}"), "failed: 8 vulnerabilities in 6 components");
    }

    #[test]
    fn what_a_gate_kept_from_being_published_is_not_told_as_fixed() {
        let mut report = samples::report();
        report.output = None;
        report.hold_against(Severity::High);
        let told = Message::of(Event::Repaired(&report)).json();
        assert_eq!((&told["fixed"], &told["remaining"]), (&json!(0), &json!(8)));
        assert_eq!(told["published"], false);
        assert_eq!(told["repaired"], told["image"]);
        assert!(told["verdict"].as_str().unwrap().contains("would be fixed"), "{told}");
    }

    #[test]
    fn values_stay_values() {
        let failed = Event::Failed { image: "a\"{fixed}<!x>", why: "line\nbreak" };
        let message = Message::of(failed);
        let text = message.fill(r#"{"text": "{image} {verdict}"}"#);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["text"], "a\"{fixed}<!x> the repair failed: line\\nbreak");
        assert!(message.slack()["text"].as_str().unwrap().contains("&lt;!x&gt;"));
    }

    #[test]
    fn who_wants_to_know_is_told() {
        let report = samples::report();
        let (left, failed) = (
            Message::of(Event::Repaired(&report)),
            Message::of(Event::Failed { image: "a", why: "b" }),
        );
        for (when, of_left, of_failed) in
            [(When::Always, true, true), (When::Remaining, true, true), (When::Failed, false, true)]
        {
            assert_eq!((left.concerns(when), failed.concerns(when)), (of_left, of_failed));
        }
    }
}
