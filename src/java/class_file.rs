//! Class files (The Java Virtual Machine Specification, chapter 4): what a class is, which members
//! it has, and what it refers to in its constant pool. Code is not read, and nothing is run.

/// What is read of a class. Names are as the file has them: `java/lang/Object`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassFile<'a> {
    /// Its own.
    pub name: &'a [u8],
    /// `ACC_*` flags.
    pub flags: u16,
    /// `None`: it is `java/lang/Object`, or a module.
    pub superclass: Option<&'a [u8]>,
    /// Those that it implements, or extends as an interface.
    pub interfaces: Vec<&'a [u8]>,
    /// Fields and methods.
    pub members: Vec<Member<'a>>,
    /// Classes and members that it names.
    pub references: Vec<Reference<'a>>,
}

/// A field or a method that a class has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// `ACC_*` flags.
    pub flags: u16,
    /// Which of both it is.
    pub is_field: bool,
    /// Its name.
    pub name: &'a [u8],
    /// Its type: `(I)V`.
    pub descriptor: &'a [u8],
}

/// Something that a class names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference<'a> {
    /// A class.
    Class(&'a [u8]),
    /// A field or a method of a class.
    Member {
        /// The class that it is looked up in.
        class: &'a [u8],
        /// Whether it is a field.
        is_field: bool,
        /// Whether it is called as an interface's method.
        of_interface: bool,
        /// Its name.
        name: &'a [u8],
        /// Its type.
        descriptor: &'a [u8],
    },
}

/// `ACC_PUBLIC`.
pub const PUBLIC: u16 = 1;
/// `ACC_PRIVATE`.
pub const PRIVATE: u16 = 2;
/// `ACC_PROTECTED`.
pub const PROTECTED: u16 = 4;
/// `ACC_FINAL`.
pub const FINAL: u16 = 0x10;
/// `ACC_INTERFACE`.
pub const INTERFACE: u16 = 0x200;

/// An entry of the constant pool, as far as it is needed.
#[derive(Clone, Copy)]
enum Constant<'a> {
    Other,
    Utf8(&'a [u8]),
    Class(u16),
    NameAndType(u16, u16),
    Member { tag: u8, class: u16, name_and_type: u16 },
}

/// A place in a file, never behind its end.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }
}

impl<'a> ClassFile<'a> {
    /// Reads a class file; `None`: it is none, or it is damaged.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut at = Cursor { rest: bytes };
        if at.u32()? != 0xcafe_babe {
            return None;
        }
        at.u32()?; // version
        let pool = Pool::read(&mut at)?;
        let flags = at.u16()?;
        let name = pool.class(at.u16()?)?;
        let superclass = match at.u16()? {
            0 => None,
            index => Some(pool.class(index)?),
        };
        let count = at.u16()?;
        let interfaces = (0..count).map(|_| pool.class(at.u16()?)).collect::<Option<_>>()?;
        let mut members = Vec::new();
        for is_field in [true, false] {
            for _ in 0..at.u16()? {
                let (flags, name, descriptor) = (at.u16()?, at.u16()?, at.u16()?);
                let (name, descriptor) = (pool.utf8(name)?, pool.utf8(descriptor)?);
                members.push(Member { flags, is_field, name, descriptor });
                for _ in 0..at.u16()? {
                    at.u16()?;
                    let length = usize::try_from(at.u32()?).ok()?;
                    at.take(length)?;
                }
            }
        }
        Some(Self { name, flags, superclass, interfaces, members, references: pool.references()? })
    }
}

struct Pool<'a>(Vec<Constant<'a>>);

impl<'a> Pool<'a> {
    fn read(at: &mut Cursor<'a>) -> Option<Self> {
        let count = usize::from(at.u16()?);
        let mut constants = vec![Constant::Other];
        while constants.len() < count {
            let constant = match at.u8()? {
                1 => {
                    let length = usize::from(at.u16()?);
                    Constant::Utf8(at.take(length)?)
                }
                3 | 4 | 17 | 18 => {
                    at.u32()?;
                    Constant::Other
                }
                // of 64 bits: they have two numbers
                5 | 6 => {
                    at.take(8)?;
                    constants.push(Constant::Other);
                    Constant::Other
                }
                7 => Constant::Class(at.u16()?),
                8 | 16 | 19 | 20 => {
                    at.u16()?;
                    Constant::Other
                }
                tag @ 9..=11 => {
                    Constant::Member { tag, class: at.u16()?, name_and_type: at.u16()? }
                }
                12 => Constant::NameAndType(at.u16()?, at.u16()?),
                15 => {
                    at.take(3)?;
                    Constant::Other
                }
                _ => return None,
            };
            constants.push(constant);
        }
        Some(Self(constants))
    }

    fn utf8(&self, index: u16) -> Option<&'a [u8]> {
        match self.0.get(usize::from(index))? {
            Constant::Utf8(text) => Some(text),
            _ => None,
        }
    }

    fn class(&self, index: u16) -> Option<&'a [u8]> {
        match self.0.get(usize::from(index))? {
            Constant::Class(name) => self.utf8(*name),
            _ => None,
        }
    }

    fn references(&self) -> Option<Vec<Reference<'a>>> {
        let mut references = Vec::new();
        for constant in &self.0 {
            match constant {
                Constant::Class(name) => {
                    references.extend(element(self.utf8(*name)?).map(Reference::Class));
                }
                Constant::Member { tag, class, name_and_type } => {
                    let Constant::NameAndType(name, descriptor) =
                        self.0.get(usize::from(*name_and_type))?
                    else {
                        return None;
                    };
                    let class = self.class(*class)?;
                    // arrays have Object's methods, and `clone`
                    if class.first() != Some(&b'[') {
                        references.push(Reference::Member {
                            class,
                            is_field: *tag == 9,
                            of_interface: *tag == 11,
                            name: self.utf8(*name)?,
                            descriptor: self.utf8(*descriptor)?,
                        });
                    }
                }
                _ => {}
            }
        }
        Some(references)
    }
}

/// The class that a name of a class or of an array is about: `a/B` of `[[La/B;`.
fn element(name: &[u8]) -> Option<&[u8]> {
    let of = name.iter().position(|byte| *byte != b'[').unwrap_or(name.len());
    match of {
        0 => Some(name),
        _ => name[of..].strip_prefix(b"L")?.strip_suffix(b";"),
    }
}
