//! Which certificates a call asks for, and what is known of each (p11-kit's `trust/enumerate.c`).

use std::collections::{HashMap, HashSet};

use imgfix_shell::{Process, Stop};

use super::certificate::{self, Certificate, Extension, oid};
use super::sources::{Class, Object, Token};

/// What is extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    Anchors,
    Blocklist,
    TrustPolicy,
    Certificates,
}

impl Filter {
    /// By the name that `--filter` has for it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ca-anchors" => Some(Self::Anchors),
            "blocklist" | "blacklist" => Some(Self::Blocklist),
            "trust-policy" => Some(Self::TrustPolicy),
            "certificates" => Some(Self::Certificates),
            _ => None,
        }
    }

    fn has_anchors(self) -> bool {
        matches!(self, Self::Anchors | Self::TrustPolicy)
    }
}

/// What the last number of 1.3.6.1.5.5.7.3 is for, with p11-kit's names for it.
const PURPOSES: &[(&str, u8)] = &[
    ("server-auth", 1),
    ("client-auth", 2),
    ("code-signing", 3),
    ("email", 4),
    ("email-protection", 4),
    ("ipsec-end-system", 5),
    ("ipsec-tunnel", 6),
    ("ipsec-user", 7),
    ("time-stamping", 8),
];

/// The content of 1.3.6.1.5.5.7.3.`last`.
#[must_use]
pub fn purpose(last: u8) -> Vec<u8> {
    vec![0x2b, 6, 1, 5, 5, 7, 3, last]
}

/// The purposes that certificates are asked for.
#[derive(Debug, Default)]
pub struct Purposes(HashSet<Vec<u8>>);

impl Purposes {
    /// Adds one by its name or number; whether there is such a one.
    pub fn add(&mut self, name: &str) -> bool {
        let known = PURPOSES.iter().find(|(other, _)| *other == name);
        let content = match known {
            Some((_, last)) => Some(purpose(*last)),
            None => {
                name.parse().ok().map(|oid: der::asn1::ObjectIdentifier| oid.as_bytes().to_vec())
            }
        };
        content.is_some_and(|content| {
            self.0.insert(content);
            true
        })
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether a certificate with these purposes is asked for; without purposes it is for all.
    fn allow(&self, purposes: Option<&[Vec<u8>]>) -> bool {
        let Some(purposes) = purposes.filter(|_| !self.0.is_empty()) else { return true };
        purposes.iter().any(|one| one == oid::ANY_PURPOSE || self.0.contains(one))
    }
}

/// A certificate that is extracted.
#[derive(Debug)]
pub struct Chosen<'a> {
    pub der: &'a [u8],
    pub subject: &'a [u8],
    /// Its name, if it has one.
    pub label: Option<&'a [u8]>,
    pub trusted: bool,
    pub distrusted: bool,
    /// Contents of the extensions attached to its key, by their identifiers.
    pub attached: HashMap<&'a [u8], &'a [u8]>,
}

/// What a call asks for.
pub struct Selection<'r> {
    pub filter: Filter,
    pub purposes: &'r Purposes,
}

impl Selection<'_> {
    /// The certificates, each once, in the order of the sources.
    ///
    /// # Errors
    /// Limits.
    pub fn of<'t>(
        &self,
        process: &mut Process<'_>,
        tokens: &'t [Token],
    ) -> Result<Vec<Chosen<'t>>, Stop> {
        let blocked = Blocked::of(tokens);
        let mut seen: HashSet<&[u8]> = HashSet::new();
        let mut chosen = Vec::new();
        for token in tokens {
            process.machine.spend_items(token.len())?;
            let attached = attached(token);
            for object in token.iter().filter(|object| object.is_certificate()) {
                let Some(der) = object.value.as_deref() else { continue };
                let is_asked = self.filter != Filter::Anchors || object.is_authority == Some(true);
                if !is_asked || seen.contains(der) || !self.has_trust(object, &blocked) {
                    continue;
                }
                seen.insert(der);
                let own = attached.get(&object.public_key.as_deref());
                let one = Chosen {
                    der,
                    subject: object.subject.as_deref().unwrap_or_default(),
                    label: object.label.as_deref().filter(|label| !label.is_empty()),
                    trusted: object.trusted == Some(true),
                    distrusted: object.distrusted == Some(true),
                    attached: own.cloned().unwrap_or_default(),
                };
                let Ok(purposes) = purposes(&one) else {
                    process.complain("couldn't parse the purposes of a certificate")?;
                    continue;
                };
                if self.purposes.allow(purposes.as_deref()) {
                    chosen.push(one);
                }
            }
        }
        Ok(chosen)
    }

    fn has_trust(&self, object: &Object, blocked: &Blocked<'_>) -> bool {
        if self.filter == Filter::Certificates {
            return true;
        }
        if object.distrusted == Some(true) {
            return self.filter != Filter::Anchors;
        }
        let is_blocked = self.filter.has_anchors() && blocked.has(object);
        self.filter.has_anchors() && !is_blocked && object.trusted == Some(true)
    }
}

/// What is distrusted somewhere.
#[derive(Default)]
struct Blocked<'t> {
    keys: HashSet<&'t [u8]>,
    serials: HashSet<(&'t [u8], &'t [u8])>,
}

impl<'t> Blocked<'t> {
    fn of(tokens: &'t [Token]) -> Self {
        let mut blocked = Self::default();
        for object in tokens.iter().flatten().filter(|object| object.distrusted == Some(true)) {
            blocked.serials.extend(serial(object));
            blocked.keys.extend(object.public_key.as_deref().filter(|key| !key.is_empty()));
        }
        blocked
    }

    fn has(&self, object: &Object) -> bool {
        object.public_key.as_deref().is_some_and(|key| self.keys.contains(key))
            || serial(object).is_some_and(|serial| self.serials.contains(&serial))
    }
}

fn serial(object: &Object) -> Option<(&[u8], &[u8])> {
    let issuer = object.issuer.as_deref().filter(|issuer| !issuer.is_empty())?;
    let serial = object.serial.as_deref().filter(|serial| !serial.is_empty())?;
    Some((issuer, serial))
}

/// The extensions that are attached to each key. Of several with one identifier the first counts.
fn attached(token: &Token) -> HashMap<Option<&[u8]>, HashMap<&[u8], &[u8]>> {
    let mut keys: HashMap<Option<&[u8]>, HashMap<&[u8], &[u8]>> = HashMap::new();
    for object in token.iter().filter(|object| object.class == Some(Class::Extension)) {
        let value = object.value.as_deref().unwrap_or_default();
        if let Ok(extension) = Extension::read(value) {
            let all = keys.entry(object.public_key.as_deref()).or_default();
            all.entry(extension.oid).or_insert(extension.content);
        }
    }
    keys
}

/// What a certificate is for, as it is attached or as it says itself; `None` is everything.
fn purposes(chosen: &Chosen<'_>) -> der::Result<Option<Vec<Vec<u8>>>> {
    let own = || Certificate::read(chosen.der).ok()?.extension(oid::EXTENDED_KEY_USAGE);
    let content = chosen.attached.get(oid::EXTENDED_KEY_USAGE).copied().or_else(own);
    content.map(certificate::purposes).transpose()
}
