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
    let image = report.output.as_ref().unwrap_or(&report.image);
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
    let name = clean(&format!("{} {}", problem.id, problem.source));
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
        let text = format!("{} {}", finding.package, finding.installed);
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
    use super::super::before_after::samples;
    use super::*;

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
