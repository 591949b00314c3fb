//! Hadoop's *-site.xml, as `org.apache.hadoop.conf.Configuration` of Hadoop 3 reads them: the
//! last `property` of a name counts, and none behind one that is `final`. One file alone; which
//! of several a program reads, in which order, the caller knows. A new property goes to the end.

use crate::error::SettingsError;
use crate::files::Files;
use crate::grammar::{Grammar, Place, push};
use crate::markup::{Element, decoded, elements, escaped};
use crate::text::{Edit, indent_at, line_end, line_next, line_of, line_start, part, text, trimmed};

pub(crate) struct Hadoop;

const BLANK: &[u8] = b" \t\r\n";
/// The key of the element that holds all.
const ROOT: &str = "\u{1}configuration";

impl Grammar for Hadoop {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let bytes = files.bytes(file);
        let found =
            elements(&bytes).map_err(|(at, why)| files.unclear(file, line_of(&bytes, at), why))?;
        let mut places = Vec::new();
        let mut finals: Vec<String> = Vec::new();
        for (number, element) in found.iter().enumerate() {
            let line = line_of(&bytes, element.whole.start);
            match (element.name.as_str(), element.parent) {
                ("configuration", None) => {
                    let at = element.inner.clone();
                    let place = Place { file, line, key: ROOT.to_owned(), at, ..Place::default() };
                    push(files, &mut places, place)?;
                    continue;
                }
                ("property", Some(0)) => {}
                (
                    "name" | "value" | "final" | "description" | "source" | "tag" | "finalizer",
                    Some(_),
                ) => continue,
                _ => return Err(files.unclear(file, line, "an element that is no property")),
            }
            if !element.attributes.is_empty() {
                return Err(files.unclear(file, line, "a property in attributes"));
            }
            let children = found.iter().skip(number + 1).filter(|one| one.parent == Some(number));
            let content = |child: &Element| {
                let at = trimmed(&bytes, child.inner.clone(), BLANK);
                let raw = part(&bytes, at.clone());
                // neither another element nor a comment
                let plain = child.children == 0 && !raw.contains(&b'<');
                decoded(raw).filter(|_| plain).map(|text| (text, at))
            };
            let find = |name: &str| children.clone().rfind(|child| child.name == name);
            let Some((name, _)) = find("name").and_then(content) else {
                return Err(files.unclear(file, line, "a property without a plain name"));
            };
            let value = find("value");
            let is_final = find("final").and_then(content).is_some_and(|(text, _)| text == "true");
            let said = value.and_then(content);
            let unclear = match value {
                None => Some("a property without a value"),
                Some(value) if value.closed => Some("a value in an empty element"),
                Some(_) if said.is_none() => Some("a value that is no plain text"),
                Some(_) => None,
            };
            let after = finals.contains(&name).then(|| "behind a final one".to_owned());
            if is_final && after.is_none() && finals.len() < 10_000 {
                finals.push(name.clone());
            }
            let (value, at) = said.unwrap_or_default();
            let start = line_start(&bytes, element.whole.start);
            let end = line_next(&bytes, element.whole.end);
            let blank = |at| part(&bytes, at).iter().all(u8::is_ascii_whitespace);
            let alone = blank(start..element.whole.start) && blank(element.whole.end..end);
            let place = Place {
                file,
                line,
                key: name,
                value,
                condition: after,
                at,
                whole: if alone { start..end } else { element.whole.clone() },
                unclear: unclear.map(str::to_owned),
                detail: String::new(),
            };
            push(files, &mut places, place)?;
        }
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        if key.trim() != key || key.contains('\u{1}') {
            return Err(SettingsError::key(key, "no name of a property"));
        }
        Ok(key.to_owned())
    }

    fn put(
        &self,
        _: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        Ok(vec![Edit::new(place.file, place.at.clone(), written(key, value)?)])
    }

    fn add(
        &self,
        files: &Files<'_>,
        places: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(0);
        let root = places.iter().find(|place| place.key == ROOT && place.at.end < bytes.len());
        let root =
            root.ok_or_else(|| SettingsError::key(key, "there is no configuration to put it in"))?;
        let first = places.iter().find(|place| place.key != ROOT);
        let one = first
            .map(|place| text(indent_at(&bytes, place.whole.start)))
            .unwrap_or("  ".to_owned());
        let end = line_end(&bytes);
        let two = if one.is_empty() { "  ".to_owned() } else { one.repeat(2) };
        let value = written(key, value)?;
        let new = [
            format!("{one}<property>{end}"),
            format!("{two}<name>{}</name>{end}", escaped(key)),
            format!("{two}<value>{value}</value>{end}"),
            format!("{one}</property>{end}"),
        ];
        let close = root.at.end;
        let start = line_start(&bytes, close);
        let alone = part(&bytes, start..close).iter().all(u8::is_ascii_whitespace);
        let (at, lead) = if alone { (start, "") } else { (close, end) };
        Ok(vec![Edit::new(0, at..at, format!("{lead}{}", new.concat()))])
    }
}

fn written(key: &str, value: &str) -> Result<String, SettingsError> {
    if value.trim() != value || value.chars().any(char::is_control) {
        return Err(SettingsError::value(key, "no value of one line"));
    }
    Ok(value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

#[cfg(test)]
mod tests {
    use crate::Format::Hadoop;
    use crate::testing::Image;

    const MAIN: &str = "/etc/hadoop/core-site.xml";

    #[test]
    fn the_last_counts_unless_one_is_final() {
        let property = |name: &str, value: &str, more: &str| {
            format!(
                "  <property>\n    <name>{name}</name>\n    <value> {value} </value>{more}\n  </property>\n"
            )
        };
        let main = format!(
            "<?xml version=\"1.0\"?>\n<configuration>\n{}{}{}{}</configuration>\n",
            property("a", "1", ""),
            property("b", "x &amp; y", "<final>true</final>"),
            property("a", "2", ""),
            property("b", "z", "")
        );
        let image = Image::new(&[(MAIN, &main)]);
        assert_eq!(image.effective(Hadoop, MAIN, "a").as_deref(), Some("2"));
        assert_eq!(image.effective(Hadoop, MAIN, "b").as_deref(), Some("x & y"));
        assert_eq!(
            image.set(Hadoop, MAIN, "b", "<k>")[0].1,
            main.replace("x &amp; y", "&lt;k&gt;")
        );
        let new = "  <property>\n    <name>n</name>\n    <value>kerberos</value>\n  </property>\n</configuration>";
        assert_eq!(
            image.set(Hadoop, MAIN, "n", "kerberos")[0].1,
            main.replace("</configuration>", new)
        );
        let gone = main.replace(&property("a", "1", ""), "").replace(&property("a", "2", ""), "");
        assert_eq!(image.removed(Hadoop, MAIN, "a")[0].1, gone);
        let include =
            Image::new(&[(MAIN, "<configuration>\n<xi:include href='x'/></configuration>")]);
        assert!(include.refused(Hadoop, MAIN, "a", "1").contains("xml:2: an element"));
        let empty = Image::new(&[(MAIN, "<configuration></configuration>")]);
        assert!(empty.set(Hadoop, MAIN, "n", "v")[0].1.contains("<name>n</name>\n"));
    }
}
