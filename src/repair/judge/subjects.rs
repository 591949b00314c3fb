//! The components of one store with what the judge has to know of it.

use super::concern::SameName;
use super::{At, Claims, Concern, Demand, State, concerned};
use imgfix_model::component::Component;
use imgfix_model::finding::{Class, Finding};
use imgfix_model::package::Inventory;
use imgfix_versions::VersionOrder;

/// What a store has, and how names and versions of it are compared.
#[derive(Debug, Clone)]
pub struct Components<'a> {
    /// In the store's order; a [`Concern`] gives positions in it.
    pub all: Vec<Component<'a>>,
    /// How their versions are compared.
    pub order: VersionOrder,
    /// Whether two texts name one of them.
    pub same_name: SameName,
}

impl<'a> Components<'a> {
    /// Every package that may be there: unfinished ones too, whose files may be.
    #[must_use]
    pub fn of_packages(inventory: &'a Inventory) -> Self {
        let all = inventory.present().map(Component::from).collect();
        Self { all, order: inventory.order, same_name: |a, b| a == b }
    }

    /// Which of them `finding` is about.
    #[must_use]
    pub fn concerned(&self, finding: &Finding) -> Concern {
        concerned(finding, &self.all, self.same_name)
    }

    /// Those at some positions.
    pub fn at<'b>(&'b self, positions: &'b [usize]) -> impl Iterator<Item = &'b Component<'a>> {
        positions.iter().filter_map(|at| self.all.get(*at))
    }

    /// What a finding demands of them.
    #[must_use]
    pub fn demand(&self, finding: &Finding) -> Demand {
        Demand::of(finding, self.order)
    }

    /// The one that became `component`, or that `component` was.
    #[must_use]
    pub fn same(&self, component: &Component<'_>) -> Option<&Component<'a>> {
        // two copies of one name may be in folders beside each other
        let is_at_its_path =
            |one: &&Component<'a>| one.path == component.path && one.is_same(component);
        let mut all = self.all.iter();
        all.clone().find(is_at_its_path).or_else(|| all.find(|one| one.is_same(component)))
    }

    /// Those that `finding` is about, which was made of `before`: what it named then may be
    /// recorded by another file now.
    #[must_use]
    pub fn concerned_after(&self, finding: &Finding, before: &Components<'_>) -> Concern {
        let now = self.concerned(finding);
        if finding.class != Class::Library {
            return now;
        }
        let then = before.concerned(finding);
        let became = before.at(then.components()).filter_map(|former| {
            let same = self.same(former)?;
            self.all.iter().position(|one| std::ptr::eq(one, same))
        });
        let mut at: Vec<usize> = now.components().iter().copied().chain(became).collect();
        at.sort_unstable();
        at.dedup();
        if at.is_empty() { now } else { Concern::Components(at) }
    }

    /// The state of a component; `before` is what the report was made of.
    #[must_use]
    pub fn state(
        &self,
        claims: &Claims,
        finding: &Finding,
        component: &Component<'_>,
        before: &Components<'_>,
    ) -> State {
        let former = before.same(component).map(At::of);
        claims.state(finding, former, At::of(component), self.order)
    }
}
