//! Messages in the forms of chats: cards where a chat has them, plain text in them wherever a
//! chat would else take names and reasons from outside for its markup.

use serde_json::{Value, json};

use super::Message;
use super::message::{Mood, cut};

impl Message {
    /// The message as DingTalk's robots take it.
    ///
    /// Source: <https://open.dingtalk.com/document/orgapp/custom-bot-send-message-type>.
    #[must_use]
    pub fn dingtalk(&self) -> Value {
        let title = self.title();
        let mut text = format!("### {title}\n\n");
        for line in self.lines() {
            text.push_str(&format!("- {}\n", line.trim_start()));
        }
        json!({"msgtype": "markdown", "markdown": {"title": title, "text": text}})
    }

    /// The message as Slack's incoming webhooks take it: blocks, and a text for notices.
    ///
    /// Source: <https://docs.slack.dev/reference/block-kit/blocks> for blocks and their bounds;
    /// <https://docs.slack.dev/messaging/formatting-message-text>: `&`, `<` and `>` are the three
    /// characters to escape.
    #[must_use]
    pub fn slack(&self) -> Value {
        let escaped =
            |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let field = |(name, fact): (&str, String)| {
            let text = format!("*{name}*\n{}", cut(&escaped(&fact), 1900));
            json!({"type": "mrkdwn", "text": text})
        };
        let fields: Vec<Value> = self.facts().into_iter().map(field).collect();
        let title = cut(&self.title(), 150);
        let mut blocks = vec![
            json!({"type": "header", "text": {"type": "plain_text", "text": title}}),
            json!({"type": "section", "fields": fields}),
        ];
        let gate: Vec<&str> = self.gate_lines().collect();
        if !gate.is_empty() {
            let text = cut(&gate.join("\n"), 2900);
            blocks.push(json!({"type": "section", "text": {"type": "plain_text", "text": text}}));
        }
        if !self.link.is_empty() {
            blocks.push(json!({"type": "actions", "elements": [{
                "type": "button",
                "text": {"type": "plain_text", "text": "Run"},
                "url": self.link,
            }]}));
        }
        let mut text = format!("*{}*\n{}", escaped(&self.title()), escaped(&self.image));
        if !self.digest.is_empty() {
            text.push_str(&format!(" → {} ({})", escaped(&self.repaired), self.digest));
        }
        if self.is_failed() {
            text.push_str(&format!("\n{}", escaped(&self.verdict)));
        }
        if !self.counted.is_empty() {
            text.push_str(&format!("\n{}", escaped(&self.counted)));
        }
        for line in self.gate_lines() {
            text.push_str(&format!("\n{}", escaped(line)));
        }
        json!({"text": text, "blocks": blocks})
    }

    /// The message as workflows of Microsoft Teams take it: an adaptive card. `TextRun` knows no
    /// markup.
    ///
    /// Source: <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using#send-adaptive-cards-using-an-incoming-webhook>,
    /// <https://adaptivecards.io/explorer/RichTextBlock.html>.
    #[must_use]
    pub fn teams(&self) -> Value {
        let run = |text: &str, more: &[(&str, &str)]| {
            let mut run = json!({"type": "TextRun", "text": text});
            for (key, value) in more {
                run[*key] = json!(value);
            }
            json!({"type": "RichTextBlock", "inlines": [run]})
        };
        let color = match self.mood() {
            Mood::Good => "good",
            Mood::Left => "warning",
            Mood::Bad => "attention",
        };
        let title = self.title();
        let mut body =
            vec![run(&title, &[("weight", "bolder"), ("size", "medium"), ("color", color)])];
        let facts = self.facts().into_iter().map(|(name, fact)| format!("{name}: {fact}"));
        body.extend(facts.map(|line| run(&line, &[])));
        body.extend(self.gate_lines().map(|line| run(line, &[])));
        let mut card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": body,
        });
        if !self.link.is_empty() {
            let open = json!({"type": "Action.OpenUrl", "title": "Run", "url": self.link});
            card["actions"] = json!([open]);
        }
        json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": card,
            }],
        })
    }

    /// The message as webhooks of Discord take it: an embed that mentions nobody.
    ///
    /// Source: <https://discord.com/developers/docs/resources/webhook#execute-webhook>,
    /// <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>.
    #[must_use]
    pub fn discord(&self) -> Value {
        let escaped = |text: &str| {
            let markup = |c: char| "\\*_~`|>[]()#<-".contains(c);
            let mut out = String::with_capacity(text.len());
            for c in text.chars() {
                if markup(c) {
                    out.push('\\');
                }
                out.push(c);
            }
            out
        };
        let color = match self.mood() {
            Mood::Good => 0x002e_7d32,
            Mood::Left => 0x00f9_a825,
            Mood::Bad => 0x00c6_2828,
        };
        let field = |(name, fact): (&str, String)| json!({"name": name, "value": cut(&escaped(&fact), 1024)});
        let fields: Vec<Value> = self.facts().into_iter().map(field).collect();
        let gate: Vec<String> = self.gate_lines().map(escaped).collect();
        let mut embed = json!({
            "title": cut(&escaped(&self.title()), 256),
            "color": color,
            "fields": fields,
        });
        if !gate.is_empty() {
            embed["description"] = json!(cut(&gate.join("\n"), 2000));
        }
        if !self.link.is_empty() {
            embed["url"] = json!(self.link);
        }
        json!({"embeds": [embed], "allowed_mentions": {"parse": []}})
    }

    /// The message as robots of Feishu and Lark take it: a card of plain text. `signature` is a
    /// time in seconds and what [`super::send`] makes of it and the robot's secret.
    ///
    /// Source: <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>.
    #[must_use]
    pub fn feishu(&self, signature: Option<(i64, String)>) -> Value {
        let template = match self.mood() {
            Mood::Good => "green",
            Mood::Left => "orange",
            Mood::Bad => "red",
        };
        let plain = |text: &str| json!({"tag": "plain_text", "content": text});
        let facts = self.facts().into_iter().map(|(name, fact)| format!("{name}: {fact}"));
        let lines: Vec<String> = facts.chain(self.gate_lines().map(str::to_owned)).collect();
        let mut elements =
            vec![json!({"tag": "div", "text": plain(&cut(&lines.join("\n"), 8000))})];
        if !self.link.is_empty() {
            let button = json!({
                "tag": "button",
                "text": plain("Run"),
                "type": "default",
                "url": self.link,
            });
            elements.push(json!({"tag": "action", "actions": [button]}));
        }
        let card = json!({
            "header": {"title": plain(&cut(&self.title(), 500)), "template": template},
            "elements": elements,
        });
        match signature {
            None => json!({"msg_type": "interactive", "card": card}),
            Some((seconds, sign)) => json!({
                "timestamp": seconds.to_string(),
                "sign": sign,
                "msg_type": "interactive",
                "card": card,
            }),
        }
    }

    /// The message as robots of WeCom groups take it: plain text, in which names mention nobody.
    ///
    /// Source: <https://developer.work.weixin.qq.com/document/path/91770>: at most 2048 bytes.
    #[must_use]
    pub fn wecom(&self) -> Value {
        const LONGEST: usize = 2048;
        let mut text = self.title();
        for line in self.lines() {
            text.push('\n');
            text.push_str(&line);
        }
        if text.len() > LONGEST {
            let longest = LONGEST - '…'.len_utf8();
            let end = (0..=longest).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(end.unwrap_or_default());
            text.push('…');
        }
        json!({"msgtype": "text", "text": {"content": text}})
    }
}
