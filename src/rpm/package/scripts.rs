//! The scripts of a package: those of its own installation, and triggers, which others set off.

use super::read_relations;
use crate::header::{Header, Strings, Tag, tag};
use crate::relation::{Flags, Relation, RelationError};

/// When a script of a package runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScriptletKind {
    /// Before the transaction.
    PreTrans,
    /// Before its files are there.
    Pre,
    /// When its files are there.
    Post,
    /// Before its files go.
    PreUn,
    /// When its files are gone.
    PostUn,
    /// After the transaction.
    PostTrans,
    /// Before a transaction that removes it.
    PreUnTrans,
    /// After a transaction that removed it.
    PostUnTrans,
    /// When somebody verifies it.
    Verify,
}

impl ScriptletKind {
    /// Of text, interpreter and flags.
    #[must_use]
    pub fn tags(self) -> [Tag; 3] {
        match self {
            Self::PreTrans => [tag::PRETRANS, tag::PRETRANSPROG, tag::PRETRANSFLAGS],
            Self::Pre => [tag::PREIN, tag::PREINPROG, tag::PREINFLAGS],
            Self::Post => [tag::POSTIN, tag::POSTINPROG, tag::POSTINFLAGS],
            Self::PreUn => [tag::PREUN, tag::PREUNPROG, tag::PREUNFLAGS],
            Self::PostUn => [tag::POSTUN, tag::POSTUNPROG, tag::POSTUNFLAGS],
            Self::PostTrans => [tag::POSTTRANS, tag::POSTTRANSPROG, tag::POSTTRANSFLAGS],
            Self::PreUnTrans => [tag::PREUNTRANS, tag::PREUNTRANSPROG, tag::PREUNTRANSFLAGS],
            Self::PostUnTrans => [tag::POSTUNTRANS, tag::POSTUNTRANSPROG, tag::POSTUNTRANSFLAGS],
            Self::Verify => [tag::VERIFYSCRIPT, tag::VERIFYSCRIPTPROG, tag::VERIFYSCRIPTFLAGS],
        }
    }
}

/// Flags of a script (`RPMSCRIPT_FLAG_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptFlags(pub u32);

impl ScriptFlags {
    /// Macros in it are expanded when it runs.
    pub const EXPAND: Self = Self(1);
    /// It is a format of `rpm --queryformat`, which makes the script.
    pub const QUERY_FORMAT: Self = Self(1 << 1);
    /// Its failure stops the installation, whatever its kind is.
    pub const CRITICAL: Self = Self(1 << 2);

    /// Whether it has any of these.
    #[must_use]
    pub const fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }
}

/// A script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scriptlet<'a> {
    /// Interpreter and its arguments: `/bin/sh`, `<lua>`; never empty.
    pub program: Vec<&'a [u8]>,
    /// What it interprets; `None`: the program itself is all (`-p /sbin/ldconfig`).
    pub body: Option<&'a [u8]>,
    /// How it is run.
    pub flags: ScriptFlags,
}

impl<'a> Scriptlet<'a> {
    pub(super) fn read(header: &'a Header, kind: ScriptletKind) -> Option<Self> {
        let [body, program, flags] = kind.tags();
        if !header.has(body) && !header.has(program) {
            return None;
        }
        let mut program: Vec<&[u8]> = header.strings(program).collect();
        if program.is_empty() {
            program.push(SHELL);
        }
        let flags = ScriptFlags(header.number32(flags).unwrap_or_default());
        Some(Self { program, body: header.string(body), flags })
    }
}

/// What runs a script that names no interpreter.
const SHELL: &[u8] = b"/bin/sh";

/// What a trigger waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TriggerKind {
    /// Packages.
    Package,
    /// Files of packages, each package by itself.
    File,
    /// Files of packages, once a transaction.
    TransactionFile,
}

/// The tags of a kind of trigger.
struct TriggerTags {
    scripts: Tag,
    programs: Tag,
    flags: Tag,
    /// Of names, flags and versions of conditions.
    conditions: [Tag; 3],
    indexes: Tag,
    priorities: Option<Tag>,
}

impl TriggerKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Package, Self::File, Self::TransactionFile];

    fn tags(self) -> TriggerTags {
        match self {
            Self::Package => TriggerTags {
                scripts: tag::TRIGGERSCRIPTS,
                programs: tag::TRIGGERSCRIPTPROG,
                flags: tag::TRIGGERSCRIPTFLAGS,
                conditions: [tag::TRIGGERNAME, tag::TRIGGERFLAGS, tag::TRIGGERVERSION],
                indexes: tag::TRIGGERINDEX,
                priorities: None,
            },
            Self::File => TriggerTags {
                scripts: tag::FILETRIGGERSCRIPTS,
                programs: tag::FILETRIGGERSCRIPTPROG,
                flags: tag::FILETRIGGERSCRIPTFLAGS,
                conditions: [tag::FILETRIGGERNAME, tag::FILETRIGGERFLAGS, tag::FILETRIGGERVERSION],
                indexes: tag::FILETRIGGERINDEX,
                priorities: Some(tag::FILETRIGGERPRIORITIES),
            },
            Self::TransactionFile => TriggerTags {
                scripts: tag::TRANSFILETRIGGERSCRIPTS,
                programs: tag::TRANSFILETRIGGERSCRIPTPROG,
                flags: tag::TRANSFILETRIGGERSCRIPTFLAGS,
                conditions: [
                    tag::TRANSFILETRIGGERNAME,
                    tag::TRANSFILETRIGGERFLAGS,
                    tag::TRANSFILETRIGGERVERSION,
                ],
                indexes: tag::TRANSFILETRIGGERINDEX,
                priorities: Some(tag::TRANSFILETRIGGERPRIORITIES),
            },
        }
    }
}

/// Priority of file triggers that name none.
pub const DEFAULT_PRIORITY: u32 = 1_000_000;

/// A script that others set off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger<'a> {
    /// What runs.
    pub script: Scriptlet<'a>,
    /// What sets it off: packages, or prefixes of paths, each with its place in the header's list.
    /// Their flags say when: [`Flags::TRIGGERIN`] and so on.
    pub conditions: Vec<(usize, Relation)>,
    /// Higher ones run first; [`DEFAULT_PRIORITY`] of triggers on packages.
    pub priority: u32,
}

impl Trigger<'_> {
    /// Whether it runs at this time: [`Flags::TRIGGERIN`], [`Flags::TRIGGERUN`],
    /// [`Flags::TRIGGERPOSTUN`] or [`Flags::TRIGGERPREIN`].
    #[must_use]
    pub fn is_at(&self, time: Flags) -> bool {
        self.conditions.iter().any(|(_, condition)| condition.flags().has(time))
    }
}

/// Why triggers of a header cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TriggersError {
    /// A condition is none.
    #[error("triggers: {0}")]
    Condition(#[from] RelationError),
    /// A list has another length than there are conditions.
    #[error("{conditions} conditions of triggers have {indexes} scripts")]
    Counts {
        /// How many conditions.
        conditions: usize,
        /// Of how many it is said which script they set off.
        indexes: usize,
    },
    /// A condition is of a script that is not there.
    #[error("a trigger has script {script}, and there are {scripts}")]
    Script {
        /// The script's number.
        script: u64,
        /// How many scripts there are.
        scripts: usize,
    },
}

pub(super) fn read_triggers(
    header: &Header,
    kind: TriggerKind,
) -> Result<Vec<Trigger<'_>>, TriggersError> {
    let tags = kind.tags();
    let conditions = read_relations(header, tags.conditions)?;
    let indexes = header.numbers(tags.indexes);
    if indexes.len() != conditions.len() {
        let conditions = conditions.len();
        return Err(TriggersError::Counts { conditions, indexes: indexes.len() });
    }
    let mut programs: Strings<'_> = header.strings(tags.programs);
    let flags = header.numbers(tags.flags);
    let priorities = tags.priorities.map(|tag| header.numbers(tag)).unwrap_or_default();
    let mut triggers: Vec<Trigger<'_>> = header
        .strings(tags.scripts)
        .enumerate()
        .map(|(at, body)| Trigger {
            script: Scriptlet {
                program: vec![programs.next().filter(|name| !name.is_empty()).unwrap_or(SHELL)],
                body: Some(body).filter(|body| !body.is_empty()),
                flags: ScriptFlags(flags.get32(at).unwrap_or_default()),
            },
            conditions: Vec::new(),
            priority: priorities.get32(at).unwrap_or(DEFAULT_PRIORITY),
        })
        .collect();
    let scripts = triggers.len();
    for (at, (condition, script)) in conditions.into_iter().zip(indexes.iter()).enumerate() {
        let trigger = usize::try_from(script).ok().and_then(|at| triggers.get_mut(at));
        let trigger = trigger.ok_or(TriggersError::Script { script, scripts })?;
        trigger.conditions.push((at, condition));
    }
    Ok(triggers)
}
