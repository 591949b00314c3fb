//! A random system as real programs read it. In comes a [`System`], and a folder; out comes
//! `installed.headers`, for `rpmdb --importdb`, a repository each, `settings`, and `questions`.

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::random::{Advised, Offered, Streams, System};
use crate::installed::InstalledRelation;
use crate::primary::Flag;
use crate::testing::{installed, primary_text};
use imgfix_rpm::header::{MAGIC, NewHeader, Tag, tag};

/// The lists of locks of dnf 4's plugin and of dnf 5, by their paths in the image.
pub(super) fn locks(system: &System) -> Vec<(&'static str, String)> {
    if system.locks.is_empty() {
        return Vec::new();
    }
    let (mut list, mut toml) = (String::new(), String::from("version = \"1.0\"\n"));
    for (name, version) in &system.locks {
        let _ = writeln!(list, "{name}-0:{version}.*");
        let _ = write!(
            toml,
            "[[packages]]\nname = \"{name}\"\n[[packages.conditions]]\nkey = \"evr\"\n\
             comparator = \"=\"\nvalue = \"0:{version}\"\n"
        );
    }
    vec![("/etc/dnf/plugins/versionlock.list", list), ("/etc/dnf/versionlock.toml", toml)]
}

/// As openSUSE Leap has it.
const SAME_VENDORS: &str = "[main]\nvendors = openSUSE,SUSE,SUSE LLC <https://www.suse.com/>\n";

pub(super) fn write(system: &System, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let headers: Vec<u8> = system.installed.iter().flat_map(|line| header(line)).collect();
    std::fs::write(folder.join("installed.headers"), headers).unwrap();
    let mut settings = String::from("[main]\n");
    let _ = writeln!(settings, "install_weak_deps={}", u8::from(system.weak_dependencies));
    let _ = writeln!(settings, "protected_packages={}", system.protected.join(" "));
    let _ = writeln!(settings, "excludepkgs={}", system.excluded.join(" "));
    for (at, one) in system.repositories.iter().enumerate() {
        let Offered { offered, priority, advisories, modules, module_hotfixes } = one;
        let hotfixes = u8::from(*module_hotfixes);
        let _ = writeln!(settings, "[r{at}]\npriority={priority}\nmodule_hotfixes={hotfixes}");
        let lines: Vec<&str> = offered.iter().map(String::as_str).collect();
        let mut files =
            vec![("primary", primary_text(&lines)), ("updateinfo", updateinfo(advisories))];
        if !modules.is_empty() {
            files.push(("modules", modules.clone()));
        }
        repository(&folder.join(format!("r{at}")), &files);
    }
    write_streams(&system.streams, &folder.join("root"));
    for (path, text) in locks(system) {
        let path = folder.join("root").join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    if system.is_suse_one {
        let vendors = folder.join("root/etc/zypp/vendors.d");
        std::fs::create_dir_all(&vendors).unwrap();
        std::fs::write(vendors.join("suse.conf"), SAME_VENDORS).unwrap();
    }
    std::fs::write(folder.join("settings"), settings).unwrap();
    let questions = system.questions.iter().map(|one| format!("{}\t{}\n", one.name, one.ask));
    std::fs::write(folder.join("questions"), questions.collect::<String>()).unwrap();
}

/// The files of the image in which dnf keeps what is chosen of modules.
fn write_streams(Streams { chosen, kept }: &Streams, root: &Path) {
    let folder = root.join("etc/dnf/modules.d");
    std::fs::create_dir_all(&folder).unwrap();
    for [module, stream, state] in chosen {
        let text =
            format!("[{module}]\nname={module}\nstream={stream}\nprofiles=\nstate={state}\n");
        std::fs::write(folder.join(format!("{module}.module")), text).unwrap();
    }
    let folder = root.join("var/lib/dnf/modulefailsafe");
    std::fs::create_dir_all(&folder).unwrap();
    // dnf keeps the stream that is enabled: the first of them
    if let Some((_, first)) = kept.split_once("---\n")
        && let Some(first) = first.split("---\n").next()
    {
        let text = format!("---\n{first}");
        std::fs::write(folder.join("node:18:1:c:x86_64.yaml"), text).unwrap();
    }
}

/// The text of an `updateinfo.xml`.
pub(super) fn updateinfo(advisories: &[Advised]) -> String {
    let mut text = String::from("<updates>");
    for Advised { name, problem, packages } in advisories {
        let _ = write!(
            text,
            "<update from=\"x\" status=\"final\" type=\"security\" version=\"1\"><id>{name}</id>\
             <title>x</title><issued date=\"2024-01-01 00:00:00\"/><references>\
             <reference href=\"x\" id=\"{problem}\" title=\"x\" type=\"cve\"/></references>\
             <pkglist><collection short=\"x\"><name>x</name>"
        );
        for [name, machine, evr] in packages {
            let (version, release) = evr.split_once('-').unwrap();
            let _ = write!(
                text,
                "<package name=\"{name}\" epoch=\"0\" version=\"{version}\" \
                 release=\"{release}\" arch=\"{machine}\" src=\"x\">\
                 <filename>{name}-{evr}.{machine}.rpm</filename></package>"
            );
        }
        text += "</collection></pkglist></update>";
    }
    text + "</updates>"
}

/// Metadata of a repository, none of it packed.
fn repository(folder: &Path, files: &[(&str, String)]) {
    let repodata = folder.join("repodata");
    std::fs::create_dir_all(&repodata).unwrap();
    let mut index = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <repomd xmlns=\"http://linux.duke.edu/metadata/repo\"><revision>1</revision>",
    );
    for (kind, text) in files {
        let name = match *kind {
            "modules" => "modules.yaml".to_owned(),
            _ => format!("{kind}.xml"),
        };
        std::fs::write(repodata.join(&name), text).unwrap();
        let digest: String =
            Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = write!(
            index,
            "<data type=\"{kind}\"><checksum type=\"sha256\">{digest}</checksum>\
             <location href=\"repodata/{name}\"/><timestamp>1</timestamp>\
             <size>{}</size></data>",
            text.len()
        );
    }
    std::fs::write(repodata.join("repomd.xml"), index + "</repomd>").unwrap();
}

/// rpm's bits of `lib/rpmds.h`.
fn flags(flag: Flag) -> u32 {
    match flag {
        Flag::Any => 0,
        Flag::Less => 2,
        Flag::LessEqual => 2 | 8,
        Flag::Equal => 8,
        Flag::GreaterEqual => 4 | 8,
        Flag::Greater => 4,
    }
}

/// The header of an installed package, as `rpmdb --exportdb` writes it.
fn header(line: &str) -> Vec<u8> {
    let package = installed(line);
    let (version, release) = package.evr.split_once('-').unwrap();
    let mut header = NewHeader::default();
    for (tag, text) in [
        (tag::NAME, package.name.as_str()),
        (tag::VERSION, version),
        (tag::RELEASE, release),
        (tag::ARCH, &package.architecture),
        (tag::OS, "linux"),
        (tag::VENDOR, &package.vendor),
        (tag::SOURCERPM, &package.source),
    ] {
        if !text.is_empty() {
            header.string(tag, text.as_bytes());
        }
    }
    if !package.module.is_empty() {
        header.string(tag::MODULARITYLABEL, package.module.as_bytes());
    }
    for tag in [tag::INSTALLTIME, tag::INSTALLTID, tag::BUILDTIME, tag::SIZE] {
        header.number(tag, 1);
    }
    let mut relations = |list: &[InstalledRelation], [name, flag, version]: [Tag; 3]| {
        if list.is_empty() {
            return;
        }
        let names: Vec<&[u8]> = list.iter().map(|one| one.name.as_bytes()).collect();
        let versions: Vec<&[u8]> = list.iter().map(|one| one.evr.as_bytes()).collect();
        let bits: Vec<u32> = list.iter().map(|one| flags(one.flag)).collect();
        header.strings(name, &names);
        header.numbers(flag, &bits);
        header.strings(version, &versions);
    };
    relations(&package.provides, [tag::PROVIDENAME, tag::PROVIDEFLAGS, tag::PROVIDEVERSION]);
    relations(&package.requires, [tag::REQUIRENAME, tag::REQUIREFLAGS, tag::REQUIREVERSION]);
    relations(&package.conflicts, [tag::CONFLICTNAME, tag::CONFLICTFLAGS, tag::CONFLICTVERSION]);
    relations(&package.obsoletes, [tag::OBSOLETENAME, tag::OBSOLETEFLAGS, tag::OBSOLETEVERSION]);
    relations(
        &package.recommends,
        [tag::RECOMMENDNAME, tag::RECOMMENDFLAGS, tag::RECOMMENDVERSION],
    );
    [&MAGIC[..], header.plain().unwrap().blob()].concat()
}
