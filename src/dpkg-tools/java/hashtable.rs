//! The order in which Java's `java.util.Hashtable` with strings as keys lists them: a key
//! store file is written in it, so it decides the file's bytes.
//!
//! (A table of 11 chains that grows to `2n + 1` before it would be filled by more than three
//! quarters; a new key stands first in its chain; chains are listed from the last to the first.)

/// Keys with values, listed as Java does.
#[derive(Debug, Clone)]
pub struct Hashtable<T> {
    chains: Vec<Vec<(String, T)>>,
    len: usize,
}

impl<T> Default for Hashtable<T> {
    fn default() -> Self {
        Self { chains: std::iter::repeat_with(Vec::new).take(11).collect(), len: 0 }
    }
}

impl<T> Hashtable<T> {
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        let at = self.position(key);
        self.chains.get(at).is_some_and(|chain| chain.iter().any(|(other, _)| other == key))
    }

    /// Puts a value in the place of the key's old one, or adds the key.
    pub fn put(&mut self, key: String, value: T) {
        let at = self.position(&key);
        let chain = self.chains.get_mut(at);
        if let Some((_, old)) =
            chain.and_then(|chain| chain.iter_mut().find(|(other, _)| *other == key))
        {
            *old = value;
            return;
        }
        if self.len >= self.chains.len() * 3 / 4 {
            self.grow();
        }
        self.add(key, value);
        self.len += 1;
    }

    /// Removes a key; whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let at = self.position(key);
        let Some(chain) = self.chains.get_mut(at) else { return false };
        let before = chain.len();
        chain.retain(|(other, _)| other != key);
        let removed = chain.len() < before;
        self.len -= usize::from(removed);
        removed
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        let chains = self.chains.iter().rev();
        chains.flat_map(|chain| chain.iter().rev().map(|(key, value)| (&key[..], value)))
    }

    fn grow(&mut self) {
        let chains = self.chains.len() * 2 + 1;
        let new = std::iter::repeat_with(Vec::new).take(chains).collect();
        for chain in std::mem::replace(&mut self.chains, new).into_iter().rev() {
            for (key, value) in chain.into_iter().rev() {
                self.add(key, value);
            }
        }
    }

    /// (A chain is kept with its first key last.)
    fn add(&mut self, key: String, value: T) {
        let at = self.position(&key);
        if let Some(chain) = self.chains.get_mut(at) {
            chain.push((key, value));
        }
    }

    fn position(&self, key: &str) -> usize {
        (hash(key) & 0x7fff_ffff) as usize % self.chains.len().max(1)
    }
}

/// `String.hashCode()`.
fn hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |sum: u32, unit| sum.wrapping_mul(31).wrapping_add(unit.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        for (text, want) in
            [("", 0), ("a", 97), ("hello", 99_162_322), ("polygenelubricants", 1 << 31)]
        {
            assert_eq!(hash(text), want, "{text}");
        }
    }

    #[test]
    fn keys_come_in_the_order_of_java() {
        // As `new Hashtable<String, Integer>()` of OpenJDK 17 lists them.
        let mut table = Hashtable::default();
        for key in ["a", "b", "l", "w"] {
            table.put(key.to_owned(), ());
        }
        let keys = |table: &Hashtable<()>| {
            table.iter().map(|(key, ())| key.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(keys(&table), ["b", "w", "l", "a"]);
        assert!(table.remove("l") && !table.remove("l"));
        for key in ["c", "d", "e", "f", "g", "h"] {
            table.put(key.to_owned(), ());
        }
        assert_eq!(table.len(), 9);
        assert_eq!(keys(&table), ["h", "g", "f", "e", "d", "c", "b", "a", "w"]);
    }
}
