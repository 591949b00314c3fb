//! What only bash has, as far as maintainer scripts use it: arrays, `[[`, `((`, more
//! expansions, braces, and the builtins for them.

mod arrays;
mod braces;
mod condition;
mod declare;
mod expansion;
mod loops;
mod shopt;

pub(super) use arrays::Element;
pub(super) use braces::expand_braces;
pub(super) use declare::declare;
pub(super) use expansion::cased;
pub(super) use loops::let_;
pub(super) use shopt::shopt;
