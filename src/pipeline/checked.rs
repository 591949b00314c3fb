//! What imgfix's own checks find in an image, as findings beside those of scanners' reports.

use imgfix_baseline::RunFacts;
use imgfix_model::finding::Finding;
use imgfix_oci::ImageConfig;
use serde_json::Value;

use super::Environment;
use super::load::LoadedImage;

/// What the rules find in one platform's image. A rule whose question has no answer is told.
pub fn findings(loaded: &LoadedImage, environment: &Environment) -> Vec<Finding> {
    let facts = run_facts(&loaded.config);
    let (mut all, unanswered) = environment.baseline.findings(&*loaded.tree, &facts);
    for (recipe, why) in unanswered {
        let place = &loaded.platform;
        environment.edge.progress.warn(&format!("{place}: {recipe} is not checked: {why}"));
    }
    for finding in &mut all {
        finding.platform = Some(loaded.platform.to_string());
    }
    all
}

/// How the image is run
/// (<https://github.com/opencontainers/image-spec/blob/main/config.md#properties>).
fn run_facts(config: &ImageConfig) -> RunFacts {
    let run = config.value().get("config");
    let field = |name: &str| run.and_then(|run| run.get(name));
    let test = field("Healthcheck").and_then(|check| check.get("Test")).and_then(Value::as_array);
    let has_healthcheck = test.and_then(|words| words.first()).is_some_and(|first| first != "NONE");
    let ports = field("ExposedPorts").and_then(Value::as_object);
    RunFacts {
        user: field("User").and_then(Value::as_str).unwrap_or_default().to_owned(),
        has_healthcheck,
        ports: ports.map(|ports| ports.keys().cloned().collect()).unwrap_or_default(),
    }
}
