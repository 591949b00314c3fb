//! Plans in words.
use super::{Plan, Reason};
use std::fmt;
pub fn render(plan: &Plan) -> String {
    let mut out = String::new();
    for platform in &plan.platforms {
        for step in &platform.steps {
            out += &format!("{} {:?} -> {}\n", step.package, step.from, step.to);
        }
        for u in &platform.unfixed {
            out += &format!("{} {}: {}\n", u.finding.id, u.finding.package, u.reason);
        }
        for k in &platform.kept_back {
            out += &format!("kept back {} {}: {}\n", k.package, k.version, k.reason);
        }
    }
    out
}
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::report::text::explain(self))
    }
}
