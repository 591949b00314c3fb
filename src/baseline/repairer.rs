//! The image's configuration as a store: [`Baseline`] finds it in every image, with what the
//! rules find in it. In come findings of scanners and of the rules themselves; out come steps,
//! each a recipe that was followed, and the reasons for what is left.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgfix_model::component::StoreId;
use imgfix_model::finding::{Class, Finding};
use imgfix_model::location::{FileLocation, Location, Span};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Because, PlatformPlan, StorePlan, StoreStep, Unfixed};
use imgfix_model::reason::Reason;
use imgfix_model::verdict::Verdict;
use imgfix_recipes::baseline::{BaselineRule, Check};
use imgfix_repair::error::{Cause, RepairerError};
use imgfix_repair::judge::Components;
use imgfix_repair::planner::{Request, Requests};
use imgfix_repair::repairer::{Done, Kind, Part, Repairer, Work};
use imgfix_versions::VersionOrder;
use imgfix_vfs::{FileSystem, Overlay};

use crate::change::follow;
use crate::check::{self, Place, Problem, RunFacts};
use crate::rules::{NotFollowed, RuleChoice, Rules};

/// The word of the store in plans and reports.
pub const KIND: &str = "baseline";

/// The largest file of settings that stays in memory while layers stream by, in bytes.
const MAX_KEPT: u64 = 1 << 20;

/// What the rules are about, as a kind of store.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    rules: Arc<Rules>,
    choice: Arc<RuleChoice>,
}

impl Baseline {
    /// With these rules, of which the user chose some.
    #[must_use]
    pub fn new(rules: Rules, choice: RuleChoice) -> Self {
        Self { rules: Arc::new(rules), choice: Arc::new(choice) }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What the rules find in an image, as findings: one for each rule and place; and the recipes
    /// whose question has no answer there, each with why.
    #[must_use]
    pub fn findings(
        &self,
        fs: &dyn FileSystem,
        image: &RunFacts,
    ) -> (Vec<Finding>, Vec<(String, String)>) {
        let (mut all, mut unanswered) = (Vec::new(), Vec::new());
        for rule in self.rules.iter() {
            match check::problems(rule, fs, Some(image)) {
                Ok(found) => all.extend(found.iter().map(|problem| finding(rule, problem))),
                Err(why) => unanswered.push((rule.recipe.clone(), why)),
            }
        }
        (all, unanswered)
    }
}

/// A problem as a finding of imgfix's own.
fn finding(rule: &BaselineRule, problem: &Problem) -> Finding {
    let finding = Finding {
        class: Class::Baseline,
        severity: rule.severity,
        title: Some(format!("{}: {} ({})", rule.title, problem.what, problem.place)),
        advisory: rule.sources.iter().find(|source| source.starts_with("https://")).cloned(),
        ..Finding::system(&rule.recipe, &problem.place.to_string(), "")
    };
    match &problem.place {
        Place::File(path, line) => {
            let lines = Span::of(*line, None);
            let file = FileLocation { lines, ..FileLocation::at(path.to_string()) };
            let package = path.to_string();
            Finding { package, ..finding.located(Location::File(file)) }
        }
        Place::Account(_) => finding,
        Place::Image(field) => finding.located(Location::Config { field: Some(*field) }),
    }
}

impl Kind for Baseline {
    fn wants(&self, path: &ImagePath, size: u64) -> bool {
        let is_asked = |check: &Check| match check {
            Check::Setting(check) => check.setting.file == *path,
            _ => false,
        };
        size <= MAX_KEPT && self.rules.iter().any(|rule| rule.checks.iter().any(is_asked))
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        let found =
            self.rules.iter().map(|rule| (rule.recipe.clone(), check::problems(rule, fs, None)));
        Ok(vec![Box::new(Store {
            id: StoreId::new(KIND, &ImagePath::root()),
            found: found.collect(),
            of: self.clone(),
        })])
    }
}

/// The configuration of an image.
struct Store {
    id: StoreId,
    of: Baseline,
    /// What each rule finds, or why it has no answer.
    found: BTreeMap<String, Result<Vec<Problem>, String>>,
}

impl Store {
    fn found(&self, rule: &BaselineRule) -> Result<&[Problem], &str> {
        match self.found.get(&rule.recipe) {
            Some(Ok(found)) => Ok(found),
            Some(Err(why)) => Err(why),
            None => Ok(&[]),
        }
    }

    /// Why a rule is not followed for a finding; `None`: it is.
    fn reason(&self, rule: &BaselineRule, finding: &Finding) -> Option<Reason> {
        let recipe = &rule.recipe;
        let detail = match (self.found(rule), self.of.choice.left(rule)) {
            (Err(why), _) => format!("{recipe} cannot be checked: {why}"),
            (Ok(_), Some(NotFollowed::ReportOnly)) => "no recipe repairs it".to_owned(),
            (Ok([]), _) => format!("{recipe} finds nothing wrong"),
            (Ok(_), Some(NotFollowed::Disabled)) => format!("the recipe {recipe} is skipped"),
            (Ok(_), Some(NotFollowed::Level)) => match &rule.breaks {
                Some(who) => format!("--enable-recipe {recipe} does it, and may break {who}"),
                None => format!("--enable-recipe {recipe} does it"),
            },
            (Ok(_), None) => return None,
        };
        Some(Reason::not_repairable(what(finding), detail))
    }
}

/// What a finding is about.
fn what(finding: &Finding) -> &str {
    let path = finding.path.as_deref();
    path.unwrap_or(if finding.package.is_empty() { &finding.id } else { &finding.package })
}

/// One step: a recipe that was followed.
fn step(rule: &BaselineRule, changed: &[ImagePath], findings: Vec<String>) -> StoreStep {
    StoreStep {
        component: rule.recipe.clone(),
        path: changed.first().cloned(),
        from: None,
        to: None,
        archive: None,
        unpack: None,
        attested_by: None,
        because: vec![Because::Fixes { findings }],
    }
}

impl Repairer for Store {
    fn store(&self) -> &StoreId {
        &self.id
    }

    fn components(&self) -> Components<'_> {
        Components { all: Vec::new(), order: VersionOrder::DPKG, same_name: |a, b| a == b }
    }

    fn wrong(&self, finding: &Finding) -> Option<String> {
        self.of.rules.about(finding).find_map(|rule| match self.found(rule) {
            Ok([]) => None,
            Ok([first, ..]) => Some(format!("{}: {}", first.place, first.what)),
            Err(why) => Some(format!("it cannot be checked: {why}")),
        })
    }

    fn claims(&self, finding: &Finding) -> bool {
        finding.class == Class::Baseline && self.of.rules.about(finding).next().is_some()
    }

    fn repair(
        &self,
        requests: &Requests,
        _work: &Work<'_>,
        mut overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        let Requests::Findings(requests) = requests else { return Ok(Done::unchanged(overlay)) };
        let mut wanted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut unfixed = Vec::new();
        for Request { finding, settled } in requests {
            if let Some(reason) = settled {
                unfixed.push(Unfixed { finding: finding.clone(), reason: reason.clone() });
                continue;
            }
            for rule in self.of.rules.about(finding) {
                match self.reason(rule, finding) {
                    Some(reason) => unfixed.push(Unfixed { finding: finding.clone(), reason }),
                    None => wanted.entry(&rule.recipe).or_default().push(finding.id.clone()),
                }
            }
        }
        let mut steps = Vec::new();
        for (recipe, mut ids) in wanted {
            let Some(rule) = self.of.rules.named(recipe) else { continue };
            let mut tried = overlay.clone();
            match follow(rule, &mut tried) {
                Ok(changed) => {
                    overlay = tried;
                    ids.sort();
                    ids.dedup();
                    steps.push(step(rule, &changed, ids));
                }
                Err(why) => {
                    let about = requests.iter().filter(|one| ids.contains(&one.finding.id));
                    unfixed.extend(about.map(|one| Unfixed {
                        finding: one.finding.clone(),
                        reason: Reason::not_repairable(
                            what(&one.finding),
                            format!("{recipe}: {why}"),
                        ),
                    }));
                }
            }
        }
        let part = match steps.is_empty() {
            true => Part::Nothing,
            false => Part::Store(StorePlan { store: self.id.clone(), steps }),
        };
        Ok(Done { part, unfixed, ..Done::unchanged(overlay) })
    }

    fn follow(
        &self,
        plan: &PlatformPlan,
        _work: &Work<'_>,
        mut overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        let Some(own) = plan.stores.iter().find(|one| one.store == self.id) else {
            return Ok(Done::unchanged(overlay));
        };
        for step in &own.steps {
            let refuse = |why: String| {
                RepairerError::Family(format!("the recipe {}: {why}", step.component).into())
            };
            let rule = self.of.rules.named(&step.component);
            let rule = rule.ok_or_else(|| refuse("there is none".to_owned()))?;
            follow(rule, &mut overlay).map_err(refuse)?;
        }
        Ok(Done { part: Part::Store(own.clone()), ..Done::unchanged(overlay) })
    }

    fn verdict(
        &self,
        finding: &Finding,
        after: Option<&dyn Repairer>,
        plan: &PlatformPlan,
        planned: Option<&Reason>,
    ) -> Verdict {
        let left = match (self.wrong(finding), after.and_then(|after| after.wrong(finding))) {
            (Some(_), None) if after.is_some() => {
                let recipes: Vec<&str> = plan
                    .stores
                    .iter()
                    .filter(|one| one.store == self.id)
                    .flat_map(|one| one.steps.iter().map(|step| step.component.as_str()))
                    .filter(|recipe| {
                        self.of.rules.about(finding).any(|rule| rule.recipe == *recipe)
                    })
                    .collect();
                // another store's change may have done it
                let version = match recipes.is_empty() {
                    true => "another change".to_owned(),
                    false => format!("recipe {}", recipes.join(", ")),
                };
                return Verdict::Fixed { version };
            }
            (_, Some(left)) => left,
            (None, None) => "imgfix's own check finds nothing wrong".to_owned(),
            (Some(left), None) => left,
        };
        let reason =
            planned.cloned().unwrap_or_else(|| Reason::not_repairable(what(finding), left));
        Verdict::NotFixed { reason }
    }
}
