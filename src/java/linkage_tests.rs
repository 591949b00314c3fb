//! Tests of class files and of what links to what, on classes made for them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::class_file::{ClassFile, FINAL, INTERFACE, PUBLIC, Reference};
use crate::linkage::{ClassPath, Code, Words, broken};

/// A class file: flags, name, superclass, methods that it has, methods that it calls.
pub struct Class<'a> {
    flags: u16,
    name: &'a str,
    superclass: &'a str,
    methods: &'a [(&'a str, u16)],
    calls: &'a [(&'a str, &'a str)],
}

impl Class<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut pool: Vec<Vec<u8>> = Vec::new();
        let mut add = |constant: Vec<u8>| {
            pool.push(constant);
            u16::try_from(pool.len()).unwrap()
        };
        let text = |text: &str| {
            let length = u16::try_from(text.len()).unwrap().to_be_bytes();
            [&[1], &length[..], text.as_bytes()].concat()
        };
        let pair =
            |tag: u8, a: u16, b: u16| [&[tag], &a.to_be_bytes()[..], &b.to_be_bytes()].concat();
        let one = |tag: u8, a: u16| [&[tag], &a.to_be_bytes()[..]].concat();
        add([&[5][..], &[0; 8]].concat()); // a long: it has two numbers
        add(Vec::new());
        let name = add(text(self.name));
        let this = add(one(7, name));
        let name = add(text(self.superclass));
        let superclass = add(one(7, name));
        let descriptor = add(text("()V"));
        let names: Vec<u16> = self.methods.iter().map(|(name, _)| add(text(name))).collect();
        for (class, name) in self.calls {
            let (class, name) = (add(text(class)), add(text(name)));
            let (class, name) = (add(one(7, class)), add(pair(12, name, descriptor)));
            add(pair(10, class, name));
        }
        let mut out = [&[0xca, 0xfe, 0xba, 0xbe][..], &[0, 0, 0, 61]].concat();
        out.extend((u16::try_from(pool.len()).unwrap() + 1).to_be_bytes());
        out.extend(pool.concat());
        for number in [self.flags, this, superclass, 0, 0] {
            out.extend(number.to_be_bytes());
        }
        out.extend(u16::try_from(names.len()).unwrap().to_be_bytes());
        for (name, (_, flags)) in names.iter().zip(self.methods) {
            for number in [*flags, *name, descriptor, 0] {
                out.extend(number.to_be_bytes());
            }
        }
        out
    }
}

const PLAIN: Class<'_> =
    Class { flags: PUBLIC, name: "a/A", superclass: "java/lang/Object", methods: &[], calls: &[] };

#[test]
fn a_class_file_is_read() {
    let bytes = Class { methods: &[("m", PUBLIC)], calls: &[("b/B", "n")], ..PLAIN }.bytes();
    let class = ClassFile::parse(&bytes).unwrap();
    assert_eq!((class.name, class.superclass), (&b"a/A"[..], Some(&b"java/lang/Object"[..])));
    assert_eq!(class.members.len(), 1);
    let call = Reference::Member {
        class: b"b/B",
        is_field: false,
        of_interface: false,
        name: b"n",
        descriptor: b"()V",
    };
    assert!(class.references.contains(&call), "{:?}", class.references);
    for length in 0..bytes.len() {
        assert_eq!(ClassFile::parse(&bytes[..length]), None, "{length}");
    }
}

/// What breaks when `old` of the library becomes `new`, for a user of it.
fn breaks(old: &[Class<'_>], new: &[Class<'_>], user: &Class<'_>) -> Vec<String> {
    let mut words = Words::default();
    let mut code = |classes: &[Class<'_>]| {
        let mut code = Code::default();
        classes.iter().for_each(|class| code.add(&class.bytes(), &mut words));
        code
    };
    let (old, new) = (code(old), code(new));
    let user = code(&[Class { ..*user }]);
    let path = |library| -> ClassPath<'_> {
        BTreeMap::from([("library".to_owned(), library), ("user".to_owned(), &user)])
    };
    let found = broken(&path(&old), &path(&new), &mut words).unwrap();
    found.into_iter().map(|one| format!("{} of {}: {}", one.by, one.of, one.member)).collect()
}

#[test]
fn what_was_found_has_to_be_found() {
    let library = |methods| Class { name: "l/L", methods, ..PLAIN };
    let user = Class { name: "u/U", calls: &[("l/L", "m")], ..PLAIN };
    let m: &[(&str, u16)] = &[("m", PUBLIC)];
    assert!(breaks(&[library(m)], &[library(m)], &user).is_empty());
    assert_eq!(breaks(&[library(m)], &[library(&[])], &user), ["user of library: l/L.m()V"]);
    assert_eq!(
        breaks(&[library(m)], &[], &user),
        ["user of library: l/L", "user of library: l/L.m()V"]
    );
    // nobody can use it any more
    let private: &[(&str, u16)] = &[("m", 2)];
    assert_eq!(breaks(&[library(m)], &[library(private)], &user).len(), 1);
    // it was missing before
    assert!(breaks(&[library(&[])], &[library(&[])], &user).is_empty());
    // it moved to a superclass, which has it for all below
    let below = Class { superclass: "l/Base", ..library(&[]) };
    let base = Class { name: "l/Base", methods: m, ..PLAIN };
    assert!(breaks(&[library(m)], &[below, base], &user).is_empty());
    // one that Java itself has
    let user = Class { name: "u/U", calls: &[("l/L", "toString")], ..PLAIN };
    assert!(breaks(&[library(&[("toString", PUBLIC)])], &[library(&[])], &user).is_empty());
}

#[test]
fn classes_stay_what_they_are() {
    let library = |flags| Class { flags, name: "l/L", methods: &[("m", PUBLIC)], ..PLAIN };
    let user = Class { name: "u/U", calls: &[("l/L", "m")], ..PLAIN };
    assert_eq!(
        breaks(&[library(PUBLIC)], &[library(PUBLIC | INTERFACE)], &user),
        ["user of library: l/L.m()V (its class is an interface)"]
    );
    let user = Class { name: "u/U", superclass: "l/L", ..PLAIN };
    assert_eq!(
        breaks(&[library(PUBLIC)], &[library(PUBLIC | FINAL)], &user),
        ["user of library: l/L (it is final now)"]
    );
}

#[test]
fn new_code_finds_what_it_needs_where_its_package_is() {
    let api = Class { name: "api/Api", ..PLAIN };
    let core = |calls| Class { name: "core/Core", calls, ..PLAIN };
    // the user's part is what stays here: the library calls into it
    let new: &[(&str, &str)] = &[("api/Api", "added")];
    assert_eq!(breaks(&[core(&[])], &[core(new)], &api), ["library of user: api/Api.added()V"]);
    let class: &[(&str, &str)] = &[("api/Added", "m")];
    assert_eq!(breaks(&[core(&[])], &[core(class)], &api).len(), 2);
    // an optional library that is not there at all
    let optional: &[(&str, &str)] = &[("optional/X", "m")];
    assert!(breaks(&[core(&[])], &[core(optional)], &api).is_empty());
    // what the old one missed, too
    assert!(
        breaks(&[core(class)], &[core(class), Class { name: "core/B", ..PLAIN }], &api).is_empty()
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = ClassFile::parse(&bytes);
    }

    #[test]
    fn changed_bytes_never_panic(at in 0_usize..200, value: u8) {
        let mut bytes = Class { methods: &[("m", PUBLIC)], calls: &[("b/B", "n")], ..PLAIN }.bytes();
        let at = at % bytes.len();
        bytes[at] = value;
        let mut words = Words::default();
        Code::default().add(&bytes, &mut words);
    }
}
