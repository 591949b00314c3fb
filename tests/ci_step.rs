//! imgfix as a step of a pipeline: a vulnerable image in a registry, a scanner whose gate is
//! red, the repair, the gate green; and the shells of the CI integrations, taken out of their
//! files and run.
//!
//! Needs Debian's docker-registry, skopeo, python3 and bash; no network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::cli::{IMGFIX, Place, Ran, fixture, ran, repository_line};
use common::registry::Registry;

/// A place with a registry that has the image as `app:1.0`.
struct Step {
    place: Place,
    registry: Registry,
}

impl Step {
    fn new() -> Self {
        let (place, registry) = (Place::debian(), Registry::start());
        let mut command = Command::new("skopeo");
        command.args(["copy", "--quiet"]).args(registry.skopeo_options("dest-"));
        command.arg(place.image("12")).arg(registry.reference("app:1.0"));
        ran(&mut command).expect(0);
        let step = Self { place, registry };
        step.install_imgfix();
        step
    }

    /// An `imgfix` in the place's `bin` that fetches from the fixtures' repository.
    fn install_imgfix(&self) {
        let bin = self.place.path("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let script = format!(
            "#!/bin/sh\nexec '{IMGFIX}' \"$@\" --repository '{}' --cache-dir '{}'\n",
            repository_line(&fixture("repository")),
            self.place.path("cache").display()
        );
        executable(&bin.join("imgfix"), &script);
    }

    /// The reference as a scanner writes it.
    fn image(&self, tag: &str) -> String {
        format!("{}/app:{tag}", self.registry.host)
    }

    /// What the stand-in scanner's gate says of a tag: `true` is green.
    fn gate(&self, tag: &str) -> bool {
        let archive = self.archive(tag);
        let status = Command::new(scanner()).arg("--input").arg(&archive).output().unwrap();
        assert!(matches!(status.status.code(), Some(0 | 1)), "{status:?}");
        status.status.success()
    }

    fn archive(&self, tag: &str) -> PathBuf {
        let file = self.place.path(&format!("{tag}.tar"));
        let _ = std::fs::remove_file(&file);
        let mut command = Command::new("skopeo");
        command.args(["copy", "--quiet"]).args(self.registry.skopeo_options("src-"));
        command.arg(self.registry.reference(&format!("app:{tag}")));
        command.arg(format!("docker-archive:{}", file.display()));
        ran(&mut command).expect(0);
        file
    }

    /// The scanner's report of the original, as `report.json` in the place.
    fn report(&self) {
        let output = Command::new(scanner()).arg("--input").arg(self.archive("1.0")).output();
        std::fs::write(self.place.path("report.json"), output.unwrap().stdout).unwrap();
    }

    fn has(&self, tag: &str) -> bool {
        let mut command = Command::new("skopeo");
        command.args(["inspect", "--raw"]).args(self.registry.skopeo_options(""));
        command.arg(self.registry.reference(&format!("app:{tag}")));
        command.output().unwrap().status.success()
    }

    /// Runs a shell script of a CI system in the place.
    fn shell(&self, shell: &[&str], script: &str, variables: &[(&str, String)]) -> Ran {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg("-c").arg(script);
        self.place.prepare(&mut command);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.place.path("bin").display()));
        command.envs(variables.iter().map(|(key, value)| (*key, value.as_str())));
        ran(&mut command)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.place.path(name)).expect(name)
    }

    fn repair(&self, scan_with: &str) -> Ran {
        let mut command = self.place.on("repair", &self.image("1.0"));
        command.args(["--scan-with", scan_with, "--format", "json"]);
        ran(&mut command)
    }
}

fn scanner() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ci/scanner")
}

fn executable(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn project(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect(name)
}

#[test]
fn the_gate_is_red_the_image_is_repaired_and_the_gate_is_green() {
    let step = Step::new();
    assert!(!step.gate("1.0"), "the stand-in scanner finds the problem");
    let mut command = step.place.on("repair", &step.image("1.0"));
    command.args(["--scan-with", &format!("{} --input {{archive}}", scanner().display())]);
    command.args(["--fail-on", "low", "--outputs"]).arg(step.place.path("outputs"));
    command.arg("--report-file").arg(step.place.path("report.json"));
    let run = ran(&mut command).expect(0);
    let said = "The scanner found 1 (1 critical) before and nothing after.";
    assert!(run.stdout.contains(said), "{}", run.stdout);
    assert!(step.gate("1.0_fix"), "the repaired image passes");
    assert!(!step.gate("1.0"), "the original is as it was");
    let report: serde_json::Value = serde_json::from_str(&step.text("report.json")).unwrap();
    assert_eq!(report["scan"]["gone"], 1);
    assert_eq!(report["scan"]["new"], serde_json::json!([]));
    assert_eq!(report["summary"]["fixed"], 1);
    let outputs = step.text("outputs");
    assert!(outputs.contains(&format!("repaired-image={}\n", step.image("1.0_fix"))), "{outputs}");
    assert!(outputs.contains("fixed=1\nremaining=0\n"), "{outputs}");
}

#[test]
fn the_scanner_is_handed_a_layout_or_a_name_too() {
    let step = Step::new();
    let script = step.place.path("bin/see");
    // Notes what it was given; the report is that of nothing.
    let log = step.place.path("seen");
    executable(
        &script,
        &format!(
            "#!/bin/sh\necho \"$1\" >> {0}\ntest ! -d \"$1\" || ls \"$1\" >> {0}\n\
             echo '{{\"schema\": \"imgfix/findings/v1\", \"findings\": []}}'\n",
            log.display()
        ),
    );
    step.repair(&format!("{} {{image}}", script.display())).expect(0);
    assert_eq!(step.text("seen"), format!("{0}\n{0}_fix\n", step.image("1.0")));
    step.repair(&format!("{} {{layout}}", script.display())).expect(0);
    assert_eq!(step.text("seen").matches("oci-layout").count(), 2, "{}", step.text("seen"));
}

#[test]
fn a_scanner_that_fails_before_the_repair_stops_it() {
    for (text, want) in [
        ("#!/bin/sh\necho 'no database' >&2\nexit 2\n", "no database"),
        ("#!/bin/sh\necho 'scanning...'\n", "not JSON"),
        ("#!/bin/sh\necho 'scanning...'\necho broken >&2\nexit 1\n", "broken"),
    ] {
        let step = Step::new();
        let script = step.place.path("bin/bad");
        executable(&script, text);
        let run = step.repair(&format!("{} {{image}}", script.display())).expect(1);
        assert!(run.stderr.contains(want), "{}", run.stderr);
        assert!(!run.stderr.contains("published"), "{}", run.stderr);
        assert!(!step.has("1.0_fix"));
    }
    let step = Step::new();
    let run = step.repair("/no/such/scanner {image}").expect(1);
    assert!(run.stderr.contains("is it installed"), "{}", run.stderr);
    let run = step.repair("trivy image").expect(2);
    assert!(run.stderr.contains("{archive}"), "{}", run.stderr);
}

#[test]
fn a_scanner_that_fails_after_the_repair_is_an_error_that_names_the_image() {
    let step = Step::new();
    let script = step.place.path("bin/once");
    let text = format!(
        "#!/bin/sh\nif test -e {0}; then echo nonsense; exit 0; fi\ntouch {0}\nexec {1} --input \"$1\"\n",
        step.place.path("ran").display(),
        scanner().display()
    );
    executable(&script, &text);
    let run = step.repair(&format!("{} {{archive}}", script.display())).expect(4);
    let name = format!("docker://{} (sha256:", step.image("1.0_fix"));
    assert!(run.stderr.contains(&name), "{}", run.stderr);
    assert!(run.stderr.contains("was published, but scanning it failed"), "{}", run.stderr);
    assert!(step.has("1.0_fix"));
}

#[test]
fn what_the_scanner_still_finds_keeps_the_gate_closed() {
    let step = Step::new();
    let script = step.place.path("bin/stubborn");
    let finding = r#"{"schema": "imgfix/findings/v1", "findings": [{"id": "CVE-2024-0001",
        "package": "imagemagick-6-common", "installed": "8:6.9.11.60+dfsg-1.6+deb12u11",
        "fixed": "8:6.9.11.60+dfsg-1.6+deb12u15", "severity": "critical"}]}"#;
    executable(&script, &format!("#!/bin/sh\ncat <<'END'\n{finding}\nEND\n"));
    let mut command = step.place.on("repair", &step.image("1.0"));
    command.args(["--fail-on", "critical", "--scan-with"]);
    command.arg(format!("{} {{image}}", script.display()));
    let run = ran(&mut command).expect(3);
    assert!(run.stdout.contains("1 it still finds though judged fixed"), "{}", run.stdout);
}

/// A part of a YAML document.
fn yaml(text: &str, path: &[&str]) -> serde_yaml_ng::Value {
    let mut value: serde_yaml_ng::Value = serde_yaml_ng::from_str(text).unwrap();
    for key in path {
        value = match key.parse::<usize>() {
            Ok(at) => value[at].clone(),
            Err(_) => value[*key].clone(),
        };
    }
    value
}

#[test]
fn the_github_action_repairs_and_hands_on_its_results() {
    let step = Step::new();
    step.report();
    let action = project("action.yml");
    let install = yaml(&action, &["runs", "steps", "0", "run"]);
    let repair = yaml(&action, &["runs", "steps", "1"]);
    // Every variable of the step is an input, and nothing is put into the script's text.
    let script = repair["run"].as_str().unwrap();
    assert!(!script.contains("${{"), "{script}");
    let path = |name: &str| step.place.path(name).display().to_string();
    let mut variables = vec![
        ("GITHUB_OUTPUT", path("output")),
        ("GITHUB_STEP_SUMMARY", path("summary")),
        ("GITHUB_PATH", path("path")),
        ("RUNNER_TEMP", path("tmp")),
        ("SOURCE", path("no-source")),
    ];
    for (name, value) in repair["env"].as_mapping().unwrap() {
        let value = match name.as_str().unwrap() {
            "IMAGE" => step.image("1.0"),
            "REPORT" => "report.json\n".to_owned(),
            "FAIL_ON" => "critical".to_owned(),
            "ARGUMENTS" => "--compression-level\n1\n".to_owned(),
            "SCAN_WITH" => String::new(),
            other => {
                let input = value.as_str().unwrap().trim_matches(['$', '{', '}', ' ']);
                let name = input.strip_prefix("inputs.").expect(other);
                yaml(&action, &["inputs", name, "default"]).as_str().unwrap().to_owned()
            }
        };
        variables.push((name.as_str().unwrap().to_owned().leak(), value));
    }
    // The action's own shell: bash --noprofile --norc -eo pipefail.
    let bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail"];
    step.shell(&bash, install.as_str().unwrap(), &variables).expect(0);
    std::fs::write(step.place.path("output"), "earlier=kept\n").unwrap();
    std::fs::write(step.place.path("summary"), "# earlier\n").unwrap();
    step.shell(&bash, script, &variables).expect(0);
    let outputs = step.text("output");
    assert!(outputs.starts_with("earlier=kept\nrepaired-image="), "{outputs}");
    for output in yaml(&action, &["outputs"]).as_mapping().unwrap().keys() {
        let line = format!("{}=", output.as_str().unwrap());
        assert!(outputs.lines().any(|one| one.starts_with(&line)), "{line} is not in {outputs}");
    }
    let summary = step.text("summary");
    assert!(
        summary.starts_with("# earlier\n## imgfix: The only vulnerability is fixed"),
        "{summary}"
    );
    assert!(step.text("imgfix-review.html").contains("The only vulnerability is fixed"));
    assert!(step.text("imgfix.vex.json").contains("CVE-2024-0001"));
    assert!(step.has("1.0_fix") && step.gate("1.0_fix"));
}

#[test]
fn the_gitlab_component_repairs_and_hands_on_its_results() {
    let step = Step::new();
    step.report();
    let file = project("templates/imgfix.yml");
    let (_, job) = file.split_once("\n---\n").expect("a header and a job");
    let script = yaml(job, &["imgfix", "script", "0"]);
    let variables = [
        ("IMAGE", step.image("1.0")),
        ("REPORT", "report.json".to_owned()),
        ("FAIL_ON", String::new()),
    ];
    step.shell(&["sh", "-eu"], script.as_str().unwrap(), &variables).expect(0);
    let want = format!("IMGFIX_REPAIRED_IMAGE={}\nIMGFIX_DIGEST=sha256:", step.image("1.0_fix"));
    assert!(step.text("imgfix.env").starts_with(&want));
    let artifacts = yaml(job, &["imgfix", "artifacts"]);
    let reports = ["dotenv", "junit", "container_scanning"].map(|kind| &artifacts["reports"][kind]);
    let paths = artifacts["paths"].as_sequence().unwrap().iter().chain(reports);
    for path in paths {
        assert!(!step.text(path.as_str().unwrap()).is_empty(), "{path:?} is made by the script");
    }
    assert!(step.gate("1.0_fix"));
}

#[test]
fn the_jenkins_stage_repairs_and_its_gate_fails_the_build() {
    let step = Step::new();
    let findings = r#"{"schema": "imgfix/findings/v1", "findings": [
        {"id": "CVE-1", "package": "imagemagick-6-common", "severity": "critical"}]}"#;
    std::fs::write(step.place.path("report.json"), findings).unwrap();
    let file = project("docs/ci/Jenkinsfile");
    let script = file.split("'''").nth(1).expect("a script");
    let mut variables = vec![
        ("IMAGE", step.image("1.0")),
        ("REPORT", "report.json".to_owned()),
        ("FAIL_ON", "critical".to_owned()),
    ];
    step.shell(&["sh", "-xe"], script, &variables).expect(3);
    variables[2].1 = String::new();
    step.shell(&["sh", "-xe"], script, &variables).expect(0);
    assert!(step.text("imgfix-junit.xml").contains("<failure "));
}

#[test]
fn the_tekton_task_repairs_and_writes_its_results() {
    let step = Step::new();
    step.report();
    std::fs::create_dir(step.place.path("results")).unwrap();
    let task = project("docs/ci/tekton-task.yaml");
    let script = yaml(&task, &["spec", "steps", "0", "script"]);
    let script = script.as_str().unwrap();
    assert!(!script.contains("$(params"), "{script}");
    let variables = [
        ("IMAGE", step.image("1.0")),
        ("REPORT", "report.json".to_owned()),
        ("FAIL_ON", "low".to_owned()),
        ("RESULTS", step.place.path("results").display().to_string()),
    ];
    step.shell(&["sh"], script, &variables).expect(0);
    for result in yaml(&task, &["spec", "results"]).as_sequence().unwrap() {
        let name = result["name"].as_str().unwrap();
        assert!(!step.text(&format!("results/{name}")).is_empty(), "{name}");
    }
    assert_eq!(step.text("results/repaired-image"), step.image("1.0_fix"));
    assert_eq!(step.text("results/remaining"), "0");
}

#[test]
fn the_step_says_no_secret_at_any_verbosity() {
    let place = Place::debian();
    let login = ("robot".to_owned(), "s3cr3t-of-the-registry".to_owned());
    let setup = common::registry::Setup { login: Some(login), ..Default::default() };
    let registry = Registry::start_with(setup);
    let mut command = Command::new("skopeo");
    command.args(["copy", "--quiet"]).args(registry.skopeo_options("dest-"));
    command.arg(place.image("12")).arg(registry.reference("app:1.0"));
    ran(&mut command).expect(0);
    let mut command = place.on("repair", &format!("{}/app:1.0", registry.host));
    command.arg("-vvv").arg("--authfile").arg(registry.auth_file().unwrap());
    command
        .args(["--mirror", "http://nobody.example=http://me:s3cr3t-of-the-mirror@127.0.0.1:1/x"]);
    for (option, file) in
        [("--html", "r.html"), ("--markdown", "r.md"), ("--review-json", "r.json")]
    {
        command.arg(option).arg(place.path(file));
    }
    let run = ran(&mut command).expect(0);
    let files =
        ["r.html", "r.md", "r.json"].map(|name| std::fs::read_to_string(place.path(name)).unwrap());
    for text in files.iter().chain([&run.stdout, &run.stderr]) {
        for secret in ["s3cr3t-of-the-registry", "s3cr3t-of-the-mirror", "cm9ib3Q6czNjcjN0"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
