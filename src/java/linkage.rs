//! Whether code that goes together still does: what classes refer to has to be found where it was
//! found before.
//!
//! In come the classes of two class paths, before and after; out comes the first reference that was
//! resolved before and is not any more (JVMS 5.4.3). Of code that is new, what it refers to has
//! to be there where its package is, unless the code that it takes the place of missed the same.
//! Reflection, services and behaviour are not seen.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use imgfix_zip::Archive;

use crate::class_file::{ClassFile, FINAL, INTERFACE, PRIVATE, PROTECTED, PUBLIC, Reference};

/// The most references that a class path may have: Hadoop's has a fifth.
const MAX_REFERENCES: usize = 8_000_000;

/// A text, by its number in [`Words`].
type Word = u32;

/// Texts that come often, each once.
#[derive(Debug, Default)]
pub struct Words {
    numbers: HashMap<Box<[u8]>, Word>,
    texts: Vec<Box<[u8]>>,
}

impl Words {
    fn of(&mut self, text: &[u8]) -> Word {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push(text.into());
        self.numbers.insert(text.into(), number);
        number
    }

    fn text(&self, word: Word) -> String {
        let text = self.texts.get(usize::try_from(word).unwrap_or(usize::MAX));
        text.map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
    }

    fn package(&self, class: Word) -> &[u8] {
        let text = self.texts.get(usize::try_from(class).unwrap_or(usize::MAX));
        let text = text.map_or(&[][..], |text| text);
        text.iter().rposition(|byte| *byte == b'/').map_or(&[][..], |at| &text[..at])
    }
}

/// A class as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Class {
    flags: u16,
    /// The superclass, then the interfaces.
    above: Vec<Word>,
    /// Whether it is a field, name and type, with its flags.
    members: BTreeMap<(bool, Word, Word), u16>,
}

/// What a class names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Named {
    Class(Word),
    Member { class: Word, is_field: bool, of_interface: bool, name: Word, descriptor: Word },
}

impl Named {
    fn class(self) -> Word {
        match self {
            Self::Class(class) | Self::Member { class, .. } => class,
        }
    }
}

/// The classes of one archive or folder.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Code {
    classes: HashMap<Word, Class>,
    /// What is named, with a class that names it.
    references: BTreeMap<Named, Word>,
}

impl Code {
    /// The classes of an archive: below `folder` and not in archives in it. Those of
    /// `META-INF/versions` have the interface of those that they stand for, so only what they
    /// name counts. What is no class file is passed over, as the virtual machine would.
    #[must_use]
    pub fn of(archive: &Archive, words: &mut Words) -> Self {
        let (mut code, mut versioned) = (Self::default(), Self::default());
        for entry in archive.entries() {
            let name = entry.name();
            if is_class(name)
                && let Ok(bytes) = archive.content(entry)
            {
                match name.starts_with("META-INF/") {
                    true => versioned.add(&bytes, words),
                    false => code.add(&bytes, words),
                }
            }
        }
        for (named, by) in versioned.references {
            let class = named.class();
            let is_own =
                code.classes.contains_key(&class) || versioned.classes.contains_key(&class);
            if !is_own {
                code.references.entry(named).or_insert(by);
            }
        }
        code
    }

    /// Adds a class file.
    pub fn add(&mut self, bytes: &[u8], words: &mut Words) {
        let Some(file) = ClassFile::parse(bytes) else { return };
        let own = words.of(file.name);
        for reference in &file.references {
            let (Reference::Class(class) | Reference::Member { class, .. }) = reference;
            if class.starts_with(b"java/") {
                continue;
            }
            let class = words.of(class);
            let named = match *reference {
                Reference::Class(_) => Named::Class(class),
                Reference::Member { is_field, of_interface, name, descriptor, .. } => {
                    let (name, descriptor) = (words.of(name), words.of(descriptor));
                    Named::Member { class, is_field, of_interface, name, descriptor }
                }
            };
            self.references.entry(named).or_insert(own);
        }
        let above = file.superclass.into_iter().chain(file.interfaces.iter().copied());
        let above = above.map(|name| words.of(name)).collect();
        let members = file
            .members
            .iter()
            .map(|one| ((one.is_field, words.of(one.name), words.of(one.descriptor)), one.flags));
        let class = Class { flags: file.flags, above, members: members.collect() };
        self.classes.entry(own).or_insert(class);
    }

    /// Whether there is no class.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.references.is_empty()
    }
}

/// Whether a name is one of a class file that is code.
#[must_use]
pub fn is_class(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    name.ends_with(".class") && file != "module-info.class" && file != "package-info.class"
}

/// Parts of a class path by a name that stays when their content changes.
pub type ClassPath<'a> = BTreeMap<String, &'a Code>;

/// What does not go together any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// The part that names it.
    pub by: String,
    /// The part that had it before, or has its package.
    pub of: String,
    /// `class`, or `class.member descriptor`, with a word of what is wrong.
    pub member: String,
}

/// Where a lookup ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lookup {
    Found,
    Missing,
    /// It goes on in a class that is not on this class path.
    Leaves,
}

struct World<'a> {
    words: &'a Words,
    classes: HashMap<Word, Vec<(&'a str, &'a Class)>>,
    packages: HashMap<&'a [u8], &'a str>,
    known: [Word; 3],
}

/// What does not resolve `after` and did `before`, or is missed by what is new; sorted. `Err`: it
/// is too much to be looked at.
///
/// # Errors
/// Half a sentence.
pub fn broken(
    before: &ClassPath<'_>,
    after: &ClassPath<'_>,
    words: &mut Words,
) -> Result<Vec<Broken>, String> {
    let count: usize = after.values().map(|code| code.references.len()).sum();
    if count > MAX_REFERENCES {
        return Err(format!("its class path has more than {MAX_REFERENCES} references"));
    }
    let known = [b"java/lang/Object".as_slice(), b"java/lang/Throwable", b"java/lang/Enum"];
    let known = known.map(|name| words.of(name));
    let words = &*words;
    let (old, new) = (World::of(before, words, known), World::of(after, words, known));
    let mut broken = BTreeSet::new();
    for (part, code) in after {
        let former = before.get(part).copied();
        let is_same = former.is_some_and(|former| std::ptr::eq(former, *code) || former == *code);
        for (named, by) in &code.references {
            let Some(why) = new.fault(*named, *by, part) else { continue };
            let was_missing = || old.fault(*named, *by, part).is_some();
            let of = old.home(named.class()).or_else(|| new.home(named.class()));
            let of = match is_same {
                // what its own library changed for: found before, and not now
                true => match of.filter(|_| !was_missing() && old.has(named.class())) {
                    Some(of) => of,
                    None => continue,
                },
                // what is new, in the place of code that did not miss it
                false => {
                    let missed = former.is_some_and(|former| former.references.contains_key(named))
                        && was_missing();
                    match of.or_else(|| new.package_home(named.class())).filter(|_| !missed) {
                        Some(of) => of,
                        None => continue,
                    }
                }
            };
            let member = match named {
                Named::Class(class) => words.text(*class),
                Named::Member { class, name, descriptor, is_field, .. } => {
                    let space = if *is_field { " " } else { "" };
                    let (class, name) = (words.text(*class), words.text(*name));
                    format!("{class}.{name}{space}{}", words.text(*descriptor))
                }
            };
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            let (by, of) = (part.clone(), of.to_owned());
            broken.insert(Broken { by, of, member: format!("{member}{why}") });
        }
    }
    Ok(broken.into_iter().collect())
}

impl<'a> World<'a> {
    fn of(path: &'a ClassPath<'a>, words: &'a Words, known: [Word; 3]) -> Self {
        let mut classes: HashMap<Word, Vec<(&str, &Class)>> = HashMap::new();
        let mut packages = HashMap::new();
        for (part, code) in path {
            for (name, class) in &code.classes {
                classes.entry(*name).or_default().push((part, class));
                packages.entry(words.package(*name)).or_insert(part.as_str());
            }
        }
        Self { words, classes, packages, known }
    }

    fn has(&self, class: Word) -> bool {
        self.classes.contains_key(&class)
    }

    /// The part that has a class.
    fn home(&self, class: Word) -> Option<&'a str> {
        self.classes.get(&class)?.first().map(|(part, _)| *part)
    }

    /// The part that has the package of a class which is nowhere.
    fn package_home(&self, class: Word) -> Option<&'a str> {
        self.packages.get(self.words.package(class)).copied()
    }

    /// What is wrong with a reference of class `by` in `part`; within, a word of it.
    fn fault(&self, named: Named, by: Word, part: &str) -> Option<Option<&'static str>> {
        let Some(found) = self.classes.get(&named.class()) else {
            return Some(None);
        };
        let Named::Member { is_field, of_interface, name, descriptor, class } = named else {
            let extends = self.classes.get(&by).into_iter().flatten();
            let mut extends = extends.filter(|(home, _)| *home == part);
            let is_super = extends.any(|(_, one)| one.above.first() == Some(&named.class()));
            let is_final = found.iter().all(|(_, class)| class.flags & FINAL != 0);
            return (is_super && is_final).then_some(Some("it is final now"));
        };
        if !is_field && found.iter().all(|(_, one)| (one.flags & INTERFACE != 0) != of_interface) {
            return Some(Some(match of_interface {
                true => "its class is no interface",
                false => "its class is an interface",
            }));
        }
        let key = (is_field, name, descriptor);
        match self.lookup(class, key, by, part, &mut BTreeSet::new()) {
            Lookup::Found | Lookup::Leaves => None,
            Lookup::Missing => Some(None),
        }
    }

    /// Looks for a member in a class and what is above it.
    fn lookup(
        &self,
        class: Word,
        key: (bool, Word, Word),
        by: Word,
        part: &str,
        seen: &mut BTreeSet<Word>,
    ) -> Lookup {
        if !seen.insert(class) {
            return Lookup::Missing;
        }
        let Some(found) = self.classes.get(&class) else {
            return self.outside(class, key);
        };
        let is_constructor = self.words.text(key.1) == "<init>";
        let mut end = Lookup::Missing;
        for (home, one) in found {
            let flags = one.members.get(&key);
            if flags.is_some_and(|flags| self.is_open(*flags, class, home, by, part)) {
                return Lookup::Found;
            }
            if is_constructor {
                continue;
            }
            let object = (one.flags & INTERFACE != 0).then_some(self.known[0]);
            for above in one.above.iter().copied().chain(object) {
                match self.lookup(above, key, by, part, seen) {
                    Lookup::Found => return Lookup::Found,
                    Lookup::Leaves => end = Lookup::Leaves,
                    Lookup::Missing => {}
                }
            }
        }
        end
    }

    /// Whether a member may be used from class `by`.
    fn is_open(&self, flags: u16, class: Word, home: &str, by: Word, part: &str) -> bool {
        match flags & (PUBLIC | PRIVATE | PROTECTED) {
            PRIVATE => home == part,
            0 => self.words.package(class) == self.words.package(by),
            _ => true,
        }
    }

    /// What classes of Java itself have, where that is known.
    fn outside(&self, class: Word, key: (bool, Word, Word)) -> Lookup {
        const OBJECT: [&str; 9] = [
            "equals",
            "hashCode",
            "toString",
            "getClass",
            "notify",
            "notifyAll",
            "wait",
            "clone",
            "finalize",
        ];
        const THROWABLE: [&str; 12] = [
            "getMessage",
            "getLocalizedMessage",
            "getCause",
            "initCause",
            "printStackTrace",
            "fillInStackTrace",
            "getStackTrace",
            "setStackTrace",
            "addSuppressed",
            "getSuppressed",
            "setStackTraceDepth",
            "getOurStackTrace",
        ];
        const ENUM: [&str; 5] =
            ["name", "ordinal", "compareTo", "getDeclaringClass", "describeConstable"];
        let name = self.words.text(key.1);
        let is_one = |names: &[&str]| !key.0 && names.contains(&name.as_str());
        let [object, throwable, r#enum] = self.known;
        let found = match class {
            class if class == object => is_one(&OBJECT),
            class if class == throwable => is_one(&OBJECT) || is_one(&THROWABLE),
            class if class == r#enum => is_one(&OBJECT) || is_one(&ENUM),
            class => match self.words.text(class).as_str() {
                "java/lang/Exception"
                | "java/lang/RuntimeException"
                | "java/lang/Error"
                | "java/io/IOException"
                | "java/lang/IllegalArgumentException"
                | "java/lang/IllegalStateException" => is_one(&OBJECT) || is_one(&THROWABLE),
                _ => return Lookup::Leaves,
            },
        };
        if found { Lookup::Found } else { Lookup::Missing }
    }
}
