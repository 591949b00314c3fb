//! Problems as JUnit XML, for pipelines whose pages show test results: a problem of a source
//! package is a test, what is left fails, what is ignored is skipped; and the gate is a test.
//!
//! Source: the schema that Jenkins reads
//! (<https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd>).

use quick_xml::events::{BytesText, Event};
use quick_xml::writer::Writer;

use super::before_after::{RepairReport, Stage};
use super::gate::Gate;
use super::problems::{Problem, problems};
use imgfix_model::verdict::Outcome;
use imgfix_terminal::clean;

/// The document, ending in a newline.
#[must_use]
pub fn render(report: &RepairReport) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing to memory cannot fail; an empty document would be noticed by every reader.
    let _ = suites(&mut writer, report);
    let body = String::from_utf8(writer.into_inner()).unwrap_or_default();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}\n")
}

type Result = std::io::Result<()>;

/// The totals that stand on a suite: tests, failures, skipped.
type Totals = [usize; 3];

fn suites(writer: &mut Writer<Vec<u8>>, report: &RepairReport) -> Result {
    let all = problems(&report.platforms);
    let number = |wanted: &dyn Fn(Outcome) -> bool| {
        all.iter().filter(|problem| wanted(problem.outcome)).count()
    };
    let own = [all.len(), number(&|one| one == Outcome::Left), number(&Outcome::is_accepted)];
    let gate = report.gate.as_ref();
    let of_gate = gate.map_or([0; 3], |gate| [1, usize::from(!gate.passed), 0]);
    let [tests, failures, _] = add(own, of_gate);
    let image = report.standing_image();
    let name = match report.stage {
        Stage::Repaired => image.reference.clone(),
        Stage::Planned => format!("plan for {}", image.reference),
    };
    writer
        .create_element("testsuites")
        .with_attribute(("name", "imgfix"))
        .with_attribute(("tests", tests.to_string().as_str()))
        .with_attribute(("failures", failures.to_string().as_str()))
        .write_inner_content(|writer| {
            suite(writer, &name, own, |writer| {
                all.iter().try_for_each(|problem| case(writer, report, problem))
            })?;
            match gate {
                Some(gate) => suite(writer, &format!("gate of {name}"), of_gate, |writer| {
                    gate_case(writer, gate)
                }),
                None => Ok(()),
            }
        })?;
    Ok(())
}

fn add(a: Totals, b: Totals) -> Totals {
    let ([a, b, c], [d, e, f]) = (a, b);
    [a + d, b + e, c + f]
}

fn suite(
    writer: &mut Writer<Vec<u8>>,
    name: &str,
    [tests, failures, skipped]: Totals,
    cases: impl Fn(&mut Writer<Vec<u8>>) -> Result,
) -> Result {
    writer
        .create_element("testsuite")
        .with_attribute(("name", clean(name).as_str()))
        .with_attribute(("tests", tests.to_string().as_str()))
        .with_attribute(("failures", failures.to_string().as_str()))
        .with_attribute(("errors", "0"))
        .with_attribute(("skipped", skipped.to_string().as_str()))
        .write_inner_content(|writer| cases(writer))?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, report: &RepairReport, problem: &Problem<'_>) -> Result {
    let at = problem.at.as_ref().filter(|at| *at != problem.source);
    let at = at.map(|at| format!(" in {at}")).unwrap_or_default();
    let name = clean(&format!("{} {}{at}", problem.id, problem.source));
    let class = clean(&format!("{}.{}", problem.class, problem.source));
    let became = clean(&problem.became());
    let why = match (problem.outcome, report.is_done()) {
        (Outcome::Mitigated, _) => format!("mitigated: {became}"),
        (Outcome::Left, false) => format!("would not be fixed: {became}"),
        _ => became,
    };
    writer
        .create_element("testcase")
        .with_attribute(("name", name.as_str()))
        .with_attribute(("classname", class.as_str()))
        .with_attribute(("time", "0"))
        .write_inner_content(|writer| match problem.outcome {
            Outcome::Fixed | Outcome::NotAffected => Ok(()),
            Outcome::Ignored | Outcome::Mitigated => {
                writer
                    .create_element("skipped")
                    .with_attribute(("message", why.as_str()))
                    .write_empty()?;
                Ok(())
            }
            Outcome::Left => {
                let severity = problem.severity.to_string();
                failure(
                    writer,
                    &severity,
                    &why,
                    &format!("{severity} {}: {why}", packages(problem)),
                )
            }
        })?;
    Ok(())
}

/// The packages that have it, with their versions: `libssl3 3.0.11, openssl 3.0.11`.
fn packages(problem: &Problem<'_>) -> String {
    let mut all: Vec<String> = Vec::new();
    for one in problem.decisive() {
        let finding = &one.judged.finding;
        let place = finding.location.as_ref().and_then(|_| finding.place_beside_package());
        let place = place.map(|place| format!("in {place}")).unwrap_or_default();
        let words = [&finding.package, &finding.installed, &place];
        let text = words.map(String::as_str).join(" ").trim_end().replace("  ", " ");
        if !all.contains(&text) {
            all.push(text);
        }
    }
    clean(all.join(", ").trim_end())
}

fn gate_case(writer: &mut Writer<Vec<u8>>, gate: &Gate) -> Result {
    writer
        .create_element("testcase")
        .with_attribute((
            "name",
            format!("nothing at or above {} is left", gate.threshold).as_str(),
        ))
        .with_attribute(("classname", "gate"))
        .with_attribute(("time", "0"))
        .write_inner_content(|writer| match gate.passed {
            true => Ok(()),
            false => failure(writer, "gate", &gate.sentence(), &gate.lines().join("\n")),
        })?;
    Ok(())
}

fn failure(writer: &mut Writer<Vec<u8>>, kind: &str, message: &str, text: &str) -> Result {
    writer
        .create_element("failure")
        .with_attribute(("type", kind))
        .with_attribute(("message", message))
        .write_inner_content(|writer| writer.write_event(Event::Text(BytesText::new(text))))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use quick_xml::events::BytesStart;

    use super::super::before_after::samples;
    use super::*;

    /// What the schema lets an element have.
    #[derive(Default)]
    struct Element {
        attributes: BTreeSet<String>,
        required: BTreeSet<String>,
        children: BTreeSet<String>,
    }

    fn attributes(element: &BytesStart<'_>) -> BTreeMap<String, String> {
        let text = |bytes: &str| bytes.to_owned();
        let all = element.attributes().map(|one| one.unwrap());
        all.map(|one| (text(one.key.as_ref()), text(&one.value))).collect()
    }

    /// Reads the part of XML Schema that Jenkins's schema consists of: elements that name their
    /// attributes and refer to their children.
    fn schema() -> BTreeMap<String, Element> {
        let mut reader =
            quick_xml::Reader::from_str(include_str!("../../fixtures/schemas/junit-10.xsd"));
        let mut all: BTreeMap<String, Element> = BTreeMap::new();
        let (mut depth, mut current) = (0, String::new());
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) => {
                    if depth == 1 && tag.local_name().as_ref() == "element" {
                        current = attributes(&tag).remove("name").unwrap();
                        all.entry(current.clone()).or_default();
                    }
                    depth += 1;
                }
                Event::End(_) => depth -= 1,
                Event::Empty(tag) if depth > 1 => {
                    let mut values = attributes(&tag);
                    let element = all.entry(current.clone()).or_default();
                    match (tag.local_name().as_ref(), values.remove("ref")) {
                        ("attribute", _) => {
                            let name = values.remove("name").unwrap();
                            if values.get("use").is_some_and(|value| value == "required") {
                                element.required.insert(name.clone());
                            }
                            element.attributes.insert(name);
                        }
                        ("element", Some(child)) => {
                            element.children.insert(child);
                        }
                        _ => {}
                    }
                }
                Event::Eof => return all,
                _ => {}
            }
        }
    }

    /// Holds a document against Jenkins's schema: elements, where they stand, attributes.
    fn assert_valid(document: &str) {
        let schema = schema();
        assert!(schema["testsuite"].required.contains("errors"), "the schema was read");
        let mut reader = quick_xml::Reader::from_str(document);
        let mut open: Vec<String> = Vec::new();
        loop {
            let event = reader.read_event().unwrap();
            let (Event::Start(tag) | Event::Empty(tag)) = &event else {
                match event {
                    Event::End(_) => drop(open.pop()),
                    Event::Eof => return,
                    _ => {}
                }
                continue;
            };
            let name = tag.name().as_ref().to_owned();
            let element = schema.get(&name).unwrap_or_else(|| panic!("no element {name}"));
            if let Some(parent) = open.last() {
                assert!(schema[parent].children.contains(&name), "{name} in {parent}");
            } else {
                assert_eq!(name, "testsuites");
            }
            let has: BTreeSet<String> = attributes(tag).into_keys().collect();
            assert!(has.is_subset(&element.attributes), "{name} has {has:?}");
            assert!(element.required.is_subset(&has), "{name} has only {has:?}");
            if matches!(event, Event::Start(_)) {
                open.push(name);
            }
        }
    }

    #[test]
    fn jenkins_takes_the_document() {
        let mut gated = samples::report();
        gated.hold_against(imgfix_model::finding::Severity::High);
        for report in [samples::report(), samples::planned(), samples::untouched(), gated] {
            assert_valid(&render(&report));
        }
        let wrong = "<testsuites skipped=\"1\"></testsuites>";
        assert!(std::panic::catch_unwind(|| assert_valid(wrong)).is_err());
    }

    #[test]
    fn the_document_is_as_it_was() {
        insta::assert_snapshot!(render(&samples::report()));
        insta::assert_snapshot!("planned", render(&samples::planned()));
    }

    #[test]
    fn the_document_is_well_formed_whatever_names_say() {
        let mut report = samples::report();
        report.platforms[0].findings[0].finding.package = "<a href=\"x\">&\x1b\0".into();
        let text = render(&report);
        let mut reader = quick_xml::Reader::from_str(&text);
        let mut cases = 0;
        loop {
            match reader.read_event().unwrap() {
                Event::Start(element) if element.name().as_ref() == "testcase" => cases += 1,
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(cases, problems(&report.platforms).len());
        assert!(!text.contains('\x1b') && !text.contains('\0'));
    }
}
