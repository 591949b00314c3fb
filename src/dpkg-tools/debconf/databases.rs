//! [`Databases`]: the two databases of debconf as they are while it runs, and their files.
//!
//! Which files are written (found by running Debconf 1.5.77 and 1.5.82, and kept here):
//! - A file that is missing when debconf starts is made at once, empty; it then gets no
//!   `-old` in that run.
//! - A file is written at the end when anything in it was set, even to what it was: loading
//!   templates sets every field anew and so always rewrites `templates.dat`; `config.dat` is
//!   rewritten only when a question got an owner, or a flag, value or variable was set.
//! - A rewritten file is a new one, with the mode of its database; the former one becomes
//!   `-old` as it was, unless `Backup: false`.
//! - A frontend whose config script fails writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, BString, ByteSlice as _};

use super::configuration::{Backup, Configuration, FileSetup};
use super::item::{self, Item};
use super::language::Language;
use super::templates_file::Template;
use imgfix_model::path::ImagePath;
use imgfix_shell::{Call, Errno, Machine, Stop};

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Questions,
    Templates,
}

/// Whether texts of templates are taken in the user's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    Translated,
    /// As in the template itself, which is what values are compared with.
    C,
}

/// One `File` database in memory.
#[derive(Debug)]
struct File {
    setup: FileSetup,
    /// `None` for items that are gone.
    items: BTreeMap<BString, Option<Item>>,
    changed: bool,
    /// Whether the former file is to be kept.
    backup: Backup,
}

/// What debconf knows while it runs.
#[derive(Debug)]
pub struct Databases {
    questions: Vec<File>,
    templates: Vec<File>,
    language: Language,
}

impl Databases {
    /// Reads the files, and makes those that are missing.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn load(
        machine: &mut Machine,
        call: &Call,
        configuration: &Configuration,
    ) -> Result<Self, Stop> {
        let language = Language::of(machine, call)?;
        let mut load = |setups: &[FileSetup]| {
            setups.iter().map(|setup| File::load(machine, call, setup)).collect()
        };
        let questions: Result<_, Stop> = load(&configuration.questions);
        let templates: Result<_, Stop> = load(&configuration.templates);
        Ok(Self { questions: questions?, templates: templates?, language })
    }

    /// Writes the files that changed.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(self, machine: &mut Machine, call: &Call) -> Result<(), Stop> {
        for file in self.questions.iter().chain(&self.templates).filter(|file| file.changed) {
            file.save(machine, call)?;
        }
        Ok(())
    }

    fn files(&self, role: Role) -> &[File] {
        match role {
            Role::Questions => &self.questions,
            Role::Templates => &self.templates,
        }
    }

    fn files_mut(&mut self, role: Role) -> &mut [File] {
        match role {
            Role::Questions => &mut self.questions,
            Role::Templates => &mut self.templates,
        }
    }

    fn item(&self, role: Role, name: &BStr) -> Option<&Item> {
        self.files(role).iter().find_map(|file| file.items.get(name)?.as_ref())
    }

    /// The item for changing it, which counts as a change of its file.
    fn changing(&mut self, role: Role, name: &BStr) -> Option<&mut Item> {
        for file in self.files_mut(role) {
            if let Some(Some(item)) = file.items.get_mut(name) {
                file.changed = true;
                return Some(item);
            }
        }
        None
    }

    #[must_use]
    pub fn exists(&self, role: Role, name: &BStr) -> bool {
        self.item(role, name).is_some()
    }

    #[must_use]
    pub fn question_names(&self) -> BTreeSet<BString> {
        let items = self.questions.iter().flat_map(|file| &file.items);
        items.filter(|(_, item)| item.is_some()).map(|(name, _)| name.clone()).collect()
    }

    #[must_use]
    pub fn owners(&self, role: Role, name: &BStr) -> BTreeSet<BString> {
        self.item(role, name).map(|item| item.owners.clone()).unwrap_or_default()
    }

    /// Adds an owner, and makes the item when it is not there and a file takes its type.
    /// False when none does.
    fn add_owner(&mut self, role: Role, name: &BStr, owner: &BStr, kind: Option<&[u8]>) -> bool {
        if let Some(item) = self.item(role, name) {
            if !item.owners.contains(owner)
                && let Some(item) = self.changing(role, name)
            {
                item.owners.insert(owner.into());
            }
            return true;
        }
        let kind = kind.filter(|kind| !kind.is_empty());
        let mut files = self.files_mut(role).iter_mut();
        let Some(file) = files.find(|file| file.setup.filter.accepts(name, kind)) else {
            return false;
        };
        let item = Item { owners: [owner.into()].into(), ..Item::default() };
        file.items.insert(name.into(), Some(item));
        file.changed = true;
        true
    }

    /// Takes an owner away; an item without owners goes.
    fn remove_owner(&mut self, role: Role, name: &BStr, owner: &BStr) {
        for file in self.files_mut(role) {
            let Some(entry) = file.items.get_mut(name) else { continue };
            let Some(item) = entry else { continue };
            file.changed |= item.owners.remove(owner);
            if item.owners.is_empty() {
                *entry = None;
                file.changed = true;
            }
            return;
        }
    }

    /// A question's own field, without its template's.
    #[must_use]
    pub fn own_field(&self, name: &BStr, field: &BStr) -> Option<&BString> {
        self.item(Role::Questions, name)?.fields.get(field)
    }

    /// The template of a question, when there is one.
    #[must_use]
    pub fn template_of(&self, name: &BStr) -> Option<&BString> {
        let template = self.own_field(name, "template".into())?;
        self.exists(Role::Templates, template.as_bstr()).then_some(template)
    }

    /// A field of a template; empty when it has none. A field for a language falls back to
    /// the plain one.
    #[must_use]
    pub fn template_field(&self, template: &BStr, field: &[u8], wording: Wording) -> BString {
        let Some(item) = self.item(Role::Templates, template) else { return BString::default() };
        if let Some(text) = self.language.choose(&item.fields, field, wording) {
            return text.to_owned();
        }
        let plain = field.split(|&b| b == b'-').next().unwrap_or_default();
        item.fields.get(plain.as_bstr()).cloned().unwrap_or_default()
    }

    /// A field of a question, or else of its template; `None` when it has no template either.
    #[must_use]
    pub fn field(&self, name: &BStr, field: &[u8]) -> Option<BString> {
        if let Some(own) = self.own_field(name, field.as_bstr()) {
            return Some(own.clone());
        }
        let template = self.template_of(name)?;
        Some(self.template_field(template.as_bstr(), field, Wording::Translated))
    }

    /// The value of a question, or else the default of its template.
    #[must_use]
    pub fn value(&self, name: &BStr) -> Option<BString> {
        if let Some(own) = self.own_field(name, "value".into()) {
            return Some(own.clone());
        }
        let template = self.template_of(name)?;
        Some(self.template_field(template.as_bstr(), b"default", Wording::Translated))
    }

    /// A text of a question's template with the question's variables put in.
    #[must_use]
    pub fn text(&self, name: &BStr, field: &[u8], wording: Wording) -> BString {
        let template = self.template_of(name);
        let text = template.map(|template| self.template_field(template.as_bstr(), field, wording));
        self.expand(name, &text.unwrap_or_default())
    }

    /// Puts a question's variables in.
    #[must_use]
    pub fn expand(&self, name: &BStr, text: &[u8]) -> BString {
        let variables = self.item(Role::Questions, name).map(|item| &item.variables);
        let value = |variable: &[u8]| Some(&variables?.get(variable.as_bstr())?[..]);
        super::text::expand(text, value)
    }

    pub fn set_value(&mut self, name: &BStr, value: BString) {
        if let Some(item) = self.changing(Role::Questions, name) {
            item.fields.insert("value".into(), value);
        }
    }

    pub fn set_variable(&mut self, name: &BStr, variable: BString, value: BString) {
        if let Some(item) = self.changing(Role::Questions, name) {
            item.variables.insert(variable, value);
        }
    }

    #[must_use]
    pub fn flag(&self, name: &BStr, flag: &BStr) -> BString {
        let item = self.item(Role::Questions, name);
        item.and_then(|item| item.flags.get(flag)).cloned().unwrap_or_else(|| "false".into())
    }

    pub fn set_flag(&mut self, name: &BStr, flag: &[u8], value: BString) {
        if let Some(item) = self.changing(Role::Questions, name) {
            item.flags.insert(flag.into(), value);
        }
    }

    /// Makes a question that has not been seen. False when no file takes it.
    pub fn new_question(&mut self, name: &BStr, owner: &BStr, kind: &[u8]) -> bool {
        if !self.add_owner(Role::Questions, name, owner, Some(kind)) {
            return false;
        }
        self.set_flag(name, b"seen", "false".into());
        true
    }

    pub fn add_question_owner(&mut self, name: &BStr, owner: &BStr, kind: &[u8]) -> bool {
        self.add_owner(Role::Questions, name, owner, Some(kind))
    }

    /// Takes an owner from a question, and with the last one its use of the template.
    pub fn remove_question_owner(&mut self, name: &BStr, owner: &BStr) {
        let template = self.own_field(name, "template".into()).cloned();
        self.remove_owner(Role::Questions, name, owner);
        // (An empty owner is removed too, but debconf then takes it for a failure.)
        if let Some(template) = template.filter(|template| !template.is_empty())
            && !owner.is_empty()
            && !self.exists(Role::Questions, name)
        {
            self.remove_owner(Role::Templates, template.as_bstr(), name);
        }
    }

    /// Makes a template that of a question.
    pub fn set_template(&mut self, name: &BStr, template: &BStr) {
        let old = self.own_field(name, "template".into()).cloned();
        if old.as_ref().is_some_and(|old| old == template) {
            return;
        }
        if let Some(old) = old.filter(|old| !old.is_empty()) {
            self.remove_owner(Role::Templates, old.as_bstr(), name);
        }
        if let Some(item) = self.changing(Role::Questions, name) {
            item.fields.insert("template".into(), template.into());
        }
        let kind = self.item(Role::Templates, template);
        let kind = kind.and_then(|item| item.fields.get("type".as_bytes().as_bstr())).cloned();
        self.add_owner(Role::Templates, template, name, kind.as_ref().map(|kind| &kind[..]));
    }

    /// Makes a template, its question, and what is missing between them.
    ///
    /// # Errors
    /// It has no type.
    pub fn new_template(&mut self, name: &BStr, owner: &BStr, kind: &[u8]) -> Result<bool, Stop> {
        if kind.is_empty() {
            return Err(Stop::new(format!("debconf does not take the template {name}: no type")));
        }
        let owner = if owner.is_empty() { BStr::new("unknown") } else { owner };
        let users = self.owners(Role::Templates, name);
        if self.exists(Role::Questions, name) {
            self.add_question_owner(name, owner, kind);
        } else {
            self.new_question(name, owner, kind);
            self.set_template(name, name);
        }
        if users.is_empty() {
            if !self.add_owner(Role::Templates, name, name, Some(kind)) {
                return Ok(false);
            }
            self.set_template_field(name, b"type", kind.into());
            return Ok(true);
        }
        for question in self.owners(Role::Templates, name) {
            if !self.exists(Role::Questions, question.as_bstr()) {
                self.new_question(question.as_bstr(), owner, kind);
                self.set_template(question.as_bstr(), name);
            }
        }
        Ok(true)
    }

    pub fn set_template_field(&mut self, template: &BStr, field: &[u8], value: BString) {
        if let Some(item) = self.changing(Role::Templates, template) {
            item.fields.insert(field.into(), value);
        }
    }

    /// Takes in a package's templates.
    ///
    /// # Errors
    /// A template is one that debconf fails on.
    pub fn load_templates(&mut self, templates: Vec<Template>, owner: &BStr) -> Result<(), Stop> {
        for Template { name, fields } in templates {
            let kind = fields.get("type".as_bytes().as_bstr()).cloned().unwrap_or_default();
            if !self.new_template(name.as_bstr(), owner, &kind)? {
                return Err(Stop::new(format!("no debconf database takes the template {name}")));
            }
            if let Some(item) = self.changing(Role::Templates, name.as_bstr()) {
                item.fields = fields;
            }
        }
        Ok(())
    }
}

impl File {
    fn load(machine: &mut Machine, call: &Call, setup: &FileSetup) -> Result<Self, Stop> {
        let unreadable = |why: String| Stop::new(format!("debconf's {}: {why}", setup.filename));
        let mut backup = setup.backup;
        let text = match machine.read_file(&call.directory, &setup.filename)? {
            Ok(text) => text,
            Err(Errno::NotFound) => {
                backup = Backup::None;
                make_parent(machine, call, &setup.filename)?;
                let mode = setup.mode & !call.umask;
                let made = machine.write_file(&call.directory, &setup.filename, "", mode)?;
                made.map_err(|why| unreadable(why.to_string()))?;
                bytes::Bytes::new()
            }
            Err(why) => return Err(unreadable(why.to_string())),
        };
        let items = item::read(&text).into_iter().map(|(name, item)| (name, Some(item))).collect();
        Ok(Self { setup: setup.clone(), items, changed: false, backup })
    }

    fn save(&self, machine: &mut Machine, call: &Call) -> Result<(), Stop> {
        let failed = |why: Errno| {
            Stop::new(format!("debconf's {} cannot be written: {why}", self.setup.filename))
        };
        let root = ImagePath::root();
        let filename = &self.setup.filename;
        // (The real path counts: a link to the file stays.)
        let path = machine.follow(&call.directory, filename)?.map_err(failed)?;
        let with = |suffix: &[u8]| [path.as_bytes(), suffix].concat();
        let items = self.items.iter().filter_map(|(name, item)| Some((name, item.as_ref()?)));
        let mode = self.setup.mode & !call.umask;
        let (new, old) = (with(b"-new"), with(b"-old"));
        machine.write_file(&root, &new, item::write(items), mode)?.map_err(failed)?;
        if self.backup == Backup::Kept && machine.stat(&root, path.as_bytes())?.is_ok() {
            machine.rename(&root, path.as_bytes(), &old)?.map_err(failed)?;
        }
        machine.rename(&root, &new, path.as_bytes())?.map_err(failed)
    }
}

fn make_parent(machine: &mut Machine, call: &Call, filename: &[u8]) -> Result<(), Stop> {
    let Some(at) = filename.rfind_byte(b'/').filter(|at| *at > 0) else { return Ok(()) };
    let parent = filename.get(..at).unwrap_or_default();
    if machine.stat(&call.directory, parent)?.is_err() {
        // A failure shows when the file is made.
        let _made = machine.make_dir(&call.directory, parent, 0o777 & !call.umask)?;
    }
    Ok(())
}
