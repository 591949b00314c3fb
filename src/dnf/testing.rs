//! Small systems for tests: installed packages and repositories, a package a line.
//!
//! `name[.arch] [epoch:]version-release; R: requires; P: provides; C: conflicts; O: obsoletes; W:
//! recommends; F: /file; V: vendor; M: module:stream`.

use crate::installed::{InstalledPackage, InstalledRelation};
use crate::primary::{Flag, PrimaryFile};
use crate::remote::Repository;
use crate::sources::RpmSource;
use imgfix_repository::repository_url::Origin;
use imgfix_vfs::Memory;

struct Line<'a> {
    name: &'a str,
    architecture: &'a str,
    evr: String,
    fields: Vec<(&'a str, &'a str)>,
}

fn line(text: &str) -> Line<'_> {
    let mut parts = text.split(';').map(str::trim);
    let (name, evr) = parts.next().unwrap().split_once(' ').unwrap();
    let (name, architecture) = name.rsplit_once('.').unwrap_or((name, "x86_64"));
    let evr = if evr.contains('-') { evr.to_owned() } else { format!("{evr}-1") };
    let fields = parts.map(|part| part.split_once(": ").unwrap()).collect();
    Line { name, architecture, evr, fields }
}

fn relation(text: &str) -> InstalledRelation {
    let plain = |name: &str| InstalledRelation { name: name.to_owned(), ..Default::default() };
    if text.starts_with('(') {
        return plain(text);
    }
    match text.split(' ').collect::<Vec<_>>().as_slice() {
        [name, sign, evr] => InstalledRelation {
            name: (*name).to_owned(),
            flag: match *sign {
                "<" => Flag::Less,
                "<=" => Flag::LessEqual,
                "=" => Flag::Equal,
                ">=" => Flag::GreaterEqual,
                _ => Flag::Greater,
            },
            evr: (*evr).to_owned(),
        },
        _ => plain(text),
    }
}

/// An installed package.
pub(crate) fn installed(text: &str) -> InstalledPackage {
    let Line { name, architecture, evr, fields } = line(text);
    let list = |key: &str| -> Vec<&str> {
        fields.iter().filter(|(own, _)| *own == key).map(|(_, text)| *text).collect()
    };
    let relations = |key: &str| list(key).into_iter().map(relation).collect::<Vec<_>>();
    let own = relation(&format!("{name} = {evr}"));
    let one = |key: &str| list(key).first().copied().unwrap_or_default().to_owned();
    InstalledPackage {
        name: name.to_owned(),
        architecture: architecture.to_owned(),
        source: format!("{name}-{}.src.rpm", evr.rsplit(':').next().unwrap()),
        vendor: one("V"),
        module: one("M"),
        provides: relations("P").into_iter().chain([own]).collect(),
        requires: relations("R"),
        conflicts: relations("C"),
        obsoletes: relations("O"),
        recommends: relations("W"),
        files: list("F").into_iter().map(str::to_owned).collect(),
        evr,
    }
}

fn entry(one: &InstalledRelation) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let flags = match one.flag {
        Flag::Any => return format!("<rpm:entry name=\"{}\"/>", escape(&one.name)),
        Flag::Less => "LT",
        Flag::LessEqual => "LE",
        Flag::Equal => "EQ",
        Flag::GreaterEqual => "GE",
        Flag::Greater => "GT",
    };
    let (epoch, rest) = one.evr.split_once(':').unwrap_or(("0", &one.evr));
    let (version, release) = rest.split_once('-').unwrap_or((rest, ""));
    let release = if release.is_empty() { String::new() } else { format!(" rel=\"{release}\"") };
    format!(
        "<rpm:entry name=\"{}\" flags=\"{flags}\" epoch=\"{epoch}\" ver=\"{version}\"{release}/>",
        escape(&one.name)
    )
}

/// The text of a `primary.xml`.
pub(crate) fn primary_text(packages: &[&str]) -> String {
    let mut text = String::from(
        "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">",
    );
    for (at, package) in packages.iter().enumerate() {
        let one = installed(package);
        let (epoch, rest) = one.evr.split_once(':').unwrap_or(("0", &one.evr));
        let (version, release) = rest.split_once('-').unwrap();
        let list = |relations: &[InstalledRelation]| {
            relations.iter().map(entry).collect::<Vec<_>>().concat()
        };
        let files: String = one.files.iter().map(|file| format!("<file>{file}</file>")).collect();
        text += &format!(
            "<package type=\"rpm\"><name>{name}</name><arch>{arch}</arch><version epoch=\"{epoch}\" \
             ver=\"{version}\" rel=\"{release}\"/><checksum type=\"sha256\" pkgid=\"YES\">\
             {at:064x}</checksum><size package=\"1\"/><location href=\"{name}-{version}-{release}.{arch}.rpm\"/><format>\
             <rpm:vendor>{vendor}</rpm:vendor><rpm:sourcerpm>{source}</rpm:sourcerpm>\
             <rpm:provides>{}</rpm:provides><rpm:requires>{}</rpm:requires>\
             <rpm:conflicts>{}</rpm:conflicts><rpm:obsoletes>{}</rpm:obsoletes>\
             <rpm:recommends>{}</rpm:recommends>{files}</format></package>",
            list(&one.provides),
            list(&one.requires),
            list(&one.conflicts),
            list(&one.obsoletes),
            list(&one.recommends),
            name = one.name,
            arch = one.architecture,
            vendor = one.vendor.replace('<', "&lt;"),
            source = one.source,
        );
    }
    text + "</metadata>"
}

/// A repository that offers packages.
pub(crate) fn repository(packages: &[&str]) -> Repository {
    let text = primary_text(packages);
    let memory = Memory::default();
    let primary = PrimaryFile::read(text.as_bytes(), &|_| true, &memory).unwrap();
    Repository::of_primary(RpmSource::at("r", "https://r.example/os", Origin::Image), primary)
}
