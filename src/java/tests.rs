//! Tests of what is listed, on archives made for them.

use std::sync::Arc;

use imgfix_model::path::ImagePath;
use imgfix_versions::VersionOrder;
use imgfix_vfs::{Entry, NoLayers, Tree};
use imgfix_zip::testing::Made;

use crate::*;

fn pom(group: &str, artifact: &str, version: &str) -> (String, Vec<u8>) {
    let name = format!("META-INF/maven/{group}/{artifact}/pom.properties");
    let text = format!("groupId={group}\nartifactId={artifact}\nversion={version}\n");
    (name, text.into_bytes())
}

fn jar(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<(&str, &[u8])> =
        entries.iter().map(|(name, content)| (&**name, &**content)).collect();
    Made::of(&entries).bytes()
}

fn manifest(lines: &[&str]) -> (String, Vec<u8>) {
    let text = format!("Manifest-Version: 1.0\r\n{}\r\n\r\n", lines.join("\r\n"));
    ("META-INF/MANIFEST.MF".into(), text.into_bytes())
}

fn shown(found: &[Found]) -> Vec<String> {
    let mut lines = Vec::new();
    for one in found {
        for artifact in &one.artifacts {
            let within = if artifact.is_whole { "" } else { " within" };
            lines.push(format!("{} {} {}{within}", one.at, artifact.name, artifact.version));
        }
        lines.extend(one.unread.iter().map(|why| format!("{}: {why}", one.at)));
    }
    lines
}

#[test]
fn what_a_jar_is_has_an_order_of_witnesses() {
    let log4j = [pom("org.apache.logging.log4j", "log4j-core", "2.17.1")];
    let springs =
        [manifest(&["Implementation-Title: spring-beans", "Implementation-Version: 5.3.17"])];
    let gradle = [manifest(&["Implementation-Title: io.micrometer#micrometer-core;1.8.4"])];
    let tomcat = [manifest(&[
        "Implementation-Title: Apache Tomcat",
        "Implementation-Vendor: Apache Software Foundation",
        "Implementation-Version: 9.0.70",
        "Bundle-SymbolicName: org.apache.tomcat-catalina",
    ])];
    let bundle = [manifest(&[
        "Bundle-SymbolicName: com.example.lib;singleton:=true",
        "Bundle-Version: 1.2.3.SNAPSHOT",
    ])];
    let shaded = [pom("a", "app", "1"), pom("b", "lib", "2"), pom("c", "other", "3")];
    let taken_in = [pom("b", "lib", "2"), manifest(&["Implementation-Title: application"])];
    for (file, entries, want) in [
        ("log4j-core-2.14.1.jar", &log4j[..], &[" org.apache.logging.log4j:log4j-core 2.17.1"][..]),
        ("x.jar", &log4j, &[" org.apache.logging.log4j:log4j-core 2.17.1"]),
        ("spring-beans-5.3.17.jar", &springs, &[" org.springframework:spring-beans 5.3.17"]),
        ("beans.jar", &springs, &[" org.springframework:spring-beans 5.3.17"]),
        ("m.jar", &gradle, &[" io.micrometer:micrometer-core 1.8.4"]),
        ("catalina.jar", &tomcat, &[" org.apache.tomcat:tomcat-catalina 9.0.70"]),
        ("lib-1.2.3-SNAPSHOT.jar", &bundle, &[" com.example:lib 1.2.3-SNAPSHOT"]),
        ("lib.jar", &bundle, &[" com.example:lib 1.2.3.SNAPSHOT"]),
        ("commons-io-2.6.jar", &[], &[" commons-io 2.6"]),
        ("app.jar", &[], &[]),
        ("app-9.jar", &shaded, &[" a:app 1", " b:lib 2 within", " c:other 3 within"]),
        ("application-9.jar", &taken_in, &[" b:lib 2 within", " application 9"]),
    ] {
        assert_eq!(shown(&look_into(jar(entries).into(), file)), want, "{file}");
    }
}

#[test]
fn archives_lie_in_archives() {
    let lib = jar(&[pom("b", "lib", "2")]);
    let war = jar(&[pom("a", "web", "1"), ("WEB-INF/lib/lib-2.jar".into(), lib)]);
    let broken = ("lib/broken.jar".to_owned(), b"PK".to_vec());
    let ear = jar(&[("web.war".into(), war), broken]);
    assert_eq!(
        shown(&look_into(ear.into(), "app.ear")),
        [
            "web.war a:web 1",
            "web.war/WEB-INF/lib/lib-2.jar b:lib 2",
            "lib/broken.jar: it is no zip archive",
        ]
    );
    let mut deep = jar(&[pom("b", "lib", "2")]);
    for _ in 0..6 {
        deep = jar(&[("x.jar".into(), deep)]);
    }
    assert_eq!(
        shown(&look_into(deep.into(), "x.jar")),
        ["x.jar/x.jar/x.jar/x.jar/x.jar: it lies too deep in archives, or behind too many"]
    );
}

#[test]
fn a_store_is_a_folder_or_an_archive_of_archives() {
    let lib = jar(&[pom("b", "lib", "2")]);
    let fat = jar(&[pom("a", "app", "1"), ("BOOT-INF/lib/lib-2.jar".into(), lib.clone())]);
    let file = |path, bytes: &Vec<u8>| (ImagePath::literal(path), Entry::file(bytes.clone(), 0, 0));
    let entries = [
        file("/app/app.jar", &fat),
        file("/app/lib.jar", &lib),
        file("/app/nothing.jar", &Vec::new()),
        file("/tomcat/webapps/ROOT/WEB-INF/lib/lib-2.jar", &lib),
        (ImagePath::literal("/app/link.jar"), Entry::symlink("/app/lib.jar", 0)),
    ];
    let stores = find(&Tree::from_entries(entries, Arc::new(NoLayers))).unwrap();
    let lines: Vec<String> = stores
        .iter()
        .flat_map(|store| {
            let of = |one: &imgfix_model::component::Library| {
                format!("{}: {} {} {}", store.store, one.name, one.version, one.path)
            };
            store.libraries.iter().map(of).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        lines,
        [
            "java at /app: b:lib 2 /app/lib.jar",
            "java at /app/app.jar: a:app 1 /app/app.jar",
            "java at /app/app.jar: b:lib 2 /app/app.jar/BOOT-INF/lib/lib-2.jar",
            "java at /tomcat/webapps/ROOT/WEB-INF/lib: b:lib 2 \
             /tomcat/webapps/ROOT/WEB-INF/lib/lib-2.jar",
        ]
    );
}

#[test]
fn a_name_without_a_group_is_that_of_every_group() {
    assert!(same_name("org.springframework:spring-beans", "spring-beans"));
    assert!(same_name("a:b", "a:b"));
    assert!(!same_name("a:b", "c:b"));
    assert!(!same_name("a:b", "a"));
}

/// Recorded from `ComparableVersion` of maven-artifact 3.8.7.
const RECORDED: &[(&str, &str, char)] = &[
    ("1.0", "1", '='),
    ("1.0.0-ga", "1.FINAL", '='),
    ("1.0-alpha", "1.0-a1", '<'),
    ("1-rc1", "1-cr1", '='),
    ("1.0-m1", "1.0-milestone-1", '='),
    ("1.0-SNAPSHOT", "1.0", '<'),
    ("1.0-SNAPSHOT", "1.0-rc9", '>'),
    ("1.0-sp1", "1.0", '>'),
    ("1.0-foo", "1.0-sp", '>'),
    ("2.9.10.8", "2.9.10", '>'),
    ("9.4.20.v20190813", "9.4.20", '>'),
    ("2.17.1", "2.17.0", '>'),
    ("5.3.18", "5.3.9", '>'),
    ("1.0.1", "1.0-1", '>'),
    ("31.1-jre", "31.1-android", '>'),
    ("99999999999999999999", "99999999999", '>'),
    ("1..2", "1.0.2", '='),
    ("", "1", 'x'),
    ("1\u{e9}", "1", 'x'),
];

#[test]
fn the_order_is_that_of_maven() {
    let order: VersionOrder = ORDER;
    for (a, b, want) in RECORDED {
        let sign = match order.compare(a, b) {
            None => 'x',
            Some(std::cmp::Ordering::Less) => '<',
            Some(std::cmp::Ordering::Equal) => '=',
            Some(std::cmp::Ordering::Greater) => '>',
        };
        assert_eq!(sign, *want, "{a} {b}");
    }
}

#[test]
fn releases_are_told_from_what_is_unfinished() {
    for (version, want) in [
        ("2.17.1", true),
        ("5.3.18.RELEASE", true),
        ("31.1-jre", true),
        ("9.4.20.v20190813", true),
        ("3.0.0-M1", false),
        ("3.0.0.RC2", false),
        ("2.0-SNAPSHOT", false),
        ("2.10.0.pr1", false),
        ("2.0-alpha7", false),
        ("2.0b1", false),
    ] {
        assert_eq!(is_release(version), want, "{version}");
    }
}
