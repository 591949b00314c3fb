//! What each receiver gets, body by body. `IMGFIX_BLESS=1` writes the bodies anew; read the
//! difference before you commit it.

use std::path::Path;

use serde_json::{Value, json};

use super::{Event, Message, When};
use imgfix_host::unfinished::Published;
use imgfix_model::finding::Severity;
use imgfix_report::before_after::samples;

/// A repair after which the gate is not passed, run by a pipeline with a page.
fn held() -> Message {
    let mut report = samples::report();
    report.hold_against(Severity::Critical);
    Message::of(Event::Repaired(&report)).linked(Some("https://ci.example/runs/7?attempt=1"))
}

fn failure<'a>(image: &'a str, why: &'a str) -> Event<'a> {
    Event::Failed { image, why, published: &Published::Nothing }
}

fn failed() -> Message {
    let why = "<at id=all></at> *no* <@here> such tag";
    Message::of(failure("docker://registry.example/app:1.0", why))
}

/// Compares a body with the file of its name.
#[track_caller]
fn assert_body(name: &str, body: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/notify/bodies").join(name);
    if std::env::var_os("IMGFIX_BLESS").is_some() {
        let text = serde_json::to_string_pretty(body).unwrap();
        std::fs::write(&path, text + "\n").unwrap();
    }
    let want: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(*body, want, "{name}: {body}");
}

#[test]
fn each_receiver_gets_its_form() {
    let (held, failed) = (held(), failed());
    let sign = Some((1_599_360_473, "c2lnbg==".to_owned()));
    for (name, body) in [
        ("webhook.json", held.json()),
        ("cloudevents.json", held.cloud_event(1_800_000_000)),
        ("pagerduty.json", held.pagerduty("k3y")),
        ("slack.json", held.slack()),
        ("teams.json", held.teams()),
        ("discord.json", held.discord()),
        ("dingtalk.json", held.dingtalk()),
        ("feishu.json", held.feishu(sign)),
        ("wecom.json", held.wecom()),
        ("webhook-failed.json", failed.json()),
        ("cloudevents-failed.json", failed.cloud_event(0)),
        ("pagerduty-failed.json", failed.pagerduty("k3y")),
        ("slack-failed.json", failed.slack()),
        ("teams-failed.json", failed.teams()),
        ("discord-failed.json", failed.discord()),
        ("dingtalk-failed.json", failed.dingtalk()),
        ("feishu-failed.json", failed.feishu(None)),
        ("wecom-failed.json", failed.wecom()),
    ] {
        assert_body(name, &body);
    }
}

#[test]
fn each_form_tells_the_same() {
    let report = samples::report();
    let message = Message::of(Event::Repaired(&report));
    assert_eq!(message.json()["verdict"], "3 of 8 vulnerabilities are fixed");
    assert_eq!(message.json()["event"], "repaired");
    assert!(message.dingtalk()["markdown"]["text"].as_str().unwrap().contains("remaining: 5"));
    assert!(message.slack()["text"].as_str().unwrap().contains("app:1.0_fix (sha256:"));
    assert_eq!(message.fill("{fixed}/{remaining} {unknown} {"), "3/5 {unknown} {");
    for body in [message.json(), message.slack(), message.teams(), message.cloud_event(0)] {
        let text = body.to_string();
        assert!(!text.contains("docker://") && text.contains("registry.example/app:1.0_fix"));
    }
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
    assert_eq!(told["severities"]["after"], told["severities"]["before"]);
    assert_eq!(told["published"], false);
    assert_eq!(told["repaired"], told["image"]);
    assert!(told["verdict"].as_str().unwrap().contains("would be fixed"), "{told}");
}

#[test]
fn a_good_run_a_gate_and_a_failure_begin_with_other_words() {
    let mut passed = samples::report();
    for platform in &mut passed.platforms {
        platform.findings.clear();
    }
    passed.summary = imgfix_report::summary::Summary::of(&passed.platforms);
    let of = |published: &Published| {
        Message::of(Event::Failed { image: "docker://r.example/a:1", why: "no disk", published })
    };
    let tag = || "docker://r.example/a:1_fix".to_owned();
    let (good, late) = (Message::of(Event::Repaired(&passed)), of(&Published::Tag(tag())));
    let (nothing, perhaps) = (of(&Published::Nothing), of(&Published::Perhaps(tag())));
    let known = |message: &Message| {
        let json = message.json();
        (json["event"].clone(), json["published"].clone(), json["repaired"].clone())
    };
    for (message, title, facts, data) in [
        (&held(), "imgfix: gate not passed: 3 of 8", "remaining: 5", ("repaired", json!(true))),
        (&good, "imgfix: 3 packages upgraded", "remaining: 0", ("repaired", json!(true))),
        (&nothing, "imgfix: the repair failed", "published: nothing", ("failed", json!(false))),
        (
            &perhaps,
            "imgfix: the repair failed",
            "published: perhaps r.example/a:1_fix",
            ("failed", Value::Null),
        ),
        (
            &late,
            "imgfix: published, but a later step failed",
            "published: r.example/a:1_fix",
            ("failed", json!(true)),
        ),
    ] {
        assert!(message.title().starts_with(title), "{}", message.title());
        let lines = message.lines().join("\n");
        assert!(lines.contains(facts), "{facts}: {lines}");
        let (event, published, _) = known(message);
        assert_eq!((event, published), (json!(data.0), data.1), "{title}");
    }
    assert_eq!(known(&late).2, "r.example/a:1_fix");
    assert_eq!(known(&perhaps).2, Value::Null);
    // What nobody has counted is no zero.
    assert_eq!(nothing.fill("{fixed} {remaining}"), "unknown unknown");
    assert_eq!(nothing.fill(r#"{"fixed": {fixed}}"#), r#"{"fixed": null}"#);
    assert_eq!(nothing.json()["remaining"], Value::Null);
}

#[test]
fn values_stay_values() {
    let failed = failure("a\"{fixed}<!x>", "line\nbreak");
    let message = Message::of(failed);
    let text = message.fill(r#"{"text": "{image} {verdict}"}"#);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["text"], "a\"{fixed}<!x> the repair failed: line\\nbreak");
    assert!(message.slack()["text"].as_str().unwrap().contains("&lt;!x&gt;"));
}

#[test]
fn templates_have_packages_severities_and_the_page() {
    assert_eq!(
        held().fill("{severities}; {packages}; {link}"),
        "1 critical, 1 high, 1 medium, 1 low, 1 unknown; libc6 2.36-9+deb12u4 → 2.36-9+deb12u9, \
         libssl3 3.0.11-1~deb12u2 → 3.0.15-1~deb12u1, libnew1 1.0-1 (new); \
         https://ci.example/runs/7?attempt=1"
    );
}

#[test]
fn only_an_address_is_a_page() {
    let link = |page: &str| held().linked(Some(page)).json()["link"].clone();
    assert_eq!(link("http://ci.example/1"), "http://ci.example/1");
    for bad in ["javascript:alert(1)", "https://a b", "https://a|<!here>", "", "https://a\n"] {
        assert_eq!(link(bad), Value::Null, "{bad}");
    }
}

#[test]
fn long_messages_keep_to_the_bounds_of_their_receivers() {
    let long = "ä*".repeat(20_000);
    let message = Message::of(failure(&long, &long));
    assert!(message.wecom()["text"]["content"].as_str().unwrap().len() <= 2048);
    let slack = message.slack();
    let header = slack["blocks"][0]["text"]["text"].as_str().unwrap();
    assert_eq!(header, "imgfix: the repair failed");
    let whole = slack["blocks"].to_string();
    assert!(whole.len() < 20_000, "{} bytes", whole.len());
    let embed = &message.discord()["embeds"][0];
    assert!(embed["title"].as_str().unwrap().chars().count() <= 256);
    assert!(embed["fields"][0]["value"].as_str().unwrap().chars().count() <= 1024);
    let event = message.pagerduty("k");
    assert_eq!(event["payload"]["summary"].as_str().unwrap().chars().count(), 1024);
    assert!(event["dedup_key"].as_str().unwrap().len() <= 255);
}

#[test]
fn an_incident_is_opened_and_closed_for_one_image() {
    let mut report = samples::report();
    let left = Message::of(Event::Repaired(&report)).pagerduty("k");
    for platform in &mut report.platforms {
        platform.findings.clear();
    }
    report.summary = imgfix_report::summary::Summary::of(&report.platforms);
    let clean = Message::of(Event::Repaired(&report)).pagerduty("k");
    assert_eq!(
        (&left["event_action"], &clean["event_action"]),
        (&json!("trigger"), &json!("resolve"))
    );
    assert_eq!(left["payload"]["severity"], "warning");
    assert_eq!(left["dedup_key"], clean["dedup_key"]);
    assert_eq!(left["dedup_key"], failed().pagerduty("k")["dedup_key"]);
}

#[test]
fn who_wants_to_know_is_told() {
    let report = samples::report();
    let (left, failed) = (Message::of(Event::Repaired(&report)), Message::of(failure("a", "b")));
    for (when, of_left, of_failed) in
        [(When::Always, true, true), (When::Remaining, true, true), (When::Failed, false, true)]
    {
        assert_eq!((left.concerns(when), failed.concerns(when)), (of_left, of_failed));
    }
}
