//! Ubuntu's phased updates: whether this image's apt would hold a newer version back because
//! not every machine is to get it yet (apt_preferences(5), "Phased Updates").
//!
//! In come apt's configuration, its version and the image's `machine-id`, then the versions of
//! a package; out comes the reason to hold its candidate back. As with apt (since 2.1.16) only
//! an upgrade of everything holds back; who asks for a package gets it. Images without a
//! `machine-id`, which most are, and builds that are to be reproducible get everything. The
//! draw is that of apt's `IsIgnoredPhasedUpdate`, with the generators of GNU's C++ library.

use bytes::Bytes;

use super::index::Available;
use imgfix_dpkg::apt_conf::AptConf;
use imgfix_model::path::ImagePath;
use imgfix_versions::dpkg::Version;
use imgfix_vfs::{FileSystem, RootfsError};

/// The first apt that knows phased updates.
const SINCE: &str = "2.1.16";

/// What becomes of updates that not every machine gets yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Phasing {
    /// They are installed as all others.
    #[default]
    Include,
    /// They are held back.
    HoldBack,
    /// A draw for this machine decides.
    Draw { machine: String },
}

impl Phasing {
    /// What the image's apt does. `apt` is its version; `reproducible` says that
    /// `SOURCE_DATE_EPOCH` is set.
    ///
    /// # Errors
    /// The image's `machine-id` cannot be read from its layer.
    pub fn read(
        fs: &dyn FileSystem,
        conf: &AptConf,
        apt: Option<&Version>,
        reproducible: bool,
    ) -> Result<Self, RootfsError> {
        let knows = match (apt, Version::parse(SINCE)) {
            (Some(apt), Ok(since)) => *apt >= since,
            _ => false,
        };
        let is_set = |what: &str| {
            let own = format!("APT::Get::{what}-Include-Phased-Updates");
            let other = format!("Update-Manager::{what}-Include-Phased-Updates");
            conf.truth(&own, conf.truth(&other, false))
        };
        if !knows || is_set("Always") {
            return Ok(Self::Include);
        }
        if is_set("Never") {
            return Ok(Self::HoldBack);
        }
        Ok(match machine_id(fs, conf)? {
            machine if machine.is_empty() || reproducible => Self::Include,
            machine => Self::Draw { machine },
        })
    }

    /// Why the candidate is held back, if it is. `versions` are all versions of the package.
    #[must_use]
    pub fn holds_back(
        &self,
        candidate: &Available,
        versions: &[Available],
        installed: &Version,
    ) -> Option<String> {
        let percentage = candidate.phased.filter(|percentage| *percentage < 100)?;
        let version = Version::parse_recorded(candidate.version.as_ref()).ok()?;
        // A security update, or what comes after one that is not installed either.
        let is_security = versions.iter().any(|other| {
            other.repository.archive.ends_with("-security")
                && Version::parse_recorded(other.version.as_ref())
                    .is_ok_and(|other| other <= version && other > *installed)
        });
        if is_security {
            return None;
        }
        let why = match self {
            Self::Include => return None,
            Self::HoldBack => "APT::Get::Never-Include-Phased-Updates".to_owned(),
            Self::Draw { machine } => {
                let (name, version) = match &candidate.source {
                    Some((name, version)) => (name.as_ref(), version.as_ref()),
                    None => (candidate.name.as_ref(), candidate.version.as_ref()),
                };
                if draw(&format!("{name}-{version}-{machine}")) <= u32::from(percentage) {
                    return None;
                }
                "its machine-id is not among them".to_owned()
            }
        };
        Some(format!(
            "apt's phased updates ({percentage}% of machines get {} by now, and for this image \
             {why}; APT::Get::Always-Include-Phased-Updates takes it)",
            candidate.version
        ))
    }
}

/// The first line of the image's `machine-id`, or what the configuration says instead.
fn machine_id(fs: &dyn FileSystem, conf: &AptConf) -> Result<String, RootfsError> {
    if let Some(id) = conf.get("APT::Machine-ID") {
        return Ok(id.to_owned());
    }
    let path = match conf.get("Dir::Etc::machine-id") {
        Some(own) if own.starts_with('/') => own.to_owned(),
        Some(own) => format!("/etc/apt/{own}"),
        None => "/etc/machine-id".to_owned(),
    };
    let text = match ImagePath::new(path) {
        Ok(path) => fs.read_if_readable(&path)?.unwrap_or_default(),
        Err(_) => Bytes::new(),
    };
    let line = text.split(|&b| b == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
}

/// A number from 0 to 100: `uniform_int_distribution(0, 100)` of a `minstd_rand` that a
/// `seed_seq` of the text's characters seeds.
fn draw(text: &str) -> u32 {
    const MODULUS: u64 = 2_147_483_647;
    let [.., seed] = seed_sequence(text.as_bytes());
    let mut state = u64::from(seed) % MODULUS;
    if state == 0 {
        state = 1;
    }
    let scaling = (MODULUS - 2) / 101;
    loop {
        state = state * 48_271 % MODULUS;
        let number = state - 1;
        if number < 101 * scaling {
            return u32::try_from(number / scaling).unwrap_or(100);
        }
    }
}

/// `std::seed_seq::generate` for four numbers.
fn seed_sequence(seeds: &[u8]) -> [u32; 4] {
    const LENGTH: usize = 4;
    const OUT: u32 = 0x8b8b_8b8b;
    let mix = |x: u32| x ^ (x >> 27);
    // The standard's t = (4 - 1) / 2 = 1, p = (4 - t) / 2 = 1 and q = p + t = 2.
    let (p, q) = (1, 2);
    let mut out = [OUT; LENGTH];
    let rounds = (seeds.len() + 1).max(LENGTH);
    let at = |index: usize| index % LENGTH;
    let get = |out: &[u32; LENGTH], index: usize| out.get(at(index)).copied().unwrap_or(0);
    let add = |out: &mut [u32; LENGTH], index: usize, value: u32| {
        if let Some(number) = out.get_mut(at(index)) {
            *number = number.wrapping_add(value);
        }
    };
    let set = |out: &mut [u32; LENGTH], index: usize, value: u32| {
        if let Some(number) = out.get_mut(at(index)) {
            *number = value;
        }
    };
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    for k in 0..rounds {
        let previous = get(&out, k + LENGTH - 1);
        let first = mix(get(&out, k) ^ get(&out, k + p) ^ previous).wrapping_mul(1_664_525);
        let own = match k {
            0 => word(seeds.len()),
            k if k <= seeds.len() => {
                // Characters are signed.
                let byte = seeds.get(k - 1).copied().unwrap_or(0);
                word(at(k)).wrapping_add(i32::from(byte.cast_signed()).cast_unsigned())
            }
            k => word(at(k)),
        };
        let second = first.wrapping_add(own);
        add(&mut out, k + p, first);
        add(&mut out, k + q, second);
        set(&mut out, k, second);
    }
    for k in rounds..rounds + LENGTH {
        let sum =
            get(&out, k).wrapping_add(get(&out, k + p)).wrapping_add(get(&out, k + LENGTH - 1));
        let third = mix(sum).wrapping_mul(1_566_083_941);
        let fourth = third.wrapping_sub(word(at(k)));
        let mixed = get(&out, k + p) ^ third;
        set(&mut out, k + p, mixed);
        let mixed = get(&out, k + q) ^ fourth;
        set(&mut out, k + q, mixed);
        set(&mut out, k, fourth);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::index::{PackageIndex, RepositoryInfo};
    use imgfix_vfs::{BrokenDisk, Entry, NoLayers, Tree};

    /// What a program of GNU's C++ library draws.
    #[test]
    fn the_draw_is_that_of_the_cxx_library() {
        for (seed, want) in [
            ("foo-1-abc", 90),
            ("openssl-3.0.2-0ubuntu1.20-0123456789abcdef0123456789abcdef", 69),
            ("x", 67),
            ("glibc-2.39-0ubuntu8.4-fedcba9876543210fedcba9876543210", 35),
            ("bash-5.2.21-2ubuntu4-00000000000000000000000000000001", 39),
            ("\u{e4}-1-x", 89),
            ("libfoo-2-deadbeefdeadbeefdeadbeefdeadbeef", 29),
        ] {
            assert_eq!(draw(seed), want, "{seed}");
        }
    }

    fn image(machine_id: Option<&'static str>) -> Tree {
        let path = ImagePath::literal("/etc/machine-id");
        let file = machine_id.map(|id| (path, Entry::file(id.as_bytes().to_vec(), 0o444, 0)));
        Tree::from_entries(file, Arc::new(NoLayers))
    }

    fn phasing(machine_id: Option<&'static str>, conf: &str, apt: &str) -> Phasing {
        let mut settings = AptConf::default();
        settings.parse(conf.as_bytes());
        let apt = Version::parse(apt).unwrap();
        Phasing::read(&image(machine_id), &settings, Some(&apt), false).unwrap()
    }

    #[test]
    fn configuration_machine_and_apts_version_decide() {
        let draw = Phasing::Draw { machine: "abc".into() };
        let get = "APT::Get::";
        for (id, conf, apt, want) in [
            (None, "", "2.4.13", Phasing::Include),
            (Some(""), "", "2.4.13", Phasing::Include),
            (Some("abc\n"), "", "2.4.13", draw.clone()),
            (Some("abc\n"), "", "2.0.11", Phasing::Include),
            (Some("abc\n"), "Always", "2.4.13", Phasing::Include),
            (None, "Never", "2.4.13", Phasing::HoldBack),
            (None, "machine", "2.4.13", draw.clone()),
        ] {
            let conf = match conf {
                "" => String::new(),
                "machine" => "APT::Machine-ID \"abc\";".to_owned(),
                what => format!("{get}{what}-Include-Phased-Updates \"true\";"),
            };
            assert_eq!(phasing(id, &conf, apt), want, "{id:?} {conf} {apt}");
        }
        let none = AptConf::default();
        let apt = Version::parse("2.7.14").unwrap();
        let read =
            |apt, reproducible| Phasing::read(&image(Some("a")), &none, apt, reproducible).unwrap();
        assert_eq!(read(Some(&apt), true), Phasing::Include);
        assert_eq!(read(None, false), Phasing::Include);
    }

    #[test]
    fn only_what_is_phased_and_no_security_update_is_held_back() {
        let offered = |archive: &str, version: &str, percentage: &str| {
            let text = format!(
                "Package: foo\nArchitecture: amd64\nVersion: {version}\nFilename: foo.deb\n\
                 Size: 1\n{percentage}SHA256: \
                 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
            );
            let archive = archive.to_owned();
            let info = RepositoryInfo { archive, ..RepositoryInfo::default() };
            PackageIndex::from_text(&text, info).unwrap().versions("foo").remove(0)
        };
        let phased = |n: u8| format!("Phased-Update-Percentage: {n}\n");
        // foo-3-abc draws 8 of 100.
        let draw = Phasing::Draw { machine: "abc".into() };
        let drawn = super::draw("foo-3-abc");
        let at = |n: u32| phased(u8::try_from(n).unwrap());
        let updates = "jammy-updates";
        for (rule, archive, percentage, other, held) in [
            (&draw, updates, at(drawn - 1), None, true),
            (&draw, updates, at(drawn), None, false),
            (&Phasing::HoldBack, updates, phased(99), None, true),
            (&Phasing::HoldBack, updates, phased(100), None, false),
            (&Phasing::HoldBack, updates, String::new(), None, false),
            (&Phasing::Include, updates, phased(0), None, false),
            (&Phasing::HoldBack, "jammy-security", phased(1), None, false),
            (&Phasing::HoldBack, updates, phased(1), Some("2"), false),
            (&Phasing::HoldBack, updates, phased(1), Some("1"), true),
        ] {
            let candidate = offered(archive, "3", &percentage);
            let mut all = vec![candidate.clone()];
            all.extend(other.map(|version| offered("jammy-security", version, "")));
            let installed = Version::parse("1").unwrap();
            let why = rule.holds_back(&candidate, &all, &installed);
            assert_eq!(why.is_some(), held, "{rule:?} {archive} {percentage} {other:?} {why:?}");
        }
    }

    #[test]
    fn a_broken_disk_draws_no_other_number() {
        let file = (ImagePath::literal("/etc/machine-id"), BrokenDisk::file(33));
        let tree = Tree::from_entries([file], Arc::new(BrokenDisk));
        assert!(machine_id(&tree, &AptConf::default()).is_err());
    }
}
