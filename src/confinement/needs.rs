//! [`Needs`]: the files and folders that a run may read and write, from what it was asked to do.
//! Pure: nothing here looks at the disk.

use std::path::{Path, PathBuf};

use imgfix_host::staging;
use imgfix_oci::Reference;

/// What may be done at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    /// The file, or all that is below the folder, is read.
    Read,
    /// As [`Rights::Read`]; a link that stands directly in the folder leads to what may be read
    /// too. Only for folders that are the user's or root's own word.
    ReadLinked,
    /// The layout of an image is read, and blobs that are links ([`super::blobs`]).
    ReadLayout,
    /// Files and folders below are read, made, changed and removed.
    Keep,
    /// As [`Rights::Keep`], for a layout that may have its blobs elsewhere.
    KeepLayout,
    /// Files are made in the folder, and take the places of others: of an archive, which is
    /// written beside its place.
    Stage,
    /// As [`Rights::Stage`], for a file that is open already and only gets its name.
    Name,
    /// What is there is written: a device, a pipe, a file that grows.
    Write,
    /// As [`Rights::Write`]; when nothing is there, it may be made.
    Append,
    /// Empty folders below are removed: one that was made for this run.
    RemoveFolders,
}

/// One place, and what may be done there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// A file or a folder; a rule on a folder holds for all that is below.
    pub path: PathBuf,
    /// What may be done there.
    pub rights: Rights,
}

/// Whether a run has to make connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// It has, or may have to.
    #[default]
    Needed,
    /// Not one.
    None,
}

/// What a run needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// What may be read and written, and where; a place may be there several times.
    pub accesses: Vec<Access>,
    /// Folders that are made when they are not there, and their modes (less the umask): a rule
    /// needs something to stand on.
    pub folders: Vec<(PathBuf, u32)>,
    /// Whether connections are left possible.
    pub network: Network,
    /// A program that the run starts, as a message calls it: then nothing is given up.
    pub program: Option<String>,
}

impl Needs {
    /// Allows `rights` at `path`, besides what is allowed already.
    pub fn add(&mut self, path: impl Into<PathBuf>, rights: Rights) {
        self.accesses.push(Access { path: path.into(), rights });
    }

    /// Files that are read; `-`, which is standard input, is open already.
    pub fn read<'a>(&mut self, paths: impl IntoIterator<Item = &'a PathBuf>) {
        for path in paths.into_iter().filter(|path| path.as_os_str() != "-") {
            self.add(path, Rights::Read);
        }
    }

    /// An image that is read.
    pub fn source(&mut self, image: &Reference) {
        match image {
            Reference::OciLayout { dir, .. } => self.add(dir, Rights::ReadLayout),
            Reference::OciArchive { file, .. } | Reference::DockerArchive { file, .. } => {
                self.add(file, Rights::Read);
            }
            Reference::Registry(_) => {}
        }
    }

    /// A folder that is written, made with `mode` when it is not there.
    pub fn keep(&mut self, folder: &Path, mode: u32) {
        self.folders.push((folder.to_owned(), mode));
        self.add(folder, Rights::Keep);
    }

    /// An image that is written.
    pub fn output(&mut self, image: &Reference) {
        match image {
            Reference::OciLayout { dir, .. } => {
                // where the original should be, that it is not is an error
                let reads = |one: &Access| one.rights == Rights::ReadLayout && one.path == *dir;
                if !self.accesses.iter().any(reads) {
                    self.folders.push((dir.clone(), 0o777));
                }
                self.add(dir, Rights::KeepLayout);
            }
            Reference::OciArchive { file, .. } | Reference::DockerArchive { file, .. } => {
                self.add(staging::parent(file), Rights::Stage);
            }
            Reference::Registry(_) => {}
        }
    }

    /// A file that was opened before, and gets its name at the end. When it is a pipe, it is
    /// opened then.
    pub fn report(&mut self, path: &Path) {
        self.add(staging::parent(path), Rights::Name);
        self.add(path, Rights::Write);
    }

    /// What a `--repository` line names on this machine: folders of `file:` URLs, and keys.
    pub fn repository(&mut self, line: &str) {
        // In apk's lines a path is a repository; in apt's one can be a suite, `/` even.
        let is_apt = line.trim_start().starts_with("deb");
        for word in line.split([' ', '\t', '[', ']']).filter(|word| !word.is_empty()) {
            if let Some((_, keys)) = word.split_once("igned-by=") {
                let keys = keys.split(',').filter(|key| key.starts_with('/'));
                keys.for_each(|key| self.add(key, Rights::Read));
            } else if let Some(keys) = word.strip_prefix("gpgkey=") {
                // of a `.repo` file: paths, or URLs of files
                let keys = keys.split(',').map(|key| key.strip_prefix("file://").unwrap_or(key));
                let keys = keys.filter(|key| key.starts_with('/'));
                keys.for_each(|key| self.add(key, Rights::Read));
            } else if word.starts_with('/') && !is_apt {
                self.url(&format!("file:{word}"));
            } else {
                self.url(word);
            }
        }
    }

    /// The folder of a `file:` URL.
    pub fn url(&mut self, url: &str) {
        let lower = url.get(..5).unwrap_or_default().to_ascii_lowercase();
        if lower != "file:" && lower != "copy:" {
            return;
        }
        let path = url.get(5..).unwrap_or_default();
        let path = path.strip_prefix("//").unwrap_or(path);
        // What is behind a variable ($(ARCH)) is in a folder of its folder.
        let path = match path.split_once('$') {
            Some((before, _)) => before.rsplit_once('/').map_or(before, |(folder, _)| folder),
            None => path,
        };
        // As the download reads it: percent signs mean something in it.
        let parsed = url::Url::parse(&format!("file://{path}")).ok();
        if let Some(path) = parsed.and_then(|url| url.to_file_path().ok()) {
            // a mirror may have its pool on another disk
            for part in ["pool", "dists"] {
                self.add(path.join(part), Rights::Read);
            }
            self.add(path, Rights::Read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fill: impl Fn(&mut Needs)) -> Vec<(String, Rights)> {
        let mut needs = Needs::default();
        fill(&mut needs);
        let text = |path: &Path| path.display().to_string();
        needs.accesses.iter().map(|one| (text(&one.path), one.rights)).collect()
    }

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn images_are_read_where_they_are_and_written_nowhere_else() {
        use Rights::{KeepLayout, Read, ReadLayout, Stage};
        for (image, source, output) in [
            ("oci:a/b:1", vec![("a/b", ReadLayout)], vec![("a/b", KeepLayout)]),
            ("oci-archive:x.tar:1", vec![("x.tar", Read)], vec![(".", Stage)]),
            ("docker-archive:/a/x.tar", vec![("/a/x.tar", Read)], vec![("/a", Stage)]),
            ("docker://a.example/b:1", vec![], vec![]),
        ] {
            let text = |list: Vec<(&str, Rights)>| -> Vec<(String, Rights)> {
                list.into_iter().map(|(path, rights)| (path.to_owned(), rights)).collect()
            };
            assert_eq!(of(|needs| needs.source(&reference(image))), text(source), "{image}");
            assert_eq!(of(|needs| needs.output(&reference(image))), text(output), "{image}");
        }
    }

    #[test]
    fn a_layout_is_made_unless_it_is_the_one_that_is_read() {
        let mut needs = Needs::default();
        needs.source(&reference("oci:old:1"));
        needs.output(&reference("oci:old:2"));
        needs.output(&reference("oci:new/er:2"));
        needs.keep(Path::new("cache"), 0o700);
        assert_eq!(needs.folders, [("new/er".into(), 0o777), ("cache".into(), 0o700)]);
    }

    #[test]
    fn repositories_of_this_machine_and_their_keys_are_read() {
        for (line, want) in [
            ("deb http://a.example/debian x main", vec![]),
            ("https://dl-cdn.example/alpine/v3.20/main", vec![]),
            (
                "deb [arch=amd64 signed-by=/k/a.gpg,/k/b.asc] file:///srv/my%20debian/ x main",
                vec!["/k/a.gpg", "/k/b.asc", "/srv/my debian"],
            ),
            ("deb [ signed-by=ABCDEF0123 ] FILE:/srv/debian x main", vec!["/srv/debian"]),
            ("deb file:/srv/$(ARCH)/debian x main", vec!["/srv"]),
            ("deb http://a.example/ /", vec![]),
            ("@edge copy:/srv/alpine", vec!["/srv/alpine"]),
            ("@edge /srv/alpine", vec!["/srv/alpine"]),
            ("v2 /srv/alpine/${APK_ARCH}/main", vec!["/srv/alpine"]),
            ("[repo_gpgcheck=1 gpgkey=/k/a.asc] http://a.example/os/", vec!["/k/a.asc"]),
            (
                "[gpgkey=file:///k/a.asc,https://a.example/b.asc] /srv/$basearch/os",
                vec!["/k/a.asc", "/srv"],
            ),
        ] {
            let mut found = of(|needs| needs.repository(line));
            found.retain(|(path, _)| !path.ends_with("/pool") && !path.ends_with("/dists"));
            assert!(found.iter().all(|(_, rights)| *rights == Rights::Read));
            let found: Vec<_> = found.iter().map(|(path, _)| path.trim_end_matches('/')).collect();
            assert_eq!(found, want, "{line}");
        }
    }

    #[test]
    fn standard_input_is_no_file() {
        let paths = ["-", "a.json"].map(PathBuf::from);
        assert_eq!(of(|needs| needs.read(&paths)), [("a.json".to_owned(), Rights::Read)]);
    }
}
