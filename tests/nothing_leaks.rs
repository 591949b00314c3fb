//! Nothing leaks: markers of every kind are planted in an image's variables, labels, commands and
//! history, in a file that a repair changes, and in reports of scanners. No output of any
//! subcommand has one of them, and the published image still has those of its config.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;

use common::cli::{Place, blob, copy_tree, fixture, manifest, ran, read_json, report};
use imgfix_model::digest::Digest;
use rand::Rng as _;
use serde_json::{Value, json};

const MASKED: &str = "[masked]";

/// What is looked for, each with the place where it was planted.
#[derive(Default)]
struct Markers(Vec<(&'static str, String)>);

impl Markers {
    /// A word that nobody else has.
    fn word(&mut self, place: &'static str) -> String {
        self.plant(place, "", 24)
    }

    /// A token of a known form.
    fn plant(&mut self, place: &'static str, begin: &str, length: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut random = rand::thread_rng();
        let letter = |_| char::from(LETTERS[random.gen_range(0..LETTERS.len())]);
        let marker: String = (0..length).map(letter).collect();
        self.0.push((place, marker.clone()));
        format!("{begin}{marker}")
    }

    #[track_caller]
    fn are_not_in(&self, what: &str, text: &str) {
        for (place, marker) in &self.0 {
            if let Some(at) = text.find(marker) {
                let from = (0..=at.saturating_sub(60)).rev().find(|at| text.is_char_boundary(*at));
                panic!("{what} has what was planted in {place}: {:?}", &text[from.unwrap()..at]);
            }
        }
    }
}

/// Changes the config of `oci:image:12`.
fn change_config(place: &Place, change: impl FnOnce(&mut Value)) {
    let layout = place.path("image");
    let put = |value: &Value| -> (String, usize) {
        let bytes = value.to_string().into_bytes();
        let digest = Digest::of(&bytes).to_string();
        std::fs::write(blob(&layout, &digest), &bytes).unwrap();
        (digest, bytes.len())
    };
    let mut manifest = manifest(&layout, "12");
    let mut config = read_json(&blob(&layout, manifest["config"]["digest"].as_str().unwrap()));
    change(&mut config);
    let (digest, size) = put(&config);
    manifest["config"]["digest"] = json!(digest);
    manifest["config"]["size"] = json!(size);
    let (digest, size) = put(&manifest);
    let mut index = read_json(&layout.join("index.json"));
    index["manifests"][0]["digest"] = json!(digest);
    index["manifests"][0]["size"] = json!(size);
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
}

/// A config with a marker in every place.
fn plant(config: &mut Value, markers: &mut Markers) {
    let github = ["gh", "p_"].concat();
    let mut say = |place| markers.word(place);
    let (password, url, label) = (say("a variable"), say("a URL"), say("a label"));
    let (command, entry, health) = (say("the command"), say("the entrypoint"), say("the check"));
    let (argument, second) = (say("a build argument"), say("its second word"));
    let (env, script) = (say("the history of ENV"), say("a script in the history"));
    let token = markers.plant("a token", &github, 36);
    let of = &mut config["config"];
    of["Env"].as_array_mut().unwrap().extend([
        json!(format!("DB_PASSWORD={password} and more")),
        json!(format!("DATABASE_URL=postgres://app:{url}@db/app")),
        json!(format!("CLONE_WITH={token}")),
    ]);
    of["Cmd"] = json!(["/srv/app/run", "--api-key", command]);
    of["Entrypoint"] = json!(["/bin/sh", "-c", format!("APP_SECRET='{entry}' exec \"$@\"")]);
    of["Healthcheck"] = json!({"Test": ["CMD", "curl", "-u", format!("me:{health}"), "http://x"]});
    of["Labels"]["example.api-key"] = json!(label);
    let history = config["history"].as_array_mut().unwrap();
    let last = history.last_mut().unwrap();
    last["created_by"] = json!(format!("CMD [\"/srv/app/run\" \"--api-key\" \"{command}\"]"));
    history[0]["created_by"] = json!(format!(
        "RUN |2 NPM_TOKEN={argument} {second} DIR=/x /bin/sh -c echo 'root:{script}' | chpasswd"
    ));
    history.push(json!({"created_by": format!("ENV DB_PASSWORD={env}"), "empty_layer": true}));
}

/// Scanners' reports with markers where scanners quote what they found.
fn reports(place: &Place, markers: &mut Markers) -> Vec<String> {
    let mut trivy = read_json(Path::new(&report("debian-12.trivy")));
    let (quoted, by, code) = (
        markers.word("Trivy's Match"),
        markers.word("Trivy's CreatedBy"),
        markers.word("Trivy's Code"),
    );
    trivy["Results"].as_array_mut().unwrap().extend([
        json!({"Target": "/etc/app.conf", "Class": "secret", "Secrets": [{
            "RuleID": "generic", "Category": "general", "Severity": "HIGH", "Title": "A token",
            "StartLine": 1, "EndLine": 1, "Match": format!("x {quoted}"),
            "Code": {"Lines": [{"Number": 1, "Content": code}]},
            "Layer": {"CreatedBy": format!("RUN {by}")}}]}),
        json!({"Target": "Dockerfile", "Class": "config", "Type": "dockerfile",
            "Misconfigurations": [{"Type": "dockerfile", "ID": "DS031", "Title": "Secrets in ENV",
            "Message": format!("Possible exposure of TOKEN={by}"), "Severity": "CRITICAL",
            "Status": "FAIL", "CauseMetadata": {"Code": {"Lines": [{"Content": code}]}}}]}),
    ]);
    let (snippet, message) = (markers.word("SARIF's snippet"), markers.word("SARIF's message"));
    let sarif = json!({"version": "2.1.0", "runs": [{
        "tool": {"driver": {"name": "gitleaks", "rules": [{"id": "generic-api-key"}]}},
        "results": [{"ruleId": "generic-api-key",
            "message": {"text": format!("generic-api-key has detected secret: API_KEY={message}")},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": "etc/app.conf"},
                "region": {"startLine": 1, "snippet": {"text": snippet}}}}]}]}]});
    let write = |name: &str, value: Value| {
        std::fs::write(place.path(name), value.to_string()).unwrap();
        place.path(name).display().to_string()
    };
    vec![write("trivy.json", trivy), write("gitleaks.sarif", sarif)]
}

/// Runs a command; neither what it says nor a file that it wrote may have a marker.
#[track_caller]
fn run(markers: &Markers, what: &str, command: &mut Command, files: &[&Path]) -> String {
    let ran = ran(command);
    assert_eq!(ran.code, Some(0), "{what}: {}", ran.stderr);
    let mut all = format!("{}{}", ran.stdout, ran.stderr);
    for file in files {
        all.push_str(
            &std::fs::read_to_string(file).unwrap_or_else(|why| panic!("{file:?}: {why}")),
        );
    }
    markers.are_not_in(what, &all);
    all
}

#[test]
fn no_output_has_a_secret_of_the_image_or_of_a_report() {
    let place = Place::debian();
    let mut markers = Markers::default();
    change_config(&place, |config| plant(config, &mut markers));
    let of_config: Vec<String> = markers.0.iter().map(|(_, marker)| marker.clone()).collect();
    let reports = reports(&place, &mut markers);
    let image = place.image("12");
    let with_reports = |mut command: Command| {
        reports.iter().for_each(|report| {
            command.args(["-r", report]);
        });
        command.arg("-vvv");
        command
    };

    let plan = place.path("plan.json");
    for format in ["text", "json"] {
        let mut command = with_reports(place.on("plan", &image));
        let command = command.args(["--format", format, "--save"]).arg(&plan);
        run(&markers, &format!("plan --format {format}"), command, &[&plan]);
    }

    let told = place.path("told.json");
    std::fs::write(
        place.path("imgfix.toml"),
        "[[notify]]\nkind = \"file\"\npath = \"told.json\"\n",
    )
    .unwrap();
    let options = [
        "--report-file",
        "--html",
        "--markdown",
        "--review-json",
        "--sarif",
        "--gitlab",
        "--openvex",
        "--junit",
        "--outputs",
        "--dotenv",
    ];
    let files: Vec<_> = options.map(|option| place.path(&format!("out{option}"))).into();
    let mut command = with_reports(place.on("repair", &image));
    command.arg("--config").arg(place.path("imgfix.toml")).args(["--format", "json"]);
    for (option, file) in options.iter().zip(&files) {
        command.arg(option).arg(file);
    }
    let mut written: Vec<&Path> = files.iter().map(|file| file.as_path()).collect();
    written.push(&told);
    run(&markers, "repair", &mut command, &written);

    // What is published is as it was: only outputs are masked.
    let layout = place.path("image");
    let published = manifest(&layout, "12_fix");
    let config = read_json(&blob(&layout, published["config"]["digest"].as_str().unwrap()));
    let config = config.to_string();
    for marker in &of_config {
        assert!(config.contains(marker), "the published config lost a value");
    }

    let mut repaired = with_reports(place.on("repair", &place.image("12_fix")));
    run(&markers, "repair as text", &mut repaired, &[]);
    for format in ["table", "json", "cyclonedx", "spdx"] {
        let mut command = place.imgfix();
        command.args(["inventory", &place.image("12_fix")]);
        run(&markers, format, command.args(["--format", format, "-vvv"]), &[]);
    }
    for format in ["table", "json"] {
        let mut command = place.imgfix();
        command.args(["findings", "--format", format, "-vvv"]).args(&reports);
        let said = run(&markers, &format!("findings --format {format}"), &mut command, &[]);
        assert!(said.contains("generic"), "{said}");
    }
    differences(&place, &markers);
}

/// The planted image against the fixture: every place of the config differs.
fn differences(place: &Place, markers: &Markers) {
    copy_tree(&fixture("debian-12"), &place.path("plain"));
    let plain = format!("oci:{}:12", place.path("plain").display());
    for format in ["text", "json", "html", "markdown"] {
        for (before, after) in [(&plain, &place.image("12")), (&place.image("12"), &plain)] {
            let mut command = place.imgfix();
            command.args(["diff", before, after, "--format", format, "-vvv"]);
            let said = run(markers, &format!("diff --format {format}"), &mut command, &[]);
            // Else there was nothing to be found.
            let count = said.matches(MASKED).count();
            assert!(count >= 8 || format == "markdown", "{format}: {count} masked: {said}");
            assert!(format != "text" || said.contains("DB_PASSWORD=[masked]"), "{said}");
        }
    }
}

#[test]
fn an_error_has_no_secret() {
    let place = Place::debian();
    let mut markers = Markers::default();
    let word = markers.word("a URL");
    let path =
        place.path("https:").display().to_string() + &format!("//me:{word}@x.example/r.json");
    let ran = ran(place.imgfix().args(["findings", &path, "-vvv"]));
    assert!(ran.code != Some(0) && ran.stderr.contains(MASKED), "{}", ran.stderr);
    markers.are_not_in("an error", &ran.stderr);
}
