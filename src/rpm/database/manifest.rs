//! The lists of packages that distroless images of Azure Linux and Mariner have instead of a
//! database: `/var/lib/rpmmanifest/container-manifest-1` is what `rpm -qa` says, `-2` has ten
//! fields a package. They do not say which files a package has.
//!
//! In come the two files; out come their packages, each with its line as it was, so that lines that
//! do not change are written back byte for byte.

use bytes::Bytes;
use imgfix_model::path::ImagePath;
use imgfix_vfs::FileSystem;

use super::{Damage, DatabaseError, MAX_PACKAGES};

/// Where the lists are.
pub const DIRECTORY: &str = "/var/lib/rpmmanifest";
const FIRST: &str = "/var/lib/rpmmanifest/container-manifest-1";
const SECOND: &str = "/var/lib/rpmmanifest/container-manifest-2";
/// How long a line may be, in bytes.
const MAX_LINE: usize = 64 << 10;
/// Names of the fields, for messages.
const FIELDS: [&str; 10] = [
    "name",
    "version and release",
    "time of installation",
    "time of building",
    "vendor",
    "sixth field",
    "size",
    "architecture",
    "epoch",
    "source package",
];

/// One package of the second list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Version and release, with a hyphen between.
    pub version_release: String,
    /// When it was installed, in seconds since 1970.
    pub installed: u64,
    /// When it was built, in seconds since 1970.
    pub built: u64,
    /// Who made it, as the package says; `(none)` where it does not.
    pub vendor: String,
    /// What the sixth field has: `(none)` in every list that was seen, even beside an epoch.
    pub sixth: String,
    /// What it takes, in bytes.
    pub size: u64,
    /// Its architecture.
    pub architecture: String,
    /// The epoch, 0 where the package has none.
    pub epoch: u32,
    /// The file name of the source package, or `(none)`.
    pub source: String,
}

/// Both lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The first list's lines: name, version, release and architecture; none without the file.
    pub first: Option<Vec<String>>,
    /// The second list, in its order.
    pub packages: Vec<Package>,
}

impl Manifest {
    /// The lists of the image, where it has the second one: that is the one scanners read.
    ///
    /// # Errors
    /// Files that cannot be read, or are not such lists.
    pub fn read(fs: &dyn FileSystem) -> Result<Option<Self>, DatabaseError> {
        let second = ImagePath::literal(SECOND);
        if fs.stat(&second).is_none() {
            return Ok(None);
        }
        let packages = located(&second, packages(&fs.read(&second)?))?;
        let first = ImagePath::literal(FIRST);
        let first = match fs.stat(&first) {
            Some(_) => Some(located(&first, names(&fs.read(&first)?))?),
            None => None,
        };
        Ok(Some(Self { first, packages }))
    }

    /// The second list's bytes.
    #[must_use]
    pub fn second(&self) -> Bytes {
        let lines: Vec<String> = self.packages.iter().map(Package::line).collect();
        lines.concat().into()
    }
}

impl Package {
    /// Its line, with the line's end.
    #[must_use]
    pub fn line(&self) -> String {
        [
            &self.name,
            &self.version_release,
            &self.installed.to_string(),
            &self.built.to_string(),
            &self.vendor,
            &self.sixth,
            &self.size.to_string(),
            &self.architecture,
            &self.epoch.to_string(),
            &self.source,
        ]
        .map(String::as_str)
        .join("\t")
            + "\n"
    }

    /// The package as `rpm -qa` calls it.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}-{}.{}", self.name, self.version_release, self.architecture)
    }
}

/// The packages of `container-manifest-2`.
///
/// # Errors
/// A line that has not ten fields, or whose numbers are none; a package that is there twice.
pub fn packages(file: &[u8]) -> Result<Vec<Package>, Damage> {
    let mut packages: Vec<Package> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (index, line) in lines(file)?.into_iter().enumerate() {
        let package = package(line, index + 1)?;
        // Keys for signatures have one name and differ in their versions.
        if !seen.insert(package.full_name()) {
            return Err(in_line(index + 1, "the package is there twice"));
        }
        packages.push(package);
    }
    Ok(packages)
}

fn package(line: &str, number: usize) -> Result<Package, Damage> {
    let fields: Vec<&str> = line.split('\t').collect();
    let Ok(fields) = <[&str; 10]>::try_from(fields.as_slice()) else {
        return Err(in_line(number, &format!("it has {} fields, and not ten", fields.len())));
    };
    for (field, name) in fields.iter().zip(FIELDS) {
        if field.is_empty() || field.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(in_line(
                number,
                &format!("its {name} is empty, or has control characters"),
            ));
        }
    }
    let [name, version_release, installed, built, vendor, sixth, size, arch, epoch, source] =
        fields;
    let count = |text: &str, name: &str| {
        // As rpm writes them: what is written back has to be the same.
        let value = text.parse::<u64>().ok().filter(|value| value.to_string() == text);
        value.ok_or_else(|| in_line(number, &format!("its {name} is {text:?}")))
    };
    let wrong = |_| in_line(number, "its epoch does not fit 32 bits");
    let epoch = u32::try_from(count(epoch, "epoch")?).map_err(wrong)?;
    Ok(Package {
        name: name.to_owned(),
        version_release: version_release.to_owned(),
        installed: count(installed, "time of installation")?,
        built: count(built, "time of building")?,
        vendor: vendor.to_owned(),
        sixth: sixth.to_owned(),
        size: count(size, "size")?,
        architecture: arch.to_owned(),
        epoch,
        source: source.to_owned(),
    })
}

/// The lines of `container-manifest-1`.
fn names(file: &[u8]) -> Result<Vec<String>, Damage> {
    let lines = lines(file)?.into_iter().enumerate();
    lines
        .map(|(index, line)| {
            if line.is_empty() || line.bytes().any(|byte| byte.is_ascii_control()) {
                return Err(in_line(index + 1, "it is empty, or has control characters"));
            }
            Ok(line.to_owned())
        })
        .collect()
}

fn lines(file: &[u8]) -> Result<Vec<&str>, Damage> {
    let text = std::str::from_utf8(file)
        .map_err(|error| Damage::invalid(format!("byte {}", error.valid_up_to()), "no UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let lines: Vec<&str> = text.split('\n').take(MAX_PACKAGES + 1).collect();
    if lines.len() > MAX_PACKAGES {
        return Err(Damage::TooMany { what: "lines", limit: MAX_PACKAGES });
    }
    match lines.iter().position(|line| line.len() > MAX_LINE) {
        Some(long) => Err(in_line(long + 1, &format!("it is longer than {MAX_LINE} bytes"))),
        None => Ok(lines),
    }
}

fn in_line(number: usize, why: &str) -> Damage {
    Damage::invalid(format!("line {number}"), why)
}

fn located<T>(path: &ImagePath, result: Result<T, Damage>) -> Result<T, DatabaseError> {
    result.map_err(|damage| DatabaseError::Damaged { path: path.clone(), damage })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "ca\t2.0.0-16.cm2\t1712182042\t1712159961\tMicrosoft Corporation\t(none)\t\
                        2385086\tnoarch\t1\tca-2.0.0-16.cm2.src.rpm\n";

    #[test]
    fn a_list_is_written_as_it_was_read() {
        let text = format!("{LINE}{}", LINE.replace("ca\t", "tzdata\t"));
        let packages = packages(text.as_bytes()).unwrap();
        assert_eq!(packages[0].full_name(), "ca-2.0.0-16.cm2.noarch");
        assert_eq!(packages[0].epoch, 1);
        assert_eq!(Manifest { first: None, packages }.second(), text);
    }

    #[test]
    fn lines_that_are_no_packages_are_refused() {
        let broken = |from, to: &str| packages(LINE.replace(from, to).as_bytes());
        for (from, to, expected) in [
            ("\tnoarch", "", "line 1: it has 9 fields, and not ten"),
            ("\n", "\tx\n", "line 1: it has 11 fields, and not ten"),
            ("noarch", "", "line 1: its architecture is empty, or has control characters"),
            ("2385086", "02", "line 1: its size is \"02\""),
            ("\t1\t", "\t4294967296\t", "line 1: its epoch does not fit 32 bits"),
            (LINE, "\n\n", "line 1: it has 1 fields, and not ten"),
        ] {
            assert_eq!(broken(from, to).unwrap_err().to_string(), expected);
        }
        let twice = packages([LINE, LINE].concat().as_bytes()).unwrap_err().to_string();
        assert_eq!(twice, "line 2: the package is there twice");
    }
}
