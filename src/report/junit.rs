//! Findings as JUnit XML, for pipelines whose pages show test results: a finding is a test,
//! what is left fails, what is ignored is skipped.
//!
//! Source: the schema that Jenkins reads
//! (<https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd>).

use quick_xml::events::{BytesText, Event};
use quick_xml::writer::Writer;

use super::before_after::{PlatformReport, RepairReport};
use imgfix_model::verdict::{JudgedFinding, Outcome, Verdict};
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

fn suites(writer: &mut Writer<Vec<u8>>, report: &RepairReport) -> Result {
    let summary = &report.summary;
    writer
        .create_element("testsuites")
        .with_attribute(("name", "imgfix"))
        .with_attribute(("tests", (summary.findings + summary.ignored).to_string().as_str()))
        .with_attribute(("failures", summary.not_fixed.to_string().as_str()))
        .write_inner_content(|writer| {
            report.platforms.iter().try_for_each(|platform| suite(writer, report, platform))
        })?;
    Ok(())
}

fn suite(writer: &mut Writer<Vec<u8>>, report: &RepairReport, platform: &PlatformReport) -> Result {
    let image = report.output.as_ref().unwrap_or(&report.image);
    let of = |outcome: Outcome| {
        let all = platform.findings.iter();
        all.filter(|one| one.verdict.outcome() == outcome).count().to_string()
    };
    let skipped = platform
        .findings
        .iter()
        .filter(|one| one.verdict.outcome().is_accepted())
        .count()
        .to_string();
    writer
        .create_element("testsuite")
        .with_attribute((
            "name",
            clean(&format!("{} {}", image.reference, platform.platform)).as_str(),
        ))
        .with_attribute(("tests", platform.findings.len().to_string().as_str()))
        .with_attribute(("failures", of(Outcome::Left).as_str()))
        .with_attribute(("errors", "0"))
        .with_attribute(("skipped", skipped.as_str()))
        .write_inner_content(|writer| {
            platform.findings.iter().try_for_each(|judged| case(writer, judged))
        })?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, judged: &JudgedFinding) -> Result {
    let finding = &judged.finding;
    let name = clean(&format!("{} {}", finding.id, finding.package));
    let class = clean(&format!("{}.{}", finding.class, finding.package));
    writer
        .create_element("testcase")
        .with_attribute(("name", name.as_str()))
        .with_attribute(("classname", class.as_str()))
        .with_attribute(("time", "0"))
        .write_inner_content(|writer| {
            let why = match &judged.verdict {
                Verdict::Fixed { .. } | Verdict::NotAffected { .. } => return Ok(()),
                Verdict::NotFixed { reason } => clean(&reason.to_string()),
                Verdict::Mitigated { how } => clean(&format!("mitigated: {how}")),
            };
            let text = clean(&format!(
                "{} {} {}: {why}",
                finding.severity, finding.package, finding.installed
            ));
            if judged.verdict.outcome().is_accepted() {
                writer
                    .create_element("skipped")
                    .with_attribute(("message", why.as_str()))
                    .write_empty()?;
                return Ok(());
            }
            writer
                .create_element("failure")
                .with_attribute(("type", finding.severity.to_string().as_str()))
                .with_attribute(("message", why.as_str()))
                .write_inner_content(|writer| {
                    writer.write_event(Event::Text(BytesText::new(&text)))
                })?;
            Ok(())
        })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::*;

    #[test]
    fn the_document_is_as_it_was() {
        insta::assert_snapshot!(render(&samples::report()));
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
        assert_eq!(cases, report.platforms[0].findings.len());
        assert!(!text.contains('\x1b') && !text.contains('\0'));
    }
}
