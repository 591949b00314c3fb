//! Repairs for the tests of every rendering.
#![allow(missing_docs, reason = "the functions say what they are")]

use super::*;
use imgfix_model::advisory::{Cvss, CvssScore, Epss, Probability};
use imgfix_model::component::Contents;
use imgfix_model::finding::Finding;
use imgfix_model::package::{Distribution, Installed, Inventory};
use imgfix_model::verdict::Outcome;
use imgfix_model::verdict::Verdict;
use imgfix_versions::VersionOrder;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn finding(id: &str, severity: Severity, package: &str, installed: &str) -> Finding {
    Finding {
        severity,
        architecture: Some("amd64".into()),
        ..Finding::system(id, package, installed)
    }
}

fn fixed(finding: Finding, version: &str) -> JudgedFinding {
    let finding = Finding { fixed: Some(version.into()), ..finding };
    JudgedFinding { finding, verdict: Verdict::Fixed { version: version.into() } }
}

fn left(finding: Finding, reason: Reason) -> JudgedFinding {
    JudgedFinding { finding, verdict: Verdict::NotFixed { reason } }
}

fn change(name: &str, from: Option<&str>, to: &str) -> PackageChange {
    PackageChange {
        package: PackageId { name: name.into(), architecture: "amd64".into() },
        from: from.map(Into::into),
        to: to.into(),
        url: format!("http://deb.debian.org/debian-security/pool/{name}.deb"),
        checksum: ArchiveChecksum::Sha256(digest(name)),
        repository: "http://deb.debian.org/debian-security bookworm-security main".into(),
        named_in_changelogs: None,
    }
}

/// A repair with one of everything, and names that want to command the terminal.
pub fn report() -> RepairReport {
    let ssl = |id, severity| finding(id, severity, "libssl3", "3.0.11-1~deb12u2");
    let platform = PlatformReport {
        platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: None },
        original_manifest: digest("original manifest"),
        manifest: Some(digest("new manifest")),
        repositories: vec![RepositoryState {
            repository: "http://deb.debian.org/debian bookworm".into(),
            date: Some("Sat, 28 Nov 2026 00:53:02 UTC".into()),
            age_days: 1,
        }],
        layer: Some(LayerReport {
            digest: digest("layer"),
            diff_id: DiffId(digest("diff id")),
            size: 2_345_678,
            unpacked_size: 8_100_000,
            entries: 47,
        }),
        size: ImageSize { before: 48_100_000, after: 50_445_678 },
        packages: vec![
            change("libc6", Some("2.36-9+deb12u4"), "2.36-9+deb12u9"),
            change("libssl3", Some("3.0.11-1~deb12u2"), "3.0.15-1~deb12u1"),
            change("libnew1", None, "1.0-1"),
        ],
        removed: vec![PackageRemoved {
            package: PackageId { name: "libold1".into(), architecture: "amd64".into() },
            version: "0.9-1".into(),
            explanation: "nothing needs it any more".to_owned(),
        }],
        components: Vec::new(),
        sources: [("libc6", "glibc"), ("libssl3", "openssl"), ("perl-base", "perl")].into(),
        kept_back: vec![PackageKept {
            package: PackageId { name: "tzdata".into(), architecture: "all".into() },
            version: "2024b-0+deb12u1".into(),
            reason: Reason::Held { package: "tzdata".into(), by: "dpkg".into() },
        }],
        findings: vec![
            left(finding("CVE-2011-3374", Severity::Low, "apt", "2.6.1"), Reason::NoFixedVersion),
            fixed(ssl("CVE-2024-5535", Severity::Critical), "3.0.14-1~deb12u1"),
            fixed(ssl("CVE-2024-6119", Severity::High), "3.0.14-1~deb12u2"),
            fixed(
                finding("CVE-2024-2961", Severity::High, "libc6", "2.36-9+deb12u4"),
                "2.36-9+deb12u6",
            ),
            left(
                finding("CVE-2023-7008", Severity::Medium, "libsystemd0", "252.1"),
                Reason::NoFixedVersion,
            ),
            left(
                Finding {
                    advisory: Some("https://security.example/CVE-2023-4911?a=1&b=2".into()),
                    references: vec!["https://kernel.example/".into()],
                    cvss: vec![Cvss {
                        source: "nvd".into(),
                        score: CvssScore::new(7.8),
                        vector: Some("CVSS:3.1/AV:L".into()),
                    }],
                    epss: Probability::new(0.75)
                        .map(|score| Epss { score, percentile: Probability::new(0.98) }),
                    known_exploited: true,
                    ..finding("CVE-2023-4911", Severity::High, "perl-base", "5.36.0-7")
                },
                Reason::NeedsScripts {
                    package: "perl-base".into(),
                    script: "postinst".into(),
                    line: Some(12),
                    detail: "perl -e".into(),
                },
            ),
            left(
                finding("CVE-2023-31484", Severity::Critical, "perl-base", "5.36.0-7"),
                Reason::NeedsScripts {
                    package: "perl-base".into(),
                    script: "postinst".into(),
                    line: Some(12),
                    detail: "perl -e".into(),
                },
            ),
            left(
                Finding {
                    class: imgfix_model::finding::Class::Library,
                    path: Some("/app/evil\x1b[2J.jar".into()),
                    ..finding("CVE-2022-22965", Severity::Unknown, "org:\x1b[31mspring", "1\n2")
                },
                Reason::NoRecipe { class: "library".into() },
            ),
            left(
                finding("CVE-2020-1", Severity::Low, "bash", "5.2.15-2"),
                Reason::Ignored { by: ".trivyignore:3".into() },
            ),
            JudgedFinding {
                finding: Finding {
                    fixed: Some("5.2.15-1".into()),
                    ..finding("CVE-2019-2", Severity::High, "bash", "5.2.15-2")
                },
                verdict: Verdict::NotAffected { version: "5.2.15-2".into() },
            },
        ],
        assessed: vec![Assessed {
            finding: finding("CVE-2018-3", Severity::High, "bash", "5.2.15-2"),
            assessment: "not_affected".into(),
            by: "the report (code_not_reachable)".into(),
        }],
        files: FileCounts { added: 5, changed: 40, removed: 2, ..FileCounts::default() },
        scripts: vec![ScriptNote {
            package: "tzdata:all".into(),
            script: "postinst".to_owned(),
            arguments: vec!["configure".into(), "2024a-0+deb12u1".into()],
            changed: vec![ImagePath::literal("/etc/localtime")],
        }],
        stale: vec![StaleFile {
            path: ImagePath::literal("/usr/lib/python3/__pycache__/os.cpython-311.pyc"),
            recipe: "python-bytecode".into(),
            title: "Python's bytecode".into(),
            reason: "made from /usr/lib/python3/os.py, which the upgrade replaced".into(),
        }],
        effects: vec![
            EffectNote {
                package: "openssl:amd64".into(),
                kind: "conffile-kept",
                text: "/etc/ssl/openssl.cnf was changed in the image and stays".into(),
            },
            EffectNote {
                package: "nginx:x86_64".into(),
                kind: "script-failed",
                text: "post 2 failed, after which the package manager goes on: exit status 1"
                    .into(),
            },
        ],
        notes: vec!["the image has no apt sources".into()],
    };
    RepairReport::new(
        NamedImage {
            reference: "docker://registry.example/app:1.0".into(),
            digest: digest("image"),
        },
        Some(NamedImage {
            reference: "docker://registry.example/app:1.0_fix".into(),
            digest: digest("output"),
        }),
        vec![platform],
        vec!["report.json is about debian 11".into()],
    )
}

/// A repair with a scanner's second opinion.
pub fn scanned() -> RepairReport {
    let mut report = report();
    let before: Vec<Finding> =
        report.platforms[0].findings.iter().map(|judged| judged.finding.clone()).collect();
    let after = before.get(..3).unwrap_or_default();
    report.scan = Some(ScanComparison::new("trivy image {image}", &before, after, &report));
    report
}

/// Nothing could be done, so nothing was published.
pub fn untouched() -> RepairReport {
    let mut all = report();
    let mut platform = all.platforms.remove(0);
    platform.manifest = None;
    platform.layer = None;
    platform.size.after = platform.size.before;
    platform.packages.clear();
    platform.files = FileCounts::default();
    platform.effects.clear();
    platform.removed.clear();
    platform.scripts.clear();
    platform.stale.clear();
    platform.notes.clear();
    platform.findings.retain(|judged| judged.verdict.outcome() == Outcome::Left);
    RepairReport::new(all.image, None, vec![platform], Vec::new())
}

/// An index of two platforms: one source package fixed on both, another only on the first,
/// and one that has no fix.
pub fn index() -> RepairReport {
    let mut all = report();
    let mut platform = all.platforms.remove(0);
    let ssl = |id, severity, package| finding(id, severity, package, "3.0.11-1~deb12u2");
    let libc = |package| {
        let finding = finding("CVE-2010-1", Severity::Low, package, "2.36-9+deb12u4");
        left(finding, Reason::NoFixedVersion)
    };
    platform.sources = [("libc6", "glibc"), ("libc-bin", "glibc"), ("libssl3", "openssl")].into();
    platform.packages = vec![
        change("libssl3", Some("3.0.11-1~deb12u2"), "3.0.15-1~deb12u1"),
        change("openssl", Some("3.0.11-1~deb12u2"), "3.0.15-1~deb12u1"),
    ];
    platform.removed.clear();
    platform.kept_back.clear();
    platform.assessed.clear();
    platform.findings = vec![
        fixed(ssl("CVE-2024-5535", Severity::Critical, "libssl3"), "3.0.14-1~deb12u1"),
        fixed(ssl("CVE-2024-5535", Severity::Critical, "openssl"), "3.0.14-1~deb12u1"),
        fixed(ssl("CVE-2024-6119", Severity::High, "libssl3"), "3.0.14-1~deb12u2"),
        libc("libc6"),
        libc("libc-bin"),
    ];
    let mut other = platform.clone();
    other.platform.architecture = "arm64".into();
    for change in &mut other.packages {
        change.package.architecture = "arm64".into();
    }
    for judged in &mut other.findings {
        judged.finding.architecture = Some("arm64".into());
        if judged.finding.id == "CVE-2024-5535" && judged.finding.package == "openssl" {
            judged.verdict = Verdict::NotFixed {
                reason: Reason::Held { package: "openssl".into(), by: "dpkg".into() },
            };
        }
    }
    RepairReport::new(all.image, all.output, vec![platform, other], Vec::new())
}

/// A repair without a scanner's report: everything newer was taken.
pub fn unreported() -> RepairReport {
    let mut all = report();
    let mut platform = all.platforms.remove(0);
    platform.findings.clear();
    platform.assessed.clear();
    let named = [vec!["CVE-2024-2961"], vec!["CVE-2024-5535", "CVE-2024-6119"]];
    for (change, ids) in platform.packages.iter_mut().zip(named) {
        change.named_in_changelogs = Some(ids.into_iter().map(str::to_owned).collect());
    }
    let (mut openssl, mut silent) =
        (platform.packages[1].clone(), change("zlib1g", Some("1.2.13"), "1.2.14"));
    openssl.package.name = "openssl".into();
    silent.named_in_changelogs = Some(Vec::new());
    platform.packages.extend([openssl, silent]);
    RepairReport::new(all.image, all.output, vec![platform], Vec::new())
}

/// The same plan, before anything is written.
pub fn planned() -> RepairReport {
    let mut report = report();
    report.stage = Stage::Planned;
    report.output = None;
    for platform in &mut report.platforms {
        (platform.manifest, platform.layer) = (None, None);
        platform.size.after = platform.size.before;
    }
    report.hold_against(Severity::High);
    report
}

/// What is installed in the repaired image of [`report`].
pub fn contents() -> Contents {
    let package = |name: &str, version: &str, source: &str| Installed {
        id: PackageId { name: name.into(), architecture: "amd64".into() },
        version: version.into(),
        source: (!source.is_empty()).then(|| (source.into(), version.into())),
        held: false,
    };
    let packages = Inventory {
        family: "dpkg",
        purl_type: "deb",
        order: VersionOrder::DPKG,
        distribution: Distribution {
            id: "debian".into(),
            version_id: "12".into(),
            codename: "bookworm".into(),
            ..Distribution::default()
        },
        packages: vec![
            package("apt", "2.6.1", ""),
            package("bash", "5.2.15-2", ""),
            package("libc6", "2.36-9+deb12u9", "glibc"),
            package("libssl3", "3.0.15-1~deb12u1", "openssl"),
            package("libsystemd0", "252.1", "systemd"),
            package("openssl", "3.0.15-1~deb12u1", ""),
            package("perl-base", "1:5.36.0-7", "perl"),
        ],
        unfinished: Vec::new(),
    };
    let descriptions = std::collections::BTreeMap::new();
    Contents { packages: Some(packages), libraries: Vec::new(), descriptions }
}
