//! Reviews for the tests of every rendering: small ones with one of everything, a large one,
//! and one whose every text wants to be a command.
#![allow(missing_docs, reason = "the functions say what they are")]

use serde_json::json;

use super::*;
use crate::before_after::{FileCounts, PackageChange, samples as reports};
use crate::diff::{
    Aspect, ConfigChange, FileChange, FileState, FilesDiff, PackageVersion, PackagesDiff,
    PathState, SideName, TextChange, VersionChange,
};
use imgfix_model::changelog::ChangelogEntry;
use imgfix_model::checksum::ArchiveChecksum;
use imgfix_model::digest::Digest;
use imgfix_model::finding::{Finding, Severity};
use imgfix_model::package::PackageId;
use imgfix_model::path::ImagePath;
use imgfix_model::reason::Reason;
use imgfix_model::verdict::{JudgedFinding, Verdict};

fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

fn state(mode: &str, size: u64) -> FileState {
    FileState {
        kind: "file",
        size: Some(size),
        mode: mode.into(),
        uid: 0,
        gid: 0,
        target: None,
        device: None,
        mtime: 0,
        xattrs: Vec::new(),
    }
}

fn changed(name: &str, aspects: &[Aspect], before: FileState, after: FileState) -> FileChange {
    FileChange { path: path(name), aspects: aspects.to_vec(), before, after }
}

fn added(name: &str, state: FileState) -> PathState {
    PathState { path: path(name), state }
}

fn files() -> FilesDiff {
    let link = |target: &str| FileState {
        kind: "symlink",
        size: None,
        target: Some(target.into()),
        ..state("0777", 0)
    };
    let directory = FileState { kind: "directory", size: None, ..state("0755", 0) };
    FilesDiff {
        added: vec![
            added("/usr/bin/new-suid", state("4755", 12_345)),
            added("/usr/share/doc/libnew1", directory),
            added("/usr/share/doc/libnew1/copyright", state("0644", 900)),
        ],
        removed: vec![added("/usr/lib/old.so", state("0644", 80_912))],
        changed: vec![
            changed("/etc/app.conf", &[Aspect::Content], state("0644", 10), state("0644", 12)),
            changed(
                "/usr/bin/passwd",
                &[Aspect::Content, Aspect::SpecialBits],
                state("4755", 100),
                state("0755", 101),
            ),
            changed(
                "/usr/lib/libssl.so.3",
                &[Aspect::LinkTarget],
                link("libssl.so.3.0.11"),
                link("libssl.so.3.0.15"),
            ),
            changed(
                "/var/log/app",
                &[Aspect::Owner, Aspect::Mode],
                state("0640", 1),
                FileState { uid: 33, gid: 33, ..state("0600", 1) },
            ),
        ],
    }
}

fn diff() -> ImageDiff {
    let id = |name: &str| PackageId { name: name.into(), architecture: "amd64".into() };
    let side = |label: &str| SideName {
        label: label.into(),
        manifest: Some(Digest::of(label.as_bytes())),
    };
    ImageDiff {
        schema: crate::diff::SCHEMA,
        before: side("docker://registry.example/app:1.0"),
        after: side("docker://registry.example/app:2.0"),
        packages: Some(PackagesDiff {
            added: vec![PackageVersion { package: id("libnew1"), version: "1.0-1".into() }],
            removed: vec![PackageVersion { package: id("old"), version: "0.9".into() }],
            upgraded: vec![VersionChange {
                package: id("libc6"),
                from: "2.36-9".into(),
                to: "2.36-10".into(),
            }],
            ..PackagesDiff::default()
        }),
        files: files(),
        config: vec![ConfigChange {
            path: "config.Env[0]".into(),
            before: Some(json!("A=1")),
            after: None,
        }],
        texts: vec![
            TextChange {
                path: path("/etc/app.conf"),
                unified: "@@ -1 +1 @@\n-old\tvalue\n+new <value>\n".into(),
            },
            TextChange { path: path("/usr/share/x"), unified: "@@ -1 +1 @@\n-a\n+b\n".into() },
        ],
        texts_left_out: Vec::new(),
    }
}

fn platform() -> Platform {
    Platform { os: "linux".into(), architecture: "amd64".into(), variant: None }
}

fn evidence(diff: Option<ImageDiff>) -> PlatformReview {
    let entry = ChangelogEntry {
        version: "2.36-9+deb12u9".into(),
        target: "bookworm; urgency=medium".into(),
        trailer: "A Person <a@debian.example>  Sat, 19 Oct 2024 18:06:47 +0200".into(),
        text: "* fix CVE-2024-2961\n  - and more".into(),
    };
    let part = ChangelogPart { entries: vec![entry], cut: true };
    PlatformReview {
        platform: platform(),
        diff,
        changelogs: Changelog::gather(vec![
            ("libc6:amd64".into(), part.clone()),
            ("libc-bin:amd64".into(), part),
            ("libssl3:amd64".into(), ChangelogPart::default()),
        ]),
        repositories: vec![SignedRepository {
            repository: "http://deb.debian.org/debian bookworm".into(),
            date: Some("Sat, 09 Nov 2024 10:11:20 UTC".into()),
            fingerprint: "4CB50190207B4758A3F73A796ED0E7B82643E131".into(),
            signer: "Debian Stable Release Key (12/bookworm) <a@debian.example>".into(),
            signed: 1_731_147_080,
        }],
    }
}

/// A review whose report counts files as the evidence does.
fn review(
    mut report: RepairReport,
    evidence: Vec<PlatformReview>,
    command: Option<String>,
) -> Review {
    for (platform, one) in report.platforms.iter_mut().zip(&evidence) {
        if let Some(diff) = &one.diff {
            platform.files = platform.files.compared(&diff.files);
        }
    }
    Review::of_repair(report, evidence, command)
}

/// A repair with one of everything.
pub fn repair() -> Review {
    let command = "imgfix repair registry.example/app:1.0 -r report.json".to_owned();
    review(reports::report(), vec![evidence(Some(diff()))], Some(command))
}

/// A repair of an index of two platforms, with a gate; a file is gone on one of them only.
pub fn index() -> Review {
    let mut other = evidence(Some(diff()));
    other.platform.architecture = "arm64".into();
    if let Some(diff) = &mut other.diff {
        diff.files.removed.clear();
    }
    let mut report = reports::index();
    report.hold_against(Severity::High);
    for platform in &mut report.platforms {
        platform.components.push(crate::before_after::ComponentChange {
            store: "python at /opt/venv".into(),
            component: "jinja2".into(),
            from: Some("3.0".into()),
            to: Some("3.1".into()),
            path: Some(imgfix_model::path::ImagePath::literal(
                "/opt/venv/Jinja2-3.0.dist-info/METADATA",
            )),
            archive: Some(crate::before_after::ComponentArchive {
                url: "https://pypi.example/packages/jinja2-3.1-py3-none-any.whl".into(),
                checksum: Digest::of(b"jinja2").into(),
                repository: "https://pypi.example/simple/".into(),
                attested_by: Some("GitHub pallets/jinja publish.yaml".into()),
            }),
        });
    }
    let report = RepairReport { summary: crate::summary::Summary::of(&report.platforms), ..report };
    review(report, vec![evidence(Some(diff())), other], None)
}

/// A plan, before anything is written.
pub fn planned() -> Review {
    let command = "imgfix plan registry.example/app:1.0 -r report.json".to_owned();
    review(reports::planned(), vec![evidence(Some(diff()))], Some(command))
}

/// A repair that could do nothing.
pub fn untouched() -> Review {
    Review::of_repair(reports::untouched(), vec![evidence(None)], None)
}

/// Two images.
pub fn comparison() -> Review {
    Review::of_comparison(vec![(platform(), diff())]).unwrap()
}

/// 2,000 findings of 400 packages and 20,000 files.
pub fn large() -> Review {
    let mut report = reports::report();
    let platform = &mut report.platforms[0];
    platform.findings = (0..2000)
        .map(|number| {
            let package = format!("lib-package-{}", number % 400);
            let finding = Finding {
                severity: Severity::WORST_FIRST[number % 5],
                title: Some(format!(
                    "a heap-based buffer overflow in function {number} of the parser"
                )),
                ..Finding::system(
                    &format!("CVE-2024-{}", 10_000 + number),
                    &package,
                    "1.2.3-4+deb12u5",
                )
            };
            let verdict = if number % 3 == 0 {
                Verdict::NotFixed { reason: Reason::NoFixedVersion }
            } else {
                Verdict::Fixed { version: "1.2.3-4+deb12u9".into() }
            };
            JudgedFinding { finding, verdict }
        })
        .collect();
    platform.packages = (0..400)
        .map(|number| PackageChange {
            package: PackageId {
                name: format!("lib-package-{number}").as_str().into(),
                architecture: "amd64".into(),
            },
            from: Some("1.2.3-4+deb12u5".into()),
            to: "1.2.3-4+deb12u9".into(),
            url: format!("http://deb.debian.org/debian/pool/main/l/lib/lib-package-{number}.deb"),
            checksum: ArchiveChecksum::Sha256(Digest::of(number.to_string().as_bytes())),
            repository: "http://deb.debian.org/debian bookworm main".into(),
            named_in_changelogs: None,
        })
        .collect();
    platform.files = FileCounts { added: 10_000, changed: 10_000, ..FileCounts::default() };
    let file = |number: usize| {
        format!(
            "/usr/lib/x86_64-linux-gnu/package-{}/directory-{}/some-file-name-{number}.so.1",
            number % 400,
            number % 7
        )
    };
    let mut diff = diff();
    diff.files = FilesDiff {
        added: (0..10_000).map(|n| added(&file(n), state("0644", n as u64 * 37))).collect(),
        removed: Vec::new(),
        changed: (10_000..20_000)
            .map(|n| {
                let aspects =
                    if n % 100 == 0 { vec![Aspect::SpecialBits] } else { vec![Aspect::Content] };
                let after =
                    if n % 100 == 0 { state("4755", n as u64) } else { state("0755", n as u64) };
                changed(&file(n), &aspects, state("0755", 7), after)
            })
            .collect(),
    };
    diff.texts = (0..200)
        .map(|number| TextChange {
            path: path(&format!("/etc/conf.d/{number}.conf")),
            unified: format!("@@ -1 +1 @@\n-{0}\n+{0}\n", "a line of configuration ".repeat(100)),
        })
        .collect();
    let report = RepairReport::new(report.image, report.output, report.platforms, Vec::new());
    let command = Some("imgfix repair app:1.0".to_owned());
    review(report, vec![evidence(Some(diff))], command)
}

/// Markup, ANSI escapes and characters that reorder text, everywhere a text of others stands.
pub fn hostile() -> Review {
    const EVIL: &str =
        "<script>alert(1)</script>\"'`|@team](x)\x1b[31m\u{202e}&amp;<img src=x onerror=alert(1)>";
    let mut review = repair();
    review.before.reference = EVIL.into();
    review.reproduce = Some(EVIL.into());
    let Some(report) = &mut review.repair else { return review };
    report.warnings = vec![EVIL.into()];
    let platform = &mut report.platforms[0];
    for (number, judged) in platform.findings.iter_mut().enumerate() {
        let finding = &mut judged.finding;
        finding.id = EVIL.into();
        // each is a row of its own
        finding.package = format!("{EVIL}{number}");
        finding.installed = EVIL.into();
        finding.title = Some(EVIL.into());
        finding.path = Some(EVIL.into());
        finding.advisory = Some("https://a.example/(x)[y]&z=1".into());
        finding.references = vec![EVIL.into(), "javascript:alert(1)".into()];
        match &mut judged.verdict {
            Verdict::Fixed { version }
            | Verdict::Mitigated { how: version }
            | Verdict::NotAffected { version } => {
                *version = EVIL.into();
            }
            Verdict::NotFixed { reason } => {
                *reason = Reason::Conflict { package: EVIL.into(), detail: EVIL.into() };
            }
        }
    }
    for one in &mut platform.assessed {
        one.finding.id = EVIL.into();
        one.finding.package = EVIL.into();
        one.finding.installed = EVIL.into();
        one.assessment = EVIL.into();
        one.by = EVIL.into();
    }
    for (number, change) in platform.packages.iter_mut().enumerate() {
        change.package.name = format!("{EVIL}{number}").as_str().into();
        change.to = EVIL.into();
        change.url = EVIL.into();
    }
    for effect in &mut platform.effects {
        effect.package = EVIL.into();
        effect.text = EVIL.into();
    }
    platform.notes = vec![EVIL.into()];
    let evidence = &mut review.platforms[0];
    evidence.repositories[0].signer = EVIL.into();
    evidence.repositories[0].repository = EVIL.into();
    for log in &mut evidence.changelogs {
        log.packages = vec![EVIL.into()];
        for entry in &mut log.part.entries {
            *entry = ChangelogEntry {
                version: EVIL.into(),
                target: EVIL.into(),
                trailer: EVIL.into(),
                text: EVIL.into(),
            };
        }
    }
    let Some(diff) = &mut evidence.diff else { return review };
    diff.config[0].path = EVIL.into();
    diff.config[0].before = Some(json!(EVIL));
    diff.texts[0].unified = format!("+{EVIL}\n-{EVIL}\n@@{EVIL}\n {EVIL}\n");
    diff.texts[0].path = path(&format!("/etc/{}", EVIL.replace('/', "_")));
    let file = format!("/x/{}/{}", EVIL.replace('/', "_"), EVIL.replace('/', "-"));
    diff.files.added[0].path = path(&file);
    diff.files.changed[2].after.target = Some(EVIL.into());
    review
}
