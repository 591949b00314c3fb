//! The lists of packages that distroless images of Azure Linux and Mariner have instead of a
//! database: `/var/lib/rpmmanifest/container-manifest-1` is what `rpm -qa` says, `-2` has ten
//! fields a package. They do not say which files a package has.
//!
//! In come the two files; out come their packages, each with its line as it was, so that lines that
//! do not change are written back byte for byte; and both files after a transaction. Their order is
//! that of `rpm -qa`, which is that of the database's numbers: what a transaction brings stands
//! behind what stays, in the order in which rpm installs it.

use bytes::Bytes;
use imgfix_model::path::ImagePath;
use imgfix_vfs::FileSystem;

use super::{Change, Damage, DatabaseError, MAX_PACKAGES};
use crate::header::{Header, tag};
use crate::package::Package as Installed;

/// Where the lists are.
pub const DIRECTORY: &str = "/var/lib/rpmmanifest";
const FIRST: &str = "/var/lib/rpmmanifest/container-manifest-1";
const SECOND: &str = "/var/lib/rpmmanifest/container-manifest-2";
/// What rpm prints for a tag that a header does not have.
const NONE: &str = "(none)";
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
    /// What the sixth field has: `(none)` in every list of Azure Linux that was seen, even beside an
    /// epoch; Copacetic writes `%{EPOCH}` there. (Trivy takes the epoch from it.)
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

    /// The first list's bytes; none without it.
    #[must_use]
    pub fn first(&self) -> Option<Bytes> {
        let lines = self.first.as_ref()?.iter().map(|line| format!("{line}\n"));
        Some(lines.collect::<String>().into())
    }

    /// The second list's bytes.
    #[must_use]
    pub fn second(&self) -> Bytes {
        let lines: Vec<String> = self.packages.iter().map(Package::line).collect();
        lines.concat().into()
    }

    /// The number by which transactions know the package at a place of the second list: counted
    /// from 1, as a database does.
    #[must_use]
    pub fn number(place: usize) -> u32 {
        u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The lists after a transaction.
    ///
    /// # Errors
    /// A package that goes is not there, or what comes has what no line can have.
    pub fn after(&self, changes: &[Change]) -> Result<Self, Damage> {
        let mut rows: Vec<(u32, Package)> =
            (0..).map(Self::number).zip(self.packages.iter().cloned()).collect();
        let mut first = self.first.clone();
        let with_epochs = self.packages.iter().any(|package| package.sixth != NONE);
        for change in changes {
            match change {
                Change::Erase(number) => {
                    let gone = rows.iter().position(|(own, _)| own == number);
                    let gone = gone.ok_or_else(|| super::change::not_there(*number))?;
                    let (_, package) = rows.remove(gone);
                    let names = first.as_mut();
                    if let Some(names) = names
                        && let Some(at) = names.iter().position(|one| *one == package.full_name())
                    {
                        names.remove(at);
                    }
                }
                Change::Add(header) => {
                    let package = of_header(header, with_epochs)?;
                    if let Some(names) = &mut first {
                        names.push(package.full_name());
                    }
                    // a number of what comes is none of what was there
                    rows.push((0, package));
                }
                // the lists know no files
                Change::FileState { .. } => {}
            }
        }
        let packages = rows.into_iter().map(|(_, package)| package).collect();
        Ok(Self { first, packages })
    }

    /// The files of the lists, with their bytes.
    #[must_use]
    pub fn files(&self) -> Vec<(ImagePath, Bytes)> {
        let first = self.first().map(|bytes| (ImagePath::literal(FIRST), bytes));
        first.into_iter().chain([(ImagePath::literal(SECOND), self.second())]).collect()
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

    /// The package as `rpm -qa` calls it; keys have no architecture.
    #[must_use]
    pub fn full_name(&self) -> String {
        let name = format!("{}-{}", self.name, self.version_release);
        match self.architecture.as_str() {
            NONE => name,
            architecture => format!("{name}.{architecture}"),
        }
    }

    /// `[epoch:]version-release`, the epoch when it is not 0.
    #[must_use]
    pub fn evr(&self) -> String {
        match self.epoch {
            0 => self.version_release.clone(),
            epoch => format!("{epoch}:{}", self.version_release),
        }
    }
}

/// The line that rpm would print of a header, in a list that has epochs in its sixth field or not.
fn of_header(header: &Header, with_epochs: bool) -> Result<Package, Damage> {
    let wrong = |why: String| Damage::invalid("a header for the list", why);
    let installed = Installed::new(header.clone()).map_err(|error| wrong(error.to_string()))?;
    let said = |text: Option<&str>| text.unwrap_or(NONE).to_owned();
    let epoch = installed.epoch().filter(|_| with_epochs).map(|epoch| epoch.to_string());
    let arch = Some(installed.arch()).filter(|arch| !arch.is_empty());
    let package = Package {
        name: installed.name().to_owned(),
        version_release: format!("{}-{}", installed.version(), installed.release()),
        installed: installed.install_time().unwrap_or(0).into(),
        built: header.number(tag::BUILDTIME).unwrap_or(0),
        vendor: said(installed.vendor()),
        sixth: said(epoch.as_deref()),
        size: installed.size().unwrap_or(0),
        architecture: said(arch),
        epoch: installed.epoch().unwrap_or(0),
        source: said(installed.source_rpm()),
    };
    let line = package.line();
    match packages(line.as_bytes()) {
        Ok(read) if read == [package.clone()] => Ok(package),
        Ok(_) => Err(wrong(format!("{line:?} is no line of it"))),
        Err(damage) => Err(wrong(damage.to_string())),
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
    use crate::header::NewHeader;

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

    /// A header as rpm has put it into a database.
    fn header(name: &str, epoch: Option<u32>, vendor: &str) -> Header {
        let mut header = NewHeader::default();
        for (tag, text) in [
            (tag::NAME, name),
            (tag::VERSION, "3"),
            (tag::RELEASE, "4.cm2"),
            (tag::ARCH, "noarch"),
            (tag::VENDOR, vendor),
            (tag::SOURCERPM, "s-3-4.cm2.src.rpm"),
        ] {
            header.string(tag, text.as_bytes());
        }
        for (tag, number) in
            [(tag::SIZE, 7), (tag::BUILDTIME, 1_800_000_000), (tag::INSTALLTIME, 1_800_000_009)]
        {
            header.number(tag, number);
        }
        epoch.into_iter().for_each(|epoch| header.number(tag::EPOCH, epoch));
        header.plain().unwrap()
    }

    #[test]
    fn what_comes_stands_behind_what_stays() {
        let line = |name: &str| LINE.replace("ca\t", &format!("{name}\t"));
        let before = Manifest {
            first: Some(
                ["b-2.0.0-16.cm2.noarch", "x", "a-2.0.0-16.cm2.noarch"].map(str::to_owned).into(),
            ),
            packages: packages([line("a"), line("b"), line("c")].concat().as_bytes()).unwrap(),
        };
        let changes = [
            Change::Add(header("new", None, "Contoso")),
            Change::Add(header("a", Some(1), "Contoso")),
            Change::Erase(1),
            Change::Erase(3),
        ];
        let after = before.after(&changes).unwrap();
        let names = "b-2.0.0-16.cm2.noarch\nx\nnew-3-4.cm2.noarch\na-3-4.cm2.noarch\n";
        assert_eq!(after.first().unwrap(), names);
        let rest = "3-4.cm2\t1800000009\t1800000000\tContoso\t(none)\t7\tnoarch";
        let source = "s-3-4.cm2.src.rpm";
        let want = format!("{}new\t{rest}\t0\t{source}\na\t{rest}\t1\t{source}\n", line("b"));
        assert_eq!(after.second(), want);
        let files: Vec<String> = after.files().iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(files, [FIRST, SECOND]);
        // a list with epochs goes on so
        let mut with_epochs = before.clone();
        with_epochs.packages[1].sixth = "1".to_owned();
        let sixths = with_epochs.after(&changes).unwrap().packages.into_iter().map(|one| one.sixth);
        assert_eq!(sixths.collect::<Vec<_>>(), ["1", NONE, "1"]);
        let fails = |change| before.after(&[change]).unwrap_err().to_string();
        assert_eq!(fails(Change::Erase(4)), "package 4: it is not there");
        let hostile = fails(Change::Add(header("a", None, "x\ny")));
        assert!(hostile.contains("line 1: it has 5 fields, and not ten"), "{hostile}");
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
