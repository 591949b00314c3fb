//! Tomcat's server.xml and tomcat-users.xml (Apache Tomcat 9, "Configuration Reference" and
//! "Realm Configuration").
//!
//! A key is a path of elements, from anywhere, each with the attributes it has to have:
//! `Connector[protocol=AJP/1.3]`, `Host/Valve[className=x.ErrorReportValve]`. The value of an
//! element is `present`; to set it makes the element, to remove it takes it out. `@` and a name
//! behind it is an attribute: `Server@shutdown`, `Host/Valve[className=x]@showReport`; where the
//! element is missing, setting an attribute makes it, in every element above it. All elements of
//! a key have to say the same.
//!
//! Of tomcat-users.xml, `user[NAME]` is short for `user[username=NAME]` (`name` is an old name of
//! the attribute); the value of an element `user` is the name: what there is of `user` is the
//! list. Names and roles are read so; a user is never made.

use crate::error::SettingsError;
use crate::files::Files;
use crate::grammar::{Grammar, Order, Place, push};
use crate::markup::{Element, elements, escaped};
use crate::text::{Edit, indent_at, line_end, line_next, line_of, line_start, part, text};

pub(crate) struct TomcatServer;
pub(crate) struct TomcatUsers;

const PRESENT: &str = "present";

/// One element of a key.
#[derive(Debug)]
struct Step {
    name: String,
    attributes: Vec<(String, String)>,
}

/// A key: its elements, and an attribute of the last.
fn steps(key: &str) -> Option<(Vec<Step>, Option<&str>)> {
    let close = key.rfind(']').map_or(0, |at| at + 1);
    let (path, attribute) = match key.get(close..)?.find('@') {
        Some(at) => (key.get(..close + at)?, Some(key.get(close + at + 1..)?)),
        None => (key, None),
    };
    let mut out = Vec::new();
    let mut rest = path;
    loop {
        let end = rest.find(['/', '[']).unwrap_or(rest.len());
        let mut step = Step { name: rest.get(..end)?.to_owned(), attributes: Vec::new() };
        rest = rest.get(end..)?;
        while let Some(inner) = rest.strip_prefix('[') {
            let (selector, after) = inner.split_once(']')?;
            let (name, value) = selector.split_once('=').unwrap_or(("username", selector));
            step.attributes.push((name.to_owned(), value.to_owned()));
            rest = after;
        }
        let word = |text: &str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c))
        };
        if !word(&step.name) || !step.attributes.iter().all(|(name, _)| word(name)) {
            return None;
        }
        out.push(step);
        match rest.strip_prefix('/') {
            Some(after) => rest = after,
            None => break,
        }
    }
    let named = attribute
        .is_none_or(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()));
    (rest.is_empty() && named).then_some((out, attribute))
}

fn has(place_attributes: &str, wanted: &(String, String)) -> bool {
    let (name, value) = wanted;
    let old = if name == "username" { "name" } else { name.as_str() };
    place_attributes.split(ATTRIBUTE).any(|one| {
        one.split_once('=').is_some_and(|(key, is)| (key == name || key == old) && is == value)
    })
}

/// Between elements, and between attributes, in what a place has of the elements around it.
const ELEMENT: char = '\u{1f}';
const ATTRIBUTE: char = '\u{1e}';

/// Whether a place's element is at the end of the path.
fn is_at(place: &Place, path: &[Step]) -> bool {
    let mut around = place.detail.rsplit(ELEMENT);
    path.iter().rev().all(|step| {
        around.next().is_some_and(|element| {
            let (name, attributes) = element.split_once(ATTRIBUTE).unwrap_or((element, ""));
            name == step.name && step.attributes.iter().all(|wanted| has(attributes, wanted))
        })
    })
}

fn attribute_of(place: &Place) -> Option<&str> {
    place.key.rsplit_once('@').map(|(_, name)| name)
}

fn read_markup(files: &Files<'_>, file: usize, users: bool) -> Result<Vec<Place>, SettingsError> {
    let bytes = files.bytes(file);
    let found =
        elements(&bytes).map_err(|(at, why)| files.unclear(file, line_of(&bytes, at), why))?;
    let mut paths: Vec<(String, String)> = Vec::new();
    let mut places = Vec::new();
    let mut volume = 0;
    for element in &found {
        let own = element.attributes.iter().fold(element.name.clone(), |mut own, attribute| {
            own.push(ATTRIBUTE);
            own.push_str(&format!("{}={}", attribute.name, attribute.value));
            own
        });
        let (path, detail) = match element.parent.and_then(|parent| paths.get(parent)) {
            Some((path, detail)) => {
                (format!("{path}/{}", element.name), format!("{detail}{ELEMENT}{own}"))
            }
            None => (element.name.clone(), own),
        };
        volume += path.len() + detail.len();
        if volume > 64 << 20 {
            return Err(files.unclear(
                file,
                line_of(&bytes, element.whole.start),
                "larger than settings are",
            ));
        }
        let name = element
            .attributes
            .iter()
            .find(|one| one.name == "username")
            .or_else(|| element.attributes.iter().find(|one| one.name == "name"));
        let value = match (users && element.name == "user", name) {
            (true, Some(name)) => name.value.clone(),
            _ => PRESENT.to_owned(),
        };
        let place = Place {
            file,
            line: line_of(&bytes, element.whole.start),
            key: path.clone(),
            value,
            // of `<a/>` nothing: there is no place for a child in it
            at: element.named..if element.closed { element.named } else { element.inner.end },
            whole: lines_of(&bytes, element),
            detail: detail.clone(),
            ..Place::default()
        };
        push(files, &mut places, place)?;
        for attribute in &element.attributes {
            let place = Place {
                file,
                line: line_of(&bytes, attribute.at.start),
                key: format!("{path}@{}", attribute.name),
                value: attribute.value.clone(),
                at: attribute.at.clone(),
                whole: attribute.whole.clone(),
                detail: detail.clone(),
                ..Place::default()
            };
            push(files, &mut places, place)?;
        }
        paths.push((path, detail));
    }
    Ok(places)
}

/// The element, with its lines where nothing else is in them.
fn lines_of(bytes: &[u8], element: &Element) -> std::ops::Range<usize> {
    let start = line_start(bytes, element.whole.start);
    let end = line_next(bytes, element.whole.end);
    let blank = |at: std::ops::Range<usize>| part(bytes, at).iter().all(u8::is_ascii_whitespace);
    if blank(start..element.whole.start) && blank(element.whole.end..end) {
        start..end
    } else {
        element.whole.clone()
    }
}

fn key_of(key: &str) -> Result<String, SettingsError> {
    match steps(key) {
        Some(_) => Ok(key.to_owned()),
        None => {
            Err(SettingsError::key(key, "no path of elements, as `Connector[port=8009]@secret`"))
        }
    }
}

fn about(place: &Place, key: &str) -> bool {
    steps(key)
        .is_some_and(|(path, attribute)| attribute_of(place) == attribute && is_at(place, &path))
}

/// What has to stay: all but the elements that a key makes or takes out.
fn other(place: &Place, key: &str) -> bool {
    let Some((path, attribute)) = steps(key) else { return true };
    if about(place, key) {
        return false;
    }
    let made = |name: &str| {
        path.last().is_some_and(|last| last.attributes.iter().any(|(one, _)| one == name))
    };
    match attribute {
        Some(_) => !is_at(place, &path) || attribute_of(place).is_some_and(|name| !made(name)),
        // the element with all that is in it
        None => {
            let mut around = Some(place.detail.as_str());
            while let Some(detail) = around {
                let place = Place { detail: detail.to_owned(), ..Place::default() };
                if is_at(&place, &path) {
                    return false;
                }
                around = detail.rsplit_once(ELEMENT).map(|(above, _)| above);
            }
            true
        }
    }
}

fn add_markup(
    files: &Files<'_>,
    places: &[Place],
    key: &str,
    value: &str,
) -> Result<Vec<Edit>, SettingsError> {
    let bytes = files.bytes(0);
    let bad = |why: &str| SettingsError::key(key, why);
    let Some((mut path, attribute)) = steps(key) else { return Err(bad("no path of elements")) };
    let is_element = |place: &&Place| attribute_of(place).is_none();
    if let Some(attribute) = attribute {
        let mut edits = Vec::new();
        for element in places.iter().filter(is_element).filter(|place| is_at(place, &path)) {
            let end = places.iter().filter(|place| {
                attribute_of(place).is_some()
                    && place.detail == element.detail
                    && place.at.start >= element.at.start
                    && place.at.end <= element.whole.end
            });
            let at = end
                .map(|place| place.whole.end)
                .filter(|at| *at >= element.at.start)
                .min_by_key(|at| {
                    // the last attribute of this start tag
                    std::cmp::Reverse(*at)
                });
            let at = at.unwrap_or(element.at.start);
            edits.push(Edit::new(0, at..at, format!(" {attribute}=\"{}\"", escaped(value))));
        }
        if !edits.is_empty() {
            return Ok(edits);
        }
    }
    let Some(new) = path.pop().filter(|new| !new.attributes.is_empty() && !path.is_empty()) else {
        return Err(bad(
            "there is no such element, and the key does not say what to make, and where",
        ));
    };
    let mut tag = format!("<{}", new.name);
    for (name, value) in &new.attributes {
        tag.push_str(&format!(" {name}=\"{}\"", escaped(value)));
    }
    if let Some(attribute) = attribute {
        tag.push_str(&format!(" {attribute}=\"{}\"", escaped(value)));
    }
    tag.push_str("/>");
    let mut edits = Vec::new();
    for parent in places.iter().filter(is_element).filter(|place| is_at(place, &path)) {
        let close = parent.at.end;
        if parent.at.is_empty() {
            return Err(files.unclear(0, parent.line, "the element above is empty"));
        }
        let start = line_start(&bytes, close);
        let alone = part(&bytes, start..close).iter().all(u8::is_ascii_whitespace);
        let indent = text(indent_at(&bytes, close));
        let end = line_end(&bytes);
        edits.push(match alone {
            true => Edit::new(0, start..start, format!("{indent}  {tag}{end}")),
            false => Edit::new(0, close..close, tag.clone()),
        });
    }
    if edits.is_empty() { Err(bad("the element above it is missing")) } else { Ok(edits) }
}

fn put_markup(place: &Place, key: &str, value: &str) -> Result<Vec<Edit>, SettingsError> {
    if attribute_of(place).is_none() {
        return Err(SettingsError::value(key, "an element is `present`, or removed"));
    }
    if value.contains(['\n', '\r', '\t']) || value.chars().any(char::is_control) {
        return Err(SettingsError::value(key, "it has more than one line"));
    }
    Ok(vec![Edit::new(place.file, place.at.clone(), escaped(value))])
}

fn wanted(key: &str, value: &str) -> Result<String, SettingsError> {
    let element = steps(key).is_some_and(|(_, attribute)| attribute.is_none());
    if element && value != PRESENT {
        return Err(SettingsError::value(key, "an element is `present`, or removed"));
    }
    if value.chars().any(char::is_control) {
        return Err(SettingsError::value(key, "it has more than one line"));
    }
    Ok(value.to_owned())
}

impl Grammar for TomcatServer {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        read_markup(files, file, false)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        key_of(key)
    }

    fn is_about(&self, place: &Place, key: &str) -> bool {
        about(place, key)
    }

    fn order(&self, _: &str) -> Order {
        Order::Same
    }

    fn value(&self, key: &str, value: &str) -> Result<String, SettingsError> {
        wanted(key, value)
    }

    fn put(
        &self,
        _: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        put_markup(place, key, value)
    }

    fn add(
        &self,
        files: &Files<'_>,
        places: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        add_markup(files, places, key, value)
    }

    fn is_other(&self, place: &Place, key: &str) -> bool {
        other(place, key)
    }
}

impl Grammar for TomcatUsers {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        read_markup(files, file, true)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        key_of(key)
    }

    fn is_about(&self, place: &Place, key: &str) -> bool {
        about(place, key)
    }

    fn order(&self, key: &str) -> Order {
        if steps(key).is_some_and(|(_, attribute)| attribute.is_none()) {
            Order::First
        } else {
            Order::Same
        }
    }

    fn put(
        &self,
        _: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        put_markup(place, key, value)
    }

    fn add(
        &self,
        files: &Files<'_>,
        places: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let there = steps(key).is_some_and(|(path, attribute)| {
            attribute.is_some() && places.iter().any(|place| is_at(place, &path))
        });
        if !there {
            return Err(SettingsError::key(key, "there is no such user, and none is made"));
        }
        add_markup(files, places, key, value)
    }

    fn is_other(&self, place: &Place, key: &str) -> bool {
        other(place, key)
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::{TomcatServer, TomcatUsers};
    use crate::testing::Image;

    const MAIN: &str = "/opt/tomcat/conf/server.xml";
    const TEXT: &str = "<?xml version='1.0'?>\n<!-- <Server port=\"1\"/> -->\n<Server port=\"8005\" shutdown='SHUTDOWN'>\n  <Service name=\"Catalina\">\n    <Connector port=\"8080\" protocol=\"HTTP/1.1\"\n               redirectPort=\"8443\" />\n    <Connector protocol=\"AJP/1.3\" port=\"8009\"/>\n    <Engine name=\"Catalina\">\n      <Host name=\"localhost\">\n        <Valve className=\"a.AccessLogValve\" pattern=\"%h &quot;%r&quot;\"/>\n      </Host>\n    </Engine>\n  </Service>\n</Server>\n";

    #[test]
    fn attributes_and_elements_by_path() {
        let image = Image::new(&[(MAIN, TEXT)]);
        let get = |key| image.effective(TomcatServer, MAIN, key);
        assert_eq!(get("Server@port").as_deref(), Some("8005"));
        assert_eq!(get("Valve@pattern").as_deref(), Some("%h \"%r\""));
        assert_eq!(get("Connector[protocol=AJP/1.3]").as_deref(), Some("present"));
        assert_eq!(get("Host/Valve[className=x.ErrorReportValve]@showReport"), None);
        let set = |key, value| image.set(TomcatServer, MAIN, key, value).remove(0).1;
        assert_eq!(set("Server@port", "-1"), TEXT.replace("8005", "-1"));
        assert_eq!(set("Server@shutdown", "a'b"), TEXT.replace("SHUTDOWN", "a&apos;b"));
        assert_eq!(
            set("Connector[port=8080]@server", "x"),
            TEXT.replace("\"8443\"", "\"8443\" server=\"x\"")
        );
        let valve =
            "        <Valve className=\"x.ErrorReportValve\" showReport=\"false\"/>\n      </Host>";
        let key = "Host/Valve[className=x.ErrorReportValve]@showReport";
        assert_eq!(set(key, "false"), TEXT.replace("      </Host>", valve));
        let removed = &image.removed(TomcatServer, MAIN, "Connector[protocol=AJP/1.3]")[0].1;
        assert_eq!(
            *removed,
            TEXT.replace("    <Connector protocol=\"AJP/1.3\" port=\"8009\"/>\n", "")
        );
        assert!(
            image
                .refused(TomcatServer, MAIN, "Connector@port", "1")
                .contains("xml:7: Connector@port is said")
        );
        let doctype = Image::new(&[(MAIN, "<!DOCTYPE a [<!ENTITY b 'c'>]>\n<a/>")]);
        assert!(doctype.refused(TomcatServer, MAIN, "a@b", "1").contains("xml:1: a document type"));
    }

    #[test]
    fn users_are_listed_and_taken_out() {
        let main = "<tomcat-users>\r\n  <role rolename=\"manager-gui\"/>\r\n  <user username=\"tomcat\" password=\"tomcat\" roles=\"manager-gui\"/>\r\n  <user name=\"old\" password=\"x\" roles=\"a,b\"/><!-- <user username=\"no\"/> -->\r\n</tomcat-users>\r\n";
        let image = Image::new(&[(MAIN, main)]);
        let users: Vec<_> =
            image.all(TomcatUsers, MAIN, "user").into_iter().map(|user| user.value).collect();
        assert_eq!(users, ["tomcat", "old"]);
        assert_eq!(image.effective(TomcatUsers, MAIN, "user[old]@roles").as_deref(), Some("a,b"));
        let line = "  <user username=\"tomcat\" password=\"tomcat\" roles=\"manager-gui\"/>\r\n";
        assert_eq!(image.removed(TomcatUsers, MAIN, "user[tomcat]")[0].1, main.replace(line, ""));
        let old = "<user name=\"old\" password=\"x\" roles=\"a,b\"/>";
        assert_eq!(image.removed(TomcatUsers, MAIN, "user[old]")[0].1, main.replace(old, ""));
        assert!(image.refused(TomcatUsers, MAIN, "user[new]@roles", "x").contains("none is made"));
    }
}
