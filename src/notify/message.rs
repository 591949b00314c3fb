//! What is told: one message from what happened, in each receiver's form.

use serde_json::{Value, json};

use super::When;
use imgfix_report::RepairReport;
use imgfix_terminal::{clean, count};

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// An image was published.
    Repaired(&'a RepairReport),
    /// Nothing was published, because.
    Failed { image: &'a str, why: &'a str },
}

/// What is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    image: String,
    repaired: String,
    digest: String,
    fixed: usize,
    remaining: usize,
    /// One sentence.
    verdict: String,
    failed: bool,
}

impl Message {
    #[must_use]
    pub fn of(event: Event<'_>) -> Self {
        match event {
            Event::Repaired(report) => {
                let summary = &report.summary;
                let output = report.output.as_ref().unwrap_or(&report.image);
                let mut verdict =
                    format!("{} of {} fixed", summary.fixed, count(summary.findings, "finding"));
                if summary.findings == 0 {
                    verdict = format!("{} upgraded", count(summary.packages, "package"));
                }
                Self {
                    image: clean(&report.image.reference),
                    repaired: clean(&output.reference),
                    digest: output.digest.to_string(),
                    fixed: summary.fixed,
                    remaining: summary.not_fixed,
                    verdict,
                    failed: false,
                }
            }
            Event::Failed { image, why } => Self {
                image: clean(image),
                repaired: String::new(),
                digest: String::new(),
                fixed: 0,
                remaining: 0,
                verdict: format!("the repair failed: {}", clean(why)),
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
            "fixed": self.fixed,
            "remaining": self.remaining,
            "verdict": self.verdict,
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

    /// Source: <https://open.dingtalk.com/document/orgapp/custom-bot-send-message-type>.
    #[must_use]
    pub fn dingtalk(&self) -> Value {
        let title = format!("imgfix: {}", self.verdict);
        let mut text = format!("### {}\n\n- image: {}\n", title, self.image);
        if !self.repaired.is_empty() {
            text.push_str(&format!("- repaired: {}\n- digest: {}\n", self.repaired, self.digest));
            text.push_str(&format!("- remaining: {}\n", self.remaining));
        }
        json!({"msgtype": "markdown", "markdown": {"title": title, "text": text}})
    }

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
        assert_eq!(message.json()["verdict"], "3 of 8 findings fixed");
        assert_eq!(message.json()["event"], "repaired");
        assert!(message.dingtalk()["markdown"]["text"].as_str().unwrap().contains("remaining: 5"));
        assert!(message.slack()["text"].as_str().unwrap().contains("app:1.0_fix (sha256:"));
        assert_eq!(message.fill("{fixed}/{remaining} {unknown} {"), "3/5 {unknown} {");
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
