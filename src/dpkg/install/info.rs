//! What is recorded of a package outside `status`: its file list, its control members under
//! `/var/lib/dpkg/info`, and its trigger interests.

use super::super::deb::ControlMember;
use super::super::triggers::{
    Directive, Interest, Verb, is_file_trigger, parse_directives, parse_explicit_interests,
    render_interests,
};
use super::database::{damaged, file, info_file, info_stem, read_optional};
use super::unpack::{Unpacking, name_of};
use super::{InstallError, Run};
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileData, FileSystem, Kind, Xattrs};

impl Run<'_> {
    /// Writes list, members and interests of an unpacked package. `former_stem` is what the
    /// names of its files began with before.
    pub(super) fn update_info(
        &mut self,
        unpacking: &Unpacking<'_>,
        place: usize,
        former_stem: Option<&str>,
    ) -> Result<(), InstallError> {
        let Some(entry) = self.database.entry(place) else { return Ok(()) };
        let stem = info_stem(&self.overlay, entry);
        let former_triggers = match former_stem {
            Some(former) => self.directives(&info_file(former, "triggers"))?,
            None => Vec::new(),
        };
        let list = self.database.lists.render(&unpacking.files);
        self.write(&info_file(&stem, "list"), list)?;
        self.database.lists.set(place, unpacking.files.clone());
        self.update_interests(unpacking, &stem, &former_triggers)?;
        for former in self.info_files(&stem)? {
            let kind = kind_of(&former);
            if kind != b"list" && !unpacking.control.members.keys().any(|k| k.as_bytes() == kind) {
                self.overlay.remove(&former);
            }
        }
        for (kind, member) in &unpacking.control.members {
            // dpkg leaves members with a dot where it unpacked them, and removes them there.
            if !kind.contains('.') && kind != "list" {
                let entry = self.member_entry(member);
                let path = self.overlay.resolve_parent(&info_file(&stem, kind))?;
                self.overlay.set(path, entry)?;
            }
        }
        if !unpacking.control.members.contains_key("md5sums") {
            self.write_md5sums(unpacking, &stem)?;
        }
        // A package that became, or is no longer, Multi-Arch: same.
        if let Some(former) = former_stem.filter(|former| *former != stem) {
            for path in self.info_files(former)? {
                self.overlay.remove(&path);
            }
        }
        Ok(())
    }

    /// `info/STEM.KIND` for every kind that is there.
    pub(super) fn info_files(&self, stem: &str) -> Result<Vec<ImagePath>, InstallError> {
        let folder = self.overlay.resolve(&file("info"))?;
        let mut files = self.overlay.read_dir(&folder);
        files.retain(|path| {
            let name = path.file_name();
            let dot = name.iter().rposition(|&b| b == b'.');
            dot.is_some_and(|dot| name.get(..dot) == Some(stem.as_bytes()))
        });
        Ok(files)
    }

    pub(super) fn member_entry(&self, member: &ControlMember) -> Entry {
        let accounts = &self.database.accounts;
        let user = member.user.name.as_deref().and_then(|name| accounts.user(name));
        let group = member.group.name.as_deref().and_then(|name| accounts.group(name));
        let content = imgfix_vfs::Content::Inline(member.content.clone());
        Entry {
            kind: Kind::File(FileData { size: member.content.len() as u64, content, link: None }),
            mode: member.mode,
            uid: user.unwrap_or(member.user.id),
            gid: group.unwrap_or(member.group.id),
            mtime: member.mtime,
            xattrs: Xattrs::new(),
        }
    }

    /// dpkg makes the sums of a package that ships none.
    fn write_md5sums(&mut self, unpacking: &Unpacking<'_>, stem: &str) -> Result<(), InstallError> {
        let mut text = Vec::new();
        for &id in &unpacking.files {
            if let Some(md5) = unpacking.nodes.get(&id).and_then(|node| node.md5.as_ref()) {
                let name = name_of(self, id);
                text.extend_from_slice(md5.as_bytes());
                text.extend_from_slice(b"  ");
                text.extend_from_slice(name.get(1..).unwrap_or_default());
                text.push(b'\n');
            }
        }
        self.write(&info_file(stem, "md5sums"), text)
    }

    fn directives(&self, path: &ImagePath) -> Result<Vec<Directive>, InstallError> {
        let text = read_optional(&self.overlay, path)?;
        parse_directives(&text).map_err(|error| damaged(path, error))
    }

    /// Former interests go, new ones come after all others, as dpkg rewrites these files.
    fn update_interests(
        &mut self,
        unpacking: &Unpacking<'_>,
        stem: &str,
        former: &[Directive],
    ) -> Result<(), InstallError> {
        let new = unpacking.control.member("triggers").map(|text| parse_directives(text));
        let new = new
            .transpose()
            .map_err(|error| unpacking.error(format!("triggers: {error}")))?
            .unwrap_or_default();
        let mut edited = false;
        for (list, adding) in [(former, Adding::No), (new.as_slice(), Adding::Yes)] {
            for directive in list.iter().filter(|directive| directive.verb == Verb::Interest) {
                if is_file_trigger(&directive.trigger) {
                    edited |= self.change_file_interest(directive, stem, &unpacking.name, adding);
                } else {
                    self.change_explicit_interest(directive, stem, &unpacking.name, adding)?;
                }
            }
        }
        if !edited {
            return Ok(());
        }
        let path = file("triggers/File");
        if self.database.file_interests.is_empty() {
            self.overlay.remove(&self.overlay.resolve_parent(&path)?);
            return Ok(());
        }
        let text = self.database.file_interests.render();
        self.write(&path, text)
    }

    /// Whether `triggers/File` is to be written again.
    fn change_file_interest(
        &mut self,
        directive: &Directive,
        stem: &str,
        name: &str,
        adding: Adding,
    ) -> bool {
        let interests = &mut self.database.file_interests;
        let is_own = |interest: &Interest| interest.package == stem || interest.package == name;
        match (interests.position(&directive.trigger, is_own), adding) {
            (Some(at), Adding::No) => {
                interests.remove(at);
                true
            }
            (Some(at), Adding::Yes) => {
                if let Some(interest) = interests.at_mut(at) {
                    interest.awaiting = directive.awaiting;
                }
                false
            }
            (None, Adding::No) => false,
            (None, Adding::Yes) => {
                interests.push(Interest {
                    path: directive.trigger.clone(),
                    package: stem.to_owned(),
                    awaiting: directive.awaiting,
                });
                true
            }
        }
    }

    fn change_explicit_interest(
        &mut self,
        directive: &Directive,
        stem: &str,
        name: &str,
        adding: Adding,
    ) -> Result<(), InstallError> {
        let path = file(&format!("triggers/{}", directive.trigger));
        let text = read_optional(&self.overlay, &path)?;
        let mut interests = parse_explicit_interests(&text).map_err(|e| damaged(&path, e))?;
        interests.retain(|interest| interest.package != stem && interest.package != name);
        if adding == Adding::Yes {
            interests.push(Interest {
                path: String::new(),
                package: stem.to_owned(),
                awaiting: directive.awaiting,
            });
        }
        if interests.is_empty() {
            self.overlay.remove(&self.overlay.resolve_parent(&path)?);
            return Ok(());
        }
        self.write(&path, render_interests(&interests))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Adding {
    Yes,
    No,
}

fn kind_of(path: &ImagePath) -> &[u8] {
    let name = path.file_name();
    let dot = name.iter().rposition(|&b| b == b'.').map_or(0, |dot| dot + 1);
    name.get(dot..).unwrap_or_default()
}
