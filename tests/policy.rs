//! The policy file and its notifications, as a user meets them: the built program on the
//! fixtures' image, and HTTP listeners on loopback.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::cli::{Place, Ran, ran, report, tagged};
use common::registry::{Registry, Setup};
use serde_json::Value;

/// A place whose user has this policy.
fn with_policy(text: &str) -> Place {
    let place = Place::debian();
    std::fs::create_dir_all(place.path(USERS)).unwrap();
    std::fs::write(place.path(USERS).join("imgfix.toml"), text).unwrap();
    place
}

const USERS: &str = "home/.config/imgfix";

fn repair(place: &Place) -> Command {
    place.repair(&place.image("12"))
}

fn check(place: &Place) -> Ran {
    ran(place.imgfix().args(["config", "check"]))
}

/// What an HTTP listener got: head and body.
#[derive(Debug)]
struct Got {
    head: String,
    body: String,
}

/// Answers each request with the next of `answers`, the last for all that follow; hands on what
/// it got.
fn listener(answers: &'static [&'static str]) -> (String, Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            let got = loop {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head
                        .lines()
                        .find_map(|line| {
                            line.to_lowercase().strip_prefix("content-length: ")?.parse().ok()
                        })
                        .unwrap_or(0);
                    if body.len() >= length {
                        break Got { head: head.to_owned(), body: body.to_owned() };
                    }
                }
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => return,
                    Ok(read) => bytes.extend_from_slice(&buffer[..read]),
                }
            };
            let answer = answers[number.min(answers.len() - 1)];
            let (status, body) = answer.split_once(' ').unwrap();
            let text = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(text.as_bytes());
            if sender.send(got).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

fn next(receiver: &Receiver<Got>) -> Got {
    receiver.recv_timeout(Duration::from_secs(20)).expect("a request came")
}

#[test]
fn a_policy_is_checked_and_a_slip_is_named() {
    let place = with_policy(
        "min-severity = \"high\"\n[[ignore]]\nid = \"CVE-1\"\nreason = \"old\"\nexpires = 2020-01-01\n",
    );
    let run = check(&place).expect(0);
    assert!(run.stdout.contains("can be followed (1 ignore rule,"), "{}", run.stdout);
    assert!(
        run.stderr.contains("CVE-1 has expired: imgfix.toml (old, until 2020-01-01)"),
        "{}",
        run.stderr
    );
    let rule = "[[ignore]]\npackage = \"x\"\nreason = \"old\"\nexpires = 2020-01-01\n";
    let run = check(&with_policy(rule)).expect(0);
    assert!(
        run.stderr.contains("what a rule names has expired: imgfix.toml (old"),
        "{}",
        run.stderr
    );
    let place = with_policy("min-severity = \"high\"\nfail_on = \"low\"\n");
    let run = check(&place).expect(2);
    assert!(run.stderr.contains("imgfix.toml:2:1: unknown field `fail_on`"), "{}", run.stderr);
    ran(&mut repair(&place)).expect(2);
    assert_eq!(place.tagged("12_fix"), None);
    let run = check(&Place::new()).expect(2);
    assert!(run.stderr.contains("no imgfix.toml here or above"), "{}", run.stderr);
}

#[test]
fn the_policy_is_followed_and_flags_go_before_it() {
    let place =
        with_policy("min-severity = \"critical\"\ntag-suffix = \"-patched\"\nfail-on = \"low\"\n");
    let run = ran(&mut repair(&place)).expect(3);
    assert!(place.tagged("12-patched").is_some());
    let report = run.json();
    let ignored = report["summary"]["ignored"].as_u64().unwrap();
    assert!(ignored > 0, "what is below is ignored");
    let run =
        ran(repair(&place).args(["--min-severity", "unknown", "--tag-suffix", "_b"])).expect(3);
    assert_eq!(run.json()["summary"]["ignored"], 0);
    assert!(place.tagged("12_b").is_some());
    // As if there was no file.
    ran(repair(&place).arg("--no-config")).expect(0);
    assert!(place.tagged("12_fix").is_some());
    let mut command = repair(&place);
    command.arg("--config").arg(place.path("none.toml"));
    let run = ran(&mut command).expect(2);
    assert!(run.stderr.contains("none.toml"), "{}", run.stderr);
}

#[test]
fn a_policy_goes_over_what_it_extends() {
    let place = with_policy("extends = [\"base.toml\", \"sub/team.toml\"]\nfail-on = \"low\"\n");
    let write = |name: &str, text: &str| {
        let path = place.path(USERS).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("base.toml", "tag-suffix = \"_base\"\nfail-on = \"critical\"\n");
    write("sub/team.toml", "extends = [\"deep.toml\"]\ntag-suffix = \"_team\"\n");
    write("sub/deep.toml", "[packages]\ndeny = [\"imagemagick-*\"]\n");
    let run = ran(&mut repair(&place)).expect(3);
    assert!(place.tagged("12_team").is_some(), "{}", run.stderr);
    let upgraded = run.json()["platforms"][0]["packages"].to_string();
    assert!(!upgraded.contains("imagemagick-6-common"), "{upgraded}");
    let shown = ran(place.imgfix().args(["config", "show"])).expect(0).stdout;
    for (setting, file) in [
        ("tag-suffix = \"_team\"", "sub/team.toml"),
        ("fail-on = \"low\"", "imgfix.toml"),
        ("packages.deny = [\"imagemagick-*\"]", "sub/deep.toml"),
    ] {
        let want = format!("{setting}  # {}\n", place.path(USERS).join(file).display());
        assert!(shown.contains(&want), "{want} is not in {shown}");
    }
    for (text, want) in [
        ("extends = [\"../imgfix.toml\"]\n", "it extends itself"),
        ("extends = [\"none.toml\"]\n", "none.toml: No such file"),
        ("fail-on = \"soon\"\n", "deep.toml:1:11: \"soon\" is not a severity"),
    ] {
        write("sub/deep.toml", text);
        let run = check(&place).expect(2);
        assert!(run.stderr.contains(want), "{text}: {}", run.stderr);
    }
    for depth in 0..10 {
        write(&format!("{depth}.toml"), &format!("extends = [\"{}.toml\"]\n", depth + 1));
    }
    let run = ran(place.imgfix().args(["config", "check"]).arg(place.path(USERS).join("0.toml")));
    assert!(run.expect(2).stderr.contains("at most 8 deep"));
    write("wide.toml", &format!("extends = [{}]\n", "\"base.toml\",".repeat(40)));
    let wide = place.path(USERS).join("wide.toml");
    let run = ran(place.imgfix().args(["config", "check"]).arg(wide)).expect(2);
    assert!(run.stderr.contains("at most 32 files"), "{}", run.stderr);
}

#[test]
fn a_policy_behind_a_url_is_followed_only_as_it_was_agreed() {
    let body = "tag-suffix = '_net'\n";
    let (url, got) = listener(&["503 busy", "200 tag-suffix = '_net'\n"]);
    let sha256 = |text: &str| {
        let place = Place::new();
        std::fs::write(place.path("text"), text).unwrap();
        let run = ran(Command::new("sha256sum").arg(place.path("text"))).expect(0);
        run.stdout.split(' ').next().unwrap().to_owned()
    };
    let extends = |hash: &str| {
        let address = url.replace("http://", "http://me:s3cret@");
        format!("extends = [\"{address}/p.toml?t=t0ken#sha256={hash}\"]\n")
    };
    let place = with_policy(&extends(&sha256(body)));
    ran(&mut repair(&place)).expect(0);
    assert!(place.tagged("12_net").is_some());
    assert!(next(&got).head.starts_with("GET /p.toml?t=t0ken HTTP/1.1"));
    let place = with_policy(&extends(&sha256("another")));
    let run = ran(&mut repair(&place)).expect(2);
    let want = format!("/p.toml: its SHA-256 is {}, not ", sha256(body));
    assert!(run.stderr.contains(&want), "{}", run.stderr);
    for run in [run, ran(place.imgfix().args(["config", "show", "-v"]))] {
        assert!(!run.stderr.contains("s3cret") && !run.stderr.contains("t0ken"), "{}", run.stderr);
    }
    assert_eq!(place.tagged("12_fix"), None);
}

#[test]
fn settings_and_rules_of_some_images_hold_for_these() {
    let place = Place::debian();
    let text = "[[image]]\nmatch = \"oci:*/image:12\"\nfail-on = \"low\"\n\
                [[image]]\nmatch = \"elsewhere.example/*\"\ntag-suffix = \"_other\"\n\
                [[ignore]]\npackage = \"imagemagick*\"\nimage = \"elsewhere.example/*\"\n\
                reason = \"x\"\n";
    std::fs::create_dir_all(place.path(USERS)).unwrap();
    std::fs::write(place.path(USERS).join("imgfix.toml"), text).unwrap();
    let report = ran(&mut repair(&place)).expect(3).json();
    assert!(place.tagged("12_fix").is_some() && place.tagged("12_other").is_none());
    assert_eq!(report["summary"]["ignored"], 0);
    let show = |image: &[&str]| {
        ran(place.imgfix().args(["config", "show", "--format", "json"]).args(image))
            .expect(0)
            .json()
    };
    let suffix = |shown: &Value| {
        let all = shown["settings"].as_array().unwrap().iter();
        let mut found = all.filter(|one| one["key"] == "tag-suffix");
        found.next().unwrap()["value"].as_str().unwrap().to_owned()
    };
    let all = show(&[]);
    assert_eq!((suffix(&all), all["images"].as_array().unwrap().len()), ("_fix".to_owned(), 3));
    let one = show(&["docker://elsewhere.example/app:1"]);
    assert_eq!((suffix(&one), &one["ignore"].as_array().unwrap().len()), ("_other".to_owned(), &1));
    assert_eq!(one["images"], serde_json::json!([]));
}

#[test]
fn a_rule_that_ends_soon_is_named_with_its_owner() {
    let tomorrow = ran(Command::new("date").args(["-u", "-d", "+3 days", "+%F"])).expect(0).stdout;
    let place = with_policy(&format!(
        "[[ignore]]\nid = \"CVE-1\"\nreason = \"x\"\nowner = \"ann\"\nexpires = {tomorrow}"
    ));
    let want = format!(
        "CVE-1 is not ignored for long: imgfix.toml (x, decided by ann, until {})",
        tomorrow.trim()
    );
    let mut repair = place.on("repair", &place.image("12"));
    repair.args(["-r", &report("debian-12.trivy")]);
    for run in [check(&place), ran(&mut repair)] {
        let run = run.expect(0);
        assert!(run.stderr.contains(&want), "{want} is not in {}", run.stderr);
    }
}

#[test]
fn a_new_policy_is_written_once_and_the_schema_is_printed() {
    let place = Place::new();
    ran(place.imgfix().args(["config", "init"])).expect(0);
    let file = place.path("imgfix.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("#fail-on = \"critical\""), "{text}");
    ran(place.imgfix().args(["config", "check", "imgfix.toml"])).expect(0);
    std::fs::write(&file, "fail-on = \"low\"\n").unwrap();
    let run = ran(place.imgfix().args(["config", "init"])).expect(2);
    assert!(run.stderr.contains("is there, and stays as it is"), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "fail-on = \"low\"\n");
    let schema = ran(place.imgfix().args(["config", "schema"])).expect(0).json();
    assert_eq!(schema["$id"], "urn:imgfix:schema:policy:v1");
}

#[test]
fn the_copy_of_the_original_is_named_by_key_or_flag() {
    let place = Place::debian();
    let run = ran(repair(&place).args(["--backup-suffix", "_b"])).expect(2);
    assert!(run.stderr.contains("needs --original backup"), "{}", run.stderr);
    let mut command = repair(&place);
    ran(command.args(["--original", "backup", "--backup-suffix", "-before"])).expect(0);
    assert!(tagged(&place.path("image"), "12-before").is_some());
}

#[test]
fn the_file_of_a_folder_above_is_followed() {
    let place = Place::debian();
    std::fs::write(place.path("imgfix.toml"), "fail-on = \"low\"\n").unwrap();
    std::fs::create_dir_all(place.path("a/b")).unwrap();
    ran(repair(&place).current_dir(place.path("a/b"))).expect(3);
}

#[test]
fn denied_packages_are_left_with_the_policy_as_the_reason() {
    let place = with_policy("[packages]\ndeny = [\"imagemagick-*\"]\n");
    let report = ran(&mut repair(&place)).expect(0).json();
    let platform = &report["platforms"][0];
    let upgraded = platform["packages"].as_array().unwrap();
    assert!(upgraded.iter().all(|one| one["name"] != "imagemagick-6-common"), "{upgraded:?}");
    let findings = platform["findings"].as_array().unwrap();
    let mut left = findings.iter().filter(|one| one["package"] == "imagemagick-6-common");
    assert!(
        left.any(|one| one["explanation"]
            .as_str()
            .is_some_and(|why| why.contains("held by the policy (denied: imagemagick-*)"))),
        "{findings:?}"
    );
    let place = Place::debian();
    let run = ran(repair(&place).args(["--allow-package", "nothing*"])).expect(0);
    assert_eq!(run.json()["summary"]["packages"], 0);
}

#[test]
fn ignored_findings_say_why_and_until_when() {
    let all = ran(&mut repair(&Place::debian())).expect(0).json();
    // What is upgraded for another finding is fixed, ignored or not.
    let left = all["platforms"][0]["findings"].as_array().unwrap();
    let id = left.iter().find(|one| one["verdict"] == "not-fixed").unwrap()["id"].as_str().unwrap();
    let rule = |expires: &str| {
        format!("[[ignore]]\nid = \"{id}\"\nreason = \"not reachable\"\nexpires = {expires}\n")
    };
    let report = ran(&mut repair(&with_policy(&rule("2999-12-31")))).expect(0).json();
    let findings = report["platforms"][0]["findings"].as_array().unwrap();
    let found = findings.iter().find(|one| one["id"] == id).unwrap();
    assert_eq!(found["explanation"], "ignored by imgfix.toml (not reachable, until 2999-12-31)");
    let report = ran(&mut repair(&with_policy(&rule("2020-01-01")))).expect(0).json();
    assert_eq!(report["summary"]["ignored"], 0);
}

#[test]
fn the_original_is_backed_up_before_it_is_replaced() {
    let place = with_policy("original = \"backup\"\nbackup-suffix = \"-before\"\n");
    let before = place.tagged("12").unwrap();
    let mut command = repair(&place);
    command.args(["-o", &place.image("12")]);
    ran(&mut command).expect(0);
    assert_eq!(tagged(&place.path("image"), "12-before"), Some(before.clone()));
    assert_ne!(place.tagged("12"), Some(before));
}

#[test]
fn a_choice_by_what_no_report_says_is_warned_of() {
    let place = Place::debian();
    let run = |arguments: &[&str]| {
        let mut command = place.on("repair", &place.image("12"));
        command.args(["--format", "json", "-r", &report("debian-12.trivy")]).args(arguments);
        ran(&mut command).expect(0)
    };
    for (arguments, want) in [
        (["--only-kev"].as_slice(), "--only-kev: no report says of any vulnerability that it is"),
        (&["--min-epss", "0.2"], "--min-epss: no report has EPSS scores"),
    ] {
        let run = run(arguments);
        assert_eq!(run.stderr.matches(want).count(), 1, "{want}: {}", run.stderr);
        let report = run.json();
        let warnings = report["warnings"].as_array().unwrap();
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert!(warning.as_str().unwrap().starts_with(want), "{warning}");
        assert_eq!(report["summary"]["packages"], 0);
    }
    let run = run(&["--min-epss", "0"]);
    assert!(
        !run.stderr.contains("--min-epss")
            && run
                .json()
                .get("warnings")
                .is_none_or(|warnings| warnings.as_array().unwrap().is_empty())
    );
}

/// Warnings of a JSON report about the original.
fn about_the_original(run: &Ran) -> Vec<String> {
    let report = run.json();
    let warnings = report["warnings"].as_array().unwrap().iter();
    let texts = warnings.map(|one| one.as_str().unwrap().to_owned());
    texts.filter(|text| text.starts_with("The original ")).collect()
}

#[test]
fn the_original_of_a_layout_is_deleted_after_success() {
    let place = with_policy("original = \"delete\"\n");
    let layout = place.path("image");
    let mut command = Command::new("skopeo");
    command.args(["copy", "--quiet", &place.image("12"), &place.image("same")]);
    ran(&mut command).expect(0);
    let same = place.tagged("same");
    let run = ran(&mut repair(&place)).expect(0);
    assert_eq!(about_the_original(&run), Vec::<String>::new());
    assert_eq!(place.tagged("12"), None);
    assert_eq!(place.tagged("12_fix"), Some(run.digest()));
    assert_eq!(place.tagged("same"), same, "other tags of the image stay");
    // All blobs are there, the original's layers too.
    for tag in ["12_fix", "same"] {
        let target = format!("oci:{}:x", place.path(&format!("copy-{tag}")).display());
        ran(Command::new("skopeo").args(["copy", "--quiet", &place.image(tag), &target])).expect(0);
    }
    // What was repaired can be repaired again: the tag is not needed, and is not deleted.
    let again = ran(&mut place.repair(&place.image("12_fix"))).expect(0);
    assert_eq!(about_the_original(&again), Vec::<String>::new());
    assert_eq!(tagged(&layout, "12_fix"), Some(again.digest()));
}

#[test]
fn the_original_stays_when_the_repair_does_not_stand_for_it() {
    let place = Place::debian();
    let before = place.tagged("12");
    let delete = |more: &[&str]| {
        let mut command = repair(&place);
        command.args(["--original", "delete"]).args(more);
        ran(&mut command)
    };
    let run = delete(&["--fail-on", "low"]).expect(3);
    let [why] = &about_the_original(&run)[..] else { panic!("{}", run.stdout) };
    assert!(why.contains("at or above --fail-on remain"), "{why}");
    let run = delete(&["--allow-package", "nothing*"]).expect(0);
    let [why] = &about_the_original(&run)[..] else { panic!("{}", run.stdout) };
    assert!(why.contains("was not deleted: nothing was repaired"), "{why}");
    // A scanner that fails after the repair.
    let scanner = "sh -c 'case {image} in *_fix) exit 1;; esac; cat fine.json'";
    std::fs::write(place.path("fine.json"), r#"{"schema": "imgfix/findings/v1", "findings": []}"#)
        .unwrap();
    let run = delete(&["--scan-with", scanner]).expect(4);
    assert!(run.stderr.contains("was published, but scanning it failed"), "{}", run.stderr);
    assert_eq!(place.tagged("12"), before);
    // The tag that the repaired image takes over.
    let run = delete(&["-o", &place.image("12")]).expect(0);
    assert_eq!(about_the_original(&run), Vec::<String>::new());
    assert_eq!(place.tagged("12"), Some(run.digest()));
}

#[test]
fn what_has_no_tag_to_delete_is_refused_before_the_work() {
    let place = with_policy("original = \"delete\"\n");
    let archive = format!("oci-archive:{}:12", place.path("app.tar").display());
    ran(Command::new("skopeo").args(["copy", "--quiet", &place.image("12"), &archive])).expect(0);
    let run = ran(&mut place.repair(&archive)).expect(2);
    assert!(run.stderr.contains("remove the file yourself"), "{}", run.stderr);
    assert!(!place.path("app_fix.tar").exists());
    let digest = format!("127.0.0.1:1/app@{}", place.tagged("12").unwrap());
    let run = ran(&mut place.repair(&digest)).expect(2);
    assert!(run.stderr.contains("would take every tag"), "{}", run.stderr);
    ran(place.repair(&archive).args(["--original", "keep"])).expect(0);
    assert!(place.path("app.tar").exists() && place.path("app_fix.tar").exists());
}

/// Repairs `app:1`, which has a second tag, with the policy that deletes; what is left of it.
fn deleted_in(setup: Setup) -> (Ran, Vec<&'static str>) {
    let (place, registry) = (with_policy("original = \"delete\"\n"), Registry::start_with(setup));
    for tag in ["1", "same"] {
        let mut command = Command::new("skopeo");
        command.args(["copy", "--quiet", "--preserve-digests"]);
        command.args(registry.skopeo_options("dest-")).arg(place.image("12"));
        command.arg(registry.reference(&format!("app:{tag}")));
        ran(&mut command).expect(0);
    }
    let mut command = place.repair(&registry.reference("app:1"));
    if let Some(file) = registry.auth_file() {
        command.arg("--authfile").arg(file);
    }
    let run = ran(&mut command).expect(0);
    let has = |tag: &&str| {
        let mut command = Command::new("skopeo");
        command.args(["inspect"]).args(registry.skopeo_options(""));
        command.arg(registry.reference(&format!("app:{tag}")));
        command.output().unwrap().status.success()
    };
    (run, ["1", "same", "1_fix"].into_iter().filter(has).collect())
}

#[test]
fn the_original_of_a_registry_is_deleted_by_its_tag() {
    let login = || Some(("ann".to_owned(), "s3cret".to_owned()));
    for setup in [
        Setup::default(),
        Setup { login: login(), ..Setup::default() },
        Setup { login: login(), tokens: true, ..Setup::default() },
    ] {
        let shown = format!("{setup:?}");
        let (run, tags) = deleted_in(setup);
        assert_eq!(about_the_original(&run), Vec::<String>::new(), "{shown}");
        assert_eq!(tags, ["same", "1_fix"], "{shown}");
    }
}

#[test]
fn a_registry_that_deletes_nothing_is_a_warning() {
    let (run, tags) = deleted_in(Setup { keeps_everything: true, ..Setup::default() });
    let [why] = &about_the_original(&run)[..] else { panic!("{}", run.stdout) };
    assert!(why.contains("was not deleted") && why.contains("HTTP 405"), "{why}");
    assert!(why.contains("does not let tags be deleted"), "{why}");
    assert_eq!(tags, ["1", "same", "1_fix"]);
}

#[test]
fn a_saved_plan_that_the_policy_denies_is_refused() {
    let place = Place::debian();
    let plan = place.path("plan.json").display().to_string();
    let mut command = place.on("plan", &place.image("12"));
    command.args(["-r", &report("debian-12.trivy"), "--save", &plan]);
    ran(&mut command).expect(0);
    let follow = |more: &[&str]| {
        let mut command = place.bare("repair", &place.image("12"));
        command.args(["--plan", &plan, "--format", "json"]).args(more);
        ran(&mut command)
    };
    std::fs::create_dir_all(place.path(USERS)).unwrap();
    let policy = place.path(USERS).join("imgfix.toml");
    for text in ["deny = [\"imagemagick-*\"]", "allow = [\"libc6\"]"] {
        std::fs::write(&policy, format!("[packages]\n{text}\n")).unwrap();
        let run = follow(&[]).expect(2);
        for want in ["--plan", "imagemagick-6-common", &policy.display().to_string()] {
            assert!(run.stderr.contains(want), "{want} is not in {}", run.stderr);
        }
    }
    let run = follow(&["--no-config", "--deny-package", "imagemagick-*"]).expect(2);
    assert!(run.stderr.contains("the command line"), "{}", run.stderr);
    assert_eq!(place.tagged("12_fix"), None);
    std::fs::write(&policy, "[packages]\nallow = [\"*\"]\ndeny = [\"linux-*\"]\n").unwrap();
    let run = follow(&[]).expect(0);
    assert_eq!(place.tagged("12_fix"), Some(run.digest()));
}

#[test]
fn a_scanner_that_hangs_is_stopped_before_and_after() {
    let place = with_policy("scan-timeout = 1\n");
    let scan = |script: &str, more: &[&str], code: i32| {
        let mut command = place.on("repair", &place.image("12"));
        command.args(["-q", "--scan-with", script]).args(more);
        ran(&mut command).expect(code)
    };
    let run = scan("sh -c 'sleep 300; : {image}'", &[], 1);
    for want in ["did not end within 1 s and was stopped: sh -c ", "sleep 300", "--scan-timeout"] {
        assert!(run.stderr.contains(want), "{want} is not in {}", run.stderr);
    }
    assert_eq!(place.tagged("12_fix"), None);
    let hangs_after = "sh -c 'case {image} in *_fix) sleep 300;; esac; cat fine.json'";
    std::fs::write(place.path("fine.json"), r#"{"schema": "imgfix/findings/v1", "findings": []}"#)
        .unwrap();
    let run = scan(hangs_after, &["--scan-timeout", "2"], 4);
    for want in ["12_fix (sha256:", "was published, but scanning it failed", "within 2 s"] {
        assert!(run.stderr.contains(want), "{want} is not in {}", run.stderr);
    }
    assert!(place.tagged("12_fix").is_some());
    let run = ran(repair(&place).args(["--scan-timeout", "2"])).expect(2);
    assert!(run.stderr.contains("--scan-with"), "{}", run.stderr);
}

#[test]
fn a_webhook_is_told_with_a_signature_that_holds() {
    let (url, got) = listener(&["500 busy", "200 ok"]);
    let place = with_policy(&format!(
        "[[notify]]\nkind = \"webhook\"\nurl = \"{url}/hook\"\nsecret-env = \"HOOK_SECRET\"\n"
    ));
    let mut command = place.on("repair", &place.image("12"));
    command.args(["-r", &report("debian-12.trivy"), "--format", "json", "-vvv"]);
    command.env("HOOK_SECRET", "s3cr3t-hook");
    let run = ran(&mut command).expect(0);
    let (first, second) = (next(&got), next(&got));
    assert_eq!(first.body, second.body, "it is tried again");
    assert!(second.head.starts_with("POST /hook HTTP/1.1"), "{}", second.head);
    let body: Value = serde_json::from_str(&second.body).unwrap();
    assert_eq!(body["schema"], "imgfix/notification/v1");
    assert_eq!(body["event"], "repaired");
    assert_eq!(body["digest"], run.digest().as_str());
    // The signature, by another tool.
    std::fs::write(place.path("body"), &second.body).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-hmac", "s3cr3t-hook", "-r"]).arg(place.path("body"));
    let digest = ran(&mut openssl).expect(0).stdout;
    let want = format!("x-imgfix-signature: sha256={}", digest.split(' ').next().unwrap());
    assert!(second.head.to_lowercase().contains(&want), "{} is not in {}", want, second.head);
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains("s3cr3t-hook"), "{text}");
    }
}

#[test]
fn robots_channels_and_files_are_told() {
    let (robot, robot_got) = listener(&["200 {\"errcode\":0,\"errmsg\":\"ok\"}"]);
    let (slack, slack_got) = listener(&["200 ok"]);
    let (plain, plain_got) = listener(&["204 "]);
    let place = with_policy(&format!(
        "[[notify]]\nkind = \"dingtalk\"\nurl-env = \"ROBOT\"\nsecret-env = \"ROBOT_SECRET\"\n\
         [[notify]]\nkind = \"slack\"\nurl-env = \"SLACK\"\n\
         [[notify]]\nkind = \"webhook\"\nurl = \"{plain}\"\ntemplate = \"{{fixed}} fixed in {{repaired}}\"\n\
         [[notify]]\nkind = \"file\"\npath = \"log.jsonl\"\n\
         [[notify]]\nkind = \"file\"\npath = \"failures.jsonl\"\nwhen = \"failed\"\n"
    ));
    let mut command = repair(&place);
    command.env("ROBOT", format!("{robot}/robot/send?access_token=t0ken-of-robot"));
    command.env("ROBOT_SECRET", "SECret").env("SLACK", format!("{slack}/services/t0ken"));
    let run = ran(&mut command).expect(0);
    let got = next(&robot_got);
    assert!(got.head.contains("access_token=t0ken-of-robot&timestamp="), "{}", got.head);
    assert!(got.head.contains("&sign="), "{}", got.head);
    assert_eq!(serde_json::from_str::<Value>(&got.body).unwrap()["msgtype"], "markdown");
    let got = next(&slack_got);
    assert!(
        serde_json::from_str::<Value>(&got.body).unwrap()["text"]
            .as_str()
            .unwrap()
            .contains("12_fix")
    );
    let got = next(&plain_got);
    let fixed = run.json()["summary"]["vulnerabilities"]["fixed"].to_string();
    assert_eq!(got.body, format!("{fixed} fixed in {}", place.image("12_fix")));
    let log = std::fs::read_to_string(place.path(USERS).join("log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 1);
    assert!(!place.path(USERS).join("failures.jsonl").exists());
}

#[test]
fn cards_robots_and_events_are_sent_in_their_forms() {
    let (cards, cards_got) = listener(&["202 1"]);
    let (robots, robots_got) = listener(&["200 {\"code\":0,\"errcode\":0}"]);
    let (events, events_got) = listener(&["202 {\"status\":\"success\"}"]);
    let place = with_policy(&format!(
        "[[notify]]\nkind = \"teams\"\nurl = \"{cards}/teams\"\n\
         [[notify]]\nkind = \"discord\"\nurl = \"{cards}/discord\"\n\
         [[notify]]\nkind = \"feishu\"\nurl = \"{robots}/feishu\"\nsecret-env = \"ROBOT_SECRET\"\n\
         [[notify]]\nkind = \"wecom\"\nurl = \"{robots}/wecom\"\n\
         [[notify]]\nkind = \"pagerduty\"\nurl = \"{events}/pagerduty\"\nsecret-env = \"PAGER_KEY\"\n\
         [[notify]]\nkind = \"cloudevents\"\nurl = \"{events}/events\"\nsecret-env = \"HOOK_SECRET\"\n\
         headers-env = {{ Authorization = \"HOOK_AUTH\" }}\n"
    ));
    let mut command = place.on("repair", &place.image("12"));
    command.args(["-r", &report("debian-12.trivy"), "-vvv"]);
    command.env("ROBOT_SECRET", "s3cret-robot").env("PAGER_KEY", "s3cret-key");
    command.env("HOOK_SECRET", "s3cret-hook").env("HOOK_AUTH", "Bearer s3cret-token");
    command.env("CI_JOB_URL", "https://gitlab.example/jobs/7");
    let run = ran(&mut command).expect(0);
    assert!(!run.stderr.contains("was not told"), "{}", run.stderr);
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    let body = |got: &Got, path: &str| -> Value {
        assert!(got.head.starts_with(&format!("POST {path} HTTP/1.1")), "{}", got.head);
        assert!(got.body.contains("https://gitlab.example/jobs/7"), "{}", got.body);
        serde_json::from_str(&got.body).unwrap()
    };
    let card = body(&next(&cards_got), "/teams");
    assert_eq!(card["attachments"][0]["content"]["type"], "AdaptiveCard");
    assert_eq!(
        body(&next(&cards_got), "/discord")["allowed_mentions"]["parse"],
        Value::from([""; 0].to_vec())
    );
    let feishu = body(&next(&robots_got), "/feishu");
    assert_eq!(feishu["msg_type"], "interactive");
    assert!(feishu["sign"].as_str().is_some_and(|sign| sign.len() == 44), "{feishu}");
    assert_eq!(body(&next(&robots_got), "/wecom")["msgtype"], "text");
    let event = body(&next(&events_got), "/pagerduty");
    assert_eq!(
        (&event["routing_key"], &event["event_action"]),
        (&"s3cret-key".into(), &"trigger".into())
    );
    let got = next(&events_got);
    let event = body(&got, "/events");
    assert_eq!(
        (&event["specversion"], &event["data"]["event"]),
        (&"1.0".into(), &"repaired".into())
    );
    let header = |name: &str| {
        let lines = got.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(other, _)| other.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    assert_eq!(header("authorization"), "Bearer s3cret-token");
    assert!(header("content-type").starts_with("application/cloudevents+json"), "{}", got.head);
    // The signature over time and body, by another tool.
    std::fs::write(place.path("signed"), format!("{}.{}", header("x-imgfix-timestamp"), got.body))
        .unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-hmac", "s3cret-hook", "-r"]).arg(place.path("signed"));
    let digest = ran(&mut openssl).expect(0).stdout;
    let want = format!("sha256={}", digest.split(' ').next().unwrap());
    assert_eq!(header("x-imgfix-signature-v2"), want);
}

#[test]
fn a_notification_that_fails_is_a_warning_without_secrets() {
    let (url, _got) = listener(&["200 {\"errcode\":310000,\"errmsg\":\"sign not match\"}"]);
    let place = with_policy(
        "[[notify]]\nkind = \"dingtalk\"\nurl-env = \"ROBOT\"\n\
         [[notify]]\nkind = \"slack\"\nurl-env = \"NOT_SET\"\n\
         [[notify]]\nkind = \"webhook\"\nurl-env = \"CLOSED\"\n",
    );
    let mut command = place.on("repair", &place.image("12"));
    command.env("ROBOT", format!("{url}/?access_token=t0ken-of-robot"));
    command.env("CLOSED", "http://127.0.0.1:1/t0ken-of-hook").arg("-v");
    let run = ran(&mut command).expect(0);
    for want in [
        "the DingTalk robot was not told: it answered error 310000: sign not match",
        "the variable NOT_SET of a notification is not set",
        "the webhook was not told: ",
    ] {
        assert!(run.stderr.contains(want), "{want} is not in {}", run.stderr);
    }
    assert!(!run.stderr.contains("t0ken"), "{}", run.stderr);
}

#[test]
fn a_repair_that_fails_is_told_too() {
    let place =
        with_policy("[[notify]]\nkind = \"file\"\npath = \"log.jsonl\"\nwhen = \"failed\"\n");
    let mut command = place.on("repair", &place.image("no-such-tag"));
    ran(command.arg("-q")).expect(1);
    let log = std::fs::read_to_string(place.path(USERS).join("log.jsonl")).unwrap();
    let line: Value = serde_json::from_str(log.trim()).unwrap();
    assert_eq!(line["event"], "failed");
    assert!(line["verdict"].as_str().unwrap().contains("no-such-tag"), "{log}");
}
