//! Documents that the program writes for other programs, held against the JSON Schema that it
//! prints for them.

mod common;

use common::cli::{Place, ran, report};

fn schema(place: &Place, name: &str) -> String {
    ran(place.imgfix().args(["schema", name])).expect(0).stdout
}

fn written(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path(name)).unwrap()
}

#[test]
fn documents_keep_to_the_schemas_that_are_printed() {
    let place = Place::debian();
    let policy = "[[notify]]\nkind = \"file\"\npath = \"told.jsonl\"\n";
    std::fs::write(place.path("imgfix.toml"), policy).unwrap();
    let mut plan = place.on("plan", &place.image("12"));
    plan.args(["-r", &report("debian-12.trivy"), "--format", "json"]);
    plan.arg("--config").arg(place.path("imgfix.toml"));
    let plan = ran(&mut plan).expect(0).stdout;
    let mut repair = place.repair(&place.image("12"));
    repair.args(["--fail-on", "low"]).arg("--config").arg(place.path("imgfix.toml"));
    repair.arg("--review-json").arg(place.path("review.json"));
    let repaired = ran(&mut repair).expect(3).stdout;
    let missing = place.image("none");
    let mut failing = place.repair(&missing);
    failing.arg("--config").arg(place.path("imgfix.toml"));
    ran(&mut failing).expect(1);
    let version = ran(place.imgfix().args(["version", "--format", "json"])).expect(0).stdout;
    let told = written(&place, "told.jsonl");
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for (name, document) in [
        ("plan", plan.as_str()),
        ("report", &repaired),
        ("review", &written(&place, "review.json")),
        ("notification", told[0]),
        ("notification", told[1]),
        ("version", &version),
    ] {
        imgfix_report::schema_check::assert_valid(&schema(&place, name), document);
    }
}
