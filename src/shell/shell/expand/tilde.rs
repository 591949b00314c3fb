//! `~` and `~user` at the beginning of words.

use bstr::BString;

use super::Tilde;
use crate::Stop;
use crate::shell::Shell;
use imgfix_model::path::ImagePath;

impl Shell<'_> {
    /// The directory that a tilde at the beginning of `text` means, and the text behind it.
    /// `last`: nothing comes after this text in the word.
    pub(super) fn home_directory<'t>(
        &mut self,
        text: &'t [u8],
        last: bool,
        tilde: Tilde,
    ) -> Result<Option<(BString, &'t [u8])>, Stop> {
        let Some(after) = text.strip_prefix(b"~") else { return Ok(None) };
        let ends = |b: &u8| *b == b'/' || (tilde == Tilde::Assignment && *b == b':');
        let end = match after.iter().position(ends) {
            Some(end) => end,
            None if last => after.len(),
            // An expansion is part of the user's name: there is no such user.
            None => return Ok(None),
        };
        let (user, rest) = after.split_at(end);
        let home = match user.is_empty() {
            true => self.state.variables.get(b"HOME").map(BString::from),
            false => self.home_of(user)?,
        };
        Ok(home.map(|home| (home, rest)))
    }

    fn home_of(&mut self, user: &[u8]) -> Result<Option<BString>, Stop> {
        let passwd = self.machine.read_file(&ImagePath::root(), b"/etc/passwd")?;
        let Ok(passwd) = passwd else { return Ok(None) };
        let of_user = passwd.split(|b| *b == b'\n').find_map(|line| {
            let mut fields = line.split(|b| *b == b':');
            (fields.next() == Some(user)).then(|| fields.nth(4).map(BString::from)).flatten()
        });
        Ok(of_user)
    }
}
