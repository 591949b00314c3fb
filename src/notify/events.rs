//! Messages as events for machines: PagerDuty's and CloudEvents.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Message;
use super::message::{Mood, cut};
use imgfix_model::hex;

/// The media type of a CloudEvent that has its data in it.
pub(super) const CLOUDEVENTS: &str = "application/cloudevents+json; charset=utf-8";

/// The longest key that PagerDuty takes, in characters.
const LONGEST_KEY: usize = 255;

impl Message {
    /// The message as an event of PagerDuty for the service with this integration key. What
    /// remains opens an incident of the image, and a repair after which nothing does closes it.
    ///
    /// Source: <https://developer.pagerduty.com/docs/send-alert-event>.
    #[must_use]
    pub fn pagerduty(&self, key: &str) -> Value {
        let name = format!("imgfix/{}", self.image);
        let dedup_key = match name.len() > LONGEST_KEY {
            true => format!("imgfix/{}", hex::encode(Sha256::digest(&name))),
            false => name,
        };
        let (action, severity) = match self.mood() {
            Mood::Good => ("resolve", "info"),
            Mood::Left => ("trigger", "warning"),
            Mood::Bad if self.is_failed() => ("trigger", "error"),
            Mood::Bad => ("trigger", "critical"),
        };
        let mut event = json!({
            "routing_key": key,
            "event_action": action,
            "dedup_key": dedup_key,
            "client": "imgfix",
            "payload": {
                "summary": cut(&format!("imgfix: {}: {}", self.verdict, self.image), 1024),
                "source": cut(&self.image, 1024),
                "severity": severity,
                "class": "vulnerabilities",
                "custom_details": self.json(),
            },
        });
        if !self.link.is_empty() {
            event["links"] = json!([{"href": self.link, "text": "Run"}]);
        }
        event
    }

    /// The message as a CloudEvent with its data in it, sent at `now` (seconds since 1970).
    ///
    /// Source: CloudEvents 1.0.2, JSON event format
    /// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>).
    #[must_use]
    pub fn cloud_event(&self, now: i64) -> Value {
        let data = self.json();
        let id = hex::encode(Sha256::digest(format!("{now}\n{data}")));
        let time = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        json!({
            "specversion": "1.0",
            "id": id.get(..32).unwrap_or_default(),
            "source": "urn:imgfix",
            "type": if self.is_failed() { "imgfix.repair.failed" } else { "imgfix.repair.finished" },
            "subject": self.image,
            "time": time.format(&Rfc3339).unwrap_or_default(),
            "datacontenttype": "application/json",
            "data": data,
        })
    }
}
